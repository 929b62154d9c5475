//! What happens when two people do what excludes one another at the same moment, many times over, on both engines.
//!
//! Who wins is chance. After each race all orders come to rest, stock is exact and the doctor finds nothing.

use std::future::Future;
use std::time::Duration;

use base::{Clock, Ids};
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::load::by_chance;
use testkit::{Answer, Client, Engine, Shape, Shop, until};

/// How often each race is run.
const HEATS: usize = 12;
/// The one who starts second starts this many microseconds later at the most: about what the first one takes.
const HEAD_START_US: u64 = 20_000;

/// Each race on each engine.
macro_rules! on_both_engines {
    ($($race:ident),* $(,)?) => {
        mod sqlite { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $race() { super::$race(testkit::Engine::Sqlite).await }
        )* }
        mod postgres { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $race() { super::$race(testkit::Engine::Postgres).await }
        )* }
    };
}

on_both_engines![
    cancel_against_payment,
    cancel_against_checkout,
    expiry_against_confirm,
    settle_against_stock_set,
    two_payers_of_one_order,
    webhook_before_the_answer,
    refund_twice,
    a_line_added_while_the_cart_is_ordered,
    parallel_adds_all_count,
    many_buyers_share_what_there_is,
    one_cart_ordered_ten_times,
    one_cart_ordered_ten_times_with_a_key,
    items_ordered_ten_times_with_a_key,
];

async fn cancel_against_payment(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(100).await;
    let ada = track.shop.customer("ada").await;
    for _ in 0..HEATS {
        let order = declined(&ada, &product).await;
        let (paid, cancelled) = track.race(pay(&ada, &order), cancel(&ada, &order)).await;
        // The payment wins and is refunded, or it finds the order closed.
        if paid.status != 201 {
            paid.refused(409, "order_closed");
        }
        cancelled.is(200);
    }
    track.balances(&product, 100, 0).await;
}

async fn cancel_against_checkout(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(100).await;
    let body = json!({ "items": [{ "productId": product["id"] }], "paymentToken": "tok_flaky" });
    for _ in 0..HEATS {
        let ada = track.shop.customer("ada").await;
        let checkout = ada.post("/api/orders", body.clone()).send();
        // The order can be seen while its payment is tried again.
        let calls_off = async {
            let order = until("the order is there", || async {
                ada.get("/api/orders")
                    .send()
                    .await
                    .is(200)
                    .get(0)
                    .map(|order| order["id"].clone())
            });
            let order = order.await;
            by_chance(&track.dice, 10 * HEAD_START_US).await;
            cancel(&ada, &order).await
        };
        let (placed, cancelled) = tokio::join!(checkout, calls_off);
        let placed = placed.is(201);
        cancelled.is(200);
        assert!(
            ["confirmed", "cancelled"].contains(&placed["status"].as_str().expect("a status")),
            "{placed}"
        );
        track.at_rest().await;
        assert_eq!(ada.order(&placed["orderId"]).await["status"], "cancelled");
    }
    track.balances(&product, 100, 0).await;
}

async fn expiry_against_confirm(engine: Engine) {
    let window = Duration::from_secs(1);
    let mut track = Track::new(engine, &[("IRONMONGER_ORDERS_PAYMENT_WINDOW_SECONDS", "1")]).await;
    let product = track.product(100).await;
    let ada = track.shop.customer("ada").await;
    let heats = (0..3 * HEATS).map(|_| async {
        let order = declined(&ada, &product).await;
        // Around the end of the window, before or after the sweep has come by.
        by_chance(&track.dice, 2 * window.as_micros() as u64).await;
        let paid = pay(&ada, &order).await;
        if paid.status == 201 {
            assert_eq!(
                ada.order(&order).await["status"],
                "confirmed",
                "a payment that was acknowledged counts"
            );
            return 1;
        }
        paid.refused(409, "order_closed");
        0
    });
    let sold = join_all(heats).await.into_iter().sum::<i64>();
    println!("{sold} of {} payments were in time", 3 * HEATS);
    track.balances(&product, 100, sold).await;
}

