//! Texts with a form: SKUs, handles, and the folding that comparisons use.

use std::fmt;

/// The longest SKU: long enough for handle and option values of real catalogues.
const SKU_MAX: usize = 255;
/// The longest handle, as Shopify has it.
const HANDLE_MAX: usize = 255;
/// Prefixes of ids, which a handle or username may not begin with.
const ID_PREFIXES: [&str; 4] = ["usr_", "prd_", "var_", "ord_"];

/// A text that is not what it should be; says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextFault(pub &'static str);

/// A stock-keeping unit: 1 to 255 characters without control characters, not padded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sku(String);

impl Sku {
    /// Parses a SKU; surrounding space is cut off.
    pub fn new(text: &str) -> Result<Self, TextFault> {
        let text = text.trim();
        if text.is_empty() || text.len() > SKU_MAX || text.chars().any(char::is_control) {
            return Err(TextFault("a SKU has 1 to 255 characters and no control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A product's name in addresses: lower-case letters, digits and hyphens; not all digits; no id prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    /// Parses a handle.
    pub fn new(text: &str) -> Result<Self, TextFault> {
        let allowed =
            |letter: char| letter.is_alphanumeric() && !letter.is_uppercase() || letter == '-' || letter == '_';
        if text.is_empty() || text.len() > HANDLE_MAX || !text.chars().all(allowed) {
            return Err(TextFault(
                "a handle has 1 to 255 lower-case letters, digits, hyphens and underscores",
            ));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TextFault("a handle may not be all digits: that would be a number"));
        }
        if ID_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(TextFault("a handle may not begin like an id"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A handle made of a name: letters and digits kept in lower case, the rest hyphens. Never empty, never all digits.
pub fn handle_from(name: &str) -> String {
    let mut handle = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        let room = handle.len() + letter.len_utf8() < HANDLE_MAX - 16; // Room for a suffix that makes it unique
        if letter.is_alphanumeric() && !letter.is_uppercase() && room {
            handle.push(letter);
        } else if !handle.ends_with('-') && !handle.is_empty() && room {
            handle.push('-');
        }
    }
    let handle = handle.trim_matches('-');
    if handle.is_empty() || handle.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("product-{handle}").trim_end_matches('-').to_owned();
    }
    handle.to_owned()
}

/// What two spellings that people take for the same have in common: lower case, single spaces.
pub fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Bytes as hexadecimal digits, two a byte, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_made_and_refused() {
        assert_eq!(handle_from("Ocean Blue  Shirt!"), "ocean-blue-shirt");
        assert_eq!(handle_from("Crème brûlée №5"), "crème-brûlée-5");
        assert_eq!(handle_from("2024"), "product-2024");
        assert_eq!(handle_from("🦀🦀"), "product");
        for name in ["Ocean", "2024", "🦀", &"x".repeat(400), "ß İstanbul"] {
            assert!(Handle::new(&handle_from(name)).is_ok(), "{name}");
        }
        for text in ["", "7", "prd_x", "Upper", "a b", "a@b"] {
            assert!(Handle::new(text).is_err(), "{text}");
        }
    }
}
