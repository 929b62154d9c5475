//! What the audit log keeps of what staff does to products.

use api::catalog::Product;
use bus::Deed;
use serde_json::{Value, json};
use store::{Error, Tx};

use super::By;

/// Letters of a description that the audit log keeps: enough to know it again.
const DESCRIPTION_KEPT: usize = 1_000;

/// Records what somebody did to a product.
pub(super) fn record(
    tx: &mut Tx<'_>,
    by: &By,
    action: &'static str,
    before: Option<&Product>,
    after: Option<&Product>,
) -> Result<(), Error> {
    let Some(subject) = before.or(after).map(|product| product.id.to_string()) else {
        return Ok(());
    };
    let deed = Deed {
        action,
        subject: &subject,
        before: before.map(told),
        after: after.map(told),
    };
    bus::audit(tx, &by.actor, &by.request_id, deed)
}

fn told(product: &Product) -> Value {
    let variants: Vec<Value> = product
        .variants
        .iter()
        .map(|one| json!({ "sku": one.sku, "name": one.name, "price": one.price, "compareAtPrice": one.compare_at_price }))
        .collect();
    let images: Vec<&str> = product.images.iter().map(|image| image.url.as_str()).collect();
    json!({
        "handle": product.handle,
        "name": product.name,
        "description": product.description.chars().take(DESCRIPTION_KEPT).collect::<String>(),
        "vendor": product.vendor,
        "category": product.category_path,
        "tags": product.tags,
        "status": product.status,
        "images": images,
        "options": product.options,
        "variants": variants,
        "metadata": product.metadata,
    })
}
