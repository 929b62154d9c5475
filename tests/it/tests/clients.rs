//! What developers build with: the API's document, the TypeScript client, the Postman collection and `scripts/smoke.sh` are
//! up to date, and each does its whole purchase against a real shop.
//!
//! npm's packages are installed into `target`, in the versions of the lock files. Where npm, node, jq or another program is
//! missing, a test says so and fails; `cargo xtask test` installs them or names them all.
#![allow(clippy::disallowed_methods)] // It starts what developers start, and asks the environment where that is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::postgres;
use testkit::process::{Options, Process, binary, run};
use testkit::shop::{ADMIN_EMAIL, ADMIN_PASSWORD};

/// Where what is written for people is.
const CLIENT: &str = "clients/typescript";
const GUIDES: [&str; 2] = ["clients/typescript/README.md", "docs/build/README.md"];

// --- The document --------------------------------------------------------------------------------------------------

/// The API's document as the program tells it.
fn document() -> Value {
    let told = run(&["openapi"], &[]);
    serde_json::from_slice(&told.stdout).expect("the document is JSON")
}

/// Every operation with its name in words.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").iter();
            methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        })
        .collect()
}

#[test]
fn every_request_has_an_example_that_fits_its_schema() {
    let document = document();
    let mut faults = Vec::new();
    for (name, operation) in operations(&document) {
        let bodies = operation.pointer("/requestBody/content").and_then(Value::as_object);
        for (kind, media) in bodies.into_iter().flatten() {
            let example = &media["example"];
            if example.is_null() {
                faults.push(format!("{name} has no example of {kind}"));
                continue;
            }
            // References lead into the document, so the schema is read as a part of it.
            let mut schema = document.clone();
            schema["$ref"] = media["schema"]["$ref"].clone();
            if schema["$ref"].is_null() {
                schema = media["schema"].clone();
            }
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            faults.extend(
                validator
                    .iter_errors(example)
                    .map(|fault| format!("{name}: {} of its example: {fault}", fault.instance_path())),
            );
            let is_bare = example.as_object().is_some_and(serde_json::Map::is_empty);
            let schema = media["schema"]["$ref"].as_str().unwrap_or_default();
            if is_bare && !schema.ends_with("/Nothing") {
                faults.push(format!("{name} shows an empty body: give its type an example"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_refusal_has_a_code_that_is_explained_and_an_example() {
    let document = document();
    let mut faults = BTreeSet::new();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let is_refusal = status.starts_with(['4', '5']);
            if !is_refusal {
                continue;
            }
            let codes: Vec<&str> = response["x-codes"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if codes.is_empty() {
                faults.insert(format!("{name} refuses with {status} and no code"));
            }
            for code in codes {
                if serve::openapi::meaning(code).is_none() {
                    faults.insert(format!(
                        "`{code}` is not explained in crates/serve/src/openapi/codes.rs"
                    ));
                }
                let example = &response["content"]["application/problem+json"]["examples"][code]["value"];
                if example["code"] != code || example["status"].as_u64() != status.parse().ok() {
                    faults.insert(format!("{name} shows no example of {status} {code}"));
                }
            }
        }
    }
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

// --- Generated files -----------------------------------------------------------------------------------------------

/// `cargo xtask COMMAND --check` finds nothing stale. The gate names itself in `IRONMONGER_XTASK`, so that nothing is built.
#[track_caller]
fn is_fresh(command: &str) {
    let mut xtask = match std::env::var_os("IRONMONGER_XTASK") {
        Some(built) => Command::new(built),
        None => {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["run", "-q", "-p", "xtask", "--"]);
            cargo
        }
    };
    let done = xtask
        .args([command, "--check"])
        .current_dir(root())
        .env("IRONMONGER_BIN", binary())
        .stdin(Stdio::null())
        .output();
    let done = done.expect("cargo starts");
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
}

#[test]
fn the_document_in_the_docs_is_fresh() {
    is_fresh("openapi");
}

#[test]
fn the_types_of_the_client_are_fresh() {
    is_fresh("client");
}

#[test]
fn the_collection_is_fresh() {
    is_fresh("postman");
}

// --- A shop to try them on -----------------------------------------------------------------------------------------

/// A shop with the sample catalogue and an administrator.
struct SampleShop {
    process: Process,
    _folder: tempfile::TempDir,
}

impl SampleShop {
    async fn open(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut env = vec![
            ("ADMIN_EMAIL".to_owned(), ADMIN_EMAIL.to_owned()),
            ("ADMIN_PASSWORD".to_owned(), ADMIN_PASSWORD.to_owned()),
        ];
        env.extend(database.map(|url| ("IRONMONGER_DATABASE_URL".to_owned(), url)));
        let mut process = Process::start(Options {
            data: folder.path().join("data"),
            env,
            args: vec!["--sample".to_owned()],
            ..Default::default()
        });
        process.wait_ready().await;
        Self {
            process,
            _folder: folder,
        }
    }

    /// Runs somebody else's program against it, to its end.
    fn tries(&self, command: &mut Command) -> String {
        command
            .env("SHOP", self.process.base_url())
            .env("BASE", self.process.base_url())
            .env("ADMIN_EMAIL", ADMIN_EMAIL)
            .env("ADMIN_PASSWORD", ADMIN_PASSWORD);
        succeeds(command)
    }

    /// Its books balance after what was tried.
    fn balances(&self) {
        let done = self.process.run(&["doctor", "--rested", "0"]);
        assert!(
            done.status.success(),
            "the doctor says:\n{}{}",
            text(&done.stdout),
            text(&done.stderr)
        );
    }
}

// --- smoke.sh ------------------------------------------------------------------------------------------------------

async fn smoke(database: Option<String>) {
    let shop = SampleShop::open(database).await;
    let script = root().join("scripts/smoke.sh");
    let said = shop.tries(Command::new("bash").arg(&script).arg(shop.process.base_url()));
    let count = said.lines().last().expect("it counts its checks");
    assert!(count.ends_with(" 0 failed, 0 skipped"), "{said}");
    // A shop that is in use, and nobody's password: the rest works all the same.
    let mut without = Command::new("bash");
    without.arg(&script).arg(shop.process.base_url());
    without.env_remove("ADMIN_EMAIL").env_remove("ADMIN_PASSWORD");
    let said = succeeds(&mut without);
    assert!(said.ends_with(" 0 failed, 1 skipped\n"), "{said}");
    shop.balances();
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke_passes_on_sqlite() {
    smoke(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke_passes_on_postgres() {
    smoke(Some(postgres::database().await.expect("a database"))).await;
}

#[test]
fn smoke_fails_where_no_shop_is_and_when_something_is_wrong() {
    let nowhere = Command::new("bash")
        .arg(root().join("scripts/smoke.sh"))
        .arg("http://127.0.0.1:9")
        .output()
        .expect("bash starts");
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere.stderr));
    succeeds(Command::new("shellcheck").arg(root().join("scripts/smoke.sh")));
}

// --- The collection ------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_collection_runs_green_and_again() {
    let folder = installed("clients/postman");
    let shop = SampleShop::open(None).await;
    // Twice, since a collection that works on a fresh shop only is of no use to who explores one.
    for _ in 0..2 {
        let summary = folder.join("summary.json");
        let mut newman = Command::new(folder.join("node_modules/.bin/newman"));
        newman
            .arg("run")
            .arg(root().join("docs/reference/ironmonger.postman_collection.json"))
            .args(["--reporters", "cli,json", "--reporter-cli-no-banner", "--color", "off"])
            .args(["--timeout-request", "60000"])
            .arg("--reporter-json-export")
            .arg(&summary)
            .args(["--env-var", &format!("baseUrl={}", shop.process.base_url())])
            .args(["--env-var", &format!("adminEmail={ADMIN_EMAIL}")])
            .args(["--env-var", &format!("adminPassword={ADMIN_PASSWORD}")]);
        let said = shop.tries(&mut newman);
        let summary: Value = serde_json::from_slice(&fs::read(&summary).expect("newman's summary")).expect("JSON");
        let stats = &summary["run"]["stats"];
        let all = operations(&document()).len();
        assert_eq!(stats["assertions"]["failed"], 0, "{said}");
        let requests = stats["items"]["total"].as_u64().unwrap_or_default();
        assert!(
            requests as usize > all,
            "every operation is called, {all}, but there were {requests} requests"
        );
    }
    shop.balances();
}

// --- The TypeScript client -----------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn the_client_compiles_and_does_a_whole_purchase() {
    let folder = installed(CLIENT);
    for part in ["src", "test"] {
        let _ = fs::remove_dir_all(folder.join(part));
        copied(&root().join(CLIENT).join(part), &folder.join(part));
    }
    let config = "tsconfig.json";
    fs::copy(root().join(CLIENT).join(config), folder.join(config)).expect("the settings can be copied");
    // What the guides show is a program, too.
    let mut programs = vec!["purchase".to_owned()];
    for guide in GUIDES {
        for (at, block) in blocks(guide, "ts").iter().enumerate() {
            let name = format!("{}-{at}", guide.replace(['/', '.'], "-").to_lowercase());
            // An import makes it a module, in which one may wait at the top.
            fs::write(folder.join("test").join(format!("{name}.ts")), block).expect("the example can be written");
            programs.push(name);
        }
    }
    assert!(programs.len() > GUIDES.len(), "the guides show how to use the client");
    succeeds(
        Command::new("npm")
            .args(["run", "--silent", "check"])
            .current_dir(&folder),
    );

    let shop = SampleShop::open(None).await;
    for program in programs {
        let program = folder.join("dist/test").join(format!("{program}.js"));
        shop.tries(Command::new("node").arg(program).current_dir(&folder));
    }
    shop.balances();
}

#[test]
fn calls_that_the_shop_does_not_know_do_not_compile() {
    // An address, a field's type, a parameter's value, and one that is left out.
    let wrong = [
        r#"shop.GET("/api/produce")"#,
        r#"shop.POST("/api/cart", { body: { productId: 1, quantity: "two" } })"#,
        r#"shop.GET("/api/products", { params: { query: { sort: "fastest" } } })"#,
        r#"shop.GET("/api/products/{id}")"#,
    ];
    let folder = installed(CLIENT).join("wrong");
    let _ = fs::remove_dir_all(&folder);
    copied(&root().join(CLIENT).join("src"), &folder.join("src"));
    for (at, call) in wrong.iter().enumerate() {
        let text = format!(
            "import {{ createShop }} from \"./index.js\";\n\
             const shop = createShop({{ baseUrl: \"\" }});\n\
             // @ts-expect-error\nawait {call};\n"
        );
        fs::write(folder.join(format!("src/wrong{at}.ts")), text).expect("a file can be written");
    }
    let config = root().join(CLIENT).join("tsconfig.json");
    fs::copy(config, folder.join("tsconfig.json")).expect("the settings can be copied");
    // A call that compiled would leave its comment without an error to expect, which is one.
    let mut tsc = Command::new(folder.join("../node_modules/.bin/tsc"));
    succeeds(
        tsc.args(["--noEmit", "--project", "tsconfig.json"])
            .current_dir(&folder),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_for_front_ends_runs_as_it_is_written() {
    let shop = SampleShop::open(None).await;
    let lines = blocks("docs/build/README.md", "bash");
    assert!(!lines.is_empty(), "the guide shows calls");
    let script = format!(
        "set -euo pipefail\nBASE={}\n{}",
        shop.process.base_url(),
        lines.join("\n")
    );
    let said = shop.tries(Command::new("bash").args(["--norc", "-c", &script]));
    let shown = blocks("docs/build/README.md", "json").concat();
    assert_eq!(said, shown, "the answers are those that the guide shows");
    shop.balances();
}

// --- Tools ---------------------------------------------------------------------------------------------------------

/// The npm packages of a folder's lock file, installed into a folder of `target`, which it answers. Locked, so that tests
/// that run at once share one.
fn installed(package: &str) -> PathBuf {
    let name = package.rsplit('/').next().expect("a name");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("npm-{name}"));
    fs::create_dir_all(&folder).expect("a folder in target");
    let lock = fs::File::create(folder.join("lock")).expect("a lock");
    lock.lock().expect("the lock can be taken");
    let wanted = fs::read(root().join(package).join("package-lock.json")).expect("a lock file");
    let mark = folder.join("installed.json");
    for file in ["package.json", "package-lock.json"] {
        fs::copy(root().join(package).join(file), folder.join(file)).expect("a file can be copied");
    }
    if fs::read(&mark).is_ok_and(|kept| kept == wanted) {
        return folder;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    succeeds(npm.current_dir(&folder));
    fs::write(mark, wanted).expect("the mark can be written");
    folder
}

/// Copies the files of a folder.
fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
    {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file can be copied");
    }
}

/// The blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).unwrap_or_else(|fault| panic!("{page}: {fault}"));
    let fence = format!("```{language}\n");
    let starts = text.split(&fence).skip(1);
    starts
        .map(|rest| rest.split("```").next().expect("a block ends").to_owned())
        .collect()
}

/// Runs a program to its end and answers what it printed.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output();
    let name = command.get_program().to_string_lossy().into_owned();
    let done = done.unwrap_or_else(|fault| {
        panic!("{name} cannot start: {fault}; `cargo xtask test` says how to install what is missing")
    });
    let said = text(&done.stdout);
    assert!(
        done.status.success(),
        "{name} ended with {}:\n{said}{}",
        done.status,
        text(&done.stderr)
    );
    said
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
