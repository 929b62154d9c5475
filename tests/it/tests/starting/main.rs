//! How the program starts, refuses to start, ends, and looks after its books: one clear sentence each.

mod admins;
mod arrivals;
mod books;
mod deadletters;
mod refusals;
mod reindex;
mod signing;

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use it::{each, list, order_with, text};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::process::{Options, Process, run};
use testkit::{Client, Engine, Shape, Shop, until};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn data(folder: &TempDir) -> String {
    folder.path().join("data").to_str().expect("a path").to_owned()
}

fn options(data: &str, env: &[(&str, &str)], args: &[&str]) -> Options {
    Options {
        data: data.into(),
        env: env
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        args: args.iter().map(|arg| arg.to_string()).collect(),
        ..Default::default()
    }
}

/// What a refusal said: `ironmonger: …`, without anything that only a programmer reads.
#[track_caller]
fn sentence(said: &str) -> &str {
    let said = said.trim_end();
    let told = said.lines().find_map(|line| line.strip_prefix("ironmonger: "));
    assert!(
        told.is_some() && !said.contains("panicked") && !said.contains("backtrace"),
        "{said}"
    );
    &said[said.find("ironmonger: ").unwrap_or_default() + "ironmonger: ".len()..]
}

/// A server with these settings refuses to start with one sentence, which holds all these words.
async fn refuses(options: Options, words: &[&str]) {
    let mut process = Process::start(options);
    assert_eq!(process.wait_exit().await.code(), Some(1), "{}", process.output());
    let output = process.output();
    let said = sentence(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        words.iter().all(|word| said.contains(word)),
        "{words:?} are not all in: {said}"
    );
}

/// A command ends with exit code 1 and these words on standard error.
#[track_caller]
fn fails(done: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    let said = sentence(&said);
    assert!(
        words.iter().all(|word| said.contains(word)),
        "{words:?} are not all in: {said}"
    );
}

#[track_caller]
fn succeeds(done: &Output) -> String {
    let [said, why] = [&done.stdout, &done.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned());
    assert_eq!(done.status.code(), Some(0), "{said}{why}");
    said
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = folder();
    for part in ["gateway", "orders"] {
        let variable = format!("IRONMONGER_PORTS_{}", part.to_uppercase());
        let options = options(&data(&folder), &[(&variable, &port)], &[]);
        refuses(options, &[&port, "in use", part, &variable]).await;
    }
    // Whoever starts a second shop learns of all of them at once.
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let second = other.local_addr().expect("an address").port().to_string();
    let both = [
        ("IRONMONGER_PORTS_GATEWAY", port.as_str()),
        ("IRONMONGER_PORTS_ORDERS", &second),
    ];
    let mut process = Process::start(options(&data(&folder), &both, &[]));
    assert_eq!(process.wait_exit().await.code(), Some(1), "{}", process.output());
    let said = process.output();
    assert!(both.iter().all(|(variable, _)| said.contains(variable)), "{said}");
}

#[test]
fn a_folder_without_a_shop_does_not_balance() {
    let folder = folder();
    let data = data(&folder);
    fails(&run(&["doctor", "--data", &data], &[]), &["no shop", &data, "--data"]);
    assert!(!Path::new(&data).exists(), "looking makes no folder");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = folder();
    // A file in its place: whoever is root may write everywhere else.
    std::fs::write(folder.path().join("data"), "not a folder").expect("the folder can be written");
    let data = data(&folder);
    refuses(options(&data, &[], &[]), &[&data, "--data"]).await;
    fails(&run(&["doctor", "--data", &data], &[]), &[&data]);
    refuses(options("/proc/nowhere/data", &[], &[]), &["/proc/nowhere/data"]).await;
}

#[tokio::test]
async fn an_older_program_leaves_a_newer_database_alone() {
    let folder = folder();
    let data = data(&folder);
    succeeds(&run(&["migrate", "--data", &data], &[]));
    let again = succeeds(&run(&["migrate", "--data", &data], &[]));
    let of_orders = again.lines().find(|line| line.starts_with("orders: "));
    assert!(of_orders.is_some_and(|line| line.ends_with("up to date")), "{again}");
    let db = Connection::open(Path::new(&data).join("orders.db")).expect("a database");
    let sql = "INSERT INTO orders_migration (part, version, name, checksum, at) VALUES ('service', 99, '0099_future', 'x', 0)";
    db.execute(sql, []).expect("a row");
    drop(db);
    refuses(options(&data, &[], &[]), &["orders", "newer", "99"]).await;
    fails(&run(&["migrate", "--data", &data], &[]), &["orders", "newer"]);
}

