//! Payments: declined, slow, lost, on delivery; refunds.

use it::{cents, counts, list, order_with, payment, text};
use serde_json::{Value, json};
use testkit::{Client, Shop, until};

fn pay(who: &Client, order: &Value, token: &str) -> testkit::Call {
    who.post(
        "/api/payments/process",
        json!({ "orderId": order, "paymentToken": token }),
    )
}

/// A declined payment leaves the order pending and its pieces reserved; it may be tried again.
pub async fn declined_then_paid(shop: &Shop) {
    let product = shop.product("30", 5).await;
    let ada = shop.customer("ada").await;
    let placed = order_with(&ada, &product, json!({ "paymentToken": "tok_declined" })).await;
    let id = &placed["orderId"];
    assert_eq!(
        (text(&placed, "status"), text(&placed["order"], "paymentStatus")),
        ("pending", "failed")
    );
    assert_eq!(text(&placed["paymentError"], "code"), "card_declined");
    assert!(
        text(&placed, "hint").contains("/api/payments/process")
            && text(&placed, "payBefore") > text(&placed["order"], "createdAt")
    );
    counts(&shop.stock(&product).await, [5, 1, 4]);
    assert_eq!(text(&payment(&ada, id).await["failure"], "code"), "card_declined");

    let problem = pay(&ada, id, "tok_insufficient_funds")
        .send()
        .await
        .refused(402, "payment_declined");
    assert_eq!(text(&problem["failure"], "code"), "insufficient_funds");
    let problem = pay(&ada, id, "tok_nonsense")
        .send()
        .await
        .refused(402, "payment_declined");
    assert_eq!(text(&problem["failure"], "code"), "invalid_token");
    assert_eq!(text(&ada.order(id).await, "status"), "pending");

    let paid = pay(&ada, id, "tok_visa").send().await.is(201);
    assert_eq!(
        (
            text(&paid, "status"),
            cents(&paid["captured"]),
            list(&paid["attempts"]).len()
        ),
        ("completed", 3000, 4)
    );
    let order = ada.order(id).await;
    assert_eq!(
        (text(&order, "status"), text(&order, "paymentStatus")),
        ("confirmed", "completed")
    );
    counts(&shop.stock(&product).await, [4, 0, 4]);
    pay(&ada, id, "tok_visa").send().await.refused(409, "already_paid");
    let path = format!("/api/events?type=PaymentFailed&subject={}", text(&paid, "id"));
    until("each decline is told", || async {
        list(&shop.admin.get(&path).send().await.is(200)).len() == 3
    })
    .await;
}

/// A provider that fails twice and then works is none of the shopper's business.
pub async fn provider_is_moody(shop: &Shop) {
    let product = shop.product("31", 5).await;
    let bob = shop.customer("bob").await;
    let placed = order_with(&bob, &product, json!({ "paymentToken": "tok_flaky" })).await;
    assert_eq!(text(&placed, "status"), "confirmed");
    let paid = payment(&bob, &placed["orderId"]).await;
    assert_eq!((cents(&paid["captured"]), list(&paid["captures"]).len()), (3100, 1));
}

/// A slow provider is waited for.
pub async fn provider_is_slow(shop: &Shop) {
    let product = shop.product("32", 5).await;
    let cleo = shop.customer("cleo").await;
    let placed = order_with(
        &cleo,
        &product,
        json!({ "paymentToken": "tok_slow", "paymentMethod": "paypal" }),
    )
    .await;
    assert_eq!(text(&placed, "status"), "confirmed");
    assert_eq!(
        text(&payment(&cleo, &placed["orderId"]).await, "paymentMethod"),
        "paypal"
    );
}

/// An outcome that got lost is asked for, not guessed: the money is captured once.
pub async fn outcome_was_lost(shop: &Shop) {
    let product = shop.product("33", 5).await;
    let dora = shop.customer("dora").await;
    let placed = order_with(&dora, &product, json!({ "paymentToken": "tok_timeout_then_captured" })).await;
    let id = &placed["orderId"];
    until("the order is confirmed", || async {
        dora.order(id).await["status"] == "confirmed"
    })
    .await;
    let paid = payment(&dora, id).await;
    assert_eq!((text(&paid, "status"), list(&paid["captures"]).len()), ("completed", 1));
    assert_eq!((cents(&paid["captured"]), list(&paid["attempts"]).len()), (3300, 1));
}

