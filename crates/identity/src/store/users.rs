//! Rows of users.

use base::{Time, UserId};
use serve::{Permissions, Role};
use store::{Error, Row, Tx, args};

use super::{role, words_of};
use crate::domain::{Login, Names, User, crew};

/// A statement that reads users, in the order of columns that [`user`] takes.
macro_rules! users {
    ($rest:literal) => {
        concat!(
            "SELECT id, number, version, email, email_key, username, username_key, name, first_name, last_name, \
             phone, role, created_at, permissions FROM identity_user ",
            $rest
        )
    };
}

fn user(row: &Row<'_>) -> Result<User, Error> {
    let login = |text: usize| -> Result<Option<Login>, Error> {
        let (text, key): (Option<String>, Option<String>) = (row.get(text)?, row.get(text + 1)?);
        Ok(text.zip(key).map(|(text, key)| Login { text, key }))
    };
    let role = role(row, 11)?;
    let given: Option<Permissions> = match row.get::<Option<String>>(13)? {
        Some(_) => Some(row.json(13)?),
        None => None,
    };
    Ok(User {
        id: row.get(0)?,
        number: row.get(1)?,
        version: row.get(2)?,
        email: login(3)?,
        username: login(5)?,
        names: Names {
            name: row.get(7)?,
            first: row.get(8)?,
            last: row.get(9)?,
        },
        phone: row.get(10)?,
        role,
        permissions: crew::permissions_of(role, given),
        created_at: row.get(12)?,
    })
}

/// The user with this id.
pub fn by_id(tx: &mut Tx<'_>, id: UserId) -> Result<Option<User>, Error> {
    tx.maybe(users!("WHERE id = $1"), &args![id], user)
}

/// The user with this number.
pub fn by_number(tx: &mut Tx<'_>, number: i64) -> Result<Option<User>, Error> {
    tx.maybe(users!("WHERE number = $1"), &args![number], user)
}

/// The user with this username, folded.
pub fn by_username(tx: &mut Tx<'_>, key: &str) -> Result<Option<User>, Error> {
    tx.maybe(users!("WHERE username_key = $1"), &args![key], user)
}

/// The user with this e-mail address, folded.
pub fn by_email(tx: &mut Tx<'_>, key: &str) -> Result<Option<User>, Error> {
    tx.maybe(users!("WHERE email_key = $1"), &args![key], user)
}

/// Which of two folded names belong to somebody other than `id` already: e-mail address, username.
pub fn taken(
    tx: &mut Tx<'_>,
    id: Option<UserId>,
    email: Option<&Login>,
    username: Option<&Login>,
) -> Result<(bool, bool), Error> {
    let (email, username) = (email.map(|login| &login.key), username.map(|login| &login.key));
    let own = id.map(|id| id.to_string()).unwrap_or_default();
    let others = tx.all(
        "SELECT email_key, username_key FROM identity_user WHERE (email_key = $1 OR username_key = $2) AND id <> $3",
        &args![email, username, own],
        |row| Ok((row.get::<Option<String>>(0)?, row.get::<Option<String>>(1)?)),
    )?;
    let holds = |wanted: Option<&String>, theirs: &Option<String>| wanted.is_some() && wanted == theirs.as_ref();
    Ok((
        others.iter().any(|(theirs, _)| holds(email, theirs)),
        others.iter().any(|(_, theirs)| holds(username, theirs)),
    ))
}

/// Adds a user, who gets the next number. Names that collide are the caller's to check, in the same transaction;
/// whoever was faster in between makes the closure run again.
pub fn add(tx: &mut Tx<'_>, user: &mut User, hash: Option<&str>, told: i64) -> Result<(), Error> {
    let number = tx.next_number("user")?;
    (user.number, user.version) = (Some(number), 1);
    let added = tx.run(
        "INSERT INTO identity_user (id, number, version, told, username, username_key, email, email_key, name, \
         first_name, last_name, phone, role, password_hash, metadata, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16) ON CONFLICT DO NOTHING",
        &args![
            user.id,
            number,
            user.version,
            told,
            user.username.as_ref().map(|login| &login.text),
            user.username.as_ref().map(|login| &login.key),
            user.email.as_ref().map(|login| &login.text),
            user.email.as_ref().map(|login| &login.key),
            user.names.name.as_ref(),
            user.names.first.as_ref(),
            user.names.last.as_ref(),
            user.phone.as_ref(),
            user.role.as_str(),
            hash,
            "{}",
            user.created_at,
        ],
    )?;
    if added == 1 {
        super::words::enter(tx, user)
    } else {
        Err(tx.conflict())
    }
}

