//! `ironmonger import`: products from a CSV file, through the catalogue's own route, wherever the catalogue runs.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use api::catalog::{ImportReport, Product};
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, header};
use clap::ValueEnum;
use futures_util::stream;
use http_body_util::BodyExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use ironmonger::config::Config;
use serve::Deps;
use wire::{Cx, Peer, Problem};

use super::Desk;
use super::say::say;

/// What is read from the file at a time.
const CHUNK: usize = 64 << 10;
/// Broken rows that are printed; a broken file may have all of them.
const SHOWN_MAX: usize = 50;

/// What becomes of the quantities of variants that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stock {
    /// Left alone: pieces have been sold since the file was written.
    Keep,
    /// Set to what the file says.
    Set,
}

/// Imports the file and prints what came of it.
pub async fn run(config: &mut Config, path: &Path, stock: Stock) -> Result<ExitCode> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let length = file.metadata().map(|facts| facts.len()).unwrap_or_default();
    let desk = Desk::open(config).await?;
    let bar = ProgressBar::new(length).with_style(
        ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let sent = send(&desk.deps, stock, chunks(file, bar.clone())).await;
    bar.finish_and_clear();
    desk.close().await;
    let report = match sent {
        Ok(report) => report,
        Err(problem) => bail!("{problem}"),
    };
    say(format_args!(
        "{} products created, {} updated, {} unchanged, with {} variants.",
        report.created, report.updated, report.unchanged, report.variants
    ))?;
    for row in report.failed.iter().take(SHOWN_MAX) {
        say(format_args!("line {}: {}", row.line, row.reason))?;
    }
    if report.failed_rows > SHOWN_MAX as u64 {
        say(format_args!("… and {} more", report.failed_rows - SHOWN_MAX as u64))?;
    }
    if report.failed_rows == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "{} rows are broken; {} products stayed out because of them.",
        report.failed_rows, report.left_out
    ))?;
    Ok(ExitCode::FAILURE)
}

/// Fills an empty catalogue with the sample. Answers whether it did.
pub async fn sample(deps: &Deps) -> Result<bool> {
    let catalog = deps.of("cli").peers.peer("catalog");
    let any: Vec<Product> = catalog
        .call(&cx(deps), Method::GET, "/products")
        .query(&[("limit", 1)])
        .fetch()
        .await?;
    if !any.is_empty() {
        return Ok(false);
    }
    let report = send(deps, Stock::Keep, Body::from(catalog::import::SAMPLE)).await?;
    if report.failed_rows > 0 {
        bail!("the sample catalogue has broken rows: {:?}", report.failed);
    }
    Ok(true)
}

/// The context of what the command line asks.
pub fn cx(deps: &Deps) -> Cx {
    let id: base::RequestId = deps.ids.next(deps.clock.now());
    Cx::new(id.to_string(), "service:cli")
}

/// Sends a CSV to the catalogue as a stream and waits for its report.
async fn send(deps: &Deps, stock: Stock, csv: Body) -> Result<ImportReport, Problem> {
    let query = if stock == Stock::Set { "?stock=set" } else { "" };
    let catalog: Peer = deps.peers.peer("catalog");
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/products/import{query}"))
        .header(header::CONTENT_TYPE, "text/csv")
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", deps.keys.service_token("cli")),
        )
        .body(csv)
        .map_err(|_| Problem::internal())?;
    let answer = catalog.forward(request).await?;
    let status = answer.status();
    let broken = |_| Problem::unavailable("The catalogue broke off its answer.");
    let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
    let unreadable = |_| {
        Problem::unavailable(format!(
            "The catalogue answered {status} with something that cannot be read."
        ))
    };
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(unreadable);
    }
    Err(serde_json::from_slice::<Problem>(&body).unwrap_or_else(unreadable))
}

/// The file in pieces. Reading blocks this thread for moments only, and nothing else runs in this process.
fn chunks(file: File, bar: ProgressBar) -> Body {
    Body::from_stream(stream::try_unfold((file, bar), |(mut file, bar)| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk)?;
        chunk.truncate(read);
        bar.inc(read as u64);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), (file, bar))))
    }))
}
