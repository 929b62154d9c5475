//! Cards: what cart and orders need to know of variants, many in one statement.

use std::sync::OnceLock;

use api::catalog::{Card, Image, Status};
use base::{Currency, Money, ProductId, VariantId};
use store::{Error, Row, Tx, Value, texts};

use super::products::status_of;
use super::{LOCATION, PRICE_LIST};
use crate::domain::{AVAILABLE_ALWAYS, card_name};

/// Which variants are wanted. What is empty costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// These, archived ones too.
    pub variants: Vec<VariantId>,
    /// Those of these products, archived ones too.
    pub products: Vec<ProductId>,
    /// Those of the products with these numbers, archived ones too.
    pub numbers: Vec<i64>,
    /// Living ones that have one of these SKUs.
    pub skus: Vec<String>,
    /// Those of living products with one of these handles, archived ones too.
    pub handles: Vec<String>,
}

/// A variant with what was needed to find it.
#[derive(Clone, Debug)]
pub struct CardRow {
    /// What the caller is told.
    pub card: Card,
    /// The chosen values.
    pub choice: Vec<String>,
    /// The product's handle.
    pub handle: String,
    /// The product's status.
    pub status: Status,
    /// Whether the variant itself is archived.
    pub archived: bool,
    /// The product's name.
    pub product_name: String,
    /// Whether the product offers a choice.
    pub has_options: bool,
}

fn read(row: &Row<'_>, currency: Currency) -> Result<CardRow, Error> {
    let choice: Vec<String> = row.json(3)?;
    let product_name: String = row.get(7)?;
    let images: String = row.get(8)?;
    let image_url = match images.as_str() {
        "[]" => None,
        images => {
            let images: Vec<Image> = serde_json::from_str(images).map_err(|_| Error::Corrupt("images".into()))?;
            images.into_iter().next().map(|image| image.url)
        }
    };
    let status = status_of(&row.get::<String>(9)?)?;
    let archived: bool = row.get(10)?;
    let (on_hand, reserved): (i64, i64) = (row.get(12)?, row.get(13)?);
    let (tracked, oversell): (bool, bool) = (row.get(14)?, row.get(15)?);
    let available = if tracked && !oversell {
        (on_hand - reserved).max(0)
    } else {
        AVAILABLE_ALWAYS
    };
    let options: String = row.get(16)?;
    Ok(CardRow {
        card: Card {
            variant: row.get(0)?,
            product: row.get(1)?,
            sku: row.get(2)?,
            requires_shipping: row.get(4)?,
            tax_category: row.get(5)?,
            number: row.get(6)?,
            name: card_name(&product_name, &choice),
            image_url,
            price: Money::new(row.get(11)?, currency),
            available,
            for_sale: status == Status::Active && !archived,
        },
        choice,
        handle: row.get(17)?,
        status,
        archived,
        product_name,
        has_options: options != "[]",
    })
}

/// What leads to the variants, one for each field of [`Wanted`], in the fields' order. Whoever asks leaves out the
/// archived variants of a product: here it would be a second way into the table, and planners take it.
const LEADS: [&str; 5] = [
    "SELECT id FROM catalog_variant WHERE id = ANY({n})",
    "SELECT id FROM catalog_variant WHERE product_id = ANY({n})",
    "SELECT w.id FROM catalog_product q JOIN catalog_variant w ON w.product_id = q.id WHERE q.number = ANY({n})",
    "SELECT id FROM catalog_variant WHERE sku = ANY({n}) AND archived_at IS NULL",
    "SELECT w.id FROM catalog_product q JOIN catalog_variant w ON w.product_id = q.id
     WHERE q.handle = ANY({n}) AND q.status <> 'archived'",
];

/// The statement for those fields that hold something, made once for each combination: this is asked for every
/// line that goes into a cart.
fn cards_sql(given: [bool; LEADS.len()]) -> &'static str {
    static SPELLINGS: [OnceLock<String>; 1 << LEADS.len()] = [const { OnceLock::new() }; 1 << LEADS.len()];
    let combination = given.iter().fold(0, |bits, given| bits << 1 | usize::from(*given));
    SPELLINGS[combination].get_or_init(|| {
        let leads = LEADS.iter().zip(given).filter(|(_, given)| *given);
        // The first three arguments are currency, price list and location.
        let parts: Vec<String> =
            leads.zip(4..).map(|((lead, _), place)| lead.replace("{n}", &format!("${place}"))).collect();
        format!(
            "SELECT v.id, v.product_id, v.sku, v.choice, v.requires_shipping, v.tax_category, p.number, p.name, p.images,
                    p.status, v.archived_at IS NOT NULL, pr.price_minor, s.on_hand, s.reserved, s.tracked, s.oversell,
                    p.options, p.handle
             FROM ({}) w
             JOIN catalog_variant v ON v.id = w.id
             JOIN catalog_product p ON p.id = v.product_id
             JOIN catalog_price pr ON pr.variant_id = v.id AND pr.currency = $1 AND pr.price_list = $2
             JOIN catalog_stock s ON s.variant_id = v.id AND s.location = $3
             ORDER BY v.product_id, v.position",
            parts.join(" UNION ")
        )
    })
}

/// The cards of what is wanted, those of one product in the order of its variants.
///
/// # Errors
/// What the engine refuses.
pub fn cards(tx: &mut Tx<'_>, wanted: &Wanted, currency: Currency) -> Result<Vec<CardRow>, Error> {
    let Wanted {
        variants,
        products,
        numbers,
        skus,
        handles,
    } = wanted;
    let given = [
        !variants.is_empty(),
        !products.is_empty(),
        !numbers.is_empty(),
        !skus.is_empty(),
        !handles.is_empty(),
    ];
    if given == [false; LEADS.len()] {
        return Ok(Vec::new());
    }
    let leads = [
        texts(variants),
        texts(products),
        numbers.clone().into(),
        skus.clone().into(),
        handles.clone().into(),
    ];
    let mut args: Vec<Value> = vec![currency.code().into(), PRICE_LIST.into(), LOCATION.into()];
    args.extend(
        leads
            .into_iter()
            .zip(given)
            .filter_map(|(lead, given)| given.then_some(lead)),
    );
    tx.all(cards_sql(given), &args, |row| read(row, currency))
}

/// The products that had these handles before.
///
/// # Errors
/// What the engine refuses.
pub fn former(tx: &mut Tx<'_>, handles: &[String]) -> Result<Vec<(String, ProductId)>, Error> {
    let sql = "SELECT handle, product_id FROM catalog_handle WHERE handle = ANY($1)";
    tx.all(sql, &[handles.into()], |row| Ok((row.get(0)?, row.get(1)?)))
}
