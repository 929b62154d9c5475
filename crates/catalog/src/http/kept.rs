//! Answers that are given again while nothing changes: shops are read far more often than written, and everybody
//! reads the same few pages.
//!
//! Always holds: an answer is given again only while nothing was committed to this database since before it was read,
//! so nobody reads what somebody else was told to be changed. Where other processes write as well (PostgreSQL), nothing
//! is kept. Answers to staff are not kept, since they see more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serve::{Known, not_modified};
use store::Db;
use wire::Problem;

/// What is kept at the most: some hundred pages, or ten thousand products.
const BYTES_MAX: usize = 8 << 20;
/// What an answer takes beside its address and body: without it, empty answers to made-up addresses would be kept by
/// the hundred thousand.
const AROUND_BYTES: usize = 512;
/// Longer answers are rare, and would push out many others.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// The answers of one state of the database.
#[derive(Default)]
pub struct Kept(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    generation: u64,
    bytes: usize,
    answers: HashMap<Box<str>, Answer>,
}

#[derive(Clone)]
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Kept {
    /// The answer that is kept under `key`, or the one that `make` makes, which is then kept. Successes only.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn or_make(
        &self,
        db: &Db,
        key: &str,
        make: impl Future<Output = Result<Response, Problem>>,
    ) -> Result<Response, Problem> {
        // Read before anything else is: what is committed from here on makes the answer one of the past.
        let Some(generation) = db.generation() else {
            return make.await;
        };
        if let Some(answer) = self.shelf().at(generation).answers.get(key).cloned() {
            return Ok(answer.respond());
        }
        let made = make.await?;
        if made.status() != StatusCode::OK {
            return Ok(made);
        }
        let (parts, body) = made.into_parts();
        // The body is whole already, so this neither waits nor fails.
        let body = to_bytes(body, usize::MAX).await.map_err(|_| Problem::internal())?;
        let answer = Answer {
            headers: parts.headers,
            body,
        };
        self.shelf().keep(generation, key, &answer);
        Ok(answer.respond())
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// The shelf of this generation: cleared when it holds those of one before.
    fn at(&mut self, generation: u64) -> &mut Self {
        if self.generation < generation {
            self.answers.clear();
            (self.generation, self.bytes) = (generation, 0);
        }
        self
    }

    fn keep(&mut self, generation: u64, key: &str, answer: &Answer) {
        let size = key.len() + answer.body.len() + AROUND_BYTES;
        // Something was committed while the answer was made.
        if self.generation != generation || size > ANSWER_BYTES_MAX {
            return;
        }
        if self.bytes + size > BYTES_MAX {
            self.answers.clear();
            self.bytes = 0;
        }
        if self.answers.insert(key.into(), answer.clone()).is_none() {
            self.bytes += size;
        }
    }
}

impl Answer {
    fn respond(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.headers_mut() = self.headers;
        response
    }
}

/// The answer, or 304 for a caller whose copy is the same.
pub fn fresh_or(shown: Response, known: &Known) -> Response {
    match tag_of(&shown).filter(|tag| known.is_fresh(tag)) {
        Some(tag) => not_modified(tag),
        None => shown,
    }
}

/// The tag of an answer.
fn tag_of(response: &Response) -> Option<&str> {
    response
        .headers()
        .get(header::ETAG)
        .and_then(|tag| HeaderValue::to_str(tag).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> Answer {
        Answer {
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b' '; bytes]),
        }
    }

    #[test]
    fn holds_one_generation_and_so_much_of_it() {
        let mut shelf = Shelf::default();
        shelf.at(3).keep(3, "a", &answer(10));
        assert_eq!(shelf.at(3).answers.len(), 1);
        assert_eq!(shelf.at(2).answers.len(), 1, "who is late takes nothing away");
        shelf.keep(2, "late", &answer(10));
        assert_eq!(shelf.answers.len(), 1, "and adds nothing");
        assert!(shelf.at(4).answers.is_empty());
        shelf.keep(4, "long", &answer(ANSWER_BYTES_MAX));
        assert!(shelf.answers.is_empty());
        for number in 0..100 {
            shelf.keep(4, &number.to_string(), &answer(ANSWER_BYTES_MAX / 2));
            assert!(shelf.bytes <= BYTES_MAX);
        }
        assert!(shelf.answers.len() > 30);
        for number in 0..100_000 {
            shelf.keep(4, &number.to_string(), &answer(2));
        }
        assert!(shelf.answers.len() <= BYTES_MAX / AROUND_BYTES, "small ones count, too");
    }
}