/// Cash on delivery is confirmed at once and captured at the door, once; what is given back is given back by hand.
pub async fn cash_on_delivery(shop: &Shop) {
    let product = shop.product("34", 5).await;
    let emil = shop.customer("emil").await;
    let placed = order_with(&emil, &product, json!({ "paymentMethod": "cash_on_delivery" })).await;
    assert_eq!(
        (text(&placed, "status"), text(&placed["order"], "paymentMethod")),
        ("confirmed", "cash_on_delivery")
    );
    counts(&shop.stock(&product).await, [4, 0, 4]);
    let paid = payment(&emil, &placed["orderId"]).await;
    assert_eq!(
        (
            text(&paid, "status"),
            text(&paid, "paymentMethod"),
            cents(&paid["captured"])
        ),
        ("pending", "cash_on_delivery", 0)
    );
    let again = json!({ "orderId": placed["orderId"] });
    let again = emil.post("/api/payments/process", again).send().await;
    again.refused(409, "payable_on_delivery");
    let cancelled = emil
        .put(&format!("/api/orders/{}/cancel", text(&placed, "orderId")), json!({}))
        .send()
        .await
        .is(200);
    assert_eq!(
        (text(&cancelled, "status"), text(&cancelled, "paymentStatus")),
        ("cancelled", "failed")
    );
    assert_eq!(text(&payment(&emil, &placed["orderId"]).await, "status"), "failed");
    counts(&shop.stock(&product).await, [5, 0, 5]);

    let placed = order_with(&emil, &product, json!({ "paymentMethod": "cash_on_delivery" })).await;
    let id = text(&placed, "orderId");
    let refund = format!("/api/payments/{id}/refund");
    let early = shop.admin.post(&refund, json!({})).send().await;
    early.refused(409, "refund_exceeds_captured");
    for status in ["shipped", "delivered"] {
        let moved = shop
            .admin
            .put(&format!("/api/orders/{id}/status"), json!({ "status": status }));
        let paid = if status == "delivered" { "completed" } else { "pending" };
        assert_eq!(text(&moved.send().await.is(200), "paymentStatus"), paid);
        let there = payment(&emil, &placed["orderId"]).await;
        assert_eq!(text(&there, "status"), paid);
        assert_eq!(list(&there["captures"]).len(), usize::from(paid == "completed"));
    }
    let back = shop.admin.post(&refund, json!({ "amount": 4 })).send().await.is(200);
    assert_eq!((cents(&back["captured"]), cents(&back["refunded"])), (3400, 400));
    until("the order knows of it", || async {
        emil.order(&placed["orderId"]).await["paymentStatus"] == "partially_refunded"
    })
    .await;
}

