//! The tables of calls as they follow from the OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Refusals that the first page tells of, since so many calls have them.
const COMMON: &[&str] = &[
    "unauthorized",
    "too_many_requests",
    "unavailable",
    "invalid",
    "malformed",
    "forbidden",
    "not_found",
    "too_slow",
    "too_large",
    "unsupported_media_type",
    "bad_encrypted_body",
    "bad_idempotency_key",
    "idempotency_key_reused",
    "precondition_failed",
    "duplicate",
];
/// Prefixes that follow from a rule, which the first page tells.
const SINGULAR: &[&str] = &["/api/product/", "/api/order/", "/api/user/"];

/// A table for each service.
pub(crate) fn tables(document: &Value) -> BTreeMap<String, String> {
    let operations = || {
        let paths = document["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        })
    };
    let known: BTreeSet<String> = operations().map(|(call, _)| call).collect();
    let head = "| call | who | asks → answers | refuses |\n|---|---|---|---|\n";
    let mut tables = BTreeMap::new();
    for (call, operation) in operations() {
        let service = operation["tags"][0]
            .as_str()
            .expect("a call belongs to a service")
            .to_owned();
        let table: &mut String = tables.entry(service).or_insert_with(|| head.to_owned());
        table.push_str(&row(document, &known, &call, operation));
    }
    tables
}

fn row(document: &Value, known: &BTreeSet<String>, call: &str, operation: &Value) -> String {
    let mut calls = vec![format!("`{call}`")];
    for also in texts(&operation["x-also"]) {
        let path = also.split(' ').nth(1).unwrap_or_default();
        if !known.contains(also) && !SINGULAR.iter().any(|prefix| path.starts_with(prefix)) {
            calls.push(format!("`{also}`"));
        }
    }
    let who = match operation["x-rights"].as_str().expect("a call has rights") {
        "Anyone" => "–".to_owned(),
        "User" => "token".to_owned(),
        "Owner" => "owner".to_owned(),
        "Admin" => "admin".to_owned(),
        _ => format!("`{}`", operation["x-permission"].as_str().expect("a permission")),
    };
    let mut asks = Vec::new();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let queries = parameters.filter(|parameter| parameter["in"] == "query");
    let queries: Vec<String> = queries
        .map(|one| format!("{}=", one["name"].as_str().unwrap_or_default()))
        .collect();
    if !queries.is_empty() {
        asks.push(format!("`?{}`", queries.join(" &")));
    }
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let body = match kind.as_str() {
            "application/json" => fields(document, &content["schema"]),
            other => Some(other.to_owned()),
        };
        asks.extend(body.map(|body| format!("`{body}`")));
    }
    let (mut answers, mut codes): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        if status.starts_with('2') {
            let contents = answer["content"].as_object().into_iter().flatten();
            let names = contents.filter_map(|(kind, content)| match kind.as_str() {
                "application/json" => name(&content["schema"]),
                other => Some(other.to_owned()),
            });
            let names: String = names.map(|name| format!(" `{name}`")).collect();
            answers.push(format!("{status}{names}"));
        }
        for code in texts(&answer["x-codes"]).map(|code| format!("`{code}`")) {
            if !COMMON.contains(&code.trim_matches('`')) && !codes.contains(&code) {
                codes.push(code);
            }
        }
    }
    let asks = if asks.is_empty() {
        String::new()
    } else {
        format!("{} ", asks.join(" "))
    };
    let (calls, answers, codes) = (calls.join(", "), answers.join(", "), codes.join(", "));
    format!("| {calls} | {who} | {asks}→ {answers} | {codes} |\n")
}

/// What a schema is called: `Product`, `[Product]`.
fn name(schema: &Value) -> Option<String> {
    if let Some(place) = schema["$ref"].as_str() {
        return place.rsplit('/').next().map(str::to_owned);
    }
    (schema["type"] == "array").then(|| name(&schema["items"]).map(|name| format!("[{name}]")))?
}

/// The fields of a body, first those that are needed: `{name, price?}`.
fn fields(document: &Value, schema: &Value) -> Option<String> {
    let schema = match name(schema) {
        Some(name) => &document["components"]["schemas"][name],
        None => schema,
    };
    let needed: Vec<&str> = texts(&schema["required"]).collect();
    let names = schema["properties"].as_object()?.keys().map(String::as_str);
    let (mut first, then): (Vec<&str>, Vec<&str>) = names.partition(|name| needed.contains(name));
    first.sort_unstable();
    let mut then: Vec<String> = then.into_iter().map(|name| format!("{name}?")).collect();
    then.sort_unstable();
    let all: Vec<String> = first.into_iter().map(str::to_owned).chain(then).collect();
    (!all.is_empty()).then(|| format!("{{{}}}", all.join(", ")))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
