//! `ironmonger admin`: people who run the shop.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ironmonger::config::Config;

use super::Desk;
use super::say::say;

/// Makes an administrator, or gives an account the role.
pub async fn create(config: &mut Config, email: &str, password: Option<String>) -> Result<ExitCode> {
    let password = match password {
        Some(password) => password,
        None => ask()?,
    };
    let desk = Desk::open(config).await?;
    let identity = api::identity::Client(desk.peer("identity"));
    let made = identity.appoint(&desk.cx(), email, &password).await;
    desk.close().await;
    match made {
        Ok(user) => {
            say(format_args!(
                "{email} is an administrator now (user number {}).",
                user.number.unwrap_or_default()
            ))?;
            say(format_args!(
                "Sign in:  curl -s {}://{}/api/auth/login -H 'content-type: application/json' -d '{{\"email\":\"{email}\",\"password\":\"…\"}}'",
                config.scheme(),
                config.address("gateway")
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => bail!("{problem}"),
    }
}

fn ask() -> Result<String> {
    if std::io::stdin().is_terminal() {
        eprint!("Password (shown while you type): ");
        std::io::stderr().flush()?;
    }
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("the password cannot be read")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("a password is needed: --password, ADMIN_PASSWORD, or a line on standard input")
    } else {
        Ok(password)
    }
}
