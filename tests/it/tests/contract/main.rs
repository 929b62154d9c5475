//! The contract, row by row, on both engines, in one process and in many: each call with the right rights, on each of its
//! addresses, succeeds as it says, and is refused as it says; the page itself is read and has no row that nobody calls;
//! and the OpenAPI document tells of all of them, is sound, and is the one in the repository.

mod document;
mod page;
mod records;
mod refusals;
mod rows;

use std::collections::BTreeSet;

use document::operations;
use records::Records;
use rows::{CSV, ELSEWHERE, Nobody, Owner, ROWS, Row, Staff};
use serde_json::{Value, json};
use testkit::{Client, Engine, Shape, Shop};

/// One call of the table; what is wrong, if anything is.
async fn called(shop: &Shop, row: &Row, address: &str, records: &Records) -> Option<String> {
    let (method, path, _, id, who, body, status) = *row;
    let (own, address) = address.split_once(' ').unwrap_or((method, address));
    let who = match who {
        Nobody => &shop.visitor,
        Owner => &records.owner,
        Staff => &shop.admin,
    };
    // A query stands where other calls have a body.
    let (query, body) = if body.starts_with('?') { (body, "") } else { ("", body) };
    let address = format!("{address}{query}");
    let call = who.call(own.parse().expect("a method"), &records.fill(&address, id));
    let call = match body {
        "" => call,
        CSV => call.body("text/csv", CSV),
        body => call.body("application/json", records.fill(body, id)),
    };
    let call = if path.starts_with("/api/") {
        call
    } else {
        call.unchecked()
    };
    let answer = call.send().await;
    let wrong = answer.status != status;
    wrong.then(|| {
        format!(
            "{method} {path} at {own} {address}: {status} was to be answered, not {} {}",
            answer.status,
            answer.text()
        )
    })
}

/// A row's addresses, each with its method.
fn addresses(row: &Row) -> BTreeSet<String> {
    let (method, path, also, ..) = *row;
    let also = also.iter().map(|address| match address.contains(' ') {
        true => (*address).to_owned(),
        false => format!("{method} {address}"),
    });
    also.chain([format!("{method} {path}")]).collect()
}

/// What else the document says where an operation answers.
fn told_also(operation: &Value) -> impl Iterator<Item = String> {
    let more = operation["x-also"].as_array().into_iter().flatten();
    more.filter_map(Value::as_str).map(str::to_owned)
}

