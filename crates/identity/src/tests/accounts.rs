//! Registration, sign-in, profiles, administrators.

use api::identity::{Profile, Session, User};
use http::Method;
use serde_json::{Value, json};
use serve::{Mode, Role};

use super::house::{Answer, House, PASSWORD, bearer, config};
use super::on_both;
use crate::{Error, create_admin, ensure_first_admin};

on_both! {
    an_account_opens_and_signs_in_by_every_spelling
    every_text_is_kept_or_refused_and_never_run
    a_name_belongs_to_one
    a_registration_is_refused_for_what_is_wrong_with_it
    unknown_accounts_and_wrong_passwords_look_the_same
    failures_slow_their_account_from_their_address_only
    people_change_what_is_theirs
    a_new_address_needs_the_password
    the_first_admin_is_made_once
    production_refuses_passwords_that_are_guessed_first
}

async fn an_account_opens_and_signs_in_by_every_spelling(house: House) {
    for (number, path) in [
        "/auth/register",
        "/api/users/register",
        "/api/user/register",
        "/user/register",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("Alice{number}");
        let body = json!({
            "username": name, "email": format!("Alice{number}@Example.com"), "password": PASSWORD,
            "first_name": "Alice", "lastName": "Smith", "phone": "+44 20 7946 0018",
        });
        let answer = house.post(path, body).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        let place = answer.headers["location"].to_str().unwrap().to_owned();
        let session: Session = answer.is(201);
        let user = &session.user;
        assert_eq!(place, format!("/api/users/{}", user.id));
        assert_eq!(
            (user.number, user.role, user.name.as_deref()),
            (Some(number as i64 + 1), Role::Customer, Some("Alice Smith"))
        );
        assert_eq!(
            (session.token_type.as_str(), session.expires_in, session.merge.is_none()),
            ("Bearer", 900, true)
        );

        for path in ["/api/auth/profile", "/api/users/me", "/api/user/me", "/me"] {
            assert_eq!(house.get_as(&session.token, path).await.is::<Profile>(200).user, *user);
        }
        for id in [user.id.to_string(), (number + 1).to_string(), name.to_lowercase()] {
            assert_eq!(
                house
                    .get_as(&session.token, &format!("/api/users/{id}"))
                    .await
                    .is::<User>(200),
                *user
            );
        }
        for (path, by) in [
            (
                "/api/auth/login",
                json!({ "email": format!(" alice{number}@EXAMPLE.com") }),
            ),
            ("/api/users/login", json!({ "username": name.to_uppercase() })),
            (
                "/api/user/login",
                json!({ "username": format!("alice{number}@example.com") }),
            ),
            (
                "/login",
                json!({ "username": name, "email": format!("alice{number}@example.com") }),
            ),
        ] {
            let mut body = by;
            body["password"] = PASSWORD.into();
            let again: Session = house.post(path, body).await.is(200);
            assert_eq!(again.user, *user);
            assert_ne!(again.refresh_token, session.refresh_token);
        }
    }
    let events = house.events().await;
    assert_eq!(events.len(), 4);
    assert!(
        events
            .iter()
            .all(|event| event.kind == "UserRegistered" && event.sequence == 1)
    );
    assert!(
        events
            .iter()
            .all(|event| event.data == r#"{"role":"customer"}"# && event.subject == event.actor)
    );
}

async fn every_text_is_kept_or_refused_and_never_run(house: House) {
    let nasty = [
        "'; DROP TABLE identity_user; --",
        "<script>alert(1)</script>",
        "🦀 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍👩‍👧",
        "$1 %s \\ \" `x`",
        "Ünï\u{202e}cödé",
    ];
    for (number, text) in nasty.into_iter().enumerate() {
        let body = json!({ "username": text, "password": text.repeat(3), "name": text, "lastName": text });
        let session: Session = house.post("/api/auth/register", body).await.is(201);
        assert_eq!(session.user.username.as_deref(), Some(text));
        assert_eq!(
            (session.user.name.as_deref(), session.user.last_name.as_deref()),
            (Some(text), Some(text))
        );
        let body = json!({ "username": text, "password": text.repeat(3) });
        house.post("/api/auth/login", body).await.is::<Session>(200);
        let body = json!({ "email": text, "password": PASSWORD, "phone": text });
        let answer = house.post("/api/auth/register", body).await;
        assert_eq!(answer.refused(400, "invalid"), ["/email", "/phone"], "{text}");
        house
            .post("/api/auth/login", json!({ "email": text, "password": text }))
            .await
            .refused(401, "wrong_credentials");
        house.refresh(text).await.refused(401, "session_ended");
        assert_eq!(house.rows("identity_user").await, number as i64 + 1);
    }
    for path in ["/api/auth/register", "/api/auth/login"] {
        house
            .post(path, json!({ "username": "a\u{0}b", "password": PASSWORD }))
            .await
            .refused(400, "invalid");
    }
}

async fn a_name_belongs_to_one(house: House) {
    let body = |email: &str, username: &str| json!({ "email": email, "username": username, "password": PASSWORD });
    house
        .post("/api/auth/register", body("ada@x.org", "Ada"))
        .await
        .is::<Session>(201);
    let runs = house.app.hasher.runs();
    for (email, username, code, pointers) in [
        ("ADA@X.org", "other", "email_taken", vec!["/email"]),
        ("other@x.org", "aDA ", "username_taken", vec!["/username"]),
        (" ada@x.org", "ada", "email_taken", vec!["/email", "/username"]),
    ] {
        assert_eq!(
            house
                .post("/api/auth/register", body(email, username))
                .await
                .refused(409, code),
            pointers
        );
    }
    assert_eq!(house.app.hasher.runs(), runs, "a name that is taken costs no hash");

    let many = (0..8).map(|_| house.post("/api/auth/register", body("bob@x.org", "bob")));
    let answers: Vec<Answer> = futures_util::future::join_all(many).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 7);
    assert_eq!(house.rows("identity_user").await, 2);
}

