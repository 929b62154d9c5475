//! What is measured, in which order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::fleet::Shape;
use testkit::postgres::{Durable, Server};

use crate::figures::{Aim, Row, Summary, grouped};
use crate::floor::{self, Floor};
use crate::load::{self, Round, Span};
use crate::machine::{Machine, cpu_seconds_of_all, cpu_seconds_of_ours, resident_mib};
use crate::replay::Replay;
use crate::report::{Report, cells};
use crate::shop::{Engine, Shop};
use crate::shopper::{Catalogue, Errand, Shopper};
use crate::{Options, Topic, costs, crash};

/// How many shop at once.
const CROWDS: [usize; 3] = [1, 8, 64];
/// The crowd for which the aims are.
pub const CROWD: usize = 64;
/// The crowd whose waits are compared between catalogues: enough to keep the shop busy, too few to queue up.
const SMALL_CROWD: usize = 8;
/// Products of the usual and of the big catalogue.
pub const PRODUCTS: usize = 1_000;
pub const PRODUCTS_MANY: usize = 100_000;
/// Starts of which the median is taken.
const STARTS: usize = 5;
/// How long a process may calm down before its memory counts as idle.
pub const CALM: Duration = Duration::from_secs(2);

/// Measures everything that was asked for.
///
/// # Errors
/// The shop, a server or the load fails; an unsafe setting; something acknowledged is lost.
pub async fn run(options: &Options) -> Result<Report> {
    let machine = Machine::here();
    anyhow::ensure!(
        !machine.is_in_memory(),
        "{} lies in memory; set TMPDIR to a folder on a disk",
        std::env::temp_dir().display()
    );
    let server = Server::start(Durable::Yes).await?;
    let before = (cpu_seconds_of_all(), std::time::Instant::now());
    let mut bench = Bench {
        options,
        server,
        floor: Floor::start()?,
        report: Report {
            versions: Vec::new(),
            options: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            durability: Vec::new(),
            rows: Vec::new(),
            costs: Vec::new(),
            crash: Vec::new(),
            disturbance: (0.0, 0.0),
            machine,
        },
    };
    bench.versions().await?;
    for engine in options.engines() {
        bench.engine(engine).await?;
        if options.wants(Topic::Sizes) {
            bench.sizes(engine).await?;
        }
        if options.wants(Topic::Search) {
            bench.search(engine).await?;
        }
        if options.wants(Topic::Files) {
            bench.files(engine).await?;
        }
        if options.wants(Topic::Guesses) {
            bench.guesses(engine).await?;
        }
        if options.wants(Topic::Edge) {
            bench.edge(engine).await?;
        }
        if options.wants(Topic::Pages) {
            bench.pages(engine).await?;
        }
        if options.wants(Topic::Split) {
            bench.split(engine).await?;
        }
    }
    let Bench {
        mut report,
        floor,
        server,
        ..
    } = bench;
    // Processes are counted when they have ended.
    drop((floor, server));
    let all = before.1.elapsed().as_secs_f64() * report.machine.cores as f64;
    let others = cpu_seconds_of_all() - before.0 - cpu_seconds_of_ours();
    report.disturbance = (others.max(0.0), all);
    Ok(report)
}

/// A run: what was asked for, what it needs, and what it found so far.
pub struct Bench<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// The PostgreSQL of all shops.
    pub server: Server,
    floor: Floor,
    report: Report,
}

