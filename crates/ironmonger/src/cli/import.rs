//! `ironmonger import` and `ironmonger export`: products from and to CSV files, through the catalogue's own routes,
//! wherever the catalogue runs.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::catalog::{
    ExportQuery, FieldChange, Import, ImportAction, ImportChange, ImportQuery, Product, StockMode, UndoImport,
};
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, header};
use base::ImportId;
use clap::{Args, ValueEnum};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use ironmonger::config::Config;
use serve::Deps;
use wire::{Cx, Peer, Problem};

use super::Desk;
use super::say::say;

/// What is read from the file at a time.
const CHUNK: usize = 64 << 10;
/// Rejected rows, and changes of a dry run, that are printed; a file may have a great many.
const SHOWN_MAX: usize = 50;
/// How often a running import is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What becomes of the quantities of variants that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stock {
    /// Left alone: pieces have been sold since the file was written.
    Keep,
    /// Set to what the file says.
    Set,
}

/// What `ironmonger import` takes.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The CSV files
    #[arg(required_unless_present = "undo", conflicts_with = "undo", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What becomes of the quantities of variants that are there already
    #[arg(long, value_enum, default_value = "keep")]
    stock: Stock,
    /// Change nothing; say what would change
    #[arg(long)]
    dry_run: bool,
    /// Write the rows that were rejected to this file, each with what is wrong; mended, it can be imported
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Take this import back instead: what it brought leaves, what it changed is as it was
    #[arg(long, value_name = "ID")]
    undo: Option<ImportId>,
    /// With --undo: also take back what somebody changed since
    #[arg(long, requires = "undo")]
    force: bool,
}

/// What `ironmonger export` takes.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The CSV file to write; standard output when absent
    file: Option<PathBuf>,
    /// Only products of this category and those below it
    #[arg(long)]
    category: Option<String>,
    /// Only products with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only products that are for sale, or only drafts
    #[arg(long, value_enum)]
    status: Option<Status>,
}

/// A status that an export can be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Status {
    /// For sale.
    Active,
    /// Not yet for sale.
    Draft,
}

