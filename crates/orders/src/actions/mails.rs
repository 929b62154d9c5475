//! Mails to buyers: noted from the events that this service told, and sent beside everything else.
//!
//! A mail is a row before it is sent, written with the place in the outbox up to which events were read: however often
//! an event is read, its mail is there once. It is sent once, too, with one exception that nothing can rule out: when
//! the process ends between the mail server's word and ours in the row, the mail goes out again, under the same
//! `Message-ID`, by which mail programs know it. No order waits for a mail.

use std::sync::Arc;
use std::time::Duration;

use ::store::{Answered, Once, Stored};
use api::Ref;
use base::{OrderId, Time};
use futures_util::future::join_all;
use mail::Fault;
use serve::Caller;
use wire::Cx;

use crate::App;
use crate::domain::letter::{About, MailKind, subject, text};
use crate::error::Error;
use crate::store::{self, Mail, MailStatus};

/// The reader of the outbox that notes mails.
const READER: &str = "mail";
/// Events read at once.
const EVENTS_MAX: u32 = 256;
/// How many events without a mail are read before their place is noted: read again after a crash, which is harmless.
const UNNOTED_MAX: i64 = 1_024;
/// What happened longer ago than this tells a buyer nothing new: a shop that gets its mail server later does not write
/// to everybody who ever ordered.
const NEWS: Duration = Duration::from_secs(24 * 3600);
/// Mails sent at once: as many as there are connections to a mail server.
const AT_ONCE: u32 = 4;
/// How long sending one may take, with all its steps, before it counts as failed; and when others may try it then.
const SENDING: Duration = Duration::from_secs(180);
const LEASE: Duration = Duration::from_secs(300);
/// The wait after a first failure; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Doublings after which the longest wait is reached; more would overflow.
const DOUBLINGS_MAX: u32 = 10;
/// A mail that could not be sent for so long is given up, as mail servers do among themselves (RFC 5321, 4.5.4.1).
const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);
/// The longest reason that is kept.
const FAULT_MAX: usize = 300;

/// How far the outbox was read, and how much of that is noted.
#[derive(Debug, Default)]
pub struct Reading {
    read: Option<i64>,
    noted: i64,
}

/// Notes the mails that the next events call for. Answers whether there may be more events.
pub async fn note_mails(app: &App, reading: &mut Reading) -> Result<bool, Error> {
    let after = match reading.read {
        Some(after) => after,
        None => {
            let noted = app.db.read(|tx| ::store::cursor(tx, READER)).await?;
            reading.noted = noted;
            *reading.read.insert(noted)
        }
    };
    let events = app
        .db
        .scan(move |tx| ::store::outbox_after(tx, after, EVENTS_MAX))
        .await?;
    let Some(last) = events.last().map(|stored| stored.seq) else {
        return Ok(false);
    };
    let now = app.deps.clock.now();
    let mails: Vec<About> = events.iter().filter_map(|stored| called_for(stored, now)).collect();
    if !mails.is_empty() || last - reading.noted >= UNNOTED_MAX {
        app.db
            .write(move |tx| {
                store::add_mails(tx, &mails, now)?;
                ::store::move_cursor(tx, READER, last)
            })
            .await?;
        reading.noted = last;
    }
    reading.read = Some(last);
    Ok(events.len() == EVENTS_MAX as usize)
}

/// The mail that an event of ours calls for.
fn called_for(stored: &Stored, now: Time) -> Option<About> {
    let event = &stored.event;
    let kind = MailKind::of_event(&event.kind).filter(|_| now.since(event.at) <= NEWS)?;
    let order: OrderId = event.subject.parse().ok()?;
    Some(About {
        order,
        kind,
        about: String::new(),
        amount: 0,
    })
}

/// Sends the mails that are due. Answers how many were tried.
pub async fn send_mails(app: &Arc<App>) -> Result<usize, Error> {
    let now = app.deps.clock.now();
    let due = app.db.read(move |tx| store::mails_due(tx, now, AT_ONCE)).await?;
    let count = due.len();
    for done in join_all(due.into_iter().map(|mail| send_mail(app, mail, now))).await {
        done?;
    }
    Ok(count)
}

async fn send_mail(app: &App, mail: Mail, now: Time) -> Result<(), Error> {
    let until = now.after(LEASE);
    let about = mail.about.clone();
    if !app
        .db
        .write(move |tx| store::claim_mail(tx, &about, now, until))
        .await?
    {
        return Ok(());
    }
    let id = mail.about.order;
    let order = app.db.read(move |tx| store::by_id(tx, id)).await?;
    let letter = order.and_then(|order| {
        let shop = &app.deps.shop.name;
        Some(mail::Mail {
            id: mail.about.id(),
            to: order.email.clone()?,
            subject: subject(&mail.about, &order, shop),
            text: text(&mail.about, &order, shop),
            html: None,
        })
    });
    let outcome = match &letter {
        None => Err(Fault::Permanent("there is no address any more".into())),
        Some(letter) => tokio::time::timeout(SENDING, app.deps.mail.send(letter))
            .await
            .unwrap_or_else(|_| Err(Fault::Temporary("the mail server did not answer in time".into()))),
    };
    let now = app.deps.clock.now();
    let (status, due_at) = match &outcome {
        Ok(()) => (MailStatus::Sent, now),
        Err(fault) if fault.is_temporary() && now.since(mail.created_at) < GIVE_UP_AFTER => {
            let doublings = u32::try_from(mail.tries).unwrap_or(u32::MAX).min(DOUBLINGS_MAX);
            (
                MailStatus::Waiting,
                now.after((FIRST_WAIT * (1 << doublings)).min(LONGEST_WAIT)),
            )
        }
        Err(_) => (MailStatus::Failed, now),
    };
    let fault: Option<String> = outcome
        .err()
        .map(|fault| fault.to_string().chars().take(FAULT_MAX).collect());
    if let Some(fault) = &fault {
        let (kind, status) = (mail.about.kind.as_str(), status.as_str());
        tracing::warn!(order = %id, kind, status, fault, "a mail to a buyer was not sent");
    }
    let about = mail.about;
    app.db
        .write(move |tx| store::mail_done(tx, &about, status, fault.as_deref(), due_at, now))
        .await
}

/// The mails of an order.
pub async fn mails(app: &App, order: Ref) -> Result<Vec<Mail>, Error> {
    let id = super::find(app, order).await?.id;
    app.db.read(move |tx| store::mails_of(tx, id)).await
}

/// Lets those mails of an order that were given up be tried again; answers all of them. The same call again, by its
/// key, answers them as they now stand.
pub async fn retry_mails(
    app: &App,
    cx: &Cx,
    clerk: &Caller,
    order: Ref,
    once: Option<Once>,
) -> Result<Answered<Vec<Mail>>, Error> {
    let id = super::find(app, order).await?.id;
    let (by, request_id, now) = (clerk.actor(), cx.request_id().to_owned(), app.deps.clock.now());
    let retried = app.db.write_once(once, move |tx| {
        let count = store::retry_mails(tx, id, now)?;
        if count > 0 {
            let deed = bus::Deed {
                action: "order.mails.retry",
                subject: &id.to_string(),
                before: None,
                after: Some(serde_json::json!({ "mails": count })),
            };
            bus::audit(tx, &by, &request_id, deed)?;
        }
        Ok::<_, Error>(())
    });
    let replayed = retried.await?.replayed;
    let value = app.db.read(move |tx| store::mails_of(tx, id)).await?;
    Ok(Answered { value, replayed })
}
