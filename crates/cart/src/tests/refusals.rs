//! What people are refused.

use api::cart::LINES_PER_CART_MAX;
use base::{Quantity, VariantId};
use serde_json::{Value, json};
use serve::Role;
use wire::{Cx, Peer};

use super::on_both;
use super::shelf::Shelf;
use super::shop::Shop;
use crate::actions;
use crate::domain::{Asked, Owner};

on_both! {
    no_line_exceeds_the_stock
    what_cannot_be_added_is_told
    carts_of_others_are_nobodys_business
    clerks_need_permissions_and_leave_a_record
    a_cart_has_500_lines_at_most
}

async fn no_line_exceeds_the_stock(shop: Shop) {
    let tea = shop.shelf.put("TEA-1", 1, 1999, 5);
    let ada = shop.customer(1);
    shop.call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 3 }))
        .await;
    let refused = shop
        .call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 3 }))
        .await;
    assert_eq!(refused.told(), (409, "out_of_stock"));
    let short = json!([{ "variantId": tea, "sku": "TEA-1", "requested": 6, "available": 5 }]);
    assert_eq!(refused.body["lines"], short);
    let refused = shop.call(&ada, "PUT /cart/items/1", json!({ "quantity": 6 })).await;
    assert_eq!(
        (refused.told(), &refused.body["lines"]),
        ((409, "out_of_stock"), &short)
    );
    assert_eq!(shop.call(&ada, "GET /cart", Value::Null).await.lines(), ["TEA-1×3"]);
    assert_eq!(
        shop.call(&ada, "PUT /cart/items/1", json!({ "quantity": 5 }))
            .await
            .lines(),
        ["TEA-1×5"]
    );

    // All at once, too: five more pieces, and no more than five of ten callers get one.
    shop.shelf.edit("TEA-1", |card| card.available = 10);
    let adds = (0..10).map(|_| shop.call(&ada, "POST /cart", json!({ "productId": 1 })));
    let told = futures_util::future::join_all(adds).await;
    assert_eq!(told.iter().filter(|answer| answer.status == 201).count(), 5);
    assert_eq!(
        told.iter()
            .filter(|answer| answer.told() == (409, "out_of_stock"))
            .count(),
        5
    );

    shop.shelf.edit("TEA-1", |card| card.available = i64::MAX);
    shop.call(&ada, "PUT /cart/items/1", json!({ "quantity": 9_999 })).await;
    assert_eq!(
        shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await.told(),
        (409, "line_full")
    );
}

async fn what_cannot_be_added_is_told(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 5);
    shop.shelf.put("CUP-RED", 2, 300, 5);
    shop.shelf.put("CUP-BLUE", 2, 300, 5);
    let ada = shop.customer(1);
    let line = "lin_01j9zk3v5w8q2m4n6p7r8s9t0v";
    for (body, status, code) in [
        (json!({ "productId": 99 }), 404, "not_found"),
        (json!({ "productId": "nothing" }), 404, "not_found"),
        (json!({ "productId": "' OR 1=1 --" }), 404, "not_found"),
        (json!({ "sku": "<b>🫖</b>" }), 404, "not_found"),
        (json!({ "productId": line }), 404, "not_found"),
        (json!({ "productId": 2 }), 400, "variant_required"),
        (json!({}), 400, "invalid"),
        (json!({ "quantity": 1 }), 400, "invalid"),
        (json!({ "productId": 1, "quantity": 0 }), 400, "invalid"),
        (json!({ "productId": 1, "quantity": -1 }), 400, "invalid"),
        (json!({ "productId": 1, "quantity": 1.5 }), 400, "invalid"),
        (json!({ "productId": 1, "quantity": "2" }), 400, "invalid"),
        (json!({ "productId": 1, "quantity": 10_000 }), 400, "invalid"),
        (json!({ "productId": 1, "quantity": 1e300 }), 400, "invalid"),
        (json!({ "productId": true }), 400, "invalid"),
        (json!({ "productId": 1, "price": 0.01 }), 400, "invalid"),
        (json!({ "productId": 1, "sku": "CUP-RED" }), 400, "invalid"),
        (json!({ "sku": "\u{0}" }), 400, "invalid"),
        (json!([]), 400, "invalid"),
        (json!("TEA-1"), 400, "invalid"),
    ] {
        let answer = shop.call(&ada, "POST /cart", body.clone()).await;
        assert_eq!(answer.told(), (status, code), "{body}: {answer:?}");
    }
    let all = shop
        .call(
            &ada,
            "POST /cart",
            json!({ "productId": true, "quantity": -1, "price": 1 }),
        )
        .await;
    assert_eq!(all.body["errors"].as_array().map(Vec::len), Some(3), "{all:?}");
    for quantity in [0, -2] {
        let body = json!({ "productId": 1, "quantity": quantity });
        let few = shop.call(&ada, "POST /cart", body).await;
        assert_eq!(
            few.body["errors"],
            json!([{ "pointer": "/quantity", "detail": "must be at least 1" }])
        );
    }
    assert_eq!(shop.call(&ada, "GET /cart", Value::Null).await.body["cart"], json!([]));
}

