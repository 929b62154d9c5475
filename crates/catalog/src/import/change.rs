//! What an import changes of a product, field by field, and how that is taken back: pure.
//!
//! A change keeps both sides of the fields that differ and nothing else. Taking it back compares what is there now
//! with the side after: a field that is still as the import left it becomes what it was before, one that somebody
//! changed since stays and is told of. Stock goes back by the difference, since pieces may have been sold.

use std::collections::HashMap;

use api::catalog::{InventoryPolicy, ProductOption, Status};
use base::{Sku, VariantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::merge::Merged;
use crate::domain::{Draft, DraftVariant, Facts, Kept, Picture, VariantFacts, variant_name};

/// The field of the pieces on hand.
pub(crate) const STOCK: &str = "stock";
/// Fields that hold money, in minor units.
pub(crate) const MONEY: [&str; 2] = ["price", "compareAtPrice"];

/// A field's name, what was there before, what is there after; null for nothing.
pub(crate) type Field = (String, Value, Value);

/// What an import did to a product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Of the product itself; of a new one the main things.
    pub facts: Vec<Field>,
    /// Of its variants, those that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantChange>,
    /// Of a new product: a digest of all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
}

/// What an import did to a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VariantChange {
    /// The variant; none of a dry run's new ones.
    pub id: Option<VariantId>,
    /// Its chosen values or SKU, for people.
    pub name: String,
    /// Whether it is new.
    #[serde(default)]
    pub new: bool,
    /// What differs; all of a new one.
    pub fields: Vec<Field>,
    /// Whether its stock went back already, where something else of the product was kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returned: bool,
}

/// A product as it will be or is, whether it has rows or not.
pub(crate) struct Side<'a> {
    facts: &'a Facts,
    variants: Vec<(Option<VariantId>, &'a VariantFacts, i64)>,
}

impl<'a> Side<'a> {
    /// A product as it is.
    pub(crate) fn kept(kept: &'a Kept) -> Self {
        let variants = kept.variants.iter();
        Self {
            facts: &kept.facts,
            variants: variants.map(|one| (Some(one.id), &one.facts, one.on_hand)).collect(),
        }
    }

    /// A product as a file would have it.
    pub(crate) fn merged(merged: &'a Merged, kept: Option<&Kept>) -> Self {
        let old = kept.map_or(&[][..], |kept| &kept.variants);
        let variants = merged.draft.variants.iter().enumerate().map(|(place, new)| {
            let Some(old) = old.get(place) else {
                return (None, &new.facts, new.stock);
            };
            let counted = merged.counted.iter().find(|(id, ..)| *id == old.id);
            (
                Some(old.id),
                &new.facts,
                counted.map_or(old.on_hand, |(_, pieces, _)| *pieces),
            )
        });
        Self {
            facts: &merged.draft.facts,
            variants: variants.collect(),
        }
    }

    fn lowest_price(&self) -> Option<i64> {
        self.variants.iter().map(|(_, facts, _)| facts.price_minor).min()
    }
}

/// A product that is new.
pub(crate) fn made(after: &Side<'_>) -> Change {
    let facts = after.facts;
    let stock: i64 = after.variants.iter().map(|(.., pieces)| pieces).sum();
    let told = [
        ("name", json!(facts.name)),
        ("category", json!(facts.category)),
        ("status", json!(facts.status)),
        ("price", json!(after.lowest_price())),
        ("variants", json!(after.variants.len())),
        (STOCK, json!(stock)),
    ];
    Change {
        facts: told
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::Null, value))
            .collect(),
        variants: Vec::new(),
        made: Some(print(after)),
    }
}

/// What differs between two sides of a product.
pub(crate) fn difference(before: &Side<'_>, after: &Side<'_>) -> Change {
    let old: HashMap<VariantId, (&VariantFacts, i64)> = before
        .variants
        .iter()
        .filter_map(|(id, facts, stock)| Some(((*id)?, (*facts, *stock))))
        .collect();
    let mut variants = Vec::new();
    for (id, facts, stock) in &after.variants {
        let was = id.and_then(|id| old.get(&id));
        let before = was.map(|(facts, stock)| of_variant(facts, *stock));
        let fields = differing(before.as_ref(), of_variant(facts, *stock));
        if !fields.is_empty() {
            variants.push(VariantChange {
                id: *id,
                name: called(facts),
                new: was.is_none(),
                fields,
                returned: false,
            });
        }
    }
    Change {
        facts: differing(Some(&of_product(before.facts)), of_product(after.facts)),
        variants,
        made: None,
    }
}

