//! Users listed and searched, roles given and taken, accounts changed by staff.

use api::identity::{Session, User};
use http::Method;
use serde_json::{Value, json};
use serve::Role;

use super::house::{House, PASSWORD, bearer};
use super::on_both;
use crate::{actions, store};

on_both! {
    users_are_listed_newest_first
    users_are_found_by_what_they_are_called
    users_of_an_older_release_are_found
    a_role_is_given_and_ends_the_sessions
    the_last_administrator_stays
    two_administrators_cannot_demote_each_other_at_once
    a_role_is_refused_for_what_is_wrong_with_it
    staff_see_and_change_what_they_may
    deeds_are_recorded_without_what_is_personal
}

/// The names in a list.
fn names(list: &Value) -> Vec<&str> {
    let users = list.as_array().expect("a list").iter();
    users.map(|user| user["username"].as_str().unwrap_or("-")).collect()
}

async fn list(house: &House, token: &str, query: &str) -> Value {
    house.get_as(token, &format!("/api/users?{query}")).await.is(200)
}

async fn users_are_listed_newest_first(house: House) {
    let root = house.admin().await;
    for name in ["ada", "bob", "cleo", "dan"] {
        house.register(name).await;
    }
    house.clerk(&root, "eve", &["customers:read"]).await;
    assert_eq!(
        names(&list(&house, &root.token, "").await),
        ["eve", "dan", "cleo", "bob", "ada", "-"]
    );
    assert_eq!(
        names(&list(&house, &root.token, "role=customer&q=").await),
        ["dan", "cleo", "bob", "ada"]
    );
    assert_eq!(names(&list(&house, &root.token, "role=staff").await), ["eve"]);
    assert_eq!(names(&list(&house, &root.token, "role=guest").await), [""; 0]);

    let mut path = "/api/users?limit=2&role=customer".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = house.get_as(&root.token, &path).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        seen.extend(names(&answer.body).into_iter().map(str::to_owned));
        let Some(link) = answer.headers.get("link") else { break };
        path = link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    }
    assert_eq!(seen, ["dan", "cleo", "bob", "ada"]);
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("cursor=zz", "?cursor"),
        ("cursor=61", "?cursor"),
        ("q=a&cursor=61", "?cursor"),
        ("role=owner", "?role"),
        (&format!("q={}", "x".repeat(201)), "?q"),
    ] {
        let answer = house.get_as(&root.token, &format!("/api/users?{query}")).await;
        assert_eq!(answer.refused(400, "invalid"), [pointer], "{query}");
    }
}

async fn users_are_found_by_what_they_are_called(house: House) {
    let root = house.admin().await;
    for (username, email, name) in [
        ("ada", "ada@lovelace.example", "Ada Lovelace"),
        ("adam", "adam@smith.example", "Adam Ada Smith"),
        ("jose", "pp@nunez.example", "José Núñez"),
        ("berg", "jan@example.com", "Jan van der Berg"),
        ("percent", "p@example.com", "100% _x"),
    ] {
        let body = json!({ "username": username, "email": email, "name": name, "password": PASSWORD });
        house.post("/api/auth/register", body).await.is::<Session>(201);
    }
    for (query, expected) in [
        ("ada", vec!["ada", "adam"]),
        ("ADA%20LOVE", vec!["ada"]),
        ("lovelace%20ada", vec!["ada"]),
        ("nu%C3%B1", vec!["jose"]),
        ("Jose%CC%81", vec!["jose"]),
        ("van%20der", vec!["berg"]),
        ("example.com", vec!["berg", "percent"]),
        ("adam@", vec!["adam"]),
        ("2", vec!["ada"]),
        ("%25", vec![]),
        ("_", vec!["percent"]),
        ("a&role=customer", vec!["ada", "adam"]),
        ("a&role=admin", vec![]),
        ("root&role=admin", vec!["-"]),
        ("smith", vec!["adam"]),
        ("velace", vec![]),
        ("%F4%8F%BF%BF", vec![]),
    ] {
        let found = list(&house, &root.token, &format!("q={query}")).await;
        let mut found = names(&found);
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    // Page by page, each once, though some have several words that fit.
    let mut path = "/api/users?q=a&limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = house.get_as(&root.token, &path).await;
        seen.extend(names(&answer.body).into_iter().map(str::to_owned));
        let Some(link) = answer.headers.get("link") else { break };
        path = link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    }
    assert_eq!(seen, ["ada", "adam"]);

    // Who is called something else is found by that.
    let ada: Vec<User> = house.get_as(&root.token, "/api/users?q=ada%20l").await.is(200);
    let path = format!("/api/users/{}", ada[0].id);
    let by_id: Vec<User> = house
        .get_as(&root.token, &format!("/api/users?q={}", ada[0].id))
        .await
        .is(200);
    assert_eq!(by_id, ada);
    house
        .patch_as(&root.token, &path, json!({ "name": "Countess King" }))
        .await
        .is::<User>(200);
    assert_eq!(names(&list(&house, &root.token, "q=ada%20love").await), [""; 0]);
    assert_eq!(names(&list(&house, &root.token, "q=king").await), ["ada"]);
}

