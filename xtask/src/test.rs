//! The gate: `cargo xtask test`. A list of steps, then all tests, then one line that counts them.

use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::count::Count;
use crate::postgres::{self, Postgres};
use crate::{cargo, packages, root, tidy};

/// How thorough to be.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out fmt, clippy and rustdoc.
    #[arg(long)]
    quick: bool,
    /// Run the long versions of crash and race tests (sets IRONMONGER_LONG=1).
    #[arg(long)]
    long: bool,
    /// Run only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// True when every step and every test passed, and at least one test did.
pub fn run(args: &Args) -> Result<bool> {
    packages::provide()?;
    let binaries = postgres::provide()?;
    if !steps(args)? {
        println!("\nA step before the tests failed, so none ran.\n{}", Count::default());
        return Ok(false);
    }
    let tests = tests(args, &binaries);
    // The server is gone by now, whatever happened, so that the count is the last line.
    let Run { count, clean, skips } = match tests {
        Ok(run) => run,
        Err(error) => {
            println!("\nThe tests could not be run: {error:#}\n{}", Count::default());
            return Ok(false);
        }
    };
    if !skips.is_empty() {
        println!("\nSkipped:");
        skips.iter().for_each(|skip| println!("  {skip}"));
    }
    if !clean && count.failed == 0 {
        println!("\nThe test run ended with an error that is no failed test; it stands above.");
    }
    if count.passed + count.failed == 0 {
        println!("\nNo test ran.");
    }
    println!("\n{count}");
    Ok(clean && count.failed == 0 && count.passed > 0)
}

/// Everything before the tests; stops at the first that fails.
fn steps(args: &Args) -> Result<bool> {
    if !args.quick {
        if present("fmt") {
            if !step("fmt", || succeeds(cargo(&["fmt", "--all", "--check"])))? {
                println!("`cargo fmt --all` mends this.");
                return Ok(false);
            }
        } else {
            println!("fmt: left out, since rustfmt is not installed (`rustup component add rustfmt`)");
        }
    }
    if !step("tidy", || Ok(tidy::run(&root())? == 0))? {
        return Ok(false);
    }
    if !args.quick {
        if present("clippy") {
            let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
            if !step("clippy", || succeeds(cargo(&clippy)))? {
                return Ok(false);
            }
        } else {
            println!("clippy: left out, since it is not installed (`rustup component add clippy`)");
        }
        let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        if !step("rustdoc", || succeeds(doc))? {
            return Ok(false);
        }
    }
    // `--workspace` makes the features the same as in the tests, so that nothing is compiled twice.
    step("build", || {
        succeeds(cargo(&["build", "--workspace", "--bin", "ironmonger"]))
    })
}

struct Run {
    count: Count,
    /// Every command of the run succeeded.
    clean: bool,
    /// Tests that said that they had nothing to do, with the reason.
    skips: Vec<String>,
}

/// All tests, with a PostgreSQL of their own that ends with this function.
fn tests(args: &Args, binaries: &Path) -> Result<Run> {
    let started = Instant::now();
    heading("PostgreSQL");
    let server = Postgres::start(binaries)?;
    println!("{} at {}", server.version.trim(), server.url);
    done("PostgreSQL", started);

    let skips = server.folder.join("skips");
    let mut count = Count::default();
    let mut clean = true;
    for (name, command) in runners(args) {
        let mut command = command;
        command
            .env("IRONMONGER_BIN", binary()?)
            .env("IRONMONGER_XTASK", std::env::current_exe()?)
            .env("IRONMONGER_TEST_POSTGRES", &server.url)
            .env("IRONMONGER_SKIPS", &skips);
        if let Ok(data) = root().join("../shared/data").canonicalize() {
            command.env("IRONMONGER_SHARED_DATA", data);
        }
        if args.long {
            command.env("IRONMONGER_LONG", "1");
        }
        clean &= step(name, || tee(command, &mut count))?;
    }
    if args.filter.is_some() {
        count.skipped = 0; // nextest calls what the filter left out skipped.
    }
    let skips: Vec<String> = fs::read_to_string(skips)
        .unwrap_or_default()
        .lines()
        .map(str::to_string)
        .collect();
    count.skip(skips.len() as u64);
    Ok(Run { count, clean, skips })
}

/// The commands that run the tests, each with its heading.
fn runners(args: &Args) -> Vec<(&'static str, Command)> {
    let filter: Vec<&str> = args.filter.as_deref().into_iter().collect();
    let mut test = cargo(&["test", "--workspace", "--no-fail-fast"]);
    test.args(&filter);
    if !present("nextest") {
        println!("\ncargo-nextest is not installed; `cargo test` does the same, less in parallel");
        return vec![("tests", test)];
    }
    let mut nextest = cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests", "pass"]);
    nextest.args(&filter);
    if args.long {
        nextest.args(["--profile", "long"]);
    }
    vec![("tests", nextest), ("examples in the docs", test_docs(test))]
}

/// nextest leaves the examples in doc comments to `cargo test`.
fn test_docs(mut test: Command) -> Command {
    test.arg("--doc");
    test
}

/// The debug binary, which stands beside this one.
fn binary() -> Result<std::path::PathBuf> {
    let this = std::env::current_exe().context("this program has a path")?;
    Ok(this.with_file_name("ironmonger"))
}

/// Whether this subcommand of cargo is installed.
fn present(subcommand: &str) -> bool {
    let asked = cargo(&[subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Runs one step under a heading and says how long it took.
fn step(name: &str, work: impl FnOnce() -> Result<bool>) -> Result<bool> {
    heading(name);
    let started = Instant::now();
    let good = work()?;
    done(
        if good {
            name.to_string()
        } else {
            format!("{name} FAILED")
        },
        started,
    );
    Ok(good)
}

fn heading(name: &str) {
    println!("\n=== {name}");
}

fn done(name: impl std::fmt::Display, started: Instant) {
    println!("--- {name}: {:.1} s", started.elapsed().as_secs_f64());
}

fn succeeds(mut command: Command) -> Result<bool> {
    Ok(command.status().context("cargo cannot start")?.success())
}

/// Runs the command, prints its lines as they come, and counts the tests in them.
fn tee(mut command: Command, count: &mut Count) -> Result<bool> {
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cargo cannot start")?;
    let (lines, received) = mpsc::channel();
    let pipes: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<_>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<_>),
    ];
    for pipe in pipes.into_iter().flatten() {
        let lines = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
    }
    drop(lines);
    let mut out = std::io::stdout().lock();
    for line in received {
        let line = String::from_utf8_lossy(&line);
        count.read(&line);
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    Ok(child.wait()?.success())
}
