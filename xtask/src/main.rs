//! The developer's one door: `cargo xtask --help`.
//!
//! Small on purpose, so that it compiles in seconds and works when the rest does not: it uses none of our own crates.
#![allow(clippy::disallowed_methods)] // An edge of the project: it reads the environment and waits for processes.

mod client;
mod count;
mod fuzz;
mod openapi;
mod packages;
mod postgres;
mod postman;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Everything a developer or a CI runs, behind one command.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

const EXAMPLES: &str = "Examples:
  cargo xtask test                         the whole gate, as CI runs it
  cargo xtask test --quick --filter cart   only tests with `cart` in their name, without fmt, clippy and rustdoc
  cargo xtask tidy                         the rules of the house that no compiler knows; takes a second
  cargo xtask bench -- --help              what the benchmark can do
  cargo xtask fuzz --minutes 1 csv         strange product files for a minute
  cargo xtask openapi                      after a change of routes: write docs/reference/openapi.json anew,
  cargo xtask client                       then the types of the TypeScript client
  cargo xtask postman                      and the Postman collection";

#[derive(Subcommand)]
enum Task {
    /// Run the gate: fmt, tidy, clippy, rustdoc, build, then every test on SQLite and on a throw-away PostgreSQL.
    ///
    /// Installs PostgreSQL by apt-get when it is missing and this is root, else names what is missing. Stops at the
    /// first of fmt, tidy, clippy, rustdoc and build that fails; of the tests it runs all. Uses cargo-nextest where it
    /// is installed. The last line is `N passed, N failed` (and `, N skipped`).
    Test(test::Args),
    /// Check what no compiler knows: layers, file names and lengths, pure domains, where SQL may stand, and so on.
    Tidy,
    /// Run the benchmark in a release build; what follows goes to it.
    Bench {
        /// Arguments of the benchmark; `cargo xtask bench -- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Feed every reader of strangers' texts with bytes that look for new paths. Needs a nightly compiler and cargo-fuzz.
    Fuzz(fuzz::Args),
    /// Write docs/reference/openapi.json anew from the routes as they are.
    Openapi {
        /// Change nothing; fail if the file is not what the routes say.
        #[arg(long)]
        check: bool,
    },
    /// Write the types of the TypeScript client anew from docs/reference/openapi.json. Needs npm.
    Client {
        /// Change nothing; fail if the types are not what the document says.
        #[arg(long)]
        check: bool,
    },
    /// Write the Postman collection anew from docs/reference/openapi.json.
    Postman {
        /// Change nothing; fail if the collection is not what the document says.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Test(args) => test::run(&args),
        Task::Tidy => tidy::run(&root()).map(|findings| findings == 0),
        Task::Bench { args } => bench(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Openapi { check } => openapi::run(check),
        Task::Client { check } => client::run(check),
        Task::Postman { check } => postman::run(check),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &[String]) -> Result<bool> {
    let status = cargo(&["run", "--release", "-p", "bench", "--"])
        .args(args)
        .status()
        .context("cargo cannot start")?;
    Ok(status.success())
}

/// The API's document as it was written last.
fn document() -> Result<serde_json::Value> {
    let text = std::fs::read(root().join(openapi::DOCUMENT)).context("docs/reference/openapi.json cannot be read")?;
    serde_json::from_slice(&text).context("docs/reference/openapi.json is no JSON")
}

/// Writes a generated file of the checkout; or, with `check`, says whether it is up to date, and what to do if not.
fn written(name: &str, made: &[u8], check: bool, command: &str) -> Result<bool> {
    let file = root().join(name);
    let same = std::fs::read(&file).is_ok_and(|kept| kept == made);
    match (check, same) {
        (_, true) => println!("{name} is up to date"),
        (true, false) => println!("{name} is stale: run `{command}`"),
        (false, false) => {
            std::fs::create_dir_all(file.parent().context("the file has a folder")?)?;
            std::fs::write(&file, made).with_context(|| format!("{name} cannot be written"))?;
            println!("wrote {name}");
        }
    }
    Ok(same || !check)
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// `cargo` with these arguments in the workspace, without the variables by which the outer `cargo run` describes
/// xtask itself: they would make build scripts run again.
fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_PRIMARY_PACKAGE"
        });
        if own {
            command.env_remove(name);
        }
    }
    command.args(args).current_dir(root());
    command
}
