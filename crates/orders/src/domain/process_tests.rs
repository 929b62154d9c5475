//! Walks the process through every state, fails every step, repeats every step.

use std::collections::BTreeSet;
use std::time::Duration;

use api::catalog::Short;
use api::orders::OrderStatus;
use api::payments::{Failure, PaymentMethod, PaymentStatus, Standing};
use base::{CartId, Currency, Ids, Money, Time};

use super::*;

const START: Time = Time::from_micros(1_000_000_000);
const WINDOW: Duration = Duration::from_secs(1_800);
const LATER: Duration = Duration::from_secs(30);

fn order(method: PaymentMethod, price: i64) -> Order {
    let ids = Ids::seeded(1);
    let lines = vec![Line {
        id: ids.next(START),
        product: ids.next(START),
        variant: ids.next(START),
        sku: "NAIL".into(),
        name: "Nail".into(),
        price: Money::new(price, Currency::USD),
        quantity: 2,
    }];
    let totals = total(&lines, Currency::USD, true).unwrap();
    let cart = Some((ids.next::<CartId>(START), 1));
    let placing = Placing {
        id: ids.next(START),
        user: ids.next(START),
        guest: false,
        email: None,
        method,
        token: None,
        lines,
        totals,
        shipping_address: None,
        billing_address: None,
        cart,
        key: Some(("k".into(), "f".into())),
        expires_at: START.after(WINDOW),
        resume_at: START.after(LATER),
    };
    Order::place(placing, 1, "usr", START)
}

fn standing(order: &Order, status: PaymentStatus) -> Standing {
    let captured = if matches!(status, PaymentStatus::Completed | PaymentStatus::Refunded) {
        order.totals.total
    } else {
        Money::zero(Currency::USD)
    };
    let refunded = if status == PaymentStatus::Refunded {
        captured
    } else {
        Money::zero(Currency::USD)
    };
    let failure = (status == PaymentStatus::Failed).then(|| Failure {
        code: "card_declined".into(),
        detail: "Declined.".into(),
    });
    Standing {
        payment: Ids::seeded(2).next(START),
        status,
        captured,
        refunded,
        failure,
        version: 1,
    }
}

/// What a crash leaves: the rows without what the driver had learned.
fn crashed(order: &Order, last_written: &Order) -> Order {
    let mut again = last_written.clone();
    again.so_far = SoFar::default();
    again.resume_at = last_written
        .resume_at
        .or(order.resume_at.filter(|_| last_written.resume_at.is_some()));
    again
}

/// Every outcome that a step can have in the world outside.
fn outcomes(order: &Order, step: Step) -> Vec<Outcome> {
    let short = Short {
        variant_id: order.lines[0].variant,
        sku: "NAIL".into(),
        requested: 2,
        available: 1,
    };
    match step {
        Step::Reserve => vec![Outcome::Reserved, Outcome::Short(vec![short])],
        Step::Pay => [
            PaymentStatus::Completed,
            PaymentStatus::Failed,
            PaymentStatus::Processing,
            PaymentStatus::Pending,
            PaymentStatus::Refunded,
        ]
        .map(|status| Outcome::Paid(standing(order, status)))
        .into(),
        Step::Collect => [
            PaymentStatus::Completed,
            PaymentStatus::Processing,
            PaymentStatus::Refunded,
        ]
        .map(|status| Outcome::Collected(standing(order, status)))
        .into(),
        Step::Confirm => vec![Outcome::Confirmed],
        Step::Settle => vec![Outcome::Settled],
        Step::Clear => vec![Outcome::Cleared],
        Step::Expire => vec![Outcome::Expired],
        Step::Undo => vec![
            Outcome::Undone(None),
            Outcome::Undone(Some(standing(order, PaymentStatus::Refunded))),
            Outcome::Undone(Some(standing(order, PaymentStatus::Processing))),
            Outcome::Undone(Some(standing(order, PaymentStatus::Failed))),
        ],
        Step::Rest => vec![],
    }
}

