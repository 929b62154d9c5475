//! API keys: made, shown once, used, revoked.

use std::time::Duration;

use api::identity::{ApiKey, User};
use http::Method;
use serde_json::{Value, json};

use super::house::{House, bearer};
use super::on_both;

on_both! {
    a_key_is_shown_once_and_lets_a_machine_in
    a_key_does_what_it_may_and_no_more
    a_revoked_key_is_refused_at_once
    a_key_expires
    a_key_is_refused_for_what_is_wrong_with_it
    keys_are_for_administrators
    a_use_is_noted_to_the_hour
    a_key_repeats_its_own_calls
}

async fn key(house: &House, token: &str, permissions: &[&str]) -> ApiKey {
    let body = json!({ "name": "till", "permissions": permissions });
    house.post_as(token, "/api/keys", body).await.is(201)
}

fn secret(key: &ApiKey) -> &str {
    key.key.as_deref().expect("a secret")
}

async fn a_key_is_shown_once_and_lets_a_machine_in(house: House) {
    let house = house.asking_itself().await;
    let root = house.admin().await;
    let body = json!({ "name": " Warehouse ", "permissions": ["customers:read"] });
    let made = house.post_as(&root.token, "/api/keys", body).await;
    assert_eq!(made.headers["cache-control"], "no-store");
    let place = made.headers["location"].to_str().unwrap().to_owned();
    let key: ApiKey = made.is(201);
    assert_eq!(place, format!("/api/keys/{}", key.id));
    assert!(secret(&key).starts_with("imk_") && secret(&key).len() == 47);
    assert_eq!((key.name.as_str(), key.created_by), ("Warehouse", root.user.id));
    let users: Vec<User> = house.get_as(secret(&key), "/api/users").await.is(200);
    assert_eq!(users.len(), 1);

    let listed = house.get_as(&root.token, "/api/keys").await;
    assert!(listed.body[0].get("key").is_none());
    let keys: Vec<ApiKey> = listed.is(200);
    assert_eq!(
        (keys[0].id, keys[0].last_used_at),
        (key.id, Some(house.deps.clock.now()))
    );
    // Nothing that is kept would let anybody in.
    let digests = house.app.db.read(crate::store::keys::digests).await.unwrap();
    assert_eq!(digests, [serve::digest_of(secret(&key))]);
    let told = format!("{:?}", house.events().await);
    assert!(!told.contains(secret(&key)) && !told.contains(&digests[0]));

    // Page by page.
    for _ in 0..3 {
        house.wait(1);
        self::key(&house, &root.token, &["catalog:read"]).await;
    }
    let answer = house.get_as(&root.token, "/api/keys?limit=3").await;
    let link = answer.headers["link"]
        .to_str()
        .unwrap()
        .split(['<', '>'])
        .nth(1)
        .unwrap()
        .to_owned();
    let rest: Vec<ApiKey> = house.get_as(&root.token, &link).await.is(200);
    assert_eq!(
        (answer.body.as_array().unwrap().len(), rest.len(), rest[0].id),
        (3, 1, key.id)
    );
    let answer = house.get_as(&root.token, "/api/keys?cursor=611f62").await;
    assert_eq!(answer.refused(400, "invalid"), ["?cursor"]);
}