/// Imports the files, or takes an import back, and prints what came of it.
pub async fn run(config: &mut Config, asked: ImportArguments) -> Result<ExitCode> {
    let mut files = Vec::new();
    for path in &asked.files {
        let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        files.push((path, file));
    }
    let desk = Desk::open(config).await?;
    let done = match asked.undo {
        Some(id) => take_back(&desk.deps, id, asked.force).await,
        None => {
            let mut all_went_in = true;
            let several = files.len() > 1;
            let mut rejected = match &asked.rejected {
                Some(path) => Some(create(path)?),
                None => None,
            };
            let mut done = Ok(());
            for (path, file) in files {
                if several {
                    say(format_args!("{}:", path.display()))?;
                }
                match take_in(&desk.deps, &asked, file, rejected.as_mut()).await {
                    Ok(whole) => all_went_in &= whole,
                    Err(fault) => {
                        done = Err(fault);
                        break;
                    }
                }
            }
            done.map(|()| all_went_in)
        }
    };
    desk.close().await;
    Ok(if done? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Imports a file; answers whether all of it went in.
async fn take_in(deps: &Deps, asked: &ImportArguments, file: File, rejected: Option<&mut File>) -> Result<bool> {
    let length = file.metadata().map(|facts| facts.len()).unwrap_or_default();
    let query = ImportQuery {
        stock: if asked.stock == Stock::Set {
            StockMode::Set
        } else {
            StockMode::New
        },
        dry_run: asked.dry_run,
    };
    let sending = bar(length, "sending {bar:30} {bytes} of {total_bytes}, {eta} left");
    let sent = send(deps, query, chunks(file, sending.clone())).await;
    sending.finish_and_clear();
    let report = told(sent)?;
    let report = told(at_rest(deps, report).await)?;
    if let Some(problem) = &report.problem {
        bail!("{}", problem.detail);
    }
    tell(deps, &report).await?;
    if let Some(file) = rejected.filter(|_| report.rejected_rows > 0) {
        let path = format!("/products/import/{}/rejected", report.id);
        write_to(told(fetch(deps, &path).await)?, file).await?;
    }
    Ok(report.rejected_rows == 0)
}

/// Prints what came of an import.
async fn tell(deps: &Deps, report: &Import) -> Result<()> {
    if report.dry_run {
        say(format_args!(
            "{} products would be created, {} updated, {} are unchanged, with {} variants. Nothing was changed.",
            report.created, report.updated, report.unchanged, report.variants
        ))?;
        tell_changes(deps, report).await?;
    } else {
        say(format_args!(
            "{} products created, {} updated, {} unchanged, with {} variants.",
            report.created, report.updated, report.unchanged, report.variants
        ))?;
    }
    for row in report.rejected.iter().take(SHOWN_MAX) {
        say(format_args!("line {}: {}", row.line, row.reason))?;
    }
    if report.rejected_rows > SHOWN_MAX as u64 {
        say(format_args!("… and {} more", report.rejected_rows - SHOWN_MAX as u64))?;
    }
    if report.rejected_rows > 0 {
        say(format_args!(
            "{} rows are wrong; {} products stayed out because of them.",
            report.rejected_rows, report.left_out
        ))?;
    }
    if !report.dry_run && report.created + report.updated > 0 {
        say(format_args!("To take it back: ironmonger import --undo {}", report.id))?;
    }
    Ok(())
}

async fn tell_changes(deps: &Deps, report: &Import) -> Result<()> {
    let changes: Vec<ImportChange> = told(
        deps.of("cli")
            .peers
            .peer("catalog")
            .call(
                &cx(deps),
                Method::GET,
                format!("/products/import/{}/changes", report.id),
            )
            .query(&[("limit", SHOWN_MAX)])
            .fetch()
            .await,
    )?;
    let count = changes.len() as u64;
    for change in changes {
        let what = match change.action {
            ImportAction::Created => "new".to_owned(),
            ImportAction::Updated => {
                let fields: Vec<String> = change.fields.iter().map(field).collect();
                fields.join("; ")
            }
        };
        say(format_args!("  {}: {what}", change.handle))?;
    }
    let all = report.created + report.updated;
    if all > count {
        say(format_args!("  … and {} more", all - count))?;
    }
    Ok(())
}

/// A field before and after in a few words.
fn field(change: &FieldChange) -> String {
    let whose = change
        .variant
        .as_ref()
        .map(|name| format!(" of {name}"))
        .unwrap_or_default();
    let short = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "nothing".to_owned(),
        serde_json::Value::String(text) if text.chars().count() <= 40 => text.clone(),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => value.to_string(),
        _ => "…".to_owned(),
    };
    format!(
        "{}{whose} {} → {}",
        change.field,
        short(&change.before),
        short(&change.after)
    )
}

/// Takes an import back; answers whether all of it.
async fn take_back(deps: &Deps, id: ImportId, force: bool) -> Result<bool> {
    let report = told(undone(deps, id, force).await)?;
    let Some(undo) = report.undo else {
        bail!("the catalogue does not say what it took back");
    };
    say(format_args!("{} products are again what they were.", undo.restored))?;
    for kept in undo.reasons.iter().take(SHOWN_MAX) {
        say(format_args!("{}: {}", kept.handle, kept.reason))?;
    }
    if undo.kept > 0 {
        say(format_args!(
            "{} products were changed since and were left so, at least in part; --force takes that back, too.",
            undo.kept
        ))?;
    }
    Ok(undo.kept == 0)
}

/// Has an import taken back, and waits for it.
async fn undone(deps: &Deps, id: ImportId, force: bool) -> Result<Import, Problem> {
    let catalog = deps.of("cli").peers.peer("catalog");
    let asked = catalog
        .call(&cx(deps), Method::POST, format!("/products/import/{id}/undo"))
        .json(&UndoImport { force })
        .fetch()
        .await?;
    at_rest(deps, asked).await
}

/// Waits until nothing of an import goes on any more.
async fn at_rest(deps: &Deps, begun: Import) -> Result<Import, Problem> {
    let catalog = deps.of("cli").peers.peer("catalog");
    let (mut report, cx) = (begun, cx(deps));
    let working = bar(0, "working {bar:30} {msg}, {eta} left");
    while !report.state.is_at_rest() {
        working.set_length(report.bytes);
        working.set_position(report.bytes_done);
        let products = report.created + report.updated + report.unchanged + report.left_out;
        working.set_message(format!("{products} products"));
        tokio::time::sleep(LOOK_EVERY).await;
        report = catalog
            .call(&cx, Method::GET, format!("/products/import/{}", report.id))
            .fetch()
            .await?;
    }
    working.finish_and_clear();
    Ok(report)
}

/// Writes products to a file or to standard output.
pub async fn export(config: &mut Config, asked: ExportArguments) -> Result<ExitCode> {
    let query = ExportQuery {
        category: asked.category,
        tag: asked.tag,
        status: asked.status.map(|status| match status {
            Status::Active => api::catalog::ExportStatus::Active,
            Status::Draft => api::catalog::ExportStatus::Draft,
        }),
    };
    let query = serde_urlencoded::to_string(&query).context("the filters cannot be sent")?;
    let desk = Desk::open(config).await?;
    let answer = fetch(&desk.deps, &format!("/products/export?{query}")).await;
    let done = match (told(answer), &asked.file) {
        (Ok(answer), Some(path)) => write_to(answer, &mut create(path)?).await,
        (Ok(answer), None) => write_to(answer, &mut std::io::stdout().lock()).await,
        (Err(fault), _) => Err(fault),
    };
    desk.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("{} cannot be written", path.display()))
}

