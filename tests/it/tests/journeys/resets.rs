//! New passwords by mail, through the whole shop and a mail server of others.

use it::text;
use serde_json::json;
use testkit::smtp::{SmtpPeer, Tls};
use testkit::{Client, Engine, Shape, Shop, until};

async fn login(shop: &Shop, email: &str, password: &str) -> testkit::Answer {
    let body = json!({ "email": email, "password": password });
    shop.visitor.post("/api/auth/login", body).send().await
}

/// The link of the next mail, which must be to this address, as it was written: quoted-printable breaks long lines.
async fn link(peer: &SmtpPeer, to: &str) -> String {
    let mail = peer.next().await;
    assert_eq!(
        (&mail["to"], &mail["from"]),
        (&json!([to]), &json!("shop@example.com")),
        "{mail}"
    );
    let data = text(&mail, "data").replace("=\r\n", "").replace("=3D", "=");
    let rest = data.split("https://shop.example/").nth(1).expect("a link").to_owned();
    format!(
        "https://shop.example/{}",
        rest.split_whitespace().next().unwrap_or_default()
    )
}

async fn a_forgotten_password_is_set_anew(shape: Shape, engine: Engine) {
    let peer = SmtpPeer::start(&Tls::None, None).expect("a mail server");
    let smtp = format!("smtp://127.0.0.1:{}?tls=none", peer.port);
    let env = [
        ("IRONMONGER_MAIL_SMTP", smtp.as_str()),
        ("IRONMONGER_MAIL_FROM", "shop@example.com"),
        ("IRONMONGER_WEB_PUBLIC_URL", "https://shop.example/"),
    ];
    let shop = Shop::start(shape, engine, &env).await;
    let body = json!({ "email": "ada@example.com", "password": "password1" });
    let session = shop.visitor.post("/api/auth/register", body).send().await.is(201);
    let ada: Client = it::of(&shop, &session);

    let forgot = async |email: &str| {
        let asked = shop
            .visitor
            .post("/api/auth/password/forgot", json!({ "email": email }));
        asked.send().await.is(202)
    };
    assert_eq!(forgot("nobody@example.com").await, forgot("ada@example.com").await);
    let link = link(&peer, "ada@example.com").await;
    let token = link
        .strip_prefix("https://shop.example/reset-password?token=")
        .expect("a token");
    let reset = async |password: &str| {
        let body = json!({ "token": token, "newPassword": password });
        shop.visitor.post("/api/auth/password/reset", body).send().await
    };
    reset("short").await.refused(400, "invalid");
    reset("quite another password").await.is(204);
    reset("quite another password").await.refused(400, "reset_token_spent");
    // Who was signed in is not any more: at once where it was decided, soon everywhere.
    ada.get("/api/auth/verify").send().await.refused(401, "unauthorized");
    until("the session has ended everywhere", || async {
        ada.get("/api/orders").send().await.status == 401
    })
    .await;
    login(&shop, "ada@example.com", "password1")
        .await
        .refused(401, "wrong_credentials");
    login(&shop, "ada@example.com", "quite another password").await.is(200);
    let told = peer.next().await;
    assert!(text(&told, "data").contains("was changed"), "{told}");
    assert_eq!(peer.waiting(), None, "nothing for strangers");
}

#[tokio::test]
async fn sqlite_in_one_process() {
    a_forgotten_password_is_set_anew(Shape::One, Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_a_process_per_service() {
    a_forgotten_password_is_set_anew(Shape::Split, Engine::Postgres).await;
}
