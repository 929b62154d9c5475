//! The OpenAPI document: it tells of all, is sound, and is the one in the repository.

use std::collections::BTreeSet;
use std::path::Path;

use http::Method;
use it::text;
use serde_json::{Value, json};
use testkit::process::run;
use testkit::{Engine, Shape, Shop};

/// Every operation of a document with its name, such as `GET /api/products`.
pub fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    })
}

/// The document as the command line tells it, as text and as JSON.
pub fn document() -> (String, Value) {
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
