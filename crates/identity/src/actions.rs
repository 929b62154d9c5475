//! What people can do with their accounts: register, sign in, change what is known of them; and how the first
//! administrator comes to be.

mod guests;
mod sessions;

use api::identity::{ChangeUser, Login, Register};
use api::{Ref, identity as wired};
use base::{UserId, fold};
use serve::{Caller, Known, Mode, Role};
use store::{Db, Once, Outgoing, Tx};
use wire::Cx;

use crate::domain::{self, PASSWORD_MAX, PasswordRules, User};
use crate::store::{self as rows, sessions as session_rows};
use crate::{App, Config, Error, Hasher, tokens};

pub(crate) use guests::{Outcome, carry_out_merge, guest_ordered};
pub(crate) use sessions::{ended, guest, logout, refresh, verify};

fn password_rules(config: &Config, mode: Mode) -> PasswordRules {
    PasswordRules {
        min: config.password_min,
        refuse_common: mode == Mode::Production,
    }
}

/// The event that somebody has an account now: the first one about them.
fn registered(tx: &mut Tx<'_>, user: &User, cx: &Cx) -> Result<(), Error> {
    let now = tx.clock().now();
    // Who registers did not have a name yet when they called.
    let actor = if cx.actor() == wire::ANONYMOUS {
        user.id.to_string()
    } else {
        cx.actor().to_owned()
    };
    tx.emit(Outgoing {
        id: tx.ids().next(now),
        kind: "UserRegistered".into(),
        subject: user.id.to_string(),
        sequence: 1,
        at: now,
        actor,
        request_id: cx.request_id().to_owned(),
        data: serde_json::json!({ "role": user.role }).to_string(),
    })?;
    Ok(())
}

/// Refuses names that somebody else has.
fn check_taken(tx: &mut Tx<'_>, user: &User, of: Option<UserId>) -> Result<(), Error> {
    let (email, username) = rows::taken(tx, of, user.email.as_ref(), user.username.as_ref())?;
    if email || username {
        Err(Error::Taken { email, username })
    } else {
        Ok(())
    }
}

/// Opens an account and signs in.
pub(crate) async fn register(app: &App, cx: &Cx, asked: Register) -> Result<wired::Session, Error> {
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
pub(crate) async fn login(app: &App, cx: &Cx, address: &str, asked: Login) -> Result<wired::Session, Error> {
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
                Some(user) => rows::password_hash(tx, user.id)?,
                None => None,
            };
            Ok::<_, Error>((user.zip(hash), session_rows::attempts(tx, &attempt)?))
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
                session_rows::forgive(tx, &key)?;
            }
            entry.open(tx, user)
        })
        .await?;
    sessions::admit(app, cx, opened, asked.guest_token.is_some()).await
}

/// Whether the password is right; a failure is counted under `key`, and too many slow the next ones.
async fn check_password(
    app: &App,
    key: String,
    attempts: Option<(i64, base::Time)>,
    password: String,
    hash: Option<String>,
) -> Result<bool, Error> {
    let slowed = attempts.and_then(|(failures, last)| domain::session::slowed(failures, last, app.clock.now()));
    if let Some(seconds) = slowed {
        return Err(Error::Slowed { seconds });
    }
    if app.hasher.verify(password, hash).await? {
        return Ok(true);
    }
    let (now, window) = (app.clock.now(), app.config.attempt_window);
    app.db
        .write(move |tx| session_rows::count_failure(tx, &key, window, now))
        .await?;
    Ok(false)
}

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
            let hash = rows::password_hash(tx, caller.id)?;
            Ok::<_, Error>((
                visible(tx, caller, &named)?,
                hash,
                session_rows::attempts(tx, &attempt)?,
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

/// Who was made an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appointed {
    /// Who.
    pub id: UserId,
    /// Whether the account is new; else an old one was raised, with the new password, and its sessions have ended.
    pub is_new: bool,
}

/// Makes an administrator while there is none; answers none when there is one. For `ADMIN_EMAIL` and
/// `ADMIN_PASSWORD` at the start of the process.
///
/// # Errors
/// [`Error::Invalid`] for an address or a password that is none; the database's.
pub async fn ensure_first_admin(
    db: &Db,
    config: &Config,
    mode: Mode,
    email: &str,
    password: &str,
) -> Result<Option<Appointed>, Error> {
    if db.read(rows::has_admin).await? {
        return Ok(None);
    }
    appoint(db, config, mode, email, password, true).await
}

/// Makes an administrator, for the command line. Whoever has the address already is raised.
///
/// # Errors
/// As [`ensure_first_admin`].
pub async fn create_admin(
    db: &Db,
    config: &Config,
    mode: Mode,
    email: &str,
    password: &str,
) -> Result<Appointed, Error> {
    let appointed = appoint(db, config, mode, email, password, false).await?;
    appointed.ok_or_else(|| store::Error::Absent.into())
}

/// [`create_admin`] for the command line beside a running server; answers the account as it then is.
pub(crate) async fn raise(app: &App, asked: &api::identity::Appoint) -> Result<User, Error> {
    let appointed = create_admin(&app.db, &app.config, app.mode, &asked.email, &asked.password).await?;
    known_user(app, Ref::User(appointed.id)).await
}

async fn appoint(
    db: &Db,
    config: &Config,
    mode: Mode,
    email: &str,
    password: &str,
    only_first: bool,
) -> Result<Option<Appointed>, Error> {
    let asked = Register {
        email: Some(email.to_owned()),
        password: password.to_owned(),
        ..Register::default()
    };
    let newcomer = domain::newcomer(&asked, password_rules(config, mode)).map_err(Error::Invalid)?;
    let (now, ids) = (db.clock().now(), db.ids().clone());
    let hash = Hasher::start(config.password_cost, 1, ids.clone())?
        .hash(asked.password)
        .await?;
    let id = ids.next(now);
    let cx = Cx::new(ids.next::<base::RequestId>(now).to_string(), "service:identity");
    db.write(move |tx| {
        if only_first && rows::has_admin(tx)? {
            return Ok(None);
        }
        let email = newcomer.email.clone();
        let present = match &email {
            Some(email) => rows::by_email(tx, &email.key)?,
            None => None,
        };
        if let Some(present) = present {
            // Whoever opened this account without being the administrator is turned out of it.
            rows::appoint(tx, present.id, Role::Admin, &hash, now)?;
            for session in session_rows::of_user(tx, present.id)? {
                session_rows::end(tx, session, now)?;
            }
            return Ok(Some(Appointed {
                id: present.id,
                is_new: false,
            }));
        }
        let mut user = User {
            email,
            role: Role::Admin,
            created_at: now,
            ..User::guest(id)
        };
        rows::add(tx, &mut user, Some(&hash), 1)?;
        registered(tx, &user, &cx)?;
        Ok(Some(Appointed { id, is_new: true }))
    })
    .await
}
