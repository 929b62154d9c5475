//! Mails to buyers: one each, whatever happens, and never in an order's way.

use api::orders::OrderStatus;
use api::payments::PaymentMethod;
use base::OrderId;
use http::Method;
use mail::Fault;
use serde_json::{Value, json};
use serve::{ORDERS_READ, ORDERS_WRITE};
use testkit::smtp::{SmtpPeer, Tls};

use super::neighbours::Street;
use super::{MINUTE, NOW, place, placing, read, save, user};
use crate::actions;
use crate::domain::letter::{About, MailKind, subject, text};
use crate::domain::{Order, OrderEvent};
use crate::error::Error;
use crate::store;

testkit::on_both! {
    super::Street::on;
    each_step_is_told_once
    a_mail_server_that_is_down_gets_it_later_and_once
    what_no_server_takes_is_given_up_where_staff_see_it
    whoever_left_no_address_is_not_written_to
    a_refund_is_told_with_its_amount
    old_news_is_no_news
    of_two_who_send_one_does
}

/// Notes what events call for and sends what is due, as the tasks do.
async fn write(street: &Street) -> Vec<String> {
    let mut reading = actions::Reading::default();
    while actions::note_mails(&street.app, &mut reading)
        .await
        .expect("events are read")
    {}
    while actions::send_mails(&street.app).await.expect("mails are sent") > 0 {}
    street.mails.mails().into_iter().map(|mail| mail.id).collect()
}

async fn mails(street: &Street, order: OrderId) -> Value {
    let path = format!("/orders/{order}/mails");
    street
        .ask(Method::GET, &path, &street.staff(&[ORDERS_READ]), Value::Null)
        .await
        .1
}

async fn set(street: &Street, order: OrderId, status: &str) {
    let path = format!("/orders/{order}/status");
    let moved = street
        .ask(
            Method::PUT,
            &path,
            &street.staff(&[ORDERS_WRITE]),
            json!({ "status": status }),
        )
        .await;
    assert_eq!(moved.0, 200, "{}", moved.1);
}

/// An order of somebody with an address, confirmed.
async fn confirmed(street: &Street) -> OrderId {
    let (order, _) = place(&street.db, placing(user(), None, None)).await;
    let confirmed = Order {
        status: OrderStatus::Confirmed,
        resume_at: None,
        ..order
    };
    let (id, now) = (confirmed.id, street.db.clock().now());
    let save = move |tx: &mut ::store::Tx<'_>| {
        store::save(
            tx,
            &mut confirmed.clone(),
            Some(OrderEvent::Confirmed),
            "usr",
            "req",
            now,
        )
    };
    assert!(street.db.write::<_, Error, _>(save).await.expect("a write"));
    id
}

async fn each_step_is_told_once(street: Street) {
    let id = confirmed(&street).await;
    assert_eq!(write(&street).await, [format!("{id}.confirmed")]);
    set(&street, id, "shipped").await;
    set(&street, id, "delivered").await;
    for _ in 0..3 {
        assert_eq!(
            write(&street).await,
            [format!("{id}.confirmed"), format!("{id}.shipped")]
        );
    }
    let other = confirmed(&street).await;
    let path = format!("/orders/{other}/cancel");
    assert_eq!(
        street
            .ask(Method::PUT, &path, &street.staff(&[ORDERS_WRITE]), json!({}))
            .await
            .0,
        200
    );
    assert_eq!(write(&street).await.len(), 4);
    let sent = street.mails.mails();
    assert!(
        sent.iter()
            .all(|mail| mail.to == "ada@example.com" && mail.html.is_none())
    );
    let order = read(&street.db, id).await;
    let letter = &sent[0];
    assert_eq!(
        letter.subject,
        format!("Test: your order {} is confirmed", order.number)
    );
    for part in [
        "2 × A NAIL (NAIL): 25.00 USD",
        "Total: 37.50 USD",
        "Main St 1",
        "12345 Springfield",
        "US",
    ] {
        assert!(letter.text.contains(part), "{part} is missing in\n{}", letter.text);
    }
    let told = mails(&street, id).await;
    let told: Vec<_> = told
        .as_array()
        .expect("a list")
        .iter()
        .map(|mail| (&mail["kind"], &mail["status"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("confirmed"), &json!("sent")),
            (&json!("shipped"), &json!("sent"))
        ]
    );
}

