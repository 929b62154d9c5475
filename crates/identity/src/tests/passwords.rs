//! New passwords: by the present one, and by mail.

use api::identity::{Session, Verified};
use http::Method;
use mail::{Fault, Kept, Mailer};
use serde_json::json;
use serve::Mode;

use super::house::{Answer, House, PASSWORD, bearer};
use super::on_both;
use crate::actions::send_due;

on_both! {
    a_new_password_ends_every_other_session
    a_wrong_present_password_is_refused_and_slows
    a_change_is_done_once_under_its_key
    no_digest_of_a_password_is_kept_with_a_key
    a_password_is_set_anew_by_mail
    a_token_is_good_once_and_for_a_while
    the_wish_for_a_new_password_tells_nothing
    mails_are_tried_again_and_given_up
    a_mail_waits_for_a_server_that_was_away
    nobodys_mailbox_is_filled
    a_mail_holds_no_link_that_somebody_wrote_as_their_name
    without_a_mail_server_production_refuses
}

pub(super) const NEW: &str = "another horse entirely";

async fn change(house: &House, who: &Session, present: &str, new: &str, headers: &[(&str, &str)]) -> Answer {
    let path = format!("/api/users/{}/password", who.user.id);
    let token = bearer(&who.token);
    let headers: Vec<(&str, &str)> = [("authorization", token.as_str())]
        .iter()
        .chain(headers)
        .copied()
        .collect();
    let body = json!({ "currentPassword": present, "new_password": new });
    house.send(Method::POST, &path, &headers, Some(&body)).await
}

pub(super) async fn login(house: &House, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    house.post("/api/auth/login", body).await
}

/// Ada, known by mail.
pub(super) async fn ada(house: &House) -> Session {
    let body = json!({ "email": "Ada@x.org", "username": "ada", "name": "Ada Byron", "password": PASSWORD });
    house.post("/api/auth/register", body).await.is(201)
}

pub(super) async fn forgot(house: &House, email: &str) -> Answer {
    house.post("/api/auth/password/forgot", json!({ "email": email })).await
}

pub(super) async fn reset(house: &House, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "newPassword": password });
    house.post("/api/auth/password/reset", body).await
}

/// The token of the last mail.
pub(super) fn token_of(kept: &Kept) -> String {
    let mails = kept.mails();
    let text = &mails.last().unwrap().text;
    let rest = text.split("https://shop.example/reset-password?token=").nth(1).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn a_new_password_ends_every_other_session(house: House) {
    let (house, kept) = house.mailing().await;
    let (one, other) = (ada(&house).await, house.login("ada").await);
    assert_eq!(change(&house, &one, PASSWORD, NEW, &[]).await.status, 204);
    house.get_as(&one.token, "/api/auth/verify").await.is::<Verified>(200);
    house
        .get_as(&other.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    house.refresh(&other.refresh_token).await.refused(401, "session_ended");
    house.refresh(&one.refresh_token).await.is::<Session>(200);
    login(&house, "ada@x.org", PASSWORD)
        .await
        .refused(401, "wrong_credentials");
    login(&house, "ada@x.org", NEW).await.is::<Session>(200);
    // Its owner is told, whoever it was.
    send_due(&house.app).await.unwrap();
    let mails = kept.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].to.as_str(), mails[0].subject.as_str()),
        ("Ada@x.org", "Your password at Test was changed")
    );

    // Guests have none, other people's are not there, and not even administrators change them.
    let guest = house.guest().await;
    change(&house, &guest, PASSWORD, NEW, &[])
        .await
        .refused(403, "forbidden");
    let root = house.admin().await;
    let path = format!("/api/users/{}/password", one.user.id);
    let body = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
    house
        .post_as(&root.token, &path, body.clone())
        .await
        .refused(404, "not_found");
    let bob = house.register("bob").await;
    house
        .post_as(&bob.token, &path, body.clone())
        .await
        .refused(404, "not_found");
    house.post(&path, body).await.refused(401, "unauthorized");
}

