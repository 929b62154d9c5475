//! What is wrong with a value, all of it, in sentences for people.
//!
//! A body or a query is parsed into its type first. Only when that fails is it held against the type's
//! JSON Schema, which finds every fault at once and not just the first. Validators are made on the first
//! failure of a type and kept.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// The most faults that one answer names.
const FAULTS_MAX: usize = 100;

/// Spellings of fields that requests may use as well, and ours.
const SPELLINGS: &[(&str, &str)] = &[
    ("product_id", "productId"),
    ("variant_id", "variantId"),
    ("user_id", "userId"),
    ("order_id", "orderId"),
    ("stock_quantity", "stock"),
    ("first_name", "firstName"),
    ("last_name", "lastName"),
    ("image_url", "imageUrl"),
    ("zipCode", "postalCode"),
    ("zip_code", "postalCode"),
    ("zip", "postalCode"),
    ("postal_code", "postalCode"),
    ("qty", "quantity"),
    ("guest_token", "guestToken"),
    ("refresh_token", "refreshToken"),
    ("current_password", "currentPassword"),
    ("new_password", "newPassword"),
    ("shipping_address", "shippingAddress"),
    ("billing_address", "billingAddress"),
    ("payment_method", "paymentMethod"),
    ("payment_token", "paymentToken"),
    ("compare_at_price", "compareAtPrice"),
];

/// A type's schema, ready to hold values against.
pub(crate) struct Check {
    validator: Option<Validator>,
    schema: Value,
}

static CHECKS: LazyLock<RwLock<HashMap<TypeId, Arc<Check>>>> = LazyLock::new(RwLock::default);

/// The check of a type, made when it is first asked for.
pub(crate) fn check_of(of: TypeId, schema: fn(&mut SchemaGenerator) -> Schema) -> Arc<Check> {
    if let Some(check) = CHECKS.read().unwrap_or_else(PoisonError::into_inner).get(&of) {
        return check.clone();
    }
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let schema = schema(&mut generator).to_value();
    let validator = jsonschema::draft202012::new(&schema);
    if let Err(fault) = &validator {
        tracing::error!(%fault, "a type has a schema that cannot be used; its faults are told one by one");
    }
    let check = Arc::new(Check {
        validator: validator.ok(),
        schema,
    });
    CHECKS
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(of, check.clone());
    check
}