async fn a_registration_is_refused_for_what_is_wrong_with_it(house: House) {
    for (body, pointers) in [
        (
            json!({ "username": "x", "password": PASSWORD, "role": "admin" }),
            vec!["/role"],
        ),
        (json!({ "username": "x", "password": "1234567" }), vec!["/password"]),
        (
            json!({ "username": "x", "password": "x".repeat(129) }),
            vec!["/password"],
        ),
        (json!({ "password": PASSWORD }), vec!["/email"]),
        (json!({ "username": "x" }), vec!["/password"]),
        (json!({ "username": "77", "password": PASSWORD }), vec!["/username"]),
        (json!({ "username": "usr_x", "password": PASSWORD }), vec!["/username"]),
        (
            json!({ "username": 7, "password": [], "isAdmin": true }),
            vec!["/isAdmin", "/password", "/username"],
        ),
    ] {
        let mut found = house
            .post("/api/auth/register", body.clone())
            .await
            .refused(400, "invalid");
        found.sort();
        assert_eq!(found, pointers, "{body}");
    }
    house
        .post("/api/auth/login", json!({ "password": PASSWORD }))
        .await
        .refused(400, "invalid");
    assert_eq!((house.rows("identity_user").await, house.app.hasher.runs()), (0, 0));
}

async fn unknown_accounts_and_wrong_passwords_look_the_same(house: House) {
    house.register("ada").await;
    let ask = async |username: &str| {
        let runs = house.app.hasher.runs();
        let body = json!({ "username": username, "password": "not the password" });
        let headers = [("x-request-id", "same"), ("content-type", "application/json")];
        let answer = house.send(Method::POST, "/api/auth/login", &headers, Some(&body)).await;
        answer.refused(401, "wrong_credentials");
        (answer.headers, answer.body.to_string(), house.app.hasher.runs() - runs)
    };
    let (known, unknown) = (ask("ada").await, ask("nobody").await);
    assert_eq!(known, unknown);
    assert_eq!(known.2, 1, "one run of Argon2 each");
}

