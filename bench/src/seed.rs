//! Rows by the million, straight into the database of a shop that has ended: copies of its first product and its first
//! order, in slices, each with another id, number, name and price. One text for both engines.
//!
//! It writes no movements, events or numbers' counters, and lists no tags, to spare the disk: shops seeded this way are
//! for reading.

use std::time::{Duration, Instant};

use anyhow::Result;
use base::{Clock, Ids};
use store::{Db, Error, Settings, args};

/// Rows of a transaction: a second or so.
const SLICE: i64 = 10_000;
/// The numbers of a slice.
const NUMBERS: &str = "WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2)";
/// The 26 characters of an id, by number: they sort by it, before all real ones of today.
const TAIL: &str = "'01kaf00000000000' || substr(CAST(10000000000 + i AS TEXT), 2)";

const PRODUCTS: [&str; 5] = [
    "{n} INSERT INTO catalog_product (id, number, handle, name, description, vendor, category, tags, status, images,
        options, metadata, version, price_low, name_key, category_key, tags_key, search_text, created_at, updated_at,
        category_id)
     SELECT 'prd_' || {tail}, i, 'seed-' || CAST(i AS TEXT), t.name || ' ' || CAST(i AS TEXT), t.description, t.vendor,
        t.category, t.tags, t.status, t.images, t.options, t.metadata, t.version, t.price_low + i % 20000,
        t.name_key || ' ' || CAST(i AS TEXT), t.category_key, t.tags_key, t.name_key, t.created_at, t.updated_at,
        t.category_id
     FROM n CROSS JOIN catalog_product t WHERE t.number = 1",
    "{n} INSERT INTO catalog_variant (id, product_id, position, sku, choice, barcode, weight, weight_unit,
        requires_shipping, tax_category, metadata, created_at, archived_at)
     SELECT 'var_' || {tail}, 'prd_' || {tail}, v.position, 'SD-' || CAST(i AS TEXT), v.choice, v.barcode, v.weight,
        v.weight_unit, v.requires_shipping, v.tax_category, v.metadata, v.created_at, v.archived_at
     FROM n CROSS JOIN catalog_variant v WHERE v.product_id = (SELECT id FROM catalog_product WHERE number = 1)",
    "{n} INSERT INTO catalog_price (variant_id, currency, price_list, price_minor, compare_at_minor)
     SELECT 'var_' || {tail}, p.currency, p.price_list, p.price_minor + i % 20000, p.compare_at_minor
     FROM n CROSS JOIN catalog_price p WHERE p.variant_id = (SELECT id FROM catalog_variant WHERE sku = 'BN-000001')",
    "{n} INSERT INTO catalog_stock (variant_id, location, on_hand, reserved, tracked, oversell, version, adjustments)
     SELECT 'var_' || {tail}, s.location, s.on_hand, 0, s.tracked, s.oversell, s.version, s.adjustments
     FROM n CROSS JOIN catalog_stock s WHERE s.variant_id = (SELECT id FROM catalog_variant WHERE sku = 'BN-000001')",
    "{n} INSERT INTO catalog_listing (label, draft, number, price_low, name_key)
     SELECT l.label, l.draft, i, l.price_low + i % 20000, l.name_key || ' ' || CAST(i AS TEXT)
     FROM n CROSS JOIN catalog_listing l
     WHERE l.number = 1 AND l.label NOT IN (SELECT number FROM catalog_tag)",
];

