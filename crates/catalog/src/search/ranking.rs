//! What is found, and in which order.
//!
//! A score is a sum of whole numbers that say how a word was found and where, not how rare it is. So it depends on the
//! product and the search alone: the same products are found in the same order by every process, whatever became of its
//! index before, and a page can go on after a score. Numbers stay below 2^24, where 32-bit floats are exact.

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EnableScoring, FuzzyTermQuery, Occur,
    PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet as _, Searcher, TERMINATED, TantivyError, Term};

use super::asked::{Asked, Word};
use super::index::Fields;

/// A word that was found is worth more than how it was found: more words found come first.
const FOUND: f32 = 64.0;
/// A code that is the whole search comes before everything.
const CODE: f32 = 1_048_576.0;
/// The search is the whole name.
const WHOLE: f32 = 48.0;
/// The words stand in the name as they were asked, one after the other.
const PHRASE: f32 = 24.0;
/// Letters from which on the beginning of a word is looked for in descriptions: a letter alone is in all of them.
const BEGINNING_IN_DESCRIPTION_FROM: usize = 3;

/// What a find is worth, by where it is: in the name, beside it (tags, category, vendor, SKU, options), or in the
/// description.
struct Worth {
    name: f32,
    beside: f32,
    description: f32,
}

const EXACT: Worth = Worth {
    name: 60.0,
    beside: 40.0,
    description: 20.0,
};
const FORM: Worth = Worth {
    name: 56.0,
    beside: 36.0,
    description: 18.0,
};
const BEGINNING: Worth = Worth {
    name: 50.0,
    beside: 32.0,
    description: 16.0,
};
const ONE_TYPO: Worth = Worth {
    name: 12.0,
    beside: 10.0,
    description: 6.0,
};
const TWO_TYPOS: Worth = Worth {
    name: 4.0,
    beside: 3.0,
    description: 2.0,
};

/// A word as it is searched for: with typos only where nothing has the word itself.
#[derive(Clone, Debug)]
pub struct Sought {
    /// The word.
    pub word: Word,
    /// Typos that are forgiven now.
    pub typos: u8,
    /// Two words that names have in its place: `T-shirt` for `tshirt`.
    pub parts: Option<[String; 2]>,
}

/// How strict a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All words must be found.
    All,
    /// Any word will do: where no product has them all.
    Any,
}

/// Finds out which words are known as they are.
///
/// # Errors
/// What the index refuses.
pub fn sought(searcher: &Searcher, fields: &Fields, asked: &Asked) -> Result<Vec<Sought>, TantivyError> {
    let known = |word: &Word| -> Result<bool, TantivyError> {
        if word.typos == 0 {
            return Ok(true);
        }
        for places in [exact(fields, word), beginning(fields, word)] {
            for place in places {
                if is_anywhere(searcher, place.as_ref())? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    };
    let words = asked.words.iter();
    words
        .map(|word| {
            let is_known = known(word)?;
            Ok(Sought {
                word: word.clone(),
                typos: if is_known { 0 } else { word.typos },
                parts: if is_known {
                    None
                } else {
                    parts(searcher, fields, &word.text)?
                },
            })
        })
        .collect()
}

/// The first two words that some name has one after the other, and that are this word together.
fn parts(searcher: &Searcher, fields: &Fields, word: &str) -> Result<Option<[String; 2]>, TantivyError> {
    for (place, _) in word.char_indices().skip(1) {
        let (one, other) = word.split_at(place);
        if is_anywhere(searcher, phrase(fields, [one, other].into_iter()).as_ref())? {
            return Ok(Some([one.to_owned(), other.to_owned()]));
        }
    }
    Ok(None)
}

/// Words of a name, one after the other. At least two.
fn phrase<'a>(fields: &Fields, words: impl Iterator<Item = &'a str>) -> Box<dyn Query> {
    let terms = words.map(|word| Term::from_field_text(fields.name, word));
    Box::new(PhraseQuery::new(terms.collect()))
}

/// Whether some product is found. Removed ones still stand in an index for a while, and do not count.
///
/// # Errors
/// What the index refuses.
pub fn is_anywhere(searcher: &Searcher, query: &dyn Query) -> Result<bool, TantivyError> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    for segment in searcher.segment_readers() {
        let mut found = weight.scorer(segment, 1.0)?;
        let mut at = found.doc();
        while at != TERMINATED {
            if segment.alive_bitset().is_none_or(|alive| alive.is_alive(at)) {
                return Ok(true);
            }
            at = found.advance();
        }
    }
    Ok(false)
}