async fn failures_slow_their_account_from_their_address_only(house: House) {
    house.register("ada").await;
    let badge = house.badge();
    let ask = async |username: &str, password: &str, address: &str| {
        let body = json!({ "username": username, "password": password });
        house
            .send(
                Method::POST,
                "/api/auth/login",
                &[("x-client-address", address), ("x-vouched-by", &badge)],
                Some(&body),
            )
            .await
    };
    for username in ["ada", "nobody"] {
        for _ in 0..5 {
            ask(username, "wrong", "10.0.0.1")
                .await
                .refused(401, "wrong_credentials");
        }
        let runs = house.app.hasher.runs();
        let slowed = ask(username, PASSWORD, "10.0.0.1").await;
        slowed.refused(429, "too_many_attempts");
        assert_eq!(
            (&slowed.headers["retry-after"], house.app.hasher.runs()),
            (&"1".parse().unwrap(), runs)
        );
    }
    // Nobody else is kept out, and one's own wait ends.
    ask("ada", PASSWORD, "10.0.0.2").await.is::<Session>(200);
    house.wait(1);
    ask("ada", "wrong", "10.0.0.1").await.refused(401, "wrong_credentials");
    assert_eq!(ask("ada", PASSWORD, "10.0.0.1").await.headers["retry-after"], "2");
    house.wait(2);
    ask("ada", PASSWORD, "10.0.0.1").await.is::<Session>(200);
    // A success forgives.
    ask("ada", "wrong", "10.0.0.1").await.refused(401, "wrong_credentials");
    ask("ada", PASSWORD, "10.0.0.1").await.is::<Session>(200);
    // A quiet quarter of an hour does, too.
    house.wait(15 * 60 + 1);
    ask("nobody", "wrong", "10.0.0.1")
        .await
        .refused(401, "wrong_credentials");
    ask("nobody", "wrong", "10.0.0.1")
        .await
        .refused(401, "wrong_credentials");
}

async fn people_change_what_is_theirs(house: House) {
    let (ada, bob) = (house.register("ada").await, house.register("bob").await);
    let path = format!("/api/users/{}", ada.user.id);
    let first = house.get_as(&ada.token, &path).await;
    assert_eq!(first.headers["etag"], "\"1\"");
    let fresh = [
        ("authorization", bearer(&ada.token)),
        ("if-none-match", "\"1\"".to_owned()),
    ];
    let fresh: Vec<(&str, &str)> = fresh.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(house.send(Method::GET, &path, &fresh, None).await.status, 304);

    let body = json!({ "first_name": "Ada", "lastName": "King", "phone": "123", "username": "countess" });
    let changed = house.patch_as(&ada.token, &path, body).await;
    assert_eq!(changed.headers["etag"], "\"2\"");
    let changed: User = changed.is(200);
    assert_eq!(
        (changed.name.as_deref(), changed.username.as_deref()),
        (Some("Ada King"), Some("countess"))
    );
    assert_eq!(
        house.get_as(&ada.token, "/api/users/countess").await.is::<User>(200),
        changed
    );

    // A change meant for an earlier state, a name that is taken, fields that are none.
    let stale = [("authorization", bearer(&ada.token)), ("if-match", "\"1\"".to_owned())];
    let stale: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = house
        .send(Method::PUT, &path, &stale, Some(&json!({ "phone": "" })))
        .await;
    answer.refused(412, "precondition_failed");
    house
        .patch_as(&ada.token, &path, json!({ "username": "BOB" }))
        .await
        .refused(409, "username_taken");
    let answer = house.patch_as(&ada.token, &path, json!({ "role": "admin" })).await;
    assert_eq!(answer.refused(400, "invalid"), ["/role"]);

    // The same key does it once; with another body it is refused.
    let keyed = [
        ("authorization", bearer(&ada.token)),
        ("idempotency-key", "k1".to_owned()),
    ];
    let keyed: Vec<(&str, &str)> = keyed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for replayed in [None, Some("true")] {
        let answer = house
            .send(Method::PATCH, &path, &keyed, Some(&json!({ "phone": "456" })))
            .await;
        assert_eq!(answer.headers["etag"], "\"3\"");
        assert_eq!(
            answer
                .headers
                .get("idempotency-replayed")
                .map(|value| value.to_str().unwrap()),
            replayed
        );
    }
    let answer = house
        .send(Method::PATCH, &path, &keyed, Some(&json!({ "phone": "789" })))
        .await;
    answer.refused(422, "idempotency_key_reused");

    // Other people are not there, whatever they are called by; administrators see them.
    for id in [
        bob.user.id.to_string(),
        "2".into(),
        "bob".into(),
        "999".into(),
        "ord_x".into(),
        "%00".into(),
        "usr_00000000000000000000000009".into(),
    ] {
        house
            .get_as(&ada.token, &format!("/api/users/{id}"))
            .await
            .refused(404, "not_found");
        house
            .patch_as(&ada.token, &format!("/api/users/{id}"), json!({ "phone": "1" }))
            .await
            .refused(404, "not_found");
    }
    create_admin(&house.app.db, &config(), Mode::Development, "root@x.org", PASSWORD)
        .await
        .unwrap();
    let root: Session = house
        .post(
            "/api/auth/login",
            json!({ "email": "root@x.org", "password": PASSWORD }),
        )
        .await
        .is(200);
    assert_eq!(
        house.get_as(&root.token, "/api/users/2").await.is::<User>(200),
        bob.user
    );
    house
        .patch_as(&root.token, "/api/users/2", json!({ "name": "Robert" }))
        .await
        .is::<User>(200);
    house
        .send(Method::GET, "/api/users/2", &[], None)
        .await
        .refused(401, "unauthorized");
}

