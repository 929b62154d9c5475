//! What can be done with orders, one function a verb.

mod checkout;
mod mails;
mod stream;
mod sweep;

use std::sync::Arc;

use ::store::Once;
use api::Ref;
use api::orders::{HandOver, OrderStatus, Ownership, PayOrder, SetStatus};
use api::payments::{PaymentStatus, Standing};
use base::{Money, OrderId, Page, UserId};
use serve::{Caller, Known};
use tokio::time::Instant;
use wire::Cx;

use crate::App;
use crate::domain::{Order, OrderEvent};
use crate::drive;
use crate::error::Error;
use crate::gather;
use crate::store::{self, Filter};

pub use checkout::checkout;
pub use mails::{Reading, mails, note_mails, retry_mails, send_mails};
pub use stream::{Follow, follow};
pub use sweep::forget;

/// The longest reason for a change of state: a few sentences.
const REASON_MAX: usize = 500;

/// An order, and whether an earlier call with the same key placed or cancelled it.
pub struct Joined {
    /// The order as it now stands.
    pub order: Order,
    /// Whether it was there before.
    pub replayed: bool,
}

/// An order that the caller may see.
pub async fn get(app: &App, caller: &Caller, order: Ref) -> Result<Order, Error> {
    let order = find(app, order).await?;
    if caller.may_see(order.user, serve::ORDERS_READ) {
        Ok(order)
    } else {
        Err(Error::NoSuchOrder)
    }
}

/// An order by id or number, whoever's it is.
async fn find(app: &App, order: Ref) -> Result<Order, Error> {
    app.db
        .read(move |tx| {
            let found = match &order {
                Ref::Order(id) => store::by_id(tx, *id)?,
                Ref::Number(number) => store::by_number(tx, *number)?,
                _ => None,
            };
            found.filter(|order| order.refusal.is_none()).ok_or(Error::NoSuchOrder)
        })
        .await
}

/// A page of orders, newest first, and whether there are more.
pub async fn list(app: &App, filter: Filter, page: Page) -> Result<(Vec<Order>, bool), Error> {
    let after = page.after.as_ref().map(|cursor| {
        cursor
            .parts::<1>()
            .map_err(|_| ())
            .and_then(|[id]| id.parse::<OrderId>().map_err(|_| ()))
    });
    let after = after.transpose().map_err(|()| {
        Error::Fields(vec![wire::FieldFault {
            pointer: "?cursor".into(),
            detail: base::CursorFault.to_string(),
        }])
    })?;
    app.db.scan(move |tx| store::list(tx, &filter, after, &page)).await
}

/// The user that a caller names in a path: themselves by id or number, or anybody to staff.
pub async fn user_named(app: &App, cx: &Cx, caller: &Caller, user: Ref) -> Result<UserId, Error> {
    called(app, cx, caller, &user)
        .await?
        .filter(|id| caller.may_see(*id, serve::ORDERS_READ))
        .ok_or(Error::NoSuchOrder)
}

/// The user who is called so: by id, by number, which only identity knows, or `me`.
async fn called(app: &App, cx: &Cx, caller: &Caller, user: &Ref) -> Result<Option<UserId>, Error> {
    match user {
        Ref::User(id) => Ok(Some(*id)),
        Ref::Text(word) if word == "me" => Ok(Some(caller.id)),
        Ref::Number(_) => Ok(app.identity.find(cx, user).await?.map(|user| user.id)),
        _ => Ok(None),
    }
}

