//! The search index: right again after a crash, made anew by command, with and without a server.

use super::*;

/// What a search finds, once it finds this.
async fn finds(shop: &Shop, search: &str, wanted: &[&str]) {
    until(format!("{search} finds {wanted:?}"), || async {
        let path = format!("/api/products/search?q={search}");
        let answer = shop.visitor.get(&path).send().await;
        let found: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        let names = each(&found, "name");
        if answer.status == 200 && names == wanted {
            Ok(())
        } else {
            Err(answer.text().to_owned())
        }
    })
    .await;
}

async fn product(shop: &Shop, name: &str) {
    let body = json!({ "name": name, "price": "10", "stock": 1 });
    shop.admin.post("/api/products", body).send().await.is(201);
}

#[tokio::test]
async fn the_search_index_can_be_lost() {
    let mut shop = Shop::start(Shape::One, Engine::Sqlite, &[]).await;
    for name in ["Anvil", "Bellows"] {
        product(&shop, name).await;
    }
    finds(&shop, "belows", &["Bellows"]).await;
    // Beside the running server, whose searches go on meanwhile.
    let done = shop.fleet.process("gateway").run(&["reindex"]);
    let said = succeeds(&done);
    assert!(
        said.contains("holds 2 products") && said.contains("running server"),
        "{said}"
    );
    finds(&shop, "anvil", &["Anvil"]).await;

    // What was told and not yet indexed when the process died is found all the same.
    product(&shop, "Crucible").await;
    shop.fleet.kill9_all();
    shop.fleet.restart_all().await;
    finds(&shop, "crucible", &["Crucible"]).await;
    finds(&shop, "anvil", &["Anvil"]).await;

    assert!(shop.fleet.terminate().await);
    let index = shop.data().join("search");
    std::fs::remove_dir_all(&index).expect("there is an index");
    let done = shop.fleet.process("gateway").run(&["reindex"]);
    let said = succeeds(&done);
    assert!(
        said.contains("holds 3 products") && !said.contains("running server"),
        "{said}"
    );
    assert!(index.join("meta.json").exists());
    shop.fleet.restart_all().await;
    finds(&shop, "crucible", &["Crucible"]).await;
}
