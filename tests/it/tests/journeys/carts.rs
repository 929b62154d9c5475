//! What people put into carts, change there, and see.

use it::{cents, list, profile, sized, text};
use serde_json::json;
use testkit::Shop;

/// Every verb of a cart, by every name of a line.
pub async fn cart_is_changed(shop: &Shop) {
    let (product, shirt) = (shop.product("2", 50).await, sized(shop).await);
    let ivy = shop.customer("ivy").await;
    let blank = ivy.get("/api/cart").send().await;
    let tag = blank.header("etag").to_owned();
    assert_eq!(blank.is(200)["itemCount"], 0);
    assert_eq!(
        ivy.get("/api/cart").header("if-none-match", &tag).send().await.status,
        304
    );
    ivy.add(&product, 2).await;
    let cart = ivy.add(&product, 3).await;
    assert_eq!((list(&cart["cart"]).len(), &cart["itemCount"]), (1, &json!(5)));
    let (small, large) = (&shirt["variants"][0], &shirt["variants"][2]);
    ivy.post("/api/cart", json!({ "variantId": small["id"] }))
        .send()
        .await
        .is(201);
    let cart = ivy
        .post("/api/cart", json!({ "sku": large["sku"], "quantity": 2 }))
        .send()
        .await
        .is(201);
    assert_eq!(
        (cents(&cart["total"]), cents(&cart["cart"][2]["subtotal"])),
        (1000 + 1000 + 2400, 2400)
    );
    let line = text(&cart["cart"][2], "id");
    for name in [line, text(large, "id"), text(large, "sku")] {
        let cart = ivy
            .put(&format!("/api/cart/items/{name}"), json!({ "quantity": 4 }))
            .send()
            .await
            .is(200);
        assert_eq!(cart["cart"][2]["quantity"], 4, "by {name}");
    }
    // Two lines are of the shirt.
    let path = format!("/api/cart/items/{}", text(&shirt, "id"));
    let problem = ivy.delete(&path).send().await.refused(400, "variant_required");
    assert_eq!(list(&problem["variants"]).len(), 2);
    let cart = ivy
        .put(&format!("/api/cart/items/{line}"), json!({ "quantity": 0 }))
        .send()
        .await
        .is(200);
    assert_eq!(list(&cart["cart"]).len(), 2);
    assert_eq!(ivy.delete(&path).send().await.is(200)["itemCount"], 5);
    let path = format!("/api/cart/items/{}", product["number"]);
    assert_eq!(ivy.delete(&path).send().await.is(200)["itemCount"], 0);
    ivy.delete(&path).send().await.refused(404, "not_found");
    ivy.add(&product, 1).await;
    assert_eq!(ivy.delete("/api/cart").send().await.is(200)["itemCount"], 0);
}

