//! Passwords changed and set anew, and sessions that live.

use base::{SessionId, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Changes one's own password.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    /// The present one.
    #[serde(alias = "current_password")]
    pub current_password: String,
    /// The new one: from the configured minimum (8) to 128 characters.
    #[serde(alias = "new_password")]
    pub new_password: String,
}

/// Asks for a mail with which a new password can be set.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForgotPassword {
    /// The account's e-mail address.
    pub email: String,
}

/// What is answered to everybody who asks for a new password.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailOnItsWay {
    /// For people.
    #[schemars(example = &"If there is an account with this address, a mail with a link is on its way.")]
    pub message: String,
}

/// Sets a new password.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetPassword {
    /// What the mail's link holds as `token`.
    #[schemars(example = &"prt_k3Zr0yTq5nXw1uVb8cLm2dPe7fGh4jSa6tYo9iQxW0E")]
    pub token: String,
    /// The new password: from the configured minimum (8) to 128 characters.
    #[serde(alias = "new_password")]
    pub new_password: String,
}

/// A session that lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenSession {
    /// The id.
    pub id: SessionId,
    /// Since when.
    pub started_at: Time,
    /// When its tokens were last renewed, which happens every few minutes while it is used.
    pub last_used_at: Time,
    /// When it ends, unless it is used before.
    pub expires_at: Time,
    /// With what it was begun, e.g. `Firefox on Linux`; null when that is not known.
    #[schemars(example = &"Firefox on Linux")]
    pub device: Option<String>,
    /// Whether it is the session of who asks.
    pub current: bool,
}
