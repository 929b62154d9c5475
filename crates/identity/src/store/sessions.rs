//! Rows of sessions, their refresh tokens and their ends.

use base::{Id as _, SessionId, Time, UserId};
use store::{Error, Tx, Value, args};

use super::role;
use crate::domain::session::{Known, Session};

/// Ends of sessions that are told at once.
pub const ENDED_MAX: u32 = 1_000;
/// Ends of sessions that one batch of statements notes.
const ENDS_AT_ONCE: usize = 1_000;

const NOTE_END: &str = "INSERT INTO identity_ended (seq, session_id, ended_at) VALUES ($1, $2, $3)";

/// Opens a session with its first refresh token.
pub fn open(
    tx: &mut Tx<'_>,
    session: &Session,
    device: Option<&str>,
    digest: &str,
    now: Time,
    expires_at: Time,
) -> Result<(), Error> {
    tx.batch(&[
        (
            "INSERT INTO identity_session (id, user_id, role, last_spent, spent_at, repeats, started_at, expires_at, \
             device) VALUES ($1, $2, $3, NULL, NULL, 0, $4, $5, $6)",
            &args![session.id, session.user, session.role.as_str(), now, expires_at, device],
        ),
        (
            "INSERT INTO identity_refresh (digest, session_id, spent_at, expires_at) VALUES ($1, $2, NULL, $3)",
            &args![digest, session.id, expires_at],
        ),
    ])
    .map(drop)
}

/// What is known of a refresh token.
pub fn known(tx: &mut Tx<'_>, digest: &str) -> Result<Option<Known>, Error> {
    tx.maybe(
        "SELECT r.spent_at, r.expires_at, s.id, s.user_id, s.role, s.last_spent, s.spent_at, s.repeats \
         FROM identity_refresh r LEFT JOIN identity_session s ON s.id = r.session_id WHERE r.digest = $1",
        &args![digest],
        |row| {
            let session = match row.get::<Option<SessionId>>(2)? {
                None => None,
                Some(id) => Some(Session {
                    id,
                    user: row.get(3)?,
                    role: role(row, 4)?,
                    last_spent: row.get(5)?,
                    spent_at: row.get(6)?,
                    repeats: row.get(7)?,
                }),
            };
            Ok(Known {
                digest: digest.to_owned(),
                is_spent: row.get::<Option<Time>>(0)?.is_some(),
                expires_at: row.get(1)?,
                session,
            })
        },
    )
}

/// Trades a refresh token for `next`.
pub fn rotate(
    tx: &mut Tx<'_>,
    session: SessionId,
    spent: &str,
    next: &str,
    now: Time,
    expires_at: Time,
) -> Result<(), Error> {
    let changed = tx.batch(&[
        (
            "UPDATE identity_refresh SET spent_at = $2 WHERE digest = $1 AND spent_at IS NULL",
            &args![spent, now],
        ),
        (
            "UPDATE identity_session SET last_spent = $2, spent_at = $3, repeats = 0, expires_at = $4 WHERE id = $1",
            &args![session, spent, now, expires_at],
        ),
        (
            "INSERT INTO identity_refresh (digest, session_id, spent_at, expires_at) VALUES ($1, $2, NULL, $3)",
            &args![next, session, expires_at],
        ),
    ])?;
    if changed[..2] == [1, 1] {
        Ok(())
    } else {
        Err(tx.conflict())
    }
}

/// Gives `next` for the refresh token that was spent last.
pub fn repeat(tx: &mut Tx<'_>, session: &Session, next: &str, expires_at: Time) -> Result<(), Error> {
    let changed = tx.batch(&[
        (
            "UPDATE identity_session SET repeats = repeats + 1, expires_at = $4 \
             WHERE id = $1 AND last_spent = $2 AND repeats = $3",
            &args![session.id, session.last_spent.as_ref(), session.repeats, expires_at],
        ),
        (
            "INSERT INTO identity_refresh (digest, session_id, spent_at, expires_at) VALUES ($1, $2, NULL, $3)",
            &args![next, session.id, expires_at],
        ),
    ])?;
    if changed[0] == 1 { Ok(()) } else { Err(tx.conflict()) }
}

/// Whether the session lives.
pub fn lives(tx: &mut Tx<'_>, session: SessionId, now: Time) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM identity_session WHERE id = $1 AND expires_at > $2";
    Ok(tx.maybe(sql, &args![session, now], |_| Ok(()))?.is_some())
}

/// Ends a session and notes it for those who verify tokens; `false` when it had ended before. Its refresh tokens
/// stay until they expire: without a session they are good for nothing.
pub fn end(tx: &mut Tx<'_>, session: SessionId, now: Time) -> Result<bool, Error> {
    if tx.run("DELETE FROM identity_session WHERE id = $1", &args![session])? == 0 {
        return Ok(false);
    }
    note_end(tx, session, now)?;
    Ok(true)
}