async fn users_of_an_older_release_are_found(house: House) {
    let root = house.admin().await;
    for number in 0..5 {
        house.register(&format!("old{number}")).await;
    }
    house.app.db.write(store::words::forget).await.unwrap();
    assert_eq!(names(&list(&house, &root.token, "q=old").await), [""; 0]);
    assert_eq!(actions::enter_missing(&house.app, 2).await.unwrap(), 6);
    assert_eq!(names(&list(&house, &root.token, "q=old").await).len(), 5);
    assert_eq!(actions::enter_missing(&house.app, 2).await.unwrap(), 0);
    assert_eq!(
        house.app.db.read(|tx| store::count(tx, "identity_word")).await.unwrap(),
        5 * 2 + 3
    );
}

async fn a_role_is_given_and_ends_the_sessions(house: House) {
    let root = house.admin().await;
    let ada = house.register("ada").await;
    let path = format!("/api/users/{}/role", ada.user.id);
    let given = house.put_as(&root.token, &path, json!({ "role": "staff" })).await;
    let tag = given.headers["etag"].to_str().unwrap().to_owned();
    let user: User = given.is(200);
    assert_eq!(user.role, Role::Staff);
    let usual = ["catalog:write", "orders:write", "payments:write", "settings:read"];
    assert_eq!(json!(user.permissions), json!(usual));
    for path in ["/api/auth/verify", "/api/auth/profile"] {
        assert_eq!(house.get_as(&ada.token, path).await.status, 401);
    }
    house.refresh(&ada.refresh_token).await.refused(401, "session_ended");
    let ada = house.login("ada").await;
    assert_eq!(ada.user, user);
    let claims = house.claims(&ada.token);
    assert_eq!(
        (claims["role"].as_str(), &claims["perms"]),
        (Some("staff"), &json!(usual))
    );

    // The same once more changes nothing; other permissions do.
    let same = house
        .put_as(&root.token, "/api/users/ada/role", json!({ "role": "staff" }))
        .await;
    assert_eq!(same.headers["etag"].to_str().unwrap(), tag);
    house.get_as(&ada.token, "/api/auth/verify").await.is::<Value>(200);
    let few = json!({ "role": "staff", "permissions": ["customers:read", "catalog:read"] });
    let user: User = house.put_as(&root.token, "/api/users/ada/role", few).await.is(200);
    assert_eq!(json!(user.permissions), json!(["catalog:read", "customers:read"]));
    assert_eq!(house.get_as(&ada.token, "/api/auth/verify").await.status, 401);
    let ada = house.login("ada").await;
    assert_eq!(
        house.claims(&ada.token)["perms"],
        json!(["catalog:read", "customers:read"])
    );
    let stale = [("authorization", bearer(&root.token)), ("if-match", tag)];
    let stale: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
    house
        .send(
            Method::PUT,
            "/api/users/ada/role",
            &stale,
            Some(&json!({ "role": "customer" })),
        )
        .await
        .refused(412, "precondition_failed");
    let user: User = house
        .put_as(&root.token, "/api/users/ada/role", json!({ "role": "customer" }))
        .await
        .is(200);
    assert_eq!((user.role, user.permissions), (Role::Customer, None));
    assert_eq!(house.claims(&house.login("ada").await.token).get("perms"), None);
}