async fn a_wrong_present_password_is_refused_and_slows(house: House) {
    let ada = ada(&house).await;
    let found = change(&house, &ada, PASSWORD, "short", &[])
        .await
        .refused(400, "invalid");
    assert_eq!(found, ["/newPassword"]);
    for _ in 0..5 {
        let found = change(&house, &ada, "wrong", NEW, &[])
            .await
            .refused(403, "wrong_password");
        assert_eq!(found, ["/currentPassword"]);
    }
    change(&house, &ada, PASSWORD, NEW, &[])
        .await
        .refused(429, "too_many_attempts");
    house.wait(1);
    assert_eq!(change(&house, &ada, PASSWORD, NEW, &[]).await.status, 204);
    // Forgiven.
    change(&house, &ada, "wrong", NEW, &[])
        .await
        .refused(403, "wrong_password");
    assert_eq!(change(&house, &ada, NEW, PASSWORD, &[]).await.status, 204);

    let house = house.in_production().await;
    let found = change(&house, &ada, PASSWORD, "Password1", &[])
        .await
        .refused(400, "invalid");
    assert_eq!(found, ["/newPassword"]);
    let found = change(&house, &ada, PASSWORD, "ada@X.org", &[])
        .await
        .refused(400, "invalid");
    assert_eq!(found, ["/newPassword"]);
}

async fn a_change_is_done_once_under_its_key(house: House) {
    let ada = ada(&house).await;
    let key = [("idempotency-key", "k1")];
    assert_eq!(change(&house, &ada, PASSWORD, NEW, &key).await.status, 204);
    let again = change(&house, &ada, PASSWORD, NEW, &key).await;
    assert_eq!(
        (again.status, &again.headers["idempotency-replayed"]),
        (204, &"true".parse().unwrap())
    );
    let other = change(&house, &ada, PASSWORD, "something else altogether", &key).await;
    other.refused(422, "idempotency_key_reused");
    login(&house, "ada@x.org", NEW).await.is::<Session>(200);
}

async fn no_digest_of_a_password_is_kept_with_a_key(house: House) {
    let ada = ada(&house).await;
    let path = format!("/api/users/{}", ada.user.id);
    let change = async |email: &str, password: &str, key: &str| {
        let headers = [
            ("authorization", bearer(&ada.token)),
            ("idempotency-key", key.to_owned()),
        ];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = json!({ "email": email, "currentPassword": password });
        house.send(Method::PATCH, &path, &headers, Some(&body)).await
    };
    change("ada@y.org", PASSWORD, "k1").await.is::<serde_json::Value>(200);
    change("ada@z.org", PASSWORD, "k1")
        .await
        .refused(422, "idempotency_key_reused");
    let body = json!({ "email": "ada@y.org", "currentPassword": "not it" });
    let kept = house.column("identity_once", "fingerprint").await;
    assert_eq!(kept.len(), 1);
    // The same under another key and password has the same fingerprint: the password is not in it.
    house
        .patch_as(&ada.token, &path, body)
        .await
        .is::<serde_json::Value>(200);
    change("ada@y.org", "not it", "k2").await.is::<serde_json::Value>(200);
    let kept = house.column("identity_once", "fingerprint").await;
    assert!(kept.len() == 2 && kept[0] == kept[1], "{kept:?}");
}

