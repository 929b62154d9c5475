//! Who may call what: every route of every service, public and internal, by everybody who could try.
//!
//! The table is written by hand and derived from nothing. A route that is missing in it fails the test, and so does a
//! row that is no route. A new route is one line in `table.rs`.

mod cast;
mod table;

use std::collections::BTreeSet;

use http::Method;
use ironmonger::compose;
use testkit::{Engine, Shape, Shop, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use cast::{Cast, WHO};
use table::{ROWS, Row};

/// A call, as far as rights go.
struct Call<'a> {
    method: &'a str,
    path: &'a str,
    token: Option<&'a str>,
    kind: &'a str,
    body: &'a str,
}

/// The status of the answer. What follows is not waited for: some answers are streams without an end.
async fn status(base: &str, call: &Call<'_>) -> u16 {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("the service listens");
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        call.method,
        call.path,
        call.body.len()
    );
    if let Some(token) = call.token {
        head += &format!("authorization: Bearer {token}\r\n");
    }
    if !call.body.is_empty() {
        head += &format!("content-type: {}\r\n", call.kind);
    }
    let request = format!("{head}\r\n{}", call.body);
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') {
        let mut piece = [0; 512];
        let read = stream.read(&mut piece).await.expect("an answer");
        assert!(read > 0, "{} {}: no answer", call.method, call.path);
        answer.extend_from_slice(&piece[..read]);
    }
    let line = String::from_utf8_lossy(&answer);
    let code = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("{line}"))
}

/// Whether a status is what a cell of the table says: `ok` the call was let in and found what it named; `in` it was let
/// in; a number is the refusal.
fn fits(cell: &str, status: u16) -> bool {
    match cell {
        "ok" => ![401, 403, 404, 405].contains(&status) && status < 500,
        "in" => ![401, 403, 405].contains(&status),
        refusal => refusal == status.to_string(),
    }
}

/// One row: what is wrong with it.
async fn tried(shop: &Shop, cast: &mut Cast, row: &Row) -> Vec<String> {
    let Row {
        service,
        route,
        at,
        needs,
        body,
        cells,
    } = row;
    let (method, _) = route.split_once(' ').expect("a method and a path");
    let base = shop.fleet.part_url(service);
    let cells: Vec<&str> = cells.split_whitespace().collect();
    assert_eq!(cells.len(), WHO.len(), "{service} {route}: a cell for each");
    let mut wrong = Vec::new();
    cast.come_back(shop).await;
    // Who is refused comes first: what the others do may use the record up.
    let refused_first = [false, true].map(|lets_in| {
        let of = move |cell: &str| matches!(cell, "ok" | "in") == lets_in;
        WHO.iter().zip(&cells).filter(move |(_, cell)| of(cell))
    });
    for (who, cell) in refused_first.into_iter().flatten() {
        let token = cast.token(shop, who, needs).await;
        let keeps = !matches!(*cell, "ok" | "in");
        let (at, body) = (cast.fill(shop, at, keeps).await, cast.fill(shop, body, keeps).await);
        let kind = if body.starts_with("Handle") {
            "text/csv"
        } else {
            "application/json"
        };
        let call = Call {
            method,
            path: &at,
            token: token.as_deref(),
            kind,
            body: &body,
        };
        let got = status(&base, &call).await;
        if !fits(cell, got) {
            wrong.push(format!(
                "{service}: {route} ({at}) by {who}: {cell} in the table, {got} answered"
            ));
        }
    }
    wrong
}

/// All routes by service, method and path.
async fn declared() -> BTreeSet<String> {
    let mut routes = compose::declared().await.expect("the shop can be put together");
    routes.extend(gateway::declared());
    let named = |route: &serve::Declared| name(route.service, &format!("{} {}", route.method, route.path));
    routes.iter().map(named).collect()
}

fn name(service: &str, route: &str) -> String {
    format!("{service}: {route}")
}

#[tokio::test]
async fn every_route_has_its_row_and_every_row_its_route() {
    let declared = declared().await;
    let mut rows = BTreeSet::new();
    for row in ROWS {
        rows.insert(name(row.service, row.route));
        assert!(
            row.route
                .split(' ')
                .next()
                .is_some_and(|method| method.parse::<Method>().is_ok())
        );
    }
    let untold: Vec<&String> = declared.difference(&rows).collect();
    let unknown: Vec<&String> = rows.difference(&declared).collect();
    assert!(
        untold.is_empty() && unknown.is_empty(),
        "without a row in rights/table.rs: {untold:#?}\nwithout a route: {unknown:#?}"
    );
}

/// A session that was ended, a key that was revoked, a role that was taken: each service refuses their tokens.
async fn ends_everywhere(shop: &Shop, cast: &Cast, services: &BTreeSet<&str>) {
    let ending = cast.ending(shop).await;
    let ask = async |service: &str, token: &str| {
        let call = Call {
            method: "GET",
            path: "/internal/nothing",
            token: Some(token),
            kind: "",
            body: "",
        };
        status(&shop.fleet.part_url(service), &call).await
    };
    for service in services {
        for token in &ending.tokens {
            assert_eq!(ask(service, token).await, 403, "{service} knows who it is");
        }
    }
    ending.end(shop).await;
    until("what has ended is known everywhere", || async {
        for service in services {
            for token in &ending.tokens {
                match ask(service, token).await {
                    401 => {}
                    other => return Err(format!("{service}: {other}")),
                }
            }
        }
        Ok(())
    })
    .await;
}

/// Every cell of the table; and nothing internal is to be reached through the gateway.
async fn every_cell_holds(shape: Shape, engine: Engine) {
    let shop = Shop::start(shape, engine, &[]).await;
    let mut cast = Cast::gather(&shop).await;
    let services: BTreeSet<&str> = ROWS
        .iter()
        .map(|row| row.service)
        .filter(|service| *service != "gateway")
        .collect();
    ends_everywhere(&shop, &cast, &services).await;
    let mut wrong = Vec::new();
    for row in ROWS {
        wrong.extend(tried(&shop, &mut cast, row).await);
        if row.at.starts_with("/internal/") {
            let token = cast.token(&shop, "service", "").await;
            let (method, _) = row.route.split_once(' ').expect("a method and a path");
            let at = cast.fill(&shop, row.at, true).await;
            for path in [at.clone(), format!("/api{at}")] {
                let call = Call {
                    method,
                    path: &path,
                    token: token.as_deref(),
                    kind: "application/json",
                    body: "{}",
                };
                let got = status(&shop.fleet.base_url(), &call).await;
                if got != 404 {
                    wrong.push(format!("{path} is to be reached through the gateway: {got}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cells do not hold:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn every_cell_holds_in_one_process() {
    every_cell_holds(Shape::One, Engine::Sqlite).await;
}

#[tokio::test]
async fn every_cell_holds_in_a_fleet() {
    every_cell_holds(Shape::Split, Engine::Postgres).await;
}
