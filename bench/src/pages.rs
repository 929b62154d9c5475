//! Whether a page costs what the first one does, however deep it lies in however long a list.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::{Aim, Row, grouped};
use crate::http::{Connection, Request};
use crate::plan::{Bench, PRODUCTS, tell};
use crate::seed;
use crate::shop::{Engine, Shop};
use crate::shopper::Errand;
use crate::turns::{Call, take};

/// Products, and orders.
const ROWS: usize = 1_000_000;
/// The page that is held against the first one.
const DEEP: usize = 1_000;
/// How much longer it may take: "the same" but for the machine's noise.
const RATIO_MAX: f64 = 1.2;
/// How long what a purchase starts behind its answer may take.
const SETTLE: Duration = Duration::from_secs(2);
/// Pages that are read for each second of a round.
const READS_PER_SECOND: f64 = 200.0;

impl Bench<'_> {
    /// Fills a shop by SQL, walks its lists, and reads the first and the deep page of each in turn. First products, then
    /// orders in another shop: both at once would take twice the disk.
    ///
    /// # Errors
    /// The shop's; a list that ends before.
    pub async fn pages(&mut self, engine: Engine) -> Result<()> {
        self.pages_of_products(engine).await?;
        self.pages_of_orders(engine).await
    }

    async fn pages_of_products(&mut self, engine: Engine) -> Result<()> {
        let rows = self.options.many(ROWS);
        tell(format!("{}: {} products", engine.name(), grouped(rows as f64)));
        let mut shop = Shop::staffed(engine, &self.server, PRODUCTS, &[]).await?;
        // By the clerk: what everybody sees may be answered from what was kept.
        let clerk = shop.clerk().await?;
        shop.fleet.terminate().await;
        let settings = shop.store_settings()("catalog");
        let took = seed::products(settings, PRODUCTS as i64 + 1..=rows as i64).await?;
        let at = self.seeded(&mut shop, "products", rows - PRODUCTS, took).await?;
        for (what, path) in [
            ("products", "/api/products?limit=20"),
            ("products by price", "/api/products?limit=20&sort=price"),
            ("products of a category", "/api/products?limit=20&category=Saws"),
        ] {
            self.depth(engine, at, what, path, &clerk).await?;
        }
        shop.fleet.terminate().await;
        shop.clear(&self.server).await
    }

    async fn pages_of_orders(&mut self, engine: Engine) -> Result<()> {
        let rows = self.options.many(ROWS);
        tell(format!("{}: {} orders", engine.name(), grouped(rows as f64)));
        let mut shop = Shop::staffed(engine, &self.server, PRODUCTS, &[]).await?;
        let clerk = shop.clerk().await?;
        let mut buyer = shop.shoppers(1).await?;
        buyer[0].run(&Errand::Purchase).await?;
        tokio::time::sleep(SETTLE).await;
        shop.fleet.terminate().await;
        let settings = shop.store_settings()("orders");
        let took = seed::orders(settings, 2..=rows as i64).await?;
        let at = self.seeded(&mut shop, "orders", rows - 1, took).await?;
        for (what, path, token) in [
            ("orders", "/api/orders?limit=20", clerk.as_str()),
            ("orders delivered", "/api/orders?limit=20&status=delivered", &clerk),
            ("one's own orders", "/api/orders?limit=20", buyer[0].token()),
        ] {
            self.depth(engine, at, what, path, token).await?;
        }
        shop.fleet.terminate().await;
        shop.clear(&self.server).await
    }

    /// Notes how long it took to fill the shop, and how much of the disk; starts it again, and says where.
    async fn seeded(&mut self, shop: &mut Shop, what: &str, rows: usize, took: Duration) -> Result<SocketAddr> {
        if let Some(url) = &shop.database {
            // As the server does by itself after a while.
            testkit::postgres::run(url, "VACUUM (ANALYZE)").await?;
        }
        let rate = rows as f64 / took.as_secs_f64();
        let row = Row::new(shop.engine.name(), format!("floor: {what} by SQL"), rate, "/s");
        let disk = grouped(shop.disk_mib().await?);
        self.add(row.noted(format!("{:.0} s; {disk} MiB of disk", took.as_secs_f64())));
        shop.fleet.restart_all().await;
        shop.address()
    }

    async fn depth(&mut self, engine: Engine, at: SocketAddr, what: &str, path: &str, token: &str) -> Result<()> {
        // A list of a tenth has its hundredth page.
        let (pages, began) = (self.options.many(DEEP), Instant::now());
        let deep = walk(at, path, token, pages).await?;
        let walked = began.elapsed();
        let reads = (self.options.span().counted.as_secs_f64() * READS_PER_SECOND) as usize * self.options.rounds();
        let calls = [Call::get(path, token), Call::get(deep, token)];
        let [first, deep] = take(at, std::iter::repeat_n(calls, reads.max(1))).await?;
        let row = Row::median(engine.name(), format!("{what}, first page"), &first);
        let median = row.value;
        self.add(row);
        let page = grouped(pages as f64);
        let row = Row::median(engine.name(), format!("{what}, page {page}"), &deep).over("first", median);
        let row = row.aims_ratio(Aim::AtMost(RATIO_MAX));
        self.add(row.noted(format!("walked to it in {:.1} s", walked.as_secs_f64())));
        Ok(())
    }
}

/// The address of a page, by the links of those before it.
async fn walk(at: SocketAddr, path: &str, token: &str, pages: usize) -> Result<String> {
    let mut connection = Connection::to(at);
    let mut page = path.to_owned();
    for number in 1..pages {
        let answer = connection.call(Request::get(&page).by(token)).await?;
        ensure!(answer.status == 200, "{page} answers {}", answer.status);
        let next = answer.next().map(str::to_owned);
        page = next.with_context(|| format!("{path} ends with page {number}"))?;
    }
    Ok(page)
}
