//! The same rules on files and on PostgreSQL, in real time, with many shoppers at once.

use futures_util::future::join_all;

use super::*;

const TOKENS: [&str; 6] = [
    "tok_visa",
    "tok_visa",
    "tok_declined",
    "tok_flaky",
    "tok_slow",
    "tok_timeout_then_captured",
];
const ORDERS: usize = 60;

/// Time-outs that a test can wait for.
fn hasty() -> (Config, simulated::Config) {
    let ms = Duration::from_millis;
    let here = Config {
        call_timeout: ms(400),
        retry_for: ms(1_500),
        first_wait: ms(10),
        longest_wait: ms(100),
        lease: Duration::from_secs(3),
        webhook_secret: SECRET.to_vec(),
        ..Config::default()
    };
    let there = simulated::Config {
        slow: ms(50),
        late: ms(800),
        ..Default::default()
    };
    (here, there)
}

/// Shoppers pay twice at once, cancel, and are refunded, all at the same time; then everything rests and balances.
async fn everybody_at_once(place: impl Fn(&'static str) -> Engine) {
    let (here, there) = hasty();
    let shop = Shop::on(place, here, there, true).await;
    let shopper = |at: usize| {
        let shop = &shop;
        async move {
            let pay = shop.order(TOKENS[at % TOKENS.len()]);
            let twin = Pay {
                attempt: 1 + (at % 2) as i64,
                ..pay.clone()
            };
            let undo = async {
                if at.is_multiple_of(3) {
                    shop.undo(&pay).await;
                }
            };
            let (one, two, ()) = tokio::join!(shop.pay(&pay), shop.pay(&twin), undo);
            for paid in [one, two] {
                if let Err(problem) = paid {
                    assert!(problem.code == "closed" || problem.status == 503, "{problem}");
                }
            }
            if at.is_multiple_of(2) {
                let body = r#"{"amount": 4.99}"#;
                let refunds = tokio::join!(
                    shop.post_refund(&pay, body, Some("k")),
                    shop.post_refund(&pay, "{}", None)
                );
                for (status, answer) in [refunds.0, refunds.1] {
                    assert!([200, 404, 409, 503].contains(&status), "{status} {answer}");
                }
            }
            pay
        }
    };
    let orders = join_all((0..ORDERS).map(shopper)).await;
    while shop.send_webhooks().await > 0 {}
    shop.restart().await;
    for pay in &orders {
        let Some(standing) = shop.client.standing(&shop.cx(), pay.order).await.expect("answers") else {
            continue;
        };
        assert_ne!(standing.status, PaymentStatus::Processing, "{standing:?}");
    }
    shop.balances().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_at_once_on_sqlite() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let place = |service| Engine::Sqlite {
        file: folder.path().join(format!("{service}.db")),
    };
    everybody_at_once(place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_at_once_on_postgres() {
    let url = testkit::postgres::database().await.expect("there is a server");
    everybody_at_once(|_| Engine::Postgres { url: url.clone() }).await;
}
