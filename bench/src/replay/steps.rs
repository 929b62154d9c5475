//! The nine transactions of a purchase, each over a slice of purchases: the shop's tables, without its questions.

use std::collections::BTreeMap;

use base::{EventId, Id, RequestId, Time};
use store::{Error, Outgoing, RowColumn, Rows, Tx, args, sql, texts};

use super::Purchase;

/// Prices, totals and captures are all the same here.
const PRICE: i64 = 1_999;
const ADDRESS: &str =
    r#"{"name":"Ada Example","street":"1 Main Street","city":"Springfield","postalCode":"12345","country":"US"}"#;

/// A transaction over a slice.
pub(super) type Step = fn(&mut Tx<'_>, &[Purchase]) -> Result<(), Error>;

/// Every step with its store, in order; the last two run side by side.
pub(super) const ALL: [(usize, Step); 9] = [
    (0, add),
    (1, place),
    (2, reserve),
    (3, begin),
    (4, charge),
    (3, capture),
    (1, confirm),
    (2, settle),
    (0, clear),
];

fn add(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    const CART: [RowColumn; 5] = [
        RowColumn::Text("id"),
        RowColumn::Text("user_id"),
        RowColumn::Int("version"),
        RowColumn::Text("lines"),
        RowColumn::Int("at"),
    ];
    let look = "SELECT id, generation, version, lines FROM cart_cart WHERE user_id = ANY($1)";
    tx.all(look, &[texts(slice.iter().map(|one| one.user))], |row| {
        row.get::<String>(3)
    })?;
    let mut carts = Rows::new(CART);
    for one in slice {
        let Purchase { line, variant, at, .. } = one;
        let lines = format!(
            r#"[{{"id":"{line}","variant":"{variant}","quantity":1,"added_at":"{at}"}}]"#,
            at = at.micros()
        );
        carts.push(args![one.cart, one.user, one.version + 1, lines, one.at]);
    }
    let sql = sql!(
        tx.dialect(),
        CART,
        1,
        "INSERT INTO cart_cart (id, user_id, guest, generation, version, told, lines, created_at, updated_at)
         SELECT id, user_id, 1, 1, version, 0, lines, at, at FROM {rows} WHERE true
         ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, lines = excluded.lines,
            updated_at = excluded.updated_at"
    );
    tx.run(sql, &carts.args(tx.dialect())).map(drop)
}

fn clear(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    let carts = texts(slice.iter().map(|one| one.cart));
    let look = "SELECT id, generation, version, lines FROM cart_cart WHERE id = ANY($1)";
    tx.all(look, std::slice::from_ref(&carts), |row| row.get::<String>(3))?;
    tx.run(
        "UPDATE cart_cart SET generation = generation + 1, version = version + 1, lines = '[]' WHERE id = ANY($1)",
        &[carts],
    )
    .map(drop)
}

fn place(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    const ORDER: [RowColumn; 6] = [
        RowColumn::Text("id"),
        RowColumn::Int("number"),
        RowColumn::Text("user_id"),
        RowColumn::Text("cart_id"),
        RowColumn::Int("generation"),
        RowColumn::Int("at"),
    ];
    const LINE: [RowColumn; 3] = [
        RowColumn::Text("order_id"),
        RowColumn::Text("id"),
        RowColumn::Text("variant_id"),
    ];
    let first = tx.next_numbers("order", slice.len() as u32)?;
    let (mut orders, mut lines) = (Rows::new(ORDER), Rows::new(LINE));
    for (number, one) in (first..).zip(slice) {
        orders.push(args![one.order, number, one.user, one.cart, one.version, one.at]);
        lines.push(args![one.order, one.order_line, &*one.variant]);
    }
    let dialect = tx.dialect();
    let (mut orders, mut lines) = (orders.args(dialect), lines.args(dialect));
    orders.splice(0..0, args![PRICE, ADDRESS]);
    lines.insert(0, PRICE.into());
    tx.batch(&[
        (
            sql!(
                dialect,
                ORDER,
                3,
                "INSERT INTO orders_order (id, number, user_id, guest, email, status, payment_status, payment_method,
                    attempt, payment_version, subtotal, discount, shipping, tax, total, currency, prices_include_tax,
                    channel, shipping_address, billing_address, metadata, cart_id, cart_generation, checkout_key,
                    fingerprint, hidden, sequence, version, expires_at, resume_at, created_at, updated_at)
                 SELECT id, number, user_id, 1, 'ada@example.com', 'pending', 'pending', 'credit_card', 1, 0,
                    CAST($1 AS BIGINT), 0, 0, 0, CAST($1 AS BIGINT), 'USD', 1, 'web', CAST($2 AS TEXT),
                    CAST($2 AS TEXT), '{}', cart_id, generation, id, id, 0, 1, 1, at, at, at, at FROM {rows}"
            ),
            &orders,
        ),
        (
            sql!(
                dialect,
                LINE,
                2,
                "INSERT INTO orders_line (order_id, id, position, product_id, variant_id, sku, name, price, quantity,
                    fulfilled, returned, refunded, discount, tax_rate, tax)
                 SELECT order_id, id, 0, variant_id, variant_id, 'BN-000001', 'Ash Hammers No. 1', CAST($1 AS BIGINT),
                    1, 0, 0, 0, 0, 0, 0 FROM {rows}"
            ),
            &lines,
        ),
    ])?;
    history(tx, slice, 0, "pending")?;
    slice
        .iter()
        .try_for_each(|one| tell(tx, "OrderCreated", one.order.to_string(), 1, one.at))
}

