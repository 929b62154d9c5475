//! What commands print: their results, to standard output.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use anyhow::{Context as _, Result};

/// Prints a line. A reader that is gone (`ironmonger config | head`) has seen what it wanted: what follows is not
/// printed any more, and the command does its work and ends as it would have.
///
/// # Errors
/// When the line cannot be written for another reason, such as a full disk.
pub fn say(line: impl Display) -> Result<()> {
    say_to(&mut std::io::stdout().lock(), line)
}

fn say_to(out: &mut impl Write, line: impl Display) -> Result<()> {
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(fault) if fault.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes nothing, for this reason.
    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_is_gone_is_no_fault() {
        let mut out = Vec::new();
        say_to(&mut out, 1).unwrap();
        assert_eq!(out, b"1\n");
        say_to(&mut Broken(ErrorKind::BrokenPipe), 1).unwrap();
        say_to(&mut Broken(ErrorKind::StorageFull), 1).unwrap_err();
    }
}