/// What people call a variant.
fn called(facts: &VariantFacts) -> String {
    variant_name(facts.sku.as_ref().map_or("", Sku::as_str), &facts.choice)
}

fn differing(before: Option<&Map<String, Value>>, after: Map<String, Value>) -> Vec<Field> {
    let was = |name: &str| before.and_then(|fields| fields.get(name)).cloned().unwrap_or_default();
    after
        .into_iter()
        .map(|(name, value)| (was(&name), name, value))
        .filter(|(before, _, after)| before != after)
        .map(|(before, name, after)| (name, before, after))
        .collect()
}

/// A digest of everything but the stock, by which a product is known to be just so.
fn print(side: &Side<'_>) -> String {
    let variants: Vec<_> = side.variants.iter().map(|(_, facts, _)| of_variant(facts, 0)).collect();
    let digest = Sha256::digest(json!([of_product(side.facts), variants]).to_string());
    base::hex(&digest)
}

// The fields of both, by the names that they have in the shop's JSON. Whoever adds one is made to say here what
// becomes of it: an undo that forgets a field would not restore what was.

fn of_product(facts: &Facts) -> Map<String, Value> {
    let Facts {
        handle,
        name,
        description,
        vendor,
        category,
        tags,
        status,
        images,
        options,
        metadata,
    } = facts;
    let images: Vec<Value> = images
        .iter()
        .map(|image| json!({ "url": image.url, "alt": image.alt }))
        .collect();
    map([
        ("handle", json!(handle.as_str())),
        ("name", json!(name)),
        ("description", json!(description)),
        ("vendor", json!(vendor)),
        ("category", json!(category)),
        ("tags", json!(tags)),
        ("status", json!(status)),
        ("images", json!(images)),
        ("options", json!(options)),
        ("metadata", json!(metadata)),
    ])
}

fn of_variant(facts: &VariantFacts, stock: i64) -> Map<String, Value> {
    let VariantFacts {
        sku,
        choice,
        price_minor,
        compare_at_minor,
        barcode,
        weight,
        weight_unit,
        tracked,
        inventory_policy,
        requires_shipping,
        tax_category,
        metadata,
    } = facts;
    map([
        ("sku", json!(sku.as_ref().map(Sku::as_str))),
        ("choice", json!(choice)),
        ("price", json!(price_minor)),
        ("compareAtPrice", json!(compare_at_minor)),
        ("barcode", json!(barcode)),
        ("weight", json!(weight)),
        ("weightUnit", json!(weight_unit)),
        ("tracked", json!(tracked)),
        ("inventoryPolicy", json!(inventory_policy)),
        ("requiresShipping", json!(requires_shipping)),
        ("taxCategory", json!(tax_category)),
        ("metadata", json!(metadata)),
        (STOCK, json!(stock)),
    ])
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Reads a value back; what another version of the program wrote and this one cannot read stays as it is.
fn read<T: serde::de::DeserializeOwned>(value: &Value, into: &mut T) -> bool {
    let read = serde_json::from_value(value.clone());
    read.is_ok_and(|value| {
        *into = value;
        true
    })
}

#[derive(Deserialize)]
struct Image {
    url: String,
    alt: Option<String>,
}

fn set_product(facts: &mut Facts, name: &str, value: &Value) -> bool {
    match name {
        "name" => read(value, &mut facts.name),
        "description" => read(value, &mut facts.description),
        "vendor" => read(value, &mut facts.vendor),
        "category" => read(value, &mut facts.category),
        "tags" => read(value, &mut facts.tags),
        "status" => read::<Status>(value, &mut facts.status),
        "options" => read::<Vec<ProductOption>>(value, &mut facts.options),
        "metadata" => read(value, &mut facts.metadata),
        "images" => {
            let mut images: Vec<Image> = Vec::new();
            let sound = read(value, &mut images);
            if sound {
                let of = |image: Image| Picture {
                    url: image.url,
                    alt: image.alt,
                };
                facts.images = images.into_iter().map(of).collect();
            }
            sound
        }
        _ => false,
    }
}

fn set_variant(facts: &mut VariantFacts, name: &str, value: &Value) -> bool {
    match name {
        "sku" => {
            let sku = value.as_str().and_then(|text| Sku::new(text).ok());
            let sound = sku.is_some();
            facts.sku = sku.or_else(|| facts.sku.take());
            sound
        }
        "price" => read(value, &mut facts.price_minor),
        "compareAtPrice" => read(value, &mut facts.compare_at_minor),
        "barcode" => read(value, &mut facts.barcode),
        "weight" => read(value, &mut facts.weight),
        "weightUnit" => read(value, &mut facts.weight_unit),
        "tracked" => read(value, &mut facts.tracked),
        "inventoryPolicy" => read::<InventoryPolicy>(value, &mut facts.inventory_policy),
        "requiresShipping" => read(value, &mut facts.requires_shipping),
        "taxCategory" => read(value, &mut facts.tax_category),
        "metadata" => read(value, &mut facts.metadata),
        _ => false,
    }
}

/// What is to be done to take a change back.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Unwound {
    /// The product leaves the shop: the import brought it.
    pub archive: bool,
    /// The product as it is to be; none when nothing of it changes.
    pub draft: Option<Draft>,
    /// Pieces that come back (or go, when negative).
    pub stock: Vec<(VariantId, i64)>,
    /// What stays, and why.
    pub kept: Vec<String>,
}

