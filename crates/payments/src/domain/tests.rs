use std::cell::Cell;
use std::time::Duration;

use base::Id;
use proptest::prelude::*;

use super::*;

const NOW: Time = Time::from_micros(1_900_000_000_000_000);

/// Gives each thing an id of its own.
#[derive(Default)]
struct Names(Cell<u128>);

impl Names {
    fn next<I: Id>(&self) -> I {
        self.0.set(self.0.get() + 1);
        I::from_bits(self.0.get())
    }
}

fn dollars(minor: i64) -> Money {
    Money::new(minor, base::Currency::USD)
}

fn payment(ids: &Names) -> Payment {
    Payment {
        id: ids.next(),
        order: ids.next(),
        user: Some(ids.next()),
        due: dollars(1_000),
        method: PaymentMethod::CreditCard,
        provider: "simulated".into(),
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
        created_at: NOW,
        updated_at: NOW,
    }
}

fn attempt(ids: &Names, payment: &Payment, number: i64) -> Attempt {
    Attempt {
        id: ids.next(),
        payment: payment.id,
        order: payment.order,
        number,
        status: AttemptStatus::Open,
        token: Some("tok".into()),
        charge: None,
        failure: None,
        tries: 0,
        resume_at: NOW,
        cause: Cause {
            actor: "usr".into(),
            request_id: "req".into(),
        },
        created_at: NOW,
    }
}

fn captured(minor: i64) -> Outcome {
    Outcome::Captured {
        charge: "chg".into(),
        amount: dollars(minor),
    }
}

fn declined() -> Outcome {
    Outcome::Declined(failure("card_declined", "no"))
}

#[test]
fn an_outcome_moves_the_payment_once() {
    let ids = Names::default();
    let check = |closed: bool, outcome: Outcome, status: PaymentStatus, refunding: i64, told: Option<Told>| {
        let fresh = payment(&ids);
        let attempt = attempt(&ids, &fresh, 1);
        let mut trying = fresh.begin(attempt.id, PaymentMethod::CreditCard, NOW);
        if closed {
            trying = trying.close(NOW).expect("closes").payment;
        }
        let settled = trying.settle(attempt, &outcome, NOW).expect("settles");
        assert_eq!(
            (settled.payment.status, settled.payment.refunding, settled.told),
            (status, refunding, told),
            "{outcome:?}"
        );
        assert_eq!(settled.attempt.token, None);
        let again = settled.payment.clone().settle(settled.attempt, &outcome, NOW);
        assert_eq!(again, None, "{outcome:?} twice");
    };
    check(
        false,
        captured(1_000),
        PaymentStatus::Completed,
        0,
        Some(Told::Processed),
    );
    check(false, captured(999), PaymentStatus::Failed, 0, Some(Told::Failed));
    check(false, declined(), PaymentStatus::Failed, 0, Some(Told::Failed));
    check(false, Outcome::Void, PaymentStatus::Failed, 0, Some(Told::Failed));
    check(
        true,
        captured(1_000),
        PaymentStatus::Processing,
        1_000,
        Some(Told::Processed),
    );
    check(true, declined(), PaymentStatus::Failed, 0, Some(Told::Failed));
    check(true, Outcome::Void, PaymentStatus::Failed, 0, Some(Told::Failed));
}

#[test]
fn a_second_capture_goes_back_and_stays_out_of_the_tallies() {
    let ids = Names::default();
    let fresh = payment(&ids);
    let (first, second) = (attempt(&ids, &fresh, 1), attempt(&ids, &fresh, 2));
    let failed = fresh
        .begin(first.id, PaymentMethod::CreditCard, NOW)
        .settle(first, &Outcome::Void, NOW)
        .expect("fails");
    let paid = failed
        .payment
        .begin(second.id, PaymentMethod::Paypal, NOW)
        .settle(second, &captured(1_000), NOW)
        .expect("pays");
    let late = paid
        .payment
        .settle(failed.attempt, &captured(1_000), NOW)
        .expect("comes late");
    assert_eq!(late.give_back, Some(1_000));
    assert!(late.capture.is_some_and(|capture| capture.surplus));
    assert_eq!(
        (late.payment.captured, late.payment.refunding, late.told),
        (1_000, 0, None)
    );
    assert_eq!(late.payment.status, PaymentStatus::Completed);
}

#[test]
fn who_may_try_what() {
    let ids = Names::default();
    let fresh = payment(&ids);
    let first = attempt(&ids, &fresh, 1);
    let plan = |payment: &Payment, number, last: Option<&Attempt>| payment.plan(dollars(1_000), number, last, true);
    assert_eq!(plan(&fresh, 1, None), Ok(Plan::Begin));
    assert_eq!(fresh.plan(dollars(1_000), 1, None, false), Ok(Plan::Rest));
    assert_eq!(
        fresh.plan(dollars(999), 1, None, true),
        Err(Refusal::Differs { due: dollars(1_000) })
    );
    let trying = fresh.begin(first.id, PaymentMethod::CreditCard, NOW);
    assert_eq!(plan(&trying, 2, Some(&first)), Ok(Plan::Drive));
    let failed = trying.clone().settle(first.clone(), &declined(), NOW).expect("fails");
    assert_eq!(plan(&failed.payment, 1, Some(&failed.attempt)), Ok(Plan::Rest));
    assert_eq!(plan(&failed.payment, 2, Some(&failed.attempt)), Ok(Plan::Begin));
    let paid = trying
        .clone()
        .settle(first.clone(), &captured(1_000), NOW)
        .expect("pays");
    assert_eq!(plan(&paid.payment, 2, Some(&paid.attempt)), Ok(Plan::Rest));
    let closed = trying.close(NOW).expect("closes").payment;
    assert_eq!(plan(&closed, 2, Some(&first)), Err(Refusal::Closed));
    assert_eq!(closed.close(NOW), None);
}