impl Bench<'_> {
    /// Notes a figure, and shows it.
    pub fn add(&mut self, row: Row) {
        let cells = cells(&row);
        println!(
            "{:9} {:32} {:>3}  {:>14}  {:>8} {:>8}  {:14} {:26} {}",
            cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7], cells[8]
        );
        self.report.rows.push(row);
    }

    async fn versions(&mut self) -> Result<()> {
        let version = costs::ask(&self.server.url("postgres"), "SHOW server_version").await?;
        let rustc = std::process::Command::new("rustc").arg("--version").output();
        let rustc = rustc.map_or_else(
            |_| String::new(),
            |done| String::from_utf8_lossy(&done.stdout).trim().to_owned(),
        );
        self.report.versions = vec![
            ("PostgreSQL".to_owned(), version.first().cloned().unwrap_or_default()),
            ("SQLite".to_owned(), crate::replay::sqlite_version().await?),
            ("rustc".to_owned(), rustc.trim_start_matches("rustc ").to_owned()),
        ];
        Ok(())
    }

    /// Everything that is measured on one shop.
    async fn engine(&mut self, engine: Engine) -> Result<()> {
        let name = engine.name();
        tell(format!("{name}: a shop with {} products", grouped(PRODUCTS as f64)));
        let mut shop = Shop::open(engine, &self.server, PRODUCTS, Shape::One).await?;
        for (parts, settings) in shop.durability().await? {
            self.report.durability.push((name, parts, settings));
        }
        if self.options.wants(Topic::Start) {
            self.start(&mut shop).await?;
        }
        if self.options.wants(Topic::Memory) {
            tokio::time::sleep(CALM).await;
            let idle = resident_mib(shop.fleet.process("gateway").id());
            let row = Row::new(name, "memory, idle", idle, "MiB");
            self.add(if engine == Engine::Sqlite {
                row.aims(Aim::AtMost(60.0))
            } else {
                row
            });
        }
        let crowds = self.options.crowds(&CROWDS);
        let most = crowds.iter().copied().fold(CROWD, usize::max);
        let mut shoppers = shop.shoppers(most).await?;
        if self.options.wants(Topic::Login) {
            // Whoever signs in needs an account.
            for shopper in &mut shoppers {
                shopper.register().await?;
            }
            shoppers = shop.shoppers(most).await?;
        }
        for crowd in crowds {
            self.errands(&shop, &mut shoppers, crowd).await?;
        }
        shoppers.truncate(CROWD);
        if self.options.wants(Topic::Hot) {
            self.hot(&shop, &mut shoppers).await?;
        }
        if self.options.wants(Topic::Memory) {
            let busy = resident_mib(shop.fleet.process("gateway").id());
            self.add(Row::new(name, "memory, after the load", busy, "MiB"));
        }
        if self.options.wants(Topic::Costs) {
            tell(format!("{name}: what a purchase costs"));
            let found = costs::of_purchase(&mut shop, &mut shoppers, self.options.span().counted).await?;
            self.report.costs.extend(found);
        }
        if self.options.wants(Topic::Crash) {
            tell(format!("{name}: SIGKILL under load"));
            let found = crash::run(&mut shop, &mut shoppers).await?;
            self.report
                .crash
                .extend(found.into_iter().map(|line| format!("{name}: {line}")));
        }
        drop(shoppers);
        shop.fleet.terminate().await;
        if self.options.wants(Topic::FloorS) {
            self.replay(&shop).await?;
        }
        Ok(())
    }

    async fn start(&mut self, shop: &mut Shop) -> Result<()> {
        tell(format!("{}: starts", shop.engine.name()));
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(shop.start_again().await?.as_secs_f64());
        }
        let row = Row::new(
            shop.engine.name(),
            "start to first answer",
            crate::figures::median(starts),
            "s",
        );
        self.add(row.aims(Aim::AtMost(0.3)));
        Ok(())
    }

    /// The errands side by side: a round of each in turn, so that a busy moment of the machine hits all of them.
    async fn errands(&mut self, shop: &Shop, shoppers: &mut Vec<Shopper>, crowd: usize) -> Result<()> {
        let name = shop.engine.name();
        let all = [
            (Topic::Read, Errand::Read, "product read"),
            (Topic::List, Errand::List, "list of 20"),
            (Topic::Add, Errand::Add, "add to cart"),
            (Topic::Login, Errand::Login, "login"),
            (Topic::Purchase, Errand::Purchase, "complete purchase"),
        ];
        let wanted: Vec<_> = all
            .into_iter()
            .filter(|(topic, ..)| self.options.wants(*topic))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let floored = wanted
            .iter()
            .any(|(topic, ..)| matches!(topic, Topic::Read | Topic::List));
        let mut rest = shoppers.split_off(crowd.min(shoppers.len()));
        let mut visitors = self.visitors(crowd);
        let mut floor: Vec<Round> = Vec::new();
        let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); wanted.len()];
        for round in 0..self.options.rounds() {
            tell(format!(
                "{name}: {crowd} at once, round {} of {}",
                round + 1,
                self.options.rounds()
            ));
            if floored {
                floor.push(load::run(&mut visitors, &Errand::Get(floor::PATH.into()), self.options.span()).await?);
            }
            for ((_, errand, _), rounds) in wanted.iter().zip(&mut rounds) {
                if *errand == Errand::Purchase {
                    for shopper in shoppers.iter_mut() {
                        shopper.empty().await?;
                    }
                }
                rounds.push(load::run(shoppers, errand, self.options.span()).await?);
            }
        }
        shoppers.append(&mut rest);
        let floor = (!floor.is_empty()).then(|| Summary::of(&floor));
        if let Some(floor) = &floor {
            self.add(Row::rate(name, "floor H: bare axum", crowd, floor));
        }
        for ((topic, _, what), rounds) in wanted.iter().zip(rounds) {
            let mut row = Row::rate(name, *what, crowd, &Summary::of(&rounds));
            if let (Topic::Read | Topic::List, Some(floor)) = (topic, &floor) {
                row = row.over("H", floor.rate);
            }
            self.add(match (topic, shop.engine) {
                _ if crowd != CROWD => row,
                (Topic::Read, _) => row.aims_ratio(Aim::AtLeast(0.4)),
                (Topic::List, _) => row.aims_ratio(Aim::AtLeast(0.2)),
                (Topic::Purchase, Engine::Sqlite) => row.aims(Aim::AtLeast(2_000.0)),
                (Topic::Purchase, Engine::Postgres) => row.aims(Aim::AtLeast(1_000.0)),
                _ => row,
            });
        }
        Ok(())
    }

    /// Cores that the shop, its server and the load share.
    pub fn cores(&self) -> usize {
        self.report.machine.cores
    }

    /// Floor H for a crowd, with its row.
    ///
    /// # Errors
    /// The load's.
    pub async fn floor_h(&mut self, engine: Engine, crowd: usize) -> Result<Summary> {
        let mut visitors = self.visitors(crowd);
        let mut rounds = Vec::new();
        for _ in 0..self.options.rounds() {
            rounds.push(load::run(&mut visitors, &Errand::Get(floor::PATH.into()), self.options.span()).await?);
        }
        let summary = Summary::of(&rounds);
        self.add(Row::rate(engine.name(), "floor H: bare axum", crowd, &summary));
        Ok(summary)
    }

    fn visitors(&self, crowd: usize) -> Vec<Shopper> {
        let nothing = std::rc::Rc::new(Catalogue { products: Vec::new() });
        let address: SocketAddr = self.floor.address;
        (0..crowd)
            .map(|name| Shopper::new(name, address, nothing.clone()))
            .collect()
    }

    async fn hot(&mut self, shop: &Shop, shoppers: &mut Vec<Shopper>) -> Result<()> {
        let name = shop.engine.name();
        let (mut spread, mut hot) = (Vec::new(), Vec::new());
        for shopper in shoppers.iter_mut() {
            shopper.empty().await?;
        }
        for round in 0..self.options.rounds() {
            tell(format!(
                "{name}: hot against spread, round {} of {}",
                round + 1,
                self.options.rounds()
            ));
            spread.push(load::run(shoppers, &Errand::Purchase, self.options.span()).await?);
            hot.push(load::run(shoppers, &Errand::PurchaseHot, self.options.span()).await?);
        }
        let spread = Summary::of(&spread);
        self.add(Row::rate(name, "purchase, spread", CROWD, &spread));
        let row = Row::rate(name, "purchase, one hot product", CROWD, &Summary::of(&hot));
        self.add(row.over("spread", spread.rate).aims_ratio(Aim::AtLeast(0.9)));
        Ok(())
    }

    /// Floor S on the files of a shop that has ended.
    async fn replay(&mut self, shop: &Shop) -> Result<()> {
        let name = shop.engine.name();
        tell(format!("{name}: floor S"));
        let rounds = self.options.rounds();
        let (span, settings) = (self.options.span(), shop.store_settings());
        // In threads of its own: the load's single one would be the floor's ceiling.
        let measured = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async {
                let replay = Arc::new(Replay::open(settings).await?);
                let mut rates = Vec::new();
                for _ in 0..rounds {
                    rates.push(replay.run(CROWD, span.warm_up, span.counted).await?);
                }
                let loops = replay.commits(CROWD, span.counted).await?;
                if let Some(replay) = Arc::into_inner(replay) {
                    replay.close().await;
                }
                anyhow::Ok((crate::figures::median(rates), loops))
            })
        });
        let (rate, (writes, commits)) = measured.join().map_err(|_| anyhow::anyhow!("the replay panicked"))??;
        let mut row =
            Row::new(name, "floor S: the transactions", rate, "/s").noted("without HTTP, rules, relay and log");
        row.shoppers = Some(CROWD);
        let purchase = self
            .report
            .rows
            .iter()
            .find(|row| row.engine == name && row.name == "complete purchase" && row.shoppers == Some(CROWD));
        let purchase = purchase.map(|row| row.value);
        self.add(row);
        let mut row = Row::new(name, "floor S: raw group commit", writes, "/s");
        row.shoppers = Some(CROWD);
        self.add(row.noted(format!("one row each, {} commits/s", grouped(commits))));
        if let Some(purchase) = purchase {
            let row = Row::new(name, "purchase beside floor S", purchase, "/s").over("S", rate);
            self.add(row);
        }
        Ok(())
    }

    /// Waits with few and with many products.
    async fn sizes(&mut self, engine: Engine) -> Result<()> {
        let name = engine.name();
        tell(format!(
            "{name}: {} products beside {}",
            grouped(PRODUCTS as f64),
            grouped(PRODUCTS_MANY as f64)
        ));
        let mut few = Shop::open(engine, &self.server, PRODUCTS, Shape::One).await?;
        let mut many = Shop::open(engine, &self.server, PRODUCTS_MANY, Shape::One).await?;
        let mut crowds = [few.shoppers(SMALL_CROWD).await?, many.shoppers(SMALL_CROWD).await?];
        for (errand, what) in [
            (Errand::Read, "product read"),
            (Errand::List, "list of 20"),
            (Errand::Purchase, "complete purchase"),
        ] {
            let mut rounds = [Vec::new(), Vec::new()];
            for _ in 0..self.options.rounds() {
                for (shoppers, rounds) in crowds.iter_mut().zip(&mut rounds) {
                    rounds.push(load::run(shoppers, &errand, self.options.span()).await?);
                }
            }
            let [few, many] = rounds.map(|rounds| Summary::of(&rounds));
            let row = |summary: &Summary, count: usize| {
                let mut row = Row::rate(
                    name,
                    format!("{what}, p99, {}", grouped(count as f64)),
                    SMALL_CROWD,
                    summary,
                );
                (row.value, row.unit) = (summary.p99_ms, "ms");
                row.noted(format!("at {}/s", grouped(summary.rate)))
            };
            self.add(row(&few, PRODUCTS));
            let row = row(&many, PRODUCTS_MANY).over("few", few.p99_ms);
            self.add(if errand == Errand::List {
                row
            } else {
                row.aims_ratio(Aim::AtMost(1.5))
            });
        }
        drop(crowds);
        few.fleet.terminate().await;
        many.fleet.terminate().await;
        Ok(())
    }

    /// A process for each part, to see which part uses the processor.
    async fn split(&mut self, engine: Engine) -> Result<()> {
        tell(format!("{}: a process for each part", engine.name()));
        let mut shop = Shop::open(engine, &self.server, PRODUCTS, Shape::Split).await?;
        let mut shoppers = shop.shoppers(CROWD).await?;
        let counted = self.options.span().counted;
        let round = load::run(
            &mut shoppers,
            &Errand::Purchase,
            Span {
                warm_up: counted / 3,
                counted,
            },
        )
        .await;
        let round = round.context("purchases through a process each")?;
        self.add(Row::rate(
            engine.name(),
            "purchase, a process each",
            CROWD,
            &Summary::of(&[round]),
        ));
        let found = costs::of_purchase(&mut shop, &mut shoppers, counted).await?;
        self.report.costs.extend(found);
        drop(shoppers);
        shop.fleet.terminate().await;
        Ok(())
    }
}

/// Progress, apart from the results.
pub fn tell(what: String) {
    eprintln!("… {what}");
}
