//! A mail server: where it is, how it is spoken to, and what its answers mean.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::Fault;

/// How long one step of the conversation may take: servers delay strangers on purpose, but not for minutes.
const STEP: Duration = Duration::from_secs(20);
/// Connections at once: mails are sent beside the requests, and servers count connections.
const CONNECTIONS_MAX: u32 = 4;
/// A connection that nobody uses is closed.
const IDLE: Duration = Duration::from_secs(30);
/// Where mail is handed in (RFC 6409) and where it is handed in under TLS from the start (RFC 8314).
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;
/// How a certificate in PEM begins.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// Answers that say that the server does not know us or wants it otherwise: the operator's to mend, not the mail's
/// fault (RFC 4954, section 6).
const OF_AUTHENTICATION: [u16; 4] = [530, 534, 535, 538];

/// What is configured.
#[derive(Clone, Debug, Default)]
pub struct Settings<'a> {
    /// `smtp://user:password@host:587` (TLS by STARTTLS) or `smtps://user:password@host:465` (TLS from the start).
    /// What a URL cannot hold is percent-encoded. Without TLS only where the address says `?tls=none`.
    pub url: &'a str,
    /// The sender: `shop@example.com` or `Shop <shop@example.com>`.
    pub from: &'a str,
    /// A certificate authority of one's own, in PEM, believed beside the public ones.
    pub authority: Option<&'a [u8]>,
}

/// What is wrong with it: the setting's name within `mail`, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mail.{setting} {detail}")]
pub struct SmtpFault {
    /// `smtp`, `from` or `authority`.
    pub setting: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

/// A mail server, checked and not yet spoken to.
#[derive(Clone)]
pub struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    pub(crate) from: Mailbox,
}

fn fault(setting: &'static str, detail: impl Into<String>) -> SmtpFault {
    SmtpFault {
        setting,
        detail: detail.into(),
    }
}

impl Smtp {
    /// Reads the settings. Says nothing of the password in what it refuses.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn read(settings: &Settings<'_>) -> Result<Self, SmtpFault> {
        let wanted = || {
            fault(
                "smtp",
                "must be like smtp://user:password@host:587 or smtps://user:password@host",
            )
        };
        let url = Url::parse(settings.url).map_err(|_| wanted())?;
        let host = match url.host() {
            // A scheme that browsers do not know leaves addresses of digits as names.
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(wanted()),
        };
        let from: Mailbox = settings.from.parse().map_err(|_| {
            fault(
                "from",
                "must be an address such as shop@example.com or Shop <shop@example.com>",
            )
        })?;
        let mut parameters = TlsParameters::builder(host.clone());
        if let Some(pem) = settings.authority {
            let bad = || fault("authority", "must be a certificate in PEM");
            // The parser takes a file without any certificate for an authority that vouches for nobody.
            let named = std::str::from_utf8(pem).is_ok_and(|text| text.contains(CERTIFICATE));
            let authority = Certificate::from_pem(pem).ok().filter(|_| named).ok_or_else(bad)?;
            parameters = parameters.add_root_certificate(authority);
        }
        let parameters = parameters
            .build()
            .map_err(|problem| fault("smtp", format!("cannot be spoken to by TLS: {problem}")))?;
        let tls = url
            .query_pairs()
            .find(|(name, _)| name == "tls")
            .map(|(_, value)| value.into_owned());
        let (tls, port) = match (url.scheme(), tls.as_deref()) {
            ("smtps", None) => (Tls::Wrapper(parameters), SUBMISSIONS),
            ("smtp", None) => (Tls::Required(parameters), SUBMISSION),
            ("smtp", Some("none")) => (Tls::None, SUBMISSION),
            ("smtp", Some(_)) => return Err(fault("smtp", "knows no other `tls` than `none`")),
            _ => return Err(wanted()),
        };
        let decoded = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(|text| text.into_owned())
                .map_err(|_| wanted())
        };
        let credentials = match url.password() {
            Some(password) => Some(Credentials::new(decoded(url.username())?, decoded(password)?)),
            None if url.username().is_empty() => None,
            None => return Err(fault("smtp", "names a user without a password")),
        };
        if credentials.is_some() && matches!(tls, Tls::None) {
            return Err(fault(
                "smtp",
                "must not send a password without TLS: leave `?tls=none` away",
            ));
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            tls,
            credentials,
            from,
        })
    }

    pub(crate) fn transport(&self) -> AsyncSmtpTransport<Tokio1Executor> {
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(IDLE);
        // Servers want a name in the greeting; the sender's domain is one that is ours.
        let name = ClientId::Domain(self.from.email.domain().to_owned());
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(self.tls.clone())
            .hello_name(name)
            .timeout(Some(STEP))
            .pool_config(pool);
        match &self.credentials {
            Some(credentials) => builder.credentials(credentials.clone()),
            None => builder,
        }
        .build()
    }
}

