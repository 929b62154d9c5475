//! Parts that are run: bound, served, stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;

const GRACE: Duration = Duration::from_secs(5);

async fn get_over(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_part_serves_until_it_is_stopped_and_its_tasks_end_last() {
    let deps = deps();
    let runs = Arc::new(AtomicU32::new(0));
    let (again, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let task = {
        let (runs, again, ended) = (runs.clone(), again.clone(), ended.clone());
        Task::new("fragile", move |stop: Stop| {
            let (runs, again, ended) = (runs.clone(), again.clone(), ended.clone());
            async move {
                assert!(runs.fetch_add(1, Ordering::SeqCst) > 0, "the first run panics");
                again.notify_one();
                stop.stopped().await;
                ended.notify_one();
            }
        })
    };
    let part = Part::new("things", &deps, things().finish(()), None).task(task);
    let bound = bind(&[("things", "127.0.0.1:0".parse().unwrap())]).await.unwrap();
    let address = bound[0].address;
    #[allow(clippy::disallowed_methods)] // The supervisor is not among the work that it waits for.
    let running = tokio::task::spawn(run(vec![part], bound, deps.stop.clone(), GRACE));
    let text = get_over(address, "/health").await;
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains(r#""service":"things""#),
        "{text}"
    );
    again.notified().await;
    // A connection that stays open does not hold up the end.
    let idle = TcpStream::connect(address).await.unwrap();
    deps.stop.stop();
    ended.notified().await;
    running.await.unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_told_in_one_sentence() {
    let first = bind(&[("things", "127.0.0.1:0".parse().unwrap())]).await.unwrap();
    let fault = bind(&[("catalog", first[0].address)]).await.unwrap_err().to_string();
    let port = first[0].address.port().to_string();
    for word in [&*port, "in use", "ports.catalog", "IRONMONGER_PORTS_CATALOG"] {
        assert!(fault.contains(word), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_may_name_its_own_time() {
    let slow = || async {
        let work = std::future::pending::<()>();
        let _ = tokio::time::timeout(chassis::REQUEST_TIME * 2, work).await;
        "done"
    };
    let routes = Routes::<()>::new("things", None)
        .add(Route::post("/usual", slow))
        .add(Route::post("/long/{id}", slow).within(chassis::REQUEST_TIME * 3));
    let part = Part::new("things", &deps(), routes.finish(()), None);
    for (path, status) in [("/usual", 503), ("/long/7", 200), ("/api/long/7", 200)] {
        let request = Request::post(path).body(RawBody::empty()).unwrap();
        let response = part.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}
