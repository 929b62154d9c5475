//! What the provider makes of a token. Pure.

use api::payments::Failure;

/// Charges at once. What an order without a token uses.
pub const TOKEN_DEFAULT: &str = "tok_visa";
/// Is declined.
pub const TOKEN_DECLINED: &str = "tok_declined";
/// Is declined for want of money.
pub const TOKEN_INSUFFICIENT: &str = "tok_insufficient_funds";
/// Fails twice per key, then works.
pub const TOKEN_FLAKY: &str = "tok_flaky";
/// Works, slowly.
pub const TOKEN_SLOW: &str = "tok_slow";
/// Captures, but answers when nobody waits any more.
pub const TOKEN_LATE: &str = "tok_timeout_then_captured";

/// How often [`TOKEN_FLAKY`] fails for each key.
pub const FAULTS: i64 = 2;

/// How an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Prompt,
    /// Slowly, within a patient caller's time.
    Slow,
    /// When nobody waits any more.
    Late,
    /// Not before it has failed [`FAULTS`] times.
    Flaky,
}

/// How a token's charges are answered.
pub fn manner(token: &str) -> Manner {
    match token {
        TOKEN_SLOW => Manner::Slow,
        TOKEN_LATE => Manner::Late,
        TOKEN_FLAKY => Manner::Flaky,
        _ => Manner::Prompt,
    }
}

/// Whether a token's charges are captured; if not, why.
pub fn verdict(token: &str) -> Result<(), Failure> {
    let (code, detail) = match token {
        TOKEN_DEFAULT | TOKEN_FLAKY | TOKEN_SLOW | TOKEN_LATE => return Ok(()),
        TOKEN_DECLINED => ("card_declined", "The card was declined."),
        TOKEN_INSUFFICIENT => ("insufficient_funds", "There is not enough money on the card."),
        _ => ("invalid_token", "The payment token is not known to the provider."),
    };
    Err(Failure {
        code: code.to_owned(),
        detail: detail.to_owned(),
    })
}
