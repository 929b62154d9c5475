//! Where products stand: their category in the tree, made where it is missing, and the lists that show them.

use std::collections::{BTreeMap, HashMap, HashSet};

use api::catalog::Status;
use base::{CategoryId, fold, handle_from};
use store::{Db, Tx};

use crate::domain::{
    CATEGORIES_MAX, CATEGORY_DEFAULT, Category, Facts, Kept, Named, name_key, named, path_key, path_of, planted,
    tags_key,
};
use crate::store::{Categories, Listing};
use crate::{Error, store as rows};

/// Products of before that get their category at once: a fraction of a second.
const ADOPTED_AT_ONCE: u32 = 500;
/// The longest handle of a category, as that of a product.
const HANDLE_MAX: usize = 255;

/// The categories that these texts name, by text. Paths that are not in the tree yet are added to it; the categories
/// stay as they are until the commit. A text that names none is answered with the reason.
///
/// # Errors
/// The database's.
pub(super) fn placed<'a>(
    tx: &mut Tx<'_>,
    texts: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Result<Category, Error>>, store::Error> {
    let mut answers: HashMap<String, Result<Category, Error>> = HashMap::new();
    let (mut ids, mut paths): (BTreeMap<String, CategoryId>, BTreeMap<String, Vec<String>>) = Default::default();
    for text in texts {
        match named(text) {
            Ok(Named::Id(id)) => drop(ids.insert(text.to_owned(), id)),
            Ok(Named::Path(path)) => drop(paths.insert(text.to_owned(), path)),
            Err(detail) => drop(answers.insert(text.to_owned(), Err(Error::field("/category", detail)))),
        }
    }
    if !ids.is_empty() {
        let wanted: Vec<CategoryId> = ids.values().copied().collect();
        let found = rows::held_categories(tx, Categories::Ids(&wanted))?;
        for (text, id) in ids {
            let one = found.iter().find(|one| one.id == id).cloned();
            let one = one.ok_or_else(|| Error::field("/category", format!("there is no category {id}")));
            answers.insert(text, one);
        }
    }
    if paths.is_empty() {
        return Ok(answers);
    }
    let mut known = known_paths(tx, paths.values())?;
    // One name alone may stand further down in the tree.
    let strange: Vec<String> = paths
        .values()
        .filter_map(|path| match path.as_slice() {
            [name] => Some(fold(name)),
            _ => None,
        })
        .filter(|key| !known.contains_key(key))
        .collect();
    let mut namesakes: HashMap<String, Vec<Category>> = HashMap::new();
    if !strange.is_empty() {
        for one in rows::held_categories(tx, Categories::Names(&strange))? {
            namesakes.entry(fold(&one.name)).or_default().push(one);
        }
    }
    let mut missing: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
    paths.retain(|text, path| {
        if let [name] = path.as_slice()
            && let Some(found) = namesakes.get(&fold(name))
        {
            let answer = match found.as_slice() {
                [only] => Ok(only.clone()),
                several => Err(Error::SeveralCategories(
                    several.iter().map(|one| one.path.clone()).collect(),
                )),
            };
            answers.insert(text.clone(), answer);
            return false;
        }
        for depth in 1..=path.len() {
            let key = path_key(&path_of(&path[..depth]));
            if !known.contains_key(&key) {
                missing.insert((depth, key), path[..depth].to_vec());
            }
        }
        true
    });
    if !missing.is_empty() {
        let there = rows::count_categories(tx)? as usize;
        if there + missing.len() > CATEGORIES_MAX {
            missing.clear();
        }
        for one in grown(tx, &known, missing)? {
            known.insert(path_key(&one.path), one);
        }
    }
    for (text, path) in paths {
        let one = known.get(&path_key(&path_of(&path))).cloned();
        answers.insert(text, one.ok_or(Error::TooManyCategories));
    }
    Ok(answers)
}

/// The path of the category that a text names, without adding one that is missing or holding one that is there; else
/// the reason why it names none. What a dry run asks in place of `placed`.
///
/// # Errors
/// The database's.
pub fn foreseen(tx: &mut Tx<'_>, text: &str) -> Result<Result<String, Error>, store::Error> {
    let mut found = match named(text) {
        Err(detail) => return Ok(Err(Error::field("/category", detail))),
        Ok(Named::Id(id)) => {
            let one = rows::categories(tx, Categories::Ids(&[id]))?.pop();
            let one = one.ok_or_else(|| Error::field("/category", format!("there is no category {id}")));
            return Ok(one.map(|one| one.path));
        }
        Ok(Named::Path(path)) => {
            let whole = path_of(&path);
            let key = [path_key(&whole)];
            let mut found = rows::categories(tx, Categories::Paths(&key))?;
            if found.is_empty() && path.len() == 1 {
                found = rows::categories(tx, Categories::Names(&key))?;
            }
            if found.is_empty() {
                return Ok(Ok(whole));
            }
            found
        }
    };
    Ok(match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only.path),
        (last, _) => Err(Error::SeveralCategories(
            found.into_iter().chain(last).map(|one| one.path).collect(),
        )),
    })
}

