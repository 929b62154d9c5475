//! Floor S: a purchase's own transactions on the shop's own files and engine, without HTTP and without rules.
//!
//! In the order in which a checkout commits them: cart (add) → orders (place) → catalog (reserve) → payments (attempt)
//! → provider (charge) → payments (capture) → orders (confirm) → catalog (settle) and cart (clear). Nine commits in
//! five stores, all shared with the other shoppers; catalog's go through a combiner, as in the shop. What follows
//! behind the answer (the relay, the log, noting that the order rests) is left out.
//!
//! It writes rows that no shop would; the shop's data are of no use afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use base::{
    AttemptId, CartId, Clock, EventId, Id, Ids, LineId, OrderId, OrderLineId, PaymentId, RequestId, Time, UserId,
};
use store::{Combiner, Db, Error, Migration, Outgoing, Settings, Tx, args, texts};

/// Variants that are bought.
const VARIANTS_MAX: i64 = 1_000;
/// Prices, totals and captures are all the same here.
const PRICE: i64 = 1_999;

/// The shop's stores, opened without the shop.
pub struct Replay {
    cart: Db,
    orders: Db,
    catalog: Db,
    payments: Db,
    simulated: Db,
    holds: Combiner<Hold, (), Error>,
    variants: Vec<String>,
    ids: Ids,
}

/// What catalog is asked to do.
#[derive(Clone)]
struct Hold {
    order: OrderId,
    variant: String,
    /// Settle what was reserved, instead of reserving.
    settles: bool,
}

/// A user and the cart that they fill again and again.
struct Buyer {
    user: UserId,
    cart: CartId,
    version: i64,
    turn: usize,
}

/// The stores that a purchase writes to.
pub const STORES: [(&str, &[Migration]); 5] = [
    ("cart", cart::MIGRATIONS),
    ("orders", orders::MIGRATIONS),
    ("catalog", catalog::MIGRATIONS),
    ("payments", payments::MIGRATIONS),
    ("simulated", payments::simulated::MIGRATIONS),
];

