//! What a service answers when its database refuses: the same in every service.

use http::StatusCode;
use wire::Problem;

/// The problem that a store's refusal is to the caller. What is wrong inside is logged here, once, and never told.
///
/// 503 when another try may do, 422 for a key that was used with another request, else 500.
pub fn of_store(error: store::Error) -> Problem {
    match error {
        store::Error::Busy => {
            Problem::unavailable("There is more to do than can be taken in just now. Please try again.")
        }
        store::Error::Down(why) => {
            tracing::warn!(why, "the database is not available");
            Problem::unavailable("The database cannot be reached just now. Please try again.")
        }
        store::Error::Conflict => {
            Problem::unavailable("Too many want to change the same thing just now. Please try again.")
        }
        store::Error::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "This Idempotency-Key was used before with another request. Take a new one for a new request.",
        ),
        other => {
            tracing::error!(fault = %other, "a transaction failed");
            Problem::internal()
        }
    }
}

/// What needs mail is not offered: 501 `mail_not_configured`, for production without a mail server
/// ([`mail::Mailer::can_send`]). Not 503, since trying again has no point.
pub fn no_mail() -> Problem {
    Problem::new(
        StatusCode::NOT_IMPLEMENTED,
        "mail_not_configured",
        "This shop sends no mail, and this needs one. Please ask the people who run it.",
    )
}
