//! The table: one line a route. `cells` says, for everybody in the order of [`crate::cast::WHO`], `ok` when the call is
//! let in and finds what it names, `in` when it is let in, or the status of the refusal.

/// A route and who may call it.
pub struct Row {
    pub service: &'static str,
    /// As it is declared.
    pub route: &'static str,
    /// The address that is called; names in braces are records of the cast.
    pub at: &'static str,
    /// The one permission that `staff` and `key` have, and `blind` and `blindkey` lack. Empty: they have all, and none.
    pub needs: &'static str,
    pub body: &'static str,
    pub cells: &'static str,
}

const fn row(
    service: &'static str,
    route: &'static str,
    at: &'static str,
    needs: &'static str,
    body: &'static str,
    cells: &'static str,
) -> Row {
    Row {
        service,
        route,
        at,
        needs,
        body,
        cells,
    }
}

//                            nobody guest owner other blind staff admin service key blindkey revoked expired
/// Anybody; but a token that does not count is told so.
const OPEN: &str = "          in     in    in    in    in    in    in    in      in  in       401     401";
/// Anybody, whatever token they bring: the body has credentials of its own, or there is nothing to be known.
const ANYBODY: &str = "       in     in    in    in    in    in    in    in      in  in       in      in";
/// People, each about what is theirs.
const PEOPLE: &str = "        401    in    in    in    in    in    in    403     403 403      401     401";
/// Everybody with a token, people and machines.
const BEARERS: &str = "       401    in    in    in    in    in    in    403     in  in       401     401";
/// The owner, and staff with the permission; for everybody else it is not there.
const OWN: &str = "           401    404   ok    404   404   ok    ok    403     ok  404      401     401";
/// The owner, and staff with the permission to write; staff who may only read see it and are told what they lack.
const OWN_WRITE: &str = "     401    404   ok    404   403   ok    ok    403     ok  403      401     401";
/// The owner alone.
const SELF: &str = "          401    404   ok    404   404   404   404   403     403 403      401     401";
/// The owner and administrators.
const SELF_OR_ADMIN: &str = " 401    404   ok    404   404   404   ok    403     403 403      401     401";
/// The owner of what the body names, and staff with the permission.
const OWN_IN_BODY: &str = "   401    403   ok    403   403   ok    ok    403     ok  403      401     401";
/// Staff with the permission.
const MAY: &str = "           401    403   403   403   403   in    in    403     in  403      401     401";
/// Staff with the permission, and services.
const MAY_OR_SERVICE: &str = "401    403   403   403   403   in    in    in      in  403      401     401";
/// Administrators.
const ADMIN: &str = "         401    403   403   403   403   403   in    403     403 403      401     401";
/// The shop's own services.
const SERVICE: &str = "       401    403   403   403   403   403   403   in      403 403      401     401";
/// The log: staff with the permission and services; on a developer's own machine also without a token.
const LOG: &str = "           in     403   403   403   403   in    in    in      in  403      401     401";

const PASSWORDS: &str = r#"{"currentPassword":"{password}","newPassword":"{password}"}"#;
const ITEM: &str = r#"{"productId":"{product}","quantity":1}"#;
const PHONE: &str = r#"{"phone":"1"}"#;

