//! The OpenAPI 3.1 document of declared routes: the same declarations that route the requests.
//!
//! Types are written twice where what is read differs from what is written (a field with a default need not be
//! sent, but is always answered): the answer keeps the type's name, the request's form gets `Input` behind it.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::routes::{Declared, Rights, SchemaOf, spellings};

mod answers;
mod codes;
mod examples;

pub use codes::{CODES, meaning};

const SCHEMAS: &str = "#/components/schemas/";

/// What the document says of the shop.
#[derive(Clone, Debug)]
pub struct Info<'a> {
    /// The shop's name.
    pub title: &'a str,
    /// The version of the program.
    pub version: &'a str,
    /// Where the shop answers, e.g. `/` for wherever the document was fetched.
    pub server: &'a str,
    /// Whether an address is to be reached there: services answer more spellings on ports of their own.
    pub routed: fn(&str) -> bool,
}

/// The document of all public routes among `declared`.
pub fn document(declared: &[Declared], info: &Info<'_>) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut tags = BTreeSet::new();
    for route in declared.iter().filter(|route| !route.is_internal()) {
        tags.insert(route.service);
        let methods = paths.entry(public_path(route.path)).or_default();
        methods.insert(
            route.method.as_str().to_lowercase(),
            operation(route, &route.method, info.routed, &mut schemas),
        );
        // Other methods at the same address are operations of the document, too.
        for (method, _) in route
            .also
            .iter()
            .filter(|(method, path)| *path == route.path && *method != route.method)
        {
            methods.insert(
                method.as_str().to_lowercase(),
                operation(route, method, info.routed, &mut schemas),
            );
        }
    }
    schemas.answer(|generator| generator.subschema_for::<wire::Problem>());
    let mut paths = json!(paths);
    let components = schemas.finish(&mut paths);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": info.title,
            "version": info.version,
            "summary": "Sells things: catalogue, carts, orders, payments.",
            "description": "Money is an exact decimal with its currency. Lists are bare arrays; the next page is in \
                `Link`. Errors are problem documents (RFC 9457) with a stable `code`. Every answer tells in `RateLimit` \
                what is left of your allowance (draft-ietf-httpapi-ratelimit-headers-10). A JSON body may be sent \
                encrypted, as `{\"encrypted\": \"…\"}`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": info.server }],
        "tags": tags.iter().map(|tag| json!({ "name": tag, "description": tag_words(tag) })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "An access token from register, login, guest or refresh; or an API key (`imk_…`), for what its \
                        permissions say.",
                },
            },
            "headers": {
                "RequestId": { "description": "The request's id.", "schema": { "type": "string" } },
                "Link": { "description": "`<…>; rel=\"next\"` when there is a next page.", "schema": { "type": "string" } },
                "Location": { "description": "The address of the new record.", "schema": { "type": "string" } },
                "ETag": { "description": "The tag of this state, for `If-Match` and `If-None-Match`.", "schema": { "type": "string" } },
                "RateLimit": {
                    "description": "What is left of the allowance, and in how many seconds it is whole again.",
                    "schema": { "type": "string" },
                    "example": "\"reads\";r=5999;t=1",
                },
                "RateLimitPolicy": {
                    "description": "The allowance: how many requests in how many seconds.",
                    "schema": { "type": "string" },
                    "example": "\"reads\";q=6000;w=60",
                },
                "RetryAfter": {
                    "description": "After how many seconds to try again.",
                    "schema": { "type": "integer", "minimum": 0 },
                    "example": 1,
                },
                "Replayed": { "description": "`true`: an earlier call with the same key was answered like this.", "schema": { "type": "string" } },
            },
            "responses": {
                "Problem": {
                    "description": "A refusal or a fault.",
                    "x-codes": codes::OF_ANY_CALL,
                    "content": { "application/problem+json": { "schema": { "$ref": format!("{SCHEMAS}Problem") } } },
                },
            },
        },
    });
    examples::fill(&mut document);
    document
}

