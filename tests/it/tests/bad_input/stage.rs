//! The shop that bad input is sent to, and the calls that it is sent by.

use http::Method;
use it::text;
use serde_json::{Map, Value, json};
use testkit::shop::PASSWORD;
use testkit::{Answer, Call, Client, Engine, Shape, Shop};

/// Texts that have hurt other programs: SQL, HTML, templates, paths, other scripts, invisible and 4-byte characters.
pub const NASTY: [&str; 12] = [
    "'; DROP TABLE catalog_product; --",
    "\" OR \"\"=\"",
    "x' UNION SELECT secret FROM identity_user WHERE '1'='1",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "{{7*7}}${7*7}%s%n%x",
    "../../../../etc/passwd",
    "\u{1F600}\u{1D4B3}\u{10FFFF}\u{20000}",
    "\u{202E}right\u{200B}\u{FEFF}\u{0301}",
    "line\r\nSet-Cookie: a=b\r\n\r\n",
    "\u{1}\u{7F}\u{85}",
    "%00%27$1\\",
    "",
];

/// A writing call, ready to be sent with any body.
pub struct Operation {
    pub method: Method,
    pub path: String,
    /// The fields of its body, each with its schema.
    pub fields: Map<String, Value>,
    /// A body that it takes.
    pub good: Value,
    pub who: Client,
}