/// What a refusal means for the mail. The server's own words are left out: they tend to hold the address.
pub(crate) fn judged(error: &Error) -> Fault {
    match error.status().map(u16::from) {
        Some(code) if error.is_permanent() && !OF_AUTHENTICATION.contains(&code) => {
            Fault::Permanent(format!("the mail server answered {code}"))
        }
        Some(code) => Fault::Temporary(format!("the mail server answered {code}")),
        None if error.is_tls() => Fault::Temporary(format!("the mail server cannot be believed: {}", root(error))),
        None if error.is_timeout() => Fault::Temporary("the mail server took too long".into()),
        None => Fault::Temporary(format!("the mail server was not to be reached: {}", root(error))),
    }
}

/// The cause at the bottom: the ones above it repeat it.
fn root(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, from: &str) -> Result<Smtp, SmtpFault> {
        let authority = None;
        Smtp::read(&Settings { url, from, authority })
    }

    #[test]
    fn settings_are_read_or_refused_without_their_secrets() {
        for (url, host, port, tls) in [
            ("smtp://u:p@mail.example.com", "mail.example.com", 587, "starttls"),
            ("smtp://mail.example.com:2525", "mail.example.com", 2525, "starttls"),
            ("smtps://u:p%40%2F@mail.example.com", "mail.example.com", 465, "wrapped"),
            ("smtp://127.0.0.1:1025?tls=none", "127.0.0.1", 1025, "none"),
            ("smtp://[::1]:1025?tls=none", "::1", 1025, "none"),
        ] {
            let smtp = read(url, "Shop <shop@example.com>").unwrap_or_else(|fault| panic!("{url}: {fault}"));
            let found = match smtp.tls {
                Tls::None => "none",
                Tls::Required(_) => "starttls",
                Tls::Wrapper(_) => "wrapped",
                _ => "other",
            };
            assert_eq!((smtp.host.as_str(), smtp.port, found), (host, port, tls), "{url}");
        }
        for (url, from, setting) in [
            ("mail.example.com:587", "shop@example.com", "smtp"),
            ("http://mail.example.com", "shop@example.com", "smtp"),
            ("smtp://", "shop@example.com", "smtp"),
            ("smtp://u:hush@mail.example.com?tls=none", "shop@example.com", "smtp"),
            ("smtp://u:hush@mail.example.com?tls=maybe", "shop@example.com", "smtp"),
            ("smtps://u:hush@mail.example.com?tls=none", "shop@example.com", "smtp"),
            ("smtp://u@mail.example.com", "shop@example.com", "smtp"),
            ("smtp://u:hush@mail.example.com", "the shop", "from"),
            ("smtp://u:hush@mail.example.com", "", "from"),
            (
                "smtp://u:hush@mail.example.com",
                "a@b.example\r\nBcc: eve@evil.example",
                "from",
            ),
        ] {
            let Err(fault) = read(url, from) else {
                panic!("{url} {from} was taken")
            };
            assert_eq!(fault.setting, setting, "{url} {from}");
            assert!(!fault.to_string().contains("hush"), "{fault}");
        }
        let authority = Some(b"none".as_slice());
        let settings = Settings {
            url: "smtps://mail.example.com",
            from: "a@b.example",
            authority,
        };
        assert_eq!(
            Smtp::read(&settings).err().map(|fault| fault.setting),
            Some("authority")
        );
    }
}
