//! Parameters of lists, and who may read the log.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serve::{Mode, Query, Remote, SETTINGS_READ, Who};
use wire::Problem;

use crate::App;
use crate::domain::{Bound, Deeds, Filter, Span, is_from_here, values};
use crate::error::Error;

/// What of the log is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct AskedEvents {
    /// Only events of these types, e.g. `OrderConfirmed,OrderCancelled`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only what happened to these, e.g. an order's id.
    subject: Option<String>,
    /// Only what these services tell, e.g. `orders`.
    source: Option<String>,
    /// Only what is newer than this event (its id) or moment (RFC 3339).
    after: Option<String>,
    /// Only what is older than this event (its id) or moment (RFC 3339).
    before: Option<String>,
    /// How many, from 1 to 100; 20 when absent.
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: Option<u32>,
    /// Where to go on; from the `Link` header of the page before.
    pub(super) cursor: Option<String>,
}

/// What of the log is followed.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct AskedStream {
    /// Only events of these types, e.g. `OrderConfirmed,OrderCancelled`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only what happens to these, e.g. an order's id.
    subject: Option<String>,
    /// Only what these services tell, e.g. `orders`.
    source: Option<String>,
    /// Begins after this event (its id), or with the first arrival that is newer than this moment (RFC 3339).
    pub(super) after: Option<String>,
}

/// What of the audit log is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct AskedDeeds {
    /// Only what these did: ids of users or API keys.
    actor: Option<String>,
    /// Only what was done to these, e.g. a product's id.
    subject: Option<String>,
    /// Only these deeds, e.g. `product.update`.
    action: Option<String>,
    /// Only what is newer than this entry (its id) or moment (RFC 3339).
    after: Option<String>,
    /// Only what is older than this entry (its id) or moment (RFC 3339).
    before: Option<String>,
    /// How many, from 1 to 100; 20 when absent.
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: Option<u32>,
    /// Where to go on; from the `Link` header of the page before.
    pub(super) cursor: Option<String>,
}

impl AskedEvents {
    pub(super) fn filter(&self) -> Result<Filter, Error> {
        filter(&self.kind, &self.subject, &self.source)
    }

    pub(super) fn span(&self) -> Result<Span, Error> {
        span(&self.after, &self.before)
    }
}

impl AskedStream {
    pub(super) fn filter(&self) -> Result<Filter, Error> {
        filter(&self.kind, &self.subject, &self.source)
    }
}

impl AskedDeeds {
    pub(super) fn deeds(&self) -> Result<Deeds, Error> {
        Ok(Deeds {
            actors: several(&self.actor, "?actor")?,
            subjects: several(&self.subject, "?subject")?,
            actions: several(&self.action, "?action")?,
        })
    }

    pub(super) fn span(&self) -> Result<Span, Error> {
        span(&self.after, &self.before)
    }
}

fn filter(kind: &Option<String>, subject: &Option<String>, source: &Option<String>) -> Result<Filter, Error> {
    Ok(Filter {
        kinds: several(kind, "?type")?,
        subjects: several(subject, "?subject")?,
        sources: several(source, "?source")?,
    })
}

fn several(text: &Option<String>, name: &'static str) -> Result<Vec<String>, Error> {
    values(text.as_deref()).ok_or(Error::TooManyValues(name))
}

fn span(after: &Option<String>, before: &Option<String>) -> Result<Span, Error> {
    Ok(Span {
        after: bound(after.as_deref(), "?after")?,
        before: bound(before.as_deref(), "?before")?,
    })
}

/// An end of a span; none when it is absent or empty.
pub(super) fn bound(text: Option<&str>, name: &'static str) -> Result<Option<Bound>, Error> {
    let given = text.filter(|text| !text.is_empty());
    given
        .map(|text| Bound::parse(text).ok_or(Error::BadBound(name)))
        .transpose()
}

/// Parameters as [`Query`] has them, of which one that is repeated counts as if its values stood between commas.
pub(super) struct Listed<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + JsonSchema + 'static> FromRequestParts<S> for Listed<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked = parts.uri.clone();
        if let Some(joined) = joined(&asked) {
            parts.uri = joined;
        }
        let read = Query::from_request_parts(parts, state).await;
        parts.uri = asked;
        read.map(|Query(parameters)| Listed(parameters))
    }
}

/// The address with repeated parameters in one; none when there are no such.
fn joined(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let mut order: Vec<String> = Vec::new();
    let mut together: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let all = together.entry(name.clone().into_owned()).or_default();
        if all.is_empty() {
            order.push(name.into_owned());
        }
        all.push(value.into_owned());
    }
    if together.values().all(|all| all.len() == 1) {
        return None;
    }
    let mut text = form_urlencoded::Serializer::new(String::new());
    for name in &order {
        text.append_pair(name, &together[name].join(","));
    }
    let path: PathAndQuery = format!("{}?{}", uri.path(), text.finish()).parse().ok()?;
    Some(path.into())
}

/// Somebody who may read the log: staff with the permission, a service, and in development the developer's own machine
/// without a token.
pub(super) struct Reader(pub(super) Who);

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let who = Who::from_request_parts(parts, app).await?;
        let Remote(remote) = Remote::from_request_parts(parts, app).await?;
        if who.service().is_ok() {
            return Ok(Reader(who));
        }
        let Err(refusal) = who.may(SETTINGS_READ) else {
            return Ok(Reader(who));
        };
        let forwarded = parts
            .headers
            .get("x-forwarded-for")
            .map(|value| value.to_str().unwrap_or_default());
        let is_open = app.deps.mode == Mode::Development && who.0.is_none();
        if is_open && is_from_here(remote.map(|address| address.ip()), forwarded) {
            Ok(Reader(who))
        } else {
            Err(refusal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_parameters_become_one() {
        let check = |query: &str, expected: Option<&str>| {
            let uri: Uri = format!("/events?{query}").parse().unwrap();
            assert_eq!(joined(&uri).as_ref().and_then(Uri::query), expected, "{query}");
        };
        check("", None);
        check("type=a&subject=b", None);
        check("type=a&type=b", Some("type=a%2Cb"));
        check("type=a&limit=2&type=b%20c", Some("type=a%2Cb+c&limit=2"));
        check("x=%00&x=", Some("x=%00%2C"));
    }
}
