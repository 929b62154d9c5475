//! Money: whole minor units of a currency. No float, no silent overflow.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Amount;

/// An ISO 4217 currency code, e.g. `USD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// ISO 4217 codes in use whose minor unit is not two digits, with that number of digits (list one, 2024).
const UNUSUAL: &[(&str, u8)] = &[
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];

/// ISO 4217 codes of money that people use (list one, 2025, with those of 2024 that it dropped): no metals, no funds of
/// banks, nothing for tests.
const IN_USE: &str = "\
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN \
    BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN \
    ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD \
    JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT \
    MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG \
    QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT \
    TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF \
    XPF YER ZAR ZMW ZWG";

impl Currency {
    /// United States dollar.
    pub const USD: Currency = Currency(*b"USD");

    /// The code, three capital letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Whether ISO 4217 has the code, so that it is no misspelt one.
    pub fn is_in_use(&self) -> bool {
        IN_USE.split(' ').any(|code| code == self.code())
    }

    /// How many digits stand after the decimal point.
    pub fn digits(&self) -> u8 {
        UNUSUAL
            .iter()
            .find(|(code, _)| *code == self.code())
            .map_or(2, |(_, digits)| *digits)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyFault;
    fn from_str(text: &str) -> Result<Self, MoneyFault> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(MoneyFault::NoCurrency(text.chars().take(16).collect())),
        }
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code", "examples": ["USD"] })
    }
}

/// An amount of money: `minor` units (cents for USD) of `currency`. Between services it travels in this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Minor units; negative when owed.
    pub minor: i64,
    /// What the units are of.
    pub currency: Currency,
}

/// Arithmetic or text that is not money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyFault {
    /// More digits after the point than the currency has.
    #[error("{amount} has more than the {digits} decimal places of {currency}")]
    TooFine {
        /// What was given.
        amount: Amount,
        /// Whose places were exceeded.
        currency: Currency,
        /// How many places there are.
        digits: u8,
    },
    /// The result does not fit.
    #[error("the amount is too large")]
    TooLarge,
    /// Two currencies in one sum.
    #[error("{0} and {1} cannot be added")]
    Mixed(Currency, Currency),
    /// Not an ISO 4217 code.
    #[error("{0:?} is not a currency code of three capital letters")]
    NoCurrency(String),
}

impl Money {
    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// So many minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// An exact decimal in `currency`. Errors: [`MoneyFault::TooFine`], [`MoneyFault::TooLarge`].
    pub fn from_amount(amount: Amount, currency: Currency) -> Result<Self, MoneyFault> {
        let digits = currency.digits();
        let amount_short = amount.normal();
        if amount_short.scale() > digits {
            return Err(MoneyFault::TooFine {
                amount,
                currency,
                digits,
            });
        }
        let factor = 10i64.pow(u32::from(digits - amount_short.scale()));
        let minor = amount_short
            .mantissa()
            .checked_mul(factor)
            .ok_or(MoneyFault::TooLarge)?;
        Ok(Self { minor, currency })
    }

    /// The exact decimal for the wire: 99999 US cents are `999.99`.
    pub fn amount(self) -> Amount {
        Amount::new(self.minor, self.currency.digits())
    }

    /// The sum. Errors: another currency, overflow.
    pub fn plus(self, other: Money) -> Result<Money, MoneyFault> {
        if self.currency != other.currency {
            return Err(MoneyFault::Mixed(self.currency, other.currency));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyFault::TooLarge)?;
        Ok(Money { minor, ..self })
    }

    /// The difference. Errors: another currency, overflow.
    pub fn minus(self, other: Money) -> Result<Money, MoneyFault> {
        let minor = other.minor.checked_neg().ok_or(MoneyFault::TooLarge)?;
        self.plus(Money { minor, ..other })
    }

    /// `pieces` times the amount. Errors: overflow.
    pub fn times(self, pieces: i64) -> Result<Money, MoneyFault> {
        let minor = self.minor.checked_mul(pieces).ok_or(MoneyFault::TooLarge)?;
        Ok(Money { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, currency: &str, minor: Option<i64>) {
        let amount = text.parse::<Amount>().ok();
        let money = amount.and_then(|amount| Money::from_amount(amount, currency.parse().expect(currency)).ok());
        assert_eq!(money.map(|money| money.minor), minor, "{text} {currency}");
    }

    #[test]
    fn decimals_become_minor_units_exactly() {
        check("999.99", "USD", Some(99_999));
        check("10", "USD", Some(1_000));
        check("10.500", "USD", Some(1_050));
        check("0.001", "USD", None);
        check("500", "JPY", Some(500));
        check("500.0", "JPY", Some(500));
        check("500.5", "JPY", None);
        check("1.234", "BHD", Some(1_234));
        check("-3", "USD", Some(-300));
        check("92233720368547758.07", "USD", Some(i64::MAX));
        check("92233720368547758.08", "USD", None);
    }

    proptest! {
        #[test]
        fn the_wire_loses_nothing(minor: i64, code in prop::sample::select(vec!["USD", "JPY", "BHD", "CLF"])) {
            let money = Money::new(minor, code.parse().unwrap());
            let text = money.amount().to_string();
            prop_assert_eq!(Money::from_amount(text.parse().unwrap(), money.currency), Ok(money));
        }

        #[test]
        fn sums_are_exact_or_refused(a: i64, b: i64) {
            let sum = Money::new(a, Currency::USD).plus(Money::new(b, Currency::USD)).ok();
            prop_assert_eq!(sum.map(|money| money.minor), a.checked_add(b));
        }
    }
}
