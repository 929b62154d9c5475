//! What a clerk does with products and stock.

use it::{cents, counts, each, list, product, sized, text};
use serde_json::{Value, json};
use testkit::{Client, Shop, until};

fn path(product: &Value) -> String {
    format!("/api/products/{}", text(product, "id"))
}

async fn read(who: &Client, product: &Value) -> (Value, String) {
    let answer = who.get(&path(product)).send().await;
    (answer.is(200), answer.header("etag").to_owned())
}

/// Creates, reads, changes, archives.
pub async fn clerk_manages_a_product(shop: &Shop) {
    let sku = shop.name("SKU");
    let body = json!({
        "name": "Cast iron kettle", "price": "49.90", "description": "<p>Heavy.</p>", "stock_quantity": 4, "category": "Kitchen",
        "sku": sku, "image_url": "https://example.com/kettle.jpg", "tags": ["iron", "tea"], "vendor": "Smith",
    });
    let made = shop.admin.post("/api/products", body).send().await;
    let location = made.header("location").to_owned();
    let made = made.is(201);
    assert_eq!(location, path(&made));
    assert_eq!(
        (cents(&made["price"]), text(&made, "currency"), text(&made, "sku")),
        (4990, "USD", sku.as_str())
    );
    assert_eq!(
        (&made["stock"], list(&made["variants"]).len(), text(&made, "status")),
        (&json!(4), 1, "active")
    );
    assert_eq!(
        (text(&made, "imageUrl"), list(&made["images"]).len()),
        ("https://example.com/kettle.jpg", 1)
    );
    let variant = &made["variants"][0];
    assert_eq!(
        (text(variant, "name"), &variant["available"], &variant["options"]),
        ("Cast iron kettle", &json!(4), &json!({}))
    );

    let (_, tag) = read(&shop.visitor, &made).await;
    assert_eq!(
        shop.visitor
            .get(&path(&made))
            .header("if-none-match", &tag)
            .send()
            .await
            .status,
        304
    );
    let changed = shop
        .admin
        .patch(&path(&made), json!({ "price": 45, "tags": ["iron"] }))
        .header("if-match", &tag)
        .send()
        .await;
    let new_tag = changed.header("etag").to_owned();
    let changed = changed.is(200);
    assert_eq!(
        (cents(&changed["price"]), &changed["tags"], text(&changed, "vendor")),
        (4500, &json!(["iron"]), "Smith")
    );
    assert_ne!(tag, new_tag);
    shop.admin
        .put(&path(&made), json!({ "name": "Pot" }))
        .header("if-match", &tag)
        .send()
        .await
        .refused(412, "precondition_failed");
    let changed = shop
        .admin
        .put(
            &path(&made),
            json!({ "handle": format!("{sku}-kettle").to_lowercase() }),
        )
        .send()
        .await
        .is(200);
    // The old name in addresses leads on.
    let old = format!("/api/products/{}", text(&made, "handle"));
    assert_eq!(shop.visitor.get(&old).send().await.is(200)["handle"], changed["handle"]);

    let other = json!({ "name": "Another", "price": 1, "sku": sku });
    shop.admin
        .post("/api/products", other.clone())
        .send()
        .await
        .refused(409, "sku_taken");
    assert_eq!(shop.admin.delete(&path(&made)).send().await.status, 204);
    shop.visitor.get(&path(&made)).send().await.refused(404, "not_found");
    shop.admin.delete(&path(&made)).send().await.refused(404, "not_found");
    // Its SKU is free again.
    shop.admin.post("/api/products", other).send().await.is(201);
    for kind in ["ProductUpdated", "ProductArchived"] {
        let events = format!("/api/events?type={kind}&subject={}", text(&made, "id"));
        until(kind, || async {
            !list(&shop.admin.get(&events).send().await.is(200)).is_empty()
        })
        .await;
    }
}

