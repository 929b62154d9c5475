//! From a product and what is to change of it to the product as it is to be.

use std::collections::HashMap;

use api::catalog::{ChangeProduct, NewVariant, Status};
use base::Currency;
use wire::FieldFault;

use super::check::{
    Faults, category_of, compare_at_of, compares, description_of, handle_of, images_of, line, metadata_of, price_of,
    sku_of, tags_of, word,
};
use super::choice::{reoptioned, variants_of};
use super::{CATEGORY_DEFAULT, Draft, DraftVariant, Kept, NAME_MAX, VariantFacts, choice_key};

/// A product as it is to be, and which of its variants are which of those there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// The product.
    pub draft: Draft,
    /// For each variant of the draft its place among those there are; none where it is new.
    pub same: Vec<Option<usize>>,
}

impl Revision {
    /// What has the same choice is the same variant.
    pub fn by_choice(kept: &Kept, draft: Draft) -> Self {
        let places: HashMap<String, usize> = kept
            .variants
            .iter()
            .enumerate()
            .map(|(place, variant)| (choice_key(&variant.facts.choice), place))
            .collect();
        let place = |variant: &DraftVariant| places.get(&choice_key(&variant.facts.choice)).copied();
        let same = draft.variants.iter().map(place).collect();
        Self { draft, same }
    }

    /// Each variant stays the one in its place; what comes after them is new.
    pub fn in_place(kept: &Kept, draft: Draft) -> Self {
        let there = kept.variants.len();
        let same = (0..draft.variants.len())
            .map(|place| (place < there).then_some(place))
            .collect();
        Self { draft, same }
    }
}

/// The product with the fields given. `price`, `sku` and `compareAtPrice` are those of an only variant; `variants`
/// stand in place of those there were: the same choice stays the same variant, and keeps what is not given.
///
/// # Errors
/// All faults, with pointers into the body.
pub fn change(kept: &Kept, change: ChangeProduct, currency: Currency) -> Result<Revision, Vec<FieldFault>> {
    let mut faults = Faults::default();
    let mut draft = kept.draft();
    let facts = &mut draft.facts;
    if let Some(name) = &change.name {
        facts.name = line("/name", name, NAME_MAX, &mut faults);
    }
    if let Some(handle) = change
        .handle
        .as_deref()
        .and_then(|handle| handle_of(handle, &mut faults))
    {
        facts.handle = handle;
    }
    if let Some(description) = &change.description {
        facts.description = description_of(description, &mut faults);
    }
    if let Some(vendor) = change.vendor {
        facts.vendor = word("/vendor", vendor, &mut faults);
    }
    if change.category.is_some() {
        let category = category_of(change.category, &mut faults);
        facts.category = category.unwrap_or_else(|| CATEGORY_DEFAULT.to_owned());
    }
    if let Some(tags) = &change.tags {
        facts.tags = tags_of(tags, &mut faults);
    }
    if let Some(images) = images_of(change.image_url, change.images, &mut faults) {
        facts.images = images;
    }
    if let Some(metadata) = metadata_of("/metadata", change.metadata, &mut faults) {
        facts.metadata = metadata;
    }
    match change.status {
        Some(Status::Archived) => faults.add("/status", "delete the product to archive it"),
        Some(status) => facts.status = status,
        None => {}
    }
    let price = change
        .price
        .and_then(|price| price_of("/price", price, currency, &mut faults));
    match change.variants.filter(|variants| !variants.is_empty()) {
        Some(variants) => {
            for (field, given) in [
                ("/sku", change.sku.is_some()),
                ("/compareAtPrice", change.compare_at_price.is_some()),
            ] {
                if given {
                    faults.add(field, "belongs into the variants when there are some");
                }
            }
            let options = change.options.unwrap_or_else(|| draft.facts.options.clone());
            let given = variants.clone();
            // A price is needed only where no variant of before has one; that is found below.
            let (options, mut variants) =
                variants_of(options, variants, Some(price.unwrap_or(0)), currency, &mut faults);
            for (place, (variant, given)) in variants.iter_mut().zip(&given).enumerate() {
                keep(kept, variant, given, change.price.is_some());
                let known = of_choice(kept, &variant.facts.choice).is_some();
                if !known && given.price.is_none() && change.price.is_none() {
                    faults.add(format!("/variants/{place}/price"), "is needed, here or for the product");
                }
                if given.compare_at_price.is_some() {
                    compares(
                        &format!("/variants/{place}/compareAtPrice"),
                        &variant.facts,
                        &mut faults,
                    );
                }
            }
            draft.facts.options = options;
            draft.variants = variants;
            faults.or(Revision::by_choice(kept, draft))
        }
        None => {
            if let Some(options) = change.options
                && let Some((options, choices)) = reoptioned(kept, options, &mut faults)
            {
                draft.facts.options = options;
                for (variant, choice) in draft.variants.iter_mut().zip(choices) {
                    variant.facts.choice = choice;
                }
            }
            let only = if let [only] = draft.variants.as_mut_slice() {
                Some(&mut only.facts)
            } else {
                None
            };
            let Some(only) = only else {
                for (field, given) in [
                    ("/price", change.price.is_some()),
                    ("/sku", change.sku.is_some()),
                    ("/compareAtPrice", change.compare_at_price.is_some()),
                ] {
                    if given {
                        faults.add(field, "this product has several variants; change it in `variants`");
                    }
                }
                return faults.or(Revision::in_place(kept, draft));
            };
            if let Some(price) = price {
                only.price_minor = price;
            }
            if let Some(sku) = change.sku.as_deref().and_then(|sku| sku_of("/sku", sku, &mut faults)) {
                only.sku = Some(sku);
            }
            if let Some(before) = change.compare_at_price {
                only.compare_at_minor = compare_at_of("/compareAtPrice", before, currency, &mut faults);
                compares("/compareAtPrice", only, &mut faults);
            }
            faults.or(Revision::in_place(kept, draft))
        }
    }
}

fn of_choice<'a>(kept: &'a Kept, choice: &[String]) -> Option<&'a VariantFacts> {
    let wanted = choice_key(choice);
    let variants = kept.variants.iter().map(|variant| &variant.facts);
    variants.into_iter().find(|facts| choice_key(&facts.choice) == wanted)
}

/// Gives a variant back what it had and what the change does not name.
fn keep(kept: &Kept, variant: &mut DraftVariant, given: &NewVariant, priced: bool) {
    let Some(old) = of_choice(kept, &variant.facts.choice) else {
        return;
    };
    let new = &mut variant.facts;
    if given.price.is_none() && !priced {
        new.price_minor = old.price_minor;
    }
    if given.sku.is_none() {
        new.sku = old.sku.clone();
    }
    if given.compare_at_price.is_none() {
        new.compare_at_minor = old.compare_at_minor;
    }
    if given.barcode.is_none() {
        new.barcode = old.barcode.clone();
    }
    new.weight = given.weight.or(old.weight);
    if given.weight_unit.is_none() {
        new.weight_unit = old.weight_unit.clone();
    }
    new.tracked = given.tracked.unwrap_or(old.tracked);
    new.inventory_policy = given.inventory_policy.unwrap_or(old.inventory_policy);
    new.requires_shipping = given.requires_shipping.unwrap_or(old.requires_shipping);
    if given.tax_category.is_none() {
        new.tax_category = old.tax_category.clone();
    }
    if given.metadata.is_none() {
        new.metadata = old.metadata.clone();
    }
}
