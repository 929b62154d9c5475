//! schemathesis, a program of others, reads the API's document and sends what it allows, what it does not, and what lies
//! at the edge, as a customer and as an administrator. The shop must never fail (5xx), nor answer with a status, a type
//! of content or a body that the operation does not name; `default` is cut out of the document first, since it admits
//! everything. What it knows of the shop stands in `schemathesis/hooks.py`: real records for half of the paths, and calls
//! that end sessions (signing out, passwords, roles, sessions) sent by somebody of their own, so that who goes on calling
//! is not signed out.
//!
//! Left out: the two streams, which do not end. `IRONMONGER_LONG=1` gives it three times as many requests, and PostgreSQL as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::load::is_long;
use testkit::{Engine, Shape, Shop};

/// The version whose choices the seed repeats.
const VERSION: &str = "4.32.5";
const SEED: &str = "20261120";
/// Requests made up for each operation, beside those at the edges of the document, and the seconds after which a role
/// ends even so, which a slow machine needs.
const BUDGET: [&str; 2] = ["40", "240"];
/// The same with `IRONMONGER_LONG`.
const LONG_BUDGET: [&str; 2] = ["120", "900"];
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance";
/// Seconds that it waits for an answer: longer than the shop takes to say that it has none.
const PATIENCE: &str = "40";
const STREAMS: [&str; 2] = ["/api/events/stream", "/api/orders/{id}/events"];
/// How many operations each role must have seen succeed, so that no heap of refusals looks like a proof: far fewer than
/// do, since a slow machine ends early. A customer is let into fewer.
const SUCCEEDED_MIN: [(&str, usize); 2] = [("customer", 20), ("admin", 35)];

#[tokio::test]
async fn no_request_finds_the_shop_failing_on_sqlite() {
    hold(Engine::Sqlite).await;
}

#[tokio::test]
async fn no_request_finds_the_shop_failing_on_postgres() {
    if is_long() {
        hold(Engine::Postgres).await;
    }
}

async fn hold(engine: Engine) {
    let program = program();
    let shop = Shop::start(Shape::One, engine, &[]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    for (role, succeeded_min) in SUCCEEDED_MIN {
        let tally = folder.path().join(role);
        let mut command = Command::new(&program);
        let url = shop.fleet.base_url();
        let [requests, seconds] = if is_long() { LONG_BUDGET } else { BUDGET };
        command
            .current_dir(folder.path()) // It leaves notes where it runs.
            .env("SHOP", &url)
            .env("ROLE", role)
            .env("TALLY", &tally)
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", &known)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg("--no-color")
            .arg("--config-file")
            .arg(known.join("schemathesis.toml"))
            .args(["run", &format!("{url}/openapi.json")])
            .args([
                "--phases",
                "examples,coverage,fuzzing",
                "--checks",
                CHECKS,
                "--seed",
                SEED,
            ])
            .args([
                "--max-examples",
                requests,
                "--max-time",
                seconds,
                "--request-timeout",
                PATIENCE,
            ])
            .args([
                "--continue-on-failure",
                "--no-shrink",
                "--suppress-health-check",
                "all",
                "--warnings",
                "off",
            ])
            .args(["--output-truncate", "false"])
            .stdin(Stdio::null());
        for path in STREAMS {
            command.args(["--exclude-path", path]);
        }
        let done = command.output().expect("schemathesis starts");
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(
            done.status.success(),
            "as {role}:\n{said}\n{}\nthe shop said:\n{}",
            String::from_utf8_lossy(&done.stderr),
            shop.fleet.output()
        );
        let tally = fs::read_to_string(&tally).expect("a tally");
        let tally: Value = serde_json::from_str(&tally).expect("JSON");
        let operations = tally.as_object().expect("operations");
        let succeeds = |statuses: &Value| {
            let statuses = statuses.as_object().into_iter().flatten();
            statuses.map(|(status, _)| status).any(|status| status.starts_with('2'))
        };
        let succeeded = operations.values().filter(|statuses| succeeds(statuses)).count();
        println!("as {role}: {succeeded} of {} operations succeeded", operations.len());
        assert!(
            succeeded >= succeeded_min,
            "as {role}, only {succeeded} operations ever succeeded: {tally}"
        );
    }
}

/// schemathesis in a folder of its own among the build results; installed by pip where it is not.
fn program() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/schemathesis")
        .join(VERSION);
    let done = folder.join("done");
    if !done.exists() {
        let run = |command: &mut Command| {
            let status = command.stdin(Stdio::null()).status();
            let good = status.is_ok_and(|status| status.success());
            assert!(good, "schemathesis cannot be installed: {command:?} failed");
        };
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let package = format!("schemathesis=={VERSION}");
        run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", &package]));
        fs::write(&done, VERSION).expect("a note that it is whole");
    }
    folder.join("bin/schemathesis").canonicalize().expect("it is installed")
}
