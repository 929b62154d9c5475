//! Paying: an attempt is committed, driven to its outcome, and the outcome committed.

use std::sync::Arc;

use ::store::Tx;
use api::payments::{Pay, PaymentMethod, PaymentStatus, Standing};
use base::{AttemptId, Money, RefundId};
use tokio::time::timeout_at;
use wire::Cx;

use super::{Turn, cause_of, now, refund, standing, tell};
use crate::domain::{self, Attempt, AttemptStatus, Outcome, Payment, Plan, Refund, RefundStatus, Step};
use crate::provider::{Charge, Fault};
use crate::store::{self, Change, First, Next};
use crate::{App, Error};

/// Tries the payment and answers how it then stands; a decline is a standing. Harmless to repeat: the same try
/// again joins the first.
pub(crate) async fn pay(app: &App, cx: &Cx, pay: &Pay) -> Result<Standing, Error> {
    let turn = Turn::of_request(app, cx);
    let Ok(_lane) = timeout_at(turn.until, app.lanes.enter(pay.order)).await else {
        // Somebody else has been at it all the time; how it stands is all there is to say.
        let order = pay.order;
        let payment = app.db.read(move |tx| store::payment_of(tx, order)).await?;
        return payment.as_ref().map(standing).ok_or(Error::Store(::store::Error::Busy));
    };
    loop {
        let (payment, attempt) = begin(app, cx, pay).await?;
        let Some(attempt) = attempt else {
            return Ok(standing(&payment));
        };
        let is_own = attempt.number >= pay.attempt;
        let payment = drive(app, cx, payment, attempt, turn).await?;
        if payment.closed {
            return Err(Error::Closed);
        }
        if is_own || payment.trying.is_some() || payment.paid_by.is_some() {
            return Ok(standing(&payment));
        }
        // An earlier try had to come to its end first; it brought no money, so this one may begin.
    }
}

/// Commits the attempt that is to be driven: a new one, or the one that is live. None: there is nothing to try.
async fn begin(app: &App, cx: &Cx, pay: &Pay) -> Result<(Payment, Option<Attempt>), Error> {
    let now = app.clock.now();
    let (due, number, method) = (pay.amount, pay.attempt, pay.method);
    let is_cash = method == PaymentMethod::CashOnDelivery;
    let token = match is_cash {
        true => None,
        false => pay
            .token
            .clone()
            .or_else(|| app.provider.default_token().map(str::to_owned)),
    };
    let mut payment = new_payment(app, pay);
    let attempt = Attempt {
        id: app.ids.next(now),
        payment: payment.id,
        order: pay.order,
        number,
        status: AttemptStatus::Open,
        token,
        charge: None,
        failure: None,
        tries: 0,
        resume_at: now.after(app.config.lease),
        cause: cause_of(cx),
        created_at: now,
    };
    let has_means = attempt.token.is_some() && due.minor > 0;
    if has_means {
        payment = payment.begin(attempt.id, method, now);
    }
    let first = Arc::new(First { payment, attempt });
    if has_means {
        // The usual case: no payment yet.
        if let Some(begun) = app.firsts.call(first.clone()).await? {
            return Ok(begun);
        }
    }
    let begun = app.db.write(move |tx| {
        let First {
            payment: first,
            attempt,
        } = &*first;
        if !has_means && store::add_payment(tx, first)? {
            return Ok((first.clone(), None));
        }
        let payment = store::payment_of(tx, first.order)?.ok_or(::store::Error::Absent)?;
        let last = store::last_attempt(tx, first.order)?;
        match payment.plan(due, number, last.as_ref(), has_means)? {
            Plan::Rest => match payment.clone().on_delivery(now).filter(|_| is_cash) {
                Some(mut payment) => {
                    store::save(tx, &mut payment, &Change::default())?;
                    Ok((payment, None))
                }
                None => Ok((payment, None)),
            },
            Plan::Drive => Ok((payment, last)),
            Plan::Begin => {
                let attempt = Attempt {
                    payment: payment.id,
                    ..attempt.clone()
                };
                let mut payment = payment.begin(attempt.id, method, now);
                match store::add_attempt(tx, &mut payment, &attempt)? {
                    Next::Awaited => Ok(heed(tx, payment, attempt)?),
                    Next::Fresh => Ok((payment, Some(attempt))),
                }
            }
        }
    });
    begun.await
}

