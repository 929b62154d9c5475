//! A client of HTTP/1.1 that costs little: the load shares the cores with what it measures.
//!
//! One request at a time on a connection that is kept; answers are read whole. It knows just enough of HTTP for the
//! servers that it measures.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// An access token.
    pub token: Option<&'a str>,
    /// What makes a repetition harmless.
    pub key: Option<&'a str>,
    /// The address that a proxy in front says the call is from.
    pub from: Option<Ipv4Addr>,
    /// JSON.
    pub body: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads a path.
    pub fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            ..Self::default()
        }
    }

    /// Sends JSON to a path.
    pub fn post(path: &'a str, body: &'a str) -> Self {
        Self {
            method: "POST",
            path,
            body: Some(body),
            ..Self::default()
        }
    }

    /// On behalf of the holder of a token.
    pub fn by(self, token: &'a str) -> Self {
        Self {
            token: Some(token),
            ..self
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// Its head as it came.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// Path and query of the next page of a list.
    pub fn next(&self) -> Option<&str> {
        let head = std::str::from_utf8(self.head).ok()?;
        let links = head
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("link"));
        let next = links
            .map(|(_, link)| link.trim())
            .find(|link| link.contains("rel=\"next\""))?;
        next.strip_prefix('<')?.split('>').next()
    }

    /// The text of the first field of this name in a JSON body; enough for bodies whose shape is known.
    pub fn text(&self, field: &str) -> Option<&str> {
        let body = std::str::from_utf8(self.body).ok()?;
        let begin = body.find(&format!("\"{field}\":\""))? + field.len() + 4;
        let rest = &body[begin..];
        Some(&rest[..rest.find('"')?])
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    out: Vec<u8>,
    read: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// To this address; opened by the first call.
    pub fn to(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            out: Vec::new(),
            read: Vec::with_capacity(32 * 1024),
            body: Vec::new(),
        }
    }

    /// Sends the request and reads the answer. After a fault the next call opens the connection anew.
    ///
    /// # Errors
    /// The connection's, or an answer that is no HTTP.
    pub async fn call(&mut self, request: Request<'_>) -> io::Result<Answer<'_>> {
        // Taken out while it is used: a call that is given up leaves no half-read connection behind.
        let mut stream = match self.stream.take() {
            Some(stream) if is_open(&stream) => stream,
            _ => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        write(&mut self.out, self.address, request);
        stream.write_all(&self.out).await?;
        self.read.clear();
        let head = loop {
            receive(&mut stream, &mut self.read).await?;
            if let Some(head) = head(&self.read)? {
                break head;
            }
        };
        let body = match head.length {
            Length::Known(length) => {
                while self.read.len() < head.end + length {
                    receive(&mut stream, &mut self.read).await?;
                }
                &self.read[head.end..head.end + length]
            }
            Length::Chunked => loop {
                self.body.clear();
                if unchunk(&self.read[head.end..], &mut self.body)? {
                    break &self.body;
                }
                receive(&mut stream, &mut self.read).await?;
            },
        };
        if head.keep {
            self.stream = Some(stream);
        }
        Ok(Answer {
            status: head.status,
            head: &self.read[..head.end],
            body,
        })
    }
}

fn write(out: &mut Vec<u8>, address: SocketAddr, request: Request<'_>) {
    use std::io::Write as _;
    out.clear();
    // Writing to a vector does not fail.
    let _ = write!(
        out,
        "{} {} HTTP/1.1\r\nhost: {address}\r\n",
        request.method, request.path
    );
    if let Some(token) = request.token {
        let _ = write!(out, "authorization: Bearer {token}\r\n");
    }
    if let Some(key) = request.key {
        let _ = write!(out, "idempotency-key: {key}\r\n");
    }
    if let Some(from) = request.from {
        let _ = write!(out, "x-forwarded-for: {from}\r\n");
    }
    let body = request.body.unwrap_or_default();
    if request.body.is_some() {
        let _ = write!(
            out,
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
    }
    let _ = write!(out, "\r\n{body}");
}

/// Whether the server has neither closed a connection that waited, as it may at any time, nor said anything unasked.
fn is_open(stream: &TcpStream) -> bool {
    let unasked = stream.try_read(&mut [0]);
    unasked.is_err_and(|fault| fault.kind() == io::ErrorKind::WouldBlock)
}

async fn receive(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(into).await? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server closed the connection",
        )),
        _ => Ok(()),
    }
}

