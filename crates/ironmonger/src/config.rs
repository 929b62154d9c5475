//! Settings: the embedded defaults, a file, the environment and the command line, in this order of strength.
//!
//! The default file is the reference: what it does not name is not a setting. All mistakes are told at once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use base::Currency;
use toml::Value;

mod read;

/// The reference: every setting with its default and what it means.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// Services that a process can run, in the order in which they start.
pub const SERVICES: [&str; 8] = [
    "identity",
    "simulated",
    "catalog",
    "cart",
    "payments",
    "orders",
    "events",
    "gateway",
];

/// Environment variables of other tools' custom, and the settings that they mean.
const ALIASES: [(&str, &str); 4] = [
    ("ADMIN_EMAIL", "admin.email"),
    ("ADMIN_PASSWORD", "admin.password"),
    ("ENCRYPTION_KEY", "secrets.encryption_key"),
    ("JWT_SECRET", "secrets.jwt_secret"),
];

/// Settings whose values are never shown.
const MASKED: [&str; 7] = [
    "admin.password",
    "secrets.encryption_key",
    "secrets.former_jwt_secrets",
    "secrets.former_signing_keys",
    "secrets.jwt_secret",
    "secrets.signing_key",
    "secrets.webhook_secret",
];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded file.
    Default,
    /// The file of `--config`.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// An option of the command line.
    CommandLine(&'static str),
    /// Made at the first start and kept in the data folder.
    Generated,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => f.write_str(name),
            Origin::CommandLine(option) => f.write_str(option),
            Origin::Generated => f.write_str("secrets.toml"),
        }
    }
}

/// All settings by their dotted names, each with where it comes from.
#[derive(Clone, Debug)]
pub struct Config {
    values: BTreeMap<String, (Value, Origin)>,
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.0.len() == 1 { "a mistake" } else { "mistakes" };
        write!(f, "{word} in the configuration:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  - {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

impl Config {
    /// A value that the reference declares as a text.
    pub fn text(&self, name: &str) -> &str {
        self.values
            .get(name)
            .and_then(|(value, _)| value.as_str())
            .unwrap_or_default()
    }

    /// A value that the reference declares as a number.
    pub fn number(&self, name: &str) -> i64 {
        self.values
            .get(name)
            .and_then(|(value, _)| value.as_integer())
            .unwrap_or_default()
    }

    /// A value that the reference declares as true or false.
    pub fn flag(&self, name: &str) -> bool {
        self.values
            .get(name)
            .and_then(|(value, _)| value.as_bool())
            .unwrap_or_default()
    }

    /// A value that the reference declares as a list of texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let list = self.values.get(name).and_then(|(value, _)| value.as_array());
        list.into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect()
    }

    /// Where a value comes from.
    pub fn origin(&self, name: &str) -> &Origin {
        self.values.get(name).map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// Sets a value, as the command line or a generated secret does.
    pub fn set(&mut self, name: &str, value: impl Into<Value>, origin: Origin) {
        self.values.insert(name.to_owned(), (value.into(), origin));
    }

    /// The folder of databases, secrets and lock.
    pub fn data(&self) -> PathBuf {
        PathBuf::from(self.text("data"))
    }

    /// The currency of the shop. Checked when the settings were read.
    pub fn currency(&self) -> Currency {
        self.text("shop.currency").parse().unwrap_or(Currency::USD)
    }

    /// Where people see the shop, without a slash at the end: what links in mails begin with.
    pub fn public_url(&self) -> String {
        match self.text("web.public_url") {
            "" => format!("{}://{}", self.scheme(), self.address("gateway")),
            url => url.trim_end_matches('/').to_owned(),
        }
    }

    /// Whether the gateway speaks TLS itself.
    pub fn serves_tls(&self) -> bool {
        !self.text("tls.certificate").is_empty()
    }

    /// What addresses of the gateway begin with.
    pub fn scheme(&self) -> &'static str {
        if self.serves_tls() { "https" } else { "http" }
    }

    /// Where a service listens: the gateway where everybody may come, the others where only they reach each other.
    pub fn address(&self, service: &str) -> SocketAddr {
        let bind = match service {
            "gateway" => "ports.bind",
            _ => "ports.bind_services",
        };
        let ip = self.text(bind).parse().unwrap_or(IpAddr::from([127, 0, 0, 1]));
        SocketAddr::new(
            ip,
            u16::try_from(self.number(&format!("ports.{service}"))).unwrap_or_default(),
        )
    }

    /// Every setting with its value, secrets masked, and its origin.
    pub fn shown(&self) -> impl Iterator<Item = (&str, String, &Origin)> {
        self.values.iter().map(|(name, (value, origin))| {
            let masked = MASKED.contains(&name.as_str()) && !is_empty(value);
            let text = match name.as_str() {
                _ if masked => "\"…\"".to_owned(),
                "database.url" | "mail.smtp" => format!("{:?}", without_password(value.as_str().unwrap_or_default())),
                _ => value.to_string(),
            };
            (name.as_str(), text, origin)
        })
    }
}

/// Whether a text or a list says nothing, so that there is nothing to hide.
fn is_empty(value: &Value) -> bool {
    value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)
}

