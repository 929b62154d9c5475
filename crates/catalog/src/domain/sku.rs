//! SKUs for variants that bring none.

use base::Sku;

/// Bytes of a made SKU, which leaves room for a suffix.
const MADE_MAX: usize = 240;

/// The SKU of a variant that has none: handle and chosen values in capitals, e.g. `CLASSIC-VARSITY-TOP-SMALL`.
/// The same for the same variant every time, so that an import finds again what it made.
pub fn sku_for(handle: &str, choice: &[String]) -> Sku {
    let mut sku = String::with_capacity(handle.len() + 16);
    for part in std::iter::once(handle).chain(choice.iter().map(String::as_str)) {
        if !sku.is_empty() && !sku.ends_with('-') {
            sku.push('-');
        }
        for letter in part.chars().flat_map(char::to_uppercase) {
            if sku.len() + letter.len_utf8() > MADE_MAX {
                break;
            }
            if letter.is_alphanumeric() {
                sku.push(letter);
            } else if !sku.is_empty() && !sku.ends_with('-') {
                sku.push('-');
            }
        }
    }
    // A handle always holds a letter or digit; the word is for handles that hold only marks such as `-`.
    Sku::new(sku.trim_end_matches('-')).unwrap_or_else(|_| product())
}

/// Another try at a SKU that is taken: `OCEAN-BLUE-SHIRT-2`.
pub fn suffixed(sku: &Sku, suffix: &str) -> Sku {
    Sku::new(&format!("{sku}-{}", suffix.to_uppercase())).unwrap_or_else(|_| sku.clone())
}

fn product() -> Sku {
    match Sku::new("PRODUCT") {
        Ok(sku) => sku,
        Err(_) => unreachable!("a plain word is a SKU"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_are_made_of_handle_and_choice() {
        let cases: [(&str, &[&str], &str); 6] = [
            ("ocean-blue-shirt", &[], "OCEAN-BLUE-SHIRT"),
            ("classic-varsity-top", &["Small"], "CLASSIC-VARSITY-TOP-SMALL"),
            (
                "clay-plant-pot",
                &["Extra  Large", "Red/Blue"],
                "CLAY-PLANT-POT-EXTRA-LARGE-RED-BLUE",
            ),
            ("crème-brûlée", &["½"], "CRÈME-BRÛLÉE-½"),
            ("pot", &["🦀"], "POT"),
            ("-", &[], "PRODUCT"),
        ];
        for (handle, choice, wanted) in cases {
            let choice: Vec<String> = choice.iter().map(|value| value.to_string()).collect();
            assert_eq!(sku_for(handle, &choice).as_str(), wanted);
        }
        let long = sku_for(&"ß".repeat(200), &["x".repeat(300)]);
        assert!(suffixed(&long, "99").as_str().ends_with("-99"));
    }
}
