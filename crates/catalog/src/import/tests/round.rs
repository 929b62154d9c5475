//! Whatever the shop has, its export says it completely: reading the file back changes nothing.

use std::collections::BTreeSet;

use api::catalog::{InventoryPolicy, ProductOption, Status, StockMode};
use base::{Currency, Handle, Id, ImageId, ProductId, Sku, Time, VariantId};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::read;
use crate::domain::{Facts, Kept, KeptVariant, Picture, VariantFacts, WEIGHT_UNITS};
use crate::import::export::file;
use crate::import::merge::{is_unchanged, merge};

/// A text of one line as a product may have it: not padded, never empty.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9,;'\"=|&<>/ .-]{1,12}",
        "\\PC{1,8}",
        Just("Default Title".to_owned())
    ]
    .prop_map(|text| text.replace(char::is_control, " ").trim().to_owned())
    .prop_filter("an empty text", |text| !text.is_empty())
}

/// A text of any kind.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z\"\r\n ,]{0,10}", "\\PC{0,10}", line()]
}

/// Names that mean something to an export, and values of every kind.
fn metadata() -> impl Strategy<Value = Map<String, Value>> {
    let names = [
        "SEO Title",
        "Variant Image",
        "Cost per item",
        "title",
        "Metadata (JSON)",
        "shelf",
        " padded ",
        "",
    ];
    let name = prop_oneof![prop::sample::select(names.to_vec()).prop_map(str::to_owned), line()];
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::Null),
        line().prop_map(|text| json!({ "deep": [text] })),
    ];
    prop::collection::btree_map(name, value, 0..4).prop_map(|map| map.into_iter().collect())
}

fn variant() -> impl Strategy<Value = VariantFacts> {
    let numbers = (
        0..1_000_000i64,
        prop::option::of(1..1_000_000i64),
        prop::option::of(0..90_000i64),
    );
    let words = (
        prop::option::of(line()),
        prop::option::of(prop::sample::select(WEIGHT_UNITS.to_vec())),
        prop::option::of(line()),
    );
    (numbers, words, any::<[bool; 3]>(), metadata()).prop_map(|(numbers, words, flags, metadata)| VariantFacts {
        compare_at_minor: numbers.1,
        weight: numbers.2,
        barcode: words.0,
        weight_unit: words.1.map(str::to_owned),
        tax_category: words.2,
        tracked: flags[0],
        requires_shipping: flags[1],
        inventory_policy: if flags[2] {
            InventoryPolicy::Continue
        } else {
            InventoryPolicy::Deny
        },
        metadata,
        ..VariantFacts::at(numbers.0)
    })
}

/// Products with up to two options of up to two values, and any number of pictures.
fn product() -> impl Strategy<Value = Kept> {
    let options = prop::collection::btree_map(
        line().prop_map(|name| base::fold(&name)),
        prop::collection::btree_set("[a-z]{1,3}|Default Title", 1..3),
        0..3,
    );
    let facts = (
        line(),
        text(),
        prop::option::of(line()),
        line().prop_filter("a category", |text| crate::domain::named(text).is_ok()),
        prop::collection::btree_set(line(), 0..4),
    );
    let pictures = prop::collection::vec(
        prop::option::of(text().prop_filter("blank", |text| !text.trim().is_empty())),
        0..5,
    );
    (
        options,
        facts,
        pictures,
        metadata(),
        prop::collection::vec(variant(), 4),
        any::<bool>(),
    )
        .prop_map(
            |(options, (name, description, vendor, category, tags), alts, metadata, variants, active)| {
                let mut choices: Vec<Vec<String>> = vec![Vec::new()];
                for values in options.values() {
                    let longer = |choice: &Vec<String>, value: &String| [choice.clone(), vec![value.clone()]].concat();
                    choices = choices
                        .iter()
                        .flat_map(|choice| values.iter().map(move |value| longer(choice, value)))
                        .collect();
                }
                let options: Vec<ProductOption> = options
                    .into_iter()
                    .map(|(name, values)| ProductOption {
                        name,
                        values: values.into_iter().collect(),
                    })
                    .collect();
                let images = alts.into_iter().enumerate().map(|(n, alt)| Picture {
                    url: format!("https://x.test/{n}"),
                    alt,
                });
                let mut folded = BTreeSet::new();
                let facts = Facts {
                    handle: Handle::new("odd-one").expect("a handle"),
                    name,
                    description,
                    vendor,
                    category,
                    tags: tags.into_iter().filter(|tag| folded.insert(base::fold(tag))).collect(),
                    status: if active { Status::Active } else { Status::Draft },
                    images: images.collect(),
                    options,
                    metadata,
                };
                let variants = choices
                    .into_iter()
                    .zip(variants)
                    .enumerate()
                    .map(|(n, (choice, facts))| KeptVariant {
                        id: VariantId::from_bits(n as u128),
                        position: n as i64,
                        facts: VariantFacts {
                            choice,
                            sku: Sku::new(&format!("S-{n}")).ok(),
                            ..facts
                        },
                        on_hand: 3 * n as i64,
                        reserved: 0,
                    });
                Kept {
                    id: ProductId::from_bits(1),
                    number: 1,
                    version: 1,
                    category: None,
                    image_ids: (0..facts.images.len()).map(|n| ImageId::from_bits(n as u128)).collect(),
                    facts,
                    variants: variants.collect(),
                    created_at: Time::default(),
                }
            },
        )
}

proptest! {
    #[test]
    fn an_export_says_it_all(kept in product(), columns in any::<bool>()) {
        // With a column for every name there is, and with none: what has no column goes the way of JSON.
        let all = kept.variants.iter().map(|variant| &variant.facts.metadata).chain([&kept.facts.metadata]);
        let known = |name: &String| crate::import::columns::is_column(crate::import::columns::Teller::LaterVariant, name, &json!("x"));
        let extra = all.flat_map(|metadata| metadata.keys()).filter(|name| columns && known(name)).cloned().collect();
        let file = file(std::slice::from_ref(&kept), &extra, Currency::USD);
        let (mut entries, failed, _) = read(&file).expect("a file");
        prop_assert_eq!(failed, Vec::<String>::new(), "{}", String::from_utf8_lossy(&file));
        let merged = merge(entries.remove(0), Some(&kept), true, StockMode::Set).expect("a product");
        prop_assert!(is_unchanged(&merged, &kept), "{}\n{:#?}\n{:#?}", String::from_utf8_lossy(&file), merged, kept);
    }
}