async fn settle_against_stock_set(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(1_000).await;
    let ada = track.shop.customer("ada").await;
    let path = format!("/api/products/{}/stock", product["id"].as_str().expect("an id"));
    let (mut sold, mut changed, mut sets) = (0, 0, 0);
    for heat in 0..3 * HEATS {
        let counted = track.shop.admin.get(&path).send().await;
        let tag = counted.header("etag").to_owned();
        let stock = counted.is(200)["stock"].as_i64().expect("a stock");
        let clerk = async {
            if heat % 3 == 0 {
                return track.shop.admin.put(&path, json!({ "quantity": 7 })).send().await;
            }
            let set = track.shop.admin.put(&path, json!({ "set": stock + 7 }));
            set.header("if-match", &tag).send().await
        };
        let (bought, counted) = track.race(async { ada.buy(&product, 1).await }, clerk).await;
        assert_eq!(bought["status"], "confirmed");
        sold += 1;
        match counted.status {
            200 => (changed, sets) = (changed + 7, sets + 1),
            _ => drop(counted.refused(412, "precondition_failed")),
        }
    }
    println!("{sets} of {} counts were taken", 3 * HEATS);
    track.balances(&product, 1_000 + changed, sold).await;
}

async fn two_payers_of_one_order(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(100).await;
    let ada = track.shop.customer("ada").await;
    for _ in 0..HEATS {
        let order = declined(&ada, &product).await;
        let payers = [&ada, &track.shop.admin, &ada, &track.shop.admin];
        let answers = join_all(payers.map(|payer| async {
            by_chance(&track.dice, HEAD_START_US).await;
            pay(payer, &order).await
        }));
        let answers = answers.await;
        assert!(answers.iter().any(|answer| answer.status == 201), "nobody could pay");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.refused(409, "already_paid");
        }
        let payment = payment(&ada, &order).await;
        assert_eq!(payment["captured"], payment["amount"], "{payment}");
        assert_eq!(payment["captures"].as_array().map(Vec::len), Some(1), "{payment}");
    }
    track.balances(&product, 100, HEATS as i64).await;
}

/// The provider tells what it captured before its answer comes, twice; and of a charge that nobody knows.
async fn webhook_before_the_answer(engine: Engine) {
    let secret = "what the provider signs with, and we verify";
    let mut track = Track::new(engine, &[("IRONMONGER_SECRETS_WEBHOOK_SECRET", secret)]).await;
    let product = track.product(100).await;
    let signer = payments::signature::Signer::new(secret.as_bytes(), payments::simulated::WEBHOOK_PURPOSE);
    let (dice, visitor) = (&track.dice, &track.shop.visitor);
    let tell = |attempt: String| {
        let charge = json!({ "id": "chg_01j9zk3v5w8q2m4n6p7r8s9t0v", "key": attempt, "status": "captured",
            "amount": { "minor": 1000, "currency": "USD" }, "refunded": { "minor": 0, "currency": "USD" } });
        let body = json!({ "type": "charge.captured", "data": { "charge": charge } }).to_string();
        let now = Clock::system().now();
        let id = dice_id(dice, now);
        let signature = signer.sign(&id, now.seconds(), body.as_bytes());
        let call = visitor.post("/api/payments/webhooks/simulated", Value::Null);
        let call = call.body("application/json", body).header("webhook-id", &id);
        call.header("webhook-timestamp", &now.seconds().to_string())
            .header("webhook-signature", &signature)
            .send()
    };
    tell("att_01j9zk3v5w8q2m4n6p7r8s9t0v".into()).await.is(204);
    let heats = (0..HEATS).map(|_| async {
        let ada = track.shop.customer("ada").await;
        let body = json!({ "items": [{ "productId": product["id"] }], "paymentToken": "tok_slow" });
        let told = async {
            let attempt = until("the attempt is there", || async {
                let order = ada.get("/api/orders").send().await.is(200).get(0)?["id"].clone();
                let shown = ada.get(&format!("/api/payments/{}", order.as_str()?)).send().await;
                shown.value()["attempts"][0]["id"].as_str().map(str::to_owned)
            });
            let attempt = attempt.await;
            by_chance(&track.dice, 100 * HEAD_START_US).await;
            tokio::join!(tell(attempt.clone()), tell(attempt))
        };
        let (placed, told) = tokio::join!(ada.post("/api/orders", body).send(), told);
        told.0.is(204);
        told.1.is(204);
        let placed = placed.is(201);
        assert_eq!(placed["status"], "confirmed", "{placed}");
        let payment = payment(&ada, &placed["orderId"]).await;
        assert_eq!(payment["captured"], payment["amount"], "{payment}");
        assert_eq!(payment["captures"].as_array().map(Vec::len), Some(1), "{payment}");
    });
    join_all(heats).await;
    track.balances(&product, 100, HEATS as i64).await;
}

