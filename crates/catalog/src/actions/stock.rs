//! A clerk reads and changes what is on hand.

use api::Ref;
use api::catalog::{ChangeStock, Movement, Pick, Status, Stock};
use base::{Cursor, CursorFault, VariantId};
use bus::Deed;
use serde_json::json;
use store::{Answered, Once, Tx};

use super::cards::Shelves;
use super::products::Tagged;
use super::{By, tell};
use crate::domain::{Reason, STOCK_MAX, WORD_MAX, names_stock, stock_tag};
use crate::store::{Change, Stocked};
use crate::{App, Error, store as rows};

/// What there is of a product's only variant, or of the variant named.
///
/// # Errors
/// [`Error::NoSuchProduct`], [`Error::NoSuchVariant`], [`Error::VariantRequired`]; the database's.
pub async fn stock(app: &App, product: Ref, variant: Option<String>) -> Result<Tagged<Stock>, Error> {
    let currency = app.currency;
    app.db
        .read(move |tx| {
            let (variant, _) = meant(tx, &product, variant.as_deref(), currency)?;
            Ok(shown(rows::shelf(tx, variant)?))
        })
        .await
}

/// Changes what is on hand: by `quantity`, or to `set` where `if_match` names the stock version of now.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::PreconditionRequired`] and [`Error::Stale`] for `set`; [`Error::StockReserved`] when
/// less would be left than is promised, or less than nothing; as [`stock`].
pub async fn change_stock(
    app: &App,
    by: By,
    once: Option<Once>,
    product: Ref,
    variant: Option<String>,
    change: ChangeStock,
    if_match: Option<String>,
) -> Result<Answered<Tagged<Stock>>, Error> {
    let currency = app.currency;
    let note = note_of(change.reason.as_deref())?;
    let asked = asked(&change)?;
    if matches!(asked, To::Set(_)) && if_match.is_none() {
        return Err(Error::PreconditionRequired);
    }
    app.db
        .write_once(once, move |tx| {
            let (variant, alone) = meant(tx, &product, variant.as_deref(), currency)?;
            let before = rows::shelf(tx, variant)?;
            let stale = if_match
                .as_deref()
                .is_some_and(|tags| !names_stock(tags, before.version, alone));
            if stale {
                return Err(Error::Stale);
            }
            let (on_hand, reason) = match asked {
                To::Set(pieces) => (pieces, Reason::Set),
                To::Shift(pieces) => (before.on_hand.saturating_add(pieces), Reason::Adjusted),
            };
            let after = move_to(tx, &by, variant, before, on_hand, reason, note.clone())?;
            let deed = Deed {
                action: "stock.change",
                subject: &variant.to_string(),
                before: Some(json!({ "stock": before.on_hand })),
                after: Some(json!({ "stock": after.on_hand })),
            };
            bus::audit(tx, &by.actor, &by.request_id, deed)?;
            Ok(shown(after))
        })
        .await
}

/// A page of the ledger of a product's only variant, or of the variant named: newest first.
///
/// # Errors
/// [`Error::Invalid`] for a cursor of another list; as [`stock`].
pub async fn ledger(
    app: &App,
    product: Ref,
    variant: Option<String>,
    limit: u32,
    after: Option<Cursor>,
) -> Result<(Vec<Movement>, Option<Cursor>), Error> {
    let currency = app.currency;
    let before = match &after {
        None => i64::MAX,
        Some(cursor) => {
            let line = cursor.parts::<1>().ok().and_then(|[line]| line.parse().ok());
            line.ok_or_else(|| Error::field("?cursor", CursorFault.to_string()))?
        }
    };
    app.db
        .read(move |tx| {
            let (variant, _) = meant(tx, &product, variant.as_deref(), currency)?;
            let mut lines = rows::movements(tx, variant, before, limit + 1)?;
            let more = lines.len() > limit as usize;
            lines.truncate(limit as usize);
            let next = lines
                .last()
                .filter(|_| more)
                .map(|line| Cursor::new([line.sequence.to_string()]));
            Ok((lines, next))
        })
        .await
}

/// Sets what is on hand of a variant, whatever it was; for imports.
///
/// # Errors
/// [`Error::StockReserved`]; the database's.
pub fn put_stock(tx: &mut Tx<'_>, by: &By, variant: VariantId, on_hand: i64) -> Result<(), Error> {
    let before = rows::shelf(tx, variant)?;
    move_to(tx, by, variant, before, on_hand, Reason::Set, None).map(drop)
}

/// Changes what is on hand of a variant by so many pieces; for undoing imports.
///
/// # Errors
/// [`Error::StockReserved`] when less would be left than is promised, or less than nothing; the database's.
pub fn shift_stock(tx: &mut Tx<'_>, by: &By, variant: VariantId, pieces: i64) -> Result<(), Error> {
    let before = rows::shelf(tx, variant)?;
    let on_hand = before.on_hand.saturating_add(pieces);
    move_to(tx, by, variant, before, on_hand, Reason::Adjusted, None).map(drop)
}

