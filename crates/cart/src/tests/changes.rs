//! What changed since the buyer last acted.

use serde_json::{Value, json};
use serve::Role;

use super::between::merge;
use super::on_both;
use super::shop::{Answer, Person, Shop};

on_both! {
    what_changed_is_told_until_the_buyer_acts
    what_changed_is_acknowledged_as_it_was_shown
    scarce_stock_is_told_and_its_return
    what_is_gone_is_shown_as_it_was
    a_merge_is_told_until_it_is_acknowledged
}

/// The changes of each line.
fn changes(answer: &Answer) -> Vec<Value> {
    let lines = answer.body["cart"].as_array().expect("a cart");
    let all: Vec<Value> = lines.iter().map(|line| line["changes"].clone()).collect();
    let any = all.iter().any(|changes| *changes != json!({}));
    assert_eq!(answer.body["changed"], json!(any));
    all
}

async fn look(shop: &Shop, who: &Person) -> Answer {
    shop.call(who, "GET /cart", Value::Null).await
}

async fn what_changed_is_told_until_the_buyer_acts(shop: Shop) {
    for (sku, number) in [("TEA-1", 1), ("POT-2", 2)] {
        shop.shelf.put(sku, number, 500, 9);
    }
    let ada = shop.customer(1);
    for number in [1, 2] {
        let added = shop.call(&ada, "POST /cart", json!({ "productId": number })).await;
        assert!(changes(&added).iter().all(|changes| *changes == json!({})));
    }
    for sku in ["TEA-1", "POT-2"] {
        shop.shelf.edit(sku, |card| {
            card.price.minor = 450;
            card.name = format!("Fine {sku}");
        });
    }
    let told = |sku: &str| {
        json!({
            "price": { "was": 5.00, "now": 4.50 },
            "name": { "was": format!("The {sku}"), "now": format!("Fine {sku}") }
        })
    };
    let both = vec![told("TEA-1"), told("POT-2")];
    let shown = look(&shop, &ada).await;
    assert_eq!(changes(&shown), both);
    assert_eq!(
        (&shown.body["cart"][0]["price"], &shown.body["total"]),
        (&json!(4.50), &json!(9.00)),
        "what is shown is of now"
    );
    assert_eq!(changes(&look(&shop, &ada).await), both, "looking acknowledges nothing");
    let set = shop.call(&ada, "PUT /cart/items/1", json!({ "quantity": 1 })).await;
    assert_eq!(changes(&set), [json!({}), told("POT-2")], "the line that they acted on");
    let added = shop.call(&ada, "POST /cart", json!({ "productId": 2 })).await;
    assert_eq!(changes(&added), [json!({}), json!({})]);
    // Back and forth is no change.
    shop.shelf.edit("TEA-1", |card| card.price.minor = 999);
    shop.shelf.edit("TEA-1", |card| card.price.minor = 450);
    assert_eq!(changes(&look(&shop, &ada).await), [json!({}), json!({})]);
}

async fn what_changed_is_acknowledged_as_it_was_shown(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 500, 9);
    let ada = shop.customer(1);
    let blank = shop.call(&ada, "POST /cart/acknowledge", Value::Null).await;
    assert_eq!(
        (blank.status, &blank.body["id"]),
        (200, &Value::Null),
        "nothing is made by it"
    );
    shop.call(&ada, "POST /cart", json!({ "productId": 1 })).await;
    shop.shelf.edit("TEA-1", |card| card.price.minor = 600);
    let tag = look(&shop, &ada).await.header("etag").to_owned();
    shop.shelf.edit("TEA-1", |card| card.price.minor = 700);
    let what = format!("POST /api/cart/{}/acknowledge", ada.id);
    let late = shop
        .call_with(Some(&ada), &what, Value::Null, &[("if-match", &tag)])
        .await;
    assert_eq!(late.told(), (412, "precondition_failed"), "7.00 was never shown");
    let tag = look(&shop, &ada).await.header("etag").to_owned();
    let key = [("if-match", tag.as_str()), ("idempotency-key", "k1")];
    let done = shop.call_with(Some(&ada), &what, json!({}), &key).await;
    assert_eq!((done.status, changes(&done)), (200, vec![json!({})]));
    assert_eq!(changes(&look(&shop, &ada).await), [json!({})]);
    let again = shop.call_with(Some(&ada), &what, json!({}), &key).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, "true"));

    let version = look(&shop, &ada).await.header("etag").to_owned();
    shop.call(&ada, "POST /cart/acknowledge", Value::Null).await;
    assert_eq!(
        look(&shop, &ada).await.header("etag"),
        version,
        "nothing was to be acknowledged"
    );
    let bob = shop.customer(2);
    assert_eq!(shop.call(&bob, &what, Value::Null).await.told(), (404, "not_found"));
    assert_eq!(shop.call_with(None, &what, Value::Null, &[]).await.status, 401);
}

