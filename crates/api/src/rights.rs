//! What staff and machines may do: a right to read or write, for each area of the shop.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A part of the shop's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Area {
    /// Products, categories, prices and stock.
    Catalog,
    /// Orders, and the carts they come from.
    Orders,
    /// Payments and refunds.
    Payments,
    /// People: customers, their accounts and sessions.
    Customers,
    /// The shop itself: events, the audit log, settings.
    Settings,
}

/// All areas, in the order in which permissions are listed.
pub const AREAS: [Area; 5] = [
    Area::Catalog,
    Area::Orders,
    Area::Payments,
    Area::Customers,
    Area::Settings,
];

impl Area {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Catalog => "catalog",
            Area::Orders => "orders",
            Area::Payments => "payments",
            Area::Customers => "customers",
            Area::Settings => "settings",
        }
    }
}

/// One right: to read, or to read and write, what belongs to an area. `catalog:read` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// The area.
    pub area: Area,
    /// Whether it lets change, too.
    pub write: bool,
}

impl Permission {
    /// To read.
    pub const fn read(area: Area) -> Self {
        Self { area, write: false }
    }

    /// To read and to write.
    pub const fn write(area: Area) -> Self {
        Self { area, write: true }
    }

    const fn bit(self) -> u16 {
        1 << (2 * self.area as u16 + self.write as u16)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.write { "write" } else { "read" };
        write!(f, "{}:{verb}", self.area.as_str())
    }
}

/// A word that names no permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchPermission(String);

impl fmt::Display for NoSuchPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let areas: Vec<&str> = AREAS.iter().map(|area| area.as_str()).collect();
        let areas = areas.join(", ");
        write!(
            f,
            "{:?} is no permission: they are an area ({areas}), a colon, and read or write",
            self.0
        )
    }
}

impl std::error::Error for NoSuchPermission {}

impl FromStr for Permission {
    type Err = NoSuchPermission;

    fn from_str(text: &str) -> Result<Self, NoSuchPermission> {
        every()
            .find(|permission| permission.to_string() == text)
            .ok_or_else(|| NoSuchPermission(text.chars().take(64).collect()))
    }
}

fn every() -> impl Iterator<Item = Permission> {
    AREAS
        .into_iter()
        .flat_map(|area| [Permission::read(area), Permission::write(area)])
}

/// A set of permissions. Who may write may read; on the wire a list of words, of which the stronger one is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u16);

impl Permissions {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// All there are: what administrators have.
    pub const ALL: Self = Self((1 << (2 * AREAS.len())) - 1);
    /// What staff have when nobody says otherwise: the daily business, but neither people's accounts nor settings.
    pub const STAFF: Self = Self::NONE
        .and(Permission::write(Area::Catalog))
        .and(Permission::write(Area::Orders))
        .and(Permission::write(Area::Payments))
        .and(Permission::read(Area::Settings));

    /// With one more.
    pub const fn and(self, permission: Permission) -> Self {
        let read = Permission::read(permission.area).bit();
        Self(self.0 | permission.bit() | read)
    }

    /// Whether it is among them.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether all of `others` are among them.
    pub const fn covers(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The permissions, of each area the strongest.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        AREAS.into_iter().filter_map(move |area| {
            [Permission::write(area), Permission::read(area)]
                .into_iter()
                .find(|permission| self.has(*permission))
        })
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::and)
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(|permission| permission.to_string()))
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words: Vec<Cow<'de, str>> = Vec::deserialize(from)?;
        let read = |word: &Cow<'de, str>| word.parse::<Permission>().map_err(serde::de::Error::custom);
        words.iter().map(read).collect()
    }
}

impl JsonSchema for Permissions {
    fn schema_name() -> Cow<'static, str> {
        "Permissions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<String> = every().map(|permission| permission.to_string()).collect();
        json_schema!({
            "description": "What staff or a machine may do. Who may write may read.",
            "type": "array",
            "items": { "type": "string", "enum": words },
            "maxItems": words.len(),
            "examples": [["catalog:write", "orders:read"]],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &str) -> Permissions {
        serde_json::from_str(words).expect("permissions")
    }

    #[test]
    fn who_may_write_may_read_and_nothing_else() {
        let some = set(r#"["catalog:write","orders:read"]"#);
        for (word, expected) in [
            ("catalog:read", true),
            ("catalog:write", true),
            ("orders:read", true),
            ("orders:write", false),
            ("payments:read", false),
        ] {
            assert_eq!(some.has(word.parse().expect(word)), expected, "{word}");
        }
        assert!(Permissions::ALL.covers(some) && !some.covers(Permissions::STAFF));
    }

    #[test]
    fn the_list_names_the_stronger_one_in_one_order() {
        let some = set(r#"["settings:read","catalog:read","catalog:write"]"#);
        assert_eq!(
            serde_json::to_string(&some).expect("text"),
            r#"["catalog:write","settings:read"]"#
        );
        assert!(every().all(|permission| Permissions::ALL.has(permission)));
    }

    #[test]
    fn a_word_that_is_none_is_refused_by_name() {
        for word in ["catalog", "catalog:", "catalog:delete", "Catalog:read", ""] {
            let fault = serde_json::from_value::<Permissions>(serde_json::json!([word])).expect_err(word);
            assert!(fault.to_string().contains("is no permission"), "{fault}");
        }
    }
}
