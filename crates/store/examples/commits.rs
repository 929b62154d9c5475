//! How many purchases a second one database commits: order, two lines, event, two guarded stock updates, cart.
//!
//! `cargo run --release -p store --example commits [-- --seconds 3 --clients 64 --postgres URL]`. Prints each way
//! of writing, spread over many products and with everybody wanting one, with commits, batch sizes and waits.
#![allow(clippy::disallowed_methods)] // A bench stands at the edge: it reads the clock and the environment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, Ids};
use store::{Combiner, Db, Dialect, Engine, Error, Migration, Outgoing, Settings, Tx, Value, args, texts};

#[path = "../../testkit/src/postgres.rs"]
#[allow(dead_code, reason = "testkit stands on store; its file is used as it is")]
mod postgres;

const TABLES: &[Migration] = &[Migration::new(
    "0001_bench",
    "CREATE TABLE bench_order (id TEXT PRIMARY KEY, number BIGINT NOT NULL, total BIGINT NOT NULL, body TEXT NOT NULL);
     CREATE TABLE bench_line (order_id TEXT NOT NULL, place BIGINT NOT NULL, product BIGINT NOT NULL,
        quantity BIGINT NOT NULL, PRIMARY KEY (order_id, place));
     CREATE TABLE bench_stock (product BIGINT PRIMARY KEY, on_hand BIGINT NOT NULL, reserved BIGINT NOT NULL);
     CREATE TABLE bench_cart (client BIGINT PRIMARY KEY, generation BIGINT NOT NULL);",
)];

const PRODUCTS: i64 = 1_000;

#[derive(Clone, Debug)]
struct Purchase {
    client: i64,
    products: [i64; 2],
}

#[derive(Clone, Copy)]
enum Way {
    /// One closure per purchase, grouped by the writer.
    Grouped,
    /// Slices through a combiner.
    Combined,
}

fn main() -> anyhow::Result<()> {
    let option = |name: &str| {
        let mut all = std::env::args().skip_while(|arg| arg != name);
        all.nth(1)
    };
    let seconds = option("--seconds").map_or(Ok(3), |text| text.parse())?;
    let clients = option("--clients").map_or(Ok(64), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir_in(option("--folder").unwrap_or_else(|| ".".into()))?;
        let engine = Engine::Sqlite {
            file: folder.path().join("bench.db"),
        };
        all("sqlite", engine, clients, seconds).await?;

        let (_server, url) = match option("--postgres") {
            Some(url) => (None, url),
            None => {
                let server = postgres::Server::start(postgres::Durable::Yes).await?;
                let url = server.url("postgres");
                (Some(server), url)
            }
        };
        all("postgres", Engine::Postgres { url }, clients, seconds).await
    })
}

async fn all(name: &str, engine: Engine, clients: i64, seconds: u64) -> anyhow::Result<()> {
    let db = Db::open(Settings::new(engine, "bench"), TABLES, Clock::system(), Ids::random()).await?;
    let fill: Result<(), Error> = db
        .write(|tx| {
            for product in 0..PRODUCTS {
                let sql = "INSERT INTO bench_stock (product, on_hand, reserved) VALUES ($1, $2, 0)
                    ON CONFLICT (product) DO UPDATE SET on_hand = excluded.on_hand";
                tx.run(sql, &args![product, 1_000_000_000_000i64])?;
            }
            Ok(())
        })
        .await;
    fill?;
    println!("{name}: {:?}", db.durability().await);
    for (label, way, hot) in [
        ("grouped, spread", Way::Grouped, false),
        ("grouped, one product", Way::Grouped, true),
        ("combined, spread", Way::Combined, false),
        ("combined, one product", Way::Combined, true),
    ] {
        measure(name, label, &db, way, hot, clients, seconds).await?;
    }
    reads(name, &db, clients, seconds).await?;
    db.close().await;
    Ok(())
}