async fn refund_twice(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(100).await;
    let ada = track.shop.customer("ada").await;
    for heat in 0..HEATS {
        let order = ada.buy(&product, 1).await["orderId"].clone();
        let path = format!("/api/payments/{}/refund", order.as_str().expect("an id"));
        // All of it, more than half of it, and all of it under one key.
        let (body, key) = match heat % 3 {
            0 => (json!({}), None),
            1 => (json!({ "amount": 6 }), None),
            _ => (json!({}), Some(track.shop.name("refund"))),
        };
        let answers = join_all((0..3).map(|_| async {
            by_chance(&track.dice, HEAD_START_US).await;
            let call = track.shop.admin.post(&path, body.clone());
            match &key {
                Some(key) => call.key(key).send().await,
                None => call.send().await,
            }
        }));
        let answers = answers.await;
        let done = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(done, if key.is_some() { 3 } else { 1 }, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.refused(409, "refund_exceeds_captured");
        }
        let payment = payment(&ada, &order).await;
        assert_eq!(
            payment["refunded"],
            if heat % 3 == 1 { json!(6.0) } else { json!(10.0) },
            "{payment}"
        );
        assert_eq!(payment["refunds"].as_array().map(Vec::len), Some(1), "{payment}");
    }
    track.balances(&product, 100, HEATS as i64).await;
}

async fn a_line_added_while_the_cart_is_ordered(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let (first, second) = (track.product(100).await, track.product(100).await);
    let (mut sold, mut sold_late) = (0, 0);
    for heat in 0..HEATS {
        let ada = track.shop.customer("ada").await;
        ada.add(&first, 2).await;
        // Another product, or more of the same.
        let added = if heat % 2 == 0 { &second } else { &first };
        let (placed, _) = track.race(ada.checkout(), ada.add(added, 1)).await;
        assert_eq!(placed["status"], "confirmed");
        let cart = ada.get("/api/cart").send().await.is(200);
        let pieces = |lines: &Value, product: &Value| -> i64 {
            let own = lines
                .as_array()
                .into_iter()
                .flatten()
                .filter(|line| line["productId"] == product["id"]);
            own.filter_map(|line| line["quantity"].as_i64()).sum()
        };
        let (ordered, left) = (&placed["order"]["items"], &cart["cart"]);
        let wanted = if heat % 2 == 0 { [2, 1] } else { [3, 0] };
        let there = [&first, &second].map(|product| pieces(ordered, product) + pieces(left, product));
        assert_eq!(there, wanted, "ordered {ordered}, still in the cart {left}");
        sold += pieces(ordered, &first);
        sold_late += pieces(ordered, &second);
    }
    track.balances(&first, 100, sold).await;
    track.balances(&second, 100, sold_late).await;
}

async fn parallel_adds_all_count(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(100).await;
    for _ in 0..HEATS {
        let ada = track.shop.customer("ada").await;
        track.race(ada.add(&product, 1), ada.add(&product, 1)).await;
        join_all((0..8).map(|_| ada.add(&product, 1))).await;
        let cart = ada.get("/api/cart").send().await.is(200);
        assert_eq!(cart["cart"][0]["quantity"], 10, "{cart}");
        assert_eq!(cart["cart"].as_array().map(Vec::len), Some(1), "{cart}");
    }
    track.balances(&product, 100, 0).await;
}

async fn many_buyers_share_what_there_is(engine: Engine) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(100).await;
    let items = json!({ "items": [{ "productId": product["id"], "quantity": 1 }] });
    let buyers = (0..64).map(|_| async {
        let buyer = track.shop.guest().await;
        let mut bought = 0;
        loop {
            let answer = buyer.post("/api/orders", items.clone()).send().await;
            if answer.status != 201 {
                answer.refused(409, "out_of_stock");
                return bought;
            }
            assert_eq!(answer.value()["status"], "confirmed", "{}", answer.text());
            bought += 1;
        }
    });
    assert_eq!(join_all(buyers).await.into_iter().sum::<i64>(), 100);
    track.balances(&product, 100, 100).await;
}

async fn one_cart_ordered_ten_times(engine: Engine) {
    ten_times(engine, json!({}), false).await;
}

