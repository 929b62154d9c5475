//! Categories: the tree that products stand in.

use base::{CategoryId, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// What stands between the names of a category's path, as in `Home > Lighting`.
pub const CATEGORY_SEPARATOR: &str = " > ";

/// A category of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    /// The id.
    pub id: CategoryId,
    /// A number for people.
    pub number: i64,
    /// The name in addresses.
    pub handle: String,
    /// The name, unlike those beside it.
    pub name: String,
    /// What it holds, in a sentence.
    pub description: String,
    /// The category above it; none for one at the top.
    pub parent_id: Option<CategoryId>,
    /// The names from the top to it, e.g. `Home > Lighting`.
    pub path: String,
    /// How deep it stands; 1 at the top.
    pub depth: i64,
    /// Its place beside the others of the same parent: smaller ones first, then by name.
    pub position: i64,
    /// Whether there are categories below it.
    pub has_children: bool,
    /// Since when it exists.
    pub created_at: Time,
    /// When it last changed, by itself or with one above it.
    pub updated_at: Time,
    /// The categories directly below it; absent where nobody asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!([]))]
    pub children: Option<Vec<Category>>,
}

/// The query of `GET /categories`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryQuery {
    /// Only the categories directly below this one, as a flat list: an id, number, handle, path or name; `root` for
    /// those at the top. The whole tree when absent.
    pub parent: Option<String>,
    /// How many levels of the tree are shown (all).
    pub depth: Option<u32>,
}

/// A new category; `name` is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "name": "Smithing", "description": "Hammers, tongs and anvils.", "position": 1
}))]
pub struct NewCategory {
    /// The name.
    pub name: String,
    /// The category above it: an id, number, handle, path or name. At the top when absent.
    #[serde(
        default,
        alias = "parentId",
        alias = "parent_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub parent: Option<String>,
    /// The name in addresses; made of the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What it holds, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its place beside the others of the same parent (0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
}

/// Changes to a category: the fields given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "name": "Blacksmithing", "position": 2 }))]
pub struct ChangeCategory {
    /// The name. Products of the category and of those below it show the new one at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Moves it, with everything below it, under this category: an id, number, handle, path or name; `null` moves it
    /// to the top.
    #[serde(
        default,
        alias = "parentId",
        alias = "parent_id",
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub parent: Option<Option<String>>,
    /// The name in addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What it holds, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its place beside the others of the same parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
}

/// Reads a field that may be `null`, so that `null` and absence are told apart.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A tag that products have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// The tag as it was first written; `?tag=` takes it in any case.
    pub name: String,
}

/// The query of `GET /products/tags`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagQuery {
    /// Tags that begin with this, whatever its case.
    pub q: Option<String>,
    /// Tags of a page, 1 to 100 (20).
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
    /// Where the page begins, from the `Link` of the page before.
    pub cursor: Option<String>,
}
