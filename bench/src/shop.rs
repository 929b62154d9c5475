//! A shop to measure: the real binary on throw-away data.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base::{Clock, Ids};
use serve::chassis::Figures;
use serve::{Keys, Secret};
use store::Settings;
use tempfile::TempDir;
use testkit::fleet::{Fleet, Shape};
use testkit::postgres::{self, Server};
use testkit::process;

use crate::http::{Connection, Request};
use crate::machine::folder_mib;
use crate::shopper::{Catalogue, PASSWORD, Shopper};

/// Parts with a database, whose figures are read.
pub const STORES: &[&str] = &[
    "identity",
    "simulated",
    "catalog",
    "cart",
    "payments",
    "orders",
    "events",
];
/// Pieces of each product: more than any run buys.
const PIECES: u32 = 50_000_000;
/// Products whose ids the shoppers know, spread over the whole catalogue.
const KNOWN_MAX: usize = 2_000;
/// Every so many shoppers one has an account; the others are guests, as in real shops.
const GUESTS_PER_ACCOUNT: usize = 4;
/// How long a start may take before it counts as failed.
const START_MAX: Duration = Duration::from_secs(60);
/// Tokens outlast the bench.
const ENVIRONMENT: &[(&str, &str)] = &[("IRONMONGER_TOKENS_ACCESS_MINUTES", "600")];
/// The account of a shop that has somebody behind the counter.
const CLERK: &str = "clerk@example.com";

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Files.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        }
    }
}

/// A running shop with products.
#[derive(Debug)]
pub struct Shop {
    /// The processes.
    pub fleet: Fleet,
    /// Where its rows are.
    pub engine: Engine,
    /// What there is to buy.
    pub catalogue: Rc<Catalogue>,
    /// The database, on PostgreSQL.
    pub database: Option<String>,
    data: TempDir,
    keys: Keys,
}

impl Shop {
    /// Imports `products` generated products by the binary's own importer, and starts it.
    ///
    /// # Errors
    /// The import fails, the shop does not start.
    pub async fn open(engine: Engine, server: &Server, products: usize, shape: Shape) -> Result<Shop> {
        Self::open_with(engine, server, products, shape, &[]).await
    }

    /// The same in one process with an admin, for [`Shop::clerk`], and with further settings in its environment.
    ///
    /// # Errors
    /// As [`Shop::open`].
    pub async fn staffed(engine: Engine, server: &Server, products: usize, settings: &[(&str, &str)]) -> Result<Shop> {
        let mut all = vec![("ADMIN_EMAIL", CLERK), ("ADMIN_PASSWORD", PASSWORD)];
        all.extend(settings);
        Self::open_with(engine, server, products, Shape::One, &all).await
    }