async fn a_key_does_what_it_may_and_no_more(house: House) {
    let house = house.asking_itself().await;
    let root = house.admin().await;
    let ada = house.register("ada").await;
    let reader = key(&house, &root.token, &["customers:read"]).await;
    let writer = key(&house, &root.token, &["customers:write"]).await;
    let other = key(&house, &root.token, &["catalog:write"]).await;
    let path = format!("/api/users/{}", ada.user.id);
    let phone = || json!({ "phone": "42" });
    house.get_as(secret(&reader), &path).await.is::<User>(200);
    house
        .patch_as(secret(&reader), &path, phone())
        .await
        .refused(403, "forbidden");
    house.patch_as(secret(&writer), &path, phone()).await.is::<User>(200);
    house.get_as(secret(&other), &path).await.refused(404, "not_found");
    let email = json!({ "email": "x@x.org", "currentPassword": "whatever it is" });
    house
        .patch_as(secret(&writer), &path, email)
        .await
        .refused(403, "forbidden");
    // A machine is nobody's account.
    for (method, path) in [
        (Method::GET, "/api/auth/profile"),
        (Method::GET, "/api/auth/verify"),
        (Method::POST, "/api/auth/logout"),
        (Method::GET, "/api/keys"),
        (Method::POST, "/api/keys"),
    ] {
        let headers = [("authorization", &*bearer(secret(&writer)))];
        house.send(method, path, &headers, None).await.refused(403, "forbidden");
    }
    let role = json!({ "role": "admin" });
    house
        .put_as(secret(&writer), &format!("{path}/role"), role)
        .await
        .refused(403, "forbidden");
    let deed = house.deeds().await.pop().unwrap();
    assert_eq!(
        (deed.actor, deed.subject),
        (writer.id.to_string(), ada.user.id.to_string())
    );
    // Beside credentials of one's own a key says nothing.
    let headers = [("authorization", "Bearer imk_nonsense")];
    let body = json!({ "username": "ada", "password": super::house::PASSWORD });
    assert_eq!(
        house
            .send(Method::POST, "/api/auth/login", &headers, Some(&body))
            .await
            .status,
        200
    );
}

async fn a_revoked_key_is_refused_at_once(house: House) {
    let house = house.asking_itself().await;
    let root = house.admin().await;
    let [gone, stays] = [
        key(&house, &root.token, &["customers:read"]).await,
        key(&house, &root.token, &["customers:read"]).await,
    ];
    house.get_as(secret(&gone), "/api/users").await.is::<Value>(200);
    let path = format!("/api/keys/{}", gone.id);
    assert_eq!(house.delete_as(&root.token, &path).await.status, 204);
    house
        .get_as(secret(&gone), "/api/users")
        .await
        .refused(401, "unauthorized");
    house.get_as(secret(&stays), "/api/users").await.is::<Value>(200);
    for id in [&gone.id.to_string(), "key_x", "usr_00000000000000000000000009", "%00"] {
        house
            .delete_as(&root.token, &format!("/api/keys/{id}"))
            .await
            .refused(404, "not_found");
    }
    // Others learn of it with the sessions that end, and a restart forgets nothing.
    let ended = house
        .app
        .db
        .read(|tx| crate::store::sessions::ended(tx, 0))
        .await
        .unwrap();
    assert!(ended.iter().any(|(_, session)| *session == serve::session_of(gone.id)));
    let house = house.restarted().await.asking_itself().await;
    house
        .get_as(secret(&gone), "/api/users")
        .await
        .refused(401, "unauthorized");
    house.get_as(secret(&stays), "/api/users").await.is::<Value>(200);
    let deeds = house.deeds().await;
    let told: Vec<Value> = deeds
        .iter()
        .map(|deed| serde_json::from_str(&deed.data).unwrap())
        .collect();
    let last = told.last().unwrap();
    assert_eq!(
        *last,
        json!({ "action": "key.revoke", "before": { "name": "till", "permissions": ["customers:read"] } })
    );
}

async fn a_key_expires(house: House) {
    let house = house.asking_itself().await;
    let root = house.admin().await;
    let expires = house.deps.clock.now().after(Duration::from_secs(90));
    let body = json!({ "name": "till", "permissions": ["customers:read"], "expiresAt": expires });
    let key: ApiKey = house.post_as(&root.token, "/api/keys", body).await.is(201);
    assert_eq!(key.expires_at, Some(expires));
    house.get_as(secret(&key), "/api/users").await.is::<Value>(200);
    house.wait(89);
    house.get_as(secret(&key), "/api/users").await.is::<Value>(200);
    house.wait(1);
    house
        .get_as(secret(&key), "/api/users")
        .await
        .refused(401, "unauthorized");
    assert_eq!(
        house.get_as(&root.token, "/api/keys").await.body[0]["id"],
        json!(key.id)
    );
}

