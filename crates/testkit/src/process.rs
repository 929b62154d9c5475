//! The real binary as a child process: for what only a process can show, such as being killed.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ports::Ports;
use crate::until::until;

/// Every part that listens on a port, in the order in which a fleet starts them.
pub const PARTS: &[&str] = &[
    "identity",
    "simulated",
    "catalog",
    "cart",
    "payments",
    "orders",
    "events",
    "gateway",
];

/// What of a failed process's output a failing test shows.
const TAIL_LINES: usize = 60;

/// How to start a process.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The data folder; it is made by the process when absent.
    pub data: PathBuf,
    /// The services to run, as on the command line; none means all.
    pub services: Vec<String>,
    /// Further variables of its environment, such as `IRONMONGER_DATABASE_URL`; they win over those given by default.
    pub env: Vec<(String, String)>,
    /// Further arguments behind `serve [service…]`.
    pub args: Vec<String>,
}

/// A running `ironmonger serve`; killed when dropped. When the test is failing by then, its output is printed.
#[derive(Debug)]
pub struct Process {
    options: Options,
    ports: Arc<Ports>,
    child: Child,
    readers: Vec<JoinHandle<()>>,
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it on free ports of its own; ready only after [`Process::wait_ready`].
    ///
    /// # Panics
    /// When the binary cannot be built or started.
    pub fn start(options: Options) -> Process {
        Self::start_on(Arc::new(Ports::take()), options)
    }

    /// Starts it on these ports: the port of a part has the part's index in [`PARTS`].
    pub(crate) fn start_on(ports: Arc<Ports>, options: Options) -> Process {
        let output = Arc::new(Mutex::new(String::new()));
        let (child, readers) = spawn(&options, &ports, &output);
        Process {
            options,
            ports,
            child,
            readers,
            output,
        }
    }

    /// The gateway's address, such as `http://127.0.0.1:20000`.
    pub fn base_url(&self) -> String {
        self.part_url("gateway")
    }

    /// The address of one part's own port.
    ///
    /// # Panics
    /// For what is no part.
    pub fn part_url(&self, part: &str) -> String {
        url(&self.ports, part)
    }

    /// The id of the process, for tools that look at it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until every part of it answers `/ready` with 200.
    ///
    /// # Panics
    /// When it ends instead, or is not ready within about a minute; with its output.
    pub async fn wait_ready(&mut self) {
        for part in self.parts() {
            let port = port(&self.ports, part);
            let (child, output) = (&mut self.child, &self.output);
            until(format!("{part} is ready"), || {
                let ended = child.try_wait().ok().flatten();
                assert!(
                    ended.is_none(),
                    "{part} ended with {ended:?} instead of being ready:\n{}",
                    text(output)
                );
                async move {
                    match status(port, "/ready").await {
                        Ok(200) => Ok(()),
                        Ok(other) => Err(format!("/ready answers {other}")),
                        Err(error) => Err(error.to_string()),
                    }
                }
            })
            .await;
        }
    }

    /// The parts that run in this process.
    fn parts(&self) -> Vec<&'static str> {
        let asked = &self.options.services;
        PARTS
            .iter()
            .copied()
            .filter(|part| asked.is_empty() || asked.iter().any(|name| name == part))
            .collect()
    }

    /// SIGKILL, and waits until it is gone: a crash. Harmless when it has ended already.
    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.drain();
    }

    /// SIGTERM, and waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not end within about a minute.
    pub async fn terminate(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        // The shell's own `kill` is everywhere, and needs no unsafe call.
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &id])
            .stderr(Stdio::null())
            .status();
        sent.expect("sh runs");
        self.wait_exit().await
    }

    /// Waits until it has ended by itself, as one does that refuses its settings.
    ///
    /// # Panics
    /// When it does not end within about a minute.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let status = until("the process has ended", || {
            let ended = child.try_wait().transpose();
            async move { ended }
        })
        .await
        .expect("the process can be waited for");
        self.drain();
        status
    }

    /// Starts it again with the same options on the same ports, after it has been killed or has ended, and waits until
    /// it is ready. Its output goes on where it was.
    ///
    /// # Panics
    /// As [`Process::wait_ready`] does.
    pub async fn restart(&mut self) {
        self.start_again();
        self.wait_ready().await;
    }

    /// As [`Process::restart`], without waiting.
    pub fn start_again(&mut self) {
        self.kill9();
        (self.child, self.readers) = spawn(&self.options, &self.ports, &self.output);
    }

    /// Runs another command of the binary (`doctor`, `import` …) to its end, on the same folder, ports and database.
    ///
    /// # Panics
    /// When the binary cannot be started.
    pub fn run(&self, args: &[&str]) -> std::process::Output {
        let mut command = of(&self.options, &self.ports);
        command.args(args).stdin(Stdio::null());
        command.output().expect("the binary starts")
    }

    /// What it has printed so far, both streams as they came, over all its lives.
    pub fn output(&self) -> String {
        text(&self.output)
    }

    /// After the end: takes in the last lines.
    fn drain(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let output = self.output();
            let skip = output.lines().count().saturating_sub(TAIL_LINES);
            let tail: Vec<&str> = output.lines().skip(skip).collect();
            let services = self.options.services.join(" ");
            eprintln!(
                "--- the end of the output of `ironmonger serve {services}`:\n{}\n---",
                tail.join("\n")
            );
        }
    }
}

