//! A request's way through the chassis: rights, ids, panics, deadlines.

use std::sync::Arc;

use tokio::sync::Notify;

use super::*;
use crate::doorman::Doorman;

#[tokio::test]
async fn rights_are_checked_before_the_body_is_read() {
    let bench = bench();
    let check = async |path: &str, token: Option<String>, status: u16, code: &str| {
        let headers: Vec<(String, String)> = token
            .map(|token| ("authorization".to_owned(), token))
            .into_iter()
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let heard = bench.ask("GET", path, &headers, "").await;
        assert_eq!(heard.status, status, "{path} {}", heard.body);
        if status >= 400 {
            assert_eq!(heard.problem().code, code, "{path}");
        }
        if status == 401 {
            assert!(heard.headers.contains_key("www-authenticate"));
        }
    };
    let bearer = |role| Some(format!("Bearer {}", bench.token(role)));
    let service = Some(format!("Bearer {}", bench.deps.keys.service_token("cart")));
    check("/staff", None, 401, "unauthorized").await;
    check("/staff", bearer(Role::Guest), 403, "forbidden").await;
    check("/staff", bearer(Role::Customer), 403, "forbidden").await;
    check("/staff", bearer(Role::Staff), 200, "").await;
    check("/staff", bearer(Role::Admin), 200, "").await;
    check("/staff", service.clone(), 403, "forbidden").await;
    check("/internal/who", None, 401, "unauthorized").await;
    check("/internal/who", bearer(Role::Admin), 403, "forbidden").await;
    check("/internal/who", service.clone(), 200, "").await;
    check("/internal/nothing", None, 401, "unauthorized").await;
    check("/api/internal/who", service, 404, "not_found").await;
    check("/things", Some("Bearer broken".to_owned()), 401, "unauthorized").await;
    check("/things", Some("Basic YTpi".to_owned()), 401, "unauthorized").await;
    check("/nothing", None, 404, "not_found").await;
    assert_eq!(bench.post("/things", "", "not json").await.status, 401);
    let stale = bench.post("/login", "stale", "{}").await;
    assert_eq!(stale.status, 200, "a stale token does not keep anybody from signing in");
    let other = bench.ask("DELETE", "/things", &[], "").await;
    assert_eq!(
        (other.status.as_u16(), other.problem().code.as_ref()),
        (405, "method_not_allowed")
    );
    assert_eq!(other.headers["allow"], "POST,GET,HEAD");
}

#[tokio::test]
async fn request_ids_are_taken_made_and_echoed() {
    let bench = bench();
    let long = "x".repeat(65);
    for (name, given, kept) in [
        ("x-request-id", "abc-1.2_3", true),
        ("x-correlation-id", "mine", true),
        ("x-request-id", "with space", false),
        ("x-request-id", "<script>", false),
        ("x-request-id", &long, false),
        ("x-request-id", "", false),
    ] {
        let heard = bench.ask("GET", "/nothing", &[(name, given)], "").await;
        let echoed = heard.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(echoed == given, kept, "{given}");
        assert_eq!(heard.problem().request_id, Some(echoed));
    }
    // Only a service's word counts for who caused a call.
    let bearer = format!("Bearer {}", bench.token(Role::Customer));
    let service = format!("Bearer {}", bench.deps.keys.service_token("cart"));
    let body = r#"{"name":"a","quantity":1}"#;
    let headers = [("authorization", bearer.as_str()), ("x-actor", "usr_boss")];
    assert_eq!(
        bench.ask("POST", "/things", &headers, body).await.body["who"],
        user().to_string()
    );
    let cx = async |authorization: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-actor", "usr_boss".parse().unwrap());
        headers.insert("x-deadline-ms", "5".parse().unwrap());
        headers.insert("authorization", authorization.parse().unwrap());
        let who = Doorman::new(&bench.deps)
            .identify(&Method::GET, "/", &headers)
            .await
            .unwrap();
        chassis::context(
            &headers,
            &who,
            &bench.deps.clock,
            &bench.deps.ids,
            chassis::REQUEST_TIME,
        )
    };
    assert_eq!(cx(&service).await.actor(), "usr_boss");
    assert!(cx(&service).await.left().unwrap() <= Duration::from_millis(5));
    assert!(cx(&bearer).await.left().unwrap() > Duration::from_secs(1));
}

