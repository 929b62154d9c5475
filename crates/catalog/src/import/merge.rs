//! What becomes of a product when a file speaks of it: pure, so that nothing is written before all is decided.
//!
//! Identity is handle and chosen values. What always holds:
//!
//! - a file adds and changes, it takes no variant and no picture away: what is missing in a file may be in the next;
//! - a column that the file does not have changes nothing; an empty cell takes away what need not be there;
//! - merging what an export wrote, or the same entry again, changes nothing;
//! - stock on hand is touched where a variant is new, or all over when the caller says `stock=set`.

use std::collections::HashMap;

use api::catalog::{InventoryPolicy, ProductOption, RejectedRow, Status, StockMode};
use base::{VariantId, fold};
use serde_json::Map;

use super::entry::{Entry, EntryImage, EntryVariant, Fact, ProductFacts};
use crate::domain::{
    CATEGORY_DEFAULT, Draft, DraftVariant, Facts, IMAGES_MAX, Kept, METADATA_MAX, Picture, VARIANTS_MAX, VariantFacts,
    choice_key, clean_html,
};

/// A product as it is to be after a file has spoken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Merged {
    /// All of it, old variants first and in their order.
    pub draft: Draft,
    /// The line of each variant of `draft` that the file speaks of.
    pub lines: Vec<Option<u64>>,
    /// Stock to be set, with the line that says so.
    pub counted: Vec<(VariantId, i64, u64)>,
}

/// Merges an entry into the product that the shop has, or makes one. `first` is false when the handle was in the
/// file before: then only variants and pictures are added, so that importing the file again changes nothing.
///
/// # Errors
/// The row that stands in the way.
pub(crate) fn merge(
    entry: Entry,
    kept: Option<&Kept>,
    first: bool,
    stock: StockMode,
) -> Result<Merged, Box<RejectedRow>> {
    let mut entry = entry;
    // What a file calls Title and Default Title is no option; the shop may have one that is called so.
    if let (Some([kept]), [told]) = (kept.map(|kept| kept.variants.as_slice()), entry.variants.as_mut_slice())
        && told.values.is_empty()
        && let [only] = kept.facts.choice.as_slice()
        && only.eq_ignore_ascii_case("Default Title")
    {
        told.values.push(only.clone());
    }
    let handle = entry.handle.as_str().to_owned();
    let fail = |line: u64, reason: String| {
        Box::new(RejectedRow {
            line,
            handle: Some(handle.clone()),
            reason,
        })
    };
    let line = entry.line;
    let facts = match (entry.facts, kept) {
        (None, None) => return Err(fail(line, "the product is new and no row carries a title".into())),
        (told, None) => new_facts(&entry.handle, told, entry.images),
        (told, Some(kept)) => changed_facts(&kept.facts, told.filter(|_| first), entry.images, first),
    };
    let mut facts = facts;
    if facts.images.len() > IMAGES_MAX {
        return Err(fail(line, format!("a product has at most {IMAGES_MAX} pictures")));
    }
    name_options(&mut facts, entry.options, &entry.variants, kept).map_err(|reason| fail(line, reason))?;

    let mut variants: Vec<DraftVariant> = Vec::with_capacity(entry.variants.len());
    let mut lines = Vec::with_capacity(entry.variants.len());
    let mut counted = Vec::new();
    let mut places = HashMap::new();
    for (place, old) in kept.iter().flat_map(|kept| &kept.variants).enumerate() {
        places.insert(choice_key(&old.facts.choice), (place, old));
        variants.push(DraftVariant {
            facts: old.facts.clone(),
            stock: 0,
        });
        lines.push(None);
    }
    for told in entry.variants {
        let line = told.line;
        match places.get(&choice_key(&told.values)) {
            Some(&(place, old)) => {
                if let (StockMode::Set, Fact::Is(pieces)) = (stock, &told.stock)
                    && *pieces != old.on_hand
                {
                    counted.push((old.id, *pieces, line));
                }
                variants[place].facts = changed_variant(&old.facts, told);
                lines[place] = Some(line);
            }
            None => {
                let choice = spell(&mut facts.options, &told.values).map_err(|reason| fail(line, reason))?;
                variants.push(new_variant(told, choice).ok_or_else(|| fail(line, "the price is missing".into()))?);
                lines.push(Some(line));
            }
        }
    }
    if variants.is_empty() {
        return Err(fail(line, "the product is new and no row carries a price".into()));
    }
    if variants.len() > VARIANTS_MAX {
        return Err(fail(line, format!("a product has at most {VARIANTS_MAX} variants")));
    }
    let metadata = std::iter::once(&facts.metadata).chain(variants.iter().map(|variant| &variant.facts.metadata));
    for (metadata, line) in metadata.zip(std::iter::once(Some(line)).chain(lines.iter().copied())) {
        // What the shop has already was measured when it came.
        if let Some(line) = line
            && !metadata.is_empty()
            && serde_json::to_string(metadata).map_or(usize::MAX, |json| json.len()) > METADATA_MAX
        {
            return Err(fail(
                line,
                format!("the columns without a field of ours hold more than {METADATA_MAX} bytes"),
            ));
        }
    }
    Ok(Merged {
        draft: Draft {
            facts,
            variants,
            handle_made: false,
        },
        lines,
        counted,
    })
}

