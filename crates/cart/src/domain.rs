//! The rules of carts: how pieces are added, set, taken out, ordered and merged.
//!
//! Always holds: a cart has at most [`LINES_PER_CART_MAX`] lines, each variant once, each line from 1 to
//! [`QUANTITY_MAX`] pieces. A change is refused as a whole or done as a whole. A new generation begins
//! whenever what a cart held became something else: an order, nothing, or part of another cart.

mod asked;
mod seen;

use std::collections::HashMap;

use api::cart::{LINES_PER_CART_MAX, MergeNotice, Merged};
use api::catalog::{Card, Pieces, Short};
use api::identity::Cut;
use base::{CartId, Currency, LineId, Money, MoneyFault, ProductId, QUANTITY_MAX, Quantity, Time, UserId, VariantId};
use serde::{Deserialize, Serialize};

pub use asked::{Asked, Carts};
pub use seen::Seen;

/// What the catalogue says of variants just now.
pub type Cards = HashMap<VariantId, Card>;

/// Whose a cart is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Who.
    pub id: UserId,
    /// Whether it was a guest who began it: such a cart is not kept for ever.
    pub guest: bool,
}

/// A cart with its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// The id.
    pub id: CartId,
    /// Whose it is.
    pub owner: Owner,
    /// Grows whenever what it held became something else.
    pub generation: i64,
    /// Grows with every change; 0 before it was first saved.
    pub version: i64,
    /// The sequence of the last event told of it; 0 before the first.
    pub told: i64,
    /// In the order in which they were added.
    pub lines: Vec<Line>,
    /// The day of the last change or visit that was noted, counted from 1970.
    #[serde(default)]
    pub day: i64,
    /// What a merge brought and the buyer has not acknowledged yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<MergeNotice>,
}

/// So many pieces of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The id.
    pub id: LineId,
    /// Of what.
    pub variant: VariantId,
    /// From 1 to [`QUANTITY_MAX`].
    pub quantity: i64,
    /// Since when it is there.
    pub added_at: Time,
    /// What it was when its buyer last acted on it; none for lines of before that was remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// Why a change was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are fewer pieces than the line would have.
    OutOfStock(Short),
    /// The line would have more than [`QUANTITY_MAX`] pieces.
    LineFull {
        /// Of what.
        sku: String,
        /// How many are in it.
        held: i64,
    },
    /// The cart has [`LINES_PER_CART_MAX`] lines already.
    CartFull,
    /// There is no such line.
    NoSuchLine,
}

impl Cart {
    /// An empty one.
    pub fn new(id: CartId, owner: Owner) -> Self {
        Self {
            id,
            owner,
            generation: 1,
            version: 0,
            told: 0,
            lines: Vec::new(),
            day: 0,
            notice: None,
        }
    }

    /// Adds pieces to the variant's line, or to a new one called `id`.
    ///
    /// # Errors
    /// Fewer pieces than the line would have, a full line, a full cart.
    pub fn add(&mut self, card: &Card, pieces: Quantity, id: LineId, now: Time) -> Result<(), Refusal> {
        let held = self.line_of(card.variant).map_or(0, |line| line.quantity);
        let wanted = held + pieces.pieces();
        if wanted > i64::from(QUANTITY_MAX) {
            return Err(Refusal::LineFull {
                sku: card.sku.clone(),
                held,
            });
        }
        enough(card, wanted)?;
        if held == 0 && self.lines.len() >= LINES_PER_CART_MAX {
            return Err(Refusal::CartFull);
        }
        self.put(card.variant, wanted, id, now).seen = Some(card.into());
        Ok(())
    }

