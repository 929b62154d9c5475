//! Many products in one call.

use serde_json::{Value, json};

use super::desk::Desk;
use super::on_both_engines;

on_both_engines!(
    each_row_has_a_result_of_its_own,
    all_or_none,
    a_repeated_call_creates_nothing_twice,
    a_key_with_another_body_creates_nothing,
    a_thousand_go_in_at_once,
    many_of_one_name_have_names_of_their_own,
);

const BULK: &str = "POST /products/bulk";

async fn each_row_has_a_result_of_its_own(desk: Desk) {
    desk.product(json!({ "name": "Anvil", "price": 5 })).await;
    let rows = json!([
        { "name": "Pot", "price": "12.50", "stock": 3 },
        { "name": "", "price": -1 },
        { "name": "x", "price": 1, "colour": "red" },
        { "name": "Twin", "price": 1, "sku": "ANVIL" },
        { "name": "Pan", "price": 1, "sku": "P" },
        { "name": "Lid", "price": 1, "sku": "P" },
        { "name": "Top", "price": 1, "handle": "anvil" },
        "a word",
        { "name": "Odd", "price": 1, "category": "a > > b" },
        { "name": "Last", "price": 0.1 },
    ]);
    let done = desk.clerk(BULK, json!({ "products": rows })).await;
    assert_eq!(done.status, 207, "{done:?}");
    let rows = done.body.as_array().unwrap();
    let told: Vec<(u64, u64, &str)> = rows
        .iter()
        .map(|row| {
            let code = row["problem"]["code"].as_str().unwrap_or_default();
            (row["index"].as_u64().unwrap(), row["status"].as_u64().unwrap(), code)
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, 201, ""),
            (1, 400, "invalid"),
            (2, 400, "invalid"),
            (3, 409, "sku_taken"),
            (4, 201, ""),
            (5, 409, "sku_taken"),
            (6, 409, "handle_taken"),
            (7, 400, "invalid"),
            (8, 400, "invalid"),
            (9, 201, ""),
        ]
    );
    assert_eq!(rows[1]["problem"]["errors"].as_array().unwrap().len(), 2);
    assert_eq!(rows[2]["problem"]["errors"][0]["pointer"], "/colour");
    assert_eq!(
        (&rows[0]["product"]["stock"], &rows[0]["product"]["id"]),
        (&json!(3), &rows[0]["id"])
    );
    assert_eq!(rows[9]["product"]["price"], json!(0.1));
    assert_eq!(
        desk.anyone("GET /products", Value::Null).await.names(),
        ["Last", "Pan", "Pot", "Anvil"]
    );
    assert_eq!(desk.clerk(BULK, json!({ "products": [] })).await.body, json!([]));
    let many: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    assert_eq!(
        desk.clerk(BULK, json!({ "products": many })).await.told(),
        (400, "invalid")
    );
    let one = json!({ "products": [{ "name": "x", "price": 1 }] });
    assert_eq!(desk.anyone(BULK, one.clone()).await.status, 401);
    assert_eq!(desk.customer(BULK, one).await.status, 403);
    let deeds = desk.deeds().await;
    assert_eq!(
        (deeds[1].0.as_str(), &deeds[1].1["after"]),
        ("product.bulk", &json!({ "created": 3 }))
    );
    super::holds::balanced(&desk).await;
}

