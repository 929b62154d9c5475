//! Facets: what is counted, and under which filters.

use serde_json::{Value, json};

use super::super::desk::Desk;
use super::super::on_both_engines;
use super::indexed;

on_both_engines!(
    every_facet_is_counted,
    a_facet_is_counted_under_the_filters_of_the_others
);

async fn fill(desk: &Desk) {
    let sizes = |sizes: &[(&str, i64)], colour: &str| {
        let variants: Vec<Value> = sizes
            .iter()
            .map(|(size, stock)| json!({ "options": { "Size": size, "Colour": colour }, "price": 20, "stock": stock }))
            .collect();
        let values: Vec<&str> = sizes.iter().map(|(size, _)| *size).collect();
        (
            json!([{ "name": "Size", "values": values }, { "name": "Colour", "values": [colour] }]),
            variants,
        )
    };
    for (name, colour, of, stock) in [("Shirt", "Red", ["S", "M"], 1), ("Blouse", "red", ["M", "L"], 0)] {
        let (options, variants) = sizes(&of.map(|size| (size, stock)), colour);
        desk.product(
            json!({ "name": name, "category": "Clothing > Tops", "tags": ["Cotton"], "vendor": "Weaver",
            "options": options, "variants": variants }),
        )
        .await;
    }
    for (name, price, vendor) in [("Hat", "19.99", "Weaver"), ("Scarf", "49.99", "Knit")] {
        desk.product(
            json!({ "name": name, "price": price, "stock": 1, "category": "Clothing", "tags": ["cotton", "wool"],
            "vendor": vendor }),
        )
        .await;
    }
    indexed(desk, 4).await;
}

async fn facets(desk: &Desk, query: &str) -> Value {
    let answer = desk.anyone(&format!("GET /products/facets?{query}"), Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn every_facet_is_counted(desk: Desk) {
    fill(&desk).await;
    assert_eq!(
        facets(&desk, "").await,
        json!({
            "count": 4,
            "currency": "USD",
            "categories": [
                { "name": "Clothing", "path": "Clothing", "depth": 0, "count": 4 },
                { "name": "Tops", "path": "Clothing > Tops", "depth": 1, "count": 2 },
            ],
            "prices": [
                { "min": 10.00, "max": 19.99, "count": 1 },
                { "min": 20.00, "max": 49.99, "count": 3 },
            ],
            "tags": [{ "value": "Cotton", "count": 4 }, { "value": "wool", "count": 2 }],
            "vendors": [{ "value": "Weaver", "count": 3 }, { "value": "Knit", "count": 1 }],
            "options": [
                { "name": "Size", "values": [
                    { "value": "M", "count": 2 }, { "value": "L", "count": 1 }, { "value": "S", "count": 1 },
                ] },
                { "name": "Colour", "values": [{ "value": "Red", "count": 2 }] },
            ],
            "stock": { "available": 3, "soldOut": 1 },
        })
    );
    let nothing = facets(&desk, "q=nothing").await;
    assert_eq!(
        (&nothing["count"], &nothing["tags"], &nothing["stock"]["soldOut"]),
        (&json!(0), &json!([]), &json!(0))
    );
}

async fn a_facet_is_counted_under_the_filters_of_the_others(desk: Desk) {
    fill(&desk).await;
    let shirts = facets(&desk, "option=Size:S").await;
    assert_eq!(shirts["count"], 1);
    // Its own values as if it were not chosen, other facets and other options under it.
    assert_eq!(shirts["options"][0]["values"].as_array().unwrap().len(), 3);
    assert_eq!(shirts["options"][1]["values"], json!([{ "value": "Red", "count": 1 }]));
    assert_eq!(shirts["vendors"], json!([{ "value": "Weaver", "count": 1 }]));

    let both = facets(&desk, "vendor=knit&vendor=weaver&tag=wool").await;
    assert_eq!(both["count"], 2);
    assert_eq!(
        both["tags"],
        json!([{ "value": "Cotton", "count": 4 }, { "value": "wool", "count": 2 }])
    );
    assert_eq!(
        both["vendors"],
        json!([{ "value": "Knit", "count": 1 }, { "value": "Weaver", "count": 1 }])
    );

    let had = facets(&desk, "inStock=false&category=tops").await;
    assert_eq!(
        (&had["count"], &had["stock"]),
        (&json!(1), &json!({ "available": 1, "soldOut": 1 }))
    );
    let counts = |facets: &Value| {
        facets["categories"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["count"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&had), [1, 1], "of the sold out, above the category and in it");

    let cheap = facets(&desk, "maxPrice=19.99&q=cotton").await;
    assert_eq!(
        (&cheap["count"], cheap["prices"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    assert_eq!(
        facets(&desk, "option=Size:S&option=size:l&option=Colour:RED").await["count"],
        2
    );
    assert_eq!(facets(&desk, "option=Size:S&option=Colour:Blue").await["count"], 0);
    let bad = desk.anyone("GET /products/facets?option=Size", Value::Null).await;
    assert_eq!(bad.told(), (400, "invalid"));
}
