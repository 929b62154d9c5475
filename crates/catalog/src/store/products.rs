//! Product rows: read whole with their variants in two statements, written as arrays.

use api::Ref;
use api::catalog::{Image, Product, ProductOption, Status};
use base::{CategoryId, Currency, Handle, ImageId, Money, ProductId, Time, VariantId};
use serde_json::{Map, Value as Json};
use store::{Error, Row, RowColumn, Rows, Tx, args, sql, texts};

use super::variants::{self, VariantRow};
use crate::domain::{Facts, Kept, Picture, name_key, search_text, tags_key};

pub(super) const COLUMNS: &str = "p.id, p.number, p.handle, p.name, p.description, p.vendor, p.category, p.tags, \
    p.status, p.images, p.options, p.metadata, p.version, p.price_low, p.created_at, p.updated_at, c.id, c.name, \
    c.path, c.version";
/// Products with their categories. One of before may have none yet; an archived one keeps the name of a category that is
/// no longer there.
pub(super) const JOINED: &str = "catalog_product p LEFT JOIN catalog_category c ON c.id = p.category_id";

const NEW: [RowColumn; 21] = [
    RowColumn::Text("id"),
    RowColumn::Int("number"),
    RowColumn::Text("handle"),
    RowColumn::Text("name"),
    RowColumn::Text("description"),
    RowColumn::Text("vendor"),
    RowColumn::Text("category"),
    RowColumn::Text("tags"),
    RowColumn::Text("status"),
    RowColumn::Text("images"),
    RowColumn::Text("options"),
    RowColumn::Text("metadata"),
    RowColumn::Int("version"),
    RowColumn::Int("price_low"),
    RowColumn::Text("name_key"),
    RowColumn::Text("category_key"),
    RowColumn::Text("tags_key"),
    RowColumn::Text("search_text"),
    RowColumn::Int("created_at"),
    RowColumn::Int("updated_at"),
    RowColumn::Text("category_id"),
];

/// A product as people see it, with the two versions of its tag.
#[derive(Clone, Debug)]
pub struct Found {
    /// The product.
    pub product: Product,
    /// The catalogue version.
    pub version: i64,
    /// The sum of its variants' stock versions.
    pub stock_version: i64,
    /// The version of its category, whose name and path it shows.
    pub category_version: i64,
}

/// Which products are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// These ids.
    Ids(&'a [ProductId]),
    /// Those that have these handles now.
    Handles(&'a [Handle]),
}

/// A product row as it is to be written.
#[derive(Clone, Debug)]
pub struct NewRow<'a> {
    /// The id.
    pub id: ProductId,
    /// The number.
    pub number: i64,
    /// The catalogue version.
    pub version: i64,
    /// The category of the tree.
    pub category: CategoryId,
    /// What is known; with the category's path.
    pub facts: &'a Facts,
    /// Of `facts.images`, in their order.
    pub image_ids: Vec<ImageId>,
    /// The lowest price of its variants.
    pub price_low: i64,
    /// Since when it exists.
    pub created_at: Time,
    /// Now.
    pub updated_at: Time,
}

pub(super) struct ProductRow {
    pub(super) id: ProductId,
    pub(super) number: i64,
    handle: String,
    name: String,
    description: String,
    vendor: Option<String>,
    category: String,
    tags: Vec<String>,
    status: Status,
    images: Vec<Image>,
    options: Vec<ProductOption>,
    metadata: Map<String, Json>,
    version: i64,
    pub(super) price_low: i64,
    created_at: Time,
    updated_at: Time,
    /// Of the category: id, name, path, version.
    placed: Option<(CategoryId, String, String, i64)>,
}

pub(super) fn status_of(word: &str) -> Result<Status, Error> {
    match word {
        "active" => Ok(Status::Active),
        "draft" => Ok(Status::Draft),
        "archived" => Ok(Status::Archived),
        other => Err(Error::Corrupt(format!("no status: {other}"))),
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Draft => "draft",
        Status::Archived => "archived",
    }
}

