//! Imports as processes: looked at, joined, gone on with after a crash, foreseen, and their rejected rows given back.

use std::sync::Arc;

use api::catalog::{ImportChange, ImportState, StockMode};
use base::{Currency, Time};
use serde_json::{Value, json};
use serve::Stop;

use super::*;
use crate::actions::By;
use crate::import::{ImportOptions, Jobs};
use crate::store as rows;

/// Every movement of the ledger as who, what and how much, in the order of SKUs.
pub(super) async fn ledger(desk: &Desk) -> Vec<String> {
    let read = desk.db.read(rows::ledger);
    let ledger: Result<_, ::store::Error> = read.await;
    ledger.expect("the ledger")
}

fn many(count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut testkit::ProductFile::of(count), &mut bytes).expect("a file");
    bytes
}

fn options(stock: StockMode) -> ImportOptions {
    let by = By {
        actor: "usr_clerk".into(),
        request_id: "req_import".into(),
    };
    ImportOptions {
        stock,
        dry_run: false,
        by,
    }
}

async fn changes(desk: &Desk, id: ImportId) -> Vec<ImportChange> {
    let (mut all, mut path) = (Vec::new(), format!("/products/import/{id}/changes?limit=2"));
    loop {
        let page = desk.clerk(&format!("GET {path}"), Value::Null).await;
        assert_eq!(page.status, 200, "{page:?}");
        let link = page.header("link");
        all.extend(serde_json::from_value::<Vec<ImportChange>>(page.body).expect("changes"));
        match link.strip_prefix('<').and_then(|link| link.split('>').next()) {
            Some(next) => path = next.to_owned(),
            None => return all,
        }
    }
}

async fn a_dry_run_tells_what_would_change_and_changes_nothing(desk: Desk) {
    desk.import(file(
        "cup,Cup,Potter,Size,S,,5,1\ncup,,,,M,,6,2\nlid,Lid,,,,,1,1\nold,Old,,,,O,1,1\n",
    ))
    .await;
    let rows = file(
        "cup,Cup,,Size,S,,5.50,9\ncup,,,,L,,7,3\nlid,Lid,,,,,1,1\nnew,New,,,,N,2,4\ntwin,Twin,,,,N,2,4\nbad,Bad,,,,,\"1,50\",1\n",
    );
    let (exported, events) = (desk.export().await, desk.events().await);
    let foreseen = desk.import_as("POST /products/import?dryRun=true", rows.clone()).await;
    assert_eq!((foreseen.state, foreseen.dry_run), (ImportState::Done, true));
    assert_eq!(sums(&foreseen), [1, 1, 1, 2], "{foreseen:?}");
    assert_eq!(
        told(&foreseen),
        [
            "6: the SKU \"N\" stands at another variant already",
            "7: Variant Price: (1,50) is no price such as 9.99; write 1.50"
        ]
    );
    let found = changes(&desk, foreseen.id).await;
    let seen: Vec<Value> = found
        .iter()
        .flat_map(|change| {
            change
                .fields
                .iter()
                .map(|field| json!([change.handle, field.variant, field.field, field.before, field.after]))
        })
        .collect();
    for wanted in [
        json!(["cup", null, "vendor", "Potter", null]),
        json!(["cup", "S", "price", "5.00", "5.50"]),
        json!(["cup", "L", "price", null, "7.00"]),
        json!(["new", null, "name", null, "New"]),
        json!(["new", null, "price", null, "2.00"]),
        json!(["new", null, "stock", null, 4]),
    ] {
        assert!(seen.contains(&wanted), "{wanted} in {seen:#?}");
    }
    assert!(found[0].product_id.is_some() && found[1].product_id.is_none());
    assert_eq!((desk.export().await, desk.events().await), (exported, events));
    // It was right.
    let done = desk.import(rows.clone()).await;
    assert_eq!((sums(&done), told(&done)), (sums(&foreseen), told(&foreseen)));
    assert_eq!(
        (done.rows, done.bytes, done.bytes_done),
        (6, rows.len() as u64, rows.len() as u64)
    );
    let again = desk.import_as("POST /products/import?dryRun=true", rows).await;
    assert_eq!(sums(&again), [0, 0, 3, 2], "{again:?}");
    assert_eq!(changes(&desk, again.id).await, []);
}

