//! From names to services: opens each one's database, builds it, and tells it where the others are.
//!
//! Whether a peer is a router in this process or an address is decided here and nowhere else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use base::{Clock, Ids};
use mail::Mailer;
use serve::{Declared, Deps, Mode, Part, Peers, Shop, Stop};
use store::{Db, Engine, Migration, Settings};
use wire::{Late, Peer};

use crate::config::{self, Config, SERVICES};
use crate::{edge, signing};

/// Services that emit events, each with those that listen to it beside the log.
const EMITTERS: [(&str, &[&str]); 5] = [
    ("identity", &[]),
    ("catalog", &[]),
    ("cart", &[]),
    ("payments", &["orders"]),
    ("orders", &[]),
];

/// The whole or a part of a shop, built and not yet listening.
pub struct Composed {
    /// The services.
    pub parts: Vec<Part>,
    /// What they were built from.
    pub deps: Deps,
}

/// Where the databases are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In memory, gone at the end.
    Memory,
    /// A SQLite file a service, in this folder.
    Folder(PathBuf),
    /// Tables side by side in one PostgreSQL database.
    Postgres(String),
}

impl Place {
    /// Where the configuration says.
    pub fn of(config: &Config) -> Self {
        match config.text("database.url") {
            "" => Place::Folder(config.data()),
            url => Place::Postgres(url.to_owned()),
        }
    }

    fn engine(&self, service: &str) -> Engine {
        match self {
            Place::Memory => Engine::Memory,
            Place::Folder(folder) => Engine::Sqlite {
                file: folder.join(format!("{service}.db")),
            },
            Place::Postgres(url) => Engine::Postgres { url: url.clone() },
        }
    }
}

/// The services that the words of the command line name; all of them when there are none.
pub fn named(words: &[String]) -> Result<Vec<&'static str>> {
    if let Some(word) = words.iter().find(|word| !SERVICES.contains(&word.as_str())) {
        bail!("there is no service called {word}; there are {}", SERVICES.join(", "));
    }
    Ok(SERVICES
        .into_iter()
        .filter(|service| words.is_empty() || words.iter().any(|word| word == service))
        .collect())
}

