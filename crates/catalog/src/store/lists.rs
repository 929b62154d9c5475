//! Lists of products: filters, orders, pages by key.
//!
//! A list walks the rows of one label of `catalog_listing` in the order asked for, so that a page costs the same in a
//! large catalogue and far down. Prices in another order than theirs are the exception: a range that holds few products
//! is gathered by price and sorted; one that holds many is met soon by walking. Both are bounded by
//! [`GATHERED_MAX`]: see `Branch`.

use std::fmt::Write as _;

use base::{Currency, Cursor, CursorFault, fold};
use store::{Error, Tx, Value, args};

use super::LOCATION;
use super::categories::{Categories, categories};
use super::listing::EVERYTHING;
use super::products::{COLUMNS, Found, ProductRow, read, with_variants};
use crate::domain::{Category, name_key};

/// Products of a price range that are gathered and sorted for a page: some milliseconds. A range that holds more of them
/// than this is dense enough to be met by walking the list.
const GATHERED_MAX: i64 = 4_000;
/// Categories of one name that a list shows together; a list of more would be of no use.
const NAMESAKES_MAX: usize = 16;

/// Which products a list shows. Texts are folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What is for sale, or drafts.
    pub shows: Shows,
    /// The category, with all below it: an id, a number, a path, a name (of all that have it) or a handle.
    pub category: Option<String>,
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

/// Whether a list shows what is for sale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// Only that.
    #[default]
    Active,
    /// Drafts too.
    All,
    /// Drafts only.
    Drafts,
}

impl Filter {
    /// Whether an index leads to the rows in this order, so that a page costs the same in a large catalogue.
    pub fn is_indexed(&self, order: Order) -> bool {
        let by_price = matches!(order, Order::Cheapest | Order::Dearest);
        let both_labels = self.category.is_some() && self.tag.is_some();
        self.in_stock.is_none() && !both_labels && (by_price || !self.is_priced())
    }