/// The payment of an order of which nothing is known yet.
pub(crate) fn new_payment(app: &App, pay: &Pay) -> Payment {
    let now = app.clock.now();
    let mut payment = Payment {
        id: app.ids.next(now),
        order: pay.order,
        user: Some(pay.user),
        due: pay.amount,
        method: pay.method,
        provider: app.provider.name().to_owned(),
        status: PaymentStatus::Pending,
        captured: 0,
        refunded: 0,
        refunding: 0,
        paid_by: None,
        trying: None,
        closed: false,
        failure: None,
        version: 0,
        revision: 0,
        created_at: now,
        updated_at: now,
    };
    payment.status = payment.standing();
    payment
}

/// Takes in what webhooks said of an attempt before its row was there.
pub(super) fn heed(
    tx: &mut Tx<'_>,
    payment: Payment,
    attempt: Attempt,
) -> Result<(Payment, Option<Attempt>), ::store::Error> {
    let (mut payment, mut attempt) = (payment, attempt);
    for outcome in store::notices(tx, attempt.id)? {
        settle(tx, payment, attempt.clone(), &outcome)?;
        (payment, attempt) = store::attempt(tx, attempt.id)?.ok_or(::store::Error::Absent)?;
    }
    let live = attempt.is_live().then_some(attempt);
    Ok((payment, live))
}

/// Asks the provider until the attempt has its outcome or the turn is over; answers the payment as it then is.
pub(super) async fn drive(
    app: &App,
    cx: &Cx,
    mut payment: Payment,
    mut attempt: Attempt,
    turn: Turn,
) -> Result<Payment, Error> {
    let age = app.clock.now().since(attempt.created_at);
    let mut give_up_at = now() + app.config.retry_for.saturating_sub(age);
    let mut in_doubt = attempt.status == AttemptStatus::Unknown;
    let mut tries = 0;
    loop {
        // Who takes it up after a crash asks once before giving up, however long ago it began.
        let step = domain::step(&payment, in_doubt, tries > 0 && now() >= give_up_at);
        let fault = match ask(app, cx, step, &payment, &attempt, turn).await {
            Ok(Some(outcome)) => return record(app, cx, payment, attempt, outcome, turn).await,
            Ok(None) => {
                // The provider never heard of it: the same key may be sent (again) without fear.
                in_doubt = false;
                continue;
            }
            Err(fault) => fault,
        };
        tracing::warn!(order = %attempt.order, attempt = %attempt.id, ?step, ?fault, "the payment provider gave no outcome");
        match fault {
            Fault::Transient(_) => {}
            Fault::Refused(_) => give_up_at = now(),
            Fault::Unknown(_) => {
                in_doubt = true;
                if attempt.status == AttemptStatus::Open {
                    let (id, at) = (attempt.id, app.clock.now());
                    app.db.write(move |tx| store::doubt(tx, id, at)).await?;
                }
            }
        }
        let goes_on = turn.pause(app, tries).await;
        tries += 1;
        let id = attempt.id;
        if !goes_on {
            let at = app.clock.now().after(turn.rest);
            app.db.write(move |tx| store::release_attempt(tx, id, at)).await?;
        }
        // A webhook, an undo or a twin may have been there meanwhile.
        (payment, attempt) = app
            .db
            .read(move |tx| store::attempt(tx, id))
            .await?
            .ok_or(::store::Error::Absent)?;
        if !goes_on || !attempt.is_live() {
            return Ok(payment);
        }
    }
}

