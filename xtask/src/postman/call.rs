//! A request of the collection: what the document knows of it, joined with its step.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::step::{self, Step, Who};

/// Refusals that any call may meet, which say nothing of this one.
const COMMON: &[&str] = &[
    "bad_encrypted_body",
    "bad_idempotency_key",
    "forbidden",
    "idempotency_key_reused",
    "malformed",
    "too_large",
    "too_many_requests",
    "too_slow",
    "unauthorized",
    "unavailable",
    "unsupported_media_type",
];

/// The API's document.
pub struct Document(Value);

/// Where an operation is called.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub method: &'a str,
    pub path: &'a str,
}

impl Document {
    pub fn new(document: Value) -> Self {
        Self(document)
    }

    fn all(&self) -> impl Iterator<Item = (Place<'_>, &Value)> {
        let paths = self.0["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| (Place { method, path }, operation))
        })
    }

    /// The ids of all operations.
    pub fn operations(&self) -> impl Iterator<Item = String> {
        self.all()
            .filter_map(|(_, operation)| operation["operationId"].as_str().map(str::to_owned))
    }

    /// An operation by its id.
    ///
    /// # Errors
    /// When the document has none of this id.
    pub fn operation(&self, id: &str) -> Result<(Place<'_>, &Value)> {
        self.all()
            .find(|(_, operation)| operation["operationId"] == id)
            .with_context(|| format!("the document has no operation {id}: mend xtask/src/postman"))
    }

    /// What a service does.
    pub fn words_of(&self, service: &str) -> String {
        let tags = self.0["tags"].as_array().into_iter().flatten();
        let tag = tags.into_iter().find(|tag| tag["name"] == service);
        tag.and_then(|tag| tag["description"].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// A schema, with a reference to another one followed.
    fn schema<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next());
        name.map_or(schema, |name| &self.0["components"]["schemas"][name])
    }
}

/// The request of a step.
pub fn request(step: &Step, document: &Document) -> Result<Value> {
    let (place, operation) = document.operation(step.operation)?;
    let expects = expected(step, operation)?;
    let mut request = json!({
        "method": place.method.to_uppercase(),
        "description": operation["description"],
        "url": url(step, place, operation)?,
        "header": headers(step, operation),
    });
    match token(step, operation) {
        None => request["auth"] = json!({ "type": "noauth" }),
        Some("token") => {}
        Some(other) => request["auth"] = step::bearer(&format!("{{{{{other}}}}}")),
    }
    if let Some(body) = body(step, operation)? {
        request["body"] = body;
    }
    let mut events = Vec::new();
    if let Some(before) = &step.before {
        events.push(step::script("prerequest", before.lines()));
    }
    let tests = tests(step, operation, &expects, document);
    events.push(step::script("test", tests.iter().flat_map(|test| test.lines())));
    let summary = operation["summary"].as_str().unwrap_or(place.path);
    Ok(json!({
        "name": step.name.unwrap_or(summary),
        "event": events,
        "request": request.clone(),
        "response": examples(operation, &request),
    }))
}

/// The statuses that are right.
fn expected(step: &Step, operation: &Value) -> Result<Vec<u16>> {
    let declared = |status: &u16| operation["responses"].get(status.to_string()).is_some();
    if step.expects.is_empty() {
        let success = (200..300).find(declared);
        return Ok(vec![
            success.with_context(|| format!("{} has no success", step.operation))?,
        ]);
    }
    for status in &step.expects {
        ensure!(
            declared(status),
            "{} does not document {status}, which its request expects",
            step.operation
        );
    }
    if let Some(code) = step.code {
        let codes = &operation["responses"][step.expects[0].to_string()]["x-codes"];
        ensure!(
            codes
                .as_array()
                .is_some_and(|codes| codes.iter().any(|known| known == code)),
            "{} does not document {code}, which its request expects",
            step.operation
        );
    }
    Ok(step.expects.clone())
}

