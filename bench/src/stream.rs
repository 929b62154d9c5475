//! Files up and down, piece by piece: what [`crate::http`] would hold whole.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::{Length, head};

/// What is read of a file or a connection at once.
const PIECE: usize = 64 * 1024;

/// A file that came down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its bytes.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
}

/// Sends a file as CSV; answers the body of the answer.
///
/// # Errors
/// The connection's, the file's, or a refusal.
pub async fn send(address: SocketAddr, path: &str, token: &str, file: &Path) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let mut file = std::fs::File::open(file)?;
    let length = file.metadata()?.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: text/csv\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut piece = vec![0; PIECE];
    loop {
        match io::Read::read(&mut file, &mut piece)? {
            0 => break,
            read => stream.write_all(&piece[..read]).await?,
        }
    }
    let mut body = Vec::new();
    let status = answer(&mut stream, |bytes| body.extend_from_slice(bytes)).await?;
    let body = String::from_utf8(body)?;
    ensure!(matches!(status, 200 | 202), "{path} answers {status}: {body}");
    Ok(body)
}

/// Reads a file to its end and keeps nothing of it.
///
/// # Errors
/// The connection's, an answer that is cut off, or a refusal.
pub async fn receive(address: SocketAddr, path: &str, token: &str) -> Result<Received> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut received = Received { bytes: 0, lines: 0 };
    let status = answer(&mut stream, |bytes| {
        received.bytes += bytes.len() as u64;
        received.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    })
    .await?;
    ensure!(status == 200, "{path} answers {status}");
    Ok(received)
}

/// Reads an answer whose connection ends with it; gives its body to `take` as it comes.
async fn answer(stream: &mut TcpStream, mut take: impl FnMut(&[u8])) -> Result<u16> {
    let mut read = Vec::with_capacity(PIECE);
    let head = loop {
        if stream.read_buf(&mut read).await? == 0 {
            bail!("the server closed the connection before it answered");
        }
        if let Some(head) = head(&read)? {
            break head;
        }
    };
    read.drain(..head.end);
    let mut chunks = Chunks::default();
    let mut left = match head.length {
        Length::Known(length) => length,
        Length::Chunked => usize::MAX,
    };
    loop {
        match head.length {
            Length::Known(_) => {
                take(&read);
                left = left.saturating_sub(read.len());
                read.clear();
            }
            Length::Chunked => {
                chunks.take(&mut read, &mut take)?;
                left = if chunks.ended { 0 } else { left };
            }
        }
        if left == 0 {
            return Ok(head.status);
        }
        if stream.read_buf(&mut read).await? == 0 {
            bail!("the answer is cut off");
        }
    }
}

/// Where in the chunks of a body one is.
#[derive(Debug, Default)]
struct Chunks {
    /// Bytes of the chunk, with the end of its line, that are still to come.
    left: usize,
    ended: bool,
}

impl Chunks {
    /// Takes what is whole out of `read`.
    fn take(&mut self, read: &mut Vec<u8>, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let mut at = 0;
        while !self.ended {
            if self.left > 0 {
                // The last two bytes end the line and are no part of the body.
                let here = self.left.min(read.len() - at);
                let body = here.min(self.left.saturating_sub(2));
                take(&read[at..at + body]);
                self.left -= here;
                at += here;
                if self.left > 0 {
                    break;
                }
            }
            let Some(line) = read[at..].windows(2).position(|two| two == b"\r\n") else {
                break;
            };
            let size = std::str::from_utf8(&read[at..at + line])
                .ok()
                .and_then(|hex| usize::from_str_radix(hex.trim(), 16).ok())
                .ok_or_else(|| io::Error::other("a chunk without a size"))?;
            at += line + 2;
            self.ended = size == 0;
            self.left = size + 2;
        }
        read.drain(..at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_chunks_wherever_they_are_cut() {
        let whole = b"5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n";
        for size in 1..whole.len() {
            let (mut chunks, mut read, mut body) = (Chunks::default(), Vec::new(), Vec::new());
            for piece in whole.chunks(size) {
                read.extend_from_slice(piece);
                chunks
                    .take(&mut read, &mut |bytes| body.extend_from_slice(bytes))
                    .unwrap();
            }
            assert!(chunks.ended, "pieces of {size}");
            assert_eq!(body, b"hello, world", "pieces of {size}");
        }
        let nothing = &mut |_: &[u8]| {};
        assert!(Chunks::default().take(&mut b"x\r\n".to_vec(), nothing).is_err());
    }

    #[tokio::test]
    async fn notices_answers_that_are_cut_off() {
        for (answer, counts) in [
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\na\nb\n\r\n0\r\n\r\n",
                Some((4, 2)),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\na\nb\n\r\n",
                None,
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na\n", Some((2, 1))),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na\n", None),
            ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", None),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_buf(&mut Vec::new()).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
            let received = receive(address, "/", "t").await.ok();
            assert_eq!(received.map(|file| (file.bytes, file.lines)), counts, "{answer}");
            server.await.unwrap();
        }
    }
}
