//! Webhooks on their way to the shop: real, signed calls over HTTP to the address that the provider was given. Off by
//! default; committed with what they tell of, sent until they are taken, several at once and so in no order.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base::EventId;
use futures_util::future::join_all;
use http::{Method, Request, header};
use serde::{Deserialize, Serialize};
use store::Tx;
use wire::{Peer, Problem};

use super::client::{Charge, NewRefund};
use super::{App, NAME, store as rows};
use crate::{domain, signature};

/// How often what is due is looked for.
const SEND_EVERY: Duration = Duration::from_millis(200);
/// Sent at once at the most.
const BATCH: u32 = 16;
/// How long the shop may take for one.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// The first wait after a failure; doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A webhook that was refused this often is given up: about ten minutes.
const TRIES_MAX: i64 = 16;

/// Where a shop takes webhooks.
#[derive(Clone, Debug)]
pub struct Address {
    peer: Peer,
    path: String,
}

impl Address {
    /// A path of a peer.
    pub fn of(peer: Peer, path: &str) -> Self {
        Self {
            peer,
            path: path.to_owned(),
        }
    }

    /// Reads an address such as `http://127.0.0.1:3000/api/payments/webhooks/simulated`.
    ///
    /// # Errors
    /// Not such an address.
    pub fn read(url: &str) -> Result<Self, String> {
        let wrong = || format!("{url:?} is not an address such as http://127.0.0.1:3000/api/payments/webhooks/{NAME}");
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let at = rest.find('/').ok_or_else(wrong)?;
        let (authority, path) = rest.split_at(at);
        let peer = Peer::remote("shop", &format!("http://{authority}")).map_err(|_| wrong())?;
        path.parse::<http::uri::PathAndQuery>().map_err(|_| wrong())?;
        Ok(Self::of(peer, path))
    }
}

/// The body of a webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// What happened, e.g. `charge.captured`.
    #[serde(rename = "type")]
    pub kind: String,
    /// To what.
    pub data: Subject,
}

/// What a webhook speaks of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Subject {
    /// A charge as it is.
    Charge(Charge),
    /// A refund that went through.
    Refund(NewRefund),
}

/// Puts a webhook on its way, in the transaction of what it tells of.
pub(super) fn tell(tx: &mut Tx<'_>, kind: &str, data: Subject) -> Result<(), store::Error> {
    let message = Message {
        kind: kind.to_owned(),
        data,
    };
    let body = serde_json::to_string(&message).map_err(|fault| store::Error::Sql(fault.to_string()))?;
    let now = tx.clock().now();
    rows::add_webhook(tx, tx.ids().next(now), &body, now)
}

/// Sends what is due, again and again.
pub(super) fn send(app: Arc<App>) -> serve::Task {
    serve::Task::every("simulated: webhooks", SEND_EVERY, move |_| {
        let app = app.clone();
        async move { send_due(&app).await.map(drop) }
    })
}

/// Sends what is due now; answers how many there were.
pub(crate) async fn send_due(app: &App) -> Result<usize, store::Error> {
    let Some(shop) = &app.config.webhooks else { return Ok(0) };
    let now = app.clock.now();
    let due = app.db.read(move |tx| rows::webhooks_due(tx, now, BATCH)).await?;
    let count = due.len();
    let sent = join_all(due.into_iter().map(|(id, body, tries)| async move {
        let posted = tokio::time::timeout(ANSWER_TIME, post(app, shop, id, body));
        let arrived = matches!(posted.await, Ok(Ok(())));
        let wait = domain::wait(
            tries.try_into().unwrap_or(u32::MAX),
            FIRST_WAIT,
            LONGEST_WAIT,
            app.ids.below(u64::MAX),
        );
        let again = app.clock.now().after(wait);
        let done = app.db.write(move |tx| match arrived {
            false if tries < TRIES_MAX => rows::delay_webhook(tx, id, again),
            _ => rows::drop_webhook(tx, id),
        });
        done.await
    }));
    sent.await.into_iter().collect::<Result<(), _>>()?;
    Ok(count)
}

async fn post(app: &App, shop: &Address, id: EventId, body: String) -> Result<(), Problem> {
    let (id, seconds) = (id.to_string(), app.clock.now().seconds());
    let request = Request::builder()
        .method(Method::POST)
        .uri(&shop.path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(signature::SIGNATURE, app.signer.sign(&id, seconds, body.as_bytes()))
        .header(signature::ID, id)
        .header(signature::TIMESTAMP, seconds)
        .body(Body::from(body))
        .map_err(|fault| Problem::invalid(fault.to_string()))?;
    let status = shop.peer.forward(request).await?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(Problem::new(status, "refused", "the shop did not take the webhook"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole() {
        let address = Address::read("http://127.0.0.1:3000/api/payments/webhooks/simulated").expect("an address");
        assert_eq!(address.path, "/api/payments/webhooks/simulated");
        for wrong in [
            "",
            "127.0.0.1:3000/x",
            "https://shop.example/x",
            "http://shop.example",
            "http:///x",
            "http://a b/x",
        ] {
            assert!(Address::read(wrong).is_err(), "{wrong}");
        }
    }
}
