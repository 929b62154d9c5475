//! Identity: customers, guests and staff, their credentials and sessions.

mod arrivals;
mod passwords;

use base::{KeyId, OrderId, SessionId, Time, UserId};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::{Cx, Peer, Problem};

pub use arrivals::{ARRIVALS_MAX, Arrival, Arrivals, Arrived, Came};
pub use passwords::{ChangePassword, ForgotPassword, MailOnItsWay, OpenSession, ResetPassword};

pub use crate::rights::{Area, Permission, Permissions};

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A visitor without credentials.
    Guest,
    /// Somebody with an account.
    Customer,
    /// Works in the shop.
    Staff,
    /// Runs the shop.
    Admin,
}

impl Role {
    /// The word on the wire and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Customer => "customer",
            Role::Staff => "staff",
            Role::Admin => "admin",
        }
    }

    /// Reads [`Role::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        [Role::Guest, Role::Customer, Role::Staff, Role::Admin]
            .into_iter()
            .find(|role| role.as_str() == word)
    }
}

/// Opens an account. `email` or `username` is needed, or both.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "email": "ada@example.com", "password": "correct horse battery", "firstName": "Ada", "lastName": "Forge"
}))]
pub struct Register {
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A name to sign in with: not all digits, no `@`, not like an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// From the configured minimum (8) to 128 characters.
    pub password: String,
    /// The full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Given name; with `lastName` instead of `name`.
    #[serde(default, alias = "first_name", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, alias = "last_name", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// A guest's access or refresh token, whose cart and orders go to the account.
    #[serde(default, alias = "guest_token", skip_serializing_if = "Option::is_none")]
    pub guest_token: Option<String>,
}

/// Signs in.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "email": "ada@example.com", "password": "correct horse battery" }))]
pub struct Login {
    /// The account's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Or its username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password.
    pub password: String,
    /// A guest's access or refresh token, whose cart and orders go to the account.
    #[serde(default, alias = "guest_token", skip_serializing_if = "Option::is_none")]
    pub guest_token: Option<String>,
}

/// A pair of tokens, and whose they are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Who signed in.
    pub user: User,
    /// The access token, for `Authorization: Bearer`.
    pub token: String,
    /// For one new pair at `/api/auth/refresh`.
    pub refresh_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: i64,
    /// What became of the guest's cart, when a `guestToken` was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

/// What became of a guest's cart at registration or login.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Merge {
    /// `merged`, `nothing` (no live guest session or an empty cart) or `pending` (the cart is down; it follows).
    pub status: MergeStatus,
    /// Pieces that are now in the account's cart.
    pub merged: i64,
    /// Pieces that there was no stock for, by SKU.
    pub cut: Vec<Cut>,
}

/// How far a merge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeStatus {
    /// Done.
    Merged,
    /// There was nothing to merge.
    Nothing,
    /// To be done when the cart service answers again.
    Pending,
}

/// Pieces left out of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// Of what.
    pub sku: String,
    /// How many pieces were left out.
    pub pieces: i64,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id.
    pub id: UserId,
    /// A number for people; none for guests who have not ordered.
    pub number: Option<i64>,
    /// The name to sign in with.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// What they may do.
    pub role: Role,
    /// What staff may do in the areas of the shop; administrators may do all of it. Absent for everybody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Since when.
    pub created_at: Time,
}

/// `{user}`: the profile of who asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// Who asks.
    pub user: User,
}

/// Trades a refresh token for a new pair.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "refreshToken": "rt_8Qm3xV1nYtR5uKc7bWz0eJ2hLd9sFgPa4oXiTq6NvE" }))]
pub struct Refresh {
    /// The refresh token.
    #[serde(alias = "refresh_token")]
    pub refresh_token: String,
}

/// Ends the session.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "refreshToken": "rt_8Qm3xV1nYtR5uKc7bWz0eJ2hLd9sFgPa4oXiTq6NvE" }))]
pub struct Logout {
    /// The session's refresh token, if it is at hand; the access token says which session ends.
    #[serde(default, alias = "refresh_token", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// A token that counts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Always true: a token that does not count is a 401.
    pub valid: bool,
    /// Whose it is.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
    /// Until when it counts.
    pub expires_at: Time,
}

/// Changes to a user: the fields given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "name": "Ada Forge", "phone": "+44 20 7946 0000" }))]
pub struct ChangeUser {
    /// A new e-mail address; needs `currentPassword`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A new name to sign in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Given name.
    #[serde(default, alias = "first_name", skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, alias = "last_name", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The present password, for a new e-mail address.
    #[serde(default, alias = "current_password", skip_serializing_if = "Option::is_none")]
    pub current_password: Option<String>,
}

