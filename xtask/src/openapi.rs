//! `cargo xtask openapi`: the API's document, `docs/reference/openapi.json`, from the routes as they are.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{cargo, written};

/// What is generated; the client and the collection are made from it.
pub const DOCUMENT: &str = "docs/reference/openapi.json";

/// Writes the document anew, or only looks whether it is up to date. `IRONMONGER_BIN` names a program that is built
/// already.
///
/// # Errors
/// When the program cannot be built or started.
pub fn run(check: bool) -> Result<bool> {
    let mut program = match std::env::var_os("IRONMONGER_BIN") {
        Some(built) => Command::new(built),
        None => cargo(&["run", "-q", "-p", "ironmonger", "--"]),
    };
    // It refuses settings that it does not know.
    program.arg("openapi");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("IRONMONGER_")) {
            program.env_remove(name);
        }
    }
    let run = program
        .stdout(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .context("the program cannot start")?;
    ensure!(
        run.status.success(),
        "`ironmonger openapi` failed; its message stands above"
    );
    written(DOCUMENT, &run.stdout, check, "cargo xtask openapi")
}