pub(super) fn read(row: &Row<'_>) -> Result<ProductRow, Error> {
    Ok(ProductRow {
        id: row.get(0)?,
        number: row.get(1)?,
        handle: row.get(2)?,
        name: row.get(3)?,
        description: row.get(4)?,
        vendor: row.get(5)?,
        category: row.get(6)?,
        tags: row.json(7)?,
        status: status_of(&row.get::<String>(8)?)?,
        images: row.json(9)?,
        options: row.json(10)?,
        metadata: row.json(11)?,
        version: row.get(12)?,
        price_low: row.get(13)?,
        created_at: row.get(14)?,
        updated_at: row.get(15)?,
        placed: match row.get::<Option<CategoryId>>(16)? {
            Some(id) => Some((id, row.get(17)?, row.get(18)?, row.get(19)?)),
            None => None,
        },
    })
}

impl ProductRow {
    fn found(self, variants: Vec<VariantRow>, currency: Currency) -> Found {
        let stock_version = variants.iter().map(|variant| variant.stock_version).sum();
        let stock = variants.iter().map(|variant| variant.on_hand).sum();
        let sku = if let [only] = variants.as_slice() {
            Some(only.sku.clone())
        } else {
            None
        };
        let names: Vec<&str> = self.options.iter().map(|option| option.name.as_str()).collect();
        let variants = variants
            .into_iter()
            .map(|variant| variant.shown(&self.name, &names, currency))
            .collect();
        let (category_id, category, category_path, category_version) = match self.placed {
            Some((id, name, path, version)) => (Some(id), name, path, version),
            None => (None, self.category.clone(), self.category, 0),
        };
        let product = Product {
            id: self.id,
            number: self.number,
            handle: self.handle,
            name: self.name,
            description: self.description,
            vendor: self.vendor,
            category,
            category_id,
            category_path,
            tags: self.tags,
            status: self.status,
            image_url: self.images.first().map(|image| image.url.clone()),
            images: self.images,
            options: self.options,
            variants,
            price: Money::new(self.price_low, currency).amount(),
            currency,
            stock,
            sku,
            metadata: self.metadata,
            created_at: self.created_at,
            updated_at: self.updated_at,
            highlights: None,
        };
        Found {
            product,
            version: self.version,
            stock_version,
            category_version,
        }
    }

    fn kept(self, variants: Vec<VariantRow>) -> Result<Kept, Error> {
        let handle = Handle::new(&self.handle).map_err(|fault| Error::Corrupt(fault.to_string()))?;
        let (image_ids, images) = self
            .images
            .into_iter()
            .map(|image| {
                (
                    image.id,
                    Picture {
                        url: image.url,
                        alt: image.alt,
                    },
                )
            })
            .unzip();
        Ok(Kept {
            id: self.id,
            number: self.number,
            version: self.version,
            category: self.placed.as_ref().map(|placed| placed.0),
            facts: Facts {
                handle,
                name: self.name,
                description: self.description,
                vendor: self.vendor,
                category: self.placed.map_or(self.category, |placed| placed.2),
                tags: self.tags,
                status: self.status,
                images,
                options: self.options,
                metadata: self.metadata,
            },
            image_ids,
            variants: variants.into_iter().map(VariantRow::kept).collect::<Result<_, _>>()?,
            created_at: self.created_at,
        })
    }
}

/// The living product that is meant: by number, id, SKU, handle, or a handle that it had before. Other kinds of id
/// name none.
///
/// # Errors
/// What the engine refuses.
pub fn product(tx: &mut Tx<'_>, which: &Ref, currency: Currency) -> Result<Option<Found>, Error> {
    let row = match which {
        Ref::Number(number) => {
            static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
                format!("SELECT {COLUMNS} FROM {JOINED} WHERE p.number = $1 AND p.status <> 'archived'")
            });
            tx.maybe(&SQL, &args![*number], read)?
        }
        Ref::Product(id) => {
            static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
                format!("SELECT {COLUMNS} FROM {JOINED} WHERE p.id = $1 AND p.status <> 'archived'")
            });
            tx.maybe(&SQL, &args![id], read)?
        }
        Ref::Text(text) => {
            static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
                format!(
                    "SELECT {COLUMNS} FROM {JOINED} WHERE p.id = COALESCE(
                         (SELECT product_id FROM catalog_variant WHERE sku = $1 AND archived_at IS NULL),
                         (SELECT id FROM catalog_product WHERE handle = $1 AND status <> 'archived'),
                         (SELECT product_id FROM catalog_handle WHERE handle = $1))
                     AND p.status <> 'archived'"
                )
            });
            tx.maybe(&SQL, &args![text], read)?
        }
        Ref::Variant(_) | Ref::User(_) | Ref::Order(_) | Ref::Payment(_) | Ref::Line(_) => None,
    };
    let Some(row) = row else { return Ok(None) };
    let variants = variants::of_product(tx, row.id, currency)?;
    Ok(Some(row.found(variants, currency)))
}

