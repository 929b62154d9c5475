//! From what a caller wrote to a draft: every fault is found, and told with its place.

use std::collections::HashSet;

use api::catalog::{NewImage, NewProduct};
use base::{Amount, Currency, Handle, Money, Sku, fold, handle_from};
use serde_json::{Map, Value};
use wire::FieldFault;

use super::category::named;
use super::choice::variants_of;
use super::{
    ALT_MAX, CATEGORY_DEFAULT, DESCRIPTION_MAX, Draft, DraftVariant, Facts, IMAGES_MAX, METADATA_MAX, NAME_MAX,
    PRICE_MINOR_MAX, Picture, STOCK_MAX, TAGS_MAX, URL_MAX, VariantFacts, WORD_MAX,
};

/// Faults of a request as they are found.
#[derive(Debug, Default)]
pub struct Faults(pub Vec<FieldFault>);

impl Faults {
    /// Notes a fault.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldFault {
            pointer: pointer.into(),
            detail: detail.into(),
        });
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
    let price = new
        .price
        .and_then(|price| price_of("/price", price, currency, &mut faults));
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
            variants_of(
                new.options.unwrap_or_default(),
                variants,
                priced.then(|| price.unwrap_or(0)),
                currency,
                &mut faults,
            )
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
            compares("/compareAtPrice", &facts, &mut faults);
            let stock = stock_of("/stock", new.stock, &mut faults);
            (Vec::new(), vec![DraftVariant { facts, stock }])
        }
    };
    let description = description_of(&new.description.unwrap_or_default(), &mut faults);
    let vendor = word("/vendor", new.vendor, &mut faults);
    let category = category_of(new.category, &mut faults);
    let tags = tags_of(&new.tags.unwrap_or_default(), &mut faults);
    let images = images_of(new.image_url, new.images, &mut faults);
    let metadata = metadata_of("/metadata", new.metadata, &mut faults);
    let status = new.status.unwrap_or_default();
    if status == api::catalog::Status::Archived {
        faults.add("/status", "a new product is active or draft");
    }
    let Some(handle) = handle else { return Err(faults.0) };
    let facts = Facts {
        handle,
        name,
        description,
        vendor,
        category: category.unwrap_or_else(|| CATEGORY_DEFAULT.to_owned()),
        tags,
        status,
        images: images.unwrap_or_default(),
        options,
        metadata: metadata.unwrap_or_default(),
    };
    faults.or(Draft {
        facts,
        variants,
        handle_made: new.handle.is_none(),
    })
}

/// The description as it may be shown: what HTML is not harmless is taken out.
pub fn clean_html(text: &str) -> String {
    if text.contains(['<', '>', '&']) {
        ammonia::clean(text)
    } else {
        text.to_owned()
    }
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

/// The text that names a category; an empty one is none.
pub(super) fn category_of(text: Option<String>, faults: &mut Faults) -> Option<String> {
    let text = text
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())?;
    if let Err(detail) = named(&text) {
        faults.add("/category", detail);
    }
    Some(text)
}

/// What something cost before is more than what it costs, or it tells nothing.
pub(super) fn compares(pointer: &str, facts: &VariantFacts, faults: &mut Faults) {
    let told = faults.0.iter().any(|fault| fault.pointer == pointer);
    if !told && facts.compare_at_minor.is_some_and(|before| before <= facts.price_minor) {
        faults.add(
            pointer,
            "must be more than the price, since it is what was asked before",
        );
    }
}

pub(super) fn handle_of(text: &str, faults: &mut Faults) -> Option<Handle> {
    Handle::new(text)
        .map_err(|fault| faults.add("/handle", fault.to_string()))
        .ok()
}

pub(super) fn sku_of(pointer: &str, text: &str, faults: &mut Faults) -> Option<Sku> {
    Sku::new(text)
        .map_err(|fault| faults.add(pointer, fault.to_string()))
        .ok()
}

