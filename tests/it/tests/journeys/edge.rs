//! The edge: pages, ports, headers.

use http::Method;
use it::{list, text};
use serde_json::{Value, json};
use testkit::{Client, Shop};

/// The web origin whose pages may call.
pub const ORIGIN: &str = "https://shop.example";

fn call(who: &Client, method: Method, path: &str) -> testkit::Call {
    who.call(method, path).unchecked()
}

/// All headers by which an answer differs.
fn varies(answer: &testkit::Answer) -> String {
    let lines = answer
        .headers
        .get_all("vary")
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.collect::<Vec<_>>().join(",").to_lowercase()
}

/// What stands outside the API's document: health, the document, its page, keys.
pub async fn pages(shop: &Shop) {
    let get = async |path: &str| call(&shop.visitor, Method::GET, path).send().await;
    for path in ["/health", "/healthz"] {
        assert_eq!(get(path).await.is(200)["status"], "ok");
    }
    let ready = get("/ready").await.is(200);
    assert_eq!(ready["parts"]["orders"], "ready", "{ready}");
    let document = get("/openapi.json").await.is(200);
    assert_eq!(
        (text(&document, "openapi"), text(&document["info"], "title")),
        ("3.1.0", "Ironmonger")
    );
    let keys = get("/.well-known/jwks.json").await.is(200);
    let key = &keys["keys"][0];
    assert_eq!(
        (text(key, "kty"), text(key, "crv"), text(key, "alg"), text(key, "use")),
        ("OKP", "Ed25519", "EdDSA", "sig")
    );
    assert!(key["d"].is_null() && !text(key, "kid").is_empty(), "{keys}");

    // The page shows the document without the internet: nothing in it leads elsewhere.
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/docs/app.js", "text/javascript"),
        ("/docs/app.css", "text/css"),
    ] {
        let page = get(path).await;
        assert_eq!(page.status, 200);
        assert!(
            page.header("content-type").starts_with(kind),
            "{path}: {:?}",
            page.headers
        );
        assert!(
            page.header("content-security-policy").contains("default-src 'none'"),
            "{:?}",
            page.headers
        );
        let text = page.text();
        let abroad = ["http://", "https://", "=\"//", "='//", "url(//"];
        assert!(
            abroad.iter().all(|start| !text.contains(start)),
            "{path} leads elsewhere"
        );
    }
    assert_eq!(get("/").await.is(200)["links"]["docs"], "/docs");
}

/// Each service answers on its own port, with and without the gateway's prefix.
pub async fn services_answer_like_the_gateway(shop: &Shop) {
    let product = shop.product("6", 30).await;
    let ada = shop.customer("ada").await;
    let at = |who: &Client, part: &str| who.at(&shop.fleet.part_url(part));
    let item = json!({ "productId": product["id"], "quantity": 1 });
    for prefix in ["", "/api"] {
        let path = |path: &str| format!("{prefix}{path}");
        let id = text(&product, "id");
        let read = at(&shop.visitor, "catalog")
            .get(&path(&format!("/products/{id}")))
            .send()
            .await
            .is(200);
        assert_eq!(read["id"], product["id"]);
        at(&ada, "cart").post(&path("/cart"), item.clone()).send().await.is(201);
        let placed = at(&ada, "orders")
            .post(&path("/orders"), json!({}))
            .send()
            .await
            .is(201);
        assert_eq!(text(&placed, "status"), "confirmed");
        let paid = at(&ada, "payments")
            .get(&path(&format!("/payments/{}", text(&placed, "orderId"))))
            .send()
            .await
            .is(200);
        assert_eq!(text(&paid, "status"), "completed");
        at(&shop.admin, "events")
            .get(&path("/events?limit=1"))
            .send()
            .await
            .is(200);
        let account = json!({ "username": shop.name("bea"), "password": "password1" });
        at(&shop.visitor, "identity")
            .post(&path("/users/register"), account.clone())
            .send()
            .await
            .is(201);
        let session = at(&shop.visitor, "identity")
            .post(&path("/auth/login"), account)
            .send()
            .await
            .is(200);
        let bea = at(&shop.visitor.with_token(text(&session, "token")), "identity");
        assert_eq!(
            bea.get(&path("/users/me")).send().await.is(200)["user"],
            session["user"]
        );
    }
    // Carts on the port of orders are passed on.
    let orders = at(&ada, "orders");
    orders.post("/cart/items", item).send().await.is(201);
    assert_eq!(orders.get("/cart").send().await.is(200)["itemCount"], 1);
    for part in testkit::process::PARTS {
        for path in ["/health", "/healthz", "/ready"] {
            let answer = call(&at(&shop.visitor, part), Method::GET, path).send().await;
            assert_eq!(answer.status, 200, "{part}{path}: {}", answer.text());
        }
    }
}

