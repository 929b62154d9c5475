//! A mail as a message of RFC 5322: everything that people typed becomes a parsed address or encoded text.

use std::time::{Duration, UNIX_EPOCH};

use base::Time;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::{Fault, Mail};

/// The longest subject, in characters: names of shops and numbers of orders fit, a pasted page does not.
const SUBJECT_MAX: usize = 200;

/// Whom the mail goes to.
///
/// # Errors
/// [`Fault::Permanent`] when that is no address.
pub(crate) fn recipient(mail: &Mail) -> Result<Address, Fault> {
    let address = mail.to.trim();
    // The parser lets quoted local parts hold almost anything; what could end a line never passes.
    if address.chars().any(char::is_control) {
        return Err(no_address());
    }
    address.parse().map_err(|_| no_address())
}

fn no_address() -> Fault {
    Fault::Permanent("the address is none".into())
}

/// The message, from the shop, at this moment.
///
/// # Errors
/// [`Fault::Permanent`] when the address is none, or no message can be made of it.
pub(crate) fn message(mail: &Mail, from: &Mailbox, now: Time) -> Result<Message, Fault> {
    let to = Mailbox::new(None, recipient(mail)?);
    let date = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    let builder = Message::builder()
        .from(from.clone())
        .to(to)
        .subject(subject(&mail.subject))
        .message_id(Some(message_id(&mail.id, from.email.domain())))
        .date(date)
        // RFC 3834: holiday replies are for people, not for shops.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".into(),
        ));
    let text = SinglePart::plain(mail.text.clone());
    let made = match &mail.html {
        None => builder.singlepart(text),
        Some(html) => builder.multipart(
            MultiPart::alternative()
                .singlepart(text)
                .singlepart(SinglePart::html(html.clone())),
        ),
    };
    made.map_err(|fault| Fault::Permanent(format!("no message: {fault}")))
}

/// A subject of one line, as long as it may be.
fn subject(text: &str) -> String {
    text.chars()
        .take(SUBJECT_MAX)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// `<id@domain>`, of letters that need no quoting (RFC 5322, section 3.6.4).
fn message_id(id: &str, domain: &str) -> String {
    let safe = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let left: String = id.chars().filter(safe).collect();
    format!("<{left}@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str, id: &str) -> Mail {
        Mail {
            id: id.into(),
            to: to.into(),
            subject: subject.into(),
            text: "Grüße\r\n.\r\nBcc: eve@evil.example\r\n".into(),
            html: Some("<p>Grüße</p>".into()),
        }
    }

    fn written(mail: &Mail) -> Result<String, Fault> {
        let from: Mailbox = "The \"Shop\" <shop@shop.example>"
            .parse()
            .unwrap_or_else(|_| "shop@shop.example".parse().unwrap());
        let made = message(mail, &from, Time::from_micros(1_900_000_000_000_000))?;
        assert_eq!(made.envelope().to().len(), 1);
        Ok(String::from_utf8(made.formatted()).unwrap())
    }

    /// The headers of the message, before the first empty line.
    fn headers(text: &str) -> Vec<&str> {
        text.split("\r\n\r\n")
            .next()
            .unwrap_or_default()
            .split("\r\n")
            .collect()
    }

    #[test]
    fn a_message_says_who_it_is_and_when() {
        let text = written(&mail("ada@example.com", "Your order", "evt_1")).unwrap();
        let headers = headers(&text);
        for wanted in [
            "To: ada@example.com",
            "Subject: Your order",
            "Message-ID: <evt_1@shop.example>",
            "Auto-Submitted: auto-generated",
            "Date: Sun, 17 Mar 2030 17:46:40 +0000",
        ] {
            assert!(headers.contains(&wanted), "{wanted} is missing in {headers:#?}");
        }
    }

    #[test]
    fn nothing_that_was_typed_becomes_a_header_or_a_recipient() {
        for (subject, id) in [
            ("Hello\r\nBcc: eve@evil.example", "evt_1"),
            (
                "Hello\nBcc: eve@evil.example\n\nbody",
                "evt_1>\r\nBcc: eve@evil.example",
            ),
            ("Grüße\r\nBcc: eve@evil.example", "evt_1"),
            ("x\u{2028}Bcc: eve@evil.example\u{85}y\0z", "\u{0}"),
        ] {
            let text = written(&mail("ada@example.com", subject, id)).unwrap();
            for line in headers(&text) {
                assert!(!line.to_lowercase().starts_with("bcc"), "{subject:?} {id:?}: {text}");
            }
        }
        for to in [
            "",
            "ada",
            "ada@example.com, eve@evil.example",
            "ada@example.com\r\nBcc: eve@evil.example",
            "Ada <ada@example.com>",
            "\"a\r\nRCPT TO:<eve@evil.example>\"@example.com",
            "ada@example.com>\r\nRCPT TO:<eve@evil.example",
            "ada@exa mple.com",
        ] {
            assert!(
                matches!(written(&mail(to, "s", "i")), Err(Fault::Permanent(_))),
                "{to:?}"
            );
        }
    }
}
