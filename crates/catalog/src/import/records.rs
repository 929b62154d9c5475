//! Splits a file into records of cells, strictly: after a closing quote only a comma or the line's end may stand.
//!
//! The `csv` crate takes whatever comes. A quote that is missing at the end of a cell then closes at the beginning
//! of the same cell in the next row, the count of cells is right again, and one product is garbled while the next one
//! vanishes without a word. Here such a row is told by the line where its quote opened, and reading goes on with
//! the line below, so that one missing quote costs one row. Cells may be padded outside their quotes. RFC 4180 else;
//! lines end with LF or CRLF.

use std::io::{self, Read};

use csv::ByteRecord;

/// Bytes asked for at once.
const CHUNK: usize = 64 << 10;
/// The longest row: a page of HTML with small pictures inside, and room. What an open quote swallows ends here too.
pub(crate) const ROW_MAX: usize = 4 << 20;
/// Bytes that are kept of a line behind a broken quote, to give it back.
const REST_MAX: usize = 32 << 10;
/// Rows with broken quotes in a file at the most. Each may cost reading [`ROW_MAX`] bytes twice; a file with more of
/// them is not a file that anybody can mend row by row.
const BROKEN_MAX: u32 = 1_000;

/// Records as they come.
pub(crate) struct Records<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where the next record begins in `buffer`.
    start: usize,
    /// Its line in the file, from 1.
    line: u64,
    given: u64,
    ended: bool,
    broken: u32,
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A record that begins on this line.
    Record(u64),
    /// A row that cannot be split; the record holds the cells before the fault, and the rest of the line as one more.
    Broken { line: u64, reason: String },
    /// Nothing more.
    End,
}

/// What ends a cell.
#[derive(PartialEq, Eq)]
enum Stop {
    Comma,
    Line,
    File,
}

/// A quote that does not close as it should, by its distance from the record's beginning.
struct Open {
    quote: usize,
    reason: &'static str,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(from: R) -> Self {
        Self {
            from,
            buffer: Vec::new(),
            start: 0,
            line: 1,
            given: 0,
            ended: false,
            broken: 0,
        }
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.given
    }

    /// Bytes held in memory.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Reads the next record into `record`. Errors: the reader's.
    pub(crate) fn next(&mut self, record: &mut ByteRecord) -> io::Result<Next> {
        record.clear();
        if self.given == 0 && self.byte(2)?.is_some() && self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.start = 3;
        }
        if self.byte(0)?.is_none() {
            return Ok(Next::End);
        }
        let line = self.line;
        let mut at = 0;
        loop {
            let (end, stop) = match self.cell(at, record)? {
                Ok(cell) => cell,
                Err(open) => return self.skip(line, open, record),
            };
            if stop != Stop::Comma {
                self.advance(end + usize::from(stop == Stop::Line));
                return Ok(Next::Record(line));
            }
            at = end + 1;
        }
    }

    /// Reads the cell at `at` into `record`; answers where it stops.
    fn cell(&mut self, at: usize, record: &mut ByteRecord) -> io::Result<Result<(usize, Stop), Open>> {
        let padded = self.while_blank(at)?;
        if self.byte(padded)? == Some(b'"') {
            return self.quoted(padded, record);
        }
        let mut end = padded;
        let stop = loop {
            match self.byte(end)? {
                Some(b',') => break Stop::Comma,
                Some(b'\n') => break Stop::Line,
                None => break Stop::File,
                // No quote is to blame, so there is nothing to go back to: see `skip`.
                Some(_) if end > ROW_MAX => {
                    return Ok(Err(Open {
                        quote: usize::MAX,
                        reason: "",
                    }));
                }
                Some(_) => end += 1,
            }
        };
        record.push_field(&self.buffer[self.start + at..self.start + end]);
        Ok(Ok((end, stop)))
    }

    fn quoted(&mut self, quote: usize, record: &mut ByteRecord) -> io::Result<Result<(usize, Stop), Open>> {
        let mut text = Vec::new();
        let (mut from, mut at) = (quote + 1, quote + 1);
        loop {
            match self.byte(at)? {
                Some(b'"') => {
                    text.extend_from_slice(&self.buffer[self.start + from..self.start + at]);
                    if self.byte(at + 1)? != Some(b'"') {
                        break;
                    }
                    from = at + 1;
                    at += 2;
                }
                Some(_) if at <= ROW_MAX => at += 1,
                _ => {
                    return Ok(Err(Open {
                        quote,
                        reason: "a quote opens here and never closes",
                    }));
                }
            }
        }
        let end = self.while_blank(at + 1)?;
        let stop = match self.byte(end)? {
            Some(b',') => Stop::Comma,
            Some(b'\n') => Stop::Line,
            None => Stop::File,
            Some(_) => {
                let reason =
                    "a quote opens here and closes amid text; one is missing, or quotes inside must be doubled";
                return Ok(Err(Open { quote, reason }));
            }
        };
        record.push_field(&text);
        Ok(Ok((end, stop)))
    }

    fn while_blank(&mut self, mut at: usize) -> io::Result<usize> {
        while at <= ROW_MAX && matches!(self.byte(at)?, Some(b' ' | b'\t' | b'\r')) {
            at += 1;
        }
        Ok(at)
    }

    /// Goes on with the line below the quote.
    fn skip(&mut self, line: u64, open: Open, record: &mut ByteRecord) -> io::Result<Next> {
        self.broken += 1;
        if self.broken > BROKEN_MAX {
            (self.ended, self.start) = (true, self.buffer.len());
            let reason = format!("more than {BROKEN_MAX} rows have broken quotes; the rest of the file was left out");
            return Ok(Next::Broken { line, reason });
        }
        if open.quote == usize::MAX {
            self.drop_line(0)?;
            let reason = format!("the row is longer than {} MiB", ROW_MAX >> 20);
            return Ok(Next::Broken { line, reason });
        }
        self.advance(open.quote);
        let opened = self.line;
        let rest = self.drop_line(REST_MAX)?;
        record.push_field(rest.trim_ascii_end());
        Ok(Next::Broken {
            line: opened,
            reason: open.reason.to_owned(),
        })
    }

    /// Drops what is left of the line, however long it is; answers its first bytes, `keep` at the most.
    fn drop_line(&mut self, keep: usize) -> io::Result<Vec<u8>> {
        let mut kept = Vec::new();
        loop {
            let rest = &self.buffer[self.start..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let part = &rest[..end.unwrap_or(rest.len())];
            kept.extend_from_slice(&part[..part.len().min(keep - kept.len())]);
            if let Some(end) = end {
                self.advance(end + 1);
                return Ok(kept);
            }
            self.start = self.buffer.len();
            if self.byte(0)?.is_none() {
                return Ok(kept);
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.buffer[self.start..self.start + bytes];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.start += bytes;
    }

    /// The byte at a distance from the record's beginning; `None` behind the file's end.
    fn byte(&mut self, at: usize) -> io::Result<Option<u8>> {
        while self.start + at >= self.buffer.len() {
            if self.ended {
                return Ok(None);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let held = self.buffer.len();
            self.buffer.resize(held + CHUNK, 0);
            let read = self.from.read(&mut self.buffer[held..]);
            self.buffer.truncate(held + read.as_ref().map_or(0, |count| *count));
            match read {
                Ok(0) => self.ended = true,
                Ok(count) => self.given += count as u64,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(self.buffer.get(self.start + at).copied())
    }
}
