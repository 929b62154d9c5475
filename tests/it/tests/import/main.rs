//! Products from files, through the binary as a shopkeeper runs it.

mod back;
mod killed;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use it::{cents, each, list, text};
use serde_json::{Value, json};
use testkit::process::{binary, run};
use testkit::{Client, Engine, ProductFile, Shape, Shop, shared_data, until};

/// What an import of any size may take of memory, in kilobytes.
const MEMORY_MAX_KB: u64 = 200 << 10;
/// What a whole server may take while products come in by thousands, in kilobytes: its search index grows meanwhile, of
/// which pages count that are files of its own.
const SERVER_MEMORY_MAX_KB: u64 = 400 << 10;
/// What an export of any size may take of memory, in kilobytes; the program itself apart, which is large when it is
/// built for tests.
const EXPORT_MEMORY_MAX_KB: u64 = 100 << 10;
/// How often a running process is looked at; its highest mark only grows.
const LOOK_EVERY: Duration = Duration::from_millis(5);

fn out(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What an import that succeeded said.
#[track_caller]
fn imported(done: &Output) -> String {
    let why = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{}{why}", out(done));
    out(done)
}

/// Imports a file beside the running shop.
fn beside(shop: &mut Shop, file: &Path, more: &[&str]) -> Output {
    let mut args = vec!["import", file.to_str().expect("a path")];
    args.extend_from_slice(more);
    shop.fleet.process("gateway").run(&args)
}

/// Imports a file into a folder that no server uses.
fn alone(data: &Path, file: &Path) -> Output {
    run(
        &[
            "import",
            file.to_str().expect("a path"),
            "--data",
            data.to_str().expect("a path"),
        ],
        &[],
    )
}

/// A file of a test's own.
fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the folder can be written");
    path
}

/// Every product by its handle, with its tag.
async fn shelf(shop: &Shop) -> BTreeMap<String, (Value, String)> {
    let mut shelf = BTreeMap::new();
    let mut path = "/api/products?limit=100".to_owned();
    loop {
        let page = shop.admin.get(&path).send().await;
        for product in list(&page.is(200)) {
            let read = shop
                .admin
                .get(&format!("/api/products/{}", text(product, "id")))
                .send()
                .await;
            shelf.insert(
                text(product, "handle").to_owned(),
                (read.is(200), read.header("etag").to_owned()),
            );
        }
        match page
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.split('>').next())
        {
            Some(next) => path = next.to_owned(),
            None => return shelf,
        }
    }
}

/// A product as its rows in the file have it, read here without any code of the shop.
struct Rows {
    title: String,
    /// Chosen values, price in cents, pieces; one for each variant.
    variants: Vec<(Vec<String>, i64, i64)>,
    images: Vec<String>,
}

fn rows(path: &Path) -> BTreeMap<String, Rows> {
    let mut reader = csv::Reader::from_path(path).expect("the file opens");
    let columns = reader.headers().expect("a header").clone();
    let mut products: BTreeMap<String, Rows> = BTreeMap::new();
    for row in reader.records() {
        let row = row.expect("a row");
        let cell = |name: &str| {
            let at = columns.iter().position(|column| column == name);
            at.and_then(|at| row.get(at)).unwrap_or_default().trim().to_owned()
        };
        let product = products.entry(cell("Handle")).or_insert_with(|| Rows {
            title: cell("Title"),
            variants: Vec::new(),
            images: Vec::new(),
        });
        let choice = ["Option1 Value", "Option2 Value", "Option3 Value"].map(cell);
        if !cell("Variant Price").is_empty() {
            let price: f64 = cell("Variant Price").parse().expect("a price");
            let chosen = choice
                .into_iter()
                .filter(|value| !value.is_empty() && value != "Default Title")
                .collect();
            product.variants.push((
                chosen,
                (price * 100.0).round() as i64,
                cell("Variant Inventory Qty").parse().unwrap_or(0),
            ));
        }
        if !cell("Image Src").is_empty() {
            product.images.push(cell("Image Src"));
        }
    }
    products
}

