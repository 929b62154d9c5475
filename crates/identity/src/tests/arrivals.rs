//! Accounts of other systems, and their hashes.

use api::identity::{Arrived, Came, Session};
use http::Method;
use serde_json::json;

use super::house::{House, PASSWORD};
use super::on_both;
use super::passwords::{NEW, forgot, login, reset, token_of};
use crate::actions::send_due;

on_both! {
    hashes_of_bcrypt_are_taken_over_and_replaced
    hashes_of_another_cost_are_replaced
    accounts_are_taken_over_row_by_row
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
    let hashes = house.column("identity_user", "password_hash").await;
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
    let hashes = house.column("identity_user", "password_hash").await;
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
