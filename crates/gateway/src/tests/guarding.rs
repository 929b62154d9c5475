//! What the edge holds back: too many requests, strangers' names, bodies that nobody sealed.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use futures_util::stream;

use super::*;
use crate::sealed::SealKeys;

/// A shop open to the world, with quotas so small that they are soon spent.
fn open_town(mode: Mode, change: Config) -> Town {
    let late = Late::new();
    let deps = Deps {
        mode,
        ..deps(Peers::new([Peer::local("catalog", late.clone())]))
    };
    let part = catalog(&deps);
    late.set(part.router);
    let mut declared = part.declared;
    let accounts = Routes::<()>::new("identity", Some("user"))
        .add(Route::post("/auth/login", echo).also(&["/users/login", "/login"]))
        .add(Route::post("/auth/guest", echo));
    declared.extend(accounts.finish(()).1);
    let quotas = Quotas {
        reads: 2,
        writes: 3,
        sign_ins: 1,
    };
    gateway_with(deps, declared, Config { quotas, ..change })
}

impl Town {
    /// A request over a connection from `peer`.
    async fn from(&self, peer: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let address: SocketAddr = format!("{peer}:4711").parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        self.router.clone().oneshot(request).await.unwrap()
    }

    fn bearer(&self, user: u128) -> String {
        let session: SessionId = self.deps.ids.next(self.deps.clock.now());
        let minute = Duration::from_secs(60);
        let (token, _) = self
            .deps
            .keys
            .sign_user(UserId::from_bits(user), Role::Customer, session, minute);
        format!("Bearer {token}")
    }
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_to_come_back() {
    let town = open_town(Mode::Production, Config::default());
    for left in [1, 0] {
        let answer = town.from("203.0.113.1", "GET", "/api/products/1", &[]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["ratelimit-policy"], "\"reads\";q=2;w=60");
        assert!(
            answer.headers()["ratelimit"]
                .to_str()
                .unwrap()
                .starts_with(&format!("\"reads\";r={left};t="))
        );
    }
    let refused = town
        .from("203.0.113.1", "GET", "/api/products/1", &[("origin", ORIGIN)])
        .await;
    assert_eq!(refused.status(), 429);
    assert_eq!(
        (&refused.headers()["retry-after"], &refused.headers()["ratelimit"]),
        (&"30".parse().unwrap(), &"\"reads\";r=0;t=30".parse().unwrap())
    );
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        ORIGIN,
        "scripts see why"
    );
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let problem = json_of(refused).await;
    assert_eq!(
        (&problem["code"], &problem["retryAfter"]),
        (&"too_many_requests".into(), &30.into())
    );
    let status = async |peer: &str, method: &str, path: &str| town.from(peer, method, path, &[]).await.status();
    assert_eq!(status("203.0.113.2", "GET", "/api/products/1").await, 200);
    assert_ne!(
        status("203.0.113.1", "POST", "/api/products").await,
        429,
        "writes have a quota of their own"
    );
    for _ in 0..5 {
        assert_eq!(
            status("203.0.113.1", "GET", "/health").await,
            200,
            "probes are not counted"
        );
    }
    town.deps.clock.advance(Duration::from_secs(30));
    assert_eq!(status("203.0.113.1", "HEAD", "/api/products/1").await, 200);
    assert_eq!(status("203.0.113.1", "GET", "/api/products/1").await, 429);
}

#[tokio::test]
async fn attempts_to_sign_in_are_few_whatever_the_spelling() {
    let town = open_town(Mode::Production, Config::default());
    let spellings = [
        "/api/auth/login",
        "/api/user/login",
        "/api/users/login",
        "/api/user/auth/login",
    ];
    for (at, path) in spellings.into_iter().enumerate() {
        let answer = town.from("203.0.113.1", "POST", path, &[]).await;
        assert_eq!(answer.headers()["ratelimit-policy"], "\"sign-ins\";q=1;w=60", "{path}");
        assert_eq!(answer.status() == 429, at > 0, "{path}");
        assert!(!answer.headers().contains_key("server-timing"), "{path} tells no times");
    }
    let guest = town.from("203.0.113.1", "POST", "/api/auth/guest", &[]).await;
    assert_eq!(guest.headers()["ratelimit-policy"], "\"writes\";q=3;w=60");
}

