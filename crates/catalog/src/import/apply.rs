//! Items become products: a batch is one transaction, decided whole before the first row of it is written.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use api::catalog::{ImportAction, InventoryPolicy, RejectedRow, StockMode};
use base::{Currency, ProductId};
use store::Tx;

use super::change::{Side, difference, made};
use super::entry::Entry;
use super::jobs::refusal;
use super::merge::{Merged, is_unchanged, merge};
use super::read::{Item, Raw, Sorted};
use crate::actions::{self, By};
use crate::domain::{Facts, Kept};
use crate::store::{NewChange, NewRejected, Tally, Which};
use crate::{Error, store as rows};

/// What came of some items.
#[derive(Default)]
pub(super) struct Worked {
    pub tally: Tally,
    pub changes: Vec<NewChange>,
    pub rejected: Vec<NewRejected>,
}

impl Worked {
    /// Notes rows that stay out, `wrong` being the one to blame, if it is among them.
    fn reject(&mut self, handle: Option<&str>, rows: &[Raw], wrong: Option<&RejectedRow>) {
        let blamed = wrong.map(|wrong| {
            let at = rows.iter().position(|row| row.line == wrong.line);
            (at.unwrap_or(0), wrong)
        });
        for (place, row) in rows.iter().enumerate() {
            let reason = blamed
                .filter(|(at, _)| *at == place)
                .map(|(_, wrong)| wrong.reason.clone());
            self.rejected.push(NewRejected {
                line: row.line,
                handle: handle.map(str::to_owned),
                reason: reason.unwrap_or_default(),
                cells: row.texts(),
            });
        }
        self.tally.rejected += i64::from(wrong.is_some());
    }

    /// Notes an item that is no sound product. Answers whether it was none.
    fn take_broken(&mut self, item: &Item) -> bool {
        match &item.found {
            Sorted::Product { .. } => return false,
            Sorted::Refused { handle, rows, row } => {
                self.tally.left_out += 1;
                self.reject(Some(handle), rows, Some(row));
            }
            Sorted::LeftOut { handle, rows } => {
                self.tally.left_out += 1;
                self.reject(Some(handle), rows, None);
            }
            Sorted::Broken { row, raw } => {
                self.reject(row.handle.as_deref(), std::slice::from_ref(raw), Some(row));
            }
        }
        true
    }
}

/// What is to become of a product.
enum Fate {
    Unchanged,
    Refused(RejectedRow),
    Create(Box<Merged>),
    Update(Box<Merged>, Box<Kept>),
    /// Adds to a product that stands further up in the file; of a dry run alone.
    Returns,
}

/// Puts items in. Each handle stands once among them.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    currency: Currency,
    by: &By,
    stock: StockMode,
    items: &[Item],
) -> Result<Worked, Error> {
    let mut worked = Worked::default();
    let (mut fresh, mut changed) = (Vec::new(), Vec::new());
    for (item, fate) in fates(tx, currency, stock, items, false)? {
        let Some((entry, rows, fate)) = told(&mut worked, item, fate) else {
            continue;
        };
        worked.tally.variants += entry.variants.len() as i64;
        match fate {
            Fate::Unchanged | Fate::Returns => worked.tally.unchanged += 1,
            Fate::Refused(row) => {
                worked.tally.variants -= entry.variants.len() as i64;
                worked.tally.left_out += 1;
                worked.reject(Some(entry.handle.as_str()), rows, Some(&row));
            }
            Fate::Create(merged) => fresh.push((item, entry, merged.draft)),
            Fate::Update(merged, kept) => {
                let revised = actions::revise(tx, by, currency, &kept, merged.draft)?;
                if !revised && merged.counted.is_empty() {
                    // The file only spells something differently.
                    worked.tally.unchanged += 1;
                    continue;
                }
                for (variant, pieces, _) in merged.counted {
                    actions::put_stock(tx, by, variant, pieces)?;
                }
                changed.push((item, entry, kept));
            }
        }
    }
    let (made_of, drafts): (Vec<_>, Vec<_>) = fresh
        .into_iter()
        .map(|(item, entry, draft)| ((item, entry), draft))
        .unzip();
    let ids = actions::create_all(tx, by, currency, drafts)?;
    // Read again, so that an undo compares with what is really there: SKUs that were made, ids of new variants.
    let touched: Vec<ProductId> = ids
        .iter()
        .copied()
        .chain(changed.iter().map(|(.., kept)| kept.id))
        .collect();
    let after: HashMap<ProductId, Kept> = match touched.is_empty() {
        true => HashMap::new(),
        false => rows::kept(tx, Which::Ids(&touched), currency)?
            .into_iter()
            .map(|kept| (kept.id, kept))
            .collect(),
    };
    let mut note = |item: &Item, entry: &Entry, id: ProductId, before: Option<&Kept>| {
        let Some(after) = after.get(&id) else { return };
        let (action, change) = match before {
            None => (ImportAction::Created, made(&Side::kept(after))),
            Some(before) => (
                ImportAction::Updated,
                difference(&Side::kept(before), &Side::kept(after)),
            ),
        };
        worked.changes.push(NewChange {
            item: item.number,
            line: entry.line,
            handle: entry.handle.as_str().to_owned(),
            product: Some(id),
            action,
            change,
        });
    };
    for ((item, entry), id) in made_of.iter().zip(&ids) {
        note(item, entry, *id, None);
    }
    for (item, entry, kept) in &changed {
        note(item, entry, kept.id, Some(kept));
    }
    worked.tally.created = ids.len() as i64;
    worked.tally.updated += changed.len() as i64;
    Ok(worked)
}

