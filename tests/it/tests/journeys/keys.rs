//! Idempotency keys: a call repeated with its key acts once.

use http::Method;
use it::{counts, list, order_with, text};
use serde_json::{Value, json};
use testkit::{Answer, Call, Shop};

const REPLAYED: &str = "idempotency-replayed";

/// Sends a call twice with one key: it acts once and is answered alike.
#[track_caller]
fn replayed(first: &Answer, second: &Answer, status: u16) {
    first.is(status);
    second.is(status);
    assert_eq!(first.header(REPLAYED), "", "the first one is no repeat");
    assert_eq!(second.header(REPLAYED), "true", "{}", second.text());
    assert_eq!(first.text(), second.text());
}

async fn twice(key: &str, status: u16, call: impl Fn() -> Call) -> Value {
    let (first, second) = (call().key(key).send().await, call().key(key).send().await);
    replayed(&first, &second, status);
    first.value()
}

/// One order, one payment, whatever was lost on the way.
pub async fn twice_is_once(shop: &Shop) {
    let product = shop.product("9", 20).await;
    let ada = shop.customer("ada").await;
    let items = json!({ "items": [{ "productId": product["id"], "quantity": 2 }] });
    let placed = twice("a", 201, || ada.post("/api/orders", items.clone())).await;
    // The other spelling is the same call.
    let other = ada.post("/api/order/orders", items.clone()).key("a").send().await;
    assert_eq!(
        (other.is(201)["orderId"] == placed["orderId"], other.header(REPLAYED)),
        (true, "true")
    );
    counts(&shop.stock(&product).await, [18, 0, 18]);
    assert_eq!(list(&ada.get("/api/orders").send().await.is(200)).len(), 1);
    // Another key, and another person's same key, are other calls.
    ada.post("/api/orders", items.clone()).key("b").send().await.is(201);
    let bob = shop.customer("bob").await;
    bob.post("/api/orders", items).key("a").send().await.is(201);
    counts(&shop.stock(&product).await, [14, 0, 14]);
    // The repeat tells of the order as it now stands.
    shop.admin
        .put(
            &format!("/api/orders/{}/status", text(&placed, "orderId")),
            json!({ "status": "shipped" }),
        )
        .send()
        .await
        .is(200);
    let items = json!({ "items": [{ "productId": product["id"], "quantity": 2 }] });
    let now = ada.post("/api/orders", items).key("a").send().await.is(201);
    assert_eq!((text(&now, "status"), &now["orderId"]), ("shipped", &placed["orderId"]));
}

/// The same key with another body.
pub async fn other_body_is_refused(shop: &Shop) {
    let product = shop.product("9", 20).await;
    let cleo = shop.customer("cleo").await;
    let line = |quantity: i64| json!({ "productId": product["id"], "quantity": quantity });
    cleo.post("/api/cart", line(1)).key("k").send().await.is(201);
    cleo.post("/api/cart", line(2))
        .key("k")
        .send()
        .await
        .refused(422, "idempotency_key_reused");
    let items = |quantity: i64| json!({ "items": [line(quantity)] });
    let placed = cleo.post("/api/orders", items(1)).key("k").send().await.is(201);
    cleo.post("/api/orders", items(2))
        .key("k")
        .send()
        .await
        .refused(422, "idempotency_key_reused");
    let cancel = format!("/api/orders/{}/cancel", text(&placed, "orderId"));
    cleo.post(&cancel, json!({ "reason": "x" }))
        .key("k")
        .send()
        .await
        .is(200);
    cleo.post(&cancel, json!({ "reason": "y" }))
        .key("k")
        .send()
        .await
        .refused(422, "idempotency_key_reused");
    let new = |price: i64| json!({ "name": "Keyed", "price": price });
    let key = shop.name("key");
    let made = shop.admin.post("/api/products", new(1)).key(&key).send().await.is(201);
    shop.admin
        .post("/api/products", new(2))
        .key(&key)
        .send()
        .await
        .refused(422, "idempotency_key_reused");
    let path = format!("/api/products/{}", text(&made, "id"));
    shop.admin
        .patch(&path, json!({ "price": 5 }))
        .key("k")
        .send()
        .await
        .is(200);
    shop.admin
        .patch(&path, json!({ "price": 6 }))
        .key("k")
        .send()
        .await
        .refused(422, "idempotency_key_reused");
    // A refusal is decided anew.
    let dear = json!({ "items": [line(99)] });
    cleo.post("/api/orders", dear.clone())
        .key("r")
        .send()
        .await
        .refused(409, "out_of_stock");
    shop.admin
        .put(
            &format!("/api/products/{}/stock", text(&product, "id")),
            json!({ "quantity": 100 }),
        )
        .send()
        .await
        .is(200);
    cleo.post("/api/orders", dear).key("r").send().await.is(201);
}

