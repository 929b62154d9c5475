//! `ironmonger keys`: the keys that sign tokens.

use std::process::ExitCode;

use anyhow::{Result, bail};
use base::{Clock, Ids};
use ironmonger::config::Config;
use ironmonger::{folder, signing};

use super::say::say;

/// Makes a new key, which takes over from the one that signs.
pub fn rotate(config: &mut Config, here: bool, drop_former: bool) -> Result<ExitCode> {
    folder::prepare(&config.data())?;
    folder::fill_secrets(config)?;
    let (clock, ids) = (Clock::system(), Ids::random());
    if signing::is_set(config) && config.text("secrets.jwt_secret").is_empty() && !here {
        bail!(
            "the signing key is a setting (`secrets.signing_key`, {origin}), so that other machines may have it, too. If \
             every process of this shop serves from the data folder {folder}, say so with --here. Else rotate in three \
             steps, each on all machines before the next:\n  \
             1. add the new key to `secrets.former_signing_keys`, and restart: {fresh}\n  \
             2. set it as `secrets.signing_key`, put the present one into `secrets.former_signing_keys`, and restart\n  \
             3. after {minutes} minutes take the former one out",
            origin = config.origin("secrets.signing_key"),
            folder = config.data().display(),
            fresh = signing::fresh(&ids),
            minutes = config.number("tokens.access_minutes").max(5) + 1,
        );
    }
    let now = clock.now();
    let done = signing::rotate(config, &ids, now, drop_former)?;
    say(format_args!("new key:      {}", done.kid))?;
    say(format_args!("signs from:   {}", done.from))?;
    match done.until <= now {
        true => say("former keys:  believed no more; who is signed in goes on with the refresh token")
            .and_then(|()| still_believed(config)),
        false => say(format_args!("former keys:  believed until {}", done.until)),
    }?;
    say("Processes that serve from this folder learn of it by themselves.")?;
    Ok(ExitCode::SUCCESS)
}

/// Warns of keys that no rotation drops: settings say that they are believed.
fn still_believed(config: &Config) -> Result<()> {
    let mut names = ["secrets.former_signing_keys", "secrets.former_jwt_secrets"].into_iter();
    names.try_for_each(|name| match config.texts(name).is_empty() {
        true => Ok(()),
        false => say(format_args!(
            "but not those of `{name}` ({}): take them out there, and restart",
            config.origin(name)
        )),
    })
}

/// Shows every key that is believed, the newest first.
pub fn list(config: &mut Config) -> Result<ExitCode> {
    if !config.data().exists() {
        bail!(
            "there is no shop in the data folder {}; choose another with --data",
            config.data().display()
        );
    }
    folder::fill_secrets(config)?;
    let now = Clock::system().now();
    let known = signing::known(config, now)?;
    let signing = known.iter().find(|key| key.from.is_some_and(|from| from <= now));
    let signing = signing.map(|key| key.kid.clone());
    for key in &known {
        let state = match (key.from, key.until) {
            (Some(from), _) if from > now => format!("signs from {from}"),
            _ if Some(&key.kid) == signing.as_ref() => "signs".to_owned(),
            (_, Some(until)) => format!("believed until {until}"),
            (Some(_) | None, None) => "believed".to_owned(),
        };
        say(format_args!(
            "{}  {}  {state}  # {}",
            key.kid, key.algorithm, key.origin
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
