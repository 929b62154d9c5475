//! Products: found, listed, created, changed, archived.

use std::collections::{HashMap, HashSet};

use api::Ref;
use api::catalog::{ChangeProduct, NewProduct, Product, Status};
use base::{Currency, Handle, ImageId, ProductId, Sku, VariantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Answered, Once, Tx};

use super::{By, tell};
use crate::domain::{
    self, Draft, DraftVariant, Facts, Kept, KeptVariant, Movement, Reason, choice_key, names_catalogue, product_tag,
    sku_for, suffixed,
};
use crate::store::{Filter, Found, From as Start, Listed, NewRow, NewVariantRow, Order, Which};
use crate::{App, Error, store as rows};

/// How often a made SKU or handle that is taken is changed before the caller has to choose one.
const SUFFIXES_MAX: u32 = 100;

/// A record with its tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tagged<T> {
    /// The record.
    pub value: T,
    /// Its entity tag, with quotes.
    pub tag: String,
}

impl From<Found> for Tagged<Product> {
    fn from(found: Found) -> Self {
        Self { tag: product_tag(found.version, found.stock_version), value: found.product }
    }
}

/// A product by number, id, SKU or handle; drafts for staff only.
///
/// # Errors
/// [`Error::NoSuchProduct`]; the database's.
pub async fn find(app: &App, which: Ref, staff: bool) -> Result<Tagged<Product>, Error> {
    let currency = app.currency;
    app.db
        .read(move |tx| {
            let found = rows::product(tx, &which, currency)?;
            let seen = found.filter(|found| staff || found.product.status == Status::Active);
            seen.map(Tagged::from).ok_or_else(|| Error::NoSuchProduct(which.clone()))
        })
        .await
}

/// A page of products.
///
/// # Errors
/// [`Error::Invalid`] for a cursor of another list; the database's.
pub async fn list(app: &App, filter: Filter, order: Order, limit: u32, from: Start) -> Result<Listed, Error> {
    let currency = app.currency;
    // What an index answers is a small page; what has to be looked through would hold up the thread.
    let (indexed, reader) = (filter.is_indexed(), app.db.clone());
    let act = move |tx: &mut Tx<'_>| rows::list(tx, &filter, order, limit, &from, currency).map_err(Error::from);
    let listed = if indexed { reader.read(act).await? } else { reader.scan(act).await? };
    listed.map_err(|fault| Error::field("?cursor", fault.to_string()))
}

/// Many products at once; unknown ones are absent.
///
/// # Errors
/// The database's.
pub async fn read_many(app: &App, which: Vec<Ref>, staff: bool) -> Result<Vec<Product>, Error> {
    let currency = app.currency;
    app.db
        .read(move |tx| {
            let found = rows::products(tx, &which, currency)?.into_iter().map(|found| found.product);
            Ok(found.filter(|product| staff || product.status == Status::Active).collect())
        })
        .await
}

/// A new product.
///
/// # Errors
/// [`Error::Invalid`], [`Error::HandleTaken`], [`Error::SkuTaken`]; the database's.
pub async fn create(
    app: &App,
    by: By,
    once: Option<Once>,
    new: NewProduct,
) -> Result<Answered<Tagged<Product>>, Error> {
    let currency = app.currency;
    let draft = domain::check(new, currency).map_err(Error::Invalid)?;
    app.db
        .write_once(once, move |tx| {
            let ids = create_all(tx, &by, currency, vec![draft.clone()])?;
            shown(tx, ids[0], currency)
        })
        .await
}

/// Changes the fields given; `if_match` names the catalogue version that the change is meant for.
///
/// # Errors
/// [`Error::NoSuchProduct`], [`Error::Stale`], and as [`create`]; [`Error::StockReserved`] when a variant could no
/// longer be oversold but is.
pub async fn change(
    app: &App,
    by: By,
    once: Option<Once>,
    which: Ref,
    if_match: Option<String>,
    change: ChangeProduct,
) -> Result<Answered<Tagged<Product>>, Error> {
    let currency = app.currency;
    app.db
        .write_once(once, move |tx| {
            let kept = kept(tx, &which, currency)?;
            if if_match.as_deref().is_some_and(|tags| !names_catalogue(tags, kept.version)) {
                return Err(Error::Stale);
            }
            let draft = domain::change(&kept, change.clone(), currency).map_err(Error::Invalid)?;
            revise(tx, &by, currency, &kept, draft)?;
            shown(tx, kept.id, currency)
        })
        .await
}

