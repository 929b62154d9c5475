//! Accounts and sessions.

use it::{each, guest, of, profile, register, text};
use serde_json::{Value, json};
use testkit::shop::PASSWORD;
use testkit::{Shop, until};

/// What an account is not opened with: all that is wrong is told at once.
pub async fn registering_is_checked(shop: &Shop) {
    let name = shop.name("sam");
    let email = format!("{name}@example.com");
    register(shop, json!({ "username": name, "email": email })).await;
    let refuse = async |body: Value, status: u16, code: &str, wanted: &[&str]| {
        let problem = shop
            .visitor
            .post("/api/auth/register", body)
            .send()
            .await
            .refused(status, code);
        assert_eq!(each(&problem["errors"], "pointer"), wanted, "{problem}");
    };
    let with = |mut body: Value| {
        body["password"] = json!(PASSWORD);
        body
    };
    refuse(
        with(json!({ "username": name.to_uppercase() })),
        409,
        "username_taken",
        &["/username"],
    )
    .await;
    refuse(
        with(json!({ "email": email.to_uppercase() })),
        409,
        "email_taken",
        &["/email"],
    )
    .await;
    refuse(with(json!({ "username": "12345" })), 400, "invalid", &["/username"]).await;
    refuse(with(json!({ "username": "a@b" })), 400, "invalid", &["/username"]).await;
    refuse(
        with(json!({ "username": "usr_somebody" })),
        400,
        "invalid",
        &["/username"],
    )
    .await;
    refuse(with(json!({ "email": "nobody" })), 400, "invalid", &["/email"]).await;
    refuse(
        with(json!({ "username": shop.name("sue"), "role": "admin" })),
        400,
        "invalid",
        &["/role"],
    )
    .await;
    refuse(
        json!({ "username": shop.name("sue"), "password": "short" }),
        400,
        "invalid",
        &["/password"],
    )
    .await;
    refuse(
        json!({ "username": shop.name("sue"), "password": "x".repeat(129) }),
        400,
        "invalid",
        &["/password"],
    )
    .await;
    refuse(
        json!({ "username": "99", "email": "x", "password": "y" }),
        400,
        "invalid",
        &["/email", "/username", "/password"],
    )
    .await;
}

/// Each refresh token gives a new pair; the last one may be repeated, since an answer may be lost.
pub async fn sessions_rotate(shop: &Shop) {
    let first = register(shop, json!({ "username": shop.name("tess") })).await;
    let refresh = |token: &Value| shop.visitor.post("/api/auth/refresh", json!({ "refreshToken": token }));
    let second = refresh(&first["refreshToken"]).send().await.is(200);
    assert_ne!(first["refreshToken"], second["refreshToken"]);
    assert!(
        second["expiresIn"]
            .as_i64()
            .is_some_and(|seconds| seconds > 0 && seconds <= 900)
    );
    let repeated = refresh(&first["refreshToken"]).send().await.is(200);
    for session in [&first, &second, &repeated] {
        assert_eq!(profile(&of(shop, session)).await, first["user"]);
    }
    refresh(&json!("rt_nonsense"))
        .send()
        .await
        .refused(401, "session_ended");
}

/// A refresh token that was spent before the last one ends the whole session.
pub async fn spent_tokens_end_the_family(shop: &Shop) {
    let first = register(shop, json!({ "username": shop.name("uma") })).await;
    let refresh = |token: &Value| shop.visitor.post("/api/auth/refresh", json!({ "refreshToken": token }));
    let second = refresh(&first["refreshToken"]).send().await.is(200);
    let third = refresh(&second["refreshToken"]).send().await.is(200);
    refresh(&first["refreshToken"])
        .send()
        .await
        .refused(401, "session_ended");
    refresh(&third["refreshToken"])
        .send()
        .await
        .refused(401, "session_ended");
    let uma = of(shop, &third);
    until("the session has ended for the cart, too", || async {
        uma.get("/api/cart").send().await.status == 401
    })
    .await;
}

/// Logging out ends the session in every process.
pub async fn logging_out_ends_access(shop: &Shop) {
    let name = shop.name("vic");
    let session = register(shop, json!({ "username": name })).await;
    let other = json!({ "username": name, "password": PASSWORD });
    let other = shop.visitor.post("/api/auth/login", other).send().await.is(200);
    let vic = of(shop, &session);
    assert_eq!(
        vic.post("/api/auth/logout", json!({ "refreshToken": session["refreshToken"] }))
            .send()
            .await
            .status,
        204
    );
    let refused = vic.get("/api/auth/verify").send().await;
    assert!(
        refused.header("www-authenticate").starts_with("Bearer"),
        "{:?}",
        refused.headers
    );
    assert_eq!(refused.status, 401);
    let refresh = json!({ "refreshToken": session["refreshToken"] });
    shop.visitor
        .post("/api/auth/refresh", refresh)
        .send()
        .await
        .refused(401, "session_ended");
    for (part, path) in [
        ("cart", "/cart"),
        ("orders", "/orders"),
        ("payments", "/payments/1"),
        ("catalog", "/products/1/stock"),
        ("gateway", "/api/cart"),
    ] {
        let at = vic.at(&shop.fleet.part_url(part));
        until(format!("{part} knows of the logout"), || async {
            at.get(path).send().await.status == 401
        })
        .await;
    }
    // The other session goes on, and ends without naming its refresh token.
    let vic = of(shop, &other);
    assert_eq!(profile(&vic).await, session["user"]);
    assert_eq!(
        vic.call(http::Method::POST, "/api/auth/logout").send().await.status,
        204
    );
    let refresh = json!({ "refreshToken": other["refreshToken"] });
    shop.visitor
        .post("/api/auth/refresh", refresh)
        .send()
        .await
        .refused(401, "session_ended");
}

