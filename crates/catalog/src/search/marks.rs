//! Highlights: where a product holds what was searched for.

use api::catalog::{Highlights, Product};

use super::asked::{begins, distance};
use super::ranking::Sought;
use super::words::{Spot, plain, spots};

/// Characters of a description that are shown around what was found.
const EXCERPT_CHARS: usize = 200;
/// Characters of it that stand before the first find.
const BEFORE_CHARS: usize = 60;

/// The product's name and the part of its description that was found, as HTML: escaped, with `<mark>` around each word
/// found.
pub fn highlights(product: &Product, sought: &[Sought]) -> Highlights {
    let name = marked(&product.name, sought).map(|(html, _)| html);
    let text = plain(&product.description);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let excerpt = excerpt(&text, sought);
    Highlights {
        name: name.unwrap_or_else(|| escaped(&product.name)),
        description: excerpt.and_then(|excerpt| marked(excerpt.1, sought).map(|(html, _)| excerpt.framed(html))),
    }
}

/// Whether it begins before the text does, and ends after it.
struct Excerpt<'a>(bool, &'a str, bool);

impl Excerpt<'_> {
    fn framed(&self, html: String) -> String {
        let dots = |cut: bool| if cut { "…" } else { "" };
        format!("{}{html}{}", dots(self.0), dots(self.2))
    }
}

fn excerpt<'a>(text: &'a str, sought: &[Sought]) -> Option<Excerpt<'a>> {
    let first = spots(text).find(|spot| is_found(spot, sought))?.at.start;
    // Cut between words, at characters.
    let before = text[..first]
        .char_indices()
        .rev()
        .nth(BEFORE_CHARS)
        .map(|(place, _)| place);
    let start = match before {
        None => 0,
        Some(place) => text[place..first].find(' ').map_or(first, |space| place + space + 1),
    };
    let after = text[start..]
        .char_indices()
        .nth(EXCERPT_CHARS)
        .map(|(place, _)| start + place);
    let end = match after {
        None => text.len(),
        Some(place) => text[first..place].rfind(' ').map_or(place, |space| first + space),
    };
    Some(Excerpt(start > 0, &text[start..end], end < text.len()))
}

/// The text as HTML with its finds marked, and how many there are; none where nothing was found.
fn marked(text: &str, sought: &[Sought]) -> Option<(String, usize)> {
    let (mut html, mut done, mut finds) = (String::with_capacity(text.len() + 32), 0, 0);
    for spot in spots(text).filter(|spot| is_found(spot, sought)) {
        html.push_str(&escaped(&text[done..spot.at.start]));
        html.push_str("<mark>");
        html.push_str(&escaped(&text[spot.at.clone()]));
        html.push_str("</mark>");
        done = spot.at.end;
        finds += 1;
    }
    html.push_str(&escaped(&text[done..]));
    (finds > 0).then_some((html, finds))
}

fn is_found(spot: &Spot, sought: &[Sought]) -> bool {
    sought.iter().any(|sought| {
        let word = &sought.word;
        spot.word == word.text
            || word.forms.contains(&spot.word)
            || sought.parts.as_ref().is_some_and(|parts| parts.contains(&spot.word))
            || (word.goes_on && spot.word.starts_with(&word.text))
            || (sought.typos > 0 && distance(&word.text, &spot.word, sought.typos).is_some())
            || (sought.typos > 0 && word.goes_on && begins(&spot.word, &word.text, sought.typos))
    })
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::super::asked::Asked;
    use super::*;

    fn sought(text: &str, typos: bool) -> Vec<Sought> {
        let words = Asked::read(text).words.into_iter();
        words
            .map(|word| Sought {
                typos: if typos { word.typos } else { 0 },
                word,
                parts: None,
            })
            .collect()
    }

    #[test]
    fn finds_are_marked_and_the_rest_is_escaped() {
        for (text, search, typos, wanted) in [
            ("Oak Chair", "chairs ", false, Some("Oak <mark>Chair</mark>")),
            (
                "Émail & <b>",
                "email ",
                false,
                Some("<mark>Émail</mark> &amp; &lt;b&gt;"),
            ),
            ("Chairman", "chair", false, Some("<mark>Chairman</mark>")),
            ("Chairman", "chair ", false, None),
            ("Chair", "chiar ", false, None),
            ("Chair", "chiar ", true, Some("<mark>Chair</mark>")),
        ] {
            let html = marked(text, &sought(search, typos)).map(|(html, _)| html);
            assert_eq!(html.as_deref(), wanted, "{text} {search}");
        }
    }

    #[test]
    fn long_descriptions_are_cut_around_the_first_find() {
        let text = format!("{}needle {}", "hay ".repeat(100), "straw ".repeat(100));
        let found = excerpt(text.trim(), &sought("needle", false)).unwrap();
        assert!(
            found.0 && found.2 && found.1.starts_with("hay") && found.1.ends_with("straw"),
            "{}",
            found.1
        );
        assert!(found.1.contains("needle") && found.1.chars().count() <= EXCERPT_CHARS);
        let long = "é".repeat(1_000);
        let found = excerpt(&long, &sought(&long, false)).unwrap();
        assert_eq!(found.1.chars().count(), EXCERPT_CHARS);
        assert!(excerpt("hay", &sought("needle", false)).is_none());
    }
}