/// How long a body is.
#[derive(Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(usize),
    /// Its chunks tell.
    Chunked,
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Where the body begins.
    pub end: usize,
    /// The status code.
    pub status: u16,
    /// How long the body is.
    pub length: Length,
    keep: bool,
}

/// The head of an answer, once it is there.
///
/// # Errors
/// It is no HTTP.
pub fn head(read: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let bad = || io::Error::other("the answer is no HTTP/1.1");
    let text = std::str::from_utf8(&read[..end]).map_err(|_| bad())?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(bad)?;
    let mut head = Head {
        end: end + 4,
        status,
        length: Length::Known(0),
        keep: true,
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = Length::Known(value.parse().map_err(|_| bad())?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            head.keep = !value.eq_ignore_ascii_case("close");
        }
    }
    Ok(Some(head))
}

/// Adds what the chunks hold to `body`; whether the last one was among them.
fn unchunk(mut chunks: &[u8], body: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let Some(line) = chunks.windows(2).position(|two| two == b"\r\n") else {
            return Ok(false);
        };
        let size = std::str::from_utf8(&chunks[..line])
            .ok()
            .and_then(|hex| usize::from_str_radix(hex.trim(), 16).ok());
        let size = size.ok_or_else(|| io::Error::other("a chunk without a size"))?;
        if chunks.len() < line + 2 + size + 2 {
            return Ok(false);
        }
        if size == 0 {
            return Ok(true);
        }
        body.extend_from_slice(&chunks[line + 2..line + 2 + size]);
        chunks = &chunks[line + 2 + size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-").unwrap(), None);
        let known = head(b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nconnection: close\r\n\r\n{}")
            .unwrap()
            .unwrap();
        assert_eq!(
            known,
            Head {
                end: 63,
                status: 201,
                length: Length::Known(12),
                keep: false
            }
        );
        let chunked = head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!((chunked.length, chunked.keep), (Length::Chunked, true));
        assert!(head(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
    }

    #[test]
    fn joins_chunks() {
        let mut body = Vec::new();
        assert!(!unchunk(b"5\r\nhello\r\n6\r\n wor", &mut body).unwrap());
        body.clear();
        assert!(unchunk(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", &mut body).unwrap());
        assert_eq!(body, b"hello world");
        assert!(unchunk(b"x\r\n", &mut body).is_err());
    }

    #[test]
    fn finds_fields() {
        let answer = Answer {
            status: 201,
            head: b"HTTP/1.1 201 Created\r\nLink: </api/x?a=1&cursor=61>; rel=\"next\"\r\n\r\n",
            body: br#"{"orderId":"ord_1","number":4,"status":"confirmed"}"#,
        };
        assert_eq!(answer.text("orderId"), Some("ord_1"));
        assert_eq!(answer.text("status"), Some("confirmed"));
        assert_eq!(answer.text("absent"), None);
        assert_eq!(answer.next(), Some("/api/x?a=1&cursor=61"));
    }

    #[test]
    fn writes_requests() {
        let mut out = Vec::new();
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        write(
            &mut out,
            address,
            Request {
                key: Some("k"),
                ..Request::post("/api/cart", "{}").by("t")
            },
        );
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "POST /api/cart HTTP/1.1\r\nhost: 127.0.0.1:80\r\nauthorization: Bearer t\r\nidempotency-key: k\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
    }

    #[tokio::test]
    async fn opens_what_the_server_closed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::to(listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_buf(&mut Vec::new()).await.unwrap();
                // Promises to stay open, and does not.
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        });
        for _ in 0..2 {
            assert_eq!(connection.call(Request::get("/")).await.unwrap().status, 204);
            // The end of the connection has to arrive.
            connection.stream.as_ref().unwrap().readable().await.unwrap();
        }
        server.await.unwrap();
    }
}
