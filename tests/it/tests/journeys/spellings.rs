//! The reference systems' spellings of one purchase: each must work as its users know it.

use http::Method;
use it::{cents, counts, list, of, profile, text};
use serde_json::json;
use testkit::Shop;

/// Users, products, cart and orders under singular prefixes; sign-in by username.
pub async fn first_purchase(shop: &Shop) {
    let product = shop.product("12.50", 10).await;
    let account = json!({ "username": shop.name("alice"), "password": "password1" });
    let opened = shop
        .visitor
        .post("/api/user/register", account.clone())
        .send()
        .await
        .is(201);
    assert_eq!(opened["user"]["username"], account["username"]);
    assert_eq!(opened["tokenType"], "Bearer");
    let session = shop.visitor.post("/api/user/login", account).send().await.is(200);
    let alice = of(shop, &session);
    let products = shop.visitor.get("/api/product/products?limit=100").send().await.is(200);
    assert!(list(&products).iter().any(|one| one["id"] == product["id"]));

    let two = json!({ "productId": product["number"], "quantity": 2 });
    let added = alice.post("/api/cart/cart/add", two).send().await.is(200);
    assert_eq!(added["itemCount"], 2);
    let cart = alice.get("/api/cart/cart").send().await.is(200);
    assert_eq!(
        (cents(&cart["total"]), &cart["cart"][0]["productId"]),
        (2500, &product["id"])
    );

    // Without any body at all: what is in the cart.
    let placed = alice.call(Method::POST, "/api/order/orders").send().await.is(201);
    assert_eq!((cents(&placed["total"]), text(&placed, "status")), (2500, "confirmed"));
    let order = alice
        .get(&format!("/api/order/orders/{}", text(&placed, "orderId")))
        .send()
        .await
        .is(200);
    assert_eq!(
        (&order["paymentStatus"], &order["items"][0]["quantity"]),
        (&json!("completed"), &json!(2))
    );
    let cart = alice.get("/api/cart/cart").send().await.is(200);
    assert_eq!((list(&cart["cart"]).len(), cents(&cart["total"])), (0, 0));
    counts(&shop.stock(&product).await, [8, 0, 8]);
}

/// The plural addresses, e-mail addresses, an address with a zip code, and a payment made afterwards.
pub async fn second_purchase(shop: &Shop) {
    let product = shop.product("999.99", 3).await;
    let email = format!("{}@example.com", shop.name("bob"));
    let account = json!({ "email": email, "password": "password1", "firstName": "Bob", "lastName": "Builder", "phone": "555 1234" });
    let opened = shop.visitor.post("/api/auth/register", account).send().await;
    assert!(
        opened.header("location").starts_with("/api/users/"),
        "{:?}",
        opened.headers
    );
    assert_eq!(opened.is(201)["user"]["name"], "Bob Builder");
    let credentials = json!({ "email": email, "password": "password1" });
    let session = shop
        .visitor
        .post("/api/users/login", credentials.clone())
        .send()
        .await
        .is(200);
    let session_too = shop.visitor.post("/api/auth/login", credentials).send().await.is(200);
    assert_eq!(session["user"], session_too["user"]);
    let bob = of(shop, &session);
    let me = profile(&bob).await;
    let id = text(&me, "id");
    assert_eq!(bob.get("/api/auth/verify").send().await.is(200)["userId"], *id);
    assert_eq!(bob.get("/api/users/me").send().await.is(200)["user"], me);
    assert_eq!(bob.get("/api/user/me").send().await.is(200)["user"], me);
    assert_eq!(bob.get(&format!("/api/users/{id}")).send().await.is(200), me);

    let path = format!("/api/products/{}", product["number"]);
    assert_eq!(shop.visitor.get(&path).send().await.is(200)["name"], product["name"]);
    let line = json!({ "product_id": product["id"], "qty": 1, "user_id": id });
    let added = bob.post("/api/cart", line).send().await;
    assert_eq!(added.header("location"), "/api/cart");
    added.is(201);

    let address = json!({ "street": "Main Street 1", "city": "Springfield", "state": "IL", "zipCode": "62701", "country": "United States" });
    let body = json!({ "shippingAddress": address, "paymentMethod": "credit_card", "paymentToken": "tok_declined", "userId": id });
    let placed = bob.post("/api/orders", body).send().await;
    let order_id = text(&placed.value(), "orderId").to_owned();
    assert_eq!(placed.header("location"), format!("/api/orders/{order_id}"));
    let placed = placed.is(201);
    assert_eq!(
        (text(&placed, "status"), text(&placed["order"], "paymentStatus")),
        ("pending", "failed")
    );
    assert_eq!(placed["order"]["shippingAddress"]["postalCode"], "62701");
    assert_eq!(placed["order"]["shippingAddress"]["country"], "US");
    assert_eq!(placed["order"]["billingAddress"], placed["order"]["shippingAddress"]);
    assert_eq!(placed["order"]["email"], *email);

    let pay =
        json!({ "orderId": order_id, "paymentMethod": "credit_card", "paymentToken": "tok_visa", "amount": 999.99 });
    let paid = bob.post("/api/payments/process", pay).send().await;
    assert!(
        paid.header("location").starts_with("/api/payments/pay_"),
        "{:?}",
        paid.headers
    );
    assert_eq!(paid.is(201)["status"], "completed");
    let orders = bob.get("/api/orders").send().await.is(200);
    assert_eq!((list(&orders).len(), text(&orders[0], "status")), (1, "confirmed"));
    let same = bob.get(&format!("/api/orders/user/{id}")).send().await.is(200);
    assert_eq!(same, orders);
    assert_eq!(
        bob.get(&format!("/api/payments/{order_id}")).send().await.is(200)["orderId"],
        *order_id
    );

    it::flow(shop, &placed["orderId"], &["OrderCreated", "OrderConfirmed"]).await;
}

