//! The simulated provider, as its customers may count on it.

use base::{AttemptId, RefundId};

use super::*;
use crate::simulated::{ChargeStatus, NewCharge, NewRefund, StatementQuery};

fn charge(shop: &Shop, token: &str) -> NewCharge {
    let amount = Money::new(1_000, Currency::USD);
    NewCharge {
        key: shop.ids.next(START),
        amount,
        token: token.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_has_one_outcome() {
    let (shop, cx) = (Shop::new().await, Cx::new("req_test", "usr_test"));
    let (provider, new) = (&shop.provider, charge(&shop, "tok_visa"));
    assert_eq!(provider.find(&cx, new.key).await, Ok(None));
    let first = provider.charge(&cx, &new).await.expect("charges");
    let declined = NewCharge {
        token: "tok_declined".into(),
        ..new.clone()
    };
    assert_eq!(
        provider.charge(&cx, &declined).await.as_ref(),
        Ok(&first),
        "the same key is the same charge"
    );
    let more = NewCharge {
        amount: Money::new(1_001, Currency::USD),
        ..new.clone()
    };
    assert_eq!(
        provider.charge(&cx, &more).await.expect_err("another amount").code,
        "key_reused"
    );
    assert_eq!(
        provider.void(&cx, new.key).await.as_ref(),
        Ok(&first),
        "what was captured stays so"
    );
    assert_eq!(provider.find(&cx, new.key).await, Ok(Some(first)));
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_comes_after_its_void_takes_nothing() {
    let (shop, cx) = (Shop::new().await, Cx::new("req_test", "usr_test"));
    for token in ["tok_visa", "tok_flaky", "tok_declined"] {
        let new = charge(&shop, token);
        assert_eq!(
            shop.provider.void(&cx, new.key).await.expect("voids").status,
            ChargeStatus::Voided
        );
        assert_eq!(
            shop.provider.charge(&cx, &new).await.expect("answers").status,
            ChargeStatus::Voided,
            "{token}"
        );
    }
    assert_eq!(shop.statement().await, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn flaky_fails_twice_for_each_key() {
    let (shop, cx) = (Shop::new().await, Cx::new("req_test", "usr_test"));
    for _ in 0..2 {
        let new = charge(&shop, "tok_flaky");
        for _ in 0..2 {
            assert_eq!(
                shop.provider.charge(&cx, &new).await.expect_err("fails").code,
                "provider_busy"
            );
            assert_eq!(shop.provider.find(&cx, new.key).await, Ok(None));
        }
        assert_eq!(
            shop.provider.charge(&cx, &new).await.expect("works").status,
            ChargeStatus::Captured
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_goes_back_than_was_taken() {
    let (shop, cx) = (Shop::new().await, Cx::new("req_test", "usr_test"));
    let (provider, new) = (&shop.provider, charge(&shop, "tok_visa"));
    provider.charge(&cx, &new).await.expect("charges");
    let back = |minor| NewRefund {
        key: shop.ids.next::<RefundId>(START),
        amount: Money::new(minor, Currency::USD),
    };
    let part = back(600);
    for _ in 0..2 {
        let after = provider.refund(&cx, new.key, &part).await.expect("gives back");
        assert_eq!(after.refunded.minor, 600, "the same key is the same refund");
    }
    for minor in [401, 0, -1] {
        let refused = provider.refund(&cx, new.key, &back(minor)).await.expect_err("not that");
        assert_eq!(refused.code, "refund_exceeds_captured", "{minor}");
    }
    let reused = NewRefund {
        amount: Money::new(100, Currency::USD),
        ..part
    };
    assert_eq!(
        provider
            .refund(&cx, new.key, &reused)
            .await
            .expect_err("another amount")
            .code,
        "key_reused"
    );
    let unknown = provider
        .refund(&cx, shop.ids.next(START), &back(1))
        .await
        .expect_err("of no charge");
    assert_eq!(unknown.status, 404);
    assert_eq!(
        provider
            .refund(&cx, new.key, &back(400))
            .await
            .expect("the rest")
            .refunded
            .minor,
        1_000
    );
}

#[tokio::test(start_paused = true)]
async fn the_statement_is_read_page_by_page() {
    let (shop, cx) = (Shop::new().await, Cx::new("req_test", "usr_test"));
    let mut keys: Vec<AttemptId> = Vec::new();
    for _ in 0..7 {
        let new = charge(&shop, "tok_visa");
        shop.provider.charge(&cx, &new).await.expect("charges");
        keys.push(new.key);
    }
    keys.sort();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = StatementQuery { after, limit: Some(3) };
        let page = shop.provider.statement(&cx, &query).await.expect("answers");
        seen.extend(page.lines.iter().map(|line| line.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, keys);
}
