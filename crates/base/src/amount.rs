//! Exact decimals as they stand on the wire, before or after they are money.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The longest decimal that is read: 19 digits, a sign, a point and room for zeros.
const TEXT_MAX: usize = 32;

/// An exact decimal: `mantissa` × 10^−`scale`. On the wire a JSON number (`999.99`); a string is taken as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    mantissa: i64,
    scale: u8,
}

/// A text that is not a decimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountFault {
    /// Not digits with at most one point and a leading minus.
    #[error("{0:?} is not a decimal number such as 999.99")]
    NotDecimal(String),
    /// More than 64 bits of digits.
    #[error("the number is too large")]
    TooLarge,
}

impl Amount {
    /// `mantissa` × 10^−`scale`.
    pub const fn new(mantissa: i64, scale: u8) -> Self {
        Self { mantissa, scale }
    }

    /// The digits without the point.
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// How many digits stand after the point.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// The same number without trailing zeros after the point.
    pub fn normal(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }
}

impl FromStr for Amount {
    type Err = AmountFault;

    fn from_str(text: &str) -> Result<Self, AmountFault> {
        let wrong = || AmountFault::NotDecimal(text.chars().take(TEXT_MAX).collect());
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || digits.ends_with('.') || !all_digits(whole) || !all_digits(fraction) {
            return Err(wrong());
        }
        if text.len() > TEXT_MAX {
            return Err(AmountFault::TooLarge);
        }
        let sign = if negative { -1 } else { 1 };
        let mut mantissa = 0i64;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = i64::from(digit - b'0') * sign;
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(digit))
                .ok_or(AmountFault::TooLarge)?;
        }
        Ok(Self {
            mantissa,
            scale: fraction.len() as u8,
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs();
        let Some(unit) = 10u64.checked_pow(u32::from(self.scale)) else {
            // More digits than 64 bits hold stand behind the point: the first of them are zeros.
            let width = usize::from(self.scale);
            return write!(f, "{sign}0.{digits:0width$}");
        };
        match self.scale {
            0 => write!(f, "{sign}{digits}"),
            scale => write!(
                f,
                "{sign}{}.{:0width$}",
                digits / unit,
                digits % unit,
                width = usize::from(scale)
            ),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string())
            .map_err(serde::ser::Error::custom)?
            .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Amount {
    /// Reads the raw number, so that no digit passes through a float.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        let text = raw.get();
        let bare = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text);
        bare.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        if generator.contract().is_serialize() {
            return json_schema!({
                "description": "An exact decimal.",
                "type": "number",
                "examples": [999.99],
            });
        }
        json_schema!({
            "description": "An exact decimal. Written as a number; a string of the same form is taken as well.",
            "anyOf": [{ "type": "number" }, { "type": "string", "pattern": r"^-?\d+(\.\d+)?$" }],
            "examples": [999.99],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_numbers_and_strings_are_read_digit_by_digit() {
        for text in ["999.99", "\"999.99\"", " 999.99 "] {
            let amount: Amount = serde_json::from_str(text).expect(text);
            assert_eq!((amount.mantissa(), amount.scale()), (99_999, 2));
        }
        assert_eq!(serde_json::to_string(&Amount::new(-5, 3)).unwrap(), "-0.005");
        let exact: Amount = serde_json::from_str("90071992547409.93").unwrap();
        assert_eq!(exact.to_string(), "90071992547409.93");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "0.00000090000000000000000",
            "-0.0000000000000000000000000001",
            "0.00000000000000000000",
            "-1.5",
            "7",
        ] {
            let amount: Amount = text.parse().expect(text);
            assert_eq!(amount.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in [
            "true",
            "null",
            "\"\"",
            "\"1,5\"",
            "\".5\"",
            "\"5.\"",
            "1e3",
            "[1]",
            "\"--1\"",
            "99999999999999999999",
            "\"1.2.3\"",
        ] {
            assert!(serde_json::from_str::<Amount>(text).is_err(), "{text}");
        }
    }
}
