//! Bodies: no JSON, other forms, other types, texts that have hurt other programs; files and webhooks.

use http::Method;
use it::{each, list, text};
use serde_json::{Map, Value, json};
use serve::{BODY_MAX, BULK_BODY_MAX};
use testkit::until;

use crate::stage::{NASTY, Stage, sane};

/// Bodies that are no JSON, or none of the right form.
pub async fn bodies(stage: &Stage) {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let broken: [&[u8]; 9] = [
        b"{",
        b"nonsense",
        b"{\"a\":1,}",
        b"{\"a\" 1}",
        b"{\"a\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":1e}",
        b"{}{}",
        deep.as_bytes(),
    ];
    for operation in stage.writes().await {
        let name = operation.name();
        for body in broken {
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            let answer = operation.send(body).send().await;
            assert_eq!(answer.status, 400, "{name} with {shown}: {}", answer.text());
        }
        for body in ["[]", "[1]", "\"text\"", "1", "true", "null"] {
            let answer = operation.send(body).send().await;
            assert_eq!(answer.status, 400, "{name} with {body}: {}", answer.text());
        }
        for kind in [
            "text/plain",
            "application/xml",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
        ] {
            let call = operation.who.call(operation.method.clone(), &operation.path);
            call.body(kind, operation.good.to_string())
                .send()
                .await
                .refused(415, "unsupported_media_type");
        }
        let most = if operation.path.ends_with("/bulk") {
            BULK_BODY_MAX
        } else {
            BODY_MAX
        };
        let large = json!({ "a": "x".repeat(most) }).to_string();
        operation.send(large).send().await.refused(413, "too_large");
    }
}

/// All that is wrong with a body is told at once, by pointer.
pub async fn fields(stage: &Stage) {
    for operation in stage.writes().await {
        let name = operation.name();
        let problem = operation
            .send(json!({ "zzz": 1, "yyy": { "x": [] } }).to_string())
            .send()
            .await
            .refused(400, "invalid");
        let told = each(&problem["errors"], "pointer");
        assert!(told.contains(&"/zzz") && told.contains(&"/yyy"), "{name}: {problem}");

        // Every field with a value that none of them takes.
        let free = |schema: &Value| {
            stage
                .schema(schema)
                .get("type")
                .is_none_or(|kind| kind.to_string().contains("object"))
        };
        let names: Vec<&String> = operation
            .fields
            .iter()
            .filter(|(_, schema)| !free(schema))
            .map(|(name, _)| name)
            .collect();
        if names.is_empty() {
            continue;
        }
        let body: Map<String, Value> = names
            .iter()
            .map(|name| ((*name).clone(), json!({ "a": [true] })))
            .collect();
        let problem = operation
            .send(Value::Object(body).to_string())
            .send()
            .await
            .refused(400, "invalid");
        let told = each(&problem["errors"], "pointer");
        for field in names {
            let pointer = format!("/{field}");
            assert!(
                told.iter().any(|one| one.starts_with(&pointer)),
                "{name} does not tell of {pointer}: {problem}"
            );
        }
    }
}

/// Every text of every body, one after the other.
pub async fn texts(stage: &Stage) {
    let long = "x".repeat(100_000);
    for operation in stage.writes().await {
        let is_text = |schema: &Value| {
            schema
                .get("type")
                .is_none_or(|kind| kind.to_string().contains("string"))
        };
        let names = operation
            .fields
            .iter()
            .filter(|(_, schema)| is_text(stage.schema(schema)))
            .map(|(name, _)| name);
        for field in names {
            let with = |value: &str| {
                let mut body = operation.good.clone();
                body[field] = json!(value);
                body.to_string()
            };
            for value in NASTY.iter().copied().chain([long.as_str()]) {
                let what = format!(
                    "{} with {field} {:?}",
                    operation.name(),
                    value.chars().take(30).collect::<String>()
                );
                sane(&what, &operation.send(with(value)).send().await);
            }
            let answer = operation.send(with("a\0b")).send().await;
            assert!(
                [400, 401].contains(&answer.status),
                "{} with U+0000 in {field}: {}",
                operation.name(),
                answer.text()
            );
        }
    }
}

