//! Every text that ever broke a reader, and those that reach furthest into it: read again, each by the reader that its
//! folder names. `cargo xtask fuzz` looks for more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_reader_has_a_corpus_and_a_target() {
    let readers: BTreeSet<String> = strangers::READERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder()), readers);
    let targets = names(&folder().join("../fuzz_targets"));
    assert_eq!(targets, readers.iter().map(|name| format!("{name}.rs")).collect());
}

#[test]
fn nothing_that_strangers_sent_breaks_a_reader() {
    for (name, read) in strangers::READERS {
        let folder = folder().join(name);
        let files = names(&folder);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let bytes = std::fs::read(folder.join(&file)).expect("a text");
            let told = std::panic::catch_unwind(|| read(&bytes));
            assert!(
                told.is_ok(),
                "fuzz/corpus/{name}/{file} breaks {name}; what it says stands above"
            );
        }
    }
}
