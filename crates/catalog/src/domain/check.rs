//! From what a caller wrote to a draft: every fault is found, and told with its place.

use std::collections::HashSet;

use api::catalog::{NewImage, NewProduct, NewVariant, ProductOption};
use base::{Amount, Currency, Handle, Money, Sku, fold, handle_from};
use serde_json::{Map, Value};
use wire::FieldFault;

use super::{
    ALT_MAX, CATEGORY_DEFAULT, DESCRIPTION_MAX, Draft, DraftVariant, Facts, IMAGES_MAX, METADATA_MAX, NAME_MAX,
    OPTIONS_MAX, PRICE_MINOR_MAX, Picture, STOCK_MAX, TAGS_MAX, URL_MAX, VARIANTS_MAX, VariantFacts, WEIGHT_MAX,
    WEIGHT_UNITS, WORD_MAX, choice_key,
};

/// Faults of a request as they are found.
#[derive(Debug, Default)]
pub struct Faults(pub Vec<FieldFault>);

impl Faults {
    /// Notes a fault.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldFault { pointer: pointer.into(), detail: detail.into() });
    }

    /// The value, unless there are faults.
    ///
    /// # Errors
    /// The faults, at least one.
    pub fn or<T>(self, value: T) -> Result<T, Vec<FieldFault>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// A draft of a new product.
///
/// # Errors
/// All faults, with pointers into the body.
pub fn check(new: NewProduct, currency: Currency) -> Result<Draft, Vec<FieldFault>> {
    let mut faults = Faults::default();
    let name = line("/name", &new.name, NAME_MAX, &mut faults);
    let handle = match &new.handle {
        Some(handle) => handle_of(handle, &mut faults),
        None => Handle::new(&handle_from(&name)).ok(),
    };
    let price = new.price.and_then(|price| price_of("/price", price, currency, &mut faults));
    let (options, variants) = match new.variants {
        Some(variants) if !variants.is_empty() => {
            for (field, given) in [
                ("/stock", new.stock.is_some()),
                ("/sku", new.sku.is_some()),
                ("/compareAtPrice", new.compare_at_price.is_some()),
            ] {
                if given {
                    faults.add(field, "belongs into the variants when there are some");
                }
            }
            let priced = new.price.is_some();
            variants_of(new.options.unwrap_or_default(), variants, priced.then(|| price.unwrap_or(0)), currency, &mut faults)
        }
        _ => {
            if new.options.is_some_and(|options| !options.is_empty()) {
                faults.add("/variants", "is needed where there are options: one for each choice");
            }
            if new.price.is_none() {
                faults.add("/price", "is needed");
            }
            let mut facts = VariantFacts::at(price.unwrap_or(0));
            facts.sku = new.sku.as_deref().and_then(|sku| sku_of("/sku", sku, &mut faults));
            facts.compare_at_minor = compare_at_of("/compareAtPrice", new.compare_at_price, currency, &mut faults);
            let stock = stock_of("/stock", new.stock, &mut faults);
            (Vec::new(), vec![DraftVariant { facts, stock }])
        }
    };
    let facts = handle.map(|handle| Facts {
        handle,
        name,
        description: description_of(&new.description.unwrap_or_default(), &mut faults),
        vendor: word("/vendor", new.vendor, &mut faults),
        category: word("/category", new.category, &mut faults).unwrap_or_else(|| CATEGORY_DEFAULT.to_owned()),
        tags: tags_of(&new.tags.unwrap_or_default(), &mut faults),
        status: new.status.unwrap_or_default(),
        images: images_of(new.image_url, new.images, &mut faults).unwrap_or_default(),
        options,
        metadata: metadata_of("/metadata", new.metadata, &mut faults).unwrap_or_default(),
    });
    let Some(facts) = facts else { return Err(faults.0) };
    if facts.status == api::catalog::Status::Archived {
        faults.add("/status", "a new product is active or draft");
    }
    faults.or(Draft { facts, variants, handle_made: new.handle.is_none() })
}

/// The description as it may be shown: what HTML is not harmless is taken out.
pub fn clean_html(text: &str) -> String {
    if text.contains(['<', '>', '&']) { ammonia::clean(text) } else { text.to_owned() }
}

pub(super) fn line(pointer: &str, text: &str, max: usize, faults: &mut Faults) -> String {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max {
        faults.add(pointer, format!("must have 1 to {max} characters"));
    } else if text.chars().any(char::is_control) {
        faults.add(pointer, "must not hold control characters");
    }
    text.to_owned()
}

/// A short text; an empty one is none.
pub(super) fn word(pointer: &str, text: Option<String>, faults: &mut Faults) -> Option<String> {
    let text = text?;
    if text.trim().is_empty() {
        return None;
    }
    Some(line(pointer, &text, WORD_MAX, faults))
}

pub(super) fn handle_of(text: &str, faults: &mut Faults) -> Option<Handle> {
    Handle::new(text).map_err(|fault| faults.add("/handle", fault.to_string())).ok()
}