impl Replay {
    /// Opens the five stores, each as `settings` says.
    ///
    /// # Errors
    /// One cannot be opened, or there are no products.
    pub async fn open(settings: impl Fn(&'static str) -> Settings) -> Result<Self> {
        let ids = Ids::random();
        let mut dbs = Vec::new();
        for (service, migrations) in STORES {
            dbs.push(Db::open(settings(service), migrations, Clock::system(), ids.clone()).await?);
        }
        let [cart, orders, catalog, payments, simulated] =
            dbs.try_into().unwrap_or_else(|_| unreachable!("five stores"));
        let variants = catalog.scan(|tx| {
            let sql = "SELECT variant_id FROM catalog_stock ORDER BY variant_id LIMIT $1";
            tx.all(sql, &args![VARIANTS_MAX], |row| row.get::<String>(0))
        });
        let variants: Vec<String> = variants.await.map_err(|fault: Error| fault)?;
        anyhow::ensure!(!variants.is_empty(), "there are no products");
        let holds = Combiner::new(&catalog, hold_all);
        Ok(Self {
            cart,
            orders,
            catalog,
            payments,
            simulated,
            holds,
            variants,
            ids,
        })
    }

    /// So many buyers replay purchases for this long; answers purchases a second.
    ///
    /// # Errors
    /// What an engine refuses.
    pub async fn run(self: &Arc<Self>, buyers: usize, warm_up: Duration, counted: Duration) -> Result<f64> {
        let begin = Instant::now() + warm_up;
        let end = begin + counted;
        let done = Arc::new(AtomicU64::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..buyers {
            let (replay, done) = (self.clone(), done.clone());
            tasks.spawn(async move {
                let now = replay.cart.clock().now();
                let ids = &replay.ids;
                let mut buyer = Buyer {
                    user: ids.next(now),
                    cart: ids.next(now),
                    version: 0,
                    turn: number * 37,
                };
                while Instant::now() < end {
                    replay.purchase(&mut buyer).await?;
                    if (begin..end).contains(&Instant::now()) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok::<_, Error>(())
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        Ok(done.load(Ordering::Relaxed) as f64 / counted.as_secs_f64())
    }

    /// Writing transactions with one small row each, one store, so many writers at once; answers how many a second:
    /// the raw loop of group commit.
    ///
    /// # Errors
    /// What the engine refuses.
    pub async fn commits(&self, writers: usize, counted: Duration) -> Result<(f64, f64)> {
        let (before, end) = (self.orders.figures(), Instant::now() + counted);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..writers {
            let db = self.orders.clone();
            tasks.spawn(async move {
                while Instant::now() < end {
                    db.write(|tx| tx.next_number("bench")).await?;
                }
                Ok::<_, Error>(())
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        let after = self.orders.figures();
        let rate = |count: u64| count as f64 / counted.as_secs_f64();
        Ok((
            rate(after.closures - before.closures),
            rate(after.commits - before.commits),
        ))
    }

    /// Closes the stores.
    pub async fn close(self) {
        for db in [self.cart, self.orders, self.catalog, self.payments, self.simulated] {
            db.close().await;
        }
    }

    async fn purchase(&self, buyer: &mut Buyer) -> Result<(), Error> {
        let now = self.cart.clock().now();
        buyer.turn += 13;
        let variant = &self.variants[buyer.turn % self.variants.len()];
        self.add(buyer, variant, now).await?;
        let (order, payment, attempt) = (self.ids.next(now), self.ids.next(now), self.ids.next(now));
        self.place(order, buyer, variant, now).await?;
        self.holds
            .call(Hold {
                order,
                variant: variant.clone(),
                settles: false,
            })
            .await?;
        self.try_payment(order, payment, attempt, buyer.user, now).await?;
        self.charge(attempt, now).await?;
        self.capture(payment, attempt, now).await?;
        self.confirm(order, now).await?;
        let settle = self.holds.call(Hold {
            order,
            variant: variant.clone(),
            settles: true,
        });
        let (settled, cleared) = tokio::join!(settle, self.clear(buyer.cart, buyer.version, now));
        buyer.version += 1;
        settled.and(cleared)
    }

    async fn add(&self, buyer: &mut Buyer, variant: &str, now: Time) -> Result<(), Error> {
        let (user, cart, version) = (buyer.user, buyer.cart, buyer.version);
        buyer.version += 1;
        let line = self.ids.next::<LineId>(now);
        let lines = format!(
            r#"[{{"id":"{line}","variant":"{variant}","quantity":1,"added_at":{}}}]"#,
            now.micros()
        );
        self.cart
            .write(move |tx| {
                look(tx, user)?;
                let sql = "INSERT INTO cart_cart
                        (id, user_id, guest, generation, version, told, lines, created_at, updated_at)
                    VALUES ($1, $2, 1, 1, $3, 0, $4, $5, $5) ON CONFLICT (user_id) DO UPDATE
                    SET version = excluded.version, lines = excluded.lines, updated_at = excluded.updated_at";
                tx.run(sql, &args![cart, user, version + 1, &lines, now]).map(drop)
            })
            .await
    }

    async fn clear(&self, cart: CartId, version: i64, now: Time) -> Result<(), Error> {
        self.cart
            .write(move |tx| {
                let sql =
                    "UPDATE cart_cart SET generation = generation + 1, version = $2, lines = '[]', updated_at = $3
                    WHERE id = $1";
                tx.run(sql, &args![cart, version + 1, now]).map(drop)
            })
            .await
    }

    async fn place(&self, order: OrderId, buyer: &Buyer, variant: &str, now: Time) -> Result<(), Error> {
        let (user, cart, version, variant) = (buyer.user, buyer.cart, buyer.version, variant.to_owned());
        let line = self.ids.next::<OrderLineId>(now);
        self.orders
            .write(move |tx| {
                let number = tx.next_number("order")?;
                tx.batch(&[
                    (
                        "INSERT INTO orders_order (id, number, user_id, guest, email, status, payment_status,
                            payment_method, attempt, payment_version, subtotal, discount, shipping, tax, total, currency,
                            prices_include_tax, channel, shipping_address, billing_address, metadata, cart_id,
                            cart_generation, checkout_key, fingerprint, hidden, sequence, version, expires_at, resume_at,
                            created_at, updated_at)
                         VALUES ($1, $2, $3, 1, 'ada@example.com', 'pending', 'pending', 'credit_card', 1, 0, $4, 0, 0, 0,
                            $4, 'USD', 1, 'web', $5, $5, '{}', $6, $7, $8, $8, 0, 1, 1, $9, $9, $9, $9)",
                        &args![order, number, user, PRICE, ADDRESS, cart, version, order, now],
                    ),
                    (
                        "INSERT INTO orders_line (order_id, id, position, product_id, variant_id, sku, name, price, quantity,
                            fulfilled, returned, refunded, discount, tax_rate, tax)
                         VALUES ($1, $2, 0, $3, $3, 'BN-000001', 'Ash Hammers No. 1', $4, 1, 0, 0, 0, 0, 0, 0)",
                        &args![order, line, &variant, PRICE],
                    ),
                    (CHANGE, &args![order, 0i64, "pending", now, user]),
                ])?;
                tell(tx, "OrderCreated", order.to_string(), 1, now)
            })
            .await
    }

    async fn confirm(&self, order: OrderId, now: Time) -> Result<(), Error> {
        self.orders
            .write(move |tx| {
                tx.batch(&[
                    (
                        "UPDATE orders_order SET status = 'confirmed', payment_status = 'completed', payment_version = 1,
                            sequence = 2, version = version + 1, resume_at = $2, updated_at = $2
                         WHERE id = $1 AND version = 1",
                        &args![order, now],
                    ),
                    (CHANGE, &args![order, 1i64, "confirmed", now, "service:orders"]),
                ])?;
                tell(tx, "OrderConfirmed", order.to_string(), 2, now)
            })
            .await
    }

    async fn try_payment(
        &self,
        order: OrderId,
        payment: PaymentId,
        attempt: AttemptId,
        user: UserId,
        now: Time,
    ) -> Result<(), Error> {
        self.payments
            .write(move |tx| {
                tx.batch(&[
                    (
                        "INSERT INTO payments_payment (id, order_id, user_id, amount, currency, method, provider, status,
                            captured, refunded, refunding, trying, closed, version, revision, metadata, created_at, updated_at)
                         VALUES ($1, $2, $3, $4, 'USD', 'credit_card', 'simulated', 'processing', 0, 0, 0, $5, 0, 0, 0, '{}',
                            $6, $6) ON CONFLICT (order_id) DO NOTHING",
                        &args![payment, order, user, PRICE, attempt, now],
                    ),
                    (
                        "INSERT INTO payments_attempt (id, payment_id, order_id, number, status, token, tries, resume_at,
                            actor, request_id, created_at, updated_at)
                         VALUES ($1, $2, $3, 1, 'open', 'tok_visa', 0, $4, 'service:orders', 'bench', $4, $4)",
                        &args![attempt, payment, order, now],
                    ),
                ])
                .map(drop)
            })
            .await
    }

    async fn charge(&self, attempt: AttemptId, now: Time) -> Result<(), Error> {
        self.simulated
            .write(move |tx| {
                tx.run(
                    "INSERT INTO simulated_charge (key, id, status, amount, currency, refunded, created_at)
                     VALUES ($1, $1, 'captured', $2, 'USD', 0, $3) ON CONFLICT (key) DO NOTHING",
                    &args![attempt, PRICE, now],
                )
                .map(drop)
            })
            .await
    }

    async fn capture(&self, payment: PaymentId, attempt: AttemptId, now: Time) -> Result<(), Error> {
        self.payments
            .write(move |tx| {
                tx.batch(&[
                    (
                        "UPDATE payments_payment SET status = 'completed', captured = $2, paid_by = $3, trying = NULL,
                            version = 1, revision = 1, updated_at = $4 WHERE id = $1 AND revision = 0",
                        &args![payment, PRICE, attempt, now],
                    ),
                    (
                        "UPDATE payments_attempt SET status = 'captured', charge = $1, token = NULL, updated_at = $2
                         WHERE id = $1",
                        &args![attempt, now],
                    ),
                    (
                        "INSERT INTO payments_capture (attempt_id, payment_id, amount, charge, surplus, created_at)
                         VALUES ($1, $2, $3, $1, 0, $4)",
                        &args![attempt, payment, PRICE, now],
                    ),
                ])?;
                tell(tx, "PaymentProcessed", payment.to_string(), 1, now)
            })
            .await
    }
}

/// The version of SQLite that the stores are built with.
///
/// # Errors
/// None in practice.
pub async fn sqlite_version() -> Result<String> {
    let db = Db::open(Settings::memory("orders"), &[], Clock::system(), Ids::random()).await?;
    let version: Result<String, Error> = db
        .read(|tx| tx.one("SELECT sqlite_version()", &[], |row| row.get(0)))
        .await;
    db.close().await;
    Ok(version?)
}

const ADDRESS: &str =
    r#"{"name":"Ada Example","street":"1 Main Street","city":"Springfield","postalCode":"12345","country":"US"}"#;

const CHANGE: &str = "INSERT INTO orders_change (order_id, position, status, at, actor, reason, request_id)
    VALUES ($1, $2, $3, $4, $5, NULL, 'bench')";

fn look(tx: &mut Tx<'_>, user: UserId) -> Result<usize, Error> {
    let sql = "SELECT id, version, lines FROM cart_cart WHERE user_id = $1";
    tx.all(sql, &args![user], |row| row.get::<i64>(1))
        .map(|lines| lines.len())
}

fn tell(tx: &mut Tx<'_>, kind: &'static str, subject: String, sequence: i64, now: Time) -> Result<(), Error> {
    let id = tx.ids().next::<EventId>(now);
    let data = format!(
        r#"{{"orderId":"{subject}","number":1,"status":"confirmed","total":19.99,"currency":"USD","itemCount":1}}"#
    );
    tx.emit(Outgoing {
        id,
        kind: kind.into(),
        subject,
        sequence,
        at: now,
        actor: "service:orders".to_owned(),
        request_id: tx.ids().next::<RequestId>(now).to_string(),
        data,
    })
}

/// Reserves and settles a whole slice: two reads and the same tables as the shop, rows of a purchase in one statement.
fn hold_all(tx: &mut Tx<'_>, asked: &[Hold]) -> Result<Vec<Result<(), Error>>, Error> {
    let now = tx.clock().now();
    let orders = texts(asked.iter().map(|hold| hold.order));
    tx.all(
        "SELECT order_id, state, lines, version FROM catalog_reservation WHERE order_id = ANY($1)",
        &[orders],
        |row| row.get::<String>(1),
    )?;
    let variants = texts(asked.iter().map(|hold| &hold.variant));
    tx.all(
        "SELECT s.variant_id, v.sku, s.on_hand, s.reserved FROM catalog_stock s JOIN catalog_variant v ON v.id = s.variant_id
         WHERE s.variant_id = ANY($1)",
        &[variants],
        |row| row.get::<i64>(2),
    )?;
    for settles in [false, true] {
        let some: Vec<&Hold> = asked.iter().filter(|hold| hold.settles == settles).collect();
        if some.is_empty() {
            continue;
        }
        let variants = texts(some.iter().map(|hold| &hold.variant));
        let orders = texts(some.iter().map(|hold| hold.order));
        let stock = match settles {
            false => "UPDATE catalog_stock SET reserved = reserved + 1, version = version + 1 WHERE variant_id = ANY($1)",
            true => {
                "UPDATE catalog_stock SET on_hand = on_hand - 1, reserved = CASE WHEN reserved > 0 THEN reserved - 1 ELSE 0 END,
                    version = version + 1 WHERE variant_id = ANY($1)"
            }
        };
        tx.run(stock, &[variants])?;
        if settles {
            let sql = "UPDATE catalog_reservation SET state = 'settled', updated_at = $2 WHERE order_id = ANY($1)";
            tx.run(sql, &[orders, now.into()])?;
        } else {
            let mut rows = Vec::new();
            let mut marks = String::new();
            for hold in &some {
                let first = rows.len() + 1;
                let comma = if rows.is_empty() { "" } else { ", " };
                marks += &format!(
                    "{comma}(${first}, 'reserved', ${}, 1, ${}, ${})",
                    first + 1,
                    first + 2,
                    first + 2
                );
                rows.extend(args![
                    hold.order,
                    format!(r#"[{{"variant":"{}","quantity":1,"counted":true}}]"#, hold.variant),
                    now
                ]);
            }
            let sql = format!(
                "INSERT INTO catalog_reservation (order_id, state, lines, version, created_at, updated_at) VALUES {marks}"
            );
            tx.run(&sql, &rows)?;
        }
        let mut rows = Vec::new();
        let mut marks = String::new();
        for hold in &some {
            let first = rows.len() + 1;
            let comma = if rows.is_empty() { "" } else { ", " };
            marks += &format!(
                "{comma}(${first}, 'main', ${}, 'reserved', 0, 1, 1, 1, ${}, 'bench', 'bench', ${})",
                first + 1,
                first + 2,
                first + 3
            );
            // The ledger's numbers only have to be new; 63 random bits are.
            let number = (tx.ids().next::<EventId>(now).bits() as i64) & i64::MAX;
            rows.extend(args![&hold.variant, number, hold.order, now]);
        }
        let sql = format!(
            "INSERT INTO catalog_movement (variant_id, location, version, reason, on_hand_change, reserved_change, on_hand,
                reserved, order_id, actor, request_id, at) VALUES {marks}"
        );
        tx.run(&sql, &rows)?;
    }
    for hold in asked.iter().filter(|hold| !hold.settles) {
        tell(tx, "InventoryReserved", hold.order.to_string(), 1, now)?;
    }
    Ok(asked.iter().map(|_| Ok(())).collect())
}

#[cfg(test)]
mod tests;
