//! Browser and webhook complete the same payment, in both orders and at once: it is one command, and the money is
//! taken once.

use futures_util::future::join_all;
use serve::Role;

use super::*;

const ROUNDS: usize = 40;
/// How long the provider takes to answer in the rounds in which its webhook is to come first.
const SLOW: Duration = Duration::from_millis(30);

/// Who comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// The provider answers at once; its webhook follows, or is at the same moment.
    Answer,
    /// The webhook is there while the answer is on its way.
    Webhook,
    /// The answer never comes.
    OnlyWebhook,
}

impl Shop {
    /// The browser completes the payment of an order.
    async fn complete(&self, pay: &Pay, token: &str) -> u16 {
        let number = self.orders.place(pay);
        let ada = self.token(pay.user, Role::Customer);
        let body = format!(r#"{{"orderId": {number}, "paymentToken": "{token}"}}"#);
        let answered = self.call(http::Method::POST, "/payments/process", Some(&ada), None, &body);
        answered.await.0
    }

    /// The provider sends its webhooks, once there are some.
    async fn tells(&self) {
        testkit::until("the provider tells", || async { self.send_webhooks().await > 0 }).await;
    }
}

async fn browser_and_webhook(place: impl Fn(&'static str) -> Engine) {
    let ms = Duration::from_millis;
    let here = Config {
        call_timeout: ms(150),
        retry_for: ms(600),
        first_wait: ms(5),
        longest_wait: ms(20),
        webhook_secret: SECRET.to_vec(),
        ..Config::default()
    };
    let there = simulated::Config {
        slow: SLOW,
        ..Default::default()
    };
    let shop = Shop::on(place, here, there, true).await;
    let round = |at: usize| {
        let shop = &shop;
        async move {
            let first = [First::Answer, First::Webhook, First::OnlyWebhook][at % 3];
            let token = if first == First::Webhook {
                "tok_slow"
            } else {
                "tok_visa"
            };
            let pay = shop.order(token);
            if first == First::OnlyWebhook {
                shop.cut(&[("/charges", Trouble::Silent)]);
            }
            // The command twice, by browser and by orders, and the webhook, all at once.
            let (browser, commanded, ()) = tokio::join!(shop.complete(&pay, token), shop.pay(&pay), shop.tells());
            assert!([201, 409].contains(&browser), "{first:?}: {browser}");
            let commanded = commanded.expect("the command is never refused");
            assert_eq!(commanded.status, PaymentStatus::Completed, "{first:?}");
            pay
        }
    };
    let mut paid = Vec::new();
    for at in 0..ROUNDS {
        paid.push(round(at).await);
    }
    // Many at once, where nobody knows who is first.
    let at_once = (0..ROUNDS).map(|_| async {
        let pay = shop.order("tok_slow");
        let (browser, commanded) = tokio::join!(shop.complete(&pay, "tok_slow"), shop.pay(&pay));
        assert!([201, 409].contains(&browser), "{browser}");
        assert_eq!(
            commanded.expect("the command is never refused").status,
            PaymentStatus::Completed
        );
        pay
    });
    let tells = async {
        for _ in 0..ROUNDS {
            shop.send_webhooks().await;
            tokio::task::yield_now().await;
        }
    };
    let (more, ()) = tokio::join!(join_all(at_once), tells);
    paid.extend(more);
    while shop.send_webhooks().await > 0 {}
    shop.restart().await;
    let events = shop.events().await;
    for pay in &paid {
        let standing = shop.standing(pay).await;
        assert_eq!(
            (standing.status, standing.captured, standing.version),
            (PaymentStatus::Completed, pay.amount, 1)
        );
        let payment = standing.payment;
        let captures = shop.app.db.read(move |tx| crate::store::captures(tx, payment)).await;
        assert_eq!(captures.expect("reads").len(), 1);
        let told = events
            .iter()
            .filter(|stored| stored.event.subject == payment.to_string());
        assert_eq!(told.count(), 1, "{pay:?}");
    }
    shop.balances().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browser_and_webhook_on_sqlite() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let place = |service| Engine::Sqlite {
        file: folder.path().join(format!("{service}.db")),
    };
    browser_and_webhook(place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browser_and_webhook_on_postgres() {
    let url = testkit::postgres::database().await.expect("there is a server");
    browser_and_webhook(|_| Engine::Postgres { url: url.clone() }).await;
}

#[tokio::test(start_paused = true)]
async fn every_method_that_is_paid_online_is_captured_once() {
    let shop = Shop::new().await;
    for method in [
        PaymentMethod::CreditCard,
        PaymentMethod::DebitCard,
        PaymentMethod::Paypal,
    ] {
        let pay = Pay {
            method,
            ..shop.order("tok_visa")
        };
        assert_eq!(
            shop.pay(&pay).await.expect("pays").status,
            PaymentStatus::Completed,
            "{method:?}"
        );
        let ada = shop.token(pay.user, Role::Customer);
        shop.orders.place(&pay);
        let path = format!("/payments/{}", pay.order);
        let shown = shop.call(http::Method::GET, &path, Some(&ada), None, "").await.1;
        assert_eq!(shown["paymentMethod"], method.as_str());
        assert_eq!(shown["captures"].as_array().map(Vec::len), Some(1), "{shown}");
    }
    shop.balances().await;
}
