//! From a visitor to a confirmed order.

use http::Method;
use it::{cents, counts, each, guest, list, of, payment, product, profile, register, text};
use serde_json::{Value, json};
use testkit::{Shop, until};

/// The main job: registers, finds, fills a cart, checks out; paid, confirmed, told.
pub async fn visitor_becomes_customer_and_buys(shop: &Shop) {
    let (nails, hammer) = (shop.product("0.05", 500).await, shop.product("19.90", 7).await);
    let ada = shop.customer("ada").await;
    ada.add(&nails, 200).await;
    let cart = ada.add(&hammer, 1).await;
    assert_eq!(
        each(&cart["cart"], "name"),
        [text(&nails, "name"), text(&hammer, "name")]
    );
    assert_eq!(
        (cents(&cart["cart"][0]["subtotal"]), cents(&cart["total"])),
        (1000, 2990)
    );
    assert_eq!(cart["currency"], "USD");

    let placed = ada
        .post("/api/orders", json!({}))
        .header("x-request-id", "ada-buys")
        .send()
        .await
        .is(201);
    let order = &placed["order"];
    assert_eq!(
        (text(order, "status"), text(order, "paymentStatus")),
        ("confirmed", "completed")
    );
    assert_eq!(
        (order["id"] == placed["orderId"], order["number"] == placed["number"]),
        (true, true)
    );
    let sums = ["subtotal", "discount", "shipping", "tax", "total"].map(|part| cents(&order[part]));
    assert_eq!(sums, [2990, 0, 0, 0, 2990]);
    assert_eq!(ada.get("/api/cart").send().await.is(200)["itemCount"], 0);
    counts(&shop.stock(&nails).await, [300, 0, 300]);
    counts(&shop.stock(&hammer).await, [6, 0, 6]);

    let payment = payment(&ada, &placed["orderId"]).await;
    assert_eq!(
        (text(&payment, "status"), text(&payment, "paymentMethod")),
        ("completed", "credit_card")
    );
    let sums = ["amount", "captured", "refunded"].map(|part| cents(&payment[part]));
    assert_eq!(sums, [2990, 2990, 0]);
    assert_eq!(
        (list(&payment["attempts"]).len(), list(&payment["captures"]).len()),
        (1, 1)
    );

    // The flow of the order, as the log tells it.
    let me = profile(&ada).await;
    let told = |subject: &Value| format!("/api/events?subject={}", subject.as_str().unwrap_or_default());
    let (of_order, of_payment) = (told(&placed["orderId"]), told(&payment["id"]));
    let events = until("the purchase is in the log", || async {
        let mut events = list(&shop.admin.get(&of_order).send().await.is(200)).to_vec();
        events.extend_from_slice(list(&shop.admin.get(&of_payment).send().await.is(200)));
        events.retain(|event| event["source"] == "orders" || event["source"] == "payments");
        (events.len() == 3).then_some(events)
    })
    .await;
    let mut flow: Vec<(&str, &str)> = events
        .iter()
        .map(|one| (text(one, "time"), text(one, "type")))
        .collect();
    flow.sort_unstable();
    let kinds: Vec<&str> = flow.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, ["OrderCreated", "PaymentProcessed", "OrderConfirmed"]);
    for event in &events {
        assert_eq!(event["requestId"], "ada-buys", "{event}");
        assert_eq!(event["time"], event["timestamp"]);
        let data = event["data"].to_string();
        assert!(
            !data.contains(text(&me, "username")),
            "personal data in an event: {data}"
        );
    }
    let created = events
        .iter()
        .find(|event| event["type"] == "OrderCreated")
        .expect("it is there");
    assert_eq!((&created["actor"], &created["sequence"]), (&me["id"], &json!(1)));
    for (kind, subject) in [("UserRegistered", &me["id"]), ("ProductCreated", &hammer["id"])] {
        let path = format!("{}&type={kind}", told(subject));
        until(kind, || async {
            list(&shop.admin.get(&path).send().await.is(200)).len() == 1
        })
        .await;
    }
    let path = format!(
        "/api/events?type=InventoryReserved&subject={}",
        text(&placed, "orderId")
    );
    until("the reservation is told", || async {
        list(&shop.admin.get(&path).send().await.is(200)).len() == 1
    })
    .await;
}