/// What services ask each other is no user's business, not even an administrator's.
pub async fn internals_are_closed(shop: &Shop) {
    for path in [
        "/internal/sessions/ended",
        "/api/internal/sessions/ended",
        "/api/users/../../internal/sessions/ended",
        "/api/users/..%2F..%2Finternal/sessions/ended",
        "/internal/figures",
    ] {
        let answer = call(&shop.admin, Method::GET, path).send().await;
        // 405: a session, which is not read, of a user with an odd name.
        assert!(
            [400, 404, 405].contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    let calls = [
        ("identity", Method::GET, "/internal/sessions/ended?after=0"),
        ("identity", Method::POST, "/internal/admins"),
        ("catalog", Method::POST, "/internal/reserve"),
        ("cart", Method::POST, "/internal/carts/clear"),
        ("orders", Method::POST, "/internal/orders/pay"),
        ("payments", Method::POST, "/internal/pay"),
        ("events", Method::POST, "/internal/events"),
        ("orders", Method::GET, "/internal/audit/orders"),
        ("catalog", Method::GET, "/internal/figures"),
        ("orders", Method::GET, "/internal/no-such-thing"),
    ];
    for (part, method, path) in calls {
        let url = shop.fleet.part_url(part);
        let body = json!({}).to_string();
        let call = |who: &Client| call(&who.at(&url), method.clone(), path).body("application/json", body.clone());
        call(&shop.visitor).send().await.refused(401, "unauthorized");
        call(&shop.admin).send().await.refused(403, "forbidden");
    }
}

/// A request's id is taken or made, and told.
pub async fn requests_are_traced(shop: &Shop) {
    let get = || shop.visitor.get("/api/products?limit=1");
    for name in ["x-request-id", "x-correlation-id"] {
        assert_eq!(
            get().header(name, "order-66.a_b").send().await.header("x-request-id"),
            "order-66.a_b"
        );
    }
    let long = "x".repeat(65);
    for bad in ["", "a b", "a\"b", "<script>", long.as_str()] {
        let told = get()
            .header("x-request-id", bad)
            .send()
            .await
            .header("x-request-id")
            .to_owned();
        assert!(!told.is_empty() && told != bad, "{bad} became {told}");
    }
    let refused = shop
        .visitor
        .get("/api/orders")
        .header("x-request-id", "mine")
        .send()
        .await;
    let problem = refused.refused(401, "unauthorized");
    assert_eq!(
        (text(&problem, "requestId"), refused.header("x-request-id")),
        ("mine", "mine")
    );
    for field in ["type", "title", "detail"] {
        assert!(!text(&problem, field).is_empty());
    }
    assert_eq!(problem["status"], 401);
    // Deep inside, too: the id of a change is in the event that tells of it.
    let body = json!({ "name": "Traced", "price": 1 });
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let made = shop
        .admin
        .post("/api/products", body)
        .header("x-request-id", "trace-me")
        .header("traceparent", trace)
        .send()
        .await
        .is(201);
    let path = format!("/api/events?subject={}", text(&made, "id"));
    let events = testkit::until("it is told", || async {
        let events = shop.admin.get(&path).send().await.is(200);
        (!list(&events).is_empty()).then_some(events)
    })
    .await;
    assert_eq!(text(&events[0], "requestId"), "trace-me");
}

/// Pages of the allowed origin may call and see what they need; others may not.
pub async fn other_origins(shop: &Shop) {
    let preflight = |origin: &str| {
        call(&shop.visitor, Method::OPTIONS, "/api/orders")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, idempotency-key")
    };
    let allowed = preflight(ORIGIN).send().await;
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-origin")),
        (204, ORIGIN)
    );
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"));
    for name in ["authorization", "idempotency-key", "if-match", "content-type"] {
        assert!(allowed.header("access-control-allow-headers").contains(name), "{name}");
    }
    let stranger = preflight("https://evil.example").send().await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
    let answer = shop
        .visitor
        .get("/api/products?limit=1")
        .header("origin", ORIGIN)
        .send()
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    let exposed = answer.header("access-control-expose-headers").to_lowercase();
    for name in [
        "link",
        "etag",
        "location",
        "retry-after",
        "idempotency-replayed",
        "x-request-id",
        "ratelimit",
    ] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    let answer = shop
        .visitor
        .get("/api/products?limit=1")
        .header("origin", "https://evil.example")
        .send()
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    // Refusals, too: a script has to see why.
    let refused = shop.visitor.get("/api/orders").header("origin", ORIGIN).send().await;
    assert_eq!(refused.header("access-control-allow-origin"), ORIGIN);
}

/// Answers are compressed as the caller takes it, secrets never.
pub async fn answers_are_small(shop: &Shop) {
    let product = it::product(shop, json!({ "description": "Iron. ".repeat(500) })).await;
    let path = format!("/api/products/{}", text(&product, "id"));
    for (takes, coding) in [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("identity", ""),
        ("gzip;q=0", ""),
    ] {
        let answer = shop
            .visitor
            .get(&path)
            .unchecked()
            .header("accept-encoding", takes)
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.header("content-encoding")),
            (200, coding),
            "{takes}"
        );
        assert_eq!(
            answer.body.len() < 3000,
            !coding.is_empty(),
            "{takes}: {} bytes",
            answer.body.len()
        );
        assert!(
            varies(&answer).contains("accept-encoding"),
            "{takes}: {:?}",
            answer.headers
        );
    }
    let ada = shop.customer("ada").await;
    let answer = ada
        .get("/api/auth/profile")
        .header("accept-encoding", "gzip, zstd")
        .send()
        .await;
    assert_eq!(
        (answer.header("content-encoding"), answer.header("server-timing")),
        ("", "")
    );
}

