//! Throw-away databases on PostgreSQL.
//!
//! `cargo xtask test` starts one server for all tests and tells its address in `IRONMONGER_TEST_POSTGRES`. A test
//! that is run by hand starts a server of its own, shared by all tests of its process: a watcher that reads from
//! a pipe stops it and deletes its folder when the process is gone, however it went.
//!
//! The tests of `store` include this file as it is, since `testkit` stands on `store`: nothing here uses either.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::OnceCell;

/// Where a server is that tests may use: `postgres://user@host:port/postgres`, allowed to create databases.
const SERVER: &str = "IRONMONGER_TEST_POSTGRES";
/// Where Debian puts PostgreSQL: one folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Tries to connect before a server counts as dead, a tenth of a second apart.
const TRIES: u32 = 300;

static SHARED: OnceCell<Place> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

enum Place {
    Given(String),
    Own(Server),
}

/// The URL of a fresh, empty database, on the server that all tests of this process share.
///
/// # Errors
/// When there is neither a server nor PostgreSQL's programs.
pub async fn database() -> Result<String> {
    made("").await
}

/// The URL of a fresh copy of another database of the same server (by its URL), to which nobody is connected.
///
/// # Errors
/// As [`database`]; when somebody is connected to the template.
pub async fn copy_of(template: &str) -> Result<String> {
    let name = template.rsplit('/').next().context("a URL with a database")?;
    made(&format!(" TEMPLATE {name}")).await
}

async fn made(how: &str) -> Result<String> {
    let place = SHARED
        .get_or_try_init(|| async {
            match std::env::var(SERVER) {
                Ok(url) if !url.is_empty() => Ok(Place::Given(url)),
                _ => Server::start(Durable::No).await.map(Place::Own),
            }
        })
        .await?;
    let server = match place {
        Place::Given(url) => url.clone(),
        Place::Own(server) => server.url("postgres"),
    };
    let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    run(&server, &format!("DROP DATABASE IF EXISTS {name}")).await?;
    run(&server, &format!("CREATE DATABASE {name}{how}")).await?;
    let (base, _) = server.rsplit_once('/').context("a URL with a database")?;
    Ok(format!("{base}/{name}"))
}

/// Runs a text of SQL on a database.
///
/// # Errors
/// What the server refuses.
pub async fn run(url: &str, sql: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let driver = tokio::task::spawn(connection);
    let done = client.batch_execute(sql).await;
    drop(client);
    let _ = driver.await;
    done.with_context(|| format!("{sql} on {url}"))
}

/// Whether a server flushes to disk: only benches and crash tests need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// As a shop runs it.
    Yes,
    /// Without flushes, for speed.
    No,
}

/// A server of our own on a free port of the loopback, in a folder of its own.
#[derive(Debug)]
pub struct Server {
    port: u16,
    /// Stops the server when its standard input ends.
    watcher: Child,
}

impl Server {
    /// Makes and starts a server, and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL's programs are missing or refuse.
    pub async fn start(durable: Durable) -> Result<Self> {
        let programs = programs()?;
        let user = user()?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ironmonger-pg-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid))?;
        }
        let data = folder.join("data");
        let made = command(&programs.join("initdb"), &folder, user)
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-N",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .output()
            .context("initdb")?;
        if !made.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&made.stderr));
        }
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let flush = if durable == Durable::Yes { "on" } else { "off" };
        // Reading ends when this process does; then the server is told to stop at once and its folder goes.
        let watch = r#""$0" -D "$1" -c port="$2" -c fsync="$3" -c full_page_writes="$3" -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories="$4" -c max_connections=300 -c shared_buffers=128MB >"$4/log" 2>&1 </dev/null &
            server=$!; cat >/dev/null; kill -INT $server; wait $server; cd /; rm -rf "$4""#;
        let watcher = command(Path::new("/bin/sh"), &folder, user)
            .arg("-c")
            .arg(watch)
            .arg(programs.join("postgres"))
            .arg(&data)
            .args([&port.to_string(), flush])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("the server")?;
        let server = Self { port, watcher };
        for _ in 0..TRIES {
            if run(&server.url("postgres"), "SELECT 1").await.is_ok() {
                return Ok(server);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        Err(anyhow!("PostgreSQL on port {port} does not answer:\n{log}"))
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// The folder with `initdb` and `postgres` of the newest version there is.
fn programs() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join("initdb").exists() && folder.join("postgres").exists())
        .collect();
    found.sort();
    if let Some((_, folder)) = found.pop() {
        return Ok(folder);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .context("PostgreSQL's initdb and postgres are neither under /usr/lib/postgresql nor on the PATH")
}

/// PostgreSQL refuses to run as root; then it is the user `postgres`, by number.
fn user() -> Result<Option<(u32, u32)>> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line
        .context("root needs a user `postgres` to run PostgreSQL as")?
        .split(':')
        .skip(2);
    let mut number = || {
        fields
            .next()
            .and_then(|field| field.parse().ok())
            .context("/etc/passwd")
    };
    Ok(Some((number()?, number()?)))
}

fn command(program: &Path, folder: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", "/usr/bin:/bin");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
