//! What other services do with carts: order them, clear them, merge them.

use api::cart::{Contents, Merged};
use base::Quantity;
use serde_json::{Value, json};
use serve::Role;

use super::on_both;
use super::shop::{Person, Shop};

on_both! {
    what_was_ordered_goes_out_once
    an_emptied_cart_is_left_alone_by_the_order_that_was_made_of_it
    a_guests_cart_moves_up_to_the_stock_there_is
    merges_at_once_move_each_piece_once
}

pub(super) async fn contents(shop: &Shop, who: &Person) -> Option<Contents> {
    let answer = shop
        .call(&shop.service(), &format!("GET /internal/carts/{}", who.id), Value::Null)
        .await;
    match answer.status {
        404 => None,
        200 => Some(serde_json::from_value(answer.body).unwrap()),
        _ => panic!("{answer:?}"),
    }
}

async fn clear(shop: &Shop, contents: &Contents) {
    let answer = shop
        .call(&shop.service(), "POST /internal/carts/clear", json!(contents))
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

pub(super) async fn merge(shop: &Shop, from: &Person, to: &Person) -> Merged {
    let carts = json!({ "from": from.id, "to": to.id });
    let answer = shop.call(&shop.service(), "POST /internal/carts/merge", carts).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_value(answer.body).unwrap()
}

async fn lines(shop: &Shop, who: &Person) -> Vec<String> {
    shop.call(who, "GET /cart", Value::Null).await.lines()
}

/// Type, sequence and data of the events that were told.
async fn told(shop: &Shop) -> Vec<(String, i64, Value)> {
    let stored = shop.db.read(|tx| store::outbox_after(tx, 0, 100)).await.unwrap();
    let read = |stored: store::Stored| {
        let event = stored.event;
        (
            event.kind.into_owned(),
            event.sequence,
            serde_json::from_str(&event.data).unwrap(),
        )
    };
    stored.into_iter().map(read).collect()
}

async fn what_was_ordered_goes_out_once(shop: Shop) {
    let tea = shop.shelf.put("TEA-1", 1, 1999, 50);
    shop.shelf.put("POT-2", 2, 500, 50);
    let ada = shop.customer(1);
    assert_eq!(contents(&shop, &ada).await, None, "there never was one");
    shop.call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 2 }))
        .await;
    let ordered = contents(&shop, &ada).await.unwrap();
    assert_eq!(
        (ordered.lines[0].variant, ordered.lines[0].quantity),
        (tea, Quantity::new(2).unwrap())
    );

    // While the order is made, a line is raised and another added.
    shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    shop.call(&ada, "POST /cart", json!({ "productId": 2 })).await;
    clear(&shop, &ordered).await;
    assert_eq!(lines(&shop, &ada).await, ["TEA-1×1", "POT-2×1"]);
    clear(&shop, &ordered).await;
    assert_eq!(
        lines(&shop, &ada).await,
        ["TEA-1×1", "POT-2×1"],
        "a repeat does nothing"
    );

    let next = contents(&shop, &ada).await.unwrap();
    assert_eq!((next.cart, next.generation), (ordered.cart, ordered.generation + 1));
    clear(&shop, &next).await;
    let empty = contents(&shop, &ada).await.unwrap();
    assert_eq!((empty.lines.len(), empty.generation), (0, ordered.generation + 2));
    clear(
        &shop,
        &Contents {
            cart: "crt_01j9zk3v5w8q2m4n6p7r8s9t0v".parse().unwrap(),
            ..next
        },
    )
    .await;

    let bob = shop.customer(2);
    let paths = [
        "GET /internal/carts/x",
        "POST /internal/carts/clear",
        "POST /internal/carts/merge",
    ];
    for what in paths {
        assert_eq!(shop.call(&bob, what, json!({})).await.status, 403, "{what}");
    }
    assert_eq!(
        shop.call(&shop.service(), paths[0], Value::Null).await.told(),
        (404, "not_found")
    );
}

