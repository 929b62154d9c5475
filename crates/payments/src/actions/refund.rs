//! Giving money back: a pending row, the provider, the books.

use ::store::{Answered, Once};
use api::Ref;
use api::payments::NewRefund;
use base::{Money, RefundId};
use serve::Caller;
use tokio::time::timeout_at;
use wire::Cx;

use super::{Turn, cause_of, notify, show, tell};
use crate::domain::{Payment, Refund, RefundStatus};
use crate::provider::{Fault, GiveBack};
use crate::store::{self, Change};
use crate::{App, Error};

/// The longest reason for a refund, in characters: a few sentences.
const REASON_MAX: usize = 500;

/// Refunds a payment (named by itself or its order), in full or in part. With a key, a retry or a twin joins the
/// same refund and gets the payment as it then stands.
pub(crate) async fn refund(
    app: &App,
    cx: &Cx,
    clerk: &Caller,
    named: &Ref,
    wanted: NewRefund,
    once: Option<Once>,
) -> Result<Answered<api::payments::Payment>, Error> {
    if wanted
        .reason
        .as_ref()
        .is_some_and(|reason| reason.chars().count() > REASON_MAX)
    {
        return Err(Error::LongReason { max: REASON_MAX });
    }
    let turn = Turn::of_request(app, cx);
    let payment = show::find(app, cx, clerk, named).await?;
    let (id, now) = (payment.id, app.clock.now());
    let (refund, cause) = (app.ids.next::<RefundId>(now), cause_of(cx));
    let by = clerk.actor();
    let resume_at = now.after(app.config.lease);
    let begun = app.db.write_once(once, move |tx| {
        let payment = store::payment(tx, id)?.ok_or(Error::NoSuchPayment)?;
        let amount = wanted
            .amount
            .map(|amount| Money::from_amount(amount, payment.due.currency));
        let amount = amount
            .transpose()
            .map_err(|fault| Error::BadAmount(fault.to_string()))?;
        let (mut payment, attempt, amount) = payment.refund(amount, now)?;
        let refund = Refund {
            id: refund,
            payment: id,
            attempt,
            amount,
            surplus: false,
            status: RefundStatus::Pending,
            reason: wanted.reason.clone(),
            tries: 0,
            resume_at,
            cause: cause.clone(),
            created_at: now,
        };
        store::save(
            tx,
            &mut payment,
            &Change {
                new_refund: Some(&refund),
                ..Change::default()
            },
        )?;
        let given_back = serde_json::json!({
            "order": payment.order,
            "refund": refund.id,
            "amount": Money::new(amount, payment.due.currency).amount(),
            "currency": payment.due.currency,
        });
        let deed = bus::Deed {
            action: "payment.refund",
            subject: &id.to_string(),
            before: None,
            after: Some(given_back),
        };
        bus::audit(tx, &by, &cause.request_id, deed)?;
        Ok::<_, Error>(refund.id)
    });
    let begun = begun.await?;
    drive(app, cx, begun.value, turn).await?;
    notify(app, cx, payment.order).await;
    Ok(Answered {
        value: show::whole(app, id).await?,
        replayed: begun.replayed,
    })
}

/// Asks the provider until the refund has its outcome or the turn is over; answers the payment as it then is.
pub(super) async fn drive(app: &App, cx: &Cx, id: RefundId, turn: Turn) -> Result<Payment, Error> {
    let mut tries = 0;
    loop {
        let (payment, refund, is_cash) = load(app, id).await?;
        if refund.status != RefundStatus::Pending {
            return Ok(payment);
        }
        if is_cash {
            // Staff gave it back by hand: there is nobody to ask.
            return record(app, id, RefundStatus::Completed).await;
        }
        let back = GiveBack {
            key: refund.id,
            charge: refund.attempt,
            amount: Money::new(refund.amount, payment.due.currency),
        };
        let asked = timeout_at(turn.call_until(app), app.provider.give_back(cx, &back)).await;
        let fault = match asked.unwrap_or_else(|_| Err(Fault::Unknown("no answer in time".to_owned()))) {
            Ok(()) => return record(app, id, RefundStatus::Completed).await,
            Err(Fault::Refused(why)) => {
                tracing::error!(refund = %id, order = %payment.order, why, "the payment provider refuses a refund");
                return record(app, id, RefundStatus::Failed).await;
            }
            Err(fault) => fault,
        };
        tracing::warn!(refund = %id, order = %payment.order, ?fault, "the payment provider did not confirm a refund");
        if !turn.pause(app, tries).await {
            let at = app.clock.now().after(turn.rest);
            app.db.write(move |tx| store::release_refund(tx, id, at)).await?;
            return Ok(load(app, id).await?.0);
        }
        tries += 1;
    }
}

/// A refund with its payment, and whether it gives back cash.
async fn load(app: &App, id: RefundId) -> Result<(Payment, Refund, bool), Error> {
    let found = app.db.read(move |tx| {
        let refund = store::refund(tx, id)?.ok_or(::store::Error::Absent)?;
        let (payment, attempt) = store::attempt(tx, refund.attempt)?.ok_or(::store::Error::Absent)?;
        Ok::<_, ::store::Error>((payment, refund, attempt.is_cash()))
    });
    Ok(found.await?)
}

async fn record(app: &App, id: RefundId, outcome: RefundStatus) -> Result<Payment, Error> {
    Ok(app.db.write(move |tx| settle(tx, id, outcome)).await?)
}

/// Writes a refund's outcome; answers the payment.
pub(super) fn settle(tx: &mut ::store::Tx<'_>, id: RefundId, outcome: RefundStatus) -> Result<Payment, ::store::Error> {
    let now = tx.clock().now();
    let refund = store::refund(tx, id)?.ok_or(::store::Error::Absent)?;
    let payment = store::payment(tx, refund.payment)?.ok_or(::store::Error::Absent)?;
    if refund.status != RefundStatus::Pending {
        return Ok(payment);
    }
    let (mut payment, told) = match outcome {
        RefundStatus::Completed => payment.refunded(&refund, now),
        _ => (payment.not_refunded(&refund, now), None),
    };
    store::save(
        tx,
        &mut payment,
        &Change {
            refund: Some((id, outcome)),
            ..Change::default()
        },
    )?;
    tell(
        tx,
        &payment,
        told,
        &refund.cause,
        ("refund", id.to_string()),
        refund.amount,
        now,
    )?;
    Ok(payment)
}
