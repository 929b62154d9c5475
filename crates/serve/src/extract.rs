//! What a handler takes from the address and the headers: path, query, pages, preconditions.

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use base::{Cursor, PAGE_DEFAULT, PAGE_MAX, Page};
use http::request::Parts;
use http::{HeaderMap, header};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use wire::Problem;

use crate::faults;

/// Parameters after the question mark. Unknown ones are as `T` has it; a bad one is a 400 that names it.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

/// What separates the values of a parameter that was given several times, between the address and [`Many`]. No value of
/// an address that is ours holds it.
const BETWEEN: char = '\u{1f}';

/// A parameter that may be given several times: `?tag=a&tag=b`. In a type that a [`Query`] reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Many(pub Vec<String>);

impl Serialize for Many {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let joined = String::deserialize(from)?;
        Ok(Many(joined.split(BETWEEN).map(str::to_owned).collect()))
    }
}

impl JsonSchema for Many {
    fn schema_name() -> Cow<'static, str> {
        "Many".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<String>::json_schema(generator)
    }
}

/// Parameters in the path. What cannot be read names nothing: 404.
#[derive(Clone, Debug)]
pub struct Path<T>(pub T);

/// What the caller knows of the record: `If-Match` and `If-None-Match` (RFC 9110).
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The tag that a change is meant for.
    pub if_match: Option<String>,
    /// The tag of the copy that the caller has.
    pub if_none_match: Option<String>,
}

impl<S: Send + Sync, T: DeserializeOwned + JsonSchema + 'static> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = parts.uri.query().unwrap_or_default();
        let joined = joined::<T>(text);
        let text = joined.as_deref().unwrap_or(text);
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
        match T::deserialize(pairs) {
            // A NUL reaches no statement: PostgreSQL could not take it.
            Ok(_) if text.contains("%00") => Err(nul_problem(text)),
            Ok(query) => Ok(Query(query)),
            Err(_) => Err(query_problem::<T>(text)),
        }
    }
}

/// The parameters with those joined that may be given several times and were.
fn joined<T: JsonSchema + 'static>(text: &str) -> Option<String> {
    let mut names: Vec<Cow<'_, str>> = form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name).collect();
    names.sort_unstable();
    if !names.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    let check = check_of::<T>();
    let mut several: BTreeMap<Cow<'_, str>, String> = BTreeMap::new();
    let mut written = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if !check.is_list(&name) {
            written.append_pair(&name, &value);
            continue;
        }
        several
            .entry(name)
            .and_modify(|values| {
                values.push(BETWEEN);
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    for (name, values) in several {
        written.append_pair(&name, &values);
    }
    Some(written.finish())
}

fn check_of<T: JsonSchema + 'static>() -> Arc<faults::Check> {
    faults::check_of(
        TypeId::of::<T>(),
        schemars::generate::SchemaGenerator::root_schema_for::<T>,
    )
}

/// Names the parameters that hold U+0000.
fn nul_problem(text: &str) -> Problem {
    let holders =
        form_urlencoded::parse(text.as_bytes()).filter(|(name, value)| name.contains('\0') || value.contains('\0'));
    let problem = Problem::invalid("The parameters of the address are not as they should be.");
    holders.fold(problem, |problem, (name, _)| {
        problem.field(format!("?{name}"), "must not hold the character U+0000")
    })
}

/// Names everything that is wrong with a query.
fn query_problem<T: DeserializeOwned + JsonSchema + 'static>(text: &str) -> Problem {
    let check = check_of::<T>();
    let mut given: BTreeMap<String, Value> = BTreeMap::new();
    for (name, text) in form_urlencoded::parse(text.as_bytes()) {
        let value = match check.is_list(&name) {
            true => text.split(BETWEEN).collect(),
            false => check.typed(&name, &text),
        };
        given.insert(name.into_owned(), value);
    }
    let found = check.faults(&Value::Object(given.into_iter().collect()));
    let problem = Problem::invalid("The parameters of the address are not as they should be.");
    if !found.is_empty() {
        return found.into_iter().fold(problem, |problem, (pointer, detail)| {
            let name = pointer.trim_start_matches('/').to_owned();
            problem.field(format!("?{name}"), detail)
        });
    }
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    match serde_path_to_error::deserialize::<_, T>(pairs) {
        Err(fault) => {
            let pointer = format!("?{}", fault.path().to_string().trim_start_matches('.'));
            problem.field(pointer, fault.into_inner().to_string())
        }
        Ok(_) => problem,
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(_) if parts.uri.path().contains("%00") => Err(Problem::not_found(
                "Nothing has this address: it holds the character U+0000.",
            )),
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(_) => Err(Problem::not_found("Nothing has this address.")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Known::from(&parts.headers))
    }
}

impl From<&HeaderMap> for Known {
    fn from(headers: &HeaderMap) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        Self {
            if_match: text(header::IF_MATCH),
            if_none_match: text(header::IF_NONE_MATCH),
        }
    }
}

impl Known {
    /// Whether the caller's copy is the present one, so that a 304 will do. `tag` with its quotes.
    pub fn is_fresh(&self, tag: &str) -> bool {
        self.if_none_match.as_deref().is_some_and(|known| names(known, tag))
    }

    /// Lets a change pass that is meant for the present state.
    ///
    /// # Errors
    /// 412 `precondition_failed` when it is meant for another.
    pub fn permits(&self, tag: &str) -> Result<(), Problem> {
        match self.if_match.as_deref() {
            Some(wanted) if !names(wanted, tag) => Err(Problem::new(
                http::StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "Somebody changed this meanwhile. Read it again, and repeat the change with the new tag.",
            )),
            _ => Ok(()),
        }
    }
}

/// Whether a list of tags (or `*`) names `tag`; weak and strong spellings count alike.
fn names(list: &str, tag: &str) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    list.trim() == "*" || list.split(',').any(|one| bare(one) == bare(tag))
}

/// The page that `?limit=` and `?cursor=` ask for.
///
/// # Errors
/// 400 that names the parameter.
pub fn page(limit: Option<u32>, cursor: Option<&str>) -> Result<Page, Problem> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    let bad = || Problem::invalid("The parameters of the address are not as they should be.");
    if limit == 0 || limit > PAGE_MAX {
        return Err(bad().field("?limit", format!("must be from 1 to {PAGE_MAX}")));
    }
    let after = cursor.map(Cursor::decode).transpose();
    let after = after.map_err(|fault| bad().field("?cursor", fault.to_string()))?;
    Ok(Page { limit, after })
}