/// A guest fills a cart and buys, then opens an account: cart and orders are theirs.
pub async fn guest_buys_and_registers(shop: &Shop) {
    let (bought, kept) = (shop.product("3", 10).await, shop.product("4", 10).await);
    let session = guest(shop).await;
    assert_eq!(
        (&session["user"]["role"], &session["user"]["number"]),
        (&json!("guest"), &Value::Null)
    );
    let visitor = of(shop, &session);
    visitor.add(&bought, 2).await;
    let placed = visitor
        .post("/api/orders", json!({ "email": "guest@example.com" }))
        .send()
        .await
        .is(201);
    assert_eq!(
        (text(&placed, "status"), text(&placed["order"], "email")),
        ("confirmed", "guest@example.com")
    );
    visitor.add(&kept, 3).await;

    let account = register(
        shop,
        json!({ "username": shop.name("gina"), "guestToken": session["token"] }),
    )
    .await;
    assert_eq!(
        (text(&account["merge"], "status"), &account["merge"]["merged"]),
        ("merged", &json!(3))
    );
    assert_ne!(account["user"]["id"], session["user"]["id"]);
    let gina = of(shop, &account);
    let cart = gina.get("/api/cart").send().await.is(200);
    assert_eq!(
        (&cart["itemCount"], &cart["cart"][0]["productId"]),
        (&json!(3), &kept["id"])
    );
    let order = gina.order(&placed["orderId"]).await;
    assert_eq!(order["userId"], account["user"]["id"]);
    assert_eq!(list(&gina.get("/api/orders").send().await.is(200)).len(), 1);
    payment(&gina, &placed["orderId"]).await;
    // The guest is no more.
    until("the guest's session is over", || async {
        visitor.get("/api/cart").send().await.status == 401
    })
    .await;
    let path = format!("/api/events?type=CartMerged&subject={}", text(&cart, "id"));
    until("the merge is told", || async {
        list(&shop.admin.get(&path).send().await.is(200)).len() == 1
    })
    .await;
}

/// A guest who has an account signs in: quantities add up, to what there is.
pub async fn guest_logs_in(shop: &Shop) {
    let (plenty, scarce) = (shop.product("3", 100).await, shop.product("4", 5).await);
    let name = shop.name("hal");
    let hal = of(shop, &register(shop, json!({ "username": name })).await);
    hal.add(&plenty, 2).await;
    hal.add(&scarce, 3).await;
    let session = guest(shop).await;
    let visitor = of(shop, &session);
    visitor.add(&plenty, 4).await;
    visitor.add(&scarce, 4).await;
    // By the refresh token, as well as by the access token.
    let login = json!({ "username": name, "password": "password1", "guestToken": session["refreshToken"] });
    let session = shop.visitor.post("/api/auth/login", login.clone()).send().await.is(200);
    assert_eq!(text(&session["merge"], "status"), "merged");
    assert_eq!(session["merge"]["cut"], json!([{ "sku": scarce["sku"], "pieces": 2 }]));
    let cart = of(shop, &session).get("/api/cart").send().await.is(200);
    let quantities: Vec<&Value> = list(&cart["cart"]).iter().map(|line| &line["quantity"]).collect();
    assert_eq!(quantities, [6, 5]);
    // The token is spent: nothing is merged twice.
    let again = shop.visitor.post("/api/auth/login", login).send().await.is(200);
    assert_eq!(text(&again["merge"], "status"), "nothing");
    let cart = of(shop, &again).get("/api/cart").send().await.is(200);
    assert_eq!(cart["itemCount"], 11);
}

