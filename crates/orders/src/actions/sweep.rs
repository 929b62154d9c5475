//! Forgetting: refused orders, keys of calls that joined another's order, and mails, when nobody can ask for them.

use std::time::Duration;

use ::store::Tx;
use base::Time;
use bus::KEEP_CALLS;
use serve::Stop;

use crate::App;
use crate::error::Error;
use crate::store;

/// An order that was refused while it was placed is kept this long, for whoever asks why a shopper was turned away.
const KEEP_REFUSED: Duration = Duration::from_secs(24 * 3600);
/// Mails are kept this long after there was something to tell: longer than any event comes again, so that none is
/// written twice.
const KEEP_MAILS: Duration = Duration::from_secs(90 * 24 * 3600);
/// Rows that one transaction deletes at most, so that nobody waits long for it.
const BATCH: u32 = 200;

type Forget = fn(&mut Tx<'_>, Time, u32) -> Result<u64, Error>;

/// Forgets what has had its time, in small transactions; answers how many rows.
pub async fn forget(app: &App, stop: &Stop) -> Result<u64, Error> {
    let now = app.deps.clock.now();
    let all: [(Forget, Time); 3] = [
        (store::forget_refused, now.before(KEEP_REFUSED)),
        (store::forget_joined, now.before(KEEP_CALLS)),
        (store::forget_mails, now.before(KEEP_MAILS)),
    ];
    let mut forgotten = 0;
    for (forget, before) in all {
        while !stop.is_stopped() {
            let gone = app.db.write(move |tx| forget(tx, before, BATCH)).await?;
            forgotten += gone;
            if gone < u64::from(BATCH) {
                break;
            }
        }
    }
    Ok(forgotten)
}