/// An address without the password in it.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest
        .rsplit_once('@')
        .and_then(|(who, place)| Some((who.split_once(':')?.0, place)))
    {
        Some((user, place)) => format!("{scheme}://{user}:…@{place}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, environment: &[(&str, &str)]) -> Result<Config, Mistakes> {
        let file = (!file.is_empty()).then(|| (PathBuf::from("shop.toml"), file.to_owned()));
        Config::read(
            file,
            environment
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string())),
        )
    }

    #[test]
    fn the_stronger_place_wins_and_is_named() {
        let config = read(
            "[ports]\ngateway = 80\ncatalog = 81",
            &[("IRONMONGER_PORTS_GATEWAY", "82"), ("ADMIN_EMAIL", "a@b.c")],
        )
        .unwrap();
        assert_eq!(
            (
                config.number("ports.gateway"),
                config.number("ports.catalog"),
                config.number("ports.cart")
            ),
            (82, 81, 4006)
        );
        assert_eq!(
            config.origin("ports.gateway"),
            &Origin::Environment("IRONMONGER_PORTS_GATEWAY".into())
        );
        assert_eq!(config.origin("ports.catalog"), &Origin::File("shop.toml".into()));
        assert_eq!(config.text("admin.email"), "a@b.c");
    }

    #[test]
    fn only_the_gateway_listens_where_everybody_comes() {
        let of = |environment: &[(&str, &str)]| {
            let config = read("", environment).unwrap();
            ["gateway", "catalog"].map(|service| config.address(service).to_string())
        };
        let open = ("IRONMONGER_PORTS_BIND", "0.0.0.0");
        assert_eq!(of(&[open]), ["0.0.0.0:3000", "127.0.0.1:4002"]);
        let services = ("IRONMONGER_PORTS_BIND_SERVICES", "10.0.0.7");
        assert_eq!(of(&[open, services]), ["0.0.0.0:3000", "10.0.0.7:4002"]);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let file = "colour = 1\n[ports]\ngatway = 80\ncatalog = \"no\"\n[shop]\ncurrency = \"dollar\"";
        let Mistakes(mistakes) =
            read(file, &[("IRONMONGER_PORTS_CART", "many"), ("IRONMONGER_NONSENSE", "1")]).unwrap_err();
        let all = mistakes.join("\n");
        for part in [
            "`colour`",
            "`ports.gatway` in shop.toml is no setting; did you mean `ports.gateway`?",
            "`ports.catalog` in shop.toml must be a whole number",
            "IRONMONGER_PORTS_CART",
            "IRONMONGER_NONSENSE",
            "shop.currency",
        ] {
            assert!(all.contains(part), "{part} is missing in\n{all}");
        }
        assert_eq!(mistakes.len(), 6);
    }

    #[test]
    fn what_would_fail_at_the_start_is_told_with_the_other_mistakes() {
        let environment = [
            ("IRONMONGER_LOG_LEVEL", "loud"),
            ("IRONMONGER_WEB_ORIGINS", "localhost:5173"),
            ("IRONMONGER_SHOP_CURRENCY", "ABC"),
            ("IRONMONGER_SHOP_NAME", " "),
            ("IRONMONGER_PORTS_CART", "4002"),
            ("IRONMONGER_TLS_CERTIFICATE", "/nowhere.pem"),
            ("IRONMONGER_TLS_KEY", "/nowhere.pem"),
            ("ADMIN_EMAIL", "ada@example.com"),
        ];
        let of = |services: &[&str]| {
            let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let Mistakes(mistakes) = Config::read_for(services, None, environment.into_iter()).unwrap_err();
            mistakes
        };
        let all = of(&SERVICES);
        for part in [
            "`log.level` (IRONMONGER_LOG_LEVEL) must be error",
            "`web.origins`",
            "`shop.currency`",
            "`shop.name`",
            "`ports.cart` (IRONMONGER_PORTS_CART) is 4002, as is `ports.catalog`",
            "`tls.certificate` (IRONMONGER_TLS_CERTIFICATE) and `tls.key` cannot be used: /nowhere.pem",
            "`admin.email`",
        ] {
            assert!(all.iter().any(|mistake| mistake.contains(part)), "{part} in {all:?}");
        }
        assert_eq!(all.len(), 7);
        // A machine of a fleet need not have what the others have.
        assert_eq!(of(&["catalog"]).len(), 4);
    }

    #[test]
    fn levels_of_the_log_are_levels() {
        let takes = |level| read("", &[("IRONMONGER_LOG_LEVEL", level)]).is_ok();
        assert!(
            [
                "error",
                "WARN",
                "info,orders=debug",
                "off",
                "warn,catalog::search=trace"
            ]
            .into_iter()
            .all(takes)
        );
        assert!(
            !["", "loud", "orders", "info,orders=loud", "info,", "="]
                .into_iter()
                .any(takes)
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = read(
            "",
            &[
                ("JWT_SECRET", "0123456789012345678901234567890123"),
                ("IRONMONGER_DATABASE_URL", "postgres://shop:hush@db:5432/shop"),
                ("IRONMONGER_MAIL_SMTP", "smtp://shop:hush@mail.example.com:587"),
                ("IRONMONGER_MAIL_FROM", "shop@example.com"),
            ],
        )
        .unwrap();
        let shown: Vec<String> = config
            .shown()
            .map(|(name, value, _)| format!("{name} = {value}"))
            .collect();
        assert!(shown.contains(&"mail.smtp = \"smtp://shop:…@mail.example.com:587\"".to_owned()));
        assert!(shown.contains(&"database.url = \"postgres://shop:…@db:5432/shop\"".to_owned()));
        assert!(
            shown
                .iter()
                .all(|line| !line.contains("hush") && !line.contains("0123456789"))
        );
    }
}
