//! Options and variants: added, renamed, changed, removed.

use api::catalog::{Pieces, Reserve};
use base::Quantity;
use serde_json::{Value, json};

use super::desk::{Desk, cx, order};
use super::on_both_engines;

on_both_engines!(
    variants_come_and_change_one_by_one,
    a_variant_that_stands_in_orders_is_kept,
    options_change_under_their_variants,
    a_price_of_before_is_higher,
    a_ledger_tells_why,
    what_is_refused_is_told_in_sentences,
);

async fn top(desk: &Desk) -> Value {
    desk.product(json!({
        "name": "Top", "price": 60, "options": [{ "name": "Size", "values": ["S", "M"] }],
        "variants": [{ "options": { "Size": "S" }, "stock": 3 }, { "options": { "Size": "M" }, "price": 65 }]
    }))
    .await
}

fn seen(product: &Value) -> Vec<String> {
    let variants = product["variants"].as_array().unwrap_or_else(|| panic!("{product}"));
    variants
        .iter()
        .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["sku"].as_str().unwrap()))
        .collect()
}

async fn variants_come_and_change_one_by_one(desk: Desk) {
    let before = top(&desk).await;
    let large = json!({ "options": { "size": "L" }, "price": 70, "stock": 2 });
    let made = desk.clerk("POST /products/1/variants", large.clone()).await;
    assert_eq!(
        (made.status, &made.body["name"], &made.body["stock"]),
        (201, &json!("L"), &json!(2))
    );
    let place = made.header("location");
    assert_eq!(desk.anyone(&format!("GET {place}"), Value::Null).await.body, made.body);
    let read = desk.anyone("GET /products/1", Value::Null).await;
    assert_eq!(seen(&read.body), ["S TOP-S", "M TOP-M", "L TOP-L"]);
    assert_eq!(
        read.body["options"],
        json!([{ "name": "Size", "values": ["S", "M", "L"] }])
    );
    assert_eq!(made.tag(), read.tag());
    assert_eq!(
        desk.anyone("GET /products/1/variants", Value::Null).await.body,
        read.body["variants"]
    );
    for (body, pointer) in [
        (large, "/options"),
        (
            json!({ "options": { "Colour": "red", "Size": "S" }, "price": 1 }),
            "/options/Colour",
        ),
        (json!({ "price": 1 }), "/options/Size"),
        (json!({ "options": { "Size": "XL" } }), "/price"),
    ] {
        let refused = desk.clerk("POST /products/1/variants", body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (400, &json!(pointer)),
            "{body}"
        );
    }
    let taken = desk
        .clerk(
            "POST /products/1/variants",
            json!({ "options": { "Size": "XL" }, "price": 1, "sku": "TOP-S" }),
        )
        .await;
    assert_eq!(taken.told(), (409, "sku_taken"));
    // With another size it stays what it is, with its stock.
    let medium = before["variants"][1]["id"].as_str().unwrap();
    let path = format!("/products/1/variants/{medium}");
    let changed = desk
        .clerk(
            &format!("PATCH {path}"),
            json!({ "options": { "Size": "XL" }, "price": 66, "weight": 250, "barcode": "12" }),
        )
        .await;
    assert_eq!(
        (changed.status, &changed.body["id"], &changed.body["sku"]),
        (200, &json!(medium), &json!("TOP-M"))
    );
    assert_eq!(
        (&changed.body["name"], &changed.body["weight"]),
        (&json!("XL"), &json!(250))
    );
    let cleared = desk
        .clerk(&format!("PUT {path}"), json!({ "weight": null, "barcode": null }))
        .await;
    assert_eq!(
        (
            &cleared.body["weight"],
            &cleared.body["barcode"],
            &cleared.body["price"]
        ),
        (&Value::Null, &Value::Null, &json!(66.0))
    );
    let twin = desk
        .clerk(&format!("PATCH {path}"), json!({ "options": { "Size": "s" } }))
        .await;
    assert_eq!(twin.told(), (400, "invalid"));
    let tag = desk.anyone("GET /products/1", Value::Null).await.tag();
    let stale = desk
        .clerk_with(
            &format!("PATCH {path}"),
            json!({ "price": 1 }),
            &[("if-match", &made.tag())],
        )
        .await;
    assert_eq!(stale.told(), (412, "precondition_failed"), "{tag}");
    assert_eq!(
        desk.clerk("PATCH /products/1/variants/nothing", json!({ "price": 1 }))
            .await
            .status,
        404
    );
    for (what, body) in [
        ("POST /products/1/variants", json!({ "price": 1 })),
        ("PUT /products/1/variants/TOP-S", json!({ "price": 1 })),
        ("DELETE /products/1/variants/TOP-S", Value::Null),
    ] {
        assert_eq!(desk.anyone(what, body.clone()).await.status, 401, "{what}");
        assert_eq!(desk.customer(what, body).await.status, 403, "{what}");
    }
    let deeds: Vec<String> = desk.deeds().await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(
        deeds,
        ["product.create", "variant.create", "variant.update", "variant.update"]
    );
    super::holds::balanced(&desk).await;
}

