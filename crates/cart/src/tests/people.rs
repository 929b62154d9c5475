//! What people do with their carts.

use base::{Id, ProductId, VariantId};
use serde_json::{Value, json};

use super::on_both;
use super::shop::Shop;

on_both! {
    a_cart_shows_what_was_added_with_the_prices_of_now
    every_spelling_is_the_same_cart
    parallel_adds_all_count
    lines_are_changed_by_any_of_their_names
    a_repeated_call_is_done_once
    tags_name_what_is_shown_and_what_is_in_it
    an_archived_product_can_only_go
}

async fn a_cart_shows_what_was_added_with_the_prices_of_now(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 5);
    shop.shelf.put("POT-2", 2, 500, 9);
    let ada = shop.customer(1);
    let empty = shop.call(&ada, "GET /cart", Value::Null).await;
    let expected = json!({
        "id": null, "userId": ada.id.to_string(), "cart": [], "itemCount": 0, "total": 0.00, "currency": "USD",
        "changed": false, "merge": null
    });
    assert_eq!((empty.status, empty.body), (200, expected));

    let added = shop
        .call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 2 }))
        .await;
    assert_eq!((added.status, added.header("location")), (201, "/api/cart"));
    shop.call(&ada, "POST /cart", json!({ "sku": "POT-2" })).await;
    shop.shelf.edit("POT-2", |card| card.price.minor = 510);
    shop.shelf.calls();
    let mut cart = shop.call(&ada, "GET /cart", Value::Null).await.body;
    assert_eq!(shop.shelf.calls(), 1, "one call for all lines");
    assert!(cart["id"].take().as_str().unwrap().starts_with("crt_"));
    for line in cart["cart"].as_array_mut().unwrap() {
        assert!(line["id"].take().as_str().unwrap().starts_with("lin_"));
    }
    let line = |sku: &str, number: u128, quantity: i64, price: f64, subtotal: f64, available: i64, changes: Value| {
        json!({
            "id": null, "productId": ProductId::from_bits(number), "variantId": VariantId::from_bits(999 + number),
            "sku": sku, "name": format!("The {sku}"), "imageUrl": null, "quantity": quantity,
            "price": price, "subtotal": subtotal, "available": available, "changes": changes
        })
    };
    let expected = json!({
        "id": null, "userId": ada.id, "itemCount": 3, "total": 45.08, "currency": "USD",
        "changed": true, "merge": null,
        "cart": [
            line("TEA-1", 1, 2, 19.99, 39.98, 5, json!({})),
            line("POT-2", 2, 1, 5.10, 5.10, 9, json!({ "price": { "was": 5.00, "now": 5.10 } })),
        ]
    });
    assert_eq!(cart, expected);
    shop.call(&ada, "POST /cart", json!({ "sku": "POT-2" })).await;
    assert_eq!(
        shop.shelf.calls(),
        2,
        "adding asks what is meant, and then for the other lines"
    );
    let bob = shop.customer(2);
    shop.call(&bob, "POST /cart", json!({ "sku": "POT-2" })).await;
    assert_eq!(shop.shelf.calls(), 1, "where there are any");
}

