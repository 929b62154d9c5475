//! One row of a Shopify file: its cells, read and checked. All that is wrong with a row is told at once.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;

use api::catalog::{InventoryPolicy, Status};
use base::{Amount, Currency, Money, Sku, fold};
use csv::ByteRecord;
use serde_json::{Map, Value};

use super::columns::{Column, Columns, OPTIONS, Teller, UNTRACKED};
use super::entry::{EntryImage, EntryVariant, Fact, Facts, Gathering, ProductFacts};
use crate::domain::{
    ALT_MAX, CATEGORY_DEPTH_MAX, DESCRIPTION_MAX, NAME_MAX, PRICE_MINOR_MAX, STOCK_MAX, TAGS_MAX, URL_MAX, WEIGHT_MAX,
    WEIGHT_UNITS, WORD_MAX, is_web, named,
};

/// A row whose cells are text.
pub(crate) struct Row<'a> {
    columns: &'a Columns,
    cells: Vec<&'a str>,
    line: u64,
    currency: Currency,
    faults: Vec<String>,
}

impl<'a> Row<'a> {
    /// Errors: cells that are no text, or too few or too many of them.
    pub(crate) fn new(
        columns: &'a Columns,
        record: &'a ByteRecord,
        line: u64,
        currency: Currency,
    ) -> Result<Self, String> {
        let surplus = record
            .iter()
            .skip(columns.width)
            .any(|cell| !cell.trim_ascii().is_empty());
        if record.len() < columns.width || surplus {
            return Err(format!(
                "the row has {} cells where the first line has {}; is a quote or comma missing?",
                record.len(),
                columns.width
            ));
        }
        let mut cells = Vec::with_capacity(columns.width);
        for (place, cell) in record.iter().enumerate().take(columns.width) {
            let text = std::str::from_utf8(cell)
                .map_err(|_| format!("the cell {} is no text in UTF-8", columns.name(place)))?;
            if text.contains('\0') {
                return Err(format!("the cell {} holds the character U+0000", columns.name(place)));
            }
            cells.push(text.trim());
        }
        Ok(Self {
            columns,
            cells,
            line,
            currency,
            faults: Vec::new(),
        })
    }

    /// Adds what the row says to its product. Errors: everything that is wrong with the row, in one sentence.
    pub(crate) fn gather(mut self, product: &mut Gathering) -> Result<(), String> {
        let names = self.filled("name", OPTIONS.map(|(name, _)| name));
        let values = self.filled("value", OPTIONS.map(|(_, value)| value));
        let titled = matches!(self.text(Column::Title), Fact::Is(_)) && !product.is_titled();
        let facts = titled.then(|| self.product());
        let sells = !values.is_empty()
            || [
                Column::Sku,
                Column::Price,
                Column::CompareAt,
                Column::Quantity,
                Column::Barcode,
            ]
            .into_iter()
            .any(|column| matches!(self.text(column), Fact::Is(_)));
        let teller = if titled {
            Teller::FirstVariant
        } else {
            Teller::LaterVariant
        };
        let variant = sells.then(|| self.variant(values, teller));
        let image = self.image();
        let mut keep = |kept: Result<(), String>| self.faults.extend(kept.err());
        keep(product.options(names));
        if let Some(facts) = facts {
            product.facts(facts);
        }
        if let Some(variant) = variant {
            keep(product.variant(variant));
        }
        if let Some(image) = image {
            keep(product.image(image));
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(self.faults.join("; "))
        }
    }

    fn product(&mut self) -> ProductFacts {
        let title = self.line(Column::Title, NAME_MAX).said().unwrap_or_default();
        let tags = match self.text(Column::TagsJson) {
            Fact::Is(text) => serde_json::from_str::<Vec<String>>(text)
                .map_err(|_| "is no JSON array of texts".into())
                .and_then(|list| tags(list.iter().map(String::as_str)).map(Fact::Is)),
            _ => self.text(Column::Tags).read(|text| tags(text.split([',', '\n', '\r']))),
        };
        ProductFacts {
            line: self.line,
            title,
            description: self.words(Column::Body, DESCRIPTION_MAX),
            vendor: self.line(Column::Vendor, WORD_MAX),
            category: self.category(),
            tags: self.sound(Column::Tags, tags),
            status: self.status(),
            metadata: self.others(Teller::Product),
        }
    }

    /// A category, or the path to it.
    fn category(&mut self) -> Fact<String> {
        let path = self.line(Column::Type, WORD_MAX * CATEGORY_DEPTH_MAX);
        let path = path.read(|path| named(&path).map(|_| path));
        self.sound(Column::Type, path)
    }