/// Options and variants: made, changed, left out.
pub async fn clerk_manages_variants(shop: &Shop) {
    let body = json!({
        "name": shop.name("Shirt"), "price": 20, "options": [{ "name": "Size", "values": ["S", "M"] }, { "name": "Colour", "values": ["red"] }],
        "variants": [
            { "options": { "Size": "S", "Colour": "red" }, "stock": 3, "weight": 150, "weightUnit": "g", "barcode": "4006381333931" },
            { "options": { "Size": "M", "Colour": "red" }, "stock": 4, "price": 22, "compareAtPrice": 25 },
        ],
    });
    let made = shop.admin.post("/api/products", body).send().await.is(201);
    assert_eq!(
        (cents(&made["price"]), &made["stock"], &made["sku"]),
        (2000, &json!(7), &Value::Null)
    );
    assert_eq!(each(&made["variants"], "name"), ["S / red", "M / red"]);
    assert_eq!(
        (
            cents(&made["variants"][1]["price"]),
            cents(&made["variants"][1]["compareAtPrice"])
        ),
        (2200, 2500)
    );
    assert_eq!(
        (text(&made["variants"][0], "barcode"), &made["variants"][0]["weight"]),
        ("4006381333931", &json!(150))
    );
    let changed = json!({
        "options": [{ "name": "Size", "values": ["M", "L"] }, { "name": "Colour", "values": ["red"] }],
        "variants": [
            { "options": { "Size": "M", "Colour": "red" }, "price": 23 },
            { "options": { "Size": "L", "Colour": "red" }, "price": 24, "stock": 9 },
        ],
    });
    let changed = shop.admin.patch(&path(&made), changed).send().await.is(200);
    assert_eq!(each(&changed["variants"], "name"), ["M / red", "L / red"]);
    assert_eq!(changed["variants"][0]["id"], made["variants"][1]["id"]);
    assert_eq!(
        (&changed["stock"], &changed["variants"][0]["stock"]),
        (&json!(13), &json!(4))
    );
    let stock = format!(
        "{}/variants/{}/stock",
        path(&made),
        text(&changed["variants"][1], "sku")
    );
    let answer = shop.admin.put(&stock, json!({ "quantity": -2 })).send().await.is(200);
    counts(&answer, [7, 0, 7]);
    shop.admin
        .get(&format!("{}/stock", path(&made)))
        .send()
        .await
        .refused(400, "variant_required");
    // Two variants of one choice, a choice that is none, and a variant without one.
    for variants in [
        json!([{ "options": { "Size": "S" } }, { "options": { "Size": "S" } }]),
        json!([{ "options": { "Size": "XXL" } }]),
        json!([{ "options": {} }]),
    ] {
        let body = json!({ "name": "Bad", "price": 1, "options": [{ "name": "Size", "values": ["S"] }], "variants": variants });
        shop.admin
            .post("/api/products", body)
            .send()
            .await
            .refused(400, "invalid");
    }
}

/// A product of several variants is not enough to say what is wanted.
pub async fn variant_must_be_named(shop: &Shop) {
    let shirt = sized(shop).await;
    let zoe = shop.customer("zoe").await;
    let item = json!({ "productId": shirt["number"], "quantity": 1 });
    let problem = zoe
        .post("/api/cart", item.clone())
        .send()
        .await
        .refused(400, "variant_required");
    assert_eq!(each(&problem["variants"], "sku"), each(&shirt["variants"], "sku"));
    zoe.post("/api/orders", json!({ "items": [item] }))
        .send()
        .await
        .refused(400, "variant_required");
    let medium = &shirt["variants"][1];
    let items = json!({ "items": [{ "variantId": medium["id"], "quantity": 2 }, { "sku": medium["sku"] }] });
    let order = zoe.post("/api/orders", items).send().await.is(201);
    assert_eq!(cents(&order["total"]), 3300);
    assert_eq!(order["order"]["items"][0]["variantId"], medium["id"]);
}

