//! Opening an account, and signing in to it.

use api::identity::{Login, Register, Session};
use base::fold;
use serve::Role;
use wire::Cx;

use super::{check_password, check_taken, guests, password_rules, registered, sessions};
use crate::domain::{self, PASSWORD_MAX, User};
use crate::store::{attempts as attempt_rows, passwords as password_rows, users as rows};
use crate::{App, Error, tokens};

/// Opens an account and signs in.
pub(crate) async fn register(app: &App, cx: &Cx, asked: Register) -> Result<Session, Error> {
    let rules = password_rules(&app.config, app.mode);
    let newcomer = domain::newcomer(&asked, rules).map_err(Error::Invalid)?;
    let now = app.clock.now();
    let user = User {
        id: app.ids.next(now),
        number: None,
        version: 0,
        email: newcomer.email,
        username: newcomer.username,
        names: newcomer.names,
        phone: newcomer.phone,
        role: Role::Customer,
        created_at: now,
    };
    // Once before the password is hashed, so that a name that is taken costs nothing; and once where it counts.
    let wanted = user.clone();
    app.db.read(move |tx| check_taken(tx, &wanted, None)).await?;
    let hash = app.hasher.hash(asked.password).await?;
    let guest = guests::guest_of(app, asked.guest_token.as_deref()).await?;
    let entry = sessions::Entry::new(app, guest);
    let cause = cx.clone();
    let opened = app
        .db
        .write(move |tx| {
            check_taken(tx, &user, None)?;
            let mut user = user.clone();
            rows::add(tx, &mut user, Some(&hash), 1)?;
            registered(tx, &user, &cause)?;
            entry.open(tx, user)
        })
        .await?;
    sessions::admit(app, cx, opened, asked.guest_token.is_some()).await
}

/// Signs in. `address` is where the caller is, as far as it is known.
pub(crate) async fn login(app: &App, cx: &Cx, address: &str, asked: Login) -> Result<Session, Error> {
    let Some(name) = asked.email.as_deref().or(asked.username.as_deref()) else {
        return Err(Error::field("/email", "is needed, or `username`"));
    };
    if asked.password.chars().count() > PASSWORD_MAX {
        return Err(Error::field("/password", "is longer than any password here"));
    }
    let name = fold(name);
    let username = asked.email.as_ref().and(asked.username.as_deref()).map(fold);
    let key = tokens::attempt_key(&name, address);
    let attempt = key.clone();
    let (found, attempts) = app
        .db
        .read(move |tx| {
            // People type what they remember: an e-mail address signs in from either field.
            let user = if name.contains('@') {
                rows::by_email(tx, &name)
            } else {
                rows::by_username(tx, &name)
            }?;
            let user = user.filter(|user| {
                username.is_none() || username.as_ref() == user.username.as_ref().map(|login| &login.key)
            });
            let hash = match &user {
                Some(user) => password_rows::password_hash(tx, user.id)?,
                None => None,
            };
            Ok::<_, Error>((user.zip(hash), attempt_rows::attempts(tx, &attempt)?))
        })
        .await?;
    let (id, hash) = found.map(|(user, hash)| (user.id, hash)).unzip();
    check_password(app, key.clone(), attempts, asked.password, hash)
        .await?
        .then_some(())
        .ok_or(Error::WrongCredentials)?;
    let Some(id) = id else {
        return Err(Error::WrongCredentials);
    };

    let guest = guests::guest_of(app, asked.guest_token.as_deref()).await?;
    let entry = sessions::Entry::new(app, guest);
    let had_failures = attempts.is_some();
    let opened = app
        .db
        .write(move |tx| {
            // Read again: the role that counts is the one at this moment.
            let user = rows::by_id(tx, id)?.ok_or(Error::WrongCredentials)?;
            if had_failures {
                attempt_rows::forgive(tx, &key)?;
            }
            entry.open(tx, user)
        })
        .await?;
    sessions::admit(app, cx, opened, asked.guest_token.is_some()).await
}