#[tokio::test]
async fn traces_are_passed_on_or_begun() {
    let deps = deps();
    let trace = |given: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", given.parse().unwrap());
        let cx = chassis::context(&headers, &Who::default(), &deps.clock, &deps.ids, chassis::REQUEST_TIME);
        cx.traceparent().unwrap().to_owned()
    };
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(trace(good), good);
    for bad in [
        "",
        "00-0-0-0",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        &good.to_uppercase(),
    ] {
        let made = trace(bad);
        assert!(made != bad && made.len() == good.len(), "{made}");
    }
}

#[tokio::test]
async fn a_panic_ends_one_request_only() {
    let bench = bench();
    let before = chassis::panics();
    for method in ["GET", "DELETE"] {
        let heard = bench.ask(method, "/crash", &[], "").await;
        let problem = heard.problem();
        assert_eq!((problem.status, problem.code.as_ref()), (500, "internal"));
        assert!(!heard.body.to_string().contains("as asked"), "internals do not leak");
    }
    assert!(chassis::panics() >= before + 2);
    assert_eq!(bench.get("/health").await.status, 200);
    assert_eq!(bench.get("/healthz").await.body["service"], "things");
    assert_eq!(bench.get("/ready").await.status, 200);
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_goes_away() {
    let (begun, go, done) = (
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
        Arc::new(Notify::new()),
    );
    let routes = {
        let (begun, go, done) = (begun.clone(), go.clone(), done.clone());
        let work = move || async move {
            begun.notify_one();
            go.notified().await;
            done.notify_one();
        };
        Routes::<()>::new("slow", None)
            .add(Route::post("/slow", work))
            .finish(())
    };
    let router = Part::new("slow", &deps(), routes, None).router;
    let request = Request::post("/slow").body(RawBody::empty()).unwrap();
    let calling = spawn(router.oneshot(request));
    begun.notified().await;
    calling.abort();
    assert!(calling.await.unwrap_err().is_cancelled());
    go.notify_one();
    done.notified().await;
}

#[tokio::test]
async fn a_deadline_ends_the_waiting() {
    let routes = Routes::<()>::new("slow", None)
        .add(Route::get("/internal/slow", std::future::pending::<()>))
        .finish(());
    let deps = deps();
    let bench = Bench {
        router: Part::new("slow", &deps, routes, None).router,
        deps,
    };
    let service = format!("Bearer {}", bench.deps.keys.service_token("cart"));
    let heard = bench
        .ask(
            "GET",
            "/internal/slow",
            &[("authorization", &service), ("x-deadline-ms", "1")],
            "",
        )
        .await;
    assert_eq!(
        (heard.status.as_u16(), &heard.headers["retry-after"]),
        (503, &http::HeaderValue::from_static("1"))
    );
}

#[tokio::test]
async fn a_session_that_ended_is_turned_out_of_the_router() {
    let bench = bench();
    let session: SessionId = bench.deps.ids.next(bench.deps.clock.now());
    let (token, _) = bench
        .deps
        .keys
        .sign_user(user(), Role::Staff, session, Duration::from_secs(900));
    assert_eq!(bench.get_as("/staff", &token).await.status, 200);
    bench.deps.keys.revoked().end(session);
    assert_eq!(bench.get_as("/staff", &token).await.status, 401);
}

#[test]
fn tags_are_compared() {
    let known = |name: &str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        Known::from(&headers)
    };
    assert!(known("if-none-match", "\"a\", W/\"b\"").is_fresh("\"b\""));
    assert!(!known("if-none-match", "\"a\"").is_fresh("\"b\""));
    assert!(known("if-match", "*").permits("\"b\"").is_ok());
    assert_eq!(known("if-match", "\"a\"").permits("\"b\"").unwrap_err().status, 412);
    assert!(Known::default().permits("\"b\"").is_ok());
}

#[test]
#[should_panic(expected = "is claimed by")]
fn two_routes_cannot_claim_one_address() {
    let routes = Routes::<()>::new("things", Some("thing"));
    let one = Route::get("/things", || async {});
    let _ = routes.add(one).add(Route::get("/thing/things", || async {})).finish(());
}
