//! Trees of other origin: of products from before there was one, and of a large shop.

use std::collections::BTreeSet;
use std::io::Read as _;

use serde_json::{Value, json};

use super::desk::Desk;
use super::on_both_engines;

on_both_engines!(products_of_before_find_their_place);

async fn products_of_before_find_their_place(desk: Desk) {
    for (name, tags) in [("Lamp", json!(["old"])), ("Rake", json!([]))] {
        desk.product(json!({ "name": name, "price": 5, "category": "Home > Light", "tags": tags }))
            .await;
    }
    desk.db.write(crate::store::forget_places).await.unwrap();
    assert_eq!(crate::actions::adopt(&desk.db).await, Ok(2));
    assert_eq!(crate::actions::adopt(&desk.db).await, Ok(0));
    let read = desk.anyone("GET /products/1", Value::Null).await;
    assert_eq!(read.body["categoryPath"], "Old > Place");
    assert_eq!(
        desk.anyone("GET /products?category=Old", Value::Null).await.names(),
        ["Lamp"]
    );
    assert_eq!(
        desk.anyone("GET /products?tag=old", Value::Null).await.names(),
        ["Lamp"]
    );
    assert_eq!(
        desk.anyone("GET /products", Value::Null).await.names(),
        ["Rake", "Lamp"]
    );
    assert_eq!(
        desk.anyone("GET /products/2", Value::Null).await.body["category"],
        "General"
    );
}

/// The tree of a large shop: 4,584 categories, six levels deep.
#[tokio::test]
async fn a_large_tree_is_taken_and_shown() {
    let Some(folder) = testkit::shared_data() else { return };
    let file = folder.join("bestbuy/categories.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let known: Vec<Value> = serde_json::from_str(&text).unwrap();
    let paths: BTreeSet<String> = known
        .iter()
        .filter_map(|one| {
            let names = one["path"].as_array()?.iter().map(|part| part["name"].as_str());
            names.collect::<Option<Vec<_>>>().map(|names| names.join(" > "))
        })
        .collect();
    assert!(paths.len() > 4_000);
    let desk = Desk::open(testkit::service::memory()).await;
    // A name alone may mean one that stands further down.
    let paths: Vec<&String> = paths.iter().filter(|path| path.contains(" > ")).collect();
    let rows: Vec<Value> = paths
        .iter()
        .map(|path| json!({ "name": "x", "price": 1, "category": path }))
        .collect();
    for rows in rows.chunks(1_000) {
        let done = desk.clerk("POST /products/bulk", json!({ "products": rows })).await;
        assert_eq!(done.status, 207);
        let refused: Vec<&Value> = done
            .body
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["status"] != 201)
            .collect();
        assert!(refused.is_empty(), "{:?}", &refused[..refused.len().min(3)]);
    }
    fn count(tree: &Value) -> (usize, usize) {
        let below = tree.as_array().into_iter().flatten().map(|one| count(&one["children"]));
        below.fold((0, 0), |(all, deep), (more, below)| {
            (all + more + 1, deep.max(below + 1))
        })
    }
    let tree = desk.anyone("GET /categories", Value::Null).await;
    let (all, deep) = count(&tree.body);
    let folded: BTreeSet<String> = paths
        .iter()
        .flat_map(|path| {
            let parts: Vec<&str> = path.split(" > ").collect();
            (1..=parts.len())
                .map(|depth| base::fold(&parts[..depth].join(" > ")))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!((all, deep >= 6), (folded.len(), true));
}