/// What would come of items; `claimed` remembers the SKUs that earlier ones would take. A handle that returns in the
/// file is counted as a change of what its first rows would make, without looking closer.
pub(super) fn preview(
    tx: &mut Tx<'_>,
    currency: Currency,
    stock: StockMode,
    items: &[Item],
    claimed: &mut Claimed,
) -> Result<Worked, Error> {
    let mut worked = Worked::default();
    for (item, fate) in fates(tx, currency, stock, items, true)? {
        let Some((entry, rows, fate)) = told(&mut worked, item, fate) else {
            continue;
        };
        let fate = match fate {
            Fate::Create(merged) => match claimed.hurdle(&merged, None) {
                Some(row) => Fate::Refused(blame(entry, row)),
                None => Fate::Create(merged),
            },
            Fate::Update(merged, kept) => match claimed.hurdle(&merged, Some(&kept)) {
                Some(row) => Fate::Refused(blame(entry, row)),
                None => Fate::Update(merged, kept),
            },
            other => other,
        };
        let mut note = |product, action, change| {
            worked.tally.variants += entry.variants.len() as i64;
            worked.changes.push(NewChange {
                item: item.number,
                line: entry.line,
                handle: entry.handle.as_str().to_owned(),
                product,
                action,
                change,
            });
        };
        match fate {
            Fate::Unchanged => {
                worked.tally.unchanged += 1;
                worked.tally.variants += entry.variants.len() as i64;
            }
            Fate::Returns => {
                worked.tally.updated += 1;
                worked.tally.variants += entry.variants.len() as i64;
            }
            Fate::Refused(row) => {
                worked.tally.left_out += 1;
                worked.reject(Some(entry.handle.as_str()), rows, Some(&row));
            }
            Fate::Create(merged) => {
                note(None, ImportAction::Created, made(&Side::merged(&merged, None)));
                worked.tally.created += 1;
            }
            Fate::Update(merged, kept) => {
                let change = difference(&Side::kept(&kept), &Side::merged(&merged, Some(&kept)));
                note(Some(kept.id), ImportAction::Updated, change);
                worked.tally.updated += 1;
            }
        }
    }
    Ok(worked)
}

/// What came of a single item that the database refused.
pub(super) fn refused(item: &Item, reason: String) -> Worked {
    let mut worked = Worked::default();
    if let Sorted::Product { entry, rows, .. } = &item.found {
        worked.tally.left_out += 1;
        let row = blame(entry, (None, reason));
        worked.reject(Some(entry.handle.as_str()), rows, Some(&row));
    } else {
        worked.take_broken(item);
    }
    worked
}

/// The SKUs that a dry run would have given away, as hashes.
#[derive(Default)]
pub(super) struct Claimed {
    hasher: RandomState,
    skus: HashSet<u64>,
}

impl Claimed {
    fn hurdle(&mut self, merged: &Merged, kept: Option<&Kept>) -> Option<(Option<u64>, String)> {
        let own: HashSet<_> = kept
            .iter()
            .flat_map(|kept| &kept.variants)
            .filter_map(|variant| variant.facts.sku.as_ref())
            .collect();
        for (place, variant) in merged.draft.variants.iter().enumerate() {
            let Some(sku) = variant.facts.sku.as_ref().filter(|sku| !own.contains(sku)) else {
                continue;
            };
            if !self.skus.insert(self.hasher.hash_one(sku.as_str())) {
                let line = merged.lines.get(place).copied().flatten();
                return Some((line, sku_taken(sku.as_str())));
            }
        }
        None
    }
}

