//! What stands in for catalog and identity: a table of cards, a table of numbers. The rules under test are cart's
//! own; that catalog answers like this is for the journeys to show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use api::Ref;
use api::catalog::{Card, Pick, Picked};
use api::identity::{Role, User};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use base::{Currency, Id, Money, ProductId, Time, UserId, VariantId};
use serde_json::json;
use wire::{Late, Peer, Problem};

/// The cards that there are, in the order of their SKUs, and what users are called by number.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Goods>>);

#[derive(Default)]
struct Goods {
    cards: Vec<Card>,
    numbers: HashMap<UserId, i64>,
    calls: usize,
}

impl Shelf {
    /// A product's variant: `TEA-1` is of the product with the number 1.
    pub(crate) fn put(&self, sku: &str, number: i64, cents: i64, available: i64) -> VariantId {
        let mut goods = self.0.lock().unwrap();
        let variant = VariantId::from_bits(1_000 + goods.cards.len() as u128);
        goods.cards.push(Card {
            variant,
            product: ProductId::from_bits(number as u128),
            number,
            sku: sku.to_owned(),
            name: format!("The {sku}"),
            image_url: None,
            price: Money::new(cents, Currency::USD),
            available,
            for_sale: true,
            tax_category: None,
            requires_shipping: true,
        });
        variant
    }

    /// Changes a card.
    pub(crate) fn edit(&self, sku: &str, change: impl FnOnce(&mut Card)) {
        let mut goods = self.0.lock().unwrap();
        change(
            goods
                .cards
                .iter_mut()
                .find(|card| card.sku == sku)
                .expect("the SKU is on the shelf"),
        );
    }

    /// Takes a card away: the catalogue never heard of it.
    pub(crate) fn lose(&self, sku: &str) {
        self.0.lock().unwrap().cards.retain(|card| card.sku != sku);
    }

    /// Gives a user a number.
    pub(crate) fn number(&self, user: UserId, number: i64) {
        self.0.lock().unwrap().numbers.insert(user, number);
    }

    /// How often the catalogue was asked since the last time.
    pub(crate) fn calls(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    /// The two services as peers.
    pub(crate) fn peers(&self) -> [Peer; 2] {
        let late = |router: Router<Shelf>| {
            let late = Late::new();
            late.set(router.with_state(self.clone()));
            late
        };
        let catalog = Router::new()
            .route("/internal/resolve", post(resolve))
            .route("/internal/cards", post(cards));
        let identity = Router::new().route("/internal/users/{id}", get(user));
        [
            Peer::local("catalog", late(catalog)),
            Peer::local("identity", late(identity)),
        ]
    }
}

async fn resolve(State(shelf): State<Shelf>, Json(picks): Json<Vec<Pick>>) -> Json<Vec<Picked>> {
    let mut goods = shelf.0.lock().unwrap();
    goods.calls += 1;
    let picked = |pick: Pick| {
        let fits = |card: &&Card| match (&pick.sku, pick.variant.as_ref().or(pick.product.as_ref())) {
            (Some(sku), _) => card.sku == *sku,
            (None, Some(Ref::Variant(id))) => card.variant == *id,
            (None, Some(Ref::Product(id))) => card.product == *id,
            (None, Some(Ref::Number(number))) => card.number == *number,
            (None, Some(Ref::Text(sku))) => card.sku == *sku,
            _ => false,
        };
        let found: Vec<&Card> = goods.cards.iter().filter(fits).filter(|card| card.for_sale).collect();
        match found.as_slice() {
            [card] => Picked {
                card: Some((*card).clone()),
                problem: None,
            },
            [] => Picked {
                card: None,
                problem: Some(Problem::not_found("There is no such product.")),
            },
            _ => {
                let several = Problem::new(http::StatusCode::BAD_REQUEST, "variant_required", "Which one?");
                Picked {
                    card: None,
                    problem: Some(several),
                }
            }
        }
    };
    Json(picks.into_iter().map(picked).collect())
}

async fn cards(State(shelf): State<Shelf>, Json(variants): Json<Vec<VariantId>>) -> Json<Vec<Card>> {
    let mut goods = shelf.0.lock().unwrap();
    goods.calls += 1;
    Json(
        goods
            .cards
            .iter()
            .filter(|card| variants.contains(&card.variant))
            .cloned()
            .collect(),
    )
}

async fn user(State(shelf): State<Shelf>, Path(name): Path<String>) -> Result<Json<User>, Problem> {
    let goods = shelf.0.lock().unwrap();
    let fits = |(id, number): &(&UserId, &i64)| id.to_string() == name || number.to_string() == name;
    let found = goods.numbers.iter().find(fits);
    let (&id, &number) = found.ok_or_else(|| Problem::not_found("No such user."))?;
    let user = json!({ "id": id, "number": number, "role": Role::Customer, "createdAt": Time::from_micros(0) });
    Ok(Json(serde_json::from_value(user).unwrap()))
}
