//! Categories: how a path is read, and what a rename or a move does to the tree.

use std::collections::{HashMap, HashSet};

use api::catalog::CATEGORY_SEPARATOR;
use base::{CategoryId, Time, fold};

use super::WORD_MAX;

/// Levels of the tree: the deepest of the well-known taxonomies have seven.
pub const CATEGORY_DEPTH_MAX: usize = 10;
/// Categories of a shop: what can be shown and moved as a whole; the largest taxonomies have about this many.
pub const CATEGORIES_MAX: usize = 20_000;
/// Characters of a category's description.
pub const CATEGORY_DESCRIPTION_MAX: usize = 2_000;

/// A category as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// The id.
    pub id: CategoryId,
    /// The number, which is also the label that its products are listed under.
    pub number: i64,
    /// The one above it.
    pub parent: Option<CategoryId>,
    /// The name.
    pub name: String,
    /// The name in addresses.
    pub handle: String,
    /// What it holds.
    pub description: String,
    /// Its place beside the others of the same parent.
    pub position: i64,
    /// The names from the top to it.
    pub path: String,
    /// The numbers from the top to it, itself included.
    pub lineage: Vec<i64>,
    /// How many events told of it.
    pub version: i64,
    /// Since when it exists.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// How a product or a person names a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its id.
    Id(CategoryId),
    /// By names from the top, at least one; one alone may also stand further down.
    Path(Vec<String>),
}

/// Why the tree cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeFault {
    /// It would stand below itself.
    Cycle,
    /// Something would stand deeper than [`CATEGORY_DEPTH_MAX`].
    TooDeep,
    /// Another one of the same parent has this name.
    Taken(String),
}

/// Reads the text that names a category.
///
/// # Errors
/// A sentence without its subject, for people.
pub fn named(text: &str) -> Result<Named, String> {
    if let Ok(id) = text.trim().parse() {
        return Ok(Named::Id(id));
    }
    let names: Vec<String> = text
        .split(CATEGORY_SEPARATOR)
        .map(|name| name.trim().to_owned())
        .collect();
    if names.len() > CATEGORY_DEPTH_MAX {
        return Err(format!("must have at most {CATEGORY_DEPTH_MAX} levels"));
    }
    for name in &names {
        check_name(name)?;
    }
    Ok(Named::Path(names))
}

/// Whether this may be the name of one category.
///
/// # Errors
/// A sentence without its subject, for people.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.chars().count() > WORD_MAX {
        return Err(format!("must have 1 to {WORD_MAX} characters"));
    }
    if name.chars().any(char::is_control) {
        return Err("must not hold control characters".to_owned());
    }
    let edge =
        |part: &str| name == part || name.starts_with(&format!("{part} ")) || name.ends_with(&format!(" {part}"));
    if name.contains(CATEGORY_SEPARATOR) || edge(">") {
        return Err("must not hold \" > \", which stands between the levels of a path".to_owned());
    }
    Ok(())
}

/// The path of these names, as it is shown.
pub fn path_of(names: &[String]) -> String {
    names.join(CATEGORY_SEPARATOR)
}

/// What two spellings of the same path have in common.
pub fn path_key(path: &str) -> String {
    fold(path)
}

/// The categories that change when `id` is called `name` and stands below `parent`: itself first, then all below it.
/// Its other fields stay as they are in `tree`.
///
/// # Errors
/// Why the tree cannot be so.
pub fn replanted(
    tree: &[Category],
    id: CategoryId,
    name: &str,
    parent: Option<CategoryId>,
) -> Result<Vec<Category>, TreeFault> {
    let by_id: HashMap<CategoryId, &Category> = tree.iter().map(|one| (one.id, one)).collect();
    let mut below: HashMap<Option<CategoryId>, Vec<&Category>> = HashMap::new();
    for one in tree {
        below.entry(one.parent).or_default().push(one);
    }
    let Some(old) = by_id.get(&id) else {
        return Ok(Vec::new());
    };
    let above = parent.and_then(|parent| by_id.get(&parent));
    if above.is_some_and(|above| above.lineage.contains(&old.number)) {
        return Err(TreeFault::Cycle);
    }
    let key = fold(name);
    let beside = below.get(&parent).into_iter().flatten();
    if beside.into_iter().any(|one| one.id != id && fold(&one.name) == key) {
        return Err(TreeFault::Taken(name.to_owned()));
    }
    let mut moved = vec![planted(
        Category {
            name: name.to_owned(),
            parent,
            ..(*old).clone()
        },
        above.copied(),
    )];
    let mut seen: HashSet<CategoryId> = HashSet::from([id]);
    let mut place = 0;
    while let Some(above) = moved.get(place).cloned() {
        if above.lineage.len() > CATEGORY_DEPTH_MAX {
            return Err(TreeFault::TooDeep);
        }
        for one in below.get(&Some(above.id)).into_iter().flatten() {
            if seen.insert(one.id) {
                moved.push(planted((*one).clone(), Some(&above)));
            }
        }
        place += 1;
    }
    Ok(moved)
}

