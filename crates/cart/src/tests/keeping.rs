//! How long carts are kept.

use std::time::Duration;

use serde_json::{Value, json};
use serve::{Role, Stop};

use super::between::contents;
use super::on_both;
use super::shop::{Person, Shop};
use crate::actions;

on_both! {
    carts_that_guests_left_behind_are_forgotten
    carts_of_accounts_are_kept_longer
    a_cart_that_is_visited_or_ordered_is_kept
}

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn sweep(shop: &Shop) {
    actions::sweep(&shop.app, &Stop::new()).await.unwrap();
}

async fn add(shop: &Shop, who: &Person) {
    let added = shop.call(who, "POST /cart", json!({ "productId": 1 })).await;
    assert_eq!(added.status, 201, "{added:?}");
}

async fn carts_that_guests_left_behind_are_forgotten(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 500);
    let guest = |number| shop.person(number, Role::Guest);
    let (ada, left, back) = (shop.customer(1), guest(2), guest(3));
    for who in [&ada, &left, &back] {
        add(&shop, who).await;
    }
    shop.clock.advance(29 * DAY);
    // A token of that day: the ones of before have expired.
    add(&shop, &guest(3)).await;
    sweep(&shop).await;
    shop.clock.advance(2 * DAY);
    sweep(&shop).await;
    assert_eq!(contents(&shop, &left).await, None);
    for (who, pieces) in [(&ada, 1), (&back, 2)] {
        assert_eq!(contents(&shop, who).await.unwrap().lines[0].quantity.pieces(), pieces);
    }
}

async fn carts_of_accounts_are_kept_longer(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 500);
    add(&shop, &shop.customer(1)).await;
    shop.clock.advance(179 * DAY);
    sweep(&shop).await;
    shop.clock.advance(2 * DAY);
    let token_of_today = shop.customer(2);
    add(&shop, &token_of_today).await;
    sweep(&shop).await;
    let ada = shop.customer(1);
    assert_eq!(shop.call(&ada, "GET /cart", Value::Null).await.body["id"], Value::Null);
    assert!(contents(&shop, &token_of_today).await.is_some());
    add(&shop, &ada).await;
    assert_eq!(
        contents(&shop, &ada).await.unwrap().generation,
        1,
        "another cart, of another id"
    );
}

async fn a_cart_that_is_visited_or_ordered_is_kept(shop: Shop) {
    shop.shelf.put("TEA-1", 1, 1999, 500);
    for number in 1..=3 {
        add(&shop, &shop.customer(number)).await;
    }
    shop.clock.advance(179 * DAY);
    let version = shop.call(&shop.customer(1), "GET /cart", Value::Null).await;
    let ordered = contents(&shop, &shop.customer(2)).await.unwrap();
    // A clerk who looks is no sign of life.
    let clerk = shop.clerk(9, &[serve::ORDERS_READ]);
    let third = format!("GET /cart/{}", shop.customer(3).id);
    assert_eq!(shop.call(&clerk, &third, Value::Null).await.lines(), ["TEA-1×1"]);
    shop.clock.advance(2 * DAY);
    sweep(&shop).await;
    let again = shop.call(&shop.customer(1), "GET /cart", Value::Null).await;
    assert_eq!(again.header("etag"), version.header("etag"), "a visit is no change");
    assert_eq!(contents(&shop, &shop.customer(2)).await, Some(ordered));
    assert_eq!(contents(&shop, &shop.customer(3)).await, None);
}
