//! What an API key may be.

use api::identity::NewKey;
use base::Time;

use super::Fault;

/// The longest name of a key, in characters: a line on a page.
const NAME_MAX: usize = 100;

/// Reads what is asked of a new key: its name, cut free of space around it. Errors: every field that is wrong.
pub fn name(asked: &NewKey, now: Time) -> Result<String, Vec<Fault>> {
    let mut faults = Vec::new();
    let name = asked.name.trim();
    let length = name.chars().count();
    if length == 0 || length > NAME_MAX || name.chars().any(char::is_control) {
        let detail = format!("must have 1 to {NAME_MAX} characters, and no control characters");
        faults.push(Fault::new("/name", detail));
    }
    if asked.permissions.is_empty() {
        faults.push(Fault::new("/permissions", "must name at least one permission"));
    }
    if asked.expires_at.is_some_and(|expires| expires <= now) {
        faults.push(Fault::new("/expiresAt", "must lie in the future"));
    }
    if faults.is_empty() {
        Ok(name.to_owned())
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use serve::{CATALOG_READ, Permissions};

    use super::*;

    #[test]
    fn a_key_has_a_name_rights_and_time() {
        let now = Time::from_micros(1_000);
        let asked = |name: &str, permissions, expires: Option<i64>| {
            let asked = NewKey {
                name: name.into(),
                permissions,
                expires_at: expires.map(Time::from_micros),
            };
            let read = super::name(&asked, now);
            read.map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>())
        };
        let some = Permissions::NONE.and(CATALOG_READ);
        assert_eq!(asked(" till 1 ", some, None), Ok("till 1".into()));
        assert_eq!(asked("till", some, Some(1_001)), Ok("till".into()));
        assert_eq!(
            asked(" ", Permissions::NONE, Some(1_000)),
            Err(vec!["/name", "/permissions", "/expiresAt"])
        );
        assert_eq!(asked("a\nb", some, None), Err(vec!["/name"]));
        assert!(
            asked(&"é".repeat(NAME_MAX), some, None).is_ok() && asked(&"x".repeat(NAME_MAX + 1), some, None).is_err()
        );
    }
}