/// Where each of `services` listens. In production a process that runs everything opens the gateway only.
pub fn addresses(config: &Config, services: &[&'static str]) -> Vec<(&'static str, SocketAddr)> {
    let whole = services.len() == SERVICES.len();
    let listens = |service: &&&'static str| !(config.flag("production") && whole) || **service == "gateway";
    services
        .iter()
        .filter(listens)
        .map(|service| (*service, config.address(service)))
        .collect()
}

/// What every service is built from.
pub fn deps(config: &Config, clock: Clock, ids: Ids, peers: Peers) -> Result<Deps> {
    let keys = signing::keys(config, clock.clone(), ids.clone())?;
    let mode = if config.flag("production") {
        Mode::Production
    } else {
        Mode::Development
    };
    let shop = Shop {
        name: config.text("shop.name").to_owned(),
        currency: config.currency(),
    };
    Ok(Deps {
        mail: mailer(config, mode, &clock)?,
        clock,
        ids,
        keys,
        mode,
        shop,
        peers,
        stop: Stop::new(),
    })
}

/// What writes to people. Without a server a developer reads the mails in the log, and a shop does without.
fn mailer(config: &Config, mode: Mode, clock: &Clock) -> Result<Mailer> {
    let url = config.text("mail.smtp");
    if url.is_empty() {
        return Ok(match mode {
            Mode::Development => Mailer::log(),
            Mode::Production => Mailer::off(),
        });
    }
    let path = config.text("mail.authority");
    let read = || std::fs::read(path).with_context(|| format!("`mail.authority`: {path} cannot be read"));
    let authority = (!path.is_empty()).then(read).transpose()?;
    let settings = mail::Settings {
        url,
        from: config.text("mail.from"),
        authority: authority.as_deref(),
    };
    Ok(Mailer::smtp(&mail::Smtp::read(&settings)?, clock.clone()))
}

/// Where the services are: those of `local` in this process, others at their addresses.
fn peers(config: &Config, local: &HashMap<&'static str, Late>) -> Result<Peers> {
    let mut known = Vec::new();
    // The gateway stands in front of the others: nobody asks it.
    for service in SERVICES.into_iter().filter(|service| *service != "gateway") {
        let url = config.text(&format!("peers.{service}"));
        match local.get(service) {
            Some(late) => known.push(Peer::local(service, late.clone())),
            None if url.is_empty() => {}
            None => known.push(Peer::remote(service, url).map_err(anyhow::Error::msg)?),
        }
    }
    Ok(Peers::new(known))
}

/// Where tests reach in.
pub struct Seams {
    /// What a service's database is opened with.
    pub settings: Box<dyn Fn(Settings) -> Settings + Send + Sync>,
    /// What stands before a service's routes, for other services of this process.
    pub router: Box<dyn Fn(&'static str, Router) -> Router + Send + Sync>,
}

impl Default for Seams {
    fn default() -> Self {
        Self {
            settings: Box::new(|settings| settings),
            router: Box::new(|_, router| router),
        }
    }
}

/// Builds `services` with their databases at `place`.
pub async fn compose(
    config: &Config,
    services: &[&'static str],
    place: &Place,
    clock: Clock,
    ids: Ids,
) -> Result<Composed> {
    compose_with(config, services, place, clock, ids, &Seams::default()).await
}

/// The same, with something of a test's in between.
pub async fn compose_with(
    config: &Config,
    services: &[&'static str],
    place: &Place,
    clock: Clock,
    ids: Ids,
    seams: &Seams,
) -> Result<Composed> {
    let lates: HashMap<&'static str, Late> = services.iter().map(|service| (*service, Late::new())).collect();
    let deps = deps(config, clock, ids, peers(config, &lates)?)?;
    let mut parts = Vec::with_capacity(services.len());
    for service in services.iter().filter(|service| **service != "gateway") {
        parts.push(
            build(config, service, place, &deps, seams)
                .await
                .with_context(|| format!("{service} cannot start"))?,
        );
    }
    if services.contains(&"gateway") {
        let declared = match parts.len() + 1 == SERVICES.len() {
            true => parts.iter().flat_map(|part| part.declared.clone()).collect(),
            false => Box::pin(declared()).await?,
        };
        parts.push(gateway::build(&deps, edge::gateway(config, declared))?);
    }
    if !services.contains(&"identity")
        && let Some(part) = parts.pop()
    {
        let task = serve::follow_ended_sessions(&deps.of(part.name));
        parts.push(part.task(task));
    }
    for part in &parts {
        lates[part.name].set((seams.router)(part.name, part.router.clone()));
    }
    Ok(Composed { parts, deps })
}

/// The routes of all services, for the API's document: as built on empty databases in memory.
pub async fn declared() -> Result<Vec<Declared>> {
    let config = Config::read(None, std::iter::empty())?;
    let services = named(&[])?;
    let services: Vec<_> = services.into_iter().filter(|service| *service != "gateway").collect();
    let composed = compose(&config, &services, &Place::Memory, Clock::system(), Ids::random()).await?;
    let declared = composed.parts.iter().flat_map(|part| part.declared.clone()).collect();
    for db in composed.parts.into_iter().filter_map(|part| part.db) {
        db.close().await;
    }
    Ok(declared)
}

/// The migrations of a service; none for one without a database.
pub fn migrations(service: &str) -> Option<&'static [Migration]> {
    Some(match service {
        "identity" => identity::MIGRATIONS,
        "catalog" => catalog::MIGRATIONS,
        "cart" => cart::MIGRATIONS,
        "orders" => orders::MIGRATIONS,
        "payments" => payments::MIGRATIONS,
        "simulated" => payments::simulated::MIGRATIONS,
        "events" => events::MIGRATIONS,
        _ => return None,
    })
}

/// Opens a service's database and brings its tables up to date.
pub async fn open(service: &'static str, place: &Place, clock: Clock, ids: Ids) -> Result<Db> {
    open_with(service, Settings::new(place.engine(service), service), clock, ids).await
}

async fn open_with(service: &'static str, settings: Settings, clock: Clock, ids: Ids) -> Result<Db> {
    let migrations = migrations(service).with_context(|| format!("{service} has no database"))?;
    Ok(Db::open(settings, migrations, clock, ids).await?)
}

async fn build(config: &Config, service: &'static str, place: &Place, deps: &Deps, seams: &Seams) -> Result<Part> {
    let settings = (seams.settings)(Settings::new(place.engine(service), service));
    let opened = open_with(service, settings, deps.clock.clone(), deps.ids.clone()).await;
    let db = match place {
        Place::Postgres(url) => opened.with_context(|| {
            let url = config::without_password(url);
            format!("`database.url` ({}), {url}", config.origin("database.url"))
        })?,
        _ => opened?,
    };
    let deps = deps.of(service);
    let seconds = |name: &str, unit: u64| Duration::from_secs(config.number(name).unsigned_abs() * unit);
    let webhook_secret = config.text("secrets.webhook_secret").as_bytes().to_vec();
    let part = match service {
        "identity" => {
            if config.flag("production") && deps.mail.can_send() && config.text("web.public_url").is_empty() {
                bail!(
                    "`web.public_url` is needed: mails hold links, and nobody but this machine knows its own address"
                );
            }
            let settings = identity::Config {
                access_lifetime: seconds("tokens.access_minutes", 60),
                refresh_lifetime: seconds("tokens.refresh_days", 24 * 60 * 60),
                password_min: config.number("passwords.minimum").unsigned_abs() as usize,
                reset_lifetime: seconds("passwords.reset_minutes", 60),
                tries_per_minute: config.number("limits.account_tries_per_minute"),
                public_url: config.public_url(),
                ..identity::Config::default()
            };
            let (email, password) = (config.text("admin.email"), config.text("admin.password"));
            if !email.is_empty() && !password.is_empty() {
                let made = identity::ensure_first_admin(&db, &settings, deps.mode, email, password).await;
                made.context("`admin.email` and `admin.password` make no administrator")?;
            }
            let known = signing::known(config, deps.clock.now())?.into_iter().map(|key| key.kid);
            if let Some(other) = identity::note_signer(&db, known.collect()).await? {
                tracing::warn!(
                    key = other,
                    "the key that signed for this shop before is unknown here: whoever signed in by it must do so again; \
                     if another process signs by it still, give both the same secrets"
                );
            }
            identity::build(deps.clone(), db.clone(), settings).await?
        }
        "catalog" => {
            // Derived data of this process, wherever its database is.
            let search = (!matches!(place, Place::Memory)).then(|| config.data().join("search"));
            catalog::build(deps.clone(), db.clone(), catalog::Config { search }).await?
        }
        "cart" => {
            let settings = cart::Config {
                carts_kept: seconds("carts.days", 24 * 60 * 60),
                guest_carts_kept: seconds("carts.guest_days", 24 * 60 * 60),
            };
            cart::build(deps.clone(), db.clone(), settings).await?
        }
        "orders" => {
            let settings = orders::Config {
                payment_window: seconds("orders.payment_window_seconds", 1),
                lease: seconds("limits.lease_seconds", 1),
                ..orders::Config::default()
            };
            orders::build(&deps, db.clone(), settings)
        }
        "payments" => {
            payments::build(
                deps.clone(),
                db.clone(),
                payments::Config {
                    webhook_secret,
                    lease: seconds("limits.lease_seconds", 1),
                    ..payments::Config::default()
                },
            )
            .await
        }
        "simulated" => {
            let webhooks = match config.text("payments.webhook_url") {
                "" => None,
                url => Some(payments::simulated::Address::read(url).map_err(anyhow::Error::msg)?),
            };
            payments::simulated::build(
                deps.clone(),
                db.clone(),
                payments::simulated::Config {
                    webhooks,
                    webhook_secret,
                    ..Default::default()
                },
            )
            .await
        }
        "events" => events::build(deps.clone(), db.clone(), events::Config::default()).await?,
        other => bail!("there is no service called {other}"),
    };
    Ok(with_relay(part, &db, &deps, seconds("limits.lease_seconds", 1)))
}

/// Lets a service that emits events deliver them.
fn with_relay(part: Part, db: &Db, deps: &Deps, lease: Duration) -> Part {
    let Some((_, listeners)) = EMITTERS.iter().find(|(emitter, _)| *emitter == part.name) else {
        return part.task(bus::sweep(db, &[]));
    };
    let names: Vec<&'static str> = std::iter::once("events").chain(listeners.iter().copied()).collect();
    let subscribers = names.iter().map(|name| (*name, deps.peers.peer(name))).collect();
    part.task(bus::relay(db, subscribers, lease))
        .task(bus::sweep(db, &names))
}
