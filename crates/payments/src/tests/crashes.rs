//! The process dies at every point where it can; a new one finds what was meant and finishes it.

use super::*;

#[tokio::test(start_paused = true)]
async fn paying_survives_a_crash_before_and_after_the_provider_acts() {
    for trouble in [Trouble::Swallowed, Trouble::Silent] {
        let shop = Shop::new().await;
        let pay = shop.order("tok_visa");
        shop.cut(&[("/charges", trouble)]);
        let cx = shop.cx();
        shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
            .await;
        assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Processing);
        assert_eq!(
            actions::resume(&shop.app).await.expect("looks"),
            0,
            "a live driver is left alone"
        );
        shop.restart().await;
        assert_eq!(
            shop.standing(&pay).await.status,
            PaymentStatus::Completed,
            "{trouble:?}"
        );
        assert_eq!(shop.orders.heard(), [pay.order]);
        assert_eq!(shop.event_kinds().await, ["PaymentProcessed"]);
        shop.balances().await;
    }
}

#[tokio::test(start_paused = true)]
async fn orders_may_go_on_before_the_task_does() {
    for trouble in [Trouble::Swallowed, Trouble::Silent] {
        let shop = Shop::new().await;
        let pay = shop.order("tok_visa");
        shop.cut(&[("/charges", trouble)]);
        let cx = shop.cx();
        shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
            .await;
        assert_eq!(
            shop.pay(&pay).await.expect("repeats").status,
            PaymentStatus::Completed,
            "{trouble:?}"
        );
        assert_eq!(shop.statement().await.len(), 1);
        shop.balances().await;
    }
}

#[tokio::test(start_paused = true)]
async fn doubt_survives_a_crash() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_timeout_then_captured");
    // The charge is captured without an answer, the question after it gets none either.
    shop.cut(&[("/charges", Trouble::Silent), ("", Trouble::Swallowed)]);
    let cx = shop.cx();
    let dying = async { drop(actions::pay(&shop.app, &cx, &pay).await) };
    assert!(tokio::time::timeout(Duration::from_secs(4), dying).await.is_err());
    let status = shop
        .app
        .db
        .read(move |tx| crate::store::last_attempt(tx, pay.order))
        .await
        .expect("reads");
    assert_eq!(
        status.expect("there is one").status,
        crate::domain::AttemptStatus::Unknown
    );
    shop.restart().await;
    assert_eq!(shop.event_kinds().await, ["PaymentProcessed"]);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn refunding_survives_a_crash_before_and_after_the_provider_acts() {
    for trouble in [Trouble::Swallowed, Trouble::Silent] {
        let shop = Shop::new().await;
        let pay = shop.order("tok_visa");
        shop.pay(&pay).await.expect("pays");
        shop.cut(&[("/refunds", trouble)]);
        let cx = shop.cx();
        shop.dies_in(async { drop(actions::undo(&shop.app, &cx, pay.order).await) })
            .await;
        assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Processing);
        shop.restart().await;
        let standing = shop.standing(&pay).await;
        assert_eq!(
            (standing.status, standing.refunded.minor),
            (PaymentStatus::Refunded, 1_999),
            "{trouble:?}"
        );
        assert_eq!(shop.event_kinds().await, ["PaymentProcessed", "PaymentRefunded"]);
        shop.balances().await;
    }
}

#[tokio::test(start_paused = true)]
async fn undoing_survives_a_crash_of_payer_and_undoer() {
    for paying in [Trouble::Swallowed, Trouble::Silent] {
        for undoing in [Trouble::Swallowed, Trouble::Silent] {
            let shop = Shop::new().await;
            let pay = shop.order("tok_visa");
            let cx = shop.cx();
            shop.cut(&[("/charges", paying), ("/void", undoing)]);
            shop.dies_in(async { drop(actions::pay(&shop.app, &cx, &pay).await) })
                .await;
            shop.dies_in(async { drop(actions::undo(&shop.app, &cx, pay.order).await) })
                .await;
            shop.restart().await;
            let standing = shop.standing(&pay).await;
            let expected = if paying == Trouble::Silent {
                PaymentStatus::Refunded
            } else {
                PaymentStatus::Failed
            };
            assert_eq!(standing.status, expected, "{paying:?} {undoing:?}");
            shop.balances().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_for_long_is_asked_now_and_then() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.cut(&[("", Trouble::Refused); 10_000]);
    let standing = shop.pay(&pay).await.expect("answers");
    assert_eq!(standing.status, PaymentStatus::Processing);
    let mut asked = 0;
    for _ in 0..600 {
        shop.clock.advance(Duration::from_secs(1));
        asked += actions::resume(&shop.app).await.expect("resumes");
    }
    assert!((4..20).contains(&asked), "asked {asked} times in ten minutes");
    shop.restart().await;
    assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Completed);
    shop.balances().await;
}
