//! What may stand in which Rust file.

use super::lex::lex;
use super::{Finding, Source};

/// Words that have no place in a `domain`, and what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("async", "rules are synchronous; load before, save after"),
    ("await", "rules are synchronous; load before, save after"),
    ("tokio", "rules know no runtime; do this in actions"),
    ("axum", "rules know no HTTP; do this in http"),
    ("store", "rules know no rows; load in actions and pass values"),
    ("SystemTime", "rules know no clock; take `now: Time`"),
    ("Instant", "rules know no clock; take `now: Time`"),
    ("Clock", "rules know no clock; take `now: Time`"),
    ("Ids", "rules make no ids; take the id"),
    ("rusqlite", "rules know no SQL; this is the store's"),
];

/// `domain` is pure: values in, values out. Its tests may make what they like.
pub fn domains(sources: &[Source]) -> Vec<Finding> {
    let is_domain = |source: &&Source| {
        source.is_rust()
            && source.crate_name().is_some()
            && (source.path.ends_with("/src/domain.rs") || source.path.contains("/src/domain/"))
            && !source.is_test()
    };
    let mut findings = Vec::new();
    for source in sources.iter().filter(is_domain) {
        let code = lex(&source.text).code;
        for (at, line) in code.iter().enumerate().take(tests_from(&code)) {
            for (word, instead) in IMPURE.iter().filter(|(word, _)| stands_in(line, word)) {
                findings.push(Finding::new(
                    &source.path,
                    at + 1,
                    format!("`{word}` in a domain: {instead}"),
                ));
            }
        }
    }
    findings
}

/// Whether the line of code uses this name: modules only as part of a path, since `store` may be a fine variable.
fn stands_in(line: &str, word: &str) -> bool {
    let is_module = word.chars().all(|c| c.is_ascii_lowercase()) && !["async", "await"].contains(&word);
    words(line).any(|(before, found, after)| {
        found == word && (!is_module || after.starts_with("::") || before.ends_with("::") || before.ends_with("use "))
    })
}

/// Each identifier of a line, with what stands before and after it.
pub fn words(line: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(is_word)?;
        let end = line[start..]
            .find(|c| !is_word(c))
            .map_or(line.len(), |length| start + length);
        at = end;
        Some((&line[..start], &line[start..end], &line[end..]))
    })
}

/// Crates whose trade is SQL, or which stand outside the product, and tests that spoil the books to see it found.
const SQL_CRATES: &[&str] = &[
    "crates/store/",
    "crates/bus/",
    "crates/testkit/",
    "bench/",
    "xtask/",
    "tests/it/tests/",
];

/// SQL stands in `store.rs` (or `store/`) only.
pub fn sql(sources: &[Source]) -> Vec<Finding> {
    let may = |path: &str| {
        SQL_CRATES.iter().any(|root| path.starts_with(root))
            || path.ends_with("/store.rs")
            || path.contains("/src/store/")
    };
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !may(&source.path)) {
        for literal in lex(&source.text).strings {
            if let Some(statement) = statement(&literal.text) {
                let what = format!("{statement} in a string; move the statement to store.rs and call it from here");
                findings.push(Finding::new(&source.path, literal.line, what));
            }
        }
    }
    findings
}

/// The kind of SQL statement that this text is, if it is one. Written in capitals or small letters throughout, as SQL
/// is and sentences are not; hostile input that holds SQL further on is none.
fn statement(text: &str) -> Option<&'static str> {
    let text = text.replace("\\n", " "); // Escapes stand as written.
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == '\\');
    let first = text.split_whitespace().next()?;
    let cased = first.chars().all(|c| c.is_ascii_uppercase()) || first.chars().all(|c| c.is_ascii_lowercase());
    if !cased {
        return None;
    }
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .map(str::to_uppercase)
        .collect();
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty())
        .collect();
    let capitals = first.chars().all(|c| c.is_ascii_uppercase());
    match words.as_slice() {
        ["SELECT", ..] if capitals || words.contains(&"FROM") => Some("SELECT"),
        ["INSERT", "INTO" | "OR", ..] => Some("INSERT"),
        // `UPDATE a SET`, `UPDATE a AS x SET`; small letters only in the short form, which no sentence has.
        ["UPDATE", _, "SET", ..] => Some("UPDATE"),
        ["UPDATE", _, "AS", _, "SET", ..] if capitals => Some("UPDATE"),
        ["DELETE", "FROM", _, ..] => Some("DELETE"),
        ["WITH", ..] if words.contains(&"SELECT") => Some("WITH"),
        [
            "CREATE" | "ALTER" | "DROP",
            "TABLE" | "INDEX" | "UNIQUE" | "DATABASE",
            ..,
        ] => Some("a schema change"),
        ["PRAGMA", ..] if capitals => Some("PRAGMA"),
        _ => None,
    }
}

/// Files that may hold `unsafe`, each with its reason.
const UNSAFE: &[(&str, &str)] = &[(
    "crates/testkit/src/vfs/table.rs",
    "SQLite asks for a VFS, here a disk that loses power, through a table of C functions",
)];

