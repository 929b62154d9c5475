//! Showing payments, and paying by way of orders.

use ::store::{Answered, Error as StoreError, Once};
use api::Ref;
use api::audit::{AUDIT_PAGE, AuditedPayment};
use api::orders::PayOrder;
use api::payments::{self as wire_types, PaymentMethod, Process, Standing};
use base::{OrderId, PaymentId};
use serve::{Caller, PAYMENTS_READ, PAYMENTS_WRITE};
use wire::Cx;

use super::{pay, standing};
use crate::domain::{Attempt, Capture, Payment, Refund};
use crate::{App, Error, store};

/// Pays a pending order, or tries a declined payment again. Orders decides and drives; this answers the payment as it
/// then stands. With a key, a retry or a twin of a call that paid gets that payment instead of 409.
pub(crate) async fn process(
    app: &App,
    cx: &Cx,
    caller: &Caller,
    process: Process,
    once: Option<Once>,
) -> Result<Answered<wire_types::Payment>, Error> {
    let begun = match once {
        Some(once) => mark(app, cx, caller, &process.order_id, once).await?,
        None => None,
    };
    let asked = PayOrder {
        order: process.order_id,
        user: caller.id,
        staff: caller.may(PAYMENTS_WRITE),
        method: process.payment_method,
        token: process.payment_token,
        amount: process.amount,
    };
    let (order, replayed) = match (app.orders.pay(cx, &asked).await, begun) {
        (Ok(order), _) => (order.id, false),
        // This very call began before, and settled it: whoever repeats it gets what it came to.
        (Err(problem), Some((order, true)))
            if problem.code == "already_paid" || problem.code == "payable_on_delivery" =>
        {
            (order, true)
        }
        (Err(problem), _) => return Err(Error::Peer(problem)),
    };
    let payment = app
        .db
        .read(move |tx| store::payment_of(tx, order))
        .await?
        .ok_or(Error::NoSuchPayment)?;
    Ok(Answered {
        value: whole(app, payment.id).await?,
        replayed,
    })
}

/// Remembers that the call with this key began, unless nothing was left to pay before: that is refused each time.
/// Answers the order, and whether the call began before. None: not an order of the caller's, which orders will say.
async fn mark(app: &App, cx: &Cx, caller: &Caller, order: &Ref, once: Once) -> Result<Option<(OrderId, bool)>, Error> {
    let Some(owned) = app
        .orders
        .ownership(cx, order)
        .await?
        .filter(|owned| caller.may_see(owned.user, PAYMENTS_WRITE))
    else {
        return Ok(None);
    };
    let order = owned.order;
    let begun = app
        .db
        .write_once(Some(once), move |tx| match store::payment_of(tx, order)? {
            Some(payment) if payment.paid_by.is_some() => Err(Error::AlreadyPaid),
            Some(payment) if payment.awaits_cash() => Err(Error::PayableOnDelivery),
            _ => Ok(order),
        });
    let begun = begun.await?;
    Ok(Some((begun.value, begun.replayed)))
}

/// A payment, by its id or its order's id or number, for its owner or staff.
pub(crate) async fn show(app: &App, cx: &Cx, caller: &Caller, named: &Ref) -> Result<wire_types::Payment, Error> {
    let payment = find(app, cx, caller, named).await?;
    whole(app, payment.id).await
}

/// How the payment of an order stands; none when nothing was tried.
pub(crate) async fn standing_of(app: &App, order: OrderId) -> Result<Option<Standing>, Error> {
    let found = app.db.read(move |tx| store::payment_of(tx, order)).await?;
    Ok(found.filter(|payment| payment.user.is_some()).as_ref().map(standing))
}

