//! What may not stand in any tracked text: it would be true on one machine only.

use super::{Finding, Source};

/// Folders of one machine. Written in halves, so that this file is not its own finding.
const PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home", "/")];

/// No absolute path of somebody's machine.
pub fn places(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (at, line) in source.text.lines().enumerate() {
            for place in PLACES.iter().filter(|place| names(line, place)) {
                let what = format!("`{place}` is a folder of one machine; use a path from the root of the project");
                findings.push(Finding::new(&source.path, at + 1, what));
            }
        }
    }
    findings
}

/// Whether the line holds this path at the start of a path, not inside a longer one or a URL.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}/".contains(c))
    })
}

/// The one source of crates.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates come from crates.io, by name, for everybody: no mirror, no registry of one machine.
pub fn registries(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let mut find = |at: usize, what: &str| findings.push(Finding::new(&source.path, at + 1, what));
        for (at, line) in source.text.lines().enumerate() {
            let line = line.trim();
            if source.path.ends_with("Cargo.lock") {
                let elsewhere = line
                    .strip_prefix("source = \"")
                    .is_some_and(|from| from.trim_end_matches('"') != REGISTRY);
                if elsewhere {
                    find(at, "a crate from elsewhere than crates.io; use a released one");
                }
            } else if source.path.contains(".cargo/config") {
                let tables = ["[source", "[registr", "[net", "[http"];
                if tables.iter().any(|table| line.starts_with(table)) {
                    find(
                        at,
                        "settings of one machine's network; keep them in your own ~/.cargo/config.toml",
                    );
                }
            } else if source.path.ends_with(".npmrc") || source.path.ends_with("pip.conf") {
                find(
                    at,
                    "settings of one machine's package source; keep them in your own home folder",
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    #[test]
    fn machine_paths_are_found() {
        for place in PLACES {
            let inner = place.trim_start_matches('/');
            let bad = format!("fine\nsee {place}x");
            check(places, &[("README.md", &bad)], &["README.md:2"]);
            let fine = format!("https://example.com{place}x crates/net{inner} ../{inner}x");
            check(places, &[("README.md", &fine)], &[]);
        }
    }

    #[test]
    fn crates_come_from_one_place() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"registry+https://mirror.example/index\"");
        check(registries, &[("Cargo.lock", &lock)], &["Cargo.lock:2"]);
        let config = "[alias]\nxtask = \"run\"\n[source.crates-io]\nreplace-with = \"mirror\"";
        check(registries, &[(".cargo/config.toml", config)], &[".cargo/config.toml:3"]);
        check(
            registries,
            &[("web/.npmrc", "registry=https://mirror.example")],
            &["web/.npmrc:1"],
        );
    }
}
