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

/// The most dead letters that are told, or replayed, at once.
pub const DEAD_MAX: usize = 100;

/// An event that a consumer could not take in, however often it was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Who could not.
    pub consumer: String,
    /// The event.
    pub event: Event,
    /// Why, in words for the operator.
    pub reason: String,
    /// When it was given up.
    pub buried_at: Time,
}

/// Names dead letters; at most [`DEAD_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replay {
    /// The ids of their events.
    pub ids: Vec<EventId>,
}

/// What became of dead letters that were tried once more. One that is not there any more is in neither list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Those that were taken in now.
    pub taken: Vec<EventId>,
    /// Those that could not be taken in this time either; they rest where they were.
    pub refused: Vec<StillDead>,
}

/// A dead letter that stays one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StillDead {
    /// The event's id.
    pub id: EventId,
    /// Why.
    pub reason: String,
}

/// Where a page of dead letters goes on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct AfterEvent {
    /// The event after which the page begins; from the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EventId>,
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

    /// A page of the dead letters of the service, by the ids of their events; at most [`DEAD_MAX`]. None when the
    /// service takes no events in.
    pub async fn dead(&self, cx: &Cx, after: Option<EventId>) -> Result<Option<Vec<DeadLetter>>, Problem> {
        self.0
            .call(cx, Method::GET, "/internal/dead")
            .query(&AfterEvent { after })
            .find()
            .await
    }

    /// Tries dead letters once more. Harmless to repeat: one that was taken in is no dead letter any more.
    pub async fn replay(&self, cx: &Cx, replay: &Replay) -> Result<Replayed, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/dead/replay")
            .json(replay)
            .once()
            .fetch()
            .await
    }
}