/// What is allowed to be a text comes back as it was.
pub async fn texts_stay_what_they_are(stage: &Stage) {
    let (shop, mallory) = (&stage.shop, &stage.mallory);
    for value in NASTY
        .into_iter()
        .filter(|value| !value.is_empty() && !value.contains(['\r', '\u{1}', '\u{202E}']))
    {
        let made = it::product(
            shop,
            json!({ "name": value, "category": value, "tags": [value], "stock": 5 }),
        )
        .await;
        assert_eq!(
            (text(&made, "name"), text(&made, "category"), &made["tags"]),
            (value, value, &json!([value]))
        );
        let read = shop
            .visitor
            .get(&format!("/api/products/{}", text(&made, "id")))
            .send()
            .await
            .is(200);
        assert_eq!(text(&read, "name"), value);
        let query: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for filter in ["search", "category", "tag"] {
            let path = format!("/api/products?{filter}={query}&limit=100");
            // The search index follows a moment later.
            until(format!("{filter} for {value:?} finds it"), || async {
                let found = shop.visitor.get(&path).send().await.is(200);
                each(&found, "id").contains(&text(&made, "id"))
            })
            .await;
        }
        let address = json!({ "name": value, "street": value, "city": value, "postalCode": "75001", "country": "FR" });
        let body = json!({ "items": [{ "productId": made["id"] }], "shippingAddress": address });
        let order = mallory.post("/api/orders", body).send().await.is(201)["order"].clone();
        assert_eq!(
            (
                text(&order["items"][0], "name"),
                text(&order["shippingAddress"], "street")
            ),
            (value, value)
        );
        let cancel = format!("/api/orders/{}/cancel", text(&order, "id"));
        let order = mallory.put(&cancel, json!({ "reason": value })).send().await.is(200);
        assert_eq!(
            text(list(&order["history"]).last().expect("a history"), "reason"),
            value
        );
        let changed = mallory
            .patch(&format!("/api/users/{}", stage.user), json!({ "name": value }))
            .send()
            .await
            .is(200);
        assert_eq!(text(&changed, "name"), value);
    }
}

/// Product files that are none, and broken ones.
pub async fn files(stage: &Stage) {
    let import = |kind: &str, body: &[u8]| {
        stage
            .shop
            .admin
            .call(Method::POST, "/api/products/import")
            .body(kind, body)
    };
    for body in [
        &b""[..],
        b"\0\0\0\0",
        b"{\"a\":1}",
        b"just words",
        b"\xff\xfe\x00",
        b"a,b,c\n1,2,3\n",
        b"\"unclosed",
    ] {
        let answer = import("text/csv", body).send().await;
        assert_eq!(
            answer.status,
            400,
            "{}: {}",
            String::from_utf8_lossy(body),
            answer.text()
        );
    }
    import("application/json", b"{}")
        .send()
        .await
        .refused(415, "unsupported_media_type");
    let csv = "Handle,Title,Variant Price\n'; DROP TABLE x,\"<b>\",1\nok,Ok,-5\nok2,Ok,1e9\n,No handle,1\nok3,\u{1F600},3\nnul,a\0b,1\n";
    let report = import("text/csv", csv.as_bytes()).send().await.is(200);
    assert!(list(&report["rejected"]).len() >= 4, "{report}");
    assert_eq!(
        stage.shop.visitor.get("/api/products/ok3").send().await.is(200)["name"],
        "\u{1F600}"
    );
}

/// Webhooks that nobody signed.
pub async fn webhooks(stage: &Stage) {
    let path = "/api/payments/webhooks/simulated";
    for body in [&b"{}"[..], b"", b"\xff", b"{\"type\":\"charge.captured\"}"] {
        let call = || {
            stage
                .shop
                .visitor
                .call(Method::POST, path)
                .body("application/json", body)
        };
        call().send().await.refused(400, "bad_webhook");
        let signed = call()
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", "0")
            .header("webhook-signature", "v1,AAAA");
        signed.send().await.refused(400, "bad_webhook");
    }
    stage
        .shop
        .visitor
        .post("/api/payments/webhooks/nobody", json!({}))
        .send()
        .await
        .refused(404, "not_found");
    let large = vec![b'x'; (1 << 20) + 1];
    stage
        .shop
        .visitor
        .call(Method::POST, path)
        .body("application/json", large)
        .send()
        .await
        .refused(413, "too_large");
}
