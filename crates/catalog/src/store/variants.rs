//! Variant rows, each with its price and its stock.

use std::collections::{BTreeMap, HashMap};

use api::catalog::{InventoryPolicy, Variant};
use base::{Currency, Money, ProductId, Sku, Time, VariantId};
use serde_json::{Map, Value as Json};
use store::{Error, Row, RowColumn, Rows, Tx, args, sql, texts};

use super::products::json;
use super::{LOCATION, PRICE_LIST};
use crate::domain::{KeptVariant, VariantFacts, variant_name};

const COLUMNS: &str = "v.product_id, v.id, v.position, v.sku, v.choice, v.barcode, v.weight, v.weight_unit, \
    v.requires_shipping, v.tax_category, v.metadata, pr.price_minor, pr.compare_at_minor, s.on_hand, s.reserved, \
    s.tracked, s.oversell, s.version";

const JOINED: &str = "catalog_variant v \
    JOIN catalog_price pr ON pr.variant_id = v.id AND pr.currency = $2 AND pr.price_list = $3 \
    JOIN catalog_stock s ON s.variant_id = v.id AND s.location = $4";

const VARIANT: [RowColumn; 14] = [
    RowColumn::Text("id"),
    RowColumn::Text("product_id"),
    RowColumn::Int("position"),
    RowColumn::Text("sku"),
    RowColumn::Text("choice"),
    RowColumn::Text("barcode"),
    RowColumn::Int("weight"),
    RowColumn::Text("weight_unit"),
    RowColumn::Int("requires_shipping"),
    RowColumn::Text("tax_category"),
    RowColumn::Text("metadata"),
    RowColumn::Int("price_minor"),
    RowColumn::Int("compare_at_minor"),
    RowColumn::Int("at"),
];

const STOCK: [RowColumn; 5] = [
    RowColumn::Text("variant_id"),
    RowColumn::Int("on_hand"),
    RowColumn::Int("tracked"),
    RowColumn::Int("oversell"),
    RowColumn::Int("version"),
];

const PRICE: [RowColumn; 4] = [
    RowColumn::Text("variant_id"),
    RowColumn::Text("currency"),
    RowColumn::Int("price_minor"),
    RowColumn::Int("compare_at_minor"),
];

/// Stands for no number in a column of arrays.
const NONE: i64 = -1;

/// A variant as it is to be written. The SKU is there.
#[derive(Clone, Debug)]
pub struct NewVariantRow<'a> {
    /// The id.
    pub id: VariantId,
    /// Of which product.
    pub product: ProductId,
    /// Its place among the variants.
    pub position: i64,
    /// The SKU.
    pub sku: Sku,
    /// What is known.
    pub facts: &'a VariantFacts,
    /// Pieces on hand when it is new.
    pub on_hand: i64,
}

pub(super) struct VariantRow {
    product: ProductId,
    id: VariantId,
    position: i64,
    pub(super) sku: String,
    choice: Vec<String>,
    barcode: Option<String>,
    weight: Option<i64>,
    weight_unit: Option<String>,
    requires_shipping: bool,
    tax_category: Option<String>,
    metadata: Map<String, Json>,
    price_minor: i64,
    compare_at_minor: Option<i64>,
    pub(super) on_hand: i64,
    reserved: i64,
    tracked: bool,
    oversell: bool,
    pub(super) stock_version: i64,
}

fn read(row: &Row<'_>) -> Result<VariantRow, Error> {
    Ok(VariantRow {
        product: row.get(0)?,
        id: row.get(1)?,
        position: row.get(2)?,
        sku: row.get(3)?,
        choice: row.json(4)?,
        barcode: row.get(5)?,
        weight: row.get(6)?,
        weight_unit: row.get(7)?,
        requires_shipping: row.get(8)?,
        tax_category: row.get(9)?,
        metadata: row.json(10)?,
        price_minor: row.get(11)?,
        compare_at_minor: row.get(12)?,
        on_hand: row.get(13)?,
        reserved: row.get(14)?,
        tracked: row.get(15)?,
        oversell: row.get(16)?,
        stock_version: row.get(17)?,
    })
}

fn policy(oversell: bool) -> InventoryPolicy {
    if oversell {
        InventoryPolicy::Continue
    } else {
        InventoryPolicy::Deny
    }
}