/// Products of these rows in their order, with their variants: one statement more.
pub(super) fn with_variants(tx: &mut Tx<'_>, rows: Vec<ProductRow>, currency: Currency) -> Result<Vec<Found>, Error> {
    let mut variants = variants::of_products(tx, rows.iter().map(|row| row.id), currency)?;
    let found = rows.into_iter().map(|row| {
        let own = variants.remove(&row.id).unwrap_or_default();
        row.found(own, currency)
    });
    Ok(found.collect())
}

/// Living products by id, number, SKU or handle, each once, in the order of their numbers.
///
/// # Errors
/// What the engine refuses.
pub fn products(tx: &mut Tx<'_>, which: &[Ref], currency: Currency) -> Result<Vec<Found>, Error> {
    let (mut numbers, mut ids, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for one in which {
        match one {
            Ref::Number(number) => numbers.push(*number),
            Ref::Product(id) => ids.push(id.to_string()),
            Ref::Text(text) => names.push(text.clone()),
            _ => {}
        }
    }
    // Joined in this order: PostgreSQL would otherwise join all products with their categories first.
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!(
            "SELECT {COLUMNS} FROM (
                 SELECT id FROM catalog_product WHERE number = ANY($1)
                 UNION SELECT id FROM catalog_product WHERE id = ANY($2)
                 UNION SELECT product_id FROM catalog_variant WHERE sku = ANY($3) AND archived_at IS NULL
                 UNION SELECT id FROM catalog_product WHERE handle = ANY($3) AND status <> 'archived'
                 UNION SELECT product_id FROM catalog_handle WHERE handle = ANY($3)) AS wanted
             JOIN catalog_product p ON p.id = wanted.id LEFT JOIN catalog_category c ON c.id = p.category_id
             WHERE p.status <> 'archived'
             ORDER BY p.number"
        )
    });
    let rows = tx.all(&SQL, &args![numbers, ids, names], read)?;
    with_variants(tx, rows, currency)
}

/// Living products for those who change them.
///
/// # Errors
/// What the engine refuses, and rows that cannot be read.
pub fn kept(tx: &mut Tx<'_>, which: Which<'_>, currency: Currency) -> Result<Vec<Kept>, Error> {
    let select = format!("SELECT {COLUMNS} FROM {JOINED} WHERE p.status <> 'archived'");
    let rows = match which {
        Which::Ids(ids) => tx.all(
            &format!("{select} AND p.id = ANY($1) ORDER BY p.number"),
            &[texts(ids)],
            read,
        )?,
        Which::Handles(handles) => tx.all(
            &format!("{select} AND p.handle = ANY($1) ORDER BY p.number"),
            &[texts(handles)],
            read,
        )?,
    };
    let mut variants = variants::of_products(tx, rows.iter().map(|row| row.id), currency)?;
    rows.into_iter()
        .map(|row| {
            let own = variants.remove(&row.id).unwrap_or_default();
            row.kept(own)
        })
        .collect()
}

/// Writes new products. Returns how many there were room for: fewer than rows when another process took a handle.
///
/// # Errors
/// What the engine refuses.
pub fn insert(tx: &mut Tx<'_>, new: &[NewRow<'_>]) -> Result<u64, Error> {
    let mut rows = Rows::new(NEW);
    for row in new {
        rows.push(values(row)?);
    }
    let dialect = tx.dialect();
    let sql = sql!(
        dialect,
        NEW,
        1,
        "INSERT INTO catalog_product (id, number, handle, name, description, vendor, category, tags, status, images,
             options, metadata, version, price_low, name_key, category_key, tags_key, search_text, created_at, updated_at,
             category_id)
         SELECT id, number, handle, name, description, NULLIF(vendor, ''), category, tags, status, images,
             options, metadata, version, price_low, name_key, category_key, tags_key, search_text, created_at, updated_at,
             category_id
         FROM {rows} WHERE true ON CONFLICT DO NOTHING"
    );
    tx.run(sql, &rows.args(dialect))
}

