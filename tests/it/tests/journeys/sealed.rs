//! Bodies that are sent encrypted, as a client does whose network is not to be trusted.

use it::text;
use serde_json::{Value, json};
use testkit::shop::PASSWORD;
use testkit::{Client, Shop};

/// The body, sealed: another text each time.
async fn sealed(who: &Client, body: Value) -> Value {
    let made = who
        .post("/api/dev/encrypt", json!({ "payload": body }))
        .send()
        .await
        .is(200);
    assert!(made["success"] == true && !text(&made, "usage").is_empty(), "{made}");
    json!({ "encrypted": made["encrypted"] })
}

/// Somebody registers, signs in and buys, and nobody on the way can read any of it.
pub async fn a_purchase_under_seal(shop: &Shop) {
    let product = shop.product("20", 9).await;
    let visitor = &shop.visitor;
    let account = json!({ "username": shop.name("seal"), "password": PASSWORD });
    let body = sealed(visitor, account.clone()).await;
    visitor.post("/api/auth/register", body).send().await.is(201);
    let session = visitor
        .post("/api/auth/login", sealed(visitor, account).await)
        .send()
        .await
        .is(200);
    let ada = visitor.with_token(text(&session, "token"));
    let item = json!({ "productId": product["id"], "quantity": 2 });
    let cart = ada.post("/api/cart", sealed(&ada, item).await).send().await.is(201);
    assert_eq!(cart["itemCount"], 2);
    // The key knows the call by what was sealed, which looks different each time.
    let key = shop.name("sealed-order");
    let order = async || {
        let body = sealed(&ada, json!({ "paymentToken": "tok_visa" })).await;
        ada.post("/api/orders", body).key(&key).send().await
    };
    let (first, second) = (order().await, order().await);
    assert_eq!(first.is(201)["orderId"], second.is(201)["orderId"]);
    assert_eq!(second.header("idempotency-replayed"), "true");
    let other = sealed(&ada, json!({ "paymentToken": "tok_declined" })).await;
    ada.post("/api/orders", other)
        .key(&key)
        .send()
        .await
        .refused(422, "idempotency_key_reused");
    // A mistake inside is told as always.
    let wrong = sealed(&ada, json!({ "quantity": 1 })).await;
    ada.post("/api/cart", wrong).send().await.refused(400, "invalid");
}

/// What is not ours is refused in the same words, whatever is wrong with it.
pub async fn broken_seals(shop: &Shop) {
    let visitor = &shop.visitor;
    let good = sealed(visitor, json!({ "username": "x", "password": PASSWORD })).await;
    let good = text(&good, "encrypted").to_owned();
    let last = if good.ends_with('0') { "1" } else { "0" };
    let bent = format!("{}{last}", &good[..good.len() - 1]);
    let cut = &good[..good.len() - 2];
    let mut told = Vec::new();
    for bad in [bent.as_str(), cut, "", "00", "no digits"] {
        let body = json!({ "encrypted": bad });
        let answer = visitor.post("/api/auth/login", body.clone()).send().await;
        let mut problem = answer.refused(400, "bad_encrypted_body");
        problem["requestId"] = Value::Null;
        told.push(problem);
        visitor
            .post("/api/dev/decrypt", body)
            .send()
            .await
            .refused(400, "bad_encrypted_body");
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    // Beside other fields it is a field like others, and unknown.
    let body = json!({ "encrypted": good, "username": "x" });
    visitor
        .post("/api/auth/login", body)
        .send()
        .await
        .refused(400, "invalid");
    // Providers sign their bytes: nobody opens them first.
    let path = "/api/payments/webhooks/simulated";
    let body = json!({ "encrypted": bent }).to_string();
    let answer = visitor
        .call(http::Method::POST, path)
        .body("application/json", body)
        .unchecked()
        .send()
        .await;
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert_ne!(answer.value()["code"], "bad_encrypted_body");
    let opened = visitor
        .post("/api/dev/decrypt", json!({ "encrypted": good }))
        .send()
        .await
        .is(200);
    assert_eq!(opened["decrypted"]["username"], "x");
}