async fn scarce_stock_is_told_and_its_return(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 500, 9);
    let ada = shop.customer(1);
    shop.call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 4 }))
        .await;
    let mut known = 9;
    for (available, told) in [(8, false), (4, false), (3, true), (0, true), (9, false)] {
        shop.shelf.edit("TEA-1", |card| card.available = available);
        let expected = if told {
            json!({ "stock": { "was": known, "now": available } })
        } else {
            json!({})
        };
        assert_eq!(changes(&look(&shop, &ada).await), [expected], "{available}");
    }
    shop.shelf.edit("TEA-1", |card| card.available = 1);
    shop.call(&ada, "POST /cart/acknowledge", Value::Null).await;
    known = 1;
    let seen = look(&shop, &ada).await;
    assert_eq!(
        (changes(&seen), &seen.body["cart"][0]["available"]),
        (vec![json!({})], &json!(1))
    );
    for available in [2, 5] {
        shop.shelf.edit("TEA-1", |card| card.available = available);
        let stock = json!({ "stock": { "was": known, "now": available } });
        assert_eq!(changes(&look(&shop, &ada).await), [stock], "it is back");
    }
}

async fn what_is_gone_is_shown_as_it_was(shop: Shop) {
    for (sku, number) in [("TEA-1", 1), ("POT-2", 2)] {
        shop.shelf.put(sku, number, 500, 9);
    }
    let ada = shop.customer(1);
    for number in [1, 2] {
        shop.call(&ada, "POST /cart", json!({ "productId": number })).await;
    }
    shop.shelf.edit("TEA-1", |card| card.for_sale = false);
    shop.shelf.lose("POT-2");
    let gone = look(&shop, &ada).await;
    let unavailable = json!({ "unavailable": true });
    assert_eq!(changes(&gone), [unavailable.clone(), unavailable]);
    assert_eq!(
        (&gone.body["total"], &gone.body["itemCount"]),
        (&json!(0.00), &json!(2))
    );
    let line = &gone.body["cart"][1];
    assert_eq!(
        (gone.lines(), &line["name"], &line["price"], &line["available"]),
        (
            vec!["TEA-1×1".into(), "POT-2×1".into()],
            &json!("The POT-2"),
            &json!(5.00),
            &json!(0)
        )
    );
    let seen = shop.call(&ada, "POST /cart/acknowledge", Value::Null).await;
    assert_eq!(changes(&seen), [json!({}), json!({})]);
    assert_eq!(seen.body["cart"][1]["available"], 0, "it still cannot be had");
    shop.shelf.edit("TEA-1", |card| card.for_sale = true);
    let back = look(&shop, &ada).await;
    assert_eq!(changes(&back)[0], json!({ "stock": { "was": 0, "now": 9 } }));
    assert_eq!(back.body["total"], 5.00, "of what can be had");
    let line = line["id"].as_str().unwrap();
    let left = shop
        .call(&ada, &format!("DELETE /cart/items/{line}"), Value::Null)
        .await;
    assert_eq!(left.lines(), ["TEA-1×1"]);
}

async fn a_merge_is_told_until_it_is_acknowledged(shop: Shop) {
    for (sku, number) in [("TEA-1", 1), ("POT-2", 2)] {
        shop.shelf.put(sku, number, 500, 5);
    }
    let (ada, guest) = (shop.customer(1), shop.person(2, Role::Guest));
    shop.call(&ada, "POST /cart", json!({ "productId": 1, "quantity": 3 }))
        .await;
    for number in [1, 2] {
        shop.call(&guest, "POST /cart", json!({ "productId": number, "quantity": 4 }))
            .await;
    }
    shop.shelf.edit("POT-2", |card| card.price.minor = 600);
    merge(&shop, &guest, &ada).await;
    let shown = look(&shop, &ada).await;
    let notice = &shown.body["merge"];
    assert_eq!(
        (&notice["merged"], &notice["cut"]),
        (&json!(6), &json!([{ "sku": "TEA-1", "pieces": 2 }])),
        "{notice}"
    );
    assert_eq!(
        changes(&shown)[1],
        json!({ "price": { "was": 5.00, "now": 6.00 } }),
        "what they saw as a guest counts"
    );
    // The guest's other tab; both are told until they are acknowledged.
    shop.call(&guest, "POST /cart", json!({ "productId": 2 })).await;
    merge(&shop, &guest, &ada).await;
    assert_eq!(look(&shop, &ada).await.body["merge"]["merged"], 7);
    let seen = shop.call(&ada, "POST /cart/acknowledge", Value::Null).await;
    assert_eq!((&seen.body["merge"], changes(&seen).len()), (&Value::Null, 2));
    assert_eq!(look(&shop, &guest).await.body["merge"], Value::Null);
}
