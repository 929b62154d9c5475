//! The documents say what is true: the tour of the README runs as it is written, the commands that it shows exist,
//! and files, names, tables and settings that the documents speak of are there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use testkit::ports::Ports;
use testkit::process::{PARTS, binary, run};
use testkit::{skip, until};

/// Stands between the outputs of two lines of the tour.
const MARK: char = '\u{1e}';

/// The whole shop as the README starts it: the program without a command.
struct SampleShop {
    child: Child,
    /// What it greets a newcomer with.
    greeting: String,
    /// Where it listens.
    address: String,
    folder: tempfile::TempDir,
    ports: Vec<(String, String)>,
    _ports: Ports,
}

impl SampleShop {
    fn open() -> Self {
        let ports = Ports::take();
        let folder = tempfile::tempdir().expect("a folder");
        let named = PARTS.iter().enumerate().map(|(at, part)| {
            (
                format!("IRONMONGER_PORTS_{}", part.to_uppercase()),
                ports.get(at).to_string(),
            )
        });
        let named: Vec<(String, String)> = named.collect();
        let started = Command::new(binary())
            .env_clear()
            .envs(named.iter().map(|(name, port)| (name, port)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started.expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped"))
            .lines()
            .map_while(Result::ok);
        let mut greeting = String::new();
        // It greets when it listens; who calls from then on is answered.
        for line in lines.by_ref() {
            greeting.push_str(&line);
            greeting.push('\n');
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        let address = greeting.lines().next().and_then(|line| line.split("http://").nth(1));
        let address = address
            .unwrap_or_else(|| panic!("it does not say where it listens:\n{greeting}"))
            .to_owned();
        Self {
            child,
            greeting,
            address,
            folder,
            ports: named,
            _ports: ports,
        }
    }

    /// Another command of the program beside it.
    fn beside(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command
            .env_clear()
            .envs(self.ports.iter().map(|(name, port)| (name, port)));
        command.current_dir(self.folder.path()).args(args).stdin(Stdio::null());
        command.output().expect("the binary starts")
    }

    /// Runs lines in one bash, in which `curl` finds this shop at the address that the README names. Answers what
    /// each line printed.
    fn bash(&self, lines: &[&str]) -> Vec<String> {
        let settings = format!("connect-to = \"127.0.0.1:3000:{}\"\n", self.address);
        std::fs::write(self.folder.path().join(".curlrc"), settings).expect("curl's settings can be written");
        let mut script = "set -o pipefail\n".to_owned();
        for line in lines {
            script.push_str(&format!("{line}\nprintf '{MARK}%s{MARK}' $?\n"));
        }
        let done = Command::new("bash")
            .args(["--norc", "-c", &script])
            .env("CURL_HOME", self.folder.path())
            .output()
            .expect("bash starts");
        let (said, failed) = (text(&done.stdout), text(&done.stderr));
        let mut pieces = said.split(MARK);
        let outputs: Vec<String> = lines
            .iter()
            .map(|line| {
                let (printed, status) = (pieces.next().unwrap_or_default(), pieces.next());
                assert_eq!(status, Some("0"), "this line fails:\n{line}\n{printed}\n{failed}");
                printed.to_owned()
            })
            .collect();
        assert_eq!(pieces.next(), Some(""), "the lines end with the script");
        outputs
    }
}

impl Drop for SampleShop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_tour_works_as_it_is_written() {
    for tool in ["bash", "curl", "jq"] {
        let found = Command::new(tool).arg("--version").output();
        if !found.is_ok_and(|found| found.status.success()) {
            return skip(&format!("{tool} is not installed"));
        }
    }
    let readme = read("README.md");
    let tour = block(&readme, "## A tour in ten lines", "sh");
    let lines: Vec<&str> = tour.lines().collect();
    assert_eq!(lines.len(), 10, "the heading says ten lines");

    let shop = SampleShop::open();
    let mut all = lines.clone();
    all.push("echo $order");
    let outputs = shop.bash(&all);
    for (line, printed) in all.iter().zip(&outputs) {
        assert!(!printed.contains("null"), "this line finds nothing:\n{line}\n{printed}");
    }
    let printed = |start: &str| {
        let at = lines.iter().position(|line| line.contains(start));
        outputs[at.unwrap_or_else(|| panic!("the tour has no line with {start}"))].as_str()
    };
    let json = |start: &str| -> Value { serde_json::from_str(printed(start)).expect("this line prints JSON") };

    let listed = printed("/api/products?limit=3");
    assert_eq!(
        listed.lines().filter(|line| line.ends_with(" USD")).count(),
        3,
        "{listed}"
    );
    assert!(printed("search=hinge").contains("Hinge"));
    assert_eq!(json("$url/api/cart ")["itemCount"], 2);
    let order = json("$url/api/orders/$order -H");
    assert_eq!(
        (&order["status"], &order["paymentStatus"]),
        (&"confirmed".into(), &"completed".into())
    );
    let payment = json("$url/api/payments/$order");
    assert_eq!(
        (&payment["status"], &payment["captured"]),
        (&"completed".into(), &order["total"])
    );
    let cancelled = json("/cancel");
    assert_eq!(
        (&cancelled["status"], &cancelled["paymentStatus"]),
        (&"cancelled".into(), &"refunded".into())
    );

    // The log hears of it a moment later.
    let events = lines
        .iter()
        .find(|line| line.contains("/api/events"))
        .expect("the tour shows events");
    let named = format!("order={}", outputs[lines.len()].trim());
    until("the events of the tour are in the log", || {
        let told = shop.bash(&[lines[0], &named, events]).concat();
        let missing = ["OrderCreated", "InventoryReserved", "OrderConfirmed", "OrderCancelled"].into_iter();
        let missing: Vec<&str> = missing.filter(|kind| !told.contains(kind)).collect();
        async move { if missing.is_empty() { Ok(()) } else { Err(missing) } }
    })
    .await;

    // What the program itself tells to paste.
    let line = shop
        .greeting
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("curl"));
    let products: Value =
        serde_json::from_str(&shop.bash(&[line.expect("it greets with a curl line")])[0]).expect("a list");
    assert_eq!(products.as_array().map(Vec::len), Some(3));
    let balance = shop.beside(&["doctor", "--rested", "0"]);
    assert!(text(&balance.stdout).starts_with("The books balance"), "{balance:?}");
}

#[test]
fn the_commands_that_it_shows_exist() {
    let readme = read("README.md");
    let mut shown = BTreeSet::new();
    for line in block(&readme, "## The program", "text").lines() {
        let usage = line.split("  ").next().unwrap_or_default();
        let words: Vec<&str> = usage.split(' ').skip(1).collect();
        let is_word = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        let command: Vec<&str> = words.iter().take_while(is_word).copied().collect();
        let help = run(&[&command[..], &["--help"]].concat(), &[]);
        assert!(help.status.success(), "`{usage}` is no command");
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(text(&help.stdout).contains(option), "`{usage}`: there is no {option}");
        }
        shown.extend(command.first().map(|word| word.to_string()));
    }
    let help = text(&run(&["--help"], &[]).stdout);
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let listed: BTreeSet<String> = listed
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect();
    assert_eq!(
        shown,
        listed.into_iter().filter(|word| word != "help").collect(),
        "the README shows every command"
    );
}

#[test]
fn the_commands_do_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path that is a text");
    let sample = root().join("crates/catalog/sample/products.csv");
    let sample = sample.to_str().expect("a path that is a text");
    let done = |args: &[&str]| {
        let done = run(&[args, &["--data", data]].concat(), &[]);
        assert!(
            done.status.success(),
            "{args:?}: {}{}",
            text(&done.stdout),
            text(&done.stderr)
        );
        text(&done.stdout)
    };
    assert!(done(&["migrate"]).contains("orders: "));
    assert!(!done(&["import", sample]).starts_with("0 products"));
    let again = done(&["import", sample]);
    assert!(again.starts_with("0 products created, 0 updated"), "{again}");
    let made = done(&[
        "admin",
        "create",
        "--email",
        "you@example.com",
        "--password",
        "a-long-password",
    ]);
    assert!(made.contains("you@example.com is an administrator"), "{made}");
    assert!(done(&["doctor"]).starts_with("The books balance"));
    assert!(done(&["config"]).contains("ports.gateway"));
    let document: Value = serde_json::from_str(&done(&["openapi"])).expect("the document is JSON");
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
}