async fn a_cart_has_500_lines_at_most(shop: Shop) {
    let most = LINES_PER_CART_MAX as i64;
    let put = |number: i64| shop.shelf.put(&format!("P-{number}"), number, 100, 5);
    let variants: Vec<VariantId> = (1..=most + 1).map(put).collect();
    let ada = shop.customer(1);
    // All at once, since each answer would hold all lines so far.
    let cx = Cx::new("r", "test");
    let cards = shop.app.catalog.cards(&cx, &variants[..LINES_PER_CART_MAX]);
    let now = shop.clock.now();
    let add = |card| Asked::Add {
        owner: Owner {
            id: ada.id,
            guest: false,
        },
        card,
        pieces: Quantity::ONE,
        cart: shop.app.ids.next(now),
        line: shop.app.ids.next(now),
    };
    let adds: Vec<Asked> = cards.await.unwrap().into_iter().map(add).collect();
    let added = shop.db.write(move |tx| actions::batch(tx, &adds)).await.unwrap();
    assert!(added.iter().all(Result::is_ok));
    let refused = shop.call(&ada, "POST /cart", json!({ "productId": most + 1 })).await;
    assert_eq!(refused.told(), (409, "cart_full"));
    assert!(refused.body["detail"].as_str().unwrap().contains("500"), "{refused:?}");
    let more = shop.call(&ada, "POST /cart", json!({ "productId": most })).await;
    assert_eq!((more.status, more.lines().len()), (201, 500), "more of what is in it");
}

async fn carts_of_others_are_nobodys_business(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 50);
    let (ada, bob, clerk) = (shop.customer(1), shop.customer(2), shop.person(3, Role::Staff));
    shop.shelf.number(ada.id, 41);
    shop.shelf.number(bob.id, 42);
    shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    let adas = ada.id;
    for (what, body) in [
        (format!("GET /cart/{adas}"), Value::Null),
        ("GET /cart/41".to_owned(), Value::Null),
        ("GET /cart/ada".to_owned(), Value::Null),
        (format!("POST /cart/{adas}/items"), json!({ "productId": 1 })),
        (format!("POST /orders/cart/{adas}/items"), json!({ "productId": 1 })),
        (format!("PUT /cart/{adas}/items/1"), json!({ "quantity": 2 })),
        (format!("DELETE /cart/{adas}/items/1"), Value::Null),
        (format!("DELETE /cart/{adas}"), Value::Null),
    ] {
        assert_eq!(
            shop.call(&bob, &what, body.clone()).await.told(),
            (404, "not_found"),
            "{what}"
        );
        assert_eq!(
            shop.call_with(None, &what, body, &[]).await.told(),
            (401, "unauthorized"),
            "{what}"
        );
    }
    for named in [json!(adas), json!(41), json!("ada")] {
        let answer = shop
            .call(&bob, "POST /cart", json!({ "productId": 1, "userId": named }))
            .await;
        assert_eq!(answer.told(), (403, "forbidden"));
    }
    for name in [&adas.to_string(), "41"] {
        let seen = shop.call(&clerk, &format!("GET /cart/{name}"), Value::Null).await;
        assert_eq!(seen.lines(), ["TEA-1×1"], "{name}");
    }
    assert_eq!(
        shop.call(&clerk, "GET /cart/99", Value::Null).await.told(),
        (404, "not_found")
    );
    let helped = shop
        .call(
            &clerk,
            &format!("POST /cart/{adas}/items"),
            json!({ "productId": 1, "userId": adas }),
        )
        .await;
    assert_eq!(helped.lines(), ["TEA-1×2"]);
    assert_eq!(
        shop.call(&clerk, "GET /cart", Value::Null).await.body["cart"],
        json!([])
    );
    assert_eq!(shop.call(&shop.service(), "GET /cart", Value::Null).await.status, 403);
}

