//! Floor S: a purchase's own transactions on the shop's own files and engine, without HTTP and without rules.
//!
//! In the order in which a checkout commits them: cart (add) → orders (place) → catalog (reserve) → payments (attempt)
//! → provider (charge) → payments (capture) → orders (confirm) → catalog (settle) and cart (clear). Nine commits in
//! five stores, each shared with the other shoppers through a combiner, its rows in one statement for all of them.
//! What follows behind the answer (the relay, the log, noting that the order rests) is left out.
//!
//! It writes rows that no shop would; the shop's data are of no use afterwards.

mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use base::{AttemptId, CartId, Clock, Ids, LineId, OrderId, OrderLineId, PaymentId, Time, UserId};
use store::{Combiner, Db, Error, Migration, Settings, Tx, args};

/// Variants that are bought.
const VARIANTS_MAX: i64 = 1_000;

/// The stores that a purchase writes to.
pub const STORES: [(&str, &[Migration]); 5] = [
    ("cart", cart::MIGRATIONS),
    ("orders", orders::MIGRATIONS),
    ("catalog", catalog::MIGRATIONS),
    ("payments", payments::MIGRATIONS),
    ("simulated", payments::simulated::MIGRATIONS),
];

/// The shop's stores, opened without the shop.
pub struct Replay {
    /// In the order of [`STORES`].
    dbs: [Db; 5],
    /// One for each step, in the order of [`steps::ALL`].
    steps: Vec<Combiner<Purchase, (), Error>>,
    variants: Vec<String>,
    ids: Ids,
}

/// What is bought, and the ids that its rows get.
#[derive(Clone)]
struct Purchase {
    user: UserId,
    cart: CartId,
    /// The cart's version before.
    version: i64,
    line: LineId,
    variant: Arc<str>,
    order: OrderId,
    order_line: OrderLineId,
    payment: PaymentId,
    attempt: AttemptId,
    at: Time,
}

/// A user and the cart that they fill again and again.
struct Buyer {
    user: UserId,
    cart: CartId,
    version: i64,
    turn: usize,
}

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
        let dbs: [Db; 5] = dbs.try_into().unwrap_or_else(|_| unreachable!("there are five stores"));
        let variants = dbs[2].scan(|tx| {
            let sql = "SELECT variant_id FROM catalog_stock ORDER BY variant_id LIMIT $1";
            tx.all(sql, &args![VARIANTS_MAX], |row| row.get::<String>(0))
        });
        let variants: Vec<String> = variants.await.map_err(|fault: Error| fault)?;
        anyhow::ensure!(!variants.is_empty(), "there are no products");
        let combined = steps::ALL.map(|(store, step)| {
            Combiner::new(&dbs[store], move |tx: &mut Tx<'_>, slice: &[Purchase]| {
                step(tx, slice)?;
                Ok(slice.iter().map(|_| Ok(())).collect())
            })
        });
        Ok(Self {
            steps: combined.into(),
            dbs,
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
                let mut buyer = replay.buyer(number);
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

    /// Writing transactions of one small row each on one store, by so many writers at once: the raw loop of group
    /// commit. Answers transactions and commits a second.
    ///
    /// # Errors
    /// What the engine refuses.
    pub async fn commits(&self, writers: usize, counted: Duration) -> Result<(f64, f64)> {
        let db = &self.dbs[1];
        let (before, end) = (db.figures(), Instant::now() + counted);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..writers {
            let db = db.clone();
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
        let after = db.figures();
        let rate = |count: u64| count as f64 / counted.as_secs_f64();
        Ok((
            rate(after.closures - before.closures),
            rate(after.commits - before.commits),
        ))
    }

    /// Closes the stores.
    pub async fn close(self) {
        drop(self.steps);
        for db in self.dbs {
            db.close().await;
        }
    }

    fn buyer(&self, number: usize) -> Buyer {
        let now = self.dbs[0].clock().now();
        Buyer {
            user: self.ids.next(now),
            cart: self.ids.next(now),
            version: 0,
            turn: number * 37,
        }
    }

    async fn purchase(&self, buyer: &mut Buyer) -> Result<(), Error> {
        let (ids, at) = (&self.ids, self.dbs[0].clock().now());
        buyer.turn += 13;
        let purchase = Purchase {
            user: buyer.user,
            cart: buyer.cart,
            version: buyer.version,
            line: ids.next(at),
            variant: self.variants[buyer.turn % self.variants.len()].as_str().into(),
            order: ids.next(at),
            order_line: ids.next(at),
            payment: ids.next(at),
            attempt: ids.next(at),
            at,
        };
        buyer.version += 2;
        let (one_by_one, side_by_side) = self.steps.split_at(self.steps.len() - 2);
        for step in one_by_one {
            step.call(purchase.clone()).await?;
        }
        let (settled, cleared) = tokio::join!(
            side_by_side[0].call(purchase.clone()),
            side_by_side[1].call(purchase.clone())
        );
        settled.and(cleared)
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

#[cfg(test)]
mod tests;
