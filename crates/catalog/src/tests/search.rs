//! Search and facets, through the router.

mod alike;
mod counts;
mod following;
mod quality;

use serde_json::{Value, json};
use testkit::until;

use super::desk::{Answer, Desk};
use super::on_both_engines;

on_both_engines!(
    words_find_products,
    filters_narrow_a_search,
    a_search_pages_without_gap_or_twin,
    finds_are_marked,
    bad_searches_are_refused,
    only_staff_find_drafts,
);

/// The names that a search finds, in their order.
async fn found(desk: &Desk, query: &str) -> Vec<String> {
    let answer = search(desk, query).await;
    answer.names().into_iter().map(str::to_owned).collect()
}

async fn search(desk: &Desk, query: &str) -> Answer {
    desk.anyone(&format!("GET /products/search?{query}"), Value::Null).await
}

/// Waits until the index has so many products.
async fn indexed(desk: &Desk, count: u64) {
    until(format!("{count} products are indexed"), || async {
        let facets = desk.clerk("GET /products/facets", Value::Null).await;
        if facets.body["count"] == count {
            Ok(())
        } else {
            Err(facets)
        }
    })
    .await;
}

async fn fill(desk: &Desk) {
    for (name, price, category, stock, tags) in [
        ("Linseed Oil 16 oz", "29.00", "Oils", 4, json!([])),
        ("Anvil", "120.00", "Tools", 2, json!(["heavy", "iron"])),
        ("Brass Hinge", "8.50", "Hinges", 0, json!(["brass"])),
        ("Çelik Çekiç", "45", "Tools", 5, json!(["iron"])),
        ("Door Bolt", "8.50", "Hinges", 7, json!(["iron work"])),
        ("Émail Pot", "45.00", "Kitchen", 1, json!([])),
        ("Head Lamp", "30.00", "Lighting > Lamps", 3, json!(["camping"])),
        ("Lamp Shade", "15.00", "Lighting", 3, json!([])),
        ("Men’s T-Shirt", "19.00", "Clothing", 3, json!(["cotton"])),
    ] {
        let product = json!({ "name": name, "price": price, "category": category, "stock": stock, "tags": tags,
            "vendor": "Smith & Söhne", "description": format!("<p>A good <b>{}</b> thing</p>", name.to_lowercase()) });
        desk.product(product).await;
    }
    indexed(desk, 9).await;
}

async fn words_find_products(desk: Desk) {
    fill(&desk).await;
    for (query, wanted) in [
        // Whole words, their beginnings, other forms, case and accents.
        ("q=anvil", vec!["Anvil"]),
        ("q=ANV", vec!["Anvil"]),
        ("q=hinges", vec!["Brass Hinge", "Door Bolt"]),
        ("q=%C3%87EL%C4%B0K", vec!["Çelik Çekiç"]),
        ("q=celik+cekic", vec!["Çelik Çekiç"]),
        ("search=email", vec!["Émail Pot"]),
        ("q=mens+tshirt", vec!["Men’s T-Shirt"]),
        ("q=t-shirt", vec!["Men’s T-Shirt"]),
        ("q=headlamp", vec!["Head Lamp"]),
        ("q=oil+16oz", vec!["Linseed Oil 16 oz"]),
        // Typos, where nothing has the word.
        ("q=anvli", vec!["Anvil"]),
        ("q=hniges+", vec!["Door Bolt", "Brass Hinge"]),
        ("q=brss+hinge", vec!["Brass Hinge"]),
        // The name before what is beside it, and what says less else first.
        ("q=lamp", vec!["Lamp Shade", "Head Lamp"]),
        ("q=lamp+shade", vec!["Lamp Shade"]),
        ("q=iron", vec!["Anvil", "Door Bolt", "Çelik Çekiç"]),
        ("q=smith+bolt", vec!["Door Bolt"]),
        // An exact SKU before everything.
        ("q=DOOR-BOLT", vec!["Door Bolt"]),
        // Not all words: those with most.
        ("q=brass+hinge+unknownword", vec!["Brass Hinge", "Door Bolt"]),
        ("q=the+anvil", vec!["Anvil"]),
        ("q=zzzz", vec![]),
        ("q=%25%25", vec![]),
        ("q=name%3Aanvil", vec!["Anvil"]),
        ("q=an*il+OR+(", vec![]),
    ] {
        assert_eq!(found(&desk, query).await, wanted, "{query}");
    }
}

