//! What each token leads to, through all retries.

use super::*;

async fn check(token: Option<&str>, status: PaymentStatus, failure: Option<&str>, seconds: std::ops::Range<u64>) {
    let shop = Shop::new().await;
    let pay = Pay {
        token: token.map(str::to_owned),
        ..shop.order("")
    };
    let began = tokio::time::Instant::now();
    let standing = shop.pay(&pay).await.expect("a decline is a standing");
    let took = began.elapsed();
    assert_eq!(
        (standing.status, standing.failure.as_ref().map(|why| why.code.as_str())),
        (status, failure),
        "{token:?}"
    );
    assert!(
        (Duration::from_secs(seconds.start)..Duration::from_secs(seconds.end)).contains(&took),
        "{token:?}: {took:?}"
    );
    let captured = if status == PaymentStatus::Completed { 1_999 } else { 0 };
    assert_eq!(
        (standing.captured.minor, standing.refunded.minor, standing.version),
        (captured, 0, 1),
        "{token:?}"
    );
    let kinds = if captured > 0 {
        ["PaymentProcessed"]
    } else {
        ["PaymentFailed"]
    };
    assert_eq!(shop.event_kinds().await, kinds, "{token:?}");
    assert_eq!(shop.pay(&pay).await.expect("repeats"), standing, "{token:?} repeated");
    assert_eq!(shop.statement().await.len(), usize::from(captured > 0), "{token:?}");
    shop.balances().await;
}

// The runtime's time is paused: waits take no time, and what they would have taken is exact.
#[tokio::test(start_paused = true)]
async fn every_token_does_what_it_says() {
    use PaymentStatus::*;
    check(None, Completed, None, 0..1).await;
    check(Some("tok_visa"), Completed, None, 0..1).await;
    check(Some("tok_declined"), Failed, Some("card_declined"), 0..1).await;
    check(Some("tok_insufficient_funds"), Failed, Some("insufficient_funds"), 0..1).await;
    check(Some("tok_made_up"), Failed, Some("invalid_token"), 0..1).await;
    check(Some("tok_flaky"), Completed, None, 0..1).await;
    check(Some("tok_slow"), Completed, None, 2..3).await;
    check(Some("tok_timeout_then_captured"), Completed, None, 3..5).await;
}