fn note_of(reason: Option<&str>) -> Result<Option<String>, Error> {
    let Some(reason) = reason.map(str::trim).filter(|reason| !reason.is_empty()) else {
        return Ok(None);
    };
    if reason.chars().count() > WORD_MAX || reason.chars().any(char::is_control) {
        let detail = format!("must have at most {WORD_MAX} characters, none of them a control character");
        return Err(Error::field("/reason", detail));
    }
    Ok(Some(reason.to_owned()))
}

#[derive(Clone, Copy)]
enum To {
    Set(i64),
    Shift(i64),
}

fn asked(change: &ChangeStock) -> Result<To, Error> {
    match (change.quantity, change.set) {
        (Some(_), Some(_)) => Err(Error::field("/set", "stands beside `quantity`; give one of them")),
        (None, None) => Err(Error::field("/quantity", "is needed, or `set`")),
        (Some(pieces), None) if !(-STOCK_MAX..=STOCK_MAX).contains(&pieces) => Err(Error::field(
            "/quantity",
            format!("must be from -{STOCK_MAX} to {STOCK_MAX}"),
        )),
        (None, Some(pieces)) if !(0..=STOCK_MAX).contains(&pieces) => {
            Err(Error::field("/set", format!("must be from 0 to {STOCK_MAX}")))
        }
        (Some(pieces), None) => Ok(To::Shift(pieces)),
        (None, Some(pieces)) => Ok(To::Set(pieces)),
    }
}

fn move_to(
    tx: &mut Tx<'_>,
    by: &By,
    variant: VariantId,
    before: Stocked,
    on_hand: i64,
    reason: Reason,
    note: Option<String>,
) -> Result<Stocked, Error> {
    if on_hand == before.on_hand {
        return Ok(before);
    }
    if on_hand > STOCK_MAX {
        return Err(Error::field("/quantity", format!("would leave more than {STOCK_MAX}")));
    }
    if on_hand < before.reserved && !before.oversell {
        return Err(Error::StockReserved {
            stock: before.on_hand,
            reserved: before.reserved,
        });
    }
    let change = Change {
        variant,
        on_hand,
        reason,
        note,
        actor: by.actor.clone(),
        request_id: by.request_id.clone(),
    };
    let after = rows::adjust(tx, before, change)?;
    let data = json!({
        "variantId": variant,
        "reason": reason.as_str(),
        "change": on_hand - before.on_hand,
        "stock": after.on_hand,
        "reserved": after.reserved,
    });
    tell(
        tx,
        by,
        "InventoryAdjusted",
        variant.to_string(),
        after.adjustments,
        &data,
    )?;
    Ok(after)
}

/// The variant that is meant, and whether it is the product's only one.
fn meant(
    tx: &mut Tx<'_>,
    product: &Ref,
    variant: Option<&str>,
    currency: base::Currency,
) -> Result<(VariantId, bool), Error> {
    let seen = |row: &rows::CardRow| row.status != Status::Archived;
    let of = |which: Ref| {
        [Pick {
            product: Some(which),
            ..Pick::default()
        }]
    };
    let found = Shelves::load(tx, of(product.clone()).iter(), currency)?;
    let Some(variant) = variant else {
        if matches!(product, Ref::Variant(_)) {
            return Err(Error::NoSuchProduct(product.clone()));
        }
        let row = found.named(product, seen)?;
        return Ok((row.card.variant, !row.has_options));
    };
    let mut of_product = found.product(product, seen);
    let whole;
    if of_product.is_empty() {
        // The product was named by a SKU: the others of its variants are wanted too.
        let row = match found.named(product, seen) {
            Ok(row) if !matches!(product, Ref::Variant(_)) => row,
            Ok(_) => return Err(Error::NoSuchProduct(product.clone())),
            Err(error) => return Err(error),
        };
        let which = Ref::Product(row.card.product);
        whole = Shelves::load(tx, of(which.clone()).iter(), currency)?;
        of_product = whole.product(&which, seen);
    }
    let wanted = Ref::new(variant);
    let is_it = |row: &&&rows::CardRow| match &wanted {
        Ref::Variant(id) => row.card.variant == *id,
        _ => row.card.sku == variant,
    };
    let row = of_product
        .iter()
        .find(is_it)
        .ok_or_else(|| Error::NoSuchVariant(variant.to_owned()))?;
    Ok((row.card.variant, of_product.len() == 1))
}

fn shown(row: Stocked) -> Tagged<Stock> {
    let value = Stock {
        stock: row.on_hand,
        reserved: row.reserved,
        available: row.on_hand - row.reserved,
    };
    Tagged {
        value,
        tag: stock_tag(row.version),
    }
}
