//! The refusals that the contract's rows name, each by the status and the code that it says.

use it::{list, order_with, register, sized, text};
use serde_json::{Value, json};
use testkit::{Client, Shop};

/// All of them, row by row.
pub async fn every_refusal(shop: &Shop) {
    of_identity(shop).await;
    of_catalog(shop).await;
    of_stock(shop).await;
    of_carts(shop).await;
    of_orders(shop).await;
    of_payments(shop).await;
    of_every_call(shop).await;
}

fn tell(row: &str) {
    println!("refused as it says: {row}");
}

/// The fields that a refusal finds wrong.
fn pointers(problem: &Value) -> Vec<&str> {
    it::each(&problem["errors"], "pointer")
}

async fn of_identity(shop: &Shop) {
    tell("POST /api/auth/register");
    let name = shop.name("ida");
    let session = register(shop, json!({ "username": name })).await;
    let ida = it::of(shop, &session);
    let join = async |fields: Value| shop.visitor.post("/api/auth/register", fields).send().await;
    let role = json!({ "username": shop.name("new"), "password": "password1", "role": "admin" });
    assert_eq!(pointers(&join(role).await.refused(400, "invalid")), ["/role"]);
    let taken = json!({ "username": name, "password": "password1" });
    join(taken).await.refused(409, "username_taken");
    let short = json!({ "username": shop.name("new"), "password": "short" });
    assert_eq!(pointers(&join(short).await.refused(400, "invalid")), ["/password"]);
    let long = json!({ "username": shop.name("new"), "password": "x".repeat(129) });
    assert_eq!(pointers(&join(long).await.refused(400, "invalid")), ["/password"]);

    tell("POST /api/auth/login");
    let login = async |name: &str| {
        let body = json!({ "username": name, "password": "not this one" });
        shop.visitor.post("/api/auth/login", body).send().await
    };
    let mut known = login(&name).await.refused(401, "wrong_credentials");
    let mut unknown = login("nobody-of-this-name").await.refused(401, "wrong_credentials");
    known["requestId"].take();
    unknown["requestId"].take();
    assert_eq!(known, unknown, "the words do not tell whether the account exists");

    tell("POST /api/auth/refresh");
    let refresh = async |token: &str| {
        let body = json!({ "refreshToken": token });
        shop.visitor.post("/api/auth/refresh", body).send().await
    };
    refresh("rt_unknown").await.refused(401, "session_ended");
    let ended = register(shop, json!({ "username": shop.name("ended") })).await;
    it::of(shop, &ended)
        .post("/api/auth/logout", json!({}))
        .send()
        .await
        .is(204);
    refresh(text(&ended, "refreshToken"))
        .await
        .refused(401, "session_ended");

    tell("PATCH /api/users/{id}");
    let own = format!("/api/users/{}", text(&session["user"], "id"));
    let email = json!({ "email": "ida@example.com" });
    let problem = ida.patch(&own, email).send().await.refused(400, "invalid");
    assert_eq!(pointers(&problem), ["/currentPassword"]);
    let email = json!({ "email": "ida@example.com", "currentPassword": "not this one" });
    ida.patch(&own, email).send().await.refused(403, "wrong_password");

    tell("POST /api/users/{id}/password");
    let change = json!({ "currentPassword": "not this one", "newPassword": "password2" });
    let change = ida.post(&format!("{own}/password"), change);
    change.send().await.refused(403, "wrong_password");

    tell("GET /api/users/{id}");
    let other = shop.customer("other").await;
    other.get(&own).send().await.refused(404, "not_found");

    tell("GET /api/users");
    other.get("/api/users").send().await.refused(403, "forbidden");
    tell("PUT /api/users/{id}/role");
    let role = |role: &str| json!({ "role": role });
    let path = format!("{own}/role");
    ida.put(&path, role("admin")).send().await.refused(403, "forbidden");
    shop.admin.put(&path, role("king")).send().await.refused(400, "invalid");
}