/// The fields given change, the others stay.
pub async fn profiles_change(shop: &Shop) {
    let session = register(shop, json!({ "username": shop.name("walt"), "name": "Walt" })).await;
    let walt = of(shop, &session);
    let path = format!("/api/users/{}", text(&session["user"], "id"));
    let tag = walt.get(&path).send().await.header("etag").to_owned();
    assert_eq!(walt.get(&path).header("if-none-match", &tag).send().await.status, 304);
    let changed = walt
        .patch(&path, json!({ "phone": "555" }))
        .header("if-match", &tag)
        .send()
        .await
        .is(200);
    assert_eq!((text(&changed, "phone"), text(&changed, "name")), ("555", "Walt"));
    walt.put(&path, json!({ "name": "W" }))
        .header("if-match", &tag)
        .send()
        .await
        .refused(412, "precondition_failed");
    let changed = walt
        .put(&path, json!({ "first_name": "Walter", "last_name": "White" }))
        .send()
        .await
        .is(200);
    assert_eq!(
        (text(&changed, "name"), text(&changed, "phone")),
        ("Walter White", "555")
    );
    let email = format!("{}@example.com", shop.name("walt"));
    let problem = walt
        .patch(&path, json!({ "email": email }))
        .send()
        .await
        .refused(400, "invalid");
    assert_eq!(each(&problem["errors"], "pointer"), ["/currentPassword"]);
    let wrong = json!({ "email": email, "currentPassword": "not mine at all" });
    walt.patch(&path, wrong).send().await.refused(403, "wrong_password");
    let right = json!({ "email": email, "currentPassword": PASSWORD });
    assert_eq!(text(&walt.patch(&path, right).send().await.is(200), "email"), email);
    let login = json!({ "email": email, "password": PASSWORD });
    shop.visitor.post("/api/auth/login", login).send().await.is(200);
    walt.patch(&path, json!({ "role": "admin" }))
        .send()
        .await
        .refused(400, "invalid");
    // By number, too; nobody else's.
    let number = &session["user"]["number"];
    assert_eq!(
        walt.get(&format!("/api/users/{number}")).send().await.is(200)["email"],
        *email
    );
    let stranger = shop.customer("xena").await;
    stranger.get(&path).send().await.refused(404, "not_found");
    stranger
        .patch(&path, json!({ "name": "X" }))
        .send()
        .await
        .refused(404, "not_found");
    assert_eq!(shop.admin.get(&path).send().await.is(200)["email"], *email);
    shop.visitor.get(&path).send().await.refused(401, "unauthorized");
}

/// A wrong password and an unknown account are told alike.
pub async fn strangers_look_alike(shop: &Shop) {
    let name = shop.name("yve");
    register(shop, json!({ "username": name })).await;
    let mut told = Vec::new();
    for username in [name, shop.name("nobody")] {
        let login = json!({ "username": username, "password": "wrong password" });
        let refused = shop.visitor.post("/api/users/login", login).send().await;
        assert!(
            refused.header("www-authenticate").starts_with("Bearer"),
            "{:?}",
            refused.headers
        );
        let mut problem = refused.refused(401, "wrong_credentials");
        problem["requestId"] = Value::Null;
        told.push(problem);
    }
    assert_eq!(told[0], told[1]);
}

/// A guest is a user with few rights.
pub async fn guests_are_users(shop: &Shop) {
    let session = guest(shop).await;
    let visitor = of(shop, &session);
    let verified = visitor.get("/api/auth/verify").send().await.is(200);
    assert_eq!((&verified["valid"], text(&verified, "role")), (&json!(true), "guest"));
    assert_eq!(profile(&visitor).await["id"], session["user"]["id"]);
    let refreshed = json!({ "refreshToken": session["refreshToken"] });
    let refreshed = shop.visitor.post("/api/auth/refresh", refreshed).send().await.is(200);
    assert_eq!(refreshed["user"]["id"], session["user"]["id"]);
    visitor
        .post("/api/products", json!({ "name": "Mine", "price": 1 }))
        .send()
        .await
        .refused(403, "forbidden");
    assert_eq!(visitor.get("/api/orders").send().await.is(200), json!([]));
}
