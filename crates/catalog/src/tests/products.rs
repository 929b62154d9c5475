//! Products: created, read by every name, changed, archived.

use base::Currency;
use serde_json::{Value, json};
use store::Engine;

use super::desk::Desk;
use super::on_both_engines;

on_both_engines!(
    a_product_is_read_by_all_its_names,
    variants_have_skus_of_their_own,
    an_old_handle_leads_on,
    what_is_taken_is_refused,
    an_edit_compares_the_catalogue_version_only,
    a_change_that_changes_nothing_tells_nothing,
    variants_come_stay_and_go,
    an_archived_product_is_gone_and_its_names_are_free,
    drafts_are_for_staff,
    a_repeated_creation_is_one,
    only_staff_write,
    many_are_read_at_once,
    strange_texts_are_kept_as_they_are,
);

fn shirt() -> Value {
    json!({
        "name": "Ocean Blue Shirt", "price": "50.00", "vendor": "Demo", "tags": ["Men", "men", "Cotton"],
        "description": "<p onclick=x>Soft</p><script>alert(1)</script>", "stock_quantity": 4,
        "images": [{ "url": "https://a.example/1.jpg", "alt": "Front" }], "metadata": { "gift": "no" }
    })
}

fn top() -> Value {
    json!({
        "name": "Varsity Top", "options": [{ "name": "Size", "values": ["Small", "Medium"] }],
        "variants": [
            { "options": { "Size": "Medium" }, "price": 65, "stock": 2 },
            { "options": { "Size": "Small" }, "price": 60, "stock": 1, "sku": "VT-S" }
        ]
    })
}

async fn a_product_is_read_by_all_its_names(desk: Desk) {
    let created = desk.clerk("POST /product/products", shirt()).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id = created.body["id"].as_str().unwrap();
    assert_eq!(created.header("location"), format!("/api/products/{id}"));
    assert_eq!(created.tag(), "\"c1-s1\"");
    assert_eq!(created.body["number"], 1);
    assert_eq!(created.body["description"], "<p>Soft</p>");
    assert_eq!(created.body["tags"], json!(["Men", "Cotton"]));
    assert_eq!(created.body["sku"], "OCEAN-BLUE-SHIRT");
    assert_eq!(created.body["price"].to_string(), "50.0", "a number: {}", created.body);
    assert_eq!(created.body["imageUrl"], "https://a.example/1.jpg");
    for name in ["1", id, "OCEAN-BLUE-SHIRT", "ocean-blue-shirt"] {
        for prefix in ["", "/api", "/product", "/api/product"] {
            let read = desk.anyone(&format!("GET {prefix}/products/{name}"), Value::Null).await;
            assert_eq!((read.status, &read.body), (200, &created.body), "{prefix} {name}");
        }
    }
    let fresh = desk
        .call(None, "GET /products/1", Value::Null, &[("if-none-match", "\"c1-s1\"")])
        .await;
    assert_eq!((fresh.status, fresh.body), (304, Value::Null));
    let variant = created.body["variants"][0]["id"].as_str().unwrap();
    for unknown in [
        "2",
        variant,
        "ord_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "nothing",
        "99999999999999999999",
        "%F0%9F%A6%80",
    ] {
        let read = desk.anyone(&format!("GET /products/{unknown}"), Value::Null).await;
        assert_eq!(read.told(), (404, "not_found"), "{unknown}");
    }
    assert_eq!(desk.events().await, ["ProductCreated prd 1"]);
}