async fn of_catalog(shop: &Shop) {
    tell("GET /api/products");
    for query in ["limit=0", "limit=101", "cursor=zz", "sort=colour", "minPrice=cheap"] {
        let problem = shop.visitor.get(&format!("/api/products?{query}")).send().await;
        let problem = problem.refused(400, "invalid");
        let name = query.split('=').next().unwrap_or_default();
        assert_eq!(pointers(&problem), [format!("?{name}")], "{query}");
    }
    tell("GET /api/products/search");
    shop.visitor
        .get("/api/products/search")
        .send()
        .await
        .refused(400, "invalid");

    tell("POST /api/products");
    let add = async |fields: Value| shop.admin.post("/api/products", fields).send().await;
    let digits = add(json!({ "name": "Anvil", "price": "1.999" })).await;
    assert_eq!(pointers(&digits.refused(400, "invalid")), ["/price"]);
    let unknown = add(json!({ "name": "Anvil", "price": 1, "colour": "red" })).await;
    assert_eq!(pointers(&unknown.refused(400, "invalid")), ["/colour"]);
    let nothing = add(json!({})).await.refused(400, "invalid");
    assert!(pointers(&nothing).contains(&"/name"), "{nothing}");
    let unpriced = add(json!({ "name": "Anvil" })).await.refused(400, "invalid");
    assert_eq!(pointers(&unpriced), ["/price"]);

    tell("PUT /api/products/{id}");
    let product = shop.product("10", 5).await;
    let path = format!("/api/products/{}", text(&product, "id"));
    let stale = shop.admin.put(&path, json!({ "price": 1 }));
    let stale = stale.header("if-match", "\"99-99\"");
    stale.send().await.refused(412, "precondition_failed");

    tell("DELETE /api/products/{id}");
    shop.admin.delete(&path).send().await.is(204);
    shop.visitor.get(&path).send().await.refused(404, "not_found");
    shop.admin.delete(&path).send().await.refused(404, "not_found");

    tell("POST /api/products/bulk");
    let bulk = async |query: &str, body: Value| {
        let call = shop.admin.post(&format!("/api/products/bulk{query}"), body);
        call.send().await
    };
    let name = shop.name("Bulk");
    let rows = json!({ "products": [{ "name": name, "price": 1 }, { "name": "unpriced" }] });
    let problem = bulk("?atomic=true", rows.clone()).await.refused(400, "invalid");
    assert_eq!(pointers(&problem), ["/products/1/price"]);
    assert_eq!(list(&bulk("", rows).await.is(207)).len(), 2);
    let many: Vec<u32> = (1..=101).collect();
    let many = shop.visitor.post("/api/products/bulk", json!({ "ids": many }));
    many.send().await.refused(400, "invalid");
    let unknown = shop.visitor.post("/api/products/bulk", json!({ "products": [] }));
    unknown.send().await.refused(401, "unauthorized");

    tell("POST /api/products/import");
    let import = shop.admin.call(http::Method::POST, "/api/products/import");
    let import = import.body("text/csv", "Title\nAnvil\n");
    import.send().await.refused(400, "not_a_product_file");
    let absent = shop.admin.get("/api/products/import/nothing");
    absent.send().await.refused(404, "not_found");

    tell("DELETE /api/categories");
    let category = json!({ "name": shop.name("Used") });
    let category = shop.admin.post("/api/categories", category).send().await.is(201);
    let inside = json!({ "name": "Inside", "price": 1, "category": category["name"] });
    shop.admin.post("/api/products", inside).send().await.is(201);
    let path = format!("/api/categories/{}", text(&category, "id"));
    shop.admin.delete(&path).send().await.refused(409, "category_in_use");
    let own = shop.admin.put(&path, json!({ "parent": category["id"] }));
    own.send().await.refused(409, "category_cycle");
}

async fn of_stock(shop: &Shop) {
    tell("PUT /api/products/{id}/stock");
    let product = shop.product("10", 3).await;
    let path = format!("/api/products/{}/stock", text(&product, "id"));
    let set = |body: Value| shop.admin.put(&path, body);
    set(json!({ "set": 1 }))
        .send()
        .await
        .refused(428, "precondition_required");
    let stale = set(json!({ "set": 1 })).header("if-match", "\"99-99\"");
    stale.send().await.refused(412, "precondition_failed");
    let ada = shop.customer("ada").await;
    order_with(&ada, &product, json!({ "paymentToken": "tok_declined" })).await;
    let problem = set(json!({ "quantity": -3 }))
        .send()
        .await
        .refused(409, "stock_reserved");
    assert_eq!((&problem["stock"], &problem["reserved"]), (&json!(3), &json!(1)));
    let shirt = sized(shop).await;
    let path = format!("/api/products/{}/stock", text(&shirt, "id"));
    let problem = shop.admin.put(&path, json!({ "quantity": 1 })).send().await;
    several(&problem.refused(400, "variant_required"));
}

