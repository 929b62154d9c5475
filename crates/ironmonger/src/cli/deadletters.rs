//! `ironmonger deadletters`: events that a service could not take in, however often it tried. They lie where they are
//! until somebody has mended what stood in their way and has them tried once more.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use api::events::{Client, DEAD_MAX, DeadLetter, Replay};
use base::EventId;
use ironmonger::compose::{self, Place};
use ironmonger::config::Config;
use ironmonger::folder;

use super::Desk;
use super::say::say;

/// Tells which events could not be taken in, by whom and why.
pub async fn list(config: &mut Config, service: Option<String>) -> Result<ExitCode> {
    let desk = open(config).await?;
    let found = all(&desk, service).await;
    desk.close().await;
    let found = found?;
    for (_, letter) in &found {
        let DeadLetter {
            consumer,
            event,
            reason,
            buried_at,
        } = letter;
        let (id, kind, subject, sequence, source) =
            (event.id, &event.kind, &event.subject, event.sequence, &event.source);
        say(format_args!(
            "{consumer}: {id} {kind} {sequence} of {subject} from {source}, given up {buried_at}: {reason}"
        ))?;
    }
    say(match found.len() {
        0 => "There are no dead letters.".to_owned(),
        1 => "One dead letter; `ironmonger deadletters replay` tries it once more.".to_owned(),
        many => format!("{many} dead letters; `ironmonger deadletters replay` tries them once more."),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Has dead letters tried once more: those named, or all. The exit code is 1 when one of them is refused again.
pub async fn replay(config: &mut Config, service: Option<String>, ids: &[String]) -> Result<ExitCode> {
    let read = |id: &String| id.parse::<EventId>().with_context(|| format!("{id} is no event's id"));
    let ids = ids.iter().map(read).collect::<Result<Vec<_>>>()?;
    let desk = open(config).await?;
    let done = replayed(&desk, service, &ids).await;
    desk.close().await;
    let (taken, refused) = done?;
    if let Some(missing) = ids.iter().find(|id| !taken.contains(id) && !refused.contains(id)) {
        bail!("there is no dead letter {missing}; `ironmonger deadletters list` tells which there are");
    }
    say(format_args!(
        "{} taken in, {} refused again.",
        taken.len(),
        refused.len()
    ))?;
    Ok(if refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Dead letters of a folder that is not there would be none, and whoever mistyped it would believe it.
async fn open(config: &mut Config) -> Result<Desk> {
    if matches!(Place::of(config), Place::Folder(_)) && !folder::has_databases(&config.data()) {
        bail!(
            "there is no shop in the data folder {}; name the right one with --data, or PostgreSQL with IRONMONGER_DATABASE_URL",
            config.data().display()
        );
    }
    Desk::open(config).await
}

async fn replayed(desk: &Desk, service: Option<String>, ids: &[EventId]) -> Result<(Vec<EventId>, Vec<EventId>)> {
    let found = all(desk, service).await?;
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    let wanted = found
        .iter()
        .filter(|(_, letter)| ids.is_empty() || ids.contains(&letter.event.id));
    let wanted: Vec<(&'static str, EventId)> = wanted.map(|(service, letter)| (*service, letter.event.id)).collect();
    for batch in wanted
        .chunk_by(|one, next| one.0 == next.0)
        .flat_map(|own| own.chunks(DEAD_MAX))
    {
        let service = batch[0].0;
        let ids = batch.iter().map(|(_, id)| *id).collect();
        let done = Client(desk.peer(service)).replay(&desk.cx(), &Replay { ids }).await?;
        for still in &done.refused {
            say(format_args!(
                "{service}: {} is refused again: {}",
                still.id, still.reason
            ))?;
        }
        taken.extend(done.taken);
        refused.extend(done.refused.iter().map(|still| still.id));
    }
    Ok((taken, refused))
}

/// The dead letters of a service, or of all that take events in, each with the service.
async fn all(desk: &Desk, service: Option<String>) -> Result<Vec<(&'static str, DeadLetter)>> {
    let named: Vec<String> = service.into_iter().collect();
    let mut found = Vec::new();
    // The gateway stands in front of the others: nobody tells it anything.
    for service in compose::named(&named)?
        .into_iter()
        .filter(|service| *service != "gateway")
    {
        let client = Client(desk.peer(service));
        let mut after = None;
        while let Some(page) = client.dead(&desk.cx(), after).await? {
            let full = page.len() == DEAD_MAX;
            after = page.last().map(|letter| letter.event.id);
            found.extend(page.into_iter().map(|letter| (service, letter)));
            if !full {
                break;
            }
        }
    }
    Ok(found)
}
