//! Handles and SKUs: unique among the living, and made free where the caller leaves the choice.

use std::collections::HashSet;

use base::{Handle, Sku, VariantId};
use store::Tx;

use crate::domain::{Draft, Kept, KeptVariant, sku_for, suffixed};
use crate::{Error, store as rows};

/// How often a made SKU or handle that is taken gets the next number; a shop with more products of one name does not
/// read them.
const NUMBERS_MAX: u32 = 10;
/// How often it gets letters at random then, before the caller has to choose one.
const SUFFIXES_MAX: u32 = NUMBERS_MAX + 3;
/// How many letters at random: a million products of one name hardly meet.
const RANDOM_LETTERS: usize = 8;

/// What the `round`th try at a name that is taken ends with.
fn suffix(tx: &Tx<'_>, round: u32) -> String {
    if round <= NUMBERS_MAX {
        return round.to_string();
    }
    let id: base::RequestId = tx.ids().next(tx.clock().now());
    let id = id.to_string();
    id[id.len() - RANDOM_LETTERS..].to_owned()
}

/// Gives each draft a handle that no living product and no draft before it has.
pub(super) fn free_handles(tx: &mut Tx<'_>, drafts: &mut [Draft]) -> Result<(), Error> {
    let mut open: Vec<usize> = (0..drafts.len()).collect();
    let mut used: HashSet<String> = HashSet::new();
    for round in 1..=SUFFIXES_MAX {
        let candidate = |place: usize| -> String {
            let handle = &drafts[place].facts.handle;
            if round == 1 {
                handle.to_string()
            } else {
                format!("{handle}-{}", suffix(tx, round))
            }
        };
        let tried: Vec<String> = open.iter().map(|place| candidate(*place)).collect();
        let taken: HashSet<String> = rows::handles_taken(tx, &tried)?
            .into_iter()
            .map(|(handle, _)| handle)
            .collect();
        let mut left = Vec::new();
        for (place, handle) in open.into_iter().zip(tried) {
            let free = !taken.contains(&handle) && !used.contains(&handle);
            match (free, Handle::new(&handle)) {
                (true, Ok(parsed)) => {
                    used.insert(handle);
                    if round > 1 {
                        drafts[place].facts.handle = parsed;
                    }
                }
                _ if drafts[place].handle_made => left.push(place),
                _ => return Err(Error::HandleTaken(handle)),
            }
        }
        open = left;
        if open.is_empty() {
            return Ok(());
        }
    }
    Err(Error::HandleTaken(drafts[open[0]].facts.handle.to_string()))
}

/// A SKU for each variant: the one it wants, or one made of handle and choice that is free. `own` are variants of the
/// product that is changed, whose SKUs are not in the way.
pub(super) fn free_skus<'a>(
    tx: &mut Tx<'_>,
    wanted: impl Iterator<Item = (Option<Sku>, &'a str, &'a [String])>,
    own: &[&KeptVariant],
) -> Result<Vec<Sku>, Error> {
    let mut made = HashSet::new();
    let mut skus: Vec<Sku> = Vec::new();
    for (place, (sku, handle, choice)) in wanted.enumerate() {
        if sku.is_none() {
            made.insert(place);
        }
        skus.push(sku.unwrap_or_else(|| sku_for(handle, choice)));
    }
    // Those that a variant of this product has already need no question.
    let has = |sku: &Sku| own.iter().any(|variant| variant.facts.sku.as_ref() == Some(sku));
    let mut used: HashSet<Sku> = HashSet::new();
    for (place, sku) in skus.iter().enumerate().filter(|(place, _)| !made.contains(place)) {
        if !used.insert(sku.clone()) {
            return Err(Error::SkuTaken(skus[place].to_string()));
        }
    }
    let asked: Vec<String> = skus
        .iter()
        .enumerate()
        .filter(|(place, sku)| made.contains(place) || !has(sku))
        .map(|(_, sku)| sku.to_string())
        .collect();
    if asked.is_empty() {
        return Ok(skus);
    }
    let is_own = |id: &VariantId| own.iter().any(|variant| variant.id == *id);
    let mut taken: HashSet<String> = HashSet::new();
    for (sku, id) in rows::skus_taken(tx, &asked)? {
        if !is_own(&id) || made.iter().any(|place| skus[*place].as_str() == sku) {
            taken.insert(sku);
        }
    }
    if let Some((_, sku)) = skus
        .iter()
        .enumerate()
        .find(|(place, sku)| !made.contains(place) && !has(sku) && taken.contains(sku.as_str()))
    {
        return Err(Error::SkuTaken(sku.to_string()));
    }
    let mut open: Vec<usize> = (0..skus.len()).filter(|place| made.contains(place)).collect();
    let bases: Vec<Sku> = skus.clone();
    let mut tries = skus.clone();
    for round in 1..=SUFFIXES_MAX {
        let mut left = Vec::new();
        for place in open {
            let sku = tries[place].clone();
            if taken.contains(sku.as_str()) || used.contains(&sku) {
                left.push(place);
            } else {
                used.insert(sku.clone());
                skus[place] = sku;
            }
        }
        if left.is_empty() {
            return Ok(skus);
        }
        open = left;
        for place in &open {
            tries[*place] = suffixed(&bases[*place], &suffix(tx, round + 1));
        }
        let next: Vec<String> = open.iter().map(|place| tries[*place].to_string()).collect();
        taken.extend(rows::skus_taken(tx, &next)?.into_iter().map(|(sku, _)| sku));
    }
    Err(Error::SkuTaken(bases[open[0]].to_string()))
}

/// Gives a product another handle; the old one leads on to it.
pub(super) fn move_handle(tx: &mut Tx<'_>, kept: &Kept, new: &Handle) -> Result<(), Error> {
    let wanted = [new.to_string()];
    if rows::handles_taken(tx, &wanted)?.iter().any(|(_, id)| *id != kept.id) {
        return Err(Error::HandleTaken(new.to_string()));
    }
    rows::free_handles(tx, &wanted)?;
    Ok(rows::rename(tx, kept.id, &kept.facts.handle)?)
}
