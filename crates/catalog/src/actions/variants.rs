//! Variants of a product: added, changed, removed, one at a time.

use api::Ref;
use api::catalog::{ChangeVariant, NewVariant, Variant};
use base::{Currency, VariantId};
use bus::Deed;
use serde_json::json;
use store::{Answered, Once, Tx};

use super::By;
use super::drafts::revise_as;
use super::products::{Tagged, kept, shown};
use crate::domain::{self, Kept, Revision};
use crate::{App, Error};

/// The variants of a product, with the product's tag; of drafts for staff only.
///
/// # Errors
/// [`Error::NoSuchProduct`]; the database's.
pub async fn variants(app: &App, which: Ref, staff: bool) -> Result<Tagged<Vec<Variant>>, Error> {
    let found = super::find(app, which, staff).await?;
    Ok(Tagged {
        value: found.value.variants,
        tag: found.tag,
    })
}

/// A variant of a product, by its id or SKU.
///
/// # Errors
/// [`Error::NoSuchProduct`], [`Error::NoSuchVariant`]; the database's.
pub async fn variant(app: &App, which: Ref, variant: String, staff: bool) -> Result<Tagged<Variant>, Error> {
    let found = super::find(app, which, staff).await?;
    one_of(found, |one| is_named(one, &variant)).ok_or(Error::NoSuchVariant(variant))
}

/// Adds a variant; a value that an option does not offer yet is added to it.
///
/// # Errors
/// [`Error::NoSuchProduct`], [`Error::Stale`], [`Error::Invalid`], [`Error::SkuTaken`]; the database's.
pub async fn add_variant(
    app: &App,
    by: By,
    once: Option<Once>,
    which: Ref,
    if_match: Option<String>,
    new: NewVariant,
) -> Result<Answered<Tagged<Variant>>, Error> {
    let currency = app.currency;
    app.db
        .write_once(once, move |tx| {
            let kept = kept(tx, &which, if_match.as_deref(), currency)?;
            let revision = domain::beside(&kept, new.clone(), currency).map_err(Error::Invalid)?;
            let there: Vec<VariantId> = kept.variants.iter().map(|variant| variant.id).collect();
            let done = revised(tx, &by, currency, &kept, revision, |one| !there.contains(&one.id))?;
            let deed = Deed {
                action: "variant.create",
                subject: &done.value.id.to_string(),
                before: None,
                after: Some(told(&done.value)),
            };
            bus::audit(tx, &by.actor, &by.request_id, deed)?;
            Ok(done)
        })
        .await
}

/// Changes the fields given of a variant.
///
/// # Errors
/// As [`add_variant`]; [`Error::NoSuchVariant`]; [`Error::StockReserved`] when it could no longer be oversold but is.
pub async fn change_variant(
    app: &App,
    by: By,
    once: Option<Once>,
    which: (Ref, String),
    if_match: Option<String>,
    change: ChangeVariant,
) -> Result<Answered<Tagged<Variant>>, Error> {
    let currency = app.currency;
    app.db
        .write_once(once, move |tx| {
            let kept = kept(tx, &which.0, if_match.as_deref(), currency)?;
            let place = place_of(&kept, &which.1)?;
            let id = kept.variants[place].id;
            let revision = domain::change_variant(&kept, place, change.clone(), currency).map_err(Error::Invalid)?;
            let before = one_of(shown(tx, kept.id, currency)?, |one| one.id == id);
            let done = revised(tx, &by, currency, &kept, revision, |one| one.id == id)?;
            let deed = Deed {
                action: "variant.update",
                subject: &id.to_string(),
                before: before.map(|before| told(&before.value)),
                after: Some(told(&done.value)),
            };
            bus::audit(tx, &by.actor, &by.request_id, deed)?;
            Ok(done)
        })
        .await
}

/// Takes a variant out of the shop for good; orders that hold it still show it, and its pieces in them stay theirs.
///
/// # Errors
/// [`Error::NoSuchProduct`], [`Error::NoSuchVariant`], [`Error::LastVariant`], [`Error::Stale`]; the database's.
pub async fn remove_variant(
    app: &App,
    by: By,
    once: Option<Once>,
    which: (Ref, String),
    if_match: Option<String>,
) -> Result<Answered<()>, Error> {
    let currency = app.currency;
    app.db
        .write_once(once, move |tx| {
            let kept = kept(tx, &which.0, if_match.as_deref(), currency)?;
            let place = place_of(&kept, &which.1)?;
            if kept.variants.len() == 1 {
                return Err(Error::LastVariant);
            }
            let gone = &kept.variants[place];
            let mut draft = kept.draft();
            draft.variants.remove(place);
            let same = (0..kept.variants.len())
                .filter(|other| *other != place)
                .map(Some)
                .collect();
            revise_as(tx, &by, currency, &kept, Revision { draft, same })?;
            let sku = gone.facts.sku.as_ref().map(base::Sku::as_str);
            let deed = Deed {
                action: "variant.archive",
                subject: &gone.id.to_string(),
                before: Some(json!({ "sku": sku, "productId": kept.id })),
                after: None,
            };
            Ok(bus::audit(tx, &by.actor, &by.request_id, deed)?)
        })
        .await
}

fn revised(
    tx: &mut Tx<'_>,
    by: &By,
    currency: Currency,
    kept: &Kept,
    revision: Revision,
    is_it: impl Fn(&Variant) -> bool,
) -> Result<Tagged<Variant>, Error> {
    revise_as(tx, by, currency, kept, revision)?;
    one_of(shown(tx, kept.id, currency)?, is_it).ok_or(Error::Store(store::Error::Absent))
}

fn one_of(product: Tagged<api::catalog::Product>, is_it: impl Fn(&Variant) -> bool) -> Option<Tagged<Variant>> {
    let Tagged { value, tag } = product;
    let value = value.variants.into_iter().find(is_it)?;
    Some(Tagged { value, tag })
}

fn is_named(variant: &Variant, name: &str) -> bool {
    match Ref::new(name) {
        Ref::Variant(id) => variant.id == id,
        _ => variant.sku == name,
    }
}

fn place_of(kept: &Kept, name: &str) -> Result<usize, Error> {
    let wanted = Ref::new(name);
    let is_it = |variant: &domain::KeptVariant| match &wanted {
        Ref::Variant(id) => variant.id == *id,
        _ => variant.facts.sku.as_ref().is_some_and(|sku| sku.as_str() == name),
    };
    let place = kept.variants.iter().position(is_it);
    place.ok_or_else(|| Error::NoSuchVariant(name.to_owned()))
}

/// What the audit log keeps of a variant; its stock has entries of its own.
fn told(variant: &Variant) -> serde_json::Value {
    json!({
        "sku": variant.sku,
        "options": variant.options,
        "price": variant.price,
        "compareAtPrice": variant.compare_at_price,
        "barcode": variant.barcode,
        "weight": variant.weight,
        "weightUnit": variant.weight_unit,
        "tracked": variant.tracked,
        "inventoryPolicy": variant.inventory_policy,
        "requiresShipping": variant.requires_shipping,
        "taxCategory": variant.tax_category,
        "metadata": variant.metadata,
    })
}