async fn every_spelling_is_the_same_cart(shop: Shop) {
    let tea = shop.shelf.put("TEA-1", 1, 1999, 500);
    let ada = shop.customer(1);
    shop.shelf.number(ada.id, 42);
    let id = ada.id;
    let adds = [
        ("POST /cart".to_owned(), json!({ "productId": 1 }), 201),
        (
            "POST /api/cart".to_owned(),
            json!({ "productId": "1", "quantity": 1 }),
            201,
        ),
        (
            "POST /api/cart/items".to_owned(),
            json!({ "product_id": 1, "qty": 1 }),
            201,
        ),
        (
            "POST /api/cart/cart/add".to_owned(),
            json!({ "productId": 1, "quantity": 1 }),
            200,
        ),
        ("POST /cart/cart/add".to_owned(), json!({ "variantId": tea }), 200),
        (format!("POST /api/cart/{id}/items"), json!({ "sku": "TEA-1" }), 201),
        (
            format!("POST /api/orders/cart/{id}/items"),
            json!({ "sku": "TEA-1", "userId": id }),
            201,
        ),
        (
            "POST /cart/me/items".to_owned(),
            json!({ "productId": "TEA-1", "user_id": "me" }),
            201,
        ),
        (
            "POST /cart/42/items".to_owned(),
            json!({ "productId": "TEA-1", "userId": 42 }),
            201,
        ),
    ];
    for (count, (what, body, status)) in adds.into_iter().enumerate() {
        let answer = shop.call(&ada, &what, body).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.lines(), [format!("TEA-1×{}", count + 1)], "{what}");
    }
    for path in [
        "/cart",
        "/api/cart",
        "/api/cart/cart",
        "/cart/cart",
        "/cart/me",
        "/api/cart/42",
        &format!("/cart/{id}"),
    ] {
        assert_eq!(
            shop.call(&ada, &format!("GET {path}"), Value::Null).await.lines(),
            ["TEA-1×9"],
            "{path}"
        );
    }
    let removals = [
        ("DELETE /api/cart/items/1".to_owned(), Value::Null),
        (format!("DELETE /api/cart/{id}/items/{tea}"), Value::Null),
        ("POST /api/cart/cart/remove".to_owned(), json!({ "productId": 1 })),
        ("DELETE /api/cart".to_owned(), Value::Null),
        ("POST /api/cart/cart/clear".to_owned(), json!({})),
        (format!("DELETE /cart/{id}"), Value::Null),
        (format!("PUT /api/cart/{id}/items/TEA-1"), json!({ "quantity": 0 })),
        ("PUT /api/cart/items/1".to_owned(), json!({ "qty": 0 })),
    ];
    for (what, body) in removals {
        shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
        let answer = shop.call(&ada, &what, body).await;
        assert_eq!(
            (answer.status, answer.body["cart"].clone()),
            (200, json!([])),
            "{what}: {answer:?}"
        );
    }
}

async fn parallel_adds_all_count(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 1_000);
    shop.shelf.put("POT-2", 2, 500, 1_000);
    let ada = shop.customer(1);
    let adds = (0..40).map(|turn| shop.call(&ada, "POST /cart", json!({ "productId": 1 + turn % 2, "quantity": 3 })));
    for answer in futures_util::future::join_all(adds).await {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let mut lines = shop.call(&ada, "GET /cart", Value::Null).await.lines();
    lines.sort();
    assert_eq!(lines, ["POT-2×60", "TEA-1×60"]);
}

