//! Waiting for a condition: the only way in which a test lets time pass.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

/// A pause begins short, since most conditions hold at once, and doubles up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// About a minute in all: a bound for what never comes, on a machine that is busy with other tests.
const TRIES_MAX: u32 = 1_200;
/// Real time that passes even where tokio's clock is paused, since threads (the store's writer) know no paused clock.
const BREATH: Duration = Duration::from_millis(1);

/// What a condition may answer: `bool`, or an `Option` or `Result` whose value is handed on once it is there.
pub trait Met {
    /// What is there once the condition holds.
    type Value;

    /// The value, or why it is not there yet, in words for the failure of the test.
    fn met(self) -> Result<Self::Value, String>;
}

impl Met for bool {
    type Value = ();

    fn met(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("not yet".to_string()) }
    }
}

impl<T> Met for Option<T> {
    type Value = T;

    fn met(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing yet".to_string())
    }
}

impl<T, E: Debug> Met for Result<T, E> {
    type Value = T;

    fn met(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Asks again and again until the condition holds, and answers its value.
///
/// `what` completes the sentence "waited in vain until …". Works on a paused clock too, which then moves by itself.
///
/// # Panics
/// After about a minute, with `what`, what the last try said, and the line that waited.
#[track_caller]
pub fn until<F, A>(what: impl Into<String>, ask: F) -> impl Future<Output = <A::Output as Met>::Value>
where
    F: FnMut() -> A,
    A: Future,
    A::Output: Met,
{
    wait(what.into(), Location::caller(), TRIES_MAX, ask)
}

async fn wait<F, A>(what: String, at: &'static Location<'static>, tries: u32, mut ask: F) -> <A::Output as Met>::Value
where
    F: FnMut() -> A,
    A: Future,
    A::Output: Met,
{
    let mut pause = PAUSE_MIN;
    let mut last = String::new();
    for _ in 0..tries {
        match ask().await.met() {
            Ok(value) => return value,
            Err(why) => last = why,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        // A blocking task is the one thing that a paused clock waits for.
        let breath = tokio::task::spawn_blocking(|| std::thread::sleep(BREATH));
        breath.await.unwrap_or_default();
    }
    panic!("{at}: waited in vain until {what}; the last of {tries} tries said: {last}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hands_on_what_it_waited_for() {
        let mut tries = 0;
        let value = until("the third try", || {
            tries += 1;
            let now = tries;
            async move { (now == 3).then_some("here") }
        })
        .await;
        assert_eq!((value, tries), ("here", 3));
        until("it is so", || async { true }).await;
    }

    #[tokio::test]
    async fn says_what_it_waited_for_in_vain() {
        let at = Location::caller();
        let waiting = tokio::spawn(wait("pigs fly".into(), at, 3, || async { Err::<(), _>("no wings") }))
            .await
            .unwrap_err();
        let words = *waiting.into_panic().downcast::<String>().unwrap();
        assert!(
            words.ends_with("waited in vain until pigs fly; the last of 3 tries said: \"no wings\""),
            "{words}"
        );
        assert!(words.contains("until.rs"), "{words}");
    }
}