#[tokio::test]
async fn one_folder_one_process() {
    let folder = folder();
    let data = data(&folder);
    let mut first = Process::start(options(&data, &[], &[]));
    first.wait_ready().await;
    refuses(options(&data, &[], &[]), &["another ironmonger", &data]).await;
    // The first one did not notice.
    assert!(
        Client::connect(&first.base_url())
            .await
            .get("/ready")
            .unchecked()
            .send()
            .await
            .status
            == 200
    );
    assert!(first.terminate().await.success());
    let mut second = Process::start(options(&data, &[], &[]));
    second.wait_ready().await;
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let folder = folder();
    let file = folder.path().join("shop.toml");
    std::fs::write(
        &file,
        "colour = 1\n[ports]\ngatway = 3000\ncatalog = \"x\"\n[shop]\ncurrency = \"EURO\"\n",
    )
    .expect("a file");
    let file = file.to_str().expect("a path");
    let data = data(&folder);
    let env = [
        ("IRONMONGER_TOKENS_ACCESS_MINUTES", "-1"),
        ("IRONMONGER_COLOUR", "red"),
        ("JWT_SECRET", "short"),
    ];
    let done = run(&["serve", "--config", file, "--data", &data], &env);
    let words = [
        "colour",
        "did you mean `ports.gateway`",
        "`ports.catalog`",
        "shop.currency",
        "tokens.access_minutes",
        "IRONMONGER_COLOUR",
        "secrets.jwt_secret",
    ];
    fails(&done, &words);
    assert!(
        !Path::new(&data).exists(),
        "nothing is made before the settings are right"
    );
    fails(
        &run(&["serve", "--config", "/no/such/file.toml"], &[]),
        &["/no/such/file.toml"],
    );
    std::fs::write(folder.path().join("bad.toml"), "[ports").expect("a file");
    fails(
        &run(
            &[
                "serve",
                "--config",
                folder.path().join("bad.toml").to_str().expect("a path"),
            ],
            &[],
        ),
        &["bad.toml", "not TOML"],
    );
    fails(
        &run(&["serve", "ordes", "--data", &data], &[]),
        &["no service called ordes", "orders"],
    );
}

#[tokio::test]
async fn production_wants_what_is_safe() {
    let folder = folder();
    let data = data(&folder);
    fails(
        &run(&["serve", "--production", "--data", &data], &[]),
        &["secrets.signing_key", "secrets.webhook_secret", "simulated"],
    );
    let weak = [
        ("JWT_SECRET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("IRONMONGER_PRODUCTION", "true"),
    ];
    fails(
        &run(&["serve", "--data", &data], &weak),
        &["secrets.jwt_secret", "too weak"],
    );
}

#[tokio::test]
async fn settings_are_shown_with_their_origin_and_without_secrets() {
    let folder = folder();
    let file = folder.path().join("shop.toml");
    std::fs::write(&file, "[shop]\nname = \"Tongs & Co\"\n").expect("a file");
    let file = file.to_str().expect("a path");
    let env = [
        ("IRONMONGER_PORTS_CART", "4999"),
        ("JWT_SECRET", "hush hush hush hush hush hush hush hush"),
        ("ADMIN_PASSWORD", "hush hush hush"),
        ("IRONMONGER_DATABASE_URL", "postgres://shop:hush@db/shop"),
    ];
    let said = succeeds(&run(&["config", "--config", file, "--data", "elsewhere"], &env));
    let line = |name: &str| {
        let line = said
            .lines()
            .find(|line| line.split(" =").next().is_some_and(|start| start.trim() == name));
        line.unwrap_or_else(|| panic!("{name} is not shown:\n{said}"))
    };
    for (name, value, origin) in [
        ("shop.name", "\"Tongs & Co\"", file),
        ("ports.cart", "4999", "IRONMONGER_PORTS_CART"),
        ("ports.orders", "4003", "default"),
        ("data", "\"elsewhere\"", "--data"),
        ("secrets.jwt_secret", "…", "JWT_SECRET"),
        ("admin.password", "…", "ADMIN_PASSWORD"),
        ("database.url", "postgres://shop:…@db/shop", "IRONMONGER_DATABASE_URL"),
    ] {
        let line = line(name);
        assert!(line.contains(value) && line.contains(&format!("# {origin}")), "{line}");
    }
    assert!(!said.contains("hush"), "{said}");
    // The reference is a file that can be used.
    let defaults = succeeds(&run(&["config", "--defaults"], &[]));
    let path = folder.path().join("defaults.toml");
    std::fs::write(&path, &defaults).expect("a file");
    let same = |args: &[&str]| {
        succeeds(&run(args, &[]))
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        same(&["config", "--config", path.to_str().expect("a path")]),
        same(&["config"])
    );
}

#[tokio::test]
async fn secrets_are_made_once_and_kept_close() {
    let folder = folder();
    let data = data(&folder);
    let mut process = Process::start(options(&data, &[], &[]));
    process.wait_ready().await;
    // Nobody else on the machine reads addresses, hashes of passwords or keys.
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(&data)), 0o700);
    for file in std::fs::read_dir(&data).expect("a folder").flatten() {
        let (path, is_file) = (file.path(), file.path().is_file());
        assert!(
            !is_file || mode(&path) == 0o600,
            "{}: {:o}",
            path.display(),
            mode(&path)
        );
    }
    let path = Path::new(&data).join("secrets.toml");
    let secrets = std::fs::read_to_string(&path).expect("secrets");
    let visitor = Client::connect(&process.base_url()).await;
    let session = visitor.post("/api/auth/guest", json!({})).send().await.is(200);
    assert!(process.terminate().await.success());
    process.restart().await;
    assert_eq!(std::fs::read_to_string(&path).expect("secrets"), secrets);
    // So tokens outlive the process.
    let guest = visitor.afresh().with_token(text(&session, "token"));
    guest.get("/api/cart").send().await.is(200);
    assert!(
        !process.output().contains(
            secrets
                .lines()
                .last()
                .and_then(|line| line.split('"').nth(1))
                .expect("a secret")
        )
    );
}