fn confirm(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.run(
        "UPDATE orders_order SET status = 'confirmed', payment_status = 'completed', payment_version = 1, sequence = 2,
            version = version + 1, resume_at = $2, updated_at = $2 WHERE id = ANY($1) AND version = 1",
        &[texts(slice.iter().map(|one| one.order)), now.into()],
    )?;
    history(tx, slice, 1, "confirmed")?;
    slice
        .iter()
        .try_for_each(|one| tell(tx, "OrderConfirmed", one.order.to_string(), 2, now))
}

fn history(tx: &mut Tx<'_>, slice: &[Purchase], position: i64, status: &str) -> Result<(), Error> {
    const CHANGE: [RowColumn; 5] = [
        RowColumn::Text("order_id"),
        RowColumn::Int("position"),
        RowColumn::Text("status"),
        RowColumn::Int("at"),
        RowColumn::Text("actor"),
    ];
    let mut rows = Rows::new(CHANGE);
    for one in slice {
        rows.push(args![one.order, position, status, one.at, one.user]);
    }
    let sql = sql!(
        tx.dialect(),
        CHANGE,
        1,
        "INSERT INTO orders_change (order_id, position, status, at, actor, reason, request_id)
         SELECT order_id, position, status, at, actor, NULL, 'bench' FROM {rows}"
    );
    tx.run(sql, &rows.args(tx.dialect())).map(drop)
}

fn reserve(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    const HELD: [RowColumn; 3] = [
        RowColumn::Text("order_id"),
        RowColumn::Text("lines"),
        RowColumn::Int("at"),
    ];
    shelves(tx, slice, "reserved = s.reserved + d.pieces")?;
    let mut rows = Rows::new(HELD);
    for one in slice {
        let lines = format!(r#"[{{"variant":"{}","quantity":1,"counted":true}}]"#, one.variant);
        rows.push(args![one.order, lines, one.at]);
    }
    let sql = sql!(
        tx.dialect(),
        HELD,
        1,
        "INSERT INTO catalog_reservation (order_id, state, lines, version, created_at, updated_at)
         SELECT order_id, 'reserved', lines, 1, at, at FROM {rows}"
    );
    tx.run(sql, &rows.args(tx.dialect()))?;
    slice
        .iter()
        .try_for_each(|one| tell(tx, "InventoryReserved", one.order.to_string(), 1, one.at))
}

fn settle(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    shelves(
        tx,
        slice,
        "on_hand = s.on_hand - d.pieces, reserved = s.reserved - d.pieces",
    )?;
    tx.run(
        "UPDATE catalog_reservation SET state = 'settled' WHERE order_id = ANY($1)",
        &[texts(slice.iter().map(|one| one.order))],
    )
    .map(drop)
}

/// Reads reservations and stock, moves the stock, and notes it in the ledger.
fn shelves(tx: &mut Tx<'_>, slice: &[Purchase], change: &str) -> Result<(), Error> {
    const SHELF: [RowColumn; 2] = [RowColumn::Text("variant_id"), RowColumn::Int("pieces")];
    const MOVEMENT: [RowColumn; 4] = [
        RowColumn::Text("variant_id"),
        RowColumn::Int("version"),
        RowColumn::Text("order_id"),
        RowColumn::Int("at"),
    ];
    tx.all(
        "SELECT order_id, state, lines, version FROM catalog_reservation WHERE order_id = ANY($1)",
        &[texts(slice.iter().map(|one| one.order))],
        |row| row.get::<String>(1),
    )?;
    let mut pieces: BTreeMap<&str, i64> = BTreeMap::new();
    for one in slice {
        *pieces.entry(&one.variant).or_default() += 1;
    }
    tx.all(
        "SELECT s.variant_id, v.sku, s.on_hand, s.reserved FROM catalog_stock s JOIN catalog_variant v
            ON v.id = s.variant_id WHERE s.variant_id = ANY($1)",
        &[texts(pieces.keys())],
        |row| row.get::<i64>(2),
    )?;
    let dialect = tx.dialect();
    let mut rows = Rows::new(SHELF);
    pieces
        .into_iter()
        .for_each(|(variant, pieces)| rows.push(args![variant, pieces]));
    let table = Rows::table(&SHELF, dialect, 1);
    let moved = format!("UPDATE catalog_stock AS s SET {change} FROM {table} WHERE s.variant_id = d.variant_id");
    tx.run(&moved, &rows.args(dialect))?;
    let mut rows = Rows::new(MOVEMENT);
    for one in slice {
        // The ledger's numbers only have to be new; 63 random bits are.
        let number = (tx.ids().next::<EventId>(one.at).bits() as i64) & i64::MAX;
        rows.push(args![&*one.variant, number, one.order, one.at]);
    }
    let sql = sql!(
        dialect,
        MOVEMENT,
        1,
        "INSERT INTO catalog_movement (variant_id, location, version, reason, on_hand_change, reserved_change, on_hand,
            reserved, order_id, actor, request_id, at)
         SELECT variant_id, 'main', version, 'reserved', 0, 1, 1, 1, order_id, 'bench', 'bench', at FROM {rows}"
    );
    tx.run(sql, &rows.args(dialect)).map(drop)
}

