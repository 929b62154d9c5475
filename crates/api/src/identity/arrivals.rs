//! Accounts that come from another system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Accounts of another system that are taken over at once.
pub const ARRIVALS_MAX: usize = 500;

/// An account of another system.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arrival {
    /// The e-mail address; or `username`, or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name to sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// `customer` (when absent) or `staff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// bcrypt's or Argon2id's. Without one they set a password by mail first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
}

/// Takes accounts over, [`ARRIVALS_MAX`] at most.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arrivals {
    /// The accounts.
    pub users: Vec<Arrival>,
}

/// What became of an account of another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arrived {
    /// In a word.
    pub came: Came,
    /// Why it was refused: each field that is wrong, in a sentence.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// What became of an account of another system, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Came {
    /// There is an account now.
    Created,
    /// There was one already, and nothing was changed.
    Present,
    /// Something is wrong with it.
    Refused,
}
