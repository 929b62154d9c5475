//! What payments can do, one function per verb.
//!
//! Everything that speaks to the provider has the same shape: commit what is meant, ask, commit what came of it.
//! Between two of these steps anything may crash; [`resume()`] goes on from the rows.

mod batches;
mod collect;
mod pay;
mod refund;
mod resume;
mod show;
mod undo;
mod webhook;

use std::time::Duration;

use ::store::{Outgoing, Tx};
use api::payments::Standing;
use base::{Money, OrderId, Time};
use tokio::time::Instant;
use wire::{Cx, Problem};

use crate::domain::{Cause, Payment, Told};
use crate::{App, domain};

pub(crate) use batches::{Captures, Firsts, captures, firsts};
pub(crate) use collect::collect;
#[cfg(test)]
pub(crate) use pay::new_payment;
pub(crate) use pay::pay;
pub(crate) use refund::refund;
pub(crate) use resume::resume;
pub(crate) use show::{audit, process, show, standing_of};
pub(crate) use undo::undo;
pub(crate) use webhook::webhook;

/// What is kept of the caller's time for the way back.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);
/// What orders may take to look at a payment again; it is told by events, too.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to go on, and when others may go on after that.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Until when this driver goes on.
    until: Instant,
    /// How long after that the next one may begin.
    rest: Duration,
}

impl Turn {
    /// As long as retries last and the caller has time; who gives up early leaves it to the task at once.
    fn of_request(app: &App, cx: &Cx) -> Self {
        let own = app.config.retry_for + 2 * app.config.call_timeout;
        let span = cx
            .left()
            .map_or(own, |left| left.saturating_sub(ANSWER_MARGIN).min(own));
        Self {
            until: now() + span,
            rest: Duration::ZERO,
        }
    }

    /// One question and its consequence; the longer the more often it was in vain.
    fn of_resume(app: &App, tries: i64) -> Self {
        let tries = u32::try_from(tries).unwrap_or(u32::MAX);
        let rest = domain::wait(
            tries,
            app.config.resume_every,
            app.config.longest_resume,
            app.ids.below(u64::MAX),
        );
        Self {
            until: now() + 2 * app.config.call_timeout,
            rest,
        }
    }

    /// Waits before another try, longer each time; `false` when there is no time for one.
    async fn pause(&self, app: &App, tries: u32) -> bool {
        let pause = domain::wait(
            tries,
            app.config.first_wait,
            app.config.longest_wait,
            app.ids.below(u64::MAX),
        );
        if now() + pause >= self.until {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// The end of one call of the provider.
    fn call_until(&self, app: &App) -> Instant {
        self.until.min(now() + app.config.call_timeout)
    }
}

/// The runtime's clock, which measures waits; moments in rows come from the app's.
fn now() -> Instant {
    Instant::now()
}

fn cause_of(cx: &Cx) -> Cause {
    Cause {
        actor: cx.actor().to_owned(),
        request_id: cx.request_id().to_owned(),
    }
}

/// How a payment stands, for orders.
fn standing(payment: &Payment) -> Standing {
    let money = |minor| Money::new(minor, payment.due.currency);
    Standing {
        payment: payment.id,
        status: payment.status,
        captured: money(payment.captured),
        refunded: money(payment.refunded),
        failure: payment.failure.clone(),
        version: payment.version,
    }
}

/// Tells the world what became of a payment that was just saved. `about` is the attempt or refund, `amount` how much of
/// the payment's minor units.
fn tell(
    tx: &mut Tx<'_>,
    payment: &Payment,
    told: Option<Told>,
    cause: &Cause,
    about: (&str, String),
    amount: i64,
    now: Time,
) -> Result<(), ::store::Error> {
    let Some(told) = told else { return Ok(()) };
    let mut data = serde_json::json!({
        "orderId": payment.order,
        "amount": Money::new(amount, payment.due.currency).amount(),
        "currency": payment.due.currency,
        "status": payment.status,
        about.0: about.1,
    });
    if let (Told::Failed, Some(why)) = (told, &payment.failure) {
        data["code"] = why.code.as_str().into();
    }
    tx.emit(Outgoing {
        id: tx.ids().next(now),
        kind: match told {
            Told::Processed => "PaymentProcessed",
            Told::Failed => "PaymentFailed",
            Told::Refunded => "PaymentRefunded",
        }
        .into(),
        subject: payment.id.to_string(),
        sequence: payment.version,
        at: now,
        actor: cause.actor.clone(),
        request_id: cause.request_id.clone(),
        data: data.to_string(),
    })
}

/// Asks orders to look at the payment again. Best effort: the event says the same a moment later.
async fn notify(app: &App, cx: &Cx, order: OrderId) {
    let cx = cx.clone().unhurried().until(now() + NOTIFY_TIMEOUT);
    if let Err(problem) = app.orders.payment_changed(&cx, order).await {
        log_unheard(order, &problem);
    }
}

fn log_unheard(order: OrderId, problem: &Problem) {
    tracing::info!(%order, %problem, "orders did not hear of a changed payment yet; the event will tell it");
}