pub(super) fn price_of(pointer: &str, price: Amount, currency: Currency, faults: &mut Faults) -> Option<i64> {
    match Money::from_amount(price, currency) {
        Err(fault) => faults.add(pointer, fault.to_string()),
        Ok(money) if money.minor < 0 => faults.add(pointer, "must not be negative"),
        Ok(money) if money.minor > PRICE_MINOR_MAX => faults.add(
            pointer,
            format!("must be at most {}", Money::new(PRICE_MINOR_MAX, currency).amount()),
        ),
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
        faults.add(
            "/description",
            format!("must have at most {DESCRIPTION_MAX} characters"),
        );
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
    let first = one
        .filter(|url| !url.trim().is_empty())
        .map(|url| ("/imageUrl".to_owned(), url, None));
    let others = several.into_iter().flatten().enumerate();
    let others = others.map(|(place, image)| (format!("/images/{place}/url"), image.url, image.alt));
    let mut pictures: Vec<Picture> = Vec::new();
    for (pointer, url, alt) in first.into_iter().chain(others) {
        let url = url.trim().to_owned();
        if !is_web(&url) {
            faults.add(
                &pointer,
                format!("must be an http or https address of at most {URL_MAX} characters"),
            );
        }
        if alt.as_ref().is_some_and(|alt| alt.chars().count() > ALT_MAX) {
            let pointer = pointer.replace("/url", "/alt");
            faults.add(pointer, format!("must have at most {ALT_MAX} characters"));
        }
        if pictures.iter().all(|picture| picture.url != url) {
            pictures.push(Picture {
                url,
                alt: alt.filter(|alt| !alt.trim().is_empty()),
            });
        }
    }
    Some(pictures)
}

/// Whether a browser may load this: http or https with a host, nothing that could end an attribute.
pub fn is_web(url: &str) -> bool {
    let scheme = |wanted: &str| {
        url.get(..wanted.len())
            .filter(|start| start.eq_ignore_ascii_case(wanted))
    };
    let rest = scheme("https://")
        .or(scheme("http://"))
        .map(|start| &url[start.len()..]);
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

#[cfg(test)]
mod tests {
    use api::catalog::ProductOption;

    use super::*;

    fn parsed(json: &str) -> Result<Draft, Vec<FieldFault>> {
        check(serde_json::from_str(json).expect(json), Currency::USD)
    }

    #[test]
    fn a_plain_product_gets_its_defaults() {
        let draft = parsed(
            r#"{"name": " Tea Pot ", "price": "12.50", "stock": 3, "description": "<b>x</b><script>y()</script>"}"#,
        )
        .unwrap();
        assert_eq!(
            (draft.facts.name.as_str(), draft.facts.handle.as_str()),
            ("Tea Pot", "tea-pot")
        );
        assert_eq!(
            (draft.facts.category.as_str(), draft.facts.description.as_str()),
            ("General", "<b>x</b>")
        );
        let [only] = draft.variants.as_slice() else {
            panic!("{draft:?}")
        };
        assert_eq!((only.facts.price_minor, only.stock, &only.facts.sku), (1_250, 3, &None));
    }

    #[test]
    fn choices_are_read_with_or_without_options() {
        let draft = parsed(
            r#"{"name": "Top", "price": 5, "options": [{"name": "Size", "values": ["S", "M"]}],
                "variants": [{"options": {"size": "m"}, "price": 7}, {"options": {"Size": "S"}, "stock": 2}]}"#,
        )
        .unwrap();
        let seen: Vec<_> = draft
            .variants
            .iter()
            .map(|v| (v.facts.choice.join("/"), v.facts.price_minor, v.stock))
            .collect();
        assert_eq!(seen, [("M".to_owned(), 700, 0), ("S".to_owned(), 500, 2)]);
        let named = parsed(
            r#"{"name": "Top", "price": 5, "variants": [{"options": {"Size": "S"}}, {"options": {"Size": "M"}}]}"#,
        );
        assert_eq!(
            named.unwrap().facts.options,
            [ProductOption {
                name: "Size".into(),
                values: vec!["S".into(), "M".into()]
            }]
        );
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let cases: [(&str, &[&str]); 12] = [
            (r#"{"name": "", "price": -1}"#, &["/name", "/price"]),
            (r#"{"name": "x", "price": 1.234}"#, &["/price"]),
            (r#"{"name": "x"}"#, &["/price"]),
            (r#"{"name": "x", "price": 99999999999999}"#, &["/price"]),
            (
                r#"{"name": "x", "price": 1, "stock": -1, "handle": "12"}"#,
                &["/handle", "/stock"],
            ),
            (
                r#"{"name": "x", "price": 1, "imageUrl": "javascript:alert(1)"}"#,
                &["/imageUrl"],
            ),
            (r#"{"name": "x", "price": 1, "status": "archived"}"#, &["/status"]),
            (
                r#"{"name": "x", "price": 1, "options": [{"name": "Size", "values": ["S"]}]}"#,
                &["/variants"],
            ),
            (
                r#"{"name": "x", "variants": [{"options": {"Size": "S"}}]}"#,
                &["/variants/0/price"],
            ),
            (
                r#"{"name": "x", "price": 1, "options": [{"name": "Size", "values": ["S"]}],
                    "variants": [{"options": {"Size": "XL"}}, {"options": {"Colour": "Red"}}]}"#,
                &[
                    "/variants/0/options/Size",
                    "/variants/1/options/Colour",
                    "/variants/1/options/Size",
                    "/variants/1/options",
                ],
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
        for url in [
            "",
            "http://",
            "ftp://a/x",
            "https:/a",
            "//a/x",
            "data:image/png,x",
            "http://a b",
            "http://a\"onload",
            "é",
        ] {
            assert!(!is_web(url), "{url}");
        }
    }
}
