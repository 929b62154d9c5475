//! A page, its blocks, and what they are held against.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use testkit::skip;

use crate::shop::PageShop;

/// A line above a block that says why it is not run.
const NOT_RUN: &str = "<!-- not run: ";
/// Languages that look as if somebody should type them.
const STRANGE: &[&str] = &["sh", "shell", "console", "zsh"];
/// Stands in a sample for what differs from shop to shop.
const ANYTHING: char = '…';

/// A page below `docs`.
pub(crate) struct Page {
    name: String,
    pub(crate) text: String,
    blocks: Vec<Block>,
}

struct Block {
    language: String,
    /// Where it begins, in lines from 1.
    line: usize,
    text: String,
    /// Why it is not run.
    skipped: bool,
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let text = crate::read(name);
        let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
        let mut above = "";
        for (at, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block {
                        language: language.to_owned(),
                        line: at + 1,
                        text: String::new(),
                        skipped: above.starts_with(NOT_RUN),
                    });
                }
                (Some(_), Some("")) => blocks.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
            if !line.trim().is_empty() {
                above = line;
            }
        }
        assert!(open.is_none(), "{name}: a block does not end");
        Self {
            name: name.to_owned(),
            text,
            blocks,
        }
    }

    /// Languages of blocks that nobody runs.
    pub(crate) fn strange(&self) -> Vec<&str> {
        let languages = self.blocks.iter().map(|block| block.language.as_str());
        languages.filter(|language| STRANGE.contains(language)).collect()
    }

    pub(crate) fn examples(&self) -> usize {
        self.blocks.iter().filter(|block| block.language == "bash").count()
    }

    pub(crate) fn not_run(&self) -> usize {
        self.blocks.iter().filter(|block| block.skipped).count()
    }

    /// What the page shows as printed.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &str> {
        let texts = self.blocks.iter().filter(|block| block.language == "text");
        texts.map(|block| block.text.as_str())
    }

    /// The calls of the page's table.
    fn calls(&self) -> impl Iterator<Item = String> {
        let table = self
            .text
            .split_once("<!-- calls: ")
            .and_then(|(_, rest)| rest.split_once("<!-- end -->"));
        let rows = table.map_or("", |(table, _)| table).lines();
        let calls = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
        calls.map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    /// Whether a call is among those that were answered well. The gateway's own pages and refusals by design are not in
    /// its log under their names: these have to be written in an example.
    fn shows(&self, call: &str, called: &BTreeSet<String>) -> bool {
        let (_, path) = call.split_once(' ').unwrap_or_default();
        let unnamed = ["/api/dev/", "/.well-known/", "/api/payments/webhooks/"]
            .iter()
            .any(|start| path.starts_with(start));
        let written = path.split('{').next().unwrap_or_default();
        called.contains(&call.replacen(" /api/", " /", 1)) || unnamed && self.examples_of(written)
    }

    fn examples_of(&self, text: &str) -> bool {
        let mut run = self
            .blocks
            .iter()
            .filter(|block| block.language == "bash" && !block.skipped);
        run.any(|block| block.text.contains(text))
    }

    /// Runs the examples and holds what they print against the samples.
    pub(crate) async fn check(&self) {
        for tool in ["bash", "curl", "jq"] {
            let found = Command::new(tool).arg("--version").output();
            if !found.is_ok_and(|found| found.status.success()) {
                return skip(&format!("{tool} is not installed"));
            }
        }
        let shop = PageShop::open().await;
        let run: Vec<usize> = (0..self.blocks.len())
            .filter(|at| self.blocks[*at].language == "bash" && !self.blocks[*at].skipped)
            .collect();
        assert!(!run.is_empty(), "{} has no examples", self.name);
        let scripts: Vec<&str> = run.iter().map(|at| self.blocks[*at].text.as_str()).collect();
        let mut wrong = Vec::new();
        for (at, done) in run.iter().zip(shop.bash(&scripts)) {
            let block = &self.blocks[*at];
            let place = format!("docs/{}:{}", self.name, block.line);
            let sample = self
                .blocks
                .get(at + 1)
                .filter(|next| ["json", "text"].contains(&next.language.as_str()));
            let fault = match (done.status.as_str(), sample) {
                ("0", Some(sample)) => differs(sample, &done.printed),
                // What prints has a sample, so that nothing is shown by halves.
                ("0", None) if done.printed.trim().is_empty() => None,
                ("0", None) => Some("prints what the page does not show".to_owned()),
                (status, _) => Some(format!("ends with {status}")),
            };
            wrong.extend(fault.map(|fault| format!("{place}: {fault}\n{}{}", block.text, done.printed)));
        }
        assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n\n"), shop.failed());
        let called = shop.called();
        let missing: Vec<String> = self.calls().filter(|call| !self.shows(call, &called)).collect();
        assert!(
            missing.is_empty(),
            "{} has no example that succeeds of {missing:?}",
            self.name
        );
    }
}

