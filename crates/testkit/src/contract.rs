//! Holds answers against the OpenAPI document that the shop itself serves.

use std::collections::HashMap;
use std::sync::Mutex;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The document, ready to judge answers.
pub struct Contract {
    document: Value,
    routes: Vec<Route>,
    validators: Mutex<HashMap<String, std::sync::Arc<Validator>>>,
}

struct Route {
    method: String,
    segments: Vec<String>,
    /// Where the operation stands in the document.
    pointer: String,
}

impl Contract {
    /// Of an OpenAPI document.
    pub fn new(mut document: Value) -> Contract {
        close(&mut document);
        let mut routes = Vec::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let pointer = format!("/paths/{}/{method}", escape(path));
                let also = operation["x-also"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let own = format!("{} {path}", method.to_uppercase());
                for address in std::iter::once(own.as_str()).chain(also) {
                    let (method, path) = address.split_once(' ').expect("`METHOD /path`");
                    let segments = path.trim_matches('/').split('/').map(str::to_owned).collect();
                    routes.push(Route {
                        method: method.to_owned(),
                        segments,
                        pointer: pointer.clone(),
                    });
                }
            }
        }
        // A fixed segment is preferred to a parameter, as the router does it.
        routes.sort_by_key(|route| {
            let parameters = |segment: &String| segment.starts_with('{');
            route.segments.iter().map(parameters).collect::<Vec<_>>()
        });
        Contract {
            document,
            routes,
            validators: Mutex::default(),
        }
    }

    /// What is wrong with an answer; nothing when it is as the document says. `path` is without its query.
    pub fn faults(&self, method: &str, path: &str, status: u16, content_type: &str, body: &[u8]) -> Vec<String> {
        let asked = path.trim_start_matches('/');
        let asked = if asked.starts_with("api/") {
            asked.to_owned()
        } else {
            format!("api/{asked}")
        };
        let segments: Vec<&str> = asked.trim_end_matches('/').split('/').collect();
        let fits = |route: &&Route| {
            route.method == method
                && route.segments.len() == segments.len()
                && route
                    .segments
                    .iter()
                    .zip(&segments)
                    .all(|(own, given)| own.starts_with('{') || own == given)
        };
        if status >= 400 {
            let mut faults = self.problem_faults(content_type, body);
            if let Some(route) = self.routes.iter().find(fits) {
                faults.extend(self.untold_refusal(route, status, body));
            }
            return faults;
        }
        let Some(route) = self.routes.iter().find(fits) else {
            return vec![format!(
                "{method} {path} answers {status}, but the document does not know it"
            )];
        };
        let pointer = format!("{}/responses/{status}", route.pointer);
        let Some(response) = self.document.pointer(&pointer) else {
            return vec![format!(
                "{method} {path} answers {status}, which the document does not say"
            )];
        };
        let Some(content) = response["content"].as_object() else {
            let said = format!("{method} {path} answers {status} with a body, which the document does not say");
            return if body.is_empty() { Vec::new() } else { vec![said] };
        };
        let bare = content_type.split(';').next().unwrap_or_default().trim();
        let Some(media) = content.get(bare) else {
            return vec![format!(
                "{method} {path} answers {content_type:?}, which the document does not say"
            )];
        };
        if media.get("schema").is_none() || !bare.ends_with("json") {
            return Vec::new();
        }
        self.judge(&format!("{pointer}/content/{}/schema", escape(bare)), body)
    }

    /// A refusal that the operation does not tell of: its status, or its code.
    fn untold_refusal(&self, route: &Route, status: u16, body: &[u8]) -> Option<String> {
        let problem: Value = serde_json::from_slice(body).ok()?;
        let code = problem["code"].as_str()?;
        let told = self.document.pointer(&format!("{}/responses/{status}", route.pointer));
        let words = told
            .and_then(|response| response["description"].as_str())
            .unwrap_or_default();
        let untold = !words.contains(&format!("`{code}`"));
        untold.then(|| {
            format!(
                "{} refuses with {status} {code}, which the document does not say",
                route.pointer
            )
        })
    }

    fn problem_faults(&self, content_type: &str, body: &[u8]) -> Vec<String> {
        if content_type != "application/problem+json" {
            return vec![format!("a refusal must be a problem document, not {content_type:?}")];
        }
        self.judge("/components/schemas/Problem", body)
    }

    fn judge(&self, pointer: &str, body: &[u8]) -> Vec<String> {
        let value: Value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(fault) => return vec![format!("the answer is not JSON: {fault}")],
        };
        let validator = self.validator(pointer);
        let fault = |fault: jsonschema::ValidationError<'_>| format!("{}: {fault}", fault.instance_path());
        validator.iter_errors(&value).map(fault).collect()
    }

    fn validator(&self, pointer: &str) -> std::sync::Arc<Validator> {
        let mut known = self
            .validators
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let make = || {
            // The schema within its document, so that references find their way.
            let schema = json!({ "$ref": format!("#{}", pointer.replace('{', "%7B").replace('}', "%7D")), "paths": self.document["paths"], "components": self.document["components"] });
            std::sync::Arc::new(jsonschema::draft202012::new(&schema).expect("the document's schemas are schemas"))
        };
        known.entry(pointer.to_owned()).or_insert_with(make).clone()
    }
}

