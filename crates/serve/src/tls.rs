//! TLS on a listening address: certificate and key from two files, read again when they change.
//!
//! Always holds: what is served is a pair that fits. New files that do not are told of once, and the pair before
//! them stays until they are mended. The files are looked at when somebody connects, at most once a second, so
//! nothing runs while nobody comes.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// How long it may take until changed files are noticed, by the first who connects after it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What we speak, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Certificate and key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault(String);

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsFault {}

/// A certificate and its key, as their files have them. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Pair>);

struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    present: Mutex<Present>,
}

struct Present {
    config: Arc<ServerConfig>,
    stamps: [Option<Stamp>; 2],
    looked: Instant,
}

/// By what a changed file is known.
type Stamp = (SystemTime, u64);

impl Tls {
    /// Reads both PEM files: the certificate with those that lead to its root, and its private key.
    ///
    /// # Errors
    /// A file cannot be read, holds something else, or the two do not belong together.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsFault> {
        let stamps = [stamp(certificate), stamp(key)];
        let config = read(certificate, key)?;
        Ok(Self(Arc::new(Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            present: Mutex::new(Present {
                config,
                stamps,
                looked: now(),
            }),
        })))
    }

    /// What accepts a connection, by the files as they are now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.present())
    }

    fn present(&self) -> Arc<ServerConfig> {
        let Pair {
            certificate,
            key,
            present,
        } = &*self.0;
        let mut present = present.lock().unwrap_or_else(PoisonError::into_inner);
        if now().saturating_duration_since(present.looked) < LOOK_AGAIN {
            return present.config.clone();
        }
        present.looked = now();
        let stamps = [stamp(certificate), stamp(key)];
        if stamps != present.stamps {
            present.stamps = stamps;
            match read(certificate, key) {
                Ok(config) => {
                    tracing::info!(certificate = %certificate.display(), "the certificate has changed and is served from now on");
                    present.config = config;
                }
                Err(fault) => tracing::warn!(
                    %fault,
                    "the certificate has changed, but cannot be used; the one before is served on"
                ),
            }
        }
        present.config.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.0.certificate.display())
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsFault> {
    let fault = |path: &Path, why: &dyn fmt::Display| TlsFault(format!("{}: {why}", path.display()));
    let bytes = |path: &Path| fs::read(path).map_err(|why| fault(path, &why));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|why| fault(certificate, &why))?;
    if chain.is_empty() {
        return Err(fault(certificate, &"holds no certificate (PEM)"));
    }
    let key_bytes = bytes(key)?;
    let secret = PrivateKeyDer::from_pem_slice(&key_bytes).map_err(|why| fault(key, &why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| fault(certificate, &why))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|why| fault(certificate, &why))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

#[allow(clippy::disallowed_methods)] // Only how long ago, by the runtime's clock.
fn now() -> Instant {
    Instant::now()
}
