//! What one purchase costs: commits, flushes, statements and processor time, by part.

use std::time::Duration;

use anyhow::{Context, Result};
use serve::chassis::Figures;
use testkit::fleet::Shape;
use testkit::process::PARTS;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::load::{self, Span};
use crate::machine::cpu_seconds;
use crate::report::Cost;
use crate::shop::{Engine, STORES, Shop};
use crate::shopper::{Errand, Shopper};

/// How long what a purchase starts behind its answer may take; also the time after which PostgreSQL tells its counts.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Everything that is counted, at one moment.
struct Counts {
    /// By part, in the order of [`STORES`].
    stores: Vec<Figures>,
    /// Seconds of processor time by part, in the order of [`PARTS`]; one for all in one process.
    cpu: Vec<f64>,
    own_cpu: f64,
    server_cpu: f64,
    server_syncs: f64,
}

/// Lets all shoppers buy for this long and divides what it took by the purchases.
///
/// # Errors
/// The load's; the shop or the server does not tell.
pub async fn of_purchase(shop: &mut Shop, shoppers: &mut Vec<Shopper>, counted: Duration) -> Result<Vec<Cost>> {
    load::run(
        shoppers,
        &Errand::Purchase,
        Span {
            warm_up: Duration::ZERO,
            counted: counted / 3,
        },
    )
    .await?;
    tokio::time::sleep(SETTLE).await;
    let before = count(shop).await?;
    let round = load::run(
        shoppers,
        &Errand::Purchase,
        Span {
            warm_up: Duration::ZERO,
            counted,
        },
    )
    .await?;
    tokio::time::sleep(SETTLE).await;
    let after = count(shop).await?;
    let per = |figure: f64| figure / round.done as f64;
    let micros = |seconds: f64| Some(per(seconds) * 1e6);

    let (engine, whole) = match (shop.engine, shop.fleet.shape()) {
        (Engine::Sqlite, Shape::One) => ("sqlite", true),
        (Engine::Postgres, Shape::One) => ("postgres", true),
        (Engine::Sqlite, Shape::Split) => ("sqlite, a process each", false),
        (Engine::Postgres, Shape::Split) => ("postgres, a process each", false),
    };
    let blank = |part: &str| Cost {
        engine,
        part: part.to_owned(),
        commits: 0.0,
        syncs: 0.0,
        statements: 0.0,
        per_commit: 0.0,
        cpu_us: None,
    };
    let mut costs = Vec::new();
    let mut total = blank("all");
    for (index, part) in STORES.iter().enumerate() {
        let (old, new) = (before.stores[index].store, after.stores[index].store);
        let commits = new.commits - old.commits;
        let place = PARTS.iter().position(|known| known == part).unwrap_or_default();
        let cost = Cost {
            commits: per(commits as f64),
            syncs: per((new.syncs - old.syncs) as f64),
            statements: per((new.statements - old.statements) as f64),
            per_commit: calls(old, new) / commits.max(1) as f64,
            cpu_us: if whole {
                None
            } else {
                micros(after.cpu[place] - before.cpu[place])
            },
            ..blank(part)
        };
        total.commits += cost.commits;
        total.syncs += cost.syncs;
        total.statements += cost.statements;
        costs.push(cost);
    }
    if !whole {
        let place = PARTS.len() - 1;
        costs.push(Cost {
            cpu_us: micros(after.cpu[place] - before.cpu[place]),
            ..blank(PARTS[place])
        });
    }
    total.cpu_us = micros(after.cpu.iter().sum::<f64>() - before.cpu.iter().sum::<f64>());
    total.per_commit = costs.iter().map(|cost| cost.per_commit * cost.commits).sum::<f64>() / total.commits;
    costs.push(total);
    if shop.database.is_some() {
        costs.push(Cost {
            syncs: per(after.server_syncs - before.server_syncs),
            cpu_us: micros(after.server_cpu - before.server_cpu),
            ..blank("the server")
        });
    }
    costs.push(Cost {
        cpu_us: micros(after.own_cpu - before.own_cpu),
        ..blank("the load itself")
    });
    Ok(costs)
}

/// Calls that the commits between two counts answered: closures, and the items of those that are batches.
fn calls(old: store::Figures, new: store::Figures) -> f64 {
    let single = (new.closures - new.batches) as f64 - (old.closures - old.batches) as f64;
    single + (new.items - old.items) as f64
}

async fn count(shop: &mut Shop) -> Result<Counts> {
    let mut stores = Vec::new();
    for part in STORES {
        stores.push(shop.figures(part).await?);
    }
    let cpu = match shop.fleet.shape() {
        Shape::One => vec![cpu_seconds(shop.fleet.process("gateway").id())],
        Shape::Split => PARTS
            .iter()
            .map(|part| cpu_seconds(shop.fleet.process(part).id()))
            .collect(),
    };
    let (mut server_cpu, mut server_syncs) = (0.0, 0.0);
    if let Some(url) = &shop.database {
        for process in ask(url, "SELECT pid FROM pg_stat_activity").await? {
            server_cpu += cpu_seconds(process.parse().unwrap_or_default());
        }
        let told = ask(url, "SELECT wal_sync FROM pg_stat_wal").await?;
        server_syncs = told
            .first()
            .and_then(|count| count.parse().ok())
            .context("PostgreSQL's count of flushes")?;
    }
    Ok(Counts {
        stores,
        cpu,
        own_cpu: cpu_seconds(std::process::id()),
        server_cpu,
        server_syncs,
    })
}

/// The first column of what a server answers.
///
/// # Errors
/// The server's.
pub async fn ask(url: &str, sql: &str) -> Result<Vec<String>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    let answered = client.simple_query(sql).await;
    drop(client);
    let _ = driver.await;
    let rows = answered?.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_calls_of_batches() {
        let figures = |closures, batches, items| store::Figures {
            closures,
            batches,
            items,
            ..store::Figures::default()
        };
        assert_eq!(calls(figures(10, 4, 20), figures(16, 8, 50)), 32.0);
    }
}