    fn variant(&mut self, values: Vec<String>, teller: Teller) -> EntryVariant {
        let unit = self.text(Column::WeightUnit).read(|text| {
            let text = text.to_ascii_lowercase();
            let known = WEIGHT_UNITS.contains(&text.as_str());
            known
                .then_some(text)
                .ok_or(format!("is none of {}", WEIGHT_UNITS.join(", ")))
        });
        let policy = self
            .text(Column::Policy)
            .read(|text| match text.to_ascii_lowercase().as_str() {
                "deny" | "false" => Ok(InventoryPolicy::Deny),
                "continue" | "true" => Ok(InventoryPolicy::Continue),
                _ => Err(format!("({text:.32}) is neither deny nor continue")),
            });
        let policy = self.sound(Column::Policy, policy);
        let sku = self.text(Column::Sku).read(Sku::new);
        let grams = self.text(Column::Grams).read(grams);
        let ships = self.text(Column::RequiresShipping).read(flag);
        let tracked = self
            .text(Column::Tracker)
            .said()
            .map(|name| !name.eq_ignore_ascii_case(UNTRACKED));
        EntryVariant {
            line: self.line,
            values,
            sku: self.sound(Column::Sku, sku),
            price_minor: self.price(Column::Price),
            compare_at_minor: match self.price(Column::CompareAt) {
                Fact::Is(0) => Fact::Blank,
                said => said,
            },
            stock: self.stock(policy == Fact::Is(InventoryPolicy::Continue)),
            barcode: self.line(Column::Barcode, WORD_MAX),
            grams: self.sound(Column::Grams, grams),
            weight_unit: self.sound(Column::WeightUnit, unit),
            tracked: match (self.columns.place(Column::Tracker), tracked) {
                (None, _) => Fact::Unsaid,
                (_, said) => Fact::Is(said.unwrap_or(true)),
            },
            policy,
            requires_shipping: self.sound(Column::RequiresShipping, ships),
            tax_category: self.line(Column::TaxCode, WORD_MAX),
            metadata: self.others(teller),
        }
    }

    fn image(&mut self) -> Option<EntryImage> {
        let url = self.words(Column::ImageSrc, URL_MAX).said()?;
        if !is_web(&url) {
            self.fault(Column::ImageSrc, "is no http or https address");
            return None;
        }
        let position = self.text(Column::ImagePosition).read(str::parse::<i64>);
        let position = position.map_err(|_| "is no whole number");
        Some(EntryImage {
            line: self.line,
            url,
            alt: self.words(Column::ImageAlt, ALT_MAX),
            // Pictures without a place come last, in the file's order.
            position: self.sound(Column::ImagePosition, position).said().unwrap_or(i64::MAX),
        })
    }

    /// `Status` where it says something, else `Published`. What is archived elsewhere is a draft here: staff see it,
    /// nobody buys it, and no order of ours names it.
    fn status(&mut self) -> Fact<Status> {
        let published = self.text(Column::Published).read(flag);
        let published = self.sound(Column::Published, published);
        let status = self
            .text(Column::Status)
            .read(|text| match text.to_ascii_lowercase().as_str() {
                "active" => Ok(Status::Active),
                "draft" | "archived" => Ok(Status::Draft),
                _ => Err(format!("({text:.32}) is none of active, draft, archived")),
            });
        match (self.sound(Column::Status, status), published) {
            (_, Fact::Is(false)) => Fact::Is(Status::Draft),
            (Fact::Is(status), _) => Fact::Is(status),
            (_, Fact::Is(true)) => Fact::Is(Status::Active),
            (status, _) => status,
        }
    }

    fn stock(&mut self, may_be_negative: bool) -> Fact<i64> {
        let stock = self.text(Column::Quantity).read(|text| match text.parse::<i64>() {
            // Oversold elsewhere: that debt is not ours, and there is nothing to sell.
            Ok(pieces) if pieces < 0 && !may_be_negative => Ok(0),
            Ok(pieces) if pieces.abs() <= STOCK_MAX => Ok(pieces),
            _ => Err(format!("({text:.32}) is no whole number up to {STOCK_MAX}")),
        });
        self.sound(Column::Quantity, stock)
    }

    fn price(&mut self, column: Column) -> Fact<i64> {
        let currency = self.currency;
        let price = self.text(column).read(|text| {
            let amount: Amount = text.parse().map_err(|_| no_price(text))?;
            let money = Money::from_amount(amount, currency).map_err(|fault| fault.to_string())?;
            match money.minor {
                0..=PRICE_MINOR_MAX => Ok(money.minor),
                ..0 => Err("is negative".to_owned()),
                _ => Err("is too high".to_owned()),
            }
        });
        self.sound(column, price)
    }