#[test]
fn links_lead_somewhere() {
    for (name, text) in documents() {
        let folder = root().join(&name).parent().expect("a file lies in a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let place = link.split('#').next().unwrap_or_default();
            let leads = place.is_empty() || place.contains("://") || folder.join(place).exists();
            assert!(leads, "{name}: nothing is at {link}");
        }
    }
}

#[test]
fn settings_that_it_names_exist() {
    let config = text(&run(&["config"], &[]).stdout);
    let names = config.lines().filter_map(|line| line.split(" = ").next());
    let known: BTreeSet<String> = names
        .map(|name| format!("IRONMONGER_{}", name.trim().to_uppercase().replace('.', "_")))
        .collect();
    for (name, text) in documents()
        .into_iter()
        .filter(|(name, _)| name == "README.md" || name.contains("operate"))
    {
        for rest in text.split("IRONMONGER_").skip(1) {
            let end = rest
                .find(|letter: char| !letter.is_ascii_uppercase() && letter != '_')
                .unwrap_or(rest.len());
            let variable = format!("IRONMONGER_{}", &rest[..end]);
            assert!(known.contains(&variable), "{name}: {variable} is no setting");
        }
    }
    let manifest = read("Cargo.toml");
    let oldest = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .expect("the oldest Rust");
    assert!(read("README.md").contains(&format!("Rust ({} or newer)", oldest.trim_matches('"'))));
}