/// What an order names is never lost.
pub async fn archived_product_stays_in_orders(shop: &Shop) {
    let made = shop.product("15", 5).await;
    let abe = shop.customer("abe").await;
    let placed = abe.buy(&made, 2).await;
    abe.add(&made, 1).await;
    assert_eq!(shop.admin.delete(&path(&made)).send().await.status, 204);
    let order = abe.order(&placed["orderId"]).await;
    let line = &order["items"][0];
    assert_eq!(
        (text(line, "name"), &line["productId"], &line["sku"]),
        (text(&made, "name"), &made["id"], &made["sku"])
    );
    shop.visitor.get(&path(&made)).send().await.refused(404, "not_found");
    let items = json!({ "items": [{ "productId": made["id"] }] });
    abe.post("/api/orders", items).send().await.refused(404, "not_found");
    until("the cart knows that it is gone", || async {
        abe.post("/api/orders", json!({})).send().await.value()["code"] == "not_for_sale"
    })
    .await;
    // Cancelling still gives the pieces and the money back.
    let cancelled = abe
        .post(&format!("/api/orders/{}/cancel", text(&placed, "orderId")), json!({}))
        .send()
        .await
        .is(200);
    assert_eq!(
        (text(&cancelled, "status"), text(&cancelled, "paymentStatus")),
        ("cancelled", "refunded")
    );
}

/// By difference, and by what was counted.
pub async fn stock_is_counted(shop: &Shop) {
    let made = shop.product("5", 10).await;
    let stock = format!("{}/stock", path(&made));
    counts(
        &shop.admin.put(&stock, json!({ "quantity": 5 })).send().await.is(200),
        [15, 0, 15],
    );
    counts(
        &shop.admin.put(&stock, json!({ "quantity": -3 })).send().await.is(200),
        [12, 0, 12],
    );
    let read = shop.admin.get(&stock).send().await;
    let tag = read.header("etag").to_owned();
    counts(&read.is(200), [12, 0, 12]);
    shop.admin
        .put(&stock, json!({ "set": 8 }))
        .send()
        .await
        .refused(428, "precondition_required");
    counts(
        &shop
            .admin
            .put(&stock, json!({ "set": 8 }))
            .header("if-match", &tag)
            .send()
            .await
            .is(200),
        [8, 0, 8],
    );
    shop.admin
        .put(&stock, json!({ "set": 9 }))
        .header("if-match", &tag)
        .send()
        .await
        .refused(412, "precondition_failed");
    // Reserved by an order that is not paid yet.
    let ben = shop.customer("ben").await;
    let order = it::order_with(&ben, &made, json!({ "paymentToken": "tok_declined" })).await;
    counts(&shop.stock(&made).await, [8, 1, 7]);
    let problem = shop
        .admin
        .put(&stock, json!({ "quantity": -8 }))
        .send()
        .await
        .refused(409, "stock_reserved");
    assert_eq!((&problem["stock"], &problem["reserved"]), (&json!(8), &json!(1)));
    let product = shop.visitor.get(&path(&made)).send().await.is(200);
    assert_eq!(
        (&product["stock"], &product["variants"][0]["available"]),
        (&json!(8), &json!(7))
    );
    it::call_off(&ben, &order["orderId"]).await;
    counts(
        &shop.admin.put(&stock, json!({ "quantity": -8 })).send().await.is(200),
        [0, 0, 0],
    );
    for body in [
        json!({}),
        json!({ "quantity": 1, "set": 2 }),
        json!({ "set": -1 }),
        json!({ "quantity": 1.5 }),
    ] {
        shop.admin.put(&stock, body).send().await.refused(400, "invalid");
    }
}

