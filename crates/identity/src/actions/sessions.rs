//! Sessions: opened, kept alive, ended, asked about.

use api::{Ref, identity as wired};
use base::{Cursor, Page, SessionId, Time, UserId};
use serve::{Caller, Role};
use store::{Once, Tx};
use wire::Cx;

use super::guests::{Guest, merge_now};
use super::users::visible;
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
    device: Option<String>,
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
    pub(super) fn new(app: &App, guest: Option<Guest>, device: Option<String>) -> Self {
        let now = app.clock.now();
        Self {
            session: app.ids.next(now),
            refresh: Refresh::new(&app.ids),
            guest,
            device,
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
        let device = self.device.as_deref();
        session_rows::open(tx, &session, device, &self.refresh.digest, self.now, self.expires_at)?;
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
    let (token, _) = app
        .keys
        .sign_permitted(user.id, user.role, user.permissions, session, lifetime);
    wired::Session {
        user: user.into(),
        token,
        refresh_token: refresh.token,
        token_type: "Bearer".to_owned(),
        expires_in: i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
        merge: None,
    }
}

/// Lets a visitor in without credentials: a session, and an id that no row knows. Nothing is kept of where they come
/// from or with what.
pub(crate) async fn guest(app: &App) -> Result<wired::Session, Error> {
    let user = User::guest(app.ids.next::<UserId>(app.clock.now()));
    let entry = Entry::new(app, None, None);
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

/// Whose sessions `who` means, for themselves or an administrator.
async fn owner(app: &App, caller: Caller, who: Ref) -> Result<UserId, Error> {
    let user = app.db.read(move |tx| visible(tx, caller, &who)).await?;
    // Staff may see people, and not where they are signed in.
    if user.id == caller.id || caller.is_admin() {
        Ok(user.id)
    } else {
        Err(Error::NoSuchUser)
    }
}

/// The sessions of a user that live, the newest first, and where to go on.
pub(crate) async fn sessions_of(
    app: &App,
    caller: Caller,
    who: Ref,
    page: Page,
) -> Result<(Vec<wired::OpenSession>, Option<Cursor>), Error> {
    let user = owner(app, caller, who).await?;
    let before = match &page.after {
        Some(cursor) => {
            let [id] = cursor.parts().map_err(|_| Error::BadCursor)?;
            Some(id.parse::<SessionId>().map_err(|_| Error::BadCursor)?)
        }
        None => None,
    };
    let (now, limit) = (app.clock.now(), page.limit);
    // One more than is shown tells whether there is more.
    let mut found = app
        .db
        .read(move |tx| session_rows::list(tx, user, before, limit + 1, now))
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| Cursor::new([last.id.to_string()]));
    let shown = found.into_iter().map(|session| wired::OpenSession {
        id: session.id,
        started_at: session.started_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
        device: session.device,
        current: session.id == caller.session,
    });
    Ok((shown.collect(), next))
}

/// Ends one session of a user. Answers whether this was done before under the same key.
pub(crate) async fn end_session(
    app: &App,
    cx: &Cx,
    caller: Caller,
    (who, session): (Ref, SessionId),
    once: Option<Once>,
) -> Result<bool, Error> {
    let user = owner(app, caller, who).await?;
    let (now, request_id) = (app.clock.now(), cx.request_id().to_owned());
    let done = app
        .db
        .write_once(once, move |tx| {
            if !session_rows::is_of(tx, session, user, now)? || !session_rows::end(tx, session, now)? {
                return Err(Error::NoSuchSession);
            }
            recorded(tx, caller, &request_id, user, 1)
        })
        .await?;
    app.keys.revoked().end(session);
    Ok(done.replayed)
}

/// Ends all sessions of a user, but for the caller's present one. Answers whether this was done before under the same
/// key.
pub(crate) async fn end_others(
    app: &App,
    cx: &Cx,
    caller: Caller,
    who: Ref,
    once: Option<Once>,
) -> Result<bool, Error> {
    let user = owner(app, caller, who).await?;
    let (now, request_id) = (app.clock.now(), cx.request_id().to_owned());
    let done = app
        .db
        .write_once(once, move |tx| {
            let ended = session_rows::end_all(tx, user, Some(caller.session), now)?;
            if !ended.is_empty() {
                recorded(tx, caller, &request_id, user, ended.len())?;
            }
            Ok::<_, Error>(ended)
        })
        .await?;
    done.value
        .into_iter()
        .for_each(|session| app.keys.revoked().end(session));
    Ok(done.replayed)
}

/// Tells the audit log who ended sessions of somebody else.
fn recorded(tx: &mut Tx<'_>, caller: Caller, request_id: &str, user: UserId, count: usize) -> Result<(), Error> {
    if caller.id == user {
        return Ok(());
    }
    let deed = bus::Deed {
        action: "session.end",
        subject: &user.to_string(),
        before: Some(serde_json::json!({ "sessions": count })),
        after: None,
    };
    Ok(bus::audit(tx, &caller.actor(), request_id, deed)?)
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