/// The variable with the caller's token.
fn token(step: &Step, operation: &Value) -> Option<&'static str> {
    match step.who {
        Who::Nobody => None,
        Who::Admin => Some("adminToken"),
        Who::Holder(variable) => Some(variable),
        Who::Usual => match operation["x-rights"].as_str() {
            Some("Anyone") => None,
            Some("User" | "Owner") => Some("token"),
            _ => Some("adminToken"),
        },
    }
}

fn parameters<'a>(operation: &'a Value, place: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(move |parameter| parameter["in"] == place)
}

fn url(step: &Step, place: Place<'_>, operation: &Value) -> Result<Value> {
    let given = |parameter: &Value| {
        let value = step.values.iter().find(|(name, _)| parameter["name"] == *name);
        value.map(|(_, value)| *value)
    };
    for (name, _) in &step.values {
        let all = operation["parameters"].as_array().into_iter().flatten();
        ensure!(
            all.into_iter().any(|parameter| parameter["name"] == *name),
            "{} has no parameter {name}",
            step.operation
        );
    }
    let path: Vec<String> = place
        .path
        .trim_start_matches('/')
        .split('/')
        .map(
            |part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(name) => format!(":{name}"),
                None => part.to_owned(),
            },
        )
        .collect();
    let mut variables = Vec::new();
    for parameter in parameters(operation, "path") {
        let value = given(parameter).with_context(|| format!("{} needs {}", step.operation, parameter["name"]))?;
        variables.push(json!({ "key": parameter["name"], "value": value, "description": parameter["description"] }));
    }
    let query: Vec<Value> = parameters(operation, "query")
        .map(|parameter| {
            let value = given(parameter);
            json!({
                "key": parameter["name"],
                "value": value.unwrap_or_default(),
                "description": parameter["description"],
                "disabled": value.is_none(),
            })
        })
        .collect();
    let sent: Vec<String> = query
        .iter()
        .filter(|one| one["disabled"] == false)
        .map(|one| {
            format!(
                "{}={}",
                one["key"].as_str().unwrap_or_default(),
                one["value"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let mut raw = format!("{{{{baseUrl}}}}/{}", path.join("/"));
    if !sent.is_empty() {
        raw = format!("{raw}?{}", sent.join("&"));
    }
    Ok(json!({ "raw": raw, "host": ["{{baseUrl}}"], "path": path, "query": query, "variable": variables }))
}

fn headers(step: &Step, operation: &Value) -> Vec<Value> {
    let mut headers: Vec<Value> = step
        .headers
        .iter()
        .map(|(name, value)| json!({ "key": name, "value": value }))
        .collect();
    if let Some((kind, _)) = content(operation) {
        headers.push(json!({ "key": "Content-Type", "value": kind }));
    }
    for parameter in parameters(operation, "header") {
        let name = parameter["name"].as_str().unwrap_or_default();
        if step.headers.iter().any(|(given, _)| *given == name) {
            continue;
        }
        // What may be sent, but changes the answer, is there to be switched on.
        let is_key = name == "Idempotency-Key";
        headers.push(json!({
            "key": name,
            "value": if is_key { "{{$guid}}" } else { "" },
            "description": parameter["description"],
            "disabled": !is_key,
        }));
    }
    headers
}

/// The type and the rest of what a body is.
fn content(operation: &Value) -> Option<(&String, &Value)> {
    operation.pointer("/requestBody/content")?.as_object()?.iter().next()
}

fn body(step: &Step, operation: &Value) -> Result<Option<Value>> {
    let Some((kind, media)) = content(operation) else {
        return Ok(None);
    };
    let mut example = step.body.clone().unwrap_or_else(|| media["example"].clone());
    for (pointer, value) in &step.fields {
        let (parent, field) = pointer.rsplit_once('/').context("a JSON pointer begins with /")?;
        let parent = example.pointer_mut(parent);
        let parent = parent.with_context(|| format!("the example of {} has no {pointer}", step.operation))?;
        parent[field] = value.clone();
    }
    let (raw, language) = match &example {
        Value::String(text) => (text.clone(), "text"),
        _ => (serde_json::to_string_pretty(&example)?, "json"),
    };
    ensure!(
        language == "json" || kind != "application/json",
        "{} needs JSON",
        step.operation
    );
    Ok(Some(
        json!({ "mode": "raw", "raw": raw, "options": { "raw": { "language": language } } }),
    ))
}

/// The tests of an answer, in JavaScript.
fn tests(step: &Step, operation: &Value, expects: &[u16], document: &Document) -> Vec<String> {
    let listed = expects.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let words = expects.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
    let mut tests = vec![format!(
        "pm.test('answers {words}', () => pm.expect(pm.response.code, pm.response.text()).to.be.oneOf([{listed}]));"
    )];
    let response = &operation["responses"][expects[0].to_string()];
    let kinds = response["content"].as_object();
    match kinds.and_then(|kinds| kinds.iter().next()) {
        None => tests.push("pm.test('says no more', () => pm.expect(pm.response.text()).to.equal(''));".to_owned()),
        Some((kind, media)) => {
            tests.push(format!(
                "pm.test('is {kind}', () => pm.expect(pm.response.headers.get('Content-Type')).to.include('{kind}'));"
            ));
            if kind.ends_with("json") {
                tests.push("let body;\npm.test('can be read', () => { body = pm.response.json(); });".to_owned());
                tests.extend(shape(document.schema(&media["schema"])));
            }
        }
    }
    if let Some(code) = step.code {
        tests.push(format!(
            "pm.test('says {code}', () => pm.expect(body.code).to.equal('{code}'));"
        ));
    }
    for (sentence, script) in &step.checks {
        tests.push(format!("pm.test('{sentence}', () => {{ {script} }});"));
    }
    for (variable, value) in &step.sets {
        tests.push(format!("pm.collectionVariables.set('{variable}', {value});"));
    }
    tests
}

/// That an answer is a list, or has the fields that the document promises.
fn shape(schema: &Value) -> Option<String> {
    if schema["type"] == "array" {
        return Some("pm.test('is a list', () => pm.expect(body).to.be.an('array'));".to_owned());
    }
    let fields: Vec<String> = schema["required"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .map(|field| format!("'{field}'"))
        .collect();
    (!fields.is_empty()).then(|| {
        format!(
            "pm.test('has its fields', () => pm.expect(body).to.include.all.keys({}));",
            fields.join(", ")
        )
    })
}

/// Answers to look at without a shop: the success, and the refusals that are this call's own.
fn examples(operation: &Value, request: &Value) -> Vec<Value> {
    let mut examples = Vec::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let Ok(code) = status.parse::<u16>() else { continue };
        let words = response["description"].as_str().unwrap_or_default();
        if let Some((kind, media)) = response["content"].as_object().and_then(|kinds| kinds.iter().next()) {
            if kind == "application/problem+json" {
                let refusals = media["examples"].as_object().into_iter().flatten();
                for (name, refusal) in refusals.filter(|(name, _)| !COMMON.contains(&name.as_str())) {
                    examples.push(example(name, code, kind, &refusal["value"], request));
                }
            } else if !media["example"].is_null() {
                examples.push(example(words, code, kind, &media["example"], request));
            }
        } else if code < 300 {
            examples.push(example(words, code, "text/plain", &Value::Null, request));
        }
    }
    examples
}

fn example(name: &str, status: u16, kind: &str, value: &Value, request: &Value) -> Value {
    let body = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    };
    let mut original = request.clone();
    if let Some(fields) = original.as_object_mut() {
        // It stands above already.
        fields.remove("description");
    }
    json!({
        "name": format!("{status} {name}"),
        "originalRequest": original,
        "code": status,
        "header": [{ "key": "Content-Type", "value": kind }],
        "body": body,
        "_postman_previewlanguage": if kind.ends_with("json") { "json" } else { "text" },
    })
}