#[tokio::test]
async fn a_person_is_counted_wherever_they_call_from() {
    let town = open_town(Mode::Production, Config::default());
    let (ada, bea) = (town.bearer(1), town.bearer(2));
    let status = async |peer: &str, bearer: &str| {
        let headers = [("authorization", bearer)];
        town.from(peer, "GET", "/api/products/1", &headers)
            .await
            .status()
            .as_u16()
    };
    assert_eq!(status("203.0.113.1", &ada).await, 200);
    assert_eq!(status("203.0.113.2", &ada).await, 200);
    assert_eq!(status("203.0.113.3", &ada).await, 429);
    assert_eq!(status("203.0.113.3", &bea).await, 200);
    // Forged tokens cost their sender's address.
    assert_eq!(status("203.0.113.9", "Bearer x").await, 401);
    assert_eq!(status("203.0.113.9", "Bearer x").await, 401);
    assert_eq!(status("203.0.113.9", "Bearer x").await, 429);
}

#[tokio::test]
async fn developers_are_counted_but_not_refused() {
    let town = open_town(Mode::Development, Config::default());
    for _ in 0..5 {
        assert_eq!(
            town.from("127.0.0.1", "GET", "/api/products/1", &[]).await.status(),
            200
        );
    }
    let spent = town.from("127.0.0.1", "GET", "/api/products/1", &[]).await;
    assert!(
        spent.headers()["ratelimit"]
            .to_str()
            .unwrap()
            .starts_with("\"reads\";r=0;")
    );
    for left in [true, true, false] {
        let answer = town.from("203.0.113.1", "GET", "/api/products/1", &[]).await;
        assert_eq!(answer.status() == 200, left, "from elsewhere they are refused");
    }
    let live = open_town(Mode::Production, Config::default());
    for left in [true, true, false] {
        assert_eq!(
            live.from("127.0.0.1", "GET", "/api/products/1", &[]).await.status() == 200,
            left
        );
    }
}

#[tokio::test]
async fn callers_behind_a_proxy_are_counted_apart() {
    let proxies = Proxies {
        trusted: vec!["10.0.0.0/8".parse().unwrap()],
        write_forwarded: false,
    };
    let change = Config {
        proxies,
        ..Config::default()
    };
    let town = open_town(Mode::Production, change);
    let status = async |peer: &str, client: &str| {
        let headers = [("x-forwarded-for", client)];
        town.from(peer, "GET", "/api/products/1", &headers)
            .await
            .status()
            .as_u16()
    };
    for client in ["203.0.113.1", "203.0.113.2", "1.1.1.1, 203.0.113.3"] {
        assert_eq!(status("10.0.0.1", client).await, 200);
        assert_eq!(status("10.0.0.2", client).await, 200);
        assert_eq!(status("10.0.0.1", client).await, 429);
    }
    // Who is no proxy cannot hide behind made-up addresses.
    assert_eq!(status("198.51.100.1", "203.0.113.7").await, 200);
    assert_eq!(status("198.51.100.1", "203.0.113.8").await, 200);
    assert_eq!(status("198.51.100.1", "203.0.113.9").await, 429);
}

