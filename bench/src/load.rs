//! Drives shoppers, each in a loop of its own, and takes the time of what they do.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use tokio::task::LocalSet;

use crate::shopper::{Errand, Shopper};

/// Failures in a row after which a shopper gives up: the shop is broken, and a figure would mean nothing.
const FAILURES_MAX: u32 = 50;

/// What a message shows of an errand: bodies may be long.
const ERRAND_SHOWN: usize = 120;

/// How long one measurement lasts.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub counted: Duration,
}

/// What came of a round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Errands per second.
    pub rate: f64,
    /// Errands that were done within the counted time.
    pub done: u64,
    /// Errands that failed.
    pub failed: u64,
    /// How long each took, in microseconds.
    pub waits: Histogram<u64>,
}

/// Up to a minute, in microseconds, to three digits.
fn waits() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(60_000_000, 3)?)
}

struct Tally {
    waits: Histogram<u64>,
    failed: u64,
    why: Option<String>,
}

/// Lets all `shoppers` run the errand again and again for the span; they come back afterwards.
///
/// # Errors
/// Nothing but failures, or too many of them.
pub async fn run(shoppers: &mut Vec<Shopper>, errand: &Errand, span: Span) -> Result<Round> {
    let tally = Rc::new(RefCell::new(Tally {
        waits: waits()?,
        failed: 0,
        why: None,
    }));
    let begin = Instant::now() + span.warm_up;
    let end = begin + span.counted;
    let local = LocalSet::new();
    let mut tasks = Vec::with_capacity(shoppers.len());
    for shopper in shoppers.drain(..) {
        let (tally, errand) = (tally.clone(), errand.clone());
        tasks.push(local.spawn_local(shop(shopper, errand, tally, begin, end)));
    }
    local
        .run_until(async {
            for task in tasks {
                shoppers.push(task.await?);
            }
            anyhow::Ok(())
        })
        .await?;
    let Tally { waits, failed, why } = tally.replace(Tally {
        waits: waits()?,
        failed: 0,
        why: None,
    });
    let done = waits.len();
    let what: String = format!("{errand:?}").chars().take(ERRAND_SHOWN).collect();
    if let Some(why) = why.filter(|_| failed >= done.max(u64::from(FAILURES_MAX))) {
        bail!("{what}: {failed} of {} failed, first: {why}", failed + done);
    } else if done == 0 {
        bail!("{what}: nothing was done within {:?}", span.counted);
    }
    Ok(Round {
        rate: done as f64 / span.counted.as_secs_f64(),
        done,
        failed,
        waits,
    })
}

async fn shop(
    mut shopper: Shopper,
    errand: Errand,
    tally: Rc<RefCell<Tally>>,
    begin: Instant,
    end: Instant,
) -> Shopper {
    let mut in_a_row = 0;
    loop {
        let asked = Instant::now();
        if asked >= end || in_a_row >= FAILURES_MAX {
            return shopper;
        }
        let outcome = shopper.run(&errand).await;
        let answered = Instant::now();
        let mut tally = tally.borrow_mut();
        match outcome {
            Ok(()) => {
                in_a_row = 0;
                if answered >= begin && answered < end {
                    let micros = (answered - asked).as_micros();
                    tally.waits.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
                }
            }
            Err(why) => {
                in_a_row += 1;
                tally.failed += 1;
                tally.why.get_or_insert(format!("{why:#}"));
            }
        }
    }
}