/// What of these paths, and of the paths to them, is in the tree; by folded path.
fn known_paths<'a>(
    tx: &mut Tx<'_>,
    paths: impl Iterator<Item = &'a Vec<String>>,
) -> Result<HashMap<String, Category>, store::Error> {
    let keys: HashSet<String> = paths
        .flat_map(|path| (1..=path.len()).map(|depth| path_key(&path_of(&path[..depth]))))
        .collect();
    let keys: Vec<String> = keys.into_iter().collect();
    let found = rows::held_categories(tx, Categories::Paths(&keys))?;
    Ok(found.into_iter().map(|one| (path_key(&one.path), one)).collect())
}

/// Adds categories to the tree: their paths by depth and folded path, so that parents come first.
fn grown(
    tx: &mut Tx<'_>,
    known: &HashMap<String, Category>,
    missing: BTreeMap<(usize, String), Vec<String>>,
) -> Result<Vec<Category>, store::Error> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let (version, now) = (rows::tree_version(tx)?, tx.clock().now());
    let first = rows::new_labels(tx, missing.len() as u32)?;
    let mut new: Vec<Category> = Vec::with_capacity(missing.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (((_, key), mut path), number) in missing.into_iter().zip(first..) {
        let name = path.pop().unwrap_or_default();
        let above = path_key(&path_of(&path));
        let above = known
            .get(&above)
            .or_else(|| places.get(&above).map(|place| &new[*place]));
        let one = planted(
            Category {
                id: tx.ids().next(now),
                number,
                parent: None,
                handle: String::new(),
                name,
                description: String::new(),
                position: 0,
                path: String::new(),
                lineage: Vec::new(),
                version: 0,
                created_at: now,
                updated_at: now,
            },
            above,
        );
        places.insert(key, new.len());
        new.push(one);
    }
    give_handles(tx, known, &mut new)?;
    rows::insert_categories(tx, &new)?;
    rows::raise_tree(tx, version)?;
    Ok(new)
}

/// Gives new categories handles that no other one has: of the name, of the name and the one above, or with the number.
fn give_handles(tx: &mut Tx<'_>, known: &HashMap<String, Category>, new: &mut [Category]) -> Result<(), store::Error> {
    let tries = |one: &Category, above: Option<&str>| {
        let own = category_handle(&one.name);
        let under = above
            .map(|above| format!("{above}-{own}"))
            .filter(|handle| handle.len() <= HANDLE_MAX);
        let mut tries = vec![own.clone()];
        tries.extend(under);
        tries.push(format!("{own}-{}", one.number));
        tries
    };
    let above_of = |new: &[Category], one: &Category| {
        let all = known.values().chain(new.iter());
        one.parent
            .and_then(|parent| all.into_iter().find(|above| above.id == parent))
            .map(|above| above.handle.clone())
    };
    // Parents of this call have no handle yet: theirs is the first one that they try.
    let guessed: Vec<Vec<String>> = new
        .iter()
        .map(|one| {
            let above = above_of(new, one).map(|handle| match handle.is_empty() {
                true => new
                    .iter()
                    .find(|above| Some(above.id) == one.parent)
                    .map(|above| category_handle(&above.name)),
                false => Some(handle),
            });
            tries(one, above.flatten().as_deref())
        })
        .collect();
    let asked: Vec<String> = guessed.iter().flatten().cloned().collect();
    let found = rows::categories(tx, Categories::Handles(&asked))?;
    let mut taken: HashSet<String> = found.into_iter().map(|one| one.handle).collect();
    for (one, tries) in new.iter_mut().zip(guessed) {
        let free = tries.into_iter().find(|handle| !taken.contains(handle));
        // The id's end is unlike any other.
        let free = free.unwrap_or_else(|| format!("category-{}", &one.id.to_string()[4..]));
        taken.insert(free.clone());
        one.handle = free;
    }
    Ok(())
}

/// The handle that a category of this name would like to have.
pub(super) fn category_handle(name: &str) -> String {
    let handle = handle_from(name);
    // What is made of a name without letters speaks of a product.
    match handle.strip_prefix("product") {
        Some(rest) if !fold(name).starts_with("product") => format!("category{rest}"),
        _ => handle,
    }
}