#[tokio::test]
async fn only_the_shops_own_names_and_methods_are_answered() {
    let change = Config {
        hosts: vec!["shop.example".to_owned()],
        ..Config::default()
    };
    let town = open_town(Mode::Development, change);
    let answer = async |method: &str, uri: &str, host: &str| town.ask(method, uri, &[("host", host)], "").await;
    assert_eq!(answer("GET", "/api/products/1", "shop.example").await.status(), 200);
    let stranger = answer("GET", "/api/products/1", "evil.example").await;
    assert_eq!(stranger.status(), 421);
    assert_eq!(json_of(stranger).await["code"], "unknown_host");
    assert_eq!(
        answer("GET", "http://shop.example/api/products/1", "shop.example")
            .await
            .status(),
        200
    );
    assert_eq!(answer("GET", "/health", "10.0.0.1").await.status(), 200);
    for method in ["TRACE", "CONNECT"] {
        let refused = answer(method, "http://shop.example/api/products/1", "shop.example").await;
        assert_eq!(
            (refused.status().as_u16(), refused.headers().contains_key("allow")),
            (405, true),
            "{method}"
        );
    }
    let all = answer("OPTIONS", "*", "shop.example").await;
    assert_eq!(
        (all.status().as_u16(), all.headers().contains_key("allow")),
        (204, true)
    );
    for path in [
        "/",
        "/health",
        "/ready",
        "/docs",
        "/openapi.json",
        "/api/products",
        "/api/products/1",
    ] {
        let head = answer("HEAD", path, "shop.example").await;
        assert_eq!(head.status(), 200, "{path}");
        assert_eq!(text_of(head).await, "", "{path}");
    }
}

/// A sealed body, as a client makes it.
fn sealed(text: &str) -> String {
    let sealed = SealKeys::new(SECRET).seal([9; 16], text.as_bytes());
    serde_json::json!({ "encrypted": sealed }).to_string()
}

#[tokio::test]
async fn sealed_bodies_arrive_opened() {
    for town in [town(), split_town().await] {
        let staff = staff_of(&town);
        let post_as = async |kind: &str, path: &str, body: Body| {
            let request = Request::post(path)
                .header("authorization", &staff)
                .header("content-type", kind);
            town.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
        };
        let post = async |path: &str, body: Body| post_as("application/json", path, body).await;
        let whole = sealed("[1,2,3]");
        assert_eq!(
            text_of(post("/api/products", Body::from(whole.clone())).await).await,
            "3"
        );
        for kind in ["application/json; charset=utf-8", "application/merge-patch+json"] {
            let opened = post_as(kind, "/api/products", Body::from(whole.clone())).await;
            assert_eq!(text_of(opened).await, "3", "{kind}");
        }
        // However it comes in pieces.
        let pieces = whole.as_bytes().chunks(3).map(Bytes::copy_from_slice);
        let pieces: Vec<Result<Bytes, std::io::Error>> = pieces.map(Ok).collect();
        let body = Body::from_stream(stream::iter(pieces));
        assert_eq!(text_of(post("/api/products", body).await).await, "3");
        let spaced = whole.replace("{", " { ").replace(":", " : ");
        assert_eq!(text_of(post("/api/products", Body::from(spaced)).await).await, "3");
        // Plain ones as before, in pieces too.
        let plain: Vec<Result<Bytes, std::io::Error>> = ["[1", ",2]"].map(|part| Ok(part.into())).into();
        assert_eq!(
            text_of(post("/api/products", Body::from_stream(stream::iter(plain))).await).await,
            "2"
        );
        assert_eq!(post("/api/products", Body::empty()).await.status(), 400);

        let mut told = Vec::new();
        for bad in [
            "00".to_owned(),
            "zz".to_owned(),
            String::new(),
            whole[14..whole.len() - 4].to_owned() + "00",
        ] {
            let body = serde_json::json!({ "encrypted": bad }).to_string();
            let refused = post("/api/products", Body::from(body)).await;
            assert_eq!(refused.status(), 400);
            let mut problem = json_of(refused).await;
            problem["requestId"] = Value::Null;
            told.push(problem);
        }
        assert!(
            told.iter()
                .all(|one| *one == told[0] && one["code"] == "bad_encrypted_body"),
            "{told:?}"
        );
        // Not the only field: it is no sealed body, and the service says what is wrong with it.
        let more = whole.replace('}', ",\"more\":1}");
        let refused = json_of(post("/api/products", Body::from(more)).await).await;
        assert_eq!(refused["code"], "invalid", "{refused}");
        let long = sealed(&"1".repeat(600_000));
        assert_eq!(post("/api/products", Body::from(long)).await.status(), 413);
        // What providers sign is theirs: it arrives as it was sent.
        assert_eq!(
            text_of(post("/api/products/webhooks/them", Body::from(whole.clone())).await).await,
            whole
        );
        town.deps.stop.stop();
    }
}

