//! How people name a record: by number, id, SKU or handle.

use std::fmt;

use base::Id;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What stands in a segment of an address as more than itself.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'~');

/// A record named by a caller: all digits is a number, a known prefix an id, anything else a SKU or handle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ref {
    /// The record's number.
    Number(i64),
    /// A product's id.
    Product(base::ProductId),
    /// A variant's id.
    Variant(base::VariantId),
    /// A user's id.
    User(base::UserId),
    /// An order's id.
    Order(base::OrderId),
    /// A payment's id.
    Payment(base::PaymentId),
    /// A cart line's id.
    Line(base::LineId),
    /// A SKU, else a handle, else the name of a user.
    Text(String),
}

impl Ref {
    /// Reads a reference. Digits beyond 64 bits name nothing, so they are a text that nothing matches.
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map_or_else(|_| Ref::Text(text.to_owned()), Ref::Number);
        }
        fn id<I: Id>(text: &str, make: fn(I) -> Ref) -> Option<Ref> {
            text.starts_with(I::PREFIX)
                .then(|| text.parse().ok().map(make))
                .flatten()
        }
        id(text, Ref::Product)
            .or_else(|| id(text, Ref::Variant))
            .or_else(|| id(text, Ref::User))
            .or_else(|| id(text, Ref::Order))
            .or_else(|| id(text, Ref::Payment))
            .or_else(|| id(text, Ref::Line))
            .unwrap_or_else(|| Ref::Text(text.to_owned()))
    }

    /// It as one segment of an address: a text may hold slashes, question marks and whatever no address takes.
    pub(crate) fn segment(&self) -> String {
        utf8_percent_encode(&self.to_string(), SEGMENT).to_string()
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ref::Number(number) => number.fmt(f),
            Ref::Product(id) => id.fmt(f),
            Ref::Variant(id) => id.fmt(f),
            Ref::User(id) => id.fmt(f),
            Ref::Order(id) => id.fmt(f),
            Ref::Payment(id) => id.fmt(f),
            Ref::Line(id) => id.fmt(f),
            Ref::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Ref::Number(number) => to.serialize_i64(*number),
            other => to.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Ref;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number, an id, a SKU or a handle")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Ref, E> {
                Ok(Ref::Number(number))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Ref, E> {
                Ok(i64::try_from(number).map_or_else(|_| Ref::Text(number.to_string()), Ref::Number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ref, E> {
                Ok(Ref::new(text))
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl JsonSchema for Ref {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ref".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A number, an id, a SKU or a handle.", "type": ["integer", "string"], "examples": [1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_segment_of_an_address() {
        let check = |text: &str, segment: &str| assert_eq!(Ref::new(text).segment(), segment);
        check("7", "7");
        check("ada-l_1", "ada-l_1");
        check("../admins?x=1#y", "%2E%2E%2Fadmins%3Fx%3D1%23y");
        check("a} b\u{a0}", "a%7D%20b");
        check("ada@example.com", "ada%40example%2Ecom");
        for text in ["\u{e7}777}aY<\u{20}\u{2099}", "\u{7f}\n\\", ".", "%00"] {
            let path = format!("/internal/orders/{}/ownership", Ref::new(text).segment());
            assert!(path.parse::<http::Uri>().is_ok(), "{path}");
        }
    }

    #[test]
    fn what_is_named_shows_in_its_form() {
        let product = "prd_01j9zk3v5w8q2m4n6p7r8s9t0v";
        for (json, expected) in [
            ("1", Ref::Number(1)),
            ("\"1\"", Ref::Number(1)),
            ("\"prd_short\"", Ref::Text("prd_short".into())),
            ("\"tea-pot\"", Ref::Text("tea-pot".into())),
            (&format!("\"{product}\""), Ref::Product(product.parse().unwrap())),
        ] {
            assert_eq!(serde_json::from_str::<Ref>(json).unwrap(), expected, "{json}");
        }
        for json in ["1.5", "true", "null", "{}", "[]"] {
            assert!(serde_json::from_str::<Ref>(json).is_err(), "{json}");
        }
    }
}