fn text(output: &Mutex<String>) -> String {
    output.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

fn port(ports: &Ports, part: &str) -> u16 {
    let index = PARTS.iter().position(|known| *known == part);
    ports.get(index.unwrap_or_else(|| panic!("`{part}` is no part; there are {PARTS:?}")))
}

/// The address of this part on these ports.
pub(crate) fn url(ports: &Ports, part: &str) -> String {
    format!("http://127.0.0.1:{}", port(ports, part))
}

/// Runs `ironmonger` with these arguments to its end, away from the settings of this process, and gives what it
/// printed: for the subcommands (`doctor`, `import`, `config` …).
///
/// # Panics
/// When the binary cannot be built or started.
pub fn run(args: &[&str], env: &[(&str, &str)]) -> std::process::Output {
    let mut command = clean(binary());
    command.args(args).envs(env.iter().copied()).stdin(Stdio::null());
    command.output().expect("the binary starts")
}

fn spawn(options: &Options, ports: &Ports, output: &Arc<Mutex<String>>) -> (Child, Vec<JoinHandle<()>>) {
    let mut child = of(options, ports)
        .arg("serve")
        .args(&options.services)
        .args(&options.args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    let readers = pipes
        .into_iter()
        .flatten()
        .map(|pipe| collect(pipe, output.clone()))
        .collect();
    (child, readers)
}

/// The binary with the settings of this process, without arguments.
fn of(options: &Options, ports: &Ports) -> Command {
    let mut command = clean(binary());
    command.env("IRONMONGER_DATA", &options.data);
    for part in PARTS {
        command.env(
            format!("IRONMONGER_PORTS_{}", part.to_uppercase()),
            port(ports, part).to_string(),
        );
    }
    command.envs(options.env.iter().map(|(name, value)| (name, value)));
    command
}

/// Keeps reading, so that the process never waits for us to take its output.
fn collect(pipe: Box<dyn Read + Send>, output: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut output = output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    })
}

/// A command without the variables of the test run: the binary takes settings from names like theirs, and refuses the
/// ones that it does not know.
fn clean(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        let setting = name.to_str().is_some_and(|name| {
            name.starts_with("IRONMONGER_")
                || ["ADMIN_EMAIL", "ADMIN_PASSWORD", "JWT_SECRET", "ENCRYPTION_KEY"].contains(&name)
        });
        if setting {
            command.env_remove(name);
        }
    }
    command
}

/// The binary: `IRONMONGER_BIN`, else built now, beside the test or bench that runs and with its profile.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("IRONMONGER_BIN") {
            return given.into();
        }
        // target/debug/deps/it-0123456789abcdef, or target/release/bench.
        let test = std::env::current_exe().expect("a test has a path");
        let mut folders = test.ancestors().skip(1).filter(|folder| !folder.ends_with("deps"));
        let profile = folders.next().expect("a test lies in the target folder");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args(["build", "--quiet", "--package", "ironmonger"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().expect("cargo starts").success(),
            "the binary cannot be built"
        );
        profile.join("ironmonger")
    })
}

/// The status that this path answers on loopback. A client of its own, so that these tests judge `wire` from outside.
async fn status(port: u16, path: &str) -> std::io::Result<u16> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 12]; // `HTTP/1.1 200`
    stream.read_exact(&mut head).await?;
    let code = std::str::from_utf8(&head[9..]).ok().and_then(|code| code.parse().ok());
    code.ok_or_else(|| std::io::Error::other("the answer is no HTTP"))
}
