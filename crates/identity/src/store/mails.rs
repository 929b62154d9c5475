//! Rows of mails that are to be sent.

use base::{RequestId, Time, UserId};
use store::{Error, Row, Tx, args};

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A link to set a new password.
    Reset,
    /// The password was changed.
    Changed,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Reset => "reset",
            Kind::Changed => "changed",
        }
    }
}

/// A mail that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The id.
    pub id: RequestId,
    /// Whom it goes to; none for an account that is not there.
    pub user: Option<UserId>,
    /// What it is about.
    pub kind: Kind,
    /// How often it was tried.
    pub tries: i64,
    /// When it is next to be tried.
    pub due_at: Time,
    /// Since when it waits.
    pub created_at: Time,
}

/// Notes a mail that is to be sent now.
pub fn add(tx: &mut Tx<'_>, id: RequestId, user: Option<UserId>, kind: Kind, now: Time) -> Result<(), Error> {
    let user = user.map(|user| user.to_string());
    tx.run(
        "INSERT INTO identity_mail (id, user_id, kind, tries, due_at, created_at) VALUES ($1, $2, $3, 0, $4, $4)",
        &args![id, user, kind.as_str(), now],
    )
    .map(drop)
}

/// Mails that are due, the oldest first.
pub fn due(tx: &mut Tx<'_>, now: Time, limit: u32) -> Result<Vec<Waiting>, Error> {
    tx.all(
        "SELECT id, user_id, kind, tries, due_at, created_at FROM identity_mail WHERE due_at <= $1 \
         ORDER BY due_at LIMIT $2",
        &args![now, limit],
        waiting,
    )
}

fn waiting(row: &Row<'_>) -> Result<Waiting, Error> {
    let word: String = row.get(2)?;
    let kind = [Kind::Reset, Kind::Changed]
        .into_iter()
        .find(|kind| kind.as_str() == word);
    Ok(Waiting {
        id: row.get(0)?,
        user: row.get(1)?,
        kind: kind.ok_or_else(|| Error::Corrupt(format!("no kind of mail: {word}")))?,
        tries: row.get(3)?,
        due_at: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// Takes on a mail that is due, which nobody else does before `until`; `false` when another process did, or when it is
/// not to be sent any more.
pub fn take(tx: &mut Tx<'_>, mail: &Waiting, until: Time) -> Result<bool, Error> {
    let sql = "UPDATE identity_mail SET tries = tries + 1, due_at = $3 WHERE id = $1 AND due_at = $2";
    Ok(tx.run(sql, &args![mail.id, mail.due_at, until])? == 1)
}

/// A mail that was taken on is tried again at `due_at`.
pub fn wait(tx: &mut Tx<'_>, id: RequestId, due_at: Time) -> Result<(), Error> {
    let sql = "UPDATE identity_mail SET due_at = $2 WHERE id = $1";
    tx.run(sql, &args![id, due_at]).map(drop)
}

/// A mail was sent, or will never be.
pub fn done(tx: &mut Tx<'_>, id: RequestId) -> Result<(), Error> {
    tx.run("DELETE FROM identity_mail WHERE id = $1", &args![id]).map(drop)
}