/// Headers that keep browsers careful.
pub async fn answers_are_guarded(shop: &Shop) {
    for path in [
        "/api/products?limit=1",
        "/api/orders",
        "/docs",
        "/api/no-such-thing",
        "/health",
    ] {
        let answer = call(&shop.visitor, Method::GET, path).send().await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!answer.header("referrer-policy").is_empty(), "{path}");
        assert_eq!(
            (answer.header("server"), answer.header("x-powered-by")),
            ("", ""),
            "{path}"
        );
        assert_eq!(answer.header("strict-transport-security"), "", "{path} without TLS");
        assert!(answer.header("server-timing").starts_with("total;dur="), "{path}");
    }
}

/// What nothing answers, and what answers to other methods.
pub async fn wrong_addresses(shop: &Shop) {
    for path in [
        "/api",
        "/api/",
        "/api/nothing",
        "/nothing",
        "/api/products/a/b/c",
        "/api/orders/1/fly",
        "/favicon.png",
    ] {
        call(&shop.visitor, Method::GET, path)
            .send()
            .await
            .refused(404, "not_found");
    }
    for (method, path) in [
        (Method::DELETE, "/api/orders"),
        (Method::PATCH, "/api/cart"),
        (Method::GET, "/api/auth/login"),
        (Method::POST, "/health"),
        (Method::PUT, "/api/products/bulk/x/y"),
    ] {
        let answer = call(&shop.admin, method.clone(), path).send().await;
        if answer.status != 404 {
            answer.refused(405, "method_not_allowed");
            assert!(
                !answer.header("allow").is_empty(),
                "{method} {path}: {:?}",
                answer.headers
            );
        }
    }
    let head = call(&shop.visitor, Method::HEAD, "/api/products?limit=1").send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let value: Value = call(&shop.visitor, Method::GET, "/api/products?limit=1&unknown=1")
        .send()
        .await
        .is(200);
    assert!(value.is_array());
}

