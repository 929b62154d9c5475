//! What is done once although it is asked for twice: calls by their key, events by their id.

use base::{EventId, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outbox::SWEEP_MAX;
use crate::{Error, Tx, Value, args};

/// Scope of the rows that remember a consumer's events.
const EVENTS: &str = "event";

/// The name of a call that may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Within what the key is unique: caller, method, canonical path.
    pub scope: String,
    /// The caller's key.
    pub key: String,
    /// A digest of the request; the same key with another one is refused.
    pub fingerprint: String,
}

/// The value of a call, and whether an earlier call gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// What the call answers.
    pub value: T,
    /// Whether it was answered before and nothing was done now.
    pub replayed: bool,
}

/// Runs `act` unless the key was answered before. A twin in another process that commits in between makes this
/// one run again and find the answer.
pub(crate) fn carry_out<T, E>(
    tx: &mut Tx<'_>,
    once: Option<&Once>,
    mut act: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
) -> Result<Answered<T>, E>
where
    T: Serialize + DeserializeOwned,
    E: From<Error>,
{
    let Some(once) = once else {
        return act(tx).map(|value| Answered { value, replayed: false });
    };
    if let Some(value) = recall(tx, once)? {
        return Ok(Answered { value, replayed: true });
    }
    let value = act(tx)?;
    keep(tx, once, &value)?;
    Ok(Answered { value, replayed: false })
}

/// The answer that was given to this call before, if it was.
///
/// # Errors
/// [`Error::KeyReused`] when the key belongs to another request, [`Error::Corrupt`] when the answer has another shape.
pub fn recall<T: DeserializeOwned>(tx: &mut Tx<'_>, once: &Once) -> Result<Option<T>, Error> {
    let own = &tx.shared().own;
    let found = tx.maybe(&own.once_find, &args![&once.scope, &once.key], |row| {
        let fingerprint: String = row.get(0)?;
        if fingerprint == once.fingerprint {
            row.json(1).map(Some)
        } else {
            Ok(None)
        }
    })?;
    match found {
        Some(None) => Err(Error::KeyReused),
        Some(answer) => Ok(answer),
        None => Ok(None),
    }
}

/// Remembers the answer to this call, in the transaction of its effect.
///
/// # Errors
/// [`Error::Conflict`] when a twin was faster: the closure runs again and recalls its answer.
pub fn keep<T: Serialize>(tx: &mut Tx<'_>, once: &Once, answer: &T) -> Result<(), Error> {
    let answer = serde_json::to_string(answer).map_err(|error| Error::Sql(format!("an answer: {error}")))?;
    let (own, now) = (&tx.shared().own, tx.clock().now());
    let kept = tx.run(
        &own.once_keep,
        &args![&once.scope, &once.key, &once.fingerprint, answer, now],
    )?;
    if kept == 0 { Err(tx.conflict()) } else { Ok(()) }
}

/// Whether `consumer` took this event in before; remembers that it has now, with whatever else commits.
///
/// # Errors
/// What the engine refuses.
pub fn seen(tx: &mut Tx<'_>, consumer: &str, event: EventId) -> Result<bool, Error> {
    let (own, now) = (&tx.shared().own, tx.clock().now());
    let key = format!("{consumer}/{event}");
    Ok(tx.run(&own.once_keep, &args![EVENTS, key, "", "", now])? == 0)
}

/// [`seen`] for many events at once, in their order; an event that comes twice among them is seen the second time.
///
/// # Errors
/// What the engine refuses.
pub fn seen_all(tx: &mut Tx<'_>, consumer: &str, events: &[EventId]) -> Result<Vec<bool>, Error> {
    let (own, now) = (&tx.shared().own, tx.clock().now());
    let rows: Vec<_> = events
        .iter()
        .map(|id| args![EVENTS, format!("{consumer}/{id}"), "", "", now])
        .collect();
    let statements: Vec<(&str, &[Value])> = rows
        .iter()
        .map(|row| (own.once_keep.as_str(), row.as_slice()))
        .collect();
    Ok(tx.batch(&statements)?.into_iter().map(|kept| kept == 0).collect())
}

/// Forgets calls and events from before `before`, [`SWEEP_MAX`] at most; answers how many.
///
/// # Errors
/// What the engine refuses.
pub fn sweep_once(tx: &mut Tx<'_>, before: Time, limit: u32) -> Result<u64, Error> {
    let own = &tx.shared().own;
    tx.run(&own.once_sweep, &args![before, limit.min(SWEEP_MAX)])
}
