//! New passwords, by the present one and by mail; hashes of other systems; and how often one may try.

use api::identity::{Arrived, Came, Session, Verified};
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
    a_password_is_set_anew_by_mail
    a_token_is_good_once_and_for_a_while
    the_wish_for_a_new_password_tells_nothing
    mails_are_tried_again_and_given_up
    nobodys_mailbox_is_filled
    without_a_mail_server_production_refuses
    hashes_of_bcrypt_are_taken_over_and_replaced
    hashes_of_another_cost_are_replaced
    accounts_are_taken_over_row_by_row
    one_may_try_so_often_a_minute
    only_a_service_says_where_somebody_is
}

const NEW: &str = "another horse entirely";

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

async fn login(house: &House, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    house.post("/api/auth/login", body).await
}

/// Ada, known by mail.
async fn ada(house: &House) -> Session {
    let body = json!({ "email": "Ada@x.org", "username": "ada", "name": "Ada Byron", "password": PASSWORD });
    house.post("/api/auth/register", body).await.is(201)
}

async fn forgot(house: &House, email: &str) -> Answer {
    house.post("/api/auth/password/forgot", json!({ "email": email })).await
}

async fn reset(house: &House, token: &str, password: &str) -> Answer {
    let body = json!({ "token": token, "newPassword": password });
    house.post("/api/auth/password/reset", body).await
}