async fn a_variant_that_stands_in_orders_is_kept(desk: Desk) {
    let product = top(&desk).await;
    let small = product["variants"][0]["id"].as_str().unwrap().parse().unwrap();
    let lines = vec![Pieces {
        variant: small,
        quantity: Quantity::new(2).unwrap(),
    }];
    desk.client()
        .reserve(&cx(), &Reserve { order: order(1), lines })
        .await
        .unwrap();
    assert_eq!(
        desk.clerk("DELETE /products/1/variants/TOP-S", Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        desk.clerk("DELETE /products/1/variants/TOP-S", Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(
        seen(&desk.anyone("GET /products/1", Value::Null).await.body),
        ["M TOP-M"]
    );
    let card = desk.client().cards(&cx(), &[small]).await.unwrap().remove(0);
    assert_eq!((card.name.as_str(), card.for_sale), ("Top, S", false));
    // Its pieces go their way all the same, and come back all the same.
    desk.client().settle(&cx(), order(1)).await.unwrap();
    desk.client().undo(&cx(), order(1)).await.unwrap();
    super::holds::balanced(&desk).await;
    assert_eq!(
        desk.clerk("DELETE /products/1/variants/TOP-M", Value::Null)
            .await
            .told(),
        (409, "last_variant")
    );
    // The SKU is free again; the new variant is another one.
    let again = desk
        .clerk(
            "POST /products/1/variants",
            json!({ "options": { "Size": "S" }, "price": 60, "sku": "TOP-S" }),
        )
        .await;
    assert_eq!((again.status, &again.body["stock"]), (201, &json!(0)));
    assert_ne!(again.body["id"], product["variants"][0]["id"]);
}

async fn options_change_under_their_variants(desk: Desk) {
    let before = top(&desk).await;
    let ids = |product: &Value| -> Vec<Value> {
        product["variants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].clone())
            .collect()
    };
    let mut steps = Vec::new();
    for (options, wanted) in [
        // Another name.
        (json!([{ "name": "Grösse", "values": ["S", "M"] }]), "S | M"),
        // Another spelling in its place, and one value more.
        (json!([{ "name": "Grösse", "values": ["Small", "M"] }]), "Small | M"),
        (
            json!([{ "name": "grösse", "values": ["Small", "M", "L"] }]),
            "Small | M",
        ),
        // One more option: the variants have its first value. Then in another order.
        (
            json!([{ "name": "Size", "values": ["Small", "M"] }, { "name": "Colour", "values": ["Red", "Blue"] }]),
            "Small / Red | M / Red",
        ),
        (
            json!([{ "name": "Colour", "values": ["Red"] }, { "name": "Size", "values": ["M", "Small"] }]),
            "Red / Small | Red / M",
        ),
        // And away again.
        (json!([{ "name": "Size", "values": ["Small", "M"] }]), "Small | M"),
    ] {
        let changed = desk.clerk("PATCH /products/1", json!({ "options": options })).await;
        assert_eq!(changed.status, 200, "{options} {changed:?}");
        let names: Vec<&str> = changed.body["variants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.join(" | "), wanted, "{options}");
        assert_eq!(ids(&changed.body), ids(&before), "they are the same variants");
        steps.push(changed.body["variants"][0]["stock"].clone());
    }
    assert!(steps.iter().all(|stock| *stock == json!(3)));
    for (options, pointer, words) in [
        (json!([]), "/options", "tell them apart"),
        (
            json!([{ "name": "Size", "values": ["M"] }]),
            "/options/0/values",
            "must hold Small",
        ),
        (json!([{ "name": "Size", "values": [] }]), "/options/0/values", "1 to"),
        (
            json!([{ "name": "Fit", "values": ["Wide"] }]),
            "/options",
            "same choice|with the choice Wide",
        ),
    ] {
        let refused = desk.clerk("PATCH /products/1", json!({ "options": options })).await;
        let fault = &refused.body["errors"][0];
        assert_eq!(
            (refused.status, &fault["pointer"]),
            (400, &json!(pointer)),
            "{options} {refused:?}"
        );
        let detail = fault["detail"].as_str().unwrap();
        assert!(words.split('|').any(|words| detail.contains(words)), "{detail}");
    }
    let simple = desk.product(json!({ "name": "Nail", "price": 1, "stock": 5 })).await;
    let none = desk
        .clerk(
            "POST /products/2/variants",
            json!({ "options": { "Size": "S" }, "price": 1 }),
        )
        .await;
    assert_eq!(
        (none.status, &none.body["errors"][0]["pointer"]),
        (400, &json!("/options"))
    );
    let grown = desk
        .clerk(
            "PATCH /products/2",
            json!({ "options": [{ "name": "Size", "values": ["S", "L"] }] }),
        )
        .await;
    assert_eq!((grown.status, ids(&grown.body)), (200, ids(&simple)));
    assert_eq!(seen(&grown.body), ["S NAIL"]);
    super::holds::balanced(&desk).await;
}

async fn a_price_of_before_is_higher(desk: Desk) {
    let product = json!({ "name": "Pot", "price": 10, "compareAtPrice": 10 });
    let refused = desk.clerk("POST /products", product).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["pointer"]),
        (400, &json!("/compareAtPrice"))
    );
    let product = desk
        .product(json!({ "name": "Pot", "price": 10, "compareAtPrice": 12 }))
        .await;
    assert_eq!(product["variants"][0]["compareAtPrice"], json!(12.0));
    let less = desk.clerk("PATCH /products/1", json!({ "compareAtPrice": 9 })).await;
    assert_eq!(less.told(), (400, "invalid"));
    // A price that rises beyond it makes it no price of before any more.
    let risen = desk.clerk("PATCH /products/1", json!({ "price": 15 })).await;
    assert_eq!(
        (risen.status, &risen.body["variants"][0]["compareAtPrice"]),
        (200, &Value::Null)
    );
    let fallen = desk.clerk("PATCH /products/1", json!({ "price": 11 })).await;
    assert_eq!(fallen.body["variants"][0]["compareAtPrice"], json!(12.0));
    let cleared = desk
        .clerk("PATCH /products/1", json!({ "compareAtPrice": null, "vendor": null }))
        .await;
    assert_eq!(
        (cleared.status, &cleared.body["variants"][0]["compareAtPrice"]),
        (200, &Value::Null)
    );
}

async fn a_ledger_tells_why(desk: Desk) {
    let product = top(&desk).await;
    let small = product["variants"][0]["id"].as_str().unwrap();
    let path = format!("/products/1/variants/{small}/stock");
    let client = desk.client();
    let hold = |n, quantity| Reserve {
        order: order(n),
        lines: vec![Pieces {
            variant: small.parse().unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
        }],
    };
    desk.clerk(
        &format!("PUT {path}"),
        json!({ "quantity": 4, "reason": " Delivery 7 " }),
    )
    .await;
    client.reserve(&cx(), &hold(1, 2)).await.unwrap();
    client.settle(&cx(), order(1)).await.unwrap();
    client.undo(&cx(), order(1)).await.unwrap();
    client.reserve(&cx(), &hold(2, 1)).await.unwrap();
    client.undo(&cx(), order(2)).await.unwrap();
    let set = json!({ "set": 3, "reason": "Counted" });
    assert_eq!(
        desk.clerk_with(&format!("PUT {path}"), set, &[("if-match", "*")])
            .await
            .status,
        200
    );
    let ledger = desk.clerk(&format!("GET {path}/ledger"), Value::Null).await;
    let lines = ledger.body.as_array().unwrap();
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            format!(
                "{} {} {:+} {:+} {} {} {}",
                line["sequence"],
                line["kind"].as_str().unwrap(),
                line["quantity"].as_i64().unwrap(),
                line["reservedChange"].as_i64().unwrap(),
                line["stock"],
                line["reserved"],
                line["reason"].as_str().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "8 set -4 +0 3 0 Counted",
            "7 released +0 -1 7 0 -",
            "6 reserved +0 +1 7 1 -",
            "5 restocked +2 +0 7 0 -",
            "4 settled -2 -2 5 0 -",
            "3 reserved +0 +2 7 2 -",
            "2 adjusted +4 +0 7 0 Delivery 7",
            "1 received +3 +0 3 0 -",
        ]
    );
    assert_eq!(
        (&lines[5]["orderId"], &lines[0]["orderId"]),
        (&json!(order(1)), &Value::Null)
    );
    assert!(
        lines
            .iter()
            .all(|line| !line["actor"].as_str().unwrap().is_empty() && line["variantId"] == small)
    );
    // Replayed, it is the stock.
    let sum = |field: &str| lines.iter().map(|line| line[field].as_i64().unwrap()).sum::<i64>();
    let stock = desk.clerk(&format!("GET {path}"), Value::Null).await;
    assert_eq!(
        stock.body,
        json!({ "stock": sum("quantity"), "reserved": sum("reservedChange"), "available": 3 })
    );
    // By pages.
    let (mut next, mut seen) = (Some(format!("{path}/ledger?limit=3")), Vec::new());
    while let Some(at) = next {
        let page = desk.clerk(&format!("GET {at}"), Value::Null).await;
        seen.extend(page.body.as_array().unwrap().clone());
        let link = page.header("link");
        next = link
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .map(|(path, _)| path.to_owned());
    }
    assert_eq!(&seen, lines);
    let which = desk.clerk("GET /products/1/stock/ledger", Value::Null).await;
    assert_eq!(which.told(), (400, "variant_required"));
    desk.pieces("Nail", 5).await;
    let only = desk.clerk("GET /products/2/stock/ledger", Value::Null).await;
    assert_eq!(only.body[0]["kind"], "received");
    assert_eq!(
        desk.anyone("GET /products/2/stock/ledger", Value::Null).await.status,
        401
    );
    assert_eq!(
        desk.customer("GET /products/2/stock/ledger", Value::Null).await.status,
        403
    );
    let long = json!({ "quantity": 1, "reason": "x".repeat(256) });
    assert_eq!(desk.clerk("PUT /products/2/stock", long).await.told(), (400, "invalid"));
    let tag = desk.clerk("GET /products/2/stock", Value::Null).await.tag();
    let fresh = desk
        .clerk_with("GET /products/2/stock", Value::Null, &[("if-none-match", &tag)])
        .await;
    assert_eq!(fresh.status, 304);
    super::holds::balanced(&desk).await;
}

async fn what_is_refused_is_told_in_sentences(desk: Desk) {
    let wrong = desk
        .clerk("POST /products", json!({ "name": "x", "price": "1,50" }))
        .await;
    assert_eq!(
        (wrong.status, &wrong.body["errors"]),
        (
            400,
            &json!([{ "pointer": "/price", "detail": "must be written like 999.99" }])
        )
    );
}
