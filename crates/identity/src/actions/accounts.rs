//! Opening an account, and signing in to it.

use api::identity::{Login, Register, Session};
use base::fold;
use serve::{Permissions, Role};
use wire::Cx;

use super::tries::{Proof, check_password, count_try};
use super::{check_taken, guests, password_rules, registered, sessions};
use crate::domain::{self, PASSWORD_MAX, User};
use crate::store::{attempts as attempt_rows, passwords as password_rows, users as rows};
use crate::{App, Error, tokens};

/// Where and with what somebody comes.
pub(crate) struct Visit {
    /// Where they are, as far as it is known.
    pub(crate) address: String,
    /// With what, in two words.
    pub(crate) device: Option<String>,
}

/// Opens an account and signs in.
pub(crate) async fn register(app: &App, cx: &Cx, visit: Visit, asked: Register) -> Result<Session, Error> {
    let rules = password_rules(&app.config, app.mode);
    let newcomer = domain::newcomer(&asked, rules).map_err(Error::Invalid)?;
    for name in [&newcomer.email, &newcomer.username].into_iter().flatten() {
        count_try(app, "register", &name.key, &visit.address).await?;
    }
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
        permissions: Permissions::NONE,
        created_at: now,
    };
    // Once before the password is hashed, so that a name that is taken costs nothing; and once where it counts.
    let wanted = user.clone();
    app.db.read(move |tx| check_taken(tx, &wanted, None)).await?;
    let hash = app.hasher.hash(asked.password).await?;
    let guest = guests::guest_of(app, asked.guest_token.as_deref()).await?;
    let entry = sessions::Entry::new(app, guest, visit.device);
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

/// Signs in.
pub(crate) async fn login(app: &App, cx: &Cx, visit: Visit, asked: Login) -> Result<Session, Error> {
    let Some(name) = asked.email.as_deref().or(asked.username.as_deref()) else {
        return Err(Error::field("/email", "is needed, or `username`"));
    };
    if asked.password.chars().count() > PASSWORD_MAX {
        return Err(Error::field("/password", "is longer than any password here"));
    }
    let name = fold(name);
    let username = asked.email.as_ref().and(asked.username.as_deref()).map(fold);
    let key = tokens::attempt_key(&name, &visit.address);
    let (attempt, account) = (key.clone(), name.clone());
    let (id, proof) = app
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
            let id = user.map(|user| user.id);
            Ok::<_, Error>((id, Proof::read(tx, &attempt, id)?))
        })
        .await?;
    proof.check_wait(app.clock.now())?;
    count_try(app, "login", &account, &visit.address).await?;
    let (had_failures, old) = (proof.has_failures(), proof.hash.clone());
    let right = check_password(app, key.clone(), proof, asked.password.clone()).await?;
    let (true, Some(id), Some(old)) = (right, id, old) else {
        return Err(Error::WrongCredentials);
    };
    // Hashed by another system, or at another cost than today's: now that the password is at hand, anew.
    let fresh = match app.hasher.is_outdated(&old) {
        true => Some(app.hasher.hash(asked.password).await?),
        false => None,
    };

    let guest = guests::guest_of(app, asked.guest_token.as_deref()).await?;
    let entry = sessions::Entry::new(app, guest, visit.device);
    let now = app.clock.now();
    let opened = app
        .db
        .write(move |tx| {
            // Written even when it stays as it is: the row is held until the commit, so that whoever sets another
            // password or role at this moment ends this session, too.
            if !password_rows::set(tx, id, Some(&old), fresh.as_deref().unwrap_or(&old), now)? {
                // Changed meanwhile, or hashed anew by a twin of this call.
                return Err(match fresh {
                    Some(_) => Error::TooManyPasswords,
                    None => Error::WrongCredentials,
                });
            }
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
