//! Drafts become products: many new ones at once, or a product as it is to be. What HTTP and imports share.

use std::collections::{HashMap, HashSet};

use api::catalog::Status;
use base::{Currency, ImageId, ProductId, VariantId};
use serde_json::json;
use store::Tx;

use super::names::{free_handles, free_skus, move_handle};
use super::places::{list_new, listing, placed, relist};
use super::{By, tell};
use crate::domain::{
    Category, Draft, DraftVariant, Facts, Kept, KeptVariant, Movement, Reason, Revision, VariantFacts,
};
use crate::store::{NewRow, NewVariantRow};
use crate::{Error, store as rows};

/// Takes a product of this version out of the shop, with whatever else the transaction does.
///
/// # Errors
/// The database's.
pub fn archive_kept(tx: &mut Tx<'_>, by: &By, kept: Kept) -> Result<(), Error> {
    let now = tx.clock().now();
    rows::archive(tx, kept.id, kept.version, now)?;
    relist(tx, &kept, None)?;
    let facts = Facts {
        status: Status::Archived,
        ..kept.facts
    };
    let told = (kept.id, kept.number, kept.version + 1, kept.variants.len());
    tell_product(tx, by, "ProductArchived", told, &facts)?;
    Ok(())
}

/// New products in their order, with their variants and first stock: a few statements for all of them. Handles and
/// SKUs that were made are changed until they are free.
///
/// # Errors
/// [`Error::HandleTaken`], [`Error::SkuTaken`]; the database's.
pub fn create_all(tx: &mut Tx<'_>, by: &By, currency: Currency, drafts: Vec<Draft>) -> Result<Vec<ProductId>, Error> {
    let Ok(count @ 1..) = u32::try_from(drafts.len()) else {
        return Ok(Vec::new());
    };
    let mut drafts = drafts;
    let mut places = placed(tx, drafts.iter().map(|draft| draft.facts.category.as_str()))?;
    for draft in &mut drafts {
        let text = draft.facts.category.as_str();
        match places.get(text) {
            Some(Ok(place)) => draft.facts.category = place.path.clone(),
            Some(Err(error)) => return Err(error.clone()),
            None => return Err(Error::Store(store::Error::Absent)),
        }
    }
    // From here on by the path that each draft has now.
    let places: HashMap<String, Category> = places
        .drain()
        .filter_map(|(_, place)| place.ok())
        .map(|place| (place.path.clone(), place))
        .collect();
    let place_of = |facts: &Facts| places.get(&facts.category).ok_or(store::Error::Absent);
    free_handles(tx, &mut drafts)?;
    let wanted = drafts.iter().flat_map(|draft| {
        let handle = draft.facts.handle.as_str();
        draft
            .variants
            .iter()
            .map(move |variant| (variant.facts.sku.clone(), handle, variant.facts.choice.as_slice()))
    });
    let mut skus = free_skus(tx, wanted, &[])?.into_iter();

    let now = tx.clock().now();
    let first = tx.next_numbers("product", count)?;
    let ids: Vec<ProductId> = drafts.iter().map(|_| tx.ids().next(now)).collect();
    let products: Vec<NewRow<'_>> = drafts
        .iter()
        .zip(&ids)
        .zip(first..)
        .map(|((draft, id), number)| {
            Ok(NewRow {
                id: *id,
                number,
                version: 1,
                category: place_of(&draft.facts)?.id,
                facts: &draft.facts,
                image_ids: draft.facts.images.iter().map(|_| tx.ids().next(now)).collect(),
                price_low: price_low(&draft.variants),
                created_at: now,
                updated_at: now,
            })
        })
        .collect::<Result<_, store::Error>>()?;
    let mut variants: Vec<NewVariantRow<'_>> = Vec::new();
    for (draft, product) in drafts.iter().zip(&ids) {
        for ((position, variant), sku) in (0..).zip(&draft.variants).zip(skus.by_ref()) {
            let id: VariantId = tx.ids().next(now);
            let (facts, on_hand) = (&variant.facts, variant.stock);
            variants.push(NewVariantRow {
                id,
                product: *product,
                position,
                sku,
                facts,
                on_hand,
            });
        }
    }
    if rows::insert(tx, &products)? != products.len() as u64 {
        return Err(tx.conflict().into());
    }
    put_variants(tx, by, &variants, currency)?;
    let mut listed = Vec::with_capacity(products.len());
    for row in &products {
        let place = place_of(row.facts)?;
        listed.push((
            listing(row.number, row.facts, row.price_low),
            place,
            row.facts.tags.as_slice(),
        ));
    }
    list_new(tx, listed)?;
    let handles: Vec<String> = drafts.iter().map(|draft| draft.facts.handle.to_string()).collect();
    rows::free_handles(tx, &handles)?;
    for row in &products {
        let count = drafts[(row.number - first) as usize].variants.len();
        tell_product(
            tx,
            by,
            "ProductCreated",
            (row.id, row.number, row.version, count),
            row.facts,
        )?;
    }
    Ok(ids)
}