/// Takes a product out of the shop for good; orders that hold it still show it.
///
/// # Errors
/// [`Error::NoSuchProduct`], [`Error::Stale`]; the database's.
pub async fn archive(
    app: &App,
    by: By,
    once: Option<Once>,
    which: Ref,
    if_match: Option<String>,
) -> Result<Answered<()>, Error> {
    let currency = app.currency;
    app.db
        .write_once(once, move |tx| {
            let kept = kept(tx, &which, currency)?;
            if if_match.as_deref().is_some_and(|tags| !names_catalogue(tags, kept.version)) {
                return Err(Error::Stale);
            }
            let now = tx.clock().now();
            rows::archive(tx, kept.id, kept.version, now)?;
            let facts = Facts { status: Status::Archived, ..kept.facts };
            let told = (kept.id, kept.number, kept.version + 1, kept.variants.len());
            tell_product(tx, &by, "ProductArchived", told, &facts)?;
            Ok(())
        })
        .await
}

/// New products in their order, with their variants and first stock: a few statements for all of them. Handles and
/// SKUs that were made are changed until they are free.
///
/// # Errors
/// [`Error::HandleTaken`], [`Error::SkuTaken`]; the database's.
pub fn create_all(tx: &mut Tx<'_>, by: &By, currency: Currency, drafts: Vec<Draft>) -> Result<Vec<ProductId>, Error> {
    let Ok(count @ 1..) = u32::try_from(drafts.len()) else { return Ok(Vec::new()) };
    let mut drafts = drafts;
    free_handles(tx, &mut drafts)?;
    let wanted = drafts.iter().flat_map(|draft| {
        let handle = draft.facts.handle.as_str();
        draft.variants.iter().map(move |variant| (variant.facts.sku.clone(), handle, variant.facts.choice.as_slice()))
    });
    let mut skus = free_skus(tx, wanted, &[])?.into_iter();

    let now = tx.clock().now();
    let first = tx.next_numbers("product", count)?;
    let ids: Vec<ProductId> = drafts.iter().map(|_| tx.ids().next(now)).collect();
    let products: Vec<NewRow<'_>> = drafts
        .iter()
        .zip(&ids)
        .zip(first..)
        .map(|((draft, id), number)| NewRow {
            id: *id,
            number,
            version: 1,
            facts: &draft.facts,
            image_ids: draft.facts.images.iter().map(|_| tx.ids().next(now)).collect(),
            price_low: price_low(&draft.variants),
            created_at: now,
            updated_at: now,
        })
        .collect();
    let mut variants: Vec<NewVariantRow<'_>> = Vec::new();
    for (draft, product) in drafts.iter().zip(&ids) {
        for ((position, variant), sku) in (0..).zip(&draft.variants).zip(skus.by_ref()) {
            let id: VariantId = tx.ids().next(now);
            let (facts, on_hand) = (&variant.facts, variant.stock);
            variants.push(NewVariantRow { id, product: *product, position, sku, facts, on_hand });
        }
    }
    if rows::insert(tx, &products)? != products.len() as u64 {
        return Err(tx.conflict().into());
    }
    put_variants(tx, by, &variants, currency)?;
    let handles: Vec<String> = drafts.iter().map(|draft| draft.facts.handle.to_string()).collect();
    rows::free_handles(tx, &handles)?;
    for row in &products {
        let count = drafts[(row.number - first) as usize].variants.len();
        tell_product(tx, by, "ProductCreated", (row.id, row.number, row.version, count), row.facts)?;
    }
    Ok(ids)
}

/// Makes a product what the draft says: variants with the same choice stay themselves, new ones come, absent ones
/// are archived. Answers whether anything changed; when nothing did, nothing is written or told.
///
/// # Errors
/// [`Error::HandleTaken`], [`Error::SkuTaken`], [`Error::StockReserved`]; the database's.
pub fn revise(tx: &mut Tx<'_>, by: &By, currency: Currency, kept: &Kept, draft: Draft) -> Result<bool, Error> {
    let of_choice: HashMap<String, &KeptVariant> =
        kept.variants.iter().map(|variant| (choice_key(&variant.facts.choice), variant)).collect();
    let pairs: Vec<(&DraftVariant, Option<&KeptVariant>)> = draft
        .variants
        .iter()
        .map(|variant| (variant, of_choice.get(&choice_key(&variant.facts.choice)).copied()))
        .collect();
    let handle = draft.facts.handle.as_str();
    let wanted = pairs.iter().map(|(new, old)| {
        let sku = new.facts.sku.clone().or_else(|| old.and_then(|old| old.facts.sku.clone()));
        (sku, handle, new.facts.choice.as_slice())
    });
    let own: Vec<&KeptVariant> = kept.variants.iter().collect();
    let skus = free_skus(tx, wanted, &own)?;

    let now = tx.clock().now();
    let (mut fresh, mut changed, mut stay) = (Vec::new(), Vec::new(), HashSet::new());
    let mut last = -1;
    for ((new, old), sku) in pairs.iter().zip(skus) {
        // Places are kept where the order is, so that a product that lost a variant is not written anew.
        let position = old.map(|old| old.position).filter(|place| *place > last).unwrap_or(last + 1);
        last = position;
        let id = old.map_or_else(|| tx.ids().next(now), |old| old.id);
        let facts = &new.facts;
        let row = NewVariantRow { id, product: kept.id, position, sku, facts, on_hand: new.stock };
        let Some(old) = old else {
            fresh.push(row);
            continue;
        };
        stay.insert(id);
        let same = domain::VariantFacts { sku: Some(row.sku.clone()), ..facts.clone() } == old.facts;
        if !same || position != old.position {
            changed.push((row, *old));
        }
    }
    let gone: Vec<VariantId> =
        kept.variants.iter().map(|variant| variant.id).filter(|id| !stay.contains(id)).collect();
    if draft.facts == kept.facts && fresh.is_empty() && changed.is_empty() && gone.is_empty() {
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
        known.and_then(|place| kept.image_ids.get(place).copied()).unwrap_or_else(|| tx.ids().next(now))
    });
    let row = NewRow {
        id: kept.id,
        number: kept.number,
        version: kept.version + 1,
        facts: &draft.facts,
        image_ids: image_ids.collect::<Vec<ImageId>>(),
        price_low: price_low(&draft.variants),
        created_at: kept.created_at,
        updated_at: now,
    };
    if !rows::save(tx, &row)? {
        return Err(tx.conflict().into());
    }
    tell_product(tx, by, "ProductUpdated", (row.id, row.number, row.version, draft.variants.len()), row.facts)?;
    Ok(true)
}

