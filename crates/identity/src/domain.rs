//! Rules of accounts: what a name, an address, a password may be, and what a change makes of a user.

pub mod crew;
pub mod device;
pub mod keys;
mod names;
pub mod search;
pub mod session;

use base::{Id, Time, UserId, fold};
use serve::{Permissions, Role};

pub use names::{Login, Names, email, username};
use names::{person, phone};

/// The shortest password, unless configured otherwise (NIST SP 800-63B-4 for passwords beside other means).
pub const PASSWORD_MIN: usize = 8;
/// The longest password, in characters: a long sentence fits, and hashing stays cheap.
pub const PASSWORD_MAX: usize = 128;

/// Passwords of eight characters and more that are tried first by everybody who guesses.
const GUESSED_FIRST: &str = include_str!("domain/guessed_first.txt");

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
        Self {
            pointer,
            detail: detail.into(),
        }
    }
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
    read(asked, Some(rules))
}

/// Reads what is known of somebody who comes from another system, whose password is not known. Errors: every field
/// that is wrong.
pub fn arrival(asked: &api::identity::Register) -> Result<Newcomer, Vec<Fault>> {
    read(asked, None)
}

fn read(asked: &api::identity::Register, rules: Option<PasswordRules>) -> Result<Newcomer, Vec<Fault>> {
    let mut faults = Vec::new();
    let email = noted(asked.email.as_deref().map(email), &mut faults);
    let username = noted(asked.username.as_deref().map(username), &mut faults);
    if asked.email.is_none() && asked.username.is_none() {
        faults.push(Fault::new("/email", "is needed, or `username`"));
    }
    let names = (asked.email.as_deref(), asked.username.as_deref());
    noted(
        rules.map(|rules| password(&asked.password, rules, names.0, names.1)),
        &mut faults,
    );
    let names = Names {
        name: person(asked.name.as_deref(), "/name", &mut faults),
        first: person(asked.first_name.as_deref(), "/firstName", &mut faults),
        last: person(asked.last_name.as_deref(), "/lastName", &mut faults),
    };
    let phone = phone(asked.phone.as_deref(), &mut faults);
    if faults.is_empty() {
        Ok(Newcomer {
            email,
            username,
            names: names.completed(),
            phone,
        })
    } else {
        Err(faults)
    }
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
    /// What staff may do in the areas of the shop; administrators have all, others none.
    pub permissions: Permissions,
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
            permissions: Permissions::NONE,
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
        asked
            .email
            .as_deref()
            .is_some_and(|text| Some(fold(text).as_str()) != key)
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
                (true, false) => Names {
                    name,
                    ..Names::default()
                },
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
            permissions: (user.role >= Role::Staff).then_some(user.permissions),
            created_at: user.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::identity::{ChangeUser, Register};

    const RULES: PasswordRules = PasswordRules {
        min: PASSWORD_MIN,
        refuse_common: false,
    };

    #[test]
    fn passwords_are_as_long_as_they_must_be() {
        let strict = PasswordRules {
            refuse_common: true,
            ..RULES
        };
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
            assert_eq!(
                password(text, rules, Some("ada@example.com"), None).is_ok(),
                fine,
                "{text}"
            );
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
        let neither = Register {
            password: "long enough".into(),
            ..Register::default()
        };
        assert_eq!(newcomer(&neither, RULES).unwrap_err()[0].pointer, "/email");
    }

    #[test]
    fn a_change_touches_what_is_given() {
        let mut user = User::guest(UserId::from_bits(1_000 << 80));
        assert_eq!(user.created_at.micros(), 1_000_000);
        user.names = Names {
            name: Some("Ada Byron".into()),
            ..Names::default()
        }
        .completed();
        user.email = email("ada@x.org").ok();
        let change = |asked: ChangeUser| user.changed(&asked).unwrap();
        let married = change(ChangeUser {
            last_name: Some("King".into()),
            ..ChangeUser::default()
        });
        assert_eq!(married.names.name.as_deref(), Some("Ada King"));
        assert_eq!((married.version, &married.email), (user.version + 1, &user.email));
        let renamed = change(ChangeUser {
            name: Some("Countess".into()),
            ..ChangeUser::default()
        });
        assert_eq!(
            (renamed.names.first.as_deref(), renamed.names.last),
            (Some("Countess"), None)
        );
        let nameless = change(ChangeUser {
            name: Some(" ".into()),
            ..ChangeUser::default()
        });
        assert_eq!(nameless.names, Names::default());

        let moved = |email: &str| {
            user.moves(&ChangeUser {
                email: Some(email.into()),
                ..ChangeUser::default()
            })
        };
        assert!(moved("other@x.org") && !moved("ADA@x.org ") && !user.moves(&ChangeUser::default()));
    }
}
