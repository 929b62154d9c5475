//! Options and variants as a caller wrote them: each variant chooses once from each option.

use std::collections::{BTreeMap, HashSet};

use api::catalog::{ChangeVariant, NewVariant, ProductOption};
use base::{Currency, fold};
use wire::FieldFault;

use super::change::Revision;
use super::check::{Faults, compare_at_of, compares, line, metadata_of, price_of, sku_of, stock_of, word};
use super::{
    DraftVariant, Kept, OPTIONS_MAX, VARIANTS_MAX, VariantFacts, WEIGHT_MAX, WEIGHT_UNITS, WORD_MAX, choice_key,
};

/// Options and variants that fit together: each variant chooses once from each option, no choice stands twice.
/// Without options, they are those that the variants name, in the order in which they do.
pub(super) fn variants_of(
    options: Vec<ProductOption>,
    variants: Vec<NewVariant>,
    price: Option<i64>,
    currency: Currency,
    faults: &mut Faults,
) -> (Vec<ProductOption>, Vec<DraftVariant>) {
    if variants.len() > VARIANTS_MAX {
        faults.add("/variants", format!("must have at most {VARIANTS_MAX} entries"));
        return (Vec::new(), Vec::new());
    }
    let options = if options.is_empty() {
        options_named(&variants)
    } else {
        options_of(options, faults)
    };
    if options.len() > OPTIONS_MAX {
        faults.add("/options", format!("must have at most {OPTIONS_MAX} entries"));
    }
    let (mut choices, mut skus) = (HashSet::new(), HashSet::new());
    let mut drafts = Vec::with_capacity(variants.len());
    for (place, variant) in variants.into_iter().enumerate() {
        let at = format!("/variants/{place}");
        let choice = choice_of(&at, &options, &variant, faults);
        if !choices.insert(choice_key(&choice)) {
            let detail = match choice.is_empty() {
                true => "several variants need options to tell them apart".to_owned(),
                false => "another variant has the same choice".to_owned(),
            };
            faults.add(format!("{at}/options"), detail);
        }
        let draft = variant_of(&at, choice, variant, price, currency, faults);
        // Where the price may be that of a variant of before, it is compared when that is known.
        if price != Some(0) {
            compares(&format!("{at}/compareAtPrice"), &draft.facts, faults);
        }
        if draft.facts.sku.as_ref().is_some_and(|sku| !skus.insert(sku.clone())) {
            faults.add(format!("{at}/sku"), "another variant has the same SKU");
        }
        drafts.push(draft);
    }
    (options, drafts)
}

fn options_named(variants: &[NewVariant]) -> Vec<ProductOption> {
    let mut options: Vec<ProductOption> = Vec::new();
    for (name, value) in variants.iter().flat_map(|variant| &variant.options) {
        let (name, value) = (name.trim(), value.trim());
        let place = options
            .iter()
            .position(|option| option.name == name)
            .unwrap_or_else(|| {
                options.push(ProductOption {
                    name: name.to_owned(),
                    values: Vec::new(),
                });
                options.len() - 1
            });
        let values = &mut options[place].values;
        if values.iter().all(|other| fold(other) != fold(value)) {
            values.push(value.to_owned());
        }
    }
    options
}

fn options_of(options: Vec<ProductOption>, faults: &mut Faults) -> Vec<ProductOption> {
    let mut names = HashSet::new();
    let mut checked = Vec::with_capacity(options.len());
    for (place, option) in options.into_iter().enumerate() {
        let at = format!("/options/{place}");
        let name = line(&format!("{at}/name"), &option.name, WORD_MAX, faults);
        if !names.insert(fold(&name)) {
            faults.add(format!("{at}/name"), "another option has the same name");
        }
        if option.values.is_empty() || option.values.len() > VARIANTS_MAX {
            faults.add(format!("{at}/values"), format!("must have 1 to {VARIANTS_MAX} entries"));
        }
        let mut seen = HashSet::new();
        let mut values = Vec::with_capacity(option.values.len());
        for (nth, value) in option.values.iter().enumerate() {
            let value = line(&format!("{at}/values/{nth}"), value, WORD_MAX, faults);
            if !seen.insert(fold(&value)) {
                faults.add(format!("{at}/values/{nth}"), "stands there twice");
            }
            values.push(value);
        }
        checked.push(ProductOption { name, values });
    }
    checked
}

