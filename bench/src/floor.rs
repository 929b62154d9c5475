//! Floor H: what a bare axum route costs on this machine, in a process of its own, so that ratios to it mean something
//! elsewhere.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

/// 300 bytes of JSON, about what a small product is.
pub const BODY: &str = concat!(
    r#"{"id":"prd_00000000000000000000000000","number":1,"name":"Ash hammer","description":"Forged by hand, with a handle"#,
    r#" of ash.","category":"Hammers","price":19.99,"currency":"USD","stock":100,"sku":"BN-000001","images":["https://ima"#,
    r#"ges.example.com/1.jpg"],"tags":["ash","handmade"],"createdAt":"2026-01"}"#,
);
/// The path that answers it.
pub const PATH: &str = "/floor";

/// The running floor; ends with this.
#[derive(Debug)]
pub struct Floor {
    child: Child,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Floor {
    /// Starts it.
    ///
    /// # Errors
    /// It does not start.
    pub fn start() -> Result<Floor> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("floor-h")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("floor H cannot start")?;
        let mut line = String::new();
        let told = child.stdout.take().context("floor H has an output")?;
        BufReader::new(told).read_line(&mut line)?;
        Ok(Floor {
            child,
            address: line.trim().parse().context("floor H tells its address")?,
        })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the floor until it is killed; prints where.
///
/// # Errors
/// No port is free.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = || async { ([(CONTENT_TYPE, "application/json")], BODY).into_response() };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, axum::Router::new().route(PATH, get(answer))).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_300_bytes_of_json() {
        assert_eq!(BODY.len(), 300);
        serde_json::from_str::<serde_json::Value>(BODY).unwrap();
    }
}