/// The token of the last mail.
fn token_of(kept: &Kept) -> String {
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
    let stored = house.texts("SELECT digest FROM identity_reset").await;
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

async fn take_over(house: &House, users: serde_json::Value) -> Vec<Arrived> {
    let body = json!({ "users": users });
    let badge = house.badge();
    house.post_as(&badge, "/internal/users/arrivals", body).await.is(200)
}

/// "U*U", from the test vectors of bcrypt's authors.
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

async fn hashes_of_bcrypt_are_taken_over_and_replaced(house: House) {
    house.register("bob").await;
    let outcome = take_over(&house, json!([{ "email": "ada@x.org", "passwordHash": BCRYPT }])).await;
    assert_eq!(outcome[0].came, Came::Created);
    // Whoever guesses learns nothing: not who is there, and not whose hash is of which kind.
    let ask = async |body: serde_json::Value| {
        let before = (house.app.hasher.runs(), house.app.hasher.bcrypt_runs());
        let headers = [("x-request-id", "same")];
        let answer = house.send(Method::POST, "/api/auth/login", &headers, Some(&body)).await;
        answer.refused(401, "wrong_credentials");
        let runs = (
            house.app.hasher.runs() - before.0,
            house.app.hasher.bcrypt_runs() - before.1,
        );
        (answer.headers, answer.body.to_string(), runs)
    };
    let foreign = ask(json!({ "email": "ada@x.org", "password": "wrong" })).await;
    let own = ask(json!({ "username": "bob", "password": "wrong" })).await;
    let nobody = ask(json!({ "username": "nobody", "password": "wrong" })).await;
    assert_eq!((&foreign, &own), (&own, &nobody));
    assert_eq!(foreign.2, (1, 1));

    let before = house.app.hasher.bcrypt_runs();
    login(&house, "ada@x.org", "U*U").await.is::<Session>(200);
    let hashes = house
        .texts("SELECT password_hash FROM identity_user ORDER BY number")
        .await;
    assert!(hashes.iter().all(|hash| hash.starts_with("$argon2id$")), "{hashes:?}");
    login(&house, "ada@x.org", "U*U").await.is::<Session>(200);
    assert_eq!(house.app.hasher.bcrypt_runs() - before, 1);
    // The last one is gone, and with it the work.
    assert_eq!(
        ask(json!({ "username": "nobody", "password": "wrong" })).await.2,
        (1, 0)
    );
}

async fn hashes_of_another_cost_are_replaced(house: House) {
    let dear = crate::Hasher::start(
        crate::Cost {
            memory_kib: 16,
            ..crate::Cost::least()
        },
        1,
        house.deps.ids.clone(),
    )
    .unwrap();
    let hash = dear.hash(PASSWORD.into()).await.unwrap();
    let outcome = take_over(&house, json!([{ "username": "ada", "passwordHash": hash }])).await;
    assert_eq!(outcome[0].came, Came::Created);
    for runs in [2, 1] {
        let before = house.app.hasher.runs();
        house.login("ada").await;
        assert_eq!(house.app.hasher.runs() - before, runs);
    }
    let hashes = house.texts("SELECT password_hash FROM identity_user").await;
    assert!(hashes[0].contains("m=8,"), "{hashes:?}");
}

async fn accounts_are_taken_over_row_by_row(house: House) {
    let (house, kept) = house.mailing().await;
    let users = json!([
        { "email": "ada@x.org", "username": "ada", "name": "Ada Byron", "phone": "123" },
        { "email": "eve@x.org", "role": "staff", "passwordHash": BCRYPT },
        { "email": "no", "username": "7", "role": "admin", "passwordHash": "hunter2" },
        { "email": "ada@x.org", "username": "countess" },
        { "email": "other@x.org", "username": "ADA" },
        { "name": "Nobody" },
    ]);
    let first = take_over(&house, users.clone()).await;
    let came: Vec<Came> = first.iter().map(|arrived| arrived.came).collect();
    let (created, refused, present) = (Came::Created, Came::Refused, Came::Present);
    assert_eq!(came, [created, created, refused, refused, refused, refused]);
    let fields: Vec<&str> = first[2]
        .reasons
        .iter()
        .map(|why| why.split(' ').next().unwrap())
        .collect();
    assert_eq!(fields, ["email", "username", "role", "passwordHash"]);
    assert!(first[2].reasons.iter().all(|why| !why.contains("hunter2")), "{first:?}");
    assert_eq!(first[5].reasons, ["email is needed, or `username`"]);
    // A second time changes nothing.
    let again = take_over(&house, users).await;
    assert_eq!(
        again.iter().map(|arrived| arrived.came).collect::<Vec<_>>(),
        [present, present, refused, refused, refused, refused]
    );
    assert_eq!(house.rows("identity_user").await, 2);
    let kinds: Vec<String> = house
        .events()
        .await
        .into_iter()
        .map(|event| event.kind.into_owned())
        .collect();
    assert_eq!(kinds, ["UserRegistered", "UserRegistered", api::trail::STAFF_ACTION]);

    // Nobody signs in to an account without a password, until its owner has set one.
    login(&house, "ada@x.org", "").await.refused(401, "wrong_credentials");
    forgot(&house, "ada@x.org").await;
    send_due(&house.app).await.unwrap();
    assert_eq!(reset(&house, &token_of(&kept), NEW).await.status, 204);
    let session: Session = login(&house, "ada@x.org", NEW).await.is(200);
    assert_eq!(session.user.name.as_deref(), Some("Ada Byron"));
    let clerk: Session = login(&house, "eve@x.org", "U*U").await.is(200);
    assert_eq!(clerk.user.role, serve::Role::Staff);
}

async fn one_may_try_so_often_a_minute(house: House) {
    let house = house.in_production().await;
    ada(&house).await;
    let badge = house.badge();
    let from = async |path: &str, body: serde_json::Value, address: &str| {
        let headers = [("x-client-address", address), ("x-vouched-by", badge.as_str())];
        house.send(Method::POST, path, &headers, Some(&body)).await
    };
    let sign_in = json!({ "username": "ada", "password": PASSWORD });
    for _ in 0..10 {
        from("/api/auth/login", sign_in.clone(), "10.0.0.1")
            .await
            .is::<Session>(200);
    }
    let runs = house.app.hasher.runs();
    let refused = from("/api/auth/login", sign_in.clone(), "10.0.0.1").await;
    refused.refused(429, "too_many_attempts");
    assert_eq!(
        (&refused.headers["retry-after"], house.app.hasher.runs()),
        (&"60".parse().unwrap(), runs)
    );
    // Nobody else is kept out, and a minute later one may go on.
    from("/api/auth/login", sign_in.clone(), "10.0.0.2")
        .await
        .is::<Session>(200);
    house.wait(59);
    assert_eq!(
        from("/api/auth/login", sign_in.clone(), "10.0.0.1").await.headers["retry-after"],
        "1"
    );
    house.wait(1);
    from("/api/auth/login", sign_in, "10.0.0.1").await.is::<Session>(200);

    // Registration tells who is there, so it is counted, too.
    let newcomer = json!({ "username": "ada", "password": PASSWORD });
    for _ in 0..10 {
        from("/api/auth/register", newcomer.clone(), "10.0.0.3")
            .await
            .refused(409, "username_taken");
    }
    from("/api/auth/register", newcomer.clone(), "10.0.0.3")
        .await
        .refused(429, "too_many_attempts");
    from("/api/auth/register", newcomer.clone(), "10.0.0.4")
        .await
        .refused(409, "username_taken");

    // A developer on the same machine is not held up.
    let house = house.with_mailer(Mailer::off(), Mode::Development).await;
    for _ in 0..11 {
        let headers = [("x-client-address", "127.0.0.1"), ("x-vouched-by", badge.as_str())];
        let answer = house
            .send(Method::POST, "/api/auth/register", &headers, Some(&newcomer))
            .await;
        answer.refused(409, "username_taken");
    }
    house.wait(61);
    crate::tasks::sweep(&house.app).await.unwrap();
    assert_eq!(house.rows("identity_try").await, 0);
}

async fn only_a_service_says_where_somebody_is(house: House) {
    let house = house.in_production().await;
    let ada = ada(&house).await;
    // Claims alone move nobody: all of these count for one address, the connection's own.
    let claims: [&[(&str, &str)]; 3] = [
        &[("x-client-address", "10.0.0.1")],
        &[("x-client-address", "10.0.0.2"), ("x-vouched-by", "nonsense")],
        &[("x-client-address", "10.0.0.3"), ("x-vouched-by", &ada.token)],
    ];
    let body = json!({ "username": "ada", "password": PASSWORD });
    for headers in claims.iter().cycle().take(10) {
        house
            .send(Method::POST, "/api/auth/login", headers, Some(&body))
            .await
            .is::<Session>(200);
    }
    for headers in claims {
        let answer = house.send(Method::POST, "/api/auth/login", headers, Some(&body)).await;
        answer.refused(429, "too_many_attempts");
    }
}