/// Makes a product what the draft says: variants with the same choice stay themselves, new ones come, absent ones
/// are archived. Answers whether anything changed; when nothing did, nothing is written or told.
///
/// # Errors
/// [`Error::HandleTaken`], [`Error::SkuTaken`], [`Error::StockReserved`]; the database's.
pub fn revise(tx: &mut Tx<'_>, by: &By, currency: Currency, kept: &Kept, draft: Draft) -> Result<bool, Error> {
    revise_as(tx, by, currency, kept, Revision::by_choice(kept, draft))
}

/// [`revise`] where it is said which variant is which.
///
/// # Errors
/// As [`revise`].
pub(super) fn revise_as(
    tx: &mut Tx<'_>,
    by: &By,
    currency: Currency,
    kept: &Kept,
    revision: Revision,
) -> Result<bool, Error> {
    let Revision { mut draft, same } = revision;
    let category = match kept.category {
        Some(category) if draft.facts.category == kept.facts.category => category,
        _ => {
            let text = draft.facts.category.clone();
            let place = placed(tx, std::iter::once(text.as_str()))?.remove(&text);
            let place = place.unwrap_or(Err(Error::Store(store::Error::Absent)))?;
            draft.facts.category = place.path;
            place.id
        }
    };
    let pairs: Vec<(&DraftVariant, Option<&KeptVariant>)> = draft
        .variants
        .iter()
        .zip(&same)
        .map(|(variant, same)| (variant, same.and_then(|place| kept.variants.get(place))))
        .collect();
    let handle = draft.facts.handle.as_str();
    let wanted = pairs.iter().map(|(new, old)| {
        let sku = new
            .facts
            .sku
            .clone()
            .or_else(|| old.and_then(|old| old.facts.sku.clone()));
        (sku, handle, new.facts.choice.as_slice())
    });
    let own: Vec<&KeptVariant> = kept.variants.iter().collect();
    let skus = free_skus(tx, wanted, &own)?;

    let now = tx.clock().now();
    let (mut fresh, mut changed, mut stay) = (Vec::new(), Vec::new(), HashSet::new());
    let mut last = -1;
    for ((new, old), sku) in pairs.iter().zip(skus) {
        // Places are kept where the order is, so that a product that lost a variant is not written anew.
        let position = old
            .map(|old| old.position)
            .filter(|place| *place > last)
            .unwrap_or(last + 1);
        last = position;
        let id = old.map_or_else(|| tx.ids().next(now), |old| old.id);
        let facts = &new.facts;
        let row = NewVariantRow {
            id,
            product: kept.id,
            position,
            sku,
            facts,
            on_hand: new.stock,
        };
        let Some(old) = old else {
            fresh.push(row);
            continue;
        };
        stay.insert(id);
        let same = VariantFacts {
            sku: Some(row.sku.clone()),
            ..facts.clone()
        } == old.facts;
        if !same || position != old.position {
            changed.push((row, *old));
        }
    }
    let gone: Vec<VariantId> = kept
        .variants
        .iter()
        .map(|variant| variant.id)
        .filter(|id| !stay.contains(id))
        .collect();
    let settled = kept.category == Some(category);
    if settled && draft.facts == kept.facts && fresh.is_empty() && changed.is_empty() && gone.is_empty() {
        return Ok(false);
    }
    if draft.facts.handle != kept.facts.handle {
        move_handle(tx, kept, &draft.facts.handle)?;
    }
    for (row, old) in &changed {
        recount(tx, row, old)?;
    }
    let changed: Vec<NewVariantRow<'_>> = changed.into_iter().map(|(row, _)| row).collect();
    rows::archive_variants(tx, &gone, now)?;
    rows::save_variants(tx, &changed, currency, now)?;
    put_variants(tx, by, &fresh, currency)?;
    let image_ids = draft.facts.images.iter().map(|picture| {
        let known = kept.facts.images.iter().position(|old| old.url == picture.url);
        known
            .and_then(|place| kept.image_ids.get(place).copied())
            .unwrap_or_else(|| tx.ids().next(now))
    });
    let row = NewRow {
        id: kept.id,
        number: kept.number,
        version: kept.version + 1,
        category,
        facts: &draft.facts,
        image_ids: image_ids.collect::<Vec<ImageId>>(),
        price_low: price_low(&draft.variants),
        created_at: kept.created_at,
        updated_at: now,
    };
    if !rows::save(tx, &row)? {
        return Err(tx.conflict().into());
    }
    relist(tx, kept, Some((row.facts, row.price_low, category)))?;
    tell_product(
        tx,
        by,
        "ProductUpdated",
        (row.id, row.number, row.version, draft.variants.len()),
        row.facts,
    )?;
    Ok(true)
}

