//! How often one may try, and who says from where.

use api::identity::Session;
use http::Method;
use mail::Mailer;
use serde_json::json;
use serve::Mode;

use super::house::{House, PASSWORD};
use super::on_both;
use super::passwords::ada;

on_both! {
    one_may_try_so_often_a_minute
    guesses_that_come_at_once_are_counted
    nobody_looks_names_up_by_taking_them
    only_a_service_says_where_somebody_is
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

async fn guesses_that_come_at_once_are_counted(house: House) {
    let house = house.in_production().await;
    let ada = ada(&house).await;
    let path = format!("/api/users/{}", ada.user.id);
    let (house, path, token) = (&house, &path, &ada.token);
    let runs = house.app.hasher.runs();
    // As whoever found a token would, by both ways that take the present password.
    let guesses = (0..40).map(|number| async move {
        let guess = format!("guess {number}");
        let answer = match number % 2 {
            0 => {
                let body = json!({ "currentPassword": guess, "newPassword": "another horse entirely" });
                house.post_as(token, &format!("{path}/password"), body).await
            }
            _ => {
                let body = json!({ "currentPassword": guess, "email": "eve@x.org" });
                house.patch_as(token, path, body).await
            }
        };
        answer.status
    });
    let found = futures_util::future::join_all(guesses).await;
    let refused = found.iter().filter(|status| **status == 429).count();
    let wrong = found.iter().filter(|status| **status == 403).count();
    assert!(wrong <= 10 && wrong + refused == 40, "{found:?}");
    assert_eq!(house.app.hasher.runs() - runs, wrong as u64);
}

async fn nobody_looks_names_up_by_taking_them(house: House) {
    let house = house.in_production().await;
    let ada = ada(&house).await;
    house.register("bob").await;
    let path = format!("/api/users/{}", ada.user.id);
    for _ in 0..10 {
        let answer = house.patch_as(&ada.token, &path, json!({ "username": "bob" })).await;
        answer.refused(409, "username_taken");
    }
    let answer = house.patch_as(&ada.token, &path, json!({ "username": "bob" })).await;
    answer.refused(429, "too_many_attempts");
    let answer = house.patch_as(&ada.token, &path, json!({ "name": "Ada" })).await;
    answer.is::<serde_json::Value>(200);
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
