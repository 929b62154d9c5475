//! New passwords: by who knows the present one, and by who reads the account's mail.

use api::Ref;
use api::identity::{ChangePassword, ForgotPassword, ResetPassword};
use base::{RequestId, SessionId, UserId, fold};
use serve::{Caller, Role};
use store::{Once, Tx};

use super::password_rules;
use super::tries::{PROOF, Proof, check_password, count_try};
use super::users::visible;
use crate::domain::{self, Fault, PASSWORD_MAX, User};
use crate::store::mails::{self as mail_rows, Kind};
use crate::store::{attempts as attempt_rows, passwords as rows, sessions as session_rows, users as user_rows};
use crate::{App, Error, tokens};

/// Checks a password that is to be.
fn check_new(app: &App, password: &str, user: Option<&User>) -> Result<(), Error> {
    let name = |login: Option<&domain::Login>| login.map(|login| login.text.clone());
    let email = name(user.and_then(|user| user.email.as_ref()));
    let username = name(user.and_then(|user| user.username.as_ref()));
    let rules = password_rules(&app.config, app.mode);
    domain::password(password, rules, email.as_deref(), username.as_deref())
        .map_err(|fault| Error::Invalid(vec![Fault::new("/newPassword", fault.detail)]))
}

/// Sets a password and ends what was begun with the old one, but for the session `kept`: other sessions, mails that
/// let somebody set another. Answers the sessions that ended; none of it when `old` is not the hash any more.
fn renew(
    tx: &mut Tx<'_>,
    user: UserId,
    (old, new): (Option<&str>, &str),
    kept: Option<SessionId>,
    tell: Option<RequestId>,
) -> Result<Option<Vec<SessionId>>, Error> {
    let now = tx.clock().now();
    if !rows::set(tx, user, old, new, now)? {
        return Ok(None);
    }
    rows::forbid_resets(tx, user)?;
    if let Some(id) = tell {
        mail_rows::add(tx, id, Some(user), Kind::Changed, now)?;
    }
    Ok(Some(session_rows::end_all(tx, user, kept, now)?))
}

/// The id of the mail that tells of a new password, where mails are sent.
fn notice(app: &App) -> Option<RequestId> {
    app.mail.can_send().then(|| app.ids.next(app.clock.now()))
}

/// Ends these sessions in this process at once, and sends what waits.
fn follow_up(app: &App, ended: Vec<SessionId>) {
    ended.into_iter().for_each(|session| app.keys.revoked().end(session));
    app.wake.notify_one();
}

/// Changes the caller's own password; every other session of theirs ends. Answers whether this was done before under
/// the same key.
pub(crate) async fn change_password(
    app: &App,
    (caller, address): (Caller, &str),
    who: Ref,
    asked: ChangePassword,
    once: Option<Once>,
) -> Result<bool, Error> {
    let key = tokens::attempt_key(&caller.id.to_string(), address);
    let (attempt, call) = (key.clone(), once.clone());
    let (user, proof, done) = app
        .db
        .read(move |tx| {
            let user = visible(tx, caller, &who)?;
            let proof = Proof::read(tx, &attempt, Some(user.id))?;
            let done: Option<Vec<SessionId>> = match &call {
                Some(once) => store::recall(tx, once)?,
                None => None,
            };
            Ok::<_, Error>((user, proof, done.is_some()))
        })
        .await?;
    if user.id != caller.id {
        return Err(Error::NoSuchUser);
    }
    if user.role == Role::Guest {
        return Err(Error::NoAccount);
    }
    if asked.current_password.chars().count() > PASSWORD_MAX {
        return Err(Error::field("/currentPassword", "is longer than any password here"));
    }
    check_new(app, &asked.new_password, Some(&user))?;
    if done {
        // No digest of a password is kept with the key: whether it is the same call is asked of the account.
        return match app.hasher.verify(asked.new_password, proof.hash, None).await? {
            true => Ok(true),
            false => Err(store::Error::KeyReused.into()),
        };
    }
    count_try(app, PROOF, &caller.id.to_string(), address).await?;
    let (old, forgiven) = (proof.hash.clone(), key.clone());
    if !check_password(app, key, proof, asked.current_password).await? {
        return Err(Error::WrongPassword);
    }
    let (hash, tell) = (app.hasher.hash(asked.new_password).await?, notice(app));
    let done = app
        .db
        .write_once(once, move |tx| {
            attempt_rows::forgive(tx, &forgiven)?;
            let kept = Some(caller.session);
            // Somebody changed it meanwhile: then what was proven is no longer the present password.
            renew(tx, user.id, (old.as_deref(), &hash), kept, tell)?.ok_or(Error::WrongPassword)
        })
        .await?;
    follow_up(app, done.value);
    tracing::info!(user = %caller.id, "a password was changed");
    Ok(done.replayed)
}

/// Has a mail sent that lets its reader set a new password, if there is an account with this address. Whether there
/// is one shows in nothing: the same row is written, and what becomes of it is seen to beside the requests.
pub(crate) async fn forgot(app: &App, address: &str, asked: ForgotPassword) -> Result<(), Error> {
    if !app.mail.can_send() {
        return Err(Error::NoMail);
    }
    let email = domain::email(&asked.email).map_err(|fault| Error::Invalid(vec![fault]))?;
    count_try(app, "forgot", &email.key, address).await?;
    let (id, now) = (app.ids.next::<RequestId>(app.clock.now()), app.clock.now());
    app.db
        .write(move |tx| {
            let user = user_rows::by_email(tx, &fold(&email.text))?;
            mail_rows::add(tx, id, user.map(|user| user.id), Kind::Reset, now)
        })
        .await?;
    app.wake.notify_one();
    Ok(())
}

/// Sets the password of whom the mail's token is for. All their sessions end: who forgot a password may have lost more.
pub(crate) async fn reset(app: &App, asked: ResetPassword) -> Result<(), Error> {
    check_new(app, &asked.new_password, None)?;
    let digest = tokens::reset_digest(asked.token.trim()).ok_or(Error::ResetTokenSpent)?;
    let (known, now) = (digest.clone(), app.clock.now());
    let user = app
        .db
        .read(move |tx| match rows::reset_of(tx, &known, now)? {
            Some(id) => user_rows::by_id(tx, id),
            None => Ok(None),
        })
        .await?
        .ok_or(Error::ResetTokenSpent)?;
    check_new(app, &asked.new_password, Some(&user))?;
    let (hash, tell) = (app.hasher.hash(asked.new_password).await?, notice(app));
    let ended = app
        .db
        .write(move |tx| {
            // Asked again: of two that come at once, one sets the password.
            if rows::reset_of(tx, &digest, now)? != Some(user.id) {
                return Err(Error::ResetTokenSpent);
            }
            renew(tx, user.id, (None, &hash), None, tell)?.ok_or(Error::ResetTokenSpent)
        })
        .await?;
    follow_up(app, ended);
    tracing::info!(user = %user.id, "a password was set anew by mail");
    Ok(())
}
