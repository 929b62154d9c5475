//! Webhooks: what the provider tells by itself. They come late, early, twice and in any order.

use base::{AttemptId, OrderId, RefundId};
use http::HeaderMap;
use wire::Cx;

use super::{Turn, notify, pay, refund};
use crate::domain::{Outcome, RefundStatus};
use crate::provider::Notice;
use crate::{App, Error, store};

/// What a webhook led to.
struct Heard {
    order: OrderId,
    /// Money that must go back.
    back: Option<RefundId>,
}

/// Takes in a webhook of `provider` from its raw bytes. One that came before changes nothing; one that names no try
/// of ours waits in the inbox until that try's row arrives.
pub(crate) async fn webhook(app: &App, cx: &Cx, provider: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
    if provider != app.provider.name() {
        return Err(Error::NoSuchProvider);
    }
    let now = app.clock.now();
    let verified = app.provider.webhook(headers, body, now)?;
    let notice = verified.notice;
    let text = serde_json::to_string(&notice).map_err(|fault| ::store::Error::Sql(fault.to_string()))?;
    let (provider, subject) = (app.provider.name(), notice.subject());
    let heard = app.db.write(move |tx| {
        let found = match &notice {
            Notice::Captured { key, .. } | Notice::Declined { key, .. } => store::attempt(tx, *key)?.is_some(),
            Notice::Refunded { key } => store::refund(tx, *key)?.is_some(),
            Notice::Other { .. } => true,
        };
        if !store::receive(tx, provider, &verified.id, &subject, &text, now, found)? || !found {
            return Ok(None);
        }
        match notice.clone() {
            Notice::Refunded { key } => {
                let payment = refund::settle(tx, key, RefundStatus::Completed)?;
                Ok(Some(Heard {
                    order: payment.order,
                    back: None,
                }))
            }
            Notice::Captured { key, charge, amount } => outcome(tx, key, &Outcome::Captured { charge, amount }),
            Notice::Declined { key, failure } => outcome(tx, key, &Outcome::Declined(failure)),
            Notice::Other { .. } => Ok(None),
        }
    });
    let heard: Option<Heard> = heard.await.map_err(|error: ::store::Error| Error::Store(error))?;
    if let Some(heard) = heard {
        if let Some(back) = heard.back {
            refund::drive(app, cx, back, Turn::of_request(app, cx)).await?;
        }
        notify(app, cx, heard.order).await;
    }
    Ok(())
}

fn outcome(tx: &mut ::store::Tx<'_>, key: AttemptId, outcome: &Outcome) -> Result<Option<Heard>, ::store::Error> {
    let Some((payment, attempt)) = store::attempt(tx, key)? else {
        return Ok(None);
    };
    let (payment, back) = pay::settle(tx, payment, attempt, outcome)?;
    Ok(Some(Heard {
        order: payment.order,
        back,
    }))
}
