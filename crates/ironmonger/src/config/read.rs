//! Reads settings from their places and checks them, all at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base::Currency;
use toml::{Table, Value};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::{ALIASES, Config, DEFAULT, Mistakes, Origin, SERVICES};

/// Variables that are ours but no settings: the suite's own.
const NOT_SETTINGS: [&str; 6] = [
    "IRONMONGER_BIN",
    "IRONMONGER_LONG",
    "IRONMONGER_SKIPS",
    "IRONMONGER_SHARED_DATA",
    "IRONMONGER_TEST_POSTGRES",
    "IRONMONGER_XTASK",
];
/// The shortest shared secret, as RFC 7518 §3.2 wants it for HS256.
const SECRET_MIN: usize = 32;

impl Config {
    /// Reads the file (its path and text) and the environment over the defaults.
    pub fn read(
        file: Option<(PathBuf, String)>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, Mistakes> {
        Self::read_for(&[], file, environment)
    }

    /// The same for a process that runs these services: also what only they need must be right.
    pub fn read_for(
        services: &[&str],
        file: Option<(PathBuf, String)>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, Mistakes> {
        let mut mistakes = Vec::new();
        let mut values = BTreeMap::new();
        match DEFAULT.parse::<Table>() {
            Ok(table) => flatten("", table, &mut |name, value| {
                values.insert(name, (value, Origin::Default));
            }),
            Err(fault) => mistakes.push(format!("the embedded defaults: {fault}")),
        }
        let mut config = Config { values };
        if let Some((path, text)) = file {
            config.take_file(path, &text, &mut mistakes);
        }
        config.take_environment(environment, &mut mistakes);
        config.check(&mut mistakes);
        mistakes.extend(config.unfit_for(services));
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(Mistakes(mistakes))
        }
    }

    fn take_file(&mut self, path: PathBuf, text: &str, mistakes: &mut Vec<String>) {
        let place = path.display().to_string();
        let table = match text.parse::<Table>() {
            Ok(table) => table,
            Err(fault) => return mistakes.push(format!("{place} is not TOML: {}", fault.to_string().trim_end())),
        };
        flatten("", table, &mut |name, value| {
            let Some((known, _)) = self.values.get(&name) else {
                return mistakes.push(format!("`{name}` in {place} is no setting{}", self.nearest(&name)));
            };
            if known.same_type(&value) {
                self.values.insert(name, (value, Origin::File(path.clone())));
            } else {
                mistakes.push(format!("`{name}` in {place} must be {}, not {value}", wanted(known)));
            }
        });
    }

    fn take_environment(&mut self, environment: impl Iterator<Item = (String, String)>, mistakes: &mut Vec<String>) {
        let names: BTreeMap<String, String> = self
            .values
            .keys()
            .map(|name| {
                (
                    format!("IRONMONGER_{}", name.to_uppercase().replace('.', "_")),
                    name.clone(),
                )
            })
            .chain(ALIASES.map(|(variable, name)| (variable.to_owned(), name.to_owned())))
            .collect();
        for (variable, text) in environment {
            let Some(name) = names.get(&variable) else {
                if variable.starts_with("IRONMONGER_") && !NOT_SETTINGS.contains(&variable.as_str()) {
                    mistakes.push(format!(
                        "the environment variable {variable} is no setting; `ironmonger config` lists them"
                    ));
                }
                continue;
            };
            let known = &self.values[name].0;
            match parsed(known, &text) {
                Some(value) => self.set(name, value, Origin::Environment(variable)),
                None => mistakes.push(format!(
                    "the environment variable {variable} must be {}, not {text:?}",
                    wanted(known)
                )),
            }
        }
    }

    fn check(&self, mistakes: &mut Vec<String>) {
        let mut wrong = |name: &str, what: &str| mistakes.push(format!("`{name}` ({}) {what}", self.origin(name)));
        if !self
            .text("shop.currency")
            .parse()
            .is_ok_and(|code: Currency| code.is_in_use())
        {
            wrong("shop.currency", "must be an ISO 4217 code such as EUR");
        }
        if self.text("shop.name").trim().is_empty() {
            wrong("shop.name", "must not be empty");
        }
        for name in ["ports.bind", "ports.bind_services"] {
            if self.text(name).parse::<IpAddr>().is_err() {
                wrong(name, "must be an IP address such as 127.0.0.1");
            }
        }
        for service in SERVICES {
            let name = format!("ports.{service}");
            if u16::try_from(self.number(&name)).is_err() {
                wrong(&name, "must be a port from 0 to 65535");
            }
            let peer = format!("peers.{service}"); // Empty for the gateway, which is nobody's peer.
            let url = self.text(&peer);
            if !url.is_empty()
                && let Err(fault) = wire::Peer::remote("peer", url)
            {
                wrong(&peer, &fault);
            }
        }
        for (name, most) in [
            ("tokens.access_minutes", 24 * 60),
            ("tokens.refresh_days", 365),
            ("passwords.minimum", 128),
            ("passwords.reset_minutes", 24 * 60),
            ("limits.account_tries_per_minute", 1_000_000),
            ("limits.reads_per_minute", 1_000_000),
            ("limits.writes_per_minute", 1_000_000),
            ("limits.sign_ins_per_minute", 1_000_000),
            ("limits.connections", 1_000_000),
            ("limits.connections_per_address", 1_000_000),
            ("orders.payment_window_seconds", 60 * 60 * 24 * 30),
            ("limits.shutdown_seconds", 600),
            ("limits.lease_seconds", 600),
        ] {
            if !(1..=most).contains(&self.number(name)) {
                wrong(name, &format!("must be from 1 to {most}"));
            }
        }
        for name in ["carts.days", "carts.guest_days"] {
            if !(2..=3_650).contains(&self.number(name)) {
                wrong(name, "must be from 2 to 3650");
            }
        }
        if self.text("payments.provider") != "simulated" {
            wrong(
                "payments.provider",
                "must be \"simulated\": there is no other provider yet",
            );
        }
        if !is_filter(self.text("log.level")) {
            let what = "must be error, warn, info, debug or trace, or filters such as \"info,orders=debug\"";
            wrong("log.level", what);
        }
        if !matches!(self.text("log.format"), "text" | "json") {
            wrong("log.format", "must be \"text\" or \"json\"");
        }
        let url = self.text("database.url");
        if !url.is_empty() && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            wrong("database.url", "must begin with postgres://");
        }
        for name in ["secrets.encryption_key", "secrets.jwt_secret", "secrets.webhook_secret"] {
            if !self.text(name).is_empty() && self.text(name).len() < SECRET_MIN {
                wrong(name, &format!("must have at least {SECRET_MIN} bytes"));
            }
        }
        for network in self.texts("web.trusted_proxies") {
            if let Err(fault) = network.parse::<serve::Network>() {
                wrong("web.trusted_proxies", &format!("must hold networks: {fault}"));
            }
        }
        if !self
            .texts("web.origins")
            .iter()
            .all(|origin| gateway::is_origin(origin))
        {
            wrong(
                "web.origins",
                "must hold web origins such as https://shop.example, or *",
            );
        }
        let is_name = |name: &String| name.starts_with('[') || !name.is_empty() && !name.contains(['/', ':', ' ']);
        if !self.texts("web.hosts").iter().all(is_name) {
            wrong(
                "web.hosts",
                "must hold names such as shop.example, without scheme and port",
            );
        }
        if !matches!(self.text("web.proxy_header"), "x-forwarded-for" | "forwarded") {
            wrong("web.proxy_header", "must be \"x-forwarded-for\" or \"forwarded\"");
        }
        if self.text("tls.certificate").is_empty() != self.text("tls.key").is_empty() {
            wrong("tls.key", "and `tls.certificate` are set both or neither");
        }
        let public_url = self.text("web.public_url");
        if !public_url.is_empty() && !is_web_address(public_url) {
            wrong("web.public_url", "must be like https://shop.example");
        }
        if !self.text("mail.smtp").is_empty() {
            let (url, from) = (self.text("mail.smtp"), self.text("mail.from"));
            let authority = None; // The file is read when the shop starts.
            if let Err(fault) = mail::Smtp::read(&mail::Settings { url, from, authority }) {
                wrong(&format!("mail.{}", fault.setting), &fault.detail);
            }
        }
        let former = self.texts("secrets.former_jwt_secrets");
        if former.iter().any(|secret| secret.len() < SECRET_MIN) {
            let what = format!("must hold secrets of at least {SECRET_MIN} bytes");
            wrong("secrets.former_jwt_secrets", &what);
        }
        let former = self.texts("secrets.former_signing_keys");
        if former.iter().any(|key| crate::signing::seed(key).is_none()) {
            wrong("secrets.former_signing_keys", "must hold keys of 64 hexadecimal digits");
        }
        let key = self.text("secrets.signing_key");
        if !key.is_empty() && (key.len() != 64 || !key.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            wrong("secrets.signing_key", "must be 64 hexadecimal digits");
        }
    }

