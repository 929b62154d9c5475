//! What buyers have seen of their lines, and what has changed since.
//!
//! A cart always shows the prices and the stock of now. So that nobody is surprised at the till, each line remembers
//! what it was when its buyer last acted on it, and what differs is told until they act on it again or acknowledge it.
//! Looking alone acknowledges nothing: a page may be fetched by a script, a second tab, a clerk.

use api::cart::{Changes, NameChange, PriceChange, StockChange};
use api::catalog::Card;
use base::{Money, ProductId};
use serde::{Deserialize, Serialize};

use super::{Cards, Cart, Line, to_be_had};

/// What a line was when its buyer last acted on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Of which product; with the SKU and the name it tells what the line was when the catalogue knows it no more.
    pub product: ProductId,
    /// Its SKU.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// What a piece cost.
    pub price: Money,
    /// How many could be had.
    pub available: i64,
    /// Whether it was for sale.
    pub for_sale: bool,
}

impl From<&Card> for Seen {
    fn from(card: &Card) -> Self {
        Self {
            product: card.product,
            sku: card.sku.clone(),
            name: card.name.clone(),
            price: card.price,
            available: to_be_had(card),
            for_sale: card.for_sale,
        }
    }
}

impl Line {
    /// What has changed since the buyer last acted on it. `card` is what the catalogue says now; none when it knows the
    /// variant no more. A line of before this was remembered has no changes.
    pub fn changes(&self, card: Option<&Card>) -> Changes {
        let Some(seen) = &self.seen else {
            return Changes::default();
        };
        let unavailable = seen.for_sale && card.is_none_or(|card| !card.for_sale);
        let Some(card) = card.filter(|card| card.for_sale) else {
            return Changes {
                unavailable,
                ..Changes::default()
            };
        };
        let available = to_be_had(card);
        // Stock matters where it does not suffice, or did not.
        let short = seen.available.min(available) < self.quantity;
        Changes {
            price: (seen.price != card.price).then(|| PriceChange {
                was: seen.price.amount(),
                now: card.price.amount(),
            }),
            stock: (short && seen.available != available).then_some(StockChange {
                was: seen.available,
                now: available,
            }),
            name: (seen.name != card.name).then(|| NameChange {
                was: seen.name.clone(),
                now: card.name.clone(),
            }),
            unavailable,
        }
    }

    /// The buyer has seen it as it is now.
    fn acknowledge(&mut self, card: Option<&Card>) {
        match (card, &mut self.seen) {
            (Some(card), seen) => *seen = Some(card.into()),
            (None, Some(seen)) => (seen.available, seen.for_sale) = (0, false),
            (None, None) => {}
        }
    }
}

impl Cart {
    /// The buyer has seen these lines as they are now, and what a merge brought. Lines that the cards do not tell of
    /// stay as they are, unless they are among the `gone`, which the catalogue knows no more.
    pub fn acknowledge(&mut self, cards: &Cards, gone: &[base::VariantId]) {
        for line in &mut self.lines {
            let card = cards.get(&line.variant);
            if card.is_some() || gone.contains(&line.variant) {
                line.acknowledge(card);
            }
        }
        self.notice = None;
    }
}
