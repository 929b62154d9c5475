//! Webhooks on their way to the shop. Off by default; committed with what they tell of, sent until they are taken.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base::EventId;
use http::{Method, Request, header};
use serde::{Deserialize, Serialize};
use store::Tx;
use wire::{Peer, Problem};

use super::client::{Charge, NewRefund};
use super::{App, NAME, store as rows};
use crate::{domain, signature};

/// How often what is due is looked for.
const SEND_EVERY: Duration = Duration::from_millis(200);
/// Sent in one round at the most.
const BATCH: u32 = 64;
/// The first wait after a failure; doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A webhook that was refused this often is given up: about ten minutes.
const TRIES_MAX: i64 = 16;

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
    for (id, body, tries) in due {
        let arrived = post(app, shop, id, body).await;
        let wait = domain::wait(
            tries.try_into().unwrap_or(u32::MAX),
            FIRST_WAIT,
            LONGEST_WAIT,
            app.ids.below(u64::MAX),
        );
        let again = app.clock.now().after(wait);
        let done = app.db.write(move |tx| match &arrived {
            Err(_) if tries < TRIES_MAX => rows::delay_webhook(tx, id, again),
            _ => rows::drop_webhook(tx, id),
        });
        done.await?;
    }
    Ok(count)
}

async fn post(app: &App, shop: &Peer, id: EventId, body: String) -> Result<(), Problem> {
    let (id, seconds) = (id.to_string(), app.clock.now().seconds());
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/payments/webhooks/{NAME}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(signature::SIGNATURE, app.signer.sign(&id, seconds, body.as_bytes()))
        .header(signature::ID, id)
        .header(signature::TIMESTAMP, seconds)
        .body(Body::from(body))
        .map_err(|fault| Problem::invalid(fault.to_string()))?;
    let status = shop.forward(request).await?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(Problem::new(status, "refused", "the shop did not take the webhook"))
    }
}
