//! Webhooks: early, late, twice, forged.

use api::payments::Failure;
use base::AttemptId;
use http::Method;
use serde_json::json;

use super::*;
use crate::domain::{Attempt, AttemptStatus};
use crate::signature::{ID, SIGNATURE, Signer, TIMESTAMP};

impl Shop {
    async fn hook(&self, id: &str, body: &str) -> u16 {
        let signer = Signer::new(SECRET, "simulated provider: webhooks");
        let seconds = self.clock.now().seconds();
        self.hook_signed(id, seconds, &signer.sign(id, seconds, body.as_bytes()), body)
            .await
    }

    async fn hook_signed(&self, id: &str, seconds: i64, signature: &str, body: &str) -> u16 {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/payments/webhooks/simulated");
        let request = request
            .header(ID, id)
            .header(TIMESTAMP, seconds)
            .header(SIGNATURE, signature);
        self.send(request, body.to_owned()).await.status().as_u16()
    }

    async fn key_of(&self, pay: &Pay) -> AttemptId {
        self.attempt_of(pay).await.id
    }

    async fn attempt_of(&self, pay: &Pay) -> Attempt {
        let order = pay.order;
        let found = self
            .app
            .db
            .read(move |tx| crate::store::last_attempt(tx, order))
            .await
            .expect("reads");
        found.expect("there is one")
    }

    /// What the provider sends of a key, once it has captured it.
    async fn captured_body(&self, key: AttemptId) -> String {
        let charge = self
            .provider
            .find(&self.cx(), key)
            .await
            .expect("answers")
            .expect("knows it");
        json!({ "type": "charge.captured", "data": { "charge": charge } }).to_string()
    }

    async fn charge(&self, key: AttemptId, pay: &Pay) {
        let new = simulated::NewCharge {
            key,
            amount: pay.amount,
            token: "tok_visa".into(),
        };
        self.provider.charge(&self.cx(), &new).await.expect("charges");
    }
}

#[tokio::test(start_paused = true)]
async fn before_its_row_it_waits_in_the_inbox() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    // The key is known to the provider before its row is here: another process has not committed yet.
    let key = shop.ids.next(START);
    shop.charge(key, &pay).await;
    let body = shop.captured_body(key).await;
    assert_eq!(shop.hook("msg_1", &body).await, 204);
    assert_eq!(shop.hook("msg_1", &body).await, 204, "the same again");
    assert_eq!(shop.hook("msg_2", &body).await, 204, "the same fact in another webhook");
    assert_eq!(shop.event_kinds().await.len(), 0);

    let payment = actions::new_payment(&shop.app, &pay);
    let attempt = row(&shop, &payment, key);
    let payment = payment.begin(key, pay.method, START);
    let first = crate::store::First { payment, attempt };
    let begun = shop.app.firsts.call(Arc::new(first)).await;
    let (payment, live) = begun.expect("begins").expect("is the first");
    assert_eq!(
        (payment.status, live),
        (PaymentStatus::Completed, None),
        "it was captured before it began"
    );
    assert_eq!(shop.pay(&pay).await.expect("answers").status, PaymentStatus::Completed);
    assert_eq!(shop.event_kinds().await, ["PaymentProcessed"]);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_crossed_with_its_row_is_matched_by_the_task() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    let cx = shop.cx();
    shop.cut(&[("/charges", Trouble::Silent)]);
    shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
        .await;
    let key = shop.key_of(&pay).await;
    let charge = shop.provider.find(&cx, key).await.expect("answers").expect("knows it");
    let notice = crate::provider::Notice::Captured {
        key,
        charge: charge.id.to_string(),
        amount: charge.amount,
    };
    // As two transactions leave it that did not see one another.
    let text = serde_json::to_string(&notice).expect("is JSON");
    let received = shop
        .app
        .db
        .write(move |tx| crate::store::receive(tx, "simulated", "msg_1", &key.to_string(), &text, START, false));
    assert!(received.await.expect("writes"));
    assert_eq!(actions::resume(&shop.app).await.expect("resumes"), 1);
    assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Completed);
    assert_eq!(actions::resume(&shop.app).await.expect("resumes"), 0);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn old_ones_are_forgotten_on_memory() {
    old_ones_are_forgotten(Engine::Memory).await;
}

#[tokio::test]
async fn old_ones_are_forgotten_on_postgres() {
    let url = testkit::postgres::database().await.expect("there is a server");
    old_ones_are_forgotten(Engine::Postgres { url }).await;
}

/// A webhook that did its work is forgotten after a week, one that waits for its subject after a month.
async fn old_ones_are_forgotten(engine: Engine) {
    let day = Duration::from_secs(24 * 3600);
    let shop = Shop::on(
        |_| engine.clone(),
        Config::default(),
        simulated::Config::default(),
        false,
    )
    .await;
    let receive = async |id: &'static str, matched| {
        let now = shop.clock.now();
        let subject = shop.ids.next::<AttemptId>(now).to_string();
        let write =
            move |tx: &mut ::store::Tx<'_>| crate::store::receive(tx, "simulated", id, &subject, "{}", now, matched);
        shop.app.db.write(write).await.expect("writes")
    };
    let forgotten = async || crate::tasks::forget(&shop.app, &Stop::new()).await.expect("sweeps");
    assert!(receive("done", true).await && receive("waiting", false).await);
    shop.clock.advance(6 * day);
    assert!(receive("young", true).await);
    assert_eq!(forgotten().await, 0);
    shop.clock.advance(2 * day);
    assert_eq!(forgotten().await, 1, "the one that did its work");
    shop.clock.advance(23 * day);
    assert_eq!(forgotten().await, 2, "the one that waited, and the young one");
}

