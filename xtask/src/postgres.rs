//! One throw-away PostgreSQL for a run of tests: its own folder, its own port on loopback, durable as in earnest.
//!
//! A small shell beside it waits on a pipe that only we hold. Whatever ends us, Ctrl-C and SIGKILL included, closes the
//! pipe, and the shell stops the server by its process id and removes the folder.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::packages;

/// The oldest major version that the project supports.
const MAJOR_MIN: u32 = 15;
/// Enough for every test that runs at once, each with several pools.
const CONNECTIONS_MAX: u32 = 300;
/// How often readiness is asked, and how long we wait in between: 30 seconds in all, for a loaded machine.
const TRIES_MAX: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);
/// Another process may take a free port between our asking and the server's start.
const PORTS_MAX: u32 = 5;

const GUARD: &str = r#"
trap '' HUP INT TERM
read -r _
kill -INT "$1" 2>/dev/null
i=0
while kill -0 "$1" 2>/dev/null && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
kill -KILL "$1" 2>/dev/null
rm -rf "$2"
"#;

/// A running server; stopped, and its folder removed, when dropped.
pub struct Postgres {
    server: Child,
    guard: Option<Child>,
    /// The folder that dies with it; others may put files into it.
    pub folder: PathBuf,
    /// Superuser's URL of the database `postgres`.
    pub url: String,
    /// What the server calls itself, such as `postgres (PostgreSQL) 15.18`.
    pub version: String,
}

impl Postgres {
    /// Makes a cluster in a fresh folder of the temporary directory and starts it.
    pub fn start(binaries: &Path) -> Result<Postgres> {
        let folder = std::env::temp_dir().join(format!("ironmonger-test-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let started = Self::start_in(binaries, &folder);
        if started.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        started
    }

    fn start_in(binaries: &Path, folder: &Path) -> Result<Postgres> {
        let user = Owner::find()?;
        if let Some(Owner { uid, gid }) = user {
            chown(folder, Some(uid), Some(gid))?;
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;

        let version = output(Command::new(binaries.join("postgres")).arg("--version"))?;
        let data = folder.join("data");
        let initdb = |locale: &[&str]| {
            let mut initdb = command(binaries, "initdb", user, folder);
            initdb
                .arg("-D")
                .arg(&data)
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "-N", "--locale=C"]);
            output(initdb.args(locale))
        };
        // Shops mostly run on a database that sorts by a language, so the tests do too: a query that forgot to ask for
        // code point order turns red. A server built without ICU has to do with plain order.
        initdb(&["--locale-provider=icu", "--icu-locale=en-US"]).or_else(|_| initdb(&[]))?;

        for _ in 0..PORTS_MAX {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let log = fs::File::create(folder.join("server.log"))?;
            let mut server = command(binaries, "postgres", user, folder)
                .arg("-D")
                .arg(&data)
                .args(["-h", "127.0.0.1", "-p", &port.to_string()])
                .arg("-k")
                .arg(folder)
                .args([
                    "-c",
                    "fsync=on",
                    "-c",
                    "synchronous_commit=on",
                    "-c",
                    "full_page_writes=on",
                ])
                .args([
                    "-c",
                    &format!("max_connections={CONNECTIONS_MAX}"),
                    "-c",
                    "shared_buffers=64MB",
                ])
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .process_group(0) // Ctrl-C is for the tests; the guard stops the server after them.
                .spawn()?;
            let guard = Command::new("sh")
                .args(["-c", GUARD, "guard", &server.id().to_string()])
                .arg(folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn();
            let guard = match guard {
                Ok(guard) => guard,
                Err(error) => {
                    server.kill()?;
                    return Err(error).context("sh cannot start");
                }
            };
            let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
            let mut this = Postgres {
                server,
                guard: Some(guard),
                folder: folder.to_path_buf(),
                url,
                version: version.clone(),
            };
            if this.ready(binaries, port)? {
                return Ok(this);
            }
            let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            if !log.contains("could not bind") && !log.contains("in use") {
                bail!("PostgreSQL does not start:\n{log}");
            }
            // The port is gone. The guard must not remove the folder, which the next try uses.
            if let Some(mut guard) = this.guard.take() {
                guard.kill()?;
                guard.wait()?;
            }
        }
        bail!("PostgreSQL found no free port in {PORTS_MAX} tries")
    }

    /// True once it takes connections, false when it has ended instead.
    fn ready(&mut self, binaries: &Path, port: u16) -> Result<bool> {
        for _ in 0..TRIES_MAX {
            if self.server.try_wait()?.is_some() {
                return Ok(false);
            }
            let asked = Command::new(binaries.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()?;
            if asked.success() {
                return Ok(true);
            }
            std::thread::sleep(PAUSE);
        }
        bail!("PostgreSQL takes no connections after {TRIES_MAX} tries")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take()); // Tells the guard to stop the server.
            let _ = self.server.wait();
            let _ = guard.wait();
        } else {
            let _ = self.server.kill();
            let _ = self.server.wait();
        }
    }
}

/// The folder with `initdb` and `postgres` of the newest PostgreSQL here that is new enough.
pub fn binaries() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    let search = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = std::env::split_paths(&search).collect();
    debian
        .chain(path)
        .filter(|folder| {
            ["initdb", "postgres", "pg_isready"]
                .iter()
                .all(|name| folder.join(name).is_file())
        })
        .filter_map(|folder| {
            let version = output(Command::new(folder.join("postgres")).arg("--version")).ok()?;
            Some((major(&version)?, folder))
        })
        .filter(|(major, _)| *major >= MAJOR_MIN)
        .max()
        .map(|(_, folder)| folder)
}