/// Makes every object of the document whole, so that an answer with a field that nobody declared is a fault.
/// Problems have members of their own (RFC 9457, 3.2).
fn close(document: &mut Value) {
    let schemas = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut);
    for (name, schema) in schemas.into_iter().flatten() {
        let Some(schema) = schema.as_object_mut() else { continue };
        if name != "Problem" && schema.contains_key("properties") {
            schema.entry("additionalProperties").or_insert(Value::Bool(false));
        }
    }
}

/// A name within a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Contract {
        let thing = json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } });
        let refused = json!({ "description": "Refused: `x`." });
        let json_of = |schema: Value| json!({ "200": { "content": { "application/json": { "schema": schema } } }, "404": refused });
        Contract::new(json!({
            "openapi": "3.1.0",
            "paths": {
                "/api/things/{id}": { "get": { "x-also": ["GET /api/thing/{id}"], "responses": json_of(json!({ "$ref": "#/components/schemas/Thing" })) } },
                "/api/things/me": { "get": { "responses": { "204": {} } } },
            },
            "components": { "schemas": { "Thing": thing, "Problem": { "type": "object", "required": ["code"] } } },
        }))
    }

    #[test]
    fn answers_that_differ_from_the_document_are_told() {
        let json = "application/json";
        let check =
            |path, status, content, body: &str| contract().faults("GET", path, status, content, body.as_bytes()).len();
        assert_eq!(check("/api/things/1", 200, json, r#"{"id":1}"#), 0);
        assert_eq!(check("/api/thing/1", 200, json, r#"{"id":1}"#), 0);
        assert_eq!(check("/things/1", 200, json, r#"{"id":1}"#), 0);
        assert_eq!(check("/api/things/me", 204, "", ""), 0);
        assert_eq!(check("/api/things/1", 200, json, r#"{"id":"1"}"#), 1);
        assert_eq!(check("/api/things/1", 200, json, "no"), 1);
        assert_eq!(check("/api/things/1", 201, json, r#"{"id":1}"#), 1);
        assert_eq!(check("/api/things/1", 200, "text/html", "x"), 1);
        assert_eq!(check("/api/things/1", 200, json, r#"{"id":1,"secret":2}"#), 1);
        assert_eq!(check("/api/others", 200, json, "{}"), 1);
        assert_eq!(check("/api/things/me", 204, json, "{}"), 1);
        assert_eq!(
            check("/api/things/1", 404, "application/problem+json", r#"{"code":"x"}"#),
            0
        );
        assert_eq!(check("/api/things/1", 404, json, r#"{"code":"x"}"#), 1);
        assert_eq!(check("/api/things/1", 404, "application/problem+json", "{}"), 1);
        assert_eq!(
            check("/api/things/1", 404, "application/problem+json", r#"{"code":"y"}"#),
            1
        );
        assert_eq!(
            check("/api/things/1", 409, "application/problem+json", r#"{"code":"x"}"#),
            1
        );
    }
}