/// A product of the shop is what its rows say.
fn is_as_in_file(product: &Value, rows: &Rows) {
    assert_eq!(text(product, "name"), rows.title);
    let variants = list(&product["variants"]);
    assert_eq!(variants.len(), rows.variants.len(), "{product}");
    for (variant, (chosen, price, pieces)) in variants.iter().zip(&rows.variants) {
        let options = list(&product["options"])
            .iter()
            .map(|option| text(&variant["options"], text(option, "name")));
        assert_eq!(options.collect::<Vec<_>>(), *chosen, "{variant}");
        assert_eq!(
            (cents(&variant["price"]), variant["stock"].as_i64()),
            (*price, Some(*pieces)),
            "{variant}"
        );
        let made = format!("{} {}", text(product, "handle"), chosen.join(" "));
        let words = |text: &str| {
            text.split(|letter: char| !letter.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join("-")
                .to_uppercase()
        };
        assert_eq!(text(variant, "sku"), words(&made), "a SKU is made of handle and choice");
    }
    let images = each(&product["images"], "url");
    assert!(
        rows.images.iter().all(|image| images.contains(&image.as_str())),
        "{product}"
    );
}

/// Buys a piece by its SKU and gets the money back.
async fn buy_and_refund(shop: &Shop, sku: &str) {
    let ada = shop.customer("ada").await;
    ada.post("/api/cart", json!({ "sku": sku })).send().await.is(201);
    let placed = ada.checkout().await;
    assert_eq!(
        (text(&placed, "status"), text(&placed["order"]["items"][0], "sku")),
        ("confirmed", sku)
    );
    let refund = format!("/api/payments/{}/refund", text(&placed, "orderId"));
    let refunded = shop.admin.post(&refund, json!({})).send().await.is(200);
    assert_eq!(
        (text(&refunded, "status"), cents(&refunded["refunded"])),
        ("refunded", cents(&placed["total"]))
    );
}

/// Three files that a shop really exported, beside a running server.
async fn real_files(shape: Shape, engine: Engine) {
    let Some(data) = shared_data() else { return };
    let files = ["apparel", "home-and-garden", "jewelery"].map(|name| data.join(format!("shopify/{name}.csv")));
    let mut shop = Shop::start(shape, engine, &[]).await;
    let mut wanted = BTreeMap::new();
    for path in &files {
        let rows = rows(path);
        let said = imported(&beside(&mut shop, path, &[]));
        assert!(
            said.starts_with(&format!("{} products created, 0 updated, 0 unchanged", rows.len())),
            "{said}"
        );
        wanted.extend(rows);
    }
    let shelf_before = shelf(&shop).await;
    assert_eq!((wanted.len(), shelf_before.len()), (60, 60));
    for (handle, rows) in &wanted {
        is_as_in_file(&shelf_before[handle].0, rows);
    }
    // Again: nothing changes, neither before a sale nor after.
    let again = |shop: &mut Shop| {
        for path in &files {
            let said = imported(&beside(shop, path, &[]));
            assert!(said.starts_with("0 products created, 0 updated, "), "{said}");
        }
    };
    again(&mut shop);
    assert_eq!(shelf(&shop).await, shelf_before);
    let sold = shelf_before
        .values()
        .flat_map(|(product, _)| list(&product["variants"]));
    let sold = sold
        .clone()
        .find(|variant| variant["options"] != json!({}) && variant["stock"].as_i64() > Some(0))
        .expect("a variant in stock");
    let (sku, pieces) = (text(sold, "sku").to_owned(), sold["stock"].as_i64().unwrap_or_default());
    buy_and_refund(&shop, &sku).await;
    let shelf_after = shelf(&shop).await;
    again(&mut shop);
    assert_eq!(shelf(&shop).await, shelf_after);
    let stock = async |shop: &Shop| {
        let found = shop
            .visitor
            .get(&format!("/api/products?sku={sku}"))
            .send()
            .await
            .is(200);
        let variants = list(&found[0]["variants"]).to_vec();
        variants
            .into_iter()
            .find(|variant| variant["sku"] == *sku)
            .and_then(|variant| variant["stock"].as_i64())
    };
    assert_eq!(stock(&shop).await, Some(pieces - 1));
    // What was exported is a file like any other.
    let exported = shop.admin.get("/api/products/export").send().await;
    assert_eq!(exported.status, 200);
    let folder = tempfile::tempdir().expect("a folder");
    let exported = file(&folder, "export.csv", &exported.body);
    let said = imported(&beside(&mut shop, &exported, &[]));
    assert!(
        said.starts_with("0 products created, 0 updated, 60 unchanged"),
        "{said}"
    );
    assert_eq!(shelf(&shop).await, shelf_after);
    // Who counted says so.
    for path in &files {
        imported(&beside(&mut shop, path, &["--stock", "set"]));
    }
    assert_eq!(stock(&shop).await, Some(pieces));
    until("the shop is at rest", || async {
        let unrest = shop.books().unrest(0).await;
        if unrest.is_empty() { Ok(()) } else { Err(unrest) }
    })
    .await;
    shop.balances();
}

#[tokio::test]
async fn real_files_on_sqlite() {
    real_files(Shape::One, Engine::Sqlite).await;
}

#[tokio::test]
async fn real_files_on_postgres() {
    real_files(Shape::Split, Engine::Postgres).await;
}

/// Products of a shop that is started on this folder.
async fn products(data: &Path) -> Value {
    let mut process = testkit::process::Process::start(testkit::process::Options {
        data: data.to_owned(),
        ..Default::default()
    });
    process.wait_ready().await;
    let visitor = Client::connect(&process.base_url()).await;
    let found = visitor.get("/api/products?limit=100&sort=name").send().await.is(200);
    assert!(process.terminate().await.success());
    found
}

#[tokio::test]
async fn a_file_goes_in_without_a_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let csv = file(
        &folder,
        "tools.csv",
        b"Handle,Title,Variant Price,Variant Inventory Qty\r\ntongs,Tongs,9.50,4\r\nawl,Awl,3,1\r\n",
    );
    let said = imported(&alone(&data, &csv));
    assert!(said.starts_with("2 products created, 0 updated, 0 unchanged"), "{said}");
    let found = products(&data).await;
    assert_eq!(each(&found, "name"), ["Awl", "Tongs"]);
    assert_eq!((cents(&found[1]["price"]), found[1]["stock"].as_i64()), (950, Some(4)));
    let said = imported(&alone(&data, &csv));
    assert!(said.starts_with("0 products created, 0 updated, 2 unchanged"), "{said}");
    assert_eq!(products(&data).await, found);
}

