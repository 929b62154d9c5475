//! What is known of a user, and changing it.

use api::Ref;
use api::identity::ChangeUser;
use base::{Cursor, Page, UserId, fold};
use serde_json::{Map, Value};
use serve::{Caller, Known, Role};
use store::{Once, Tx};
use wire::Cx;

use super::check_taken;
use super::tries::{PROOF, Proof, check_password, count_try};
use crate::domain::{User, crew, search};
use crate::store::{passwords as password_rows, users as rows, words as word_rows};
use crate::{App, Error, tokens};

/// The user that `who` names, if the caller may see them: themselves, or anybody for staff with the permission.
pub(super) fn visible(tx: &mut Tx<'_>, caller: Caller, who: &Ref) -> Result<User, Error> {
    let own = caller.key.is_none() && matches!(who, Ref::User(id) if *id == caller.id);
    let found = named(tx, who)?.or_else(|| own.then(|| User::guest(caller.id)));
    let user = found.ok_or(Error::NoSuchUser)?;
    crew::may_see(&caller, &user)?;
    Ok(user)
}

/// The user that `who` names, if they have a row.
pub(super) fn named(tx: &mut Tx<'_>, who: &Ref) -> Result<Option<User>, Error> {
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
    (caller, cx, address): (Caller, &Cx, &str),
    who: Ref,
    asked: ChangeUser,
    known: Known,
    once: Option<Once>,
) -> Result<(User, bool), Error> {
    // Guesses through a stolen access token are counted like those at the door.
    let key = tokens::attempt_key(&caller.id.to_string(), address);
    let (attempt, named) = (key.clone(), who.clone());
    let (present, proof) = app
        .db
        .read(move |tx| {
            let present = visible(tx, caller, &named)?;
            Ok::<_, Error>((present, Proof::read(tx, &attempt, Some(caller.id))?))
        })
        .await?;
    crew::may_change(&caller, &present, &asked)?;
    if present.role == Role::Guest {
        return Err(Error::NoAccount);
    }
    let own = caller.id.to_string();
    if present.id == caller.id && asked.username.is_some() {
        // The refusal tells that somebody has the name, as a registration's does.
        count_try(app, "name", &own, address).await?;
    }
    let proven = present.moves(&asked);
    if proven {
        let Some(password) = asked.current_password.clone() else {
            return Err(Error::field("/currentPassword", "is needed for a new e-mail address"));
        };
        count_try(app, PROOF, &own, address).await?;
        if !check_password(app, key, proof, password).await? {
            return Err(Error::WrongPassword);
        }
    }
    let now = app.clock.now();
    let request_id = cx.request_id().to_owned();
    let done = app
        .db
        .write_once(once, move |tx| {
            let present = visible(tx, caller, &who)?;
            known
                .permits(&present.tag())
                .map_err(|problem| Error::Changed(Box::new(problem)))?;
            crew::may_change(&caller, &present, &asked)?;
            if present.moves(&asked) && !proven {
                // Somebody moved the account since the password was asked for.
                return Err(Error::field("/currentPassword", "is needed for a new e-mail address"));
            }
            let changed = present.changed(&asked).map_err(Error::Invalid)?;
            check_taken(tx, &changed, Some(changed.id))?;
            rows::save(tx, &changed, now)?;
            if present.moves(&asked) {
                // Who reads the mail of the former address shall not set a password by it.
                password_rows::forbid_resets(tx, changed.id)?;
            }
            if changed.id != caller.id {
                let subject = changed.id.to_string();
                bus::audit(tx, &caller.actor(), &request_id, edited(&subject, &present, &changed))?;
            }
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

/// What staff did to somebody's account: which fields changed, and not from what to what.
fn edited<'a>(subject: &'a str, before: &User, after: &User) -> bus::Deed<'a> {
    let fields = [
        ("email", before.email != after.email),
        ("username", before.username != after.username),
        ("name", before.names != after.names),
        ("phone", before.phone != after.phone),
    ];
    let changed = fields.into_iter().filter(|(_, changed)| *changed);
    let changed: Map<String, Value> = changed.map(|(name, _)| (name.to_owned(), "changed".into())).collect();
    bus::Deed {
        action: "user.update",
        subject,
        before: Some(Value::Object(Map::new())),
        after: Some(Value::Object(changed)),
    }
}

/// Which users are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// What their name, address or number begins with; all of them when absent.
    pub(crate) text: Option<String>,
    /// With which role.
    pub(crate) role: Option<Role>,
}

/// A page of users, and where the next one begins: all of them newest first; those that are searched for in the order
/// of the words that they are found under, since that order is an index, whatever it is that is looked for.
pub(crate) async fn list(app: &App, wanted: Wanted, page: Page) -> Result<(Vec<User>, Option<Cursor>), Error> {
    let Some(text) = wanted.text else {
        return newest(app, wanted.role, page).await;
    };
    if let Ref::User(id) = Ref::new(&text) {
        let user = app.db.read(move |tx| rows::by_id(tx, id)).await?;
        let user = user.filter(|user| wanted.role.is_none_or(|role| role == user.role));
        return Ok((user.into_iter().collect(), None));
    }
    let Some(prefix) = search::sought(&text) else {
        return newest(app, wanted.role, page).await;
    };
    let after = match &page.after {
        Some(cursor) => {
            let [word, user] = cursor.parts::<2>().map_err(|_| Error::BadCursor)?;
            Some(word_rows::Place {
                word: word.to_owned(),
                user: user.to_owned(),
            })
        }
        None => None,
    };
    let limit = page.limit as usize;
    let (mut found, users) = app
        .db
        .scan(move |tx| {
            let found = word_rows::found(tx, &prefix, wanted.role, after.as_ref(), page.limit + 1)?;
            let ids: Vec<UserId> = found.iter().map(|(_, id)| *id).collect();
            Ok::<_, Error>((found, rows::by_ids(tx, &ids)?))
        })
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|(word, id)| Cursor::new([word.clone(), id.to_string()]));
    let of = |id: UserId| users.iter().find(|user| user.id == id).cloned();
    Ok((found.into_iter().filter_map(|(_, id)| of(id)).collect(), next))
}

async fn newest(app: &App, role: Option<Role>, page: Page) -> Result<(Vec<User>, Option<Cursor>), Error> {
    let after = match &page.after {
        Some(cursor) => {
            let [number] = cursor.parts::<1>().map_err(|_| Error::BadCursor)?;
            Some(number.parse::<i64>().map_err(|_| Error::BadCursor)?)
        }
        None => None,
    };
    let limit = page.limit as usize;
    let mut users = app
        .db
        .read(move |tx| rows::list(tx, role, after, page.limit + 1))
        .await?;
    let more = users.len() > limit;
    users.truncate(limit);
    let number = users.last().filter(|_| more).and_then(|last| last.number);
    Ok((users, number.map(|number| Cursor::new([number.to_string()]))))
}

/// Enters users of an older release under their words, `batch` at a time; answers how many there were.
pub(crate) async fn enter_missing(app: &App, batch: u32) -> Result<usize, Error> {
    let mut all = 0;
    loop {
        let entered = app
            .db
            .write(move |tx| {
                let missing = word_rows::missing(tx, batch)?;
                for user in rows::by_ids(tx, &missing)? {
                    word_rows::enter(tx, &user)?;
                }
                Ok::<_, Error>(missing.len())
            })
            .await?;
        all += entered;
        if entered < batch as usize {
            return Ok(all);
        }
    }
}
