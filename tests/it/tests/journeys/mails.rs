//! Mails to buyers, by a mail server of others, in both shapes: each step is told once, and no order waits for it.

use it::text;
use serde_json::{Value, json};
use testkit::smtp::{SmtpPeer, Tls};
use testkit::{Engine, Shape, Shop, until};

/// The next mails that the server took, so many, each as its subject and its text.
async fn taken(peer: &SmtpPeer, count: usize) -> Vec<(String, String)> {
    let mut mails = Vec::new();
    for _ in 0..count {
        let mail = peer.next().await;
        let data = text(&mail, "data").replace("\r\n", "\n");
        assert_eq!(mail["to"], json!(["ada@example.com"]), "{data}");
        let subject = data
            .lines()
            .find_map(|line| line.strip_prefix("Subject: "))
            .expect("a subject");
        mails.push((subject.to_owned(), data));
    }
    mails.sort();
    mails
}

async fn buyers_are_written_to(shape: Shape, engine: Engine) {
    let peer = SmtpPeer::start(&Tls::None, None).expect("a mail server");
    let port = peer.port;
    let smtp = format!("smtp://127.0.0.1:{port}?tls=none");
    let env = [
        ("IRONMONGER_MAIL_SMTP", smtp.as_str()),
        ("IRONMONGER_MAIL_FROM", "Shop <shop@example.com>"),
        (
            "IRONMONGER_PAYMENTS_WEBHOOK_URL",
            "{gateway}/api/payments/webhooks/simulated",
        ),
    ];
    let mut shop = Shop::start(shape, engine, &env).await;
    let product = shop.product("70", 9).await;
    let ada = shop.customer("ada").await;
    let address = json!({ "name": "Ada Lovelace", "street": "1 Main Street", "city": "Springfield", "postalCode": "12345", "country": "US" });
    let order = || {
        it::order_with(
            &ada,
            &product,
            json!({ "email": "ada@example.com", "shippingAddress": address }),
        )
    };
    let placed = order().await;
    let number = &placed["number"];
    let mails = taken(&peer, 1).await;
    assert_eq!(mails[0].0, format!("Ironmonger: your order {number} is confirmed"));
    for part in ["Ada Lovelace", "1 Main Street", "12345 Springfield", "Total: 70.00 USD"] {
        assert!(mails[0].1.contains(part), "{part} is missing in\n{}", mails[0].1);
    }
    let path = |verb: &str, order: &Value| format!("/api/orders/{}/{verb}", text(order, "orderId"));
    let shipped = shop.admin.put(&path("status", &placed), json!({ "status": "shipped" }));
    shipped.send().await.is(200);
    assert_eq!(
        taken(&peer, 1).await[0].0,
        format!("Ironmonger: your order {number} is on its way")
    );
    let refund = format!("/api/payments/{}/refund", text(&placed, "orderId"));
    shop.admin
        .post(&refund, json!({ "amount": "12.50" }))
        .send()
        .await
        .is(200);
    let mails = taken(&peer, 1).await;
    assert_eq!(mails[0].0, format!("Ironmonger: a refund for your order {number}"));
    assert!(mails[0].1.contains("12.50 USD"), "{}", mails[0].1);

    // The server goes away, and orders go on; when it is back, it gets what it has missed.
    drop(peer);
    let placed = order().await;
    it::call_off(&ada, &placed["orderId"]).await;
    let told = || async { shop.admin.get(&path("mails", &placed)).send().await.is(200) };
    until("the mails have failed once", || async {
        let told = told().await;
        let told = told.as_array().cloned().unwrap_or_default();
        told.len() == 3
            && told
                .iter()
                .all(|mail| mail["status"] == "waiting" && mail["tries"].as_i64() > Some(0))
    })
    .await;
    let peer = SmtpPeer::start_at(port, &Tls::None, None).expect("a mail server");
    let subjects: Vec<String> = taken(&peer, 3).await.into_iter().map(|(subject, _)| subject).collect();
    let number = &placed["number"];
    assert_eq!(
        subjects,
        [
            format!("Ironmonger: a refund for your order {number}"),
            format!("Ironmonger: your order {number} is cancelled"),
            format!("Ironmonger: your order {number} is confirmed"),
        ]
    );
    until("they are known to be sent", || async {
        told()
            .await
            .as_array()
            .into_iter()
            .flatten()
            .all(|mail| mail["status"] == "sent")
    })
    .await;
    assert!(peer.waiting().is_none(), "nothing twice");
    shop.balances();
}

#[tokio::test]
async fn sqlite_in_one_process() {
    buyers_are_written_to(Shape::One, Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_a_process_per_service() {
    buyers_are_written_to(Shape::Split, Engine::Postgres).await;
}