const PAID: [RowColumn; 5] = [
    RowColumn::Text("payment_id"),
    RowColumn::Text("order_id"),
    RowColumn::Text("user_id"),
    RowColumn::Text("attempt_id"),
    RowColumn::Int("at"),
];

fn paid(slice: &[Purchase], tx: &Tx<'_>) -> Vec<store::Value> {
    let mut rows = Rows::new(PAID);
    for one in slice {
        rows.push(args![one.payment, one.order, one.user, one.attempt, one.at]);
    }
    let mut values = rows.args(tx.dialect());
    values.insert(0, PRICE.into());
    values
}

fn begin(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    let (dialect, rows) = (tx.dialect(), paid(slice, tx));
    tx.batch(&[
        (
            sql!(
                dialect,
                PAID,
                2,
                "INSERT INTO payments_payment (id, order_id, user_id, amount, currency, method, provider, status,
                    captured, refunded, refunding, trying, closed, version, revision, metadata, created_at, updated_at)
                 SELECT payment_id, order_id, user_id, CAST($1 AS BIGINT), 'USD', 'credit_card', 'simulated',
                    'processing', 0, 0, 0, attempt_id, 0, 0, 0, '{}', at, at FROM {rows} WHERE true
                 ON CONFLICT (order_id) DO NOTHING"
            ),
            &rows,
        ),
        (
            sql!(
                dialect,
                PAID,
                2,
                "INSERT INTO payments_attempt (id, payment_id, order_id, number, status, token, tries, resume_at, actor,
                    request_id, created_at, updated_at)
                 SELECT attempt_id, payment_id, order_id, CASE WHEN CAST($1 AS BIGINT) > 0 THEN 1 ELSE 0 END, 'open',
                    'tok_visa', 0, at, 'service:orders', 'bench', at, at FROM {rows}"
            ),
            &rows,
        ),
    ])
    .map(drop)
}

fn charge(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    let rows = paid(slice, tx);
    let sql = sql!(
        tx.dialect(),
        PAID,
        2,
        "INSERT INTO simulated_charge (key, id, status, amount, currency, refunded, created_at)
         SELECT attempt_id, attempt_id, 'captured', CAST($1 AS BIGINT), 'USD', 0, at FROM {rows} WHERE true
         ON CONFLICT (key) DO NOTHING"
    );
    tx.run(sql, &rows).map(drop)
}

fn capture(tx: &mut Tx<'_>, slice: &[Purchase]) -> Result<(), Error> {
    let (dialect, rows) = (tx.dialect(), paid(slice, tx));
    let attempts = [texts(slice.iter().map(|one| one.attempt))];
    tx.batch(&[
        (
            sql!(
                dialect,
                PAID,
                2,
                "UPDATE payments_payment AS p SET status = 'completed', captured = CAST($1 AS BIGINT),
                    paid_by = d.attempt_id, trying = NULL, version = 1, revision = 1, updated_at = d.at
                 FROM {rows} WHERE p.id = d.payment_id AND p.revision = 0"
            ),
            &rows,
        ),
        (
            "UPDATE payments_attempt SET status = 'captured', charge = id, token = NULL WHERE id = ANY($1)",
            &attempts,
        ),
        (
            sql!(
                dialect,
                PAID,
                2,
                "INSERT INTO payments_capture (attempt_id, payment_id, amount, charge, surplus, created_at)
                 SELECT attempt_id, payment_id, CAST($1 AS BIGINT), attempt_id, 0, at FROM {rows}"
            ),
            &rows,
        ),
    ])?;
    slice
        .iter()
        .try_for_each(|one| tell(tx, "PaymentProcessed", one.payment.to_string(), 1, one.at))
}

fn tell(tx: &mut Tx<'_>, kind: &'static str, subject: String, sequence: i64, at: Time) -> Result<(), Error> {
    let (id, request) = (tx.ids().next::<EventId>(at), tx.ids().next::<RequestId>(at));
    let data = format!(
        r#"{{"orderId":"{subject}","number":1,"status":"confirmed","total":19.99,"currency":"USD","itemCount":1}}"#
    );
    tx.emit(Outgoing {
        id,
        kind: kind.into(),
        subject,
        sequence,
        at,
        actor: "service:orders".to_owned(),
        request_id: request.to_string(),
        data,
    })
}