/// Carts named by their owner.
pub async fn carts_by_their_owner(shop: &Shop) {
    let product = shop.product("5", 9).await;
    let carol = shop.customer("carol").await;
    let id = text(&profile(&carol).await, "id").to_owned();
    let line = json!({ "productId": product["id"], "quantity": 2 });
    carol
        .post(&format!("/api/cart/{id}/items"), line.clone())
        .send()
        .await
        .is(201);
    carol.post("/api/cart/items", line).send().await.is(201);
    let cart = carol.get(&format!("/api/cart/{id}")).send().await.is(200);
    assert_eq!(cart["itemCount"], 4);
    let path = format!("/api/cart/{id}/items/{}", text(&product, "id"));
    assert_eq!(
        carol.put(&path, json!({ "quantity": 3 })).send().await.is(200)["itemCount"],
        3
    );
    assert_eq!(carol.delete(&path).send().await.is(200)["itemCount"], 0);
    carol.add(&product, 1).await;
    assert_eq!(
        carol.delete(&format!("/api/cart/{id}")).send().await.is(200)["itemCount"],
        0
    );
}

/// Carts below `/api/orders`, and the verbs `remove` and `clear`.
pub async fn carts_at_orders(shop: &Shop) {
    let (one, other) = (shop.product("5", 9).await, shop.product("6", 9).await);
    let dave = shop.customer("dave").await;
    let id = text(&profile(&dave).await, "id").to_owned();
    for product in [&one, &other] {
        let line = json!({ "productId": product["id"], "quantity": 1 });
        dave.post(&format!("/api/orders/cart/{id}/items"), line)
            .send()
            .await
            .is(201);
    }
    let removed = dave
        .post("/api/cart/cart/remove", json!({ "productId": one["number"] }))
        .send()
        .await
        .is(200);
    assert_eq!(removed["cart"][0]["productId"], other["id"]);
    assert_eq!(removed["itemCount"], 1);
    let cleared = dave.call(Method::POST, "/api/cart/cart/clear").send().await.is(200);
    assert_eq!(cleared["itemCount"], 0);
}

/// A singular prefix is cut off wherever it stands before a path.
pub async fn singular_prefixes(shop: &Shop) {
    let product = shop.product("8", 4).await;
    let id = text(&product, "id");
    assert_eq!(
        shop.visitor
            .get(&format!("/api/product/products/{id}"))
            .send()
            .await
            .is(200),
        product
    );
    let patched = shop
        .admin
        .patch(&format!("/api/product/products/{id}"), json!({ "vendor": "Smith" }))
        .send()
        .await;
    assert_eq!(patched.is(200)["vendor"], "Smith");
    let erin = shop.customer("erin").await;
    let order = erin.buy(&product, 1).await;
    let number = &order["number"];
    let cancelled = erin
        .post(&format!("/api/order/orders/{number}/cancel"), json!({}))
        .send()
        .await
        .is(200);
    assert_eq!(cancelled["status"], "cancelled");
}
