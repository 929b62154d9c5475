//! What identity refuses, and the one place that says how it is told.

use http::StatusCode;
use wire::Problem;

use crate::domain::Fault;

/// Why something was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Fields that are wrong.
    #[error("fields that are wrong: {0:?}")]
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
    /// Too many passwords wait to be hashed.
    #[error("too many passwords wait to be hashed")]
    TooManyPasswords,
    /// A refresh token that is good for nothing, or an access token whose session has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// There is no such user, or none that the caller may see.
    #[error("no such user")]
    NoSuchUser,
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
            Error::TooManyPasswords => {
                Problem::unavailable("Too many people are signing in just now. Please try again.")
            }
            Error::SessionEnded => Problem::new(
                StatusCode::UNAUTHORIZED,
                "session_ended",
                "The session has ended, or the refresh token was used before. Please sign in again.",
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