impl Check {
    /// Every fault of the value: a JSON pointer and a sentence each.
    pub(crate) fn faults(&self, value: &Value) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for fault in self.validator.iter().flat_map(|validator| validator.iter_errors(value)) {
            match fault.kind() {
                // An object that has no fields at all; the fault does not say which it was given.
                ValidationErrorKind::FalseSchema => {
                    let at = fault.instance_path().to_string();
                    let fields = value.pointer(&at).and_then(Value::as_object).into_iter().flatten();
                    let pointers = fields.map(|(field, _)| format!("{at}/{}", escape(field)));
                    found.extend(pointers.map(|pointer| (pointer, "is not a field of this; it has none".to_owned())));
                }
                _ => self.tell(&fault, &mut found),
            }
            if found.len() >= FAULTS_MAX {
                break;
            }
        }
        found.sort();
        found.dedup();
        found.truncate(FAULTS_MAX);
        found
    }

    /// Whether the type is an object.
    pub(crate) fn is_of_object(&self) -> bool {
        self.schema.get("type").is_some_and(|kind| kind == "object")
    }

    /// Whether a parameter may be given several times.
    pub(crate) fn is_list(&self, name: &str) -> bool {
        let kind = self.schema.pointer(&format!("/properties/{}/type", escape(name)));
        kind.is_some_and(|kind| kind == "array")
    }

    /// A parameter's text as the type that the schema wants, as far as it can be read as such.
    pub(crate) fn typed(&self, name: &str, text: &str) -> Value {
        let wanted = self.schema.pointer(&format!("/properties/{name}"));
        let wants = |kind: &str| {
            wanted
                .and_then(|schema| schema.get("type"))
                .is_some_and(|types| match types {
                    Value::String(one) => one == kind,
                    Value::Array(several) => several.iter().any(|one| one == kind),
                    _ => false,
                })
        };
        let number = || {
            text.parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<f64>().map(Value::from))
        };
        if (wants("integer") || wants("number")) && number().is_ok() {
            return number().unwrap_or_default();
        }
        if wants("boolean")
            && let Ok(flag) = text.parse::<bool>()
        {
            return Value::Bool(flag);
        }
        Value::from(text)
    }

    fn tell(&self, fault: &ValidationError<'_>, found: &mut Vec<(String, String)>) {
        let at = fault.instance_path().to_string();
        match fault.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.known_fields(fault);
                for field in unexpected {
                    let detail = match known.is_empty() {
                        true => "is not a field of this".to_owned(),
                        false => format!("is not a field of this; known are {}", known.join(", ")),
                    };
                    found.push((format!("{at}/{}", escape(field)), detail));
                }
            }
            ValidationErrorKind::Required { property } => {
                let field = property.as_str().unwrap_or_default();
                found.push((format!("{at}/{}", escape(field)), "is needed".to_owned()));
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                self.tell_choice(at, context, found);
            }
            ValidationErrorKind::Pattern { .. } => {
                // A pattern is for machines; people understand an example.
                let detail = match (self.words_of(fault), self.example_of(fault)) {
                    (Some(words), _) => format!("must be one of {words}, or several with commas between them"),
                    (None, Some(example)) => format!("must be written like {example}"),
                    (None, None) => "is not of the form that this field has".to_owned(),
                };
                found.push((at, detail));
            }
            kind => found.push((at, sentence(kind, fault))),
        }
    }

    /// The words that a list of them with commas is made of, where the schema that refused one says so in `x-words`.
    fn words_of(&self, fault: &ValidationError<'_>) -> Option<String> {
        let path = fault.schema_path().to_string();
        let (owner, _) = path.rsplit_once('/')?;
        let words = self.resolve(owner)?.get("x-words")?.as_array()?;
        let words: Vec<String> = words.iter().map(Value::to_string).collect();
        Some(words.join(", "))
    }

    /// The example that the schema nearest to a fault gives, as a person would write it.
    fn example_of(&self, fault: &ValidationError<'_>) -> Option<String> {
        let mut path = fault.schema_path().to_string();
        loop {
            path.truncate(path.rfind('/')?);
            if path.ends_with("/properties") {
                return None;
            }
            let examples = self.resolve(&path).and_then(|schema| schema.get("examples"));
            if let Some(example) = examples.and_then(|examples| examples.get(0)) {
                return Some(match example {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
            }
        }
    }

    /// The schema at a path that may lead through references.
    fn resolve(&self, path: &str) -> Option<&Value> {
        let mut at = &self.schema;
        for step in path.split('/').skip(1) {
            at = match step {
                "$ref" => {
                    let target = at.get("$ref").and_then(Value::as_str)?;
                    self.schema.pointer(target.trim_start_matches('#'))?
                }
                _ => {
                    let step = step.replace("~1", "/").replace("~0", "~");
                    match at {
                        Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                        _ => at.get(&step)?,
                    }
                }
            };
        }
        Some(at)
    }

    /// A value that fits none of several forms: the faults of the form that it comes closest to.
    fn tell_choice(&self, at: String, forms: &[Vec<ValidationError<'static>>], found: &mut Vec<(String, String)>) {
        let of_kind = |faults: &&Vec<ValidationError<'static>>| {
            // An optional object is `object or null`: that it is not null is no news.
            !faults.iter().any(|fault| {
                matches!(fault.kind(), ValidationErrorKind::Type { .. }) && fault.instance_path().to_string() == at
            })
        };
        // One of several words: the first would be told as if it were the only one.
        let words: Vec<String> = forms
            .iter()
            .flatten()
            .filter_map(|fault| match fault.kind() {
                ValidationErrorKind::Constant { expected_value } if fault.instance_path().to_string() == at => {
                    Some(expected_value.to_string())
                }
                _ => None,
            })
            .collect();
        if words.len() > 1 && words.len() == forms.len() {
            found.push((at, format!("must be one of {}", words.join(", "))));
            return;
        }
        match forms.iter().filter(of_kind).min_by_key(|faults| faults.len()) {
            Some(faults) => faults.iter().for_each(|fault| self.tell(fault, found)),
            None => {
                let mut kinds: Vec<String> = forms
                    .iter()
                    .flatten()
                    .filter_map(|fault| match fault.kind() {
                        ValidationErrorKind::Type { kind } => Some(kind_words(kind)),
                        _ => None,
                    })
                    .collect();
                kinds.dedup();
                found.push((at, format!("must be {}", kinds.join(" or "))));
            }
        }
    }

    /// The fields of the object that refused one, from the schema that did.
    fn known_fields(&self, fault: &ValidationError<'_>) -> Vec<String> {
        let path = fault.schema_path().to_string();
        let owner = path.rsplit_once('/').map_or("", |(owner, _)| owner);
        let properties = self.schema.pointer(&format!("{owner}/properties"));
        let fields = properties
            .and_then(Value::as_object)
            .map(|fields| fields.keys().cloned().collect());
        fields.unwrap_or_default()
    }
}

fn sentence(kind: &ValidationErrorKind, fault: &ValidationError<'_>) -> String {
    match kind {
        ValidationErrorKind::Type { kind } => format!("must be {}", kind_words(kind)),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} entries"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} entries"),
        ValidationErrorKind::MaxProperties { limit } => format!("must have at most {limit} fields"),
        ValidationErrorKind::MinProperties { limit } => format!("must have at least {limit} fields"),
        ValidationErrorKind::UniqueItems => "must not name anything twice".to_owned(),
        ValidationErrorKind::Enum { options } => {
            let words = options.as_array().into_iter().flatten().map(Value::to_string);
            format!("must be one of {}", words.collect::<Vec<_>>().join(", "))
        }
        ValidationErrorKind::Constant { expected_value } => format!("must be {expected_value}"),
        ValidationErrorKind::Format { format } => format!("must be a text of the form {format}"),
        _ => fault.masked().to_string(),
    }
}

fn kind_words(kind: &TypeKind) -> String {
    let words = |name: &str| match name {
        "integer" => "a whole number".to_owned(),
        "array" => "an array".to_owned(),
        "object" => "an object".to_owned(),
        "boolean" => "true or false".to_owned(),
        "string" => "a text".to_owned(),
        "null" => "null".to_owned(),
        other => format!("a {other}"),
    };
    match kind {
        TypeKind::Single(one) => words(&one.to_string()),
        TypeKind::Multiple(several) => {
            // That a field may be left out needs no saying to somebody who wrote it.
            let named = several.iter().map(|one| one.to_string()).filter(|name| name != "null");
            named.map(|name| words(&name)).collect::<Vec<_>>().join(" or ")
        }
    }
}

/// Our spelling of every field for which a request used another one.
pub(crate) fn canonical(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Object(fields) => {
            let mut ours = Map::new();
            for (name, value) in fields {
                let spelling = SPELLINGS
                    .iter()
                    .find(|(other, _)| *other == name)
                    .map(|(_, ours)| *ours);
                ours.insert(spelling.map_or(name, str::to_owned), canonical(value));
            }
            Value::Object(ours)
        }
        other => other,
    }
}

/// A name within a JSON pointer (RFC 6901).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
