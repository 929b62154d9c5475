//! Under which words a user is found.
//!
//! A search is one prefix, looked for among the words of all users: one range of an index, however many there are.
//! So a name is entered from each of its words on: "Jan van der Berg" is found by `jan v`, `van der`, `berg`.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::User;

/// The longest word that is entered, in characters; a longer prefix finds what begins like its beginning.
const WORD_MAX: usize = 64;
/// From how many of its words a name is entered: enough for names, and a bound on what one user costs.
const STARTS_MAX: usize = 6;

/// The words of a user, sorted, each once.
pub fn words(user: &User) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut enter = |text: &str| {
        let word = key(text);
        if !word.is_empty() {
            words.push(word);
        }
    };
    if let Some(number) = user.number {
        enter(&number.to_string());
    }
    if let Some(username) = &user.username {
        enter(&username.text);
    }
    if let Some(email) = &user.email {
        enter(&email.text);
        if let Some((_, host)) = email.text.rsplit_once('@') {
            enter(host);
        }
    }
    let (first, last) = (user.names.first.as_deref(), user.names.last.as_deref());
    if let Some(whole) = user.names.name.as_deref() {
        starts(whole).for_each(&mut enter);
    }
    if let (Some(first), Some(last)) = (first, last) {
        enter(&format!("{last} {first}"));
    }
    words.sort_unstable();
    words.dedup();
    words
}

/// What a search looks for; none when there is nothing in it.
pub fn sought(text: &str) -> Option<String> {
    let key = key(text);
    (!key.is_empty()).then_some(key)
}

/// A name from each of its words on.
fn starts(name: &str) -> impl Iterator<Item = &str> {
    let mut at_word = true;
    let places = name.char_indices().filter_map(move |(place, letter)| {
        let begins = at_word && !letter.is_whitespace();
        at_word = letter.is_whitespace() || letter == '-';
        begins.then_some(place)
    });
    places.take(STARTS_MAX).map(|place| &name[place..])
}

/// A text as it is compared: folded, without accents, cut.
fn key(text: &str) -> String {
    let plain: String = text.nfd().filter(|letter| !is_combining_mark(*letter)).collect();
    base::fold(&plain)
        .chars()
        .take(WORD_MAX)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use base::{Id as _, UserId};

    use super::*;
    use crate::domain::{Names, email, username};

    #[test]
    fn a_user_is_found_by_what_they_are_called() {
        let user = User {
            number: Some(17),
            email: email("José@Example.com").ok(),
            username: username("Pepe 1").ok(),
            names: Names {
                name: Some("José van der  Peña-Núñez".into()),
                ..Names::default()
            }
            .completed(),
            ..User::guest(UserId::from_bits(1))
        };
        let words = words(&user);
        let expected = [
            "17",
            "der pena-nunez",
            "example.com",
            "jose van der pena-nunez",
            "jose@example.com",
            "nunez",
            "pena-nunez",
            "pena-nunez jose van der",
            "pepe 1",
            "van der pena-nunez",
        ];
        assert_eq!(words, expected);
        for (text, hits) in [
            ("NÚÑ", 1),
            ("pena-nunez  josé", 1),
            ("17", 1),
            ("EXAMPLE", 1),
            ("van  der", 1),
            ("ez", 0),
        ] {
            let prefix = sought(text).unwrap();
            assert_eq!(
                words.iter().filter(|word| word.starts_with(&prefix)).count(),
                hits,
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_is_entered_twice_or_without_end() {
        let user = User {
            names: Names {
                name: Some("a ".repeat(100)),
                ..Names::default()
            },
            ..User::guest(UserId::from_bits(1))
        };
        let words = words(&user);
        assert!(words.len() <= STARTS_MAX && words.iter().all(|word| word.chars().count() <= WORD_MAX));
        assert_eq!(sought(" \u{301} "), None);
        assert!(super::words(&User::guest(UserId::from_bits(1))).is_empty());
    }
}