fn choice_of(at: &str, options: &[ProductOption], variant: &NewVariant, faults: &mut Faults) -> Vec<String> {
    let slot = |name: &str| options.iter().position(|option| fold(&option.name) == fold(name));
    let mut choice: Vec<Option<String>> = vec![None; options.len()];
    for (name, value) in &variant.options {
        let pointer = format!("{at}/options/{}", escaped(name));
        let Some(place) = slot(name) else {
            let known: Vec<&str> = options.iter().map(|option| option.name.as_str()).collect();
            faults.add(
                pointer,
                format!("is not an option of this product; known are {}", known.join(", ")),
            );
            continue;
        };
        match options[place].values.iter().find(|known| fold(known) == fold(value)) {
            Some(known) => choice[place] = Some(known.clone()),
            None => faults.add(pointer, format!("must be one of {}", options[place].values.join(", "))),
        }
    }
    for (option, value) in options.iter().zip(&choice) {
        let given = variant.options.keys().any(|name| fold(name) == fold(&option.name));
        if value.is_none() && !given {
            faults.add(
                format!("{at}/options/{}", option.name.replace('~', "~0").replace('/', "~1")),
                "is needed",
            );
        }
    }
    choice.into_iter().map(Option::unwrap_or_default).collect()
}

/// A variant beside those there are, and the options with the values that it brings.
///
/// # Errors
/// All faults, with pointers into the variant.
pub fn beside(kept: &Kept, new: NewVariant, currency: Currency) -> Result<Revision, Vec<FieldFault>> {
    let mut faults = Faults::default();
    let mut draft = kept.draft();
    if draft.variants.len() >= VARIANTS_MAX {
        faults.add("", format!("a product has at most {VARIANTS_MAX} variants"));
    }
    if draft.facts.options.is_empty() {
        faults.add(
            "/options",
            "this product offers no choice; give it options first, by changing the product",
        );
        return Err(faults.0);
    }
    widen(&mut draft.facts.options, &new.options, &mut faults);
    let choice = choice_of("", &draft.facts.options, &new, &mut faults);
    let variant = variant_of("", choice, new, None, currency, &mut faults);
    compares("/compareAtPrice", &variant.facts, &mut faults);
    draft.variants.push(variant);
    alone(&draft.variants, draft.variants.len() - 1, &mut faults);
    faults.or(Revision::in_place(kept, draft))
}