fn sku_taken(sku: &str) -> String {
    format!("the SKU {sku:?} stands at another variant already")
}

fn blame(entry: &Entry, (line, reason): (Option<u64>, String)) -> RejectedRow {
    RejectedRow {
        line: line.unwrap_or(entry.line),
        handle: Some(entry.handle.as_str().to_owned()),
        reason,
    }
}

type Told<'a> = (&'a Entry, &'a [Raw], Fate);

/// Notes what is no sound product; else gives it back with its rows.
fn told<'a>(worked: &mut Worked, item: &'a Item, fate: Option<Fate>) -> Option<Told<'a>> {
    match (&item.found, fate) {
        (Sorted::Product { entry, rows, .. }, Some(fate)) => Some((entry, rows, fate)),
        _ => {
            worked.take_broken(item);
            None
        }
    }
}

/// Decides what is to become of each item, without writing anything; nothing for those that are no sound product.
fn fates<'a>(
    tx: &mut Tx<'_>,
    currency: Currency,
    stock: StockMode,
    items: &'a [Item],
    dry: bool,
) -> Result<Vec<(&'a Item, Option<Fate>)>, Error> {
    let entries: Vec<&Entry> = items
        .iter()
        .filter_map(|item| match &item.found {
            Sorted::Product { entry, .. } => Some(&**entry),
            _ => None,
        })
        .collect();
    let kept = known(tx, currency, &entries)?;
    let (mut merged, mut places) = (Vec::with_capacity(items.len()), HashMap::new());
    for item in items {
        let Sorted::Product { entry, first, .. } = &item.found else {
            merged.push((item, None));
            continue;
        };
        let kept = kept.get(entry.handle.as_str());
        if dry && !first && kept.is_none() {
            merged.push((item, Some(Ok(None))));
            continue;
        }
        let mut one = merge((**entry).clone(), kept, *first, stock);
        let strange = match &mut one {
            Ok(merged) if dry => foresee(tx, &mut merged.draft.facts, kept, &mut places)?,
            _ => None,
        };
        if let Some(reason) = strange {
            one = Err(Box::new(blame(entry, (None, reason))));
        }
        merged.push((item, Some(one.map(|merged| Some((merged, kept))))));
    }
    let plans: Vec<(&Merged, Option<&Kept>)> = merged
        .iter()
        .filter_map(|(_, one)| one.as_ref()?.as_ref().ok()?.as_ref())
        .map(|(merged, kept)| (merged, *kept))
        .filter(|(new, old)| differs(new, *old))
        .collect();
    let mut skus = Skus::load(tx, &plans)?;
    let mut fates = Vec::with_capacity(items.len());
    for (item, one) in merged {
        let fate = match (one, &item.found) {
            (Some(Ok(Some((merged, kept)))), Sorted::Product { entry, .. }) if differs(&merged, kept) => {
                let hurdle = skus
                    .hurdle(&merged, kept)
                    .or_else(|| kept.and_then(|kept| stock_hurdle(&merged, kept)));
                Some(match (hurdle, kept) {
                    (Some(hurdle), _) => Fate::Refused(blame(entry, hurdle)),
                    (None, Some(kept)) => Fate::Update(Box::new(merged), Box::new(kept.clone())),
                    (None, None) => Fate::Create(Box::new(merged)),
                })
            }
            (Some(Ok(Some(_))), _) => Some(Fate::Unchanged),
            (Some(Ok(None)), _) => Some(Fate::Returns),
            (Some(Err(row)), _) => Some(Fate::Refused(*row)),
            (None, _) => None,
        };
        fates.push((item, fate));
    }
    Ok(fates)
}

/// Gives the category its path in the tree, as writing the product would; answers why it has none. `places` remembers
/// what texts mean.
fn foresee(
    tx: &mut Tx<'_>,
    facts: &mut Facts,
    kept: Option<&Kept>,
    places: &mut HashMap<String, Result<String, Error>>,
) -> Result<Option<String>, store::Error> {
    if kept.is_some_and(|kept| kept.facts.category == facts.category) {
        return Ok(None);
    }
    if !places.contains_key(&facts.category) {
        let place = actions::foreseen(tx, &facts.category)?;
        places.insert(facts.category.clone(), place);
    }
    Ok(match places.get(&facts.category) {
        Some(Err(error)) => Some(refusal(error).unwrap_or_else(|| error.to_string())),
        Some(Ok(path)) => {
            facts.category = path.clone();
            None
        }
        None => None,
    })
}

