//! Imports generated products in one pass and says how fast and in how much memory:
//! `cargo run -p catalog --example import -- 100000 [folder]`. The database is a new file in that folder (a temporary
//! one when not said), with durable commits. A second pass shows that nothing changes, a third that the export of it
//! all changes nothing either.
#![allow(clippy::disallowed_methods)] // Stands outside the product: it reads the clock and the environment.

use std::path::PathBuf;
use std::time::Instant;

use api::catalog::StockMode;
use base::{Clock, Currency, Ids};
use catalog::actions::By;
use catalog::import::{Export, ImportOptions, import};
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
        let report = import(&db, Currency::USD, ProductFile::of(count), options(), |_| {})
            .await
            .expect("an import");
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
    let report = import(&db, Currency::USD, from, options(), |_| {})
        .await
        .expect("an import");
    println!("export in again: {report:?}, at most {} MB", peak_mb());
    db.close().await;
    std::fs::remove_dir_all(&folder).expect("the folder goes away");
}

fn options() -> ImportOptions {
    let by = By {
        actor: "example".into(),
        request_id: "example".into(),
    };
    ImportOptions {
        stock: StockMode::New,
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