/// Calls an order off and gives back what it holds. The same call again, by its key, joins the first.
pub async fn cancel(
    app: &Arc<App>,
    cx: &Cx,
    caller: &Caller,
    order: Ref,
    known: Known,
    once: Option<Once>,
    reason: Option<String>,
) -> Result<Joined, Error> {
    let id = may_change(app, caller, order).await?.id;
    let key = once.map(|once| format!("{}:{}", once.fingerprint, once.key));
    let by_staff = caller.is_staff();
    let usual = if by_staff {
        "cancelled_by_staff"
    } else {
        "cancelled_by_customer"
    };
    let reason = reasonable(reason)?.or_else(|| Some(usual.into()));
    let (by, request_id, now) = (cx.actor().to_owned(), cx.request_id().to_owned(), app.deps.clock.now());
    let resume_at = now.after(app.config.lease);
    let replayed = app
        .db
        .write(move |tx| {
            let order = store::by_id(tx, id)?.ok_or(Error::NoSuchOrder)?;
            if order.status == OrderStatus::Cancelled
                && let Some(same) = same_cancel(&order, key.as_deref())
            {
                return if same {
                    Ok(true)
                } else {
                    Err(::store::Error::KeyReused.into())
                };
            }
            known.permits(&order.tag())?;
            let from = order.status;
            let (mut order, event) = order
                .cancel(key.clone(), reason.clone(), &by, resume_at, now)
                .map_err(Error::Illegal)?;
            if !store::save(tx, &mut order, Some(event), &by, &request_id, now)? {
                return Err(Error::from(tx.conflict()));
            }
            if by_staff {
                bus::audit(
                    tx,
                    &by,
                    &request_id,
                    moved("order.cancel", &id.to_string(), from, order.status),
                )?;
            }
            Ok(false)
        })
        .await?;
    app.watched.wake();
    // Whoever drives the order sees that it was cancelled and follows; what is left to undo is undone here.
    let order = drive_on(app, cx, id).await?;
    Ok(Joined { order, replayed })
}

/// Drives an order to rest that was just moved, also when somebody drives it who has not read of that.
async fn drive_on(app: &Arc<App>, cx: &Cx, id: OrderId) -> Result<Order, Error> {
    let patience = Instant::now() + app.config.patience;
    let mut order = drive::run(app, cx, id).await?;
    while order.resume_at.is_some() && Instant::now() < patience {
        let version = order.version;
        order = drive::run(app, cx, id).await?;
        if order.version == version {
            break; // What is left is not known yet; the sweep goes on with it.
        }
    }
    Ok(order)
}

/// An order that the caller may change: their own, or any with the permission.
async fn may_change(app: &App, caller: &Caller, order: Ref) -> Result<Order, Error> {
    let order = get(app, caller, order).await?;
    if caller.may_see(order.user, serve::ORDERS_WRITE) {
        Ok(order)
    } else {
        Err(Error::NeedsPermission(serve::ORDERS_WRITE))
    }
}

/// What the audit log keeps of a move. People's own words stay in the history: they may name somebody.
fn moved<'a>(action: &'static str, subject: &'a str, from: OrderStatus, to: OrderStatus) -> bus::Deed<'a> {
    bus::Deed {
        action,
        subject,
        before: Some(serde_json::json!({ "status": from })),
        after: Some(serde_json::json!({ "status": to })),
    }
}

/// A reason for the history, if it is not too long.
fn reasonable(reason: Option<String>) -> Result<Option<String>, Error> {
    match &reason {
        Some(text) if text.chars().count() > REASON_MAX => Err(Error::Fields(vec![wire::FieldFault {
            pointer: "/reason".into(),
            detail: format!("must have at most {REASON_MAX} characters"),
        }])),
        _ => Ok(reason),
    }
}

/// Whether an order was cancelled by this very call; none when it was by a call with another key, or without one.
fn same_cancel(order: &Order, key: Option<&str>) -> Option<bool> {
    let (print, key) = key?.split_once(':')?;
    let (known_print, known) = order.cancel_key.as_deref()?.split_once(':')?;
    (known == key).then_some(known_print == print)
}

