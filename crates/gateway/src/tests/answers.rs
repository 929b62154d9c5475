//! What leaves the edge: problems, codings, and what caches are told of them.

use super::*;

fn vary(response: &Response<Body>) -> String {
    let lines = response.headers().get_all("vary").iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    lines.join(", ")
}

#[tokio::test]
async fn a_long_problem_comes_in_the_coding_that_it_names() {
    let town = town();
    let many: serde_json::Map<String, Value> = (0..60).map(|at| (format!("unknown{at}"), at.into())).collect();
    let headers = [("content-type", "application/json"), ("accept-encoding", "gzip")];
    let body = Value::Object(many).to_string();
    let refused = town.ask("POST", "/api/dev/encrypt", &headers, &body).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-encoding"]),
        (400, &"gzip".parse().unwrap())
    );
    let bytes = axum::body::to_bytes(refused.into_body(), usize::MAX).await.unwrap();
    assert!(bytes.starts_with(&[0x1f, 0x8b]), "{bytes:?}");
}

#[tokio::test]
async fn caches_hear_what_an_answer_depends_on_whatever_it_is() {
    for town in [town(), split_town().await] {
        let tag = town.get("/api/products").await.headers()["etag"].clone();
        let staff = staff_of(&town);
        let check = async |path: &str, headers: &[(&str, &str)], status: u16| {
            let answer = town.ask("GET", path, headers, "").await;
            assert_eq!(answer.status(), status, "{path}");
            let vary = vary(&answer);
            for name in ["accept-encoding", "authorization", "origin"] {
                assert_eq!(vary.matches(name).count(), 1, "{path} {headers:?}: {vary}");
            }
        };
        for takes in ["zstd", "identity"] {
            let taken = ("accept-encoding", takes);
            check("/api/products", &[taken], 200).await;
            // What a 304 says takes the place of what the cache had noted with its copy.
            check("/api/products", &[taken, ("if-none-match", tag.to_str().unwrap())], 304).await;
            check("/api/products/7", &[taken], 200).await;
            check("/api/products", &[taken, ("authorization", &staff)], 200).await;
        }
        town.deps.stop.stop();
    }
}

#[tokio::test]
async fn the_shops_own_files_are_kept_and_asked_for_again() {
    let town = town();
    for path in ["/openapi.json", "/docs/app.js", "/docs/app.css"] {
        let file = town.ask("GET", path, &[("accept-encoding", "zstd")], "").await;
        assert_eq!(file.headers()["content-encoding"], "zstd", "{path}");
        assert_eq!(file.headers()["cache-control"], "public, max-age=0, must-revalidate");
        let tag = file.headers()["etag"].to_str().unwrap().to_owned();
        let again = town.ask("GET", path, &[("if-none-match", &tag)], "").await;
        assert_eq!(again.status(), 304, "{path}");
        let other = town.ask("GET", path, &[("if-none-match", "W/\"0\"")], "").await;
        assert_eq!(other.status(), 200, "{path}");
    }
    for path in ["/health", "/ready"] {
        assert_eq!(town.get(path).await.headers()["cache-control"], "no-store", "{path}");
    }
    assert!(
        vary(&town.get("/").await).contains("accept,"),
        "to people and to programs"
    );
}
