//! TLS served by the program itself.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use testkit::process::{Options, Process};
use testkit::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Writes a new certificate for `localhost` and its key into the folder; the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate is made");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("the folder can be written");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("the folder can be written");
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("a certificate")
}

/// What the shop answers to somebody who trusts this certificate only.
async fn get(port: u16, path: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await?;
    Ok(String::from_utf8_lossy(&told).into_owned())
}

fn options(folder: &Path) -> Options {
    let place = |name: &str| folder.join(name).display().to_string();
    Options {
        data: folder.join("data"),
        env: vec![
            ("IRONMONGER_TLS_CERTIFICATE".to_owned(), place("cert.pem")),
            ("IRONMONGER_TLS_KEY".to_owned(), place("key.pem")),
        ],
        ..Options::default()
    }
}

#[tokio::test]
async fn a_shop_with_a_certificate_speaks_tls_and_follows_its_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = certify(folder.path());
    let shop = Process::start(options(folder.path()));
    until("it says where it listens", || async {
        let said = shop.output();
        if said.contains("gateway listens on https://") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await;
    let port: u16 = shop
        .base_url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let told = get(port, "/api/products", &first)
        .await
        .expect("it speaks TLS")
        .to_lowercase();
    assert!(
        told.starts_with("http/1.1 200") && told.contains("strict-transport-security:"),
        "{told}"
    );
    assert!(
        get(port, "/docs", &first)
            .await
            .expect("it speaks TLS")
            .contains("<html")
    );

    let second = certify(folder.path());
    until("the new certificate is served", || async {
        get(port, "/health", &second).await.map_err(|fault| fault.to_string())
    })
    .await;
    std::fs::write(folder.path().join("cert.pem"), "rubbish").expect("the folder can be written");
    until("the log tells that the newest cannot be used", || async {
        let served = get(port, "/health", &second).await;
        assert!(served.is_ok(), "the one before is served on: {served:?}");
        if shop.output().contains("cannot be used") {
            Ok(())
        } else {
            Err(shop.output())
        }
    })
    .await;
}

#[tokio::test]
async fn a_shop_does_not_open_with_a_certificate_that_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let key = std::fs::read(folder.path().join("key.pem")).expect("the key");
    certify(folder.path());
    std::fs::write(folder.path().join("key.pem"), key).expect("the folder can be written");
    let mut shop = Process::start(options(folder.path()));
    assert!(!shop.wait_exit().await.success());
    assert!(shop.output().contains("cert.pem"), "{}", shop.output());
}