async fn the_last_administrator_stays(house: House) {
    let root = house.admin().await;
    let own = format!("/api/users/{}/role", root.user.id);
    for role in ["staff", "customer"] {
        house
            .put_as(&root.token, &own, json!({ "role": role }))
            .await
            .refused(409, "last_admin");
    }
    house
        .put_as(&root.token, &own, json!({ "role": "admin" }))
        .await
        .is::<User>(200);
    house.register("ada").await;
    house
        .put_as(&root.token, "/api/users/ada/role", json!({ "role": "admin" }))
        .await
        .is::<User>(200);
    house
        .put_as(&root.token, &own, json!({ "role": "customer" }))
        .await
        .is::<User>(200);
    assert_eq!(house.get_as(&root.token, "/api/auth/verify").await.status, 401);
    let ada = house.login("ada").await;
    assert!(ada.user.permissions.is_some_and(|all| all == serve::Permissions::ALL));
    house
        .put_as(&ada.token, "/api/users/ada/role", json!({ "role": "staff" }))
        .await
        .refused(409, "last_admin");
}

async fn two_administrators_cannot_demote_each_other_at_once(house: House) {
    let root = house.admin().await;
    house.register("ada").await;
    house
        .put_as(&root.token, "/api/users/ada/role", json!({ "role": "admin" }))
        .await
        .is::<User>(200);
    let ada = house.login("ada").await;
    let (one, other) = (
        format!("/api/users/{}/role", root.user.id),
        format!("/api/users/{}/role", ada.user.id),
    );
    let body = json!({ "role": "customer" });
    let (one, other) = tokio::join!(
        house.put_as(&ada.token, &one, body.clone()),
        house.put_as(&root.token, &other, body.clone())
    );
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    // The second one finds that there is no other, or that they are no administrator any more.
    assert!(statuses == [200, 409] || statuses == [200, 401], "{statuses:?}");
}

async fn a_role_is_refused_for_what_is_wrong_with_it(house: House) {
    let root = house.admin().await;
    let ada = house.register("ada").await;
    for (body, pointers) in [
        (json!({}), vec!["/role"]),
        (json!({ "role": "owner" }), vec!["/role"]),
        (json!({ "role": "guest" }), vec!["/role"]),
        (json!({ "role": "customer", "permissions": [] }), vec!["/permissions"]),
        (
            json!({ "role": "admin", "permissions": ["catalog:read"] }),
            vec!["/permissions"],
        ),
        (
            json!({ "role": "staff", "permissions": ["catalog:all"] }),
            vec!["/permissions/0"],
        ),
        (json!({ "role": "staff", "more": 1 }), vec!["/more"]),
    ] {
        let answer = house.put_as(&root.token, "/api/users/ada/role", body.clone()).await;
        assert_eq!(answer.refused(400, "invalid"), pointers, "{body}");
    }
    let staff = json!({ "role": "staff" });
    house
        .put_as(&root.token, "/api/users/nobody/role", staff.clone())
        .await
        .refused(404, "not_found");
    house
        .put_as(&ada.token, "/api/users/ada/role", staff.clone())
        .await
        .refused(403, "forbidden");
    let clerk = house.clerk(&root, "eve", &["customers:write"]).await;
    house
        .put_as(&clerk.token, "/api/users/ada/role", staff.clone())
        .await
        .refused(403, "forbidden");
    // Guests who ordered have a row, and no way to sign in.
    let guest = house.guest().await;
    actions::guest_ordered(&house.app, guest.user.id).await.unwrap();
    let path = format!("/api/users/{}/role", guest.user.id);
    house.put_as(&root.token, &path, staff).await.refused(403, "forbidden");
}

