//! How a test says that it had nothing to do, so that the gate counts it as skipped and not as passed.

use std::io::Write;

/// Says that the running test is skipped, and why: prints it, and appends it to the file that `cargo xtask test` names
/// in `IRONMONGER_SKIPS`. The test then returns. The only good reason is data that is not part of the project.
///
/// # Panics
/// When the file cannot be written: a skip that nobody counts would look like a pass.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let name = std::env::var("NEXTEST_TEST_NAME").ok();
    let test = name.as_deref().or(thread.name()).unwrap_or("a test");
    println!("skipped: {test}: {reason}");
    if let Some(file) = std::env::var_os("IRONMONGER_SKIPS") {
        let mut file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(file)
            .expect("the skips file opens");
        // One write, so that lines of tests that run at once do not mix.
        file.write_all(format!("{test}: {reason}\n").as_bytes())
            .expect("the skips file takes a line");
    }
}

/// The folder of sample data beside the checkout (`IRONMONGER_SHARED_DATA`, else `../shared/data`); when it is absent,
/// says that the running test is skipped.
pub fn shared_data() -> Option<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = match std::env::var_os("IRONMONGER_SHARED_DATA") {
        Some(folder) => folder.into(),
        None => root.join("../shared/data"),
    };
    if !folder.is_dir() {
        skip("the folder ../shared/data is not here");
        return None;
    }
    Some(folder)
}
