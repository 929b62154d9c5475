//! Mails: written and sent beside the requests, from rows, until the mail server has taken them.

use std::time::Duration;

use base::{Time, UserId};
use mail::{Fault, Mail};

use crate::domain::User;
use crate::store::mails::{self as rows, Kind, Waiting};
use crate::store::{passwords as password_rows, users as user_rows};
use crate::{App, Error, tokens};

/// Mails that are looked for at once.
const DUE_MAX: u32 = 20;
/// How long a mail server may take altogether, and for how long nobody else takes on the mail meanwhile.
const SENDING: Duration = Duration::from_secs(120);
const LEASE: Duration = Duration::from_secs(180);
/// The wait after the first try that failed; it doubles from there.
const WAIT: Duration = Duration::from_secs(15);
/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// For so long it is tried to tell that a password was changed. A mail that resets one is worth its token's time.
const TELL_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);
/// Mails to an account whose tokens count at once: enough for somebody impatient, too few to fill somebody's mailbox.
const RESETS_MAX: i64 = 5;

/// Sends what is due; answers how many mails were taken over by the server.
pub(crate) async fn send_due(app: &App) -> Result<usize, Error> {
    let mut sent = 0;
    loop {
        let now = app.clock.now();
        let due = app.db.read(move |tx| rows::due(tx, now, DUE_MAX)).await?;
        let last = due.len() < DUE_MAX as usize;
        for waiting in due {
            sent += usize::from(send(app, waiting, now).await?);
        }
        if last {
            return Ok(sent);
        }
    }
}

/// Sends one, unless another process does; what fails for now comes again.
async fn send(app: &App, waiting: Waiting, now: Time) -> Result<bool, Error> {
    let (taken, until) = (waiting.clone(), now.after(LEASE));
    if !app.db.write(move |tx| rows::take(tx, &taken, until)).await? {
        return Ok(false);
    }
    let id = waiting.id;
    let (mail, user) = match write(app, &waiting, now).await? {
        Some(written) => written,
        None => {
            app.db.write(move |tx| rows::done(tx, id)).await?;
            return Ok(false);
        }
    };
    let sent = tokio::time::timeout(SENDING, app.mail.send(&mail)).await;
    match sent.unwrap_or_else(|_| Err(Fault::Temporary("the mail server took too long".into()))) {
        Ok(()) => {
            app.db.write(move |tx| rows::done(tx, id)).await?;
            Ok(true)
        }
        Err(fault @ Fault::Temporary(_)) => {
            tracing::warn!(%user, mail = %id, tries = waiting.tries + 1, %fault, "a mail has to wait");
            let wait = WAIT.saturating_mul(1 << waiting.tries.clamp(0, 10)).min(WAIT_MAX);
            let due_at = app.clock.now().after(wait);
            app.db.write(move |tx| rows::wait(tx, id, due_at)).await?;
            Ok(false)
        }
        Err(fault) => {
            tracing::warn!(%user, mail = %id, %fault, "a mail is given up");
            app.db.write(move |tx| rows::done(tx, id)).await?;
            Ok(false)
        }
    }
}

/// The mail and whom it is for; none when there is nobody to write to, or nothing to say any more.
async fn write(app: &App, waiting: &Waiting, now: Time) -> Result<Option<(Mail, UserId)>, Error> {
    let lifetime = app.config.reset_lifetime;
    let worth = match waiting.kind {
        Kind::Reset => lifetime,
        Kind::Changed => TELL_WITHIN,
    };
    let Some(id) = waiting.user else { return Ok(None) };
    if now.since(waiting.created_at) >= worth {
        tracing::warn!(user = %id, mail = %waiting.id, "a mail came too late and is given up");
        return Ok(None);
    }
    let user = app.db.read(move |tx| user_rows::by_id(tx, id)).await?;
    let Some((user, to)) = user.and_then(|user| Some((user.clone(), user.email?.text))) else {
        return Ok(None);
    };
    let (subject, text) = match waiting.kind {
        Kind::Changed => changed(&app.shop, &user),
        Kind::Reset => {
            // A token for each try, since what is kept of one does not tell it. The one of the try before counts until
            // then: it may be that it arrived.
            let token = tokens::reset(&app.ids);
            let (digest, mail, expires_at) = (token.digest, waiting.id, now.after(lifetime));
            let allowed = app
                .db
                .write(move |tx| {
                    password_rows::forbid_reset(tx, id, mail)?;
                    let allowed = password_rows::resets(tx, id, now)? < RESETS_MAX;
                    if allowed {
                        password_rows::allow_reset(tx, &digest, id, mail, expires_at)?;
                    }
                    Ok::<_, Error>(allowed)
                })
                .await?;
            if !allowed {
                tracing::warn!(user = %id, "there are as many mails for a new password as there may be");
                return Ok(None);
            }
            let link = format!("{}/reset-password?token={}", app.config.public_url, token.token);
            reset(&app.shop, &user, &link, lifetime)
        }
    };
    let mail = Mail {
        // Each try of a reset says something else, so it is a message of its own.
        id: format!("{}.{}", waiting.id, waiting.tries),
        to,
        subject,
        text,
        html: None,
    };
    Ok(Some((mail, id)))
}

/// Greets by name, if that is nothing but one: whoever opens an account with somebody else's address writes the name, and
/// shall not have us send them a link.
fn hello(user: &User) -> String {
    let plain = |letter: char| letter.is_alphabetic() || " -'’".contains(letter);
    match &user.names.name {
        Some(name) if name.chars().all(plain) => format!("Hello {name},"),
        _ => "Hello,".to_owned(),
    }
}

fn reset(shop: &str, user: &User, link: &str, lifetime: Duration) -> (String, String) {
    let minutes = lifetime.as_secs().div_ceil(60);
    let text = format!(
        "{}\n\nsomebody asked for a new password for your account at {shop}. To set one, open this link within \
         {minutes} minutes:\n\n{link}\n\nIt works once. If it was not you who asked, you need not do anything: your \
         password stays as it is.\n",
        hello(user)
    );
    (format!("Your new password at {shop}"), text)
}

fn changed(shop: &str, user: &User) -> (String, String) {
    let text = format!(
        "{}\n\nthe password of your account at {shop} was changed just now. Other devices have to sign in again.\n\n\
         If it was not you, ask for a new password at once and tell the people who run the shop.\n",
        hello(user)
    );
    (format!("Your password at {shop} was changed"), text)
}
