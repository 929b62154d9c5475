//! `ironmonger`: a complete shop in one program, or any part of one.

#![allow(clippy::disallowed_methods)] // The binary reads the environment, for everybody else.

use std::process::ExitCode;

use clap::Parser as _;

mod cli;

/// Frees memory soon and scales over threads; the system's allocator kept twice as much after a load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    take_small_pages();
    let arguments = cli::Arguments::parse();
    match cli::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ironmonger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Memory by pages of 4 KiB. The allocator asks Linux for pages of 2 MiB, of which a resting shop held 20 to 30 MiB that
/// nobody used any more, and which made a purchase no cheaper.
fn take_small_pages() {
    // A system that will not do so costs this memory and nothing else.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
