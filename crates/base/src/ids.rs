//! Identifiers: a prefix that says what is named, and 26 characters that sort by time.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Time;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so that an id read aloud is not mistaken.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in base 32.
const DIGITS: usize = 26;

/// What every identifier can do: have a prefix, be made from 128 bits, give them back.
pub trait Id: Copy + Eq + Ord + fmt::Display + FromStr<Err = IdFault> {
    /// The prefix with its underscore, e.g. `ord_`.
    const PREFIX: &'static str;
    /// From the 128 bits: 48 bits of milliseconds since 1970, then 80 random ones.
    fn from_bits(bits: u128) -> Self;
    /// The 128 bits.
    fn bits(self) -> u128;
}

/// A text that is not an identifier of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id of the form {prefix}{}", "x".repeat(DIGITS))]
pub struct IdFault {
    /// The prefix that was wanted.
    pub prefix: &'static str,
    /// What came, cut to 64 characters.
    pub text: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_bits(bits: u128) -> Self { Self(bits) }
            fn bits(self) -> u128 { self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&encode(self.0)).map_err(|_| fmt::Error)?)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl FromStr for $name {
            type Err = IdFault;
            fn from_str(text: &str) -> Result<Self, IdFault> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or_else(|| IdFault {
                    prefix: $prefix,
                    text: text.chars().take(64).collect(),
                })
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> { to.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "[0-9a-hjkmnp-tv-z]{26}$"),
                    "examples": [concat!($prefix, "01j9zk3v5w8q2m4n6p7r8s9t0v")],
                })
            }
        }
    )*};
}

ids! {
    /// A customer, guest or member of staff.
    UserId = "usr_";
    /// A signed-in session of a user, and the family of its refresh tokens.
    SessionId = "ses_";
    /// A machine's API key.
    KeyId = "key_";
    /// A product.
    ProductId = "prd_";
    /// What is sold: one choice of a product's options, with a SKU and a stock of its own.
    VariantId = "var_";
    /// A picture of a product.
    ImageId = "img_";
    /// A category of products.
    CategoryId = "cat_";
    /// One import of products.
    ImportId = "imp_";
    /// A cart.
    CartId = "crt_";
    /// A line of a cart.
    LineId = "lin_";
    /// An order.
    OrderId = "ord_";
    /// A line of an order.
    OrderLineId = "oli_";
    /// A parcel or part of an order that leaves together.
    FulfilmentId = "ful_";
    /// What an order holds of a variant's stock.
    ReservationId = "rsv_";
    /// An order's payment.
    PaymentId = "pay_";
    /// One try at a payment; the key that the provider sees.
    AttemptId = "att_";
    /// A refund, or a void of what was authorised.
    RefundId = "ref_";
    /// A charge at the simulated provider.
    ChargeId = "chg_";
    /// An event.
    EventId = "evt_";
    /// A request that came without a usable id of its own.
    RequestId = "req_";
}

fn encode(mut bits: u128) -> [u8; DIGITS] {
    let mut text = [b'0'; DIGITS];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    // 26 digits hold 130 bits: a first digit above 7 would overflow.
    if text.len() != DIGITS || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes()
        .try_fold(0u128, |bits, byte| match VALUES[usize::from(byte)] {
            NO_DIGIT => None,
            digit => Some(bits << 5 | u128::from(digit)),
        })
}

/// Stands for a byte that is no digit.
const NO_DIGIT: u8 = u8::MAX;

/// The value of each byte as a digit: ids are read for every row, so they are looked up and not searched.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        values[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// Where identifiers and other random bits come from.
#[derive(Clone, Debug)]
pub struct Ids(Source);

#[derive(Clone, Debug)]
enum Source {
    Random,
    Seeded(Arc<Mutex<u64>>),
}

impl Ids {
    /// Bits from the operating system.
    pub fn random() -> Self {
        Self(Source::Random)
    }

    /// The same bits in the same order for the same seed. For tests and simulation only.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(seed))))
    }

    /// A new identifier that sorts after all those of earlier milliseconds.
    pub fn next<I: Id>(&self, now: Time) -> I {
        let millis = (now.micros() / 1000).max(0) as u128;
        let mut random = [0u8; 16];
        self.fill(&mut random[..10]);
        I::from_bits(millis << 80 | u128::from_le_bytes(random))
    }

    /// Fills `bytes` with random bits, fit for secrets when not seeded.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing safe can be done then.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::Random => getrandom::fill(bytes).expect("the operating system gives random bits"),
            Source::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(|broken| broken.into_inner());
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }

    /// A random number below `bound`, for jitter and draws; 0 when `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0u8; 8];
        self.fill(&mut bytes);
        // The bias of a remainder over 64 bits does not matter for jitter.
        u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and good enough to replay a test.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_text_and_sort_by_time() {
        let ids = Ids::seeded(7);
        let early: OrderId = ids.next(Time::from_micros(1_000_000));
        let late: OrderId = ids.next(Time::from_micros(2_000_000));
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late && early.to_string() < late.to_string());
        let most = OrderId::from_bits(u128::MAX);
        assert_eq!(most.to_string().parse(), Ok(most));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "ord_",
            "ord_x",
            "usr_01j9zk3v5w8q2m4n6p7r8s9t0v",
            "ord_01J9ZK3V5W8Q2M4N6P7R8S9T0V",
            "ord_81j9zk3v5w8q2m4n6p7r8s9t0v",
            "ord_01j9zk3v5w8q2m4n6p7r8s9t0é",
        ] {
            assert!(text.parse::<OrderId>().is_err(), "{text}");
        }
    }
}