/// Moves an order forward for a clerk. The same call again, by its key, answers the order as it now stands.
pub async fn set_status(
    app: &Arc<App>,
    cx: &Cx,
    caller: &Caller,
    order: Ref,
    known: Known,
    once: Option<Once>,
    asked: SetStatus,
) -> Result<Joined, Error> {
    let SetStatus { status, reason } = asked;
    if status == OrderStatus::Cancelled {
        return cancel(app, cx, caller, order, known, once, reason).await;
    }
    let reason = reasonable(reason)?;
    let id = may_change(app, caller, order).await?.id;
    let (by, request_id, now) = (cx.actor().to_owned(), cx.request_id().to_owned(), app.deps.clock.now());
    let resume_at = now.after(app.config.lease);
    let ids = app.deps.ids.clone();
    let done = app
        .db
        .write_once(once, move |tx| {
            let order = store::by_id(tx, id)?.ok_or(Error::NoSuchOrder)?;
            known.permits(&order.tag())?;
            let from = order.status;
            let (mut order, event) = order.advance(status, reason.clone(), &by, resume_at, now)?;
            if !store::save(tx, &mut order, event, &by, &request_id, now)? {
                return Err(Error::from(tx.conflict()));
            }
            let leaves = from < OrderStatus::Shipped && status >= OrderStatus::Shipped;
            if leaves {
                store::fulfil(tx, ids.next(now), &order, &by, now)?;
            }
            debug_assert!(event != Some(OrderEvent::Shipped) || leaves);
            bus::audit(
                tx,
                &by,
                &request_id,
                moved("order.status", &id.to_string(), from, order.status),
            )?;
            Ok(())
        })
        .await?;
    app.watched.wake();
    let order = find(app, Ref::Order(id)).await?;
    Ok(Joined {
        order: match order.status == OrderStatus::Delivered && order.owes_cash() {
            true => drive_on(app, cx, id).await?,
            false => order,
        },
        replayed: done.replayed,
    })
}

/// Whose an order is.
pub async fn ownership(app: &App, order: Ref) -> Result<Ownership, Error> {
    find(app, order).await.map(|order| Ownership {
        order: order.id,
        user: order.user,
    })
}

/// Pays a pending order, or tries a declined payment again.
pub async fn pay(app: &Arc<App>, cx: &Cx, pay: PayOrder) -> Result<Order, Error> {
    let order = find(app, pay.order.clone()).await?;
    if order.user != pay.user && !pay.staff {
        return Err(Error::NotTheirs);
    }
    if pay.token.as_ref().is_some_and(|token| token.len() > gather::TOKEN_MAX) {
        return Err(Error::Fields(vec![wire::FieldFault {
            pointer: "/paymentToken".into(),
            detail: format!("must have at most {} characters", gather::TOKEN_MAX),
        }]));
    }
    let due = order.totals.total;
    if let Some(amount) = pay.amount
        && Money::from_amount(amount, due.currency) != Ok(due)
    {
        return Err(Error::AmountDiffers(due));
    }
    payable(&order)?;
    // It waited to be paid when this call came. Should somebody else's try, or the provider's own word of it, pay it
    // meanwhile, then this call has joined that one.
    let id = order.id;
    match pay_waiting(app, cx, order, pay).await {
        Err(Error::AlreadyPaid | Error::PayableOnDelivery) => find(app, Ref::Order(id)).await,
        done => done,
    }
}

/// Pays an order that waited to be paid a moment ago.
async fn pay_waiting(app: &Arc<App>, cx: &Cx, order: Order, pay: PayOrder) -> Result<Order, Error> {
    // Somebody may be paying just now: their outcome comes first.
    let order = match app.drives.begin(order.id) {
        Err(_) => drive::run(app, cx, order.id).await?,
        Ok(driving) => {
            drop(driving);
            order
        }
    };
    payable(&order)?;
    let (id, method, token, now) = (order.id, pay.method, some_token(pay.token), app.deps.clock.now());
    let resume_at = now.after(app.config.lease);
    let (by, request_id, by_staff) = (
        cx.actor().to_owned(),
        cx.request_id().to_owned(),
        order.user != pay.user,
    );
    let begun = app
        .db
        .write(move |tx| {
            let order = store::by_id(tx, id)?.ok_or(Error::NoSuchOrder)?;
            payable(&order)?;
            if order.is_being_paid() {
                return Ok(order.version); // The other try comes to its end first: this one joins it.
            }
            let before = tried(&order);
            let mut order = order
                .pay_again(method, token.clone(), resume_at, now)
                .map_err(Error::Illegal)?;
            if !store::save(tx, &mut order, None, &by, &request_id, now)? {
                return Err(Error::from(tx.conflict()));
            }
            if by_staff {
                let deed = bus::Deed {
                    action: "order.pay",
                    subject: &id.to_string(),
                    before,
                    after: tried(&order),
                };
                bus::audit(tx, &by, &request_id, deed)?;
            }
            Ok(order.version)
        })
        .await?;
    let mut order = drive::run(app, cx, id).await?;
    if order.version == begun {
        // Somebody drove it who had read it before this try was written, and left it as it was.
        order = drive::run(app, cx, id).await?;
    }
    match (order.status, &order.failure) {
        (OrderStatus::Pending, Some(failure)) if order.payment_status == PaymentStatus::Failed => {
            Err(Error::Declined(failure.clone()))
        }
        (OrderStatus::Failed | OrderStatus::Cancelled, _) => Err(Error::Closed),
        _ => Ok(order),
    }
}

