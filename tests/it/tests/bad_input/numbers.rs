//! Quantities and prices that are none.

use it::{each, list, text};
use serde_json::{Value, json};
use testkit::Call;

use crate::stage::{Stage, sane};

/// Quantities and prices that are none.
pub async fn numbers(stage: &Stage) {
    let (shop, mallory) = (&stage.shop, &stage.mallory);
    let refuse = async |call: Call, pointer: &str, what: &str| {
        let problem = call.send().await.refused(400, "invalid");
        assert!(
            each(&problem["errors"], "pointer").contains(&pointer),
            "{what}: {problem}"
        );
    };
    for price in [
        "-1",
        "-0.01",
        "99999999999999999999",
        "1.001",
        "\"abc\"",
        "\"1e3\"",
        "\"\"",
        "\"1,50\"",
        "\"0x10\"",
        "true",
        "[]",
        "\" \"",
    ] {
        let body = format!("{{\"name\":\"Thing\",\"price\":{price}}}");
        refuse(
            shop.admin
                .post("/api/products", Value::Null)
                .body("application/json", body),
            "/price",
            price,
        )
        .await;
        let body = format!("{{\"price\":{price}}}");
        let path = format!("/api/products/{}", text(&stage.product, "id"));
        refuse(
            shop.admin.patch(&path, Value::Null).body("application/json", body),
            "/price",
            price,
        )
        .await;
    }
    for stock in ["-1", "1.5", "1e30", "9223372036854775807", "\"5\"", "null1"] {
        let body = format!("{{\"name\":\"Thing\",\"price\":1,\"stock\":{stock}}}");
        let answer = shop
            .admin
            .post("/api/products", Value::Null)
            .body("application/json", body)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{stock}: {}", answer.text());
    }
    let stock = format!("/api/products/{}/stock", text(&stage.product, "id"));
    for quantity in ["9223372036854775807", "-9223372036854775808", "1e300", "0.5"] {
        let body = format!("{{\"quantity\":{quantity}}}");
        let answer = shop
            .admin
            .put(&stock, Value::Null)
            .body("application/json", body)
            .send()
            .await;
        assert!([400, 409].contains(&answer.status), "{quantity}: {}", answer.text());
    }
    for quantity in [
        "0",
        "-1",
        "10000",
        "1.5",
        "1e30",
        "\"two\"",
        "null",
        "[]",
        "99999999999999999999",
    ] {
        let line = format!("{{\"productId\":{},\"quantity\":{quantity}}}", stage.product["id"]);
        let call = mallory
            .post("/api/cart", Value::Null)
            .body("application/json", line.clone());
        if quantity != "null" {
            refuse(call, "/quantity", quantity).await;
        }
        let call = mallory
            .post("/api/orders", Value::Null)
            .body("application/json", format!("{{\"items\":[{line}]}}"));
        if quantity != "null" {
            refuse(call, "/items/0/quantity", quantity).await;
        }
    }
    // Many lines, and all their faults at once.
    let many: Vec<Value> = (0..501).map(|_| json!({ "productId": stage.product["id"] })).collect();
    let answer = mallory.post("/api/orders", json!({ "items": many })).send().await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let bad = json!({ "items": [{ "productId": 1, "quantity": 0 }, { "quantity": -3 }, { "sku": 5 }], "email": "x" });
    let problem = mallory.post("/api/orders", bad).send().await.refused(400, "invalid");
    assert!(list(&problem["errors"]).len() >= 2, "{problem}");
    // Sums that no number holds.
    let dear = shop
        .admin
        .post(
            "/api/products",
            json!({ "name": "Moon", "price": "92233720368547758.07", "stock": 9_999 }),
        )
        .send()
        .await;
    sane("a price at the edge", &dear);
    if dear.status == 201 {
        let dear = dear.value();
        let line = json!({ "productId": dear["id"], "quantity": 9_999 });
        for call in [
            mallory.post("/api/orders", json!({ "items": [line] })),
            mallory.post("/api/cart", line.clone()),
            mallory.get("/api/cart"),
            mallory.post("/api/orders", json!({})),
        ] {
            sane("a sum beyond the edge", &call.send().await);
        }
        mallory.delete("/api/cart").send().await.is(200);
    }
}