async fn rejected_rows_come_back_mendable(desk: Desk) {
    let broken = "Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant Price,Variant Inventory Qty,Status\n\
        good,Good,,,,1,1,\n\
        cup,Cup,\"two\nlines, \"\"quoted\"\"\",Size,S,\"1,50\",x,sold\n\
        cup,,,,M,2,1,\n\
        open,\"Open,,,,3,1,\n\
        ,Nobody,,,,4,1,\n";
    let report = desk.import(broken).await;
    assert_eq!(sums(&report), [1, 0, 0, 2], "{report:?}");
    // All faults of a row at once.
    let cup = &told(&report)[0];
    for fault in [
        "3: ",
        "Status: (sold) is none of active, draft, archived",
        "Variant Price: (1,50) is no price such as 9.99; write 1.50",
        "Variant Inventory Qty: (x) is no whole number",
    ] {
        assert!(cup.contains(fault), "{fault}: {cup}");
    }
    let path = format!("GET /products/import/{}/rejected", report.id);
    let (status, back) = desk.send(Some(Role::Staff), &path, "text/csv", Body::empty()).await;
    let back = String::from_utf8(back).expect("text");
    assert_eq!((status, back.lines().count()), (200, 6), "{back}");
    assert!(back.lines().next().unwrap().ends_with("Status,Import Error"), "{back}");
    assert!(
        back.contains("nothing is wrong with this row") && back.contains("line 6: a quote opens here"),
        "{back}"
    );
    // As it is, it says the same once more; mended, it goes in.
    let again = desk.import(back.clone()).await;
    assert_eq!(sums(&again), [0, 0, 0, 2], "{again:?}");
    let mended = back
        .replace("\"1,50\",x,sold", "1.50,3,draft")
        .replace("\"\"\"Open,,,,3,1,\",,,,,,", "Open,,,,3,1,")
        .replace("\r\n,Nobody", "\r\nsomebody,Nobody");
    let report = desk.import(mended.clone()).await;
    assert_eq!((sums(&report), told(&report)), ([3, 0, 0, 0], vec![]), "{mended}");
    let cup = desk.read("cup").await;
    assert_eq!(
        (&cup["description"], &cup["status"], &cup["metadata"]),
        (&json!("two\nlines, \"quoted\""), &json!("draft"), &json!({}))
    );
}

async fn a_category_that_names_none_or_several_costs_its_row_only(desk: Desk) {
    for path in ["Home > Lamps", "Shop > Lamps"] {
        desk.product(json!({ "name": path, "price": 1, "category": path }))
            .await;
    }
    let rows =
        "Handle,Title,Type,Variant Price\na,A,Lamps,1\nb,B,home > lamps,1\nc,C,Home > > Lamps,1\nd,D,New > Deep,1\n";
    let dry = "POST /products/import?dryRun=true";
    let foreseen = desk.import_as(dry, rows).await;
    let report = desk.import(rows).await;
    assert_eq!(sums(&report), [2, 0, 0, 2], "{report:?}");
    assert_eq!((sums(&foreseen), told(&foreseen)), (sums(&report), told(&report)));
    let told = told(&report);
    assert!(told[0].starts_with("2: several categories have this name"), "{told:?}");
    assert!(told[1].starts_with("4: Type: "), "{told:?}");
    assert_eq!(desk.read("b").await["categoryPath"], "Home > Lamps");
    assert_eq!(desk.read("d").await["categoryPath"], "New > Deep");
    // However it is spelled, it is the same place.
    assert_eq!(sums(&desk.import_as(dry, rows).await), [0, 0, 2, 2]);
    assert_eq!(sums(&desk.import(rows).await), [0, 0, 2, 2]);
}

