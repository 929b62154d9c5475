//! Imports whose process is killed half-way end as if it had not been.

use super::*;

/// What the shop has, whole: its export, and the ledger of some of its products.
async fn whole(shop: &Shop) -> (String, Vec<Value>) {
    let exported = shop.admin.get("/api/products/export").send().await;
    assert_eq!(exported.status, 200);
    let found = shop.admin.get("/api/products?limit=50&sort=name").send().await.is(200);
    let mut ledgers = Vec::new();
    for product in list(&found) {
        let path = format!("/api/products/{}/stock/ledger", text(product, "id"));
        let moved = shop.admin.get(&path).send().await.is(200);
        let what = |moved: &Value| json!([moved["kind"], moved["quantity"], moved["stock"], moved["reserved"]]);
        ledgers.push(list(&moved).iter().map(what).collect::<Value>());
    }
    (exported.text(), ledgers)
}

/// An import whose process is killed half-way, and one that nobody disturbed.
async fn killed(engine: Engine) {
    let count = 3_000;
    let mut csv = Vec::new();
    std::io::copy(&mut ProductFile::of(count), &mut csv).expect("memory");
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(&folder, "many.csv", &csv);
    let mut calm = Shop::start(Shape::One, engine, &[]).await;
    imported(&beside(&mut calm, &path, &[]));

    let mut shop = Shop::start(Shape::One, engine, &[]).await;
    let (admin, body) = (shop.admin.afresh(), csv.clone());
    let sending = serve::spawn(async move {
        let call = admin.call(http::Method::POST, "/api/products/import");
        // Its answer dies with the process.
        let _ = call.body("text/csv", body).unchecked().try_send().await;
    });
    let running = until("some of it is in", || async {
        let imports = shop.admin.get("/api/products/import").send().await.is(200);
        let one = list(&imports).first().cloned();
        one.filter(|one| one["created"].as_u64() > Some(0))
    })
    .await;
    shop.fleet.process("gateway").kill9();
    sending.await.expect("it ends");
    assert_eq!(running["state"], "running", "it was killed half-way");
    shop.fleet.process("gateway").restart().await;
    shop.admin = shop.admin.afresh();
    let import = format!("/api/products/import/{}", text(&running, "id"));
    let done = until("the import has ended", || async {
        let report = shop.admin.get(&import).send().await.is(200);
        if report["state"] == "done" {
            Ok(report)
        } else {
            Err(report)
        }
    })
    .await;
    let figures = ["created", "updated", "unchanged", "leftOut", "rejectedRows"].map(|name| done[name].as_u64());
    assert_eq!(figures, [Some(count), Some(0), Some(0), Some(0), Some(0)], "{done}");
    assert_eq!(whole(&shop).await, whole(&calm).await);
    let said = imported(&beside(&mut shop, &path, &[]));
    assert!(
        said.starts_with(&format!("0 products created, 0 updated, {count} unchanged")),
        "{said}"
    );
    shop.balances();

    // And all of it goes again.
    let undone = shop.admin.post(&format!("{import}/undo"), json!({})).send().await;
    assert!(undone.status == 200 || undone.status == 202, "{}", undone.text());
    let undone = until("the import is undone", || async {
        let report = shop.admin.get(&import).send().await.is(200);
        if report["state"] == "undone" {
            Ok(report)
        } else {
            Err(report)
        }
    })
    .await;
    assert_eq!(undone["undo"]["restored"].as_u64(), Some(count));
    assert_eq!(
        shop.visitor.afresh().get("/api/products").send().await.is(200),
        json!([])
    );
    shop.balances();
}

#[tokio::test]
async fn a_killed_import_goes_on_on_sqlite() {
    killed(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_killed_import_goes_on_on_postgres() {
    killed(Engine::Postgres).await;
}