/// Every tenth order is of the first one's buyer, the others of 5,000 more; most are delivered.
const ORDERS: [&str; 3] = [
    "{n} INSERT INTO orders_order (id, number, user_id, guest, email, status, payment_status, payment_method,
        payment_token, attempt, payment_version, subtotal, discount, shipping, tax, total, currency,
        prices_include_tax, channel, locale, shipping_address, billing_address, metadata, hidden, sequence, version,
        expires_at, created_at, updated_at)
     SELECT 'ord_' || {tail}, i,
        CASE WHEN i % 10 = 0 THEN o.user_id
             ELSE 'usr_01kaf00000000000' || substr(CAST(10000000000 + i % 5000 AS TEXT), 2) END,
        o.guest, o.email, CASE WHEN i % 8 = 0 THEN o.status ELSE 'delivered' END, o.payment_status, o.payment_method,
        o.payment_token, o.attempt, o.payment_version, o.subtotal, o.discount, o.shipping, o.tax, o.total, o.currency,
        o.prices_include_tax, o.channel, o.locale, o.shipping_address, o.billing_address, o.metadata, 0, o.sequence,
        o.version, o.expires_at, o.created_at, o.updated_at
     FROM n CROSS JOIN orders_order o WHERE o.number = 1",
    "{n} INSERT INTO orders_line (id, order_id, position, product_id, variant_id, sku, name, price, quantity, fulfilled,
        returned, refunded, discount, tax_rate, tax)
     SELECT 'oli_' || {tail}, 'ord_' || {tail}, l.position, l.product_id, l.variant_id, l.sku, l.name, l.price,
        l.quantity, l.fulfilled, l.returned, l.refunded, l.discount, l.tax_rate, l.tax
     FROM n CROSS JOIN orders_line l
     WHERE l.position = (SELECT MIN(position) FROM orders_line)
        AND l.order_id = (SELECT id FROM orders_order WHERE number = 1)",
    "{n} INSERT INTO orders_change (order_id, position, status, at, actor, reason, request_id)
     SELECT 'ord_' || {tail}, c.position, c.status, c.at, c.actor, c.reason, c.request_id
     FROM n CROSS JOIN orders_change c WHERE c.order_id = (SELECT id FROM orders_order WHERE number = 1)",
];

/// Adds products with these numbers, copies of product 1 of a bench's catalogue; answers how long it took.
///
/// # Errors
/// What the engine refuses.
pub async fn products(settings: Settings, numbers: std::ops::RangeInclusive<i64>) -> Result<Duration> {
    let db = Db::open(settings, catalog::MIGRATIONS, Clock::system(), Ids::random()).await?;
    fill(db, &PRODUCTS, numbers).await
}

/// Adds orders with these numbers, copies of order 1; answers how long it took.
///
/// # Errors
/// What the engine refuses.
pub async fn orders(settings: Settings, numbers: std::ops::RangeInclusive<i64>) -> Result<Duration> {
    let db = Db::open(settings, orders::MIGRATIONS, Clock::system(), Ids::random()).await?;
    fill(db, &ORDERS, numbers).await
}

/// Reads these products by SQL alone, a page of `page` of them at a time; answers how long it took.
///
/// # Errors
/// What the engine refuses.
pub async fn read(settings: Settings, numbers: std::ops::RangeInclusive<i64>, page: i64) -> Result<Duration> {
    let db = Db::open(settings, catalog::MIGRATIONS, Clock::system(), Ids::random()).await?;
    let began = Instant::now();
    let mut first = *numbers.start();
    while first <= *numbers.end() {
        let last = (first + page - 1).min(*numbers.end());
        db.scan(move |tx| {
            let sql =
                "SELECT p.handle, p.name, p.description, p.tags, p.images, v.sku, v.choice, r.price_minor, s.on_hand
                 FROM catalog_product p JOIN catalog_variant v ON v.product_id = p.id
                 JOIN catalog_price r ON r.variant_id = v.id JOIN catalog_stock s ON s.variant_id = v.id
                 WHERE p.number >= $1 AND p.number <= $2 ORDER BY p.number";
            let rows = tx.all(sql, &args![first, last], |row| {
                let texts = (0..7)
                    .map(|index| row.get::<String>(index))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok((texts, row.get::<i64>(7)?, row.get::<i64>(8)?))
            })?;
            match rows.len() as i64 == last - first + 1 {
                true => Ok(()),
                false => Err(Error::Absent),
            }
        })
        .await?;
        first = last + 1;
    }
    let took = began.elapsed();
    db.close().await;
    Ok(took)
}

async fn fill(db: Db, statements: &'static [&str], numbers: std::ops::RangeInclusive<i64>) -> Result<Duration> {
    let statements: Vec<String> = statements
        .iter()
        .map(|sql| sql.replace("{n}", NUMBERS).replace("{tail}", TAIL))
        .collect();
    let began = Instant::now();
    let mut first = *numbers.start();
    while first <= *numbers.end() {
        let last = (first + SLICE - 1).min(*numbers.end());
        let statements = statements.clone();
        db.write(move |tx| {
            for sql in &statements {
                tx.run(sql, &args![first, last])?;
            }
            Ok::<_, Error>(())
        })
        .await?;
        first = last + 1;
    }
    let took = began.elapsed();
    db.close().await;
    Ok(took)
}