/// Explores all paths from `order`, `depth` steps deep: each outcome, each repeated, and a crash after each. Calls `visit` at rest.
fn explore(
    order: Order,
    written: Order,
    now: Time,
    depth: u32,
    steps: &mut BTreeSet<Step>,
    visit: &mut impl FnMut(&Order),
) {
    let step = next(&order, now);
    steps.insert(step);
    if step == Step::Rest {
        visit(&order);
    }
    if depth == 0 {
        return;
    }
    for outcome in outcomes(&order, step) {
        let (after, wrote) = apply(order.clone(), outcome.clone(), "test", now.after(LATER), now);
        let row = if wrote == Written::No {
            written.clone()
        } else {
            after.clone()
        };
        assert!(after.history.len() <= 3, "a state is entered once: {:?}", after.history);
        // A crash before the next write: the driver starts again from the row and must come to the same end.
        if depth > 1 && wrote == Written::No {
            let again = crashed(&after, &row);
            assert_ne!(
                next(&again, now),
                Step::Rest,
                "a crash after {step:?} must not leave the order behind"
            );
        }
        explore(after, row, now, depth - 1, steps, visit);
    }
    if step == Step::Rest && order.status == OrderStatus::Pending {
        let late = order.expires_at;
        assert_eq!(
            next(&order, late),
            Step::Expire,
            "a pending order does not wait for ever"
        );
        explore(order, written, late, depth - 1, steps, visit);
    }
}

#[test]
fn every_path_comes_to_rest_and_every_step_is_walked() {
    let mut steps = BTreeSet::new();
    let mut rests = BTreeSet::new();
    for (method, price) in [
        (PaymentMethod::CreditCard, 500),
        (PaymentMethod::CashOnDelivery, 500),
        (PaymentMethod::CreditCard, 0),
    ] {
        let start = order(method, price);
        explore(start.clone(), start, START, 9, &mut steps, &mut |order| {
            rests.insert(order.status);
            let wakes = order.resume_at.is_some();
            match order.status {
                OrderStatus::Pending => assert!(wakes, "somebody looks when the window ends"),
                OrderStatus::Confirmed => assert!(order.so_far.settled && order.so_far.cleared || !wakes),
                _ => assert!(!wakes, "{order:?}"),
            }
        });
    }
    assert_eq!(steps.len(), 8, "all but Collect, which begins with staff: {steps:?}");
    assert_eq!(
        rests,
        BTreeSet::from([OrderStatus::Pending, OrderStatus::Confirmed, OrderStatus::Failed])
    );
}

#[test]
fn only_a_captured_payment_confirms() {
    for status in [
        PaymentStatus::Failed,
        PaymentStatus::Processing,
        PaymentStatus::Pending,
        PaymentStatus::Refunded,
        PaymentStatus::Completed,
    ] {
        let order = order(PaymentMethod::CreditCard, 500);
        let (order, _) = apply(order, Outcome::Reserved, "test", START, START);
        let answer = standing(&order, status);
        let (order, _) = apply(order, Outcome::Paid(answer), "test", START.after(LATER), START);
        assert_eq!(
            next(&order, START) == Step::Confirm,
            status == PaymentStatus::Completed,
            "{status:?}"
        );
    }
}

#[test]
fn a_repeated_outcome_changes_nothing_more() {
    let start = order(PaymentMethod::CreditCard, 500);
    for outcome in [
        Outcome::Reserved,
        Outcome::Settled,
        Outcome::Cleared,
        Outcome::Paid(standing(&start, PaymentStatus::Completed)),
        Outcome::Paid(standing(&start, PaymentStatus::Failed)),
        Outcome::Undone(None),
    ] {
        let (once, _) = apply(start.clone(), outcome.clone(), "test", START.after(LATER), START);
        let (twice, _) = apply(once.clone(), outcome, "test", START.after(LATER), START);
        assert_eq!(once, twice);
    }
}

#[test]
fn people_move_orders_forward_only() {
    use OrderStatus::*;
    let all = [Pending, Confirmed, Processing, Shipped, Delivered, Cancelled, Failed];
    let allowed = [
        (Confirmed, Processing),
        (Confirmed, Shipped),
        (Confirmed, Delivered),
        (Processing, Shipped),
        (Processing, Delivered),
        (Shipped, Delivered),
    ];
    for from in all {
        for to in all {
            let mut order = order(PaymentMethod::CreditCard, 500);
            order.status = from;
            assert_eq!(
                order.advance(to, None, "clerk", START, START).is_ok(),
                allowed.contains(&(from, to)),
                "{from:?} → {to:?}"
            );
        }
        let mut order = order(PaymentMethod::CreditCard, 500);
        order.status = from;
        let cancelled = order.cancel(None, None, "usr", START, START);
        assert_eq!(
            cancelled.is_ok(),
            matches!(from, Pending | Confirmed | Processing),
            "cancel from {from:?}"
        );
    }
}