    fn is_priced(&self) -> bool {
        self.min_minor.is_some() || self.max_minor.is_some()
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

/// At most `limit` products: two statements, and one for each filter that has to be looked up first.
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
    let after = match from {
        From::After(cursor) => match After::read(cursor, order) {
            Ok(after) => Some(after),
            Err(fault) => return Ok(Err(fault)),
        },
        From::Start | From::Skipping(_) => None,
    };
    let Some(labels) = Labels::of(tx, filter)? else {
        return Ok(Ok((Vec::new(), None)));
    };
    // One row more tells whether there is a next page.
    let skipped = if let From::Skipping(rows) = from { *rows } else { 0 };
    let rows_wanted = i64::from(limit) + 1;
    let mut text = Text {
        sql: format!("SELECT {COLUMNS} FROM ("),
        args: Vec::new(),
    };
    let drafts: &[i64] = match filter.shows {
        Shows::Active => &[0],
        Shows::All => &[0, 1],
        Shows::Drafts => &[1],
    };
    let mut first = true;
    for label in &labels.walked {
        for draft in drafts {
            let branch = Branch {
                label: *label,
                draft: *draft,
                gathered: gathers(tx, filter, order, *label, *draft)?,
            };
            text.sql.push_str(if first { "" } else { " UNION " });
            first = false;
            text.branch(&branch, filter, &labels.also, order, after.as_ref());
            text.with(" LIMIT ", rows_wanted + i64::from(skipped));
            text.sql.push_str(") AS branch");
        }
    }
    // The sum keeps PostgreSQL from merging the page with all the products in front of it: each is looked up.
    let _ = write!(
        text.sql,
        ") AS k JOIN catalog_product p ON p.number = k.number + 0 LEFT JOIN catalog_category c ON c.id = p.category_id
         ORDER BY {}",
        order.by("k")
    );
    text.with(" LIMIT ", rows_wanted);
    if skipped > 0 {
        text.with(" OFFSET ", skipped);
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

impl Order {
    fn by(self, table: &str) -> String {
        match self {
            Order::Newest => format!("{table}.number DESC"),
            Order::Cheapest => format!("{table}.price_low, {table}.number"),
            Order::Dearest => format!("{table}.price_low DESC, {table}.number DESC"),
            Order::Name => format!("{table}.name_key, {table}.number"),
        }
    }
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

/// The key of the last product of the page before.
enum After {
    Newest(i64),
    Priced(i64, i64),
    Named(String, i64),
}

impl After {
    fn read(cursor: &Cursor, order: Order) -> Result<Self, CursorFault> {
        let [kind, key, number] = cursor.parts::<3>()?;
        let number: i64 = number.parse().map_err(|_| CursorFault)?;
        if kind != word(order) {
            return Err(CursorFault);
        }
        Ok(match order {
            Order::Newest => After::Newest(number),
            Order::Cheapest | Order::Dearest => After::Priced(key.parse().map_err(|_| CursorFault)?, number),
            Order::Name => After::Named(key.to_owned(), number),
        })
    }
}

/// The labels of a list.
struct Labels {
    /// The list is the union of these.
    walked: Vec<i64>,
    /// Its products stand under one of these as well, unless there are none.
    also: Vec<i64>,
}

impl Labels {
    /// `None` when nothing can be in the list.
    fn of(tx: &mut Tx<'_>, filter: &Filter) -> Result<Option<Self>, Error> {
        let category = match &filter.category {
            Some(text) => Some(category_labels(tx, text)?),
            None => None,
        };
        let tag = match &filter.tag {
            Some(tag) => Some(tx.all(
                "SELECT number FROM catalog_tag WHERE tag_key = $1",
                &args![tag],
                |row| row.get::<i64>(0),
            )?),
            None => None,
        };
        if [&category, &tag].into_iter().flatten().any(Vec::is_empty) {
            return Ok(None);
        }
        // Tags are the narrower ones as a rule, and there is one of them.
        let (walked, also) = match (category, tag) {
            (Some(category), Some(tag)) => (tag, category),
            (Some(one), None) | (None, Some(one)) => (one, Vec::new()),
            (None, None) => (vec![EVERYTHING], Vec::new()),
        };
        Ok(Some(Self { walked, also }))
    }
}

/// The labels of the categories that a folded text means; none when there is none.
///
/// # Errors
/// What the engine refuses.
pub fn category_labels(tx: &mut Tx<'_>, text: &str) -> Result<Vec<i64>, Error> {
    let labels = |found: Vec<Category>| found.into_iter().map(|one| one.number).collect::<Vec<_>>();
    if let Ok(id) = text.parse() {
        return categories(tx, Categories::Ids(&[id])).map(labels);
    }
    if let Ok(number) = text.parse::<i64>() {
        let found = categories(tx, Categories::Numbers(&[number]))?;
        if !found.is_empty() {
            return Ok(labels(found));
        }
    }
    let key = [fold(text)];
    for which in [
        Categories::Paths(&key),
        Categories::Names(&key),
        Categories::Handles(&key),
    ] {
        let mut found = categories(tx, which)?;
        found.truncate(NAMESAKES_MAX);
        if !found.is_empty() {
            return Ok(labels(found));
        }
    }
    Ok(Vec::new())
}

/// One label's share of a list.
struct Branch {
    label: i64,
    draft: i64,
    /// Whether its price range is gathered by price and sorted then.
    gathered: bool,
}

/// Whether so few products of a label are in the price range that walking might pass over too many others.
fn gathers(tx: &mut Tx<'_>, filter: &Filter, order: Order, label: i64, draft: i64) -> Result<bool, Error> {
    if !filter.is_priced() || matches!(order, Order::Cheapest | Order::Dearest) {
        return Ok(false);
    }
    let there: i64 = tx.one(
        "SELECT COUNT(*) FROM (SELECT 1 FROM catalog_listing WHERE label = $1 AND draft = $2
         AND price_low >= $3 AND price_low <= $4 LIMIT $5) AS listed",
        &args![
            label,
            draft,
            filter.min_minor.unwrap_or(i64::MIN),
            filter.max_minor.unwrap_or(i64::MAX),
            GATHERED_MAX + 1
        ],
        |row| row.get(0),
    )?;
    Ok(there <= GATHERED_MAX)
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

    /// The keys of a branch, in order; its limit and its closing parenthesis follow.
    fn branch(&mut self, branch: &Branch, filter: &Filter, also: &[i64], order: Order, after: Option<&After>) {
        // The name only where it sorts: without it the other indexes hold all that is asked of them.
        let name = if order == Order::Name { ", name_key" } else { "" };
        let _ = write!(
            self.sql,
            "SELECT number, price_low{name} FROM (SELECT l.number, l.price_low{} FROM ",
            name.replace(' ', " l.")
        );
        if branch.gathered {
            let _ = write!(
                self.sql,
                "(SELECT number, draft, price_low{name} FROM catalog_listing l"
            );
        } else {
            self.sql.push_str("catalog_listing l");
        }
        self.with(" WHERE l.label = ", branch.label);
        self.with(" AND l.draft = ", branch.draft);
        // A sum is in no index: the list is then walked in its order.
        let walked = !branch.gathered && matches!(order, Order::Newest | Order::Name);
        let price = if walked {
            " AND l.price_low + 0"
        } else {
            " AND l.price_low"
        };
        if let Some(minor) = filter.min_minor {
            self.with(&format!("{price} >= "), minor);
        }
        if let Some(minor) = filter.max_minor {
            self.with(&format!("{price} <= "), minor);
        }
        if branch.gathered {
            self.with(" LIMIT ", GATHERED_MAX);
            self.sql.push_str(") AS l WHERE true");
        }
        self.filter(filter, also);
        match after {
            None => {}
            Some(After::Newest(number)) => self.with(" AND l.number < ", *number),
            Some(After::Priced(price, number)) => {
                let beyond = if order == Order::Cheapest { ">" } else { "<" };
                self.with(&format!(" AND (l.price_low, l.number) {beyond} ("), *price);
                self.with(", ", *number);
                self.sql.push(')');
            }
            Some(After::Named(name, number)) => {
                self.with(" AND (l.name_key, l.number) > (", name);
                self.with(", ", *number);
                self.sql.push(')');
            }
        }
        let _ = write!(self.sql, " ORDER BY {}", order.by("l"));
    }

    /// What the keys alone do not tell.
    fn filter(&mut self, filter: &Filter, also: &[i64]) {
        if !also.is_empty() {
            self.with(
                " AND EXISTS (SELECT 1 FROM catalog_listing o WHERE o.draft = l.draft AND o.number = l.number
                   AND o.label = ANY(",
                also.to_vec(),
            );
            self.sql.push_str("))");
        }
        if let Some(sku) = &filter.sku {
            self.with(
                " AND l.number = (SELECT s.number FROM catalog_product s JOIN catalog_variant v ON v.product_id = s.id
                   WHERE v.archived_at IS NULL AND v.sku = ",
                sku,
            );
            self.sql.push(')');
        }
        let Some(in_stock) = filter.in_stock else { return };
        self.sql
            .push_str(" AND EXISTS (SELECT 1 FROM catalog_product p WHERE p.number = l.number");
        self.sql
            .push_str(if in_stock { " AND EXISTS" } else { " AND NOT EXISTS" });
        self.with(
            " (SELECT 1 FROM catalog_variant v JOIN catalog_stock s ON s.variant_id = v.id
               WHERE v.product_id = p.id AND v.archived_at IS NULL
               AND (s.tracked = 0 OR s.oversell = 1 OR s.on_hand > s.reserved) AND s.location = ",
            LOCATION,
        );
        self.sql.push(')');
        self.sql.push(')');
    }
}
