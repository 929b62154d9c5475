//! What somebody searches for, read from any text. Pure, and never fails: no text is a wrong search.

use std::collections::HashSet;

use super::words::words;

/// Words of a search that count: more than people type, and what keeps a search short.
pub const WORDS_MAX: usize = 12;
/// Letters from which on a word may have one typo, and two.
const ONE_TYPO_FROM: usize = 4;
const TWO_TYPOS_FROM: usize = 8;
/// Letters from which on a word has other forms: shorter ones are no nouns with a plural.
const FORMS_FROM: usize = 3;

/// Words that say nothing of a thing. They need not be there when others are.
const WEAK: [&str; 47] = [
    "a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with", // English
    "das", "der", "des", "die", "ein", "eine", "mit", "und", "von", // German
    "au", "avec", "d", "de", "du", "et", "l", "la", "le", "les", "pour", "un", "une", // French
    "con", "del", "e", "el", "il", "los", "para", "per", "por", "s",
    "y", // Spanish, Italian; what an apostrophe leaves
];

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Its words, each once, at most `WORDS_MAX`.
    pub words: Vec<Word>,
    /// All its words in their order, as a name would have them.
    pub whole: String,
    /// All of it, as a code would have it: a SKU or a barcode.
    pub code: String,
}

/// A word that is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Folded.
    pub text: String,
    /// Other forms of it: plural, singular, and together with its neighbours.
    pub forms: Vec<String>,
    /// Whether it may go on: it is the last one, and perhaps not yet typed to its end.
    pub goes_on: bool,
    /// Typos that are forgiven where the word is unknown.
    pub typos: u8,
}

impl Asked {
    /// Reads a search.
    pub fn read(text: &str) -> Asked {
        let all: Vec<String> = words(text).collect();
        let ended = text.chars().next_back().is_none_or(|letter| !letter.is_alphanumeric());
        let strong = |word: &String| !WEAK.contains(&word.as_str());
        let any_strong = all.iter().any(strong);
        let last = all.len().wrapping_sub(1);
        let mut seen = HashSet::new();
        let mut read: Vec<Word> = Vec::new();
        for (place, word) in all.iter().enumerate() {
            let goes_on = place == last && !ended;
            // A last word that looks weak may be the beginning of another: `mit` of `mitre`.
            let counts = !any_strong || strong(word) || (goes_on && word.chars().count() > 1);
            if counts && seen.insert(word.clone()) && read.len() < WORDS_MAX {
                let mut known = Word::new(word, goes_on);
                // Written together by others: `head lamp`, headlamp.
                let before = place.checked_sub(1).and_then(|before| all.get(before));
                known.forms.extend(before.map(|before| format!("{before}{word}")));
                known
                    .forms
                    .extend(all.get(place + 1).map(|after| format!("{word}{after}")));
                read.push(known);
            } else if goes_on && let Some(same) = read.iter_mut().find(|known| known.text == *word) {
                same.goes_on = true;
            }
        }
        Asked {
            words: read,
            whole: all.join(" "),
            code: base::fold(text),
        }
    }

    /// Whether nothing is searched for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.code.is_empty()
    }
}

impl Word {
    fn new(text: &str, goes_on: bool) -> Word {
        let letters = text.chars().count();
        // A number with a typo is another number.
        let typos = match letters {
            _ if text.chars().any(char::is_numeric) => 0,
            0..ONE_TYPO_FROM => 0,
            ONE_TYPO_FROM..TWO_TYPOS_FROM => 1,
            _ => 2,
        };
        Word {
            text: text.to_owned(),
            forms: if letters < FORMS_FROM { Vec::new() } else { forms(text) },
            goes_on,
            typos,
        }
    }
}

/// Plural of a singular and the reverse, as English and others make them. A form that no language has harms nothing:
/// no product has it.
fn forms(word: &str) -> Vec<String> {
    let mut forms = Vec::new();
    if let Some(stem) = word.strip_suffix("ies") {
        forms.push(format!("{stem}y"));
    }
    if let Some(stem) = word.strip_suffix("ves") {
        forms.push(format!("{stem}f"));
    }
    if let Some(stem) = word.strip_suffix("es") {
        forms.push(stem.to_owned());
    }
    match word.strip_suffix('s').filter(|stem| !stem.ends_with('s')) {
        Some(stem) => forms.push(stem.to_owned()),
        None => {
            forms.push(format!("{word}s"));
            forms.push(format!("{word}es"));
            if let Some(stem) = word.strip_suffix('y') {
                forms.push(format!("{stem}ies"));
            }
            if let Some(stem) = word.strip_suffix('f') {
                forms.push(format!("{stem}ves"));
            }
        }
    }
    forms.retain(|form| form.chars().count() >= 2);
    forms
}