async fn a_repeated_call_joins_by_its_key(desk: Desk) {
    let send = async |key: &str, rows: &str| {
        desk.clerk_file("POST /products/import", rows, &[("idempotency-key", key)])
            .await
    };
    let rows = file("pot,Pot,,,,P,5,10\n");
    let first = send("one", &rows).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed").as_str()),
        (200, ""),
        "{first:?}"
    );
    let id = first.body["id"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), format!("/api/products/import/{id}"));
    let twin = send("one", &rows).await;
    assert_eq!(
        (twin.status, &twin.body, twin.header("idempotency-replayed").as_str()),
        (200, &first.body, "true")
    );
    let other = send("one", &file("pan,Pan,,,,Q,5,10\n")).await;
    assert_eq!(other.told(), (422, "idempotency_key_reused"));
    let fresh = send("two", &rows).await;
    assert_eq!((fresh.status, &fresh.body["unchanged"]), (200, &json!(1)));
    // The newest first, with a next page; what was refused is there and says why.
    let page = desk.clerk("GET /products/import?limit=2", Value::Null).await;
    let states: Vec<&Value> = page.body.as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(
        (states, page.header("link").is_empty()),
        (vec![&json!("done"), &json!("failed")], false)
    );
    assert_eq!(
        desk.clerk("GET /products/import/imp_01j9zk3v5w8q2m4n6p7r8s9t0v", Value::Null)
            .await
            .told(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn a_killed_import_on_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("catalog.db");
    a_killed_import_ends_as_if_it_had_run_once(Desk::open(::store::Engine::Sqlite { file }).await).await;
}

#[tokio::test]
async fn a_killed_import_on_postgres() {
    let engine = testkit::service::postgres().await;
    a_killed_import_ends_as_if_it_had_run_once(Desk::open(engine).await).await;
}

/// Two processes, the first of which dies between two batches.
async fn a_killed_import_ends_as_if_it_had_run_once(desk: Desk) {
    let count = 1_050;
    let other = Desk::open(::store::Engine::Memory).await;
    let jobs = Jobs::new(&other.db, Currency::USD, Stop::new());
    let (id, _) = stage(&jobs, count).await;
    jobs.drive(id).await.expect("an import");
    let wanted = jobs.report(id).await.expect("a report");
    assert_eq!((sums(&wanted), wanted.state), ([count, 0, 0, 0], ImportState::Done));

    let dying = Arc::new(Jobs::new(&desk.db, Currency::USD, Stop::new()));
    let (id, _) = stage(&dying, count).await;
    // It dies: what it is about to write is never written, and nobody hears of it any more.
    let driver = {
        let dying = Arc::clone(&dying);
        serve::spawn(async move { dying.drive(id).await })
    };
    testkit::until("a batch is in", || async {
        let row = desk.db.read(move |tx| rows::import(tx, id)).await;
        row.map(|row| row.is_some_and(|row| row.reached.items > 0))
            .unwrap_or(false)
    })
    .await;
    driver.abort();
    let _ = driver.await;
    drop(dying);
    // Another one finds it, once the first is known to be gone.
    desk.db.clock().advance(Duration::from_secs(60));
    let living = Jobs::new(&desk.db, Currency::USD, Stop::new());
    // The same file, sent again meanwhile, is the same import.
    let (joined, by_key) = stage(&living, count).await;
    assert_eq!((joined, by_key), (id, false));
    living.drive(id).await.expect("the rest of it");
    let report = living.report(id).await.expect("a report");
    assert_eq!(sums(&report), sums(&wanted), "{report:?}");
    assert_eq!((report.rows, report.bytes_done), (wanted.rows, wanted.bytes_done));
    assert_eq!(desk.export().await, other.export().await);
    assert_eq!(ledger(&desk).await, ledger(&other).await);
    let pieces: i64 = desk
        .db
        .read(rows::count_pieces)
        .await
        .map_err(|fault: ::store::Error| fault)
        .expect("a count");
    assert_eq!(pieces, 0, "the file is thrown away");
}

async fn stage(jobs: &Jobs, count: u64) -> (ImportId, bool) {
    let id = jobs.new_id();
    let pieces = many(count)
        .chunks(10_007)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect::<Vec<_>>();
    jobs.stage(id, options(StockMode::New), None, stream::iter(pieces))
        .await
        .expect("a file")
}

/// A file whose sender died is given up, and its pieces go.
async fn a_file_that_nobody_sends_on_is_given_up(desk: Desk) {
    let jobs = Arc::new(Jobs::new(&desk.db, Currency::USD, Stop::new()));
    let id = jobs.new_id();
    let (send, from) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let pieces = stream::unfold(from, |mut from| async move { Some((from.recv().await?, from)) });
    let sending = {
        let jobs = Arc::clone(&jobs);
        serve::spawn(async move { jobs.stage(id, options(StockMode::New), None, Box::pin(pieces)).await })
    };
    send.send(Ok(many(2_000).into())).await.expect("somebody listens");
    testkit::until("a piece is here", || async {
        let row = desk.db.read(move |tx| rows::import(tx, id)).await;
        row.map(|row| row.is_some_and(|row| row.bytes > 0)).unwrap_or(false)
    })
    .await;
    sending.abort();
    let _ = sending.await;
    desk.db.clock().advance(Duration::from_secs(60));
    let stop = Stop::new();
    let living = Arc::new(Jobs::new(&desk.db, Currency::USD, stop.clone()));
    let task = crate::import::resume(living);
    let looking = serve::spawn(task.run(stop.clone()));
    let report = desk.at_rest(id).await;
    assert_eq!(
        (report.state, report.problem.map(|problem| problem.code)),
        (ImportState::Failed, Some("unreadable_file".into()))
    );
    stop.stop();
    looking.await.expect("it ends");
    assert_eq!(desk.events().await, Vec::<String>::new());
}

async fn old_imports_are_forgotten(desk: Desk) {
    let report = desk.import(file("pot,Pot,,,,P,5,10\nbad,Bad,,,,,x,\n")).await;
    desk.db.clock().advance(Duration::from_secs(31 * 86_400));
    let stop = Stop::new();
    let jobs = Arc::new(Jobs::new(&desk.db, Currency::USD, stop.clone()));
    let looking = serve::spawn(crate::import::resume(jobs).run(stop.clone()));
    testkit::until("it is gone", || async {
        let answer = desk
            .clerk(&format!("GET /products/import/{}", report.id), Value::Null)
            .await;
        answer.status == 404
    })
    .await;
    stop.stop();
    looking.await.expect("it ends");
    assert_eq!(desk.stock("pot").await, (10, 0, 10));
}

async fn exports_can_be_narrowed(desk: Desk) {
    for (name, category, tags, status) in [
        ("Hammer", "Tools > Hammers", vec!["steel", "heavy"], "active"),
        ("Saw", "Tools", vec!["steel"], "draft"),
        ("Lamp", "Light", vec!["heavy"], "active"),
    ] {
        desk.product(json!({ "name": name, "price": 1, "category": category, "tags": tags, "status": status }))
            .await;
    }
    let export = async |query: &str| {
        let path = format!("GET /products/export{query}");
        let (status, file) = desk.send(Some(Role::Staff), &path, "text/csv", Body::empty()).await;
        assert_eq!(status, 200);
        let file = String::from_utf8(file).expect("text");
        let titles = file
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(1).unwrap().to_owned());
        titles.collect::<Vec<_>>()
    };
    assert_eq!(export("").await, ["Hammer", "Saw", "Lamp"]);
    assert_eq!(export("?category=tools").await, ["Hammer", "Saw"]);
    assert_eq!(export("?category=Tools%20%3E%20Hammers").await, ["Hammer"]);
    assert_eq!(export("?category=nothing").await, Vec::<String>::new());
    assert_eq!(export("?tag=HEAVY").await, ["Hammer", "Lamp"]);
    assert_eq!(export("?status=draft").await, ["Saw"]);
    assert_eq!(export("?tag=steel&status=active&category=Tools").await, ["Hammer"]);
    let (status, _) = desk
        .send(
            Some(Role::Staff),
            "GET /products/export?status=archived",
            "text/csv",
            Body::empty(),
        )
        .await;
    assert_eq!(status, 400);
}

/// What a moment of the future is for a lease: on SQLite none but this process ever has one.
#[tokio::test]
async fn a_process_alone_waits_for_nobody() {
    let desk = Desk::open(::store::Engine::Memory).await;
    let jobs = Jobs::new(&desk.db, Currency::USD, Stop::new());
    assert_eq!(jobs.free(), Time::from_micros(i64::MAX));
}

on_both_engines![
    a_dry_run_tells_what_would_change_and_changes_nothing,
    rejected_rows_come_back_mendable,
    a_category_that_names_none_or_several_costs_its_row_only,
    a_repeated_call_joins_by_its_key,
    a_file_that_nobody_sends_on_is_given_up,
    old_imports_are_forgotten,
    exports_can_be_narrowed,
];
