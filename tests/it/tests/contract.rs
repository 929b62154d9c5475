//! The contract, row by row: each call with the right rights, on each of its addresses, succeeds as it says; and the
//! OpenAPI document tells of all of them, is sound, and is the one in the repository.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use http::Method;
use it::{of, profile, register, sized, text};
use serde_json::{Value, json};
use testkit::process::run;
use testkit::{Client, Engine, Shape, Shop};

#[derive(Clone, Copy)]
enum Who {
    Nobody,
    Owner,
    Staff,
}
use Who::{Nobody, Owner, Staff};

/// Method, path, further addresses that the contract names (with a method where it differs), what `{id}` is, who
/// calls, with what body or query, the status of success.
type Row = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    Who,
    &'static str,
    u16,
);

const NEW: &str = "{\"username\":\"{new}\",\"password\":\"password1\"}";
const LOGIN: &str = "{\"username\":\"{name}\",\"password\":\"password1\"}";
const ITEM: &str = "{\"productId\":{number},\"quantity\":1}";
const CSV: &str = "Handle,Title,Variant Price\ncontract,Contract,1\n";

#[rustfmt::skip] // A table.
const ROWS: &[Row] = &[
    // Identity
    ("POST", "/api/auth/register", &["/api/users/register", "/api/user/register"], "", Nobody, NEW, 201),
    ("POST", "/api/auth/login", &["/api/users/login", "/api/user/login"], "", Nobody, LOGIN, 200),
    ("POST", "/api/auth/guest", &[], "", Nobody, "", 200),
    ("POST", "/api/auth/refresh", &[], "", Nobody, "{\"refreshToken\":\"{refresh}\"}", 200),
    ("POST", "/api/auth/logout", &[], "", Owner, "{\"refreshToken\":\"{refresh}\"}", 204),
    ("GET", "/api/auth/verify", &[], "", Owner, "", 200),
    ("GET", "/api/auth/profile", &["/api/user/me", "/api/users/me"], "", Owner, "", 200),
    ("GET", "/api/users/{id}", &[], "{user}", Owner, "", 200),
    ("PUT", "/api/users/{id}", &[], "{user}", Owner, "{\"phone\":\"1\"}", 200),
    ("PATCH", "/api/users/{id}", &[], "{user}", Owner, "{\"phone\":\"1\"}", 200),
    ("POST", "/api/users/{id}/password", &[], "{user}", Owner, "{\"currentPassword\":\"password1\",\"newPassword\":\"password2\"}", 204),
    ("POST", "/api/auth/password/forgot", &[], "", Nobody, "{\"email\":\"nobody@example.com\"}", 202),
    ("GET", "/api/users/{id}/sessions", &[], "{user}", Owner, "", 200),
    ("DELETE", "/api/users/{id}/sessions", &[], "{user}", Owner, "", 204),
    ("DELETE", "/api/users/{id}/sessions/{session}", &[], "{user}", Owner, "", 204),
    ("GET", "/api/users", &["/api/users?q=a&role=customer"], "", Staff, "", 200),
    ("PUT", "/api/users/{id}/role", &[], "{user}", Staff, "{\"role\":\"staff\",\"permissions\":[\"orders:read\"]}", 200),
    ("GET", "/api/keys", &[], "", Staff, "", 200),
    ("POST", "/api/keys", &[], "", Staff, "{\"name\":\"till\",\"permissions\":[\"orders:write\"]}", 201),
    ("DELETE", "/api/keys/{id}", &[], "{key}", Staff, "", 204),
    ("GET", "/.well-known/jwks.json", &[], "", Nobody, "", 200),
    // Catalog
    ("GET", "/api/products", &["/api/product/products"], "", Nobody, "", 200),
    ("GET", "/api/products/search", &["/api/product/products/search"], "", Nobody, "?q=anvil", 200),
    ("GET", "/api/products/facets", &["/api/product/products/facets"], "", Nobody, "", 200),
    ("GET", "/api/products/{id}", &["/api/product/products/{id}", "/api/products/{number}", "/api/products/{handle}", "/api/products/{sku}"], "{product}", Nobody, "", 200),
    ("POST", "/api/products", &["/api/product/products"], "", Staff, "{\"name\":\"New\",\"price\":\"1.50\",\"stock\":1}", 201),
    ("PUT", "/api/products/{id}", &["/api/products/{number}"], "{product}", Staff, "{\"price\":2}", 200),
    ("PATCH", "/api/products/{id}", &["/api/products/{handle}"], "{product}", Staff, "{\"price\":2}", 200),
    ("DELETE", "/api/products/{id}", &["/api/products/{number}"], "{product}", Staff, "", 204),
    ("PUT", "/api/products/{id}/stock", &["/api/products/{sku}/stock"], "{product}", Staff, "{\"quantity\":1}", 200),
    ("GET", "/api/products/{id}/stock", &[], "{product}", Staff, "", 200),
    ("PUT", "/api/products/{id}/variants/{variantId}/stock", &[], "{shirt}", Staff, "{\"quantity\":1}", 200),
    ("GET", "/api/products/{id}/variants/{variantId}/stock", &[], "{shirt}", Staff, "", 200),
    ("GET", "/api/products/{id}/stock/ledger", &["/api/products/{sku}/stock/ledger"], "{product}", Staff, "", 200),
    ("GET", "/api/products/{id}/variants/{variantId}/stock/ledger", &[], "{shirt}", Staff, "", 200),
    ("GET", "/api/products/{id}/variants", &["/api/products/{handle}/variants"], "{product}", Nobody, "", 200),
    ("POST", "/api/products/{id}/variants", &[], "{shirt}", Staff, "{\"options\":{\"Size\":\"XL\"},\"price\":20}", 201),
    ("GET", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Nobody, "", 200),
    ("PUT", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Staff, "{\"price\":20}", 200),
    ("PATCH", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Staff, "{\"options\":{\"Size\":\"XL\"}}", 200),
    ("DELETE", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Staff, "", 204),
    ("GET", "/api/products/tags", &[], "", Nobody, "", 200),
    ("GET", "/api/categories", &[], "", Nobody, "", 200),
    ("GET", "/api/categories/{id}", &["/api/categories/{categoryHandle}"], "{category}", Nobody, "", 200),
    ("POST", "/api/categories", &[], "", Staff, "{\"name\":\"{new}\",\"parent\":\"{category}\"}", 201),
    ("PUT", "/api/categories/{id}", &["/api/categories/{categoryHandle}"], "{category}", Staff, "{\"position\":1}", 200),
    ("PATCH", "/api/categories/{id}", &[], "{category}", Staff, "{\"parent\":null}", 200),
    ("DELETE", "/api/categories/{id}", &[], "{category}", Staff, "", 204),
    ("POST", "/api/products/bulk", &[], "", Nobody, "{\"ids\":[{number}]}", 200),
    ("POST", "/api/products/import", &[], "", Staff, CSV, 200),
    ("GET", "/api/products/import", &[], "", Staff, "", 200),
    ("GET", "/api/products/import/{id}", &[], "{import}", Staff, "", 200),
    ("GET", "/api/products/import/{id}/changes", &[], "{import}", Staff, "", 200),
    ("GET", "/api/products/import/{id}/rejected", &[], "{import}", Staff, "", 200),
    ("POST", "/api/products/import/{id}/undo", &[], "{import}", Staff, "{\"force\":true}", 200),
    ("GET", "/api/products/export", &[], "", Staff, "", 200),
    // Cart
    ("GET", "/api/cart", &["/api/cart/cart", "/api/cart/{userId}"], "", Owner, "", 200),
    ("POST", "/api/cart", &["/api/cart/items", "/api/cart/{userId}/items", "/api/orders/cart/{userId}/items"], "", Owner, ITEM, 201),
    ("POST", "/api/cart/cart/add", &[], "", Owner, ITEM, 200),
    ("PUT", "/api/cart/items/{item}", &["/api/cart/{userId}/items/{item}", "/api/cart/items/{product}", "/api/cart/items/{number}", "/api/cart/items/{variant}", "/api/cart/items/{sku}"], "", Owner, "{\"quantity\":2}", 200),
    ("DELETE", "/api/cart/items/{item}", &["/api/cart/{userId}/items/{item}", "/api/cart/items/{product}"], "", Owner, "", 200),
    ("POST", "/api/cart/cart/remove", &[], "", Owner, "{\"productId\":{number}}", 200),
    ("POST", "/api/cart/acknowledge", &["/api/cart/{userId}/acknowledge"], "", Owner, "", 200),
    ("DELETE", "/api/cart", &["POST /api/cart/cart/clear", "/api/cart/{userId}"], "", Owner, "", 200),
    // Orders
    ("POST", "/api/orders", &["/api/order/orders"], "", Owner, "{\"items\":[{\"productId\":{number},\"quantity\":1}]}", 201),
    ("GET", "/api/orders", &["/api/order/orders", "/api/orders/user/{userId}"], "", Owner, "", 200),
    ("GET", "/api/orders/user/{userId}", &[], "", Owner, "", 200),
    ("GET", "/api/orders/{id}", &["/api/orders/{orderNumber}"], "{order}", Owner, "", 200),
    ("PUT", "/api/orders/{id}/status", &[], "{order}", Staff, "{\"status\":\"shipped\"}", 200),
    ("PUT", "/api/orders/{id}/cancel", &["POST /api/orders/{id}/cancel"], "{order}", Owner, "", 200),
    ("POST", "/api/orders/{id}/cancel", &[], "{order}", Owner, "{\"reason\":\"x\"}", 200),
    ("GET", "/api/orders/{id}/mails", &[], "{order}", Staff, "", 200),
    ("POST", "/api/orders/{id}/mails/retry", &[], "{order}", Staff, "", 200),
    // Payments
    ("POST", "/api/payments/process", &[], "", Owner, "{\"orderId\":\"{unpaid}\",\"paymentToken\":\"tok_visa\",\"amount\":10}", 201),
    ("GET", "/api/payments/{id}", &["/api/payments/{orderNumber}", "/api/payments/{payment}"], "{order}", Owner, "", 200),
    ("POST", "/api/payments/{id}/refund", &["/api/payments/{payment}/refund"], "{order}", Staff, "{\"amount\":1}", 200),
    // Events
    ("GET", "/api/events", &[], "", Staff, "", 200),
    ("GET", "/api/audit", &[], "", Staff, "", 200),
    // For developers
    ("POST", "/api/dev/encrypt", &[], "", Nobody, "{\"payload\":{\"name\":\"Ada\"}}", 200),
    ("POST", "/api/dev/decrypt", &[], "", Nobody, "{\"encrypted\":\"{sealed}\"}", 200),
];

