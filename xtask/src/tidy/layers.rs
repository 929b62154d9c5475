//! Who may depend on whom, read from the manifests: dependencies point one way.

use std::collections::HashSet;

use toml::{Table, Value};

use super::code::words;
use super::lex::lex;
use super::{Finding, Source};

const BELOW_SERVICES: &[&str] = &["base", "wire", "api", "store", "mail", "serve", "bus"];

/// The services: none depends on another, they speak through `api`.
pub const SERVICES: &[&str] = &["gateway", "identity", "catalog", "cart", "orders", "payments", "events"];

/// Crates that stand beside the product: they may use all of it, and `testkit`.
const BESIDE: &[&str] = &["it", "bench", "strangers", "fuzz"];

/// What this crate may use of our own; `None` for a crate that the layering does not know.
fn allowed(name: &str) -> Option<Vec<&'static str>> {
    Some(match name {
        "base" | "xtask" => vec![],
        "wire" | "store" | "mail" => vec!["base"],
        "api" => vec!["base", "wire"],
        "serve" => vec!["base", "wire", "api", "store", "mail"],
        "bus" => vec!["base", "wire", "api", "store", "serve"],
        "gateway" => vec!["base", "wire", "api", "serve"],
        _ if SERVICES.contains(&name) => BELOW_SERVICES.to_vec(),
        "testkit" => BELOW_SERVICES.to_vec(),
        "ironmonger" => [BELOW_SERVICES, SERVICES].concat(),
        _ if BESIDE.contains(&name) => [BELOW_SERVICES, SERVICES, &["ironmonger", "testkit", "strangers"]].concat(),
        _ => return None,
    })
}

/// `base ← wire ← api ← services ← ironmonger`, `base ← store`, `base ← mail`, `serve ← bus` (a relay is a task, an inbox a route), `testkit` for tests only.
pub fn layers(sources: &[Source]) -> Vec<Finding> {
    let manifests: Vec<(&Source, Table)> = sources
        .iter()
        .filter(|source| source.path.ends_with("/Cargo.toml"))
        .filter_map(|source| Some((source, source.text.parse::<Table>().ok()?)))
        .collect();
    let ours: Vec<&str> = manifests.iter().filter_map(|(_, manifest)| name(manifest)).collect();
    let mut findings = Vec::new();
    for (source, manifest) in &manifests {
        let Some(name) = name(manifest) else { continue };
        let Some(allowed) = allowed(name) else {
            let what = format!("`{name}` has no place in the layering; give it one in xtask/src/tidy/layers.rs");
            findings.push(Finding::new(&source.path, 1, what));
            continue;
        };
        for (used, for_tests) in dependencies(manifest) {
            let fine = allowed.contains(&used.as_str()) || (for_tests && used == "testkit");
            if !ours.contains(&used.as_str()) || fine || used == name {
                continue;
            }
            let why = if used == "testkit" {
                "`testkit` is for tests; make it a dev-dependency".to_string()
            } else if SERVICES.contains(&name) && SERVICES.contains(&used.as_str()) {
                format!("a service does not depend on another; call `{used}` through its client in `api`")
            } else {
                format!("`{name}` stands below `{used}` or beside it; move what it needs down, or the code up")
            };
            findings.push(Finding::new(&source.path, line_of(&source.text, &used), why));
        }
    }
    findings
}