/// The sample that a newcomer sees.
#[tokio::test]
async fn the_sample_fills_an_empty_catalogue_only() {
    let folder = folder();
    let mut process = Process::start(options(&data(&folder), &[], &["--sample"]));
    for _ in 0..2 {
        process.wait_ready().await;
        let visitor = Client::connect(&process.base_url()).await;
        let found = visitor.get("/api/products?limit=100").send().await.is(200);
        let mut categories = each(&found, "category");
        categories.sort_unstable();
        categories.dedup();
        assert!(
            list(&found).len() >= 24 && list(&found).len() < 48,
            "{}",
            list(&found).len()
        );
        assert!(categories.len() >= 6, "{categories:?}");
        assert!(list(&found).iter().any(|product| list(&product["variants"]).len() > 1));
        let first = visitor.get("/api/products/1").send().await.is(200);
        assert_eq!(
            (list(&first["variants"]).len(), list(&first["options"]).len()),
            (1, 0),
            "number 1 is a simple product"
        );
        assert!(first["stock"].as_i64() > Some(0));
        assert!(process.terminate().await.success());
        process.start_again();
    }
}

/// SIGTERM: what was asked is answered, then the process ends with success.
async fn drains(shape: Shape) {
    let mut shop = Shop::start(shape, Engine::Sqlite, &[]).await;
    let product = shop.product("10", 5).await;
    let ada = shop.customer("ada").await;
    let buyer = ada.clone();
    #[allow(clippy::disallowed_methods)] // Somebody who asks while the test does something else.
    let asked = tokio::spawn(async move { order_with(&buyer, &product, json!({ "paymentToken": "tok_slow" })).await });
    until("the checkout is under way", || async {
        !list(&ada.get("/api/orders").send().await.is(200)).is_empty()
    })
    .await;
    assert!(shop.fleet.terminate().await, "{}", shop.fleet.output());
    let placed = asked.await.expect("an answer");
    assert_eq!(text(&placed, "status"), "confirmed");
    // An event whose reader had ended before its teller waits in the outbox for the next start.
    shop.fleet.restart_all().await;
    it::flow(&shop, &placed["orderId"], &["OrderCreated", "OrderConfirmed"]).await;
    shop.balances();
}

#[tokio::test]
async fn ends_in_good_order() {
    drains(Shape::One).await;
}

#[tokio::test]
async fn a_fleet_ends_in_good_order() {
    drains(Shape::Split).await;
}

/// What the command line says of itself.
#[test]
fn the_command_line_helps() {
    let said = succeeds(&run(&["--help"], &[]));
    for command in [
        "serve",
        "import",
        "admin",
        "migrate",
        "config",
        "doctor",
        "openapi",
        "--data",
        "--config",
        "--production",
    ] {
        assert!(said.contains(command), "{command}");
    }
    assert!(succeeds(&run(&["--version"], &[])).starts_with("ironmonger "));
    let done = run(&["srve"], &[]);
    assert_eq!(done.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&done.stderr).contains("serve"),
        "it helps with misspelt commands"
    );
    let document: Value = serde_json::from_str(&succeeds(&run(&["openapi"], &[]))).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
}