/// Takes a change back from a product as it is now. With `force` also what somebody changed since.
pub(crate) fn unwind(change: &Change, now: &Kept, force: bool) -> Unwound {
    let mut done = Unwound::default();
    if let Some(made) = &change.made {
        if force || *made == print(&Side::kept(now)) {
            done.archive = true;
        } else {
            done.kept.push("the product was changed since the import".into());
        }
        return done;
    }
    let mut draft = now.draft();
    for (name, before, after) in &change.facts {
        let is = of_product(&draft.facts).remove(name).unwrap_or_default();
        if is == *before {
            continue;
        }
        if (force || is == *after) && set_product(&mut draft.facts, name, before) {
            continue;
        }
        done.kept.push(format!("{name} was changed since the import"));
    }
    for told in &change.variants {
        unwind_variant(told, now, force, &mut draft, &mut done);
    }
    name_values(&mut draft);
    let same = draft.facts == now.facts
        && draft.variants.len() == now.variants.len()
        && draft
            .variants
            .iter()
            .zip(&now.variants)
            .all(|(new, old)| new.facts == old.facts);
    done.draft = (!same).then_some(draft);
    done
}

fn unwind_variant(told: &VariantChange, now: &Kept, force: bool, draft: &mut Draft, done: &mut Unwound) {
    let name = &told.name;
    let Some(place) = now.variants.iter().position(|one| Some(one.id) == told.id) else {
        if !told.new {
            done.kept.push(format!("the variant {name} is no longer there"));
        }
        return;
    };
    // Places shift as variants leave the draft; the choice of options names one for good.
    let choice = &now.variants[place].facts.choice;
    let Some(at) = draft.variants.iter().position(|one| one.facts.choice == *choice) else {
        return;
    };
    if told.new {
        let is = of_variant(&draft.variants[at].facts, 0);
        let differs = |(name, _, after): &&Field| name != STOCK && is.get(name) != Some(after);
        if !force && told.fields.iter().any(|field| differs(&field)) {
            done.kept
                .push(format!("the new variant {name} was changed since the import"));
        } else if draft.variants.len() == 1 {
            done.kept.push(format!("the new variant {name} is the only one by now"));
        } else {
            draft.variants.remove(at);
        }
        return;
    }
    for (field, before, after) in &told.fields {
        if field == STOCK && told.returned {
            continue;
        }
        if field == STOCK {
            let (before, after) = (before.as_i64().unwrap_or(0), after.as_i64().unwrap_or(0));
            done.stock.push((now.variants[place].id, before - after));
            continue;
        }
        let DraftVariant { facts, .. } = &mut draft.variants[at];
        let is = of_variant(facts, 0).remove(field).unwrap_or_default();
        if is == *before {
            continue;
        }
        if (force || is == *after) && set_variant(facts, field, before) {
            continue;
        }
        done.kept
            .push(format!("{field} of {name} was changed since the import"));
    }
}

/// Every chosen value stands among its option's values, also where an older list of them came back.
fn name_values(draft: &mut Draft) {
    for variant in &draft.variants {
        for (option, value) in draft.facts.options.iter_mut().zip(&variant.facts.choice) {
            if !option.values.contains(value) {
                option.values.push(value.clone());
            }
        }
    }
}
