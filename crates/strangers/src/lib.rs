//! Everything that reads texts of strangers, each as one function over bytes.
//!
//! None may panic, whatever the bytes, and each asserts what must hold of what it read: that a text survives being read
//! and written, that nobody but the holder of a secret is believed, that the shop refuses and never fails. `fuzz/` feeds
//! them with bytes that look for new paths; the suite replays `fuzz/corpus/`. Never part of the product.

mod bodies;
mod secrets;
mod shop;
mod texts;

use api::catalog::Product;
use serde_json::{Value, json};

/// A reader of strangers' bytes, and its name in `fuzz/`.
pub type Reader = (&'static str, fn(&[u8]));

/// All of them.
pub const READERS: &[Reader] = &[
    ("amount", texts::amount),
    ("body", bodies::body),
    ("csv", csv),
    ("cursor", texts::cursor),
    ("forwarded", texts::forwarded),
    ("names", texts::names),
    ("query", shop::query),
    ("sealed", secrets::sealed),
    ("search", search),
    ("token", secrets::token),
    ("webhook", secrets::webhook),
];

/// Feeds the reader of this name.
///
/// # Panics
/// When there is no such reader, or something does not hold.
pub fn feed(name: &str, bytes: &[u8]) {
    let found = READERS.iter().find(|(known, _)| *known == name);
    let (_, read) = found.unwrap_or_else(|| panic!("nobody reads {name}"));
    read(bytes);
}

/// A product file: read whole, twice the same.
fn csv(bytes: &[u8]) {
    let read = catalog::strangers::file(bytes);
    if let Some((whole, broken)) = read {
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        assert!(
            whole + broken <= lines,
            "{whole} products and {broken} broken rows of {lines} lines"
        );
    }
    assert_eq!(read, catalog::strangers::file(bytes));
}

/// A search and a product to mark: the first line, the second, and all the rest.
fn search(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let sought = line();
    let product = product(line(), line());
    let marked = catalog::strangers::search(&sought, &product);
    let bare = unescaped(&marked.name);
    assert_eq!(
        bare, product.name,
        "marks change nothing but the marks: {}",
        marked.name
    );
    let description = marked.description.unwrap_or_default();
    for html in [marked.name, description] {
        let rest = html.replace("<mark>", "").replace("</mark>", "");
        assert!(!rest.contains(['<', '>', '"']), "what people wrote is escaped: {html}");
        assert_eq!(
            html.matches("<mark>").count(),
            html.matches("</mark>").count(),
            "{html}"
        );
    }
}

fn unescaped(html: &str) -> String {
    let bare = html.replace("<mark>", "").replace("</mark>", "");
    let signs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    signs
        .iter()
        .fold(bare, |text, (sign, letter)| text.replace(sign, letter))
}

fn product(name: String, description: String) -> Product {
    let moment = "2026-01-01T00:00:00.000000Z";
    let product: Value = json!({
        "id": "prd_01j9zk3v5w8q2m4n6p7r8s9t0v", "number": 1, "handle": "anvil", "name": name,
        "description": description, "vendor": null, "category": "Tools", "categoryId": null, "categoryPath": "Tools",
        "tags": [], "status": "active", "images": [], "imageUrl": null, "options": [], "variants": [], "price": 1,
        "currency": "USD", "stock": 0, "sku": null, "metadata": {}, "createdAt": moment, "updatedAt": moment,
    });
    serde_json::from_value(product).expect("it is a product")
}