    /// What stands in the columns that the shop has no field for.
    fn others(&mut self, teller: Teller) -> Facts {
        let (columns, json) = match teller {
            Teller::Product => (&self.columns.of_products, Column::Metadata),
            Teller::FirstVariant => (&self.columns.of_variants, Column::VariantMetadata),
            Teller::LaterVariant => (&self.columns.of_all, Column::VariantMetadata),
        };
        let columns = Arc::clone(columns);
        let rest = self.text(json).read(serde_json::from_str::<Map<String, Value>>);
        let rest = rest.map_err(|_| "is no JSON object");
        let rest = self.sound(json, rest);
        let mut said = Map::new();
        for (place, name) in &self.columns.others {
            let text = self.cells.get(*place).copied().unwrap_or_default();
            if !text.is_empty() && columns.contains(name) {
                said.insert(name.clone(), Value::String(text.to_owned()));
            }
        }
        Facts {
            teller,
            columns,
            said,
            rest,
        }
    }

    /// The cells of these columns up to the first empty one; none after it may say something.
    fn filled(&mut self, what: &str, columns: [Column; OPTIONS.len()]) -> Vec<String> {
        let mut filled = Vec::new();
        let mut empty = None;
        for (at, column) in columns.into_iter().enumerate() {
            match (self.line(column, WORD_MAX), empty) {
                (Fact::Is(text), None) => filled.push(text),
                (Fact::Is(_), Some(before)) => {
                    self.faults
                        .push(format!("option {} has a {what} and option {before} has none", at + 1));
                }
                (_, None) => empty = Some(at + 1),
                (_, Some(_)) => {}
            }
        }
        filled
    }

    fn text(&self, column: Column) -> Fact<&'a str> {
        match self.columns.place(column).and_then(|place| self.cells.get(place)) {
            None => Fact::Unsaid,
            Some(&"") => Fact::Blank,
            Some(text) => Fact::Is(text),
        }
    }

    fn words(&mut self, column: Column, max: usize) -> Fact<String> {
        let words = self.text(column).read(|text| match text.chars().count() {
            count if count > max => Err(format!("has {count} characters; {max} is the most")),
            _ => Ok(text.to_owned()),
        });
        self.sound(column, words)
    }

    /// A text of one line: line ends and tabs inside it count as spaces.
    fn line(&mut self, column: Column, max: usize) -> Fact<String> {
        match self.words(column, max) {
            Fact::Is(text) if text.contains(char::is_control) => Fact::Is(text.replace(char::is_control, " ")),
            words => words,
        }
    }

    fn sound<T>(&mut self, column: Column, read: Result<Fact<T>, impl Display>) -> Fact<T> {
        read.unwrap_or_else(|fault| {
            self.fault(column, fault);
            Fact::Unsaid
        })
    }

    fn fault(&mut self, column: Column, fault: impl Display) {
        let name = self.columns.place(column).map_or("", |place| self.columns.name(place));
        self.faults.push(format!("{name}: {fault}"));
    }
}

/// What to write instead of a price that is none.
fn no_price(text: &str) -> String {
    let bare: String = text
        .chars()
        .filter(|letter| letter.is_ascii_digit() || ",.".contains(*letter))
        .collect();
    let pointed = bare.replace(',', ".");
    let hint = match pointed.parse::<Amount>() {
        Ok(_) => format!("; write {pointed}"),
        Err(_) => String::new(),
    };
    format!("({text:.32}) is no price such as 9.99{hint}")
}

fn flag(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("is neither true nor false"),
    }
}

/// Grams, rounded to whole ones: exports of other units have fractions.
fn grams(text: &str) -> Result<i64, String> {
    let wrong = || format!("is no weight in grams from 0 to {WEIGHT_MAX}");
    let amount: Amount = text.parse().map_err(|_| wrong())?;
    let unit = 10i64.checked_pow(u32::from(amount.scale())).ok_or_else(wrong)?;
    let grams = amount
        .mantissa()
        .checked_add(unit / 2)
        .ok_or_else(wrong)?
        .div_euclid(unit);
    if amount.mantissa() < 0 || grams > WEIGHT_MAX {
        Err(wrong())
    } else {
        Ok(grams)
    }
}

/// Tags, each once, in the file's order.
fn tags<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut tags: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for tag in texts.map(str::trim).filter(|tag| !tag.is_empty()) {
        if tag.chars().count() > WORD_MAX {
            return Err(format!("a tag has at most {WORD_MAX} characters"));
        }
        if tag.contains(char::is_control) {
            return Err("a tag must not hold control characters".into());
        }
        if seen.insert(fold(tag)) {
            tags.push(tag.to_owned());
        }
    }
    if tags.len() > TAGS_MAX {
        Err(format!("a product has at most {TAGS_MAX} tags"))
    } else {
        Ok(tags)
    }
}