async fn clerks_need_permissions_and_leave_a_record(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 50);
    let ada = shop.customer(1);
    shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    let (look, line) = (format!("GET /cart/{}", ada.id), format!("/cart/{}/items", ada.id));
    let (add, set) = (format!("POST {line}"), format!("PUT {line}/1"));
    let empty = format!("DELETE /cart/{}", ada.id);
    let (one, nine) = (json!({ "productId": 1 }), json!({ "quantity": 9 }));
    let stranger = shop.clerk(7, &[serve::CATALOG_WRITE]);
    let reader = shop.clerk(8, &[serve::ORDERS_READ]);
    let writer = shop.clerk(9, &[serve::ORDERS_WRITE]);
    for (who, seen, changed) in [
        (&stranger, (404, "not_found"), (404, "not_found")),
        (&reader, (200, ""), (403, "forbidden")),
    ] {
        assert_eq!(shop.call(who, &look, Value::Null).await.told(), seen);
        assert_eq!(shop.call(who, &add, one.clone()).await.told(), changed);
        assert_eq!(shop.call(who, &set, nine.clone()).await.told(), changed);
        assert_eq!(shop.call(who, &empty, Value::Null).await.told(), changed);
    }
    let refused = shop.call(&reader, &add, one.clone()).await;
    assert!(
        refused.body["detail"].as_str().unwrap().contains("orders:write"),
        "{refused:?}"
    );

    shop.call(&writer, &add, one.clone()).await;
    shop.call(&writer, &set, nine).await;
    shop.call(&writer, &empty, Value::Null).await;
    let own = shop.call(&writer, "POST /cart", one).await;
    assert_eq!(own.status, 201);
    let stored = shop.db.read(|tx| store::outbox_after(tx, 0, 100)).await.unwrap();
    let quantities: Vec<(Value, Value)> = stored
        .iter()
        .map(|stored| {
            let event = &stored.event;
            assert_eq!((&*event.kind, &event.actor), ("StaffAction", &writer.id.to_string()));
            let data: Value = serde_json::from_str(&event.data).unwrap();
            assert_eq!(data["action"], "cart.update");
            let quantity = |side: &str| data[side]["lines"][0]["quantity"].clone();
            (quantity("before"), quantity("after"))
        })
        .collect();
    assert_eq!(
        quantities,
        [(json!(1), json!(2)), (json!(2), json!(9)), (json!(9), Value::Null)],
        "what clerks do to others' carts, and nothing else"
    );
}

#[tokio::test]
async fn without_the_catalogue_an_empty_cart_is_still_shown() {
    let absent = [Peer::absent("catalog"), Peer::absent("identity")];
    let shop = Shop::open_with(store::Engine::Memory, Shelf::default(), absent).await;
    let ada = shop.customer(1);
    assert_eq!(shop.call(&ada, "GET /cart", Value::Null).await.status, 200);
    let refused = shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    assert_eq!(refused.told(), (503, "unavailable"));
    assert!(!refused.header("retry-after").is_empty());
}