async fn a_new_address_needs_the_password(house: House) {
    let body = json!({ "email": "ada@x.org", "password": PASSWORD });
    let ada: Session = house.post("/api/auth/register", body).await.is(201);
    let path = format!("/api/users/{}", ada.user.id);
    let change = async |body| house.patch_as(&ada.token, &path, body).await;
    assert_eq!(
        change(json!({ "email": "new@x.org" })).await.refused(400, "invalid"),
        ["/currentPassword"]
    );
    for _ in 0..5 {
        let body = json!({ "email": "new@x.org", "currentPassword": "wrong" });
        assert_eq!(change(body).await.refused(403, "wrong_password"), ["/currentPassword"]);
    }
    // Guessing is slowed here as well.
    change(json!({ "email": "new@x.org", "currentPassword": PASSWORD }))
        .await
        .refused(429, "too_many_attempts");
    house.wait(1);
    assert_eq!(
        change(json!({ "email": "ADA@x.org" }))
            .await
            .is::<User>(200)
            .email
            .as_deref(),
        Some("ADA@x.org")
    );
    let moved: User = change(json!({ "email": "new@x.org", "current_password": PASSWORD }))
        .await
        .is(200);
    assert_eq!(moved.email.as_deref(), Some("new@x.org"));
    house
        .post("/api/auth/login", json!({ "email": "new@x.org", "password": PASSWORD }))
        .await
        .is::<Session>(200);
    house
        .post("/api/auth/login", json!({ "email": "ada@x.org", "password": PASSWORD }))
        .await
        .refused(401, "wrong_credentials");
}

async fn the_first_admin_is_made_once(house: House) {
    let (house, kept) = house.mailing().await;
    let squatter: Session = house
        .post(
            "/api/auth/register",
            json!({ "email": "root@x.org", "password": "squatting" }),
        )
        .await
        .is(201);
    super::passwords::forgot(&house, "root@x.org").await.is::<Value>(202);
    crate::actions::send_due(&house.app).await.unwrap();
    let (db, config) = (&house.app.db, config());
    let first = async |email| ensure_first_admin(db, &config, Mode::Production, email, PASSWORD).await;
    assert!(matches!(first("nobody").await, Err(Error::Invalid(_))));
    let root = first("Root@x.org").await.unwrap().unwrap();
    assert_eq!((root.id, root.is_new), (squatter.user.id, false));
    assert_eq!(first("other@x.org").await.unwrap(), None);

    // Whoever had the address is out.
    house
        .get_as(&squatter.token, "/api/auth/verify")
        .await
        .refused(401, "session_ended");
    house
        .refresh(&squatter.refresh_token)
        .await
        .refused(401, "session_ended");
    house
        .post(
            "/api/auth/login",
            json!({ "email": "root@x.org", "password": "squatting" }),
        )
        .await
        .refused(401, "wrong_credentials");
    super::passwords::reset(&house, &super::passwords::token_of(&kept), "squatting again")
        .await
        .refused(400, "reset_token_spent");
    let root: Session = house
        .post(
            "/api/auth/login",
            json!({ "email": "root@x.org", "password": PASSWORD }),
        )
        .await
        .is(200);
    assert_eq!(root.user.role, Role::Admin);
    let second = create_admin(db, &config, Mode::Production, "second@x.org", PASSWORD)
        .await
        .unwrap();
    assert!(second.is_new);
    let told = house.events().await.pop().unwrap();
    assert_eq!(
        (told.subject, told.data.as_str()),
        (second.id.to_string(), r#"{"role":"admin"}"#)
    );
    assert_eq!(told.actor, "service:identity");
}

async fn production_refuses_passwords_that_are_guessed_first(house: House) {
    let body = json!({ "username": "ada", "password": "Password1" });
    house.post("/api/auth/register", body.clone()).await.is::<Session>(201);
    let house = house.in_production().await;
    assert_eq!(
        house.post("/api/auth/register", body).await.refused(400, "invalid"),
        ["/password"]
    );
    let body = json!({ "username": "ada", "password": "Password1" });
    house.post("/api/auth/login", body).await.is::<Session>(200);
}
