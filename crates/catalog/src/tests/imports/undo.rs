//! Imports are taken back: what was is there again, and what somebody did since is kept.

use api::catalog::{ChangeUndo, ImportChange, ImportState};
use serde_json::{Value, json};

use super::jobs::ledger;
use super::*;

impl Desk {
    async fn undo(&self, id: ImportId, body: Value) -> Import {
        let answer = self.clerk(&format!("POST /products/import/{id}/undo"), body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let report: Import = serde_json::from_value(answer.body).expect("an import");
        assert_eq!(report.state, ImportState::Undone, "{report:?}");
        report
    }

    async fn changes(&self, id: ImportId) -> Vec<ImportChange> {
        let path = format!("GET /products/import/{id}/changes?limit=100");
        let answer = self.clerk(&path, Value::Null).await;
        serde_json::from_value(answer.body).expect("changes")
    }
}

/// Restored and kept.
fn undone(report: &Import) -> (u64, u64) {
    let undo = report.undo.as_ref().expect("an undo");
    (undo.restored, undo.kept)
}

const BEFORE: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,Variant Price,\
    Variant Compare At Price,Variant Inventory Qty,Variant Inventory Policy,Variant Grams,Image Src,Image Alt Text,Status,Colour\n\
    cup,Cup,<p>old</p>,Potter,Home,\"a, b\",Size,S,CUP-S,5,8,10,deny,100,https://x.test/1.png,One,active,red\n\
    cup,,,,,,,M,CUP-M,6,,20,deny,,https://x.test/2.png,,,\n\
    lid,Lid,,,,,,,LID,1,,5,deny,,,,draft,\n";
const AFTER: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,Variant Price,\
    Variant Compare At Price,Variant Inventory Qty,Variant Inventory Policy,Variant Grams,Image Src,Image Alt Text,Status,Colour\n\
    cup,Mug,<p>new</p>,,Home > Mugs,c,Size,S,CUP-S2,7,,4,continue,,https://x.test/3.png,Three,draft,\n\
    cup,,,,,,,L,CUP-L,9,,3,deny,,https://x.test/1.png,First,,\n\
    cup,,,,,,,M,CUP-M,6.50,7,25,deny,50,,,,\n\
    lid,Lid,,,,,,,LID,1,,9,deny,,,,active,\n\
    new,New,,,,,,,NEW,3,,7,deny,,,,,\n";

/// Somebody clicks twice: one request works on it, the others look on, and nobody waits for ever.
async fn undone_by_several_at_once(desk: Desk) {
    let rows: String = (0..150).map(|row| format!("p{row},Product {row},1\n")).collect();
    let import = desk.import(format!("Handle,Title,Variant Price\n{rows}")).await;
    let path = format!("POST /products/import/{}/undo", import.id);
    let asked = (0..8).map(|_| desk.clerk(&path, Value::Null));
    for answer in futures_util::future::join_all(asked).await {
        assert!([200, 202].contains(&answer.status), "{answer:?}");
    }
    testkit::until("the import is undone", || async {
        let path = format!("GET /products/import/{}", import.id);
        desk.clerk(&path, Value::Null).await.body["state"] == "undone"
    })
    .await;
    assert_eq!(undone(&desk.undo(import.id, Value::Null).await), (150, 0));
}

async fn all_is_what_it_was(desk: Desk) {
    desk.import(crate::import::SAMPLE).await;
    desk.import(BEFORE).await;
    let (exported, old) = (desk.export().await, desk.read("cup").await);
    let report = desk.import_as("POST /products/import?stock=set", AFTER).await;
    assert_eq!((sums(&report), told(&report)), ([1, 2, 0, 0], vec![]));
    assert_ne!(desk.export().await, exported);
    assert_eq!(desk.stock("lid").await, (9, 0, 9));

    let report = desk.undo(report.id, Value::Null).await;
    assert_eq!(undone(&report), (3, 0), "{report:?}");
    assert_eq!(desk.export().await, exported);
    let new = desk.read("cup").await;
    for field in [
        "id",
        "images",
        "options",
        "variants",
        "category",
        "status",
        "metadata",
        "description",
    ] {
        assert_eq!(new[field], old[field], "{field}");
    }
    assert_eq!(desk.clerk("GET /products/new", Value::Null).await.status, 404);
    assert_eq!(desk.stock("lid").await, (5, 0, 5));
    let moved = ledger(&desk).await;
    let of = |sku: &str| {
        moved
            .iter()
            .filter(|line| line.starts_with(sku))
            .cloned()
            .collect::<Vec<_>>()
    };
    let actor = of("LID ")[0].rsplit(' ').next().unwrap().to_owned();
    assert_eq!(
        of("LID "),
        [
            format!("LID 1 received 5 5 {actor}"),
            format!("LID 2 set 4 9 {actor}"),
            format!("LID 3 adjusted -4 5 {actor}")
        ]
    );
    // Once is enough, and the file may come again.
    let events = desk.events().await;
    let again = desk.undo(report.id, json!({ "force": true })).await;
    assert_eq!((undone(&again), desk.events().await), ((3, 0), events));
    let report = desk.import_as("POST /products/import?stock=set", AFTER).await;
    assert_eq!(sums(&report), [1, 2, 0, 0]);
    // The audit log has each.
    let stored = desk.db.read(|tx| ::store::outbox_after(tx, 0, 1_000)).await.unwrap();
    let audited: Vec<&str> = stored
        .iter()
        .filter(|one| one.event.kind == "StaffAction" && one.event.subject == report.id.to_string())
        .map(|one| one.event.data.as_str())
        .collect();
    assert!(
        audited.len() == 1 && audited[0].contains("product.import"),
        "{audited:?}"
    );
}

async fn what_somebody_did_since_is_kept(desk: Desk) {
    desk.import(BEFORE).await;
    let exported = desk.export().await;
    let report = desk.import_as("POST /products/import?stock=set", AFTER).await;
    let change = async |path: &str, body: Value| {
        let answer = desk.clerk(path, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    change("PATCH /products/cup", json!({ "name": "Beaker" })).await;
    change("PATCH /products/new", json!({ "price": 4 })).await;
    // Of the 9 lids that the file counted 8 are promised: the 4 that it brought cannot all go.
    let variant = desk.read("lid").await["variants"][0]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let lines = vec![Pieces {
        variant,
        quantity: Quantity::new(8).unwrap(),
    }];
    desk.client()
        .reserve(&cx(), &Reserve { order: order(1), lines })
        .await
        .unwrap();
    change("PUT /products/cup/variants/CUP-M/stock", json!({ "quantity": -5 })).await;

    let report = desk.undo(report.id, json!({})).await;
    assert_eq!(undone(&report), (0, 3), "{report:?}");
    let reasons = &report.undo.as_ref().unwrap().reasons;
    let reason = |handle: &str| {
        let found = reasons.iter().find(|reason| reason.handle == handle);
        found.map(|found| found.reason.clone()).unwrap_or_default()
    };
    assert_eq!(reason("cup"), "name was changed since the import");
    assert_eq!(reason("new"), "the product was changed since the import");
    assert!(
        reason("lid").starts_with("stock: 9 pieces are there and 8 of them reserved"),
        "{reasons:?}"
    );
    let cup = desk.read("cup").await;
    assert_eq!((&cup["name"], &cup["vendor"]), (&json!("Beaker"), &json!("Potter")));
    assert_eq!(desk.stock("lid").await, (9, 8, 1));
    // 25 were counted in place of 20; 5 were taken since: 15 are left of the 20.
    let medium = desk.clerk("GET /products/cup/variants/CUP-M/stock", Value::Null).await;
    assert_eq!(medium.body["stock"], json!(15));
    for change in desk.changes(report.id).await {
        assert_eq!(change.undo, Some(ChangeUndo::Kept), "{change:?}");
        assert!(!change.kept.is_empty());
    }
    // By force, and with the lids free again, all of it goes.
    desk.client().undo(&cx(), order(1)).await.unwrap();
    let report = desk.undo(report.id, json!({ "force": true })).await;
    assert_eq!(undone(&report), (3, 0), "{report:?}");
    assert_eq!(
        desk.export().await,
        exported.replace("CUP-M,,6.00,,20", "CUP-M,,6.00,,15")
    );
}

async fn pieces_that_were_sold_stay_sold(desk: Desk) {
    desk.import(BEFORE).await;
    let report = desk.import_as("POST /products/import?stock=set", AFTER).await;
    for (handle, sold) in [("lid", 3), ("new", 2)] {
        let variant = desk.read(handle).await["variants"][0]["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let lines = vec![Pieces {
            variant,
            quantity: Quantity::new(sold).unwrap(),
        }];
        let id = order(u128::try_from(sold).unwrap());
        desk.client()
            .reserve(&cx(), &Reserve { order: id, lines })
            .await
            .unwrap();
        desk.client().settle(&cx(), id).await.unwrap();
    }
    let report = desk.undo(report.id, json!({})).await;
    assert_eq!(undone(&report), (3, 0), "{report:?}");
    // 5 before, 4 more by the file, 3 sold, the 4 taken back.
    assert_eq!(desk.stock("lid").await, (2, 0, 2));
    let faults = desk.db.read(|tx| crate::store::stock_faults(tx, 10)).await;
    assert_eq!(faults.map(|faults| faults.len()).ok(), Some(0));
}

async fn what_cannot_be_undone_is_refused(desk: Desk) {
    let foreseen = desk.import_as("POST /products/import?dryRun=true", BEFORE).await;
    let undo = format!("POST /products/import/{}/undo", foreseen.id);
    assert_eq!(desk.clerk(&undo, Value::Null).await.told(), (409, "nothing_to_undo"));
    let unknown = "POST /products/import/imp_01j9zk3v5w8q2m4n6p7r8s9t0v/undo";
    assert_eq!(desk.clerk(unknown, Value::Null).await.told(), (404, "not_found"));
    let done = desk.import(BEFORE).await;
    let undo = format!("POST /products/import/{}/undo", done.id);
    assert_eq!(desk.customer(&undo, Value::Null).await.status, 403);
    let keyed = [("idempotency-key", "undo")];
    let first = desk.clerk_with(&undo, json!({}), &keyed).await;
    let twin = desk.clerk_with(&undo, json!({}), &keyed).await;
    assert_eq!((first.status, twin.status, &first.body), (200, 200, &twin.body));
    let other = desk.clerk_with(&undo, json!({ "force": true }), &keyed).await;
    assert_eq!(other.told(), (422, "idempotency_key_reused"));
}

async fn a_returning_handle_is_taken_back_step_by_step(desk: Desk) {
    desk.import(file("cup,Cup,,Size,S,,5,1\n")).await;
    let exported = desk.export().await;
    let rows = file(
        "cup,Cup,,Size,S,,6,1\nlid,Lid,,,,,1,1\ncup,Cup,,Size,M,,6,2\nlid2,Lid,,Size,S,,1,1\nlid2,,,,M,,1,1\ncup,,,,L,,7,2\n",
    );
    let report = desk.import(rows).await;
    assert_eq!(sums(&report), [2, 3, 0, 0], "{report:?}");
    let report = desk.undo(report.id, Value::Null).await;
    assert_eq!(undone(&report), (5, 0), "{report:?}");
    assert_eq!(desk.export().await, exported);
}

on_both_engines![
    undone_by_several_at_once,
    all_is_what_it_was,
    what_somebody_did_since_is_kept,
    pieces_that_were_sold_stay_sold,
    what_cannot_be_undone_is_refused,
    a_returning_handle_is_taken_back_step_by_step,
];
