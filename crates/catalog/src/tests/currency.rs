//! Prices stay in the currency that they were made in.

use base::{Currency, Ids};
use serde_json::json;

use super::desk::Desk;
use crate::{Config, StartFault};

super::on_both_engines! { a_catalogue_with_a_price_starts_in_its_own_currency_only }

async fn a_catalogue_with_a_price_starts_in_its_own_currency_only(desk: Desk) {
    let start_in = async |currency: &str| {
        let mut deps = testkit::service::deps(Ids::seeded(9), []);
        deps.shop.currency = currency.parse::<Currency>().unwrap();
        crate::build(deps, desk.db.clone(), Config::default()).await.map(drop)
    };
    // Without a price there is nothing to relabel.
    start_in("JPY").await.unwrap();
    start_in("USD").await.unwrap();
    let made = desk
        .clerk("POST /products", json!({ "name": "Awl", "price": "24.90" }))
        .await;
    assert_eq!(made.status, 201);
    let refused = start_in("JPY").await.unwrap_err();
    assert!(
        matches!(&refused, StartFault::OtherCurrency { kept, asked } if kept == "USD" && asked.code() == "JPY"),
        "{refused}"
    );
    // What is archived has its price still: orders name it.
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(
        desk.clerk(&format!("DELETE /products/{id}"), json!(null)).await.status,
        204
    );
    start_in("EUR").await.unwrap_err();
    start_in("USD").await.unwrap();
}