/// The product with changes to the variant in this place.
///
/// # Errors
/// All faults, with pointers into the variant.
pub fn change_variant(
    kept: &Kept,
    place: usize,
    change: ChangeVariant,
    currency: Currency,
) -> Result<Revision, Vec<FieldFault>> {
    let mut faults = Faults::default();
    let mut draft = kept.draft();
    if let Some(chosen) = change.options.filter(|chosen| !chosen.is_empty()) {
        widen(&mut draft.facts.options, &chosen, &mut faults);
        let options = &draft.facts.options;
        let of_before = options.iter().zip(&draft.variants[place].facts.choice);
        let mut all: BTreeMap<String, String> = of_before
            .filter(|(option, _)| !chosen.keys().any(|name| fold(name) == fold(&option.name)))
            .map(|(option, value)| (option.name.clone(), value.clone()))
            .collect();
        all.extend(chosen);
        let wanted = NewVariant {
            options: all,
            ..NewVariant::default()
        };
        let choice = choice_of("", options, &wanted, &mut faults);
        draft.variants[place].facts.choice = choice;
        alone(&draft.variants, place, &mut faults);
    }
    let facts = &mut draft.variants[place].facts;
    if let Some(sku) = change.sku.as_deref().and_then(|sku| sku_of("/sku", sku, &mut faults)) {
        facts.sku = Some(sku);
    }
    if let Some(price) = change
        .price
        .and_then(|price| price_of("/price", price, currency, &mut faults))
    {
        facts.price_minor = price;
    }
    if let Some(before) = change.compare_at_price {
        facts.compare_at_minor = compare_at_of("/compareAtPrice", before, currency, &mut faults);
        compares("/compareAtPrice", facts, &mut faults);
    }
    if let Some(barcode) = change.barcode {
        facts.barcode = word("/barcode", barcode, &mut faults);
    }
    if let Some(weight) = change.weight {
        facts.weight = weight;
    }
    if let Some(unit) = change.weight_unit {
        facts.weight_unit = unit;
    }
    weighs("", facts.weight, facts.weight_unit.as_deref(), &mut faults);
    facts.tracked = change.tracked.unwrap_or(facts.tracked);
    facts.inventory_policy = change.inventory_policy.unwrap_or(facts.inventory_policy);
    facts.requires_shipping = change.requires_shipping.unwrap_or(facts.requires_shipping);
    if let Some(category) = change.tax_category {
        facts.tax_category = word("/taxCategory", category, &mut faults);
    }
    if let Some(metadata) = metadata_of("/metadata", change.metadata, &mut faults) {
        facts.metadata = metadata;
    }
    faults.or(Revision::in_place(kept, draft))
}

/// Adds values that a choice names and an option does not know yet.
fn widen(options: &mut [ProductOption], chosen: &BTreeMap<String, String>, faults: &mut Faults) {
    for (name, value) in chosen {
        let Some(option) = options.iter_mut().find(|option| fold(&option.name) == fold(name)) else {
            continue;
        };
        if option.values.iter().any(|known| fold(known) == fold(value)) {
            continue;
        }
        let value = line(&format!("/options/{}", escaped(name)), value, WORD_MAX, faults);
        option.values.push(value);
    }
}

/// Notes a fault when another variant has the choice of the one in this place.
fn alone(variants: &[DraftVariant], place: usize, faults: &mut Faults) {
    let key = choice_key(&variants[place].facts.choice);
    let mut others = variants.iter().enumerate().filter(|(other, _)| *other != place);
    if others.any(|(_, other)| choice_key(&other.facts.choice) == key) {
        faults.add("/options", "another variant has the same choice");
    }
}

/// Other options of the product, and what its variants then choose, in their order; see
/// [`ChangeProduct`](api::catalog::ChangeProduct).
pub(super) fn reoptioned(
    kept: &Kept,
    options: Vec<ProductOption>,
    faults: &mut Faults,
) -> Option<(Vec<ProductOption>, Vec<Vec<String>>)> {
    let before = faults.0.len();
    let options = options_of(options, faults);
    if options.len() > OPTIONS_MAX {
        faults.add("/options", format!("must have at most {OPTIONS_MAX} entries"));
    }
    if faults.0.len() > before {
        return None;
    }
    let old = &kept.facts.options;
    // Which option of before each one is: that of its name, else the one in its place that has its values.
    let named = |option: &ProductOption| old.iter().position(|old| fold(&old.name) == fold(&option.name));
    let known: Vec<Option<usize>> = options.iter().map(named).collect();
    let known: Vec<Option<usize>> = known
        .iter()
        .enumerate()
        .map(|(place, found)| {
            found.or_else(|| {
                let there = place < old.len() && !known.contains(&Some(place));
                let holds = |value: &String| has(&options[place], value);
                let covers = || {
                    kept.variants
                        .iter()
                        .all(|variant| variant.facts.choice.get(place).is_some_and(holds))
                };
                (there && covers()).then_some(place)
            })
        })
        .collect();
    let mut choices = Vec::with_capacity(kept.variants.len());
    for variant in &kept.variants {
        let mut choice = Vec::with_capacity(options.len());
        for (place, (option, from)) in options.iter().zip(&known).enumerate() {
            let Some(from) = *from else {
                choice.extend(option.values.first().cloned());
                continue;
            };
            let value = variant.facts.choice.get(from).map_or("", String::as_str);
            match respelled(&old[from], option, value) {
                Some(value) => choice.push(value),
                None => faults.add(
                    format!("/options/{place}/values"),
                    format!("must hold {value}, which a variant has; change or remove that variant first"),
                ),
            }
        }
        choices.push(choice);
    }
    let mut seen: HashSet<String> = HashSet::new();
    for choice in &choices {
        if choice.len() == options.len() && !seen.insert(choice_key(choice)) {
            let detail = match choice.is_empty() {
                true => "several variants need options to tell them apart".to_owned(),
                false => format!("would leave several variants with the choice {}", choice.join(" / ")),
            };
            faults.add("/options", detail);
            break;
        }
    }
    faults.0.dedup();
    (faults.0.len() == before).then_some((options, choices))
}

