//! `ironmonger serve`: the shop, or some of its services, until it is told to end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use base::{Clock, Ids};
use ironmonger::compose::{self, Composed, Place};
use ironmonger::config::Config;
use ironmonger::{edge, folder, signing};
use tokio::signal::unix::{SignalKind, signal};

use super::import;
use super::say::say;

/// Serves `words` (all services when there are none). `sample` fills an empty catalogue, `greet` tells a newcomer what to
/// do, with the options that other commands for this shop need.
pub async fn run(config: &mut Config, words: &[String], sample: bool, greet: Option<String>) -> Result<ExitCode> {
    let services = compose::named(words)?;
    // Whoever starts a shop twice learns that, rather than that its ports are busy.
    if folder::in_use(&config.data(), &services) {
        folder::lock(&config.data(), &services)?;
    }
    // Before anything is made: a start that fails leaves no folder behind.
    let addresses = compose::addresses(config, &services);
    let bound = match serve::bind(&addresses).await {
        Ok(bound) => bound,
        Err(first) => bail!("{}", unbindable(&addresses, &first).await),
    };
    folder::fill_secrets(config)?;
    folder::prepare(&config.data())?;
    let _locks = folder::lock(&config.data(), &services)?;
    let Composed { mut parts, deps } =
        compose::compose(config, &services, &Place::of(config), Clock::system(), Ids::random()).await?;
    if let Some(part) = parts.first_mut() {
        part.tasks.push(signing::follow(&deps, config));
    }
    if sample && services.contains(&"catalog") {
        import::sample(&deps).await?;
    }
    let guarded = |bound: ::serve::Bound| edge::guard(config, bound.service).map(|guard| bound.guarded(guard));
    let bound = bound.into_iter().map(guarded).collect::<Result<Vec<_>>>()?;
    let stop = deps.stop.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        stop.stop();
    });
    let gateway = bound
        .iter()
        .find(|bound| bound.service == "gateway")
        .map(|bound| bound.address);
    match (gateway, greet) {
        (Some(address), Some(options)) => welcome(config, &format!("{}://{address}", config.scheme()), &options)?,
        _ => {
            for bound in &bound {
                let scheme = if bound.service == "gateway" {
                    config.scheme()
                } else {
                    "http"
                };
                say(format_args!(
                    "{} listens on {scheme}://{}",
                    bound.service, bound.address
                ))?;
            }
        }
    }
    let grace = Duration::from_secs(config.number("limits.shutdown_seconds").unsigned_abs());
    serve::run(parts, bound, deps.stop.clone(), grace).await;
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with each address that cannot be had: whoever starts a second shop must change them all.
async fn unbindable(addresses: &[(&'static str, SocketAddr)], first: &serve::BindFault) -> String {
    let mut faults = Vec::new();
    for address in addresses {
        if let Err(fault) = serve::bind(std::slice::from_ref(address)).await {
            faults.push(fault.to_string());
        }
    }
    match faults.as_slice() {
        [] | [_] => first.to_string(),
        several => format!(
            "{} addresses cannot be had; is another shop running?\n  - {}",
            several.len(),
            several.join("\n  - ")
        ),
    }
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

fn welcome(config: &Config, url: &str, options: &str) -> Result<()> {
    let (shop, data) = (config.text("shop.name"), config.data());
    let data = data.display();
    say(format_args!(
        "{shop} is open: {url}

  API reference   {url}/docs
  Data            {data}  (to begin anew, end the shop and delete the folder)
  Become admin    ironmonger admin create --email you@example.com{options}
                  (or `cargo run --release -- admin create --email you@example.com{options}`)

Try it:
  curl -s '{url}/api/products?limit=3'

Ctrl-C ends it."
    ))
}
