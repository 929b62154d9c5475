//! `ironmonger admin`: people who run the shop.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use console::Term;
use ironmonger::config::Config;
use wire::Problem;

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
        Ok(made) => {
            let number = made.user.number.unwrap_or_default();
            match made.is_new {
                true => say(format_args!("{email} is an administrator now (user number {number})."))?,
                false => say(format_args!(
                    "{email} had an account (user number {number}) and is an administrator now; its password was \
                     replaced, and who was signed in with the former one is so no more."
                ))?,
            }
            say(format_args!(
                "Sign in:  curl -s {}://{}/api/auth/login -H 'content-type: application/json' -d '{{\"email\":\"{email}\",\"password\":\"…\"}}'",
                config.scheme(),
                config.address("gateway")
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => bail!("{}", refusal(&problem)),
    }
}

/// What is wrong, without what only a program asks for.
fn refusal(problem: &Problem) -> String {
    let faults = problem.errors.iter();
    let faults: Vec<String> = faults
        .map(|fault| format!("the {} {}", fault.pointer.trim_start_matches('/'), fault.detail))
        .collect();
    if faults.is_empty() {
        problem.detail.clone()
    } else {
        faults.join("; ")
    }
}

/// Asks for the password: twice where somebody types it unseen, once where a file or a pipe brings it.
fn ask() -> Result<String> {
    let password = if std::io::stdin().is_terminal() {
        let password = typed("Password: ")?;
        if typed("Once more: ")? != password {
            bail!("these are two passwords; nothing was changed");
        }
        password
    } else {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        read.context("the password cannot be read")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if password.is_empty() {
        bail!("a password is needed: --password, ADMIN_PASSWORD, or a line on standard input")
    } else {
        Ok(password)
    }
}

/// A line that is not shown while somebody types it.
fn typed(prompt: &str) -> Result<String> {
    let terminal = Term::stderr();
    let line = terminal.write_str(prompt).and_then(|()| terminal.read_secure_line());
    line.context("the password cannot be read")
}
