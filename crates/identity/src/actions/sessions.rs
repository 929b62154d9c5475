//! Sessions: opened, kept alive, ended, asked about.

use api::identity as wired;
use base::{SessionId, Time, UserId};
use serve::{Caller, Role};
use store::Tx;
use wire::Cx;

use super::guests::{Guest, merge_now};
use crate::domain::User;
use crate::domain::session::{self, Session, Turn};
use crate::store::{merges as merge_rows, sessions as session_rows, users as rows};
use crate::tokens::{Refresh, refresh_digest};
use crate::{App, Error};

/// A session about to be opened: everything that a transaction needs for it.
pub(super) struct Entry {
    session: SessionId,
    refresh: Refresh,
    guest: Option<Guest>,
    now: Time,
    expires_at: Time,
    merge_due_at: Time,
}

/// A session that was opened.
pub(super) struct Opened {
    user: User,
    session: SessionId,
    refresh: Refresh,
    merge: Option<merge_rows::Merge>,
}

impl Entry {
    pub(super) fn new(app: &App, guest: Option<Guest>) -> Self {
        let now = app.clock.now();
        Self {
            session: app.ids.next(now),
            refresh: Refresh::new(&app.ids),
            guest,
            now,
            expires_at: now.after(app.config.refresh_lifetime),
            merge_due_at: now.after(super::guests::MERGE_HEAD_START),
        }
    }

    /// Opens the session, and promises the guest's cart and orders to the user in the same breath.
    pub(super) fn open(&self, tx: &mut Tx<'_>, user: User) -> Result<Opened, Error> {
        let session = Session {
            id: self.session,
            user: user.id,
            role: user.role,
            last_spent: None,
            spent_at: None,
            repeats: 0,
        };
        session_rows::open(tx, &session, &self.refresh.digest, self.now, self.expires_at)?;
        let merge = match self.guest {
            Some(guest) => merge_rows::plan_merge(tx, guest.session, user.id, self.now, self.merge_due_at)?,
            None => None,
        };
        Ok(Opened {
            user,
            session: self.session,
            refresh: self.refresh.clone(),
            merge,
        })
    }
}

/// What whoever just signed in gets: a pair of tokens, and what became of the guest's cart.
pub(super) async fn admit(app: &App, cx: &Cx, opened: Opened, asked_to_merge: bool) -> Result<wired::Session, Error> {
    let merge = match opened.merge {
        Some(merge) => Some(merge_now(app, cx, &merge).await),
        None => asked_to_merge.then(super::guests::nothing),
    };
    Ok(wired::Session {
        merge,
        ..pair(app, opened.user, opened.session, opened.refresh)
    })
}

fn pair(app: &App, user: User, session: SessionId, refresh: Refresh) -> wired::Session {
    let lifetime = app.config.access_lifetime;
    let (token, _) = app.keys.sign_user(user.id, user.role, session, lifetime);
    wired::Session {
        user: user.into(),
        token,
        refresh_token: refresh.token,
        token_type: "Bearer".to_owned(),
        expires_in: i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
        merge: None,
    }
}

/// Lets a visitor in without credentials: a session, and an id that no row knows.
pub(crate) async fn guest(app: &App) -> Result<wired::Session, Error> {
    let user = User::guest(app.ids.next::<UserId>(app.clock.now()));
    let entry = Entry::new(app, None);
    let opened = app.db.write(move |tx| entry.open(tx, user.clone())).await?;
    Ok(pair(app, opened.user, opened.session, opened.refresh))
}

/// What became of a refresh token, committed.
enum Turned {
    Pair(Box<User>, SessionId),
    Ended(SessionId),
    Refused,
}

/// Trades a refresh token for a new pair. One that was spent before ends its session.
pub(crate) async fn refresh(app: &App, token: &str) -> Result<wired::Session, Error> {
    let digest = refresh_digest(token).ok_or(Error::SessionEnded)?;
    let next = Refresh::new(&app.ids);
    let now = app.clock.now();
    let expires_at = now.after(app.config.refresh_lifetime);
    let next_digest = next.digest.clone();
    let turned = app
        .db
        .write(move |tx| {
            let Some(known) = session_rows::known(tx, &digest)? else {
                return Ok(Turned::Refused);
            };
            let session = match session::turn(known, now) {
                Turn::Rotate(session) => {
                    session_rows::rotate(tx, session.id, &digest, &next_digest, now, expires_at)?;
                    session
                }
                Turn::Further(session) => {
                    session_rows::repeat(tx, &session, &next_digest, expires_at)?;
                    session
                }
                Turn::Stolen(session) => {
                    session_rows::end(tx, session.id, now)?;
                    return Ok(Turned::Ended(session.id));
                }
                Turn::Refuse => return Ok(Turned::Refused),
            };
            let user = match (rows::by_id(tx, session.user)?, session.role) {
                (Some(user), _) => user,
                (None, Role::Guest) => User::guest(session.user),
                (None, _) => return Err(Error::SessionEnded),
            };
            Ok(Turned::Pair(Box::new(user), session.id))
        })
        .await?;
    match turned {
        Turned::Pair(user, session) => Ok(pair(app, *user, session, next)),
        Turned::Ended(session) => {
            tracing::warn!(%session, "a refresh token was used again; its session has ended");
            app.keys.revoked().end(session);
            Err(Error::SessionEnded)
        }
        Turned::Refused => Err(Error::SessionEnded),
    }
}

/// Ends the caller's session, and that of the refresh token if it is another one of theirs.
pub(crate) async fn logout(app: &App, caller: Caller, token: Option<&str>) -> Result<(), Error> {
    let digest = token.and_then(refresh_digest);
    let now = app.clock.now();
    let ended = app
        .db
        .write(move |tx| {
            let mut sessions = vec![caller.session];
            if let Some(digest) = &digest {
                let named = session_rows::known(tx, digest)?.and_then(|known| known.session);
                sessions.extend(
                    named
                        .filter(|session| session.user == caller.id)
                        .map(|session| session.id),
                );
            }
            for session in &sessions {
                session_rows::end(tx, *session, now)?;
            }
            Ok::<_, Error>(sessions)
        })
        .await?;
    ended.into_iter().for_each(|session| app.keys.revoked().end(session));
    Ok(())
}

/// What a token that counts says. The session's row is asked, so that the answer is right in every process at once.
pub(crate) async fn verify(app: &App, caller: Caller) -> Result<wired::Verified, Error> {
    let now = app.clock.now();
    if !app
        .db
        .read(move |tx| session_rows::lives(tx, caller.session, now))
        .await?
    {
        app.keys.revoked().end(caller.session);
        return Err(Error::SessionEnded);
    }
    Ok(wired::Verified {
        valid: true,
        user_id: caller.id,
        role: caller.role,
        expires_at: caller.expires,
    })
}

/// Sessions that ended after the mark.
pub(crate) async fn ended(app: &App, after: i64) -> Result<wired::Ended, Error> {
    let ended = app.db.read(move |tx| session_rows::ended(tx, after)).await?;
    let after = ended.last().map_or(after, |(mark, _)| *mark);
    Ok(wired::Ended {
        sessions: ended.into_iter().map(|(_, session)| session).collect(),
        after,
    })
}