    async fn open_with(
        engine: Engine,
        server: &Server,
        products: usize,
        shape: Shape,
        settings: &[(&str, &str)],
    ) -> Result<Shop> {
        let data = TempDir::with_prefix("ironmonger-bench-")?;
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(fresh_database(server).await?),
        };
        import(data.path(), database.as_deref(), products)?;
        let folder = data.path().to_path_buf();
        let environment = [ENVIRONMENT, settings].concat();
        let fleet = Fleet::start(shape, folder, database.as_deref(), &environment).await;
        let keys = keys(data.path())?;
        let address = address(&fleet.base_url())?;
        let catalogue = Rc::new(Catalogue {
            products: known(address, products).await?,
        });
        Ok(Shop {
            fleet,
            engine,
            catalogue,
            database,
            data,
            keys,
        })
    }

    /// The gateway's address.
    ///
    /// # Errors
    /// None in practice: the fleet's URL is an address.
    pub fn address(&self) -> Result<SocketAddr> {
        address(&self.fleet.base_url())
    }

    /// A token of the admin.
    ///
    /// # Errors
    /// The shop has none.
    pub async fn clerk(&self) -> Result<String> {
        let body = format!(r#"{{"email":"{CLERK}","password":"{PASSWORD}"}}"#);
        let mut connection = Connection::to(self.address()?);
        let answer = connection.call(Request::post("/api/auth/login", &body)).await?;
        ensure!(answer.status == 200, "the clerk is not let in: {}", answer.status);
        Ok(answer.text("token").context("the clerk's token")?.to_owned())
    }

    /// The only process of a shop in one.
    pub fn process(&mut self) -> u32 {
        self.fleet.process("gateway").id()
    }

    /// A file's path beside the shop's data; gone with it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    /// What its rows take of the disk, in MiB.
    ///
    /// # Errors
    /// The server does not tell.
    pub async fn disk_mib(&self) -> Result<f64> {
        let Some(url) = &self.database else {
            return Ok(folder_mib(self.data.path()));
        };
        let told = crate::costs::ask(url, "SELECT pg_database_size(current_database())").await?;
        let bytes: f64 = told.first().context("a size")?.parse()?;
        Ok(bytes / f64::from(1 << 20))
    }

    /// Takes its rows off the disk, once it has ended.
    ///
    /// # Errors
    /// Somebody is still connected to the database.
    pub async fn clear(self, server: &Server) -> Result<()> {
        let name = self.database.as_deref().and_then(|url| url.rsplit('/').next());
        match name {
            Some(name) => postgres::run(&server.url("postgres"), &format!("DROP DATABASE {name}")).await,
            None => Ok(()),
        }
    }

    /// So many shoppers with a connection and a token each: guests, and some with an account.
    ///
    /// # Errors
    /// The shop refuses them.
    pub async fn shoppers(&self, count: usize) -> Result<Vec<Shopper>> {
        let address = self.address()?;
        let mut shoppers: Vec<_> = (0..count)
            .map(|name| Shopper::new(name, address, self.catalogue.clone()))
            .collect();
        for (index, shopper) in shoppers.iter_mut().enumerate() {
            if index % GUESTS_PER_ACCOUNT == GUESTS_PER_ACCOUNT - 1 {
                shopper.register().await.context("a registration")?;
            } else {
                shopper.enter().await.context("a guest")?;
            }
        }
        Ok(shoppers)
    }

    /// What a part's database did since it was opened.
    ///
    /// # Errors
    /// The part does not tell.
    pub async fn figures(&self, part: &str) -> Result<Figures> {
        let mut connection = Connection::to(address(&self.fleet.part_url(part))?);
        let token = self.keys.service_token("cli");
        let answer = connection.call(Request::get("/internal/figures").by(&token)).await?;
        ensure!(
            answer.status == 200,
            "{part} answers {} when asked for its figures",
            answer.status
        );
        Ok(serde_json::from_slice(answer.body)?)
    }

    /// Refuses a shop that could lose what it acknowledged; answers the settings in force, by part.
    ///
    /// # Errors
    /// An unsafe setting.
    pub async fn durability(&self) -> Result<Vec<(String, String)>> {
        let mut told: Vec<(String, String)> = Vec::new();
        for part in STORES {
            let figures = self.figures(part).await?;
            let text: Vec<String> = figures
                .durability
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            if let Some(fault) = unsafe_setting(&figures.durability) {
                bail!(
                    "{part} runs with {fault}: it can lose what it acknowledged, and its figures would be worth nothing"
                );
            }
            match told.iter_mut().find(|(_, settings)| *settings == text.join(", ")) {
                Some((parts, _)) => *parts += &format!(", {part}"),
                None => told.push(((*part).to_owned(), text.join(", "))),
            }
        }
        Ok(told)
    }

    /// Ends the shop, starts it again on the same data, and takes the time until it answers a product list.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn start_again(&mut self) -> Result<Duration> {
        self.fleet.terminate().await;
        let begin = Instant::now();
        self.fleet.process("gateway").start_again();
        let mut connection = Connection::to(self.address()?);
        loop {
            if let Ok(answer) = connection.call(Request::get("/api/products?limit=1")).await
                && answer.status == 200
            {
                break;
            }
            ensure!(
                begin.elapsed() < START_MAX,
                "the shop does not start:\n{}",
                self.fleet.output()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = begin.elapsed();
        self.fleet.wait_ready().await;
        Ok(took)
    }

    /// How its stores are opened without it, once it has ended.
    pub fn store_settings(&self) -> impl Fn(&'static str) -> Settings + Send + 'static {
        let (folder, database) = (self.data.path().to_path_buf(), self.database.clone());
        move |service| {
            let engine = match &database {
                Some(url) => store::Engine::Postgres { url: url.clone() },
                None => store::Engine::Sqlite {
                    file: folder.join(format!("{service}.db")),
                },
            };
            Settings::new(engine, service)
        }
    }

    /// Runs a command of the binary on this shop's data.
    pub fn command(&self, args: &[&str]) -> std::process::Output {
        let mut env: Vec<(String, String)> = Vec::new();
        for part in process::PARTS {
            let port = self
                .fleet
                .part_url(part)
                .rsplit(':')
                .next()
                .unwrap_or_default()
                .to_owned();
            env.push((format!("IRONMONGER_PORTS_{}", part.to_uppercase()), port));
        }
        env.extend(
            self.database
                .iter()
                .map(|url| ("IRONMONGER_DATABASE_URL".to_owned(), url.clone())),
        );
        env.push(("IRONMONGER_DATA".to_owned(), self.data.path().display().to_string()));
        let env: Vec<(&str, &str)> = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        process::run(args, &env)
    }
}

/// A setting by which acknowledged writes can be lost when the power goes.
fn unsafe_setting(settings: &[(String, String)]) -> Option<String> {
    let safe = |name: &str, value: &str| match name {
        "synchronous" => matches!(value, "FULL" | "EXTRA" | "2" | "3"),
        "journal_mode" => matches!(value, "wal" | "delete" | "truncate" | "persist"),
        "fsync" | "full_page_writes" => value == "on",
        "synchronous_commit" => matches!(value, "on" | "remote_apply" | "remote_write" | "local"),
        _ => true,
    };
    let found = settings.iter().find(|(name, value)| !safe(name, value));
    match found {
        Some((name, value)) => Some(format!("{name}={value}")),
        None if settings.is_empty() => Some("settings that it does not tell".to_owned()),
        None => None,
    }
}

/// A fresh database of the server.
///
/// # Errors
/// The server refuses.
pub async fn fresh_database(server: &Server) -> Result<String> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let name = format!("bench{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    postgres::run(&server.url("postgres"), &format!("CREATE DATABASE {name}")).await?;
    Ok(server.url(&name))
}

/// Imports generated products into a shop that is not running.
fn import(data: &Path, database: Option<&str>, products: usize) -> Result<()> {
    let file: PathBuf = data.join("products.csv");
    std::fs::write(&file, csv(products))?;
    let data = data.display().to_string();
    let mut env = vec![("IRONMONGER_DATA", data.as_str())];
    env.extend(database.map(|url| ("IRONMONGER_DATABASE_URL", url)));
    let done = process::run(&["import", &file.display().to_string()], &env);
    if !done.status.success() {
        bail!(
            "the import fails:\n{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    }
    std::fs::remove_file(&file)?;
    Ok(())
}

/// Products in Shopify's dialect: one variant each, descriptions and categories of a usual size.
pub fn csv(products: usize) -> String {
    const CATEGORIES: [&str; 8] = [
        "Hammers", "Saws", "Chisels", "Planes", "Vices", "Files", "Nails", "Screws",
    ];
    const WOODS: [&str; 6] = ["Ash", "Beech", "Hickory", "Oak", "Walnut", "Maple"];
    let mut text = String::from(
        "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,\
         Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Requires Shipping,\
         Variant Taxable,Image Src,Status\n",
    );
    for number in 1..=products {
        let (category, wood) = (CATEGORIES[number % CATEGORIES.len()], WOODS[number % WOODS.len()]);
        let cents = 199 + number * 7 % 20_000;
        let _ = writeln!(
            text,
            "bench-{number:06},{wood} {category} No. {number},\"<p>Forged by hand, with a handle of {wood}. Number {number} \
             of our range of {category}, for joiners and for everybody else who wants one tool for life.</p>\",Bench & Sons,\
             {category},\"{wood}, handmade\",true,Title,Default Title,BN-{number:06},750,shopify,{PIECES},deny,{}.{:02},true,\
             true,https://images.example.com/bench/{number}.jpg,active",
            cents / 100,
            cents % 100,
        );
    }
    text
}

/// Ids of products from all over the catalogue.
async fn known(address: SocketAddr, products: usize) -> Result<Vec<String>> {
    let mut connection = Connection::to(address);
    let count = products.min(KNOWN_MAX);
    let mut ids = Vec::with_capacity(count);
    for index in 0..count {
        let path = format!("/api/products/bench-{:06}", 1 + index * products / count);
        let answer = connection.call(Request::get(&path)).await?;
        ensure!(
            answer.status == 200,
            "{path} answers {}: {}",
            answer.status,
            String::from_utf8_lossy(answer.body)
        );
        ids.push(answer.text("id").context("a product's id")?.to_owned());
    }
    Ok(ids)
}

/// The keys of the shop, by which it believes our service's token.
fn keys(data: &Path) -> Result<Keys> {
    let text = std::fs::read_to_string(data.join("secrets.toml")).context("the shop's secrets")?;
    let secrets: toml::Table = text.parse()?;
    let hex = secrets
        .get("signing_key")
        .and_then(|key| key.as_str())
        .context("the shop's signing key")?;
    ensure!(
        hex.len() == 64 && hex.is_ascii(),
        "the shop's signing key has {} digits",
        hex.len()
    );
    let mut seed = [0u8; 32];
    for (index, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16)?;
    }
    Ok(Keys::new(
        &Secret::Ed25519(seed),
        &[],
        "ironmonger",
        Clock::system(),
        Ids::random(),
    ))
}

/// The address in a URL of this machine.
///
/// # Errors
/// There is none.
pub fn address(url: &str) -> Result<SocketAddr> {
    let address = url.strip_prefix("http://").and_then(|rest| rest.parse().ok());
    address.with_context(|| format!("{url} is no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_unsafe_settings() {
        let setting = |name: &str, value: &str| unsafe_setting(&[(name.to_owned(), value.to_owned())]);
        for (name, value) in [
            ("synchronous", "FULL"),
            ("journal_mode", "wal"),
            ("fsync", "on"),
            ("synchronous_commit", "on"),
        ] {
            assert_eq!(setting(name, value), None, "{name}={value}");
        }
        for (name, value) in [
            ("synchronous", "NORMAL"),
            ("synchronous", "OFF"),
            ("journal_mode", "memory"),
            ("journal_mode", "off"),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("synchronous_commit", "off"),
        ] {
            assert_eq!(setting(name, value), Some(format!("{name}={value}")));
        }
        assert!(unsafe_setting(&[]).is_some());
    }

    #[test]
    fn generates_rows_of_the_same_width() {
        let text = csv(50);
        let mut lines = text.lines();
        let header = lines.next().unwrap().split(',').count();
        assert_eq!(lines.clone().count(), 50);
        for line in lines {
            let outside: String = line.split('"').step_by(2).collect();
            assert_eq!(outside.split(',').count(), header, "{line}");
        }
    }
}