/// Writes a user who was changed from the version before.
pub fn save(tx: &mut Tx<'_>, user: &User, now: Time) -> Result<(), Error> {
    let saved = tx.run(
        "UPDATE identity_user SET version = $2, username = $3, username_key = $4, email = $5, email_key = $6, \
         name = $7, first_name = $8, last_name = $9, phone = $10, updated_at = $11 WHERE id = $1 AND version = $2 - 1",
        &args![
            user.id,
            user.version,
            user.username.as_ref().map(|login| &login.text),
            user.username.as_ref().map(|login| &login.key),
            user.email.as_ref().map(|login| &login.text),
            user.email.as_ref().map(|login| &login.key),
            user.names.name.as_ref(),
            user.names.first.as_ref(),
            user.names.last.as_ref(),
            user.phone.as_ref(),
            now,
        ],
    )?;
    if saved == 1 {
        super::words::enter(tx, user)
    } else {
        Err(tx.conflict())
    }
}

/// Gives a user the role and permissions of `user`, who was changed from the version before.
pub fn set_role(tx: &mut Tx<'_>, user: &User, now: Time) -> Result<(), Error> {
    let permissions = match user.role {
        Role::Staff => Some(words_of(user.permissions)?),
        _ => None,
    };
    let saved = tx.run(
        "UPDATE identity_user SET version = $2, role = $3, permissions = $4, updated_at = $5 \
         WHERE id = $1 AND version = $2 - 1",
        &args![user.id, user.version, user.role.as_str(), permissions, now],
    )?;
    if saved == 1 { Ok(()) } else { Err(tx.conflict()) }
}

/// Users, newest first, from behind the number `after`.
pub fn list(tx: &mut Tx<'_>, role: Option<Role>, after: Option<i64>, limit: u32) -> Result<Vec<User>, Error> {
    let after = after.unwrap_or(i64::MAX);
    match role {
        None => {
            let sql = users!("WHERE number < $1 ORDER BY number DESC LIMIT $2");
            tx.all(sql, &args![after, limit], user)
        }
        Some(role) => {
            let sql = users!("WHERE role = $3 AND number < $1 ORDER BY number DESC LIMIT $2");
            tx.all(sql, &args![after, limit, role.as_str()], user)
        }
    }
}

/// The users with these ids, in no order.
pub fn by_ids(tx: &mut Tx<'_>, ids: &[UserId]) -> Result<Vec<User>, Error> {
    tx.all(users!("WHERE id = ANY($1)"), &[store::texts(ids)], user)
}

/// Whether anybody but `id` is an administrator.
pub fn other_admin(tx: &mut Tx<'_>, id: UserId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM identity_user WHERE role = 'admin' AND id <> $1 LIMIT 1";
    Ok(!tx.all(sql, &args![id], |_| Ok(()))?.is_empty())
}

/// Gives a user a role and a password.
pub fn appoint(tx: &mut Tx<'_>, id: UserId, role: Role, hash: &str, now: Time) -> Result<(), Error> {
    tx.run(
        "UPDATE identity_user SET role = $2, permissions = NULL, password_hash = $3, bcrypt_cost = NULL, \
         version = version + 1, updated_at = $4 WHERE id = $1",
        &args![id, role.as_str(), hash, now],
    )
    .map(drop)
}

/// Whether anybody is an administrator.
pub fn has_admin(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let found = tx.all("SELECT 1 FROM identity_user WHERE role = 'admin' LIMIT 1", &[], |_| {
        Ok(())
    })?;
    Ok(!found.is_empty())
}
