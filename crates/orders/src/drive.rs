//! Drives an order: asks the process what is next, does it, until the order rests or the patience ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::catalog::{Pieces, Reserve, Short};
use api::orders::OrderStatus;
use api::payments::{Pay, PaymentStatus};
use base::{OrderId, Quantity};
use tokio::sync::watch;
use tokio::time::Instant;
use wire::{Cx, Problem};

use crate::App;
use crate::domain::{Order, Outcome, Step, Written, apply, next};
use crate::error::Error;
use crate::store::{self, Save};

/// When somebody looks again at an order whose driver gave up.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The wait after a first fault; it doubles up to the next constant.
const FAULT_WAIT: Duration = Duration::from_millis(50);
/// The longest wait between two tries.
const FAULT_WAIT_MAX: Duration = Duration::from_secs(1);

/// The orders that are being driven in this process. A twin waits here instead of driving along.
#[derive(Clone, Default)]
pub struct Drives(Arc<Mutex<HashMap<OrderId, watch::Receiver<()>>>>);

/// Says that an order is driven, until it is dropped.
pub struct Driving {
    drives: Drives,
    id: OrderId,
    _end: watch::Sender<()>,
}

impl Drives {
    /// Begins to drive an order. When somebody does already: what ends with them.
    pub fn begin(&self, id: OrderId) -> Result<Driving, watch::Receiver<()>> {
        let mut live = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        match live.entry(id) {
            Entry::Occupied(other) => Err(other.get().clone()),
            Entry::Vacant(place) => {
                let (end, ended) = watch::channel(());
                place.insert(ended);
                Ok(Driving {
                    drives: self.clone(),
                    id,
                    _end: end,
                })
            }
        }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.drives
            .0
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
            .remove(&self.id);
    }
}

/// What a step came to.
enum Done {
    /// Something that the process has an opinion about.
    Outcome(Outcome),
    /// What it asked of others is closed: somebody else moved the order.
    Closed(Problem),
    /// It did not work this time.
    Fault(Problem),
}

/// Drives an order that nobody else drives here; when somebody does, waits for them. Answers the order as it then stands.
pub async fn run(app: &Arc<App>, cx: &Cx, id: OrderId) -> Result<Order, Error> {
    match app.drives.begin(id) {
        Ok(driving) => {
            let order = read(app, id).await?;
            to_rest(app, cx, order, driving).await
        }
        Err(mut live) => {
            let patience = Instant::now() + app.config.patience;
            let _ = tokio::time::timeout_at(patience, live.changed()).await; // Ends when the driver's end is dropped.
            read(app, id).await
        }
    }
}

async fn read(app: &App, id: OrderId) -> Result<Order, Error> {
    app.db
        .read(move |tx| store::by_id(tx, id)?.ok_or(Error::NoSuchOrder))
        .await
}

/// Drives an order on until it rests, somebody has to act, or the patience ends.
pub async fn to_rest(app: &Arc<App>, cx: &Cx, mut order: Order, driving: Driving) -> Result<Order, Error> {
    let deadline = Instant::now() + app.config.patience;
    let cx = cx.clone().unhurried().until(deadline);
    let mut wait = FAULT_WAIT;
    loop {
        let now = app.deps.clock.now();
        let step = next(&order, now);
        if step == Step::Rest {
            order = come_to_rest(app, &cx, order).await?;
            break;
        }
        let done = match perform(app, &cx, &order, step).await {
            Done::Closed(problem) => {
                let fresh = read(app, order.id).await?;
                if fresh.version != order.version {
                    order = fresh;
                    continue;
                }
                // Nobody did, so the books do not fit together (one was restored without the other, say). Asking at
                // once again would ask for ever.
                Done::Fault(problem)
            }
            done => done,
        };
        match done {
            Done::Outcome(Outcome::Settled) => {
                order.so_far.settled = true;
                order.so_far.cleared = true;
            }
            Done::Outcome(outcome) => {
                let unknown = matches!(&outcome, Outcome::Paid(standing) | Outcome::Collected(standing) | Outcome::Undone(Some(standing)) if standing.status == PaymentStatus::Processing);
                let now = app.deps.clock.now();
                let retry_at = now.after(if unknown { LOOK_AGAIN } else { app.config.lease });
                let (after, written) = apply(order.clone(), outcome, cx.actor(), retry_at, now);
                order = match write(app, &cx, after, written).await {
                    Ok(Some(order)) => order,
                    Ok(None) => read(app, order.id).await?,
                    Err(error) => {
                        tracing::warn!(order = %order.id, %error, "an order's step could not be written; it is taken up again");
                        break;
                    }
                };
                if unknown {
                    break; // Payments has waited already; the sweep asks again.
                }
                wait = FAULT_WAIT;
            }
            Done::Fault(problem) | Done::Closed(problem) if Instant::now() + wait >= deadline => {
                tracing::warn!(order = %order.id, ?step, %problem, "an order's step failed; it is taken up again");
                order = postpone(app, &cx, order).await;
                break;
            }
            Done::Fault(_) | Done::Closed(_) => {
                tokio::time::sleep(wait / 2 + Duration::from_micros(app.deps.ids.below(wait.as_micros() as u64 / 2)))
                    .await;
                wait = (wait * 2).min(FAULT_WAIT_MAX);
            }
        }
    }
    drop(driving);
    Ok(order)
}