/// In part, in full, too much.
pub async fn refunds(shop: &Shop) {
    let product = shop.product("40", 5).await;
    let flo = shop.customer("flo").await;
    let placed = flo.buy(&product, 1).await;
    let id = text(&placed, "orderId");
    let of_order = format!("/api/payments/{id}/refund");
    let refund = |path: &str, body: Value| shop.admin.post(path, body);
    flo.post(&of_order, json!({})).send().await.refused(403, "forbidden");
    refund(&of_order, json!({ "amount": 40.01 }))
        .send()
        .await
        .refused(409, "refund_exceeds_captured");
    for amount in [json!(0), json!(-1), json!(1.001), json!("much")] {
        refund(&of_order, json!({ "amount": amount }))
            .send()
            .await
            .refused(400, "invalid");
    }
    let paid = refund(&of_order, json!({ "amount": 15.5, "reason": "a scratch" }))
        .send()
        .await
        .is(200);
    assert_eq!(
        (text(&paid, "status"), cents(&paid["refunded"])),
        ("partially_refunded", 1550)
    );
    assert_eq!(text(&paid["refunds"][0], "reason"), "a scratch");
    until("the order knows", || async {
        flo.order(&placed["orderId"]).await["paymentStatus"] == "partially_refunded"
    })
    .await;
    let by_payment = format!("/api/payments/{}/refund", text(&paid, "id"));
    let problem = refund(&by_payment, json!({ "amount": "24.51" }))
        .send()
        .await
        .refused(409, "refund_exceeds_captured");
    assert_eq!(cents(&problem["refundable"]), 2450);
    let paid = refund(&by_payment, json!({})).send().await.is(200);
    assert_eq!(
        (
            text(&paid, "status"),
            cents(&paid["refunded"]),
            list(&paid["refunds"]).len()
        ),
        ("refunded", 4000, 2)
    );
    refund(&of_order, json!({}))
        .send()
        .await
        .refused(409, "refund_exceeds_captured");
    until("the order knows", || async {
        flo.order(&placed["orderId"]).await["paymentStatus"] == "refunded"
    })
    .await;
    // A refund is about money: the order goes on, and nothing goes back into stock.
    assert_eq!(text(&flo.order(&placed["orderId"]).await, "status"), "confirmed");
    counts(&shop.stock(&product).await, [4, 0, 4]);
    let path = format!("/api/events?type=PaymentRefunded&subject={}", text(&paid, "id"));
    until("both refunds are told", || async {
        list(&shop.admin.get(&path).send().await.is(200)).len() == 2
    })
    .await;
    refund("/api/payments/ord_unknown/refund", json!({}))
        .send()
        .await
        .refused(404, "not_found");
}

/// Other people's payments.
pub async fn payments_are_private(shop: &Shop) {
    let product = shop.product("41", 5).await;
    let (gil, hana) = (shop.customer("gil").await, shop.customer("hana").await);
    let placed = order_with(&gil, &product, json!({ "paymentToken": "tok_declined" })).await;
    let id = &placed["orderId"];
    let path = format!("/api/payments/{}", text(&placed, "orderId"));
    hana.get(&path).send().await.refused(404, "not_found");
    hana.get(&format!("/api/payments/{}", placed["number"]))
        .send()
        .await
        .refused(404, "not_found");
    let theirs = pay(&hana, id, "tok_visa").send().await;
    assert!([403, 404].contains(&theirs.status), "{}", theirs.text());
    shop.visitor.get(&path).send().await.refused(401, "unauthorized");
    pay(&shop.visitor, id, "tok_visa")
        .send()
        .await
        .refused(401, "unauthorized");
    assert_eq!(shop.admin.get(&path).send().await.is(200)["status"], "failed");
    // By number, by its owner.
    let paid = pay(&gil, &placed["number"], "tok_visa").send().await.is(201);
    assert_eq!(paid["orderId"], *id);
    assert_eq!(
        gil.get(&format!("/api/payments/{}", text(&paid, "id")))
            .send()
            .await
            .is(200)["id"],
        paid["id"]
    );
}

/// The server's amount wins.
pub async fn amounts_are_checked(shop: &Shop) {
    let product = shop.product("42", 5).await;
    let ian = shop.customer("ian").await;
    let placed = order_with(&ian, &product, json!({ "paymentToken": "tok_declined" })).await;
    let with = |amount: Value| {
        ian.post(
            "/api/payments/process",
            json!({ "orderId": placed["orderId"], "paymentToken": "tok_visa", "amount": amount }),
        )
    };
    for amount in [json!(41.99), json!("42.01"), json!(0), json!(-42)] {
        let answer = with(amount.clone()).send().await;
        let told = (answer.status, answer.value()["code"].clone());
        assert!(
            told == (409, json!("amount_differs")) || told == (400, json!("invalid")),
            "{amount}: {}",
            answer.text()
        );
    }
    with(json!("42.00")).send().await.is(201);
    let nothing = json!({ "orderId": "ord_unknown", "paymentToken": "tok_visa" });
    ian.post("/api/payments/process", nothing)
        .send()
        .await
        .refused(404, "not_found");
}

