//! Going on with what lost its driver. Rows are taken up one by one with a guarded write, so that two processes
//! do not do the same work; if they did, the provider's keys would make it one all the same.

use ::store::Error as StoreError;
use base::AttemptId;
use futures_util::future::join_all;
use wire::Cx;

use super::{Turn, notify, pay, refund};
use crate::domain::{Attempt, Cause, Refund, RefundStatus};
use crate::{App, Error, store};

/// Looks for live attempts and pending refunds that nobody drives, and for webhooks that crossed with their
/// attempt; goes on with each. Answers how many there were.
pub(crate) async fn resume(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let due = app.db.scan(move |tx| {
        let attempts = store::attempts_due(tx, now)?;
        let refunds = store::refunds_due(tx, now)?;
        Ok::<_, StoreError>((attempts, refunds, store::crossed(tx)?))
    });
    let (attempts, refunds, crossed) = due.await?;
    let count = attempts.len() + refunds.len() + crossed.len();
    for id in crossed {
        if let Err(fault) = heed(app, id).await {
            // One that cannot be taken in must not keep the others waiting.
            tracing::warn!(%fault, attempt = %id, "a webhook could not be matched; trying again later");
        }
    }
    // Side by side: one that hangs for seconds must not keep the others waiting.
    let attempts = join_all(attempts.iter().map(|attempt| resume_attempt(app, attempt)));
    let refunds = join_all(refunds.iter().map(|refund| resume_refund(app, refund)));
    let (attempts, refunds) = tokio::join!(attempts, refunds);
    for fault in attempts.into_iter().chain(refunds).filter_map(Result::err) {
        tracing::warn!(%fault, "an unfinished payment could not be taken further; trying again later");
    }
    Ok(count)
}

async fn resume_attempt(app: &App, due: &Attempt) -> Result<(), Error> {
    let turn = Turn::of_resume(app, due.tries);
    let until = app.clock.now().after(app.config.lease + turn.rest);
    let claim = due.clone();
    if !app.db.write(move |tx| store::claim_attempt(tx, &claim, until)).await? {
        return Ok(());
    }
    let Some((payment, attempt)) = pay::load(app, due.id).await? else {
        return Ok(());
    };
    if attempt.is_live() {
        let cx = cx_of(&attempt.cause);
        let payment = pay::drive(app, &cx, payment, attempt, turn).await?;
        if payment.trying.is_none() {
            notify(app, &cx, payment.order).await;
        }
    }
    Ok(())
}

async fn resume_refund(app: &App, due: &Refund) -> Result<(), Error> {
    let turn = Turn::of_resume(app, due.tries);
    let until = app.clock.now().after(app.config.lease + turn.rest);
    let claim = due.clone();
    if !app.db.write(move |tx| store::claim_refund(tx, &claim, until)).await? {
        return Ok(());
    }
    let cx = cx_of(&due.cause);
    let payment = refund::drive(app, &cx, due.id, turn).await?;
    let id = due.id;
    let after = app.db.read(move |tx| store::refund(tx, id)).await?;
    if after.is_some_and(|after| after.status != RefundStatus::Pending) {
        notify(app, &cx, payment.order).await;
    }
    Ok(())
}

/// A webhook and its attempt were written at the same moment, each without seeing the other.
async fn heed(app: &App, id: AttemptId) -> Result<(), Error> {
    let taken = app.db.write(move |tx| {
        store::match_notices(tx, id, tx.clock().now())?;
        let mut order = None;
        for outcome in store::notices(tx, id)? {
            let Some((payment, attempt)) = store::attempt(tx, id)? else {
                break;
            };
            order = Some((payment.order, attempt.cause.clone()));
            pay::settle(tx, payment, attempt, &outcome)?;
        }
        Ok::<_, StoreError>(order)
    });
    if let Some((order, cause)) = taken.await? {
        notify(app, &cx_of(&cause), order).await;
    }
    Ok(())
}

fn cx_of(cause: &Cause) -> Cx {
    Cx::new(cause.request_id.clone(), cause.actor.clone())
}
