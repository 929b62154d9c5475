//! Rules of accounts: what a name, an address, a password may be, and what a change makes of a user.

pub mod session;

use base::{Id, Time, UserId, fold};
use serve::Role;

/// The longest e-mail address that can be delivered to (RFC 5321, erratum 1690).
const EMAIL_MAX: usize = 254;
/// The longest username, in characters.
pub const USERNAME_MAX: usize = 64;
/// The longest name of a person, in characters: longer ones are not names.
const NAME_MAX: usize = 200;
/// The longest telephone number, with spaces and an extension.
const PHONE_MAX: usize = 40;
/// The shortest password, unless configured otherwise (NIST SP 800-63B-4 for passwords beside other means).
pub const PASSWORD_MIN: usize = 8;
/// The longest password, in characters: a long sentence fits, and hashing stays cheap.
pub const PASSWORD_MAX: usize = 128;

/// Passwords of eight characters and more that are tried first by everybody who guesses.
const GUESSED_FIRST: &str = include_str!("domain/guessed_first.txt");

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

/// A field that is wrong: JSON pointer into the body, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, e.g. `/password`.
    pub pointer: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer, detail: detail.into() }
    }
}

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
    let label = |part: &str| {
        !part.is_empty() && !part.starts_with('-') && !part.ends_with('-') && part.chars().all(in_host)
    };
    let sound = text.len() <= EMAIL_MAX && !local.is_empty() && local.chars().all(in_local) && host.split('.').all(label);
    if sound { Ok(Login { text: text.to_owned(), key: fold(text) }) } else { Err(fault()) }
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
    Ok(Login { text: text.to_owned(), key })
}

/// What a password must be.
#[derive(Clone, Copy, Debug)]
pub struct PasswordRules {
    /// The fewest characters.
    pub min: usize,
    /// Whether passwords that are guessed first are refused.
    pub refuse_common: bool,
}

/// Checks a new password.
pub fn password(text: &str, rules: PasswordRules, email: Option<&str>, username: Option<&str>) -> Result<(), Fault> {
    let fault = |detail: String| Err(Fault::new("/password", detail));
    let length = text.chars().count();
    if length < rules.min {
        return fault(format!("must have at least {} characters", rules.min));
    }
    if length > PASSWORD_MAX {
        return fault(format!("must have at most {PASSWORD_MAX} characters"));
    }
    if rules.refuse_common {
        let key = fold(text);
        if GUESSED_FIRST.lines().any(|known| known == key) {
            return fault("is one of those that are guessed first; choose another".to_owned());
        }
        if [email, username].into_iter().flatten().any(|name| fold(name) == key) {
            return fault("must not be the name that you sign in with".to_owned());
        }
    }
    Ok(())
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
                Names { name: Some(name), first: Some(first), last }
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
fn person(text: Option<&str>, pointer: &'static str, faults: &mut Vec<Fault>) -> Option<String> {
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
fn phone(text: Option<&str>, faults: &mut Vec<Fault>) -> Option<String> {
    let text = text?.trim();
    let allowed = |letter: char| letter.is_ascii_digit() || "+-()./ x#*".contains(letter);
    let sound = text.len() <= PHONE_MAX && text.chars().all(allowed) && text.chars().any(|letter| letter.is_ascii_digit());
    if text.is_empty() {
        return None;
    }
    if !sound {
        faults.push(Fault::new("/phone", "must be a telephone number such as +44 20 7946 0018"));
    }
    Some(text.to_owned())
}

/// Keeps the value, or notes its fault.
fn noted<T>(outcome: Option<Result<T, Fault>>, faults: &mut Vec<Fault>) -> Option<T> {
    outcome.and_then(|outcome| outcome.map_err(|fault| faults.push(fault)).ok())
}

/// What is known of somebody who opens an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// The e-mail address.
    pub email: Option<Login>,
    /// The username; one of the two is there.
    pub username: Option<Login>,
    /// The names, completed.
    pub names: Names,
    /// The telephone number.
    pub phone: Option<String>,
}

/// Reads a registration. Errors: every field that is wrong.
pub fn newcomer(asked: &api::identity::Register, rules: PasswordRules) -> Result<Newcomer, Vec<Fault>> {
    let mut faults = Vec::new();
    let email = noted(asked.email.as_deref().map(email), &mut faults);
    let username = noted(asked.username.as_deref().map(username), &mut faults);
    if asked.email.is_none() && asked.username.is_none() {
        faults.push(Fault::new("/email", "is needed, or `username`"));
    }
    noted(
        Some(password(&asked.password, rules, asked.email.as_deref(), asked.username.as_deref())),
        &mut faults,
    );
    let names = Names {
        name: person(asked.name.as_deref(), "/name", &mut faults),
        first: person(asked.first_name.as_deref(), "/firstName", &mut faults),
        last: person(asked.last_name.as_deref(), "/lastName", &mut faults),
    };
    let phone = phone(asked.phone.as_deref(), &mut faults);
    if faults.is_empty() { Ok(Newcomer { email, username, names: names.completed(), phone }) } else { Err(faults) }
}

/// A user, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The number for people; none for guests without a row.
    pub number: Option<i64>,
    /// Grows with each change, from 1; 0 for guests without a row.
    pub version: i64,
    /// The e-mail address.
    pub email: Option<Login>,
    /// The username.
    pub username: Option<Login>,
    /// The names.
    pub names: Names,
    /// The telephone number.
    pub phone: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Since when.
    pub created_at: Time,
}

