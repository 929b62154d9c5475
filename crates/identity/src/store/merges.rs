//! Rows of guests on their way to an account.

use base::{SessionId, Time, UserId};
use store::{Error, Tx, args};

/// A guest whose cart and orders go to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The guest.
    pub guest: UserId,
    /// The guest's session, which ends when it is done.
    pub session: SessionId,
    /// The account.
    pub user: UserId,
    /// How often the task has tried.
    pub tries: i64,
    /// When it is next to be tried.
    pub due_at: Time,
}

/// Notes a merge, unless the guest's session has ended or the guest goes to somebody else already. Answers what is
/// to be done.
pub fn plan_merge(
    tx: &mut Tx<'_>,
    session: SessionId,
    user: UserId,
    now: Time,
    due_at: Time,
) -> Result<Option<Merge>, Error> {
    tx.run(
        "INSERT INTO identity_merge (guest_id, session_id, user_id, tries, due_at, created_at) \
         SELECT s.user_id, s.id, CAST($2 AS TEXT), 0, CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM identity_session s \
         WHERE s.id = $1 AND s.role = 'guest' AND s.expires_at > $4 ON CONFLICT (guest_id) DO NOTHING",
        &args![session, user, due_at, now],
    )?;
    // Of a guest whose session has ended nothing is promised any more; the task looks once for what is left.
    let sql = "SELECT guest_id, session_id, user_id, tries, due_at FROM identity_merge WHERE session_id = $1 AND user_id = $2 \
         AND EXISTS (SELECT 1 FROM identity_session s WHERE s.id = $1)";
    tx.maybe(sql, &args![session, user], merge)
}

/// Merges that are due, the oldest first.
pub fn merges_due(tx: &mut Tx<'_>, now: Time, limit: u32) -> Result<Vec<Merge>, Error> {
    tx.all(
        "SELECT guest_id, session_id, user_id, tries, due_at FROM identity_merge WHERE due_at <= $1 \
         ORDER BY due_at LIMIT $2",
        &args![now, limit],
        merge,
    )
}

fn merge(row: &store::Row<'_>) -> Result<Merge, Error> {
    Ok(Merge {
        guest: row.get(0)?,
        session: row.get(1)?,
        user: row.get(2)?,
        tries: row.get(3)?,
        due_at: row.get(4)?,
    })
}

/// Takes on a merge that is due; `false` when another process did.
pub fn take_merge(tx: &mut Tx<'_>, merge: &Merge, due_at: Time) -> Result<bool, Error> {
    let sql = "UPDATE identity_merge SET tries = tries + 1, due_at = $3 WHERE guest_id = $1 AND due_at = $2";
    Ok(tx.run(sql, &args![merge.guest, merge.due_at, due_at])? == 1)
}

/// A merge is carried out once more at `due_at`.
///
/// # Errors
/// What the engine refuses.
pub fn merge_again(tx: &mut Tx<'_>, guest: UserId, due_at: Time) -> Result<(), Error> {
    let sql = "UPDATE identity_merge SET due_at = $2 WHERE guest_id = $1";
    tx.run(sql, &args![guest, due_at]).map(drop)
}

/// A merge is done.
pub fn merge_done(tx: &mut Tx<'_>, guest: UserId) -> Result<(), Error> {
    tx.run("DELETE FROM identity_merge WHERE guest_id = $1", &args![guest])
        .map(drop)
}
