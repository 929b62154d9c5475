//! The page that the contract is written on, where it is beside the checkout: every row of its tables is called, or stands
//! among those that come later.

use std::collections::BTreeSet;

use testkit::skip;

use crate::document::{document, operations};
use crate::rows::{ELSEWHERE, ROWS};
use crate::{addresses, told_also};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Rows that are promised for later: returns, what is held on a person, outgoing webhooks.
const LATER: &[&str] = &[
    "POST /api/orders/{}/returns",
    "GET /api/users/{}/export",
    "DELETE /api/users/{}",
    "GET /api/webhooks",
    "GET /api/webhooks/{}/deliveries",
];

/// Every call that a table of the page names, its parameters without names: `GET /api/products/{}`.
fn named(page: &str) -> BTreeSet<String> {
    let paths = page.split("## 2. Paths").nth(1).unwrap_or_default();
    let paths = paths.split("\n## ").next().unwrap_or_default();
    let mut named = BTreeSet::new();
    let mut has_also = false;
    for line in paths.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells[0].starts_with("method") {
            has_also = cells[1] == "also";
            continue;
        }
        let mut methods = Vec::new();
        calls(cells[0], &mut methods, &mut named);
        if has_also {
            calls(cells[1], &mut methods, &mut named);
        }
        // What the answer's cell says of further calls has its method in the same quotes: `GET /api/products/facets`.
        let answer = cells.last().copied().unwrap_or_default();
        for quoted in answer.split('`').skip(1).step_by(2) {
            if let Some((method, path)) = quoted.split_once(' ')
                && METHODS.contains(&method)
                && path.starts_with('/')
            {
                named.insert(format!("{method} {}", bare(path)));
            }
        }
    }
    named
}

/// The calls of a cell: methods stand before the paths they belong to; a path without any has those of the one before.
fn calls(cell: &str, methods: &mut Vec<String>, named: &mut BTreeSet<String>) {
    for (place, part) in cell.split('`').enumerate() {
        if place % 2 == 0 {
            let words = part.split(|letter: char| !letter.is_ascii_alphanumeric());
            let said: Vec<String> = words.filter(|word| METHODS.contains(word)).map(str::to_owned).collect();
            if !said.is_empty() {
                *methods = said;
            }
            continue;
        }
        let (own, path) = match part.split_once(' ') {
            Some((method, path)) if METHODS.contains(&method) => (vec![method.to_owned()], path),
            _ => (methods.clone(), part),
        };
        if !path.starts_with('/') {
            continue;
        }
        let own = if own.is_empty() { vec!["GET".to_owned()] } else { own };
        named.extend(own.iter().map(|method| format!("{method} {}", bare(path))));
    }
}

/// A path without what stands behind it and without the names of its parameters.
fn bare(path: &str) -> String {
    let path = path.split(['?', ' ', '…']).next().unwrap_or_default();
    let parts = path.split('/');
    let parts: Vec<&str> = parts
        .map(|part| if part.starts_with('{') { "{}" } else { part })
        .collect();
    parts.join("/")
}

#[test]
fn every_row_of_the_page_is_called() {
    let file = testkit::shared_data().map(|data| data.join("../contract.md"));
    let Some(file) = file else { return };
    let Ok(page) = std::fs::read_to_string(&file) else {
        return skip("the page of the contract is not beside the checkout");
    };
    let plain = |call: &str| {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        format!("{method} {}", bare(path))
    };
    let mut ours: BTreeSet<String> = ROWS.iter().flat_map(addresses).map(|call| plain(&call)).collect();
    ours.extend(ELSEWHERE.iter().map(|call| plain(call)));
    let document = document().1;
    let known = operations(&document).filter(|(name, _)| ours.contains(&plain(name)));
    let more: Vec<String> = known.flat_map(|(_, operation)| told_also(operation)).collect();
    ours.extend(more.iter().map(|call| plain(call)));
    let named = named(&page);
    assert!(named.len() > 60, "the page is read wrongly: {named:?}");
    let covers = |call: &String| {
        // A collection's PUT and DELETE are its members', and every path stands bare on its service's own port.
        let member = format!("{call}/{{}}");
        let prefixed = call.replacen(" /", " /api/", 1);
        [call, &member, &prefixed].iter().any(|call| ours.contains(*call))
    };
    let (later, rest): (Vec<&String>, Vec<&String>) = named.iter().partition(|call| LATER.contains(&call.as_str()));
    let uncalled: Vec<&&String> = rest.iter().filter(|call| !covers(call)).collect();
    for call in &rest {
        println!("{call}: {}", if covers(call) { "called" } else { "nobody calls it" });
    }
    assert!(uncalled.is_empty(), "nobody calls {uncalled:#?}; called are {ours:#?}");
    for call in later {
        println!("{call}: later");
        assert!(!covers(call), "{call} is called: it is no row of later any more");
    }
}