/// The category with path and lineage as they follow from the one above it.
pub fn planted(mut one: Category, above: Option<&Category>) -> Category {
    one.parent = above.map(|above| above.id);
    one.path = match above {
        Some(above) => format!("{}{CATEGORY_SEPARATOR}{}", above.path, one.name),
        None => one.name.clone(),
    };
    one.lineage = above.map(|above| above.lineage.clone()).unwrap_or_default();
    one.lineage.push(one.number);
    one
}

#[cfg(test)]
mod tests {
    use base::Id as _;

    use super::*;

    fn tree(rows: &[(i64, Option<i64>, &str)]) -> Vec<Category> {
        let mut tree: Vec<Category> = Vec::new();
        for (number, parent, name) in rows {
            let above = parent
                .and_then(|parent| tree.iter().find(|one| one.number == parent))
                .cloned();
            let one = Category {
                id: CategoryId::from_bits(*number as u128),
                number: *number,
                parent: None,
                name: (*name).to_owned(),
                handle: name.to_lowercase(),
                description: String::new(),
                position: 0,
                path: String::new(),
                lineage: Vec::new(),
                version: 0,
                created_at: Time::default(),
                updated_at: Time::default(),
            };
            tree.push(planted(one, above.as_ref()));
        }
        tree
    }

    #[test]
    fn a_branch_moves_with_all_below_it() {
        let tree = tree(&[
            (1, None, "Home"),
            (2, Some(1), "Light"),
            (3, Some(2), "Lamps"),
            (4, None, "Garden"),
        ]);
        let id = |n: u128| CategoryId::from_bits(n);
        let check = |of, name: &str, parent: Option<u128>, wanted: Result<&[&str], TreeFault>| {
            let moved = replanted(&tree, id(of), name, parent.map(id));
            let paths = moved.map(|moved| moved.into_iter().map(|one| one.path).collect::<Vec<_>>());
            assert_eq!(
                paths,
                wanted.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect())
            );
        };
        check(2, "Light", Some(4), Ok(&["Garden > Light", "Garden > Light > Lamps"]));
        check(2, "Light", None, Ok(&["Light", "Light > Lamps"]));
        check(
            1,
            "House",
            None,
            Ok(&["House", "House > Light", "House > Light > Lamps"]),
        );
        check(1, "Home", Some(3), Err(TreeFault::Cycle));
        check(1, "Home", Some(1), Err(TreeFault::Cycle));
        check(2, "GARDEN", None, Err(TreeFault::Taken("GARDEN".into())));
    }

    #[test]
    fn a_tree_is_only_so_deep() {
        let mut rows: Vec<(i64, Option<i64>, String)> = (1..=CATEGORY_DEPTH_MAX as i64)
            .map(|n| (n, (n > 1).then_some(n - 1), format!("L{n}")))
            .collect();
        rows.push((99, None, "Other".into()));
        let rows: Vec<(i64, Option<i64>, &str)> = rows.iter().map(|(n, p, name)| (*n, *p, name.as_str())).collect();
        let tree = tree(&rows);
        let to = CategoryId::from_bits(99);
        assert_eq!(
            replanted(&tree, CategoryId::from_bits(1), "L1", Some(to)),
            Err(TreeFault::TooDeep)
        );
        assert!(replanted(&tree, CategoryId::from_bits(2), "L2", Some(to)).is_ok());
    }

    #[test]
    fn names_and_paths_are_read() {
        let path = |names: &[&str]| Ok(Named::Path(names.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(named(" Home >  Light "), path(&["Home", "Light"]));
        assert_eq!(named("a>b"), path(&["a>b"]));
        assert_eq!(
            named("<img src=x onerror=alert(1)>"),
            path(&["<img src=x onerror=alert(1)>"])
        );
        let id = "cat_01j9zk3v5w8q2m4n6p7r8s9t0v";
        assert_eq!(named(id), Ok(Named::Id(id.parse().unwrap())));
        for text in ["", "Home > ", "a >  > b", "a\u{7}", "> x", &"x > ".repeat(20)] {
            assert!(named(text).is_err(), "{text:?}");
        }
    }
}
