//! The pages for people say what is true: every example of the reference runs, top to bottom, against a fresh shop, and
//! answers what the page shows; every call of the OpenAPI document has its row, every setting its word, and every path of
//! other systems that the page on moving names is called.

mod calls;
mod page;
mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use testkit::process::run;

use page::Page;

/// Pages with examples, below `docs`.
const PAGES: &[&str] = &[
    "reference/README.md",
    "reference/identity.md",
    "reference/catalog.md",
    "reference/cart.md",
    "reference/orders.md",
    "reference/payments.md",
    "reference/events.md",
    "reference/gateway.md",
    "migrate.md",
    "operate/running.md",
];

/// Pages whose examples another test runs, which names them.
const ELSEWHERE: &[(&str, &str)] = &[("build/README.md", include_str!("../clients.rs"))];

/// How many blocks a page may show without running them, each with its reason in a line above it.
const NOT_RUN: &[(&str, usize)] = &[("operate/running.md", 6)];

macro_rules! runs {
    ($($name:ident: $page:literal,)*) => {
        $(#[tokio::test]
        async fn $name() {
            Page::read($page).check().await;
        })*

        #[test]
        fn every_page_with_examples_is_run() {
            let run: BTreeSet<&str> = [$($page),*].into();
            assert_eq!(run, PAGES.iter().copied().collect());
            let named: BTreeSet<&str> = NOT_RUN.iter().map(|(page, _)| *page).collect();
            for name in everything() {
                if ELSEWHERE.iter().any(|(page, test)| *page == name && test.contains(&name)) {
                    continue;
                }
                let page = Page::read(&name);
                assert!(page.strange().is_empty(), "{name}: examples are written as bash, not as {:?}", page.strange());
                let listed = run.contains(name.as_str());
                assert!(listed || page.examples() == 0, "{name} has examples that no test runs");
                let kept = NOT_RUN.iter().find(|(page, _)| *page == name).map_or(0, |(_, count)| *count);
                assert_eq!(page.not_run(), kept, "{name} has so many blocks that are not run");
            }
            assert!(named.is_subset(&run));
        }
    };
}

runs! {
    the_first_page_runs: "reference/README.md",
    identity_runs: "reference/identity.md",
    catalog_runs: "reference/catalog.md",
    cart_runs: "reference/cart.md",
    orders_runs: "reference/orders.md",
    payments_runs: "reference/payments.md",
    events_runs: "reference/events.md",
    gateway_runs: "reference/gateway.md",
    moving_runs: "migrate.md",
    running_runs: "operate/running.md",
}

#[test]
fn every_call_has_its_row() {
    let document = run(&["openapi"], &[]).stdout;
    let document = serde_json::from_slice(&document).expect("the document is JSON");
    let mut wrong = Vec::new();
    for (service, table) in calls::tables(&document) {
        let page = read(&format!("reference/{service}.md"));
        let begin = format!("<!-- calls: {service} -->\n");
        let shown = page
            .split_once(&begin)
            .and_then(|(_, rest)| rest.split_once("<!-- end -->"));
        let shown = shown
            .unwrap_or_else(|| panic!("{service}.md has no place for its calls"))
            .0;
        let (shown, real): (BTreeSet<&str>, BTreeSet<&str>) = (shown.lines().collect(), table.lines().collect());
        wrong.extend(
            shown
                .difference(&real)
                .map(|row| format!("{service}.md says wrongly\n{row}")),
        );
        wrong.extend(
            real.difference(&shown)
                .map(|row| format!("{service}.md should say\n{row}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_setting_is_explained_once() {
    let config = String::from_utf8(run(&["config"], &[]).stdout).expect("settings are text");
    let page = read("operate/running.md");
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let names = row.split_once(" | ").map_or(row, |(names, _)| names);
        for name in names.split('`').step_by(2) {
            *told.entry(name).or_default() += 1;
        }
    }
    let names = config
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.trim());
    let (mut count, mut wrong) = (0, Vec::new());
    for name in names {
        count += 1;
        match told.get(name) {
            Some(1) => {}
            times => wrong.push(format!("{name}: told {} times", times.unwrap_or(&0))),
        }
    }
    assert!(
        count > 40,
        "only {count} settings were found: does `config` still print them the same way?"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_old_path_is_called() {
    let page = Page::read("migrate.md");
    let called: Vec<(&str, Vec<&str>)> = page.samples().flat_map(str::lines).filter_map(old_call).collect();
    let rows = page.text.lines().filter_map(|line| line.strip_prefix("| `"));
    let (mut count, mut wrong) = (0, Vec::new());
    for row in rows {
        let cell = row.split(" | ").next().unwrap_or_default();
        for call in cell.split('`').step_by(2) {
            let Some((method, path)) = call.split_once(' ') else {
                continue;
            };
            count += 1;
            let asked: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
            let fits = |(one, parts): &(&str, Vec<&str>)| {
                let alike = |(a, b): (&&str, &&str)| a.starts_with('{') || a == b;
                *one == method && parts.len() == asked.len() && asked.iter().zip(parts).all(alike)
            };
            if !called.iter().any(fits) {
                wrong.push(format!("{call} is called in no example"));
            }
        }
    }
    assert!(count > 30, "only {count} paths were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A line such as `201 POST /api/order/orders`: a call that succeeded.
fn old_call(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = line.split(' ');
    let status: u16 = words.next()?.parse().ok()?;
    let (method, path) = (words.next()?, words.next()?);
    let path = path.split('?').next().unwrap_or_default();
    (200..300)
        .contains(&status)
        .then(|| (method, path.split('/').collect()))
}

/// Every page below `docs`.
fn everything() -> Vec<String> {
    let (mut all, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(docs().join(&folder))
            .expect("the pages can be listed")
            .flatten()
        {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                all.push(path.to_str().expect("a path is a text").to_owned());
            }
        }
    }
    all
}

fn read(page: &str) -> String {
    std::fs::read_to_string(docs().join(page)).unwrap_or_else(|fault| panic!("{page} cannot be read: {fault}"))
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}
