//! What no compiler checks: `cargo xtask tidy`.
//!
//! Each rule is a function from the project's files to findings, so that its tests can feed it a bad sample: a check
//! that cannot fail is a defect. If review finds the same thing twice, it becomes a rule here.

mod code;
mod layers;
mod layout;
mod lex;
mod text;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// One file of the project.
pub struct Source {
    /// From the root of the project, with `/`.
    pub path: String,
    /// Empty for files that are not UTF-8.
    pub text: String,
}

impl Source {
    /// Rust source, whose code the rules may lex.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The name without folder and ending: `store` for `crates/cart/src/store.rs`.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// `cart` for everything below `crates/cart/`.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Written for tests only: `tests/…`, `tests.rs`, `checkout_tests.rs`.
    pub fn is_test(&self) -> bool {
        let folder = self.path.starts_with("tests/") || self.path.contains("/tests/");
        folder || self.stem() == "tests" || self.stem().ends_with("_tests")
    }
}

/// Something to mend; displays as `path:line: what, and what to do`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    /// Lines count from 1; what concerns a whole file says line 1.
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Finding {
            path: path.to_string(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A rule reads all files at once, since some compare them.
type Rule = fn(&[Source]) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("layers", layers::layers),
    ("unused", layers::unused),
    ("lengths", layout::lengths),
    ("services", layout::services),
    ("names", layout::names),
    ("migrations", layout::migrations),
    ("domains", code::domains),
    ("sql", code::sql),
    ("unsafe", code::unsafe_blocks),
    ("sleeps", code::sleeps),
    ("places", text::places),
    ("registries", text::registries),
];

/// Prints every finding and says how many there are.
pub fn run(root: &Path) -> Result<usize> {
    let sources = sources(root)?;
    ensure!(
        sources.iter().any(|source| source.path == "Cargo.toml"),
        "this is not the folder of the project"
    );
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|(_, rule)| rule(&sources)).collect();
    findings.sort();
    findings.iter().for_each(|finding| println!("{finding}"));
    println!(
        "{} rules, {} files, {} findings",
        RULES.len(),
        sources.len(),
        findings.len()
    );
    Ok(findings.len())
}

/// Every file that is tracked or about to be; without git, every file that is not output.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    let mut paths = match listed {
        Ok(run) if run.status.success() => String::from_utf8_lossy(&run.stdout)
            .split_terminator('\0')
            .map(str::to_string)
            .collect(),
        _ => {
            let mut found = Vec::new();
            walk(root, "", &mut found)?;
            found
        }
    };
    paths.sort();
    paths.dedup();
    // A file deleted and not yet committed is listed and absent.
    let present = paths.into_iter().filter(|path| root.join(path).is_file());
    present
        .map(|path| {
            let bytes = fs::read(root.join(&path)).with_context(|| format!("{path} cannot be read"))?;
            Ok(Source {
                text: String::from_utf8(bytes).unwrap_or_default(),
                path,
            })
        })
        .collect()
}

fn walk(root: &Path, folder: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        if !entry.file_type()?.is_dir() {
            found.push(path);
        } else if ![".git", "target", "data", ".local"].contains(&name.as_str()) {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

/// What the tests of the rules share.
#[cfg(test)]
mod samples {
    use super::*;

    /// A project of these files.
    pub fn project(files: &[(&str, &str)]) -> Vec<Source> {
        files
            .iter()
            .map(|(path, text)| Source {
                path: path.to_string(),
                text: text.to_string(),
            })
            .collect()
    }

    /// The rule finds exactly this, `path:line` each, in order.
    pub fn check(rule: Rule, files: &[(&str, &str)], expected: &[&str]) {
        let found: Vec<String> = rule(&project(files))
            .iter()
            .map(|f| format!("{}:{}", f.path, f.line))
            .collect();
        assert_eq!(found, expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let finding = Finding::new("crates/cart/src/http.rs", 7, "SQL in a string; move it to store.rs");
        assert_eq!(
            finding.to_string(),
            "crates/cart/src/http.rs:7: SQL in a string; move it to store.rs"
        );
    }

    #[test]
    fn reads_the_project_it_is_part_of() -> Result<()> {
        let sources = sources(&crate::root())?;
        assert!(sources.iter().any(|source| source.path == "xtask/src/tidy.rs"));
        assert!(!sources.iter().any(|source| source.path.starts_with("target/")));
        Ok(())
    }
}