fn differs(merged: &Merged, kept: Option<&Kept>) -> bool {
    kept.is_none_or(|kept| !is_unchanged(merged, kept))
}

/// The products that the entries mean, by the handle that they use: the one it has, or one that it had before, so
/// that a product which was renamed in the shop is not made anew.
fn known(tx: &mut Tx<'_>, currency: Currency, entries: &[&Entry]) -> Result<HashMap<String, Kept>, Error> {
    let handles: Vec<_> = entries.iter().map(|entry| entry.handle.clone()).collect();
    if handles.is_empty() {
        return Ok(HashMap::new());
    }
    let found = rows::kept(tx, Which::Handles(&handles), currency)?;
    let mut known: HashMap<String, Kept> = found
        .into_iter()
        .map(|kept| (kept.facts.handle.as_str().to_owned(), kept))
        .collect();
    let strange: Vec<String> = handles
        .iter()
        .map(|handle| handle.as_str().to_owned())
        .filter(|handle| !known.contains_key(handle))
        .collect();
    if strange.is_empty() {
        return Ok(known);
    }
    let former = rows::former(tx, &strange)?;
    if former.is_empty() {
        return Ok(known);
    }
    let handles = former.len();
    let former: HashMap<ProductId, String> = former.into_iter().map(|(handle, id)| (id, handle)).collect();
    let mut twice = former.len() < handles || known.values().any(|kept| former.contains_key(&kept.id));
    let ids: Vec<ProductId> = former.keys().copied().collect();
    for kept in rows::kept(tx, Which::Ids(&ids), currency)? {
        if let Some(handle) = former.get(&kept.id) {
            twice |= known.insert(handle.clone(), kept).is_some();
        }
    }
    if twice {
        // Two entries mean one product: they go in one after the other.
        return Err(Error::Store(store::Error::Conflict));
    }
    Ok(known)
}

/// Who has the SKUs that a batch wants.
struct Skus {
    taken: HashMap<String, base::VariantId>,
    claimed: HashSet<String>,
}

impl Skus {
    fn load(tx: &mut Tx<'_>, plans: &[(&Merged, Option<&Kept>)]) -> Result<Self, Error> {
        let mut wanted = Vec::new();
        for (merged, kept) in plans {
            let old: HashSet<_> = kept
                .iter()
                .flat_map(|kept| &kept.variants)
                .map(|old| &old.facts.sku)
                .collect();
            let new = merged.draft.variants.iter().map(|variant| &variant.facts.sku);
            wanted.extend(
                new.filter(|sku| !old.contains(sku))
                    .flatten()
                    .map(|sku| sku.as_str().to_owned()),
            );
        }
        let taken = if wanted.is_empty() {
            Vec::new()
        } else {
            rows::skus_taken(tx, &wanted)?
        };
        Ok(Self {
            taken: taken.into_iter().collect(),
            claimed: HashSet::new(),
        })
    }

    /// What stands in the way of a product's SKUs, with the line to blame.
    fn hurdle(&mut self, merged: &Merged, kept: Option<&Kept>) -> Option<(Option<u64>, String)> {
        for (place, variant) in merged.draft.variants.iter().enumerate() {
            let Some(sku) = variant.facts.sku.as_ref().map(base::Sku::as_str) else {
                continue;
            };
            let own = |id| kept.is_some_and(|kept| kept.variants.iter().any(|variant| variant.id == id));
            let free = self.taken.get(sku).is_none_or(|id| own(*id));
            if !free || !self.claimed.insert(sku.to_owned()) {
                let line = merged.lines.get(place).copied().flatten();
                return Some((line, sku_taken(sku)));
            }
        }
        None
    }
}

/// What stands in the way of the stock that a file says was counted, or of refusing orders beyond it.
fn stock_hurdle(merged: &Merged, kept: &Kept) -> Option<(Option<u64>, String)> {
    for ((old, new), line) in kept.variants.iter().zip(&merged.draft.variants).zip(&merged.lines) {
        if new.facts.inventory_policy == InventoryPolicy::Continue {
            continue;
        }
        if old.reserved > old.on_hand {
            return Some((
                *line,
                format!("{} of {} pieces are reserved for orders", old.reserved, old.on_hand),
            ));
        }
        if let Some((_, pieces, line)) = merged.counted.iter().find(|(id, ..)| *id == old.id)
            && *pieces < old.reserved
        {
            let reason = format!(
                "{} pieces are reserved for orders, so {pieces} cannot be left",
                old.reserved
            );
            return Some((Some(*line), reason));
        }
    }
    None
}
