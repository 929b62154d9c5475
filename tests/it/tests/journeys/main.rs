//! Whole journeys through the shop, over HTTP: one text, run on SQLite and on PostgreSQL, in one process and with a
//! process per service. Each combination starts one shop, in which all journeys happen at once; a journey that
//! fails is told by its name, and the others go on.

mod accounts;
mod buying;
mod carts;
mod edge;
mod following;
mod happenings;
mod keys;
mod kinds;
mod limits;
mod lists;
mod mails;
mod orders;
mod paying;
mod products;
mod resets;
mod sealed;
mod spellings;
mod tls;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use testkit::{Engine, Shape, Shop, until};

type Journey<'a> = (&'static str, Pin<Box<dyn Future<Output = ()> + 'a>>);

/// Names of functions become journeys through `shop`.
macro_rules! journeys {
    ($shop:expr; $($module:ident: $($name:ident),+;)+) => {
        vec![$($((
            concat!(stringify!($module), "::", stringify!($name)),
            Box::pin($module::$name($shop)) as Pin<Box<dyn Future<Output = ()> + '_>>,
        ),)+)+]
    };
}

fn all(shop: &Shop) -> Vec<Journey<'_>> {
    journeys! { shop;
        spellings: first_purchase, second_purchase, carts_by_their_owner, carts_at_orders, singular_prefixes;
        buying: visitor_becomes_customer_and_buys, guest_buys_and_registers, guest_logs_in, guest_order_has_an_address,
            names_lead_to_products, order_is_checked, out_of_stock_leaves_no_trace, prices_are_the_shops;
        carts: cart_is_changed, cart_is_checked, carts_are_private, changes_are_told, merges_are_told;
        happenings: log_is_followed, log_is_filtered, clerks_are_recorded;
        accounts: registering_is_checked, sessions_rotate, spent_tokens_end_the_family, logging_out_ends_access,
            profiles_change, strangers_look_alike, guests_are_users;
        products: clerk_manages_a_product, clerk_manages_variants, variant_must_be_named, archived_product_stays_in_orders,
            stock_is_counted, sale_spoils_no_edit, customers_are_no_clerks, drafts_are_hidden, descriptions_are_clean;
        lists: filters, sorting, pages_without_gaps, pages_by_number, bulk_reads, orders_in_pages, events_in_pages;
        paying: declined_then_paid, provider_is_moody, provider_is_slow, outcome_was_lost, cash_on_delivery,
            refunds, payments_are_private, amounts_are_checked, declined_cart_is_ordered_again, methods, browser_and_webhook;
        orders: cancelled_when_pending, cancelled_when_confirmed, cancelled_when_processing, too_late_to_cancel,
            forward_only, orders_are_private, orders_have_tags, history_is_told, cancelled_while_the_payment_is_unknown,
            addresses_are_checked;
        following: an_order_is_followed, a_stream_ends_with_its_session, staff_find_orders;
        keys: twice_is_once, other_body_is_refused, every_write_takes_a_key, no_key_without_a_token,
            credentials_are_never_stored;
        edge: pages, services_answer_like_the_gateway, internals_are_closed, requests_are_traced,
            other_origins, answers_are_small, answers_are_guarded, wrong_addresses, public_reads_stay_fresh,
            heads_and_traces;
        sealed: a_purchase_under_seal, broken_seals;
    }
}

/// The provider sends its webhooks as a real one does, so that each payment is told twice.
const ENV: [(&str, &str); 2] = [
    ("IRONMONGER_WEB_ORIGINS", edge::ORIGIN),
    (
        "IRONMONGER_PAYMENTS_WEBHOOK_URL",
        "{gateway}/api/payments/webhooks/simulated",
    ),
];

/// All journeys at once in a fresh shop, and its books afterwards.
async fn run(shape: Shape, engine: Engine) {
    let mut shop = Shop::start(shape, engine, &ENV).await;
    let journeys = all(&shop).into_iter().map(|(name, journey)| async move {
        let failed = AssertUnwindSafe(journey).catch_unwind().await.err()?;
        Some(format!("{name}: {}", words(&*failed)))
    });
    let failed: Vec<String> = join_all(journeys).await.into_iter().flatten().collect();
    let log = shop.fleet.output();
    let panics: Vec<&str> = log.lines().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "the shop panicked:\n{}", panics.join("\n"));
    assert!(
        failed.is_empty(),
        "{} journeys failed:\n\n{}",
        failed.len(),
        failed.join("\n\n")
    );
    at_rest(&shop).await;
    shop.balances();
}

/// Waits until nothing is left to be done in the shop.
async fn at_rest(shop: &Shop) {
    let books = shop.books();
    until("the shop is at rest", || async {
        let unrest = books.unrest(0).await;
        if unrest.is_empty() { Ok(()) } else { Err(unrest) }
    })
    .await;
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

#[tokio::test]
async fn sqlite_in_one_process() {
    run(Shape::One, Engine::Sqlite).await;
}

#[tokio::test]
async fn sqlite_a_process_per_service() {
    run(Shape::Split, Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_in_one_process() {
    run(Shape::One, Engine::Postgres).await;
}

#[tokio::test]
async fn postgres_a_process_per_service() {
    run(Shape::Split, Engine::Postgres).await;
}