#[tokio::test]
async fn broken_rows_are_told_and_good_products_go_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let csv = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\n\
        good,Good,,,G-1,1.50\n\
        dear,Dear,,,D-1,cheap\n\
        ,Nameless,,,N-1,2\n\
        twin,Twin,,,G-1,3\n\
        latin,Caf\u{1},,,L-1,4\n\
        last,Last,,,Z-1,5\n\
        open,\"Never closed,,,O-1,6\n";
    let csv = [csv.replace('\u{1}', "\u{fffd}").as_bytes()].concat();
    let csv: Vec<u8> = String::from_utf8(csv)
        .expect("UTF-8")
        .split('\u{fffd}')
        .map(|part| part.as_bytes().to_vec())
        .collect::<Vec<_>>()
        .join(&0xe9);
    let csv = file(&folder, "broken.csv", &csv);
    let done = alone(&data, &csv);
    let said = out(&done);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.starts_with("2 products created"), "{said}");
    for (line, reason) in [(3, "cheap"), (4, "andle"), (5, "G-1"), (6, "UTF-8"), (8, "quote")] {
        let told = said.lines().find(|told| told.starts_with(&format!("line {line}: ")));
        let told = told.unwrap_or_else(|| panic!("line {line} is not told of:\n{said}"));
        assert!(told.contains(reason), "{told}");
    }
    assert_eq!(each(&products(&data).await, "name"), ["Good", "Last"]);
}

#[tokio::test]
async fn what_is_no_product_file_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let pictures = (0..=255_u8).cycle().take(100_000).collect::<Vec<u8>>();
    let cases: [(&str, &[u8]); 5] = [
        ("empty", b""),
        ("json", b"{\"products\": [{\"Handle\": \"x\"}]}"),
        ("picture", &pictures),
        ("other table", b"name,price\nTongs,5\n"),
        ("page", b"<!doctype html><html><body>Handle,Title</body></html>"),
    ];
    for (name, bytes) in cases {
        let csv = file(&folder, name, bytes);
        let done = alone(&data, &csv);
        let why = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{name}: {}{why}", out(&done));
        // The first one also says that it makes the folder.
        let lines: Vec<&str> = why
            .lines()
            .skip_while(|line| line.starts_with("There is no shop"))
            .collect();
        assert!(
            lines.len() == 1 && lines[0].starts_with("ironmonger: "),
            "{name}: {why}"
        );
    }
    let gone = alone(&data, &folder.path().join("no-such-file.csv"));
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(products(&data).await, json!([]));
}