/// Rows that are called elsewhere: a webhook has to be signed as the provider does it, a stream does not end, and a
/// token for a new password comes by mail.
const ELSEWHERE: &[&str] = &[
    "POST /api/payments/webhooks/{provider}",
    "GET /api/events/stream",
    "GET /api/orders/{id}/events",
    "POST /api/auth/password/reset",
];

/// Fresh records for one call, by what the table calls them.
struct Records {
    owner: Client,
    names: HashMap<&'static str, String>,
}

impl Records {
    async fn make(shop: &Shop) -> Records {
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
        let import = shop.admin.call(Method::POST, "/api/products/import").body("text/csv", CSV);
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
    fn fill(&self, text: &str, id: &str) -> String {
        let text = text.replace("{id}", id);
        self.names
            .iter()
            .fold(text, |text, (name, value)| text.replace(name, value))
    }
}

/// One call of the table; what is wrong, if anything is.
async fn called(shop: &Shop, row: &Row, address: &str) -> Option<String> {
    let (method, path, _, id, who, body, status) = *row;
    let (own, address) = address.split_once(' ').unwrap_or((method, address));
    let records = Records::make(shop).await;
    let who = match who {
        Nobody => &shop.visitor,
        Owner => &records.owner,
        Staff => &shop.admin,
    };
    // A query stands where other calls have a body.
    let (query, body) = if body.starts_with('?') { (body, "") } else { ("", body) };
    let address = format!("{address}{query}");
    let call = who.call(own.parse().expect("a method"), &records.fill(&address, id));
    let call = match body {
        "" => call,
        CSV => call.body("text/csv", CSV),
        body => call.body("application/json", records.fill(body, id)),
    };
    let call = if path.starts_with("/api/") {
        call
    } else {
        call.unchecked()
    };
    let answer = call.send().await;
    let wrong = answer.status != status;
    wrong.then(|| {
        format!(
            "{method} {path} at {own} {address}: {status} was to be answered, not {} {}",
            answer.status,
            answer.text()
        )
    })
}

#[tokio::test]
async fn every_row_is_as_it_says() {
    let shop = Shop::start(Shape::One, Engine::Sqlite, &[]).await;
    let document = shop.visitor.get("/openapi.json").unchecked().send().await.is(200);
    let mut wrong = Vec::new();
    let mut untold: BTreeSet<String> = operations(&document).map(|(name, _)| name).collect();
    for row in ROWS {
        let (method, path, also, ..) = *row;
        let name = format!("{method} {path}");
        let mut addresses = BTreeSet::from([name.clone()]);
        addresses.extend(also.iter().map(|address| {
            if address.contains(' ') {
                (*address).to_owned()
            } else {
                format!("{method} {address}")
            }
        }));
        match operations(&document).find(|(known, _)| *known == name) {
            Some((_, operation)) => {
                // What the document adds on its own has to be true as well.
                let more = operation["x-also"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                addresses.extend(more.map(str::to_owned));
            }
            None => wrong.push(format!("{name} is not in the document")),
        }
        untold.remove(&name);
        for address in &addresses {
            wrong.extend(called(&shop, row, address).await);
        }
    }
    untold.retain(|name| !ELSEWHERE.contains(&name.as_str()));
    wrong.extend(
        untold
            .into_iter()
            .map(|name| format!("{name} is in the document and in no row here")),
    );
    assert!(
        wrong.is_empty(),
        "{} rows are not as they say:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Who may not is told so, at every guarded row: 401 without a token, 403 or 404 with somebody else's.
#[tokio::test]
async fn every_row_keeps_its_rights() {
    let shop = Shop::start(Shape::One, Engine::Sqlite, &[]).await;
    let records = Records::make(&shop).await;
    let stranger = shop.customer("stranger").await;
    for &(method, path, _, id, who, body, _) in ROWS.iter().filter(|row| !matches!(row.4, Nobody)) {
        // In development, the log is open to callers on the same machine.
        let call = |who: &Client| {
            let call = who.call(method.parse().expect("a method"), &records.fill(path, id));
            let kind = if body == CSV { "text/csv" } else { "application/json" };
            if body.is_empty() {
                call
            } else {
                call.body(kind, records.fill(body, id))
            }
        };
        if path != "/api/events" {
            let answer = call(&shop.visitor).send().await;
            assert_eq!(answer.status, 401, "{method} {path} by nobody: {}", answer.text());
        }
        let theirs =
            matches!(who, Staff) || path.contains("{id}") || path.contains("{userId}") || path.ends_with("/process");
        if theirs {
            let answer = call(&stranger).send().await;
            assert!(
                [403, 404].contains(&answer.status),
                "{method} {path} by a stranger: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
}

/// Every operation of a document with its name, such as `GET /api/products`.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    })
}

fn document() -> (String, Value) {
    let done = run(&["openapi"], &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    let value = serde_json::from_str(&text).expect("JSON");
    (text, value)
}

#[test]
fn the_snapshot_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == document().0,
        "docs/reference/openapi.json is stale; `cargo xtask openapi` writes it anew"
    );
}

/// Every operation says what it does, what it takes and how it refuses.
#[test]
fn every_operation_is_told() {
    let document = document().1;
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let summary = text(operation, "summary");
        assert!(
            !summary.is_empty() && !summary.starts_with('/') && !summary.ends_with('.'),
            "{name} has no summary"
        );
        assert!(ids.insert(text(operation, "operationId")), "{name} shares its id");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name}");
        let path = name.split_once(' ').map_or("", |(_, path)| path);
        let told = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["in"] == "path");
        let told: Vec<&str> = told.map(|one| text(one, "name")).collect();
        let slots: Vec<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(told, slots, "{name} tells of other parameters");
        for one in operation["parameters"].as_array().into_iter().flatten() {
            assert!(!text(one, "description").is_empty(), "{name}: {one} is not described");
        }
        let writes = ["POST", "PUT", "PATCH"].iter().any(|method| name.starts_with(method));
        let bodiless = ["/clear", "/acknowledge"].iter().any(|end| path.ends_with(end));
        assert!(
            !writes || bodiless || operation["requestBody"]["content"].is_object(),
            "{name} takes a body that is not told"
        );
        let responses = operation["responses"].as_object().expect("responses");
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{name} tells of no success"
        );
        let problem = |status: &str| responses[status]["content"]["application/problem+json"]["schema"].is_object();
        for status in responses.keys().filter(|status| status.starts_with(['4', '5'])) {
            assert!(problem(status), "{name} does not tell how it refuses with {status}");
        }
        assert!(
            responses.contains_key("default") && responses.contains_key("503"),
            "{name}"
        );
        if operation["security"][0]["bearer"].is_array() {
            assert!(
                responses.contains_key("401") && responses.contains_key("403"),
                "{name} tells of no 401 or 403"
            );
        }
    }
}

/// The document holds together: every reference leads somewhere, every schema is one, every name is used.
#[test]
fn the_document_is_sound() {
    let document = document().1;
    assert_eq!(document["openapi"], "3.1.0");
    for field in ["info", "paths", "components", "servers", "tags"] {
        assert!(!document[field].is_null(), "{field} is missing");
    }
    let mut used = BTreeSet::new();
    visit(&document, &mut |value| {
        if let Some(pointer) = value.get("$ref").and_then(Value::as_str) {
            let at = pointer.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
            assert!(at.is_some(), "{pointer} leads nowhere");
            used.insert(pointer.to_owned());
        }
    });
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        let whole = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": document["components"] });
        assert!(jsonschema::meta::is_valid(&whole), "{name} is no schema");
        jsonschema::draft202012::new(&whole).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(
            used.contains(&format!("#/components/schemas/{name}")),
            "nothing refers to {name}"
        );
        // Who writes gets told of misspelt fields; who reads finds every field described.
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let told = schema["description"].is_string() || schema["$ref"].is_string();
            assert!(told, "{name}.{field} is not described");
        }
    }
    for (name, operation) in operations(&document) {
        let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") else {
            continue;
        };
        if *schema == json!({}) {
            continue; // A provider's own form.
        }
        let at = schema["$ref"]
            .as_str()
            .and_then(|pointer| document.pointer(pointer.trim_start_matches('#')))
            .unwrap_or(schema);
        assert_eq!(at["additionalProperties"], json!(false), "{name} takes unknown fields");
    }
}

fn visit(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
        Value::Object(fields) => fields.values().for_each(|field| visit(field, see)),
        _ => {}
    }
}

/// The same document from the command line and from the gateway; the shop's name is its title.
#[tokio::test]
async fn the_gateway_serves_the_document() {
    let shop = Shop::start(Shape::Split, Engine::Sqlite, &[("IRONMONGER_SHOP_NAME", "Tongs & Co")]).await;
    let served = shop
        .visitor
        .call(Method::GET, "/openapi.json")
        .unchecked()
        .send()
        .await
        .is(200);
    let mut wanted = document().1;
    wanted["info"]["title"] = json!("Tongs & Co");
    assert_eq!(served, wanted);
}
