//! The keys that sign tokens: the one of the settings, and those that `ironmonger keys rotate` made since.
//!
//! Rotated keys lie in `keys.toml` in the data folder, each with the moment from which it signs. Every process that
//! serves from the folder reads the file anew every two seconds, so that a rotation needs no restart: the new key is
//! known everywhere before it signs, and the former one is believed until the last token that it signed has expired.
//! A fleet without a common folder gets its keys by configuration, further ones in `secrets.former_signing_keys`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base::{Clock, Ids, Time};
use serde::{Deserialize, Serialize};
use serve::{Deps, Keys, Secret, Signer, Task};

use crate::config::{Config, Origin};
use crate::folder;

/// Who made our tokens.
const ISSUER: &str = "ironmonger";
/// The file of rotated keys.
const KEYS: &str = "keys.toml";
/// How often processes read it.
const READ_EVERY: Duration = Duration::from_secs(2);
/// How long a new key waits before it signs: every process has read it by then, with a round to spare.
const LEAD: Duration = Duration::from_secs(5);
/// How long the token of a service lasts, which is believed as well; and clocks that differ a little.
const SERVICE_TOKENS: Duration = Duration::from_secs(300);
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// A key that was rotated in, or the one of the settings once another took its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Its name, the `kid` of its tokens.
    kid: String,
    /// 64 hexadecimal digits; gone when it is believed no more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    seed: String,
    /// From when it signs, in seconds since 1970.
    signs_from: i64,
    /// When it is believed no more, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<i64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keys: Vec<Kept>,
}

/// What `ironmonger keys list` shows of a key.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its name, the `kid` of its tokens.
    pub kid: String,
    /// `EdDSA` or `HS256`.
    pub algorithm: &'static str,
    /// From when it signs; none for one that is only believed.
    pub from: Option<Time>,
    /// When it is believed no more.
    pub until: Option<Time>,
    /// Where it comes from.
    pub origin: String,
}

/// The keys of the settings and of the data folder.
///
/// # Errors
/// `keys.toml` cannot be read.
pub fn keys(config: &Config, clock: Clock, ids: Ids) -> Result<Keys> {
    Ok(Keys::of(&signers(config)?, ISSUER, clock, ids))
}

fn signers(config: &Config) -> Result<Vec<Signer>> {
    Ok(all(config)?.into_iter().map(|(signer, _)| signer).collect())
}

/// Every key with where it comes from, ended ones left out.
fn all(config: &Config) -> Result<Vec<(Signer, String)>> {
    let kept = read(&config.data())?.keys;
    let base = secret(config);
    let kid = base.kid();
    let mut all = Vec::new();
    // A key that was set since the last rotation signs: configuration is stronger than the folder.
    if !kept.iter().any(|key| key.kid == kid) {
        let newest = kept.iter().map(|key| key.signs_from).max();
        let name = if matches!(base, Secret::Shared(_)) {
            "secrets.jwt_secret"
        } else {
            "secrets.signing_key"
        };
        let signer = Signer {
            from: Some(newest.map_or(Time::from_micros(0), |newest| seconds(newest.saturating_add(1)))),
            ..Signer::always(base)
        };
        all.push((signer, format!("{name} ({})", config.origin(name))));
    }
    for key in kept.into_iter().filter(|key| !key.seed.is_empty()) {
        let seed = seed(&key.seed).with_context(|| format!("{KEYS}: the key {} is damaged", key.kid))?;
        let signer = Signer {
            secret: Secret::Ed25519(seed),
            from: Some(seconds(key.signs_from)),
            until: key.ends.map(seconds),
        };
        all.push((signer, KEYS.to_owned()));
    }
    for hex in config.texts("secrets.former_signing_keys") {
        let seed = seed(&hex).context("`secrets.former_signing_keys` must hold texts of 64 hexadecimal digits")?;
        let name = "secrets.former_signing_keys".to_owned();
        all.push((Signer::believed(Secret::Ed25519(seed)), name));
    }
    for text in config.texts("secrets.former_jwt_secrets") {
        let name = "secrets.former_jwt_secrets".to_owned();
        all.push((Signer::believed(Secret::Shared(text.into_bytes())), name));
    }
    Ok(all)
}

