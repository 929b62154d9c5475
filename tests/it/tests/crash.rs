//! The shop is killed in the middle of its work, again and again, and starts anew on what is left.
//!
//! A load of purchases, cancellations and refunds runs against the real process, which gets SIGKILL at a random
//! moment. After each restart: every acknowledged order is there, at least as far as was said; all orders come to
//! rest by themselves; repeated calls name the same order; the doctor finds nothing. Which step of checkout a crash
//! hit is read from the databases before the restart, and the run fails unless every step was hit.
//!
//! `IRONMONGER_LONG=1` makes 300 rounds of 50. `IRONMONGER_CRASH_SEED` repeats the choices of a run, though not the
//! machine's timing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base::{Clock, Ids};
use serde_json::Value;
use testkit::load::{Ledger, Load, Mix, Stand, is_long, seed};
use testkit::steps::{Books, Step};
use testkit::{Engine, Shape, Shop, until};

/// Rounds in the gate, and with `IRONMONGER_LONG`.
const ROUNDS: [u64; 2] = [50, 300];
/// People who shop at once: enough that every step is under way somewhere, few enough for two cores.
const SHOPPERS: usize = 10;
/// A crash comes at the latest after this many milliseconds of shopping, when it comes by chance.
const LATEST_MS: u64 = 700;
/// Each step is hit this often before crashes are left to chance.
const HITS_WANTED: usize = 2;
/// What each product has: more than anybody buys.
const PLENTY: i64 = 1_000_000;

/// A short payment window, so that unpaid orders end within a round; a short lease, so that what a crash left is
/// taken up soon; tokens that last for the whole run.
const SETTINGS: [(&str, &str); 3] = [
    ("IRONMONGER_ORDERS_PAYMENT_WINDOW_SECONDS", "3"),
    ("IRONMONGER_LIMITS_LEASE_SECONDS", "1"),
    ("IRONMONGER_TOKENS_ACCESS_MINUTES", "1440"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_sqlite() {
    crash(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_postgres() {
    crash(Engine::Postgres).await;
}

async fn crash(engine: Engine) {
    let rounds = ROUNDS[usize::from(is_long())];
    let seed = seed("IRONMONGER_CRASH_SEED");
    println!("{rounds} rounds on {engine:?}; IRONMONGER_CRASH_SEED={seed} repeats their choices");

    let mut shop = Shop::start(Shape::One, engine, &SETTINGS).await;
    let stand = stand(&shop).await;
    let books = shop.books();
    let mut hits: BTreeMap<Step, usize> = Step::ALL.iter().map(|step| (*step, 0)).collect();
    let mut told = Ledger::default();
    for round in 0..rounds {
        let began = Instant::now();
        let dice = Ids::seeded(seed.wrapping_add(round));
        let aim = hits
            .iter()
            .find(|(_, count)| **count < HITS_WANTED)
            .map(|(step, _)| *step);
        let aim = aim.filter(|_| round % 2 == 1);
        let since = now();
        let load = Load::start(&stand.afresh(), mix(aim), seed.wrapping_add(round));
        match aim {
            Some(step) => is_at(&books, step).await,
            None => load.go_on_for(Duration::from_millis(dice.below(LATEST_MS))).await,
        }
        shop.fleet.kill9_all();
        let killed = now();
        let ledger = load.ended().await;
        let hit = {
            let (frozen, _folder) = books.frozen();
            frozen.steps(killed).await
        };
        hit.keys().for_each(|step| *hits.entry(*step).or_default() += 1);

        let start = Instant::now();
        shop.fleet.restart_all().await;
        let started = start.elapsed();
        let fresh = stand.afresh();
        ledger.is_kept(&fresh.admin).await;
        let repeats_first = dice.below(2) == 0;
        if repeats_first {
            told.took(ledger.is_repeatable(&fresh.visitor).await);
        }
        books.come_to_rest(since).await;
        ledger.is_settled(&fresh.admin).await;
        if !repeats_first {
            told.took(ledger.is_repeatable(&fresh.visitor).await);
            books.come_to_rest(since).await;
        }
        shop.balances();
        println!(
            "{engine:?} round {round}: {} acknowledged, {} orders in all; hit {}{}; up after {} ms, round took {} ms",
            ledger.acks.len(),
            books.orders().await,
            shown(&hit),
            aim.map(|step| format!(" (aimed at {step})")).unwrap_or_default(),
            started.as_millis(),
            began.elapsed().as_millis(),
        );
        told.took(ledger.acks);
    }

    let fresh = stand.afresh();
    told.is_kept(&fresh.admin).await;
    told.is_settled(&fresh.admin).await;
    stock_is_exact(&shop, &stand).await;
    println!("rounds that hit each step: {}", shown(&hits));
    let missed: Vec<_> = hits
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(step, _)| step)
        .collect();
    assert!(
        missed.is_empty(),
        "no crash hit {missed:?}: the run proves nothing about them"
    );
}

/// Products, and customers to buy them.
async fn stand(shop: &Shop) -> Stand {
    let mut products = Vec::new();
    for _ in 0..12 {
        products.push(shop.product("19.99", PLENTY).await);
    }
    let mut customers = Vec::new();
    for _ in 0..SHOPPERS {
        customers.push(shop.customer("ada").await);
    }
    Stand {
        visitor: shop.visitor.clone(),
        admin: shop.admin.clone(),
        customers,
        products,
        scarce: shop.product("5.00", 9).await,
    }
}

/// A load in which the step that is aimed at is frequent.
fn mix(aim: Option<Step>) -> Mix {
    let usual = Mix::USUAL;
    match aim {
        Some(Step::Pay) => Mix { slow: 40, ..usual },
        Some(Step::Clear) => Mix {
            carts: 100,
            guests: 60,
            lines: 8,
            scarce: 0,
            ..usual
        },
        Some(Step::Expire) => Mix { declined: 60, ..usual },
        Some(Step::Undo) => Mix { cancel: 90, ..usual },
        _ => usual,
    }
}

/// Waits until some order is at this step.
async fn is_at(books: &Books, step: Step) {
    until(format!("an order is at {step}"), || async move {
        // Pauses of `until` grow beyond the moments that are looked for, so each try looks many times.
        for _ in 0..50 {
            if books.steps(now()).await.contains_key(&step) {
                return true;
            }
        }
        false
    })
    .await;
}

/// What is on hand is what was there, without what was sold; nothing is reserved any more.
async fn stock_is_exact(shop: &Shop, stand: &Stand) {
    let sold = shop.books().sold().await;
    for product in &stand.products {
        let variant = product["variants"][0]["id"].as_str().expect("a variant");
        let left = PLENTY - sold.get(variant).copied().unwrap_or_default();
        let stock = shop.stock(product).await;
        assert_eq!(
            (&stock["stock"], &stock["reserved"]),
            (&Value::from(left), &Value::from(0)),
            "{variant}"
        );
    }
}

fn shown(steps: &BTreeMap<Step, usize>) -> String {
    let words: Vec<String> = steps.iter().map(|(step, count)| format!("{step} {count}")).collect();
    if words.is_empty() {
        "nothing under way".into()
    } else {
        words.join(", ")
    }
}

fn now() -> i64 {
    Clock::system().now().micros()
}