pub(super) fn sku_of(pointer: &str, text: &str, faults: &mut Faults) -> Option<Sku> {
    Sku::new(text).map_err(|fault| faults.add(pointer, fault.to_string())).ok()
}

pub(super) fn price_of(pointer: &str, price: Amount, currency: Currency, faults: &mut Faults) -> Option<i64> {
    match Money::from_amount(price, currency) {
        Err(fault) => faults.add(pointer, fault.to_string()),
        Ok(money) if money.minor < 0 => faults.add(pointer, "must not be negative"),
        Ok(money) if money.minor > PRICE_MINOR_MAX => {
            faults.add(pointer, format!("must be at most {}", Money::new(PRICE_MINOR_MAX, currency).amount()))
        }
        Ok(money) => return Some(money.minor),
    }
    None
}

/// What it cost before; nothing is the same as none.
pub(super) fn compare_at_of(
    pointer: &str,
    price: Option<Amount>,
    currency: Currency,
    faults: &mut Faults,
) -> Option<i64> {
    price_of(pointer, price?, currency, faults).filter(|minor| *minor > 0)
}

pub(super) fn stock_of(pointer: &str, stock: Option<i64>, faults: &mut Faults) -> i64 {
    let stock = stock.unwrap_or(0);
    if !(0..=STOCK_MAX).contains(&stock) {
        faults.add(pointer, format!("must be from 0 to {STOCK_MAX}"));
    }
    stock
}

pub(super) fn description_of(text: &str, faults: &mut Faults) -> String {
    if text.chars().count() > DESCRIPTION_MAX {
        faults.add("/description", format!("must have at most {DESCRIPTION_MAX} characters"));
        return String::new();
    }
    clean_html(text)
}

/// Tags without twins.
pub(super) fn tags_of(tags: &[String], faults: &mut Faults) -> Vec<String> {
    if tags.len() > TAGS_MAX {
        faults.add("/tags", format!("must have at most {TAGS_MAX} entries"));
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let each = tags.iter().enumerate();
    each.map(|(place, tag)| line(&format!("/tags/{place}"), tag, WORD_MAX, faults))
        .filter(|tag| seen.insert(fold(tag)))
        .collect()
}

/// The pictures that a request names, if it names any.
pub(super) fn images_of(
    one: Option<String>,
    several: Option<Vec<NewImage>>,
    faults: &mut Faults,
) -> Option<Vec<Picture>> {
    if one.is_none() && several.is_none() {
        return None;
    }
    if several.as_ref().is_some_and(|images| images.len() > IMAGES_MAX) {
        faults.add("/images", format!("must have at most {IMAGES_MAX} entries"));
        return None;
    }
    let first = one.filter(|url| !url.trim().is_empty()).map(|url| ("/imageUrl".to_owned(), url, None));
    let others = several.into_iter().flatten().enumerate();
    let others = others.map(|(place, image)| (format!("/images/{place}/url"), image.url, image.alt));
    let mut pictures: Vec<Picture> = Vec::new();
    for (pointer, url, alt) in first.into_iter().chain(others) {
        let url = url.trim().to_owned();
        if !is_web(&url) {
            faults.add(&pointer, format!("must be an http or https address of at most {URL_MAX} characters"));
        }
        if alt.as_ref().is_some_and(|alt| alt.chars().count() > ALT_MAX) {
            let pointer = pointer.replace("/url", "/alt");
            faults.add(pointer, format!("must have at most {ALT_MAX} characters"));
        }
        if pictures.iter().all(|picture| picture.url != url) {
            pictures.push(Picture { url, alt: alt.filter(|alt| !alt.trim().is_empty()) });
        }
    }
    Some(pictures)
}

/// Whether a browser may load this: http or https with a host, nothing that could end an attribute.
pub fn is_web(url: &str) -> bool {
    let scheme = |wanted: &str| url.get(..wanted.len()).filter(|start| start.eq_ignore_ascii_case(wanted));
    let rest = scheme("https://").or(scheme("http://")).map(|start| &url[start.len()..]);
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '<' | '>' | '\\');
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_alphanumeric() || first == '['))
        && url.chars().count() <= URL_MAX
        && !url.contains(odd)
}

