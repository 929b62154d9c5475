//! Trees of other origin: of products from before there was one, and of a large shop.

use std::collections::BTreeSet;
use std::io::Read as _;

use serde_json::{Value, json};
use serve::Role;

use super::desk::Desk;
use super::on_both_engines;

on_both_engines!(products_of_before_find_their_place, a_file_names_places_in_the_tree);

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
    super::holds::balanced(&desk).await;
}

async fn a_file_names_places_in_the_tree(desk: Desk) {
    for name in ["Home > Light", "Home > Parts", "Garden > Parts"] {
        desk.product(json!({ "name": "x", "price": 1, "category": name })).await;
    }
    let file = "Handle,Title,Type,Variant Price\n\
        one,One,light,1\n\
        two,Two,New > Place,1\n\
        three,Three,Parts,1\n\
        four,Four,a > > b,1\n\
        five,Five,,1\n";
    for wanted in [[3, 0, 0, 2], [0, 0, 3, 2]] {
        let (status, body) = desk
            .send(Some(Role::Staff), "POST /products/import", "text/csv", file.into())
            .await;
        let report: Value = serde_json::from_slice(&body).unwrap();
        let sums = ["created", "updated", "unchanged", "leftOut"].map(|sum| report[sum].as_u64().unwrap_or(99));
        assert_eq!((status, sums), (200, wanted), "{report}");
        let reasons: Vec<&str> = report["rejected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["reason"].as_str().unwrap())
            .collect();
        assert!(reasons[0].contains("Home > Parts; Garden > Parts"), "{reasons:?}");
        assert!(reasons[1].contains("must not hold"), "{reasons:?}");
    }
    for (handle, path) in [("one", "Home > Light"), ("two", "New > Place"), ("five", "General")] {
        let read = desk.anyone(&format!("GET /products/{handle}"), Value::Null).await;
        assert_eq!(read.body["categoryPath"], path, "{handle}");
    }
    // What goes out comes in again just so, also after a branch was renamed.
    desk.clerk("PATCH /categories/home", json!({ "name": "House" })).await;
    let (_, export) = desk
        .send(Some(Role::Staff), "GET /products/export", "text/csv", "".into())
        .await;
    let (_, body) = desk
        .send(Some(Role::Staff), "POST /products/import", "text/csv", export.into())
        .await;
    let report: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&report["unchanged"], &report["updated"], &report["created"]),
        (&json!(6), &json!(0), &json!(0)),
        "{report}"
    );
    super::holds::balanced(&desk).await;
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