impl VariantRow {
    pub(super) fn shown(self, product: &str, options: &[&str], currency: Currency) -> Variant {
        let amount = |minor| Money::new(minor, currency).amount();
        Variant {
            id: self.id,
            sku: self.sku,
            name: variant_name(product, &self.choice),
            options: options
                .iter()
                .map(|name| (*name).to_owned())
                .zip(self.choice)
                .collect::<BTreeMap<_, _>>(),
            price: amount(self.price_minor),
            // The price may have risen since; then it is no price of before any more.
            compare_at_price: self
                .compare_at_minor
                .filter(|before| *before > self.price_minor)
                .map(amount),
            stock: self.on_hand,
            available: self.on_hand - self.reserved,
            barcode: self.barcode,
            weight: self.weight,
            weight_unit: self.weight_unit,
            tracked: self.tracked,
            inventory_policy: policy(self.oversell),
            requires_shipping: self.requires_shipping,
            tax_category: self.tax_category,
            metadata: self.metadata,
        }
    }

    pub(super) fn kept(self) -> Result<KeptVariant, Error> {
        let sku = Sku::new(&self.sku).map_err(|fault| Error::Corrupt(fault.to_string()))?;
        Ok(KeptVariant {
            id: self.id,
            position: self.position,
            facts: VariantFacts {
                sku: Some(sku),
                choice: self.choice,
                price_minor: self.price_minor,
                compare_at_minor: self.compare_at_minor,
                barcode: self.barcode,
                weight: self.weight,
                weight_unit: self.weight_unit,
                tracked: self.tracked,
                inventory_policy: policy(self.oversell),
                requires_shipping: self.requires_shipping,
                tax_category: self.tax_category,
                metadata: self.metadata,
            },
            on_hand: self.on_hand,
            reserved: self.reserved,
        })
    }
}

pub(super) fn of_product(tx: &mut Tx<'_>, product: ProductId, currency: Currency) -> Result<Vec<VariantRow>, Error> {
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!("SELECT {COLUMNS} FROM {JOINED} WHERE v.product_id = $1 AND v.archived_at IS NULL ORDER BY v.position")
    });
    tx.all(&SQL, &args![product, currency.code(), PRICE_LIST, LOCATION], read)
}

pub(super) fn of_products(
    tx: &mut Tx<'_>,
    products: impl Iterator<Item = ProductId>,
    currency: Currency,
) -> Result<HashMap<ProductId, Vec<VariantRow>>, Error> {
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!(
            "SELECT {COLUMNS} FROM {JOINED} WHERE v.product_id = ANY($1) AND v.archived_at IS NULL
             ORDER BY v.product_id, v.position"
        )
    });
    let rows = tx.all(
        &SQL,
        &[
            texts(products),
            currency.code().into(),
            PRICE_LIST.into(),
            LOCATION.into(),
        ],
        read,
    )?;
    let mut of_each: HashMap<ProductId, Vec<VariantRow>> = HashMap::new();
    for row in rows {
        of_each.entry(row.product).or_default().push(row);
    }
    Ok(of_each)
}

/// Writes new variants with their prices and stock rows. Returns how many there was room for: fewer than rows when
/// another process took a SKU.
///
/// # Errors
/// What the engine refuses.
pub fn insert(tx: &mut Tx<'_>, new: &[NewVariantRow<'_>], currency: Currency, now: Time) -> Result<u64, Error> {
    if new.is_empty() {
        return Ok(0);
    }
    let dialect = tx.dialect();
    let mut rows = Rows::new(VARIANT);
    let mut stock = Rows::new(STOCK);
    for row in new {
        rows.push(values(row, now)?);
        let facts = row.facts;
        let oversell = facts.inventory_policy == InventoryPolicy::Continue;
        stock.push(args![
            row.id,
            row.on_hand,
            facts.tracked,
            oversell,
            i64::from(row.on_hand != 0)
        ]);
    }
    let rows = rows.args(dialect);
    let changed = tx.run(
        sql!(
            dialect,
            VARIANT,
            1,
            "INSERT INTO catalog_variant (id, product_id, position, sku, choice, barcode, weight, weight_unit,
                 requires_shipping, tax_category, metadata, created_at)
             SELECT id, product_id, position, sku, choice, NULLIF(barcode, ''), NULLIF(weight, -1),
                 NULLIF(weight_unit, ''), requires_shipping, NULLIF(tax_category, ''), metadata, at
             FROM {rows} WHERE true ON CONFLICT DO NOTHING"
        ),
        &rows,
    )?;
    if changed != new.len() as u64 {
        return Ok(changed);
    }
    put_prices(tx, new, currency)?;
    tx.run(
        sql!(
            dialect,
            STOCK,
            1,
            "INSERT INTO catalog_stock (variant_id, location, on_hand, reserved, tracked, oversell, version, adjustments)
             SELECT variant_id, 'main', on_hand, 0, tracked, oversell, version, 0 FROM {rows}"
        ),
        &stock.args(dialect),
    )?;
    Ok(changed)
}

