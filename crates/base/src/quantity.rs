//! How many pieces: a whole number that cannot be negative or absurd.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// The most pieces of one line: four digits are what a person can have meant.
pub const QUANTITY_MAX: u32 = 9_999;

/// From 0 to [`QUANTITY_MAX`] pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Quantity(u32);

/// A number of pieces that nobody can order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 0 to {QUANTITY_MAX}")]
pub struct QuantityFault;

impl Quantity {
    /// One piece.
    pub const ONE: Quantity = Quantity(1);

    /// So many pieces. Errors: below 0 or above [`QUANTITY_MAX`].
    pub fn new(pieces: i64) -> Result<Self, QuantityFault> {
        u32::try_from(pieces)
            .ok()
            .filter(|pieces| *pieces <= QUANTITY_MAX)
            .map(Self)
            .ok_or(QuantityFault)
    }

    /// The number of pieces.
    pub fn pieces(self) -> i64 {
        i64::from(self.0)
    }

    /// None at all.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": QUANTITY_MAX, "examples": [2] })
    }
}

/// The schema of a quantity that is not 0, for fields that would mean nothing else: `with = "Option<SomePieces>"`.
pub struct SomePieces;

impl JsonSchema for SomePieces {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SomePieces".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": QUANTITY_MAX, "examples": [2] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_meant_is_a_quantity() {
        for (text, pieces) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("9999", Some(9_999)),
            ("10000", None),
            ("-1", None),
            ("1.5", None),
            ("\"1\"", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(
                serde_json::from_str::<Quantity>(text).ok().map(Quantity::pieces),
                pieces,
                "{text}"
            );
        }
    }
}
