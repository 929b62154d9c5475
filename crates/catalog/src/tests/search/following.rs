//! The index follows what happens, and finds its way back when it was lost.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use api::catalog::{Pieces, Reserve};
use base::{Currency, Quantity};
use serde_json::{Value, json};
use serve::Stop;
use store::Engine;
use testkit::until;

use super::super::desk::{Desk, cx, order};
use super::super::on_both_engines;
use super::{found, indexed, search};
use crate::search::{Asked, By, Search, Wanted};

on_both_engines!(
    changes_are_followed,
    stock_is_followed,
    a_lost_index_comes_back,
    a_rebuild_that_fails_takes_nothing_away,
    a_first_index_is_tried_until_it_is_whole,
);

async fn waits(desk: &Desk, query: &str, wanted: &[&str]) {
    until(format!("{query} finds {wanted:?}"), || async {
        let answer = search(desk, query).await;
        let is_so = answer.status == 200 && answer.names() == wanted;
        if is_so { Ok(()) } else { Err(answer) }
    })
    .await;
}

async fn changes_are_followed(desk: Desk) {
    let product = desk
        .product(json!({ "name": "Anvil", "price": 10, "category": "Tools" }))
        .await;
    waits(&desk, "q=anvil", &["Anvil"]).await;
    let path = format!("/products/{}", product["id"].as_str().unwrap());
    desk.clerk(&format!("PATCH {path}"), json!({ "name": "Hammer", "sku": "HAMMER" }))
        .await;
    waits(&desk, "q=hammer", &["Hammer"]).await;
    waits(&desk, "q=anvil", &[]).await;
    desk.clerk(&format!("PATCH {path}"), json!({ "status": "draft" })).await;
    waits(&desk, "q=hammer", &[]).await;
    desk.clerk(&format!("PATCH {path}"), json!({ "status": "active" }))
        .await;
    waits(&desk, "q=hammer", &["Hammer"]).await;
    desk.clerk(&format!("DELETE {path}"), Value::Null).await;
    waits(&desk, "q=hammer", &[]).await;
}

async fn stock_is_followed(desk: Desk) {
    let variant = desk.pieces("Anvil", 2).await;
    let number = "anvil";
    waits(&desk, "q=anvil&inStock=true", &["Anvil"]).await;
    let two = [Pieces {
        variant,
        quantity: Quantity::new(2).unwrap(),
    }];
    let reserve = Reserve {
        order: order(1),
        lines: two.to_vec(),
    };
    desk.client().reserve(&cx(), &reserve).await.unwrap();
    waits(&desk, "q=anvil&inStock=false", &["Anvil"]).await;
    desk.client().undo(&cx(), order(1)).await.unwrap();
    waits(&desk, "q=anvil&inStock=true", &["Anvil"]).await;
    desk.clerk(&format!("PUT /products/{number}/stock"), json!({ "quantity": -2 }))
        .await;
    waits(&desk, "q=anvil&inStock=false", &["Anvil"]).await;
    desk.clerk(&format!("PUT /products/{number}/stock"), json!({ "quantity": 9 }))
        .await;
    waits(&desk, "q=anvil&inStock=true", &["Anvil"]).await;
}

async fn a_lost_index_comes_back(desk: Desk) {
    for name in ["Anvil", "Bolt", "Chisel"] {
        desk.product(json!({ "name": name, "price": 10 })).await;
    }
    indexed(&desk, 3).await;
    let (status, body) = desk
        .send(None, "POST /internal/reindex", "application/json", "".into())
        .await;
    assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
    until("the index is made anew", || async {
        let (_, body) = desk
            .send(None, "GET /internal/reindex", "application/json", "".into())
            .await;
        let state: Value = serde_json::from_slice(&body).unwrap();
        let is_done = state["building"] == false && state["built"] == 2 && state["done"] == 3;
        if is_done { Ok(()) } else { Err(state) }
    })
    .await;
    assert_eq!(found(&desk, "q=chisel").await, ["Chisel"]);
    let refused = desk.clerk("POST /internal/reindex", Value::Null).await;
    assert!([401, 403, 404].contains(&refused.status), "services only: {refused:?}");
}

/// A search of its own on the desk's database, which follows when it is told to.
fn beside(desk: &Desk) -> Arc<Search> {
    Search::new(desk.db.clone(), Currency::USD, None, Stop::default())
}

/// What it finds of a word.
async fn numbers(search: &Search, text: &str) -> Vec<i64> {
    let asked = Some(Asked::read(text));
    let hits = search.find(asked, Wanted::default(), By::Relevance, 20, None).await;
    hits.unwrap().numbers
}

/// Renames a table, so that products cannot be read whole for a while.
async fn rename(desk: &Desk, from: &'static str, to: &'static str) {
    let done: Result<_, store::Error> = desk.db.write(move |tx| crate::store::rename_table(tx, from, to)).await;
    done.unwrap();
}

