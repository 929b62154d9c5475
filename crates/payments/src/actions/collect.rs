//! Taking cash at the door: a capture that no provider makes, on the word of the staff who delivered the order.

use api::payments::{Pay, PaymentMethod, Standing};
use base::AttemptId;
use wire::Cx;

use super::{cause_of, pay, standing};
use crate::domain::{Attempt, AttemptStatus, CASH, Outcome, Plan};
use crate::{App, Error, store};

/// Captures what was due on delivery, in one transaction: an attempt, its capture, and `PaymentProcessed`. What is paid
/// already stays as it is, so that telling it twice is once.
pub(crate) async fn collect(app: &App, cx: &Cx, of: &Pay) -> Result<Standing, Error> {
    let now = app.clock.now();
    let (id, cause) = (app.ids.next::<AttemptId>(now), cause_of(cx));
    let (order, due) = (of.order, of.amount);
    let blank = pay::new_payment(app, of);
    let collected = app.db.write(move |tx| {
        // There is a row since the order was confirmed, unless that was before such rows were made.
        store::add_payment(tx, &blank)?;
        let payment = store::payment_of(tx, order)?.ok_or(::store::Error::Absent)?;
        let last = store::last_attempt(tx, order)?;
        let number = last.as_ref().map_or(1, |last| last.number + 1);
        if payment.plan(due, number, last.as_ref(), true)? != Plan::Begin {
            return Ok(payment);
        }
        let attempt = Attempt {
            id,
            payment: payment.id,
            order,
            number,
            status: AttemptStatus::Open,
            token: None,
            charge: None,
            failure: None,
            tries: 0,
            resume_at: now,
            cause: cause.clone(),
            created_at: now,
        };
        let mut payment = payment.begin(id, PaymentMethod::CashOnDelivery, now);
        store::add_attempt(tx, &mut payment, &attempt)?;
        let taken = Outcome::Captured {
            charge: CASH.to_owned(),
            amount: due,
        };
        let (payment, _) = pay::settle(tx, payment, attempt, &taken)?;
        Ok::<_, Error>(payment)
    });
    Ok(standing(&collected.await?))
}
