//! Names, lengths and places of files.

use super::layers::SERVICES;
use super::{Finding, Source};

/// Past this a file is split by noun.
const LINES_MAX: usize = 500;
/// A reason for more stands among the first lines, where a reader meets it.
const REASON_WITHIN: usize = 10;

/// No Rust file over 500 lines without `// long: reason` near its top.
pub fn lengths(sources: &[Source]) -> Vec<Finding> {
    let long = |source: &&Source| {
        let reason = source.text.lines().take(REASON_WITHIN).any(|line| {
            line.trim_start()
                .strip_prefix("// long:")
                .is_some_and(|reason| !reason.trim().is_empty())
        });
        source.is_rust() && source.text.lines().count() > LINES_MAX && !reason
    };
    sources
        .iter()
        .filter(long)
        .map(|source| {
            let lines = source.text.lines().count();
            let what =
                format!("{lines} lines; split it by noun, or say `// long: reason` in its first {REASON_WITHIN}");
            Finding::new(&source.path, LINES_MAX + 1, what)
        })
        .collect()
}

/// The files that each service has, so that who knows one knows all.
const FILES: &[&str] = &["lib", "domain", "actions", "http", "error", "store"];

/// Files that a service does without by design.
const WITHOUT: &[(&str, &[&str])] = &[
    // The edge keeps nothing: no rows, so neither rules over them nor actions on them.
    ("gateway", &["store", "migrations", "domain", "actions"]),
];

/// Each service has the same files, or its module docs say ``No `actions` `` and why.
pub fn services(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in SERVICES {
        let root = format!("crates/{service}/");
        let mut own = sources
            .iter()
            .filter(|source| source.path.starts_with(&root))
            .peekable();
        if own.peek().is_none() {
            continue; // Not built yet, or moved: the workspace would not compile without it.
        }
        let own: Vec<&Source> = own.collect();
        let lib = format!("{root}src/lib.rs");
        let docs: String = own
            .iter()
            .filter(|source| source.path == lib)
            .flat_map(|source| source.text.lines())
            .filter(|line| line.starts_with("//!"))
            .collect();
        let without = WITHOUT
            .iter()
            .find(|(name, _)| name == service)
            .map_or(&[][..], |(_, files)| files);
        let excused = |file: &str| {
            without.contains(&file) || docs.contains(&format!("No `{file}`")) || docs.contains(&format!("no `{file}`"))
        };
        for file in FILES.iter().filter(|file| !excused(file)) {
            let names = [format!("{root}src/{file}.rs"), format!("{root}src/{file}/mod.rs")];
            if !own.iter().any(|source| names.contains(&source.path)) {
                let what = format!(
                    "`{service}` has no {file}.rs as every service has; add it, or say ``No `{file}`: why`` here"
                );
                findings.push(Finding::new(&lib, 1, what));
            }
        }
        let migrations = format!("{root}migrations/");
        if !excused("migrations") && !own.iter().any(|source| source.path.starts_with(&migrations)) {
            let what = format!("`{service}` has no migrations; add the first, or say ``No `migrations`: why`` here");
            findings.push(Finding::new(&lib, 1, what));
        }
    }
    findings
}

/// Names that say nothing, so that everything ends up behind them.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc",
];

/// No crate and no module is called after nothing.
pub fn names(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.is_rust() || source.path.ends_with("Cargo.toml"))
    {
        let folders = source.path.split('/').rev().skip(1);
        for name in folders.chain([source.stem()]).filter(|name| EMPTY_NAMES.contains(name)) {
            findings.push(Finding::new(
                &source.path,
                1,
                format!("`{name}` names nothing; call it by what it holds"),
            ));
        }
        if !source.is_rust() {
            continue;
        }
        for (at, line) in super::lex::lex(&source.text).code.iter().enumerate() {
            let mut words = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .skip_while(|word| *word != "mod");
            // `mod name;` is found at its file; this is for `mod name { … }`.
            let inline = line.contains('{');
            if let Some(name) = words.nth(1).filter(|name| inline && EMPTY_NAMES.contains(name)) {
                let what = format!("module `{name}` names nothing; call it by what it holds");
                findings.push(Finding::new(&source.path, at + 1, what));
            }
        }
    }
    findings
}

