//! How fast the shop is: `cargo xtask bench`.
//!
//! Starts the real release binary on throw-away data, drives it from this second process over loopback, and prints
//! every figure beside floors that were measured in the same run: on another machine the ratios still mean something.
//! - [`plan`]: what is measured, in which order; the aims.
//! - [`shop`], [`shopper`], [`load`], [`turns`], [`http`], [`stream`]: the shop under test and those who shop in it.
//! - [`search`], [`files`], [`pages`], [`guesses`], [`edge`]: scenarios on shops of their own; [`seed`] fills these by SQL.
//! - [`floor`] (H: bare axum), [`replay`] (S: the transactions alone).
//! - [`costs`]: what a purchase costs, by part. [`crash`]: SIGKILL, and whether anything acknowledged is lost.
//! - [`figures`], [`report`], [`machine`]: medians, ratios, tables, and where they come from.
//!
//! Figures count only when nothing else runs; the report says how much of the processor others used.
#![allow(clippy::disallowed_methods)] // An edge of the project: it takes times and starts processes.

mod costs;
mod crash;
mod edge;
mod figures;
mod files;
mod floor;
mod guesses;
mod http;
mod load;
mod machine;
mod pages;
mod plan;
mod replay;
mod report;
mod search;
mod seed;
mod shop;
mod shopper;
mod stream;
mod turns;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use crate::load::Span;
use crate::shop::Engine;

/// Measures the shop: throughput, waits, memory, starts, and what a crash leaves.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench --", bin_name = "cargo xtask bench --", after_help = EXAMPLES)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// About a minute: one short round of each, 1 and 64 shoppers, no big catalogue; what is big is a tenth when asked for
    #[arg(long)]
    quick: bool,
    /// Only these topics
    #[arg(long, value_name = "TOPIC", value_enum, value_delimiter = ',')]
    only: Vec<Topic>,
    /// Only this engine
    #[arg(long, value_enum)]
    engine: Option<EngineName>,
    /// Rounds of which the median is taken [default: 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds that a round counts, after a fifth of that to warm up [default: 3]
    #[arg(long)]
    seconds: Option<f64>,
    /// How many shop at once [default: 1,8,64]
    #[arg(long, value_delimiter = ',')]
    shoppers: Vec<usize>,
    /// Write the results to bench/results/
    #[arg(long)]
    record: bool,
}

const EXAMPLES: &str = "Examples:
  cargo xtask bench                                   everything but pages; about twenty minutes
  cargo xtask bench -- --quick                        a first look
  cargo xtask bench -- --only purchase --engine sqlite --shoppers 64
  cargo xtask bench -- --only pages                   a million products and orders
  cargo xtask bench -- --record                       keep the results; let nothing else run meanwhile

The binary measured is IRONMONGER_BIN, or target/release/ironmonger.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve floor H until killed; the bench starts this by itself
    #[command(hide = true)]
    FloorH,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    Sqlite,
    Postgres,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Topic {
    /// Start to first answer
    Start,
    /// Memory, idle and after the load
    Memory,
    /// Read a product
    Read,
    /// List 20 products
    List,
    /// Add to the cart
    Add,
    /// Sign in with a password
    Login,
    /// Add, order, paid and confirmed
    Purchase,
    /// Everybody wants one product
    Hot,
    /// The purchase's transactions without the shop
    FloorS,
    /// Commits, flushes, statements and processor time of a purchase
    Costs,
    /// 1,000 products against 100,000
    Sizes,
    /// Search and count 1,000 and 100,000 products
    Search,
    /// Import and export 100,000 products over HTTP
    Files,
    /// Whether sign-ins and resets take as long for accounts that are not there
    Guesses,
    /// What the edge costs: limits, encrypted bodies
    Edge,
    /// First and 1,000th page of 1,000,000 products and orders; minutes, and GiBs of disk: only when asked for
    Pages,
    /// A process for each part
    Split,
    /// SIGKILL under load
    Crash,
}

impl Options {
    fn wants(&self, topic: Topic) -> bool {
        match self.only.is_empty() {
            true if topic == Topic::Pages => false,
            true => !(self.quick && matches!(topic, Topic::Sizes | Topic::Search | Topic::Files | Topic::Split)),
            false => self.only.contains(&topic),
        }
    }

    fn engines(&self) -> Vec<Engine> {
        match self.engine {
            Some(EngineName::Sqlite) => vec![Engine::Sqlite],
            Some(EngineName::Postgres) => vec![Engine::Postgres],
            None => vec![Engine::Sqlite, Engine::Postgres],
        }
    }

    fn crowds(&self, usual: &[usize]) -> Vec<usize> {
        match (self.shoppers.is_empty(), self.quick) {
            (false, _) => self.shoppers.clone(),
            (true, true) => vec![usual[0], usual[usual.len() - 1]],
            (true, false) => usual.to_vec(),
        }
    }

    /// How many of what there should be many of.
    fn many(&self, usual: usize) -> usize {
        if self.quick { usual / 10 } else { usual }
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }

    fn span(&self) -> Span {
        let counted = self
            .seconds
            .unwrap_or(if self.quick { 1.5 } else { 3.0 })
            .clamp(0.1, 600.0);
        Span {
            warm_up: Duration::from_secs_f64(counted / 5.0),
            counted: Duration::from_secs_f64(counted),
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.command {
        Some(Command::FloorH) => floor::serve().map(|()| true),
        None => bench(&options),
    };
    match done {
        Ok(_) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("bench: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> Result<bool> {
    // One thread: the load must leave the cores to the shop.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(plan::run(options))?;
    println!("\n{}", report.markdown());
    if options.record {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        println!("recorded in {}", report.record(&folder)?.display());
    }
    Ok(report.missed() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_options() {
        let options =
            Options::try_parse_from(["bench", "--quick", "--only", "purchase,hot", "--shoppers", "64"]).unwrap();
        assert!(options.wants(Topic::Hot) && !options.wants(Topic::Read));
        assert_eq!((options.crowds(&[1, 8, 64]), options.rounds()), (vec![64], 1));
        let all = Options::try_parse_from(["bench"]).unwrap();
        assert!(all.wants(Topic::Sizes) && !all.wants(Topic::Pages));
        assert_eq!((all.many(1_000), options.many(1_000)), (1_000, 100));
        assert_eq!(all.span().warm_up, Duration::from_millis(600));
        assert_eq!(all.engines(), [Engine::Sqlite, Engine::Postgres]);
    }
}
