//! The columns of a Shopify product file: the ones that the shop has a field for, by any of their names, and the
//! rest, which is kept under the name it came with.

use std::sync::Arc;

use api::catalog::REASON_COLUMN;
use serde_json::Value;

use crate::domain::OPTIONS_MAX;

/// Columns of a file at the most. Shopify's own have 50 and a few for each market; this bounds a hostile header.
const COLUMNS_MAX: usize = 1_000;

/// A column that the shop has a field for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Handle,
    Title,
    Body,
    Vendor,
    Type,
    Tags,
    /// Tags that hold a comma, as JSON; our own.
    TagsJson,
    Published,
    Status,
    Option1Name,
    Option1Value,
    Option2Name,
    Option2Value,
    Option3Name,
    Option3Value,
    Sku,
    Barcode,
    Price,
    CompareAt,
    Quantity,
    Tracker,
    Policy,
    Grams,
    WeightUnit,
    RequiresShipping,
    TaxCode,
    ImageSrc,
    ImagePosition,
    ImageAlt,
    /// What no other column can say of the product, as JSON; our own.
    Metadata,
    /// The same of the variant.
    VariantMetadata,
}

/// Each column with its names, the one that an export writes first; the others are those of Shopify's template of
/// 2024. Upper and lower case do not matter. The order is that of an export.
pub(crate) const KNOWN: &[(Column, &[&str])] = &[
    (Column::Handle, &["Handle", "URL handle"]),
    (Column::Title, &["Title"]),
    (Column::Body, &["Body (HTML)", "Body HTML", "Description"]),
    (Column::Vendor, &["Vendor"]),
    (Column::Type, &["Type"]),
    (Column::Tags, &["Tags"]),
    (Column::TagsJson, &["Tags (JSON)"]),
    (Column::Published, &["Published", "Published on online store"]),
    (Column::Status, &["Status"]),
    (Column::Option1Name, &["Option1 Name"]),
    (Column::Option1Value, &["Option1 Value"]),
    (Column::Option2Name, &["Option2 Name"]),
    (Column::Option2Value, &["Option2 Value"]),
    (Column::Option3Name, &["Option3 Name"]),
    (Column::Option3Value, &["Option3 Value"]),
    (Column::Sku, &["Variant SKU", "SKU"]),
    (Column::Barcode, &["Variant Barcode", "Barcode"]),
    (Column::Price, &["Variant Price", "Price"]),
    (Column::CompareAt, &["Variant Compare At Price", "Compare-at price"]),
    (Column::Quantity, &["Variant Inventory Qty", "Inventory quantity"]),
    (Column::Tracker, &["Variant Inventory Tracker", "Inventory tracker"]),
    (
        Column::Policy,
        &["Variant Inventory Policy", "Continue selling when out of stock"],
    ),
    (Column::Grams, &["Variant Grams", "Weight value (grams)"]),
    (Column::WeightUnit, &["Variant Weight Unit", "Weight unit for display"]),
    (
        Column::RequiresShipping,
        &["Variant Requires Shipping", "Requires shipping"],
    ),
    (Column::TaxCode, &["Variant Tax Code", "Tax code"]),
    (Column::ImageSrc, &["Image Src", "Product image URL"]),
    (Column::ImagePosition, &["Image Position"]),
    (Column::ImageAlt, &["Image Alt Text"]),
    (Column::Metadata, &["Metadata (JSON)"]),
    (Column::VariantMetadata, &["Variant Metadata (JSON)"]),
];

/// Name and value column of each option.
pub(crate) const OPTIONS: [(Column, Column); OPTIONS_MAX] = [
    (Column::Option1Name, Column::Option1Value),
    (Column::Option2Name, Column::Option2Value),
    (Column::Option3Name, Column::Option3Value),
];

/// The inventory tracker of a variant whose stock is not counted. An empty cell is no answer to that question: it
/// counts as tracked, as does every tracker that has a name.
pub(crate) const UNTRACKED: &str = "none";

fn known(name: &str) -> Option<Column> {
    let same = |(_, names): &&(Column, &[&str])| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    KNOWN.iter().find(same).map(|(column, _)| *column)
}

/// Whether a column without a field speaks of the variant of its row, and not of the product.
fn is_of_variant(name: &str) -> bool {
    ["Variant ", "Price /", "Compare At Price /"]
        .iter()
        .any(|start| name.starts_with(start))
        || name == "Cost per item"
}

/// Which row speaks of whom: the titled row tells of the product and of its first variant, each later row of its
/// variant alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    Product,
    FirstVariant,
    LaterVariant,
}

/// Whether an export writes this entry of `metadata` as a column of its own, because an import would read it back
/// from there just so. All others share the column `Metadata (JSON)` or `Variant Metadata (JSON)`.
pub(crate) fn is_column(teller: Teller, name: &str, value: &Value) -> bool {
    let Value::String(text) = value else {
        return false;
    };
    let level = match teller {
        Teller::Product => !is_of_variant(name),
        Teller::FirstVariant => is_of_variant(name),
        Teller::LaterVariant => true,
    };
    let plain = |text: &str| !text.is_empty() && text.trim() == text;
    let of_rejected = name.eq_ignore_ascii_case(REASON_COLUMN);
    level && !of_rejected && plain(name) && plain(text) && !name.starts_with('\u{feff}') && known(name).is_none()
}