async fn variants_have_skus_of_their_own(desk: Desk) {
    let top = desk.product(top()).await;
    let skus: Vec<_> = top["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| variant["sku"].clone())
        .collect();
    assert_eq!(skus, ["VARSITY-TOP-MEDIUM", "VT-S"]);
    assert_eq!(
        (&top["price"], &top["stock"], &top["sku"]),
        (&json!(60.0), &json!(3), &Value::Null)
    );
    assert_eq!(top["variants"][0]["options"], json!({ "Size": "Medium" }));
    assert_eq!(top["variants"][1]["name"], "Small");
    // The same name again: handle and SKUs that were made get a number.
    let mut twin = super::products::top();
    twin["variants"][1]["sku"] = Value::Null;
    let twin = desk.product(twin).await;
    assert_eq!(
        (&twin["handle"], &twin["variants"][1]["sku"]),
        (&json!("varsity-top-2"), &json!("VARSITY-TOP-2-SMALL"))
    );
    let plain = desk.product(json!({ "name": "VARSITY TOP MEDIUM", "price": 1 })).await;
    assert_eq!(plain["sku"], "VARSITY-TOP-MEDIUM-2");
    let found = desk.anyone("GET /products/VT-S", Value::Null).await;
    assert_eq!(found.body["id"], top["id"]);
    let listed = desk.anyone("GET /products?sku=VT-S", Value::Null).await;
    assert_eq!(listed.names(), ["Varsity Top"]);
}

async fn an_old_handle_leads_on(desk: Desk) {
    let first = desk.product(shirt()).await;
    for handle in ["blue-shirt", "sea-shirt"] {
        assert_eq!(
            desk.clerk("PUT /products/1", json!({ "handle": handle })).await.status,
            200
        );
    }
    for handle in ["ocean-blue-shirt", "blue-shirt", "sea-shirt"] {
        let read = desk.anyone(&format!("GET /products/{handle}"), Value::Null).await;
        assert_eq!(
            (read.status, &read.body["id"], &read.body["handle"]),
            (200, &first["id"], &json!("sea-shirt"))
        );
    }
    // Whoever takes an old handle has it.
    let second = desk
        .product(json!({ "name": "Blue Shirt", "price": 1, "sku": "B" }))
        .await;
    assert_eq!(
        desk.anyone("GET /products/blue-shirt", Value::Null).await.body["id"],
        second["id"]
    );
    assert_eq!(
        desk.anyone("GET /products/ocean-blue-shirt", Value::Null).await.body["id"],
        first["id"]
    );
}

async fn what_is_taken_is_refused(desk: Desk) {
    desk.product(shirt()).await;
    desk.product(top()).await;
    let handle = desk
        .clerk(
            "POST /products",
            json!({ "name": "x", "price": 1, "handle": "varsity-top" }),
        )
        .await;
    assert_eq!(handle.told(), (409, "handle_taken"));
    let sku = desk
        .clerk("POST /products", json!({ "name": "x", "price": 1, "sku": "VT-S" }))
        .await;
    assert_eq!(sku.told(), (409, "sku_taken"));
    assert_eq!(
        desk.clerk("PATCH /products/1", json!({ "sku": "VT-S" })).await.told(),
        (409, "sku_taken")
    );
    assert_eq!(
        desk.clerk("PATCH /products/1", json!({ "handle": "varsity-top" }))
            .await
            .told(),
        (409, "handle_taken")
    );
    assert_eq!(
        desk.clerk(
            "PATCH /products/1",
            json!({ "sku": "OCEAN-BLUE-SHIRT", "name": "Same" })
        )
        .await
        .status,
        200
    );
    let wrong = desk
        .clerk(
            "POST /products",
            json!({ "name": "", "price": -1, "status": "archived" }),
        )
        .await;
    assert_eq!(
        (wrong.told(), wrong.body["errors"].as_array().unwrap().len()),
        ((400, "invalid"), 3)
    );
    let unknown = desk
        .clerk(
            "POST /products",
            json!({ "name": "x", "price": 1, "color": "red", "stock": "many" }),
        )
        .await;
    assert_eq!(
        (unknown.status, unknown.body["errors"].as_array().unwrap().len()),
        (400, 2),
        "{unknown:?}"
    );
    for (body, wanted) in [
        (json!({}), vec!["/name", "/price"]),
        (
            json!({ "name": "", "price": "ten", "stock": -4, "colour": "x", "tags": "a" }),
            vec!["/colour", "/name", "/price", "/stock", "/tags"],
        ),
        (
            json!({ "name": "x", "price": 1, "handle": "@", "tags": [""], "status": "archived" }),
            vec!["/handle", "/tags/0", "/status"],
        ),
    ] {
        let refused = desk.clerk("POST /products", body).await;
        let errors = refused.body["errors"].as_array().unwrap();
        let named: Vec<_> = errors.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
        assert_eq!((refused.status, named), (400, wanted));
    }
}

async fn an_edit_compares_the_catalogue_version_only(desk: Desk) {
    let tag = desk.clerk("POST /products", shirt()).await.tag();
    assert_eq!(
        desk.clerk("PUT /products/1/stock", json!({ "quantity": 3 }))
            .await
            .status,
        200
    );
    let edited = desk
        .clerk_with("PUT /products/1", json!({ "price": 45 }), &[("if-match", &tag)])
        .await;
    assert_eq!((edited.status, edited.tag()), (200, "\"c2-s2\"".into()));
    assert_eq!(
        (&edited.body["price"], &edited.body["name"]),
        (&json!(45.0), &json!("Ocean Blue Shirt"))
    );
    let stale = desk
        .clerk_with("PUT /products/1", json!({ "price": 1 }), &[("if-match", &tag)])
        .await;
    assert_eq!(stale.told(), (412, "precondition_failed"));
    let gone = desk
        .clerk_with("DELETE /products/1", Value::Null, &[("if-match", &tag)])
        .await;
    assert_eq!(gone.told(), (412, "precondition_failed"));
}

async fn a_change_that_changes_nothing_tells_nothing(desk: Desk) {
    desk.product(shirt()).await;
    let same = desk
        .clerk("PUT /products/1", json!({ "name": "Ocean Blue Shirt", "price": 50 }))
        .await;
    assert_eq!((same.status, same.tag()), (200, "\"c1-s1\"".into()));
    desk.clerk("PUT /products/1", json!({ "category": "Shirts", "vendor": "" }))
        .await;
    let read = desk.anyone("GET /products/1", Value::Null).await;
    assert_eq!(
        (&read.body["category"], &read.body["vendor"]),
        (&json!("Shirts"), &Value::Null)
    );
    assert_eq!(desk.events().await, ["ProductCreated prd 1", "ProductUpdated prd 2"]);
}

async fn variants_come_stay_and_go(desk: Desk) {
    let before = desk.product(top()).await;
    let change = json!({
        "options": [{ "name": "Size", "values": ["Small", "Large"] }],
        "variants": [{ "options": { "Size": "Small" }, "price": 61, "stock": 99 }, { "options": { "Size": "Large" }, "price": 70, "stock": 5 }]
    });
    let after = desk.clerk("PUT /products/1", change).await;
    assert_eq!(after.status, 200, "{after:?}");
    let seen: Vec<_> = after.body["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| {
            (
                variant["name"].clone(),
                variant["sku"].clone(),
                variant["stock"].clone(),
                variant["price"].clone(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (json!("Small"), json!("VT-S"), json!(1), json!(61.0)),
            (json!("Large"), json!("VARSITY-TOP-LARGE"), json!(5), json!(70.0)),
        ]
    );
    assert_eq!(after.body["variants"][0]["id"], before["variants"][1]["id"]);
    assert_eq!(
        desk.anyone("GET /products/VARSITY-TOP-MEDIUM", Value::Null)
            .await
            .status,
        404
    );
    // A price alone is no answer where there are several.
    let which = desk.clerk("PUT /products/1", json!({ "price": 1 })).await;
    assert_eq!(
        (which.told(), &which.body["errors"][0]["pointer"]),
        ((400, "invalid"), &json!("/price"))
    );
    // The archived one is still known to orders.
    let gone = before["variants"][0]["id"].as_str().unwrap().parse().unwrap();
    let cards = desk.client().cards(&super::desk::cx(), &[gone]).await.unwrap();
    assert_eq!(
        (cards.len(), cards[0].for_sale, cards[0].name.as_str()),
        (1, false, "Varsity Top, Medium")
    );
}

async fn an_archived_product_is_gone_and_its_names_are_free(desk: Desk) {
    let first = desk.product(shirt()).await;
    desk.clerk("PATCH /products/1", json!({ "handle": "sea-shirt" })).await;
    assert_eq!(desk.clerk("DELETE /products/1", Value::Null).await.status, 204);
    for name in [
        "1",
        "OCEAN-BLUE-SHIRT",
        "ocean-blue-shirt",
        "sea-shirt",
        first["id"].as_str().unwrap(),
    ] {
        assert_eq!(
            desk.clerk(&format!("GET /products/{name}"), Value::Null).await.status,
            404,
            "{name}"
        );
    }
    assert_eq!(desk.clerk("DELETE /products/1", Value::Null).await.status, 404);
    assert_eq!(desk.clerk("PUT /products/1", json!({ "name": "x" })).await.status, 404);
    assert!(desk.anyone("GET /products", Value::Null).await.names().is_empty());
    let second = desk.product(shirt()).await;
    assert_eq!(
        (&second["number"], &second["sku"], &second["handle"]),
        (&json!(2), &first["sku"], &first["handle"])
    );
    assert_eq!(desk.events().await[2], "ProductArchived prd 3");
}

async fn drafts_are_for_staff(desk: Desk) {
    let mut draft = shirt();
    draft["status"] = json!("draft");
    desk.product(draft).await;
    assert_eq!(desk.anyone("GET /products/1", Value::Null).await.status, 404);
    assert_eq!(desk.customer("GET /products/1", Value::Null).await.status, 404);
    assert_eq!(desk.clerk("GET /products/1", Value::Null).await.status, 200);
    assert!(desk.anyone("GET /products", Value::Null).await.names().is_empty());
    assert_eq!(desk.clerk("GET /products", Value::Null).await.names().len(), 1);
    assert_eq!(
        desk.anyone("POST /products/bulk", json!({ "ids": [1] })).await.body,
        json!([])
    );
    let stock = desk.clerk("PUT /products/1/stock", json!({ "quantity": 1 })).await;
    assert_eq!((stock.status, &stock.body["stock"]), (200, &json!(5)));
    desk.clerk("PATCH /products/1", json!({ "status": "active" })).await;
    assert_eq!(desk.anyone("GET /products/1", Value::Null).await.status, 200);
}

async fn a_repeated_creation_is_one(desk: Desk) {
    let key = [("idempotency-key", "k1")];
    let first = desk.clerk_with("POST /products", shirt(), &key).await;
    let again = desk.clerk_with("POST /products", shirt(), &key).await;
    assert_eq!(
        (first.status, again.status, again.header("idempotency-replayed")),
        (201, 201, "true".into())
    );
    assert_eq!((&first.body, first.tag()), (&again.body, again.tag()));
    let other = desk.clerk_with("POST /products", top(), &key).await;
    assert_eq!(other.told(), (422, "idempotency_key_reused"));
    let delete = [("idempotency-key", "k2")];
    for _ in 0..2 {
        assert_eq!(
            desk.clerk_with("DELETE /products/1", Value::Null, &delete).await.status,
            204
        );
    }
}

async fn only_staff_write(desk: Desk) {
    desk.product(shirt()).await;
    for (what, body) in [
        ("POST /products", shirt()),
        ("PUT /products/1", json!({})),
        ("PATCH /products/1", json!({})),
        ("DELETE /products/1", Value::Null),
        ("PUT /products/1/stock", json!({ "quantity": 1 })),
        ("GET /products/1/stock", Value::Null),
        ("POST /internal/reserve", json!({})),
    ] {
        assert_eq!(desk.anyone(what, body.clone()).await.status, 401, "{what}");
        assert_eq!(desk.customer(what, body).await.status, 403, "{what}");
    }
    assert_eq!(desk.clerk("POST /internal/undo", json!({})).await.status, 403);
}

async fn many_are_read_at_once(desk: Desk) {
    let shirt = desk.product(shirt()).await;
    desk.product(top()).await;
    let body = json!({ "ids": [2, shirt["id"], "VT-S", "ocean-blue-shirt", 99, "nothing"] });
    assert_eq!(
        desk.anyone("POST /products/bulk", body).await.names(),
        ["Ocean Blue Shirt", "Varsity Top"]
    );
    let many: Vec<i64> = (0..101).collect();
    assert_eq!(
        desk.anyone("POST /products/bulk", json!({ "ids": many })).await.status,
        400
    );
    assert_eq!(
        desk.anyone("POST /products/bulk", json!({ "ids": [1], "products": [] }))
            .await
            .status,
        400
    );
    assert_eq!(desk.anyone("POST /products/bulk", json!({})).await.status, 400);
}

async fn strange_texts_are_kept_as_they_are(desk: Desk) {
    for (place, text) in [
        "'); DROP TABLE catalog_product;--",
        "🦀 Ⅳ ﷽ é",
        "<img src=x onerror=alert(1)>",
        "a\\\"b%_$1",
    ]
    .into_iter()
    .enumerate()
    {
        let product = desk
            .product(json!({
                "name": text, "price": 1, "vendor": text, "category": text, "tags": [text], "sku": text,
                "metadata": { text: text }, "description": text,
                "images": [{ "url": "https://a.example/x", "alt": text }],
            }))
            .await;
        for field in ["name", "vendor", "category", "sku"] {
            assert_eq!(product[field], text, "{field}");
        }
        assert_eq!(
            (&product["tags"][0], &product["metadata"][text]),
            (&json!(text), &json!(text))
        );
        assert!(!product["description"].as_str().unwrap().contains("onerror"));
        let read = desk.anyone(&format!("GET /products/{}", place + 1), Value::Null).await;
        assert_eq!(read.body, product);
    }
    for (body, status) in [
        (json!({ "name": "a\u{0}b", "price": 1 }), 400),
        (json!({ "name": "a\u{7}b", "price": 1 }), 400),
        (json!({ "name": "x".repeat(501), "price": 1 }), 400),
        (json!({ "name": "é".repeat(500), "price": 1 }), 201),
        (json!({ "name": "x", "price": 1, "stock": 1_000_000_001 }), 400),
        (json!({ "name": "x", "price": "10000000000.01" }), 400),
        (json!({ "name": "x", "price": "1e3" }), 400),
        (json!({ "name": "x", "price": null }), 400),
        (json!([]), 400),
    ] {
        assert_eq!(
            desk.clerk("POST /products", body.clone()).await.status,
            status,
            "{body}"
        );
    }
}

#[tokio::test]
async fn prices_have_the_digits_of_the_shops_currency() {
    for (currency, price, shown) in [
        ("JPY", "500", Some("500")),
        ("JPY", "500.5", None),
        ("BHD", "1.234", Some("1.234")),
        ("USD", "1.234", None),
    ] {
        let desk = Desk::open_in(Engine::Memory, currency.parse::<Currency>().unwrap()).await;
        let answer = desk
            .clerk("POST /products", json!({ "name": "Tea", "price": price }))
            .await;
        match shown {
            Some(shown) => assert_eq!((answer.status, answer.body["price"].to_string().as_str()), (201, shown)),
            None => assert_eq!(
                (answer.told(), &answer.body["errors"][0]["pointer"]),
                ((400, "invalid"), &json!("/price"))
            ),
        }
    }
}