/// Migrations are called `0001_noun.sql` and count up without gap or twin.
pub fn migrations(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last: Option<(&str, u32)> = None;
    // Sources are sorted by path, so the files of a folder follow one another in order.
    for source in sources {
        let Some((folder, name)) = source
            .path
            .rsplit_once('/')
            .filter(|(folder, _)| folder.ends_with("/migrations"))
        else {
            continue;
        };
        let number = name.split_once('_').filter(|(digits, rest)| {
            let noun = rest.strip_suffix(".sql").unwrap_or_default();
            digits.len() == 4
                && !noun.is_empty()
                && noun
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        });
        let Some(number) = number.and_then(|(digits, _)| digits.parse::<u32>().ok()) else {
            findings.push(Finding::new(
                &source.path,
                1,
                "no name of a migration; call it like `0002_returns.sql`",
            ));
            continue;
        };
        let expected = last.filter(|(of, _)| *of == folder).map_or(1, |(_, number)| number + 1);
        if number != expected {
            let what =
                format!("number {number:04} where {expected:04} is due; migrations count up without gap or twin");
            findings.push(Finding::new(&source.path, 1, what));
        }
        last = Some((folder, number));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    #[test]
    fn long_files_need_a_reason() {
        let long = "x\n".repeat(501);
        let reasoned = format!("//! Docs.\n// long: one table, read as one\n{long}");
        let late = format!("{}// long: too late\n{long}", "\n".repeat(REASON_WITHIN));
        let empty = format!("// long:\n{long}");
        let files = [
            ("crates/a/src/exact.rs", "x\n".repeat(500)),
            ("crates/a/src/long.rs", long.clone()),
            ("crates/a/src/reasoned.rs", reasoned),
            ("crates/a/src/late.rs", late),
            ("crates/a/src/empty.rs", empty),
            ("docs/long.md", long),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let expected = [
            "crates/a/src/long.rs:501",
            "crates/a/src/late.rs:501",
            "crates/a/src/empty.rs:501",
        ];
        check(lengths, &files, &expected);
    }

    const CART: &[(&str, &str)] = &[
        ("crates/cart/migrations/0001_cart.sql", ""),
        ("crates/cart/src/actions.rs", ""),
        ("crates/cart/src/domain/mod.rs", ""),
        ("crates/cart/src/error.rs", ""),
        ("crates/cart/src/http.rs", ""),
        ("crates/cart/src/lib.rs", "//! Carts."),
        ("crates/cart/src/store.rs", ""),
    ];

    #[test]
    fn services_are_alike() {
        check(services, CART, &[]);
        for missing in ["migrations", "actions", "domain", "error", "http", "store"] {
            let rest: Vec<_> = CART
                .iter()
                .copied()
                .filter(|(path, _)| !path.contains(missing))
                .collect();
            check(services, &rest, &["crates/cart/src/lib.rs:1"]);
        }
    }

    #[test]
    fn a_service_may_say_what_it_does_without() {
        let files: Vec<_> = CART
            .iter()
            .copied()
            .filter(|(path, _)| !path.contains("actions"))
            .collect();
        let said: Vec<_> = files
            .iter()
            .map(|(path, text)| {
                (
                    *path,
                    if path.ends_with("lib.rs") {
                        "//! No `actions`: it only reads."
                    } else {
                        *text
                    },
                )
            })
            .collect();
        check(services, &said, &[]);
        check(
            services,
            &[("crates/gateway/src/lib.rs", ""), ("crates/gateway/src/http.rs", "")],
            &[
                "crates/gateway/src/lib.rs:1", // no error.rs
            ],
        );
    }

    #[test]
    fn empty_names_are_found() {
        let files = [
            ("crates/common/Cargo.toml", ""),
            ("crates/a/src/utils.rs", ""),
            ("crates/a/src/helpers/text.rs", ""),
            (
                "crates/a/src/fine.rs",
                "pub mod manager {\n}\nmod managers_desk {}\n// mod utils {",
            ),
        ];
        let expected = [
            "crates/common/Cargo.toml:1",
            "crates/a/src/utils.rs:1",
            "crates/a/src/helpers/text.rs:1",
            "crates/a/src/fine.rs:1",
        ];
        check(names, &files, &expected);
    }

    #[test]
    fn migrations_count_up() {
        let fine = [
            ("crates/a/migrations/0001_a.sql", ""),
            ("crates/a/migrations/0002_b_2.sql", ""),
            ("crates/b/migrations/0001_b.sql", ""),
        ];
        check(migrations, &fine, &[]);
        let bad = [
            ("crates/a/migrations/0001_a.sql", ""),
            ("crates/a/migrations/0001_twin.sql", ""),
            ("crates/a/migrations/0003_gap.sql", ""),
            ("crates/b/migrations/0002_first.sql", ""),
            ("crates/b/migrations/3_short.sql", ""),
            ("crates/b/migrations/0003_Case.sql", ""),
        ];
        let expected = [
            "crates/a/migrations/0001_twin.sql:1",
            "crates/a/migrations/0003_gap.sql:1",
            "crates/b/migrations/0002_first.sql:1",
            "crates/b/migrations/3_short.sql:1",
            "crates/b/migrations/0003_Case.sql:1",
        ];
        check(migrations, &bad, &expected);
    }
}