async fn staff_see_and_change_what_they_may(house: House) {
    let root = house.admin().await;
    let ada = house.register("ada").await;
    let blind = house.clerk(&root, "blind", &["orders:write"]).await;
    let reader = house.clerk(&root, "reader", &["customers:read"]).await;
    let writer = house.clerk(&root, "writer", &["customers:write"]).await;
    let phone = || json!({ "phone": "123" });
    blind_to(&house, &blind.token, "/api/users/ada").await;
    house.get_as(&blind.token, "/api/users").await.refused(403, "forbidden");
    house.get_as(&ada.token, "/api/users").await.refused(403, "forbidden");
    assert_eq!(
        house.get_as(&reader.token, "/api/users/ada").await.is::<User>(200).id,
        ada.user.id
    );
    let answer = house.patch_as(&reader.token, "/api/users/ada", phone()).await;
    answer.refused(403, "forbidden");
    assert!(answer.body["detail"].as_str().unwrap().contains("customers:write"));
    assert_eq!(
        house
            .patch_as(&writer.token, "/api/users/ada", phone())
            .await
            .is::<User>(200)
            .phone
            .as_deref(),
        Some("123")
    );
    for other in ["reader", &root.user.id.to_string()] {
        let path = format!("/api/users/{other}");
        house
            .patch_as(&writer.token, &path, phone())
            .await
            .refused(403, "forbidden");
        house.patch_as(&root.token, &path, phone()).await.is::<User>(200);
    }
    for own in [&blind, &writer] {
        let path = format!("/api/users/{}", own.user.id);
        house.patch_as(&own.token, &path, phone()).await.is::<User>(200);
    }
    // A new address takes the password of who asks, also when it is somebody else's.
    let email = json!({ "email": "new@x.org" });
    let answer = house.patch_as(&writer.token, "/api/users/ada", email).await;
    assert_eq!(answer.refused(400, "invalid"), ["/currentPassword"]);
    let email = json!({ "email": "new@x.org", "currentPassword": PASSWORD });
    let user: User = house.patch_as(&writer.token, "/api/users/ada", email).await.is(200);
    assert_eq!(user.email.as_deref(), Some("new@x.org"));
}

async fn blind_to(house: &House, token: &str, path: &str) {
    house.get_as(token, path).await.refused(404, "not_found");
    house
        .patch_as(token, path, json!({ "phone": "1" }))
        .await
        .refused(404, "not_found");
}

async fn deeds_are_recorded_without_what_is_personal(house: House) {
    let root = house.admin().await;
    let ada = house.register("ada").await;
    let before = house.deeds().await.len();
    // What people do with what is theirs is nobody's deed.
    let path = format!("/api/users/{}", ada.user.id);
    house
        .patch_as(&ada.token, &path, json!({ "name": "Ada Byron" }))
        .await
        .is::<User>(200);
    assert_eq!(house.deeds().await.len(), before);
    let change = json!({ "name": "Countess", "phone": "555 1234" });
    house.patch_as(&root.token, &path, change).await.is::<User>(200);
    house
        .patch_as(&root.token, &path, json!({ "phone": "555 1234" }))
        .await
        .is::<User>(200);
    let role = json!({ "role": "staff", "permissions": ["catalog:read"] });
    house
        .put_as(&root.token, &format!("{path}/role"), role)
        .await
        .is::<User>(200);
    let told = house.deeds().await.split_off(before);
    let actor = root.user.id.to_string();
    assert!(
        told.iter()
            .all(|deed| deed.actor == actor && deed.subject == ada.user.id.to_string())
    );
    let data: Vec<Value> = told
        .iter()
        .map(|deed| serde_json::from_str(&deed.data).unwrap())
        .collect();
    let expected = [
        json!({ "action": "user.update", "before": {}, "after": { "name": "changed", "phone": "changed" } }),
        json!({
            "action": "user.role",
            "before": { "role": "customer", "permissions": [] },
            "after": { "role": "staff", "permissions": ["catalog:read"] },
        }),
    ];
    assert_eq!(data, expected);
}