fn name(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// Names of the packages that it uses, and whether for tests only; platform sections included.
fn dependencies(manifest: &Table) -> Vec<(String, bool)> {
    let platforms = manifest.get("target").and_then(Value::as_table);
    let sections = platforms
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let mut found = Vec::new();
    for section in sections.chain([manifest]) {
        for (kind, for_tests) in [
            ("dependencies", false),
            ("build-dependencies", false),
            ("dev-dependencies", true),
        ] {
            let Some(used) = section.get(kind).and_then(Value::as_table) else {
                continue;
            };
            for (key, value) in used {
                let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
                found.push((package.to_string(), for_tests));
            }
        }
    }
    found
}

/// Dependencies that are named nowhere in code, each with its reason.
const UNNAMED: &[(&str, &str)] = &[];

/// Every dependency is used: its name stands in some Rust file of the package, and what the root lists in some package.
pub fn unused(sources: &[Source]) -> Vec<Finding> {
    let mut findings = unlisted(sources);
    for source in sources {
        let Some(folder) = source
            .path
            .strip_suffix("Cargo.toml")
            .filter(|folder| !folder.is_empty())
        else {
            continue;
        };
        let Ok(manifest) = source.text.parse::<Table>() else {
            continue;
        };
        let named: HashSet<String> = sources
            .iter()
            .filter(|source| source.is_rust() && source.path.starts_with(folder))
            .flat_map(|source| lex(&source.text).code)
            .flat_map(|line| words(&line).map(|(_, word, _)| word.to_string()).collect::<Vec<_>>())
            .collect();
        let kinds = ["dependencies", "build-dependencies", "dev-dependencies"];
        let tables = kinds.iter().filter_map(|kind| manifest.get(*kind)?.as_table());
        for key in tables.flat_map(Table::keys) {
            let excused = UNNAMED.iter().any(|(name, _)| name == key);
            if !excused && !named.contains(&key.replace('-', "_")) {
                let what = format!("`{key}` is used nowhere in {folder}; remove it");
                findings.push(Finding::new(&source.path, line_of(&source.text, key), what));
            }
        }
    }
    findings
}

/// What the root manifest lists for nobody.
fn unlisted(sources: &[Source]) -> Vec<Finding> {
    let parse = |source: &Source| source.text.parse::<Table>().ok();
    let Some(root) = sources.iter().find(|source| source.path == "Cargo.toml") else {
        return Vec::new();
    };
    let members = sources
        .iter()
        .filter(|source| source.path.ends_with("/Cargo.toml"))
        .filter_map(parse);
    let used: HashSet<String> = members
        .flat_map(|manifest| dependencies(&manifest))
        .map(|(name, _)| name)
        .collect();
    let listed = parse(root).and_then(|root| Some(root.get("workspace")?.get("dependencies")?.as_table()?.clone()));
    let unlisted = listed
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .filter(|key| !used.contains(key));
    let found = unlisted.map(|key| {
        let what = format!("`{key}` is used by no package; remove it");
        Finding::new(&root.path, line_of(&root.text, &key), what)
    });
    found.collect()
}

/// The line that names this dependency, from 1.
fn line_of(manifest: &str, name: &str) -> usize {
    let names = |line: &str| {
        line.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
            .any(|word| word == name)
    };
    let after_package = manifest
        .lines()
        .enumerate()
        .skip_while(|(_, line)| !line.contains("dependencies"));
    after_package
        .filter(|(_, line)| names(line))
        .map(|(at, _)| at + 1)
        .next()
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    #[test]
    fn the_right_way_is_fine() {
        let (base, wire, cart, testkit) = (
            manifest("base", ""),
            manifest("wire", "[dependencies]\nbase.workspace = true\nserde = \"1\""),
            manifest(
                "cart",
                "[dependencies]\nwire.workspace = true\n[dev-dependencies]\ntestkit.workspace = true",
            ),
            manifest("testkit", "[dependencies]\nwire.workspace = true"),
        );
        let files = [
            ("crates/base/Cargo.toml", base.as_str()),
            ("crates/wire/Cargo.toml", &wire),
            ("crates/cart/Cargo.toml", &cart),
            ("crates/testkit/Cargo.toml", &testkit),
        ];
        check(layers, &files, &[]);
    }

    #[test]
    fn the_wrong_way_is_found() {
        let (base, wire, cart, orders, testkit) = (
            manifest("base", "[dependencies]\nwire.workspace = true"),
            manifest("wire", ""),
            manifest("cart", "[dependencies]\ntestkit.workspace = true"),
            manifest(
                "orders",
                "[target.'cfg(unix)'.dev-dependencies]\nx = { package = \"cart\", path = \"../cart\" }",
            ),
            manifest("testkit", ""),
        );
        let files = [
            ("crates/base/Cargo.toml", base.as_str()),
            ("crates/wire/Cargo.toml", &wire),
            ("crates/cart/Cargo.toml", &cart),
            ("crates/orders/Cargo.toml", &orders),
            ("crates/testkit/Cargo.toml", &testkit),
        ];
        let expected = [
            "crates/base/Cargo.toml:4",
            "crates/cart/Cargo.toml:4",
            "crates/orders/Cargo.toml:4",
        ];
        check(layers, &files, &expected);
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        let new = manifest("warehouse", "");
        check(
            layers,
            &[("crates/warehouse/Cargo.toml", &new)],
            &["crates/warehouse/Cargo.toml:1"],
        );
    }

    #[test]
    fn unused_dependencies_are_found() {
        let cart = manifest(
            "cart",
            "[dependencies]\nserde_json = \"1\"\nhttp-body = \"1\"\nbytes = \"1\"\n[dev-dependencies]\ntempfile = \"3\"",
        );
        let files = [
            ("crates/cart/Cargo.toml", cart.as_str()),
            (
                "crates/cart/src/lib.rs",
                "use http_body::Body; // bytes\nfn a() -> serde_json::Value {}",
            ),
            ("crates/cart/tests/all.rs", "let x = \"tempfile\";"),
            ("crates/other/src/lib.rs", "use bytes::Bytes;"),
        ];
        check(
            unused,
            &files,
            &["crates/cart/Cargo.toml:6", "crates/cart/Cargo.toml:8"],
        );
    }
}
