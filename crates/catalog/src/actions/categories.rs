//! Categories: shown as a tree, made, renamed, moved, removed.

use std::collections::{HashMap, HashSet};

use api::catalog::{Category as Shown, CategoryQuery, ChangeCategory, NewCategory, Tag};
use base::{CategoryId, Cursor, fold};
use bus::Deed;
use serde_json::json;
use store::{Answered, Once, Tx};

use super::places::category_handle;
use super::products::Tagged;
use super::{By, tell};
use crate::domain::{
    CATEGORIES_MAX, CATEGORY_DEPTH_MAX, CATEGORY_DESCRIPTION_MAX, Category, Faults, TreeFault, category_tag,
    check_name, names_catalogue, path_key, planted, replanted,
};
use crate::store::Categories;
use crate::{App, Error, store as rows};

/// Products that are listed anew at once when a category moves: a second or two for the database's writer.
const MOVED_MAX: i64 = 200_000;
/// How far a place beside others may be from the first: more than anybody counts.
const POSITION_MAX: i64 = 1_000_000;
/// The word for the top of the tree.
const ROOT: &str = "root";

/// The tree, or what stands directly below one category; with the tree's tag.
///
/// # Errors
/// [`Error::NoSuchCategory`] for the parent; the database's.
pub async fn tree(app: &App, query: CategoryQuery) -> Result<Tagged<Vec<Shown>>, Error> {
    app.db
        .scan(move |tx| {
            let tag = format!("\"t{}\"", rows::tree_version(tx)?);
            let all = rows::categories(tx, Categories::All)?;
            let tree = Tree::new(&all);
            let value = match query.parent.as_deref() {
                None => tree.below(None, query.depth.unwrap_or(u32::MAX)),
                Some(parent) if parent.trim().eq_ignore_ascii_case(ROOT) => tree.flat(None),
                Some(parent) => tree.flat(Some(meant(tx, parent)?.id)),
            };
            Ok(Tagged { value, tag })
        })
        .await
}

/// A category with those directly below it.
///
/// # Errors
/// [`Error::NoSuchCategory`], [`Error::SeveralCategories`]; the database's.
pub async fn category(app: &App, which: String) -> Result<Tagged<Shown>, Error> {
    app.db
        .scan(move |tx| {
            let one = meant(tx, &which)?;
            shown(tx, one.id)
        })
        .await
}

/// A new category.
///
/// # Errors
/// [`Error::Invalid`], [`Error::NoSuchCategory`] for the parent, [`Error::CategoryTaken`],
/// [`Error::CategoryHandleTaken`], [`Error::TooManyCategories`]; the database's.
pub async fn add_category(
    app: &App,
    by: By,
    once: Option<Once>,
    new: NewCategory,
) -> Result<Answered<Tagged<Shown>>, Error> {
    let mut faults = Faults::default();
    let name = new.name.trim().to_owned();
    check_fields(
        Some(&name),
        new.handle.as_deref(),
        new.description.as_deref(),
        new.position,
        &mut faults,
    );
    faults.or(()).map_err(Error::Invalid)?;
    app.db
        .write_once(once, move |tx| {
            let version = rows::tree_version(tx)?;
            let above = match new.parent.as_deref().map(str::trim).filter(|parent| !is_root(parent)) {
                Some(parent) => Some(parent_of(tx, parent)?),
                None => None,
            };
            if above
                .as_ref()
                .is_some_and(|above| above.lineage.len() >= CATEGORY_DEPTH_MAX)
            {
                return Err(too_deep());
            }
            if rows::count_categories(tx)? as usize >= CATEGORIES_MAX {
                return Err(Error::TooManyCategories);
            }
            let now = tx.clock().now();
            let mut one = planted(
                Category {
                    id: tx.ids().next(now),
                    number: rows::new_labels(tx, 1)?,
                    parent: None,
                    handle: String::new(),
                    name: name.clone(),
                    description: new.description.clone().unwrap_or_default(),
                    position: new.position.unwrap_or(0),
                    path: String::new(),
                    lineage: Vec::new(),
                    version: 0,
                    created_at: now,
                    updated_at: now,
                },
                above.as_ref(),
            );
            if !rows::categories(tx, Categories::Paths(&[path_key(&one.path)]))?.is_empty() {
                return Err(Error::CategoryTaken(name.clone()));
            }
            one.handle = match &new.handle {
                Some(handle) => free_handle(tx, handle, None)?,
                None => made_handle(tx, &one, above.as_ref())?,
            };
            let id = one.id;
            rows::insert_categories(tx, &[one])?;
            rows::raise_tree(tx, version)?;
            let done = shown(tx, id)?;
            record(tx, &by, "category.create", id, None, Some(&done.value))?;
            Ok(done)
        })
        .await
}

