//! What the codes of problems mean, and what to do about each: the sentence of the examples in the document.
//!
//! Every code that a declared route refuses with stands here; the document's test says so.

/// Codes that no route declares: the server and the edge refuse with them before it is known what was called, or when
/// something broke.
pub const OF_ANY_CALL: &[&str] = &[
    "bad_host",
    "headers_too_large",
    "internal",
    "method_not_allowed",
    "not_ready",
    "unknown_host",
];

/// The codes in alphabetical order, each with what happened and what to do.
pub const CODES: &[(&str, &str)] = &[
    ("already_paid", "The order is paid already. Nothing was charged."),
    (
        "amount_differs",
        "The amount is not what is due. Send what the order says, or leave it out.",
    ),
    (
        "bad_encrypted_body",
        "The encrypted body cannot be opened. Seal it with the shop's key, as the guide says.",
    ),
    ("bad_host", "The header `Host` must name the shop."),
    (
        "bad_idempotency_key",
        "An Idempotency-Key has 1 to 255 visible ASCII characters.",
    ),
    (
        "bad_webhook",
        "The signature does not fit the body. Sign the raw bytes with the shared secret.",
    ),
    ("cart_full", "A cart holds at most 500 lines."),
    (
        "category_ambiguous",
        "Several categories have this name. Name one by its path or id.",
    ),
    ("category_cycle", "A category cannot stand below itself."),
    (
        "category_exists",
        "There is a category of this name at this place already.",
    ),
    (
        "category_in_use",
        "Categories or products stand in it. Move them elsewhere first.",
    ),
    (
        "category_too_large",
        "Too many products stand in it to move it at once. Move the categories below it one by one.",
    ),
    ("duplicate", "There is one like this already."),
    (
        "email_taken",
        "Somebody has this e-mail address already. Sign in, or use another one.",
    ),
    (
        "empty_order",
        "There is nothing to order. Put something into the cart, or send items.",
    ),
    ("forbidden", "You are signed in, but may not do this."),
    ("handle_taken", "Another product has this handle. Choose another one."),
    ("headers_too_large", "The headers are larger than the server takes."),
    (
        "idempotency_key_reused",
        "This key was used for another call. Take a new key for a new call.",
    ),
    ("illegal_transition", "The order cannot go there from where it stands."),
    (
        "import_unfinished",
        "The import is still going on. Undo it when it is done.",
    ),
    (
        "internal",
        "Something went wrong on our side. It has been logged; please try again.",
    ),
    ("invalid", "Some fields are not as they should be; `errors` names each."),
    (
        "last_admin",
        "The shop would have no administrator left. Make somebody else one first.",
    ),
    (
        "last_variant",
        "A product has at least one variant. Delete the product, or add another variant first.",
    ),
    ("line_full", "A line holds at most 9,999 pieces."),
    (
        "mail_not_configured",
        "The shop cannot send mail. Whoever runs it sets `mail.smtp`.",
    ),
    ("malformed", "The body is no JSON."),
    (
        "method_not_allowed",
        "This address does not take the method; the header `Allow` names those that it takes.",
    ),
    (
        "not_a_product_file",
        "The file has no column that a product needs. Its first line must name the columns.",
    ),
    ("not_for_sale", "This is not for sale any more."),
    ("not_found", "There is no such thing, or it is somebody else's."),
    ("not_ready", "Some part of the shop does not answer yet."),
    (
        "nothing_to_undo",
        "The import changed nothing that could be taken back.",
    ),
    ("order_closed", "The order takes no more payments. Place a new one."),
    (
        "order_refunded",
        "All that was paid for it is given back, so it is not sent any more. Cancel it instead.",
    ),
    (
        "out_of_stock",
        "There is less than you ask for; `lines` says what there is.",
    ),
    (
        "payable_on_delivery",
        "The order is paid in cash when it is delivered. Nothing is to be done now.",
    ),
    (
        "payment_declined",
        "The payment was declined. Try again with another card.",
    ),
    (
        "precondition_failed",
        "Somebody changed this meanwhile. Read it again, and repeat the change with the new tag.",
    ),
    ("precondition_required", "Read it first, and send its tag in If-Match."),
    (
        "refund_exceeds_captured",
        "That is more than was captured and not given back yet.",
    ),
    (
        "reset_token_spent",
        "The token was used, has expired, or never was. Ask for another mail.",
    ),
    (
        "rows_refused",
        "Nothing was created; `errors` names every row that is not as it should be.",
    ),
    ("session_ended", "The session has ended. Please sign in again."),
    ("sku_taken", "Another variant has this SKU. Choose another one."),
    (
        "stock_reserved",
        "Orders hold more than would be left; the answer has both figures.",
    ),
    ("too_large", "The body is larger than this call takes."),
    (
        "too_many_attempts",
        "Too many tries. Wait for as long as Retry-After says.",
    ),
    ("too_many_categories", "A shop has at most 20,000 categories."),
    (
        "too_many_requests",
        "Too many calls. Wait for as long as Retry-After says.",
    ),
    ("too_slow", "The body came too slowly. Send it again."),
    (
        "unauthorized",
        "Please sign in: this call needs a token in the header `Authorization: Bearer …`.",
    ),
    (
        "unavailable",
        "Something that this needs is down or busy. Try again after a moment.",
    ),
    ("unknown_host", "The shop is not reached under this name."),
    ("unreadable_file", "The file cannot be read as CSV in UTF-8."),
    ("unsupported_media_type", "Send the body as application/json."),
    (
        "username_taken",
        "Somebody has this username already. Choose another one.",
    ),
    (
        "variant_required",
        "The product comes in several variants. Name one of them; `variants` lists them.",
    ),
    ("wrong_credentials", "No account has this name and password."),
    ("wrong_password", "The present password is another one."),
];

/// What a code means; none when it does not stand here.
pub fn meaning(code: &str) -> Option<&'static str> {
    let at = CODES.binary_search_by(|(known, _)| (*known).cmp(code)).ok()?;
    Some(CODES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_once() {
        let sorted = CODES.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(sorted, "keep the codes in alphabetical order");
    }
}