fn operation(route: &Declared, method: &Method, routed: fn(&str) -> bool, schemas: &mut Schemas) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".into(), json!(operation_id(method, route.path)));
    operation.insert("tags".into(), json!([route.service]));
    operation.insert(
        "summary".into(),
        json!(if route.summary.is_empty() {
            route.path
        } else {
            route.summary
        }),
    );
    let description = format!("{}\n\nRights: {}.", route.description, rights_words(route.rights));
    operation.insert("description".into(), json!(description.trim_start()));
    let also = also(route, method, routed);
    if !also.is_empty() {
        operation.insert("x-also".into(), json!(also));
    }
    operation.insert("x-rights".into(), json!(rights_name(route.rights)));
    if let Rights::May(permission) | Rights::MayOrService(permission) = route.rights {
        operation.insert("x-permission".into(), json!(permission.to_string()));
    }
    let bearer = json!({ "bearer": [] });
    let security = if route.rights == Rights::Anyone {
        json!([{}, bearer])
    } else {
        json!([bearer])
    };
    operation.insert("security".into(), security);
    let parameters = parameters(route, schemas);
    if !parameters.is_empty() {
        operation.insert("parameters".into(), Value::Array(parameters));
    }
    if let Some(body) = route.takes {
        let schema = schemas.request(body);
        let required = schemas.needs_a_body(&schema);
        let body = json!({ "required": required, "content": { "application/json": { "schema": schema } } });
        operation.insert("requestBody".into(), body);
    }
    if !route.takes_text.is_empty() {
        // Somebody else's JSON has a form that only they know.
        let schema = if route.takes_text.starts_with("text/") {
            json!({ "type": "string" })
        } else {
            json!({})
        };
        let body = json!({ "required": true, "content": { route.takes_text: { "schema": schema } } });
        operation.insert("requestBody".into(), body);
    }
    operation.insert("responses".into(), answers::responses(route, schemas));
    Value::Object(operation)
}

/// What a service does, for the document's table of contents.
fn tag_words(service: &str) -> &'static str {
    match service {
        "identity" => "Accounts, guests, sessions.",
        "catalog" => "Products, variants, stock; import and export.",
        "cart" => "What somebody is about to order.",
        "orders" => "From placing an order to its delivery or cancellation.",
        "payments" => "Payments, captures, refunds.",
        "events" => "What happened, in order.",
        _ => "Further calls.",
    }
}

/// The address at the gateway.
fn public_path(path: &str) -> String {
    if path.starts_with("/.well-known/") {
        path.to_owned()
    } else {
        format!("/api{path}")
    }
}

/// `GET /orders/{id}/events` is `getOrdersIdEvents`.
fn operation_id(method: &Method, path: &str) -> String {
    let words = path
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.fold(method.as_str().to_lowercase(), |mut id, word| {
        let mut letters = word.chars();
        id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        id.push_str(letters.as_str());
        id
    })
}

/// Every other public address of the operation, with its method.
fn also(route: &Declared, method: &Method, routed: fn(&str) -> bool) -> Vec<String> {
    let own = std::iter::once((&route.method, route.path));
    let others = route.also.iter().map(|(method, path)| (method, *path));
    let canonical = format!("{method} /api{}", route.path);
    let all = own.chain(others).flat_map(|(method, path)| {
        spellings(path, route.singular)
            .into_iter()
            .map(move |spelled| format!("{method} {spelled}"))
    });
    let is_public = |one: &String| {
        let path = one.split_once(' ').map_or("", |(_, path)| path);
        path.starts_with("/api/") && routed(path) && *one != canonical
    };
    let public: BTreeSet<String> = all.filter(is_public).collect();
    public.into_iter().collect()
}

fn parameters(route: &Declared, schemas: &mut Schemas) -> Vec<Value> {
    let slots = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = slots
        .map(|slot| {
            let name = slot.trim_start_matches('*');
            let told = route.params.iter().find(|(known, _)| *known == name).map(|(_, words)| *words);
            let words = told.unwrap_or("Which one: its id, or another of its names.");
            json!({ "name": name, "in": "path", "required": true, "description": words, "schema": { "type": "string" } })
        })
        .collect();
    if let Some(query) = route.query {
        parameters.extend(schemas.query(query));
    }
    if is_keyed(route) {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A call repeated with the same key acts once.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        }));
    }
    let mut condition = |name: &str, words: &str| {
        parameters.push(json!({
            "name": name, "in": "header", "required": false, "description": words, "schema": { "type": "string" },
        }));
    };
    if route.refuses.iter().any(|(status, _)| *status == 412) {
        condition(
            "If-Match",
            "The `ETag` of what the change is meant for; refused with 412 when it is another by now.",
        );
    }
    if answers::is_tagged(route) {
        condition(
            "If-None-Match",
            "The `ETag` of what the caller has; answered with 304 while it is still the same.",
        );
    }
    parameters
}

/// Whether a key makes the call act once: writes of known callers. No answer that holds tokens is ever kept.
fn is_keyed(route: &Declared) -> bool {
    let kept = !route.path.starts_with("/auth/");
    kept && route.method != Method::GET && route.rights != Rights::Anyone
}

/// The kind of right; which permission is told beside it.
fn rights_name(rights: Rights) -> String {
    match rights {
        Rights::May(_) => "Staff".to_owned(),
        Rights::MayOrService(_) => "StaffOrService".to_owned(),
        plain => format!("{plain:?}"),
    }
}

