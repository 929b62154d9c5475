//! What the settings say of the public edge: the gateway, and what stands before its port.

use std::path::Path;

use anyhow::Result;
use serve::{Declared, Guard, Network, Tls};

use crate::config::Config;

/// The header that proxies write unless the settings name the standard one.
const USUAL_PROXY_HEADER: &str = "x-forwarded-for";

/// The gateway over services with these routes.
pub fn gateway(config: &Config, declared: Vec<Declared>) -> gateway::Config {
    let quota = |name: &str| u32::try_from(config.number(name)).unwrap_or(u32::MAX);
    let key = config.text("secrets.encryption_key");
    gateway::Config {
        origins: config.texts("web.origins"),
        hosts: config.texts("web.hosts"),
        proxies: gateway::Proxies {
            trusted: proxies(config),
            write_forwarded: config.text("web.proxy_header") != USUAL_PROXY_HEADER,
        },
        quotas: gateway::Quotas {
            reads: quota("limits.reads_per_minute"),
            writes: quota("limits.writes_per_minute"),
            sign_ins: quota("limits.sign_ins_per_minute"),
        },
        encryption_key: (!key.is_empty()).then(|| key.to_owned()),
        tls: config.flag("web.tls") || config.serves_tls(),
        declared,
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

/// What stands before the port of a service: TLS before the gateway's only, since services are among themselves.
///
/// # Errors
/// The certificate or its key cannot be used.
pub fn guard(config: &Config, service: &str) -> Result<Guard> {
    let bound = |name: &str| usize::try_from(config.number(name)).unwrap_or(usize::MAX);
    if service != "gateway" {
        return Ok(Guard {
            connections_max: bound("limits.connections"),
            ..Guard::default()
        });
    }
    let (certificate, key) = (config.text("tls.certificate"), config.text("tls.key"));
    let tls = match config.serves_tls() {
        true => Some(Tls::open(Path::new(certificate), Path::new(key))?),
        false => None,
    };
    Ok(Guard {
        tls,
        connections_max: bound("limits.connections"),
        connections_per_address_max: bound("limits.connections_per_address"),
        proxies: proxies(config),
    })
}

/// Checked when the settings were read.
fn proxies(config: &Config) -> Vec<Network> {
    config
        .texts("web.trusted_proxies")
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect()
}
