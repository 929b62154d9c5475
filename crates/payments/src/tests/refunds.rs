//! Refunds by staff.

use super::*;

#[tokio::test(start_paused = true)]
async fn in_part_and_in_full() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    let (status, answer) = shop
        .post_refund(&pay, r#"{"amount": 5.00, "reason": "a scratch"}"#, None)
        .await;
    assert_eq!(
        (status, &answer["status"], &answer["refunded"]),
        (200, &"partially_refunded".into(), &5.0.into()),
        "{answer}"
    );
    assert_eq!(
        (&answer["refunds"][0]["status"], &answer["refunds"][0]["reason"]),
        (&"completed".into(), &"a scratch".into())
    );
    let (status, answer) = shop.post_refund(&pay, r#"{"amount": 15}"#, None).await;
    assert_eq!(
        (status, &answer["code"], &answer["refundable"]),
        (409, &"refund_exceeds_captured".into(), &14.99.into()),
        "{answer}"
    );
    let (status, answer) = shop.post_refund(&pay, "{}", None).await;
    assert_eq!(
        (status, &answer["status"], &answer["refunded"]),
        (200, &"refunded".into(), &19.99.into()),
        "{answer}"
    );
    let (status, answer) = shop.post_refund(&pay, "{}", None).await;
    assert_eq!(
        (status, &answer["code"]),
        (409, &"refund_exceeds_captured".into()),
        "{answer}"
    );
    assert_eq!(shop.orders.heard(), [pay.order, pay.order]);
    assert_eq!(
        shop.event_kinds().await,
        ["PaymentProcessed", "PaymentRefunded", "PaymentRefunded"]
    );
    let data = |stored: ::store::Stored| serde_json::from_str::<serde_json::Value>(&stored.event.data).expect("data");
    let amounts: Vec<_> = shop
        .events()
        .await
        .into_iter()
        .map(|told| data(told)["amount"].clone())
        .collect();
    assert_eq!(amounts, [19.99, 5.0, 14.99], "exact decimals, as everywhere");
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_amount_is_refused() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    for amount in [
        "0",
        "-1",
        "0.001",
        "1e3",
        "\"x\"",
        "99999999999999999999",
        "null, \"x\": 1",
    ] {
        let (status, answer) = shop
            .post_refund(&pay, &format!(r#"{{"amount": {amount}}}"#), None)
            .await;
        assert_eq!(status, 400, "{amount}: {answer}");
    }
    let unpaid = shop.order("tok_declined");
    shop.pay(&unpaid).await.expect("answers");
    assert_eq!(shop.post_refund(&unpaid, "{}", None).await.0, 409);
    assert_eq!(shop.post_refund(&shop.order("tok_visa"), "{}", None).await.0, 404);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_the_same_refund() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    let body = r#"{"amount": 5}"#;
    let (one, two) = tokio::join!(
        shop.post_refund(&pay, body, Some("k")),
        shop.post_refund(&pay, body, Some("k"))
    );
    let three = shop.post_refund(&pay, body, Some("k")).await;
    for (status, answer) in [one, two, three] {
        assert_eq!((status, &answer["refunded"]), (200, &5.0.into()), "{answer}");
        assert_eq!(answer["refunds"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(shop.post_refund(&pay, r#"{"amount": 6}"#, Some("k")).await.0, 422);
    assert_eq!(shop.post_refund(&pay, body, Some("l")).await.1["refunded"], 10.0);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn two_clerks_cannot_give_back_more_than_there_is() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    let (one, two, three) = tokio::join!(
        shop.post_refund(&pay, "{}", None),
        shop.post_refund(&pay, "{}", None),
        shop.post_refund(&pay, r#"{"amount": 10}"#, None)
    );
    let mut codes = [one.0, two.0, three.0];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409, 409]);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again() {
    for trouble in [Trouble::Refused, Trouble::Lost, Trouble::Swallowed, Trouble::Silent] {
        let shop = Shop::new().await;
        let pay = shop.order("tok_visa");
        shop.pay(&pay).await.expect("pays");
        shop.cut(&[("/refunds", trouble), ("/refunds", trouble)]);
        let (status, answer) = shop.post_refund(&pay, "{}", None).await;
        assert_eq!(
            (status, &answer["status"]),
            (200, &"refunded".into()),
            "{trouble:?}: {answer}"
        );
        shop.balances().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refund_that_takes_long_is_pending_and_goes_on() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.pay(&pay).await.expect("pays");
    shop.cut(&[("/refunds", Trouble::Refused); 1_000]);
    let (status, answer) = shop.post_refund(&pay, r#"{"amount": 5}"#, None).await;
    assert_eq!(
        (status, &answer["status"], &answer["refunds"][0]["status"]),
        (200, &"completed".into(), &"pending".into())
    );
    assert_eq!(
        shop.post_refund(&pay, r#"{"amount": 15}"#, None).await.0,
        409,
        "what is under way counts"
    );
    shop.restart().await;
    assert_eq!(shop.standing(&pay).await.status, PaymentStatus::PartiallyRefunded);
    shop.balances().await;
}
