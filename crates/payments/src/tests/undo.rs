//! Undoing, at every moment.

use super::*;

#[tokio::test(start_paused = true)]
async fn before_anything_was_tried_it_leaves_a_tombstone() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    assert_eq!(shop.undo(&pay).await, None);
    assert_eq!(shop.undo(&pay).await, None);
    assert_eq!(shop.pay(&pay).await.expect_err("too late").code, "closed");
    assert_eq!(
        shop.client.standing(&shop.cx(), pay.order).await.expect("answers"),
        None
    );
    assert!(shop.statement().await.is_empty() && shop.events().await.is_empty());
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn a_captured_payment_is_given_back_once() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    let (one, two) = tokio::join!(shop.undo(&pay), shop.undo(&pay));
    for standing in [one, two, shop.undo(&pay).await] {
        let standing = standing.expect("there was one");
        assert_eq!(
            (standing.status, standing.refunded.minor),
            (PaymentStatus::Refunded, 1_999)
        );
    }
    assert_eq!(
        shop.pay(&Pay { attempt: 2, ..pay }).await.expect_err("too late").code,
        "closed"
    );
    assert_eq!(shop.event_kinds().await, ["PaymentProcessed", "PaymentRefunded"]);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_refunded_in_part_gives_back_the_rest() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    let (status, _) = shop.post_refund(&pay, r#"{"amount": 5}"#, None).await;
    assert_eq!(status, 200);
    let standing = shop.undo(&pay).await.expect("there was one");
    assert_eq!(
        (standing.status, standing.refunded.minor),
        (PaymentStatus::Refunded, 1_999)
    );
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_payment_stays_failed() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_declined");
    shop.pay(&pay).await.expect("answers");
    let standing = shop.undo(&pay).await.expect("there was one");
    assert_eq!(
        (standing.status, standing.failure.expect("keeps why").code.as_str()),
        (PaymentStatus::Failed, "card_declined")
    );
    assert_eq!(shop.event_kinds().await, ["PaymentFailed"]);

    let cash = Pay {
        method: PaymentMethod::CashOnDelivery,
        ..shop.order("tok_visa")
    };
    shop.pay(&cash).await.expect("answers");
    assert_eq!(
        shop.undo(&cash).await.expect("there was one").status,
        PaymentStatus::Failed
    );
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_undone_once_it_is_known() {
    for (trouble, status) in [
        (Trouble::Swallowed, PaymentStatus::Failed),
        (Trouble::Silent, PaymentStatus::Refunded),
    ] {
        let shop = Shop::new().await;
        let pay = shop.order("tok_visa");
        let cx = shop.cx();
        shop.cut(&[("/charges", trouble)]);
        shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
            .await;
        let standing = shop.undo(&pay).await.expect("there was one");
        assert_eq!(standing.status, status, "{trouble:?}");
        shop.balances().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_nobody_knows_it_says_processing() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    let cx = shop.cx();
    shop.cut(&[("/charges", Trouble::Silent)]);
    shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
        .await;
    shop.cut(&[("/void", Trouble::Refused); 100]);
    assert_eq!(
        shop.undo(&pay).await.expect("there was one").status,
        PaymentStatus::Processing
    );
    shop.restart().await;
    assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Refunded);
    assert_eq!(shop.orders.heard(), [pay.order]);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn a_payer_and_an_undoer_agree() {
    for token in [
        "tok_visa",
        "tok_declined",
        "tok_flaky",
        "tok_slow",
        "tok_timeout_then_captured",
    ] {
        for wait in [0, 50, 150, 400, 1_900, 2_500, 3_100, 4_000] {
            let shop = Shop::new().await;
            let pay = shop.order(token);
            let later = async {
                tokio::time::timeout(Duration::from_millis(wait), std::future::pending::<()>())
                    .await
                    .ok();
                shop.undo(&pay).await
            };
            let (paid, undone) = tokio::join!(shop.pay(&pay), later);
            if let Err(problem) = paid {
                assert_eq!(problem.code, "closed", "{token} {wait}");
            }
            shop.restart().await;
            if let Some(undone) = undone {
                assert_ne!(undone.status, PaymentStatus::Completed, "{token} {wait}");
                let standing = shop.standing(&pay).await;
                assert_eq!(standing.captured, standing.refunded, "{token} {wait}");
            }
            shop.balances().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_is_asked_now_and_then() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    let paid = shop.pay(&pay).await.expect("pays");
    let order = pay.order;
    let attempts = shop.app.db.read(move |tx| crate::store::attempts(tx, order)).await;
    let key = attempts.expect("reads")[0].id;
    // The provider no longer knows the charge.
    let forget = shop.simulated.db.write(move |tx| simulated::forget(tx, key));
    forget.await.expect("forgets");
    let asked = async |shop: &Shop| {
        let standing = shop.undo(&pay).await.expect("there was one");
        assert_eq!(standing.status, PaymentStatus::Processing);
        let refunds = shop
            .app
            .db
            .read(move |tx| crate::store::refunds(tx, paid.payment))
            .await;
        refunds.expect("reads").len()
    };
    for _ in 0..5 {
        assert_eq!(asked(&shop).await, 1);
    }
    shop.clock.advance(Config::default().longest_resume);
    for _ in 0..5 {
        assert_eq!(asked(&shop).await, 2);
    }
}