/// Makes sure that there is a PostgreSQL: installs it when we are root on a Debian, else says what to do.
pub fn provide() -> Result<PathBuf> {
    if let Some(found) = binaries() {
        return Ok(found);
    }
    if !packages::can_install() {
        bail!(
            "PostgreSQL {MAJOR_MIN} or newer is missing. Install its server (Debian, Ubuntu: `sudo apt-get install \
             postgresql`), or put its `bin` folder on the PATH, and run this again."
        );
    }
    packages::install(&["postgresql"])?;
    binaries().with_context(|| format!("apt-get installed no PostgreSQL of version {MAJOR_MIN} or newer"))
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// PostgreSQL refuses to run as root, so root runs it as the user `postgres`.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// `None` when we are not root and may run it as ourselves.
    fn find() -> Result<Option<Owner>> {
        if output(Command::new("id").arg("-u"))?.trim() != "0" {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").context("/etc/passwd cannot be read")?;
        let owner = users.lines().find_map(|line| {
            let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
            Some(Owner {
                uid: fields.next()?.parse().ok()?,
                gid: fields.next()?.parse().ok()?,
            })
        });
        Ok(Some(owner.context(
            "root needs a user `postgres` to run PostgreSQL as; the Debian package makes one",
        )?))
    }
}

fn command(binaries: &Path, name: &str, user: Option<Owner>, folder: &Path) -> Command {
    let mut command = Command::new(binaries.join(name));
    command
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env_remove("PGDATA")
        .env_remove("PGPORT")
        .env_remove("PGOPTIONS");
    if let Some(Owner { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// What the command printed; an error with its own words when it fails.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let run = command.output().with_context(|| format!("{name} cannot start"))?;
    ensure!(
        run.status.success(),
        "{name} failed: {}",
        String::from_utf8_lossy(&run.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn runs_and_leaves_nothing_behind() -> Result<()> {
        let Some(binaries) = binaries() else {
            return Ok(());
        };
        let server = Postgres::start(&binaries)?;
        let (folder, id) = (server.folder.clone(), server.server.id());
        assert!(folder.join("data/PG_VERSION").is_file());
        drop(server);
        assert!(!folder.exists());
        let alive = Command::new("sh")
            .args(["-c", &format!("kill -0 {id}")])
            .stderr(Stdio::null())
            .status()?;
        assert!(!alive.success());
        Ok(())
    }
}
