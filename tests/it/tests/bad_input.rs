//! Whatever is sent, the shop answers with a problem document that helps, never with a fault, and goes on.
//!
//! The table of writing calls is the API's own document: a route that is added is tried with everything here.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use it::{each, list, of, text};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use testkit::{Answer, Call, Client, Engine, Shape, Shop};

/// Texts that have hurt other programs: SQL, HTML, templates, paths, other scripts, invisible and 4-byte characters.
const NASTY: [&str; 12] = [
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
struct Operation {
    method: Method,
    path: String,
    /// The fields of its body, each with its schema.
    fields: Map<String, Value>,
    /// A body that it takes.
    good: Value,
    who: Client,
}

impl Operation {
    fn send(&self, body: impl Into<Vec<u8>>) -> Call {
        self.who
            .call(self.method.clone(), &self.path)
            .body("application/json", body)
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// The shop, and what its records are called.
struct Stage {
    shop: Shop,
    document: Value,
    mallory: Client,
    user: String,
    product: Value,
    order: String,
}

impl Stage {
    async fn start(engine: Engine) -> Stage {
        let shop = Shop::start(Shape::One, engine, &[]).await;
        let document = shop.visitor.get("/openapi.json").unchecked().send().await.is(200);
        let product = shop.product("10", 100_000).await;
        let mallory = shop.customer("mallory").await;
        let user = text(&it::profile(&mallory).await, "id").to_owned();
        let order = text(&mallory.buy(&product, 1).await, "orderId").to_owned();
        Stage {
            shop,
            document,
            mallory,
            user,
            product,
            order,
        }
    }

    fn schema<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let pointer = schema["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#'));
        pointer
            .and_then(|pointer| self.document.pointer(pointer))
            .unwrap_or(schema)
    }

    /// An address with its parameters filled in.
    fn address(&self, path: &str) -> String {
        let id = match path.split('/').nth(2) {
            Some("products") => text(&self.product, "id"),
            Some("users") => &self.user,
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
    async fn actor(&self, id: &str, rights: &str) -> (Client, Value) {
        let product = &self.product["id"];
        let account = json!({ "username": self.shop.name("victim"), "password": "password1" });
        let good = match id {
            "postProducts" => json!({ "name": "Thing", "price": 1 }),
            "putProductsId" | "patchProductsId" => json!({ "vendor": "Smith" }),
            "postProductsBulk" => json!({ "ids": [product] }),
            "putCartItemsItem" => json!({ "quantity": 1 }),
            "putOrdersIdStatus" => json!({ "status": "confirmed" }),
            "postPaymentsProcess" => json!({ "orderId": self.order }),
            "postPaymentsIdRefund" => json!({ "amount": 0.01 }),
            "postAuthRegister" | "postAuthLogin" => account,
            "postAuthRefresh" => json!({ "refreshToken": "none" }),
            "postOrders" => json!({ "items": [{ "productId": product }], "paymentMethod": "cash_on_delivery" }),
            "postAuthLogout" | "postAuthGuest" | "putOrdersIdCancel" | "postOrdersIdCancel" => json!({}),
            "putUsersId" | "patchUsersId" => json!({ "phone": "1" }),
            id if id.contains("Stock") => json!({ "quantity": 1 }),
            _ => json!({ "productId": product }),
        };
        let who = match rights {
            _ if id == "postAuthLogout" => self.shop.customer("leaver").await,
            "Staff" | "StaffOrService" => self.shop.admin.clone(),
            "Anyone" => self.shop.visitor.clone(),
            _ => self.mallory.clone(),
        };
        (who, good)
    }

    /// Every writing call with a JSON body that the document knows.
    async fn writes(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        for (path, methods) in self.document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let Some(body) = operation.pointer("/requestBody/content/application~1json/schema") else {
                    continue;
                };
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
    async fn goes_on(mut self) {
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
fn sane(what: &str, answer: &Answer) {
    assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text());
}

/// Bodies that are no JSON, or none of the right form.
async fn bodies(stage: &Stage) {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let broken: [&[u8]; 9] = [
        b"{",
        b"nonsense",
        b"{\"a\":1,}",
        b"{\"a\" 1}",
        b"{\"a\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":1e}",
        b"{}{}",
        deep.as_bytes(),
    ];
    for operation in stage.writes().await {
        let name = operation.name();
        for body in broken {
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            let answer = operation.send(body).send().await;
            assert_eq!(answer.status, 400, "{name} with {shown}: {}", answer.text());
        }
        for body in ["[]", "[1]", "\"text\"", "1", "true", "null"] {
            let answer = operation.send(body).send().await;
            assert_eq!(answer.status, 400, "{name} with {body}: {}", answer.text());
        }
        for kind in [
            "text/plain",
            "application/xml",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
        ] {
            let call = operation.who.call(operation.method.clone(), &operation.path);
            call.body(kind, operation.good.to_string())
                .send()
                .await
                .refused(415, "unsupported_media_type");
        }
        let large = json!({ "a": "x".repeat(1 << 20) }).to_string();
        operation.send(large).send().await.refused(413, "too_large");
    }
}

/// All that is wrong with a body is told at once, by pointer.
async fn fields(stage: &Stage) {
    for operation in stage.writes().await {
        let name = operation.name();
        let problem = operation
            .send(json!({ "zzz": 1, "yyy": { "x": [] } }).to_string())
            .send()
            .await
            .refused(400, "invalid");
        let told = each(&problem["errors"], "pointer");
        assert!(told.contains(&"/zzz") && told.contains(&"/yyy"), "{name}: {problem}");

        // Every field with a value that none of them takes.
        let free = |schema: &Value| {
            stage
                .schema(schema)
                .get("type")
                .is_none_or(|kind| kind.to_string().contains("object"))
        };
        let names: Vec<&String> = operation
            .fields
            .iter()
            .filter(|(_, schema)| !free(schema))
            .map(|(name, _)| name)
            .collect();
        if names.is_empty() {
            continue;
        }
        let body: Map<String, Value> = names
            .iter()
            .map(|name| ((*name).clone(), json!({ "a": [true] })))
            .collect();
        let problem = operation
            .send(Value::Object(body).to_string())
            .send()
            .await
            .refused(400, "invalid");
        let told = each(&problem["errors"], "pointer");
        for field in names {
            let pointer = format!("/{field}");
            assert!(
                told.iter().any(|one| one.starts_with(&pointer)),
                "{name} does not tell of {pointer}: {problem}"
            );
        }
    }
}

/// Every text of every body, one after the other.
async fn texts(stage: &Stage) {
    let long = "x".repeat(100_000);
    for operation in stage.writes().await {
        let is_text = |schema: &Value| {
            schema
                .get("type")
                .is_none_or(|kind| kind.to_string().contains("string"))
        };
        let names = operation
            .fields
            .iter()
            .filter(|(_, schema)| is_text(stage.schema(schema)))
            .map(|(name, _)| name);
        for field in names {
            let with = |value: &str| {
                let mut body = operation.good.clone();
                body[field] = json!(value);
                body.to_string()
            };
            for value in NASTY.iter().copied().chain([long.as_str()]) {
                let what = format!(
                    "{} with {field} {:?}",
                    operation.name(),
                    value.chars().take(30).collect::<String>()
                );
                sane(&what, &operation.send(with(value)).send().await);
            }
            let answer = operation.send(with("a\0b")).send().await;
            assert!(
                [400, 401].contains(&answer.status),
                "{} with U+0000 in {field}: {}",
                operation.name(),
                answer.text()
            );
        }
    }
}

/// What is allowed to be a text comes back as it was.
async fn texts_stay_what_they_are(stage: &Stage) {
    let (shop, mallory) = (&stage.shop, &stage.mallory);
    for value in NASTY
        .into_iter()
        .filter(|value| !value.is_empty() && !value.contains(['\r', '\u{1}', '\u{202E}']))
    {
        let made = it::product(
            shop,
            json!({ "name": value, "category": value, "tags": [value], "stock": 5 }),
        )
        .await;
        assert_eq!(
            (text(&made, "name"), text(&made, "category"), &made["tags"]),
            (value, value, &json!([value]))
        );
        let read = shop
            .visitor
            .get(&format!("/api/products/{}", text(&made, "id")))
            .send()
            .await
            .is(200);
        assert_eq!(text(&read, "name"), value);
        let query: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for filter in ["search", "category", "tag"] {
            let found = shop
                .visitor
                .get(&format!("/api/products?{filter}={query}&limit=100"))
                .send()
                .await
                .is(200);
            assert!(
                each(&found, "id").contains(&text(&made, "id")),
                "{filter} for {value:?} finds {}",
                list(&found).len()
            );
        }
        let address = json!({ "name": value, "street": value, "city": value, "postalCode": "1", "country": "FR" });
        let body = json!({ "items": [{ "productId": made["id"] }], "shippingAddress": address });
        let order = mallory.post("/api/orders", body).send().await.is(201)["order"].clone();
        assert_eq!(
            (
                text(&order["items"][0], "name"),
                text(&order["shippingAddress"], "street")
            ),
            (value, value)
        );
        let cancel = format!("/api/orders/{}/cancel", text(&order, "id"));
        let order = mallory.put(&cancel, json!({ "reason": value })).send().await.is(200);
        assert_eq!(
            text(list(&order["history"]).last().expect("a history"), "reason"),
            value
        );
        let changed = mallory
            .patch(&format!("/api/users/{}", stage.user), json!({ "name": value }))
            .send()
            .await
            .is(200);
        assert_eq!(text(&changed, "name"), value);
    }
}

/// Names in addresses: of the wrong kind, too long, not names at all.
async fn names(stage: &Stage) {
    let long = "9".repeat(5_000);
    let names = [
        "0",
        "-1",
        "1.5",
        "99999999999999999999",
        "9223372036854775808",
        "ord_",
        "prd_short",
        "usr_01m7vxwbby2rq20axkq0vrfb2z",
        "prd_01m7vxwbby2rq20axkq0vrfb2z",
        "evt_01m7vxwbby2rq20axkq0vrfb2z",
        "PRD_01M7VXWBBY2RQ20AXKQ0VRFB2Z",
        "%27%3B--",
        "%00",
        "a%00b",
        "%F0%9F%98%80",
        "%ff%fe",
        "..%2F..%2Finternal",
        "null",
        "undefined",
        "%20",
        "{id}",
        "a%0D%0Ab",
        long.as_str(),
    ];
    for (path, methods) in stage.document["paths"].as_object().expect("paths") {
        let Some(parameter) = path.split('/').find(|part| part.starts_with('{')) else {
            continue;
        };
        for (method, operation) in methods.as_object().expect("methods") {
            let (who, good) = stage
                .actor(text(operation, "operationId"), text(operation, "x-rights"))
                .await;
            let method: Method = method.to_uppercase().parse().expect("a method");
            for name in names {
                let at = stage.address(&path.replacen(parameter, name, 1));
                let call = who.call(method.clone(), &at);
                let call = if method == Method::GET {
                    call
                } else {
                    call.json(good.clone())
                };
                let answer = call.send().await;
                let what = format!("{method} {}", at.chars().take(80).collect::<String>());
                assert!(
                    [400, 404, 409, 414].contains(&answer.status),
                    "{what}: {} {}",
                    answer.status,
                    answer.text()
                );
            }
        }
    }
}

/// Parameters behind the question mark, and headers.
async fn parameters(stage: &Stage) {
    let (shop, mallory) = (&stage.shop, &stage.mallory);
    let foreign = shop.visitor.get("/api/products?limit=1&sort=price").send().await;
    it::product(shop, json!({})).await;
    let link = shop
        .visitor
        .get("/api/products?limit=1&sort=price")
        .send()
        .await
        .header("link")
        .to_owned();
    let cursor = link
        .split("cursor=")
        .nth(1)
        .and_then(|rest| rest.split(['&', '>']).next())
        .expect("a cursor")
        .to_owned();
    assert_eq!(foreign.status, 200);
    let lists = [
        ("/api/products", &shop.visitor),
        ("/api/orders", mallory),
        ("/api/events", &shop.admin),
        ("/api/orders/user/me", mallory),
    ];
    for (path, who) in lists {
        for bad in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=1e2",
            "limit=",
            "limit=99999999999999999999",
            "cursor=%00",
            "cursor=e30",
            "cursor=%F0%9F%98%80",
            "cursor=AAAA",
        ] {
            let answer = who.get(&format!("{path}?{bad}")).send().await;
            let problem = answer.refused(400, "invalid");
            let name = bad.split('=').next().unwrap_or_default();
            assert_eq!(
                each(&problem["errors"], "pointer"),
                [format!("?{name}")],
                "{path}?{bad}"
            );
        }
        for odd in [
            "limit=1&limit=2",
            "&&&=&==",
            "%=%",
            "limit=1%",
            "unknown=%00x",
            "search=%ff",
        ] {
            sane(
                &format!("{path}?{odd}"),
                &who.get(&format!("{path}?{odd}")).send().await,
            );
        }
    }
    // A cursor of another list.
    for path in ["/api/products?sort=name", "/api/products", "/api/events"] {
        let path = format!("{path}{}cursor={cursor}", if path.contains('?') { '&' } else { '?' });
        let answer = shop.admin.get(&path).send().await;
        assert!([200, 400].contains(&answer.status), "{path}: {}", answer.text());
    }
    shop.visitor
        .get(&format!("/api/products?search={}", "x".repeat(201)))
        .send()
        .await
        .refused(400, "invalid");
    // Headers.
    let long = "x".repeat(10_000);
    for (name, value) in [
        ("if-none-match", "W/\"x\", \"y\", junk"),
        ("if-none-match", long.as_str()),
        ("accept-encoding", ";;;q=,,"),
        ("accept", "*/*;q=x"),
        ("traceparent", "00-xyz"),
        ("x-request-id", long.as_str()),
        ("x-forwarded-for", "' OR 1=1"),
        ("content-type", "@"),
        ("range", "bytes=0-1"),
        ("host", "evil.example"),
        ("x-client-address", "127.0.0.1"),
        ("x-actor", "service:orders"),
        ("x-deadline-ms", "-1"),
    ] {
        let path = format!("/api/products/{}", text(&stage.product, "id"));
        let answer = shop.visitor.get(&path).header(name, value).unchecked().send().await;
        assert!(
            [200, 304].contains(&answer.status),
            "{name}: {value}: {} {}",
            answer.status,
            answer.text()
        );
    }
    for path in [
        format!("/api/products/{}", text(&stage.product, "id")),
        format!("/api/products/{}/stock", text(&stage.product, "id")),
    ] {
        let body = if path.ends_with("stock") {
            json!({ "set": 100_000 })
        } else {
            json!({ "vendor": "Smith" })
        };
        for tag in ["junk", "\"c0-s0\"", "\"c1\"", "W/\"\"", "\"c99999999999999999999-s0\""] {
            shop.admin
                .put(&path, body.clone())
                .header("if-match", tag)
                .send()
                .await
                .refused(412, "precondition_failed");
        }
    }
    let huge = "x".repeat(400_000);
    let answer = shop
        .visitor
        .get("/health")
        .header("x-huge", &huge)
        .unchecked()
        .try_send()
        .await;
    assert!(
        answer.is_err() || answer.is_ok_and(|answer| answer.status == 431),
        "a header of 400 kB is not taken"
    );
}

/// Quantities and prices that are none.
async fn numbers(stage: &Stage) {
    let (shop, mallory) = (&stage.shop, &stage.mallory);
    let refuse = async |call: Call, pointer: &str, what: &str| {
        let problem = call.send().await.refused(400, "invalid");
        assert!(
            each(&problem["errors"], "pointer").contains(&pointer),
            "{what}: {problem}"
        );
    };
    for price in [
        "-1",
        "-0.01",
        "1e400",
        "99999999999999999999",
        "1.001",
        "\"abc\"",
        "\"1e3\"",
        "\"\"",
        "\"1,50\"",
        "\"0x10\"",
        "true",
        "[]",
        "\" \"",
    ] {
        let body = format!("{{\"name\":\"Thing\",\"price\":{price}}}");
        refuse(
            shop.admin
                .post("/api/products", Value::Null)
                .body("application/json", body),
            "/price",
            price,
        )
        .await;
        let body = format!("{{\"price\":{price}}}");
        let path = format!("/api/products/{}", text(&stage.product, "id"));
        refuse(
            shop.admin.patch(&path, Value::Null).body("application/json", body),
            "/price",
            price,
        )
        .await;
    }
    for stock in ["-1", "1.5", "1e30", "9223372036854775807", "\"5\"", "null1"] {
        let body = format!("{{\"name\":\"Thing\",\"price\":1,\"stock\":{stock}}}");
        let answer = shop
            .admin
            .post("/api/products", Value::Null)
            .body("application/json", body)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{stock}: {}", answer.text());
    }
    let stock = format!("/api/products/{}/stock", text(&stage.product, "id"));
    for quantity in ["9223372036854775807", "-9223372036854775808", "1e300", "0.5"] {
        let body = format!("{{\"quantity\":{quantity}}}");
        let answer = shop
            .admin
            .put(&stock, Value::Null)
            .body("application/json", body)
            .send()
            .await;
        assert!([400, 409].contains(&answer.status), "{quantity}: {}", answer.text());
    }
    for quantity in [
        "0",
        "-1",
        "10000",
        "1.5",
        "1e30",
        "\"two\"",
        "null",
        "[]",
        "99999999999999999999",
    ] {
        let line = format!("{{\"productId\":{},\"quantity\":{quantity}}}", stage.product["id"]);
        let call = mallory
            .post("/api/cart", Value::Null)
            .body("application/json", line.clone());
        if quantity != "null" {
            refuse(call, "/quantity", quantity).await;
        }
        let call = mallory
            .post("/api/orders", Value::Null)
            .body("application/json", format!("{{\"items\":[{line}]}}"));
        if quantity != "null" {
            refuse(call, "/items/0/quantity", quantity).await;
        }
    }
    // Many lines, and all their faults at once.
    let many: Vec<Value> = (0..501).map(|_| json!({ "productId": stage.product["id"] })).collect();
    let answer = mallory.post("/api/orders", json!({ "items": many })).send().await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let bad = json!({ "items": [{ "productId": 1, "quantity": 0 }, { "quantity": -3 }, { "sku": 5 }], "email": "x" });
    let problem = mallory.post("/api/orders", bad).send().await.refused(400, "invalid");
    assert!(list(&problem["errors"]).len() >= 3, "{problem}");
    // Sums that no number holds.
    let dear = shop
        .admin
        .post(
            "/api/products",
            json!({ "name": "Moon", "price": "92233720368547758.07", "stock": 9_999 }),
        )
        .send()
        .await;
    sane("a price at the edge", &dear);
    if dear.status == 201 {
        let dear = dear.value();
        let line = json!({ "productId": dear["id"], "quantity": 9_999 });
        for call in [
            mallory.post("/api/orders", json!({ "items": [line] })),
            mallory.post("/api/cart", line.clone()),
            mallory.get("/api/cart"),
            mallory.post("/api/orders", json!({})),
        ] {
            sane("a sum beyond the edge", &call.send().await);
        }
        mallory.delete("/api/cart").send().await.is(200);
    }
}

/// Tokens that are none, and tokens that somebody made.
async fn tokens(stage: &Stage) {
    let shop = &stage.shop;
    let session = it::guest(shop).await;
    let good = text(&session, "token").to_owned();
    let parts: Vec<&str> = good.split('.').collect();
    let read =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON") };
    let write = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (head, claims) = (read(parts[0]), read(parts[1]));
    let keys = shop
        .visitor
        .get("/.well-known/jwks.json")
        .unchecked()
        .send()
        .await
        .is(200);
    let public = URL_SAFE_NO_PAD.decode(text(&keys["keys"][0], "x")).expect("base64");
    // The shop's own key, to sign what only its expiry or audience makes wrong.
    let secrets = std::fs::read_to_string(shop.data().join("secrets.toml")).expect("the secrets");
    let seed = secrets
        .lines()
        .find_map(|line| line.strip_prefix("signing_key = \""))
        .expect("the key");
    let seed: Vec<u8> = (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&seed[at..at + 2], 16).expect("hex"))
        .collect();
    let own = SigningKey::from_bytes(&seed.try_into().expect("32 bytes"));
    let strange = SigningKey::from_bytes(&[7; 32]);
    let sign = |key: &SigningKey, head: &Value, claims: &Value| {
        let text = format!("{}.{}", write(head), write(claims));
        format!(
            "{text}.{}",
            URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).to_bytes())
        )
    };
    let with = |mut value: Value, field: &str, new: Value| {
        value[field] = new;
        value
    };
    assert_eq!(
        of(shop, &json!({ "token": sign(&own, &head, &claims) }))
            .get("/api/cart")
            .send()
            .await
            .status,
        200,
        "the forge works"
    );

    let mac = |key: &[u8], head: &Value| {
        let text = format!(
            "{}.{}",
            write(head),
            write(&with(claims.clone(), "role", json!("admin")))
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        mac.update(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    let hs256 = with(head.clone(), "alg", json!("HS256"));
    let now = claims["iat"].as_i64().expect("a time");
    let mut bad = vec![
        ("nothing", String::new()),
        ("a word", "token".into()),
        ("dots", "..".into()),
        ("too many parts", format!("{good}.x")),
        ("cut off", good[..good.len() - 5].into()),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "other claims",
            format!(
                "{}.{}.{}",
                parts[0],
                write(&with(claims.clone(), "role", json!("admin"))),
                parts[2]
            ),
        ),
        (
            "alg none",
            format!("{}.{}.", write(&with(head.clone(), "alg", json!("none"))), parts[1]),
        ),
        (
            "alg none, signed",
            format!(
                "{}.{}.{}",
                write(&with(head.clone(), "alg", json!("None"))),
                parts[1],
                parts[2]
            ),
        ),
        ("HS256 by the public key", mac(&public, &hs256)),
        ("HS256 by nothing", mac(b"", &hs256)),
        ("a stranger's key", sign(&strange, &head, &claims)),
        (
            "wrong kid",
            sign(&own, &with(head.clone(), "kid", json!("other")), &claims),
        ),
        (
            "SQL for a kid",
            sign(&own, &with(head.clone(), "kid", json!("' OR 1=1")), &claims),
        ),
        (
            "no kid",
            sign(&strange, &json!({ "alg": "EdDSA", "typ": head["typ"] }), &claims),
        ),
        (
            "a key of its own",
            sign(&strange, &with(head.clone(), "jwk", keys["keys"][0].clone()), &claims),
        ),
        (
            "other typ",
            sign(&own, &with(head.clone(), "typ", json!("refresh")), &claims),
        ),
        (
            "critical extension",
            sign(&own, &with(head.clone(), "crit", json!(["x"])), &claims),
        ),
        (
            "expired",
            sign(&own, &head, &with(claims.clone(), "exp", json!(now - 3_600))),
        ),
        (
            "other issuer",
            sign(&own, &head, &with(claims.clone(), "iss", json!("elsewhere"))),
        ),
        (
            "other audience",
            sign(&own, &head, &with(claims.clone(), "aud", json!("elsewhere"))),
        ),
        (
            "subject of the wrong kind",
            sign(
                &own,
                &head,
                &with(claims.clone(), "sub", json!("prd_01m7vxwbby2rq20axkq0vrfb2z")),
            ),
        ),
        (
            "no such role",
            sign(&own, &head, &with(claims.clone(), "role", json!("owner"))),
        ),
        ("claims that are none", sign(&own, &head, &json!([1]))),
        ("very long", "x".repeat(50_000)),
    ];
    for field in ["exp", "sub", "aud", "iss"] {
        let mut claims = claims.clone();
        claims.as_object_mut().expect("claims").remove(field);
        bad.push((field, sign(&own, &head, &claims)));
    }
    for (what, token) in &bad {
        let who = shop.visitor.with_token(token);
        for call in [
            who.get("/api/cart"),
            who.post("/api/orders", json!({})),
            who.delete(&format!("/api/products/{}", text(&stage.product, "id"))),
            who.get("/api/auth/verify"),
            who.get("/api/products?limit=1"),
        ] {
            let answer = call.send().await;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            assert!(
                answer.header("www-authenticate").starts_with("Bearer"),
                "{what}: {:?}",
                answer.headers
            );
        }
        // Verified by each service for itself.
        let at_cart = who.at(&shop.fleet.part_url("cart")).get("/cart").send().await;
        assert_eq!(at_cart.status, 401, "{what} at the cart's own port: {}", at_cart.text());
    }
    for scheme in ["Basic dXNlcjpwYXNz", "Bearer", "bearer", "Token abc", "Bearer a b"] {
        let answer = shop
            .visitor
            .get("/api/cart")
            .header("authorization", scheme)
            .send()
            .await;
        assert_eq!(answer.status, 401, "{scheme}: {}", answer.text());
    }
    // Whoever brings credentials of their own is not refused for an old token.
    let account = json!({ "username": shop.name("late"), "password": "password1" });
    shop.visitor
        .with_token(&bad[17].1)
        .post("/api/auth/register", account)
        .send()
        .await
        .is(201);
}

/// Product files that are none, and broken ones.
async fn files(stage: &Stage) {
    let import = |kind: &str, body: &[u8]| {
        stage
            .shop
            .admin
            .call(Method::POST, "/api/products/import")
            .body(kind, body)
    };
    for body in [
        &b""[..],
        b"\0\0\0\0",
        b"{\"a\":1}",
        b"just words",
        b"\xff\xfe\x00",
        b"a,b,c\n1,2,3\n",
        b"\"unclosed",
    ] {
        let answer = import("text/csv", body).send().await;
        assert_eq!(
            answer.status,
            400,
            "{}: {}",
            String::from_utf8_lossy(body),
            answer.text()
        );
    }
    import("application/json", b"{}")
        .send()
        .await
        .refused(415, "unsupported_media_type");
    let csv = "Handle,Title,Variant Price\n'; DROP TABLE x,\"<b>\",1\nok,Ok,-5\nok2,Ok,1e9\n,No handle,1\nok3,\u{1F600},3\nnul,a\0b,1\n";
    let report = import("text/csv", csv.as_bytes()).send().await.is(200);
    assert!(list(&report["failed"]).len() >= 4, "{report}");
    assert_eq!(
        stage.shop.visitor.get("/api/products/ok3").send().await.is(200)["name"],
        "\u{1F600}"
    );
}

/// Webhooks that nobody signed.
async fn webhooks(stage: &Stage) {
    let path = "/api/payments/webhooks/simulated";
    for body in [&b"{}"[..], b"", b"\xff", b"{\"type\":\"charge.captured\"}"] {
        let call = || {
            stage
                .shop
                .visitor
                .call(Method::POST, path)
                .body("application/json", body)
        };
        call().send().await.refused(400, "bad_webhook");
        let signed = call()
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", "0")
            .header("webhook-signature", "v1,AAAA");
        signed.send().await.refused(400, "bad_webhook");
    }
    stage
        .shop
        .visitor
        .post("/api/payments/webhooks/nobody", json!({}))
        .send()
        .await
        .refused(404, "not_found");
    let large = vec![b'x'; (1 << 20) + 1];
    stage
        .shop
        .visitor
        .call(Method::POST, path)
        .body("application/json", large)
        .send()
        .await
        .refused(413, "too_large");
}

/// Bytes that are no HTTP, straight onto the line.
async fn lines(stage: &Stage) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = stage.shop.fleet.base_url().replace("http://", "");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/products HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\nZZ\r\n",
        b"GET /%zz%%% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/products/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"BREW /api/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let mut line = tokio::net::TcpStream::connect(&address).await.expect("it listens");
        line.write_all(bytes).await.expect("it is sent");
        line.shutdown().await.expect("it is all");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), line.read_to_end(&mut answer)).await;
        let shown = String::from_utf8_lossy(bytes).into_owned();
        assert!(read.is_ok(), "{shown:?} is never answered");
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{shown:?}: {}", String::from_utf8_lossy(&answer));
    }
}

async fn all(engine: Engine) {
    let stage = Stage::start(engine).await;
    bodies(&stage).await;
    fields(&stage).await;
    texts(&stage).await;
    texts_stay_what_they_are(&stage).await;
    names(&stage).await;
    parameters(&stage).await;
    numbers(&stage).await;
    tokens(&stage).await;
    files(&stage).await;
    webhooks(&stage).await;
    lines(&stage).await;
    stage.goes_on().await;
}

#[tokio::test]
async fn bad_input_on_sqlite() {
    all(Engine::Sqlite).await;
}

#[tokio::test]
async fn bad_input_on_postgres() {
    all(Engine::Postgres).await;
}