#[test]
fn code_that_it_names_exists() {
    let migrations = sources(&root().join("crates"), "sql");
    let after = migrations.split("TABLE ").skip(1);
    let tables: BTreeSet<&str> = after.filter_map(|rest| rest.split_whitespace().next()).collect();
    let own = read("crates/store/src/own.rs");
    let (mut checked, mut wrong) = (0, Vec::new());
    // CONTRIBUTING speaks of files that are still to be written; the reference names no code, but codes of refusals.
    let speaks_of_code = |name: &str| name != "CONTRIBUTING.md" && !name.starts_with("docs/reference/");
    for (name, text) in documents().into_iter().filter(|(name, _)| speaks_of_code(name)) {
        for span in spans(&name, &text) {
            let (path, items) = span.split_once(": ").unwrap_or((&span, ""));
            if is_file(path) {
                let found = [root().join(path), root().join("crates").join(path)]
                    .into_iter()
                    .find(|path| path.is_file());
                let Some(found) = found else {
                    wrong.push(format!("{name}: there is no file {path}"));
                    continue;
                };
                let code = std::fs::read_to_string(&found).expect("a source can be read");
                for item in items.split(", ").filter(|item| !item.is_empty()) {
                    checked += 1;
                    if !declares(&code, item) {
                        wrong.push(format!("{name}: {path} declares no {item}"));
                    }
                }
            } else if let Some(table) = table_of(&span) {
                let (_, rest) = table.split_once('_').unwrap_or_default();
                let known = tables.contains(table) || own.contains(&format!("{{p}}_{rest} "));
                checked += 1;
                if !known {
                    wrong.push(format!("{name}: there is no table {table}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        checked > 100,
        "only {checked} names were found: are they still written the same way?"
    );
}

/// Code in backticks outside of blocks, each on one line.
fn spans(name: &str, text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            plain.push_str(line);
            plain.push('\n');
        }
    }
    let pieces: Vec<&str> = plain.split('`').collect();
    assert!(pieces.len() % 2 == 1, "{name}: a backtick stands alone");
    let odd = pieces.into_iter().skip(1).step_by(2);
    odd.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn is_file(path: &str) -> bool {
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte));
    plain
        && path.contains('/')
        && !path.starts_with('/')
        && [".rs", ".toml", ".sql", ".csv"].iter().any(|end| path.ends_with(end))
}

/// Whether the code has an item of this name.
fn declares(code: &str, item: &str) -> bool {
    ["fn", "struct", "enum", "trait", "const", "static", "type"]
        .iter()
        .any(|kind| {
            let wanted = format!("{kind} {item}");
            let ends =
                |at: usize| !code[at + wanted.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
            code.match_indices(&wanted).any(|(at, _)| ends(at))
        })
}

/// The table that a span names, if it names one, with or without a column.
fn table_of(span: &str) -> Option<&str> {
    let name = span.split('.').next()?;
    let (service, rest) = name.split_once('_')?;
    let plain = rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (plain && PARTS.contains(&service)).then_some(name)
}

/// The first block of this language below a heading.
fn block<'a>(text: &'a str, heading: &str, language: &str) -> &'a str {
    let below = text
        .split_once(heading)
        .unwrap_or_else(|| panic!("there is no {heading}"))
        .1;
    let block = below
        .split_once(&format!("```{language}\n"))
        .and_then(|(_, rest)| rest.split_once("```"));
    block
        .unwrap_or_else(|| panic!("{heading} has no block of {language}"))
        .0
}

/// Every document for people: its path and text.
fn documents() -> Vec<(String, String)> {
    let mut all: Vec<String> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .map(str::to_owned)
        .into();
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder))
            .expect("the documents can be listed")
            .flatten()
        {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                all.push(path);
            }
        }
    }
    all.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// The texts of all files of this kind below a folder, one after the other.
fn sources(folder: &Path, kind: &str) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder can be listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.push_str(&sources(&path, kind));
        } else if path.extension().is_some_and(|extension| extension == kind) {
            all.push_str(&std::fs::read_to_string(&path).expect("a source can be read"));
        }
    }
    all
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path} cannot be read: {fault}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