/// Writes a product that was at the version before; `false` when it no longer is.
///
/// # Errors
/// [`Error::Duplicate`] when another process took the handle; else what the engine refuses.
pub fn save(tx: &mut Tx<'_>, row: &NewRow<'_>) -> Result<bool, Error> {
    let values = values(row)?;
    let changed = tx.run(
        "UPDATE catalog_product SET number = $2, handle = $3, name = $4, description = $5, vendor = NULLIF($6, ''),
             category = $7, tags = $8, status = $9, images = $10, options = $11, metadata = $12, version = $13,
             price_low = $14, name_key = $15, category_key = $16, tags_key = $17, search_text = $18, created_at = $19,
             updated_at = $20, category_id = $21
         WHERE id = $1 AND version = $13 - 1 AND status <> 'archived'",
        &values,
    )?;
    Ok(changed == 1)
}

fn values(row: &NewRow<'_>) -> Result<[store::Value; 21], Error> {
    let facts = row.facts;
    let images: Vec<Image> = facts
        .images
        .iter()
        .zip(&row.image_ids)
        .map(|(picture, id)| Image {
            id: *id,
            url: picture.url.clone(),
            alt: picture.alt.clone(),
        })
        .collect();
    Ok(args![
        row.id,
        row.number,
        facts.handle.as_str(),
        &facts.name,
        &facts.description,
        facts.vendor.as_deref().unwrap_or_default(),
        &facts.category,
        json(&facts.tags)?,
        word(facts.status),
        json(&images)?,
        json(&facts.options)?,
        json(&facts.metadata)?,
        row.version,
        row.price_low,
        name_key(&facts.name),
        base::fold(&facts.category),
        tags_key(&facts.tags),
        search_text(facts),
        row.created_at,
        row.updated_at,
        row.category,
    ])
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Sql(error.to_string()))
}

/// Archives a product of this version with its variants: its SKUs and handles are free again.
///
/// # Errors
/// [`Error::Conflict`] when it is no longer at this version; else what the engine refuses.
pub fn archive(tx: &mut Tx<'_>, id: ProductId, version: i64, now: Time) -> Result<(), Error> {
    let changed = tx.batch(&[
        (
            "UPDATE catalog_product SET status = 'archived', version = version + 1, updated_at = $3
             WHERE id = $1 AND version = $2 AND status <> 'archived'",
            &args![id, version, now],
        ),
        (
            "UPDATE catalog_variant SET archived_at = $2 WHERE product_id = $1 AND archived_at IS NULL",
            &args![id, now],
        ),
        ("DELETE FROM catalog_handle WHERE product_id = $1", &args![id]),
    ])?;
    if changed[0] == 1 { Ok(()) } else { Err(tx.conflict()) }
}

/// Remembers that `handle` led to this product, so that it goes on doing so.
///
/// # Errors
/// What the engine refuses.
pub fn rename(tx: &mut Tx<'_>, id: ProductId, handle: &Handle) -> Result<(), Error> {
    tx.run(
        "INSERT INTO catalog_handle (handle, product_id) VALUES ($1, $2)
         ON CONFLICT (handle) DO UPDATE SET product_id = excluded.product_id",
        &args![handle.as_str(), id],
    )
    .map(drop)
}

/// Handles that are names of products now lead nowhere else.
///
/// # Errors
/// What the engine refuses.
pub fn free_handles(tx: &mut Tx<'_>, handles: &[String]) -> Result<(), Error> {
    tx.run("DELETE FROM catalog_handle WHERE handle = ANY($1)", &args![handles])
        .map(drop)
}

/// Which of these handles living products have.
///
/// # Errors
/// What the engine refuses.
pub fn handles_taken(tx: &mut Tx<'_>, handles: &[String]) -> Result<Vec<(String, ProductId)>, Error> {
    let sql = "SELECT handle, id FROM catalog_product WHERE handle = ANY($1) AND status <> 'archived'";
    tx.all(sql, &args![handles], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Which of these SKUs living variants have.
///
/// # Errors
/// What the engine refuses.
pub fn skus_taken(tx: &mut Tx<'_>, skus: &[String]) -> Result<Vec<(String, VariantId)>, Error> {
    let sql = "SELECT sku, id FROM catalog_variant WHERE sku = ANY($1) AND archived_at IS NULL";
    tx.all(sql, &args![skus], |row| Ok((row.get(0)?, row.get(1)?)))
}
