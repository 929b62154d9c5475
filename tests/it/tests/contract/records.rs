//! Records to call about.

use std::collections::HashMap;

use http::Method;
use it::{of, profile, register, sized, text};
use serde_json::{Value, json};
use testkit::{Client, Shop};

use crate::rows::CSV;

/// Fresh records for one call, by what the table calls them.
pub struct Records {
    pub owner: Client,
    pub names: HashMap<&'static str, String>,
}

impl Records {
    pub async fn make(shop: &Shop) -> Records {
        let name = shop.name("owner");
        let session = register(shop, json!({ "username": name })).await;
        let owner = of(shop, &session);
        let product = shop.product("10", 20).await;
        let shirt = sized(shop).await;
        let category = json!({ "name": shop.name("category") });
        let category = shop.admin.post("/api/categories", category).send().await.is(201);
        let placed = owner.buy(&product, 1).await;
        let unpaid = it::order_with(&owner, &product, json!({ "paymentToken": "tok_declined" })).await;
        let cart = owner.add(&product, 1).await;
        let payment = it::payment(&owner, &placed["orderId"]).await;
        let till = json!({ "name": "till", "permissions": ["orders:read"] });
        let key = shop.admin.post("/api/keys", till).send().await.is(201);
        let own = format!("/api/users/{}/sessions", text(&session["user"], "id"));
        let sessions = owner.get(&own).send().await.is(200);
        let payload = json!({ "payload": { "name": "Ada" } });
        let sealed = shop.visitor.post("/api/dev/encrypt", payload).send().await.is(200);
        let import = shop
            .admin
            .call(Method::POST, "/api/products/import")
            .body("text/csv", CSV);
        let import = import.send().await.is(200);
        let text = |value: &Value, field: &str| text(value, field).to_owned();
        let names = HashMap::from([
            ("{import}", text(&import, "id")),
            ("{new}", shop.name("new")),
            ("{name}", name),
            ("{user}", text(&profile(&owner).await, "id")),
            ("{userId}", text(&session["user"], "id")),
            ("{refresh}", text(&session, "refreshToken")),
            ("{product}", text(&product, "id")),
            ("{number}", product["number"].to_string()),
            ("{handle}", text(&product, "handle")),
            ("{sku}", text(&product, "sku")),
            ("{variant}", text(&product["variants"][0], "id")),
            ("{shirt}", text(&shirt, "id")),
            ("{variantId}", text(&shirt["variants"][1], "id")),
            ("{category}", text(&category, "id")),
            ("{categoryHandle}", text(&category, "handle")),
            ("{item}", text(&cart["cart"][0], "id")),
            ("{order}", text(&placed, "orderId")),
            ("{orderNumber}", placed["number"].to_string()),
            ("{unpaid}", text(&unpaid, "orderId")),
            ("{payment}", text(&payment, "id")),
            ("{key}", text(&key, "id")),
            ("{session}", text(&sessions[0], "id")),
            ("{sealed}", text(&sealed, "encrypted")),
        ]);
        Records { owner, names }
    }

    /// A text of the table with the records' names.
    pub fn fill(&self, text: &str, id: &str) -> String {
        let text = text.replace("{id}", id);
        self.names
            .iter()
            .fold(text, |text, (name, value)| text.replace(name, value))
    }
}