async fn a_password_is_set_anew_by_mail(house: House) {
    let (house, kept) = house.mailing().await;
    let session = ada(&house).await;
    let answer = forgot(&house, " ADA@x.org").await;
    assert_eq!(
        (answer.status, &answer.headers["cache-control"]),
        (202, &"no-store".parse().unwrap())
    );
    assert_eq!(kept.mails().len(), 0, "nobody waits for the mail server");
    assert_eq!(send_due(&house.app).await.unwrap(), 1);
    let mails = kept.mails();
    assert_eq!(
        (mails[0].to.as_str(), mails[0].subject.as_str()),
        ("Ada@x.org", "Your new password at Test")
    );
    assert!(mails[0].text.starts_with("Hello Ada Byron,\n"), "{}", mails[0].text);
    assert!(mails[0].text.contains("within 30 minutes"), "{}", mails[0].text);
    let token = token_of(&kept);
    assert!(token.starts_with("prt_"), "{token}");
    // What is stored does not let anybody in.
    let stored = house.column("identity_reset", "digest").await;
    assert!(stored.len() == 1 && !token.contains(&stored[0]), "{stored:?}");

    let found = reset(&house, &token, "short").await.refused(400, "invalid");
    assert_eq!(found, ["/newPassword"], "and the token is not spent");
    let runs = house.app.hasher.runs();
    assert_eq!(reset(&house, &token, NEW).await.status, 204);
    assert_eq!(house.app.hasher.runs() - runs, 1);
    house
        .get_as(&session.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    house
        .refresh(&session.refresh_token)
        .await
        .refused(401, "session_ended");
    login(&house, "ada@x.org", PASSWORD)
        .await
        .refused(401, "wrong_credentials");
    login(&house, "ada@x.org", NEW).await.is::<Session>(200);
    send_due(&house.app).await.unwrap();
    assert_eq!(
        kept.mails().last().unwrap().subject,
        "Your password at Test was changed"
    );
    assert_eq!(house.rows("identity_mail").await, 0);
}

async fn a_token_is_good_once_and_for_a_while(house: House) {
    let (house, kept) = house.mailing().await;
    let session = ada(&house).await;
    let ask = async || {
        forgot(&house, "ada@x.org").await.is::<serde_json::Value>(202);
        send_due(&house.app).await.unwrap();
        token_of(&kept)
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!(reset(&house, &first, NEW).await.status, 204);
    for token in [
        &first,
        &second,
        &"prt_".to_owned(),
        &first.replace("prt_", "rt_"),
        &session.refresh_token,
    ] {
        let found = reset(&house, token, NEW).await.refused(400, "reset_token_spent");
        assert_eq!(found, ["/token"], "{token}");
    }
    // Two that come at once: one of them sets it.
    let token = ask().await;
    let (one, other) = tokio::join!(reset(&house, &token, NEW), reset(&house, &token, PASSWORD));
    let mut found = [one.status, other.status];
    found.sort_unstable();
    assert_eq!(found, [204, 400]);

    let token = ask().await;
    house.wait(30 * 60 - 1);
    reset(&house, &token, "short").await.refused(400, "invalid");
    house.wait(1);
    reset(&house, &token, NEW).await.refused(400, "reset_token_spent");
    crate::tasks::sweep(&house.app).await.unwrap();

    // What changes the account makes what lies in a mailbox worthless.
    let password = if one.status == 204 { NEW } else { PASSWORD };
    let session: Session = login(&house, "ada@x.org", password).await.is(200);
    let token = ask().await;
    let path = format!("/api/users/{}", session.user.id);
    let body = json!({ "email": "ada@y.org", "currentPassword": password });
    house
        .patch_as(&session.token, &path, body)
        .await
        .is::<serde_json::Value>(200);
    reset(&house, &token, NEW).await.refused(400, "reset_token_spent");
}

async fn the_wish_for_a_new_password_tells_nothing(house: House) {
    let (house, kept) = house.mailing().await;
    ada(&house).await;
    house.register("bob").await;
    let ask = async |email: &str| {
        let runs = (house.app.hasher.runs(), house.app.hasher.bcrypt_runs());
        let body = json!({ "email": email });
        let headers = [("x-request-id", "same"), ("x-forwarded-for", "1.2.3.4")];
        let answer = house
            .send(Method::POST, "/api/auth/password/forgot", &headers, Some(&body))
            .await;
        let after = (house.app.hasher.runs(), house.app.hasher.bcrypt_runs());
        (
            answer.status,
            answer.headers,
            answer.body.to_string(),
            after == runs,
            house.rows("identity_mail").await,
        )
    };
    let known = ask("ada@x.org").await;
    send_due(&house.app).await.unwrap();
    let unknown = ask("nobody@x.org").await;
    assert_eq!(known, unknown);
    assert_eq!(
        (known.0, known.3, known.4),
        (202, true, 1),
        "no run of Argon2, and a row for each"
    );
    assert_eq!((send_due(&house.app).await.unwrap(), kept.mails().len()), (0, 1));
    assert_eq!(house.rows("identity_mail").await, 0);
    assert_eq!(forgot(&house, "no address").await.refused(400, "invalid"), ["/email"]);
}

async fn mails_are_tried_again_and_given_up(house: House) {
    let (house, kept) = house.mailing().await;
    ada(&house).await;
    let busy = || Fault::Temporary("the mail server answered 451".into());
    kept.fail_next(busy());
    kept.fail_next(busy());
    forgot(&house, "ada@x.org").await;
    let send = async || send_due(&house.app).await.unwrap();
    assert_eq!((send().await, send().await), (0, 0), "the wait has begun");
    house.wait(15);
    assert_eq!(send().await, 0);
    house.wait(29);
    assert_eq!(send().await, 0);
    house.wait(1);
    assert_eq!(send().await, 1);
    assert_eq!(reset(&house, &token_of(&kept), NEW).await.status, 204);
    send().await;
    let ids: Vec<String> = kept.mails().into_iter().map(|mail| mail.id).collect();
    assert!(ids[0].ends_with(".2") && ids[1].ends_with(".0"), "{ids:?}");

    // One that the server will never take, and one that came too late.
    kept.fail_next(Fault::Permanent("the mail server answered 550".into()));
    forgot(&house, "ada@x.org").await;
    assert_eq!((send().await, house.rows("identity_mail").await), (0, 0));
    kept.fail_next(busy());
    forgot(&house, "ada@x.org").await;
    assert_eq!((send().await, house.rows("identity_mail").await), (0, 1));
    house.wait(30 * 60);
    assert_eq!((send().await, house.rows("identity_mail").await), (0, 0));
    assert_eq!(kept.mails().len(), 2);

    // Two processes send one mail once.
    forgot(&house, "ada@x.org").await;
    let (one, other) = tokio::join!(send_due(&house.app), send_due(&house.app));
    assert_eq!((one.unwrap() + other.unwrap(), kept.mails().len()), (1, 3));
}

async fn a_mail_waits_for_a_server_that_was_away(house: House) {
    let (house, kept) = house.mailing().await;
    ada(&house).await;
    forgot(&house, "ada@x.org").await.is::<serde_json::Value>(202);
    // More tries than there may be mails to an account: they are those of one.
    for wait in [15, 30, 60, 120, 240, 480] {
        kept.fail_next(Fault::Temporary("the mail server was not to be reached".into()));
        assert_eq!(send_due(&house.app).await.unwrap(), 0);
        assert_eq!(house.rows("identity_reset").await, 1, "the token of the last try only");
        house.wait(wait);
    }
    assert_eq!(send_due(&house.app).await.unwrap(), 1);
    assert_eq!(reset(&house, &token_of(&kept), NEW).await.status, 204);
}

async fn a_mail_holds_no_link_that_somebody_wrote_as_their_name(house: House) {
    let (house, kept) = house.mailing().await;
    for (number, name, greeted) in [
        (1, "Claim it at evil.example", "Hello,"),
        (2, "http://evil", "Hello,"),
        (3, "Zoë O'Brien-Ångström", "Hello Zoë O'Brien-Ångström,"),
    ] {
        let email = format!("a{number}@x.org");
        let body = json!({ "email": email, "name": name, "password": PASSWORD });
        house
            .post("/api/auth/register", body)
            .await
            .is::<serde_json::Value>(201);
        forgot(&house, &email).await.is::<serde_json::Value>(202);
        send_due(&house.app).await.unwrap();
        let text = kept.mails().pop().unwrap().text;
        assert_eq!(text.lines().next(), Some(greeted));
    }
}

async fn nobodys_mailbox_is_filled(house: House) {
    let (house, kept) = house.mailing().await;
    ada(&house).await;
    for _ in 0..9 {
        forgot(&house, "ada@x.org").await.is::<serde_json::Value>(202);
    }
    send_due(&house.app).await.unwrap();
    assert_eq!((kept.mails().len(), house.rows("identity_mail").await), (5, 0));
    assert_eq!(reset(&house, &token_of(&kept), NEW).await.status, 204);
}

async fn without_a_mail_server_production_refuses(house: House) {
    let house = house.with_mailer(Mailer::off(), Mode::Production).await;
    for email in ["ada@x.org", "nobody@x.org"] {
        forgot(&house, email).await.refused(501, "mail_not_configured");
    }
    // Everything else goes on, and leaves no mails behind.
    let ada = ada(&house).await;
    assert_eq!(change(&house, &ada, PASSWORD, NEW, &[]).await.status, 204);
    assert_eq!(house.rows("identity_mail").await, 0);
}
