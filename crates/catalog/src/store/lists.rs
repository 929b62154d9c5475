//! Lists of products: filters, orders, pages by key. A search engine would answer here instead.

use std::fmt::Write as _;

use base::{Currency, Cursor, CursorFault};
use store::{Dialect, Error, Tx, Value};

use super::LOCATION;
use super::products::{COLUMNS, Found, ProductRow, read, with_variants};
use crate::domain::name_key;

/// Which products a list shows. Texts are folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Drafts too, for staff.
    pub drafts: bool,
    /// The category.
    pub category: Option<String>,
    /// Contained in name, description, tags, category or vendor.
    pub search: Option<String>,
    /// A whole tag.
    pub tag: Option<String>,
    /// The product of this SKU.
    pub sku: Option<String>,
    /// The lowest price is at least this, in minor units.
    pub min_minor: Option<i64>,
    /// The lowest price is at most this, in minor units.
    pub max_minor: Option<i64>,
    /// Whether some variant can be had, or none.
    pub in_stock: Option<bool>,
}

impl Filter {
    /// Whether an index leads to the rows in this order, so that a page costs the same in a large catalogue.
    pub fn is_indexed(&self, order: Order) -> bool {
        let priced = self.min_minor.is_some() || self.max_minor.is_some();
        let by_price = matches!(order, Order::Cheapest | Order::Dearest);
        let looked_through = self.search.is_some() || self.tag.is_some() || self.in_stock.is_some() || self.drafts;
        !looked_through && (by_price || !priced)
    }
}

/// In which order. Ties go by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The cheapest first.
    Cheapest,
    /// The dearest first.
    Dearest,
    /// By name.
    Name,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// At the first product.
    #[default]
    Start,
    /// After the product that the cursor names.
    After(Cursor),
    /// So many products further; for small catalogues.
    Skipping(u32),
}

/// A page: products, and the cursor of the next page if there is one.
pub type Listed = (Vec<Found>, Option<Cursor>);

/// At most `limit` products, in two statements.
///
/// # Errors
/// The inner error when the cursor is of another order; the outer one when the engine refuses.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    order: Order,
    limit: u32,
    from: &From,
    currency: Currency,
) -> Result<Result<Listed, CursorFault>, Error> {
    let mut text = Text {
        sql: format!("SELECT {COLUMNS} FROM catalog_product p WHERE "),
        args: Vec::new(),
    };
    text.filter(filter, tx.dialect());
    if let From::After(cursor) = from
        && let Err(fault) = text.after(cursor, order)
    {
        return Ok(Err(fault));
    }
    text.sql.push_str(match order {
        Order::Newest => " ORDER BY p.number DESC",
        Order::Cheapest => " ORDER BY p.price_low, p.number",
        Order::Dearest => " ORDER BY p.price_low DESC, p.number DESC",
        Order::Name => " ORDER BY p.name_key, p.number",
    });
    // One row more tells whether there is a next page.
    text.with(" LIMIT ", i64::from(limit) + 1);
    if let From::Skipping(rows) = from {
        text.with(" OFFSET ", *rows);
    }
    let mut rows: Vec<ProductRow> = tx.all(&text.sql, &text.args, read)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().map(|row| (row.number, row.price_low));
    let found = with_variants(tx, rows, currency)?;
    let next = last.filter(|_| more).map(|(number, price)| {
        let name = found
            .last()
            .map(|found| name_key(&found.product.name))
            .unwrap_or_default();
        cursor(order, number, price, name)
    });
    Ok(Ok((found, next)))
}

fn cursor(order: Order, number: i64, price: i64, name: String) -> Cursor {
    let parts = match order {
        Order::Newest => [word(order).to_owned(), String::new(), number.to_string()],
        Order::Cheapest | Order::Dearest => [word(order).to_owned(), price.to_string(), number.to_string()],
        Order::Name => [word(order).to_owned(), name, number.to_string()],
    };
    Cursor::new(parts)
}

/// The first part of a cursor, so that one of another order is noticed.
fn word(order: Order) -> &'static str {
    match order {
        Order::Newest => "new",
        Order::Cheapest => "low",
        Order::Dearest => "high",
        Order::Name => "name",
    }
}

struct Text {
    sql: String,
    args: Vec<Value>,
}

impl Text {
    fn with(&mut self, sql: &str, value: impl Into<Value>) {
        self.args.push(value.into());
        let _ = write!(self.sql, "{sql}${}", self.args.len());
    }

    fn filter(&mut self, filter: &Filter, dialect: Dialect) {
        // The words stand in the text, not in an argument, so that the partial indexes are used.
        self.sql.push_str(if filter.drafts {
            "p.status <> 'archived'"
        } else {
            "p.status = 'active'"
        });
        if let Some(category) = &filter.category {
            self.with(" AND p.category_key = ", category);
        }
        let contains = |column: &str| match dialect {
            Dialect::Sqlite => format!(" AND instr({column}, "),
            Dialect::Postgres => format!(" AND strpos({column}, "),
        };
        if let Some(search) = &filter.search {
            self.with(&contains("p.search_text"), search);
            self.sql.push_str(") > 0");
        }
        if let Some(tag) = &filter.tag {
            self.with(&contains("p.tags_key"), format!("\n{tag}\n"));
            self.sql.push_str(") > 0");
        }
        if let Some(sku) = &filter.sku {
            self.with(
                " AND p.id = (SELECT product_id FROM catalog_variant WHERE archived_at IS NULL AND sku = ",
                sku,
            );
            self.sql.push(')');
        }
        if let Some(minor) = filter.min_minor {
            self.with(" AND p.price_low >= ", minor);
        }
        if let Some(minor) = filter.max_minor {
            self.with(" AND p.price_low <= ", minor);
        }
        if let Some(in_stock) = filter.in_stock {
            self.sql
                .push_str(if in_stock { " AND EXISTS" } else { " AND NOT EXISTS" });
            self.with(
                " (SELECT 1 FROM catalog_variant v JOIN catalog_stock s ON s.variant_id = v.id
                   WHERE v.product_id = p.id AND v.archived_at IS NULL
                   AND (s.tracked = 0 OR s.oversell = 1 OR s.on_hand > s.reserved) AND s.location = ",
                LOCATION,
            );
            self.sql.push(')');
        }
    }

    fn after(&mut self, cursor: &Cursor, order: Order) -> Result<(), CursorFault> {
        let [kind, key, number] = cursor.parts::<3>()?;
        let number: i64 = number.parse().map_err(|_| CursorFault)?;
        if kind != word(order) {
            return Err(CursorFault);
        }
        let price = || key.parse::<i64>().map_err(|_| CursorFault);
        match order {
            Order::Newest => {
                self.with(" AND p.number < ", number);
                return Ok(());
            }
            Order::Cheapest => self.with(" AND (p.price_low, p.number) > (", price()?),
            Order::Dearest => self.with(" AND (p.price_low, p.number) < (", price()?),
            Order::Name => self.with(" AND (p.name_key, p.number) > (", key),
        }
        self.with(", ", number);
        self.sql.push(')');
        Ok(())
    }
}
