//! How people become administrators.

use super::*;

#[tokio::test]
async fn admins_are_made_beside_a_server_and_without_one() {
    let folder = folder();
    let data = data(&folder);
    let create = |email: &str, password: &str| {
        run(
            &[
                "admin",
                "create",
                "--email",
                email,
                "--password",
                password,
                "--data",
                &data,
            ],
            &[],
        )
    };
    assert!(succeeds(&create("one@example.com", "correct horse")).contains("one@example.com"));
    fails(&create("nobody", "correct horse"), &["e-mail"]);
    fails(&create("three@example.com", "short"), &["the password must"]);
    let mut process = Process::start(options(&data, &[], &[]));
    process.wait_ready().await;
    succeeds(&process.run(&[
        "admin",
        "create",
        "--email",
        "two@example.com",
        "--password",
        "battery staple",
    ]));
    // An account gets the role.
    let visitor = Client::connect(&process.base_url()).await;
    let account = json!({ "email": "ada@example.com", "password": "password1" });
    visitor.post("/api/auth/register", account).send().await.is(201);
    let said = succeeds(&process.run(&[
        "admin",
        "create",
        "--email",
        "ada@example.com",
        "--password",
        "password2",
    ]));
    assert!(
        said.contains("had an account") && said.contains("password was replaced"),
        "{said}"
    );
    for (email, password) in [
        ("one@example.com", "correct horse"),
        ("two@example.com", "battery staple"),
        ("ada@example.com", "password2"),
    ] {
        let login = json!({ "email": email, "password": password });
        let session = visitor.post("/api/auth/login", login).send().await.is(200);
        assert_eq!(session["user"]["role"], "admin");
        let admin = visitor.with_token(text(&session, "token"));
        admin
            .post("/api/products", json!({ "name": email, "price": 1 }))
            .send()
            .await
            .is(201);
        // And what became of the account's password stands where every change does.
        if email == "ada@example.com" {
            until("the audit log tells of it", || async {
                let found = admin.get("/api/audit?action=user.password").send().await.is(200);
                let entries = list(&found);
                let is_told = entries.len() == 1 && entries[0]["after"] == json!({ "password": "changed" });
                if is_told { Ok(()) } else { Err(found.to_string()) }
            })
            .await;
        }
    }
}

#[tokio::test]
async fn settings_that_make_no_admin_are_refused() {
    let folder = folder();
    let env = [("ADMIN_EMAIL", "boss@example.com"), ("ADMIN_PASSWORD", "short")];
    refuses(
        options(&data(&folder), &env, &[]),
        &["admin.password", "the password must"],
    )
    .await;
}

/// The first admin of the environment acts only while there is none.
#[tokio::test]
async fn the_first_admin_acts_once() {
    let folder = folder();
    let data = data(&folder);
    let env = |password: &'static str| [("ADMIN_EMAIL", "boss@example.com"), ("ADMIN_PASSWORD", password)];
    for password in ["the first password", "another password"] {
        let mut process = Process::start(options(&data, &env(password), &[]));
        process.wait_ready().await;
        let visitor = Client::connect(&process.base_url()).await;
        let login = |password: &str| {
            visitor.post(
                "/api/auth/login",
                json!({ "email": "boss@example.com", "password": password }),
            )
        };
        login("the first password").send().await.is(200);
        login("another password").send().await.refused(401, "wrong_credentials");
        assert!(process.terminate().await.success());
    }
}
