//! Limits, trusted proxies and the access log, in shops of their own: callers here seem to come from far away, since
//! the proxy on this machine, which is trusted, says so.

use http::Method;
use serde_json::json;
use testkit::{Answer, Engine, Shape, Shop, until};

const SETTINGS: [(&str, &str); 5] = [
    ("IRONMONGER_WEB_TRUSTED_PROXIES", "127.0.0.0/8"),
    ("IRONMONGER_WEB_HOSTS", "127.0.0.1"),
    ("IRONMONGER_LIMITS_READS_PER_MINUTE", "20"),
    ("IRONMONGER_LIMITS_SIGN_INS_PER_MINUTE", "5"),
    ("IRONMONGER_LOG_ACCESS", "true"),
];

async fn ask(shop: &Shop, from: &str, method: Method, path: &str) -> Answer {
    let call = shop.visitor.call(method, path).unchecked();
    call.header("x-forwarded-for", from).send().await
}

async fn strangers(shape: Shape) {
    let shop = Shop::start(shape, Engine::Sqlite, &SETTINGS).await;
    let product = shop.product("5", 5).await;
    let path = format!("/api/products/{}?secret=hush", product["id"].as_str().expect("an id"));
    // The allowance comes back meanwhile, so a few more may pass than it says.
    let mut passed = 0;
    let refused = loop {
        let answer = ask(&shop, "203.0.113.7", Method::GET, &path).await;
        assert_eq!(answer.header("ratelimit-policy"), "\"reads\";q=20;w=60");
        if answer.status != 200 {
            break answer;
        }
        passed += 1;
        assert!(passed < 200, "nobody is refused");
    };
    assert!(passed >= 20, "{passed} passed");
    let problem = refused.refused(429, "too_many_requests");
    let wait: u32 = refused.header("retry-after").parse().expect("seconds");
    assert_eq!(problem["retryAfter"], wait);
    assert!(
        (1..=3).contains(&wait),
        "one comes back every three seconds, not after {wait}"
    );
    assert_eq!(refused.header("ratelimit"), format!("\"reads\";r=0;t={wait}"));
    assert_eq!(
        ask(&shop, "203.0.113.8", Method::GET, &path).await.status,
        200,
        "others go on"
    );
    assert_eq!(
        ask(&shop, "1.1.1.1, 203.0.113.7", Method::GET, &path).await.status,
        429,
        "a made-up hop hides nobody"
    );
    assert_eq!(ask(&shop, "203.0.113.7", Method::GET, "/ready").await.status, 200);

    let mut tries = 0;
    let refused = loop {
        let account = json!({ "username": shop.name("nobody"), "password": "password1" });
        let call = shop.visitor.post("/api/user/login", account);
        let answer = call.header("x-forwarded-for", "203.0.113.9").send().await;
        if answer.status != 401 {
            break answer;
        }
        tries += 1;
        assert!(tries < 50, "guessing goes on and on");
    };
    assert!(tries >= 5, "{tries} passed");
    refused.refused(429, "too_many_requests");

    let elsewhere = shop
        .visitor
        .get("/api/products")
        .unchecked()
        .header("host", "evil.example");
    elsewhere.send().await.refused(421, "unknown_host");
    the_log_names_nobody(&shop).await;
}

/// A line for each request: its route, but no query, name, id or address.
async fn the_log_names_nobody(shop: &Shop) {
    let named = "/api/users/ada.lovelace@example.com?token=hush";
    let asked = shop.visitor.get(named).unchecked().header("x-request-id", "find-me");
    assert_eq!(asked.send().await.status, 401);
    ask(shop, "203.0.113.77", Method::GET, "/api/nobody/knows/ada.lovelace").await;
    let lines = until("the log has a line of it", || async {
        let log = shop.fleet.output();
        let lines: Vec<String> = log
            .lines()
            .filter(|line| line.contains("answered"))
            .map(str::to_owned)
            .collect();
        let there = |word: &str| lines.iter().any(|line| line.contains(word));
        if there("find-me") && there("(unknown)") {
            Ok(lines)
        } else {
            Err(lines.len())
        }
    })
    .await;
    let line = lines.iter().find(|line| line.contains("find-me")).expect("it is there");
    for word in ["method=GET", "/users/{id}", "status=401", "ms=", "bytes="] {
        assert!(line.contains(word), "{word}: {line}");
    }
    let routes = lines.iter().filter(|line| line.contains("/products/{id}"));
    assert!(routes.count() > 20);
    for hidden in ["lovelace", "hush", "203.0.113", "prd_"] {
        let told = lines.iter().find(|line| line.contains(hidden));
        assert!(told.is_none(), "{hidden}: {told:?}");
    }
}

#[tokio::test]
async fn limits_in_one_process() {
    strangers(Shape::One).await;
}

#[tokio::test]
async fn limits_with_a_process_per_service() {
    strangers(Shape::Split).await;
}