/// What a process took of memory at the most so far, in kilobytes; none when it is gone.
fn memory_kb(id: u32) -> Option<u64> {
    status_kb(id, "VmHWM:")
}

/// What the system says of a process under this name.
fn status_kb(id: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// A file of many products in one pass, in bounded memory: by the program alone, and beside a server.
#[tokio::test]
async fn a_long_file_needs_little_memory() {
    let count: u64 = if testkit::load::is_long() { 100_000 } else { 10_000 };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("many.csv");
    let mut csv = std::fs::File::create(&path).expect("the folder can be written");
    std::io::copy(&mut ProductFile::of(count), &mut csv).expect("the disk has room");
    csv.flush().expect("the disk has room");

    let (data, started) = (folder.path().join("data"), std::time::Instant::now());
    let mut child = Command::new(binary())
        .args([
            "import",
            path.to_str().expect("a path"),
            "--data",
            data.to_str().expect("a path"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let (mut most, mut looks) = (0, tokio::time::interval(LOOK_EVERY));
    while child.try_wait().expect("it can be waited for").is_none() {
        most = most.max(memory_kb(child.id()).unwrap_or_default());
        looks.tick().await;
    }
    let done = child.wait_with_output().expect("it has ended");
    let said = imported(&done);
    println!(
        "{count} products in {:.1} s and {} MB: {said}",
        started.elapsed().as_secs_f64(),
        most >> 10
    );
    assert!(said.starts_with(&format!("{count} products created")), "{said}");
    assert!(most > 0 && most <= MEMORY_MAX_KB, "{} MB", most >> 10);

    exports_need_little_memory(&data, &path, count).await;

    let mut shop = Shop::start(Shape::One, Engine::Sqlite, &[]).await;
    let said = imported(&beside(&mut shop, &path, &[]));
    assert!(said.starts_with(&format!("{count} products created")), "{said}");
    let most = memory_kb(shop.fleet.process("gateway").id()).expect("it runs");
    println!("{count} products beside a server of {} MB", most >> 10);
    assert!(most <= SERVER_MEMORY_MAX_KB, "{} MB", most >> 10);
    // It goes on selling out of the full shelves. Idle connections were closed meanwhile, while nobody here looked.
    (shop.visitor, shop.admin) = (shop.visitor.afresh(), shop.admin.afresh());
    let found = shop
        .visitor
        .get("/api/products?inStock=true&sort=price&limit=1")
        .send()
        .await
        .is(200);
    let sku = text(&found[0]["variants"][0], "sku").to_owned();
    buy_and_refund(&shop, &sku).await;
}

/// The whole catalogue comes out in little memory, and going in again it changes nothing.
async fn exports_need_little_memory(data: &Path, file: &Path, count: u64) {
    let exported = file.with_file_name("export.csv");
    let (data, exported) = (data.to_str().expect("a path"), exported.to_str().expect("a path"));
    let started = std::time::Instant::now();
    let mut child = Command::new(binary())
        .args(["export", exported, "--data", data])
        .stdin(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let (mut most, mut looks) = (0, tokio::time::interval(LOOK_EVERY));
    while child.try_wait().expect("it can be waited for").is_none() {
        most = most.max(status_kb(child.id(), "RssAnon:").unwrap_or_default());
        looks.tick().await;
    }
    assert!(child.wait().expect("it has ended").success());
    println!(
        "{count} products out in {:.1} s and {} MB",
        started.elapsed().as_secs_f64(),
        most >> 10
    );
    assert!(most > 0 && most <= EXPORT_MEMORY_MAX_KB, "{} MB", most >> 10);
    let said = imported(&run(&["import", exported, "--dry-run", "--data", data], &[]));
    assert!(
        said.starts_with(&format!(
            "0 products would be created, 0 updated, {count} are unchanged"
        )),
        "{said}"
    );
}
