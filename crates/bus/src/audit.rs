//! The audit log's entries on their way: each is told in the transaction of the change that it tells of.

use std::borrow::Cow;

use api::trail::STAFF_ACTION;
use base::EventId;
use serde_json::{Map, Value};
use store::{Error, Outgoing, Tx};

/// The longest value of a field that is kept, in bytes of its JSON: a product's variants or a page of text. Of a longer
/// one is kept that it changed, so that an entry fits a delivery, and a page of entries an answer.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// What is kept of such a value.
const CHANGED: &str = "changed";

/// What somebody of the staff did. `before` and `after` are JSON objects; what is the same in both is left out, and of
/// what is too long only that it changed is kept.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// What was done, e.g. `product.update`.
    pub action: &'static str,
    /// To what, e.g. a product's id.
    pub subject: &'a str,
    /// What was there; none for what is new.
    pub before: Option<Value>,
    /// What is there now; none for what is gone.
    pub after: Option<Value>,
}

/// Records a deed with the rows that it changes. A change that changed nothing is not recorded.
///
/// # Errors
/// The database's.
pub fn audit(tx: &mut Tx<'_>, actor: &str, request_id: &str, deed: Deed<'_>) -> Result<(), Error> {
    let (before, after) = differing(deed.before, deed.after);
    if before.as_ref().is_some_and(Map::is_empty) && after.as_ref().is_some_and(Map::is_empty) {
        return Ok(());
    }
    let told = api::trail::Deed {
        action: deed.action.to_owned(),
        before,
        after,
    };
    let now = tx.clock().now();
    let id: EventId = tx.ids().next(now);
    tx.emit(Outgoing {
        id,
        kind: Cow::Borrowed(STAFF_ACTION),
        subject: deed.subject.to_owned(),
        // Entries are no versions of their subject: whoever compares sequences never sees them.
        sequence: 0,
        at: now,
        actor: actor.to_owned(),
        request_id: request_id.to_owned(),
        data: serde_json::to_string(&told).map_err(|fault| Error::Corrupt(fault.to_string()))?,
    })
}

/// The fields of an object; none where there is none.
type Fields = Option<Map<String, Value>>;

/// The two objects without the fields in which they agree.
fn differing(before: Option<Value>, after: Option<Value>) -> (Fields, Fields) {
    let (mut before, mut after) = (before.map(object), after.map(object));
    if let (Some(old), Some(new)) = (&mut before, &mut after) {
        let same: Vec<String> = old
            .iter()
            .filter(|(name, value)| new.get(*name) == Some(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in same {
            old.remove(&name);
            new.remove(&name);
        }
    }
    for fields in [&mut before, &mut after].into_iter().flatten() {
        for value in fields.values_mut().filter(|value| is_long(value)) {
            *value = CHANGED.into();
        }
    }
    (before, after)
}

fn is_long(value: &Value) -> bool {
    value.to_string().len() > VALUE_BYTES_MAX
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_kept() {
        let (before, after) = differing(
            Some(json!({ "name": "Lamp", "price": 1, "tags": ["a"] })),
            Some(json!({ "name": "Lamp", "price": 2, "tags": ["a"], "vendor": "x" })),
        );
        assert_eq!(Value::from(before.expect("before")), json!({ "price": 1 }));
        assert_eq!(Value::from(after.expect("after")), json!({ "price": 2, "vendor": "x" }));
    }

    #[test]
    fn of_long_values_it_is_kept_that_they_changed() {
        let long = |letter: &str| json!({ "images": [letter.repeat(VALUE_BYTES_MAX)], "name": letter });
        let (before, after) = differing(Some(long("a")), Some(long("b")));
        assert_eq!(
            Value::from(before.expect("before")),
            json!({ "images": "changed", "name": "a" })
        );
        assert_eq!(
            Value::from(after.expect("after")),
            json!({ "images": "changed", "name": "b" })
        );
    }

    #[test]
    fn what_is_new_or_gone_is_kept_whole() {
        let (before, after) = differing(None, Some(json!({ "role": "staff" })));
        assert!(before.is_none());
        assert_eq!(Value::from(after.expect("after")), json!({ "role": "staff" }));
    }
}