fn has(option: &ProductOption, value: &str) -> bool {
    option.values.iter().any(|known| fold(known) == fold(value))
}

/// A value as the new option spells it: the same one, or the one that stands in its place and is new.
fn respelled(old: &ProductOption, new: &ProductOption, value: &str) -> Option<String> {
    if let Some(same) = new.values.iter().find(|known| fold(known) == fold(value)) {
        return Some(same.clone());
    }
    let place = old.values.iter().position(|known| fold(known) == fold(value))?;
    let there = new.values.get(place).filter(|there| !has(old, there))?;
    (old.values.len() == new.values.len()).then(|| there.clone())
}

/// A name within a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn weighs(at: &str, weight: Option<i64>, unit: Option<&str>, faults: &mut Faults) {
    if weight.is_some_and(|weight| !(0..=WEIGHT_MAX).contains(&weight)) {
        faults.add(format!("{at}/weight"), format!("must be from 0 to {WEIGHT_MAX} grams"));
    }
    if unit.is_some_and(|unit| !WEIGHT_UNITS.contains(&unit)) {
        faults.add(
            format!("{at}/weightUnit"),
            format!("must be one of {}", WEIGHT_UNITS.join(", ")),
        );
    }
}

fn variant_of(
    at: &str,
    choice: Vec<String>,
    new: NewVariant,
    price: Option<i64>,
    currency: Currency,
    faults: &mut Faults,
) -> DraftVariant {
    let own = new
        .price
        .and_then(|price| price_of(&format!("{at}/price"), price, currency, faults));
    if new.price.is_none() && price.is_none() {
        faults.add(format!("{at}/price"), "is needed, here or for the product");
    }
    weighs(at, new.weight, new.weight_unit.as_deref(), faults);
    let stock = stock_of(&format!("{at}/stock"), new.stock, faults);
    let facts = VariantFacts {
        sku: new
            .sku
            .as_deref()
            .and_then(|sku| sku_of(&format!("{at}/sku"), sku, faults)),
        choice,
        price_minor: own.or(price).unwrap_or(0),
        compare_at_minor: compare_at_of(&format!("{at}/compareAtPrice"), new.compare_at_price, currency, faults),
        barcode: word(&format!("{at}/barcode"), new.barcode, faults),
        weight: new.weight,
        weight_unit: new.weight_unit,
        tracked: new.tracked.unwrap_or(true),
        inventory_policy: new.inventory_policy.unwrap_or_default(),
        requires_shipping: new.requires_shipping.unwrap_or(true),
        tax_category: word(&format!("{at}/taxCategory"), new.tax_category, faults),
        metadata: metadata_of(&format!("{at}/metadata"), new.metadata, faults).unwrap_or_default(),
    };
    DraftVariant { facts, stock }
}
