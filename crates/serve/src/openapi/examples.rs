//! An example for every request, answer and refusal of the document.
//!
//! A type's own example (`#[schemars(example = …)]`) is taken as it stands; what has none is made from its schema:
//! every field of an answer, the needed ones of a request and those that have an example of their own.

use serde_json::{Map, Value, json};

/// How deep examples go; deeper lies only what repeats itself.
const DEPTH_MAX: usize = 12;

/// What fields of these names hold, where their schemas say nothing nearer.
const TEXTS: &[(&str, &str)] = &[
    ("action", "product.update"),
    ("alt", "The hammer from the side"),
    ("category", "Tools"),
    ("city", "Sheffield"),
    ("code", "card_declined"),
    ("company", "Forge & Daughters"),
    ("country", "GB"),
    ("description", "Forged in one piece, with a handle of ash."),
    ("email", "buyer@example.com"),
    ("handle", "claw-hammer"),
    ("imageUrl", "https://images.example.com/claw-hammer.jpg"),
    ("name", "Claw hammer"),
    ("newPassword", "correct horse battery staple"),
    ("password", "correct horse battery"),
    ("currentPassword", "correct horse battery"),
    ("phone", "+44 20 7946 0000"),
    ("postalCode", "S1 2HE"),
    ("q", "hammer"),
    ("reason", "ordered by mistake"),
    ("search", "hammer"),
    ("sku", "HAMMER-16"),
    ("state", "South Yorkshire"),
    ("street", "1 Forge Lane"),
    ("url", "https://images.example.com/claw-hammer.jpg"),
    ("username", "buyer"),
    ("vendor", "Ironmonger"),
];

/// A file of products: one without and one with something to choose.
const FILE: &str = "Handle,Title,Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,\
    Variant Price,Status
anvil-50,Anvil 50 kg,Ironmonger,Tools,forged,Title,Default Title,ANVIL-50,6,389.00,active
tongs,Tongs,Ironmonger,Tools,forged,Jaw,flat,TONGS-FLAT,20,31.50,active
tongs,,,,,,round,TONGS-ROUND,12,33.00,
";

/// Puts examples into a finished document.
pub fn fill(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let maker = Maker { schemas: &schemas };
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (_, methods) in paths.into_iter().flatten() {
        for (_, operation) in methods.as_object_mut().into_iter().flatten() {
            maker.operation(operation);
        }
    }
}

struct Maker<'a> {
    schemas: &'a Value,
}

/// Which fields an example shows.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Request,
    Answer,
}

