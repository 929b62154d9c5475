//! `ironmonger doctor`: do the books balance?

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use ironmonger::compose::Place;
use ironmonger::config::Config;
use ironmonger::doctor::{self, Report};
use ironmonger::folder;

use super::Desk;
use super::say::say;

/// Findings that are printed; a broken shop may have millions.
const SHOWN_MAX: usize = 50;

/// Reads the books and says what is wrong where.
pub async fn run(config: &mut Config, rested: u64) -> Result<ExitCode> {
    // Books that are not there balance, and whoever mistyped the folder would believe it.
    if matches!(Place::of(config), Place::Folder(_)) && !folder::has_databases(&config.data()) {
        bail!(
            "there is no shop in the data folder {}; name the right one with --data, or PostgreSQL with IRONMONGER_DATABASE_URL",
            config.data().display()
        );
    }
    let desk = Desk::look(config).await?;
    eprintln!(
        "{}",
        if desk.running {
            "Asking the running server …"
        } else {
            "Reading the databases …"
        }
    );
    let report = doctor::examine(&desk.deps.of("doctor"), Duration::from_secs(rested)).await;
    desk.close().await;
    let Report {
        orders,
        unrested,
        findings,
    } = report?;
    for finding in findings.iter().take(SHOWN_MAX) {
        say(finding)?;
    }
    if findings.len() > SHOWN_MAX {
        say(format_args!("… and {} more", findings.len() - SHOWN_MAX))?;
    }
    let judged = format!("{orders} orders looked at, {unrested} of them still on their way");
    if findings.is_empty() {
        say(format_args!("The books balance: {judged}."))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rules: Vec<String> = doctor::by_rule(&findings)
        .into_iter()
        .map(|(rule, count)| format!("{count} × {rule}"))
        .collect();
    say(format_args!(
        "The books do not balance ({}): {judged}.",
        rules.join(", ")
    ))?;
    Ok(ExitCode::FAILURE)
}
