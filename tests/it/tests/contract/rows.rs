//! The rows of the contract, as calls.

/// Who calls.
#[derive(Clone, Copy)]
pub enum Who {
    Nobody,
    Owner,
    Staff,
}
pub use Who::{Nobody, Owner, Staff};

/// Method, path, further addresses that the contract names (with a method where it differs), what `{id}` is, who
/// calls, with what body or query, the status of success.
pub type Row = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    Who,
    &'static str,
    u16,
);

const NEW: &str = "{\"username\":\"{new}\",\"password\":\"password1\"}";
const LOGIN: &str = "{\"username\":\"{name}\",\"password\":\"password1\"}";
const ITEM: &str = "{\"productId\":{number},\"quantity\":1}";
pub const CSV: &str = "Handle,Title,Variant Price\ncontract,Contract,1\n";

#[rustfmt::skip] // A table.
pub const ROWS: &[Row] = &[
    // Identity
    ("POST", "/api/auth/register", &["/api/users/register", "/api/user/register"], "", Nobody, NEW, 201),
    ("POST", "/api/auth/login", &["/api/users/login", "/api/user/login"], "", Nobody, LOGIN, 200),
    ("POST", "/api/auth/guest", &[], "", Nobody, "", 200),
    ("POST", "/api/auth/refresh", &[], "", Nobody, "{\"refreshToken\":\"{refresh}\"}", 200),
    ("POST", "/api/auth/logout", &[], "", Owner, "{\"refreshToken\":\"{refresh}\"}", 204),
    ("GET", "/api/auth/verify", &[], "", Owner, "", 200),
    ("GET", "/api/auth/profile", &["/api/user/me", "/api/users/me"], "", Owner, "", 200),
    ("GET", "/api/users/{id}", &[], "{user}", Owner, "", 200),
    ("PUT", "/api/users/{id}", &[], "{user}", Owner, "{\"phone\":\"1\"}", 200),
    ("PATCH", "/api/users/{id}", &[], "{user}", Owner, "{\"phone\":\"1\"}", 200),
    ("POST", "/api/users/{id}/password", &[], "{user}", Owner, "{\"currentPassword\":\"password1\",\"newPassword\":\"password2\"}", 204),
    ("POST", "/api/auth/password/forgot", &[], "", Nobody, "{\"email\":\"nobody@example.com\"}", 202),
    ("GET", "/api/users/{id}/sessions", &[], "{user}", Owner, "", 200),
    ("DELETE", "/api/users/{id}/sessions", &[], "{user}", Owner, "", 204),
    ("DELETE", "/api/users/{id}/sessions/{session}", &[], "{user}", Owner, "", 204),
    ("GET", "/api/users", &["/api/users?q=a&role=customer"], "", Staff, "", 200),
    ("PUT", "/api/users/{id}/role", &[], "{user}", Staff, "{\"role\":\"staff\",\"permissions\":[\"orders:read\"]}", 200),
    ("GET", "/api/keys", &[], "", Staff, "", 200),
    ("POST", "/api/keys", &[], "", Staff, "{\"name\":\"till\",\"permissions\":[\"orders:write\"]}", 201),
    ("DELETE", "/api/keys/{id}", &[], "{key}", Staff, "", 204),
    ("GET", "/.well-known/jwks.json", &[], "", Nobody, "", 200),
    // Catalog
    ("GET", "/api/products", &["/api/product/products"], "", Nobody, "", 200),
    ("GET", "/api/products/search", &["/api/product/products/search"], "", Nobody, "?q=anvil", 200),
    ("GET", "/api/products/facets", &["/api/product/products/facets"], "", Nobody, "", 200),
    ("GET", "/api/products/{id}", &["/api/product/products/{id}", "/api/products/{number}", "/api/products/{handle}", "/api/products/{sku}"], "{product}", Nobody, "", 200),
    ("POST", "/api/products", &["/api/product/products"], "", Staff, "{\"name\":\"New\",\"price\":\"1.50\",\"stock\":1}", 201),
    ("PUT", "/api/products/{id}", &["/api/products/{number}"], "{product}", Staff, "{\"price\":2}", 200),
    ("PATCH", "/api/products/{id}", &["/api/products/{handle}"], "{product}", Staff, "{\"price\":2}", 200),
    ("DELETE", "/api/products/{id}", &["/api/products/{number}"], "{product}", Staff, "", 204),
    ("PUT", "/api/products/{id}/stock", &["/api/products/{sku}/stock"], "{product}", Staff, "{\"quantity\":1}", 200),
    ("GET", "/api/products/{id}/stock", &[], "{product}", Staff, "", 200),
    ("PUT", "/api/products/{id}/variants/{variantId}/stock", &[], "{shirt}", Staff, "{\"quantity\":1}", 200),
    ("GET", "/api/products/{id}/variants/{variantId}/stock", &[], "{shirt}", Staff, "", 200),
    ("GET", "/api/products/{id}/stock/ledger", &["/api/products/{sku}/stock/ledger"], "{product}", Staff, "", 200),
    ("GET", "/api/products/{id}/variants/{variantId}/stock/ledger", &[], "{shirt}", Staff, "", 200),
    ("GET", "/api/products/{id}/variants", &["/api/products/{handle}/variants"], "{product}", Nobody, "", 200),
    ("POST", "/api/products/{id}/variants", &[], "{shirt}", Staff, "{\"options\":{\"Size\":\"XL\"},\"price\":20}", 201),
    ("GET", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Nobody, "", 200),
    ("PUT", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Staff, "{\"price\":20}", 200),
    ("PATCH", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Staff, "{\"options\":{\"Size\":\"XL\"}}", 200),
    ("DELETE", "/api/products/{id}/variants/{variantId}", &[], "{shirt}", Staff, "", 204),
    ("GET", "/api/products/tags", &[], "", Nobody, "", 200),
    ("GET", "/api/categories", &[], "", Nobody, "", 200),
    ("GET", "/api/categories/{id}", &["/api/categories/{categoryHandle}"], "{category}", Nobody, "", 200),
    ("POST", "/api/categories", &[], "", Staff, "{\"name\":\"{new}\",\"parent\":\"{category}\"}", 201),
    ("PUT", "/api/categories/{id}", &["/api/categories/{categoryHandle}"], "{category}", Staff, "{\"position\":1}", 200),
    ("PATCH", "/api/categories/{id}", &[], "{category}", Staff, "{\"parent\":null}", 200),
    ("DELETE", "/api/categories/{id}", &[], "{category}", Staff, "", 204),
    ("POST", "/api/products/bulk", &[], "", Nobody, "{\"ids\":[{number}]}", 200),
    ("POST", "/api/products/import", &[], "", Staff, CSV, 200),
    ("GET", "/api/products/import", &[], "", Staff, "", 200),
    ("GET", "/api/products/import/{id}", &[], "{import}", Staff, "", 200),
    ("GET", "/api/products/import/{id}/changes", &[], "{import}", Staff, "", 200),
    ("GET", "/api/products/import/{id}/rejected", &[], "{import}", Staff, "", 200),
    ("POST", "/api/products/import/{id}/undo", &[], "{import}", Staff, "{\"force\":true}", 200),
    ("GET", "/api/products/export", &[], "", Staff, "", 200),
    // Cart
    ("GET", "/api/cart", &["/api/cart/cart", "/api/cart/{userId}"], "", Owner, "", 200),
    ("POST", "/api/cart", &["/api/cart/items", "/api/cart/{userId}/items", "/api/orders/cart/{userId}/items"], "", Owner, ITEM, 201),
    ("POST", "/api/cart/cart/add", &[], "", Owner, ITEM, 200),
    ("PUT", "/api/cart/items/{item}", &["/api/cart/{userId}/items/{item}", "/api/cart/items/{product}", "/api/cart/items/{number}", "/api/cart/items/{variant}", "/api/cart/items/{sku}"], "", Owner, "{\"quantity\":2}", 200),
    ("DELETE", "/api/cart/items/{item}", &["/api/cart/{userId}/items/{item}", "/api/cart/items/{product}"], "", Owner, "", 200),
    ("POST", "/api/cart/cart/remove", &[], "", Owner, "{\"productId\":{number}}", 200),
    ("POST", "/api/cart/acknowledge", &["/api/cart/{userId}/acknowledge"], "", Owner, "", 200),
    ("DELETE", "/api/cart", &["POST /api/cart/cart/clear", "/api/cart/{userId}"], "", Owner, "", 200),
    // Orders
    ("POST", "/api/orders", &["/api/order/orders"], "", Owner, "{\"items\":[{\"productId\":{number},\"quantity\":1}]}", 201),
    ("GET", "/api/orders", &["/api/order/orders", "/api/orders/user/{userId}"], "", Owner, "", 200),
    ("GET", "/api/orders/user/{userId}", &[], "", Owner, "", 200),
    ("GET", "/api/orders/{id}", &["/api/orders/{orderNumber}"], "{order}", Owner, "", 200),
    ("PUT", "/api/orders/{id}/status", &[], "{order}", Staff, "{\"status\":\"shipped\"}", 200),
    ("PUT", "/api/orders/{id}/cancel", &["POST /api/orders/{id}/cancel"], "{order}", Owner, "", 200),
    ("POST", "/api/orders/{id}/cancel", &[], "{order}", Owner, "{\"reason\":\"x\"}", 200),
    ("GET", "/api/orders/{id}/mails", &[], "{order}", Staff, "", 200),
    ("POST", "/api/orders/{id}/mails/retry", &[], "{order}", Staff, "", 200),
    // Payments
    ("POST", "/api/payments/process", &[], "", Owner, "{\"orderId\":\"{unpaid}\",\"paymentToken\":\"tok_visa\",\"amount\":10}", 201),
    ("GET", "/api/payments/{id}", &["/api/payments/{orderNumber}", "/api/payments/{payment}"], "{order}", Owner, "", 200),
    ("POST", "/api/payments/{id}/refund", &["/api/payments/{payment}/refund"], "{order}", Staff, "{\"amount\":1}", 200),
    // Events
    ("GET", "/api/events", &[], "", Staff, "", 200),
    ("GET", "/api/audit", &[], "", Staff, "", 200),
    // For developers
    ("POST", "/api/dev/encrypt", &[], "", Nobody, "{\"payload\":{\"name\":\"Ada\"}}", 200),
    ("POST", "/api/dev/decrypt", &[], "", Nobody, "{\"encrypted\":\"{sealed}\"}", 200),
];

/// Rows that are called elsewhere: a webhook has to be signed as the provider does it, a stream does not end, and a
/// token for a new password comes by mail.
pub const ELSEWHERE: &[&str] = &[
    "POST /api/payments/webhooks/{provider}",
    "GET /api/events/stream",
    "GET /api/orders/{id}/events",
    "POST /api/auth/password/reset",
];