fn rights_words(rights: Rights) -> String {
    let words = match rights {
        Rights::Anyone => "anybody",
        Rights::User => "anybody with a token",
        Rights::Owner => "the owner, or staff",
        Rights::Admin => "administrators",
        Rights::Service => "services of the shop",
        Rights::May(permission) => return format!("staff and API keys with the permission `{permission}`"),
        Rights::MayOrService(permission) => {
            return format!("staff and API keys with the permission `{permission}`, or a service of the shop");
        }
    };
    words.to_owned()
}

/// Schemas on their way into `components`: requests and answers apart.
struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
    /// Schemas of requests are marked until it is known which names both sides need.
    queries: BTreeSet<String>,
}

/// Stands before the name in references of requests until names are settled.
const REQUEST: &str = "#/requests/";

impl Schemas {
    fn new() -> Self {
        let settings = |path: &'static str| {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = path.into();
                settings.meta_schema = None;
            })
        };
        Self {
            requests: settings("/requests").into_generator(),
            answers: settings("/components/schemas").for_serialize().into_generator(),
            queries: BTreeSet::new(),
        }
    }

    fn request(&mut self, schema: SchemaOf) -> Value {
        whole(schema(&mut self.requests).to_value())
    }

    fn answer(&mut self, schema: SchemaOf) -> Value {
        whole(schema(&mut self.answers).to_value())
    }

    /// Whether a request's schema needs any field: without one, no body at all is as good as `{}`.
    fn needs_a_body(&self, schema: &Value) -> bool {
        let name = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|at| at.strip_prefix(REQUEST));
        let own = name
            .and_then(|name| self.requests.definitions().get(name))
            .unwrap_or(schema);
        own.get("type").is_none_or(|kind| kind != "object") || own.get("required").is_some()
    }

    /// One parameter for each field of the query's type.
    fn query(&mut self, schema: SchemaOf) -> Vec<Value> {
        let mut schema = schema(&mut self.requests).to_value();
        if let Some(name) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|at| at.strip_prefix(REQUEST))
        {
            self.queries.insert(name.to_owned());
            schema = self.requests.definitions().get(name).cloned().unwrap_or_default();
        }
        let needed: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let fields = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        fields
            .map(|(name, schema)| {
                let mut schema = schema.clone();
                let words = schema.as_object_mut().and_then(|schema| schema.remove("description"));
                json!({
                    "name": name, "in": "query", "required": needed.contains(&name.as_str()),
                    "description": words.unwrap_or_default(), "schema": schema,
                })
            })
            .collect()
    }

    /// The components; references in `paths` get their settled names.
    fn finish(mut self, paths: &mut Value) -> Value {
        let requests = self.requests.take_definitions(true);
        let mut components = self.answers.take_definitions(true);
        // A request's form that differs from the answer's gets a name of its own, and so does all that names it.
        let plain = |value: &Value| settled(value.clone(), &BTreeSet::new());
        let mut own: BTreeSet<String> = requests
            .iter()
            .filter(|(name, schema)| components.get(*name).is_some_and(|answer| *answer != plain(schema)))
            .map(|(name, _)| name.clone())
            .collect();
        loop {
            let more: Vec<String> = requests
                .iter()
                .filter(|(name, schema)| {
                    let text = schema.to_string();
                    let names = |other: &String| text.contains(&format!("\"{REQUEST}{other}\""));
                    components.contains_key(*name) && !own.contains(*name) && own.iter().any(names)
                })
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            own.extend(more);
        }
        for (name, schema) in requests {
            if self.queries.contains(&name) {
                continue;
            }
            let name = if own.contains(&name) {
                format!("{name}Input")
            } else {
                name
            };
            components.insert(name, settled(schema, &own));
        }
        *paths = settled(std::mem::take(paths), &own);
        Value::Object(components)
    }
}

/// Anything at all is `true` in JSON Schema; readers of OpenAPI want the object that says the same.
fn whole(schema: Value) -> Value {
    if schema == Value::Bool(true) { json!({}) } else { schema }
}

/// The value with its references to requests under their final names.
fn settled(value: Value, own: &BTreeSet<String>) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| settled(item, own)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let target = value
                    .as_str()
                    .filter(|_| name == "$ref")
                    .and_then(|at| at.strip_prefix(REQUEST));
                let value = match target {
                    Some(target) if own.contains(target) => json!(format!("{SCHEMAS}{target}Input")),
                    Some(target) => json!(format!("{SCHEMAS}{target}")),
                    None => settled(value, own),
                };
                (name, value)
            });
            Value::Object(fields.collect())
        }
        other => other,
    }
}