/// A product that has several variants lists them.
fn several(problem: &Value) {
    assert_eq!(list(&problem["variants"]).len(), 3, "{problem}");
}

/// What is short, with what there is.
fn short(problem: &Value, asked: i64, available: i64) {
    let line = &problem["lines"][0];
    let told = (&line["requested"], &line["available"]);
    assert_eq!(told, (&json!(asked), &json!(available)), "{problem}");
}

async fn of_carts(shop: &Shop) {
    tell("POST /api/cart");
    let (ada, eve) = (shop.customer("ada").await, shop.customer("eve").await);
    let add = async |body: Value| ada.post("/api/cart", body).send().await;
    let (product, shirt) = (shop.product("10", 3).await, sized(shop).await);
    let id = &product["id"];
    add(json!({ "productId": "nothing-of-this-name" }))
        .await
        .refused(404, "not_found");
    let problem = add(json!({ "productId": id, "quantity": 4 })).await;
    short(&problem.refused(409, "out_of_stock"), 4, 3);
    several(
        &add(json!({ "productId": shirt["id"] }))
            .await
            .refused(400, "variant_required"),
    );
    let theirs = it::profile(&eve).await["id"].clone();
    add(json!({ "productId": id, "userId": theirs }))
        .await
        .refused(403, "forbidden");
    tell("GET /api/cart/{userId}");
    let path = format!("/api/cart/{}", theirs.as_str().expect("an id"));
    ada.get(&path).send().await.refused(404, "not_found");
    tell("PUT /api/cart/items/{item}");
    let line = ada.put("/api/cart/items/nothing-of-this-name", json!({ "quantity": 1 }));
    line.send().await.refused(404, "not_found");
}

async fn of_orders(shop: &Shop) {
    tell("POST /api/orders");
    let (ada, eve) = (shop.customer("ada").await, shop.customer("eve").await);
    let (product, shirt) = (shop.product("10", 3).await, sized(shop).await);
    let order = async |body: Value| ada.post("/api/orders", body).send().await;
    let items = |id: &Value, pieces: i64| json!([{ "productId": id, "quantity": pieces }]);
    order(json!({ "items": [] })).await.refused(400, "empty_order");
    order(json!({})).await.refused(400, "empty_order");
    ada.add(&product, 1).await;
    let problem = order(json!({ "items": items(&product["id"], 4) })).await;
    short(&problem.refused(409, "out_of_stock"), 4, 3);
    let cart = ada.get("/api/cart").send().await.is(200);
    assert_eq!(cart["itemCount"], 1, "the cart is untouched");
    assert_eq!(
        list(&ada.get("/api/orders").send().await.is(200)).len(),
        0,
        "no visible order"
    );
    let problem = order(json!({ "items": items(&shirt["id"], 1) })).await;
    several(&problem.refused(400, "variant_required"));
    let theirs = it::profile(&eve).await["id"].clone();
    let other = json!({ "items": items(&product["id"], 1), "userId": theirs });
    order(other).await.refused(403, "forbidden");
    let nowhere = json!({ "street": "Main Street 1", "city": "Springfield", "postalCode": "1", "country": "Atlantis" });
    let nowhere = json!({ "items": items(&product["id"], 1), "shippingAddress": nowhere });
    order(nowhere).await.refused(400, "invalid");

    tell("GET /api/orders/{id}");
    let placed = ada.buy(&product, 1).await;
    let path = format!("/api/orders/{}", text(&placed, "orderId"));
    eve.get(&path).send().await.refused(404, "not_found");

    tell("PUT /api/orders/{id}/status");
    let status = |word: &str| json!({ "status": word });
    let set = async |who: &Client, word: &str| who.put(&format!("{path}/status"), status(word)).send().await;
    set(&shop.admin, "lost").await.refused(400, "invalid");
    set(&ada, "shipped").await.refused(403, "forbidden");
    set(&shop.admin, "shipped").await.is(200);
    set(&shop.admin, "processing").await.refused(409, "illegal_transition");
    tell("PUT /api/orders/{id}/cancel");
    let cancel = ada.put(&format!("{path}/cancel"), json!({}));
    cancel.send().await.refused(409, "illegal_transition");
}