#[tokio::test]
async fn developers_seal_and_open() {
    let town = town();
    let json = [("content-type", "application/json")];
    let made = town
        .ask("POST", "/api/dev/encrypt", &json, r#"{"payload":{"name":"Ada"}}"#)
        .await;
    let made = json_of(made).await;
    assert_eq!(made["success"], true);
    assert!(made["usage"].as_str().unwrap().contains("encrypted"));
    let again = town
        .ask("POST", "/api/dev/encrypt", &json, r#"{"payload":{"name":"Ada"}}"#)
        .await;
    assert_ne!(
        json_of(again).await["encrypted"],
        made["encrypted"],
        "another one each time"
    );
    let asked = serde_json::json!({ "encrypted": made["encrypted"] }).to_string();
    let opened = json_of(town.ask("POST", "/api/dev/decrypt", &json, &asked).await).await;
    assert_eq!(
        opened,
        serde_json::json!({ "success": true, "decrypted": { "name": "Ada" } })
    );
    let bad = town
        .ask("POST", "/api/dev/decrypt", &json, r#"{"encrypted":"00"}"#)
        .await;
    assert_eq!(bad.status(), 400);
    let document = json_of(town.get("/openapi.json").await).await;
    assert!(document["paths"]["/api/dev/encrypt"]["post"].is_object());

    let live = open_town(Mode::Production, Config::default());
    for path in ["/api/dev/encrypt", "/api/dev/decrypt", "/dev/encrypt"] {
        assert_eq!(live.ask("POST", path, &json, &asked).await.status(), 404, "{path}");
    }
    let document = json_of(live.get("/openapi.json").await).await;
    assert!(document["paths"]["/api/dev/encrypt"].is_null());
}

#[tokio::test]
async fn public_reads_may_be_kept_and_asked_for_again() {
    for town in [town(), split_town().await] {
        let list = town.get("/api/products").await;
        assert_eq!(list.headers()["cache-control"], "public, max-age=0, must-revalidate");
        let vary: Vec<_> = list
            .headers()
            .get_all("vary")
            .iter()
            .map(|one| one.to_str().unwrap())
            .collect();
        for name in ["authorization", "accept-encoding", "origin"] {
            assert!(vary.iter().any(|one| one.contains(name)), "{name}: {vary:?}");
        }
        let tag = list.headers()["etag"].to_str().unwrap().to_owned();
        for takes in ["identity", "zstd"] {
            let again = town
                .ask(
                    "GET",
                    "/api/products",
                    &[("if-none-match", &tag), ("accept-encoding", takes)],
                    "",
                )
                .await;
            assert_eq!(
                (again.status().as_u16(), again.headers()["etag"].to_str().unwrap()),
                (304, &*tag)
            );
            assert_eq!(text_of(again).await, "");
        }
        let changed = town
            .ask("GET", "/api/products", &[("if-none-match", "W/\"0\"")], "")
            .await;
        assert_eq!(changed.status(), 200);
        let staff = staff_of(&town);
        let own = town
            .ask(
                "GET",
                "/api/products",
                &[("authorization", &staff), ("if-none-match", &tag)],
                "",
            )
            .await;
        assert_eq!(
            (own.status().as_u16(), &own.headers()["cache-control"]),
            (200, &"private, no-cache".parse().unwrap())
        );
        for (method, path) in [
            ("POST", "/api/products"),
            ("GET", "/api/nothing"),
            ("GET", "/api/auth/verify"),
        ] {
            let answer = town.ask(method, path, &[], "").await;
            assert_eq!(answer.headers()["cache-control"], "no-store", "{method} {path}");
        }
        town.deps.stop.stop();
    }
}