async fn a_mail_server_that_is_down_gets_it_later_and_once(street: Street) {
    for _ in 0..2 {
        street.mails.fail_next(Fault::Temporary("nobody answers".into()));
    }
    let id = confirmed(&street).await;
    assert!(write(&street).await.is_empty());
    let waiting = mails(&street, id).await;
    assert_eq!(
        (&waiting[0]["status"], &waiting[0]["tries"]),
        (&json!("waiting"), &json!(1))
    );
    assert!(
        waiting[0]["fault"]
            .as_str()
            .is_some_and(|why| why.contains("nobody answers"))
    );
    assert!(write(&street).await.is_empty(), "not before its time");
    set(&street, id, "shipped").await; // The order goes on meanwhile.
    street.db.clock().advance(MINUTE);
    write(&street).await;
    street.db.clock().advance(60 * MINUTE);
    for _ in 0..2 {
        let mut sent = write(&street).await;
        sent.sort();
        assert_eq!(sent, [format!("{id}.confirmed"), format!("{id}.shipped")]);
    }
}

async fn what_no_server_takes_is_given_up_where_staff_see_it(street: Street) {
    street.mails.fail_next(Fault::Permanent("550 no such mailbox".into()));
    let id = confirmed(&street).await;
    assert!(write(&street).await.is_empty());
    let failed = mails(&street, id).await;
    assert_eq!(
        (&failed[0]["status"], &failed[0]["tries"]),
        (&json!("failed"), &json!(1))
    );
    street.db.clock().advance(10 * 24 * 60 * MINUTE);
    assert!(write(&street).await.is_empty());
    // Staff may have it tried again.
    let path = format!("/orders/{id}/mails/retry");
    let (status, again) = street
        .ask(Method::POST, &path, &street.staff(&[ORDERS_WRITE]), json!({}))
        .await;
    assert_eq!((status, &again[0]["status"]), (200, &json!("waiting")));
    assert_eq!(write(&street).await, [format!("{id}.confirmed")]);
    assert_eq!(mails(&street, id).await[0]["status"], "sent");

    // A server that is down for days is given up at last.
    let id = confirmed(&street).await;
    for _ in 0..200 {
        street.mails.fail_next(Fault::Temporary("451 later".into()));
    }
    let mut tries = 0;
    while mails(&street, id).await[0]["status"] != "failed" {
        write(&street).await;
        street.db.clock().advance(60 * MINUTE);
        tries += 1;
        assert!(tries < 150, "it is never given up");
    }
    assert!(tries >= 72, "given up after {tries} hours");
}

async fn whoever_left_no_address_is_not_written_to(street: Street) {
    let mut nameless = placing(user(), None, None);
    nameless.email = None;
    let (order, _) = place(&street.db, nameless).await;
    assert!(save(&street.db, &order, Some(OrderEvent::Confirmed)).await);
    assert!(write(&street).await.is_empty());
    assert_eq!(mails(&street, order.id).await, json!([]));
}

async fn a_refund_is_told_with_its_amount(street: Street) {
    let id = confirmed(&street).await;
    write(&street).await;
    let event = |n: u128, refund: &str, amount: f64| {
        json!({
            "id": <base::EventId as base::Id>::from_bits(n), "type": "PaymentRefunded", "source": "payments", "subject": "pay_1",
            "sequence": n as i64, "time": NOW, "timestamp": NOW, "actor": "usr", "requestId": "req", "dataVersion": 1,
            "data": { "orderId": id, "amount": amount, "currency": "USD", "status": "partially_refunded", "refund": refund },
        })
    };
    let ids = base::Ids::random();
    let mut refunds: [base::RefundId; 2] = [ids.next(NOW), ids.next(NOW)];
    refunds.sort();
    let delivery =
        json!({ "events": [event(2, &refunds[0].to_string(), 5.0), event(3, &refunds[1].to_string(), 7.25)] });
    let token = street.keys.service_token("payments");
    for _ in 0..2 {
        assert_eq!(
            street
                .ask(Method::POST, "/internal/events", &token, delivery.clone())
                .await
                .0,
            204
        );
    }
    let mut sent = write(&street).await.split_off(1);
    sent.sort();
    assert_eq!(sent, refunds.map(|refund| format!("{id}.refunded.{refund}")));
    let texts: Vec<String> = street.mails.mails().into_iter().map(|mail| mail.text).collect();
    assert!(texts.iter().any(|text| text.contains("5.00 USD")) && texts.iter().any(|text| text.contains("7.25 USD")));
    assert_eq!(mails(&street, id).await[1]["refundId"], json!(refunds[0]));
}

async fn old_news_is_no_news(street: Street) {
    confirmed(&street).await;
    street.db.clock().advance(25 * 60 * MINUTE);
    assert!(write(&street).await.is_empty());
}