pub(super) fn metadata_of(
    pointer: &str,
    metadata: Option<Map<String, Value>>,
    faults: &mut Faults,
) -> Option<Map<String, Value>> {
    let metadata = metadata?;
    if serde_json::to_string(&metadata).map_or(true, |text| text.len() > METADATA_MAX) {
        faults.add(pointer, format!("must be at most {METADATA_MAX} bytes as JSON"));
    }
    Some(metadata)
}

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
    let options = if options.is_empty() { options_named(&variants) } else { options_of(options, faults) };
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
        let place = options.iter().position(|option| option.name == name).unwrap_or_else(|| {
            options.push(ProductOption { name: name.to_owned(), values: Vec::new() });
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
            faults.add(pointer, format!("is not an option of this product; known are {}", known.join(", ")));
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
            faults.add(format!("{at}/options/{}", option.name.replace('~', "~0").replace('/', "~1")), "is needed");
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
    let own = new.price.and_then(|price| price_of(&format!("{at}/price"), price, currency, faults));
    if new.price.is_none() && price.is_none() {
        faults.add(format!("{at}/price"), "is needed, here or for the product");
    }
    if new.weight.is_some_and(|weight| !(0..=WEIGHT_MAX).contains(&weight)) {
        faults.add(format!("{at}/weight"), format!("must be from 0 to {WEIGHT_MAX} grams"));
    }
    if new.weight_unit.as_deref().is_some_and(|unit| !WEIGHT_UNITS.contains(&unit)) {
        faults.add(format!("{at}/weightUnit"), format!("must be one of {}", WEIGHT_UNITS.join(", ")));
    }
    let stock = stock_of(&format!("{at}/stock"), new.stock, faults);
    let facts = VariantFacts {
        sku: new.sku.as_deref().and_then(|sku| sku_of(&format!("{at}/sku"), sku, faults)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Result<Draft, Vec<FieldFault>> {
        check(serde_json::from_str(json).expect(json), Currency::USD)
    }

    #[test]
    fn a_plain_product_gets_its_defaults() {
        let draft = parsed(r#"{"name": " Tea Pot ", "price": "12.50", "stock": 3, "description": "<b>x</b><script>y()</script>"}"#).unwrap();
        assert_eq!((draft.facts.name.as_str(), draft.facts.handle.as_str()), ("Tea Pot", "tea-pot"));
        assert_eq!((draft.facts.category.as_str(), draft.facts.description.as_str()), ("General", "<b>x</b>"));
        let [only] = draft.variants.as_slice() else { panic!("{draft:?}") };
        assert_eq!((only.facts.price_minor, only.stock, &only.facts.sku), (1_250, 3, &None));
    }

    #[test]
    fn choices_are_read_with_or_without_options() {
        let draft = parsed(
            r#"{"name": "Top", "price": 5, "options": [{"name": "Size", "values": ["S", "M"]}],
                "variants": [{"options": {"size": "m"}, "price": 7}, {"options": {"Size": "S"}, "stock": 2}]}"#,
        )
        .unwrap();
        let seen: Vec<_> = draft.variants.iter().map(|v| (v.facts.choice.join("/"), v.facts.price_minor, v.stock)).collect();
        assert_eq!(seen, [("M".to_owned(), 700, 0), ("S".to_owned(), 500, 2)]);
        let named = parsed(r#"{"name": "Top", "price": 5, "variants": [{"options": {"Size": "S"}}, {"options": {"Size": "M"}}]}"#);
        assert_eq!(named.unwrap().facts.options, [ProductOption { name: "Size".into(), values: vec!["S".into(), "M".into()] }]);
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let cases: [(&str, &[&str]); 12] = [
            (r#"{"name": "", "price": -1}"#, &["/name", "/price"]),
            (r#"{"name": "x", "price": 1.234}"#, &["/price"]),
            (r#"{"name": "x"}"#, &["/price"]),
            (r#"{"name": "x", "price": 99999999999999}"#, &["/price"]),
            (r#"{"name": "x", "price": 1, "stock": -1, "handle": "12"}"#, &["/handle", "/stock"]),
            (r#"{"name": "x", "price": 1, "imageUrl": "javascript:alert(1)"}"#, &["/imageUrl"]),
            (r#"{"name": "x", "price": 1, "status": "archived"}"#, &["/status"]),
            (r#"{"name": "x", "price": 1, "options": [{"name": "Size", "values": ["S"]}]}"#, &["/variants"]),
            (r#"{"name": "x", "variants": [{"options": {"Size": "S"}}]}"#, &["/variants/0/price"]),
            (
                r#"{"name": "x", "price": 1, "options": [{"name": "Size", "values": ["S"]}],
                    "variants": [{"options": {"Size": "XL"}}, {"options": {"Colour": "Red"}}]}"#,
                &["/variants/0/options/Size", "/variants/1/options/Colour", "/variants/1/options/Size", "/variants/1/options"],
            ),
            (
                r#"{"name": "x", "price": 1, "sku": "A", "variants": [{"options": {"S": "1"}, "sku": "A"}, {"options": {"S": "2"}, "sku": "A"}]}"#,
                &["/sku", "/variants/1/sku"],
            ),
            (
                r#"{"name": "x", "price": 1, "variants": [{"options": {"S": "a"}}, {"options": {"S": " A "}}]}"#,
                &["/variants/1/options"],
            ),
        ];
        for (json, wanted) in cases {
            let faults = parsed(json).expect_err(json);
            let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(pointers, wanted, "{json}");
        }
    }

    #[test]
    fn only_addresses_of_the_web_are_pictures() {
        for url in ["https://a.example/x.jpg", "HTTP://[::1]/x", "http://ä.example"] {
            assert!(is_web(url), "{url}");
        }
        for url in ["", "http://", "ftp://a/x", "https:/a", "//a/x", "data:image/png,x", "http://a b", "http://a\"onload", "é"] {
            assert!(!is_web(url), "{url}");
        }
    }
}
