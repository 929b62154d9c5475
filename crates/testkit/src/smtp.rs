//! A real mail server for tests: aiosmtpd, a program of others, so that our SMTP is held against somebody else's.
//!
//! It needs `python3`. The package is taken from there, or installed by pip into the folder of build results.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

const PROGRAM: &str = include_str!("smtp_peer.py");
/// The version that is installed where there is none.
const PACKAGE: &str = "aiosmtpd==1.4.6";
/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the server is spoken to.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    /// In the clear.
    #[default]
    None,
    /// By STARTTLS, which it insists on. A certificate and its key, in PEM.
    Start(String, String),
    /// From the start.
    Wrapped(String, String),
}

/// A running mail server, which ends with this.
pub struct SmtpPeer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    child: Child,
    /// Its end is the server's signal to end, also when the test is killed.
    _stdin: ChildStdin,
    lines: Receiver<String>,
    _files: tempfile::TempDir,
}

impl SmtpPeer {
    /// Starts one. With `login` (user and password) it wants authentication.
    ///
    /// # Errors
    /// When there is no Python, or no package to be had.
    pub fn start(tls: &Tls, login: Option<(&str, &str)>) -> Result<Self> {
        Self::start_at(0, tls, login)
    }

    /// Starts one at a port: where one was before, say.
    ///
    /// # Errors
    /// As [`SmtpPeer::start`], and when somebody else has the port.
    pub fn start_at(port: u16, tls: &Tls, login: Option<(&str, &str)>) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let program = files.path().join("smtp_peer.py");
        std::fs::write(&program, PROGRAM)?;
        let mut command = python()?;
        command.arg(&program);
        let (word, pair) = match tls {
            Tls::None => ("none", None),
            Tls::Start(certificate, key) => ("starttls", Some((certificate, key))),
            Tls::Wrapped(certificate, key) => ("wrapped", Some((certificate, key))),
        };
        command.args(["--tls", word, "--port", &port.to_string()]);
        if let Some((certificate, key)) = pair {
            let (cert_file, key_file) = (files.path().join("cert.pem"), files.path().join("key.pem"));
            std::fs::write(&cert_file, certificate)?;
            std::fs::write(&key_file, key)?;
            command.arg("--cert").arg(cert_file).arg("--key").arg(key_file);
        }
        if let Some((user, password)) = login {
            command.args(["--user", user, "--password", password]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python3")?;
        let stdin = child.stdin.take().context("a pipe")?;
        let lines = read_lines(child.stdout.take().context("a pipe")?);
        let port = lines
            .recv_timeout(PATIENCE)
            .context("the mail server did not start")?
            .parse()?;
        Ok(Self {
            port,
            child,
            _stdin: stdin,
            lines,
            _files: files,
        })
    }

    /// The next mail that it took: `{from, to, data, tls, user}`. Waits for it.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&self) -> Value {
        crate::until("a mail arrives", || async { self.waiting() }).await
    }

    /// A mail that it took and nobody has asked for; none when there is none now.
    pub fn waiting(&self) -> Option<Value> {
        self.lines
            .try_recv()
            .ok()
            .and_then(|line| serde_json::from_str(&line).ok())
    }
}

impl Drop for SmtpPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A Python that has the package.
fn python() -> Result<Command> {
    let has = |command: &mut Command| {
        let asked = command
            .args(["-c", "import aiosmtpd.smtp"])
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    };
    if has(&mut Command::new("python3")) {
        return Ok(Command::new("python3"));
    }
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/python-aiosmtpd"));
    let with = || {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", &folder);
        command
    };
    if !has(&mut with()) {
        // Into a folder of this process's own first: tests of other processes may be doing the same.
        let own = folder.with_extension(std::process::id().to_string());
        let installed = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--target"])
            .arg(&own)
            .arg(PACKAGE)
            .status()
            .context("python3 is needed for the mail server of tests")?;
        if !installed.success() {
            bail!("pip could not install {PACKAGE} for the mail server of tests");
        }
        if std::fs::rename(&own, &folder).is_err() {
            let _ = std::fs::remove_dir_all(&own);
        }
    }
    Ok(with())
}