/// Where a guest's order goes, and what is answered of it.
pub async fn guest_order_has_an_address(shop: &Shop) {
    let product = shop.product("7", 10).await;
    let visitor = shop.guest().await;
    visitor.add(&product, 1).await;
    let bill = json!({ "name": "Ann", "company": "Works Ltd", "street": "High Street 2", "street2": "Flat 3", "city": "Leeds",
        "postalCode": "LS1 1AA", "country": "gb", "phone": "+44 113 000" });
    let body = json!({
        "email": "ann@example.com",
        "shippingAddress": { "street": "Hauptstraße 5", "city": "Köln", "postal_code": "50667", "country": "Germany" },
        "billing_address": bill,
    });
    let order = visitor.post("/api/orders", body).send().await.is(201)["order"].clone();
    assert_eq!(
        order["shippingAddress"],
        json!({ "street": "Hauptstraße 5", "city": "Köln", "postalCode": "50667", "country": "DE" })
    );
    assert_eq!(
        (
            text(&order["billingAddress"], "country"),
            text(&order["billingAddress"], "street2")
        ),
        ("GB", "Flat 3")
    );
    assert_eq!(visitor.order(&order["id"]).await, order);
    // Who has ordered has a number.
    let user = shop
        .admin
        .get(&format!("/api/users/{}", text(&order, "userId")))
        .send()
        .await
        .is(200);
    assert!(user["number"].as_i64().is_some_and(|number| number > 0), "{user}");
}

/// A product by number, id, SKU and handle, as JSON number and as text.
pub async fn names_lead_to_products(shop: &Shop) {
    let digits = format!(
        "99{}",
        10_000_000 + shop.name("").trim_start_matches('-').parse::<u32>().expect("a count")
    );
    let made = product(shop, json!({ "stock": 50, "sku": digits })).await;
    let mia = shop.customer("mia").await;
    let number = made["number"].clone();
    let names = [
        number.clone(),
        json!(number.to_string()),
        made["id"].clone(),
        made["handle"].clone(),
    ];
    for name in names {
        let cart = mia.post("/api/cart", json!({ "productId": name })).send().await.is(201);
        assert_eq!(cart["cart"][0]["productId"], made["id"], "by {name}");
        let path = format!(
            "/api/products/{}",
            name.as_str().map_or(name.to_string(), str::to_owned)
        );
        assert_eq!(shop.visitor.get(&path).send().await.is(200)["id"], made["id"]);
    }
    // A SKU of digits only is reached by the fields of that name.
    mia.post("/api/cart", json!({ "productId": digits }))
        .send()
        .await
        .refused(404, "not_found");
    mia.post("/api/cart", json!({ "sku": digits })).send().await.is(201);
    let found = shop
        .visitor
        .get(&format!("/api/products?sku={digits}"))
        .send()
        .await
        .is(200);
    assert_eq!(each(&found, "id"), [text(&made, "id")]);
    let order = json!({ "items": [{ "sku": digits, "quantity": 1 }, { "productId": number }] });
    let order = mia.post("/api/orders", order).send().await.is(201);
    assert_eq!(
        order["order"]["items"]
            .as_array()
            .map(|items| items.iter().map(|item| item["quantity"].as_i64().unwrap_or(0)).sum()),
        Some(2)
    );
}