    /// What keeps a process from running these services: what lies in files, and what they cannot share.
    pub fn unfit_for(&self, services: &[&str]) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut wrong = |name: &str, what: &str| mistakes.push(format!("`{name}` ({}) {what}", self.origin(name)));
        for (at, service) in services.iter().enumerate() {
            let port = self.number(&format!("ports.{service}"));
            let before = services[..at].iter();
            for other in before.filter(|other| port != 0 && self.number(&format!("ports.{other}")) == port) {
                wrong(
                    &format!("ports.{service}"),
                    &format!("is {port}, as is `ports.{other}`: each needs one of its own"),
                );
            }
        }
        let (certificate, key) = (self.text("tls.certificate"), self.text("tls.key"));
        if services.contains(&"gateway")
            && !certificate.is_empty()
            && !key.is_empty()
            && let Err(fault) = serve::Tls::open(Path::new(certificate), Path::new(key))
        {
            wrong("tls.certificate", &format!("and `tls.key` cannot be used: {fault}"));
        }
        if services.contains(&"identity")
            && !self.text("admin.email").is_empty()
            && self.text("admin.password").is_empty()
        {
            wrong("admin.email", "makes nobody an administrator without `admin.password`");
        }
        mistakes
    }

    /// A hint for a misspelt name: the setting that differs least.
    fn nearest(&self, name: &str) -> String {
        let best = self.values.keys().map(|known| (distance(known, name), known)).min();
        best.filter(|(distance, _)| *distance <= 3)
            .map(|(_, known)| format!("; did you mean `{known}`?"))
            .unwrap_or_default()
    }
}