impl Maker<'_> {
    fn operation(&self, operation: &mut Value) {
        for parameter in operation
            .get_mut("parameters")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            // What may be left out is shown only where its type says how it looks.
            let needed = parameter["required"] == true;
            let told = self.told(&parameter["schema"]);
            if let Some(value) =
                told.or_else(|| needed.then(|| self.made(&parameter["schema"], &name, Side::Request, 0)))
            {
                parameter["example"] = value;
            }
        }
        let bodies = operation
            .pointer_mut("/requestBody/content")
            .and_then(Value::as_object_mut);
        for (kind, media) in bodies.into_iter().flatten() {
            media["example"] = match kind.as_str() {
                "application/json" if media["schema"] == json!({}) => provider_message(),
                "application/json" => self.made(&media["schema"], "", Side::Request, 0),
                _ => json!(FILE),
            };
        }
        for (status, response) in operation
            .get_mut("responses")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            if let Some(media) = response.pointer_mut("/content/application~1json")
                && let Some(schema) = media.get("schema")
            {
                media["example"] = self.made(schema, "", Side::Answer, 0);
            }
            let codes: Vec<String> = response
                .get_mut("x-codes")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .filter_map(|code| code.as_str().map(str::to_owned))
                .collect();
            if let Some(media) = response.pointer_mut("/content/application~1problem+json") {
                let examples: Map<String, Value> = codes
                    .iter()
                    .map(|code| (code.clone(), json!({ "value": refusal(status, code) })))
                    .collect();
                media["examples"] = Value::Object(examples);
            }
        }
    }

    /// The example that a schema brings along.
    fn told(&self, schema: &Value) -> Option<Value> {
        let own = schema.get("examples").and_then(|examples| examples.get(0));
        let own = own.or_else(|| schema.get("const")).cloned();
        own.or_else(|| self.named(schema).and_then(|target| self.told(target)))
    }

    fn named(&self, schema: &Value) -> Option<&Value> {
        let name = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
        self.schemas.get(name)
    }

    fn made(&self, schema: &Value, name: &str, side: Side, depth: usize) -> Value {
        if let Some(told) = self.told(schema) {
            return told;
        }
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        if let Some(target) = self.named(schema) {
            return self.made(target, name, side, depth + 1);
        }
        if let Some(first) = schema.get("enum").and_then(|words| words.get(0)) {
            return first.clone();
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            let real = |one: &&Value| one.get("type") != Some(&json!("null"));
            let choices = schema.get(choice).and_then(Value::as_array);
            if let Some(one) = choices.and_then(|choices| choices.iter().find(real)) {
                return self.made(one, name, side, depth + 1);
            }
        }
        match kind_of(schema) {
            "object" => self.object(schema, side, depth),
            "array" => match schema.get("items") {
                Some(items) => json!([self.made(items, name, side, depth + 1)]),
                None => json!([]),
            },
            "string" => text(schema, name),
            "integer" | "number" => schema
                .get("default")
                .filter(|value| value.is_number())
                .or_else(|| schema.get("minimum"))
                .cloned()
                .filter(|least| least.as_f64().is_some_and(|least| least >= 1.0))
                .unwrap_or_else(|| json!(1)),
            "boolean" => schema.get("default").cloned().unwrap_or(json!(true)),
            _ => json!({}),
        }
    }

    fn object(&self, schema: &Value, side: Side, depth: usize) -> Value {
        let needed: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let fields = schema.get("properties").and_then(Value::as_object);
        let shown = fields.into_iter().flatten().filter(|(name, field)| {
            side == Side::Answer || needed.contains(&name.as_str()) || field.get("examples").is_some()
        });
        shown
            .map(|(name, field)| (name.clone(), self.made(field, name, side, depth + 1)))
            .collect::<Map<String, Value>>()
            .into()
    }
}

/// The first kind that a schema allows and that is not null.
fn kind_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("null"),
        _ => "",
    }
}

fn text(schema: &Value, name: &str) -> Value {
    let known = TEXTS.iter().find(|(field, _)| *field == name).map(|(_, text)| *text);
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => json!("2026-01-02T03:04:05.678Z"),
        Some("date") => json!("2026-01-02"),
        Some("uri" | "url") => json!(known.unwrap_or("https://shop.example/")),
        _ => json!(known.unwrap_or("text")),
    }
}

/// What a payment provider sends, whose form is its own: here the simulated one's.
fn provider_message() -> Value {
    json!({
        "type": "charge.captured",
        "data": { "charge": {
            "key": "att_01j9zk3v5w8q2m4n6p7r8s9t0v",
            "id": "chg_01j9zk3v5w8q2m4n6p7r8s9t0v",
            "status": "captured",
            "amount": { "minor": 99999, "currency": "USD" },
            "refunded": { "minor": 0, "currency": "USD" },
        } },
    })
}

fn refusal(status: &str, code: &str) -> Value {
    let status = status
        .parse()
        .ok()
        .and_then(|status: u16| http::StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(http::StatusCode::BAD_REQUEST);
    let meaning = super::codes::meaning(code).unwrap_or("The call was refused.");
    let mut problem = wire::Problem::new(status, code.to_owned(), meaning);
    problem.request_id = Some("req_01j9zk3v5w8q2m4n6p7r8s9t0v".to_owned());
    if code == "invalid" {
        problem = problem.field("/quantity", "must be at least 1");
    }
    if matches!(status.as_u16(), 429 | 503) {
        problem = problem.retry_after(1);
    }
    serde_json::to_value(problem).unwrap_or_default()
}