/// The keys that are believed at `now`, or will be.
///
/// # Errors
/// `keys.toml` cannot be read.
pub fn known(config: &Config, now: Time) -> Result<Vec<Known>> {
    let all = all(config)?.into_iter();
    let counting = all.filter(|(signer, _)| signer.until.is_none_or(|until| now < until));
    let mut known: Vec<Known> = counting
        .map(|(signer, origin)| Known {
            kid: signer.secret.kid(),
            algorithm: match signer.secret {
                Secret::Ed25519(_) => "EdDSA",
                Secret::Shared(_) => "HS256",
            },
            from: signer.from,
            until: signer.until,
            origin,
        })
        .collect();
    known.sort_by_key(|key| std::cmp::Reverse(key.from));
    Ok(known)
}

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new key's name.
    pub kid: String,
    /// From when it signs.
    pub from: Time,
    /// When the former ones are believed no more.
    pub until: Time,
}

/// Makes a new key that signs from a moment soon; those of before end when the last token that they signed expires, or
/// at once with `drop_former`.
///
/// # Errors
/// Tokens are signed with a shared secret; the file cannot be written.
pub fn rotate(config: &Config, ids: &Ids, now: Time, drop_former: bool) -> Result<Rotated> {
    let base = secret(config);
    let Secret::Ed25519(base_seed) = base else {
        bail!(
            "tokens are signed with the shared secret of `secrets.jwt_secret` ({}): set a new one there, and put the \
             present one into `secrets.former_jwt_secrets` until the tokens that it signed have expired",
            config.origin("secrets.jwt_secret")
        )
    };
    let folder = config.data();
    let _lock = lock(&folder)?;
    let mut file = read(&folder)?;
    let newest = file.keys.iter().map(|key| key.signs_from).max();
    let base = Kept {
        kid: base.kid(),
        seed: base::hex(&base_seed),
        signs_from: newest.map_or(0, |newest| newest.saturating_add(1)),
        ends: None,
    };
    if !file.keys.iter().any(|key| key.kid == base.kid) {
        file.keys.push(base);
    }
    let from = match (drop_former, newest) {
        (true, _) => now,
        // After a rotation of a moment ago: of two that sign from the same second neither would be the newest.
        (false, newest) => now
            .after(LEAD)
            .max(seconds(newest.map_or(0, |newest| newest.saturating_add(1)))),
    };
    let lifetime = Duration::from_secs(config.number("tokens.access_minutes").unsigned_abs() * 60);
    let until = match drop_former {
        true => now,
        false => from.after(lifetime.max(SERVICE_TOKENS)).after(CLOCKS_DIFFER),
    };
    for key in &mut file.keys {
        let ends = key.ends.map_or(until.seconds(), |ends| ends.min(until.seconds()));
        key.ends = Some(ends);
        if ends <= now.seconds() {
            key.seed.clear();
        }
    }
    let mut made = [0u8; 32];
    ids.fill(&mut made);
    let kid = Secret::Ed25519(made).kid();
    file.keys.push(Kept {
        kid: kid.clone(),
        seed: base::hex(&made),
        signs_from: from.seconds(),
        ends: None,
    });
    write(&folder, &file)?;
    Ok(Rotated {
        kid,
        from: seconds(from.seconds()),
        until: seconds(until.seconds()),
    })
}

/// A new key for whoever keeps keys in the settings: 64 hexadecimal digits.
pub fn fresh(ids: &Ids) -> String {
    let mut made = [0u8; 32];
    ids.fill(&mut made);
    base::hex(&made)
}

/// A task that takes rotated keys into use.
pub fn follow(deps: &Deps, config: &Config) -> Task {
    let (keys, config, clock) = (deps.keys.clone(), config.clone(), deps.clock.clone());
    // The first round takes the file as it is: it may have changed since these keys were made of it.
    let last = std::sync::Arc::new(std::sync::Mutex::new(None));
    Task::every("signing keys", READ_EVERY, move |_| {
        let (keys, config, clock, last) = (keys.clone(), config.clone(), clock.clone(), last.clone());
        async move {
            let text = text_of(&config.data())?;
            let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.as_ref() != Some(&text) {
                keys.turn(&signers(&config)?);
                // Whoever looks into an intrusion wants to know when keys were replaced.
                if last.replace(text).is_some() {
                    let newest = known(&config, clock.now())?.into_iter().next();
                    let (kid, from) = newest.map(|key| (key.kid, key.from)).unwrap_or_default();
                    let from = from.map(|from| from.to_string());
                    tracing::warn!(key = kid, from, "the keys that sign tokens were rotated");
                }
            }
            anyhow::Ok(())
        }
    })
}

