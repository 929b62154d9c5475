//! What stands before a port: TLS that follows its files, bounds of connections, heads and hosts.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::{Guard, Tls};

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

async fn listening(guard: Guard) -> (SocketAddr, Stop) {
    let deps = deps();
    let routes = Routes::<()>::new("town", None)
        .add(Route::get("/hello", || async { "hello" }))
        .add(Route::post("/length", |body: axum::body::Bytes| async move {
            body.len().to_string()
        }))
        .add(Route::post("/typed", |_: Body<Vec<u8>>| async { "read" }));
    let part = Part::new("town", &deps, routes.finish(()), None);
    let mut bound = bind(&[("town", "127.0.0.1:0".parse().unwrap())]).await.unwrap();
    let bound = bound.remove(0).guarded(guard);
    let address = bound.address;
    let stop = deps.stop.clone();
    drop(spawn(run(
        vec![part],
        vec![bound],
        stop.clone(),
        Duration::from_secs(1),
    )));
    (address, stop)
}

async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    let mut told = Vec::new();
    // The other side may refuse and close before it has read everything.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.read_to_end(&mut told).await;
    String::from_utf8_lossy(&told).into_owned()
}

async fn ask(address: SocketAddr, text: &str) -> String {
    say(TcpStream::connect(address).await.unwrap(), text).await
}

/// Writes a certificate for `localhost` and its key; the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()
}

async fn safely(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn tls_of(folder: &TempDir) -> Tls {
    Tls::open(&folder.path().join("cert.pem"), &folder.path().join("key.pem")).unwrap()
}

#[tokio::test]
async fn a_changed_certificate_is_served_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let guard = Guard {
        tls: Some(tls_of(&folder)),
        ..Guard::default()
    };
    let (address, stop) = listening(guard).await;
    let plain = ask(address, HELLO).await;
    assert!(!plain.contains("hello"), "nothing but TLS is spoken: {plain}");
    let stream = safely(address, &first, &[]).await.unwrap();
    assert!(say(stream, HELLO).await.ends_with("hello"));

    let second = certify(folder.path());
    let trusts = async |certificate: &CertificateDer<'static>| safely(address, certificate, &[]).await.is_ok();
    until("the second certificate is served", || trusts(&second)).await;
    assert!(!trusts(&first).await);

    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let tls = Tls::open(&folder.path().join("cert.pem"), &folder.path().join("key.pem"));
    assert!(tls.unwrap_err().to_string().contains("key.pem"));
    assert!(trusts(&second).await, "the one before stays");
    let third = certify(folder.path());
    until("a mended pair is served", || trusts(&third)).await;
    stop.stop();
}

async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..3_000 {
        if holds().await {
            return;
        }
        ticks.tick().await;
    }
    panic!("{what}: did not happen");
}

#[tokio::test]
async fn http_2_is_spoken_with_those_who_can() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let guard = Guard {
        tls: Some(tls_of(&folder)),
        ..Guard::default()
    };
    let (address, stop) = listening(guard).await;
    let stream = safely(address, &certificate, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    drop(spawn(connection));
    let request = http::Request::get("https://localhost/hello").body(axum::body::Body::empty());
    let response = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, http::Version::HTTP_2)
    );
    let stream = safely(address, &certificate, &[b"http/1.1"]).await.unwrap();
    assert!(say(stream, HELLO).await.starts_with("HTTP/1.1 200"));
    stop.stop();
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let (address, stop) = listening(Guard::default()).await;
    let check = async |text: &str, status: u16| {
        let told = ask(address, text).await;
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {told}");
    };
    let post = |lines: &str, body: &str| {
        format!("POST /length HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\r\n{body}")
    };
    check(HELLO, 200).await;
    check(
        "GET http://localhost/hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        200,
    )
    .await;
    check("GET /hello HTTP/1.1\r\nconnection: close\r\n\r\n", 400).await;
    check(
        "GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
        400,
    )
    .await;
    check("GET /hello HTTP/1.1\r\nhost : localhost\r\n\r\n", 400).await;
    check("GET /hello HTTP/1.1\r\nhost: localhost\r\n folded\r\n\r\n", 400).await;
    check(&post("content-length: 2\r\n", "ab"), 200).await;
    check(&post("content-length: 2\r\ncontent-length: 3\r\n", "abc"), 400).await;
    check(&post("content-length: +2\r\n", "ab"), 400).await;
    check(&post("content-length: 2, 3\r\n", "ab"), 400).await;
    check(&post("transfer-encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"), 200).await;
    check(
        &post("transfer-encoding: chunked, identity\r\n", "2\r\nab\r\n0\r\n\r\n"),
        400,
    )
    .await;
    check(&post("transfer-encoding: xchunked\r\n", "2\r\nab\r\n0\r\n\r\n"), 400).await;
    check(&post("transfer-encoding: chunked\r\n", "z\r\nab\r\n0\r\n\r\n"), 400).await;
    // Both lengths: the chunks count, and what would be the rest by the other is no second request.
    let both = post(
        "content-length: 7\r\ntransfer-encoding: chunked\r\n",
        "0\r\n\r\nGET /hello HTTP/1.1\r\n\r\n",
    );
    let told = ask(address, &both).await;
    assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "{told}");
    stop.stop();
}

#[tokio::test]
async fn heads_have_an_end() {
    let (address, stop) = listening(Guard::default()).await;
    let check = async |headers: String, says_why: bool| {
        let text = format!("GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
        let told = ask(address, &text).await;
        assert!(told.starts_with("HTTP/1.1 431"), "{told}");
        assert_eq!(told.contains("headers_too_large"), says_why, "{told}");
    };
    let long = |bytes| format!("x-long: {}\r\n", "x".repeat(bytes));
    let many = |count| (0..count).map(|number| format!("x-{number}: 1\r\n")).collect();
    check(long(33_000), true).await;
    check(long(60_000), true).await;
    check(many(150), true).await;
    check(long(80_000), false).await;
    check(many(300), false).await;
    stop.stop();
}

#[tokio::test]
async fn who_waits_to_be_asked_is_not_asked_for_what_is_refused() {
    let (address, stop) = listening(Guard::default()).await;
    let asked = |length: usize, body: &str| {
        format!(
            "POST /typed HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
    };
    let told = ask(address, &asked(5, "[1,2]")).await;
    assert!(told.starts_with("HTTP/1.1 100 ") && told.ends_with("read"), "{told}");
    let told = ask(address, &asked(5_000_000, "")).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    stop.stop();
}

#[tokio::test]
async fn so_many_connections_and_the_next_one_waits_for_a_place() {
    let guard = Guard {
        connections_max: 2,
        ..Guard::default()
    };
    let (address, stop) = listening(guard).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        held.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(HELLO.as_bytes()).await.unwrap();
    let mut some = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(50), third.read(&mut some)).await;
    assert!(early.is_err(), "it is not answered while the others are held");
    held.pop();
    let mut told = String::new();
    third.read_to_string(&mut told).await.unwrap();
    assert!(told.ends_with("hello"), "{told}");
    stop.stop();
}
