//! What is found, and in which order.
//!
//! A score is a sum of whole numbers that say how a word was found and where, not how rare it is. So it depends on the
//! product and the search alone: the same products are found in the same order by every process, whatever became of its
//! index before, and a page can go on after a score.

use tantivy::query::{DfaWrapper, FuzzyTermQuery, PhraseQuery};
use tantivy::schema::Field;
use tantivy::{Searcher, TantivyError, Term};

use super::asked::{Asked, Word};
use super::finds::{Finds, Way};
use super::index::Fields;

/// A word that was found is worth more than how it was found: more words found come first.
const FOUND: u16 = 64;
/// The search is the whole name.
const WHOLE: u16 = 48;
/// The words stand in the name as they were asked, one after the other.
const PHRASE: u16 = 24;
/// Letters from which on the beginning of a word is looked for in descriptions: a letter alone is in all of them.
const BEGINNING_IN_DESCRIPTION_FROM: usize = 3;

/// What a find is worth, by where it is: in the name, beside it (tags, category, vendor, SKU, options), or in the
/// description.
struct Worth {
    name: u16,
    beside: u16,
    description: u16,
}

const EXACT: Worth = Worth {
    name: 60,
    beside: 40,
    description: 20,
};
const FORM: Worth = Worth {
    name: 56,
    beside: 36,
    description: 18,
};
const BEGINNING: Worth = Worth {
    name: 50,
    beside: 32,
    description: 16,
};
const ONE_TYPO: Worth = Worth {
    name: 12,
    beside: 10,
    description: 6,
};
const TWO_TYPOS: Worth = Worth {
    name: 4,
    beside: 3,
    description: 2,
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

/// Marks what a search finds, and tells how its words were taken.
///
/// # Errors
/// What the index refuses.
pub fn find(searcher: &Searcher, fields: &Fields, asked: &Asked) -> Result<(Finds, Vec<Sought>), TantivyError> {
    let mut finds = Finds::new(searcher);
    let mut all = Vec::with_capacity(asked.words.len());
    for word in &asked.words {
        finds.next_word();
        let mut is_known = false;
        for (way, worth) in ranked(strict(fields, word)) {
            is_known |= finds.mark(searcher, &way, FOUND + worth)?;
        }
        let mut sought = Sought {
            word: word.clone(),
            typos: 0,
            parts: None,
        };
        if !is_known {
            sought.typos = word.typos;
            sought.parts = parts(searcher, fields, &word.text)?;
            forgive(&mut finds, searcher, fields, &sought)?;
        }
        all.push(sought);
    }
    if all.len() > 1 {
        let words = all.iter().map(|sought| sought.word.text.as_str());
        finds.add(searcher, &Way::Query(&phrase(fields, words)), PHRASE)?;
    }
    finds.add(searcher, &Way::Term(fields.whole, &asked.whole), WHOLE)?;
    if !asked.code.is_empty() {
        finds.mark_code(searcher, &Way::Term(fields.code, &asked.code))?;
    }
    Ok((finds, all))
}

/// The best first: a product that is found in two ways is worth the better one.
fn ranked(mut ways: Vec<(Way<'_>, u16)>) -> Vec<(Way<'_>, u16)> {
    ways.sort_by_key(|(_, worth)| std::cmp::Reverse(*worth));
    ways
}

/// The word itself, its forms, and what begins with it, if it is the last one.
fn strict<'a>(fields: &Fields, word: &'a Word) -> Vec<(Way<'a>, u16)> {
    let forms = word.forms.iter().map(|form| (form, &FORM));
    let spellings = std::iter::once((&word.text, &EXACT)).chain(forms);
    let mut ways: Vec<_> = spellings
        .flat_map(|(text, worth)| places(fields, worth).map(|(field, worth)| (Way::Term(field, text), worth)))
        .collect();
    if word.goes_on {
        let is_long = word.text.chars().count() >= BEGINNING_IN_DESCRIPTION_FROM;
        let places = places(fields, &BEGINNING).into_iter();
        let places = places.filter(|(field, _)| is_long || *field != fields.description);
        ways.extend(places.map(|(field, worth)| (Way::Beginning(field, &word.text), worth)));
    }
    ways
}

/// Marks what a word finds that nothing has as it is typed: as two words, and with typos.
fn forgive(finds: &mut Finds, searcher: &Searcher, fields: &Fields, sought: &Sought) -> Result<(), TantivyError> {
    if let Some(parts) = &sought.parts {
        let phrase = phrase(fields, parts.iter().map(String::as_str));
        finds.mark(searcher, &Way::Query(&phrase), FOUND + FORM.name)?;
    }
    if sought.typos == 0 {
        return Ok(()); // A word of few letters is meant as it is typed.
    }
    let one = like(fields, &sought.word, 1)?;
    let mut ways = places(fields, &ONE_TYPO)
        .map(|(field, worth)| (Way::Like(field, &one), worth))
        .to_vec();
    let two = (sought.typos > 1).then(|| like(fields, &sought.word, 2)).transpose()?;
    if let Some(two) = &two {
        ways.extend(places(fields, &TWO_TYPOS).map(|(field, worth)| (Way::Like(field, two), worth)));
    }
    for (way, worth) in ranked(ways) {
        finds.mark(searcher, &way, FOUND + worth)?;
    }
    Ok(())
}

fn places(fields: &Fields, worth: &Worth) -> [(Field, u16); 3] {
    [
        (fields.name, worth.name),
        (fields.beside, worth.beside),
        (fields.description, worth.description),
    ]
}

/// Words that are like this one, to so many typos; that begin like it, if it may go on.
fn like(fields: &Fields, word: &Word, typos: u8) -> Result<DfaWrapper, TantivyError> {
    let term = Term::from_field_text(fields.name, &word.text);
    match word.goes_on {
        true => FuzzyTermQuery::new_prefix(term, typos, true).automaton(),
        false => FuzzyTermQuery::new(term, typos, true).automaton(),
    }
}

/// The first two words that some name has one after the other, and that are this word together.
fn parts(searcher: &Searcher, fields: &Fields, word: &str) -> Result<Option<[String; 2]>, TantivyError> {
    for (place, _) in word.char_indices().skip(1) {
        let (one, other) = word.split_at(place);
        let phrase = phrase(fields, [one, other].into_iter());
        let mut finds = false;
        for segment in searcher.segment_readers() {
            let alive = segment.alive_bitset();
            let lives = |doc| alive.is_none_or(|alive| alive.is_alive(doc));
            Way::Query(&phrase).each(segment, |docs| finds = finds || docs.iter().copied().any(lives))?;
        }
        if finds {
            return Ok(Some([one.to_owned(), other.to_owned()]));
        }
    }
    Ok(None)
}

/// Words of a name, one after the other. At least two.
fn phrase<'a>(fields: &Fields, words: impl Iterator<Item = &'a str>) -> PhraseQuery {
    PhraseQuery::new(words.map(|word| Term::from_field_text(fields.name, word)).collect())
}