async fn of_two_who_send_one_does(street: Street) {
    let id = confirmed(&street).await;
    let mut reading = actions::Reading::default();
    actions::note_mails(&street.app, &mut reading)
        .await
        .expect("events are read");
    let now = NOW;
    let due = street
        .db
        .read::<_, Error, _>(move |tx| store::mails_due(tx, now, 9))
        .await
        .expect("one");
    let claim = |about: About| {
        street
            .db
            .write(move |tx| store::claim_mail(tx, &about, now, now.after(MINUTE)))
    };
    assert!(claim(due[0].about.clone()).await.expect("taken"));
    assert!(!claim(due[0].about.clone()).await.expect("taken by the other"));
    assert!(write(&street).await.is_empty(), "another process sends it");
    // It did not come back: the next one does.
    street.db.clock().advance(2 * MINUTE);
    assert_eq!(write(&street).await, [format!("{id}.confirmed")]);
}

/// Against somebody else's mail server, which is away at first and refuses one buyer.
#[tokio::test]
async fn a_real_server_gets_each_mail_once() {
    let peer = SmtpPeer::start(&Tls::None, None).expect("a mail server");
    let port = peer.port;
    drop(peer); // Down, for now.
    let settings = mail::Settings {
        url: &format!("smtp://127.0.0.1:{port}?tls=none"),
        from: "Shop <shop@example.com>",
        authority: None,
    };
    let smtp = mail::Smtp::read(&settings).expect("settings");
    let clock = base::Clock::paused(NOW);
    let street = Street::with(
        ::store::Engine::Memory,
        mail::Mailer::smtp(&smtp, clock),
        mail::Kept::default(),
    )
    .await;
    let id = confirmed(&street).await;
    write(&street).await;
    set(&street, id, "shipped").await; // Nothing waits for a mail.
    write(&street).await;
    let states = |told: Value| {
        let told = told.as_array().cloned().unwrap_or_default();
        told.iter()
            .map(|mail| mail["status"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(mails(&street, id).await), ["waiting", "waiting"]);

    let peer = SmtpPeer::start_at(port, &Tls::None, None).expect("a mail server");
    for _ in 0..3 {
        street.db.clock().advance(60 * MINUTE);
        write(&street).await;
    }
    assert_eq!(states(mails(&street, id).await), ["sent", "sent"]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mail = peer.next().await;
        let data = mail["data"].as_str().expect("a message").to_owned();
        assert_eq!(mail["to"], json!(["ada@example.com"]));
        let id = data
            .lines()
            .find_map(|line| line.strip_prefix("Message-ID: "))
            .expect("an id");
        ids.push(id.to_owned());
    }
    ids.sort();
    assert_eq!(
        ids,
        ["confirmed", "shipped"].map(|kind| format!("<{id}.{kind}@example.com>"))
    );

    // Refused for good: staff see it; the others get theirs.
    let mut refused = placing(user(), None, None);
    refused.email = Some("nobody@example.com".into());
    let (order, _) = place(&street.db, refused).await;
    assert!(save(&street.db, &order, Some(OrderEvent::Confirmed)).await);
    let other = confirmed(&street).await;
    write(&street).await;
    assert_eq!(states(mails(&street, order.id).await), ["failed"]);
    assert_eq!(states(mails(&street, other).await), ["sent"]);
    let mail = peer.next().await;
    assert!(
        mail["data"]
            .as_str()
            .is_some_and(|data| data.contains(&other.to_string()))
    );
    assert!(peer.waiting().is_none(), "nothing twice");
}

#[tokio::test]
async fn letters_say_what_there_is_to_say() {
    let street = Street::on(::store::Engine::Memory).await;
    let mut asked = placing(user(), None, None);
    if let Some(address) = &mut asked.shipping_address {
        address.name = Some("Ada\n\nEve wrote this".into());
    }
    let (order, _) = place(&street.db, asked).await;
    let about = |kind| About {
        order: order.id,
        kind,
        about: String::new(),
        amount: 500,
    };
    let cash = Order {
        method: PaymentMethod::CashOnDelivery,
        ..order.clone()
    };
    for (kind, order, wanted) in [
        (MailKind::Confirmed, &order, "It is paid and confirmed."),
        (MailKind::Confirmed, &cash, "please pay 37.50 USD when it arrives"),
        (MailKind::Shipped, &order, "has left our house"),
        (MailKind::Cancelled, &order, "is given back"),
        (MailKind::Cancelled, &cash, "There is nothing to pay"),
        (MailKind::Refunded, &order, "given back 5.00 USD"),
    ] {
        let letter = text(&about(kind), order, "Shop");
        assert!(letter.contains(wanted), "{letter}");
        assert!(letter.starts_with("Dear Ada Eve wrote this,\n\n"), "{letter}");
        let subject = subject(&about(kind), order, "Shop");
        assert!(
            subject.contains(&order.number.to_string()) && !subject.contains("Ada"),
            "{subject}"
        );
        assert_eq!(MailKind::parse(kind.as_str()), Some(kind));
    }
}
