//! Products from a file and into one, over HTTP: how fast, and in how much memory.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::{Aim, Row, grouped};
use crate::http::{Connection, Request};
use crate::machine::{forget_peak, own_mib, peak_mib, resident_mib};
use crate::plan::{Bench, CALM, PRODUCTS_MANY, tell};
use crate::shop::{Engine, Shop, csv};
use crate::shopper::{Catalogue, Shopper};
use crate::{seed, stream};

/// What an export may take of memory.
const EXPORT_MIB: f64 = 100.0;
/// Products that an export reads at once; also those of its floor.
const PAGE: i64 = 200;
/// How often a running import is looked at, and the memory that it takes.
const LOOK: Duration = Duration::from_millis(50);

/// An import that has ended.
struct Imported {
    took: Duration,
    created: u64,
    unchanged: u64,
    /// In MiB: before, the most, and the most without pages of files.
    memory: (f64, f64, f64),
}

impl Bench<'_> {
    /// Imports many products, the same again, exports them; and how fast the rows alone are written and read.
    ///
    /// # Errors
    /// The shop's; an import or export that is not whole.
    pub async fn files(&mut self, engine: Engine) -> Result<()> {
        let (name, products) = (engine.name(), self.options.many(PRODUCTS_MANY));
        let count = grouped(products as f64);
        tell(format!("{name}: a file of {count} products"));
        let mut shop = Shop::staffed(engine, &self.server, 1, &[]).await?;
        let token = shop.clerk().await?;
        let file = shop.beside("many.csv");
        std::fs::write(&file, csv(products))?;
        let megabytes = file.metadata()?.len() as f64 / 1e6;

        let first = import(&mut shop, &token, &file).await?;
        ensure!(
            first.created + 1 == products as u64,
            "{} products came in",
            first.created
        );
        let (waited, mut visitor) = (Instant::now(), visitor(&shop)?);
        visitor.wait_for_index(products).await?;
        let waited = waited.elapsed();
        let again = import(&mut shop, &token, &file).await?;
        ensure!(
            again.unchanged == products as u64,
            "{} products are as they were",
            again.unchanged
        );

        // A process that has not had to remember anything yet.
        shop.start_again().await?;
        visitor.wait_for_index(products).await?;
        tokio::time::sleep(CALM).await;
        let (process, at) = (shop.process(), shop.address()?);
        let idle = resident_mib(process);
        forget_peak(process)?;
        let began = Instant::now();
        let export = stream::receive(at, "/api/products/export", &token).await?;
        let (exported, peak) = (began.elapsed(), peak_mib(process));
        ensure!(export.lines >= products as u64, "the export has {} lines", export.lines);

        drop(visitor);
        shop.fleet.terminate().await;
        let settings = shop.store_settings();
        let numbers = 1..=products as i64;
        let read = seed::read(settings("catalog"), numbers, PAGE).await?;
        let written = seed::products(settings("catalog"), products as i64 + 1..=2 * products as i64).await?;
        let rate = |took: Duration| products as f64 / took.as_secs_f64();

        let row = Row::new(name, "floor: product rows written", rate(written), "/s");
        self.add(row.noted("copies by SQL, without HTTP, rules, movements, events"));
        let row =
            Row::new(name, format!("import, {count} products"), rate(first.took), "/s").over("floor", rate(written));
        self.add(row.noted(format!("{:.1} s for {megabytes:.0} MB", first.took.as_secs_f64())));
        let row = Row::new(name, "import, until all are found", waited.as_secs_f64(), "s");
        self.add(row.noted("search index, after the import's end"));
        let row = Row::new(name, "import, the same again", rate(again.took), "/s");
        self.add(row.noted(format!("{:.1} s; changes nothing", again.took.as_secs_f64())));
        for (what, import) in [("import", &first), ("the same again", &again)] {
            let (before, most, own) = import.memory;
            let row = Row::new(name, format!("{what}, peak memory"), most, "MiB");
            self.add(row.noted(format!("{before:.0} before; {own:.0} without pages of files")));
        }
        let row = Row::new(name, "floor: product rows read", rate(read), "/s");
        self.add(row.noted(format!("by SQL, {PAGE} at a time")));
        let row = Row::new(name, format!("export, {count} products"), rate(exported), "/s").over("floor", rate(read));
        let megabytes = export.bytes as f64 / 1e6;
        self.add(row.noted(format!("{:.1} s for {megabytes:.0} MB", exported.as_secs_f64())));
        let row = Row::new(name, "export, memory above idle", peak - idle, "MiB").aims(Aim::AtMost(EXPORT_MIB));
        self.add(row.noted(format!("{peak:.0} at the most, {idle:.0} before")));
        shop.clear(&self.server).await
    }
}

/// Somebody without a token.
fn visitor(shop: &Shop) -> Result<Shopper> {
    let nothing = Rc::new(Catalogue { products: Vec::new() });
    Ok(Shopper::new(0, shop.address()?, nothing))
}

/// Imports a file and waits for its end.
async fn import(shop: &mut Shop, token: &str, file: &Path) -> Result<Imported> {
    let (process, at) = (shop.process(), shop.address()?);
    tokio::time::sleep(CALM).await;
    let before = resident_mib(process);
    forget_peak(process)?;
    let watch = Watch::of(process);
    let began = Instant::now();
    let mut told: serde_json::Value =
        serde_json::from_str(&stream::send(at, "/api/products/import", token, file).await?)?;
    let path = format!(
        "/api/products/import/{}",
        told["id"].as_str().context("the import's id")?
    );
    let mut connection = Connection::to(at);
    while told["state"] != "done" {
        ensure!(told["state"] != "failed", "the import failed: {told}");
        tokio::time::sleep(LOOK).await;
        let answer = connection.call(Request::get(&path).by(token)).await?;
        ensure!(answer.status == 200, "{path} answers {}", answer.status);
        told = serde_json::from_slice(answer.body)?;
    }
    let took = began.elapsed();
    let memory = (before, peak_mib(process), watch.most()?);
    ensure!(told["rejectedRows"] == 0, "the import rejected rows: {told}");
    let figure = |name: &str| told[name].as_u64().with_context(|| format!("{name} of {told}"));
    Ok(Imported {
        took,
        created: figure("created")?,
        unchanged: figure("unchanged")?,
        memory,
    })
}

/// Looks at what a process holds for itself, of which the kernel keeps no peak.
struct Watch {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<f64>,
}

impl Watch {
    fn of(process: u32) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let ended = enough.clone();
        let thread = std::thread::spawn(move || {
            let mut most: f64 = 0.0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(own_mib(process));
                std::thread::sleep(LOOK);
            }
            most
        });
        Self { enough, thread }
    }

    fn most(self) -> Result<f64> {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the watch panicked"))
    }
}