/// The secret of the settings.
pub fn secret(config: &Config) -> Secret {
    match config.text("secrets.jwt_secret") {
        // A seed that is none was refused when the settings were read.
        "" => Secret::Ed25519(seed(config.text("secrets.signing_key")).unwrap_or_default()),
        shared => Secret::Shared(shared.as_bytes().to_vec()),
    }
}

/// Reads 64 hexadecimal digits; none for any other text.
pub fn seed(hex: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .filter_map(|pair| Some((pair.first()? * 16 + pair.get(1)?) as u8))
        .collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

fn seconds(seconds: i64) -> Time {
    Time::from_micros(seconds.saturating_mul(1_000_000))
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join(KEYS)
}

/// The file's text, empty when there is none.
fn text_of(folder: &Path) -> Result<String> {
    let path = path_of(folder);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(fault) => Err(fault).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn read(folder: &Path) -> Result<File> {
    let text = text_of(folder)?;
    toml::from_str(&text).with_context(|| format!("{} is damaged", path_of(folder).display()))
}

/// Keeps a second rotation waiting until the first one is done.
fn lock(folder: &Path) -> Result<fs::File> {
    let path = folder.join("keys.lock");
    let file = folder::own(&path).with_context(|| format!("{} cannot be opened", path.display()))?;
    file.lock()
        .with_context(|| format!("{} cannot be locked", path.display()))?;
    Ok(file)
}

/// Whole or not at all: readers see the old file or the new one.
fn write(folder: &Path, file: &File) -> Result<()> {
    let path = path_of(folder);
    let place = || format!("{} cannot be written", path.display());
    let text = format!(
        "# Keys that sign tokens, made by `ironmonger keys rotate`. Whoever reads them can sign in as anybody.\n{}",
        toml::to_string(file).with_context(place)?
    );
    let new = folder.join(format!("{KEYS}.new"));
    let mut out = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)
        .with_context(place)?;
    out.write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .and_then(|()| fs::rename(&new, &path))
        .with_context(place)
}

/// Whether the key that signs is a setting, so that the rest of a fleet has to learn of another one there: a rotation in
/// the data folder reaches those only who serve from it.
pub fn is_set(config: &Config) -> bool {
    !matches!(config.origin("secrets.signing_key"), Origin::Generated)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use serve::{Peers, Stop};

    use super::*;
    use crate::compose;

    /// A shop in a folder of its own, whose key was generated there.
    fn shop() -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::read(None, std::iter::empty()).expect("the defaults");
        let data = folder.path().display().to_string();
        config.set("data", data, Origin::CommandLine("--data"));
        config.set("secrets.signing_key", "07".repeat(32), Origin::Generated);
        (folder, config)
    }

    #[test]
    fn of_two_rotations_in_one_second_the_later_one_signs() {
        let (_folder, config) = shop();
        let (ids, now) = (Ids::seeded(1), seconds(1_000));
        let made = [(); 3].map(|()| rotate(&config, &ids, now, false).expect("a rotation"));
        assert!(made.is_sorted_by(|one, next| one.from < next.from));
        let known = known(&config, now).expect("keys");
        assert_eq!(known[0].kid, made[2].kid);
        assert!(known[0].until.is_none() && known[1..].iter().all(|key| key.until.is_some()));
        // What is dropped signs no more, also what was never to sign yet.
        let last = rotate(&config, &ids, now, true).expect("a rotation");
        let known = super::known(&config, now).expect("keys");
        assert_eq!((known.len(), &known[0].kid), (1, &last.kid));
    }

    #[tokio::test]
    async fn a_rotation_while_the_shop_opens_is_not_missed() {
        let (_folder, config) = shop();
        let (clock, ids) = (Clock::paused(seconds(1_000)), Ids::seeded(1));
        let deps = compose::deps(&config, clock.clone(), ids.clone(), Peers::default()).expect("keys");
        // The databases are opened meanwhile, which may take a while.
        let made = rotate(&config, &ids, clock.now(), false).expect("a rotation");
        let first_round = follow(&deps, &config).run(Stop::new()).now_or_never();
        assert!(first_round.is_none(), "it goes on");
        let public = deps.keys.jwks().to_string();
        assert!(public.contains(&made.kid), "{public}");
    }
}
