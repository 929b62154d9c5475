//! How many tests passed, failed and were skipped, read from what cargo-nextest or `cargo test` print.

use std::fmt;

/// What a run of tests came to; displays as the last line of the gate.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Tests that ran and did what they should.
    pub passed: u64,
    /// Tests that did not, or took too long.
    pub failed: u64,
    /// Tests that are ignored, or found that what they need is absent.
    pub skipped: u64,
}

impl Count {
    /// Adds what this line of output tells, if it is one of the two kinds of summary.
    pub fn read(&mut self, line: &str) {
        let line = plain(line);
        // At the start of the line: nextest shows a failed test's own output, its `test result` included, indented.
        if let Some(libtest) = line.strip_prefix("test result: ") {
            // `test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.00s`
            self.add(libtest.split(['.', ';']));
        } else if line.trim_start().starts_with("Summary [") {
            // `Summary [   0.069s] 4 tests run: 1 passed (1 slow), 2 failed, 1 timed out, 5 skipped`
            if let Some((_, counts)) = line.split_once("run: ") {
                self.add(counts.split(','));
            }
        }
    }

    fn add<'a>(&mut self, counts: impl Iterator<Item = &'a str>) {
        for count in counts {
            let mut words = count.split_whitespace();
            let (Some(number), Some(what)) = (words.next().and_then(|n| n.parse::<u64>().ok()), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                // "timed out" and "exec failed" are nextest's.
                "failed" | "timed" | "exec" => self.failed += number,
                "ignored" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Tests that passed only because they found nothing to do count as skipped.
    pub fn skip(&mut self, tests: u64) {
        self.passed = self.passed.saturating_sub(tests);
        self.skipped += tests;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// The line without terminal colours.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, expected: &str) {
        let mut count = Count::default();
        output.lines().for_each(|line| count.read(line));
        assert_eq!(count.to_string(), expected, "{output}");
    }

    #[test]
    fn reads_nextest() {
        check(
            "     Summary [   0.069s] 2 tests run: 1 passed, 1 failed, 1 skipped",
            "1 passed, 1 failed, 1 skipped",
        );
        check(
            "     Summary [   9.000s] 1 test run: 1 passed, 0 skipped",
            "1 passed, 0 failed",
        );
        check(
            "     Summary [ 9.0s] 7/9 tests run: 3 passed (1 slow, 1 flaky), 1 failed, 2 timed out, 1 exec failed, 0 skipped",
            "3 passed, 4 failed",
        );
        check(
            "\u{1b}[31;1m     Summary\u{1b}[0m [   0.069s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m",
            "2 passed, 0 failed",
        );
    }

    #[test]
    fn reads_libtest_and_adds_up() {
        check(
            "running 3 tests\ntest bad ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.05s\n\
             test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "3 passed, 1 failed, 1 skipped",
        );
    }

    #[test]
    fn ignores_what_only_looks_like_a_count() {
        check(
            "INFO 5 passed, 3 failed\nSummary of 3 passed, 1 failed",
            "0 passed, 0 failed",
        );
    }

    #[test]
    fn a_test_without_its_data_is_skipped_not_passed() {
        let mut count = Count {
            passed: 5,
            failed: 0,
            skipped: 1,
        };
        count.skip(2);
        assert_eq!(count.to_string(), "3 passed, 0 failed, 3 skipped");
    }
}