/// What everybody may read is kept by whoever likes, and is fresh at the next request after a change.
pub async fn public_reads_stay_fresh(shop: &Shop) {
    let tag = shop.name("fresh");
    let product = it::product(shop, json!({ "tags": [tag], "price": 10 })).await;
    let id = text(&product, "id");
    let (one, many) = (format!("/api/products/{id}"), format!("/api/products?tag={tag}"));
    for path in [&one, &many] {
        let first = shop.visitor.get(path).send().await;
        assert_eq!(
            first.header("cache-control"),
            "public, max-age=0, must-revalidate",
            "{path}"
        );
        let vary = varies(&first);
        for name in ["authorization", "accept-encoding", "origin"] {
            assert!(vary.contains(name), "{path}: {vary}");
        }
        let mut known = first.header("etag").to_owned();
        assert!(!known.is_empty(), "{path}");
        for price in 11..16 {
            let again = shop.visitor.get(path).header("if-none-match", &known).send().await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            shop.admin.patch(&one, json!({ "price": price })).send().await.is(200);
            let changed = shop.visitor.get(path).header("if-none-match", &known).send().await;
            let shown = changed.is(200);
            let shown = if shown.is_array() { &shown[0] } else { &shown };
            assert_eq!(it::cents(&shown["price"]), price * 100, "{path} is fresh");
            known = changed.header("etag").to_owned();
        }
    }
    // What is read with a token is for its owner's own cache, and what changes or signs in for nobody's.
    let ada = shop.customer("ada").await;
    for (path, kept) in [
        (one.as_str(), "private, no-cache"),
        ("/api/orders", "private, no-cache"),
        ("/api/cart", "private, no-cache"),
        ("/api/auth/profile", "no-store"),
    ] {
        assert_eq!(ada.get(path).send().await.header("cache-control"), kept, "{path}");
    }
    let refused = shop.visitor.get("/api/orders").send().await;
    assert_eq!(refused.header("cache-control"), "no-store");
}

/// Every address that answers GET answers HEAD; nobody is shown what proxies added to their request.
pub async fn heads_and_traces(shop: &Shop) {
    let document = call(&shop.visitor, Method::GET, "/openapi.json").send().await.is(200);
    let paths = document["paths"].as_object().expect("paths");
    // A stream of events has no end to wait for.
    let ends = |get: &Value| get["responses"]["200"]["content"]["text/event-stream"].is_null();
    let plain = paths
        .iter()
        .filter(|(path, methods)| methods["get"].is_object() && ends(&methods["get"]) && !path.contains('{'));
    let pages = ["/", "/health", "/ready", "/docs", "/docs/app.js", "/openapi.json"].map(str::to_owned);
    let mut asked = 0;
    for path in plain.map(|(path, _)| path.clone()).chain(pages) {
        let status = call(&shop.visitor, Method::GET, &path).send().await.status;
        let head = call(&shop.visitor, Method::HEAD, &path).send().await;
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
        asked += 1;
    }
    assert!(asked > 12, "{asked}");
    let trace = call(&shop.admin, Method::TRACE, "/api/products").send().await;
    trace.refused(405, "method_not_allowed");
    assert!(!trace.header("allow").is_empty() && !trace.text().to_lowercase().contains("bearer"));
}