async fn lines_are_changed_by_any_of_their_names(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 50);
    let red = shop.shelf.put("CUP-RED", 2, 300, 50);
    shop.shelf.put("CUP-BLUE", 2, 300, 50);
    let ada = shop.customer(1);
    for sku in ["TEA-1", "CUP-RED", "CUP-BLUE"] {
        shop.call(&ada, "POST /cart", json!({ "sku": sku })).await;
    }
    let cart = shop.call(&ada, "GET /cart", Value::Null).await.body;
    let (line, product) = (
        cart["cart"][0]["id"].as_str().unwrap(),
        cart["cart"][0]["productId"].as_str().unwrap(),
    );
    let red = red.to_string();
    for (count, (item, sku)) in [
        (line, "TEA-1"),
        (product, "TEA-1"),
        ("1", "TEA-1"),
        ("TEA-1", "TEA-1"),
        (&red, "CUP-RED"),
        ("CUP-BLUE", "CUP-BLUE"),
    ]
    .into_iter()
    .enumerate()
    {
        let pieces = count + 2;
        let answer = shop
            .call(&ada, &format!("PUT /cart/items/{item}"), json!({ "quantity": pieces }))
            .await;
        assert!(
            answer.lines().contains(&format!("{sku}×{pieces}")),
            "{item}: {answer:?}"
        );
    }
    let several = shop.call(&ada, "PUT /cart/items/2", json!({ "quantity": 1 })).await;
    assert_eq!(several.told(), (400, "variant_required"));
    let skus: Vec<&str> = several.body["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["sku"].as_str().unwrap())
        .collect();
    assert_eq!(skus, ["CUP-RED", "CUP-BLUE"]);
    for item in [
        "99",
        "nothing",
        "ord_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "lin_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "%F0%9F%AB%96",
        "%00",
    ] {
        for what in [format!("PUT /cart/items/{item}"), format!("DELETE /cart/items/{item}")] {
            let body = if what.starts_with("PUT") {
                json!({ "quantity": 1 })
            } else {
                Value::Null
            };
            assert_eq!(shop.call(&ada, &what, body).await.told(), (404, "not_found"), "{what}");
        }
    }
    for body in [
        json!({}),
        json!({ "quantity": -1 }),
        json!({ "quantity": 10_000 }),
        json!({ "quantity": 1, "x": 1 }),
    ] {
        assert_eq!(
            shop.call(&ada, "PUT /cart/items/1", body.clone()).await.told(),
            (400, "invalid"),
            "{body}"
        );
    }
    assert_eq!(
        shop.call(&ada, &format!("DELETE /cart/items/{red}"), Value::Null)
            .await
            .lines(),
        ["TEA-1×5", "CUP-BLUE×7"]
    );
    let nobody = shop.customer(9);
    assert_eq!(
        shop.call(&nobody, "DELETE /cart/items/1", Value::Null).await.told(),
        (404, "not_found")
    );
    assert_eq!(
        shop.call(&nobody, "DELETE /cart", Value::Null).await.body["id"],
        Value::Null,
        "nothing is made by emptying"
    );
}

async fn a_repeated_call_is_done_once(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 50);
    let (ada, bob) = (shop.customer(1), shop.customer(2));
    let key = [("idempotency-key", "k1")];
    let add = json!({ "productId": 1, "quantity": 2 });
    let twins = (0..8).map(|_| shop.call_with(Some(&ada), "POST /cart", add.clone(), &key));
    let mut replayed = 0;
    for answer in futures_util::future::join_all(twins).await {
        assert_eq!(
            (answer.status, answer.lines()),
            (201, vec!["TEA-1×2".to_owned()]),
            "{answer:?}"
        );
        replayed += usize::from(answer.header("idempotency-replayed") == "true");
    }
    assert_eq!(replayed, 7);

    // The answer stays what it was, whatever has become of cart and product since, and by any spelling.
    shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    shop.shelf.edit("TEA-1", |card| card.for_sale = false);
    let again = shop
        .call_with(Some(&ada), "POST /api/cart/items", add.clone(), &key)
        .await;
    assert_eq!(
        (again.status, again.lines(), again.header("idempotency-replayed")),
        (201, vec!["TEA-1×2".into()], "true")
    );
    shop.shelf.edit("TEA-1", |card| card.for_sale = true);

    let other = shop
        .call_with(Some(&ada), "POST /cart", json!({ "productId": 1 }), &key)
        .await;
    assert_eq!(other.told(), (422, "idempotency_key_reused"));
    let bobs = shop.call_with(Some(&bob), "POST /cart", add, &key).await;
    assert_eq!(
        (bobs.lines(), bobs.header("idempotency-replayed")),
        (vec!["TEA-1×2".into()], ""),
        "keys are one's own"
    );

    // Removing twice under one key is no 404; a refusal is decided anew.
    let key = [("idempotency-key", "k2")];
    for _ in 0..2 {
        let gone = shop
            .call_with(Some(&ada), "DELETE /cart/items/1", Value::Null, &key)
            .await;
        assert_eq!((gone.status, &gone.body["cart"]), (200, &json!([])));
    }
    let key = [("idempotency-key", "k3")];
    let much = json!({ "productId": 1, "quantity": 60 });
    assert_eq!(
        shop.call_with(Some(&ada), "POST /cart", much.clone(), &key)
            .await
            .told(),
        (409, "out_of_stock")
    );
    shop.shelf.edit("TEA-1", |card| card.available = 60);
    assert_eq!(
        shop.call_with(Some(&ada), "POST /cart", much, &key).await.lines(),
        ["TEA-1×60"]
    );
}

