//! The command line: one file a command, and what they share.

mod admin;
mod deadletters;
mod doctor;
mod import;
mod keys;
mod reindex;
mod say;
mod serve;
mod users;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::serve::Deps;
use anyhow::{Context as _, Result, bail};
use base::{Clock, Ids};
use clap::{Args, Parser, Subcommand};
use ironmonger::compose::{self, Place};
use ironmonger::config::{self, Config, Origin, SERVICES};
use ironmonger::folder;
use wire::{Cx, Peer};

use say::say;

/// A complete shop in one program: catalogue, carts, orders, payments, accounts.
///
/// Without a command it serves the whole shop from the data folder, on SQLite, with nothing else to install: a new
/// folder gets sample products first. It prints the address and what to try next, and Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = AFTER_HELP
)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The heading under which help lists [`Common`].
const COMMON: &str = "Options of every command";

const AFTER_HELP: &str = "\
First steps:
  ironmonger                                       a shop with sample products at http://127.0.0.1:3000
  ironmonger admin create --email you@example.com  you may manage it, in a second terminal
  ironmonger import products.csv                   products of your own

Settings come from a file (--config), the environment (IRONMONGER_PORTS_GATEWAY=8080 sets `ports.gateway`) and
options, the later the stronger. `ironmonger config --defaults` explains them all, `ironmonger config` shows those
in force.";

const SERVE_EXAMPLES: &str = "\
Examples:
  ironmonger serve                         the whole shop, without sample products
  ironmonger serve --production            the same with real secrets only; it says what is missing
  ironmonger serve catalog                 one service in a process of its own

Processes that make up one shop need the same secrets (one data folder, or the settings in `secrets`) and name each
other in `peers`, for example IRONMONGER_PEERS_CATALOG=http://127.0.0.1:4002. Instead of SQLite files they may share a
PostgreSQL: IRONMONGER_DATABASE_URL=postgres://user:password@host/database.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  ironmonger import products.csv              new products and changes; stock of what is sold already stays
  ironmonger import products.csv --stock=set  after a stocktaking: quantities become what the file says
  ironmonger import products.csv --dry-run    only say what would change
  ironmonger import --undo imp_01jd...        take an import back; the import itself names its id";

