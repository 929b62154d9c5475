//! Keys that sign tokens, and how they are replaced.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

/// The name of the key that signed a token.
fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    text(&header, "kid").to_owned()
}

async fn guest(visitor: &Client) -> String {
    let session = visitor.post("/api/auth/guest", json!({})).send().await.is(200);
    text(&session, "token").to_owned()
}

async fn public(visitor: &Client) -> Vec<String> {
    let set = visitor.get("/.well-known/jwks.json").unchecked().send().await.is(200);
    each(&set["keys"], "kid").into_iter().map(str::to_owned).collect()
}

async fn status(visitor: &Client, token: &str) -> u16 {
    let holder = visitor.with_token(token);
    holder.get("/api/cart").unchecked().send().await.status
}

/// The key that a rotation told of.
fn made(said: &str) -> &str {
    let line = said.lines().find_map(|line| line.strip_prefix("new key:"));
    line.unwrap_or_else(|| panic!("{said}")).trim()
}

#[tokio::test]
async fn keys_rotate_while_the_shop_is_open() {
    let folder = folder();
    let mut process = Process::start(options(&data(&folder), &[], &[]));
    process.wait_ready().await;
    let visitor = Client::connect(&process.base_url()).await;
    let old = guest(&visitor).await;
    assert_eq!(public(&visitor).await, [kid(&old)]);

    let said = succeeds(&process.run(&["keys", "rotate"]));
    let next = made(&said).to_owned();
    assert!(next != kid(&old) && said.contains("believed until"), "{said}");
    until("the new key signs", || async {
        let token = guest(&visitor).await;
        // Whoever signs, everybody believes it.
        assert_eq!(status(&visitor, &token).await, 200);
        if kid(&token) == next { Ok(()) } else { Err(kid(&token)) }
    })
    .await;
    assert_eq!(public(&visitor).await, [next.clone(), kid(&old)]);
    let said = process.output();
    let told = said.lines().find(|line| line.contains("were rotated"));
    assert!(told.is_some_and(|line| line.contains(&next)), "{said}");
    assert_eq!(status(&visitor, &old).await, 200);
    let said = succeeds(&process.run(&["keys", "list"]));
    let line = |kid: &str| {
        said.lines()
            .find(|line| line.starts_with(kid))
            .unwrap_or_else(|| panic!("{said}"))
    };
    assert!(
        line(&next).contains("EdDSA  signs  #") && line(&kid(&old)).contains("believed until"),
        "{said}"
    );

    // A restart finds the same keys.
    let new = guest(&visitor).await;
    process.restart().await;
    let visitor = visitor.afresh();
    assert_eq!([status(&visitor, &old).await, status(&visitor, &new).await], [200, 200]);
    let mode = std::fs::metadata(Path::new(&data(&folder)).join("keys.toml"))
        .expect("keys")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // A key that leaked is believed no more, by the servers and by the file.
    let last = made(&succeeds(&process.run(&["keys", "rotate", "--drop-former"]))).to_owned();
    until("the former keys are believed no more", || async {
        match [status(&visitor, &old).await, status(&visitor, &new).await] {
            [401, 401] => Ok(()),
            others => Err(format!("{others:?}")),
        }
    })
    .await;
    assert_eq!(kid(&guest(&visitor).await), last);
    assert_eq!(public(&visitor).await, [last]);
    let text = std::fs::read_to_string(Path::new(&data(&folder)).join("keys.toml")).expect("keys");
    assert_eq!(text.matches("seed").count(), 1, "what is believed no more is forgotten");
}

#[tokio::test]
async fn keys_of_the_settings_rotate_by_the_settings() {
    let folder = folder();
    let data = data(&folder);
    let (one, other) = (
        "the first secret of a shop: long enough",
        "the second secret of it: also long enough",
    );
    let mut process = Process::start(options(&data, &[("JWT_SECRET", one)], &[]));
    process.wait_ready().await;
    let visitor = Client::connect(&process.base_url()).await;
    let before = guest(&visitor).await;
    assert!(public(&visitor).await.is_empty());
    fails(
        &process.run(&["keys", "rotate"]),
        &["secrets.jwt_secret", "secrets.former_jwt_secrets"],
    );
    assert!(process.terminate().await.success());

    let overlap = [("JWT_SECRET", other), ("IRONMONGER_SECRETS_FORMER_JWT_SECRETS", one)];
    let mut process = Process::start(options(&data, &overlap, &[]));
    process.wait_ready().await;
    let visitor = Client::connect(&process.base_url()).await;
    let after = guest(&visitor).await;
    assert_eq!(
        [status(&visitor, &before).await, status(&visitor, &after).await],
        [200, 200]
    );
    assert_ne!(kid(&before), kid(&after));
    assert!(process.terminate().await.success());

    let mut process = Process::start(options(&data, &overlap[..1], &[]));
    process.wait_ready().await;
    let visitor = Client::connect(&process.base_url()).await;
    assert_eq!(
        [status(&visitor, &before).await, status(&visitor, &after).await],
        [401, 200]
    );
}

#[test]
fn a_key_that_others_may_have_is_not_replaced_behind_their_backs() {
    let folder = folder();
    let data = data(&folder);
    let key = "00112233445566778899aabbccddeeff".repeat(2);
    let env = [("IRONMONGER_SECRETS_SIGNING_KEY", key.as_str())];
    let rotate = ["keys", "rotate", "--data", &data];
    fails(
        &run(&rotate, &env),
        &["secrets.signing_key", "secrets.former_signing_keys", "--here"],
    );
    assert!(!Path::new(&data).join("keys.toml").exists());
    let said = succeeds(&run(&["keys", "rotate", "--here", "--data", &data], &env));
    let listed = succeeds(&run(&["keys", "list", "--data", &data], &env));
    assert!(listed.contains(made(&said)) && listed.lines().count() == 2, "{listed}");
    // A key that is set anew is the one that signs.
    let other = "ffeeddccbbaa99887766554433221100".repeat(2);
    let listed = succeeds(&run(
        &["keys", "list", "--data", &data],
        &[("IRONMONGER_SECRETS_SIGNING_KEY", &other)],
    ));
    assert!(
        listed
            .lines()
            .next()
            .is_some_and(|line| line.contains("IRONMONGER_SECRETS_SIGNING_KEY")),
        "{listed}"
    );
    let former = [("IRONMONGER_SECRETS_FORMER_SIGNING_KEYS", "short")];
    fails(
        &run(&["keys", "list", "--data", &data], &former),
        &["secrets.former_signing_keys"],
    );
}

/// Two processes with secrets of their own on one database would refuse each other's tokens, and nobody would know why.
#[tokio::test]
async fn other_secrets_are_told_of() {
    let folder = folder();
    let data = data(&folder);
    let told = async |key: &str, former: &str| {
        let env = [
            ("IRONMONGER_SECRETS_SIGNING_KEY", key),
            ("IRONMONGER_SECRETS_FORMER_SIGNING_KEYS", former),
        ];
        let mut process = Process::start(options(&data, &env, &[]));
        process.wait_ready().await;
        assert!(process.terminate().await.success());
        process.output().contains("give both the same secrets")
    };
    let [one, two, three] = ["01", "02", "03"].map(|pair| pair.repeat(32));
    assert!(!told(&one, "").await, "the first one");
    assert!(!told(&two, &one).await, "a key that is replaced in steps");
    assert!(told(&three, "").await);
    assert!(!told(&three, "").await);
}