/// Changes a category: a new name shows at once in all that stands in it, a new parent takes all of it along.
///
/// # Errors
/// As [`add_category`], and [`Error::CategoryCycle`], [`Error::CategoryTooLarge`], [`Error::Stale`].
pub async fn change_category(
    app: &App,
    by: By,
    once: Option<Once>,
    which: String,
    if_match: Option<String>,
    change: ChangeCategory,
) -> Result<Answered<Tagged<Shown>>, Error> {
    let mut faults = Faults::default();
    let name = change.name.as_deref().map(|name| name.trim().to_owned());
    check_fields(
        name.as_deref(),
        change.handle.as_deref(),
        change.description.as_deref(),
        change.position,
        &mut faults,
    );
    faults.or(()).map_err(Error::Invalid)?;
    app.db
        .write_once(once, move |tx| {
            let version = rows::tree_version(tx)?;
            let old = meant(tx, &which)?;
            if if_match
                .as_deref()
                .is_some_and(|tags| !names_catalogue(tags, old.version))
            {
                return Err(Error::Stale);
            }
            let parent = match &change.parent {
                None => old.parent,
                Some(None) => None,
                Some(Some(parent)) if is_root(parent) => None,
                Some(Some(parent)) => Some(parent_of(tx, parent)?.id),
            };
            let handle = match &change.handle {
                Some(handle) => free_handle(tx, handle, Some(old.id))?,
                None => old.handle.clone(),
            };
            let now = tx.clock().now();
            let wanted = name.clone().unwrap_or_else(|| old.name.clone());
            let mut moved = if wanted == old.name && parent == old.parent {
                vec![old.clone()]
            } else {
                let all = rows::categories(tx, Categories::All)?;
                replanted(&all, old.id, &wanted, parent)?
            };
            if let Some(first) = moved.first_mut() {
                first.handle = handle;
                first.position = change.position.unwrap_or(old.position);
                first.description = change.description.clone().unwrap_or_else(|| old.description.clone());
                if *first == old {
                    return shown(tx, old.id);
                }
            }
            for one in &mut moved {
                one.version += 1;
                one.updated_at = now;
            }
            let new_lineage = moved.first().map(|one| one.lineage.clone()).unwrap_or_default();
            let leaves = without(&old.lineage, &new_lineage);
            let joins = without(&new_lineage, &old.lineage);
            let is_moved = !leaves.is_empty() || !joins.is_empty();
            if is_moved && rows::count_listed(tx, old.number, MOVED_MAX + 1)? > MOVED_MAX {
                return Err(Error::CategoryTooLarge);
            }
            let before = shown(tx, old.id)?.value;
            // First of all the guard and the rows: who lists a product under one of them waits, or is waited for.
            rows::raise_tree(tx, version)?;
            rows::save_categories(tx, &moved)?;
            if is_moved {
                rows::relabel(tx, old.number, &leaves, &joins)?;
            }
            for one in &moved {
                let data = json!({
                    "categoryId": one.id,
                    "parentId": one.parent,
                    "handle": one.handle,
                    "path": one.path,
                });
                tell(tx, &by, "CategoryUpdated", one.id.to_string(), one.version, &data)?;
            }
            let done = shown(tx, old.id)?;
            record(tx, &by, "category.update", old.id, Some(&before), Some(&done.value))?;
            Ok(done)
        })
        .await
}

/// Removes a category in which nothing stands.
///
/// # Errors
/// [`Error::NoSuchCategory`], [`Error::CategoryInUse`], [`Error::Stale`]; the database's.
pub async fn remove_category(
    app: &App,
    by: By,
    once: Option<Once>,
    which: String,
    if_match: Option<String>,
) -> Result<Answered<()>, Error> {
    app.db
        .write_once(once, move |tx| {
            let version = rows::tree_version(tx)?;
            let one = meant(tx, &which)?;
            if if_match
                .as_deref()
                .is_some_and(|tags| !names_catalogue(tags, one.version))
            {
                return Err(Error::Stale);
            }
            rows::raise_tree(tx, version)?;
            // Holds the row: who lists a product under it has done so by now, or finds it gone.
            rows::save_categories(tx, std::slice::from_ref(&one))?;
            let children = rows::count_children(tx, one.id)?;
            let products = rows::count_listed(tx, one.number, 1)? > 0;
            if children > 0 || products {
                return Err(Error::CategoryInUse { children, products });
            }
            let before = shown(tx, one.id)?.value;
            rows::remove_category(tx, one.id)?;
            Ok(record(tx, &by, "category.delete", one.id, Some(&before), None)?)
        })
        .await
}

