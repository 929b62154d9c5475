//! Bodies, queries, keys: what is taken and what is refused.

use super::*;

#[tokio::test]
async fn every_fault_of_a_body_is_named_at_once() {
    let bench = bench();
    let token = bench.token(Role::Customer);
    let check = async |body: &str, faults: &[&str]| {
        let heard = bench.post("/things", &token, body).await;
        assert_eq!(
            (heard.status.as_u16(), heard.problem().code.as_ref()),
            (400, "invalid"),
            "{body}"
        );
        assert_eq!(heard.faults(), faults, "{body}");
    };
    check("", &["/name is needed", "/quantity is needed"]).await;
    check(
        r#"{"name":"","quantity":10000,"colour":"red"}"#,
        &[
            "/colour is not a field of this; known are name, place, quantity, wrapped",
            "/name must not be empty",
            "/quantity must be at most 9999",
        ],
    )
    .await;
    check(
        r#"{"name":7,"quantity":"2"}"#,
        &["/name must be a text", "/quantity must be a whole number"],
    )
    .await;
    check(r#"{"name":"a","quantity":-1}"#, &["/quantity must be at least 1"]).await;
    check(r#"{"name":"a","quantity":1.5}"#, &["/quantity must be a whole number"]).await;
    check(
        r#"{"name":"a","qty":1,"place":{"zipCode":5}}"#,
        &["/place/postalCode must be a text"],
    )
    .await;
    check(
        r#"{"name":"a","qty":1,"place":7}"#,
        &["/place must be an object or null"],
    )
    .await;
    check(r#"{"name":"a","qty":1,"quantity":1}"#, &[" duplicate field `quantity`"]).await;
    check("[]", &[" must be an object"]).await;
    check("null", &[" must be an object"]).await;
}

#[tokio::test]
async fn other_spellings_are_taken() {
    let bench = bench();
    let token = bench.token(Role::Customer);
    let heard = bench.post("/things", &token, r#"{"name":"a","qty":2}"#).await;
    assert_eq!(heard.status, 201, "{}", heard.body);
    assert_eq!(heard.headers["location"], "/api/things/1");
}

#[tokio::test]
async fn what_is_no_json_is_malformed_and_says_where() {
    let bench = bench();
    let token = bench.token(Role::Customer);
    for body in [
        "{",
        "hello",
        "{\"name\":}",
        "{\"name\":\"a\"} x",
        "\u{0}",
        "{\"name\":\"\\ud800\"}",
    ] {
        let heard = bench.post("/things", &token, body).await;
        let problem = heard.problem();
        assert_eq!(
            (problem.status, problem.code.as_ref()),
            (400, "malformed"),
            "{body:?} {problem}"
        );
        assert!(problem.detail.contains("line 1, column"), "{problem}");
    }
}

#[tokio::test]
async fn nul_other_types_and_large_bodies_are_refused() {
    let bench = bench();
    let token = bench.token(Role::Customer);
    let nul = bench
        .post("/things", &token, r#"{"name":"a\u0000","quantity":1}"#)
        .await;
    assert_eq!((nul.status.as_u16(), nul.problem().code.as_ref()), (400, "invalid"));
    let bearer = format!("Bearer {token}");
    let typed = |kind: &'static str| {
        let (bench, bearer) = (&bench, &bearer);
        async move {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            bench
                .ask("POST", "/things", &headers, r#"{"name":"a","quantity":1}"#)
                .await
                .status
                .as_u16()
        }
    };
    assert_eq!(typed("text/plain").await, 415);
    assert_eq!(typed("application/x-www-form-urlencoded").await, 415);
    assert_eq!(typed("application/merge-patch+json").await, 201);
    assert_eq!(typed("application/json; charset=utf-8").await, 201);
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(BODY_MAX));
    let heard = bench.post("/things", &token, &large).await;
    assert_eq!(
        (heard.status.as_u16(), heard.problem().code.as_ref()),
        (413, "too_large")
    );
}

#[tokio::test]
async fn parameters_are_read_or_named() {
    let bench = bench();
    assert_eq!(bench.get("/things?limit=7&inStock=true&other=1").await.body["limit"], 7);
    assert_eq!(bench.get("/things?limit=many&inStock=perhaps").await.faults().len(), 2);
    assert_eq!(
        bench.get("/things?limit=-1").await.faults(),
        ["?limit must be at least 1"]
    );
    assert_eq!(
        bench.get("/things?limit=-1&words=tool,toys").await.faults(),
        [
            "?limit must be at least 1",
            r#"?words must be one of "tool", "toy", or several with commas between them"#
        ]
    );
    assert_eq!(bench.get("/things?sort=name").await.body["sort"], "name");
    assert_eq!(
        bench.get("/things?sort=size").await.faults(),
        [r#"?sort must be one of "newest", "name""#]
    );
    assert_eq!(bench.get("/things?limit=%00").await.status, 400);
    assert_eq!(bench.get("/things/nobody").await.problem().code, "not_found");
    assert_eq!(bench.get(&format!("/thing/things/{}", user())).await.status, 200);
    assert_eq!(page(Some(0), None).unwrap_err().errors[0].pointer, "?limit");
    assert_eq!(page(Some(101), None).unwrap_err().errors[0].pointer, "?limit");
    assert_eq!(page(None, Some("zz")).unwrap_err().errors[0].pointer, "?cursor");
    assert_eq!(page(None, None).unwrap().limit, 20);
}

#[tokio::test]
async fn one_call_has_one_scope_under_all_its_names() {
    let bench = bench();
    let bearer = format!("Bearer {}", bench.token(Role::Customer));
    let body = r#"{"name":"a","quantity":1}"#;
    let seen = async |path: &str, body: &str| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k1")];
        let heard = bench.ask("POST", path, &headers, body).await;
        let seen: Seen = serde_json::from_value(heard.body).unwrap();
        (seen.scope.unwrap(), seen.fingerprint.unwrap())
    };
    let plain = seen("/things", body).await;
    assert_eq!(plain.0, format!("{} POST /things", user()));
    for path in [
        "/api/things",
        "/thing/things",
        "/api/thing/things",
        &format!("/my/{}/things", user()),
    ] {
        assert_eq!(seen(path, body).await, plain, "{path}");
    }
    let other = seen("/my/usr_other/things", body).await;
    assert!(other.0 != plain.0 && other.1 != plain.1);
    let changed = seen("/things", r#"{"name":"b","quantity":1}"#).await;
    assert!(changed.0 == plain.0 && changed.1 != plain.1);
}

#[tokio::test]
async fn keys_are_checked_and_bodies_may_be_missing() {
    let bench = bench();
    let bearer = format!("Bearer {}", bench.token(Role::Customer));
    let path = format!("/things/{}/act", user());
    for (key, status) in [
        ("ok key", 200),
        (&*"x".repeat(255), 200),
        (&*"x".repeat(256), 400),
        ("", 400),
        ("é", 400),
    ] {
        for method in ["POST", "PUT"] {
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
            assert_eq!(bench.ask(method, &path, &headers, "").await.status, status, "{key}");
        }
    }
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(bench.ask("POST", &path, &headers, "{}").await.body, false);
    assert_eq!(bench.ask("POST", &path, &headers, "{\"x\":1}").await.status, 400);
}