async fn tags_name_what_is_shown_and_what_is_in_it(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 50);
    let ada = shop.customer(1);
    let added = shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    let tag = added.header("etag").to_owned();
    let known = [("if-none-match", tag.as_str())];
    let fresh = shop.call_with(Some(&ada), "GET /cart", Value::Null, &known).await;
    assert_eq!(
        (fresh.status, fresh.header("etag"), &fresh.body),
        (304, tag.as_str(), &Value::Null)
    );
    shop.shelf.edit("TEA-1", |card| card.price.minor = 1_000);
    assert_eq!(
        shop.call_with(Some(&ada), "GET /cart", Value::Null, &known)
            .await
            .status,
        200,
        "the price is news"
    );

    let matching = [("if-match", tag.as_str())];
    let set = |pieces: i64| json!({ "quantity": pieces });
    let done = shop.call_with(Some(&ada), "PUT /cart/items/1", set(4), &matching).await;
    assert_eq!(done.lines(), ["TEA-1×4"], "a price is not what a change is meant for");
    let stale = shop.call_with(Some(&ada), "PUT /cart/items/1", set(5), &matching).await;
    assert_eq!(stale.told(), (412, "precondition_failed"));
    let any = shop
        .call_with(Some(&ada), "PUT /cart/items/1", set(6), &[("if-match", "*")])
        .await;
    assert_eq!(any.lines(), ["TEA-1×6"]);
}

async fn an_archived_product_can_only_go(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 50);
    shop.shelf.put("POT-2", 2, 500, 50);
    let ada = shop.customer(1);
    shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    shop.shelf.edit("TEA-1", |card| card.for_sale = false);
    let cart = shop.call(&ada, "POST /cart", json!({ "productId": 2 })).await;
    assert_eq!(
        (cart.lines(), &cart.body["cart"][0]["available"]),
        (vec!["TEA-1×1".into(), "POT-2×1".into()], &json!(0))
    );
    assert_eq!(
        shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await.told(),
        (404, "not_found")
    );
    assert_eq!(
        shop.call(&ada, "PUT /cart/items/1", json!({ "quantity": 2 }))
            .await
            .told(),
        (409, "out_of_stock")
    );
    assert_eq!(
        shop.call(&ada, "PUT /cart/items/1", json!({ "quantity": 0 }))
            .await
            .lines(),
        ["POT-2×1"]
    );
}

/// Two processes on one database: the guard of the cart's version is all that stands between them.
#[tokio::test]
async fn adds_of_two_processes_all_count() {
    let url = testkit::postgres::database().await.unwrap();
    let engine = store::Engine::Postgres { url };
    let (one, other) = (Shop::open(engine.clone()).await, Shop::open(engine).await);
    for shop in [&one, &other] {
        shop.shelf.put("TEA-1", 1, 1999, 1_000);
    }
    let ada = one.customer(1);
    let adds = (0..40).map(|turn| {
        let shop = if turn % 2 == 0 { &one } else { &other };
        shop.call(&ada, "POST /cart", json!({ "productId": 1 }))
    });
    let answers = futures_util::future::join_all(adds).await;
    let done = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(
        answers.iter().all(|answer| matches!(answer.status, 201 | 503)),
        "{answers:?}"
    );
    assert_eq!(done, 40, "the closures run again until they get through");
    let lines = one.call(&ada, "GET /cart", Value::Null).await.lines();
    assert_eq!(lines, [format!("TEA-1×{done}")]);
}