    /// Sets the variant's line to so many pieces; 0 takes it out.
    ///
    /// # Errors
    /// No such line; fewer pieces than wanted.
    pub fn set(&mut self, card: &Card, pieces: Quantity) -> Result<(), Refusal> {
        let line = self
            .lines
            .iter_mut()
            .find(|line| line.variant == card.variant)
            .ok_or(Refusal::NoSuchLine)?;
        if pieces.is_zero() {
            return self.remove(card.variant);
        }
        enough(card, pieces.pieces())?;
        line.quantity = pieces.pieces();
        line.seen = Some(card.into());
        Ok(())
    }

    /// Takes the variant's line out.
    ///
    /// # Errors
    /// No such line.
    pub fn remove(&mut self, variant: VariantId) -> Result<(), Refusal> {
        let before = self.lines.len();
        self.lines.retain(|line| line.variant != variant);
        if self.lines.len() == before {
            Err(Refusal::NoSuchLine)
        } else {
            Ok(())
        }
    }

    /// Takes everything out. A cart that held something starts its next generation, so that an order which is
    /// being made of it stays that generation's one order, and its end (see [`Cart::ordered`]) takes nothing
    /// out of what is added from now on.
    pub fn empty(&mut self) {
        if !self.lines.is_empty() {
            self.lines.clear();
            self.notice = None;
            self.generation += 1;
        }
    }

    /// This `generation` became an order of `pieces`: they go out, what was added meanwhile stays, and the next
    /// generation starts. Of any other generation it does nothing; then it was told before, or the owner has
    /// emptied the cart since.
    pub fn ordered(&mut self, generation: i64, pieces: &[Pieces]) {
        if self.generation != generation {
            return;
        }
        let ordered: HashMap<VariantId, i64> = pieces
            .iter()
            .map(|pieces| (pieces.variant, pieces.quantity.pieces()))
            .collect();
        for line in &mut self.lines {
            line.quantity -= ordered.get(&line.variant).copied().unwrap_or(0);
        }
        self.lines.retain(|line| line.quantity > 0);
        self.notice = None;
        self.generation += 1;
    }

    /// Takes over what a guest's cart holds, as far as there is stock and room, and leaves the guest's empty.
    /// `fresh` gives ids for new lines. A variant without a card can no longer be had.
    pub fn take_over(
        &mut self,
        guest: &mut Cart,
        cards: &Cards,
        now: Time,
        mut fresh: impl FnMut() -> LineId,
    ) -> Merged {
        let mut done = Merged::default();
        for line in &guest.lines {
            let held = self.line_of(line.variant).map_or(0, |line| line.quantity);
            let card = cards.get(&line.variant);
            let room = match held {
                0 if self.lines.len() >= LINES_PER_CART_MAX => 0,
                held => i64::from(QUANTITY_MAX) - held,
            };
            let there = card.map_or(0, to_be_had).saturating_sub(held);
            let moved = line.quantity.min(room).min(there).max(0);
            if moved > 0 {
                let into = self.put(line.variant, held + moved, fresh(), now);
                if into.seen.is_none() {
                    // The buyer saw it in the other cart.
                    into.seen.clone_from(&line.seen);
                }
                done.merged += moved;
            }
            if moved < line.quantity {
                let sku = card.map_or_else(|| line.variant.to_string(), |card| card.sku.clone());
                done.cut.push(Cut {
                    sku,
                    pieces: line.quantity - moved,
                });
            }
        }
        guest.empty();
        self.note(&done, now);
        done
    }

    /// Keeps what a merge did for the buyer to see, with what of earlier ones they have not acknowledged.
    fn note(&mut self, done: &Merged, now: Time) {
        if done.merged == 0 && done.cut.is_empty() {
            return;
        }
        let notice = self.notice.get_or_insert_with(|| MergeNotice {
            merged: 0,
            cut: Vec::new(),
            at: now,
        });
        notice.merged += done.merged;
        notice.cut.extend(done.cut.iter().cloned());
        notice.cut.truncate(LINES_PER_CART_MAX);
        notice.at = now;
    }