/// What the audit log keeps of a try at a payment.
fn tried(order: &Order) -> Option<serde_json::Value> {
    Some(serde_json::json!({
        "paymentStatus": order.payment_status,
        "paymentMethod": order.method,
        "attempt": order.attempt,
    }))
}

/// An empty token is none: forms send it where nothing was filled in.
fn some_token(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

fn payable(order: &Order) -> Result<(), Error> {
    match order.status {
        OrderStatus::Pending => Ok(()),
        OrderStatus::Failed | OrderStatus::Cancelled => Err(Error::Closed),
        _ if order.owes_cash() => Err(Error::PayableOnDelivery),
        _ => Err(Error::AlreadyPaid),
    }
}

/// Looks at an order's payment again: after a refund, or after a capture that came late.
pub async fn payment_changed(app: &Arc<App>, cx: &Cx, id: OrderId) -> Result<(), Error> {
    let order = app
        .db
        .read(move |tx| store::by_id(tx, id))
        .await?
        .ok_or(Error::NoSuchOrder)?;
    if order.status == OrderStatus::Pending {
        drive::run(app, cx, id).await?;
        return Ok(());
    }
    let Some(standing) = app.payments.standing(cx, id).await? else {
        return Ok(());
    };
    take_over(app, cx, id, standing).await
}

/// Takes over how a payment stands, unless something newer is known.
async fn take_over(app: &App, cx: &Cx, id: OrderId, standing: Standing) -> Result<(), Error> {
    let (by, request_id, now) = (cx.actor().to_owned(), cx.request_id().to_owned(), app.deps.clock.now());
    app.db
        .write(move |tx| {
            let Some(mut order) = store::by_id(tx, id)? else {
                return Err(Error::NoSuchOrder);
            };
            if order.payment_version >= standing.version || order.status == OrderStatus::Pending {
                return Ok(());
            }
            order.payment_version = standing.version;
            order.payment_status = standing.status;
            order.updated_at = now;
            let saved = store::save(tx, &mut order, None, &by, &request_id, now)?;
            if saved { Ok(()) } else { Err(Error::from(tx.conflict())) }
        })
        .await?;
    app.watched.wake();
    Ok(())
}

/// Gives a guest's orders to an account.
pub async fn hand_over(app: &App, hand: HandOver) -> Result<(), Error> {
    let now = app.deps.clock.now();
    app.db
        .write(move |tx| store::hand_over(tx, hand.from, hand.to, now))
        .await?;
    Ok(())
}

/// A page of orders for the doctor.
pub async fn audit(app: &App, after: Option<OrderId>) -> Result<Vec<Order>, Error> {
    app.db
        .scan(move |tx| store::audit(tx, after, api::audit::AUDIT_PAGE))
        .await
}

/// Takes orders that nobody drives any more and drives them on. Answers how many.
pub async fn resume(app: &Arc<App>, limit: u32) -> Result<usize, Error> {
    let now = app.deps.clock.now();
    let due = app.db.read(move |tx| store::due(tx, now, limit)).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let until = now.after(app.config.lease);
    let taken = app.db.write(move |tx| store::claim(tx, &due, until, now)).await?;
    let request_id = app.deps.ids.next::<base::RequestId>(now).to_string();
    let cx = Cx::new(request_id, "service:orders");
    let drives = taken.iter().map(|id| resume_one(app, &cx, *id));
    for (id, done) in taken.iter().zip(futures_util::future::join_all(drives).await) {
        if let Err(error) = done {
            tracing::warn!(order = %id, %error, "an order could not be driven on; it is taken up again");
        }
    }
    Ok(taken.len())
}

/// Drives an order on and looks at its payment, which may be what woke it.
async fn resume_one(app: &Arc<App>, cx: &Cx, id: OrderId) -> Result<(), Error> {
    let order = drive::run(app, cx, id).await?;
    if order.status == OrderStatus::Pending {
        return Ok(());
    }
    payment_changed(app, cx, id).await
}
