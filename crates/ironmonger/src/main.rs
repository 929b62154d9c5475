//! `ironmonger`: a complete shop in one program, or any part of one.

#![allow(clippy::disallowed_methods)] // The binary reads the environment, for everybody else.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;

/// Frees memory soon and scales over threads; the system's allocator kept twice as much after a load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match cli::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ironmonger: {error:#}");
            ExitCode::FAILURE
        }
    }
}
