//! Names that sign in, names of persons, telephone numbers.

use base::{Id, UserId, fold};

use super::Fault;

/// The longest e-mail address that can be delivered to (RFC 5321, erratum 1690).
const EMAIL_MAX: usize = 254;
/// The longest username, in characters.
pub const USERNAME_MAX: usize = 64;
/// The longest name of a person, in characters: longer ones are not names.
const NAME_MAX: usize = 200;
/// The longest telephone number, with spaces and an extension.
const PHONE_MAX: usize = 40;
/// What ids begin with. A username like that could be taken for one.
const ID_PREFIXES: [&str; 8] = [
    UserId::PREFIX,
    base::ProductId::PREFIX,
    base::VariantId::PREFIX,
    base::OrderId::PREFIX,
    base::PaymentId::PREFIX,
    base::LineId::PREFIX,
    base::CartId::PREFIX,
    base::EventId::PREFIX,
];

/// A name that signs in: an e-mail address or a username. Two with the same key are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// As it was written.
    pub text: String,
    /// As it is compared.
    pub key: String,
}

/// Reads an e-mail address, in the form of HTML's `<input type=email>` with letters of any language (RFC 6531).
pub fn email(text: &str) -> Result<Login, Fault> {
    let fault = || Fault::new("/email", "must be an e-mail address such as ada@example.com");
    let text = text.trim();
    let (local, host) = text.rsplit_once('@').ok_or_else(fault)?;
    let in_local = |letter: char| letter.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(letter);
    let in_host = |letter: char| letter.is_alphanumeric() || letter == '-';
    let label =
        |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && part.chars().all(in_host);
    let sound =
        text.len() <= EMAIL_MAX && !local.is_empty() && local.chars().all(in_local) && host.split('.').all(label);
    if sound {
        Ok(Login {
            text: text.to_owned(),
            key: fold(text),
        })
    } else {
        Err(fault())
    }
}

/// Reads a username: 1 to 64 characters, not all digits, no `@`, not like an id.
pub fn username(text: &str) -> Result<Login, Fault> {
    let fault = |detail: &str| Err(Fault::new("/username", detail));
    let text = text.trim();
    let key = fold(text);
    if key.is_empty() || text.chars().count() > USERNAME_MAX {
        return fault("must have 1 to 64 characters");
    }
    if text.contains('@') {
        return fault("must not hold an @; use `email` for e-mail addresses");
    }
    if text.chars().any(char::is_control) {
        return fault("must not hold control characters");
    }
    if key.bytes().all(|byte| byte.is_ascii_digit()) {
        return fault("must not be all digits: that would be a number");
    }
    if ID_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return fault("must not begin like an id");
    }
    Ok(Login {
        text: text.to_owned(),
        key,
    })
}

/// A person's name, whole and in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The whole name.
    pub name: Option<String>,
    /// Given name.
    pub first: Option<String>,
    /// Family name.
    pub last: Option<String>,
}

impl Names {
    /// These names, the missing ones made from those there are: the last word of a name is the family name.
    pub fn completed(self) -> Self {
        let Names { name, first, last } = self;
        match (name, first, last) {
            (Some(name), None, None) => {
                let (first, last) = match name.rsplit_once(' ') {
                    Some((first, last)) => (first.trim_end().to_owned(), Some(last.to_owned())),
                    None => (name.clone(), None),
                };
                Names {
                    name: Some(name),
                    first: Some(first),
                    last,
                }
            }
            (None, first, last) => {
                let parts: Vec<&str> = [&first, &last].into_iter().flatten().map(String::as_str).collect();
                let name = (!parts.is_empty()).then(|| parts.join(" "));
                Names { name, first, last }
            }
            (name, first, last) => Names { name, first, last },
        }
    }
}

/// Reads an optional name; an empty one is none.
pub(super) fn person(text: Option<&str>, pointer: &'static str, faults: &mut Vec<Fault>) -> Option<String> {
    let text = text?.trim();
    if text.chars().count() > NAME_MAX {
        faults.push(Fault::new(pointer, format!("must have at most {NAME_MAX} characters")));
    }
    if text.chars().any(char::is_control) {
        faults.push(Fault::new(pointer, "must not hold control characters"));
    }
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads an optional telephone number; an empty one is none.
pub(super) fn phone(text: Option<&str>, faults: &mut Vec<Fault>) -> Option<String> {
    let text = text?.trim();
    let allowed = |letter: char| letter.is_ascii_digit() || "+-()./ x#*".contains(letter);
    let sound =
        text.len() <= PHONE_MAX && text.chars().all(allowed) && text.chars().any(|letter| letter.is_ascii_digit());
    if text.is_empty() {
        return None;
    }
    if !sound {
        faults.push(Fault::new(
            "/phone",
            "must be a telephone number such as +44 20 7946 0018",
        ));
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_refused() {
        for text in [
            "a@b",
            "Ada.L+shop@Example.COM",
            "用户@例え.jp",
            "o'brien@x-y.co",
            " pad@x.org ",
        ] {
            assert_eq!(email(text).map(|login| login.key), Ok(fold(text)), "{text}");
        }
        let long = format!("{}@x.org", "a".repeat(250));
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c",
            "a@b@c",
            "a@-b",
            "a@b..c",
            "<b>@c",
            "x@y.z' OR 1=1",
            "a@🦀",
            &long,
        ] {
            assert!(email(text).is_err(), "{text}");
        }
    }

    #[test]
    fn usernames_are_read_and_refused() {
        for text in [
            "alice",
            "1a",
            "Zoë Ångström",
            "🦀",
            "'; DROP TABLE identity_user; --",
            "<b>x</b>",
        ] {
            assert!(username(text).is_ok(), "{text}");
        }
        let long = "x".repeat(65);
        for text in [
            "", "  ", "12345", "a@b", "usr_x", "USR_x", "prd_1", "ord_", "a\u{7}b", &long,
        ] {
            assert!(username(text).is_err(), "{text}");
        }
    }

    #[test]
    fn missing_names_are_made_from_those_there_are() {
        let names = |name: &str, first: &str, last: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Names {
                name: some(name),
                first: some(first),
                last: some(last),
            }
        };
        for (given, expected) in [
            (names("", "", ""), names("", "", "")),
            (names("Ada", "", ""), names("Ada", "Ada", "")),
            (
                names("Mary Ann Smith", "", ""),
                names("Mary Ann Smith", "Mary Ann", "Smith"),
            ),
            (names("", "Ada", "Lovelace"), names("Ada Lovelace", "Ada", "Lovelace")),
            (names("", "", "Lovelace"), names("Lovelace", "", "Lovelace")),
            (names("The Countess", "Ada", ""), names("The Countess", "Ada", "")),
        ] {
            assert_eq!(given.clone().completed(), expected, "{given:?}");
        }
    }
}
