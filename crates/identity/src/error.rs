//! What identity refuses, and the one place that says how it is told.

use http::StatusCode;
use wire::Problem;

use crate::domain::Fault;
use crate::domain::crew::Barred;

/// Why something was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Fields that are wrong.
    #[error("{}", told(.0))]
    Invalid(Vec<Fault>),
    /// The name belongs to somebody else already.
    #[error("taken: e-mail address {email}, username {username}")]
    Taken {
        /// The e-mail address does.
        email: bool,
        /// The username does.
        username: bool,
    },
    /// No such account, or not its password: which of the two is nobody's business.
    #[error("wrong credentials")]
    WrongCredentials,
    /// Not the password of who changes an e-mail address.
    #[error("wrong password")]
    WrongPassword,
    /// Too many failed sign-ins.
    #[error("slowed for {seconds} s")]
    Slowed {
        /// Until the next one is let through.
        seconds: u32,
    },
    /// Too many tries for an account from an address.
    #[error("too many tries, slowed for {seconds} s")]
    TooManyTries {
        /// Until the next one is let through.
        seconds: u32,
    },
    /// A token for a new password that is good for nothing: spent, too old, or never ours.
    #[error("the token for a new password is spent")]
    ResetTokenSpent,
    /// Mail is needed, and none is sent here.
    #[error("no mail is sent here")]
    NoMail,
    /// No such session, or none of this user.
    #[error("no such session")]
    NoSuchSession,
    /// Too many passwords wait to be hashed.
    #[error("too many passwords wait to be hashed")]
    TooManyPasswords,
    /// A refresh token that is good for nothing, or an access token whose session has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// There is no such user, or none that the caller may see.
    #[error("no such user")]
    NoSuchUser,
    /// There is no such API key, or no longer.
    #[error("no such API key")]
    NoSuchKey,
    /// The caller may see the user, and lacks the permission to change them.
    #[error("without the permission {0}")]
    Without(serve::Permission),
    /// Only administrators change accounts of staff and administrators.
    #[error("the account is one of the staff")]
    Crew,
    /// A machine has no password that could prove who asks.
    #[error("machines change no e-mail addresses")]
    Machine,
    /// The only administrator stays one.
    #[error("the last administrator")]
    LastAdmin,
    /// A cursor of another list.
    #[error("a cursor of another list")]
    BadCursor,
    /// Guests have nothing that could be changed.
    #[error("guests have no account")]
    NoAccount,
    /// The change was meant for another state of the user.
    #[error("{0}")]
    Changed(Box<Problem>),
    /// Argon2 or its threads failed.
    #[error("hashing: {0}")]
    Hashing(String),
    /// The lifetime of access tokens is longer than ends of sessions are remembered.
    #[error("access tokens may last {max} s at most")]
    AccessTooLong {
        /// The most seconds.
        max: u64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// One field that is wrong.
    pub fn field(pointer: &'static str, detail: &str) -> Self {
        Error::Invalid(vec![Fault::new(pointer, detail)])
    }
}

/// Faults as a sentence, for whoever sent no body: the settings, the command line.
fn told(faults: &[Fault]) -> String {
    let faults = faults.iter();
    let each = faults.map(|fault| format!("the {} {}", fault.pointer.trim_start_matches('/'), fault.detail));
    each.collect::<Vec<_>>().join("; ")
}

impl From<Barred> for Error {
    fn from(barred: Barred) -> Self {
        match barred {
            Barred::Unknown => Error::NoSuchUser,
            Barred::Without(permission) => Error::Without(permission),
            Barred::Crew => Error::Crew,
            Barred::Machine => Error::Machine,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(faults) => {
                let problem = Problem::invalid("The body is not as it should be.");
                faults
                    .into_iter()
                    .fold(problem, |problem, fault| problem.field(fault.pointer, fault.detail))
            }
            Error::Taken { email, username } => {
                let (code, detail) = match email {
                    true => (
                        "email_taken",
                        "There is an account with this e-mail address already. Sign in instead.",
                    ),
                    false => (
                        "username_taken",
                        "Somebody else has this username. Please choose another.",
                    ),
                };
                let named = [(email, "/email"), (username, "/username")]
                    .into_iter()
                    .filter(|(taken, _)| *taken);
                named.fold(Problem::conflict(code, detail), |problem, (_, pointer)| {
                    problem.field(pointer, "is taken")
                })
            }
            Error::WrongCredentials => Problem::new(
                StatusCode::UNAUTHORIZED,
                "wrong_credentials",
                "The name or the password is wrong.",
            ),
            Error::WrongPassword => {
                let detail = "This is not your present password.";
                Problem::new(StatusCode::FORBIDDEN, "wrong_password", detail).field("/currentPassword", "is wrong")
            }
            Error::Slowed { seconds } => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                format!("Too many failed attempts. Please wait {seconds} s before the next."),
            )
            .retry_after(seconds),
            Error::TooManyTries { seconds } => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                format!("Too many tries for this account. Please wait {seconds} s before the next."),
            )
            .retry_after(seconds),
            Error::ResetTokenSpent => Problem::new(
                StatusCode::BAD_REQUEST,
                "reset_token_spent",
                "This link for a new password has expired or was used before. Please ask for another.",
            )
            .field("/token", "is good for nothing any more"),
            Error::NoMail => serve::no_mail(),
            Error::NoSuchSession => Problem::not_found("There is no such session."),
            Error::TooManyPasswords => {
                Problem::unavailable("Too many people are signing in just now. Please try again.")
            }
            Error::SessionEnded => Problem::new(
                StatusCode::UNAUTHORIZED,
                "session_ended",
                "The session has ended, or the refresh token was used before. Please sign in again.",
            ),
            Error::NoSuchKey => Problem::not_found("There is no such API key."),
            Error::Without(permission) => Problem::forbidden(format!(
                "This call needs the permission {permission}. An administrator can give it."
            )),
            Error::Crew => Problem::forbidden("Accounts of staff are changed by themselves and by administrators."),
            Error::Machine => Problem::forbidden(
                "A new e-mail address needs a password, and an API key has none. Sign in to do this.",
            ),
            Error::LastAdmin => Problem::conflict(
                "last_admin",
                "This is the only administrator. Make somebody else one first.",
            ),
            Error::BadCursor => Problem::invalid("The parameters of the address are not as they should be.").field(
                "?cursor",
                "is not one of this list; take it from the Link header of the page before",
            ),
            Error::NoSuchUser => Problem::not_found("There is no such user."),
            Error::NoAccount => {
                Problem::forbidden("Guests have no account that could be changed. Please register first.")
            }
            Error::Changed(problem) => *problem,
            Error::Hashing(_) | Error::AccessTooLong { .. } => {
                tracing::error!(%error, "identity failed");
                Problem::internal()
            }
            // Two processes on one database took the same name at the same moment; the engine names the index.
            Error::Store(store::Error::Duplicate(index)) if index.contains("email") => Error::Taken {
                email: true,
                username: false,
            }
            .into(),
            Error::Store(store::Error::Duplicate(index)) if index.contains("username") => Error::Taken {
                email: false,
                username: true,
            }
            .into(),
            Error::Store(error) => serve::of_store(error),
        }
    }
}
