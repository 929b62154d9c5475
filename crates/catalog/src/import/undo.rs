//! Takes an import back, backwards through the file, batch by batch, each batch one transaction.

use std::collections::{HashMap, HashSet};

use api::catalog::{ImportState, UndoImport};
use base::{ImportId, ProductId};
use store::{Once, Tx};

use super::change::{Change, unwind};
use super::jobs::{Jobs, refusal};
use crate::actions::{self, By};
use crate::domain::Kept;
use crate::store::{ChangeRow, Changes, ImportRow, TakenBack, Which};
use crate::{Error, store as rows};

/// Products that are taken back in one transaction.
const BATCH: u32 = 100;

impl Jobs {
    /// Begins to take an import back; one that is being taken back, or was, stays as it is, but for `force` on what
    /// was kept. Answers whether the key was there before.
    ///
    /// # Errors
    /// [`Error::NoSuchImport`]; [`Error::ImportUnfinished`] while it is going in; [`Error::NothingToUndo`] of a dry
    /// run; the database's.
    pub(super) async fn begin_undo(
        &self,
        id: ImportId,
        by: By,
        once: Option<Once>,
        asked: UndoImport,
    ) -> Result<bool, Error> {
        self.write(move |tx| {
            if let Some(once) = &once
                && store::recall::<ImportId>(tx, once)?.is_some()
            {
                return Ok(true);
            }
            let row = rows::import(tx, id)?.ok_or(Error::NoSuchImport(id))?;
            if row.dry_run {
                return Err(Error::NothingToUndo(id));
            }
            let begins = match row.state {
                ImportState::Staged | ImportState::Running => return Err(Error::ImportUnfinished(id)),
                ImportState::Done | ImportState::Failed => true,
                ImportState::Undone => asked.force && row.kept > 0,
                ImportState::Undoing => false,
            };
            let on_behalf = (by.actor.as_str(), by.request_id.as_str());
            if begins && !rows::begin_undo(tx, id, on_behalf, asked.force)? {
                return Err(tx.conflict().into());
            }
            if let Some(once) = &once {
                store::keep(tx, once, &id)?;
            }
            Ok(false)
        })
        .await
    }

    /// Takes back what is left.
    pub(super) async fn take_back(&self, row: ImportRow) -> Result<(), Error> {
        let (id, force, mut below) = (row.id, row.undo_force, row.undo_item);
        let (actor, request_id) = row.undo_by.clone().unwrap_or((row.actor, row.request_id));
        let by = By { actor, request_id };
        loop {
            if self.stop.is_stopped() {
                return Ok(());
            }
            let which = Changes::Below(below, force);
            let found = self
                .db
                .scan(move |tx| Ok::<_, Error>(rows::changes(tx, id, which, BATCH)?))
                .await?;
            // A product stands once in a batch, so that each is seen as the step before left it.
            let mut seen = HashSet::new();
            let batch: Vec<ChangeRow> = found
                .into_iter()
                .take_while(|row| row.new.product.is_none_or(|product| seen.insert(product)))
                .collect();
            let Some(last) = batch.last().map(|row| row.new.item) else {
                return self.complete(id).await;
            };
            match self.restore(id, &by, force, (below, last), batch.clone(), None).await {
                Ok(()) => {}
                Err(fault) if refusal(&fault).is_some() => self.restore_each(id, &by, force, below, batch).await?,
                Err(fault) => return Err(fault),
            }
            below = last;
        }
    }

    /// Some stand in somebody's way: one by one.
    async fn restore_each(
        &self,
        id: ImportId,
        by: &By,
        force: bool,
        below: i64,
        batch: Vec<ChangeRow>,
    ) -> Result<(), Error> {
        let mut below = below;
        for one in batch {
            let item = one.new.item;
            let done = self
                .restore(id, by, force, (below, item), vec![one.clone()], None)
                .await;
            if let Err(fault) = done {
                let Some(reason) = refusal(&fault) else {
                    return Err(fault);
                };
                self.restore(id, by, force, (below, item), vec![one], Some(reason))
                    .await?;
            }
            below = item;
        }
        Ok(())
    }

    /// Takes changes back in one transaction; with a reason, notes that the only one stays for it.
    async fn restore(
        &self,
        id: ImportId,
        by: &By,
        force: bool,
        (below, item): (i64, i64),
        batch: Vec<ChangeRow>,
        reason: Option<String>,
    ) -> Result<(), Error> {
        let (by, currency) = (by.clone(), self.currency);
        let (driver, lease) = (self.driver.clone(), self.lease());
        self.write(move |tx| {
            let ids: Vec<ProductId> = batch.iter().filter_map(|row| row.new.product).collect();
            let now: HashMap<ProductId, Kept> = rows::kept(tx, Which::Ids(&ids), currency)?
                .into_iter()
                .map(|kept| (kept.id, kept))
                .collect();
            let mut done = Vec::with_capacity(batch.len());
            for row in &batch {
                let mut change = row.new.change.clone();
                let kept = match (&reason, row.new.product.and_then(|id| now.get(&id))) {
                    (Some(reason), _) => vec![reason.clone()],
                    (None, Some(now)) => restore_one(tx, &by, currency, &mut change, now, force)?,
                    // Gone is what an undo makes of a new product; of one that was there it is a loss.
                    (None, None) if row.new.change.made.is_some() => Vec::new(),
                    (None, None) => vec!["the product was archived since the import".to_owned()],
                };
                let item = row.new.item;
                let change = (change != row.new.change).then_some(change);
                done.push(TakenBack { item, kept, change });
            }
            if rows::put_undone(tx, id, (below, item), &done, (&driver, lease))? {
                Ok(())
            } else {
                Err(Error::TakenOver)
            }
        })
        .await
    }
}

/// Takes one change back; answers what stays, and why, and notes in the change which stock went back.
fn restore_one(
    tx: &mut Tx<'_>,
    by: &By,
    currency: base::Currency,
    change: &mut Change,
    now: &Kept,
    force: bool,
) -> Result<Vec<String>, Error> {
    let unwound = unwind(change, now, force);
    let mut kept = unwound.kept;
    if unwound.archive {
        actions::archive_kept(tx, by, now.clone())?;
        return Ok(kept);
    }
    if let Some(draft) = unwound.draft {
        actions::revise(tx, by, currency, now, draft)?;
    }
    for (variant, pieces) in unwound.stock {
        match actions::shift_stock(tx, by, variant, pieces) {
            Ok(()) => {
                let told = change.variants.iter_mut().find(|told| told.id == Some(variant));
                if let Some(told) = told {
                    told.returned = true;
                }
            }
            Err(Error::StockReserved { stock, reserved }) => kept.push(format!(
                "stock: {stock} pieces are there and {reserved} of them reserved for orders, so {} cannot go",
                -pieces
            )),
            Err(fault) => return Err(fault),
        }
    }
    Ok(kept)
}
