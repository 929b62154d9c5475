//! How well each product is found: a number for each document of each segment.
//!
//! A search marks what its words find, way by way and the best way first, so that a word's first mark is its best one.
//! Marking walks through postings block by block and writes once for each; queries of the library, which merge their
//! parts document by document, took five times as long where words are in thousands of products.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::postings::BlockSegmentPostings;
use tantivy::query::{DfaWrapper, EnableScoring, Query};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet as _, Score, Searcher, SegmentOrdinal, SegmentReader, TERMINATED, TantivyError, Term};

use super::filter::Wanted;
use super::index::Fields;

/// The bit of a mark that says that the search is a code of the product.
const IS_CODE: u16 = 1 << 15;
/// What that is worth: it comes before everything else.
const CODE: u32 = 1 << 20;
/// Behind everything that begins with a text: no UTF-8 has this byte.
const END: u8 = 0xFF;

/// How strict a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All words must be found.
    All,
    /// Any word will do: where no product has them all.
    Any,
}

/// A way in which something is found.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// A term of a field.
    Term(Field, &'a str),
    /// Terms of a field that begin so.
    Beginning(Field, &'a str),
    /// Terms of a field that are like this, to so many typos.
    Like(Field, &'a DfaWrapper),
    /// Something else of the library's.
    Query(&'a dyn Query),
}

/// What was found so far.
pub struct Finds {
    segments: Vec<Vec<Find>>,
    words: u8,
}

/// One for each product: as small as can be, since a search goes through all of them.
#[derive(Clone, Copy, Default)]
struct Find {
    score: u16,
    /// How many words were found.
    words: u8,
    /// The last of them, counted from 1.
    last: u8,
}

/// So many are passed over at once where none of them is found: most products are not.
const STRIDE: usize = 16;

impl Finds {
    /// Nothing yet.
    pub fn new(searcher: &Searcher) -> Finds {
        let segments = searcher.segment_readers().iter();
        Finds {
            segments: segments
                .map(|segment| vec![Find::default(); segment.max_doc() as usize])
                .collect(),
            words: 0,
        }
    }

    /// What is marked from here on is found by another word.
    pub fn next_word(&mut self) {
        self.words += 1;
    }

    /// Marks what the word finds in a way that is worth so much, where it was not found in a better one. Whether some
    /// product is among it: removed ones stand in an index for a while, and do not count.
    ///
    /// # Errors
    /// What the index refuses.
    pub fn mark(&mut self, searcher: &Searcher, way: &Way<'_>, worth: u16) -> Result<bool, TantivyError> {
        let (word, mut lives) = (self.words, false);
        for (finds, segment) in self.segments.iter_mut().zip(searcher.segment_readers()) {
            let alive = segment.alive_bitset();
            way.each(segment, |docs| {
                for &doc in docs {
                    let find = &mut finds[doc as usize];
                    if find.last != word {
                        find.last = word;
                        find.words += 1;
                        find.score += worth;
                        lives = lives || alive.is_none_or(|alive| alive.is_alive(doc));
                    }
                }
            })?;
        }
        Ok(lives)
    }

    /// Adds to the worth of what was found by words, if it is found in this way as well.
    ///
    /// # Errors
    /// What the index refuses.
    pub fn add(&mut self, searcher: &Searcher, way: &Way<'_>, worth: u16) -> Result<(), TantivyError> {
        self.change(searcher, way, |find| find.score += worth)
    }

    /// Marks what the search is a code of.
    ///
    /// # Errors
    /// What the index refuses.
    pub fn mark_code(&mut self, searcher: &Searcher, way: &Way<'_>) -> Result<(), TantivyError> {
        self.change(searcher, way, |find| find.score |= IS_CODE)
    }

    fn change(&mut self, searcher: &Searcher, way: &Way<'_>, act: impl Fn(&mut Find)) -> Result<(), TantivyError> {
        for (finds, segment) in self.segments.iter_mut().zip(searcher.segment_readers()) {
            way.each(segment, |docs| {
                docs.iter().for_each(|&doc| act(&mut finds[doc as usize]))
            })?;
        }
        Ok(())
    }

    /// Whether some product is found, whatever the filters.
    pub fn is_any(&self, searcher: &Searcher, mode: Mode) -> bool {
        let mut segments = (0..).zip(searcher.segment_readers());
        segments.any(|(ordinal, segment)| {
            let alive = segment.alive_bitset();
            let mut found = self.of_segment(ordinal, mode);
            found.any(|(doc, _)| alive.is_none_or(|alive| alive.is_alive(doc)))
        })
    }

    /// The documents of a segment that are found, in their order, with their scores.
    fn of_segment(&self, ordinal: usize, mode: Mode) -> impl Iterator<Item = (DocId, u32)> {
        let strides = (0..).step_by(STRIDE).zip(self.segments[ordinal].chunks(STRIDE));
        let strides = strides.filter(|(_, stride)| stride.iter().fold(0, |any, find| any | find.bits()) != 0);
        strides.flat_map(move |(first, stride)| {
            let finds = (first..).zip(stride);
            finds.filter_map(move |(doc, find)| Some((doc, find.score(mode, self.words)?)))
        })
    }
}

impl Find {
    /// Zero where nothing was found.
    fn bits(self) -> u32 {
        u32::from(self.score) << 16 | u32::from(self.words) << 8 | u32::from(self.last)
    }

    fn score(self, mode: Mode, words: u8) -> Option<u32> {
        let by_words = match mode {
            Mode::All => words > 0 && self.words == words,
            Mode::Any => self.words > 0,
        };
        let by_code = self.score & IS_CODE != 0;
        let of_words = if by_words { u32::from(self.score & !IS_CODE) } else { 0 };
        (by_words || by_code).then(|| of_words + if by_code { CODE } else { 0 })
    }
}

/// Hands what is found and comes into question to a collector; everything that comes into question where nothing was
/// searched for.
///
/// # Errors
/// What the index refuses.
pub fn collect<C: Collector>(
    searcher: &Searcher,
    fields: &Fields,
    found: Option<(&Finds, Mode)>,
    wanted: &Wanted,
    collector: &C,
) -> Result<C::Fruit, TantivyError> {
    let mut fruits = Vec::new();
    for (ordinal, segment) in searcher.segment_readers().iter().enumerate() {
        let sieve = wanted.sieve(segment, fields)?;
        let alive = segment.alive_bitset();
        let mut child = collector.for_segment(ordinal as SegmentOrdinal, segment)?;
        let mut take = |doc, score| {
            if alive.is_none_or(|alive| alive.is_alive(doc)) && sieve.lets_through(doc) {
                child.collect(doc, score);
            }
        };
        match found {
            None => (0..segment.max_doc()).for_each(|doc| take(doc, 0.0)),
            // Whole numbers below 2^24 are exact.
            Some((finds, mode)) => finds
                .of_segment(ordinal, mode)
                .for_each(|(doc, score)| take(doc, score as Score)),
        }
        fruits.push(child.harvest());
    }
    collector.merge_fruits(fruits)
}

impl Way<'_> {
    /// Hands the documents of a segment over, in blocks; one may come more than once.
    ///
    /// # Errors
    /// What the index refuses.
    pub fn each(&self, segment: &SegmentReader, mut act: impl FnMut(&[DocId])) -> Result<(), TantivyError> {
        const BASIC: IndexRecordOption = IndexRecordOption::Basic;
        match *self {
            Way::Term(field, text) => {
                let postings = segment.inverted_index(field)?;
                let found = postings.read_block_postings(&Term::from_field_text(field, text), BASIC)?;
                found.into_iter().for_each(|mut found| walk(&mut found, &mut act));
            }
            Way::Beginning(field, text) => {
                let postings = segment.inverted_index(field)?;
                let end = [text.as_bytes(), &[END]].concat();
                let mut terms = postings.terms().range().ge(text).lt(end).into_stream()?;
                while terms.advance() {
                    walk(
                        &mut postings.read_block_postings_from_terminfo(terms.value(), BASIC)?,
                        &mut act,
                    );
                }
            }
            Way::Like(field, automaton) => {
                let postings = segment.inverted_index(field)?;
                let mut terms = postings.terms().search(automaton).into_stream()?;
                while terms.advance() {
                    walk(
                        &mut postings.read_block_postings_from_terminfo(terms.value(), BASIC)?,
                        &mut act,
                    );
                }
            }
            Way::Query(query) => {
                let weight = query.weight(EnableScoring::disabled_from_schema(segment.schema()))?;
                let mut found = weight.scorer(segment, 1.0)?;
                let mut doc = found.doc();
                while doc != TERMINATED {
                    act(&[doc]);
                    doc = found.advance();
                }
            }
        }
        Ok(())
    }
}

fn walk(postings: &mut BlockSegmentPostings, act: &mut impl FnMut(&[DocId])) {
    while !postings.docs().is_empty() {
        act(postings.docs());
        postings.advance();
    }
}