/// What an order is not made of.
pub async fn order_is_checked(shop: &Shop) {
    let product = shop.product("2", 9).await;
    let nora = shop.customer("nora").await;
    nora.post("/api/orders", json!({}))
        .send()
        .await
        .refused(400, "empty_order");
    nora.post("/api/orders", json!({ "items": [] }))
        .send()
        .await
        .refused(400, "empty_order");
    let item = json!([{ "productId": product["id"] }]);
    let stranger = text(&profile(&shop.customer("olaf").await).await, "id").to_owned();
    let body = json!({ "items": item, "userId": stranger });
    nora.post("/api/orders", body).send().await.refused(403, "forbidden");
    nora.post("/api/orders", json!({ "items": [{ "productId": "prd_unknown" }] }))
        .send()
        .await
        .refused(404, "not_found");
    let body = json!({ "items": item, "shippingAddress": { "street": "", "city": "Ur", "postalCode": "1", "country": "Atlantis" } });
    let problem = nora.post("/api/orders", body).send().await.refused(400, "invalid");
    let mut pointers = each(&problem["errors"], "pointer");
    pointers.sort_unstable();
    assert_eq!(pointers, ["/shippingAddress/country", "/shippingAddress/street"]);
    let body = json!({ "items": item, "paymentMethod": "barter" });
    let problem = nora.post("/api/orders", body).send().await.refused(400, "invalid");
    assert_eq!(each(&problem["errors"], "pointer"), ["/paymentMethod"]);
    shop.visitor
        .post("/api/orders", json!({ "items": item }))
        .send()
        .await
        .refused(401, "unauthorized");
    assert_eq!(nora.get("/api/orders").send().await.is(200), json!([]));
    counts(&shop.stock(&product).await, [9, 0, 9]);
}

/// Too little of something: each short line is told, there is no order, and the cart stays.
pub async fn out_of_stock_leaves_no_trace(shop: &Shop) {
    let (scarce, plenty) = (shop.product("2", 5).await, shop.product("3", 50).await);
    let (pia, quin) = (shop.customer("pia").await, shop.customer("quin").await);
    pia.add(&scarce, 4).await;
    pia.add(&plenty, 1).await;
    quin.buy(&scarce, 3).await;
    let refused = pia.call(Method::POST, "/api/orders").send().await;
    let problem = refused.refused(409, "out_of_stock");
    let line = &problem["lines"][0];
    assert_eq!(
        (list(&problem["lines"]).len(), text(line, "sku")),
        (1, text(&scarce, "sku"))
    );
    assert_eq!((&line["requested"], &line["available"]), (&json!(4), &json!(2)));
    assert_eq!(pia.get("/api/orders").send().await.is(200), json!([]));
    assert_eq!(pia.get("/api/cart").send().await.is(200)["itemCount"], 5);
    counts(&shop.stock(&scarce).await, [2, 0, 2]);
    counts(&shop.stock(&plenty).await, [50, 0, 50]);
    let items = json!({ "items": [{ "productId": scarce["id"], "quantity": 2 }, { "productId": scarce["id"], "quantity": 1 }] });
    pia.post("/api/orders", items).send().await.refused(409, "out_of_stock");
    let path = format!("/api/cart/items/{}", scarce["number"]);
    pia.put(&path, json!({ "quantity": 2 })).send().await.is(200);
    assert_eq!(text(&pia.checkout().await, "status"), "confirmed");
}

/// Names and prices are those at the moment of ordering, and never the caller's.
pub async fn prices_are_the_shops(shop: &Shop) {
    let product = shop.product("10", 9).await;
    let rob = shop.customer("rob").await;
    let cheap = json!({ "items": [{ "productId": product["id"], "price": 0.01 }] });
    let problem = rob.post("/api/orders", cheap).send().await.refused(400, "invalid");
    assert_eq!(each(&problem["errors"], "pointer"), ["/items/0/price"]);
    rob.add(&product, 1).await;
    let path = format!("/api/products/{}", text(&product, "id"));
    shop.admin
        .patch(&path, json!({ "price": "12.00", "name": "Dearer" }))
        .send()
        .await
        .is(200);
    until("the cart shows the price of now", || async {
        cents(&rob.get("/api/cart").send().await.is(200)["total"]) == 1200
    })
    .await;
    let placed = rob.checkout().await;
    shop.admin
        .patch(&path, json!({ "price": 99, "name": "Dearest" }))
        .send()
        .await
        .is(200);
    let line = rob.order(&placed["orderId"]).await["items"][0].clone();
    assert_eq!((cents(&line["price"]), text(&line, "name")), (1200, "Dearer"));
}
