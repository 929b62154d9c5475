//! Which service answers which address.

/// Prefixes of addresses and the service behind each. The longest prefix wins; services answer the addresses as
/// they stand, so nothing is rewritten.
pub const TABLE: &[(&str, &str)] = &[
    ("/api/auth", "identity"),
    ("/api/users", "identity"),
    ("/api/user", "identity"),
    ("/api/keys", "identity"),
    ("/api/products", "catalog"),
    ("/api/product", "catalog"),
    ("/api/categories", "catalog"),
    ("/api/cart", "cart"),
    ("/api/orders/cart", "cart"),
    ("/api/order/cart", "cart"),
    ("/api/orders", "orders"),
    ("/api/order", "orders"),
    ("/api/payments", "payments"),
    ("/api/events", "events"),
    ("/api/audit", "events"),
    ("/api/webhooks", "events"),
];

/// The service that answers `path`, if one does.
pub fn service_of(path: &str) -> Option<&'static str> {
    let under = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    TABLE
        .iter()
        .filter(|(prefix, _)| under(prefix))
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, service)| *service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins_and_only_whole_words_count() {
        let check = |path, service| assert_eq!(service_of(path), service, "{path}");
        check("/api/orders", Some("orders"));
        check("/api/orders/cart/usr_1/items", Some("cart"));
        check("/api/orders/cartoon", Some("orders"));
        check("/api/order/orders", Some("orders"));
        check("/api/product/products/1", Some("catalog"));
        check("/api/productsx", None);
        check("/internal/events", None);
        check("/api/internal/events", None);
        check("/api/../internal/events", None);
        check("/", None);
    }
}