/// Gives somebody a role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "role": "staff", "permissions": ["catalog:write", "orders:read"] }))]
pub struct ChangeRole {
    /// `customer`, `staff` or `admin`.
    pub role: Role,
    /// What staff may do; the usual permissions when absent. Only with the role `staff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
}

/// Makes an API key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "name": "Import from the warehouse", "permissions": ["catalog:write", "orders:read"], "expiresAt": "2035-01-31T12:00:00Z"
}))]
pub struct NewKey {
    /// What it is for, for people: 1 to 100 characters.
    pub name: String,
    /// What the machine may do: at least one permission.
    pub permissions: Permissions,
    /// When it stops counting; never when absent.
    #[serde(default, alias = "expires_at", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// An API key: what lets a machine in, as `Authorization: Bearer imk_…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The id.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// What the machine may do.
    pub permissions: Permissions,
    /// The secret: in the answer to its making only, nobody can read it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The administrator who made it.
    pub created_by: UserId,
    /// Since when.
    pub created_at: Time,
    /// When it stops counting; null for never.
    pub expires_at: Option<Time>,
    /// When it was last used, to the hour; null for not yet.
    pub last_used_at: Option<Time>,
}

/// Sessions that ended, for the processes that verify tokens on their own.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// The sessions, in the order in which they ended.
    pub sessions: Vec<SessionId>,
    /// What to ask with next.
    pub after: i64,
}

/// A guest ordered, and gets a row and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuestOrdered {
    /// What they ordered.
    pub order: OrderId,
}

/// Makes an administrator.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Appoint {
    /// Their e-mail address.
    pub email: String,
    /// Their password; of an account that exists it is replaced.
    pub password: String,
}

/// Who was made an administrator.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Appointed {
    /// The account as it is now.
    pub user: User,
    /// Whether it is new; else its password was replaced, and its sessions have ended.
    pub is_new: bool,
}

/// What other services may ask of identity.
#[derive(Clone, Debug)]
pub struct Client(pub Peer);

/// Asks whose an API key is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckKey {
    /// SHA-256 of the whole key, in hexadecimal digits.
    pub digest: String,
}

/// The machine that an API key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The key's id.
    pub id: KeyId,
    /// What it may do.
    pub permissions: Permissions,
    /// When it expires; none when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

impl Client {
    /// Sessions that ended after the mark `after` (0 at first), oldest first, at most 1,000.
    pub async fn ended(&self, cx: &Cx, after: i64) -> Result<Ended, Problem> {
        self.0
            .call(cx, Method::GET, "/internal/sessions/ended")
            .query(&[("after", after)])
            .fetch()
            .await
    }

    /// The machine whose API key this is the digest of: SHA-256 of the whole key, in hexadecimal digits. None when there is
    /// no such key, or when it has expired or was revoked.
    pub async fn machine(&self, cx: &Cx, digest: &str) -> Result<Option<Machine>, Problem> {
        let body = CheckKey {
            digest: digest.to_owned(),
        };
        self.0
            .call(cx, Method::POST, "/internal/keys/check")
            .json(&body)
            .once()
            .find()
            .await
    }

    /// A user, or none when there is no row (a guest who has not ordered).
    pub async fn user(&self, cx: &Cx, id: UserId) -> Result<Option<User>, Problem> {
        self.0
            .call(cx, Method::GET, format!("/internal/users/{id}"))
            .find()
            .await
    }

    /// A user by id, number, e-mail address or username; none when there is no such row.
    pub async fn find(&self, cx: &Cx, user: &crate::Ref) -> Result<Option<User>, Problem> {
        self.0
            .call(cx, Method::GET, format!("/internal/users/{}", user.segment()))
            .find()
            .await
    }

    /// Makes an administrator, or gives the account of that address the role. For the command line.
    /// Refused: 400 when address or password will not do.
    pub async fn appoint(&self, cx: &Cx, email: &str, password: &str) -> Result<Appointed, Problem> {
        let body = Appoint {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        self.0
            .call(cx, Method::POST, "/internal/admins")
            .json(&body)
            .fetch()
            .await
    }

    /// Takes accounts of another system over, [`ARRIVALS_MAX`] at most, and answers what became of each, in their order.
    /// Harmless to repeat: accounts that are there stay as they are.
    pub async fn take_over(&self, cx: &Cx, users: Vec<Arrival>) -> Result<Vec<Arrived>, Problem> {
        self.0
            .call(cx, Method::POST, "/internal/users/arrivals")
            .json(&Arrivals { users })
            .fetch()
            .await
    }

    /// Gives a guest who orders a row and a number. Harmless to repeat.
    pub async fn guest_ordered(&self, cx: &Cx, id: UserId, order: OrderId) -> Result<(), Problem> {
        self.0
            .call(cx, Method::POST, format!("/internal/guests/{id}"))
            .json(&GuestOrdered { order })
            .once()
            .done()
            .await
    }
}