#[test]
fn what_is_refunded_in_full_does_not_leave() {
    use OrderStatus::*;
    for (payment, from, to, leaves) in [
        (PaymentStatus::Refunded, Confirmed, Processing, false),
        (PaymentStatus::Refunded, Confirmed, Shipped, false),
        (PaymentStatus::Refunded, Processing, Delivered, false),
        (PaymentStatus::Refunded, Shipped, Delivered, true),
        (PaymentStatus::PartiallyRefunded, Confirmed, Shipped, true),
    ] {
        let mut order = order(PaymentMethod::CreditCard, 500);
        (order.status, order.payment_status) = (from, payment);
        let moved = order.clone().advance(to, None, "clerk", START, START);
        assert_eq!(
            moved.err(),
            (!leaves).then_some(Stays::Refunded),
            "{payment:?}: {from:?} → {to:?}"
        );
        assert_eq!(order.cancel(None, None, "usr", START, START).is_ok(), from < Shipped);
    }
}

#[test]
fn cash_is_taken_at_the_door() {
    let order = order(PaymentMethod::CashOnDelivery, 500);
    let (order, _) = apply(order, Outcome::Reserved, "test", START, START);
    assert_eq!(next(&order, START), Step::Pay, "payments hears of it first");
    let pending = standing(&order, PaymentStatus::Pending);
    let (order, _) = apply(order, Outcome::Paid(pending), "test", START, START);
    assert_eq!(next(&order, START), Step::Confirm);
    let (mut order, _) = apply(order, Outcome::Confirmed, "test", START.after(LATER), START);
    assert_eq!(order.payment_status, PaymentStatus::Pending);
    order.resume_at = None;
    let delivered = order.advance(OrderStatus::Delivered, None, "clerk", START.after(LATER), START);
    let (delivered, event) = delivered.unwrap();
    assert_eq!(
        (delivered.payment_status, event),
        (PaymentStatus::Pending, Some(OrderEvent::Delivered))
    );
    let mut steps = BTreeSet::new();
    explore(delivered.clone(), delivered, START, 6, &mut steps, &mut |order| {
        assert!(order.resume_at.is_none() && !order.owes_cash(), "{order:?}");
    });
    assert!(steps.contains(&Step::Collect), "{steps:?}");
}

#[test]
fn a_card_that_was_captured_late_is_no_cash() {
    let order = order(PaymentMethod::CashOnDelivery, 500);
    let (order, _) = apply(order, Outcome::Reserved, "test", START, START);
    let captured = standing(&order, PaymentStatus::Completed);
    let (order, _) = apply(order, Outcome::Paid(captured), "test", START, START);
    let (order, _) = apply(order, Outcome::Confirmed, "test", START, START);
    assert_eq!(
        (order.payment_status, order.owes_cash()),
        (PaymentStatus::Completed, false)
    );
}

#[test]
fn cash_may_follow_a_declined_card_and_nothing_due_is_paid() {
    let card = order(PaymentMethod::CreditCard, 500);
    let (card, _) = apply(card, Outcome::Reserved, "test", START, START);
    let declined = standing(&card, PaymentStatus::Failed);
    let (card, _) = apply(card, Outcome::Paid(declined), "test", START, START);
    assert!(!card.is_being_paid());
    let cash = card
        .pay_again(Some(PaymentMethod::CashOnDelivery), None, START, START)
        .unwrap();
    let noted = standing(&cash, PaymentStatus::Pending);
    let (cash, _) = apply(cash, Outcome::Paid(noted), "test", START, START);
    assert_eq!(next(&cash, START), Step::Confirm);
    let (cash, _) = apply(cash, Outcome::Confirmed, "test", START, START);
    assert_eq!(
        cash.payment_status,
        PaymentStatus::Pending,
        "whoever hands it over takes the money"
    );

    let free = order(PaymentMethod::CreditCard, 0);
    let (free, _) = apply(free, Outcome::Confirmed, "test", START, START);
    assert_eq!(free.payment_status, PaymentStatus::Completed);
}

#[test]
fn a_try_that_may_have_been_made_comes_to_its_end_before_another() {
    let placed = order(PaymentMethod::CreditCard, 500);
    assert!(placed.is_being_paid(), "its driver may have vanished after the capture");
    let awaited = standing(&placed, PaymentStatus::Pending);
    let (awaits, _) = apply(placed, Outcome::Paid(awaited), "test", START, START);
    assert!(!awaits.is_being_paid(), "it awaits a token");
    assert!(!order(PaymentMethod::CashOnDelivery, 500).is_being_paid());
}

#[test]
fn only_an_order_that_nobody_was_told_of_is_hidden() {
    for (version, hidden) in [(1, true), (2, false)] {
        let mut order = order(PaymentMethod::CreditCard, 500);
        order.version = version;
        let (order, _) = apply(order, Outcome::Short(Vec::new()), "test", START, START);
        assert_eq!(
            (order.status, order.refusal.is_some(), order.key.is_none()),
            (OrderStatus::Failed, hidden, hidden)
        );
    }
}