impl User {
    /// A guest who has not ordered: nothing is stored of them, and their id tells since when they are there.
    pub fn guest(id: UserId) -> Self {
        let millis = i64::try_from(id.bits() >> 80).unwrap_or(i64::MAX);
        Self {
            id,
            number: None,
            version: 0,
            email: None,
            username: None,
            names: Names::default(),
            phone: None,
            role: Role::Guest,
            created_at: Time::from_micros(millis.saturating_mul(1_000)),
        }
    }

    /// The tag of this state of the user, for `ETag`.
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// Whether `asked` names another e-mail address, for which the password is needed.
    pub fn moves(&self, asked: &api::identity::ChangeUser) -> bool {
        let key = self.email.as_ref().map(|email| email.key.as_str());
        asked.email.as_deref().is_some_and(|text| Some(fold(text).as_str()) != key)
    }

    /// The user after a change of the fields given. An empty name or telephone number takes it away. Errors:
    /// every field that is wrong.
    pub fn changed(&self, asked: &api::identity::ChangeUser) -> Result<User, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut user = self.clone();
        if let Some(email) = noted(asked.email.as_deref().map(email), &mut faults) {
            user.email = Some(email);
        }
        if let Some(username) = noted(asked.username.as_deref().map(username), &mut faults) {
            user.username = Some(username);
        }
        let name = person(asked.name.as_deref(), "/name", &mut faults);
        let first = person(asked.first_name.as_deref(), "/firstName", &mut faults);
        let last = person(asked.last_name.as_deref(), "/lastName", &mut faults);
        let parts = asked.first_name.is_some() || asked.last_name.is_some();
        if asked.name.is_some() || parts {
            // What was not given stays, unless it was made from what is now another.
            let kept = |given: bool, new, old: &Option<String>| if given { new } else { old.clone() };
            user.names = match (asked.name.is_some(), parts) {
                (true, false) => Names { name, ..Names::default() },
                (whole, _) => Names {
                    name: if whole { name } else { None },
                    first: kept(asked.first_name.is_some(), first, &self.names.first),
                    last: kept(asked.last_name.is_some(), last, &self.names.last),
                },
            }
            .completed();
        }
        if asked.phone.is_some() {
            user.phone = phone(asked.phone.as_deref(), &mut faults);
        }
        user.version += 1;
        if faults.is_empty() { Ok(user) } else { Err(faults) }
    }
}