async fn of_payments(shop: &Shop) {
    tell("POST /api/payments/process");
    let (ada, eve) = (shop.customer("ada").await, shop.customer("eve").await);
    let product = shop.product("10", 3).await;
    let placed = order_with(&ada, &product, json!({ "paymentToken": "tok_declined" })).await;
    assert_eq!(text(&placed["order"], "paymentStatus"), "failed");
    assert_eq!(text(&placed["paymentError"], "code"), "card_declined");
    let id = text(&placed, "orderId");
    let pay = async |who: &Client, more: Value| {
        let mut body = json!({ "orderId": id });
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        who.post("/api/payments/process", body).send().await
    };
    pay(&ada, json!({ "amount": 5 })).await.refused(409, "amount_differs");
    let declined = pay(&ada, json!({ "paymentToken": "tok_insufficient_funds" })).await;
    let declined = declined.refused(402, "payment_declined");
    assert_eq!(text(&declined["failure"], "code"), "insufficient_funds");
    pay(&eve, json!({})).await.refused(403, "forbidden");
    pay(&ada, json!({ "paymentToken": "tok_visa" })).await.is(201);
    pay(&ada, json!({ "paymentToken": "tok_visa" }))
        .await
        .refused(409, "already_paid");
    let unknown = json!({ "orderId": "ç777}aY<\u{a0}/../admins?x" });
    let unknown = ada.post("/api/payments/process", unknown);
    unknown.send().await.refused(404, "not_found");

    tell("GET /api/payments/{orderId}");
    let path = format!("/api/payments/{id}");
    eve.get(&path).send().await.refused(404, "not_found");

    tell("POST /api/payments/{id}/refund");
    let refund = async |who: &Client, amount: i64| {
        let call = who.post(&format!("{path}/refund"), json!({ "amount": amount }));
        call.send().await
    };
    refund(&ada, 1).await.refused(403, "forbidden");
    refund(&shop.admin, 11).await.refused(409, "refund_exceeds_captured");
}

/// What holds for all: tokens, bodies, keys.
async fn of_every_call(shop: &Shop) {
    tell("rules for every call");
    let ada = shop.customer("ada").await;
    let product = shop.product("10", 9).await;
    let nobody = shop.visitor.get("/api/cart").send().await;
    nobody.refused(401, "unauthorized");
    assert_eq!(nobody.header("www-authenticate"), "Bearer realm=\"shop\"");
    let add = |pieces: i64| {
        let body = json!({ "productId": product["id"], "quantity": pieces });
        ada.post("/api/cart", body).key("the same")
    };
    add(1).send().await.is(201);
    let again = add(1).send().await;
    assert_eq!(
        (again.is(201)["itemCount"].clone(), again.header("idempotency-replayed")),
        (json!(1), "true")
    );
    add(2).send().await.refused(422, "idempotency_key_reused");
    let post = |kind: &str, body: Vec<u8>| ada.call(http::Method::POST, "/api/cart").body(kind, body);
    post("text/plain", b"x".to_vec())
        .send()
        .await
        .refused(415, "unsupported_media_type");
    post("application/json", b"{".to_vec())
        .send()
        .await
        .refused(400, "malformed");
    post("application/json", vec![b' '; (1 << 20) + 1])
        .send()
        .await
        .refused(413, "too_large");
    let other = ada.patch("/api/cart", json!({})).unchecked();
    other.send().await.refused(405, "method_not_allowed");
    let forged = json!({ "encrypted": format!("01{}", "00".repeat(64)) });
    shop.visitor
        .post("/api/auth/login", forged)
        .send()
        .await
        .refused(400, "bad_encrypted_body");
    ada.get("/api/events").send().await.refused(403, "forbidden");
    let internal = shop.admin.post("/internal/orders/pay", json!({})).unchecked();
    internal.send().await.refused(404, "not_found");
}
