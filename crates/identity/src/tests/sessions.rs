//! Refresh tokens, ends of sessions, tokens that count and tokens that do not.

use api::identity::{Ended, Session, Verified};
use http::Method;
use serde_json::json;
use serve::{Keys, Role, Secret};

use super::house::{House, PASSWORD, bearer};
use super::on_both;
use crate::tasks;

on_both! {
    a_refresh_token_is_traded_once
    the_last_one_may_come_again_for_a_moment
    two_tabs_that_ask_at_once_both_stay
    a_stolen_one_ends_the_session
    nobody_lives_on_repeats
    a_session_that_nobody_uses_expires
    a_logout_ends_the_session_and_no_other
    an_end_outlives_a_restart_and_is_told
    tokens_that_do_not_count
    what_has_had_its_time_is_swept
}

async fn trade(house: &House, token: &str) -> Session {
    house.refresh(token).await.is(200)
}

async fn a_refresh_token_is_traded_once(house: House) {
    let ada = house.register("ada").await;
    let next = trade(&house, &ada.refresh_token).await;
    assert_eq!(next.user, ada.user);
    assert!(next.refresh_token.starts_with("rt_") && next.refresh_token != ada.refresh_token);
    let verified: Verified = house.get_as(&next.token, "/api/auth/verify").await.is(200);
    assert_eq!(
        (verified.user_id, verified.role, verified.valid),
        (ada.user.id, Role::Customer, true)
    );
    assert_eq!(
        verified.expires_at,
        house.deps.clock.now().after(std::time::Duration::from_secs(900))
    );
    // The access token of before counts until it expires.
    house.get_as(&ada.token, "/api/auth/verify").await.is::<Verified>(200);
    house.wait(900);
    house
        .get_as(&ada.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    trade(&house, &next.refresh_token).await;
}

async fn the_last_one_may_come_again_for_a_moment(house: House) {
    let ada = house.register("ada").await;
    let lost = trade(&house, &ada.refresh_token).await;
    house.wait(30);
    let again = trade(&house, &ada.refresh_token).await;
    assert_ne!(again.refresh_token, lost.refresh_token);
    // Both tabs go on.
    trade(&house, &again.refresh_token).await;
    trade(&house, &lost.refresh_token).await;
}

async fn two_tabs_that_ask_at_once_both_stay(house: House) {
    let ada = house.register("ada").await;
    let (one, other) = tokio::join!(house.refresh(&ada.refresh_token), house.refresh(&ada.refresh_token));
    let (one, other): (Session, Session) = (one.is(200), other.is(200));
    assert_ne!(one.refresh_token, other.refresh_token);
    let (one, other) = tokio::join!(house.refresh(&one.refresh_token), house.refresh(&other.refresh_token));
    one.is::<Session>(200);
    other.is::<Session>(200);
}

async fn a_stolen_one_ends_the_session(house: House) {
    // One that was spent two trades ago, and the last one after its time.
    for (name, late) in [("older", false), ("late", true)] {
        let ada = house.register(name).await;
        let mut newest = trade(&house, &ada.refresh_token).await;
        if late {
            house.wait(31);
        } else {
            newest = trade(&house, &newest.refresh_token).await;
        }
        house.refresh(&ada.refresh_token).await.refused(401, "session_ended");
        house.refresh(&newest.refresh_token).await.refused(401, "session_ended");
        house
            .get_as(&newest.token, "/api/auth/profile")
            .await
            .refused(401, "unauthorized");
        // Other sessions of the same person live on.
        let body = json!({ "username": name, "password": PASSWORD });
        let other: Session = house.post("/api/auth/login", body).await.is(200);
        house.refresh(&ada.refresh_token).await.refused(401, "session_ended");
        trade(&house, &other.refresh_token).await;
    }
}

async fn nobody_lives_on_repeats(house: House) {
    let ada = house.register("ada").await;
    trade(&house, &ada.refresh_token).await;
    for _ in 0..8 {
        trade(&house, &ada.refresh_token).await;
    }
    house.refresh(&ada.refresh_token).await.refused(401, "session_ended");
    house
        .get_as(&ada.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
}

async fn a_session_that_nobody_uses_expires(house: House) {
    let ada = house.register("ada").await;
    house.wait(6 * 24 * 3600);
    let next = trade(&house, &ada.refresh_token).await;
    house.wait(6 * 24 * 3600);
    let next = trade(&house, &next.refresh_token).await;
    house.wait(7 * 24 * 3600);
    house.refresh(&next.refresh_token).await.refused(401, "session_ended");
}

async fn a_logout_ends_the_session_and_no_other(house: House) {
    let here = house.register("ada").await;
    let body = json!({ "username": "ada", "password": PASSWORD });
    let there: Session = house.post("/api/auth/login", body.clone()).await.is(200);
    let third: Session = house.post("/api/auth/login", body).await.is(200);
    let bob = house.register("bob").await;

    let answer = house
        .send(
            Method::POST,
            "/api/auth/logout",
            &[("authorization", &bearer(&here.token))],
            None,
        )
        .await;
    assert_eq!((answer.status, answer.body.is_null()), (204, true));
    house
        .get_as(&here.token, "/api/auth/profile")
        .await
        .refused(401, "unauthorized");
    house.refresh(&here.refresh_token).await.refused(401, "session_ended");
    house.get_as(&there.token, "/api/auth/verify").await.is::<Verified>(200);

    // A refresh token of another session ends that as well, if it is one's own.
    let both = json!({ "refreshToken": third.refresh_token });
    assert_eq!(house.post_as(&there.token, "/api/auth/logout", both).await.status, 204);
    house
        .get_as(&third.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    let last: Session = house
        .post("/api/auth/login", json!({ "username": "ada", "password": PASSWORD }))
        .await
        .is(200);
    let theirs = json!({ "refreshToken": bob.refresh_token });
    assert_eq!(house.post_as(&last.token, "/api/auth/logout", theirs).await.status, 204);
    house.get_as(&bob.token, "/api/auth/verify").await.is::<Verified>(200);
    house
        .post("/api/auth/logout", json!({}))
        .await
        .refused(401, "unauthorized");
}

async fn an_end_outlives_a_restart_and_is_told(house: House) {
    let (ada, bob) = (house.register("ada").await, house.register("bob").await);
    assert_eq!(
        house.post_as(&ada.token, "/api/auth/logout", json!({})).await.status,
        204
    );
    let house = house.restarted().await;
    house
        .get_as(&ada.token, "/api/auth/profile")
        .await
        .refused(401, "unauthorized");

    let badge = house.badge();
    let first: Ended = house.get_as(&badge, "/internal/sessions/ended?after=0").await.is(200);
    assert_eq!(first.sessions.len(), 1);
    assert_eq!(
        house.post_as(&bob.token, "/api/auth/logout", json!({})).await.status,
        204
    );
    let second: Ended = house
        .get_as(&badge, &format!("/internal/sessions/ended?after={}", first.after))
        .await
        .is(200);
    assert_eq!(second.sessions.len(), 1);
    let third: Ended = house
        .get_as(&badge, &format!("/internal/sessions/ended?after={}", second.after))
        .await
        .is(200);
    assert_eq!((third.sessions.len(), third.after), (0, second.after));
    house
        .get_as(&ada.token, "/internal/sessions/ended")
        .await
        .refused(401, "unauthorized");
    let eve = house.register("eve").await;
    house
        .get_as(&eve.token, "/internal/sessions/ended")
        .await
        .refused(403, "forbidden");

    // Another process on the same database notices within a round of its task.
    let other = house.restarted().await;
    let more = Keys::new(
        &Secret::Ed25519([7; 32]),
        &[],
        "test",
        other.deps.clock.clone(),
        other.deps.ids.clone(),
    );
    assert!(more.verify(&eve.token).is_ok());
    assert_eq!(tasks::follow_ends(&other.app, first.after).await.unwrap(), second.after);
}

async fn tokens_that_do_not_count(house: House) {
    let ada = house.register("ada").await;
    let parts: Vec<&str> = ada.token.split('.').collect();
    let unsigned = "eyJhbGciOiJub25lIn0";
    let tampered = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
    for token in [
        "",
        "x",
        "a.b.c",
        "🦀",
        &tampered,
        &format!("{unsigned}.{}.", parts[1]),
        &format!("{unsigned}.{}.{}", parts[1], parts[2]),
        &ada.refresh_token,
        &"x".repeat(10_000),
    ] {
        for path in ["/api/auth/verify", "/api/auth/profile", "/api/users/1"] {
            let headers = [("authorization", bearer(token))];
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = house.send(Method::GET, path, &headers, None).await;
            answer.refused(401, "unauthorized");
            assert!(answer.headers.contains_key("www-authenticate"));
        }
        if token != ada.refresh_token {
            house.refresh(token).await.refused(401, "session_ended");
        }
    }
    let service = house.badge();
    house
        .get_as(&service, "/api/auth/verify")
        .await
        .refused(403, "forbidden");
    let jwks = house.send(Method::GET, "/.well-known/jwks.json", &[], None).await;
    assert_eq!(jwks.body["keys"][0]["crv"], "Ed25519");
}

async fn what_has_had_its_time_is_swept(house: House) {
    let ada = house.register("ada").await;
    let next = trade(&house, &ada.refresh_token).await;
    house
        .post("/api/auth/login", json!({ "username": "ada", "password": "wrong" }))
        .await
        .refused(401, "wrong_credentials");
    let bob = house.register("bob").await;
    assert_eq!(
        house.post_as(&bob.token, "/api/auth/logout", json!({})).await.status,
        204
    );
    tasks::sweep(&house.app).await.unwrap();
    assert_eq!(
        (
            house.rows("identity_session").await,
            house.rows("identity_refresh").await
        ),
        (1, 3)
    );
    assert_eq!(
        (house.rows("identity_ended").await, house.rows("identity_attempt").await),
        (1, 1)
    );

    house.wait(6 * 24 * 3600);
    trade(&house, &next.refresh_token).await;
    house.wait(2 * 24 * 3600);
    tasks::sweep(&house.app).await.unwrap();
    assert_eq!(
        (
            house.rows("identity_session").await,
            house.rows("identity_refresh").await
        ),
        (1, 1)
    );
    assert_eq!(
        (house.rows("identity_ended").await, house.rows("identity_attempt").await),
        (0, 0)
    );
}