/// Writes an answer as it comes.
async fn write_to(answer: Response<Body>, to: &mut impl Write) -> Result<()> {
    let mut pieces = answer.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.context("the catalogue broke off its answer")?;
        to.write_all(&piece)?;
    }
    Ok(to.flush()?)
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
    let csv = catalog::import::sample(deps.shop.currency).context("the sample catalogue cannot be read")?;
    fill(deps, csv).await?;
    Ok(true)
}

/// Imports all of `csv`, or nothing: the next start finds the catalogue as empty as this one did.
async fn fill(deps: &Deps, csv: Vec<u8>) -> Result<()> {
    let sent = send(deps, ImportQuery::default(), Body::from(csv)).await?;
    let report = at_rest(deps, sent).await?;
    let reason = match (&report.problem, report.rejected.first()) {
        (None, None) => return Ok(()),
        (Some(problem), _) => problem.detail.clone(),
        (None, Some(row)) => format!("line {}: {}", row.line, row.reason),
    };
    if report.created > 0 {
        undone(deps, report.id, true).await?;
    }
    bail!("the sample catalogue did not go in: {reason}")
}

/// The context of what the command line asks.
pub fn cx(deps: &Deps) -> Cx {
    let id: base::RequestId = deps.ids.next(deps.clock.now());
    Cx::new(id.to_string(), "service:cli")
}

/// Sends a CSV to the catalogue as a stream and waits for its answer.
async fn send(deps: &Deps, query: ImportQuery, csv: Body) -> Result<Import, Problem> {
    let query = serde_urlencoded::to_string(query).map_err(|_| Problem::internal())?;
    let request = request(deps, Method::POST, &format!("/products/import?{query}"), csv)?;
    let answer = refused(deps.peers.peer("catalog").forward(request).await?).await?;
    let body = answer.into_body().collect().await;
    let broken = |_| Problem::unavailable("The catalogue broke off its answer.");
    serde_json::from_slice(&body.map_err(broken)?.to_bytes())
        .map_err(|_| Problem::unavailable("The catalogue answered something that cannot be read."))
}

/// Reads something from the catalogue that is no JSON.
async fn fetch(deps: &Deps, path: &str) -> Result<Response<Body>, Problem> {
    let catalog: Peer = deps.peers.peer("catalog");
    refused(
        catalog
            .forward(request(deps, Method::GET, path, Body::empty())?)
            .await?,
    )
    .await
}

fn request(deps: &Deps, method: Method, path: &str, body: Body) -> Result<Request<Body>, Problem> {
    let token = format!("Bearer {}", deps.keys.service_token("cli"));
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "text/csv")
        .header(header::AUTHORIZATION, token)
        .body(body)
        .map_err(|_| Problem::internal())
}

/// The answer, unless it is a refusal.
async fn refused(answer: Response<Body>) -> Result<Response<Body>, Problem> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let broken = |_| Problem::unavailable("The catalogue broke off its answer.");
    let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
    Err(serde_json::from_slice::<Problem>(&body)
        .unwrap_or_else(|_| Problem::unavailable(format!("The catalogue answered {status}."))))
}

/// A refusal as the command's own.
fn told<T>(answer: Result<T, Problem>) -> Result<T> {
    answer.map_err(|problem| anyhow::anyhow!("{problem}"))
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
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

#[cfg(test)]
mod tests {
    use base::{Clock, Ids};
    use ironmonger::compose::{self, Place};

    use super::*;

    #[tokio::test]
    async fn a_fill_that_fails_leaves_nothing_behind() {
        let config = Config::read(None, std::iter::empty()).unwrap();
        let services = compose::named(&[]).unwrap();
        let services: Vec<_> = services.into_iter().filter(|service| *service != "gateway").collect();
        let composed = compose::compose(&config, &services, &Place::Memory, Clock::system(), Ids::seeded(1));
        let deps = composed.await.unwrap().deps;
        let csv = "Handle,Title,Variant Price\nawl,Awl,3.50\nsaw,Saw,far too much\n";
        let fault = fill(&deps, csv.into()).await.unwrap_err().to_string();
        assert!(fault.contains("line 3") && fault.lines().count() == 1, "{fault}");
        // So the catalogue counts as empty still, and is filled.
        assert!(sample(&deps).await.unwrap());
        assert!(!sample(&deps).await.unwrap());
    }
}
