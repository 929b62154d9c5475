//! Who has which role, and what staff may do.

use api::Ref;
use api::identity::ChangeRole;
use base::{SessionId, UserId};
use serde_json::json;
use serve::{Caller, Known, Role};
use store::{Once, Tx};
use wire::Cx;

use super::users::named;
use crate::domain::{User, crew};
use crate::store::{sessions as session_rows, users as rows, words as word_rows};
use crate::{App, Error};

/// Gives a user a role, and ends their sessions when it is another one. Answers the user, and whether this was done
/// before under the same key.
pub(crate) async fn change_role(
    app: &App,
    (caller, cx): (Caller, &Cx),
    who: Ref,
    asked: ChangeRole,
    known: Known,
    once: Option<Once>,
) -> Result<(User, bool), Error> {
    let (role, permissions) = crew::role(&asked).map_err(Error::Invalid)?;
    let now = app.clock.now();
    let request_id = cx.request_id().to_owned();
    let done = app
        .db
        .write_once(once, move |tx| {
            let present = named(tx, &who)?.ok_or(Error::NoSuchUser)?;
            known
                .permits(&present.tag())
                .map_err(|problem| Error::Changed(Box::new(problem)))?;
            if present.role == Role::Guest {
                return Err(Error::NoAccount);
            }
            if (present.role, present.permissions) == (role, permissions) {
                return Ok((present.id, Vec::new()));
            }
            if present.role == Role::Admin && role != Role::Admin {
                keep_one_admin(tx, &present)?;
            }
            let changed = User {
                role,
                permissions,
                version: present.version + 1,
                ..present.clone()
            };
            rows::set_role(tx, &changed, now)?;
            word_rows::enter(tx, &changed)?;
            let ended = session_rows::end_all(tx, changed.id, None, now)?;
            let deed = bus::Deed {
                action: "user.role",
                subject: &changed.id.to_string(),
                before: Some(json!({ "role": present.role, "permissions": present.permissions })),
                after: Some(json!({ "role": role, "permissions": permissions })),
            };
            bus::audit(tx, &caller.actor(), &request_id, deed)?;
            Ok((changed.id, ended))
        })
        .await?;
    // At once here; elsewhere when the feed of ended sessions is read.
    let (id, ended): (UserId, Vec<SessionId>) = done.value;
    ended.into_iter().for_each(|session| app.keys.revoked().end(session));
    let user = app.db.read(move |tx| rows::by_id(tx, id)).await?;
    Ok((user.ok_or(Error::NoSuchUser)?, done.replayed))
}

/// Refuses to take the role from the last administrator.
fn keep_one_admin(tx: &mut Tx<'_>, leaving: &User) -> Result<(), Error> {
    // The counter's row is held until the commit: of two administrators who demote each other at the same moment
    // the second one finds themselves alone.
    tx.next_number("demoted")?;
    if rows::other_admin(tx, leaving.id)? {
        Ok(())
    } else {
        Err(Error::LastAdmin)
    }
}
