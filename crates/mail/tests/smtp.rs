//! Mails handed to a mail server that others wrote.

use base::{Clock, Time};
use mail::{Fault, Mail, Mailer, Settings, Smtp};
use testkit::smtp::{SmtpPeer, Tls};

const LOGIN: (&str, &str) = ("shop", "p@ss/w:rd");

fn clock() -> Clock {
    Clock::paused(Time::from_micros(1_900_000_000_000_000))
}

fn mail(to: &str, id: &str) -> Mail {
    Mail {
        id: id.into(),
        to: to.into(),
        subject: "Ihre Bestellung Nº 7\r\nBcc: eve@evil.example".into(),
        text: "Grüße!\r\n.\r\n. Ende".into(),
        html: Some("<p>Grüße!</p>".into()),
    }
}

/// A certificate for 127.0.0.1 that is its own authority, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn mailer(url: &str, authority: Option<&str>) -> Mailer {
    let settings = Settings {
        url,
        from: "Shop <shop@shop.example>",
        authority: authority.map(str::as_bytes),
    };
    Mailer::smtp(&Smtp::read(&settings).unwrap(), clock())
}

#[tokio::test]
async fn by_starttls_with_a_password_and_told_apart_what_may_be_tried_again() {
    let (certificate, key) = certificate();
    let peer = SmtpPeer::start(&Tls::Start(certificate.clone(), key), Some(LOGIN)).unwrap();
    let url = format!("smtp://shop:p%40ss%2Fw%3Ard@127.0.0.1:{}", peer.port);
    let mailer = mailer(&url, Some(&certificate));
    assert!(mailer.can_send());

    mailer.send(&mail("ada@example.com", "evt_1")).await.unwrap();
    let taken = peer.next().await;
    assert_eq!((&taken["tls"], &taken["user"]), (&true.into(), &"shop".into()));
    assert_eq!(taken["from"], "shop@shop.example");
    assert_eq!(taken["to"], serde_json::json!(["ada@example.com"]));
    let data = taken["data"].as_str().unwrap();
    assert!(data.contains("Message-ID: <evt_1@shop.example>\r\n"), "{data}");
    assert!(data.contains("Date: Sun, 17 Mar 2030 17:46:40 +0000\r\n"), "{data}");
    assert!(!data.to_lowercase().contains("\r\nbcc"), "{data}");

    // One refusal spoils neither the connection nor the next mail.
    let never = mailer.send(&mail("nobody@example.com", "evt_2")).await.unwrap_err();
    assert_eq!(never, Fault::Permanent("the mail server answered 550".into()));
    let busy = mailer.send(&mail("busy@example.com", "evt_3")).await.unwrap_err();
    assert_eq!(busy, Fault::Temporary("the mail server answered 451".into()));
    let later = mail("later@example.com", "evt_4");
    assert!(mailer.send(&later).await.unwrap_err().is_temporary());
    mailer.send(&later).await.unwrap();
    assert_eq!(peer.next().await["to"], serde_json::json!(["later@example.com"]));
    assert!(matches!(
        mailer.send(&mail("no address", "evt_5")).await,
        Err(Fault::Permanent(_))
    ));
    assert_eq!(peer.waiting(), None);
}

#[tokio::test]
async fn a_server_that_is_not_believed_gets_neither_mail_nor_password() {
    let (certificate, key) = certificate();
    let peer = SmtpPeer::start(&Tls::Start(certificate.clone(), key.clone()), Some(LOGIN)).unwrap();
    let url = format!("smtp://shop:p%40ss%2Fw%3Ard@127.0.0.1:{}", peer.port);
    // Nobody vouches for its certificate.
    let stranger = mailer(&url, None)
        .send(&mail("ada@example.com", "evt_1"))
        .await
        .unwrap_err();
    assert!(
        stranger.is_temporary() && !stranger.to_string().contains("p@ss"),
        "{stranger}"
    );
    // The wrong password is the operator's to mend: the mail waits.
    let url = format!("smtp://shop:wrong@127.0.0.1:{}", peer.port);
    let unknown = mailer(&url, Some(&certificate))
        .send(&mail("ada@example.com", "evt_1"))
        .await
        .unwrap_err();
    assert_eq!(unknown, Fault::Temporary("the mail server answered 535".into()));
    // One that knows no TLS.
    let plain = SmtpPeer::start(&Tls::None, None).unwrap();
    let url = format!("smtp://127.0.0.1:{}", plain.port);
    assert!(
        mailer(&url, None)
            .send(&mail("ada@example.com", "evt_1"))
            .await
            .unwrap_err()
            .is_temporary()
    );
    assert_eq!((peer.waiting(), plain.waiting()), (None, None));
    // Unless the operator says so.
    mailer(&format!("{url}?tls=none"), None)
        .send(&mail("ada@example.com", "evt_1"))
        .await
        .unwrap();
    assert_eq!(plain.next().await["tls"], false);
}

#[tokio::test]
async fn by_tls_from_the_start_and_not_at_all() {
    let (certificate, key) = certificate();
    let peer = SmtpPeer::start(&Tls::Wrapped(certificate.clone(), key), None).unwrap();
    let url = format!("smtps://127.0.0.1:{}", peer.port);
    let wrapped = mailer(&url, Some(&certificate));
    wrapped.send(&mail("ada@example.com", "evt_1")).await.unwrap();
    assert_eq!(peer.next().await["to"], serde_json::json!(["ada@example.com"]));
    let port = peer.port;
    drop(peer);
    let gone = wrapped.send(&mail("ada@example.com", "evt_2")).await.unwrap_err();
    assert!(gone.is_temporary(), "nobody listens on {port} any more: {gone}");

    assert!(!Mailer::off().can_send());
    assert_eq!(
        Mailer::off().send(&mail("ada@example.com", "evt_1")).await,
        Err(Fault::Off)
    );
    assert_eq!(Mailer::log().send(&mail("ada@example.com", "evt_1")).await, Ok(()));
    let (mailer, kept) = Mailer::kept();
    kept.fail_next(Fault::Off);
    assert_eq!(mailer.send(&mail("ada@example.com", "evt_1")).await, Err(Fault::Off));
    mailer.send(&mail("ada@example.com", "evt_1")).await.unwrap();
    assert_eq!(kept.mails(), [mail("ada@example.com", "evt_1")]);
}