fn kept(tx: &mut Tx<'_>, which: &Ref, currency: Currency) -> Result<Kept, Error> {
    let unknown = || Error::NoSuchProduct(which.clone());
    let id = match which {
        Ref::Product(id) => *id,
        _ => rows::product(tx, which, currency)?.ok_or_else(unknown)?.product.id,
    };
    rows::kept(tx, Which::Ids(&[id]), currency)?.pop().ok_or_else(unknown)
}

fn shown(tx: &mut Tx<'_>, id: ProductId, currency: Currency) -> Result<Tagged<Product>, Error> {
    let found = rows::product(tx, &Ref::Product(id), currency)?;
    found.map(Tagged::from).ok_or(Error::Store(store::Error::Absent))
}

fn price_low(variants: &[DraftVariant]) -> i64 {
    variants.iter().map(|variant| variant.facts.price_minor).min().unwrap_or(0)
}

/// Gives each draft a handle that no living product and no draft before it has.
fn free_handles(tx: &mut Tx<'_>, drafts: &mut [Draft]) -> Result<(), Error> {
    let mut open: Vec<usize> = (0..drafts.len()).collect();
    let mut used: HashSet<String> = HashSet::new();
    for round in 1..=SUFFIXES_MAX {
        let candidate = |place: usize| -> String {
            let handle = &drafts[place].facts.handle;
            if round == 1 { handle.to_string() } else { format!("{handle}-{round}") }
        };
        let tried: Vec<String> = open.iter().map(|place| candidate(*place)).collect();
        let taken: HashSet<String> = rows::handles_taken(tx, &tried)?.into_iter().map(|(handle, _)| handle).collect();
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
fn free_skus<'a>(
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
    let asked: Vec<String> =
        skus.iter().enumerate().filter(|(place, sku)| made.contains(place) || !has(sku)).map(|(_, sku)| sku.to_string()).collect();
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
    if let Some((_, sku)) =
        skus.iter().enumerate().find(|(place, sku)| !made.contains(place) && !has(sku) && taken.contains(sku.as_str()))
    {
        return Err(Error::SkuTaken(sku.to_string()));
    }
    let mut open: Vec<usize> = (0..skus.len()).filter(|place| made.contains(place)).collect();
    let bases: Vec<Sku> = skus.clone();
    for round in 1..=SUFFIXES_MAX {
        let mut left = Vec::new();
        for place in open {
            let sku = if round == 1 { bases[place].clone() } else { suffixed(&bases[place], round) };
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
        let next: Vec<String> = open.iter().map(|place| suffixed(&bases[*place], round + 1).to_string()).collect();
        taken.extend(rows::skus_taken(tx, &next)?.into_iter().map(|(sku, _)| sku));
    }
    Err(Error::SkuTaken(bases[open[0]].to_string()))
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
            actor: by.actor.clone(),
            request_id: by.request_id.clone(),
        })
        .collect();
    Ok(rows::received(tx, &received)?)
}

fn move_handle(tx: &mut Tx<'_>, kept: &Kept, new: &Handle) -> Result<(), Error> {
    let wanted = [new.to_string()];
    if rows::handles_taken(tx, &wanted)?.iter().any(|(_, id)| *id != kept.id) {
        return Err(Error::HandleTaken(new.to_string()));
    }
    rows::free_handles(tx, &wanted)?;
    Ok(rows::rename(tx, kept.id, &kept.facts.handle)?)
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
    Err(Error::StockReserved { stock: old.on_hand, reserved: old.reserved })
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