/// Every writing call of a known caller.
pub async fn every_write_takes_a_key(shop: &Shop) {
    let (admin, key) = (&shop.admin, shop.name("write"));
    let product = twice(&key, 201, || {
        admin.post("/api/products", json!({ "name": "Keyed", "price": 3, "stock": 50 }))
    })
    .await;
    let path = format!("/api/products/{}", text(&product, "id"));
    twice(&key, 200, || admin.patch(&path, json!({ "vendor": "A" }))).await;
    twice(&key, 200, || admin.put(&path, json!({ "vendor": "B" }))).await;
    twice(&key, 200, || {
        admin.put(&format!("{path}/stock"), json!({ "quantity": 5 }))
    })
    .await;
    counts(&shop.stock(&product).await, [55, 0, 55]);

    let dora = shop.customer("dora").await;
    let id = text(&it::profile(&dora).await, "id").to_owned();
    twice(&key, 200, || {
        dora.patch(&format!("/api/users/{id}"), json!({ "phone": "1" }))
    })
    .await;
    let line = json!({ "productId": product["id"], "quantity": 2 });
    let cart = twice(&key, 201, || dora.post("/api/cart", line.clone())).await;
    assert_eq!(cart["itemCount"], 2);
    // Its own id in the path says nothing new: the same call.
    let again = dora
        .post(&format!("/api/cart/{id}/items"), line.clone())
        .key(&key)
        .send()
        .await;
    assert_eq!(
        (&again.is(201)["itemCount"], again.header(REPLAYED)),
        (&json!(2), "true")
    );
    twice(&key, 200, || dora.post("/api/cart/cart/add", line.clone())).await;
    let item = format!("/api/cart/items/{}", text(&cart["cart"][0], "id"));
    twice(&key, 200, || dora.put(&item, json!({ "quantity": 5 }))).await;
    twice(&key, 200, || dora.delete(&item)).await;
    dora.add(&product, 1).await;
    twice(&key, 200, || {
        dora.post("/api/cart/cart/remove", json!({ "productId": product["id"] }))
    })
    .await;
    dora.add(&product, 1).await;
    twice(&key, 200, || dora.delete("/api/cart")).await;

    let placed = order_with(&dora, &product, json!({ "paymentToken": "tok_declined" })).await;
    let order = text(&placed, "orderId");
    let pay = json!({ "orderId": order, "paymentToken": "tok_visa" });
    twice(&key, 201, || dora.post("/api/payments/process", pay.clone())).await;
    twice(&key, 200, || {
        admin.post(&format!("/api/payments/{order}/refund"), json!({ "amount": 1 }))
    })
    .await;
    twice(&key, 200, || {
        admin.put(
            &format!("/api/orders/{order}/status"),
            json!({ "status": "processing" }),
        )
    })
    .await;
    let cancel = format!("/api/orders/{order}/cancel");
    twice(&key, 200, || dora.post(&cancel, json!({}))).await;
    // The other method is the same call.
    assert_eq!(
        dora.put(&cancel, json!({})).key(&key).send().await.header(REPLAYED),
        "true"
    );
    let first = admin.delete(&path).key(&key).send().await;
    replayed(&first, &admin.delete(&path).key(&key).send().await, 204);
}

/// Without a token nobody is known, and the header is ignored.
pub async fn no_key_without_a_token(shop: &Shop) {
    let bulk = json!({ "ids": [] });
    for _ in 0..2 {
        let answer = shop
            .visitor
            .post("/api/products/bulk", bulk.clone())
            .key("k")
            .send()
            .await;
        assert_eq!((answer.status, answer.header(REPLAYED)), (200, ""));
    }
    shop.visitor
        .post("/api/orders", json!({}))
        .key("k")
        .send()
        .await
        .refused(401, "unauthorized");
    let emil = shop.customer("emil").await;
    for key in [String::new(), "x".repeat(256), "naïve".to_owned()] {
        let call = emil.call(Method::DELETE, "/api/cart").header("idempotency-key", &key);
        call.send().await.refused(400, "bad_idempotency_key");
    }
    let longest = "x".repeat(255);
    emil.delete("/api/cart").key(&longest).send().await.is(200);
}

/// Tokens are in no store: each sign-in is new.
pub async fn credentials_are_never_stored(shop: &Shop) {
    let account = json!({ "username": shop.name("flo"), "password": "password1" });
    let opened = shop
        .visitor
        .post("/api/auth/register", account.clone())
        .key("k")
        .send()
        .await
        .is(201);
    shop.visitor
        .post("/api/auth/register", account.clone())
        .key("k")
        .send()
        .await
        .refused(409, "username_taken");
    let flo = it::of(shop, &opened);
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let answer = flo.post("/api/auth/login", account.clone()).key("k").send().await;
        assert_eq!(
            (answer.header(REPLAYED), answer.header("cache-control")),
            ("", "no-store")
        );
        tokens.push(answer.is(200)["refreshToken"].clone());
    }
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(
        flo.post("/api/auth/logout", json!({})).key("k").send().await.status,
        204
    );
    flo.post("/api/auth/logout", json!({}))
        .key("k")
        .send()
        .await
        .refused(401, "unauthorized");
}
