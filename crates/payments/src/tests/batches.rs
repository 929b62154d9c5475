//! Many payments in one batch: a constant number of statements, and each payment its own fate.

use base::{AttemptId, ChargeId};
use futures_util::future::join_all;
use futures_util::poll;

use super::*;
use crate::domain::{Attempt, AttemptStatus, Cause, Outcome, Payment, Settled};
use crate::provider::Notice;
use crate::simulated::{Charge, ChargeStatus};
use crate::store::First;

const MANY: usize = 32;

/// Lets all of them wait for the writer of `db` before it takes the first one, so that they are one batch; tells
/// what they cost: statements, batches, items.
async fn together<T>(db: &Db, all: impl IntoIterator<Item = impl Future<Output = T>>) -> (Vec<T>, [u64; 3]) {
    let before = db.figures();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let held = db.write(move |_| {
        gate.recv().ok();
        Ok::<_, ::store::Error>(())
    });
    let all = async {
        let mut all = std::pin::pin!(join_all(all));
        assert!(poll!(&mut all).is_pending(), "the writer is held");
        open.send(()).expect("the gate waits");
        all.await
    };
    let (held, done) = tokio::join!(held, all);
    held.expect("is let go");
    let after = db.figures();
    let cost = [
        after.statements - before.statements,
        after.batches - before.batches,
        after.items - before.items,
    ];
    (done, cost)
}

fn first(shop: &Shop, pay: &Pay) -> Arc<First> {
    let payment = actions::new_payment(&shop.app, pay);
    let attempt = Attempt {
        id: shop.ids.next(START),
        payment: payment.id,
        order: pay.order,
        number: 1,
        status: AttemptStatus::Open,
        token: pay.token.clone(),
        charge: None,
        failure: None,
        tries: 0,
        resume_at: START.after(LONG),
        cause: Cause {
            actor: "usr_test".into(),
            request_id: "req_test".into(),
        },
        created_at: START,
    };
    let payment = payment.begin(attempt.id, pay.method, START);
    Arc::new(First { payment, attempt })
}

fn charge(shop: &Shop, key: AttemptId, amount: Money) -> Charge {
    Charge {
        key,
        id: shop.ids.next::<ChargeId>(START),
        status: ChargeStatus::Captured,
        amount,
        refunded: Money::zero(amount.currency),
        failure: None,
    }
}

fn captured(payment: &Payment, attempt: &Attempt, charge: &Charge) -> Arc<Settled> {
    let outcome = Outcome::Captured {
        charge: charge.id.to_string(),
        amount: charge.amount,
    };
    let settled = payment.clone().settle(attempt.clone(), &outcome, START);
    Arc::new(settled.expect("changes something"))
}