/// The place in lists of a product of this number, without labels.
pub(super) fn listing(number: i64, facts: &Facts, price_low: i64) -> Listing {
    Listing {
        number,
        draft: facts.status == Status::Draft,
        price_low,
        name_key: name_key(&facts.name),
        labels: Vec::new(),
    }
}

/// Lists products, each under its category and its tags.
pub(super) fn list_new(tx: &mut Tx<'_>, new: Vec<(Listing, &Category, &[String])>) -> Result<(), store::Error> {
    let labels = rows::tag_labels(tx, new.iter().flat_map(|(_, _, tags)| tags.iter()))?;
    let listings: Vec<Listing> = new
        .into_iter()
        .map(|(listing, category, tags)| with_labels(listing, &category.lineage, tags, &labels))
        .collect();
    rows::put_listings(tx, &listings)
}

fn with_labels(mut listing: Listing, lineage: &[i64], tags: &[String], labels: &HashMap<String, i64>) -> Listing {
    listing.labels = lineage.to_vec();
    listing
        .labels
        .extend(tags.iter().filter_map(|tag| labels.get(&fold(tag))));
    listing
}

/// Takes a product off its lists and, unless it is archived, puts it on those where it now belongs: `new` holds the
/// facts, the lowest price and the category of now.
pub(super) fn relist(tx: &mut Tx<'_>, kept: &Kept, new: Option<(&Facts, i64, CategoryId)>) -> Result<(), store::Error> {
    let low = kept
        .variants
        .iter()
        .map(|variant| variant.facts.price_minor)
        .min()
        .unwrap_or(0);
    let old = listing(kept.number, &kept.facts, low);
    let now = new.map(|(facts, low, _)| listing(kept.number, facts, low));
    let stays = new.is_some_and(|(facts, _, category)| {
        Some(category) == kept.category && tags_key(&facts.tags) == tags_key(&kept.facts.tags)
    });
    if stays && now.as_ref() == Some(&old) {
        return Ok(());
    }
    let ids: Vec<CategoryId> = kept.category.into_iter().chain(new.map(|(_, _, id)| id)).collect();
    let held = rows::held_categories(tx, Categories::Ids(&ids))?;
    let lineage = |id: Option<CategoryId>| {
        let one = held.iter().find(|one| Some(one.id) == id);
        one.map_or_else(Vec::new, |one| one.lineage.clone())
    };
    let new_tags = new.map_or(&[] as &[String], |(facts, ..)| &facts.tags);
    let labels = rows::tag_labels(tx, kept.facts.tags.iter().chain(new_tags))?;
    rows::take_listing(
        tx,
        &with_labels(old, &lineage(kept.category), &kept.facts.tags, &labels),
    )?;
    match (now, new) {
        (Some(now), Some((_, _, category))) => {
            let now = with_labels(now, &lineage(Some(category)), new_tags, &labels);
            rows::put_listings(tx, &[now])
        }
        _ => Ok(()),
    }
}

/// Gives every living product that has none its category, and lists it: those of before there was a tree, and those that
/// a process of before wrote meanwhile. Answers how many there were.
///
/// # Errors
/// The database's.
pub async fn adopt(db: &Db) -> Result<usize, store::Error> {
    let mut adopted = 0;
    loop {
        let done = db.write(adopt_some).await?;
        adopted += done;
        if done < ADOPTED_AT_ONCE as usize {
            return Ok(adopted);
        }
    }
}

fn adopt_some(tx: &mut Tx<'_>) -> Result<usize, store::Error> {
    let found = rows::unplaced(tx, ADOPTED_AT_ONCE)?;
    if found.is_empty() {
        return Ok(0);
    }
    let texts = found.iter().map(|one| one.category.as_str()).chain([CATEGORY_DEFAULT]);
    let places = placed(tx, texts)?;
    let place_of = |text: &str| places.get(text).and_then(|place| place.as_ref().ok());
    let (mut placed, mut listed) = (Vec::new(), Vec::new());
    for one in &found {
        // What was written when any text would do may name nothing that a tree can hold.
        let place = place_of(&one.category).or_else(|| place_of(CATEGORY_DEFAULT));
        let Some(place) = place else {
            return Err(store::Error::Absent);
        };
        placed.push((one.id, place.id));
        listed.push((one.listing.clone(), place, one.tags.as_slice()));
    }
    rows::place(tx, &placed)?;
    list_new(tx, listed)?;
    Ok(found.len())
}
