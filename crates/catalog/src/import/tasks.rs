//! What goes on beside the requests: imports that nobody works on any more are gone on with, old ones forgotten.

use std::sync::Arc;
use std::time::Duration;

use serve::{Stop, Task};

use super::jobs::Jobs;
use crate::{Error, store as rows};

/// How often is looked for imports that were left behind.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Imports that are taken up at once.
const TAKEN_UP_MAX: u32 = 16;
/// How long an import can be looked at and undone.
const KEPT_FOR: Duration = Duration::from_secs(30 * 86_400);
/// Rows of old imports that are thrown away in one transaction.
const SWEPT_AT_ONCE: u32 = 500;

/// Goes on with what crashed processes left.
pub(crate) fn resume(jobs: Arc<Jobs>) -> Task {
    Task::every("catalog: imports", LOOK_EVERY, move |stop| {
        let jobs = Arc::clone(&jobs);
        async move { look(&jobs, &stop).await }
    })
}

async fn look(jobs: &Jobs, stop: &Stop) -> Result<(), Error> {
    let (driver, free) = (jobs.driver.clone(), jobs.free());
    let left = jobs
        .db
        .read(move |tx| Ok::<_, Error>(rows::left_behind(tx, &driver, free, TAKEN_UP_MAX)?))
        .await?;
    for (id, whole) in left {
        if stop.is_stopped() || jobs.is_held(id) {
            continue;
        }
        if whole {
            jobs.drive(id).await?;
        } else {
            let told = ("unreadable_file", "the file broke off; send it again");
            jobs.write(move |tx| Ok(rows::give_up(tx, id, free, told)?)).await?;
        }
    }
    jobs.drop_pieces().await?;
    let before = jobs.db.clock().now().before(KEPT_FOR);
    let old = jobs
        .db
        .read(move |tx| Ok::<_, Error>(rows::old_imports(tx, before, TAKEN_UP_MAX)?))
        .await?;
    for id in old {
        while !stop.is_stopped()
            && !jobs
                .write(move |tx| Ok(rows::sweep_import(tx, id, SWEPT_AT_ONCE)?))
                .await?
        {}
    }
    Ok(())
}