/// Does one step, once.
async fn perform(app: &Arc<App>, cx: &Cx, order: &Order, step: Step) -> Done {
    match step {
        Step::Reserve => match app
            .catalog
            .reserve(
                cx,
                &Reserve {
                    order: order.id,
                    lines: pieces(order),
                },
            )
            .await
        {
            Ok(()) => Done::Outcome(Outcome::Reserved),
            Err(problem) if problem.code == "out_of_stock" => Done::Outcome(Outcome::Short(short_lines(&problem))),
            Err(problem) => refused(problem),
        },
        Step::Pay => match app.payments.pay(cx, &payment(order)).await {
            Ok(standing) => Done::Outcome(Outcome::Paid(standing)),
            Err(problem) => refused(problem),
        },
        Step::Collect => match app.payments.collect(cx, &payment(order)).await {
            Ok(standing) => Done::Outcome(Outcome::Collected(standing)),
            Err(problem) => refused(problem),
        },
        Step::Confirm => Done::Outcome(Outcome::Confirmed),
        Step::Expire => Done::Outcome(Outcome::Expired),
        Step::Settle | Step::Clear => finish(app, cx, order).await,
        Step::Undo => {
            let (stock, payment) = tokio::join!(app.catalog.undo(cx, order.id), app.payments.undo(cx, order.id));
            match (stock, payment) {
                (Ok(()), Ok(standing)) => Done::Outcome(Outcome::Undone(standing)),
                (Err(problem), _) | (_, Err(problem)) => Done::Fault(problem),
            }
        }
        Step::Rest => Done::Fault(Problem::internal()), // The driver does not ask for it.
    }
}

/// Settles and clears side by side: neither needs the other.
async fn finish(app: &Arc<App>, cx: &Cx, order: &Order) -> Done {
    let settle = app.catalog.settle(cx, order.id);
    let clear = async {
        let Some((cart, generation)) = order.cart else {
            return Ok(());
        };
        app.cart
            .clear(
                cx,
                &api::cart::Clear {
                    cart,
                    generation,
                    lines: pieces(order),
                },
            )
            .await
    };
    let enrol = async {
        if order.guest {
            app.identity.guest_ordered(cx, order.user, order.id).await
        } else {
            Ok(())
        }
    };
    let (settled, cleared, enrolled) = tokio::join!(settle, clear, enrol);
    match settled.and(cleared).and(enrolled) {
        Ok(()) => Done::Outcome(Outcome::Settled),
        Err(problem) => refused(problem),
    }
}

/// A command that is closed was undone: whoever did it moved the order. Anything else may work next time.
fn refused(problem: Problem) -> Done {
    if problem.code == "closed" {
        Done::Closed(problem)
    } else {
        Done::Fault(problem)
    }
}

/// Writes what a step changed. None when somebody else changed the order meanwhile.
pub async fn write(app: &App, cx: &Cx, order: Order, written: Written) -> Result<Option<Order>, Error> {
    let event = match written {
        Written::No => return Ok(Some(order)),
        Written::Row => None,
        Written::Told(event) => Some(event),
    };
    let (by, request_id, now) = (cx.actor().to_owned(), cx.request_id().to_owned(), order.updated_at);
    let saved = app
        .save
        .call(Save {
            order,
            event,
            by,
            request_id,
            now,
        })
        .await?;
    app.watched.wake();
    Ok(saved)
}

/// Notes that the order rests, or when somebody is to look at it again.
async fn come_to_rest(app: &Arc<App>, cx: &Cx, order: Order) -> Result<Order, Error> {
    if order.status == OrderStatus::Pending && order.resume_at != Some(order.expires_at) {
        let mut waiting = order.clone();
        waiting.resume_at = Some(order.expires_at);
        return Ok(write(app, cx, waiting, Written::Row).await?.unwrap_or(order));
    }
    if order.status != OrderStatus::Pending && order.resume_at.is_some() {
        // Confirmed, settled, cleared. That it rests is noted with others, and nobody waits for it: after a crash
        // the sweep repeats two harmless steps.
        let (app, id) = (app.clone(), order.id);
        serve::spawn(async move {
            if let Err(error) = app.rest.call(id).await {
                tracing::debug!(order = %id, %error, "that an order rests is noted later");
            }
        });
    }
    Ok(order)
}

async fn postpone(app: &App, cx: &Cx, order: Order) -> Order {
    let mut later = order.clone();
    let look = app.deps.clock.now().after(LOOK_AGAIN);
    later.resume_at = Some(if order.status == OrderStatus::Pending {
        look.min(order.expires_at)
    } else {
        look
    });
    match write(app, cx, later, Written::Row).await {
        Ok(Some(saved)) => saved,
        _ => order, // The lease runs out by itself.
    }
}

/// What payments is asked for.
fn payment(order: &Order) -> Pay {
    Pay {
        order: order.id,
        user: order.user,
        amount: order.totals.total,
        method: order.method,
        token: order.token.clone(),
        attempt: order.attempt,
    }
}

/// What the order holds, as catalog and cart count it.
fn pieces(order: &Order) -> Vec<Pieces> {
    let line = |line: &crate::domain::Line| {
        Some(Pieces {
            variant: line.variant,
            quantity: Quantity::new(line.quantity).ok()?,
        })
    };
    order.lines.iter().filter_map(line).collect()
}

fn short_lines(problem: &Problem) -> Vec<Short> {
    problem
        .extra
        .get("lines")
        .cloned()
        .and_then(|lines| serde_json::from_value(lines).ok())
        .unwrap_or_default()
}