impl From<User> for api::identity::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            number: user.number,
            username: user.username.map(|name| name.text),
            email: user.email.map(|email| email.text),
            name: user.names.name,
            first_name: user.names.first,
            last_name: user.names.last,
            phone: user.phone,
            role: user.role,
            created_at: user.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::identity::{ChangeUser, Register};

    const RULES: PasswordRules = PasswordRules { min: PASSWORD_MIN, refuse_common: false };

    #[test]
    fn addresses_are_read_and_refused() {
        for text in ["a@b", "Ada.L+shop@Example.COM", "用户@例え.jp", "o'brien@x-y.co", " pad@x.org "] {
            assert_eq!(email(text).map(|login| login.key), Ok(fold(text)), "{text}");
        }
        let long = format!("{}@x.org", "a".repeat(250));
        for text in ["", "@", "a@", "@b", "a b@c", "a@b@c", "a@-b", "a@b..c", "<b>@c", "x@y.z' OR 1=1", "a@🦀", &long] {
            assert!(email(text).is_err(), "{text}");
        }
    }

    #[test]
    fn usernames_are_read_and_refused() {
        for text in ["alice", "1a", "Zoë Ångström", "🦀", "'; DROP TABLE identity_user; --", "<b>x</b>"] {
            assert!(username(text).is_ok(), "{text}");
        }
        let long = "x".repeat(65);
        for text in ["", "  ", "12345", "a@b", "usr_x", "USR_x", "prd_1", "ord_", "a\u{7}b", &long] {
            assert!(username(text).is_err(), "{text}");
        }
    }

    #[test]
    fn passwords_are_as_long_as_they_must_be() {
        let strict = PasswordRules { refuse_common: true, ..RULES };
        for (text, rules, fine) in [
            ("1234567", RULES, false),
            ("12345678", RULES, true),
            ("🦀🦀🦀🦀🦀🦀🦀🦀", RULES, true),
            (&"x".repeat(128), RULES, true),
            (&"x".repeat(129), RULES, false),
            ("Password1", strict, false),
            ("ada@example.com", strict, false),
            ("correct horse battery", strict, true),
        ] {
            assert_eq!(password(text, rules, Some("ada@example.com"), None).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn missing_names_are_made_from_those_there_are() {
        let names = |name: &str, first: &str, last: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Names { name: some(name), first: some(first), last: some(last) }
        };
        for (given, expected) in [
            (names("", "", ""), names("", "", "")),
            (names("Ada", "", ""), names("Ada", "Ada", "")),
            (names("Mary Ann Smith", "", ""), names("Mary Ann Smith", "Mary Ann", "Smith")),
            (names("", "Ada", "Lovelace"), names("Ada Lovelace", "Ada", "Lovelace")),
            (names("", "", "Lovelace"), names("Lovelace", "", "Lovelace")),
            (names("The Countess", "Ada", ""), names("The Countess", "Ada", "")),
        ] {
            assert_eq!(given.clone().completed(), expected, "{given:?}");
        }
    }

    #[test]
    fn a_registration_names_all_faults_at_once() {
        let asked = Register {
            email: Some("no".into()),
            username: Some("7".into()),
            password: "short".into(),
            phone: Some("<script>".into()),
            name: Some("x".repeat(201)),
            ..Register::default()
        };
        let faults = newcomer(&asked, RULES).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/email", "/username", "/password", "/name", "/phone"]);
        let neither = Register { password: "long enough".into(), ..Register::default() };
        assert_eq!(newcomer(&neither, RULES).unwrap_err()[0].pointer, "/email");
    }

    #[test]
    fn a_change_touches_what_is_given() {
        let mut user = User::guest(UserId::from_bits(1_000 << 80));
        assert_eq!(user.created_at.micros(), 1_000_000);
        user.names = Names { name: Some("Ada Byron".into()), ..Names::default() }.completed();
        user.email = email("ada@x.org").ok();
        let change = |asked: ChangeUser| user.changed(&asked).unwrap();
        let married = change(ChangeUser { last_name: Some("King".into()), ..ChangeUser::default() });
        assert_eq!(married.names.name.as_deref(), Some("Ada King"));
        assert_eq!((married.version, &married.email), (user.version + 1, &user.email));
        let renamed = change(ChangeUser { name: Some("Countess".into()), ..ChangeUser::default() });
        assert_eq!((renamed.names.first.as_deref(), renamed.names.last), (Some("Countess"), None));
        let nameless = change(ChangeUser { name: Some(" ".into()), ..ChangeUser::default() });
        assert_eq!(nameless.names, Names::default());

        let moved = |email: &str| user.moves(&ChangeUser { email: Some(email.into()), ..ChangeUser::default() });
        assert!(moved("other@x.org") && !moved("ADA@x.org ") && !user.moves(&ChangeUser::default()));
    }
}
