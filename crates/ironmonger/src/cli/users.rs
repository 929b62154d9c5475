//! `ironmonger users import`: accounts of another system, from a CSV file, through identity's own route.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use api::identity::{ARRIVALS_MAX, Arrival, Came};
use csv::StringRecord;
use ironmonger::config::Config;

use super::Desk;
use super::say::say;

/// Columns that may be there, in any order.
const COLUMNS: [&str; 8] = [
    "email",
    "username",
    "name",
    "first_name",
    "last_name",
    "phone",
    "role",
    "password_hash",
];
/// Refused rows that are printed; a broken file may have all of them.
const SHOWN_MAX: usize = 50;

/// What came of the file so far.
#[derive(Default)]
struct Tally {
    created: u64,
    present: u64,
    refused: u64,
}

/// Imports the file and prints what came of it.
pub async fn import(config: &mut Config, path: &Path) -> Result<ExitCode> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut rows = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(file);
    let columns = columns(
        rows.headers()
            .with_context(|| format!("{} is no CSV", path.display()))?,
    )?;
    let desk = Desk::open(config).await?;
    let done = import_rows(&desk, rows.records(), &columns).await;
    desk.close().await;
    let tally = done?;
    say(format_args!(
        "{} accounts created, {} were there already, {} refused.",
        tally.created, tally.present, tally.refused
    ))?;
    Ok(match tally.refused {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn import_rows(
    desk: &Desk,
    rows: impl Iterator<Item = Result<StringRecord, csv::Error>>,
    columns: &[&'static str],
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut batch: Vec<(u64, Arrival)> = Vec::with_capacity(ARRIVALS_MAX);
    for row in rows {
        match row {
            Ok(row) => {
                let line = row.position().map_or(0, csv::Position::line);
                batch.push((line, arrival(&row, columns)));
            }
            // Without the reader's own words: they may hold a line of the file.
            Err(fault) => {
                let line = fault.position().map_or(0, csv::Position::line);
                tell(&mut tally, line, "cannot be read as CSV in UTF-8")?;
            }
        }
        if batch.len() == ARRIVALS_MAX {
            send(desk, std::mem::take(&mut batch), &mut tally).await?;
        }
    }
    send(desk, batch, &mut tally).await?;
    Ok(tally)
}

async fn send(desk: &Desk, batch: Vec<(u64, Arrival)>, tally: &mut Tally) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let (lines, users): (Vec<u64>, Vec<Arrival>) = batch.into_iter().unzip();
    let identity = api::identity::Client(desk.peer("identity"));
    let outcomes = match identity.take_over(&desk.cx(), users).await {
        Ok(outcomes) => outcomes,
        Err(problem) => bail!("{problem}\nWhat was imported before stays; importing the file again goes on."),
    };
    for (line, outcome) in lines.into_iter().zip(outcomes) {
        match outcome.came {
            Came::Created => tally.created += 1,
            Came::Present => tally.present += 1,
            Came::Refused => {
                let reasons: Vec<String> = outcome.reasons.iter().map(|reason| of_column(reason)).collect();
                tell(tally, line, &reasons.join("; "))?;
            }
        }
    }
    Ok(())
}

/// A reason that begins with the name of a field, with that of the file's column.
fn of_column(reason: &str) -> String {
    let spelt = |column: &&str| {
        let field = column.replace("_h", "H").replace("_n", "N");
        reason.strip_prefix(&field).map(|rest| format!("{column}{rest}"))
    };
    COLUMNS.iter().find_map(spelt).unwrap_or_else(|| reason.to_owned())
}

fn tell(tally: &mut Tally, line: u64, reason: &str) -> Result<()> {
    tally.refused += 1;
    match tally.refused.cmp(&(SHOWN_MAX as u64 + 1)) {
        std::cmp::Ordering::Less => say(format_args!("line {line}: {reason}")),
        std::cmp::Ordering::Equal => say("… and more"),
        std::cmp::Ordering::Greater => Ok(()),
    }
}

/// The columns of the file, by name.
fn columns(header: &StringRecord) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for name in header {
        let name = name.trim_start_matches('\u{feff}').to_lowercase();
        if matches!(name.as_str(), "password" | "pass" | "plain_password") {
            bail!(
                "the column `{name}` is not taken: passwords themselves must not lie in a file. Bring their hashes as \
                 `password_hash` (bcrypt or Argon2id), or none: people then set a password by mail"
            );
        }
        let Some(known) = COLUMNS.into_iter().find(|known| *known == name) else {
            bail!("there is no column `{name}`; there are {}", COLUMNS.join(", "));
        };
        found.push(known);
    }
    if !found.contains(&"email") && !found.contains(&"username") {
        bail!("the first line must name the columns, `email` or `username` among them");
    }
    Ok(found)
}

fn arrival(row: &StringRecord, columns: &[&'static str]) -> Arrival {
    let field = |wanted: &str| {
        let at = columns.iter().position(|name| *name == wanted)?;
        row.get(at).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Arrival {
        email: field("email"),
        username: field("username"),
        name: field("name"),
        first_name: field("first_name"),
        last_name: field("last_name"),
        phone: field("phone"),
        role: field("role"),
        password_hash: field("password_hash"),
    }
}