/// The columns of a file.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// Where each known column stands, by its number.
    at: [Option<usize>; KNOWN.len()],
    /// The other columns, by place.
    pub others: Vec<(usize, String)>,
    /// The names of those that speak of products.
    pub of_products: Arc<[String]>,
    /// The names of those that speak of the variant, even on a titled row.
    pub of_variants: Arc<[String]>,
    /// All names of others.
    pub of_all: Arc<[String]>,
    /// Cells that a row must have: up to the last column with a name.
    pub width: usize,
}

impl Columns {
    /// Reads the header. Errors: a sentence that says why this is not a product file.
    pub(crate) fn read<'a>(cells: impl Iterator<Item = &'a [u8]>) -> Result<Self, String> {
        let mut columns = Self {
            at: [None; KNOWN.len()],
            others: Vec::new(),
            of_products: Arc::new([]),
            of_variants: Arc::new([]),
            of_all: Arc::new([]),
            width: 0,
        };
        for (place, cell) in cells.enumerate() {
            if place >= COLUMNS_MAX {
                return Err(format!("the first line has more than {COLUMNS_MAX} columns"));
            }
            let name = std::str::from_utf8(cell).ok().filter(|name| !name.contains('\0'));
            let name = name.ok_or("this is no text in UTF-8; save it as CSV (UTF-8)")?;
            let name = name.trim_start_matches('\u{feff}').trim();
            if name.is_empty() {
                continue;
            }
            if name.eq_ignore_ascii_case(REASON_COLUMN) {
                columns.width = place + 1;
                continue;
            }
            if name.contains('\r') {
                return Err("the lines end with CR alone; save the file with the line ends of today".into());
            }
            columns.width = place + 1;
            if let Some(column) = known(name) {
                if columns.at[column as usize].replace(place).is_some() {
                    return Err(format!("the first line names the column {name} twice"));
                }
            } else if columns.others.iter().any(|(_, other)| other == name) {
                return Err(format!("the first line names the column {name} twice"));
            } else {
                columns.others.push((place, name.to_owned()));
            }
        }
        if columns.at[Column::Handle as usize].is_none() {
            // What spreadsheets write where the comma stands in numbers.
            let semicolons = |(_, name): &(usize, String)| name.contains(';');
            if columns.others.iter().any(semicolons) {
                return Err("the columns are separated by semicolons; save the file with commas between them".into());
            }
            return Err("the first line names no column Handle: this is no product file".into());
        }
        let named = |keep: fn(&str) -> bool| {
            columns
                .others
                .iter()
                .map(|(_, name)| name.clone())
                .filter(|name| keep(name))
                .collect::<Arc<[String]>>()
        };
        columns.of_products = named(|name| !is_of_variant(name));
        columns.of_variants = named(is_of_variant);
        columns.of_all = named(|_| true);
        Ok(columns)
    }

    /// Where the column stands, if the file has it.
    pub(crate) fn place(&self, column: Column) -> Option<usize> {
        self.at[column as usize]
    }

    /// The name of the column at a place, for people.
    pub(crate) fn name(&self, place: usize) -> &str {
        let other = self
            .others
            .iter()
            .find(|(other, _)| *other == place)
            .map(|(_, name)| name.as_str());
        let known = || {
            self.at
                .iter()
                .position(|at| *at == Some(place))
                .map(|column| KNOWN[column].1[0])
        };
        other.or_else(known).unwrap_or("without a name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_columns_stand_at_their_numbers() {
        for (place, (column, _)) in KNOWN.iter().enumerate() {
            assert_eq!(*column as usize, place);
        }
    }

    #[test]
    fn headers_are_read_by_name() {
        let read = |line: &str| Columns::read(line.split(',').map(str::as_bytes));
        let columns = read("\u{feff} handle ,TITLE,Cost per item,Colour,").expect("a header");
        assert_eq!(
            (columns.place(Column::Handle), columns.place(Column::Title)),
            (Some(0), Some(1))
        );
        assert_eq!(columns.place(Column::Price), None);
        assert_eq!(
            (columns.of_variants[0].as_str(), columns.of_products[0].as_str()),
            ("Cost per item", "Colour")
        );
        assert_eq!(columns.width, 4);
        for line in ["", "Title,Price", "Handle,URL handle", "Handle,X,X", "Handle,\0"] {
            assert!(read(line).is_err(), "{line}");
        }
        assert!(Columns::read(std::iter::once(&b"\xffHandle"[..])).is_err());
        let reason = read("\u{feff}Handle;Title;Variant Price").err().unwrap_or_default();
        assert!(reason.contains("semicolons"), "{reason}");
    }
}
