//! The command line: one file a command, and what they share.

mod admin;
mod doctor;
mod import;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use ::serve::Deps;
use anyhow::{Context as _, Result};
use base::{Clock, Ids};
use clap::{Args, Parser, Subcommand};
use ironmonger::compose::{self, Place};
use ironmonger::config::{self, Config, Origin, SERVICES};
use ironmonger::folder;
use wire::{Cx, Peer};

/// A complete shop in one program.
///
/// Without a command it fills a data folder with a sample catalogue, if there is none yet, and serves it:
/// the whole shop on SQLite, nothing else to install.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Settings come from a file (--config), the environment and options; `ironmonger config` shows them all."
)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// The data folder: databases, generated secrets, lock [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file of settings; `ironmonger config --defaults` prints the reference
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Refuse generated or weak secrets and the simulated payment provider
    #[arg(long, global = true)]
    production: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the shop, or only the services named
    ///
    /// Services: identity, simulated, catalog, cart, payments, orders, events, gateway. Those that do not run
    /// here are called at their `peers.…` addresses.
    Serve {
        /// The services [default: all]
        services: Vec<String>,
        /// Fill an empty catalogue with the sample products first
        #[arg(long)]
        sample: bool,
    },
    /// Import products from a CSV file in Shopify's dialect
    ///
    /// Importing the same file again changes nothing. Broken rows are reported with line and reason, the good
    /// products go in. Beside a running server the import goes through it.
    Import {
        /// The file
        file: PathBuf,
        /// Whether quantities of variants that exist are left alone or set
        #[arg(long, value_enum, default_value = "keep")]
        stock: import::Stock,
    },
    /// Manage administrators
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Bring the databases up to date, and say what was done
    Migrate,
    /// Show every setting in force, and where it comes from
    Config {
        /// Print the commented reference of all settings instead
        #[arg(long)]
        defaults: bool,
    },
    /// Check that the books balance; changes nothing
    ///
    /// Compares stock, orders, payments, the provider's statement and events, and says what is wrong where.
    /// Exit code 1 when something is. Beside a running server it asks that.
    Doctor {
        /// Judge what has rested for this many seconds
        #[arg(long, default_value_t = ironmonger::doctor::REST_SECONDS)]
        rested: u64,
    },
    /// Print the OpenAPI document of the shop
    Openapi,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make an administrator, or give an account the role
    Create {
        /// Their e-mail address
        #[arg(long)]
        email: String,
        /// Their password; read from standard input when absent
        #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
        password: Option<String>,
    },
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(Command::Config { defaults: true }) = arguments.command {
        print!("{}", config::DEFAULT);
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = settings(&arguments.common)?;
    log_to_stderr(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            None => serve::run(&mut config, &[], true, true).await,
            Some(Command::Serve { services, sample }) => serve::run(&mut config, &services, sample, false).await,
            Some(Command::Import { file, stock }) => import::run(&mut config, &file, stock).await,
            Some(Command::Admin {
                command: AdminCommand::Create { email, password },
            }) => admin::create(&mut config, &email, password).await,
            Some(Command::Migrate) => migrate(&mut config).await,
            Some(Command::Config { .. }) => show(&config),
            Some(Command::Doctor { rested }) => doctor::run(&mut config, rested).await,
            Some(Command::Openapi) => openapi(&config).await,
        }
    })
}

fn settings(common: &Common) -> Result<Config> {
    let file = match &common.config {
        Some(path) => Some((
            path.clone(),
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?,
        )),
        None => None,
    };
    let mut config = Config::read(file, std::env::vars())?;
    if let Some(data) = &common.data {
        config.set("data", data.display().to_string(), Origin::CommandLine("--data"));
    }
    if common.production {
        config.set("production", true, Origin::CommandLine("--production"));
    }
    Ok(config)
}

/// Logs go to standard error, so that what a command prints can be piped.
fn log_to_stderr(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(config.text("log.level"));
    let filter =
        filter.with_context(|| format!("`log.level` ({}) is not a level or filter", config.origin("log.level")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.text("log.format") {
        "json" => lines.json().init(),
        _ => lines.with_target(false).compact().init(),
    }
    Ok(())
}

/// What a command works on: the running server's services, or its own, built on the folder's databases.
struct Desk {
    deps: Deps,
    /// Whether a server runs; then everything goes through it.
    running: bool,
    own: Option<(compose::Composed, Vec<folder::Lock>)>,
}

impl Desk {
    /// Finds the running server of the data folder, or opens the databases.
    async fn open(config: &mut Config) -> Result<Desk> {
        folder::prepare(&config.data())?;
        folder::fill_secrets(config)?;
        let services: Vec<&'static str> = SERVICES.into_iter().filter(|service| *service != "gateway").collect();
        if folder::in_use(&config.data(), &services) {
            let remote = |service: &&'static str| {
                let configured = config.text(&format!("peers.{service}")).to_owned();
                let url = if configured.is_empty() {
                    format!("http://{}", config.address(service))
                } else {
                    configured
                };
                Peer::remote(service, &url).map_err(anyhow::Error::msg)
            };
            let peers = services.iter().map(remote).collect::<Result<Vec<_>>>()?;
            let deps = compose::deps(config, Clock::system(), Ids::random(), serve_peers(peers));
            return Ok(Desk {
                deps,
                running: true,
                own: None,
            });
        }
        let locks = folder::lock(&config.data(), &services)?;
        let composed = compose::compose(config, &services, &Place::of(config), Clock::system(), Ids::random()).await?;
        Ok(Desk {
            deps: composed.deps.clone(),
            running: false,
            own: Some((composed, locks)),
        })
    }

    /// A service, spoken to as the command line.
    fn peer(&self, service: &'static str) -> Peer {
        self.deps.of("cli").peers.peer(service)
    }

    fn cx(&self) -> Cx {
        import::cx(&self.deps)
    }

    async fn close(self) {
        if let Some((composed, _locks)) = self.own {
            for db in composed.parts.into_iter().filter_map(|part| part.db) {
                db.close().await;
            }
        }
    }
}

fn serve_peers(peers: Vec<Peer>) -> ::serve::Peers {
    ::serve::Peers::new(peers)
}

async fn migrate(config: &mut Config) -> Result<ExitCode> {
    folder::prepare(&config.data())?;
    let place = Place::of(config);
    for service in SERVICES {
        let Some(migrations) = compose::migrations(service) else {
            continue;
        };
        let _lock = folder::lock(&config.data(), &[service])?;
        let db = compose::open(service, &place, Clock::system(), Ids::random()).await?;
        db.close().await;
        println!("{service}: {} migrations, up to date", migrations.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn show(config: &Config) -> Result<ExitCode> {
    let rows: Vec<_> = config.shown().collect();
    let wide = |column: fn(&(&str, String, &Origin)) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let (names, values) = (wide(|row| row.0.len()), wide(|row| row.1.len()));
    for (name, value, origin) in &rows {
        println!("{name:names$} = {value:values$}  # {origin}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn openapi(config: &Config) -> Result<ExitCode> {
    let declared = compose::declared().await?;
    let info = ::serve::openapi::Info {
        title: config.text("shop.name"),
        version: env!("CARGO_PKG_VERSION"),
        server: "/",
    };
    println!(
        "{}",
        serde_json::to_string_pretty(&::serve::openapi::document(&declared, &info))?
    );
    Ok(ExitCode::SUCCESS)
}
