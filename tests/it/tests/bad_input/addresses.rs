//! Addresses, parameters, headers, and bytes that are no HTTP.

use std::time::Duration;

use http::Method;
use it::{each, text};
use serde_json::json;

use crate::stage::{Stage, sane};

/// Names in addresses: of the wrong kind, too long, not names at all.
pub async fn names(stage: &Stage) {
    let long = "9".repeat(5_000);
    let names = [
        "0",
        "-1",
        "1.5",
        "99999999999999999999",
        "9223372036854775808",
        "ord_",
        "prd_short",
        "usr_01m7vxwbby2rq20axkq0vrfb2z",
        "prd_01m7vxwbby2rq20axkq0vrfb2z",
        "evt_01m7vxwbby2rq20axkq0vrfb2z",
        "PRD_01M7VXWBBY2RQ20AXKQ0VRFB2Z",
        "%27%3B--",
        "%00",
        "a%00b",
        "%F0%9F%98%80",
        "%ff%fe",
        "..%2F..%2Finternal",
        "null",
        "undefined",
        "%20",
        "%7Bid%7D",
        "a%0D%0Ab",
        long.as_str(),
    ];
    for (path, methods) in stage.document["paths"].as_object().expect("paths") {
        let Some(parameter) = path.split('/').find(|part| part.starts_with('{')) else {
            continue;
        };
        for (method, operation) in methods.as_object().expect("methods") {
            let (who, good) = stage
                .actor(text(operation, "operationId"), text(operation, "x-rights"))
                .await;
            let method: Method = method.to_uppercase().parse().expect("a method");
            for name in names {
                let at = stage.address(&path.replacen(parameter, name, 1));
                let call = who.call(method.clone(), &at);
                let call = if method == Method::GET {
                    call
                } else {
                    call.json(good.clone())
                };
                let answer = call.send().await;
                let what = format!("{method} {}", at.chars().take(80).collect::<String>());
                assert!(
                    [400, 404, 409, 414].contains(&answer.status),
                    "{what}: {} {}",
                    answer.status,
                    answer.text()
                );
            }
        }
    }
}

/// Parameters behind the question mark, and headers.
pub async fn parameters(stage: &Stage) {
    let (shop, mallory) = (&stage.shop, &stage.mallory);
    let foreign = shop.visitor.get("/api/products?limit=1&sort=price").send().await;
    it::product(shop, json!({})).await;
    let link = shop
        .visitor
        .get("/api/products?limit=1&sort=price")
        .send()
        .await
        .header("link")
        .to_owned();
    let cursor = link
        .split("cursor=")
        .nth(1)
        .and_then(|rest| rest.split(['&', '>']).next())
        .expect("a cursor")
        .to_owned();
    assert_eq!(foreign.status, 200);
    let lists = [
        ("/api/products", &shop.visitor),
        ("/api/orders", mallory),
        ("/api/events", &shop.admin),
        ("/api/orders/user/me", mallory),
    ];
    for (path, who) in lists {
        for bad in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=1e2",
            "limit=",
            "limit=99999999999999999999",
            "cursor=%00",
            "cursor=e30",
            "cursor=%F0%9F%98%80",
            "cursor=AAAA",
        ] {
            let answer = who.get(&format!("{path}?{bad}")).send().await;
            let problem = answer.refused(400, "invalid");
            let name = bad.split('=').next().unwrap_or_default();
            assert_eq!(
                each(&problem["errors"], "pointer"),
                [format!("?{name}")],
                "{path}?{bad}"
            );
        }
        for odd in [
            "limit=1&limit=2",
            "&&&=&==",
            "%=%",
            "limit=1%",
            "unknown=%00x",
            "search=%ff",
        ] {
            sane(
                &format!("{path}?{odd}"),
                &who.get(&format!("{path}?{odd}")).send().await,
            );
        }
    }
    // A cursor of another list.
    for path in ["/api/products?sort=name", "/api/products", "/api/events"] {
        let path = format!("{path}{}cursor={cursor}", if path.contains('?') { '&' } else { '?' });
        let answer = shop.admin.get(&path).send().await;
        assert!([200, 400].contains(&answer.status), "{path}: {}", answer.text());
    }
    shop.visitor
        .get(&format!("/api/products?search={}", "x".repeat(201)))
        .send()
        .await
        .refused(400, "invalid");
    // Headers.
    let long = "x".repeat(10_000);
    for (name, value) in [
        ("if-none-match", "W/\"x\", \"y\", junk"),
        ("if-none-match", long.as_str()),
        ("accept-encoding", ";;;q=,,"),
        ("accept", "*/*;q=x"),
        ("traceparent", "00-xyz"),
        ("x-request-id", long.as_str()),
        ("x-forwarded-for", "' OR 1=1"),
        ("content-type", "@"),
        ("range", "bytes=0-1"),
        ("host", "evil.example"),
        ("x-client-address", "127.0.0.1"),
        ("x-actor", "service:orders"),
        ("x-deadline-ms", "-1"),
    ] {
        let path = format!("/api/products/{}", text(&stage.product, "id"));
        let answer = shop.visitor.get(&path).header(name, value).unchecked().send().await;
        assert!(
            [200, 304].contains(&answer.status),
            "{name}: {value}: {} {}",
            answer.status,
            answer.text()
        );
    }
    for path in [
        format!("/api/products/{}", text(&stage.product, "id")),
        format!("/api/products/{}/stock", text(&stage.product, "id")),
    ] {
        let body = if path.ends_with("stock") {
            json!({ "set": 100_000 })
        } else {
            json!({ "vendor": "Smith" })
        };
        for tag in ["junk", "\"c0-s0\"", "\"c1\"", "W/\"\"", "\"c99999999999999999999-s0\""] {
            shop.admin
                .put(&path, body.clone())
                .header("if-match", tag)
                .send()
                .await
                .refused(412, "precondition_failed");
        }
    }
    let huge = "x".repeat(400_000);
    let answer = shop
        .visitor
        .get("/health")
        .header("x-huge", &huge)
        .unchecked()
        .try_send()
        .await;
    assert!(
        answer.is_err() || answer.is_ok_and(|answer| answer.status == 431),
        "a header of 400 kB is not taken"
    );
}

/// Bytes that are no HTTP, straight onto the line.
pub async fn lines(stage: &Stage) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = stage.shop.fleet.base_url().replace("http://", "");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/products HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\nZZ\r\n",
        b"GET /%zz%%% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/products/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"BREW /api/products HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let mut line = tokio::net::TcpStream::connect(&address).await.expect("it listens");
        line.write_all(bytes).await.expect("it is sent");
        line.shutdown().await.expect("it is all");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), line.read_to_end(&mut answer)).await;
        let shown = String::from_utf8_lossy(bytes).into_owned();
        assert!(read.is_ok(), "{shown:?} is never answered");
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{shown:?}: {}", String::from_utf8_lossy(&answer));
    }
}
