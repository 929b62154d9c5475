//! Who may do what with somebody's account, and who has which role.

use api::identity::{ChangeRole, ChangeUser};
use serve::{CUSTOMERS_READ, CUSTOMERS_WRITE, Caller, Permission, Permissions, Role};

use super::{Fault, User};

/// Why an account is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// There is no such user, as far as the caller may know.
    Unknown,
    /// The caller may see the user, and lacks this permission.
    Without(Permission),
    /// Accounts of staff and administrators are changed by themselves and by administrators.
    Crew,
    /// A machine has no password that could prove who asks.
    Machine,
}

/// Whether the caller may see the user: themselves, or anybody with the permission.
pub fn may_see(caller: &Caller, user: &User) -> Result<(), Barred> {
    if caller.may_see(user.id, CUSTOMERS_READ) {
        Ok(())
    } else {
        Err(Barred::Unknown)
    }
}

/// Whether the caller may change the user: themselves; customers and guests with the permission; anybody for
/// administrators.
pub fn may_change(caller: &Caller, user: &User, asked: &ChangeUser) -> Result<(), Barred> {
    may_see(caller, user)?;
    if caller.key.is_some() && user.moves(asked) {
        return Err(Barred::Machine);
    }
    match () {
        () if caller.id == user.id || caller.is_admin() => Ok(()),
        () if !caller.may(CUSTOMERS_WRITE) => Err(Barred::Without(CUSTOMERS_WRITE)),
        () if user.role >= Role::Staff => Err(Barred::Crew),
        () => Ok(()),
    }
}

/// What a role may do: staff what they were given, administrators everything, others nothing.
pub fn permissions_of(role: Role, given: Option<Permissions>) -> Permissions {
    match role {
        Role::Staff => given.unwrap_or(Permissions::STAFF),
        Role::Admin => Permissions::ALL,
        Role::Guest | Role::Customer => Permissions::NONE,
    }
}

/// Reads a change of role. Errors: every field that is wrong.
pub fn role(asked: &ChangeRole) -> Result<(Role, Permissions), Vec<Fault>> {
    let mut faults = Vec::new();
    if asked.role == Role::Guest {
        faults.push(Fault::new("/role", "must be customer, staff or admin"));
    }
    if asked.permissions.is_some() && asked.role != Role::Staff {
        let detail = "go with the role staff: administrators have all, customers none";
        faults.push(Fault::new("/permissions", detail));
    }
    match faults.is_empty() {
        true => Ok((asked.role, permissions_of(asked.role, asked.permissions))),
        false => Err(faults),
    }
}

#[cfg(test)]
mod tests {
    use base::{Id as _, KeyId, SessionId, Time, UserId};

    use super::*;

    fn caller(id: u128, role: Role, words: &[&str]) -> Caller {
        Caller {
            id: UserId::from_bits(id),
            role,
            session: SessionId::from_bits(id),
            expires: Time::from_micros(0),
            permissions: words.iter().map(|word| word.parse::<Permission>().unwrap()).collect(),
            key: None,
        }
    }

    fn user(id: u128, role: Role) -> User {
        User {
            role,
            ..User::guest(UserId::from_bits(id))
        }
    }

    #[test]
    fn accounts_are_open_to_whom_they_concern() {
        let phone = ChangeUser {
            phone: Some("1".into()),
            ..ChangeUser::default()
        };
        let reader = caller(2, Role::Staff, &["customers:read"]);
        let writer = caller(2, Role::Staff, &["customers:write"]);
        let clerk = caller(2, Role::Staff, &["orders:write"]);
        let admin = caller(3, Role::Admin, &[]);
        let ada = caller(1, Role::Customer, &[]);
        let (customer, colleague) = (user(1, Role::Customer), user(9, Role::Staff));
        let barred = |caller: &Caller, user: &User| may_change(caller, user, &phone).err();
        assert_eq!(barred(&ada, &customer), None);
        assert_eq!(barred(&ada, &user(4, Role::Customer)), Some(Barred::Unknown));
        assert_eq!(barred(&clerk, &customer), Some(Barred::Unknown));
        assert_eq!(barred(&reader, &customer), Some(Barred::Without(CUSTOMERS_WRITE)));
        assert_eq!(barred(&writer, &customer), None);
        assert_eq!(barred(&writer, &colleague), Some(Barred::Crew));
        assert_eq!(barred(&writer, &user(9, Role::Admin)), Some(Barred::Crew));
        assert_eq!(barred(&writer, &user(2, Role::Staff)), None);
        assert_eq!(barred(&clerk, &user(2, Role::Staff)), None);
        assert_eq!(barred(&admin, &colleague), None);

        let email = ChangeUser {
            email: Some("new@example.com".into()),
            ..ChangeUser::default()
        };
        let machine = Caller {
            key: Some(KeyId::from_bits(2)),
            ..writer
        };
        assert_eq!(may_change(&machine, &customer, &email), Err(Barred::Machine));
        assert_eq!(may_change(&machine, &customer, &phone), Ok(()));
    }

    #[test]
    fn a_role_has_its_permissions() {
        let some = Permissions::NONE.and(CUSTOMERS_READ);
        let read = |role, permissions| role_of(ChangeRole { role, permissions });
        assert_eq!(read(Role::Staff, None), Ok(Permissions::STAFF));
        assert_eq!(read(Role::Staff, Some(some)), Ok(some));
        assert_eq!(read(Role::Staff, Some(Permissions::NONE)), Ok(Permissions::NONE));
        assert_eq!(read(Role::Admin, None), Ok(Permissions::ALL));
        assert_eq!(read(Role::Customer, None), Ok(Permissions::NONE));
        assert_eq!(read(Role::Customer, Some(some)), Err(vec!["/permissions"]));
        assert_eq!(read(Role::Guest, Some(some)), Err(vec!["/role", "/permissions"]));
    }

    fn role_of(asked: ChangeRole) -> Result<Permissions, Vec<&'static str>> {
        let read = role(&asked).map(|(_, permissions)| permissions);
        read.map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
    }
}
