//! API keys: made, listed, used, revoked.

use std::time::Duration;

use api::identity::{ApiKey, Machine, NewKey};
use base::{Cursor, KeyId, Page};
use serde_json::json;
use serve::{Caller, session_of};
use store::{Answered, Once};
use wire::Cx;

use crate::domain::keys as domain;
use crate::store::{keys as rows, sessions as session_rows};
use crate::{App, Error, tokens};

/// How exactly it is noted when a key was last used: who looks for forgotten keys thinks in days, and a write a call
/// would cost more than the call.
const USE_GRAIN: Duration = Duration::from_secs(3600);

/// Makes a key. The secret is in the first answer only: nothing that could be read again holds it, the answer kept for
/// a repeated call included.
pub(crate) async fn make(
    app: &App,
    (caller, cx): (Caller, &Cx),
    asked: NewKey,
    once: Option<Once>,
) -> Result<(ApiKey, bool), Error> {
    let now = app.clock.now();
    let name = domain::name(&asked, now).map_err(Error::Invalid)?;
    let secret = tokens::api_key(&app.ids);
    let digest = serve::digest_of(&secret);
    let key = rows::Key {
        id: app.ids.next(now),
        name,
        permissions: asked.permissions,
        made_by: caller.id,
        created_at: now,
        expires_at: asked.expires_at,
        used_at: None,
    };
    let request_id = cx.request_id().to_owned();
    let done = app
        .db
        .write_once(once, move |tx| {
            rows::add(tx, &key, &digest)?;
            let deed = bus::Deed {
                action: "key.create",
                subject: &key.id.to_string(),
                before: None,
                after: Some(json!({
                    "name": key.name, "permissions": key.permissions, "expiresAt": key.expires_at,
                })),
            };
            bus::audit(tx, &caller.actor(), &request_id, deed)?;
            Ok::<_, Error>(key.id)
        })
        .await?;
    let id = done.value;
    let key = app.db.read(move |tx| rows::by_id(tx, id)).await?;
    let made = ApiKey {
        key: (!done.replayed).then_some(secret),
        ..shown(key.ok_or(Error::NoSuchKey)?)
    };
    Ok((made, done.replayed))
}

fn shown(key: rows::Key) -> ApiKey {
    ApiKey {
        id: key.id,
        name: key.name,
        permissions: key.permissions,
        key: None,
        created_by: key.made_by,
        created_at: key.created_at,
        expires_at: key.expires_at,
        last_used_at: key.used_at,
    }
}

/// A page of keys, newest first, expired ones included, and where the next one begins.
pub(crate) async fn list(app: &App, page: Page) -> Result<(Vec<ApiKey>, Option<Cursor>), Error> {
    let after = match &page.after {
        Some(cursor) => Some(cursor.parts::<1>().map_err(|_| Error::BadCursor)?[0].to_owned()),
        None => None,
    };
    let limit = page.limit;
    let mut keys = app
        .db
        .read(move |tx| rows::list(tx, after.as_deref(), limit + 1))
        .await?;
    let more = keys.len() > limit as usize;
    keys.truncate(limit as usize);
    let next = keys
        .last()
        .filter(|_| more)
        .map(|last| Cursor::new([last.id.to_string()]));
    Ok((keys.into_iter().map(shown).collect(), next))
}

/// Revokes a key: it counts no longer, here at once and everywhere within five seconds.
pub(crate) async fn revoke(
    app: &App,
    (caller, cx): (Caller, &Cx),
    id: KeyId,
    once: Option<Once>,
) -> Result<Answered<()>, Error> {
    let now = app.clock.now();
    let request_id = cx.request_id().to_owned();
    let done = app
        .db
        .write_once(once, move |tx| {
            let key = rows::by_id(tx, id)?.ok_or(Error::NoSuchKey)?;
            if !rows::remove(tx, id)? {
                return Err(Error::NoSuchKey);
            }
            session_rows::note_end(tx, session_of(id), now)?;
            let deed = bus::Deed {
                action: "key.revoke",
                subject: &id.to_string(),
                before: Some(json!({ "name": key.name, "permissions": key.permissions })),
                after: None,
            };
            bus::audit(tx, &caller.actor(), &request_id, deed)?;
            Ok(())
        })
        .await?;
    app.keys.revoked().end(session_of(id));
    Ok(done)
}

/// Whose key has this digest, for the doors of all services.
pub(crate) async fn check(app: &App, digest: String) -> Result<Machine, Error> {
    let key = app.db.read(move |tx| rows::by_digest(tx, &digest)).await?;
    let now = app.clock.now();
    let counts = |key: &rows::Key| key.expires_at.is_none_or(|expires| now < expires);
    let key = key.filter(counts).ok_or(Error::NoSuchKey)?;
    if key.used_at.is_none_or(|used| used.after(USE_GRAIN) <= now) {
        let id = key.id;
        // A key counts also while nothing can be written.
        if let Err(fault) = app.db.write(move |tx| rows::used(tx, id, now)).await {
            tracing::warn!(key = %id, %fault, "the use of a key could not be noted");
        }
    }
    Ok(Machine {
        id: key.id,
        permissions: key.permissions,
        expires_at: key.expires_at,
    })
}