#[test]
fn refunds_stay_within_what_was_captured() {
    let ids = Names::default();
    let fresh = payment(&ids);
    assert_eq!(
        fresh.clone().refund(None, NOW),
        Err(Refusal::Exceeds { left: dollars(0) })
    );
    let first = attempt(&ids, &fresh, 1);
    let paid = fresh
        .begin(first.id, PaymentMethod::CreditCard, NOW)
        .settle(first, &captured(1_000), NOW)
        .expect("pays")
        .payment;
    for minor in [0, -1] {
        assert_eq!(
            paid.clone().refund(Some(dollars(minor)), NOW),
            Err(Refusal::NotPositive)
        );
    }
    assert_eq!(
        paid.clone().refund(Some(dollars(1_001)), NOW),
        Err(Refusal::Exceeds { left: dollars(1_000) })
    );
    let (part, _, amount) = paid.refund(Some(dollars(400)), NOW).expect("a part");
    assert_eq!(amount, 400);
    let (rest, _, amount) = part.refund(None, NOW).expect("the rest");
    assert_eq!((amount, rest.refunding), (600, 1_000));
    assert_eq!(rest.refund(None, NOW), Err(Refusal::Exceeds { left: dollars(0) }));
}

#[test]
fn what_may_not_end_in_a_capture_is_voided() {
    let ids = Names::default();
    let open = payment(&ids);
    assert_eq!(step(&open, false, false), Step::Charge);
    assert_eq!(step(&open, true, false), Step::Find);
    assert_eq!(step(&open, true, true), Step::Void);
    let closed = Payment {
        closed: true,
        ..open.clone()
    };
    assert_eq!(step(&closed, false, false), Step::Void);
    assert_eq!(
        step(
            &Payment {
                paid_by: Some(ids.next()),
                ..open
            },
            true,
            false
        ),
        Step::Void
    );
}

#[test]
fn waits_grow_and_end() {
    let (first, longest) = (Duration::from_millis(100), Duration::from_secs(2));
    for (tries, whole) in [(0, 100), (1, 200), (3, 800), (5, 2_000), (40, 2_000), (u32::MAX, 2_000)] {
        for draw in [0, 17, u64::MAX] {
            let wait = wait(tries, first, longest, draw).as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{tries}: {wait}");
        }
    }
}

proptest! {
    /// Whatever happens in whatever order: the tallies hold, every event has the next sequence, and a closed payment
    /// at rest keeps nothing.
    #[test]
    fn the_books_balance(moves in prop::collection::vec((0u8..8, 1i64..1_200), 0..40)) {
        let ids = Names::default();
        let mut payment = payment(&ids);
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut back: Vec<Refund> = Vec::new();
        for (kind, amount) in moves {
            let before = payment.version;
            let mut told = None;
            let due = |payment: &Payment, attempt, amount, surplus| Refund {
                id: ids.next(), payment: payment.id, attempt, amount, surplus, status: RefundStatus::Pending, reason: None,
                tries: 0, resume_at: NOW, cause: Cause { actor: String::new(), request_id: String::new() }, created_at: NOW,
            };
            match kind {
                0 => {
                    let number = attempts.len() as i64 + 1;
                    if payment.plan(payment.due, number, attempts.last(), true) == Ok(Plan::Begin) {
                        let attempt = attempt(&ids, &payment, number);
                        payment = payment.begin(attempt.id, PaymentMethod::CreditCard, NOW);
                        attempts.push(attempt);
                    }
                }
                1..=4 if !attempts.is_empty() => {
                    let at = amount as usize % attempts.len();
                    let outcome = match kind { 1 => captured(1_000), 2 => captured(amount), 3 => declined(), _ => Outcome::Void };
                    if let Some(settled) = payment.clone().settle(attempts[at].clone(), &outcome, NOW) {
                        if let Some(amount) = settled.give_back {
                            let surplus = settled.capture.as_ref().is_some_and(|capture| capture.surplus);
                            back.push(due(&settled.payment, settled.attempt.id, amount, surplus));
                        }
                        told = settled.told;
                        payment = settled.payment;
                        attempts[at] = settled.attempt;
                    }
                }
                5 => if let Ok((after, attempt, amount)) = payment.clone().refund(Some(dollars(amount)), NOW) {
                    back.push(due(&after, attempt, amount, false));
                    payment = after;
                },
                6 => if let Some(refund) = back.pop() {
                    (payment, told) = payment.refunded(&refund, NOW);
                },
                _ => if amount > 1_000 && let Some(closed) = payment.clone().close(NOW) {
                    if let Some((attempt, amount)) = closed.give_back {
                        back.push(due(&closed.payment, attempt, amount, false));
                    }
                    told = closed.told;
                    payment = closed.payment;
                },
            }
            prop_assert_eq!(payment.version, before + i64::from(told.is_some()));
            prop_assert!(payment.refunded >= 0 && payment.refunding >= 0 && payment.left() >= 0);
            prop_assert!(attempts.iter().filter(|attempt| attempt.is_live()).count() <= 1);
            prop_assert_eq!(payment.trying, attempts.iter().find(|attempt| attempt.is_live()).map(|attempt| attempt.id));
            let pending: i64 = back.iter().filter(|refund| !refund.surplus).map(|refund| refund.amount).sum();
            prop_assert_eq!(payment.refunding, pending);
        }
        if payment.closed && payment.trying.is_none() {
            for refund in back {
                payment = payment.refunded(&refund, NOW).0;
            }
            prop_assert_eq!(payment.captured, payment.refunded);
            prop_assert!(matches!(payment.status, PaymentStatus::Failed | PaymentStatus::Refunded));
        }
    }
}
