//! Shops of another kind: another currency, another kind of token, little patience with those who do not pay.

use it::{counts, of, order_with, register, text};
use serde_json::{Value, json};
use testkit::{Engine, Shape, Shop, until};

/// An order that nobody pays fails when its window ends, and gives its pieces back.
async fn unpaid_orders_end(shape: Shape, engine: Engine) {
    let mut shop = Shop::start(shape, engine, &[("IRONMONGER_ORDERS_PAYMENT_WINDOW_SECONDS", "2")]).await;
    let product = shop.product("10", 5).await;
    let ada = shop.customer("ada").await;
    let placed = order_with(&ada, &product, json!({ "paymentToken": "tok_declined" })).await;
    let id = &placed["orderId"];
    let order = until("the order has failed", || async {
        let order = ada.order(id).await;
        (order["status"] == "failed").then_some(order)
    })
    .await;
    assert_eq!(text(&order, "paymentStatus"), "failed");
    let last = order["history"]
        .as_array()
        .and_then(|history| history.last())
        .expect("a history");
    assert_eq!(
        (text(last, "status"), text(last, "reason")),
        ("failed", "payment_window_ended")
    );
    until("its pieces are free", || async {
        shop.stock(&product).await["reserved"] == 0
    })
    .await;
    counts(&shop.stock(&product).await, [5, 0, 5]);
    let pay = json!({ "orderId": id, "paymentToken": "tok_visa" });
    ada.post("/api/payments/process", pay)
        .send()
        .await
        .refused(409, "order_closed");
    let cancel = format!("/api/orders/{}/cancel", id.as_str().expect("an id"));
    ada.post(&cancel, json!({}))
        .send()
        .await
        .refused(409, "illegal_transition");
    let path = format!("/api/events?type=OrderFailed&subject={}", id.as_str().expect("an id"));
    until("it is told", || async {
        shop.admin.get(&path).send().await.is(200)[0]["type"] == "OrderFailed"
    })
    .await;
    crate::at_rest(&shop).await;
    shop.balances();
}

#[tokio::test]
async fn unpaid_orders_end_on_sqlite() {
    unpaid_orders_end(Shape::One, Engine::Sqlite).await;
}

#[tokio::test]
async fn unpaid_orders_end_on_postgres() {
    unpaid_orders_end(Shape::Split, Engine::Postgres).await;
}

/// A purchase and a refund in a currency with so many digits: what is right, and what has a digit too many.
async fn sells_in(currency: &str, price: &str, sum: &str, part: &str, too_fine: &str) {
    let mut shop = Shop::start(Shape::One, Engine::Sqlite, &[("IRONMONGER_SHOP_CURRENCY", currency)]).await;
    let bad = format!("{{\"name\":\"Fine\",\"price\":{too_fine}}}");
    let refused = shop
        .admin
        .post("/api/products", Value::Null)
        .body("application/json", bad)
        .send()
        .await;
    assert_eq!(refused.refused(400, "invalid")["errors"][0]["pointer"], "/price");
    let product = shop.product(price, 9).await;
    let read = shop
        .visitor
        .get(&format!("/api/products/{}", text(&product, "id")))
        .send()
        .await;
    assert!(
        read.text()
            .contains(&format!("\"price\":{price},\"currency\":\"{currency}\"")),
        "{}",
        read.text()
    );
    let ada = shop.customer("ada").await;
    ada.add(&product, 3).await;
    let placed = ada.post("/api/orders", json!({})).send().await;
    assert!(
        placed
            .text()
            .contains(&format!("\"total\":{sum},\"currency\":\"{currency}\"")),
        "{}",
        placed.text()
    );
    let path = format!("/api/payments/{}/refund", text(&placed.is(201), "orderId"));
    shop.admin
        .post(&path, json!({ "amount": too_fine }))
        .send()
        .await
        .refused(400, "invalid");
    let refunded = shop.admin.post(&path, json!({ "amount": part })).send().await;
    assert!(
        refunded.text().contains(&format!("\"refunded\":{part}")),
        "{}",
        refunded.text()
    );
    let found = format!("/api/products?minPrice={price}&maxPrice={price}");
    assert_eq!(it::list(&shop.visitor.get(&found).send().await.is(200)).len(), 1);
    shop.visitor
        .get(&format!("/api/products?minPrice={too_fine}"))
        .send()
        .await
        .refused(400, "invalid");
    crate::at_rest(&shop).await;
    shop.balances();
}

#[tokio::test]
async fn yen_have_no_digits_after_the_point() {
    sells_in("JPY", "1200", "3600", "100", "12.5").await;
}

#[tokio::test]
async fn dinars_have_three() {
    sells_in("BHD", "1.234", "3.702", "0.001", "1.2345").await;
}

/// With a shared secret, tokens are HS256 and count in every process; there are no public keys.
#[tokio::test]
async fn a_shared_secret_signs_tokens() {
    let env = [
        ("JWT_SECRET", "a secret that is shared by all services"),
        ("IRONMONGER_WEB_TLS", "true"),
    ];
    let shop = Shop::start(Shape::Split, Engine::Sqlite, &env).await;
    let session = register(&shop, json!({ "username": "ada" })).await;
    let ada = of(&shop, &session);
    let head = text(&session, "token").split('.').next().expect("a header");
    use base64::Engine as _;
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(head)
        .expect("base64");
    let head: Value = serde_json::from_slice(&head).expect("JSON");
    assert_eq!(text(&head, "alg"), "HS256");
    let keys = shop.visitor.get("/.well-known/jwks.json").unchecked().send().await;
    assert_eq!(keys.is(200), json!({ "keys": [] }));
    let product = shop.product("10", 5).await;
    ada.add(&product, 1).await;
    assert_eq!(text(&ada.checkout().await, "status"), "confirmed");
    assert!(!keys.header("strict-transport-security").is_empty());
}

/// A shop whose cart is down goes on with the rest: what needs the cart says so, a guest's cart follows later.
#[tokio::test]
async fn a_service_that_is_down_takes_nobody_along() {
    let mut shop = Shop::start(Shape::Split, Engine::Sqlite, &[]).await;
    let product = shop.product("10", 9).await;
    let name = shop.name("ada");
    register(&shop, json!({ "username": name })).await;
    let session = it::guest(&shop).await;
    let guest = of(&shop, &session);
    guest.add(&product, 2).await;
    shop.fleet.kill9("cart");
    let refused = guest.get("/api/cart").send().await;
    refused.refused(503, "unavailable");
    assert!(!refused.header("retry-after").is_empty(), "{:?}", refused.headers);
    let ready = shop.visitor.get("/ready").unchecked().send().await;
    assert_eq!(ready.refused(503, "not_ready")["parts"]["cart"], "not ready");
    shop.visitor.get("/health").unchecked().send().await.is(200);
    shop.visitor.get("/api/products").send().await.is(200);
    let login = json!({ "username": name, "password": "password1", "guestToken": session["token"] });
    let session = shop.visitor.post("/api/auth/login", login).send().await.is(200);
    assert_eq!(text(&session["merge"], "status"), "pending");
    let ada = of(&shop, &session);
    let items = json!({ "items": [{ "productId": product["id"] }] });
    assert_eq!(
        text(&ada.post("/api/orders", items).send().await.is(201), "status"),
        "confirmed"
    );
    shop.fleet.restart("cart").await;
    until("the guest's cart has followed", || async {
        let cart = ada.get("/api/cart").send().await;
        cart.status == 200 && cart.value()["itemCount"] == 2
    })
    .await;
}
