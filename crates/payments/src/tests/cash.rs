//! Cash on delivery: pending from the start, captured once when orders says that it was delivered, given back by hand.

use http::Method;
use serde_json::{Value, json};
use serve::Role;

use super::*;

testkit::on_both! {
    crate::tests::cash::shop_on;
    cash_is_captured_once_and_given_back_by_hand
    cash_follows_a_declined_card_and_ends_with_its_order
    a_card_that_was_captured_late_leaves_nothing_to_collect
}

async fn shop_on(engine: Engine) -> Shop {
    let config = Config {
        webhook_secret: SECRET.to_vec(),
        ..Config::default()
    };
    let place = |service| {
        if service == crate::NAME {
            engine.clone()
        } else {
            Engine::Memory
        }
    };
    Shop::on(place, config, simulated::Config::default(), false).await
}

impl Shop {
    /// An order that is to be paid at the door.
    fn at_the_door(&self) -> Pay {
        Pay {
            method: PaymentMethod::CashOnDelivery,
            token: None,
            ..self.order("")
        }
    }

    async fn shown(&self, pay: &Pay) -> Value {
        let owner = self.token(pay.user, Role::Customer);
        let path = format!("/payments/{}", pay.order);
        let (status, shown) = self.call(Method::GET, &path, Some(&owner), None, "").await;
        assert_eq!(status, 200, "{shown}");
        shown
    }

    async fn process(&self, pay: &Pay, method: &str, key: Option<&str>) -> (u16, Value) {
        let owner = self.token(pay.user, Role::Customer);
        let body = json!({ "orderId": pay.order, "paymentMethod": method }).to_string();
        self.call(Method::POST, "/payments/process", Some(&owner), key, &body)
            .await
    }
}

async fn cash_is_captured_once_and_given_back_by_hand(shop: Shop) {
    let pay = shop.at_the_door();
    shop.orders.place(&pay);
    assert_eq!(shop.pay(&pay).await.expect("answers").status, PaymentStatus::Pending);
    let before = shop.shown(&pay).await;
    assert_eq!(
        (&before["status"], &before["provider"], &before["captured"]),
        (&json!("pending"), &json!("cash"), &json!(0.0))
    );
    for key in [None, Some("k"), Some("k")] {
        let (status, refused) = shop.process(&pay, "credit_card", key).await;
        assert_eq!((status, &refused["code"]), (409, &json!("payable_on_delivery")));
    }
    let (status, refused) = shop.post_refund(&pay, "{}", None).await;
    assert_eq!((status, &refused["code"]), (409, &json!("refund_exceeds_captured")));

    let cx = shop.cx();
    for _ in 0..3 {
        let (one, twin) = tokio::join!(shop.client.collect(&cx, &pay), shop.client.collect(&cx, &pay));
        assert_eq!(one.expect("answers"), twin.expect("answers"));
    }
    let paid = shop.shown(&pay).await;
    assert_eq!((&paid["id"], &paid["status"]), (&before["id"], &json!("completed")));
    assert_eq!(
        (
            &paid["captured"],
            &paid["attempts"][0]["status"],
            &paid["captures"][0]["amount"]
        ),
        (&json!(19.99), &json!("captured"), &json!(19.99))
    );
    assert_eq!(
        (paid["attempts"].as_array().map(Vec::len), shop.event_kinds().await),
        (Some(1), vec!["PaymentProcessed".to_owned()])
    );

    // Whatever the provider would say: nobody asks it.
    shop.cut(&[("/refunds", Trouble::Refused); 100]);
    let (status, part) = shop.post_refund(&pay, r#"{"amount": 5}"#, Some("r")).await;
    assert_eq!(
        (status, &part["status"], &part["refunds"][0]["status"]),
        (200, &json!("partially_refunded"), &json!("completed"))
    );
    assert_eq!(shop.post_refund(&pay, r#"{"amount": 5}"#, Some("r")).await.1, part);
    let (_, all) = shop.post_refund(&pay, "{}", None).await;
    assert_eq!((&all["status"], &all["refunded"]), (&json!("refunded"), &json!(19.99)));
    let standing = shop.client.collect(&cx, &pay).await.expect("answers");
    assert_eq!(
        standing.status,
        PaymentStatus::Refunded,
        "told late, it changes nothing"
    );
    shop.balances().await;
}

async fn cash_follows_a_declined_card_and_ends_with_its_order(shop: Shop) {
    let card = shop.order("tok_declined");
    shop.orders.place(&card);
    shop.pay(&card).await.expect("answers");
    let (status, noted) = shop.process(&card, "cash_on_delivery", Some("k")).await;
    assert_eq!(
        (status, &noted["status"], &noted["provider"]),
        (201, &json!("pending"), &json!("cash")),
        "{noted}"
    );
    assert_eq!(shop.process(&card, "cash_on_delivery", Some("k")).await, (201, noted));
    assert_eq!(
        shop.process(&card, "cash_on_delivery", None).await.1["code"],
        "payable_on_delivery"
    );
    let standing = shop.client.collect(&shop.cx(), &card).await.expect("answers");
    assert_eq!(
        (standing.status, standing.captured),
        (PaymentStatus::Completed, card.amount)
    );

    let pay = shop.at_the_door();
    shop.orders.place(&pay);
    shop.pay(&pay).await.expect("answers");
    assert_eq!(
        shop.undo(&pay).await.expect("there was one").status,
        PaymentStatus::Failed
    );
    let ended = shop.shown(&pay).await;
    assert_eq!(
        (&ended["status"], &ended["failure"]["code"]),
        (&json!("failed"), &json!("order_closed"))
    );
    let refused = shop
        .client
        .collect(&shop.cx(), &pay)
        .await
        .expect_err("it was called off");
    assert_eq!(refused.code, "closed");

    // Delivered before payments was told of such orders: there is no row.
    let old = shop.at_the_door();
    let standing = shop.client.collect(&shop.cx(), &old).await.expect("answers");
    assert_eq!(standing.status, PaymentStatus::Completed);
    shop.balances().await;
}

async fn a_card_that_was_captured_late_leaves_nothing_to_collect(shop: Shop) {
    let card = shop.order("tok_visa");
    shop.pay(&card).await.expect("pays");
    let cash = Pay {
        method: PaymentMethod::CashOnDelivery,
        attempt: 2,
        ..card.clone()
    };
    assert_eq!(shop.pay(&cash).await.expect("answers").status, PaymentStatus::Completed);
    let standing = shop.client.collect(&shop.cx(), &cash).await.expect("answers");
    assert_eq!((standing.captured, shop.event_kinds().await.len()), (card.amount, 1));
    let (_, back) = shop.post_refund(&card, "{}", None).await;
    assert_eq!(
        (&back["status"], shop.statement().await.len()),
        (&json!("refunded"), 1),
        "{back}"
    );
    shop.balances().await;
}
