//! Imports generated products in one pass and says how fast and in how much memory:
//! `cargo run -p catalog --example import -- 100000 [folder]`. The database is a new file in that folder (a temporary
//! one when not said), with durable commits. A second pass shows that nothing changes, a third that the export of it
//! all changes nothing either.
#![allow(clippy::disallowed_methods)] // Stands outside the product: it reads the clock and the environment.

use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use api::catalog::{Import, StockMode};
use axum::body::Bytes;
use base::{Clock, Currency, Ids};
use catalog::actions::By;
use catalog::import::{Export, ImportOptions, Jobs};
use futures_util::stream;
use serve::Stop;
use store::{Db, Engine, Settings};
use testkit::ProductFile;

fn main() {
    let count: u64 = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(100_000);
    let own = std::env::temp_dir().join(format!("catalog-import-{}", std::process::id()));
    let folder = std::env::args().nth(2).map_or(own, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(count, folder));
}

async fn run(count: u64, folder: PathBuf) {
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let file = folder.join("catalog.db");
    assert!(!file.exists(), "{} is there already", file.display());
    let settings = Settings::new(Engine::Sqlite { file }, "catalog");
    let db = Db::open(settings, catalog::MIGRATIONS, Clock::system(), Ids::random())
        .await
        .expect("a database");
    for pass in ["new", "again"] {
        let begun = Instant::now();
        let report = import(&db, ProductFile::of(count)).await;
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{pass}: {report:?}\n  {:.0} products/s, {seconds:.1} s, at most {} MB",
            count as f64 / seconds,
            peak_mb()
        );
    }
    let begun = Instant::now();
    let mut export = Export::new(&db, Currency::USD);
    let written = folder.join("export.csv");
    let mut to = std::fs::File::create(&written).expect("a file");
    while let Some(piece) = export.next().await.expect("an export") {
        std::io::Write::write_all(&mut to, &piece).expect("room on the disk");
    }
    println!(
        "export: {:.1} s, at most {} MB",
        begun.elapsed().as_secs_f64(),
        peak_mb()
    );
    let from = std::fs::File::open(&written).expect("the file");
    let report = import(&db, from).await;
    println!("export in again: {report:?}, at most {} MB", peak_mb());
    db.close().await;
    std::fs::remove_dir_all(&folder).expect("the folder goes away");
}

/// Imports a file and says what came of it.
async fn import(db: &Db, from: impl Read) -> Import {
    let jobs = Jobs::new(db, Currency::USD, Stop::new());
    let pieces = stream::unfold(from, |mut from| async move {
        let mut piece = vec![0; 64 << 10];
        let read = from.read(&mut piece);
        piece.truncate(read.as_ref().map_or(0, |count| *count));
        let piece = read.map(|_| Bytes::from(piece));
        (!matches!(&piece, Ok(piece) if piece.is_empty())).then_some((piece, from))
    });
    let id = db.ids().next(db.clock().now());
    let (id, _) = jobs.stage(id, options(), None, Box::pin(pieces)).await.expect("a file");
    jobs.drive(id).await.expect("an import");
    jobs.report(id).await.expect("a report")
}

fn options() -> ImportOptions {
    let by = By {
        actor: "example".into(),
        request_id: "example".into(),
    };
    ImportOptions {
        stock: StockMode::New,
        dry_run: false,
        by,
    }
}

/// The most memory that this process ever held, in MB; 0 where the system does not say.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1))
        .and_then(|kb| kb.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
