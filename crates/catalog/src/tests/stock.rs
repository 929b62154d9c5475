//! Stock, as clerks read and change it.

use api::catalog::{Pieces, Reserve};
use base::Quantity;
use serde_json::{Value, json};

use super::desk::{Desk, cx, order};
use super::on_both_engines;

on_both_engines!(
    stock_is_changed_by_difference_and_by_count,
    what_is_reserved_cannot_be_taken_away,
    several_variants_have_stocks_of_their_own,
    a_repeated_change_counts_once,
    what_may_be_oversold_stays_so_until_there_is_enough,
);

async fn stock_is_changed_by_difference_and_by_count(desk: Desk) {
    desk.pieces("Pot", 3).await;
    let path = "PUT /products/1/stock";
    let more = desk.clerk(path, json!({ "quantity": 4 })).await;
    assert_eq!(
        (more.status, &more.body, more.tag()),
        (
            200,
            &json!({ "stock": 7, "reserved": 0, "available": 7 }),
            "\"s2\"".into()
        )
    );
    assert_eq!(desk.clerk(path, json!({ "qty": -2 })).await.body["stock"], 5);
    assert_eq!(
        desk.clerk(path, json!({ "quantity": -6 })).await.told(),
        (409, "stock_reserved")
    );
    assert_eq!(
        desk.clerk(path, json!({ "set": 9 })).await.told(),
        (428, "precondition_required")
    );
    let tag = desk.clerk("GET /products/1/stock", Value::Null).await.tag();
    let set = desk.clerk_with(path, json!({ "set": 9 }), &[("if-match", &tag)]).await;
    assert_eq!((set.status, &set.body["stock"]), (200, &json!(9)));
    assert_eq!(
        desk.clerk_with(path, json!({ "set": 1 }), &[("if-match", &tag)])
            .await
            .told(),
        (412, "precondition_failed")
    );
    let whole = desk.anyone("GET /products/1", Value::Null).await.tag();
    assert_eq!(
        desk.clerk_with(path, json!({ "set": 8 }), &[("if-match", &whole)])
            .await
            .status,
        200
    );
    for body in [
        json!({}),
        json!({ "quantity": 1, "set": 1 }),
        json!({ "quantity": 2_000_000_000_000i64 }),
        json!({ "set": -1 }),
        json!({ "quantity": 1.5 }),
        json!({ "stock": 1 }),
    ] {
        let wrong = desk.clerk_with(path, body.clone(), &[("if-match", "*")]).await;
        assert_eq!(wrong.status, 400, "{body}");
    }
    assert_eq!(
        desk.clerk("PUT /products/9/stock", json!({ "quantity": 1 }))
            .await
            .status,
        404
    );
    let told = desk.events().await;
    assert_eq!(
        told[1..],
        [
            "InventoryAdjusted var 1",
            "InventoryAdjusted var 2",
            "InventoryAdjusted var 3",
            "InventoryAdjusted var 4"
        ]
    );
    super::holds::balanced(&desk).await;
}

async fn what_is_reserved_cannot_be_taken_away(desk: Desk) {
    let variant = desk.pieces("Pot", 5).await;
    let lines = vec![Pieces {
        variant,
        quantity: Quantity::new(3).unwrap(),
    }];
    let tag = desk.clerk("GET /products/1/stock", Value::Null).await.tag();
    desk.client()
        .reserve(&cx(), &Reserve { order: order(1), lines })
        .await
        .unwrap();
    assert_eq!(desk.stock("1").await, (5, 3, 2));
    let less = desk.clerk("PUT /products/1/stock", json!({ "quantity": -3 })).await;
    assert_eq!(
        (less.told(), &less.body["stock"], &less.body["reserved"]),
        ((409, "stock_reserved"), &json!(5), &json!(3))
    );
    assert_eq!(
        desk.clerk_with("PUT /products/1/stock", json!({ "set": 2 }), &[("if-match", "*")])
            .await
            .status,
        409
    );
    assert_eq!(
        desk.clerk_with("PUT /products/1/stock", json!({ "set": 4 }), &[("if-match", &tag)])
            .await
            .status,
        412
    );
    assert_eq!(
        desk.clerk("PUT /products/1/stock", json!({ "quantity": -2 }))
            .await
            .body["available"],
        0
    );
    super::holds::balanced(&desk).await;
}