impl Operation {
    pub fn send(&self, body: impl Into<Vec<u8>>) -> Call {
        self.who
            .call(self.method.clone(), &self.path)
            .body("application/json", body)
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// The shop, and what its records are called.
pub struct Stage {
    pub shop: Shop,
    pub document: Value,
    pub mallory: Client,
    pub user: String,
    pub product: Value,
    pub order: String,
    category: String,
    key: String,
    import: String,
}

impl Stage {
    pub async fn start(engine: Engine) -> Stage {
        let shop = Shop::start(Shape::One, engine, &[]).await;
        let document = shop.visitor.get("/openapi.json").unchecked().send().await.is(200);
        let product = shop.product("10", 100_000).await;
        let mallory = shop.customer("mallory").await;
        let user = text(&it::profile(&mallory).await, "id").to_owned();
        let order = text(&mallory.buy(&product, 1).await, "orderId").to_owned();
        let category = shop
            .admin
            .post("/api/categories", json!({ "name": "Tools" }))
            .send()
            .await;
        let key = json!({ "name": "machine", "permissions": ["orders:read"] });
        let key = shop.admin.post("/api/keys", key).send().await.is(201);
        let file = shop.admin.call(Method::POST, "/api/products/import");
        let csv = "Handle,Title,Variant Price\nrasp,Rasp,3\n";
        let import = file.body("text/csv", csv).send().await.is(200);
        Stage {
            document,
            mallory,
            user,
            product,
            order,
            category: text(&category.is(201), "id").to_owned(),
            key: text(&key, "id").to_owned(),
            import: text(&import, "id").to_owned(),
            shop,
        }
    }

    pub fn schema<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let pointer = schema["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#'));
        pointer
            .and_then(|pointer| self.document.pointer(pointer))
            .unwrap_or(schema)
    }

    /// An address with its parameters filled in.
    pub fn address(&self, path: &str) -> String {
        let id = match path.split('/').nth(2) {
            Some("products") if path.contains("/import/") => &self.import,
            Some("products") => text(&self.product, "id"),
            Some("users") => &self.user,
            Some("categories") => &self.category,
            Some("keys") => &self.key,
            _ => &self.order,
        };
        let variant = text(&self.product["variants"][0], "id");
        path.replace("{id}", id)
            .replace("{variantId}", variant)
            .replace("{item}", text(&self.product, "id"))
            .replace("{userId}", &self.user)
            .replace("{provider}", "simulated")
    }

    /// Somebody who may make the call, and a body that it takes.
    pub async fn actor(&self, id: &str, rights: &str) -> (Client, Value) {
        let product = &self.product["id"];
        let account = json!({ "username": self.shop.name("victim"), "password": PASSWORD });
        let good = match id {
            "postProducts" => json!({ "name": "Thing", "price": 1 }),
            "putProductsId" | "patchProductsId" => json!({ "vendor": "Smith" }),
            "postProductsBulk" => json!({ "ids": [product] }),
            "putCartItemsItem" => json!({ "quantity": 1 }),
            "putOrdersIdStatus" => json!({ "status": "confirmed" }),
            "postCategories" | "putCategoriesId" | "patchCategoriesId" => json!({ "name": "Tools" }),
            "postProductsIdVariants" => json!({ "options": { "Size": "S" } }),
            "putProductsIdVariantsVariantId" | "patchProductsIdVariantsVariantId" => json!({ "barcode": "1" }),
            "postKeys" => json!({ "name": "machine", "permissions": ["orders:read"] }),
            "putUsersIdRole" => json!({ "role": "customer" }),
            "postUsersIdPassword" => json!({ "currentPassword": PASSWORD, "newPassword": PASSWORD }),
            "postAuthPasswordForgot" => json!({ "email": "ada@example.com" }),
            "postAuthPasswordReset" => json!({ "token": "none", "newPassword": PASSWORD }),
            "postDevEncrypt" => json!({ "payload": "plain" }),
            "postDevDecrypt" => json!({ "encrypted": "00" }),
            "postPaymentsProcess" => json!({ "orderId": self.order }),
            "postPaymentsIdRefund" => json!({ "amount": 0.01 }),
            "postAuthRegister" | "postAuthLogin" => account,
            "postAuthRefresh" => json!({ "refreshToken": "none" }),
            "postOrders" => json!({ "items": [{ "productId": product }], "paymentMethod": "cash_on_delivery" }),
            "putUsersId" | "patchUsersId" => json!({ "phone": "1" }),
            id if id.contains("Stock") => json!({ "quantity": 1 }),
            "postCart" | "postCartCartAdd" | "postCartCartRemove" => json!({ "productId": product }),
            _ => json!({}),
        };
        let who = match rights {
            _ if id == "postAuthLogout" => self.shop.customer("leaver").await,
            "Staff" | "StaffOrService" | "Admin" => self.shop.admin.clone(),
            "Anyone" => self.shop.visitor.clone(),
            _ => self.mallory.clone(),
        };
        (who, good)
    }

    /// Every writing call with a JSON body that the document knows.
    pub async fn writes(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        for (path, methods) in self.document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let Some(body) = operation.pointer("/requestBody/content/application~1json/schema") else {
                    continue;
                };
                if *body == json!({}) {
                    continue; // A provider's own form, signed: see the webhooks.
                }
                let (who, good) = self
                    .actor(text(operation, "operationId"), text(operation, "x-rights"))
                    .await;
                all.push(Operation {
                    method: method.to_uppercase().parse().expect("a method"),
                    path: self.address(path),
                    fields: self.schema(body)["properties"].as_object().cloned().unwrap_or_default(),
                    good,
                    who,
                });
            }
        }
        assert!(all.len() >= 20, "the document knows only {} writing calls", all.len());
        all
    }

    /// The shop is as it was: it sells, its books balance, and nothing panicked or failed.
    pub async fn goes_on(mut self) {
        let placed = self.shop.customer("honest").await.buy(&self.product, 1).await;
        assert_eq!(text(&placed, "status"), "confirmed");
        let log = self.shop.fleet.output();
        let faults = log
            .lines()
            .filter(|line| line.contains("panicked") || line.contains("ERROR"));
        let faults: Vec<&str> = faults.collect();
        assert!(faults.is_empty(), "the log tells of faults:\n{}", faults.join("\n"));
        self.shop.balances();
    }
}

/// Answered, and not by a fault. That a refusal is a problem document is seen to by the client.
#[track_caller]
pub fn sane(what: &str, answer: &Answer) {
    assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text());
}
