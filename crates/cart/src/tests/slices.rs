//! Many carts at once: few statements, and each caller gets the answer to their own call.

use base::{Id, Quantity, UserId};
use serde_json::{Value, json};

use super::on_both;
use super::shop::{Person, Shop};
use crate::actions;
use crate::domain::{Asked, Owner};

on_both! {
    adds_at_once_share_their_statements
    a_batch_serves_all_and_each_their_own
}

/// Callers at once.
const CALLERS: u128 = 32;

/// How many statements the database has run.
fn statements(shop: &Shop) -> u64 {
    shop.db.figures().statements
}

/// As one slice: a read and a write, a second write where carts are made beside others that change.
async fn adds_at_once_share_their_statements(shop: Shop) {
    let tea = shop.shelf.put("TEA-1", 1, 1999, 50);
    let card = shop
        .app
        .catalog
        .cards(&wire::Cx::new("r1", "test"), &[tea])
        .await
        .unwrap()
        .remove(0);
    let now = shop.clock.now();
    let add = |number: u128| Asked::Add {
        owner: Owner {
            id: UserId::from_bits(number),
            guest: false,
        },
        card: card.clone(),
        pieces: Quantity::ONE,
        cart: shop.app.ids.next(now),
        line: shop.app.ids.next(now),
    };
    for (numbers, wanted, pieces) in [(1..=CALLERS, 2, 1), (1..=CALLERS, 2, 2), (2..=CALLERS + 1, 3, 3)] {
        let asked: Vec<Asked> = numbers.map(add).collect();
        let before = statements(&shop);
        let answers = shop.db.write(move |tx| actions::batch(tx, &asked)).await.unwrap();
        assert_eq!(statements(&shop) - before, wanted);
        let cart = answers.into_iter().next().unwrap().unwrap().unwrap();
        assert_eq!((cart.version, cart.lines[0].quantity), (pieces, pieces));
    }

    // As callers: in however many batches they fall, with no look at the cart before or after.
    let before = shop.db.figures();
    let people: Vec<Person> = (1..=CALLERS).map(|number| shop.customer(number)).collect();
    let adds = people
        .iter()
        .map(|who| shop.call(who, "POST /cart", json!({ "productId": 1 })));
    for answer in futures_util::future::join_all(adds).await {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let after = shop.db.figures();
    assert_eq!(after.items - before.items, CALLERS as u64);
    assert_eq!(
        after.statements - before.statements,
        2 * (after.batches - before.batches)
    );

    // Contents for an order are one statement, and so is a look.
    let before = statements(&shop);
    let contents = format!("GET /internal/carts/{}", people[0].id);
    assert_eq!(shop.call(&shop.service(), &contents, Value::Null).await.status, 200);
    assert_eq!(shop.call(&people[0], "GET /cart", Value::Null).await.status, 200);
    assert_eq!(statements(&shop) - before, 2);
}

/// Refusals, repeats of one cart, first adds and an order's end, all in whatever batches they fall into.
async fn a_batch_serves_all_and_each_their_own(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 6);
    shop.shelf.put("POT-2", 2, 500, 50);
    let (ada, bob, cyd) = (shop.customer(1), shop.customer(2), shop.customer(3));
    shop.call(&bob, "POST /cart", json!({ "productId": 2, "quantity": 3 }))
        .await;
    let contents = format!("GET /internal/carts/{}", bob.id);
    let ordered = shop.call(&shop.service(), &contents, Value::Null).await.body;

    let service = shop.service();
    let clear = shop.call(&service, "POST /internal/carts/clear", ordered.clone());
    let unknown = json!({ "cart": "crt_01j9zk3v5w8q2m4n6p7r8s9t0v", "generation": 1, "lines": [] });
    let unknown = shop.call(&service, "POST /internal/carts/clear", unknown);
    let repeat = shop.call(&service, "POST /internal/carts/clear", ordered);
    let adds = (0..8).map(|_| shop.call(&ada, "POST /cart", json!({ "productId": 1 })));
    let (first, clears, adds, last) = tokio::join!(
        shop.call(&cyd, "POST /cart", json!({ "productId": 2 })),
        futures_util::future::join_all([clear, unknown, repeat]),
        futures_util::future::join_all(adds),
        shop.call(&cyd, "POST /cart", json!({ "productId": 1, "quantity": 7 })),
    );
    assert_eq!(first.lines(), ["POT-2×1"]);
    assert!(clears.iter().all(|answer| answer.status == 204), "{clears:?}");
    assert_eq!(last.told(), (409, "out_of_stock"));
    let mut told: Vec<String> = adds
        .iter()
        .filter(|it| it.status == 201)
        .flat_map(|it| it.lines())
        .collect();
    told.sort();
    let each: Vec<String> = (1..=6).map(|pieces| format!("TEA-1×{pieces}")).collect();
    assert_eq!(told, each, "each add is told the cart as it was right after it");
    assert_eq!(adds.iter().filter(|it| it.told() == (409, "out_of_stock")).count(), 2);
    let tags: std::collections::HashSet<&str> = adds
        .iter()
        .filter(|it| it.status == 201)
        .map(|it| it.header("etag"))
        .collect();
    assert_eq!(tags.len(), 6, "a tag for each state");

    let lines = async |who: &Person| shop.call(who, "GET /cart", Value::Null).await.lines();
    assert_eq!(lines(&ada).await, ["TEA-1×6"]);
    assert_eq!(lines(&bob).await, [""; 0]);
    assert_eq!(lines(&cyd).await, ["POT-2×1"]);
    let next = shop.call(&service, &contents, Value::Null).await.body;
    assert_eq!(next["generation"], 2, "the repeat found the next generation");
}