/// One question to the provider.
async fn ask(
    app: &App,
    cx: &Cx,
    step: Step,
    payment: &Payment,
    attempt: &Attempt,
    turn: Turn,
) -> Result<Option<Outcome>, Fault> {
    let question = async {
        match (step, &attempt.token) {
            (Step::Charge, Some(token)) => {
                let charge = Charge {
                    key: attempt.id,
                    amount: payment.due,
                    token: token.clone(),
                };
                app.provider.charge(cx, &charge).await.map(Some)
            }
            (Step::Find, _) => app.provider.find(cx, attempt.id).await,
            _ => app.provider.void(cx, attempt.id).await.map(Some),
        }
    };
    timeout_at(turn.call_until(app), question)
        .await
        .unwrap_or_else(|_| Err(Fault::Unknown("no answer in time".to_owned())))
}

/// Commits an outcome, and gives back at once what may not stay.
async fn record(
    app: &App,
    cx: &Cx,
    payment: Payment,
    attempt: Attempt,
    outcome: Outcome,
    turn: Turn,
) -> Result<Payment, Error> {
    let id = attempt.id;
    // As it was read when the attempt began.
    if let Some(settled) = payment.settle(attempt, &outcome, app.clock.now())
        && settled.is_plain()
    {
        let settled = Arc::new(settled);
        if app.captures.call(settled.clone()).await? {
            let mut payment = Arc::unwrap_or_clone(settled).payment;
            payment.revision += 1;
            return Ok(payment);
        }
    }
    let settled = app.db.write(move |tx| {
        let (payment, attempt) = store::attempt(tx, id)?.ok_or(::store::Error::Absent)?;
        settle(tx, payment, attempt, &outcome)
    });
    let (payment, back): (Payment, Option<RefundId>) =
        settled.await.map_err(|error: ::store::Error| Error::Store(error))?;
    match back {
        Some(back) => refund::drive(app, cx, back, turn).await,
        None => Ok(payment),
    }
}

/// Writes an outcome and what follows from it; answers the payment, and the refund that is to be driven now.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    payment: Payment,
    attempt: Attempt,
    outcome: &Outcome,
) -> Result<(Payment, Option<RefundId>), ::store::Error> {
    let now = tx.clock().now();
    let cause = attempt.cause.clone();
    let Some(mut settled) = payment.clone().settle(attempt, outcome, now) else {
        return Ok((payment, None));
    };
    let back = settled.give_back.map(|amount| Refund {
        id: tx.ids().next(now),
        payment: settled.payment.id,
        attempt: settled.attempt.id,
        amount,
        surplus: settled.capture.as_ref().is_some_and(|capture| capture.surplus),
        status: RefundStatus::Pending,
        reason: Some(LATE.to_owned()),
        tries: 0,
        resume_at: now.after(HELD_BY_NOBODY),
        cause: cause.clone(),
        created_at: now,
    });
    let change = Change {
        attempt: Some(&settled.attempt),
        capture: settled.capture.as_ref(),
        new_refund: back.as_ref(),
        refund: None,
    };
    store::save(tx, &mut settled.payment, &change)?;
    let amount = settled
        .capture
        .as_ref()
        .map_or(settled.payment.due.minor, |capture| capture.amount);
    let about = ("attempt", settled.attempt.id.to_string());
    tell(tx, &settled.payment, settled.told, &cause, about, amount, now)?;
    Ok((settled.payment, back.map(|back| back.id)))
}

/// Why money goes back that came too late, twice, or in another amount.
const LATE: &str = "captured when nothing was due any more";
/// Such a refund is driven right after its commit; should that fail, the task has it soon.
const HELD_BY_NOBODY: std::time::Duration = std::time::Duration::from_secs(5);

/// An amount in the payment's currency.
pub(super) fn money(payment: &Payment, minor: i64) -> Money {
    Money::new(minor, payment.due.currency)
}

/// Reads an attempt with its payment.
pub(super) async fn load(app: &App, id: AttemptId) -> Result<Option<(Payment, Attempt)>, Error> {
    Ok(app.db.read(move |tx| store::attempt(tx, id)).await?)
}
