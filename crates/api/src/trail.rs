//! The audit log: what staff, administrators and machines changed, with what was there before and after.
//!
//! Written in the transaction of the change, kept by the events service, never altered. It holds neither names,
//! addresses, e-mail addresses nor secrets: of such fields only that they changed.

use base::{EventId, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The kind under which an entry travels from a service's outbox to the events service. No event of this kind is
/// shown among the events.
pub const STAFF_ACTION: &str = "StaffAction";

/// What was done, as it travels: the `data` of a [`STAFF_ACTION`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deed {
    /// What was done, e.g. `product.update`.
    pub action: String,
    /// The fields that differ, as they were; absent for what did not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// The fields that differ, as they are; absent for what exists no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The entry's id.
    pub id: EventId,
    /// When it was done.
    pub time: Time,
    /// Who did it: a user's or an API key's id, or a service.
    pub actor: String,
    /// What was done, e.g. `product.update`.
    pub action: String,
    /// To what, e.g. a product's id.
    pub subject: String,
    /// The service that did it.
    pub source: String,
    /// The request that asked for it.
    pub request_id: String,
    /// The fields that differ, as they were; absent for what did not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// The fields that differ, as they are; absent for what exists no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
}