/// Notes for those who verify tokens and keys that a session is over.
pub fn note_end(tx: &mut Tx<'_>, session: SessionId, now: Time) -> Result<(), Error> {
    // The counter's row is held until the commit, so that ends become visible in the order of their numbers.
    let seq = tx.next_number("ended")?;
    tx.run(NOTE_END, &args![seq, session, now]).map(drop)
}

/// A session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The id.
    pub id: SessionId,
    /// Since when.
    pub started_at: Time,
    /// When its refresh token was last traded; at its start, when it never was.
    pub last_used_at: Time,
    /// When it ends, unless it is used before.
    pub expires_at: Time,
    /// With what it was begun.
    pub device: Option<String>,
}

/// Sessions of a user that live, the newest first, `limit` at most, older than the session `before`.
pub fn list(
    tx: &mut Tx<'_>,
    user: UserId,
    before: Option<SessionId>,
    limit: u32,
    now: Time,
) -> Result<Vec<Listed>, Error> {
    // Ids sort by time; without a mark everything is before the last one that can be.
    let before = before.unwrap_or_else(|| SessionId::from_bits(u128::MAX));
    tx.all(
        "SELECT id, started_at, COALESCE(spent_at, started_at), expires_at, device FROM identity_session \
         WHERE user_id = $1 AND id < $2 AND expires_at > $3 ORDER BY id DESC LIMIT $4",
        &args![user, before, now, limit],
        |row| {
            Ok(Listed {
                id: row.get(0)?,
                started_at: row.get(1)?,
                last_used_at: row.get(2)?,
                expires_at: row.get(3)?,
                device: row.get(4)?,
            })
        },
    )
}

/// Whether this is a session of this user that lives.
pub fn is_of(tx: &mut Tx<'_>, session: SessionId, user: UserId, now: Time) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM identity_session WHERE id = $1 AND user_id = $2 AND expires_at > $3";
    Ok(tx.maybe(sql, &args![session, user, now], |_| Ok(()))?.is_some())
}

/// Ends the sessions of a user, but for `kept`; answers which.
pub fn end_all(tx: &mut Tx<'_>, user: UserId, kept: Option<SessionId>, now: Time) -> Result<Vec<SessionId>, Error> {
    let kept = kept.map(|session| session.to_string()).unwrap_or_default();
    let ended: Vec<SessionId> = tx.all(
        "DELETE FROM identity_session WHERE user_id = $1 AND id <> $2 RETURNING id",
        &args![user, kept],
        |row| row.get(0),
    )?;
    // Somebody who signs in by script has a great many, so not one by one.
    for several in ended.chunks(ENDS_AT_ONCE) {
        let first = tx.next_numbers("ended", several.len() as u32)?;
        let rows: Vec<[Value; 3]> = (first..)
            .zip(several)
            .map(|(seq, session)| [seq.into(), (*session).into(), now.into()])
            .collect();
        let notes: Vec<(&str, &[Value])> = rows.iter().map(|row| (NOTE_END, &row[..])).collect();
        tx.batch(&notes)?;
    }
    Ok(ended)
}

/// Sessions that ended after the mark `after`, oldest first, [`ENDED_MAX`] at most, each with its mark.
pub fn ended(tx: &mut Tx<'_>, after: i64) -> Result<Vec<(i64, SessionId)>, Error> {
    tx.all(
        "SELECT seq, session_id FROM identity_ended WHERE seq > $1 ORDER BY seq LIMIT $2",
        &args![after, ENDED_MAX],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Before when rows have had their time.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Sessions and refresh tokens that have expired.
    pub expired: Time,
    /// Ends whose access tokens have expired.
    pub ended: Time,
    /// Failed sign-ins that count no longer.
    pub attempts: Time,
    /// Tries that count no longer.
    pub tries: Time,
}

/// Deletes what has had its time, `limit` rows a table at most; answers the most that one table lost.
pub fn sweep(tx: &mut Tx<'_>, before: Sweep, limit: u32) -> Result<u64, Error> {
    let gone = tx.batch(&[
        (
            "DELETE FROM identity_session WHERE id IN \
             (SELECT id FROM identity_session WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            &args![before.expired, limit],
        ),
        (
            "DELETE FROM identity_refresh WHERE digest IN \
             (SELECT digest FROM identity_refresh WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            &args![before.expired, limit],
        ),
        (
            "DELETE FROM identity_ended WHERE seq IN \
             (SELECT seq FROM identity_ended WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)",
            &args![before.ended, limit],
        ),
        (
            "DELETE FROM identity_attempt WHERE key IN \
             (SELECT key FROM identity_attempt WHERE last_at < $1 ORDER BY last_at LIMIT $2)",
            &args![before.attempts, limit],
        ),
        (
            "DELETE FROM identity_try WHERE key IN \
             (SELECT key FROM identity_try WHERE since < $1 ORDER BY since LIMIT $2)",
            &args![before.tries, limit],
        ),
        (
            "DELETE FROM identity_reset WHERE digest IN \
             (SELECT digest FROM identity_reset WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            &args![before.expired, limit],
        ),
    ])?;
    Ok(gone.into_iter().max().unwrap_or(0))
}