#[tokio::test(start_paused = true)]
async fn a_declined_payment_can_be_tried_again() {
    let shop = Shop::new().await;
    let first = shop.order("tok_declined");
    assert_eq!(shop.pay(&first).await.expect("answers").status, PaymentStatus::Failed);
    let second = Pay {
        attempt: 2,
        token: Some("tok_visa".into()),
        ..first.clone()
    };
    let paid = shop.pay(&second).await.expect("pays");
    assert_eq!((paid.status, paid.failure.clone()), (PaymentStatus::Completed, None));
    // The first try, told once more, has come to its end and stays there.
    assert_eq!(shop.pay(&first).await.expect("repeats"), paid);
    assert_eq!(shop.event_kinds().await, ["PaymentFailed", "PaymentProcessed"]);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn two_payers_at_once_make_one_charge() {
    let shop = Shop::new().await;
    for token in ["tok_visa", "tok_slow", "tok_flaky", "tok_timeout_then_captured"] {
        let pay = shop.order(token);
        let other = Pay {
            attempt: 2,
            token: Some("tok_visa".into()),
            ..pay.clone()
        };
        let (one, two, three) = tokio::join!(shop.pay(&pay), shop.pay(&pay), shop.pay(&other));
        for standing in [one, two, three] {
            let standing = standing.expect("pays");
            assert_eq!(
                (standing.status, standing.captured.minor),
                (PaymentStatus::Completed, 1_999),
                "{token}"
            );
        }
    }
    assert_eq!(shop.statement().await.len(), 4);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn two_processes_at_once_make_one_charge() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_slow");
    // A second process shares the rows, not the lanes.
    let twin = App {
        firsts: actions::firsts(&shop.app.db),
        captures: actions::captures(&shop.app.db),
        db: shop.app.db.clone(),
        clock: shop.clock.clone(),
        ids: shop.ids.clone(),
        config: shop.app.config.clone(),
        currency: Currency::USD,
        orders: shop.app.orders.clone(),
        provider: shop.app.provider.clone(),
        lanes: Default::default(),
    };
    let cx = shop.cx();
    let (here, there) = tokio::join!(shop.pay(&pay), actions::pay(&twin, &cx, &pay));
    assert_eq!(here.expect("pays").status, PaymentStatus::Completed);
    assert_eq!(there.expect("pays").status, PaymentStatus::Completed);
    assert_eq!((shop.statement().await.len(), shop.event_kinds().await.len()), (1, 1));
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_charged_waits_or_is_refused() {
    let shop = Shop::new().await;
    let cash = Pay {
        method: PaymentMethod::CashOnDelivery,
        ..shop.order("tok_visa")
    };
    let standing = shop.pay(&cash).await.expect("answers");
    assert_eq!(
        (standing.status, standing.captured.minor, standing.version),
        (PaymentStatus::Pending, 0, 0)
    );
    // Still to be paid by card, if the shopper likes that better.
    let card = Pay {
        method: PaymentMethod::CreditCard,
        ..cash
    };
    assert_eq!(shop.pay(&card).await.expect("pays").status, PaymentStatus::Completed);

    let free = Pay {
        amount: Money::zero(Currency::USD),
        ..shop.order("tok_visa")
    };
    assert_eq!(shop.pay(&free).await.expect("answers").status, PaymentStatus::Completed);

    let pay = shop.order("tok_declined");
    shop.pay(&pay).await.expect("answers");
    let more = Pay {
        amount: Money::new(2_000, Currency::USD),
        attempt: 2,
        ..pay.clone()
    };
    assert_eq!(
        shop.pay(&more).await.expect_err("another amount").code,
        "amount_differs"
    );
    // A guest's order that became an account's is paid by the account.
    let account = Pay {
        user: shop.ids.next(START),
        token: Some("tok_visa".into()),
        attempt: 2,
        ..pay
    };
    assert_eq!(
        shop.pay(&account).await.expect("another person").status,
        PaymentStatus::Completed
    );
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_bound_the_retries() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.cut(&[("", Trouble::Refused); 1_000]);
    let began = tokio::time::Instant::now();
    let standing = shop.pay(&pay).await.expect("answers");
    let took = began.elapsed();
    assert!((9..16).contains(&took.as_secs()), "{took:?}");
    assert_eq!(
        standing.status,
        PaymentStatus::Processing,
        "the provider could not be asked, so nobody knows"
    );
    shop.restart().await;
    let standing = shop.standing(&pay).await;
    assert_eq!(standing.status, PaymentStatus::Completed, "{standing:?}");
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_voided_first() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    shop.cut(&[("/charges", Trouble::Swallowed); 6]);
    // Each charge is swallowed (3 s), each question after it finds nothing: after ten seconds it is voided.
    let standing = shop.pay(&pay).await.expect("answers");
    assert_eq!(standing.status, PaymentStatus::Failed);
    assert_eq!(standing.failure.expect("says why").code, "provider_unavailable");
    assert_eq!(shop.statement().await, BTreeMap::new());
    shop.cut(&[]);
    let again = Pay { attempt: 2, ..pay };
    assert_eq!(shop.pay(&again).await.expect("pays").status, PaymentStatus::Completed);
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_a_hurry_hears_processing() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_slow");
    let cx = shop.cx().until(tokio::time::Instant::now() + Duration::from_secs(1));
    let standing = shop.client.pay(&cx, &pay).await.expect("in time");
    assert_eq!(standing.status, PaymentStatus::Processing);
    // The task may take it up at once.
    assert_eq!(actions::resume(&shop.app).await.expect("resumes"), 1);
    assert_eq!(shop.standing(&pay).await.status, PaymentStatus::Completed);
    assert_eq!(shop.orders.heard(), [pay.order]);
    shop.balances().await;
}
