//! A file in the database: pieces of text, or of hexadecimal digits where the bytes are no text.

use std::io;

use axum::body::Bytes;
use base::ImportId;
use store::Db;
use tokio::sync::mpsc;

use crate::store as rows;

/// Bytes of a piece: a write and a read that keep nobody waiting.
pub(super) const PIECE: usize = 64 << 10;
/// Pieces that are thrown away in one transaction.
pub(super) const DROPPED_AT_ONCE: u32 = 64;
/// Bytes of a letter in UTF-8 at the most.
const LETTER_MAX: usize = 4;

/// The text of the first bytes that wait: how it is coded, the text, and how many bytes it is of. Unless these are the
/// `last`, a letter that is not complete stays for the next piece.
pub(super) fn code(waiting: &[u8], last: bool) -> (&'static str, String, usize) {
    let whole = match std::str::from_utf8(waiting) {
        Ok(_) => waiting.len(),
        Err(fault) if fault.error_len().is_none() && !last => fault.valid_up_to(),
        Err(_) => 0,
    };
    match std::str::from_utf8(&waiting[..whole]) {
        Ok(text) if whole > 0 && waiting.len() - whole < LETTER_MAX && !text.contains('\0') => {
            ("text", text.to_owned(), whole)
        }
        _ => ("hex", base::hex(waiting), waiting.len()),
    }
}

/// The bytes of a piece.
fn decode(coding: &str, data: String) -> Option<Bytes> {
    if coding == "text" {
        return Some(data.into());
    }
    let digits = data.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect::<Option<Vec<u8>>>().map(Bytes::from)
}

/// Sends the file piece by piece, until it ends or nobody listens any more.
pub(super) async fn feed(db: Db, id: ImportId, to: mpsc::Sender<io::Result<Bytes>>) {
    for place in 0.. {
        let found: Result<_, store::Error> = db.read(move |tx| rows::piece(tx, id, place)).await;
        let piece = match found {
            Ok(None) => return,
            Ok(Some((coding, data))) => {
                decode(&coding, data).ok_or_else(|| io::Error::other("a piece of the file cannot be read"))
            }
            Err(fault) => Err(io::Error::other(fault)),
        };
        let broken = piece.is_err();
        if to.send(piece).await.is_err() || broken {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let texts: [&[u8]; 6] = [b"plain", "Käse".as_bytes(), b"\xffno", b"nul\0", b"", "🦀🦀".as_bytes()];
        for cut in 1..6 {
            for text in texts {
                let (mut waiting, mut back) = (Vec::new(), Vec::new());
                for part in text.chunks(cut) {
                    waiting.extend_from_slice(part);
                    let (coding, data, bytes) = code(&waiting, false);
                    back.extend(decode(coding, data).expect("it was coded"));
                    waiting.drain(..bytes);
                }
                let (coding, data, _) = code(&waiting, true);
                back.extend(decode(coding, data).expect("it was coded"));
                assert_eq!(back, text, "cut after {cut}");
            }
        }
    }
}