#[rustfmt::skip] // A table.
pub const ROWS: &[Row] = &[
    row("identity", "POST /auth/register", "/auth/register", "", "{}", ANYBODY),
    row("identity", "POST /auth/login", "/auth/login", "", "{}", ANYBODY),
    row("identity", "POST /auth/guest", "/auth/guest", "", "{}", ANYBODY),
    row("identity", "POST /auth/refresh", "/auth/refresh", "", "{}", ANYBODY),
    row("identity", "POST /auth/password/forgot", "/auth/password/forgot", "", "{}", ANYBODY),
    row("identity", "POST /auth/password/reset", "/auth/password/reset", "", "{}", ANYBODY),
    row("identity", "POST /auth/logout", "/auth/logout", "", r#"{"nonsense":1}"#, PEOPLE),
    row("identity", "GET /auth/verify", "/auth/verify", "", "", PEOPLE),
    row("identity", "GET /auth/profile", "/auth/profile", "", "", PEOPLE),
    row("identity", "GET /users", "/users?q=a", "customers:read", "", MAY),
    row("identity", "GET /users/{id}", "/users/{ada}", "customers:read", "", OWN),
    row("identity", "PUT /users/{id}", "/users/{ada}", "customers:write", PHONE, OWN_WRITE),
    row("identity", "PUT /users/{id}/role", "/users/{no-user}/role", "", r#"{"role":"staff"}"#, ADMIN),
    row("identity", "POST /users/{id}/password", "/users/{ada}/password", "", PASSWORDS, SELF),
    row("identity", "GET /users/{id}/sessions", "/users/{ada}/sessions", "", "", SELF_OR_ADMIN),
    row("identity", "DELETE /users/{id}/sessions", "/users/{ada}/sessions", "", "", SELF_OR_ADMIN),
    row("identity", "DELETE /users/{id}/sessions/{session}", "/users/{ada}/sessions/{new-session}", "", "", SELF_OR_ADMIN),
    row("identity", "POST /keys", "/keys", "", "{}", ADMIN),
    row("identity", "GET /keys", "/keys", "", "", ADMIN),
    row("identity", "DELETE /keys/{id}", "/keys/{no-key}", "", "", ADMIN),
    row("identity", "GET /.well-known/jwks.json", "/.well-known/jwks.json", "", "", OPEN),
    row("identity", "POST /internal/keys/check", "/internal/keys/check", "", "{}", SERVICE),
    row("identity", "POST /internal/users/arrivals", "/internal/users/arrivals", "", "{}", SERVICE),
    row("identity", "GET /internal/hashing", "/internal/hashing", "", "", SERVICE),
    row("identity", "GET /internal/sessions/ended", "/internal/sessions/ended", "", "", SERVICE),
    row("identity", "GET /internal/users/{id}", "/internal/users/{ada}", "", "", SERVICE),
    row("identity", "POST /internal/admins", "/internal/admins", "", "{}", SERVICE),
    row("identity", "POST /internal/guests/{id}", "/internal/guests/{no-user}", "", "{}", SERVICE),

    row("catalog", "GET /products", "/products", "", "", OPEN),
    row("catalog", "GET /products/{id}", "/products/{product}", "", "", OPEN),
    row("catalog", "GET /products/search", "/products/search?q=a", "", "", OPEN),
    row("catalog", "GET /products/facets", "/products/facets", "", "", OPEN),
    row("catalog", "GET /products/tags", "/products/tags", "", "", OPEN),
    row("catalog", "POST /products", "/products", "catalog:write", "{}", MAY),
    row("catalog", "PUT /products/{id}", "/products/{no-product}", "catalog:write", "{}", MAY),
    row("catalog", "PATCH /products/{id}", "/products/{no-product}", "catalog:write", "{}", MAY),
    row("catalog", "DELETE /products/{id}", "/products/{no-product}", "catalog:write", "", MAY),
    row("catalog", "POST /products/bulk", "/products/bulk", "catalog:write", r#"{"ids":[]}"#, OPEN),
    row("catalog", "POST /products/bulk", "/products/bulk", "catalog:write", r#"{"products":[]}"#, MAY),
    row("catalog", "GET /products/{id}/variants", "/products/{product}/variants", "", "", OPEN),
    row("catalog", "GET /products/{id}/variants/{variantId}", "/products/{product}/variants/{variant}", "", "", OPEN),
    row("catalog", "POST /products/{id}/variants", "/products/{no-product}/variants", "catalog:write", "{}", MAY),
    row("catalog", "PUT /products/{id}/variants/{variantId}", "/products/{no-product}/variants/{variant}", "catalog:write", "{}", MAY),
    row("catalog", "PATCH /products/{id}/variants/{variantId}", "/products/{no-product}/variants/{variant}", "catalog:write", "{}", MAY),
    row("catalog", "DELETE /products/{id}/variants/{variantId}", "/products/{no-product}/variants/{variant}", "catalog:write", "", MAY),
    row("catalog", "GET /products/{id}/stock", "/products/{product}/stock", "catalog:read", "", MAY),
    row("catalog", "PUT /products/{id}/stock", "/products/{product}/stock", "catalog:write", r#"{"quantity":1}"#, MAY),
    row("catalog", "GET /products/{id}/stock/ledger", "/products/{product}/stock/ledger", "catalog:read", "", MAY),
    row("catalog", "GET /products/{id}/variants/{variantId}/stock", "/products/{product}/variants/{variant}/stock", "catalog:read", "", MAY),
    row("catalog", "PUT /products/{id}/variants/{variantId}/stock", "/products/{product}/variants/{variant}/stock", "catalog:write", r#"{"quantity":1}"#, MAY),
    row("catalog", "GET /products/{id}/variants/{variantId}/stock/ledger", "/products/{product}/variants/{variant}/stock/ledger", "catalog:read", "", MAY),
    row("catalog", "POST /products/import", "/products/import", "catalog:write", "Handle,Title,Variant Price\nrights,Rights,1\n", MAY_OR_SERVICE),
    row("catalog", "GET /products/import", "/products/import", "catalog:read", "", MAY_OR_SERVICE),
    row("catalog", "GET /products/import/{id}", "/products/import/imp_x", "catalog:read", "", MAY_OR_SERVICE),
    row("catalog", "GET /products/import/{id}/changes", "/products/import/imp_x/changes", "catalog:read", "", MAY_OR_SERVICE),
    row("catalog", "GET /products/import/{id}/rejected", "/products/import/imp_x/rejected", "catalog:read", "", MAY_OR_SERVICE),
    row("catalog", "POST /products/import/{id}/undo", "/products/import/imp_x/undo", "catalog:write", "", MAY_OR_SERVICE),
    row("catalog", "GET /products/export", "/products/export", "catalog:read", "", MAY_OR_SERVICE),
    row("catalog", "GET /categories", "/categories", "", "", OPEN),
    row("catalog", "GET /categories/{id}", "/categories/nothing", "", "", OPEN),
    row("catalog", "POST /categories", "/categories", "catalog:write", "{}", MAY),
    row("catalog", "PUT /categories/{id}", "/categories/nothing", "catalog:write", "{}", MAY),
    row("catalog", "PATCH /categories/{id}", "/categories/nothing", "catalog:write", "{}", MAY),
    row("catalog", "DELETE /categories/{id}", "/categories/nothing", "catalog:write", "", MAY),
    row("catalog", "POST /internal/resolve", "/internal/resolve", "", "{}", SERVICE),
    row("catalog", "POST /internal/cards", "/internal/cards", "", "{}", SERVICE),
    row("catalog", "POST /internal/reserve", "/internal/reserve", "", "{}", SERVICE),
    row("catalog", "POST /internal/settle", "/internal/settle", "", "{}", SERVICE),
    row("catalog", "POST /internal/undo", "/internal/undo", "", "{}", SERVICE),
    row("catalog", "POST /internal/reindex", "/internal/reindex", "", "{}", SERVICE),
    row("catalog", "GET /internal/reindex", "/internal/reindex", "", "", SERVICE),
    row("catalog", "GET /internal/audit/reservations", "/internal/audit/reservations", "", "", SERVICE),
    row("catalog", "GET /internal/audit/stock", "/internal/audit/stock", "", "", SERVICE),

    row("cart", "GET /cart", "/cart", "", "", PEOPLE),
    row("cart", "GET /cart", "/cart/{ada}", "orders:read", "", OWN),
    row("cart", "POST /cart", "/cart", "", ITEM, PEOPLE),
    row("cart", "POST /cart", "/cart/{ada}/items", "orders:write", ITEM, OWN_WRITE),
    row("cart", "POST /cart/cart/add", "/cart/cart/add", "", ITEM, PEOPLE),
    row("cart", "PUT /cart/items/{item}", "/cart/items/{item}", "", r#"{"quantity":1}"#, PEOPLE),
    row("cart", "PUT /cart/items/{item}", "/cart/{ada}/items/{item}", "orders:write", r#"{"quantity":1}"#, OWN_WRITE),
    row("cart", "POST /cart/acknowledge", "/cart/acknowledge", "", "{}", PEOPLE),
    row("cart", "POST /cart/acknowledge", "/cart/{ada}/acknowledge", "orders:write", "{}", OWN_WRITE),
    row("cart", "DELETE /cart/items/{item}", "/cart/items/{item}", "", "", PEOPLE),
    row("cart", "DELETE /cart/items/{item}", "/cart/{ada}/items/{new-item}", "orders:write", "", OWN_WRITE),
    row("cart", "POST /cart/cart/remove", "/cart/cart/remove", "", r#"{"productId":"{product}"}"#, PEOPLE),
    row("cart", "DELETE /cart", "/cart", "", "", PEOPLE),
    row("cart", "DELETE /cart", "/cart/{ada}", "orders:write", "", OWN_WRITE),
    row("cart", "GET /internal/carts/{userId}", "/internal/carts/{ada}", "", "", SERVICE),
    row("cart", "POST /internal/carts/clear", "/internal/carts/clear", "", "{}", SERVICE),
    row("cart", "POST /internal/carts/merge", "/internal/carts/merge", "", "{}", SERVICE),

    row("orders", "POST /orders", "/orders", "", r#"{"items":[]}"#, PEOPLE),
    row("orders", "GET /orders", "/orders", "", "", BEARERS),
    row("orders", "GET /orders/user/{userId}", "/orders/user/{ada}", "orders:read", "", OWN),
    row("orders", "GET /orders/{id}", "/orders/{order}", "orders:read", "", OWN),
    row("orders", "GET /orders/{id}/events", "/orders/{order}/events", "orders:read", "", OWN),
    row("orders", "PUT /orders/{id}/cancel", "/orders/{new-order}/cancel", "orders:write", "{}", OWN_WRITE),
    row("orders", "PUT /orders/{id}/status", "/orders/{no-order}/status", "orders:write", r#"{"status":"shipped"}"#, MAY),
    row("orders", "GET /orders/{id}/mails", "/orders/{order}/mails", "orders:read", "", MAY),
    row("orders", "POST /orders/{id}/mails/retry", "/orders/{order}/mails/retry", "orders:write", "", MAY),
    row("orders", "POST /internal/events", "/internal/events", "", "{}", SERVICE),
    row("orders", "GET /internal/dead", "/internal/dead", "", "", SERVICE),
    row("orders", "POST /internal/dead/replay", "/internal/dead/replay", "", "{}", SERVICE),
    row("orders", "POST /internal/orders/pay", "/internal/orders/pay", "", "{}", SERVICE),
    row("orders", "GET /internal/orders/{id}/ownership", "/internal/orders/{order}/ownership", "", "", SERVICE),
    row("orders", "POST /internal/orders/{id}/payment-changed", "/internal/orders/{no-order}/payment-changed", "", "{}", SERVICE),
    row("orders", "POST /internal/orders/hand-over", "/internal/orders/hand-over", "", "{}", SERVICE),
    row("orders", "GET /internal/audit/orders", "/internal/audit/orders", "", "", SERVICE),

    row("payments", "POST /payments/process", "/payments/process", "payments:write", r#"{"orderId":"{new-unpaid}"}"#, OWN_IN_BODY),
    row("payments", "GET /payments/{id}", "/payments/{order}", "payments:read", "", OWN),
    row("payments", "POST /payments/{id}/refund", "/payments/{no-order}/refund", "payments:write", "{}", MAY),
    row("payments", "POST /payments/webhooks/{provider}", "/payments/webhooks/simulated", "", "{}", OPEN),
    row("payments", "POST /internal/pay", "/internal/pay", "", "{}", SERVICE),
    row("payments", "POST /internal/collect", "/internal/collect", "", "{}", SERVICE),
    row("payments", "POST /internal/undo", "/internal/undo", "", "{}", SERVICE),
    row("payments", "GET /internal/standings/{order}", "/internal/standings/{order}", "", "", SERVICE),
    row("payments", "GET /internal/audit/payments", "/internal/audit/payments", "", "", SERVICE),

    row("simulated", "POST /internal/simulated/charges", "/internal/simulated/charges", "", "{}", SERVICE),
    row("simulated", "GET /internal/simulated/charges/{key}", "/internal/simulated/charges/x", "", "", SERVICE),
    row("simulated", "POST /internal/simulated/charges/{key}/void", "/internal/simulated/charges/x/void", "", "{}", SERVICE),
    row("simulated", "POST /internal/simulated/charges/{key}/refunds", "/internal/simulated/charges/x/refunds", "", "{}", SERVICE),
    row("simulated", "POST /internal/audit/charges", "/internal/audit/charges", "", "{}", SERVICE),
    row("simulated", "GET /internal/simulated/statement", "/internal/simulated/statement", "", "", SERVICE),

    row("events", "GET /events", "/events", "settings:read", "", LOG),
    row("events", "GET /events/stream", "/events/stream", "settings:read", "", LOG),
    row("events", "GET /audit", "/audit", "settings:read", "", MAY),
    row("events", "POST /internal/events", "/internal/events", "", "{}", SERVICE),
    row("events", "GET /internal/dead", "/internal/dead", "", "", SERVICE),
    row("events", "POST /internal/dead/replay", "/internal/dead/replay", "", "{}", SERVICE),
    row("events", "GET /internal/audit/events", "/internal/audit/events", "", "", SERVICE),
    row("events", "POST /internal/audit/logged", "/internal/audit/logged", "", "{}", SERVICE),

    row("gateway", "POST /dev/encrypt", "/api/dev/encrypt", "", "{}", OPEN),
    row("gateway", "POST /dev/decrypt", "/api/dev/decrypt", "", "{}", OPEN),
];