async fn measure(
    name: &str,
    label: &str,
    db: &Db,
    way: Way,
    hot: bool,
    clients: i64,
    seconds: u64,
) -> anyhow::Result<()> {
    let combiner = Combiner::new(db, buy_all);
    let before = db.figures();
    let cpu = cpu_seconds();
    let start = Instant::now();
    let until = start + Duration::from_secs(seconds);
    let waits = Arc::new(Waits::default());
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (db, combiner, waits) = (db.clone(), combiner.clone(), waits.clone());
        tasks.spawn(async move {
            let mut turn = client * 7;
            while Instant::now() < until {
                turn += 13;
                let products = if hot {
                    [1, 2]
                } else {
                    [turn % PRODUCTS, (turn + 501) % PRODUCTS]
                };
                let purchase = Purchase { client, products };
                let asked = Instant::now();
                let done = match way {
                    Way::Grouped => {
                        db.write(move |tx| buy_all(tx, std::slice::from_ref(&purchase))?.remove(0))
                            .await
                    }
                    Way::Combined => combiner.call(purchase).await,
                };
                waits.add(asked.elapsed());
                done?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let (took, after) = (start.elapsed().as_secs_f64(), db.figures());
    let purchases = waits.count();
    let commits = after.commits - before.commits;
    println!(
        "{name:9} {label:22} {:7.0}/s  commits {:6.0}/s  per commit {:5.1}  statements {:5.1}  syncs {:5.0}/s  reruns {:4}  p50 {:5.2} ms  p99 {:6.2} ms  cpu {:3.0} us",
        purchases as f64 / took,
        commits as f64 / took,
        purchases as f64 / commits as f64,
        (after.statements - before.statements) as f64 / purchases as f64,
        (after.syncs - before.syncs) as f64 / took,
        after.reruns - before.reruns,
        waits.quantile(0.50),
        waits.quantile(0.99),
        (cpu_seconds() - cpu) * 1e6 / purchases as f64,
    );
    Ok(())
}

async fn reads(name: &str, db: &Db, clients: i64, seconds: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    let until = start + Duration::from_secs(seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let db = db.clone();
        tasks.spawn(async move {
            let mut count = 0u64;
            while Instant::now() < until {
                let sql = "SELECT on_hand, reserved FROM bench_stock WHERE product = $1";
                let found: Result<i64, Error> = db.read(move |tx| tx.one(sql, &args![client], |row| row.get(0))).await;
                found?;
                count += 1;
                if count.is_multiple_of(64) {
                    tokio::task::yield_now().await;
                }
            }
            Ok::<_, Error>(count)
        });
    }
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    println!(
        "{name:9} point reads            {:7.0}/s",
        count as f64 / start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The purchase over a slice: locks in key order, decides in order of arrival, writes once with arrays.
fn buy_all(tx: &mut Tx<'_>, all: &[Purchase]) -> Result<Vec<Result<i64, Error>>, Error> {
    let mut wanted: std::collections::BTreeMap<i64, i64> = std::collections::BTreeMap::new();
    for product in all.iter().flat_map(|purchase| purchase.products) {
        *wanted.entry(product).or_default() += 1;
    }
    let products: Vec<i64> = wanted.keys().copied().collect();
    let lock = match tx.dialect() {
        Dialect::Sqlite => "SELECT product, on_hand - reserved FROM bench_stock WHERE product = ANY($1)",
        Dialect::Postgres => {
            "SELECT product, on_hand - reserved FROM bench_stock WHERE product = ANY($1) ORDER BY product FOR UPDATE"
        }
    };
    let there = tx.all(lock, &args![products.clone()], |row| {
        Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
    })?;
    assert!(there.iter().all(|(product, left)| wanted[product] <= *left));

    let first = tx.next_numbers("order", all.len() as u32)?;
    let now = tx.clock().now();
    let ids: Vec<base::OrderId> = all.iter().map(|_| tx.ids().next(now)).collect();
    let numbers: Vec<i64> = (first..).take(all.len()).collect();
    let totals = vec![1999i64; all.len()];
    let lines: Vec<usize> = (0..all.len()).flat_map(|at| [at, at]).collect();
    let of_lines = texts(lines.iter().map(|at| ids[*at]));
    let places: Vec<i64> = (0..lines.len() as i64).map(|place| place % 2).collect();
    let bought: Vec<i64> = all.iter().flat_map(|purchase| purchase.products).collect();
    let mut clients: Vec<i64> = all.iter().map(|purchase| purchase.client).collect();
    clients.sort();
    clients.dedup();
    let statements = match tx.dialect() {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    let amounts: Vec<i64> = wanted.values().copied().collect();
    let orders: [Value; 4] = args![
        texts(&ids),
        numbers.clone(),
        totals,
        Value::Texts(vec![r#"{"city":"Solingen"}"#.repeat(8); all.len()])
    ];
    let lines: [Value; 3] = args![of_lines, places, bought];
    let stock: [Value; 2] = args![products, amounts];
    let carts: [Value; 1] = args![clients];
    tx.batch(&[
        (statements[0], &orders),
        (statements[1], &lines),
        (statements[2], &stock),
        (statements[3], &carts),
    ])?;
    for id in &ids {
        tx.emit(Outgoing {
            id: tx.ids().next(now),
            kind: "order.placed".into(),
            subject: id.to_string(),
            sequence: 1,
            at: now,
            actor: "bench".into(),
            request_id: "bench".into(),
            data: r#"{"total":1999,"lines":2}"#.into(),
        })?;
    }
    Ok(numbers.into_iter().map(Ok).collect())
}

const POSTGRES: [&str; 4] = [
    "INSERT INTO bench_order (id, number, total, body)
        SELECT * FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[])",
    "INSERT INTO bench_line (order_id, place, product, quantity)
        SELECT a, b, c, 1 FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[]) AS l (a, b, c)",
    "UPDATE bench_stock SET reserved = reserved + n.amount
        FROM UNNEST($1::BIGINT[], $2::BIGINT[]) AS n (product, amount) WHERE bench_stock.product = n.product",
    "INSERT INTO bench_cart AS c (client, generation) SELECT a, 1 FROM UNNEST($1::BIGINT[]) AS u (a)
        ON CONFLICT (client) DO UPDATE SET generation = c.generation + 1",
];

const SQLITE: [&str; 4] = [
    "INSERT INTO bench_order (id, number, total, body)
        SELECT a.value, $2 ->> a.key, $3 ->> a.key, $4 ->> a.key FROM json_each($1) AS a",
    "INSERT INTO bench_line (order_id, place, product, quantity)
        SELECT a.value, $2 ->> a.key, $3 ->> a.key, 1 FROM json_each($1) AS a",
    "UPDATE bench_stock SET reserved = reserved + n.amount
        FROM (SELECT a.value AS product, $2 ->> a.key AS amount FROM json_each($1) AS a) AS n
        WHERE bench_stock.product = n.product",
    "INSERT INTO bench_cart AS c (client, generation) SELECT value, 1 FROM json_each($1) WHERE TRUE
        ON CONFLICT (client) DO UPDATE SET generation = c.generation + 1",
];

/// Waits in buckets of powers of 2^(1/8) microseconds.
struct Waits(Vec<AtomicU64>);

impl Default for Waits {
    fn default() -> Self {
        Self((0..256).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Waits {
    fn add(&self, wait: Duration) {
        let bucket = ((wait.as_micros().max(1) as f64).log2() * 8.0) as usize;
        self.0[bucket.min(self.0.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// In milliseconds.
    fn quantile(&self, share: f64) -> f64 {
        let mut left = (self.count() as f64 * share) as u64;
        for (place, bucket) in self.0.iter().enumerate() {
            let count = bucket.load(Ordering::Relaxed);
            if count > left {
                return 2f64.powf((place as f64 + 1.0) / 8.0) / 1000.0;
            }
            left -= count;
        }
        f64::INFINITY
    }
}

/// CPU time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    // Fields 14 and 15 of the line, in hundredths of a second on Linux.
    (ticks(11) + ticks(12)) / 100.0
}
