//! What a shop does not start with, and what a start that fails leaves behind.

use super::*;

/// Nobody listens there.
const NO_SERVER: &str = "postgres://shop:hush@127.0.0.1:1/shop";

#[tokio::test]
async fn prices_stay_in_their_currency() {
    let folder = folder();
    let data = data(&folder);
    let yen = [("IRONMONGER_SHOP_CURRENCY", "JPY")];
    // The sample has amounts for a currency without decimals, too.
    let mut process = Process::start(options(&data, &yen, &["--sample"]));
    process.wait_ready().await;
    let visitor = Client::connect(&process.base_url()).await;
    let first = visitor.get("/api/products/1").send().await.is(200);
    assert_eq!((&first["price"], text(&first, "currency")), (&json!(2490), "JPY"));
    let all = visitor.get("/api/products?limit=100").send().await.is(200);
    assert_eq!(list(&all).len(), 34);
    assert!(process.terminate().await.success());

    refuses(options(&data, &[], &[]), &["in JPY", "says USD"]).await;
    let csv = folder.path().join("more.csv");
    std::fs::write(&csv, "Handle,Title,Variant Price\nawl,Awl,25.00\n").expect("a file");
    let csv = csv.to_str().expect("a path");
    fails(&run(&["import", csv, "--data", &data], &[]), &["in JPY", "says USD"]);
    process.restart().await;
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_folder() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = folder();
    let data = data(&folder);
    refuses(options(&data, &[("IRONMONGER_PORTS_CART", &port)], &[]), &[&port]).await;
    assert!(!Path::new(&data).exists());
    // Where two things are wrong, the folder is told of: whoever starts a shop twice learns that.
    let mut first = Process::start(options(&data, &[], &[]));
    first.wait_ready().await;
    let busy = [("IRONMONGER_PORTS_CART", port.as_str())];
    refuses(options(&data, &busy, &[]), &["another ironmonger", &data]).await;
}

#[test]
fn settings_are_checked_without_a_start() {
    let folder = folder();
    let nowhere = folder.path().join("nowhere.pem").to_str().expect("a path").to_owned();
    let fleet = [
        ("IRONMONGER_PORTS_CART", "4002"),
        ("IRONMONGER_TLS_CERTIFICATE", nowhere.as_str()),
        ("IRONMONGER_TLS_KEY", &nowhere),
    ];
    let words = ["`ports.cart`", "4002", "`ports.catalog`", "`tls.certificate`", &nowhere];
    fails(&run(&["config"], &fleet), &words);
    let data = data(&folder);
    fails(&run(&["serve", "--data", &data], &fleet), &words);
    assert!(!Path::new(&data).exists());
    let wrong = [
        ("IRONMONGER_LOG_LEVEL", "loud"),
        ("IRONMONGER_WEB_ORIGINS", "localhost:5173"),
    ];
    fails(&run(&["config"], &wrong), &["`log.level`", "`web.origins`"]);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let folder = folder();
    let data = data(&folder);
    let env = [("IRONMONGER_DATABASE_URL", NO_SERVER)];
    let doctor = run(&["doctor", "--data", &data], &env);
    let words = ["database.url", "IRONMONGER_DATABASE_URL", "127.0.0.1:1"];
    fails(&doctor, &words);
    assert!(!String::from_utf8_lossy(&doctor.stderr).contains("hush"));
    assert!(!Path::new(&data).exists(), "looking makes no folder");
    refuses(options(&data, &env, &[]), &words).await;
}

#[tokio::test]
async fn the_doctor_makes_no_folder_beside_a_database() {
    let folder = folder();
    let data = data(&folder);
    let url = testkit::postgres::database().await.expect("a server for tests");
    let said = succeeds(&run(&["doctor", "--data", &data], &[("IRONMONGER_DATABASE_URL", &url)]));
    assert!(said.contains("The books balance"), "{said}");
    assert!(!Path::new(&data).exists());
}