fn price_low(variants: &[DraftVariant]) -> i64 {
    variants
        .iter()
        .map(|variant| variant.facts.price_minor)
        .min()
        .unwrap_or(0)
}

fn put_variants(tx: &mut Tx<'_>, by: &By, new: &[NewVariantRow<'_>], currency: Currency) -> Result<(), Error> {
    if new.is_empty() {
        return Ok(());
    }
    let now = tx.clock().now();
    if rows::insert_variants(tx, new, currency, now)? != new.len() as u64 {
        return Err(tx.conflict().into());
    }
    let received: Vec<Movement> = new
        .iter()
        .filter(|row| row.on_hand != 0)
        .map(|row| Movement {
            variant: row.id,
            version: 1,
            reason: Reason::Received,
            on_hand_change: row.on_hand,
            reserved_change: 0,
            on_hand: row.on_hand,
            reserved: 0,
            order: None,
            note: None,
            actor: by.actor.clone(),
            request_id: by.request_id.clone(),
        })
        .collect();
    Ok(rows::received(tx, &received)?)
}

/// Takes over how the stock is counted, where that changed.
fn recount(tx: &mut Tx<'_>, row: &NewVariantRow<'_>, old: &KeptVariant) -> Result<(), Error> {
    let (tracked, policy) = (row.facts.tracked, row.facts.inventory_policy);
    if (tracked, policy) == (old.facts.tracked, old.facts.inventory_policy) {
        return Ok(());
    }
    let oversell = policy == api::catalog::InventoryPolicy::Continue;
    if rows::reset(tx, row.id, tracked, oversell)? {
        return Ok(());
    }
    Err(Error::StockReserved {
        stock: old.on_hand,
        reserved: old.reserved,
    })
}

fn tell_product(
    tx: &mut Tx<'_>,
    by: &By,
    kind: &'static str,
    (id, number, version, variants): (ProductId, i64, i64, usize),
    facts: &Facts,
) -> Result<(), Error> {
    let data = json!({
        "productId": id,
        "number": number,
        "handle": facts.handle.as_str(),
        "category": facts.category,
        "status": facts.status,
        "variants": variants,
    });
    Ok(tell(tx, by, kind, id.to_string(), version, &data)?)
}
