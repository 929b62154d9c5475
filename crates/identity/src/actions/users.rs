//! What is known of a user, and changing it.

use api::Ref;
use api::identity::ChangeUser;
use base::fold;
use serve::{Caller, Known, Role};
use store::{Once, Tx};

use super::{check_password, check_taken};
use crate::domain::User;
use crate::store::{attempts as attempt_rows, passwords as password_rows, users as rows};
use crate::{App, Error, tokens};

/// The user that `who` names, if the caller may see them: themselves, or anybody for an administrator.
fn visible(tx: &mut Tx<'_>, caller: Caller, who: &Ref) -> Result<User, Error> {
    let own = matches!(who, Ref::User(id) if *id == caller.id);
    named(tx, who)?
        .or_else(|| own.then(|| User::guest(caller.id)))
        .filter(|user| user.id == caller.id || caller.is_admin())
        .ok_or(Error::NoSuchUser)
}

/// The user that `who` names, if they have a row.
fn named(tx: &mut Tx<'_>, who: &Ref) -> Result<Option<User>, Error> {
    Ok(match who {
        Ref::User(id) => rows::by_id(tx, *id)?,
        Ref::Number(number) => rows::by_number(tx, *number)?,
        Ref::Text(name) if name.contains('@') => rows::by_email(tx, &fold(name))?,
        Ref::Text(name) => rows::by_username(tx, &fold(name))?,
        _ => None,
    })
}

/// A user, for themselves or an administrator.
pub(crate) async fn user(app: &App, caller: Caller, who: Ref) -> Result<User, Error> {
    app.db.read(move |tx| visible(tx, caller, &who)).await
}

/// A user, for other services.
pub(crate) async fn known_user(app: &App, who: Ref) -> Result<User, Error> {
    app.db.read(move |tx| named(tx, &who)?.ok_or(Error::NoSuchUser)).await
}

/// Changes the fields given; a new e-mail address needs the caller's password. Answers the user, and whether this
/// was done before under the same key.
pub(crate) async fn change_user(
    app: &App,
    (caller, address): (Caller, &str),
    who: Ref,
    asked: ChangeUser,
    known: Known,
    once: Option<Once>,
) -> Result<(User, bool), Error> {
    // Guesses through a stolen access token are counted like those at the door.
    let key = tokens::attempt_key(&caller.id.to_string(), address);
    let (attempt, named) = (key.clone(), who.clone());
    let (present, hash, attempts) = app
        .db
        .read(move |tx| {
            let hash = password_rows::password_hash(tx, caller.id)?;
            Ok::<_, Error>((
                visible(tx, caller, &named)?,
                hash,
                attempt_rows::attempts(tx, &attempt)?,
            ))
        })
        .await?;
    if present.role == Role::Guest {
        return Err(Error::NoAccount);
    }
    let proven = present.moves(&asked);
    if proven {
        let Some(password) = asked.current_password.clone() else {
            return Err(Error::field("/currentPassword", "is needed for a new e-mail address"));
        };
        if !check_password(app, key, attempts, password, hash).await? {
            return Err(Error::WrongPassword);
        }
    }
    let now = app.clock.now();
    let done = app
        .db
        .write_once(once, move |tx| {
            let present = visible(tx, caller, &who)?;
            known
                .permits(&present.tag())
                .map_err(|problem| Error::Changed(Box::new(problem)))?;
            if present.moves(&asked) && !proven {
                // Somebody moved the account since the password was asked for.
                return Err(Error::field("/currentPassword", "is needed for a new e-mail address"));
            }
            let changed = present.changed(&asked).map_err(Error::Invalid)?;
            check_taken(tx, &changed, Some(changed.id))?;
            rows::save(tx, &changed, now)?;
            // Only the id is kept with the key: who is erased later shall not live on there.
            Ok(changed.id)
        })
        .await?;
    let id = done.value;
    let user = app
        .db
        .read(move |tx| rows::by_id(tx, id))
        .await?
        .ok_or(Error::NoSuchUser)?;
    Ok((user, done.replayed))
}
