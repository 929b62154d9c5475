//! Short words for what journeys through the shop do and see again and again.

pub mod inside;

use serde_json::{Value, json};
use testkit::{Client, Shop, until};

/// An amount of a currency with two digits after the point, as a whole number of the smallest unit.
///
/// # Panics
/// For what is no amount.
#[track_caller]
pub fn cents(amount: &Value) -> i64 {
    let amount = amount.as_f64().unwrap_or_else(|| panic!("{amount} is no amount"));
    (amount * 100.0).round() as i64
}

/// A field that is a text.
///
/// # Panics
/// When it is none.
#[track_caller]
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} of {value} is no text"))
}

/// A list.
///
/// # Panics
/// When it is none.
#[track_caller]
pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// What a list's records say in a field.
#[track_caller]
pub fn each<'a>(value: &'a Value, field: &str) -> Vec<&'a str> {
    list(value).iter().map(|one| text(one, field)).collect()
}

/// Who somebody is.
pub async fn profile(who: &Client) -> Value {
    who.get("/api/auth/profile").send().await.is(200)["user"].clone()
}

/// Opens an account with the fields given beside a password; the session.
pub async fn register(shop: &Shop, mut fields: Value) -> Value {
    fields["password"] = json!(testkit::shop::PASSWORD);
    shop.visitor.post("/api/auth/register", fields).send().await.is(201)
}

/// Somebody with this session.
pub fn of(shop: &Shop, session: &Value) -> Client {
    shop.visitor.with_token(text(session, "token"))
}

/// A session of a guest.
pub async fn guest(shop: &Shop) -> Value {
    shop.visitor.post("/api/auth/guest", json!({})).send().await.is(200)
}

/// A product with this body, made by the administrator; name and price are given when they are absent.
pub async fn product(shop: &Shop, mut fields: Value) -> Value {
    if fields.get("name").is_none() {
        fields["name"] = json!(shop.name("Tongs"));
    }
    if fields.get("price").is_none() {
        fields["price"] = json!(10);
    }
    shop.admin.post("/api/products", fields).send().await.is(201)
}

/// A product in sizes S, M and L, five pieces each, at 10, 11 and 12.
pub async fn sized(shop: &Shop) -> Value {
    let sizes = ["S", "M", "L"];
    let variants: Vec<Value> = sizes
        .iter()
        .zip(10..)
        .map(|(size, price)| json!({ "options": { "Size": size }, "price": price, "stock": 5 }))
        .collect();
    let fields = json!({ "options": [{ "name": "Size", "values": sizes }], "variants": variants });
    product(shop, fields).await
}

/// The payment of an order.
pub async fn payment(who: &Client, order: &Value) -> Value {
    let path = format!("/api/payments/{}", order.as_str().expect("an order's id"));
    who.get(&path).send().await.is(200)
}

/// Orders one piece of a product with these further fields; the answer to the new order.
pub async fn order_with(who: &Client, product: &Value, mut fields: Value) -> Value {
    fields["items"] = json!([{ "productId": product["id"] }]);
    who.post("/api/orders", fields).send().await.is(201)
}

/// Cancels an order.
pub async fn call_off(who: &Client, order: &Value) -> Value {
    let path = format!("/api/orders/{}/cancel", order.as_str().expect("an order's id"));
    who.put(&path, json!({})).send().await.is(200)
}

/// Whether what there is of a product is as said: stock, reserved, available.
#[track_caller]
pub fn counts(stock: &Value, pieces: [i64; 3]) {
    let told = ["stock", "reserved", "available"].map(|field| stock[field].as_i64().unwrap_or(i64::MIN));
    assert_eq!(told, pieces, "{stock}");
}

/// Waits until the log tells this of an order, the first event first, and nothing else.
pub async fn flow(shop: &Shop, order: &Value, kinds: &[&str]) {
    let path = format!("/api/events?subject={}", order.as_str().expect("an order's id"));
    until(format!("the log tells {}", kinds.join(", ")), || async {
        let events = shop.admin.get(&path).send().await.is(200);
        let of_orders = list(&events).iter().filter(|event| event["source"] == "orders");
        let told: Vec<&str> = of_orders.rev().map(|event| text(event, "type")).collect();
        if told == kinds { Ok(()) } else { Err(told.join(", ")) }
    })
    .await;
}
