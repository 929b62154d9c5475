//! Messages to people: one [`Mail`] to one person, by SMTP, into a developer's log, or not at all.
//!
//! What always holds:
//!
//! - a mail carries an id of its sender's, which becomes its `Message-ID`: who sends it again after a lost answer
//!   sends the same message, and mail programs show it once;
//! - nothing that a person typed can become a header or a second recipient: addresses are parsed, line breaks in a
//!   subject become spaces, and the rest is encoded;
//! - an answer of the mail server says whether trying again has a point ([`Fault`]), and never who was written to;
//! - there is no queue here: a service keeps what is to be sent in rows of its own and sends it beside its requests.

mod compose;
mod smtp;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use base::Clock;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

pub use smtp::{Settings, Smtp, SmtpFault};

/// A message to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What it is known by, e.g. the id of the event that it tells of. The same id is the same message.
    pub id: String,
    /// The address, and nothing beside it.
    pub to: String,
    /// What it is about, in a line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// The same for programs that show HTML.
    pub html: Option<String>,
}

/// Why a mail was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The server is not to be reached, is busy, does not know us, or asks to come again: try later.
    #[error("the mail was not sent now: {0}")]
    Temporary(String),
    /// This mail will never be taken: the address is none, or the server will not have it.
    #[error("the mail will never be sent: {0}")]
    Permanent(String),
    /// No mail server is configured.
    #[error("no mail server is configured")]
    Off,
}

impl Fault {
    /// Whether trying again later has a point.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Fault::Temporary(_))
    }
}

/// What sends. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Mailer(Way);

#[derive(Clone)]
enum Way {
    Smtp(Arc<Line>),
    Log,
    Kept(Kept),
    Off,
}

/// A mail server and what is said to it.
struct Line {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: lettre::message::Mailbox,
    clock: Clock,
}

impl Mailer {
    /// By a mail server. Connects when the first mail is sent; asks to be within a Tokio runtime.
    pub fn smtp(smtp: &Smtp, clock: Clock) -> Self {
        Self(Way::Smtp(Arc::new(Line {
            server: smtp.transport(),
            from: smtp.from.clone(),
            clock,
        })))
    }

    /// Into the log, so that a developer without a mail server sees what would have been sent, with its links.
    pub fn log() -> Self {
        Self(Way::Log)
    }

    /// Not at all: what needs mail is refused.
    pub fn off() -> Self {
        Self(Way::Off)
    }

    /// Into a drawer that a test looks into.
    pub fn kept() -> (Self, Kept) {
        let kept = Kept::default();
        (Self(Way::Kept(kept.clone())), kept)
    }

    /// Whether what needs mail may be offered.
    pub fn can_send(&self) -> bool {
        !matches!(self.0, Way::Off)
    }

    /// Whether mails reach the people that they are for: not so those that a developer's log gets.
    pub fn reaches_people(&self) -> bool {
        matches!(self.0, Way::Smtp(_) | Way::Kept(_))
    }

    /// Sends a mail; it was taken over when this answers.
    ///
    /// # Errors
    /// [`Fault::Temporary`] when it may be tried again, else what will not change.
    pub async fn send(&self, mail: &Mail) -> Result<(), Fault> {
        match &self.0 {
            Way::Smtp(line) => {
                let message = compose::message(mail, &line.from, line.clock.now())?;
                line.server
                    .send(message)
                    .await
                    .map(drop)
                    .map_err(|fault| smtp::judged(&fault))
            }
            Way::Log => {
                compose::recipient(mail)?;
                // Development only: there the log is the developer's own, and the link in it is what they wait for.
                tracing::warn!(
                    to = mail.to,
                    subject = mail.subject,
                    text = mail.text,
                    "no mail server is configured; this would have been sent"
                );
                Ok(())
            }
            Way::Kept(kept) => {
                compose::recipient(mail)?;
                kept.take(mail)
            }
            Way::Off => Err(Fault::Off),
        }
    }
}

/// Mails that a test looks at, and faults that it plans.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Drawer>>);

#[derive(Debug, Default)]
struct Drawer {
    mails: Vec<Mail>,
    faults: VecDeque<Fault>,
}

impl Kept {
    /// What was sent so far, the oldest first. A mail that was sent again is there again.
    pub fn mails(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mails.clone()
    }

    /// The next mail that is sent meets this fault. Said several times, several do, in this order.
    pub fn fail_next(&self, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .faults
            .push_back(fault);
    }

    fn take(&self, mail: &Mail) -> Result<(), Fault> {
        let mut drawer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match drawer.faults.pop_front() {
            Some(fault) => Err(fault),
            None => {
                drawer.mails.push(mail.clone());
                Ok(())
            }
        }
    }
}