/// The payment that a caller names and may see.
pub(super) async fn find(app: &App, cx: &Cx, caller: &Caller, named: &Ref) -> Result<Payment, Error> {
    let found = match named {
        Ref::Payment(id) => {
            let id = *id;
            app.db.read(move |tx| store::payment(tx, id)).await?
        }
        Ref::Order(order) => match of_order(app, *order).await? {
            Some(payment) => Some(payment),
            None => of_owned(app, cx, caller, named).await?,
        },
        Ref::Number(_) => of_owned(app, cx, caller, named).await?,
        _ => None,
    };
    let payment = found
        .filter(|payment| payment.user.is_some())
        .ok_or(Error::NoSuchPayment)?;
    if payment.user.is_some_and(|user| caller.may_see(user, PAYMENTS_READ)) {
        return Ok(payment);
    }
    // A guest's order may have become the caller's since it was paid; orders knows.
    let owned = app.orders.ownership(cx, &Ref::Order(payment.order)).await?;
    owned
        .filter(|owned| caller.may_see(owned.user, PAYMENTS_READ))
        .map(|_| payment)
        .ok_or(Error::NoSuchPayment)
}

/// The payment of an order that the caller may see, by what orders says of it.
async fn of_owned(app: &App, cx: &Cx, caller: &Caller, named: &Ref) -> Result<Option<Payment>, Error> {
    let owned = app.orders.ownership(cx, named).await?;
    let Some(owned) = owned.filter(|owned| caller.may_see(owned.user, PAYMENTS_READ)) else {
        return Ok(None);
    };
    of_order(app, owned.order).await
}

async fn of_order(app: &App, order: OrderId) -> Result<Option<Payment>, Error> {
    Ok(app.db.read(move |tx| store::payment_of(tx, order)).await?)
}

/// A payment with all that belongs to it.
pub(super) async fn whole(app: &App, id: PaymentId) -> Result<wire_types::Payment, Error> {
    let read = app.db.read(move |tx| {
        let payment = store::payment(tx, id)?.ok_or(StoreError::Absent)?;
        let attempts = store::attempts(tx, payment.order)?;
        let captures = store::captures(tx, id)?;
        let refunds = store::refunds(tx, id)?;
        Ok::<_, StoreError>(view(&payment, attempts, captures, refunds))
    });
    Ok(read.await?)
}

fn view(
    payment: &Payment,
    attempts: Vec<Attempt>,
    captures: Vec<Capture>,
    refunds: Vec<Refund>,
) -> wire_types::Payment {
    let amount = |minor| pay::money(payment, minor).amount();
    wire_types::Payment {
        id: payment.id,
        order_id: payment.order,
        status: payment.status,
        payment_method: payment.method,
        provider: match payment.method {
            PaymentMethod::CashOnDelivery => "cash".to_owned(),
            _ => payment.provider.clone(),
        },
        amount: payment.due.amount(),
        captured: amount(payment.captured),
        refunded: amount(payment.refunded),
        currency: payment.due.currency,
        failure: payment.failure.clone(),
        attempts: attempts
            .into_iter()
            .map(|attempt| wire_types::Attempt {
                id: attempt.id,
                status: attempt.status.as_str().to_owned(),
                failure: attempt.failure,
                at: attempt.created_at,
            })
            .collect(),
        captures: captures
            .into_iter()
            .map(|capture| wire_types::Capture {
                attempt_id: capture.attempt,
                amount: amount(capture.amount),
                at: capture.created_at,
            })
            .collect(),
        refunds: refunds
            .into_iter()
            .map(|refund| wire_types::Refund {
                id: refund.id,
                amount: amount(refund.amount),
                status: refund.status.as_str().to_owned(),
                reason: refund.reason,
                at: refund.created_at,
            })
            .collect(),
        created_at: payment.created_at,
        updated_at: payment.updated_at,
    }
}

/// A page of the books for the doctor, by order.
pub(crate) async fn audit(app: &App, after: Option<OrderId>) -> Result<Vec<AuditedPayment>, Error> {
    Ok(app.db.scan(move |tx| store::audit(tx, after, AUDIT_PAGE)).await?)
}
