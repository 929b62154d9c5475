//! Entity tags: `"c7-s12"` names a product's catalogue version and its stock version apart, `"s12"` a stock's.
//!
//! A sale changes the second part only, so that it does not spoil an edit, which compares the first. Where the product's
//! category was renamed or moved, a third part says so: the product shows its name and path.

/// The tag of a product.
pub fn product_tag(catalogue: i64, stock: i64, category: i64) -> String {
    match category {
        0 => format!("\"c{catalogue}-s{stock}\""),
        renamed => format!("\"c{catalogue}-s{stock}-t{renamed}\""),
    }
}

/// The tag of a category: its own version, and that of the tree around it.
pub fn category_tag(own: i64, tree: i64) -> String {
    format!("\"c{own}-t{tree}\"")
}

/// The tag of a variant's stock.
pub fn stock_tag(stock: i64) -> String {
    format!("\"s{stock}\"")
}

/// Whether an `If-Match` names this catalogue version. `*` names any.
pub fn names_catalogue(if_match: &str, catalogue: i64) -> bool {
    let wanted = format!("c{catalogue}");
    any(if_match, |tag| tag.split('-').next() == Some(&wanted))
}

/// Whether an `If-Match` names this stock version. A product's tag counts only where `of_product` says that the
/// product has no other stock: the stock version of several variants is a sum.
pub fn names_stock(if_match: &str, stock: i64, of_product: bool) -> bool {
    let wanted = format!("s{stock}");
    any(if_match, |tag| match tag.split_once('-') {
        Some((_, rest)) => of_product && rest.split('-').next() == Some(&wanted),
        None => tag == wanted,
    })
}

fn any(if_match: &str, names: impl Fn(&str) -> bool) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    if_match.trim() == "*" || if_match.split(',').any(|tag| names(&bare(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_compared_by_itself() {
        let tag = product_tag(7, 12, 0);
        assert!(names_catalogue(&tag, 7) && !names_catalogue(&tag, 12) && !names_catalogue(&tag, 1));
        assert!(names_stock(&tag, 12, true) && !names_stock(&tag, 12, false) && !names_stock(&tag, 7, true));
        assert!(names_stock(&stock_tag(12), 12, false) && !names_stock(&stock_tag(12), 1, false));
        assert!(names_catalogue("\"c6-s1\", W/\"c7-s2\"", 7) && names_catalogue("*", 3));
        assert!(!names_catalogue("", 7) && !names_catalogue("nonsense", 7) && !names_stock("c7", 7, true));
    }
}