async fn every_row(shape: Shape, engine: Engine) {
    let shop = Shop::start(shape, engine, &[]).await;
    // What the document adds of its own has to be true as well. It is the same everywhere: once is enough.
    let whole = shape == Shape::One && engine == Engine::Sqlite;
    let document = document::document().1;
    let mut wrong = Vec::new();
    let mut untold: BTreeSet<String> = operations(&document).map(|(name, _)| name).collect();
    let shared = Records::make(&shop).await;
    for row in ROWS {
        let (method, path, ..) = *row;
        let name = format!("{method} {path}");
        let mut addresses = addresses(row);
        match operations(&document).find(|(known, _)| *known == name) {
            Some((_, operation)) if whole => addresses.extend(told_also(operation)),
            Some(_) => {}
            None => wrong.push(format!("{name} is not in the document")),
        }
        untold.remove(&name);
        for address in &addresses {
            // Reads leave the records as they are; everything else gets its own.
            let fault = match method {
                "GET" => called(&shop, row, address, &shared).await,
                _ => called(&shop, row, address, &Records::make(&shop).await).await,
            };
            println!(
                "{engine:?} {shape:?}: {name} at {address}: {}",
                fault.as_deref().unwrap_or("as it says")
            );
            wrong.extend(fault);
        }
    }
    untold.retain(|name| !ELSEWHERE.contains(&name.as_str()));
    let untold = untold.into_iter();
    wrong.extend(untold.map(|name| format!("{name} is in the document and in no row here")));
    println!("{engine:?} {shape:?}: streams, webhooks, bare addresses");
    elsewhere(&shop, &shared).await;
    refusals::every_refusal(&shop).await;
    assert!(
        wrong.is_empty(),
        "{} rows are not as they say:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The rows of [`ELSEWHERE`] that can be called here, and what stands outside `/api`.
async fn elsewhere(shop: &Shop, records: &Records) {
    let order = &records.names["{order}"];
    for (who, path) in [
        (&shop.admin, "/api/events/stream".to_owned()),
        (&records.owner, format!("/api/orders/{order}/events")),
    ] {
        let stream = who.get(&path).open().await;
        let kind = stream.headers["content-type"].to_str().expect("a text");
        assert_eq!((stream.status, kind), (200, "text/event-stream"), "{path}");
    }
    let unsigned = shop.visitor.post("/api/payments/webhooks/simulated", json!({}));
    unsigned.send().await.refused(400, "bad_webhook");
    let unknown = shop.visitor.post("/api/payments/webhooks/nobody", json!({}));
    unknown.send().await.refused(404, "not_found");
    let spent = json!({ "token": "x", "newPassword": "password2" });
    let reset = shop.visitor.post("/api/auth/password/reset", spent).send().await;
    assert_eq!(reset.status, 400, "{}", reset.text());
    for path in [
        "/health",
        "/healthz",
        "/ready",
        "/openapi.json",
        "/docs",
        "/.well-known/jwks.json",
    ] {
        let answer = shop.visitor.get(path).unchecked().send().await;
        assert_eq!(answer.status, 200, "{path}");
    }
    // A service answers its own paths bare and with the gateway's prefix.
    for (part, path) in [
        ("events", "/events"),
        ("catalog", "/products"),
        ("catalog", "/api/products"),
    ] {
        let port = shop.admin.at(&shop.fleet.part_url(part));
        let answer = port.get(path).unchecked().send().await;
        assert_eq!(answer.status, 200, "{path} on the port of {part}: {}", answer.text());
    }
}

#[tokio::test]
async fn every_row_is_as_it_says_on_sqlite_in_one_process() {
    every_row(Shape::One, Engine::Sqlite).await;
}

#[tokio::test]
async fn every_row_is_as_it_says_on_sqlite_a_process_each() {
    every_row(Shape::Split, Engine::Sqlite).await;
}

#[tokio::test]
async fn every_row_is_as_it_says_on_postgres_in_one_process() {
    every_row(Shape::One, Engine::Postgres).await;
}

#[tokio::test]
async fn every_row_is_as_it_says_on_postgres_a_process_each() {
    every_row(Shape::Split, Engine::Postgres).await;
}

/// Who may not is told so, at every guarded row: 401 without a token, 403 or 404 with somebody else's.
#[tokio::test]
async fn every_row_keeps_its_rights() {
    let shop = Shop::start(Shape::One, Engine::Sqlite, &[]).await;
    let records = Records::make(&shop).await;
    let stranger = shop.customer("stranger").await;
    for &(method, path, _, id, who, body, _) in ROWS.iter().filter(|row| !matches!(row.4, Nobody)) {
        // In development, the log is open to callers on the same machine.
        let call = |who: &Client| {
            let call = who.call(method.parse().expect("a method"), &records.fill(path, id));
            let kind = if body == CSV { "text/csv" } else { "application/json" };
            if body.is_empty() {
                call
            } else {
                call.body(kind, records.fill(body, id))
            }
        };
        if path != "/api/events" {
            let answer = call(&shop.visitor).send().await;
            assert_eq!(answer.status, 401, "{method} {path} by nobody: {}", answer.text());
        }
        let theirs =
            matches!(who, Staff) || path.contains("{id}") || path.contains("{userId}") || path.ends_with("/process");
        if theirs {
            let answer = call(&stranger).send().await;
            assert!(
                [403, 404].contains(&answer.status),
                "{method} {path} by a stranger: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
}
