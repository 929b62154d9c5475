//! Options and variants as a caller wrote them: each variant chooses once from each option.

use std::collections::HashSet;

use api::catalog::{NewVariant, ProductOption};
use base::{Currency, fold};

use super::check::{Faults, compare_at_of, line, metadata_of, price_of, sku_of, stock_of, word};
use super::{DraftVariant, OPTIONS_MAX, VARIANTS_MAX, VariantFacts, WEIGHT_MAX, WEIGHT_UNITS, WORD_MAX, choice_key};

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
        let pointer = format!("{at}/options/{}", name.replace('~', "~0").replace('/', "~1"));
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
    if new.weight.is_some_and(|weight| !(0..=WEIGHT_MAX).contains(&weight)) {
        faults.add(format!("{at}/weight"), format!("must be from 0 to {WEIGHT_MAX} grams"));
    }
    if new
        .weight_unit
        .as_deref()
        .is_some_and(|unit| !WEIGHT_UNITS.contains(&unit))
    {
        faults.add(
            format!("{at}/weightUnit"),
            format!("must be one of {}", WEIGHT_UNITS.join(", ")),
        );
    }
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