async fn an_emptied_cart_is_left_alone_by_the_order_that_was_made_of_it(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 50);
    let ada = shop.customer(1);
    shop.call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 2 }))
        .await;
    let ordered = contents(&shop, &ada).await.unwrap();
    shop.call(&ada, "DELETE /cart", Value::Null).await;
    shop.call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 1 }))
        .await;
    clear(&shop, &ordered).await;
    assert_eq!(lines(&shop, &ada).await, ["TEA-1×1"]);
    let now = contents(&shop, &ada).await.unwrap();
    assert_eq!(
        now.generation,
        ordered.generation + 1,
        "what is in it now can become an order of its own"
    );
}

async fn a_guests_cart_moves_up_to_the_stock_there_is(shop: Shop) {
    for (sku, number, available) in [("TEA-1", 1, 5), ("POT-2", 2, 9), ("CUP-3", 3, 4)] {
        shop.shelf.put(sku, number, 100, available);
    }
    let (ada, guest) = (shop.customer(1), shop.person(2, Role::Guest));
    assert_eq!(merge(&shop, &guest, &ada).await, Merged::default(), "nothing to merge");
    shop.call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 3 }))
        .await;
    for number in [1, 2, 3] {
        shop.call(&guest, "POST /cart", json!({ "productId": number, "quantity": 4 }))
            .await;
    }
    shop.shelf.edit("CUP-3", |card| card.for_sale = false);
    let ordered = contents(&shop, &guest).await.unwrap();

    let done = merge(&shop, &guest, &ada).await;
    let cut: Vec<(&str, i64)> = done.cut.iter().map(|cut| (cut.sku.as_str(), cut.pieces)).collect();
    assert_eq!((done.merged, cut), (6, vec![("TEA-1", 2), ("CUP-3", 4)]));
    assert_eq!(lines(&shop, &ada).await, ["TEA-1×5", "POT-2×4"]);
    assert_eq!(lines(&shop, &guest).await, [""; 0]);
    assert_eq!(
        contents(&shop, &guest).await.unwrap().generation,
        ordered.generation + 1
    );
    assert_eq!(merge(&shop, &guest, &ada).await, done, "a repeat answers the same");
    assert_eq!(lines(&shop, &ada).await, ["TEA-1×5", "POT-2×4"], "and moves nothing");

    // What the guest's other tab adds afterwards comes along with the next sign-in.
    shop.call(&guest, "POST /cart", json!({ "productId": 2 })).await;
    assert_eq!(
        merge(&shop, &guest, &ada).await,
        Merged {
            merged: 1,
            cut: Vec::new()
        }
    );
    assert_eq!(lines(&shop, &ada).await, ["TEA-1×5", "POT-2×5"]);
    assert_eq!(merge(&shop, &ada, &ada).await, Merged::default());

    let told = told(&shop).await;
    let heads: Vec<(&str, i64)> = told
        .iter()
        .map(|(kind, sequence, _)| (kind.as_str(), *sequence))
        .collect();
    assert_eq!(heads, [("CartMerged", 1), ("CartMerged", 2)]);
    assert_eq!(
        (&told[0].2["merged"], &told[0].2["fromUserId"]),
        (&json!(6), &json!(guest.id))
    );
}

async fn merges_at_once_move_each_piece_once(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 500);
    let (ada, guest) = (shop.customer(1), shop.person(2, Role::Guest));
    shop.call(&guest, "POST /cart", json!({ "productId": 1, "quantity": 7 }))
        .await;
    let merges = futures_util::future::join_all((0..8).map(|_| merge(&shop, &guest, &ada))).await;
    assert!(merges.iter().all(|done| done.merged == 7), "{merges:?}");
    assert_eq!(lines(&shop, &ada).await, ["TEA-1×7"]);
    assert_eq!(told(&shop).await.len(), 1);
}