/// A page of tags that products for sale have, by name.
///
/// # Errors
/// [`Error::Invalid`] for a cursor of another list; the database's.
pub async fn tags(
    app: &App,
    prefix: String,
    limit: u32,
    after: Option<Cursor>,
) -> Result<(Vec<Tag>, Option<Cursor>), Error> {
    let after = match &after {
        Some(cursor) => {
            let [key] = cursor
                .parts::<1>()
                .map_err(|fault| Error::field("?cursor", fault.to_string()))?;
            key.to_owned()
        }
        None => String::new(),
    };
    app.db
        .scan(move |tx| {
            let mut found = rows::tags(tx, &fold(&prefix), &after, limit + 1)?;
            let more = found.len() > limit as usize;
            found.truncate(limit as usize);
            let next = found.last().filter(|_| more).map(|(key, _)| Cursor::new([key.clone()]));
            let tags = found.into_iter().map(|(_, name)| Tag { name }).collect();
            Ok::<_, Error>((tags, next))
        })
        .await
}

fn record(
    tx: &mut Tx<'_>,
    by: &By,
    action: &'static str,
    id: CategoryId,
    before: Option<&Shown>,
    after: Option<&Shown>,
) -> Result<(), store::Error> {
    let told = |one: &Shown| {
        json!({
            "name": one.name,
            "path": one.path,
            "handle": one.handle,
            "description": one.description,
            "position": one.position,
        })
    };
    let deed = Deed {
        action,
        subject: &id.to_string(),
        before: before.map(told),
        after: after.map(told),
    };
    bus::audit(tx, &by.actor, &by.request_id, deed)
}

/// The category that a text means: by id, number, path, name (of one) or handle.
fn meant(tx: &mut Tx<'_>, text: &str) -> Result<Category, Error> {
    let text = text.trim();
    let first = |found: Vec<Category>| found.into_iter().next();
    let unknown = || Error::NoSuchCategory(text.to_owned());
    if let Ok(id) = text.parse::<CategoryId>() {
        return first(rows::categories(tx, Categories::Ids(&[id]))?).ok_or_else(unknown);
    }
    if let Ok(number) = text.parse::<i64>()
        && let Some(one) = first(rows::categories(tx, Categories::Numbers(&[number]))?)
    {
        return Ok(one);
    }
    let key = [path_key(text)];
    if let Some(one) = first(rows::categories(tx, Categories::Paths(&key))?) {
        return Ok(one);
    }
    if let Some(one) = first(rows::categories(tx, Categories::Handles(&[text.to_owned()]))?) {
        return Ok(one);
    }
    let namesakes = rows::categories(tx, Categories::Names(&key))?;
    match namesakes.as_slice() {
        [] => Err(unknown()),
        [only] => Ok(only.clone()),
        several => Err(Error::SeveralCategories(
            several.iter().map(|one| one.path.clone()).collect(),
        )),
    }
}

/// As [`meant`], for a parent named in a body: what is unknown there is a wrong field.
fn parent_of(tx: &mut Tx<'_>, text: &str) -> Result<Category, Error> {
    meant(tx, text).map_err(|error| match error {
        Error::NoSuchCategory(which) => Error::field("/parent", format!("there is no category {which}")),
        other => other,
    })
}

fn is_root(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.eq_ignore_ascii_case(ROOT)
}

fn without(some: &[i64], others: &[i64]) -> Vec<i64> {
    some.iter().copied().filter(|one| !others.contains(one)).collect()
}

fn check_fields(
    name: Option<&str>,
    handle: Option<&str>,
    description: Option<&str>,
    position: Option<i64>,
    faults: &mut Faults,
) {
    if let Some(Err(detail)) = name.map(check_name) {
        faults.add("/name", detail);
    }
    if let Some(Err(fault)) = handle.map(base::Handle::new) {
        faults.add("/handle", fault.to_string());
    } else if handle.is_some_and(|handle| handle.starts_with("cat_")) {
        faults.add("/handle", "a handle may not begin like an id");
    }
    if description.is_some_and(|text| text.chars().count() > CATEGORY_DESCRIPTION_MAX) {
        faults.add(
            "/description",
            format!("must have at most {CATEGORY_DESCRIPTION_MAX} characters"),
        );
    }
    if position.is_some_and(|place| !(-POSITION_MAX..=POSITION_MAX).contains(&place)) {
        faults.add("/position", format!("must be from -{POSITION_MAX} to {POSITION_MAX}"));
    }
}

