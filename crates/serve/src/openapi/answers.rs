//! The answers of an operation: its own, and those that its rights, body and parameters, or the edge, imply.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::{SCHEMAS, Schemas, is_keyed};
use crate::routes::{Declared, Given, Rights};

/// Every answer of a route: its successes, what it refuses with, and whatever else may be.
pub(super) fn responses(route: &Declared, schemas: &mut Schemas) -> Value {
    let mut responses: BTreeMap<String, Value> = BTreeMap::new();
    for given in &route.gives {
        responses.insert(given.status.to_string(), success(route, given, schemas));
    }
    if is_public_read(route) {
        // The edge tags whatever the route itself does not.
        let same = json!({
            "description": "Not Modified: what `If-None-Match` names is still the same.",
            "headers": { "X-Request-ID": { "$ref": "#/components/headers/RequestId" } },
        });
        responses.entry("304".to_owned()).or_insert(same);
    }
    for (status, codes) in refusals(route) {
        let named: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        let problem = json!({ "$ref": format!("{SCHEMAS}Problem") });
        let mut response = json!({
            "description": format!("Refused: {}.", named.join(", ")),
            "x-codes": codes,
            "headers": { "X-Request-ID": { "$ref": "#/components/headers/RequestId" } },
            "content": { "application/problem+json": { "schema": problem } },
        });
        let mut header = |name: &str, of: &str| {
            response["headers"][name] = json!({ "$ref": format!("#/components/headers/{of}") });
        };
        if matches!(status, 429 | 503) {
            header("Retry-After", "RetryAfter");
        }
        if status == 429 {
            header("RateLimit", "RateLimit");
            header("RateLimit-Policy", "RateLimitPolicy");
        }
        responses.entry(status.to_string()).or_insert(response);
    }
    responses.insert("default".into(), json!({ "$ref": "#/components/responses/Problem" }));
    json!(responses)
}

/// Whether everybody reads the same, with or without a token: such an answer may be kept and asked for again.
fn is_public_read(route: &Declared) -> bool {
    route.method == Method::GET && route.rights == Rights::Anyone && route.gives.iter().any(|given| given.status == 200)
}

/// Whether a read tells the tag of what it answers, so that it can be asked for again.
pub(super) fn is_tagged(route: &Declared) -> bool {
    is_public_read(route) || route.gives.iter().any(|given| given.status == 304)
}

fn success(route: &Declared, given: &Given, schemas: &mut Schemas) -> Value {
    let mut headers = Map::new();
    let mut header = |name: &str, of: &str| {
        headers.insert(name.into(), json!({ "$ref": format!("#/components/headers/{of}") }));
    };
    header("X-Request-ID", "RequestId");
    if given.status == 201 {
        header("Location", "Location");
    }
    if is_keyed(route) {
        header("Idempotency-Replayed", "Replayed");
    }
    if is_tagged(route) {
        header("ETag", "ETag");
    }
    let schema = given.schema.map(|schema| schemas.answer(schema));
    if schema.as_ref().and_then(|schema| schema.get("type")) == Some(&json!("array")) && route.method == Method::GET {
        header("Link", "Link");
    }
    let words = http::StatusCode::from_u16(given.status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let mut response = json!({ "description": words.unwrap_or("Done"), "headers": headers });
    if !given.content_type.is_empty() {
        let content = schema.map_or_else(|| json!({}), |schema| json!({ "schema": schema }));
        response["content"] = json!({ given.content_type: content });
    }
    response
}

/// The refusals that rights, parameters and body imply, and those of the route's own.
fn refusals(route: &Declared) -> BTreeMap<u16, Vec<&'static str>> {
    let mut all: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    let mut add = |status: u16, code| {
        let codes = all.entry(status).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    };
    add(401, "unauthorized");
    if route.rights != Rights::Anyone {
        add(403, "forbidden");
    }
    if route.path.contains('{') {
        add(404, "not_found");
    }
    if route.takes.is_some() || route.query.is_some() || route.method != Method::GET {
        add(400, "invalid");
    }
    if route.takes.is_some() {
        add(400, "malformed");
        add(400, "bad_encrypted_body");
        add(413, "too_large");
        add(415, "unsupported_media_type");
    }
    if is_keyed(route) {
        add(400, "bad_idempotency_key");
        add(422, "idempotency_key_reused");
    }
    if route.takes.is_some() || !route.takes_text.is_empty() {
        add(408, "too_slow");
    }
    add(429, "too_many_requests");
    add(503, "unavailable");
    route.refuses.iter().for_each(|&(status, code)| add(status, code));
    all
}