/// Whether the shop has all of it just so.
pub(crate) fn is_unchanged(merged: &Merged, kept: &Kept) -> bool {
    merged.counted.is_empty()
        && merged.draft.facts == kept.facts
        && merged.draft.variants.len() == kept.variants.len()
        && merged
            .draft
            .variants
            .iter()
            .zip(&kept.variants)
            .all(|(new, old)| new.facts == old.facts)
}

fn new_facts(handle: &base::Handle, told: Option<ProductFacts>, images: Vec<EntryImage>) -> Facts {
    let blank = Facts {
        handle: handle.clone(),
        name: String::new(),
        description: String::new(),
        vendor: None,
        category: CATEGORY_DEFAULT.to_owned(),
        tags: Vec::new(),
        status: Status::Active,
        images: Vec::new(),
        options: Vec::new(),
        metadata: Map::new(),
    };
    changed_facts(&blank, told, images, true)
}

fn changed_facts(old: &Facts, told: Option<ProductFacts>, images: Vec<EntryImage>, first: bool) -> Facts {
    let mut facts = old.clone();
    if let Some(told) = told {
        facts.name = told.title;
        facts.description = match told.description {
            Fact::Unsaid => facts.description,
            // What stands there already was cleaned when it came. Cells lose the space around them.
            Fact::Blank if facts.description.trim().is_empty() => facts.description,
            Fact::Is(html) if html == facts.description.trim() => facts.description,
            Fact::Blank => String::new(),
            Fact::Is(html) => clean_html(&html),
        };
        facts.vendor = told.vendor.over(facts.vendor);
        facts.category = match told.category {
            Fact::Blank => CATEGORY_DEFAULT.to_owned(),
            said => said.or(facts.category),
        };
        facts.tags = match told.tags {
            Fact::Blank => Vec::new(),
            said => said.or(facts.tags),
        };
        facts.status = told.status.or(facts.status);
        facts.metadata = told.metadata.over(facts.metadata);
    }
    let mut old_images = std::mem::take(&mut facts.images);
    let mut new_images = Vec::with_capacity(images.len());
    for image in images {
        match old_images.iter().position(|old| old.url == image.url) {
            Some(at) if first => {
                let old = old_images.remove(at);
                let same = matches!((&image.alt, &old.alt), (Fact::Is(new), Some(old)) if new == old.trim());
                new_images.push(Picture {
                    url: image.url,
                    alt: if same { old.alt } else { image.alt.over(old.alt) },
                });
            }
            Some(_) => {}
            None => new_images.push(Picture {
                url: image.url,
                alt: image.alt.said(),
            }),
        }
    }
    // The file's order goes first; a handle that returns adds at the end.
    facts.images = if first {
        [new_images, old_images].concat()
    } else {
        [old_images, new_images].concat()
    };
    facts
}