/// Writes variants that are there already, with their prices. Stock stays as it is.
///
/// # Errors
/// [`Error::Duplicate`] when another process took a SKU; else what the engine refuses.
pub fn save(tx: &mut Tx<'_>, changed: &[NewVariantRow<'_>], currency: Currency, now: Time) -> Result<(), Error> {
    if changed.is_empty() {
        return Ok(());
    }
    let dialect = tx.dialect();
    let mut rows = Rows::new(VARIANT);
    for row in changed {
        rows.push(values(row, now)?);
    }
    tx.run(
        sql!(
            dialect,
            VARIANT,
            1,
            "UPDATE catalog_variant AS v SET position = d.position, sku = d.sku, choice = d.choice,
                 barcode = NULLIF(d.barcode, ''), weight = NULLIF(d.weight, -1),
                 weight_unit = NULLIF(d.weight_unit, ''), requires_shipping = d.requires_shipping,
                 tax_category = NULLIF(d.tax_category, ''), metadata = d.metadata
             FROM {rows} WHERE v.id = d.id"
        ),
        &rows.args(dialect),
    )?;
    put_prices(tx, changed, currency)
}

fn put_prices(tx: &mut Tx<'_>, rows: &[NewVariantRow<'_>], currency: Currency) -> Result<(), Error> {
    let dialect = tx.dialect();
    let mut prices = Rows::new(PRICE);
    for row in rows {
        let facts = row.facts;
        prices.push(args![
            row.id,
            currency.code(),
            facts.price_minor,
            facts.compare_at_minor.unwrap_or(NONE)
        ]);
    }
    tx.run(
        sql!(
            dialect,
            PRICE,
            1,
            "INSERT INTO catalog_price (variant_id, currency, price_list, price_minor, compare_at_minor)
             SELECT variant_id, currency, 'default', price_minor, NULLIF(compare_at_minor, -1) FROM {rows} WHERE true
             ON CONFLICT (variant_id, currency, price_list)
             DO UPDATE SET price_minor = excluded.price_minor, compare_at_minor = excluded.compare_at_minor"
        ),
        &prices.args(dialect),
    )
    .map(drop)
}

fn values(row: &NewVariantRow<'_>, now: Time) -> Result<[store::Value; 14], Error> {
    let facts = row.facts;
    Ok(args![
        row.id,
        row.product,
        row.position,
        row.sku.as_str(),
        json(&facts.choice)?,
        facts.barcode.as_deref().unwrap_or_default(),
        facts.weight.unwrap_or(NONE),
        facts.weight_unit.as_deref().unwrap_or_default(),
        facts.requires_shipping,
        facts.tax_category.as_deref().unwrap_or_default(),
        json(&facts.metadata)?,
        facts.price_minor,
        facts.compare_at_minor.unwrap_or(NONE),
        now,
    ])
}

/// Archives variants; their SKUs are free again. Orders that hold them still show them.
///
/// # Errors
/// What the engine refuses.
pub fn archive(tx: &mut Tx<'_>, variants: &[VariantId], now: Time) -> Result<(), Error> {
    if variants.is_empty() {
        return Ok(());
    }
    tx.run(
        "UPDATE catalog_variant SET archived_at = $2 WHERE id = ANY($1)",
        &[texts(variants), now.into()],
    )
    .map(drop)
}
