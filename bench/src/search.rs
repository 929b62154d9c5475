//! Searches and counts of few and of many products: no two the same, so that nothing is answered from what was kept.

use std::time::Instant;

use anyhow::Result;
use testkit::fleet::Shape;

use crate::figures::{Aim, Row, Summary, grouped};
use crate::load;
use crate::machine::{cpu_seconds, resident_mib};
use crate::plan::{Bench, PRODUCTS, PRODUCTS_MANY, tell};
use crate::shop::{Engine, Shop};
use crate::shopper::Errand;

/// How many search at once where the aim for searches is.
const SEARCHERS: usize = 16;
/// The longest that a search may take but for one in a hundred.
const SEARCH_P99_MS: f64 = 20.0;

impl Bench<'_> {
    /// Both catalogues in turn, beside floor H.
    ///
    /// # Errors
    /// The shop's or the load's.
    pub async fn search(&mut self, engine: Engine) -> Result<()> {
        let floor = self.floor_h(engine, SEARCHERS).await?;
        for products in [PRODUCTS, self.options.many(PRODUCTS_MANY)] {
            self.search_of(engine, products, &floor).await?;
        }
        Ok(())
    }

    async fn search_of(&mut self, engine: Engine, products: usize, floor: &Summary) -> Result<()> {
        let (name, count) = (engine.name(), grouped(products as f64));
        tell(format!("{name}: searches of {count} products"));
        let mut shop = Shop::open(engine, &self.server, products, Shape::One).await?;
        let mut shoppers = shop.shoppers(SEARCHERS).await?;
        let began = Instant::now();
        shoppers[0].wait_for_index(products).await?;
        if products > PRODUCTS {
            let waited = began.elapsed().as_secs_f64();
            let row = Row::new(name, format!("first index, {count} products"), waited, "s");
            self.add(row.noted("after the first answer"));
        }
        for (errand, what) in [(Errand::Search, "search"), (Errand::Facets, "facets")] {
            let mut rounds = Vec::new();
            let (before, process) = (cpu_seconds(shop.process()), shop.process());
            for _ in 0..self.options.rounds() {
                rounds.push(load::run(&mut shoppers, &errand, self.options.span()).await?);
            }
            let summary = Summary::of(&rounds);
            // Of all that was asked, also while it warmed up, at the rate that was counted.
            let span = self.options.span();
            let asked = summary.rate * (span.warm_up + span.counted).as_secs_f64() * rounds.len() as f64;
            let each = (cpu_seconds(process) - before) * 1e6 / asked;
            let mut row = Row::rate(name, format!("{what}, p99, {count}"), SEARCHERS, &summary);
            (row.value, row.unit) = (summary.p99_ms, "ms");
            let row = row
                .noted(format!(
                    "at {}/s; {each:.0} µs of processor each",
                    grouped(summary.rate)
                ))
                .over("H", floor.p99_ms);
            self.add(match errand {
                Errand::Search => row.aims(Aim::AtMost(SEARCH_P99_MS)),
                _ => row,
            });
        }
        let busy = resident_mib(shop.process());
        self.add(Row::new(name, format!("memory, {count} searched"), busy, "MiB"));
        drop(shoppers);
        shop.fleet.terminate().await;
        shop.clear(&self.server).await
    }
}