/// What a cart does not take.
pub async fn cart_is_checked(shop: &Shop) {
    let product = shop.product("2", 3).await;
    let jack = shop.customer("jack").await;
    jack.add(&product, 2).await;
    let two = json!({ "productId": product["id"], "quantity": 2 });
    let problem = jack.post("/api/cart", two).send().await.refused(409, "out_of_stock");
    let short = &problem["lines"][0];
    assert_eq!(
        (text(short, "sku"), &short["available"]),
        (text(&product, "sku"), &json!(3))
    );
    let path = format!("/api/cart/items/{}", product["number"]);
    jack.put(&path, json!({ "quantity": 4 }))
        .send()
        .await
        .refused(409, "out_of_stock");
    let tag = jack.get("/api/cart").send().await.header("etag").to_owned();
    jack.put(&path, json!({ "quantity": 3 }))
        .header("if-match", &tag)
        .send()
        .await
        .is(200);
    jack.put(&path, json!({ "quantity": 1 }))
        .header("if-match", &tag)
        .send()
        .await
        .refused(412, "precondition_failed");
    for quantity in [
        json!(-1),
        json!(0),
        json!(10_000),
        json!(1.5),
        json!("many"),
        json!(9_000_000_000_000_000_000_u64),
    ] {
        let line = json!({ "productId": product["id"], "quantity": quantity });
        let problem = jack.post("/api/cart", line).send().await.refused(400, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/quantity", "{problem}");
    }
    jack.post("/api/cart", json!({})).send().await.refused(400, "invalid");
    jack.post("/api/cart", json!({ "productId": "no-such-thing" }))
        .send()
        .await
        .refused(404, "not_found");
    jack.post("/api/cart", json!({ "productId": 999_999 }))
        .send()
        .await
        .refused(404, "not_found");
    assert_eq!(jack.get("/api/cart").send().await.is(200)["itemCount"], 3);
}

/// Other people's carts.
pub async fn carts_are_private(shop: &Shop) {
    let product = shop.product("2", 9).await;
    let (kim, leo) = (shop.customer("kim").await, shop.customer("leo").await);
    kim.add(&product, 1).await;
    let id = text(&profile(&kim).await, "id").to_owned();
    let item = format!("/api/cart/{id}/items/{}", product["number"]);
    leo.get(&format!("/api/cart/{id}"))
        .send()
        .await
        .refused(404, "not_found");
    leo.delete(&format!("/api/cart/{id}"))
        .send()
        .await
        .refused(404, "not_found");
    leo.put(&item, json!({ "quantity": 2 }))
        .send()
        .await
        .refused(404, "not_found");
    leo.delete(&item).send().await.refused(404, "not_found");
    let line = json!({ "productId": product["id"] });
    leo.post(&format!("/api/cart/{id}/items"), line.clone())
        .send()
        .await
        .refused(404, "not_found");
    leo.post(&format!("/api/orders/cart/{id}/items"), line)
        .send()
        .await
        .refused(404, "not_found");
    let theirs = json!({ "productId": product["id"], "userId": id });
    leo.post("/api/cart", theirs.clone())
        .send()
        .await
        .refused(403, "forbidden");
    leo.post("/api/cart/cart/add", theirs)
        .send()
        .await
        .refused(403, "forbidden");
    shop.visitor.get("/api/cart").send().await.refused(401, "unauthorized");
    // Staff may look, and the cart is as it was.
    let cart = shop.admin.get(&format!("/api/cart/{id}")).send().await.is(200);
    assert_eq!(cart["itemCount"], 1);
}

/// A price changes under a cart: the buyer is told, until they have seen it.
pub async fn changes_are_told(shop: &Shop) {
    let product = shop.product("10", 9).await;
    let quin = shop.customer("quin").await;
    let added = quin.add(&product, 2).await;
    assert_eq!(
        (&added["changed"], &added["cart"][0]["changes"]),
        (&json!(false), &json!({}))
    );
    let path = format!("/api/products/{}", text(&product, "id"));
    shop.admin.put(&path, json!({ "price": 12.5 })).send().await.is(200);
    let answer = quin.get("/api/cart").send().await;
    let (tag, cart) = (answer.header("etag").to_owned(), answer.is(200));
    assert_eq!((&cart["changed"], cents(&cart["total"])), (&json!(true), 2500));
    let price = &cart["cart"][0]["changes"]["price"];
    assert_eq!((cents(&price["was"]), cents(&price["now"])), (1000, 1250));
    let stale = added["id"].as_str().map(|id| format!("\"{id}\"")).expect("an id");
    quin.post("/api/cart/acknowledge", json!({}))
        .header("if-match", &stale)
        .send()
        .await
        .refused(412, "precondition_failed");
    let seen = quin
        .post("/api/cart/acknowledge", json!({}))
        .header("if-match", &tag)
        .send()
        .await
        .is(200);
    assert_eq!(
        (&seen["changed"], &seen["cart"][0]["changes"]),
        (&json!(false), &json!({}))
    );
}

/// A guest signs in: the answer says what came along and what did not, and so does the cart until it was seen.
pub async fn merges_are_told(shop: &Shop) {
    let product = shop.product("3", 5).await;
    let name = shop.name("rosa");
    let rosa = it::register(shop, json!({ "username": name })).await;
    it::of(shop, &rosa).add(&product, 3).await;
    let guest = shop.guest().await;
    guest.add(&product, 4).await;
    let login = json!({ "username": name, "password": testkit::shop::PASSWORD, "guestToken": guest.token() });
    let session = shop.visitor.post("/api/auth/login", login).send().await.is(200);
    let merge = &session["merge"];
    let cut = json!([{ "sku": product["sku"], "pieces": 2 }]);
    assert_eq!(
        (text(merge, "status"), &merge["merged"], &merge["cut"]),
        ("merged", &json!(2), &cut)
    );
    let rosa = it::of(shop, &session);
    let cart = rosa.get("/api/cart").send().await.is(200);
    assert_eq!(
        (&cart["itemCount"], &cart["merge"]["merged"], &cart["merge"]["cut"]),
        (&json!(5), &json!(2), &cut)
    );
    let seen = rosa.post("/api/cart/acknowledge", json!({})).send().await.is(200);
    assert_eq!((&seen["merge"], &seen["itemCount"]), (&json!(null), &json!(5)));
}