/// In what a sample and what was printed differ.
fn differs(sample: &Block, printed: &str) -> Option<String> {
    if sample.language == "text" {
        let like = like(sample.text.trim(), printed.replace("\r\n", "\n").trim());
        return (!like).then(|| format!("the page shows\n{}but it prints", sample.text));
    }
    let shown = values(&sample.text).unwrap_or_else(|fault| panic!("a sample: {fault}\n{}", sample.text));
    match values(printed) {
        Ok(real) => unlike(&shown, &real, ""),
        Err(fault) => Some(format!("prints no JSON ({fault})")),
    }
}

/// A text's JSON values, one after the other, as an array.
fn values(text: &str) -> serde_json::Result<Value> {
    let all: serde_json::Result<Vec<Value>> = serde_json::Deserializer::from_str(text).into_iter().collect();
    all.map(Value::Array)
}

/// The first place in which a value is not as the sample shows it.
fn unlike(shown: &Value, real: &Value, at: &str) -> Option<String> {
    let plain = |same: bool| (!same).then(|| format!("at {at:?} the page shows {shown}, not {real}"));
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => {
            if let Some(name) = shown.keys().find(|name| !real.contains_key(*name)) {
                return Some(format!("there is no {at}/{name}"));
            }
            if let Some(name) = real.keys().find(|name| !shown.contains_key(*name)) {
                return Some(format!("the page does not show {at}/{name}"));
            }
            shown
                .iter()
                .find_map(|(name, value)| unlike(value, &real[name], &format!("{at}/{name}")))
        }
        (Value::Array(shown), Value::Array(real)) if shown.len() == real.len() => {
            let mut pairs = shown.iter().zip(real).enumerate();
            pairs.find_map(|(index, (shown, real))| unlike(shown, real, &format!("{at}/{index}")))
        }
        (Value::String(shown), Value::String(real)) => plain(like(shown, real)),
        // 24.90 is 24.9.
        (Value::Number(shown), Value::Number(real)) => plain(shown.as_f64() == real.as_f64()),
        _ => plain(shown == real),
    }
}

/// Whether a text is as the sample shows it, in which an ellipsis stands for anything.
fn like(shown: &str, real: &str) -> bool {
    let mut pieces = shown.split(ANYTHING);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = real.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn samples_are_held_against_what_came() {
    assert!(like("prd_…", "prd_01") && !like("prd_…", "var_01") && like("a…b…c", "a1b2c") && !like("a", "ab"));
    let check = |shown: &str, real: &str| {
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        unlike(&parse(shown), &parse(real), "").is_none()
    };
    assert!(check(
        r#"{"id":"usr_…","price":24.9}"#,
        r#"{"price":24.90,"id":"usr_1"}"#
    ));
    assert!(
        !check(r#"{"id":"usr_…"}"#, r#"{"id":"usr_1","more":1}"#),
        "a field that is not shown"
    );
    assert!(
        !check(r#"{"id":1,"gone":2}"#, r#"{"id":1}"#),
        "a field that is not there"
    );
    assert!(!check("[1,2]", "[1]") && !check("[1]", "[2]") && !check(r#""a""#, r#""b""#) && !check("null", "0"));
}