/// A tag names catalogue and stock apart: a sale spoils no edit, an edit spoils no count.
pub async fn sale_spoils_no_edit(shop: &Shop) {
    let made = shop.product("5", 10).await;
    let (_, tag) = read(&shop.admin, &made).await;
    let stock = format!("{}/stock", path(&made));
    shop.customer("cy").await.buy(&made, 1).await;
    let (_, after) = read(&shop.admin, &made).await;
    assert_ne!(tag, after);
    shop.admin
        .patch(&path(&made), json!({ "vendor": "New" }))
        .header("if-match", &tag)
        .send()
        .await
        .is(200);
    // The edit changed the first part of the tag, and the count compares the second.
    shop.admin
        .put(&stock, json!({ "set": 20 }))
        .header("if-match", &after)
        .send()
        .await
        .is(200);
    shop.admin
        .put(&stock, json!({ "set": 30 }))
        .header("if-match", &after)
        .send()
        .await
        .refused(412, "precondition_failed");
    shop.admin
        .patch(&path(&made), json!({ "vendor": "Newer" }))
        .header("if-match", &tag)
        .send()
        .await
        .refused(412, "precondition_failed");
}

/// Writing is for staff.
pub async fn customers_are_no_clerks(shop: &Shop) {
    let made = shop.product("5", 10).await;
    let dan = shop.customer("dan").await;
    let (path, stock) = (path(&made), format!("{}/stock", path(&made)));
    for (who, status, code) in [(&dan, 403, "forbidden"), (&shop.visitor, 401, "unauthorized")] {
        who.post("/api/products", json!({ "name": "Mine", "price": 1 }))
            .send()
            .await
            .refused(status, code);
        who.put(&path, json!({ "price": 1 })).send().await.refused(status, code);
        who.patch(&path, json!({ "price": 1 }))
            .send()
            .await
            .refused(status, code);
        who.delete(&path).send().await.refused(status, code);
        who.put(&stock, json!({ "quantity": 1 }))
            .send()
            .await
            .refused(status, code);
        who.get(&stock).send().await.refused(status, code);
        who.call(http::Method::POST, "/api/products/import")
            .body("text/csv", "Handle\n")
            .send()
            .await
            .refused(status, code);
        who.get("/api/products/export").send().await.refused(status, code);
    }
    dan.get("/api/events").send().await.refused(403, "forbidden");
}

/// What is not yet for sale is seen by staff only.
pub async fn drafts_are_hidden(shop: &Shop) {
    let category = shop.name("Secret");
    let made = product(shop, json!({ "status": "draft", "category": category, "stock": 3 })).await;
    let listed = format!("/api/products?category={category}");
    shop.visitor.get(&path(&made)).send().await.refused(404, "not_found");
    assert_eq!(shop.visitor.get(&listed).send().await.is(200), json!([]));
    assert_eq!(list(&shop.admin.get(&listed).send().await.is(200)).len(), 1);
    let eve = shop.customer("eve").await;
    eve.post("/api/cart", json!({ "productId": made["id"] }))
        .send()
        .await
        .refused(404, "not_found");
    shop.admin
        .patch(&path(&made), json!({ "status": "active" }))
        .send()
        .await
        .is(200);
    eve.add(&made, 1).await;
}

/// What is dangerous in a description does not get in.
pub async fn descriptions_are_clean(shop: &Shop) {
    let dirty =
        "<p onclick=\"x()\">Good <b>tongs</b><script>alert(1)</script><a href=\"javascript:alert(1)\">x</a></p>";
    let made = product(shop, json!({ "description": dirty, "name": "<b>Tongs & Co</b>" })).await;
    let clean = text(&made, "description");
    assert!(clean.contains("<b>tongs</b>"), "{clean}");
    for bad in ["script", "onclick", "javascript"] {
        assert!(!clean.contains(bad), "{clean}");
    }
    // A name is a text, not HTML.
    assert_eq!(text(&made, "name"), "<b>Tongs & Co</b>");
    let bad = json!({ "name": "Bad", "price": 1, "imageUrl": "javascript:alert(1)" });
    shop.admin
        .post("/api/products", bad)
        .send()
        .await
        .refused(400, "invalid");
}