async fn filters_narrow_a_search(desk: Desk) {
    fill(&desk).await;
    for (query, wanted) in [
        ("q=iron&category=tools", vec!["Anvil", "Çelik Çekiç"]),
        (
            "q=iron&category=tools&category=Hinges&sort=name",
            vec!["Anvil", "Door Bolt", "Çelik Çekiç"],
        ),
        ("q=lamp&category=lighting", vec!["Lamp Shade", "Head Lamp"]),
        ("q=lamp&category=Lighting+%3E+Lamps", vec!["Head Lamp"]),
        ("q=lamp&category=nothing", vec![]),
        ("q=iron&tag=Iron", vec!["Anvil", "Çelik Çekiç"]),
        ("q=iron&tag=heavy&tag=iron+work", vec!["Anvil", "Door Bolt"]),
        (
            "q=thing&vendor=smith+%26+s%C3%B6hne&maxPrice=8.50",
            vec!["Door Bolt", "Brass Hinge"],
        ),
        ("q=thing&minPrice=45&maxPrice=45.00", vec!["Émail Pot", "Çelik Çekiç"]),
        ("q=hinges&inStock=true", vec!["Door Bolt"]),
        ("q=hinges&inStock=false", vec!["Brass Hinge"]),
        ("q=thing&sku=ANVIL", vec!["Anvil"]),
        (
            "q=thing&sort=price&limit=3",
            vec!["Brass Hinge", "Door Bolt", "Lamp Shade"],
        ),
        ("q=thing&sort=-price&limit=2", vec!["Anvil", "Émail Pot"]),
        ("q=thing&sort=newest&limit=2", vec!["Men’s T-Shirt", "Lamp Shade"]),
        ("q=thing&sort=name&limit=2", vec!["Anvil", "Brass Hinge"]),
    ] {
        assert_eq!(found(&desk, query).await, wanted, "{query}");
        let listed = desk.anyone(&format!("GET /products?{query}"), Value::Null).await;
        assert_eq!(listed.names(), wanted, "a list with a search is the search: {query}");
    }
    // What only the index can tell fast, without a search.
    for (query, wanted) in [
        ("tag=heavy&tag=brass", vec!["Brass Hinge", "Anvil"]),
        (
            "vendor=Smith+%26+S%C3%B6hne&maxPrice=9",
            vec!["Door Bolt", "Brass Hinge"],
        ),
        (
            "category=Hinges&category=Kitchen&sort=price",
            vec!["Brass Hinge", "Door Bolt", "Émail Pot"],
        ),
    ] {
        let listed = desk.anyone(&format!("GET /products?{query}"), Value::Null).await;
        assert_eq!(listed.names(), wanted, "{query}");
    }
}

async fn a_search_pages_without_gap_or_twin(desk: Desk) {
    fill(&desk).await;
    for search in ["q=thing", "q=iron+lamp+hinge", "q=thin"] {
        for order in ["", "&sort=newest", "&sort=price", "&sort=-price", "&sort=name"] {
            let whole = found(&desk, &format!("{search}{order}")).await;
            assert!(whole.len() > 4, "{search} {whole:?}");
            for limit in [1, 2, 3, 8] {
                let start = format!("/products/search?{search}{order}&limit={limit}");
                let (mut next, mut seen) = (Some(start), Vec::new());
                while let Some(path) = next {
                    let page = desk.anyone(&format!("GET {path}"), Value::Null).await;
                    assert!(page.names().len() <= limit);
                    seen.extend(page.names().into_iter().map(str::to_owned));
                    let link = page.header("link");
                    let rest = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
                    next = rest.map(|(path, _)| path.to_owned());
                }
                assert_eq!(seen, whole, "{search}{order} {limit}");
            }
        }
    }
    let first = search(&desk, "q=thing&limit=2").await;
    let cursor = first
        .header("link")
        .split("cursor=")
        .nth(1)
        .unwrap()
        .split('>')
        .next()
        .unwrap()
        .to_owned();
    for other in [
        "/products/search?q=thing&sort=price",
        "/products?sort=name",
        "/products",
    ] {
        let joined = if other.contains('?') { '&' } else { '?' };
        let mixed = desk
            .anyone(&format!("GET {other}{joined}cursor={cursor}"), Value::Null)
            .await;
        assert_eq!(mixed.told(), (400, "invalid"), "a cursor of another order: {other}");
    }
}

async fn finds_are_marked(desk: Desk) {
    fill(&desk).await;
    let answer = search(&desk, "q=emial").await;
    assert_eq!(
        answer.body[0]["highlights"],
        json!({ "name": "<mark>Émail</mark> Pot", "description": "A good <mark>émail</mark> pot thing" })
    );
    let answer = search(&desk, "q=smith+anvil").await;
    assert_eq!(answer.body[0]["highlights"]["name"], "<mark>Anvil</mark>");
    let listed = desk.anyone("GET /products?limit=1", Value::Null).await;
    assert_eq!(listed.body[0].get("highlights"), None, "only searches have them");
}

async fn bad_searches_are_refused(desk: Desk) {
    for (query, pointer) in [
        ("", "?q"),
        ("q=", "?q"),
        ("q=+++", "?q"),
        ("q=x&limit=0", "?limit"),
        ("q=x&cursor=zz", "?cursor"),
        ("q=x&page=2", "?page"),
        ("q=x&option=Size", "?option"),
        ("q=x&sort=best", "?sort"),
        ("q=x&inStock=perhaps", "?inStock"),
        ("q=x&minPrice=1.234", "?minPrice"),
    ] {
        let answer = search(&desk, query).await;
        assert_eq!(
            (answer.told(), &answer.body["errors"][0]["pointer"]),
            ((400, "invalid"), &json!(pointer)),
            "{query}"
        );
    }
    let long = search(&desk, &format!("q={}", "x".repeat(201))).await;
    assert_eq!(long.told(), (400, "invalid"));
    let many = search(&desk, &format!("q=x{}", "&tag=a".repeat(51))).await;
    assert_eq!(many.told(), (400, "invalid"));
}

async fn only_staff_find_drafts(desk: Desk) {
    fill(&desk).await;
    desk.product(json!({ "name": "Anvil of tomorrow", "price": 1, "status": "draft" }))
        .await;
    indexed(&desk, 10).await;
    assert_eq!(found(&desk, "q=anvil").await, ["Anvil"]);
    let seen = desk.clerk("GET /products/search?q=anvil", Value::Null).await;
    assert_eq!(seen.names(), ["Anvil", "Anvil of tomorrow"]);
    let counted = desk.anyone("GET /products/facets?q=anvil", Value::Null).await;
    assert_eq!(counted.body["count"], 1);
}