    /// The variant's line.
    pub fn line_of(&self, variant: VariantId) -> Option<&Line> {
        self.lines.iter().find(|line| line.variant == variant)
    }

    /// The variants in it.
    pub fn variants(&self) -> impl Iterator<Item = VariantId> {
        self.lines.iter().map(|line| line.variant)
    }

    fn put(&mut self, variant: VariantId, quantity: i64, id: LineId, added_at: Time) -> &mut Line {
        let held = self.lines.iter().position(|line| line.variant == variant);
        let at = held.unwrap_or_else(|| {
            self.lines.push(Line {
                id,
                variant,
                quantity,
                added_at,
                seen: None,
            });
            self.lines.len() - 1
        });
        let line = &mut self.lines[at];
        line.quantity = quantity;
        line
    }
}

/// How many pieces of it can be bought.
fn to_be_had(card: &Card) -> i64 {
    if card.for_sale { card.available.max(0) } else { 0 }
}

fn enough(card: &Card, wanted: i64) -> Result<(), Refusal> {
    let available = to_be_had(card);
    if wanted <= available {
        return Ok(());
    }
    Err(Refusal::OutOfStock(Short {
        variant_id: card.variant,
        sku: card.sku.clone(),
        requested: wanted,
        available,
    }))
}

/// What a caller may call a line: by its id, or by what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A line's own id.
    Line(LineId),
    /// A variant.
    Variant(VariantId),
    /// A product.
    Product(ProductId),
    /// A product's number.
    Number(i64),
    /// A SKU.
    Sku(String),
}

impl Cart {
    /// The variants of the lines that fit the name. Several lines when a product of several variants is named.
    pub fn named(&self, name: &Named, cards: &Cards) -> Vec<VariantId> {
        let fits = |line: &&Line| {
            let card = cards.get(&line.variant);
            match name {
                Named::Line(id) => line.id == *id,
                Named::Variant(id) => line.variant == *id,
                Named::Product(id) => card.is_some_and(|card| card.product == *id),
                Named::Number(number) => card.is_some_and(|card| card.number == *number),
                Named::Sku(sku) => card.is_some_and(|card| card.sku == *sku),
            }
        };
        self.lines.iter().filter(fits).map(|line| line.variant).collect()
    }

    /// The cart as its owner sees it, with the names, prices and stock of now, and what has changed since they last
    /// acted. A line whose variant the catalogue no longer knows is shown as it was seen last; one of which nothing is
    /// remembered is not shown. What cannot be had at all costs nothing: the total is that of what can be ordered.
    ///
    /// # Errors
    /// A sum that does not fit, or a price in another currency.
    pub fn shown(&self, cards: &Cards, currency: Currency) -> Result<api::cart::Cart, MoneyFault> {
        let mut total = Money::zero(currency);
        let mut item_count = 0;
        let mut lines = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let card = cards.get(&line.variant);
            let now = match (card, &line.seen) {
                (Some(card), _) => Seen::from(card),
                (None, Some(seen)) => Seen {
                    available: 0,
                    ..seen.clone()
                },
                (None, None) => continue,
            };
            let subtotal = now.price.times(line.quantity)?;
            if now.available > 0 {
                total = total.plus(subtotal)?;
            }
            item_count += line.quantity;
            lines.push(api::cart::Line {
                id: line.id,
                product_id: now.product,
                variant_id: line.variant,
                sku: now.sku,
                name: now.name,
                image_url: card.and_then(|card| card.image_url.clone()),
                quantity: line.quantity,
                price: now.price.amount(),
                subtotal: subtotal.amount(),
                available: now.available,
                changes: line.changes(card),
            });
        }
        let changed = lines.iter().any(|line| line.changes != api::cart::Changes::default());
        Ok(api::cart::Cart {
            id: (self.version > 0).then_some(self.id),
            user_id: self.owner.id,
            cart: lines,
            item_count,
            total: total.amount(),
            currency,
            changed,
            merge: self.notice.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
