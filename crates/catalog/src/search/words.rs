//! Texts as the index has them: words without case, accents and punctuation, of any language.
//!
//! Index, query and highlighting cut texts by the same function, so that what is found is what is marked.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Characters of a word that count; what is longer is no word that people type.
pub const WORD_CHARS_MAX: usize = 64;

/// A word of a text: where it stands, and how it reads folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// Folded; never empty.
    pub word: String,
}

/// The words of a text in their order, folded.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    spots(text).map(|spot| spot.word)
}

/// The words of a text, joined by spaces: what two names that read the same have in common.
pub fn joined(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

/// The words of a text with their places. Letters of scripts that write no spaces are words of their own; an apostrophe
/// within a word is left out.
pub fn spots(text: &str) -> impl Iterator<Item = Spot> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = next(text, from)?;
            from = at.end;
            let word = folded(&text[at.clone()]);
            if !word.is_empty() {
                return Some(Spot { at, word });
            }
        }
    })
}

/// Where the first word at or after a place stands.
fn next(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = &text[from..];
    let start = from + rest.find(is_of_word)?;
    let mut letters = text[start..].char_indices().peekable();
    let (_, first) = letters.next()?;
    let mut end = start + first.len_utf8();
    if stands_alone(first) {
        // With the marks that belong to it.
        for (place, letter) in letters {
            if !is_combining_mark(letter) {
                break;
            }
            end = start + place + letter.len_utf8();
        }
        return Some(start..end);
    }
    while let Some((place, letter)) = letters.next() {
        let within = is_of_word(letter) && !stands_alone(letter);
        let joins = is_apostrophe(letter)
            && letters
                .peek()
                .is_some_and(|(_, after)| is_of_word(*after) && !stands_alone(*after));
        if !within && !joins {
            break;
        }
        end = start + place + letter.len_utf8();
    }
    Some(start..end)
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || is_combining_mark(letter)
}

fn is_apostrophe(letter: char) -> bool {
    matches!(letter, '\'' | '\u{2019}' | '\u{2bc}')
}

/// Letters of scripts that put no spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
fn stands_alone(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Marks that readers do without: accents, Hebrew points, Arabic vowel signs. Those of Indian scripts are vowels, and
/// stay.
fn is_accent(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{640}')
}

fn folded(word: &str) -> String {
    if word.is_ascii() {
        // Most words of most shops: nothing of what follows would change them.
        let letters = word.bytes().filter(u8::is_ascii_alphanumeric).take(WORD_CHARS_MAX);
        return letters.map(|letter| letter.to_ascii_lowercase() as char).collect();
    }
    let mut folded = String::with_capacity(word.len());
    let plain = word.nfkd().filter(|letter| is_of_word(*letter) && !is_accent(*letter));
    for letter in plain.flat_map(char::to_lowercase).filter(|letter| !is_accent(*letter)) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            letter => folded.push(letter),
        }
    }
    folded.nfc().take(WORD_CHARS_MAX).collect()
}

/// HTML as text: marks become spaces, the usual entities letters.
pub fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(place) = rest.find(['<', '&']) {
        text.push_str(&rest[..place]);
        rest = &rest[place..];
        if rest.starts_with('<') {
            match rest.find('>') {
                Some(end) => rest = &rest[end + 1..],
                None => rest = "",
            }
            text.push(' ');
            continue;
        }
        // Entities are short; an ampersand that begins none is one.
        let entity = rest.bytes().take(ENTITY_MAX).position(|byte| byte == b';');
        match entity.and_then(|end| Some((end, letter_of(&rest[1..end])?))) {
            Some((end, letter)) => {
                text.push(letter);
                rest = &rest[end + 1..];
            }
            None => {
                text.push('&');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// Bytes of an entity that is read: the sanitiser leaves no longer ones.
const ENTITY_MAX: usize = 12;

fn letter_of(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|letter| !letter.is_control())?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_any_language_are_folded() {
        for (text, wanted) in [
            ("Crème brûlée, 2 dl!", "creme brulee 2 dl"),
            ("ÇELİK ÇEKİÇ", "celik cekic"),
            ("Çelik çekiç", "celik cekic"),
            ("Straße STRASSE", "strasse strasse"),
            ("Men's T-Shirt (60W)", "mens t shirt 60w"),
            ("rock ’n’ roll", "rock n roll"),
            ("Łódź Ørsted Þór", "lodz orsted thor"),
            ("ΟΔΥΣΣΕΥΣ Οδυσσεύς", "οδυσσευσ οδυσσευσ"),
            ("Ёлка ёлка", "елка елка"),
            ("木の机", "木 の 机"),
            ("한국어 의자", "한국어 의자"),
            ("हिन्दी कुर्सी", "हिन्दी कुर्सी"),
            ("كُرْسِيّ", "كرسي"),
            ("½ ﬁnish ＡＢＣ", "12 finish abc"),
            ("a\u{301}b e\u{301}", "ab e"),
            ("🦀 -- %_\\ \u{0}", ""),
        ] {
            assert_eq!(joined(text), wanted, "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "Émail-Topf's 机";
        let found: Vec<_> = spots(text).map(|spot| &text[spot.at]).collect();
        assert_eq!(found, ["Émail", "Topf's", "机"]);
        assert_eq!(joined(&"x".repeat(1_000)).chars().count(), WORD_CHARS_MAX);
    }

    #[test]
    fn html_is_read_as_text() {
        for (html, wanted) in [
            ("<p>Salt &amp; pepper</p>", " Salt & pepper "),
            ("a<br>b &lt;c&gt; &#233;&#xe9; &nope; & &", "a b <c> éé &nope; & &"),
            ("broken <b", "broken  "),
            ("&é;&#0;&#x110000;", "&é;&#0;&#x110000;"),
        ] {
            assert_eq!(plain(html), wanted, "{html}");
        }
    }
}
