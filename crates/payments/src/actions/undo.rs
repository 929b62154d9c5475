//! Undoing: the order is off, so nothing may be captured any more, and what was goes back.

use api::payments::{PaymentStatus, Standing};
use base::{OrderId, RefundId};
use wire::Cx;

use super::{Turn, cause_of, pay, refund, standing, tell};
use crate::domain::{Payment, Refund, RefundStatus};
use crate::store::{self, Change};
use crate::{App, Error};

/// Closes an order's payment for good. None: there was nothing yet, and there will be nothing, since a tombstone is
/// left. `processing` in the answer: an outcome is still to come; it is seen to all the same. Harmless to repeat.
pub(crate) async fn undo(app: &App, cx: &Cx, order: OrderId) -> Result<Option<Standing>, Error> {
    let turn = Turn::of_request(app, cx);
    let Some(payment) = close(app, cx, order).await? else {
        return Ok(None);
    };
    let payment = finish(app, cx, payment, turn).await?;
    Ok(Some(standing(&payment)))
}

/// Commits that the payment is closed, and the refund that follows from it.
async fn close(app: &App, cx: &Cx, order: OrderId) -> Result<Option<Payment>, Error> {
    let now = app.clock.now();
    let tombstone = tombstone(app, order);
    let (refund, cause) = (app.ids.next::<RefundId>(now), cause_of(cx));
    let (resume_at, refused_since) = (now.after(app.config.lease), now.before(app.config.longest_resume));
    let closed = app.db.write(move |tx| {
        if store::add_payment(tx, &tombstone)? {
            return Ok(None);
        }
        let payment = store::payment_of(tx, order)?.ok_or(::store::Error::Absent)?;
        if payment.user.is_none() {
            return Ok(None);
        }
        if payment.closed && store::last_refused(tx, payment.id)?.is_some_and(|at| at > refused_since) {
            // The provider will not give it back. It is asked again now and then, not whenever orders looks.
            return Ok(Some(payment));
        }
        let Some(mut closed) = payment.clone().close(now) else {
            return Ok(Some(payment));
        };
        let back = closed.give_back.map(|(attempt, amount)| Refund {
            id: refund,
            payment: closed.payment.id,
            attempt,
            amount,
            surplus: false,
            status: RefundStatus::Pending,
            reason: Some("order called off".to_owned()),
            tries: 0,
            resume_at,
            cause: cause.clone(),
            created_at: now,
        });
        store::save(
            tx,
            &mut closed.payment,
            &Change {
                new_refund: back.as_ref(),
                ..Change::default()
            },
        )?;
        let about = ("reason", "order_closed".to_owned());
        tell(
            tx,
            &closed.payment,
            closed.told,
            &cause,
            about,
            closed.payment.due.minor,
            now,
        )?;
        Ok::<_, ::store::Error>(Some(closed.payment))
    });
    Ok(closed.await?)
}

/// Drives whatever is under way in a closed payment.
async fn finish(app: &App, cx: &Cx, mut payment: Payment, turn: Turn) -> Result<Payment, Error> {
    if let Some(id) = payment.trying
        && let Some((found, attempt)) = pay::load(app, id).await?
    {
        payment = found;
        if attempt.is_live() {
            payment = pay::drive(app, cx, payment, attempt, turn).await?;
        }
    }
    if payment.refunding > 0 {
        let id = payment.id;
        let refunds = app.db.read(move |tx| store::refunds(tx, id)).await?;
        for back in refunds.iter().filter(|back| back.status == RefundStatus::Pending) {
            payment = refund::drive(app, cx, back.id, turn).await?;
        }
    }
    Ok(payment)
}

/// What stands where an order was undone before anything was tried: a later pay finds it closed.
fn tombstone(app: &App, order: OrderId) -> Payment {
    let now = app.clock.now();
    Payment {
        id: app.ids.next(now),
        order,
        user: None,
        due: base::Money::zero(app.currency),
        method: Default::default(),
        provider: app.provider.name().to_owned(),
        status: PaymentStatus::Failed,
        captured: 0,
        refunded: 0,
        refunding: 0,
        paid_by: None,
        trying: None,
        closed: true,
        failure: None,
        version: 0,
        revision: 0,
        created_at: now,
        updated_at: now,
    }
}