#[tokio::test(start_paused = true)]
async fn it_may_be_faster_than_the_answer() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_timeout_then_captured");
    let hook = async {
        // The provider has captured; its answer takes five seconds.
        tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
            .await
            .ok();
        let key = shop.key_of(&pay).await;
        let body = shop.captured_body(key).await;
        assert_eq!(shop.hook("msg_1", &body).await, 204);
        assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Completed);
        assert_eq!(shop.hook("msg_1", &body).await, 204);
    };
    let (paid, ()) = tokio::join!(shop.pay(&pay), hook);
    assert_eq!(paid.expect("pays").status, PaymentStatus::Completed);
    assert_eq!(shop.event_kinds().await, ["PaymentProcessed"]);
    assert_eq!(shop.orders.heard(), [pay.order]);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_says_what_is_known_changes_nothing() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    let standing = shop.pay(&pay).await.expect("pays");
    let key = shop.key_of(&pay).await;
    let captured = shop.captured_body(key).await;
    let mut charge = shop
        .provider
        .find(&shop.cx(), key)
        .await
        .expect("answers")
        .expect("knows it");
    charge.status = simulated::ChargeStatus::Declined;
    charge.failure = Some(Failure {
        code: "card_declined".into(),
        detail: "no".into(),
    });
    let declined = json!({ "type": "charge.declined", "data": { "charge": charge } }).to_string();
    for (id, body) in [("msg_1", &captured), ("msg_2", &declined), ("msg_3", &captured)] {
        assert_eq!(shop.hook(id, body).await, 204);
        assert_eq!(shop.standing(&pay).await, standing);
    }
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn money_that_comes_after_the_end_goes_back() {
    // The shop gave an attempt up, and the order was called off; a provider that breaks its word captures all the same.
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.cut(&[("/charges", Trouble::Swallowed)]);
    let cx = shop.cx();
    shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
        .await;
    shop.cut(&[]);
    let key = shop.key_of(&pay).await;
    assert_eq!(
        shop.undo(&pay).await.expect("there was one").status,
        PaymentStatus::Failed
    );
    assert_eq!(shop.attempt_of(&pay).await.status, AttemptStatus::Voided);
    let forget = shop.simulated.db.write(move |tx| simulated::forget(tx, key));
    forget.await.expect("forgets the void");
    shop.charge(key, &pay).await;
    let body = shop.captured_body(key).await;
    assert_eq!(shop.hook("msg_1", &body).await, 204);
    let standing = shop.standing(&pay).await;
    assert_eq!(
        (standing.status, standing.refunded.minor),
        (PaymentStatus::Refunded, 1_999)
    );
    assert_eq!(
        shop.event_kinds().await,
        ["PaymentFailed", "PaymentProcessed", "PaymentRefunded"]
    );
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn forged_old_and_strange_ones_are_refused() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    let body = shop.captured_body(shop.key_of(&pay).await).await;
    let now = shop.clock.now().seconds();
    let signer = Signer::new(SECRET, "simulated provider: webhooks");
    let good = signer.sign("msg_1", now, body.as_bytes());
    assert_eq!(
        shop.hook_signed("msg_1", now, &good, &format!("{body} ")).await,
        400,
        "another body"
    );
    assert_eq!(shop.hook_signed("msg_2", now, &good, &body).await, 400, "another id");
    assert_eq!(
        shop.hook_signed("msg_1", now + 1, &good, &body).await,
        400,
        "another moment"
    );
    assert_eq!(shop.hook_signed("msg_1", now, "v1,", &body).await, 400, "no signature");
    let old = signer.sign("msg_1", now - 400, body.as_bytes());
    assert_eq!(shop.hook_signed("msg_1", now - 400, &old, &body).await, 400, "too old");
    assert_eq!(shop.hook("msg_1", "{}").await, 400, "genuine, but unreadable");
    assert_eq!(shop.hook("msg_1", "\u{0}").await, 400);
    assert_eq!(
        shop.call(Method::POST, "/payments/webhooks/stripe", None, None, &body)
            .await
            .0,
        404
    );
    assert_eq!(
        shop.call(Method::POST, "/payments/webhooks/simulated", None, None, &body)
            .await
            .0,
        400
    );
    let secretless = Shop::with(Config::default(), false).await;
    assert_eq!(
        secretless.hook("msg_1", &body).await,
        400,
        "without a secret nothing is believed"
    );
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn the_provider_sends_them_itself_when_told_to() {
    let shop = Shop::with(
        Config {
            webhook_secret: SECRET.to_vec(),
            ..Config::default()
        },
        true,
    )
    .await;
    let pay = shop.order("tok_visa");
    let cx = shop.cx();
    shop.cut(&[("/charges", Trouble::Silent)]);
    shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
        .await;
    assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Processing);
    assert_eq!(shop.send_webhooks().await, 1);
    assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Completed);
    assert_eq!(shop.send_webhooks().await, 0);
    shop.balances().await;
}

fn row(shop: &Shop, payment: &crate::domain::Payment, key: AttemptId) -> Attempt {
    Attempt {
        id: key,
        payment: payment.id,
        order: payment.order,
        number: 1,
        status: AttemptStatus::Open,
        token: Some("tok_visa".into()),
        charge: None,
        failure: None,
        tries: 0,
        resume_at: shop.clock.now(),
        cause: crate::domain::Cause {
            actor: "usr_test".into(),
            request_id: "req_test".into(),
        },
        created_at: shop.clock.now(),
    }
}
