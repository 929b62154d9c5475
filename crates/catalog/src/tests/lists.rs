//! Lists: filters, orders, pages.

use serde_json::{Value, json};

use super::desk::Desk;
use super::on_both_engines;

on_both_engines!(
    filters_narrow,
    drafts_are_listed_alone,
    every_order_pages_without_gap_or_twin,
    pages_are_bounded
);

async fn fill(desk: &Desk) {
    for (name, price, category, stock, tags) in [
        ("Anvil", "120.00", "Tools", 2, json!(["heavy", "iron"])),
        ("brass hinge", "8.50", "Hinges", 0, json!(["brass"])),
        ("Çelik Çekiç", "45", "tools", 5, json!(["iron"])),
        ("Door Bolt", "8.50", "Hinges", 7, json!(["iron work"])),
        ("Émail pot", "45.00", "Kitchen", 1, json!([])),
    ] {
        let product = json!({ "name": name, "price": price, "category": category, "stock": stock, "tags": tags,
            "description": format!("<b>100%</b> of {name}_x") });
        desk.product(product).await;
    }
}

async fn filters_narrow(desk: Desk) {
    fill(&desk).await;
    for (query, wanted) in [
        (
            "",
            vec!["Émail pot", "Door Bolt", "Çelik Çekiç", "brass hinge", "Anvil"],
        ),
        ("category=TOOLS", vec!["Çelik Çekiç", "Anvil"]),
        ("tag=Iron", vec!["Çelik Çekiç", "Anvil"]),
        ("minPrice=45&maxPrice=45.00", vec!["Émail pot", "Çelik Çekiç"]),
        ("inStock=false", vec!["brass hinge"]),
        ("inStock=true&category=hinges", vec!["Door Bolt"]),
        ("sku=ANVIL", vec!["Anvil"]),
        (
            "sort=price",
            vec!["brass hinge", "Door Bolt", "Çelik Çekiç", "Émail pot", "Anvil"],
        ),
        (
            "sort=-price",
            vec!["Anvil", "Émail pot", "Çelik Çekiç", "Door Bolt", "brass hinge"],
        ),
        (
            "sort=name",
            vec!["Anvil", "brass hinge", "Door Bolt", "Çelik Çekiç", "Émail pot"],
        ),
    ] {
        let listed = desk.anyone(&format!("GET /products?{query}"), Value::Null).await;
        assert_eq!(listed.names(), wanted, "{query}");
    }
    for query in [
        "minPrice=x",
        "minPrice=1.234",
        "sort=best",
        "inStock=maybe",
        "limit=0",
        "limit=-1",
        "limit=101",
        "cursor=zz",
        "page=0",
        "page=1&cursor=61",
    ] {
        let listed = desk.anyone(&format!("GET /products?{query}"), Value::Null).await;
        assert_eq!(
            (listed.status, listed.body["errors"].as_array().map(Vec::len)),
            (400, Some(1)),
            "{query} {listed:?}"
        );
    }
    let below = desk.anyone("GET /products?limit=-1", Value::Null).await;
    assert_eq!(below.body["errors"][0]["detail"], "must be at least 1");
}

async fn drafts_are_listed_alone(desk: Desk) {
    fill(&desk).await;
    for number in [1, 4] {
        let draft = json!({ "status": "draft" });
        assert_eq!(
            desk.clerk(&format!("PATCH /products/{number}"), draft).await.status,
            200
        );
    }
    for (query, wanted) in [
        ("status=draft", vec!["Door Bolt", "Anvil"]),
        ("status=draft&sort=-price&category=tools", vec!["Anvil"]),
        ("status=active&sort=price&maxPrice=20", vec!["brass hinge"]),
        ("sort=price&maxPrice=20", vec!["brass hinge", "Door Bolt"]),
    ] {
        let listed = desk.clerk(&format!("GET /products?{query}"), Value::Null).await;
        assert_eq!(listed.names(), wanted, "{query}");
    }
    let active = desk.anyone("GET /products?status=active", Value::Null).await;
    assert_eq!(active.names(), ["Émail pot", "Çelik Çekiç", "brass hinge"]);
    let nobody = desk.anyone("GET /products?status=draft", Value::Null).await;
    assert_eq!(nobody.told(), (401, "unauthorized"));
    let customer = desk.customer("GET /products?status=draft", Value::Null).await;
    assert_eq!(customer.told(), (403, "forbidden"));
    for query in ["?status=archived", "?status=draft&q=bolt", "/facets?status=draft"] {
        let refused = desk.clerk(&format!("GET /products{query}"), Value::Null).await;
        assert_eq!(
            (refused.told(), &refused.body["errors"][0]["pointer"]),
            ((400, "invalid"), &json!("?status")),
            "{query}"
        );
    }
}

async fn every_order_pages_without_gap_or_twin(desk: Desk) {
    fill(&desk).await;
    for order in ["newest", "price", "-price", "name"] {
        let whole = desk.anyone(&format!("GET /products?sort={order}"), Value::Null).await;
        for limit in [1, 2, 3, 5] {
            for start in [
                format!("/api/products?sort={order}&limit={limit}"),
                format!("/api/products?sort={order}&limit={limit}&page=1"),
            ] {
                let (mut next, mut seen) = (Some(start), Vec::new());
                while let Some(path) = next {
                    let page = desk.anyone(&format!("GET {path}"), Value::Null).await;
                    assert!(page.names().len() <= limit);
                    seen.extend(page.names().into_iter().map(str::to_owned));
                    let link = page.header("link");
                    next = link
                        .strip_prefix('<')
                        .and_then(|rest| rest.split_once('>'))
                        .map(|(path, _)| path.to_owned());
                }
                assert_eq!(seen, whole.names(), "{order} {limit}");
            }
        }
    }
    let other = desk.anyone("GET /products?limit=2&sort=price", Value::Null).await;
    let cursor = other
        .header("link")
        .split("cursor=")
        .nth(1)
        .unwrap()
        .split('>')
        .next()
        .unwrap()
        .to_owned();
    for order in ["newest", "-price", "name"] {
        let mixed = desk
            .anyone(&format!("GET /products?sort={order}&cursor={cursor}"), Value::Null)
            .await;
        assert_eq!(mixed.told(), (400, "invalid"), "a cursor of another order");
    }
}

async fn pages_are_bounded(desk: Desk) {
    fill(&desk).await;
    assert_eq!(
        desk.anyone("GET /products?page=3&limit=2", Value::Null).await.names(),
        ["Anvil"]
    );
    assert!(
        desk.anyone("GET /products?page=50", Value::Null)
            .await
            .names()
            .is_empty()
    );
    for query in ["page=51", "page=11&limit=100", "page=4294967295&limit=100"] {
        assert_eq!(
            desk.anyone(&format!("GET /products?{query}"), Value::Null).await.status,
            400,
            "{query}"
        );
    }
}