const EXPORT_EXAMPLES: &str = "\
Examples:
  ironmonger export products.csv                all products
  ironmonger export --category Tools > out.csv  those of a category";

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// The data folder: databases, generated secrets, locks [default: data]
    #[arg(long, global = true, value_name = "DIR", help_heading = COMMON)]
    data: Option<PathBuf>,
    /// A file of settings; `ironmonger config --defaults` prints one with everything explained
    #[arg(long, global = true, value_name = "FILE", help_heading = COMMON)]
    config: Option<PathBuf>,
    /// For real customers: refuse generated or weak secrets and the simulated payment provider
    #[arg(long, global = true, help_heading = COMMON)]
    production: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the shop, or only the services named
    ///
    /// The services are identity, catalog, cart, orders, payments, events, simulated (a payment provider for
    /// development) and gateway, the public address of them all. Those that do not run here are called at their
    /// `peers.…` addresses.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve {
        /// The services to run in this process [default: all]
        #[arg(value_name = "SERVICE")]
        services: Vec<String>,
        /// Fill an empty catalogue with the sample products first
        #[arg(long)]
        sample: bool,
    },
    /// Import products from a CSV file in Shopify's dialect
    ///
    /// Columns are found by name, and unknown ones are kept. A product is known again by its handle: importing the
    /// same file twice changes nothing. Broken rows are reported with line and reason, and the exit code is 1; the
    /// good products go in all the same. While a server runs on the data folder, the import goes through it. An import
    /// that is interrupted goes on at the next start, or when it is given again; it can be taken back for 30 days.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(import::ImportArguments),
    /// Export products as CSV in Shopify's dialect; importing it again changes nothing
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(import::ExportArguments),
    /// Make somebody an administrator
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// The keys that sign tokens: replace them, or show them
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// The people who have accounts
    Users {
        #[command(subcommand)]
        command: UsersCommand,
    },
    /// Bring the databases up to date
    ///
    /// Serving does it as well; by itself it lets a release be prepared, and needs no server to be running on SQLite.
    Migrate,
    /// Show every setting in force, and where it comes from
    ///
    /// Secrets are masked. The variable of a setting is its name in capitals: `ports.gateway` is
    /// IRONMONGER_PORTS_GATEWAY. Mistakes are told all at once, as at a start; the exit code is 1 then.
    Config {
        /// Print all settings with their defaults, each explained: the beginning of a file for --config
        #[arg(long)]
        defaults: bool,
    },
    /// Check that the books balance; changes nothing
    ///
    /// Compares stock, orders, payments, the provider's statement and events, and says what is wrong where; the exit
    /// code is 1 when something is. While a server runs on the data folder it asks that, else it reads the databases; the
    /// tables of an older release are brought up to date first, as at a start.
    Doctor {
        /// Judge only what nothing has happened to for this many seconds; orders that may still be paid are never judged
        #[arg(long, value_name = "SECONDS", default_value_t = ironmonger::doctor::REST_SECONDS)]
        rested: u64,
    },
    /// Make the search index anew
    ///
    /// It is derived from the products and keeps itself up, so this is for when its folder was lost or is in doubt.
    /// While a server runs on the data folder it does the work, and its searches go on meanwhile.
    Reindex,
    /// Events that a service could not take in: show them, or have them tried once more
    ///
    /// An event that fails again and again is laid aside, so that it blocks no other; the log tells of it. When what
    /// stood in its way is mended, replay it: it counts once, however often that is done.
    Deadletters {
        #[command(subcommand)]
        command: DeadlettersCommand,
    },
    /// Print the OpenAPI document of the shop's HTTP interface, as JSON
    ///
    /// A running shop answers it at /openapi.json, and shows it to people at /docs.
    Openapi,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a new key that signs from now on; nobody is signed out
    ///
    /// Works beside running servers and without: processes that serve from the data folder take the new key into use
    /// within seconds. The former key is believed until the last token that it signed has expired.
    Rotate {
        /// Every process of this shop serves from this data folder, although the key is a setting
        #[arg(long)]
        here: bool,
        /// Believe the former keys no more from now on, since they have leaked; who is signed in goes on with the
        /// refresh token
        #[arg(long)]
        drop_former: bool,
    },
    /// Show which keys are believed, which one signs, and where they come from
    List,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// Take accounts over from another system, from a CSV file
    ///
    /// Columns are found by name: email, username, name, first_name, last_name, phone, role (customer or staff),
    /// password_hash (bcrypt's or Argon2id's; passwords themselves are not taken). People sign in with the password they
    /// have, or set one by mail. Accounts that are there stay as they are, so a file may be imported again. Rows that are
    /// refused are told with line and reason, and the exit code is 1.
    Import {
        /// The CSV file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum DeadlettersCommand {
    /// Show which events could not be taken in, by whom and why
    List {
        /// Only those of this service
        #[arg(long)]
        service: Option<String>,
    },
    /// Try dead letters once more; the exit code is 1 when one is refused again
    Replay {
        /// Only those of this service
        #[arg(long)]
        service: Option<String>,
        /// The ids of the events [default: all]
        #[arg(value_name = "EVENT")]
        ids: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make an account for an administrator, or give the role to an account that is there
    ///
    /// Works beside a running server and without one. Afterwards they sign in as everybody does: POST /api/auth/login.
    Create {
        /// Their e-mail address
        #[arg(long)]
        email: String,
        /// Their password from now on; read from standard input when absent
        #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true)]
        password: Option<String>,
    },
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(Command::Config { defaults: true }) = arguments.command {
        say(config::DEFAULT.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = settings(&arguments.common, arguments.command.as_ref())?;
    log_to_stderr(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            None => {
                let options = options_of(&config, arguments.common.config.as_deref());
                serve::run(&mut config, &[], true, Some(options)).await
            }
            Some(Command::Serve { services, sample }) => serve::run(&mut config, &services, sample, None).await,
            Some(Command::Import(asked)) => import::run(&mut config, asked).await,
            Some(Command::Export(asked)) => import::export(&mut config, asked).await,
            Some(Command::Admin {
                command: AdminCommand::Create { email, password },
            }) => admin::create(&mut config, &email, password).await,
            Some(Command::Keys { command }) => match command {
                KeysCommand::Rotate { here, drop_former } => keys::rotate(&mut config, here, drop_former),
                KeysCommand::List => keys::list(&mut config),
            },
            Some(Command::Users {
                command: UsersCommand::Import { file },
            }) => users::import(&mut config, &file).await,
            Some(Command::Migrate) => migrate(&mut config).await,
            Some(Command::Config { .. }) => show(&config),
            Some(Command::Doctor { rested }) => doctor::run(&mut config, rested).await,
            Some(Command::Reindex) => reindex::run(&mut config).await,
            Some(Command::Deadletters { command }) => match command {
                DeadlettersCommand::List { service } => deadletters::list(&mut config, service).await,
                DeadlettersCommand::Replay { service, ids } => deadletters::replay(&mut config, service, &ids).await,
            },
            Some(Command::Openapi) => openapi(&config).await,
        }
    })
}

fn settings(common: &Common, command: Option<&Command>) -> Result<Config> {
    // Other commands need neither certificates nor ports.
    let services = match command {
        None => compose::named(&[])?,
        Some(Command::Serve { services, .. }) => compose::named(services)?,
        Some(_) => Vec::new(),
    };
    let file = match &common.config {
        Some(path) => Some((
            path.clone(),
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?,
        )),
        None => None,
    };
    let mut config = Config::read_for(&services, file, std::env::vars())?;
    if let Some(data) = &common.data {
        config.set("data", data.display().to_string(), Origin::CommandLine("--data"));
    }
    if common.production {
        config.set("production", true, Origin::CommandLine("--production"));
    }
    Ok(config)
}

/// What a second command needs to speak of the same shop, as a shell takes it.
fn options_of(config: &Config, file: Option<&Path>) -> String {
    let given = [("--data", Some(config.data())), ("--config", file.map(Path::to_owned))];
    let given = given
        .into_iter()
        .filter_map(|(option, path)| Some((option, path?.display().to_string())));
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+".contains(letter);
    given
        .map(|(option, path)| match path.chars().all(is_plain) {
            true => format!(" {option} {path}"),
            false => format!(" {option} '{}'", path.replace('\'', r"'\''")),
        })
        .collect()
}

/// Logs go to standard error, so that what a command prints can be piped.
fn log_to_stderr(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(config.text("log.level"))?;
    // A setting of its own, whatever the level of all else is.
    let access = if config.flag("log.access") {
        "access=info"
    } else {
        "access=off"
    };
    let filter = filter.add_directive(access.parse()?);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.text("log.format") {
        "json" => lines.json().init(),
        _ => {
            let colours = std::io::stderr().is_terminal();
            lines.with_ansi(colours).with_target(false).compact().init();
        }
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
        if matches!(Place::of(config), Place::Folder(_)) && !folder::has_databases(&config.data()) {
            eprintln!(
                "There is no shop in the data folder {} yet; making one.",
                config.data().display()
            );
        }
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
            let deps = compose::deps(config, Clock::system(), Ids::random(), ::serve::Peers::new(peers))?;
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

    /// As [`Desk::open`], for a command that only looks: beside a PostgreSQL no folder is made.
    async fn look(config: &mut Config) -> Result<Desk> {
        if matches!(Place::of(config), Place::Folder(_)) || config.data().exists() {
            return Desk::open(config).await;
        }
        folder::pass_secrets(config);
        let services: Vec<&'static str> = SERVICES.into_iter().filter(|service| *service != "gateway").collect();
        let composed = compose::compose(config, &services, &Place::of(config), Clock::system(), Ids::random()).await?;
        Ok(Desk {
            deps: composed.deps.clone(),
            running: false,
            own: Some((composed, Vec::new())),
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
        say(format_args!("{service}: {} migrations, up to date", migrations.len()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(config: &Config) -> Result<ExitCode> {
    let rows: Vec<_> = config.shown().collect();
    let wide = |column: fn(&(&str, String, &Origin)) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let (names, values) = (wide(|row| row.0.len()), wide(|row| row.1.len()));
    for (name, value, origin) in &rows {
        say(format_args!("{name:names$} = {value:values$}  # {origin}"))?;
    }
    // In a fleet each process runs a part only, so these are shown all the same.
    let unfit = config.unfit_for(&SERVICES);
    if !unfit.is_empty() {
        bail!(
            "a process that runs all services would not start:\n  - {}",
            unfit.join("\n  - ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn openapi(config: &Config) -> Result<ExitCode> {
    let mut declared = compose::declared().await?;
    declared.extend(gateway::declared());
    let info = ::serve::openapi::Info {
        title: config.text("shop.name"),
        version: env!("CARGO_PKG_VERSION"),
        server: "/",
        routed: |path| gateway::table::service_of(path).is_some(),
    };
    say(serde_json::to_string_pretty(&::serve::openapi::document(
        &declared, &info,
    ))?)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_command_is_told_of_the_same_shop() {
        let mut config = Config::read(None, std::iter::empty()).unwrap();
        assert_eq!(options_of(&config, None), " --data data");
        config.set("data", "Ada's shop", Origin::CommandLine("--data"));
        let options = options_of(&config, Some(Path::new("/etc/shop.toml")));
        assert_eq!(options, r" --data 'Ada'\''s shop' --config /etc/shop.toml");
    }
}