async fn a_rebuild_that_fails_takes_nothing_away(desk: Desk) {
    let variant = desk.pieces("Anvil", 5).await;
    let search = beside(&desk);
    search.follow().await.unwrap();
    // Followed, and nothing to commit: the index is further than what it holds on disk.
    let lines = vec![Pieces {
        variant,
        quantity: Quantity::new(1).unwrap(),
    }];
    let reserve = Reserve { order: order(1), lines };
    desk.client().reserve(&cx(), &reserve).await.unwrap();
    search.follow().await.unwrap();

    rename(&desk, "catalog_variant", "elsewhere").await;
    search.reindex();
    until("the rebuild has failed", || async {
        let state = search.state();
        let has_failed = !state.building && state.fault.is_some();
        if has_failed { Ok(()) } else { Err(state) }
    })
    .await;
    rename(&desk, "elsewhere", "catalog_variant").await;
    assert_eq!(numbers(&search, "anvil").await, [1]);
    search.follow().await.unwrap();
    assert_eq!(numbers(&search, "anvil").await, [1]);
}

async fn a_first_index_is_tried_until_it_is_whole(desk: Desk) {
    desk.pieces("Anvil", 5).await;
    let search = beside(&desk);
    rename(&desk, "catalog_variant", "elsewhere").await;
    search.follow().await.unwrap_err();
    assert!(!search.state().ready);
    rename(&desk, "elsewhere", "catalog_variant").await;
    search.follow().await.unwrap();
    assert_eq!(numbers(&search, "anvil").await, [1]);
}

/// How often an index was made since its process began.
async fn built(desk: &Desk) -> u64 {
    let (_, body) = desk
        .send(None, "GET /internal/reindex", "application/json", "".into())
        .await;
    serde_json::from_slice::<Value>(&body).unwrap()["built"]
        .as_u64()
        .unwrap()
}

async fn open(folder: &Path, database: &str) -> Desk {
    let engine = Engine::Sqlite {
        file: folder.join(database),
    };
    Desk::open_searching(engine, Some(folder.join("search"))).await
}

#[tokio::test]
async fn an_index_on_disk_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path(), "catalog.db").await;
    desk.product(json!({ "name": "Anvil", "price": 10 })).await;
    waits(&desk, "q=anvil", &["Anvil"]).await;
    desk.close().await;

    // What happens while nobody follows is caught up.
    let idle = Desk::open_unfollowed(Engine::Sqlite {
        file: folder.path().join("catalog.db"),
    })
    .await;
    idle.product(json!({ "name": "Bolt", "price": 10 })).await;
    idle.close().await;
    let desk = open(folder.path(), "catalog.db").await;
    waits(&desk, "q=bolt", &["Bolt"]).await;
    assert_eq!(found(&desk, "q=anvil").await, ["Anvil"]);
    assert_eq!(built(&desk).await, 0, "it was followed, not made anew");
    desk.close().await;
}

#[tokio::test]
async fn an_index_that_cannot_be_used_is_made_anew() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 4] = [
        ("gone", |search| fs::remove_dir_all(search).unwrap()),
        ("of another version", |search| {
            let meta = search.join("meta.json");
            let text = fs::read_to_string(&meta).unwrap();
            fs::write(meta, text.replace("\\\"version\\\":", "\\\"version\\\":9")).unwrap();
        }),
        ("cut short", |search| {
            for file in fs::read_dir(search).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|kind| kind == "idx" || kind == "term") {
                    let bytes = fs::read(&path).unwrap();
                    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
                }
            }
        }),
        ("nonsense", |search| fs::write(search.join("meta.json"), "{").unwrap()),
    ];
    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let desk = open(folder.path(), "catalog.db").await;
        desk.product(json!({ "name": "Anvil", "price": 10 })).await;
        waits(&desk, "q=anvil", &["Anvil"]).await;
        desk.close().await;
        harm(&folder.path().join("search"));
        let desk = open(folder.path(), "catalog.db").await;
        waits(&desk, "q=anvil", &["Anvil"]).await;
        assert_eq!(built(&desk).await, 1, "{what}");
        desk.close().await;
    }
}

#[tokio::test]
async fn an_index_of_another_database_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path(), "one.db").await;
    for name in ["Anvil", "Bolt"] {
        desk.product(json!({ "name": name, "price": 10 })).await;
    }
    waits(&desk, "q=bolt", &["Bolt"]).await;
    desk.close().await;
    // As many events, others.
    let idle = Desk::open_unfollowed(Engine::Sqlite {
        file: folder.path().join("two.db"),
    })
    .await;
    for name in ["Chisel", "Drill"] {
        idle.product(json!({ "name": name, "price": 10 })).await;
    }
    idle.close().await;
    let desk = open(folder.path(), "two.db").await;
    waits(&desk, "q=drill", &["Drill"]).await;
    assert_eq!(found(&desk, "q=bolt").await, [""; 0]);
    desk.close().await;
}

#[tokio::test]
async fn events_that_were_swept_are_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let desk = open(folder.path(), "catalog.db").await;
    desk.product(json!({ "name": "Anvil", "price": 10 })).await;
    waits(&desk, "q=anvil", &["Anvil"]).await;
    desk.close().await;
    let idle = Desk::open_unfollowed(Engine::Sqlite {
        file: folder.path().join("catalog.db"),
    })
    .await;
    idle.product(json!({ "name": "Bolt", "price": 10 })).await;
    idle.product(json!({ "name": "Chisel", "price": 10 })).await;
    idle.forget_events().await;
    idle.close().await;
    let desk = open(folder.path(), "catalog.db").await;
    waits(&desk, "q=bolt", &["Bolt"]).await;
    assert_eq!(built(&desk).await, 1);
    desk.close().await;
}