/// Settles which options the product has. A file may leave out the names of those that the shop knows.
fn name_options(
    facts: &mut Facts,
    names: Vec<String>,
    variants: &[EntryVariant],
    kept: Option<&Kept>,
) -> Result<(), String> {
    let Some(kept) = kept else {
        facts.options = names
            .into_iter()
            .map(|name| ProductOption {
                name,
                values: Vec::new(),
            })
            .collect();
        return Ok(());
    };
    let options = &kept.facts.options;
    let chosen = variants.iter().map(|variant| variant.values.len()).max().unwrap_or(0);
    let least = variants
        .iter()
        .map(|variant| variant.values.len())
        .min()
        .unwrap_or(options.len());
    let same = names.len() == options.len()
        && names
            .iter()
            .zip(options)
            .all(|(name, option)| fold(name) == fold(&option.name));
    let fits = if names.is_empty() {
        variants.is_empty() || (chosen, least) == (options.len(), options.len())
    } else {
        same
    };
    if fits {
        return Ok(());
    }
    let list = |names: Vec<&str>| {
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    Err(format!(
        "the product's options are {} in the shop and {} here",
        list(options.iter().map(|option| option.name.as_str()).collect()),
        list(names.iter().map(String::as_str).collect()),
    ))
}

/// The chosen values as the product's options spell them; values that are new are added to the options.
fn spell(options: &mut [ProductOption], values: &[String]) -> Result<Vec<String>, String> {
    if values.len() != options.len() {
        return Err(format!(
            "the row names {} option values, the product has {} options",
            values.len(),
            options.len()
        ));
    }
    let mut spelled = Vec::with_capacity(values.len());
    for (option, value) in options.iter_mut().zip(values) {
        let wanted = fold(value);
        let known = option
            .values
            .iter()
            .find(|other| *other == value || fold(other) == wanted)
            .cloned();
        if known.is_none() {
            option.values.push(value.clone());
        }
        spelled.push(known.unwrap_or_else(|| value.clone()));
    }
    Ok(spelled)
}

/// `None` when there is no price.
fn new_variant(told: EntryVariant, choice: Vec<String>) -> Option<DraftVariant> {
    let Fact::Is(price_minor) = told.price_minor else {
        return None;
    };
    let stock = if let Fact::Is(pieces) = told.stock { pieces } else { 0 };
    let blank = VariantFacts {
        choice,
        ..VariantFacts::at(price_minor)
    };
    Some(DraftVariant {
        facts: changed_variant(&blank, told),
        stock,
    })
}

fn changed_variant(old: &VariantFacts, told: EntryVariant) -> VariantFacts {
    VariantFacts {
        // An empty cell leaves the SKU that was made.
        sku: told.sku.said().or_else(|| old.sku.clone()),
        choice: old.choice.clone(),
        price_minor: told.price_minor.or(old.price_minor),
        compare_at_minor: told.compare_at_minor.over(old.compare_at_minor),
        barcode: told.barcode.over(old.barcode.clone()),
        weight: told.grams.over(old.weight),
        weight_unit: told.weight_unit.over(old.weight_unit.clone()),
        tracked: told.tracked.or(old.tracked),
        inventory_policy: match told.policy {
            Fact::Blank => InventoryPolicy::default(),
            said => said.or(old.inventory_policy),
        },
        requires_shipping: told.requires_shipping.or(old.requires_shipping),
        tax_category: told.tax_category.over(old.tax_category.clone()),
        metadata: told.metadata.over(old.metadata.clone()),
    }
}