async fn several_variants_have_stocks_of_their_own(desk: Desk) {
    let top = desk
        .product(json!({ "name": "Top", "price": 5, "variants": [
        { "options": { "Size": "S" }, "stock": 1 }, { "options": { "Size": "M" }, "sku": "M-1" }
    ] }))
        .await;
    let which = desk.clerk("PUT /products/1/stock", json!({ "quantity": 1 })).await;
    assert_eq!(
        (which.told(), which.body["variants"].as_array().unwrap().len()),
        ((400, "variant_required"), 2)
    );
    assert_eq!(
        which.body["variants"][1],
        json!({ "id": top["variants"][1]["id"], "sku": "M-1", "name": "M" })
    );
    let small = top["variants"][0]["id"].as_str().unwrap();
    for (path, stock) in [
        (format!("/products/1/variants/{small}/stock"), 2),
        ("/products/top/variants/M-1/stock".to_owned(), 1),
        ("/products/M-1/variants/M-1/stock".to_owned(), 2),
        ("/products/M-1/stock".to_owned(), 3),
        (format!("/products/M-1/variants/{small}/stock"), 3),
    ] {
        let changed = desk.clerk(&format!("PUT {path}"), json!({ "quantity": 1 })).await;
        assert_eq!((changed.status, &changed.body["stock"]), (200, &json!(stock)), "{path}");
    }
    // The product's stock version is a sum: it says nothing of one variant.
    let tag = desk.anyone("GET /products/1", Value::Null).await.tag();
    let set = desk
        .clerk_with(
            "PUT /products/1/variants/M-1/stock",
            json!({ "set": 0 }),
            &[("if-match", &tag)],
        )
        .await;
    assert_eq!(set.status, 412);
    assert_eq!(
        desk.clerk("GET /products/1/variants/X/stock", Value::Null).await.status,
        404
    );
    desk.pieces("Other", 1).await;
    assert_eq!(
        desk.clerk("GET /products/2/variants/M-1/stock", Value::Null)
            .await
            .status,
        404
    );
    super::holds::balanced(&desk).await;
}

async fn a_repeated_change_counts_once(desk: Desk) {
    desk.pieces("Pot", 0).await;
    for _ in 0..3 {
        let key = [("idempotency-key", "delivery-7")];
        let changed = desk
            .clerk_with("PUT /products/1/stock", json!({ "quantity": 5 }), &key)
            .await;
        assert_eq!(
            (changed.status, &changed.body["stock"], changed.tag()),
            (200, &json!(5), "\"s1\"".into())
        );
    }
    assert_eq!(desk.stock("1").await, (5, 0, 5));
}

async fn what_may_be_oversold_stays_so_until_there_is_enough(desk: Desk) {
    let product = desk
        .product(json!({ "name": "Print", "price": 5, "variants": [
        { "inventoryPolicy": "continue", "stock": 1 }
    ] }))
        .await;
    let variant = product["variants"][0]["id"].as_str().unwrap().parse().unwrap();
    let lines = vec![Pieces {
        variant,
        quantity: Quantity::new(4).unwrap(),
    }];
    desk.client()
        .reserve(&cx(), &Reserve { order: order(1), lines })
        .await
        .unwrap();
    assert_eq!(desk.stock("1").await, (1, 4, -3));
    let deny = json!({ "variants": [{ "inventoryPolicy": "deny" }] });
    assert_eq!(
        desk.clerk("PUT /products/1", deny.clone()).await.told(),
        (409, "stock_reserved")
    );
    desk.client().settle(&cx(), order(1)).await.unwrap();
    assert_eq!(desk.stock("1").await, (-3, 0, -3));
    assert_eq!(
        desk.clerk("PUT /products/1/stock", json!({ "quantity": 3 }))
            .await
            .status,
        200
    );
    let denied = desk.clerk("PUT /products/1", deny).await;
    assert_eq!(
        (denied.status, &denied.body["variants"][0]["inventoryPolicy"]),
        (200, &json!("deny"))
    );
    super::holds::balanced(&desk).await;
}