async fn one_cart_ordered_ten_times_with_a_key(engine: Engine) {
    ten_times(engine, json!({}), true).await;
}

async fn items_ordered_ten_times_with_a_key(engine: Engine) {
    ten_times(engine, json!({ "items": true }), true).await;
}

/// One checkout sent ten times at once: one order, one payment, ten answers that name it.
async fn ten_times(engine: Engine, mut body: Value, keyed: bool) {
    let mut track = Track::new(engine, &[]).await;
    let product = track.product(100).await;
    let of_items = body.get("items").is_some();
    if of_items {
        body["items"] = json!([{ "productId": product["id"] }]);
    }
    for heat in 0..HEATS {
        // Customers and guests.
        let ada = if heat % 2 == 0 {
            track.shop.customer("ada").await
        } else {
            track.shop.guest().await
        };
        if !of_items {
            ada.add(&product, 1).await;
        }
        let key = track.shop.name("checkout");
        let answers = join_all((0..10).map(|_| async {
            let call = ada.post("/api/orders", body.clone());
            if keyed {
                call.key(&key).send().await
            } else {
                call.send().await
            }
        }));
        let placed: Vec<Value> = answers.await.into_iter().map(|answer| answer.is(201)).collect();
        for one in &placed {
            assert_eq!(one["orderId"], placed[0]["orderId"]);
            assert_eq!(one["status"], "confirmed", "{one}");
        }
        assert_eq!(
            ada.get("/api/orders").send().await.is(200).as_array().map(Vec::len),
            Some(1)
        );
        let payment = payment(&ada, &placed[0]["orderId"]).await;
        assert_eq!(payment["attempts"].as_array().map(Vec::len), Some(1), "{payment}");
        assert_eq!(payment["captured"], payment["amount"], "{payment}");
    }
    track.balances(&product, 100, HEATS as i64).await;
}

/// A shop to race in.
struct Track {
    shop: Shop,
    dice: Ids,
}

impl Track {
    async fn new(engine: Engine, settings: &[(&str, &str)]) -> Track {
        Track {
            shop: Shop::start(Shape::One, engine, settings).await,
            dice: Ids::random(),
        }
    }

    async fn product(&self, stock: i64) -> Value {
        self.shop.product("10.00", stock).await
    }

    /// Both at once; chance says by how much one of them starts later.
    async fn race<A, B>(&self, one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
        let late = self.dice.below(2) == 0;
        let one = async {
            if late {
                by_chance(&self.dice, HEAD_START_US).await;
            }
            one.await
        };
        let other = async {
            if !late {
                by_chance(&self.dice, HEAD_START_US).await;
            }
            other.await
        };
        tokio::join!(one, other)
    }

    async fn at_rest(&self) {
        self.shop.books().come_to_rest(0).await;
    }

    /// All has come to rest, the doctor finds nothing, and of `there` pieces `sold` are gone and none is reserved.
    async fn balances(&mut self, product: &Value, there: i64, sold: i64) {
        self.at_rest().await;
        self.shop.balances();
        let stock = self.shop.stock(product).await;
        assert_eq!(
            (&stock["stock"], &stock["reserved"]),
            (&json!(there - sold), &json!(0)),
            "{stock}"
        );
    }
}

/// An order of one piece whose payment was declined; its id.
async fn declined(buyer: &Client, product: &Value) -> Value {
    let body = json!({ "items": [{ "productId": product["id"] }], "paymentToken": "tok_declined" });
    let placed = buyer.post("/api/orders", body).send().await.is(201);
    assert_eq!(placed["status"], "pending", "{placed}");
    placed["orderId"].clone()
}

async fn pay(payer: &Client, order: &Value) -> Answer {
    let body = json!({ "orderId": order, "paymentToken": "tok_visa" });
    payer.post("/api/payments/process", body).send().await
}

async fn cancel(who: &Client, order: &Value) -> Answer {
    let path = format!("/api/orders/{}/cancel", order.as_str().expect("an id"));
    who.put(&path, json!({})).send().await
}

async fn payment(who: &Client, order: &Value) -> Value {
    who.get(&format!("/api/payments/{}", order.as_str().expect("an id")))
        .send()
        .await
        .is(200)
}

fn dice_id(dice: &Ids, now: base::Time) -> String {
    dice.next::<base::EventId>(now).to_string()
}