async fn a_key_is_refused_for_what_is_wrong_with_it(house: House) {
    let root = house.admin().await;
    for (body, pointers) in [
        (json!({}), vec!["/name", "/permissions"]),
        (
            json!({ "name": " ", "permissions": [], "expiresAt": house.deps.clock.now() }),
            vec!["/name", "/permissions", "/expiresAt"],
        ),
        (json!({ "name": "x", "permissions": ["admin"] }), vec!["/permissions/0"]),
        (
            json!({ "name": "x", "permissions": ["orders:read"], "key": "imk_mine" }),
            vec!["/key"],
        ),
        (
            json!({ "name": "x", "permissions": ["orders:read"], "expiresAt": "soon" }),
            vec!["/expiresAt"],
        ),
    ] {
        let answer = house.post_as(&root.token, "/api/keys", body.clone()).await;
        assert_eq!(answer.refused(400, "invalid"), pointers, "{body}");
    }
    assert_eq!(house.rows("identity_key").await, 0);
}

async fn keys_are_for_administrators(house: House) {
    let root = house.admin().await;
    let (ada, clerk) = (
        house.register("ada").await,
        house.clerk(&root, "eve", &["settings:write"]).await,
    );
    for token in [&ada.token, &clerk.token] {
        house.get_as(token, "/api/keys").await.refused(403, "forbidden");
        house
            .delete_as(token, "/api/keys/key_x")
            .await
            .refused(403, "forbidden");
        let body = json!({ "name": "x", "permissions": ["orders:read"] });
        house.post_as(token, "/api/keys", body).await.refused(403, "forbidden");
    }
    let check = json!({ "digest": "x" });
    house
        .post_as(&root.token, "/internal/keys/check", check.clone())
        .await
        .refused(403, "forbidden");
    house
        .post_as(&house.badge(), "/internal/keys/check", check)
        .await
        .refused(404, "not_found");
}

async fn a_use_is_noted_to_the_hour(house: House) {
    let root = house.admin().await;
    let key = key(&house, &root.token, &["orders:read"]).await;
    let digest = json!({ "digest": serve::digest_of(secret(&key)) });
    let used = async || {
        house
            .post_as(&house.badge(), "/internal/keys/check", digest.clone())
            .await
            .is::<Value>(200);
        let root = house.login_root().await;
        let keys: Vec<ApiKey> = house.get_as(&root.token, "/api/keys").await.is(200);
        keys[0].last_used_at.unwrap()
    };
    let first = used().await;
    house.wait(3_599);
    assert_eq!(used().await, first);
    house.wait(1);
    assert_eq!(used().await, first.after(Duration::from_secs(3_600)));
}

async fn a_key_repeats_its_own_calls(house: House) {
    let house = house.asking_itself().await;
    let root = house.admin().await;
    let ada = house.register("ada").await;
    // The key of a call that makes a key: the secret is not kept for the repetition.
    let keyed = [
        ("authorization", bearer(&root.token)),
        ("idempotency-key", "one".to_owned()),
    ];
    let keyed: Vec<(&str, &str)> = keyed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({ "name": "till", "permissions": ["customers:write"] });
    let first: ApiKey = house.send(Method::POST, "/api/keys", &keyed, Some(&body)).await.is(201);
    let again = house.send(Method::POST, "/api/keys", &keyed, Some(&body)).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let again: ApiKey = again.is(201);
    assert_eq!((again.id, again.key), (first.id, None));
    assert_eq!(house.rows("identity_key").await, 1);

    // And a machine's own: another machine's same key is another.
    let path = format!("/api/users/{}", ada.user.id);
    let other = key(&house, &root.token, &["customers:write"]).await;
    for (machine, phone, replayed) in [(&first, "1", false), (&first, "1", true), (&other, "2", false)] {
        let headers = [
            ("authorization", bearer(secret(machine))),
            ("idempotency-key", "k".to_owned()),
        ];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = house
            .send(Method::PATCH, &path, &headers, Some(&json!({ "phone": phone })))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers.contains_key("idempotency-replayed"), replayed, "{phone}");
    }
}
