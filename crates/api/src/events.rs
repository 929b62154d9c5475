//! Events: what happened, as everybody may read it. They never hold names, addresses or e-mail addresses.

use base::{EventId, Time};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{Cx, Peer, Problem};

/// The most events that one delivery holds.
pub const DELIVERY_MAX: usize = 256;

/// Something that happened, by CloudEvents' names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The id; the same event always has the same.
    pub id: EventId,
    /// What happened, e.g. `OrderConfirmed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The service that tells it.
    pub source: String,
    /// What it happened to, e.g. an order's id.
    pub subject: String,
    /// The subject's version: 1, 2, 3 … without gaps for each subject.
    pub sequence: i64,
    /// When.
    pub time: Time,
    /// When, once more, for readers who look for this name.
    pub timestamp: Time,
    /// Who caused it: a user's id, `service:…` or `anonymous`.
    pub actor: String,
    /// The request that caused it.
    pub request_id: String,
    /// The version of `data`'s form.
    pub data_version: i64,
    /// What belongs to it.
    pub data: Map<String, Value>,
}

/// A batch of events on its way to a subscriber.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// At most [`DELIVERY_MAX`], in the order of their source's outbox.
    pub events: Vec<Event>,
}

/// Where events are delivered to: any service that subscribes.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

impl Client {
    /// Hands over a batch. An error means that the whole batch will be sent again.
    pub async fn deliver(&self, cx: &Cx, delivery: &Delivery) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, "/internal/events")
            .json(delivery)
            .once()
            .done()
            .await
    }
}
