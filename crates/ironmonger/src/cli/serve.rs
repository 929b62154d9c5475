//! `ironmonger serve`: the shop, or some of its services, until it is told to end.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use base::{Clock, Ids};
use ironmonger::compose::{self, Composed, Place};
use ironmonger::config::Config;
use ironmonger::folder;
use tokio::signal::unix::{SignalKind, signal};

use super::import;

/// Serves `words` (all services when there are none). `sample` fills an empty catalogue, `greet` tells a newcomer what to do.
pub async fn run(config: &mut Config, words: &[String], sample: bool, greet: bool) -> Result<ExitCode> {
    let services = compose::named(words)?;
    folder::prepare(&config.data())?;
    folder::fill_secrets(config)?;
    let _locks = folder::lock(&config.data(), &services)?;
    let addresses = compose::addresses(config, &services);
    let bound = serve::bind(&addresses).await?;
    let Composed { parts, deps } =
        compose::compose(config, &services, &Place::of(config), Clock::system(), Ids::random()).await?;
    if sample && services.contains(&"catalog") {
        import::sample(&deps).await?;
    }
    let stop = deps.stop.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        stop.stop();
    });
    let gateway = bound
        .iter()
        .find(|bound| bound.service == "gateway")
        .map(|bound| bound.address);
    match gateway {
        Some(address) if greet => welcome(config, &format!("http://{address}")),
        _ => bound
            .iter()
            .for_each(|bound| println!("{} listens on http://{}", bound.service, bound.address)),
    }
    let _ = std::io::stdout().flush();
    let grace = Duration::from_secs(config.number("limits.shutdown_seconds").unsigned_abs());
    serve::run(parts, bound, deps.stop.clone(), grace).await;
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or SIGTERM. Without handlers for them the process would end at once, and that is safe as well.
async fn wait_for_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn welcome(config: &Config, url: &str) {
    let data = config.data();
    println!("{} is open: {url}", config.text("shop.name"));
    println!();
    println!("  API reference   {url}/docs");
    println!(
        "  Data            {}  (delete the folder to begin anew)",
        data.display()
    );
    println!(
        "  Become admin    ironmonger admin create --email you@example.com --data {}",
        data.display()
    );
    println!("                  (or `cargo run --release -- admin create --email you@example.com`)");
    println!();
    println!("Try it:");
    println!("  curl -s '{url}/api/products?limit=3'");
    println!();
    println!("Ctrl-C ends it.");
}