/// `unsafe` stands only where this table knows of it.
pub fn unsafe_blocks(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        if UNSAFE.iter().any(|(path, _)| source.path == *path) {
            continue;
        }
        for (at, line) in lex(&source.text).code.iter().enumerate() {
            if words(line).any(|(_, word, _)| word == "unsafe") {
                let what = "`unsafe` outside the table in xtask/src/tidy/code.rs; do without, or give its reason there";
                findings.push(Finding::new(&source.path, at + 1, what));
            }
        }
    }
    findings
}

/// No test sleeps: neither in `tests/` and `tests.rs`, nor in a `mod tests` at the end of a file.
pub fn sleeps(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let code = lex(&source.text).code;
        let from = if source.is_test() { 0 } else { tests_from(&code) };
        for (at, line) in code.iter().enumerate().skip(from) {
            if words(line).any(|(_, word, _)| word == "sleep" || word == "sleep_until") {
                let what = "a test that sleeps; wait for the condition (testkit::until), or advance the clock";
                findings.push(Finding::new(&source.path, at + 1, what));
            }
        }
    }
    findings
}

/// Index of the line where the tests at the end of a file begin, or the number of its lines.
fn tests_from(code: &[String]) -> usize {
    let begins = |pair: &[String]| {
        let attribute: String = pair[0].split_whitespace().collect();
        attribute == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].contains('{')
    };
    code.windows(2).position(begins).unwrap_or(code.len())
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    #[test]
    fn domains_are_pure() {
        let fine =
            "//! async, tokio and the store.\nuse base::Time;\nlet store = 1; // store::x\nlet tokio = \"async\";";
        check(
            domains,
            &[
                ("crates/cart/src/domain.rs", fine),
                ("crates/cart/src/actions.rs", "async fn a() {}"),
            ],
            &[],
        );
        for bad in [
            "async fn a() {}",
            "use tokio::time;",
            "fn a(x: axum::Json<()>) {}",
            "use store::Tx;",
            "use crate::store;",
            "let now = SystemTime::now();",
            "std::time::Instant::now()",
            "fn a(clock: &Clock) {}",
            "fn a(ids: &base::Ids) {}",
            "use rusqlite::Row;",
        ] {
            check(
                domains,
                &[("crates/cart/src/domain.rs", bad)],
                &["crates/cart/src/domain.rs:1"],
            );
            check(
                domains,
                &[("crates/cart/src/domain/line.rs", bad)],
                &["crates/cart/src/domain/line.rs:1"],
            );
        }
    }

    #[test]
    fn sql_stands_in_the_store() {
        for bad in [
            "SELECT 1",
            "select a from b",
            "\\n  INSERT INTO a VALUES (1)",
            "insert into a values (1)",
            "UPDATE a SET b = 1",
            "UPDATE a AS x SET b = 1",
            "DELETE FROM a",
            "WITH x AS (SELECT 1) DELETE FROM a",
            "CREATE TABLE a (b)",
            "(SELECT 1)",
            "PRAGMA synchronous",
        ] {
            let text = format!("\nlet a = \"{bad}\";");
            check(
                sql,
                &[("crates/cart/src/http.rs", &text)],
                &["crates/cart/src/http.rs:2"],
            );
            check(sql, &[("tests/it/src/a.rs", &text)], &["tests/it/src/a.rs:2"]);
            check(
                sql,
                &[
                    ("crates/cart/src/store.rs", &text),
                    ("crates/cart/src/store/rows.rs", &text),
                ],
                &[],
            );
            check(
                sql,
                &[("crates/store/src/db.rs", &text), ("bench/src/main.rs", &text)],
                &[],
            );
        }
        for fine in [
            "Select a product from the list",
            "select a product",
            "update the cart, then set the address",
            "'; DELETE FROM product; --",
            "Delete from the cart",
            "with love",
        ] {
            check(
                sql,
                &[("crates/cart/src/http.rs", &format!("let a = \"{fine}\"; // SELECT 1"))],
                &[],
            );
        }
    }

    #[test]
    fn unsafe_is_found() {
        let text = "// unsafe\nlet unsafe_looking = \"unsafe\";\nunsafe { x() }";
        check(
            unsafe_blocks,
            &[("crates/cart/src/http.rs", text)],
            &["crates/cart/src/http.rs:3"],
        );
    }

    #[test]
    fn tests_do_not_sleep() {
        let text = "use tokio::time::sleep;\nstd::thread::sleep(x);\n// sleep";
        for path in [
            "crates/cart/src/tests.rs",
            "crates/cart/tests/all.rs",
            "tests/it/src/buy.rs",
        ] {
            check(sleeps, &[(path, text)], &[&format!("{path}:1"), &format!("{path}:2")]);
        }
        check(sleeps, &[("crates/cart/src/tasks.rs", text)], &[]);
        let inline = "fn a() { sleep(x) }\n#[cfg(test)]\nmod tests {\n    sleep(x);\n}";
        check(
            sleeps,
            &[("crates/cart/src/tasks.rs", inline)],
            &["crates/cart/src/tasks.rs:4"],
        );
        check(
            sleeps,
            &[(
                "crates/cart/src/tasks.rs",
                "#[cfg(test)]\nmod tests;\nfn a() { sleep(x) }",
            )],
            &[],
        );
    }
}
