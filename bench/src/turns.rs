//! One caller who asks several things in turn, each with the same share of what the machine is busy with: for waits
//! that are compared with each other.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::http::{Connection, Request};

/// A call, and what it must be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where to.
    pub path: String,
    /// JSON; without it the path is read.
    pub body: Option<String>,
    /// An access token.
    pub token: Option<String>,
    /// The status.
    pub status: u16,
}

impl Call {
    /// Reads a path on behalf of somebody.
    pub fn get(path: impl Into<String>, token: &str) -> Self {
        Self {
            path: path.into(),
            body: None,
            token: Some(token.to_owned()),
            status: 200,
        }
    }

    /// Sends JSON as a stranger.
    pub fn post(path: &str, body: String, status: u16) -> Self {
        Self {
            path: path.to_owned(),
            body: Some(body),
            token: None,
            status,
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            method: if self.body.is_some() { "POST" } else { "GET" },
            body: self.body.as_deref(),
            token: self.token.as_deref(),
            ..Request::get(&self.path)
        }
    }
}

/// Makes all calls of each turn, every other turn backwards, so that each call follows every other one equally often;
/// answers how long each place of a turn took, in milliseconds.
///
/// # Errors
/// The connection's, or another status.
pub async fn take<const N: usize>(
    address: SocketAddr,
    turns: impl Iterator<Item = [Call; N]>,
) -> Result<[Vec<f64>; N]> {
    let mut connection = Connection::to(address);
    let mut waits = [const { Vec::new() }; N];
    for (number, calls) in turns.enumerate() {
        for step in 0..N {
            let place = if number % 2 == 0 { step } else { N - 1 - step };
            let call = &calls[place];
            let began = Instant::now();
            let answer = connection.call(call.request()).await?;
            let took = began.elapsed();
            ensure!(
                answer.status == call.status,
                "{} answers {}: {}",
                call.path,
                answer.status,
                String::from_utf8_lossy(answer.body)
            );
            waits[place].push(took.as_secs_f64() * 1_000.0);
        }
    }
    Ok(waits)
}
