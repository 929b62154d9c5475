//! The data folder: databases, generated secrets, and the locks that keep two processes from one database.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base::Ids;
use toml::Table;

use crate::config::{Config, Origin};

/// The file of generated secrets, and the one that is locked while it is made.
const SECRETS: &str = "secrets.toml";
const SECRETS_LOCK: &str = "secrets.lock";
/// What is generated when nobody sets it.
const GENERATED: [&str; 3] = ["signing_key", "webhook_secret", "encryption_key"];

/// Keeps a service's database for this process, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Makes the folder, which only its owner may enter; one that is there keeps its rights. Errors: it cannot be made or
/// written.
pub fn prepare(folder: &Path) -> Result<()> {
    let unusable = || {
        format!(
            "the data folder {} cannot be used; choose another with --data",
            folder.display()
        )
    };
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).with_context(unusable)?;
    }
    let mut private = fs::DirBuilder::new();
    // Recursive: it is no fault when it is there.
    private.recursive(true).mode(0o700);
    private.create(folder).with_context(unusable)?;
    // Processes that start at once on one folder do not take each other's probe away.
    let probe = folder.join(format!(".writable-{}", std::process::id()));
    File::create(&probe).with_context(unusable)?;
    fs::remove_file(&probe).with_context(unusable)
}

/// Whether a database of any service lies in the folder.
pub fn has_databases(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|files| {
        files
            .flatten()
            .any(|file| file.path().extension().is_some_and(|kind| kind == "db"))
    })
}

/// Whether another process runs one of `services` on this folder.
pub fn in_use(folder: &Path, services: &[&str]) -> bool {
    services.iter().any(|service| {
        let file = OpenOptions::new().write(true).open(path_of(folder, service));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    })
}

/// Takes the locks of `services`. Errors: another process has one.
pub fn lock(folder: &Path, services: &[&str]) -> Result<Vec<Lock>> {
    let take = |service: &&str| {
        let path = path_of(folder, service);
        let file = own(&path);
        let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another ironmonger runs {service} on the data folder {}; end it first, or give this one another folder with --data",
                folder.display()
            ),
            Err(TryLockError::Error(fault)) => {
                Err(fault).with_context(|| format!("{} cannot be locked", path.display()))
            }
        }
    };
    services.iter().map(take).collect()
}

/// Opens a file to write, which only the owner may read; made when it is not there.
pub(crate) fn own(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).open(path)
}

fn path_of(folder: &Path, service: &str) -> PathBuf {
    folder.join(format!("{service}.lock"))
}

/// Fills in secrets that nobody set: those of the folder, made now when there are none.
/// Errors: production, which wants every secret set by its operator.
pub fn fill_secrets(config: &mut Config) -> Result<()> {
    let signs_shared = !config.text("secrets.jwt_secret").is_empty();
    let missing = |config: &Config, name: &str| {
        config.text(&format!("secrets.{name}")).is_empty() && !(name == "signing_key" && signs_shared)
    };
    let wanting: Vec<&str> = GENERATED.into_iter().filter(|name| missing(config, name)).collect();
    if config.flag("production") {
        // A shop can do without encrypted bodies.
        let needed: Vec<&str> = wanting.into_iter().filter(|name| *name != "encryption_key").collect();
        return refuse_weak(config, &needed);
    }
    if wanting.is_empty() {
        return Ok(());
    }
    let kept = kept_secrets(&config.data())?;
    for name in wanting {
        let text = kept
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned();
        config.set(&format!("secrets.{name}"), text, Origin::Generated);
    }
    Ok(())
}

/// Fills in secrets that nobody set for this process alone, which speaks to no other, and keeps them nowhere.
pub fn pass_secrets(config: &mut Config) {
    for name in GENERATED.map(|name| format!("secrets.{name}")) {
        if config.text(&name).is_empty() {
            config.set(&name, fresh_secret(), Origin::Generated);
        }
    }
}

fn fresh_secret() -> String {
    let mut bytes = [0u8; 32];
    Ids::random().fill(&mut bytes);
    base::hex(&bytes)
}

fn refuse_weak(config: &Config, wanting: &[&str]) -> Result<()> {
    let mut reasons: Vec<String> = wanting
        .iter()
        .map(|name| {
            format!(
                "`secrets.{name}` must be set (IRONMONGER_SECRETS_{})",
                name.to_uppercase()
            )
        })
        .collect();
    for name in ["jwt_secret", "signing_key", "webhook_secret", "encryption_key"] {
        let text = config.text(&format!("secrets.{name}"));
        let distinct = text.bytes().collect::<std::collections::HashSet<_>>().len();
        if !text.is_empty() && distinct < 8 {
            reasons.push(format!(
                "`secrets.{name}` is too weak: make one with `openssl rand -hex 32`"
            ));
        }
    }
    if config.text("payments.provider") == "simulated" {
        reasons.push("`payments.provider` is \"simulated\", which takes no money".into());
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        bail!("not fit for production:\n  - {}", reasons.join("\n  - "))
    }
}

/// The secrets of the folder. The first process to come makes them, and those that a newer version needs as well; another
/// one that starts along waits for it.
fn kept_secrets(folder: &Path) -> Result<Table> {
    prepare(folder)?;
    let path = folder.join(SECRETS);
    let place = || format!("{} cannot be used", path.display());
    // A file beside it is locked, since the secrets themselves are put in place as a whole.
    let lock = own(&folder.join(SECRETS_LOCK)).with_context(place)?;
    lock.lock().with_context(place)?;
    let before = match fs::read_to_string(&path) {
        Err(fault) if fault.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(place)?,
    };
    let known: Table = before.parse().with_context(place)?;
    let missing: Vec<&str> = GENERATED
        .into_iter()
        .filter(|name| !known.contains_key(*name))
        .collect();
    if missing.is_empty() {
        return Ok(known);
    }
    let first = "# Made at the first start, for development. In production set your own: see `ironmonger config`.\n";
    let mut text = if before.trim().is_empty() {
        first.to_owned()
    } else {
        before
    };
    for name in missing {
        text.push_str(&format!("{name} = \"{}\"\n", fresh_secret()));
    }
    let new = folder.join(format!("{SECRETS}.new"));
    let mut file = own(&new).with_context(place)?;
    file.set_len(0)
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, &path))
        .with_context(place)?;
    text.parse().with_context(place)
}
