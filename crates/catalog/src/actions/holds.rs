//! Reserve, settle, undo: what arrives while one batch commits is the next batch.

use serde_json::json;
use store::{Combiner, Db, Tx};

use super::{By, tell};
use crate::domain::{Asked, Command, decide};
use crate::{App, Error, store as rows};

/// The combiner of all three commands: one, so that they are decided in the order in which they came.
pub fn combiner(db: &Db) -> Combiner<Asked, (), Error> {
    Combiner::new(db, batch)
}

/// Carries out a command. Harmless to repeat.
///
/// # Errors
/// [`Error::OutOfStock`] with every short line, [`Error::Closed`]; the database's.
pub async fn hold(app: &App, by: By, command: Command) -> Result<(), Error> {
    app.holds
        .call(Asked {
            command,
            actor: by.actor,
            request_id: by.request_id,
        })
        .await
}

fn batch(tx: &mut Tx<'_>, asked: &[Asked]) -> Result<Vec<Result<(), Error>>, store::Error> {
    let (held, shelves) = rows::load(tx, asked)?;
    let done = decide(asked, &shelves, &held);
    rows::hold(tx, &done, &held, &shelves)?;
    for told in &done.told {
        let cause = &asked[told.command];
        let by = By {
            actor: cause.actor.clone(),
            request_id: cause.request_id.clone(),
        };
        let lines: Vec<_> = told
            .lines
            .iter()
            .map(|line| json!({ "variantId": line.variant, "quantity": line.quantity }))
            .collect();
        let mut data = json!({ "orderId": told.order, "lines": lines });
        if told.kind == "InventoryReleased" {
            data["restocked"] = told.restocked.into();
        }
        tell(tx, &by, told.kind, told.order.to_string(), told.sequence, &data)?;
    }
    Ok(done
        .answers
        .into_iter()
        .map(|answer| answer.map_err(Error::from))
        .collect())
}