/// What the words are found by, scored. Everything without a search.
pub fn query(fields: &Fields, asked: Option<&Asked>, sought: &[Sought], mode: Mode) -> Box<dyn Query> {
    let Some(asked) = asked else {
        return Box::new(AllQuery);
    };
    let mut ways: Vec<Box<dyn Query>> = Vec::new();
    if !asked.code.is_empty() {
        ways.push(scored(term(fields.code, &asked.code), CODE));
    }
    if !sought.is_empty() {
        let occur = match mode {
            Mode::All => Occur::Must,
            Mode::Any => Occur::Should,
        };
        let words = sought.iter().map(|sought| (occur, word(fields, sought))).collect();
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, Box::new(BooleanQuery::new(words)))];
        clauses.push((Occur::Should, scored(term(fields.whole, &asked.whole), WHOLE)));
        if sought.len() > 1 {
            let phrase = phrase(fields, sought.iter().map(|sought| sought.word.text.as_str()));
            clauses.push((Occur::Should, scored(phrase, PHRASE)));
        }
        ways.push(Box::new(BooleanQuery::new(clauses)));
    }
    Box::new(BooleanQuery::union(ways))
}

/// The best way in which a word is found.
fn word(fields: &Fields, sought: &Sought) -> Box<dyn Query> {
    let mut ways = exact(fields, &sought.word);
    ways.extend(beginning(fields, &sought.word));
    if let Some(parts) = &sought.parts {
        let phrase = phrase(fields, parts.iter().map(String::as_str));
        ways.push(scored(phrase, FOUND + FORM.name));
    }
    for typos in 1..=sought.typos {
        let worth = if typos == 1 { &ONE_TYPO } else { &TWO_TYPOS };
        let places = [
            (fields.name, worth.name),
            (fields.beside, worth.beside),
            (fields.description, worth.description),
        ];
        for (field, worth) in places {
            let term = Term::from_field_text(field, &sought.word.text);
            let fuzzy = match sought.word.goes_on {
                true => FuzzyTermQuery::new_prefix(term, typos, true),
                false => FuzzyTermQuery::new(term, typos, true),
            };
            ways.push(Box::new(BoostQuery::new(Box::new(fuzzy), FOUND + worth)));
        }
    }
    Box::new(DisjunctionMaxQuery::new(ways))
}

/// The word itself, and its forms.
fn exact(fields: &Fields, word: &Word) -> Vec<Box<dyn Query>> {
    let spellings = std::iter::once((&word.text, &EXACT)).chain(word.forms.iter().map(|form| (form, &FORM)));
    let mut ways = Vec::new();
    for (text, worth) in spellings {
        let places = [
            (fields.name, worth.name),
            (fields.beside, worth.beside),
            (fields.description, worth.description),
        ];
        for (field, worth) in places {
            ways.push(scored(term(field, text), FOUND + worth));
        }
    }
    ways
}

/// Words that begin like it, if it is the last one.
fn beginning(fields: &Fields, word: &Word) -> Vec<Box<dyn Query>> {
    if !word.goes_on {
        return Vec::new();
    }
    let mut places = vec![(fields.name, BEGINNING.name), (fields.beside, BEGINNING.beside)];
    if word.text.chars().count() >= BEGINNING_IN_DESCRIPTION_FROM {
        places.push((fields.description, BEGINNING.description));
    }
    let ways = places.into_iter().map(|(field, worth)| {
        let begins = FuzzyTermQuery::new_prefix(Term::from_field_text(field, &word.text), 0, true);
        Box::new(BoostQuery::new(Box::new(begins), FOUND + worth)) as Box<dyn Query>
    });
    ways.collect()
}

/// A whole term of a field.
pub fn term(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(
        Term::from_field_text(field, text),
        IndexRecordOption::Basic,
    ))
}

/// A query whose finds are all worth the same.
pub fn scored(query: Box<dyn Query>, worth: f32) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, worth))
}