fn too_deep() -> Error {
    Error::field("/parent", format!("a tree has at most {CATEGORY_DEPTH_MAX} levels"))
}

impl From<TreeFault> for Error {
    fn from(fault: TreeFault) -> Self {
        match fault {
            TreeFault::Cycle => Error::CategoryCycle,
            TreeFault::TooDeep => too_deep(),
            TreeFault::Taken(name) => Error::CategoryTaken(name),
        }
    }
}

fn free_handle(tx: &mut Tx<'_>, handle: &str, own: Option<CategoryId>) -> Result<String, Error> {
    let found = rows::categories(tx, Categories::Handles(&[handle.to_owned()]))?;
    match found.iter().all(|one| Some(one.id) == own) {
        true => Ok(handle.to_owned()),
        false => Err(Error::CategoryHandleTaken(handle.to_owned())),
    }
}

fn made_handle(tx: &mut Tx<'_>, one: &Category, above: Option<&Category>) -> Result<String, Error> {
    let own = category_handle(&one.name);
    let mut tries = vec![own.clone()];
    tries.extend(above.map(|above| format!("{}-{own}", above.handle)));
    tries.push(format!("{own}-{}", one.number));
    tries.retain(|handle| base::Handle::new(handle).is_ok());
    let taken = rows::categories(tx, Categories::Handles(&tries))?;
    let taken: HashSet<&str> = taken.iter().map(|one| one.handle.as_str()).collect();
    let free = tries.iter().find(|handle| !taken.contains(handle.as_str())).cloned();
    // The id's end is unlike any other.
    Ok(free.unwrap_or_else(|| format!("category-{}", &one.id.to_string()[4..])))
}

/// A category as people see it, with those directly below it, and its tag.
fn shown(tx: &mut Tx<'_>, id: CategoryId) -> Result<Tagged<Shown>, Error> {
    let version = rows::tree_version(tx)?;
    let one = rows::categories(tx, Categories::Ids(&[id]))?.pop();
    let one = one.ok_or(Error::Store(store::Error::Absent))?;
    let tag = category_tag(one.version, version);
    let mut around = rows::children(tx, id)?;
    let below: HashSet<CategoryId> = rows::with_children(tx, &around)?.into_iter().collect();
    around.push(one);
    let tree = Tree::new(&around);
    let mut children = tree.flat(Some(id));
    for child in &mut children {
        child.has_children = below.contains(&child.id);
    }
    let mut value = around.last().map(|one| tree.show(one)).ok_or(store::Error::Absent)?;
    value.children = Some(children);
    Ok(Tagged { value, tag })
}

/// Categories by what stands above them, in the order in which people see them.
struct Tree<'a>(HashMap<Option<CategoryId>, Vec<&'a Category>>);

impl<'a> Tree<'a> {
    fn new(all: &'a [Category]) -> Self {
        let mut below: HashMap<Option<CategoryId>, Vec<&Category>> = HashMap::new();
        for one in all {
            below.entry(one.parent).or_default().push(one);
        }
        for beside in below.values_mut() {
            beside.sort_by_cached_key(|one| (one.position, fold(&one.name), one.number));
        }
        Self(below)
    }

    fn show(&self, one: &Category) -> Shown {
        Shown {
            id: one.id,
            number: one.number,
            handle: one.handle.clone(),
            name: one.name.clone(),
            description: one.description.clone(),
            parent_id: one.parent,
            path: one.path.clone(),
            depth: one.lineage.len() as i64,
            position: one.position,
            has_children: self.0.contains_key(&Some(one.id)),
            created_at: one.created_at,
            updated_at: one.updated_at,
            children: None,
        }
    }

    fn flat(&self, parent: Option<CategoryId>) -> Vec<Shown> {
        let below = self.0.get(&parent).into_iter().flatten();
        below.map(|one| self.show(one)).collect()
    }

    /// As deep as `levels`; the tree's depth bounds the recursion.
    fn below(&self, parent: Option<CategoryId>, levels: u32) -> Vec<Shown> {
        let below = self.0.get(&parent).into_iter().flatten();
        below
            .map(|one| {
                let mut shown = self.show(one);
                shown.children = (levels > 1).then(|| self.below(Some(one.id), levels - 1));
                shown
            })
            .collect()
    }
}