async fn all_or_none(desk: Desk) {
    desk.product(json!({ "name": "Anvil", "price": 5 })).await;
    let bulk = "POST /products/bulk?atomic=true";
    let good = json!({ "name": "Pot", "price": 1, "category": "New" });
    let refused = desk
        .clerk(
            bulk,
            json!({ "products": [good, { "name": "", "price": 1 }, { "name": "x", "price": "1,5" }] }),
        )
        .await;
    let pointers: Vec<&str> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        (refused.told(), pointers),
        ((400, "invalid"), vec!["/products/1/name", "/products/2/price"])
    );
    let taken = desk
        .clerk(bulk, json!({ "products": [good, { "name": "x", "price": 1, "sku": "ANVIL" }, { "name": "y", "price": 1, "handle": "anvil" }] }))
        .await;
    let pointers: Vec<&str> = taken.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        (taken.told(), pointers),
        ((409, "rows_refused"), vec!["/products/1/sku", "/products/2/handle"])
    );
    assert_eq!(desk.anyone("GET /products", Value::Null).await.names(), ["Anvil"]);
    assert_eq!(
        desk.anyone("GET /categories/new", Value::Null).await.status,
        404,
        "no trace is left"
    );
    let done = desk.clerk(bulk, json!({ "products": [good, good] })).await;
    assert_eq!(
        (done.status, done.body[1]["product"]["handle"].as_str()),
        (207, Some("pot-2"))
    );
}

async fn a_repeated_call_creates_nothing_twice(desk: Desk) {
    for path in [BULK, "POST /products/bulk?atomic=true"] {
        let key = [("idempotency-key", path)];
        let rows = json!({ "products": [{ "name": "A", "price": 1 }, { "name": "B", "price": 1 }] });
        let first = desk.clerk_with(path, rows.clone(), &key).await;
        let again = desk.clerk_with(path, rows, &key).await;
        assert_eq!((first.status, first.header("idempotency-replayed").as_str()), (207, ""));
        assert_eq!(
            (again.status, again.header("idempotency-replayed").as_str()),
            (207, "true")
        );
        assert_eq!(first.body, again.body);
        let other = desk
            .clerk_with(path, json!({ "products": [{ "name": "C", "price": 1 }] }), &key)
            .await;
        assert_eq!(other.told(), (422, "idempotency_key_reused"));
    }
    assert_eq!(desk.anyone("GET /products", Value::Null).await.names().len(), 4);
}

async fn a_key_with_another_body_creates_nothing(desk: Desk) {
    let key = [("idempotency-key", "mine")];
    let row = |name: String| json!({ "name": name, "price": 1 });
    // More rows than go in at once, of which only the last one is sound.
    let mut rows: Vec<Value> = (0..60).map(|_| row(String::new())).collect();
    rows.push(row("Anvil".into()));
    let first = desk.clerk_with(BULK, json!({ "products": rows }), &key).await;
    assert_eq!((first.status, &first.body[60]["status"]), (207, &json!(201)));
    let others: Vec<Value> = (0..61).map(|n| row(format!("Bolt {n}"))).collect();
    let refused = desk.clerk_with(BULK, json!({ "products": others }), &key).await;
    assert_eq!(refused.told(), (422, "idempotency_key_reused"));
    assert_eq!(desk.anyone("GET /products", Value::Null).await.names(), ["Anvil"]);
}

async fn a_thousand_go_in_at_once(desk: Desk) {
    let rows: Vec<Value> = (0..1_000)
        .map(|n| json!({ "name": format!("Bolt {n}"), "price": 1, "stock": 1, "description": "x".repeat(2_000), "tags": ["bolt"] }))
        .collect();
    for path in [BULK, "POST /products/bulk?atomic=true"] {
        let done = desk.clerk(path, json!({ "products": rows })).await;
        let rows = done.body.as_array().unwrap_or_else(|| panic!("{done:?}"));
        assert!(
            rows.len() == 1_000 && rows.iter().all(|row| row["status"] == 201),
            "{path}"
        );
    }
    let last = desk.anyone("GET /products?tag=bolt&limit=1", Value::Null).await;
    assert_eq!(last.body[0]["number"], 2_000);
    super::holds::balanced(&desk).await;
}

async fn many_of_one_name_have_names_of_their_own(desk: Desk) {
    let rows: Vec<Value> = (0..40).map(|_| json!({ "name": "Nail", "price": 1 })).collect();
    for _ in 0..4 {
        let done = desk.clerk(BULK, json!({ "products": rows })).await;
        assert!(
            done.body.as_array().unwrap().iter().all(|row| row["status"] == 201),
            "{done:?}"
        );
    }
}