/// Changes that lead from one word to another (letters added, left out, exchanged, or two neighbours swapped: Damerau
/// and Levenshtein's distance, optimal string alignment), when these are at most `most`.
pub fn distance(one: &str, other: &str, most: u8) -> Option<u8> {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let most = usize::from(most);
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    last_row(&one, &other)
        .last()
        .copied()
        .filter(|changes| *changes <= most)
        .and_then(|changes| u8::try_from(changes).ok())
}

/// Whether a word begins like `beginning` with at most so many typos.
pub fn begins(word: &str, beginning: &str, most: u8) -> bool {
    let (word, beginning): (Vec<char>, Vec<char>) = (word.chars().collect(), beginning.chars().collect());
    // The row of the whole beginning against each beginning of the word.
    last_row(&beginning, &word)
        .into_iter()
        .any(|changes| changes <= usize::from(most))
}

/// Distances of the whole of `one` to each beginning of `other`.
fn last_row(one: &[char], other: &[char]) -> Vec<usize> {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut next = vec![i + 1; other.len() + 1];
        for (j, against) in other.iter().enumerate() {
            let exchanged = row[j] + usize::from(letter != against);
            let mut least = exchanged.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *against {
                least = least.min(before[j - 1] + 1);
            }
            next[j + 1] = least;
        }
        before = std::mem::replace(&mut row, next);
    }
    row
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> String {
        let asked = Asked::read(text);
        let words = asked.words.iter().map(|word| {
            let on = if word.goes_on { "*" } else { "" };
            format!("{}{on}~{}", word.text, word.typos)
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn searches_are_read() {
        for (text, wanted) in [
            ("Salon Chair", "salon~1 chair*~1"),
            ("salon chair ", "salon~1 chair~1"),
            ("chair and a half recliner", "chair~1 half~1 recliner*~2"),
            ("chair, Chair CHAIR", "chair*~1"),
            ("the the", "the*~0"),
            ("king bed mit", "king~1 bed~0 mit*~0"),
            ("iphone 12", "iphone~1 12*~0"),
            ("name:x AND (\"y\" OR z~2)^3 [a TO b]", "name~1 x~0 z~0 2~0 3~0 b~0"),
            ("%'; --", ""),
            ("", ""),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
        assert_eq!(Asked::read(&"w1 w2 w3 w4 w5 w6 w7 w8 w9 ".repeat(9)).words.len(), 9);
        let many = (0..99).map(|n| format!("w{n} ")).collect::<String>();
        assert_eq!(Asked::read(&many).words.len(), WORDS_MAX);
    }

    #[test]
    fn plural_and_singular_are_forms_of_each_other() {
        for (one, other) in [
            ("pillow", "pillows"),
            ("bench", "benches"),
            ("berry", "berries"),
            ("shelf", "shelves"),
            ("glass", "glasses"),
        ] {
            assert!(Word::new(one, false).forms.contains(&other.to_owned()), "{one}");
            assert!(Word::new(other, false).forms.contains(&one.to_owned()), "{other}");
        }
    }

    #[test]
    fn typos_are_counted() {
        for (one, other, most, wanted) in [
            ("chair", "chair", 0, Some(0)),
            ("chair", "chiar", 1, Some(1)),
            ("chair", "chir", 1, Some(1)),
            ("chair", "chairs", 1, Some(1)),
            ("chair", "chain", 1, Some(1)),
            ("chair", "charm", 1, None),
            ("wanderer", "wandrerr", 2, Some(2)),
            ("", "ab", 2, Some(2)),
        ] {
            assert_eq!(distance(one, other, most), wanted, "{one} {other}");
        }
        assert!(begins("wanderer", "wand", 0) && begins("wanderer", "wnad", 1));
        assert!(!begins("wanderer", "wnad", 0) && !begins("wan", "wander", 1) && begins("x", "", 0));
    }

    proptest! {
        #[test]
        fn any_text_is_a_search(text in any::<String>()) {
            let asked = Asked::read(&text);
            prop_assert!(asked.words.len() <= WORDS_MAX);
            for word in &asked.words {
                prop_assert!(!word.text.is_empty() && word.typos <= 2);
            }
        }

        #[test]
        fn distance_is_symmetric(one in "[abc]{0,6}", other in "[abc]{0,6}") {
            prop_assert_eq!(distance(&one, &other, 9), distance(&other, &one, 9));
            prop_assert_eq!(distance(&one, &other, 9) == Some(0), one == other);
        }
    }
}
