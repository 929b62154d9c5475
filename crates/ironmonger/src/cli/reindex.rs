//! `ironmonger reindex`: makes the search index anew, wherever the catalogue runs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::catalog::IndexState;
use axum::http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use ironmonger::config::Config;

use super::Desk;
use super::say::say;

/// How often the catalogue is asked how far it is: as often as a bar seems to move.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Has the catalogue make its search index anew, and waits until it is whole.
pub async fn run(config: &mut Config) -> Result<ExitCode> {
    let desk = Desk::open(config).await?;
    let made = reindexed(&desk).await;
    let running = desk.running;
    desk.close().await;
    let products = made?;
    say(format_args!("The search index holds {products} products."))?;
    if running {
        say("It is that of the running server; a server in another process or folder has its own.")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn reindexed(desk: &Desk) -> Result<u64> {
    let catalog = desk.peer("catalog");
    let ask = |method: Method| {
        let (catalog, cx) = (catalog.clone(), desk.cx());
        async move {
            let answer: Result<IndexState, _> = catalog.call(&cx, method, "/internal/reindex").fetch().await;
            answer.context("the catalogue cannot be asked to make its search index anew")
        }
    };
    let mut state = ask(Method::POST).await?;
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} products, {eta} left");
    let bar = ProgressBar::new(state.total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    while state.building {
        tokio::time::sleep(LOOK_EVERY).await;
        state = ask(Method::GET).await?;
        bar.set_length(state.total);
        bar.set_position(state.done);
    }
    bar.finish_and_clear();
    if let Some(fault) = state.fault {
        bail!("the search index could not be made anew: {fault}");
    }
    Ok(state.done)
}