/// Whether links may begin with this.
fn is_web_address(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| {
        let first = host.chars().next();
        first.is_some_and(|letter| letter.is_alphanumeric() || letter == '[')
            && !host.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "?#\"<>".contains(letter))
    })
}

/// Whether this says what to log. A word alone must be a level: the name of a part would silence all others.
fn is_filter(text: &str) -> bool {
    let is_level = |word: &str| !word.trim().is_empty() && word.trim().parse::<LevelFilter>().is_ok();
    let mut parts = text.split(',');
    EnvFilter::try_new(text).is_ok() && parts.all(|part| is_level(part.rsplit('=').next().unwrap_or_default()))
}

fn flatten(prefix: &str, table: Table, take: &mut impl FnMut(String, Value)) {
    for (name, value) in table {
        let name = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Table(inner) => flatten(&name, inner, take),
            value => take(name, value),
        }
    }
}

/// The text of an environment variable as a value of the type of `known`. Lists are separated by commas.
fn parsed(known: &Value, text: &str) -> Option<Value> {
    match known {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Boolean(_) => match text.trim() {
            "1" | "true" | "yes" => Some(Value::Boolean(true)),
            "0" | "false" | "no" | "" => Some(Value::Boolean(false)),
            _ => None,
        },
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        _ => None,
    }
}

fn wanted(known: &Value) -> &'static str {
    match known {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of texts",
        _ => "something else",
    }
}

/// How many letters differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row.last().copied().unwrap_or_default()
}