/// A cart whose order was declined: ordering it again answers the same order, and how to pay it.
pub async fn declined_cart_is_ordered_again(shop: &Shop) {
    let product = shop.product("43", 5).await;
    let jo = shop.customer("jo").await;
    jo.add(&product, 1).await;
    let order = || jo.post("/api/orders", json!({ "paymentToken": "tok_declined" })).send();
    let first = order().await.is(201);
    let again = order().await.is(201);
    for placed in [&first, &again] {
        assert_eq!(
            (&placed["orderId"], text(placed, "status")),
            (&first["orderId"], "pending")
        );
        assert_eq!(text(&placed["paymentError"], "code"), "card_declined");
        assert!(text(placed, "hint").contains("/api/payments/process"));
    }
    pay(&jo, &first["orderId"], "tok_visa").send().await.is(201);
    let order = jo.order(&first["orderId"]).await;
    assert_eq!(text(&order, "status"), "confirmed");
    assert_eq!(jo.get("/api/cart").send().await.is(200)["itemCount"], 0);
    counts(&shop.stock(&product).await, [4, 0, 4]);
}

/// Each method, and another one after a decline.
pub async fn methods(shop: &Shop) {
    let product = shop.product("44", 9).await;
    let kim = shop.customer("kim").await;
    for method in ["credit_card", "debit_card", "paypal"] {
        let placed = order_with(&kim, &product, json!({ "paymentMethod": method })).await;
        assert_eq!(
            (text(&placed, "status"), text(&placed["order"], "paymentMethod")),
            ("confirmed", method)
        );
        let paid = payment(&kim, &placed["orderId"]).await;
        assert_eq!((text(&paid, "paymentMethod"), cents(&paid["captured"])), (method, 4400));
    }
    let declined = order_with(&kim, &product, json!({ "paymentToken": "tok_insufficient_funds" })).await;
    assert_eq!(text(&declined["paymentError"], "code"), "insufficient_funds");
    let cash = json!({ "orderId": declined["orderId"], "paymentMethod": "cash_on_delivery" });
    let paid = kim.post("/api/payments/process", cash).send().await.is(201);
    assert_eq!(
        (
            text(&paid, "status"),
            text(&paid, "paymentMethod"),
            cents(&paid["captured"])
        ),
        ("pending", "cash_on_delivery", 0)
    );
    let order = kim.order(&declined["orderId"]).await;
    assert_eq!(
        (
            text(&order, "status"),
            text(&order, "paymentMethod"),
            text(&order, "paymentStatus")
        ),
        ("confirmed", "cash_on_delivery", "pending")
    );
}

/// Browser and webhook complete the same payment, now the one first, now the other: one capture, told once.
pub async fn browser_and_webhook(shop: &Shop) {
    let product = shop.product("45", 90).await;
    let rounds = (0..6).map(|round| {
        let product = &product;
        async move {
            let lea = shop.customer("lea").await;
            // The provider's webhook comes before a slow answer, and behind a quick one.
            let token = ["tok_slow", "tok_visa"][round % 2];
            let placed = order_with(&lea, product, json!({ "paymentToken": "tok_declined" })).await;
            let id = &placed["orderId"];
            let (one, two) = tokio::join!(pay(&lea, id, token).send(), pay(&lea, id, token).send());
            for answer in [&one, &two] {
                assert!(answer.status == 201 || answer.status == 409, "{}", answer.text());
            }
            assert!(one.status == 201 || two.status == 201);
            assert_eq!(text(&lea.order(id).await, "status"), "confirmed");
            let paid = payment(&lea, id).await;
            assert_eq!((text(&paid, "status"), list(&paid["captures"]).len()), ("completed", 1));
            assert_eq!(cents(&paid["captured"]), 4500);
            let path = format!("/api/events?type=PaymentProcessed&subject={}", text(&paid, "id"));
            until("the capture is told", || async {
                list(&shop.admin.get(&path).send().await.is(200)).len() == 1
            })
            .await;
        }
    });
    futures_util::future::join_all(rounds).await;
}