/// 32 orders are begun, charged and recorded, each in one batch; among them a twin, an order that was called off
/// before it was paid, one whose webhook was faster than its row, one that is called off while the provider is
/// asked, and a key that was charged before.
async fn each_has_its_own_fate(place: impl Fn(&'static str) -> Engine) {
    let shop = Shop::on(place, Config::default(), simulated::Config::default(), false).await;
    let orders: Vec<Pay> = (0..MANY).map(|_| shop.order("tok_visa")).collect();
    let (closed, twin, awaited, called_off, charged_before) = (3, 5, 20, 7, 11);
    shop.undo(&orders[closed]).await;

    // The twin comes second and finds the order taken.
    let mut firsts: Vec<Arc<First>> = orders.iter().map(|pay| first(&shop, pay)).collect();
    firsts.push(first(&shop, &orders[twin]));
    let early = charge(&shop, firsts[awaited].attempt.id, orders[awaited].amount);
    let notice = Notice::Captured {
        key: early.key,
        charge: early.id.to_string(),
        amount: early.amount,
    };
    assert_eq!(shop.simulated.charges.call(early).await, Ok(true));
    let text = serde_json::to_string(&notice).expect("is JSON");
    let received = shop
        .app
        .db
        .write(move |tx| crate::store::receive(tx, "simulated", "msg_1", &notice.subject(), &text, START, false));
    assert!(received.await.expect("writes"));
    let (begun, cost) = together(
        &shop.app.db,
        firsts.iter().map(|first| shop.app.firsts.call(first.clone())),
    )
    .await;
    // Besides the three: what the webhook of one said, and what became of it.
    assert_eq!(cost, [3 + 6, 1, MANY as u64 + 1], "statements, batches, payments");
    let mut live = Vec::new();
    for (at, begun) in begun.into_iter().enumerate() {
        match begun.expect("nothing is refused") {
            None => assert!([closed, MANY].contains(&at), "{at} did not begin"),
            Some((_, None)) => assert_eq!(at, awaited, "is driven by nobody"),
            Some((payment, Some(attempt))) => live.push((payment, attempt)),
        }
    }
    assert_eq!(live.len(), MANY - 2);

    let mut charges: Vec<Charge> = live
        .iter()
        .map(|(payment, attempt)| charge(&shop, attempt.id, payment.due))
        .collect();
    let known = charges[charged_before].clone();
    assert_eq!(shop.simulated.charges.call(known).await, Ok(true));
    charges.push(charges[0].clone());
    let last = live.len();
    let calls = charges.iter().map(|charge| shop.simulated.charges.call(charge.clone()));
    let (charged, cost) = together(&shop.simulated.db, calls).await;
    assert_eq!(cost, [1, 1, last as u64 + 1], "statements, batches, charges");
    for (at, is_new) in charged.into_iter().enumerate() {
        let wanted = at != charged_before && at != last;
        assert_eq!(is_new, Ok(wanted), "charge {at}");
    }

    // Whose row changed meanwhile reads it again; so does the second of two that recorded the same.
    let mut settled: Vec<Arc<Settled>> = live
        .iter()
        .zip(&charges)
        .map(|((payment, attempt), charge)| captured(payment, attempt, charge))
        .collect();
    settled.push(settled[0].clone());
    let order = settled[called_off].payment.order;
    let changed = shop.app.db.write(move |tx| {
        let payment = crate::store::payment_of(tx, order)?.ok_or(::store::Error::Absent)?;
        let mut closed = payment.close(START).expect("was open");
        crate::store::save(tx, &mut closed.payment, &Default::default())
    });
    changed.await.expect("closes");
    let (recorded, cost) = together(
        &shop.app.db,
        settled.iter().map(|one| shop.app.captures.call(one.clone())),
    )
    .await;
    assert_eq!(cost, [3, 1, last as u64 + 1], "statements, batches, captures");
    for (at, recorded) in recorded.into_iter().enumerate() {
        let wanted = at != called_off && at != last;
        assert_eq!(recorded.expect("nothing is refused"), wanted, "capture {at}");
    }
    assert_eq!(shop.event_kinds().await.len(), MANY - 2);

    // The one that lost finds its money at the provider, and gives it back.
    shop.restart().await;
    for (at, pay) in orders.iter().enumerate() {
        if at == closed {
            continue;
        }
        let standing = shop.standing(pay).await;
        let wanted = if order == pay.order {
            PaymentStatus::Refunded
        } else {
            PaymentStatus::Completed
        };
        assert_eq!(standing.status, wanted, "{at}: {standing:?}");
    }
    shop.balances().await;
}

/// Whoever comes while a batch commits is in the next one; each costs the same, whatever its size.
async fn paying_costs_three_statements_a_batch(place: impl Fn(&'static str) -> Engine) {
    let shop = Shop::on(place, Config::default(), simulated::Config::default(), false).await;
    let orders: Vec<Pay> = (0..MANY).map(|_| shop.order("tok_visa")).collect();
    let (cx, there) = (shop.cx(), shop.simulated.db.figures());
    let paid = orders.iter().map(|pay| actions::pay(&shop.app, &cx, pay));
    let (paid, [statements, batches, items]) = together(&shop.app.db, paid).await;
    for paid in paid {
        assert_eq!(paid.expect("pays").status, PaymentStatus::Completed);
    }
    assert_eq!((statements, items), (3 * batches, 2 * MANY as u64));
    assert_eq!(shop.app.db.figures().largest_batch, MANY as u64);
    let now = shop.simulated.db.figures();
    assert_eq!(now.statements - there.statements, now.batches - there.batches);
    assert_eq!(now.items - there.items, MANY as u64);
    shop.balances().await;
}

fn files(folder: &tempfile::TempDir) -> impl Fn(&'static str) -> Engine {
    let folder = folder.path().to_owned();
    move |service| Engine::Sqlite {
        file: folder.join(format!("{service}.db")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_on_sqlite() {
    let folder = tempfile::tempdir().expect("makes a folder");
    each_has_its_own_fate(files(&folder)).await;
    let folder = tempfile::tempdir().expect("makes a folder");
    paying_costs_three_statements_a_batch(files(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_on_postgres() {
    let url = testkit::postgres::database().await.expect("there is a server");
    each_has_its_own_fate(|_| Engine::Postgres { url: url.clone() }).await;
    let url = testkit::postgres::database().await.expect("there is a server");
    paying_costs_three_statements_a_batch(|_| Engine::Postgres { url: url.clone() }).await;
}
