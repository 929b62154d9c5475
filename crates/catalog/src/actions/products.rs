//! Products: found, listed, created, changed, archived.

use api::Ref;
use api::catalog::{ChangeProduct, NewProduct, Product, Status};
use base::{Currency, ProductId};
use serde::{Deserialize, Serialize};
use store::{Answered, Once, Tx};

use super::By;
use super::deeds::record;
use super::drafts::{archive_kept, create_all, revise_as};
use crate::domain::{self, Kept, names_catalogue, product_tag};
use crate::store::{Filter, Found, From as Start, Listed, Order, Which};
use crate::{App, Error, store as rows};

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
        Self {
            tag: product_tag(found.version, found.stock_version, found.category_version),
            value: found.product,
        }
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
            seen.map(Tagged::from)
                .ok_or_else(|| Error::NoSuchProduct(which.clone()))
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
    let (indexed, reader) = (filter.is_indexed(order), app.db.clone());
    let act = move |tx: &mut Tx<'_>| rows::list(tx, &filter, order, limit, &from, currency).map_err(Error::from);
    let listed = if indexed {
        reader.read(act).await?
    } else {
        reader.scan(act).await?
    };
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
            let found = rows::products(tx, &which, currency)?
                .into_iter()
                .map(|found| found.product);
            Ok(found
                .filter(|product| staff || product.status == Status::Active)
                .collect())
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
            let done = shown(tx, ids[0], currency)?;
            record(tx, &by, "product.create", None, Some(&done.value))?;
            Ok(done)
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
            let kept = kept(tx, &which, if_match.as_deref(), currency)?;
            let revision = domain::change(&kept, change.clone(), currency).map_err(Error::Invalid)?;
            let before = shown(tx, kept.id, currency)?;
            if !revise_as(tx, &by, currency, &kept, revision)? {
                return Ok(before);
            }
            let done = shown(tx, kept.id, currency)?;
            record(tx, &by, "product.update", Some(&before.value), Some(&done.value))?;
            Ok(done)
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
            let kept = kept(tx, &which, if_match.as_deref(), currency)?;
            let before = shown(tx, kept.id, currency)?;
            archive_kept(tx, &by, kept)?;
            Ok(record(tx, &by, "product.archive", Some(&before.value), None)?)
        })
        .await
}

/// A product, unless it is not the one that the `If-Match` names.
pub(super) fn kept(tx: &mut Tx<'_>, which: &Ref, if_match: Option<&str>, currency: Currency) -> Result<Kept, Error> {
    let unknown = || Error::NoSuchProduct(which.clone());
    let id = match which {
        Ref::Product(id) => *id,
        _ => rows::product(tx, which, currency)?.ok_or_else(unknown)?.product.id,
    };
    let kept = rows::kept(tx, Which::Ids(&[id]), currency)?.pop().ok_or_else(unknown)?;
    match if_match {
        Some(tags) if !names_catalogue(tags, kept.version) => Err(Error::Stale),
        _ => Ok(kept),
    }
}

pub(super) fn shown(tx: &mut Tx<'_>, id: ProductId, currency: Currency) -> Result<Tagged<Product>, Error> {
    let found = rows::product(tx, &Ref::Product(id), currency)?;
    found.map(Tagged::from).ok_or(Error::Store(store::Error::Absent))
}
