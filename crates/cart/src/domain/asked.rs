//! What is asked of many carts at once, decided in the order in which it came.

use std::collections::HashMap;

use api::cart::Clear;
use api::catalog::Card;
use base::{CartId, LineId, Quantity, Time, UserId};

use super::{Cart, Owner, Refusal};

/// Something that is asked of one cart.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Adds pieces.
    Add {
        /// To whose cart.
        owner: Owner,
        /// Of what, with the stock of now.
        card: Card,
        /// How many.
        pieces: Quantity,
        /// What the cart will be called if it is the owner's first.
        cart: CartId,
        /// What the line will be called if it is a new one.
        line: LineId,
    },
    /// A generation of it became an order.
    Ordered(Clear),
}

/// The carts that are spoken of. A change is seen by whatever is asked after it.
#[derive(Debug, Default)]
pub struct Carts {
    carts: Vec<Cart>,
    /// The version that each had before anything was asked.
    were: Vec<i64>,
    of_users: HashMap<UserId, usize>,
    by_id: HashMap<CartId, usize>,
}

impl Carts {
    /// These carts, each once, as they are saved.
    pub fn new(saved: impl IntoIterator<Item = Cart>) -> Self {
        let mut carts = Self::default();
        for cart in saved {
            carts.push(cart);
        }
        carts
    }

    /// Does what is asked, as a whole or not at all, and gives the cart its next version if that changed it. Answers
    /// the cart after it; none when there never was such a cart.
    ///
    /// # Errors
    /// What the rules refuse.
    pub fn decide(&mut self, asked: &Asked, now: Time) -> Result<Option<&Cart>, Refusal> {
        match asked {
            Asked::Add {
                owner,
                card,
                pieces,
                cart,
                line,
            } => {
                let at = match self.of_users.get(&owner.id) {
                    Some(at) => *at,
                    None => self.push(Cart::new(*cart, *owner)),
                };
                let cart = &mut self.carts[at];
                cart.add(card, *pieces, *line, now)?;
                cart.version += 1;
                Ok(Some(cart))
            }
            Asked::Ordered(Clear {
                cart,
                generation,
                lines,
            }) => {
                let Some(at) = self.by_id.get(cart) else {
                    return Ok(None);
                };
                let cart = &mut self.carts[*at];
                if cart.generation == *generation {
                    cart.ordered(*generation, lines);
                    cart.version += 1;
                }
                Ok(Some(cart))
            }
        }
    }

    /// Those that changed, each with the version it had before.
    pub fn changed(&self) -> impl Iterator<Item = (i64, &Cart)> {
        let pairs = self.were.iter().copied().zip(&self.carts);
        pairs.filter(|(was, cart)| *was != cart.version)
    }

    fn push(&mut self, cart: Cart) -> usize {
        let at = self.carts.len();
        self.of_users.insert(cart.owner.id, at);
        self.by_id.insert(cart.id, at);
        self.were.push(cart.version);
        self.carts.push(cart);
        at
    }
}

#[cfg(test)]
mod tests {
    use api::catalog::Pieces;
    use base::{Currency, Id, Money, ProductId, VariantId};

    use super::*;

    const NOW: Time = Time::from_micros(1_900_000_000_000_000);

    fn add(user: u128, pieces: i64, fresh: u128) -> Asked {
        Asked::Add {
            owner: Owner {
                id: UserId::from_bits(user),
                guest: false,
            },
            card: Card {
                variant: VariantId::from_bits(7),
                product: ProductId::from_bits(7),
                number: 7,
                sku: "TEA-7".to_owned(),
                name: "Tea".to_owned(),
                image_url: None,
                price: Money::new(250, Currency::USD),
                available: 5,
                for_sale: true,
                tax_category: None,
                requires_shipping: true,
            },
            pieces: Quantity::new(pieces).unwrap(),
            cart: CartId::from_bits(fresh),
            line: LineId::from_bits(fresh),
        }
    }

    fn ordered(cart: u128, generation: i64, pieces: i64) -> Asked {
        Asked::Ordered(Clear {
            cart: CartId::from_bits(cart),
            generation,
            lines: vec![Pieces {
                variant: VariantId::from_bits(7),
                quantity: Quantity::new(pieces).unwrap(),
            }],
        })
    }

    /// Asks all of it of no carts: version, generation and pieces after each, and the versions that are to be saved.
    fn check(asked: &[Asked], expected: &[Option<(i64, i64, i64)>], saved: &[(i64, i64)]) {
        let mut carts = Carts::default();
        for (asked, expected) in asked.iter().zip(expected) {
            let told = carts.decide(asked, NOW).ok().flatten();
            let told = told.map(|cart| {
                let pieces = cart.lines.iter().map(|line| line.quantity).sum::<i64>();
                (cart.version, cart.generation, pieces)
            });
            assert_eq!(told, *expected, "{asked:?}");
        }
        let versions: Vec<_> = carts.changed().map(|(was, cart)| (was, cart.version)).collect();
        assert_eq!(versions, saved);
    }

    #[test]
    fn each_change_sees_those_before_it() {
        check(
            &[add(1, 3, 10), add(1, 3, 11), add(1, 2, 12)],
            &[Some((1, 1, 3)), None, Some((2, 1, 5))],
            &[(0, 2)],
        );
        check(
            &[add(1, 3, 10), ordered(10, 1, 2), add(1, 1, 11), ordered(10, 1, 2)],
            &[Some((1, 1, 3)), Some((2, 2, 1)), Some((3, 2, 2)), Some((3, 2, 2))],
            &[(0, 3)],
        );
        check(&[add(1, 6, 10), ordered(99, 1, 1)], &[None, None], &[]);
        check(
            &[add(1, 1, 10), add(2, 1, 11)],
            &[Some((1, 1, 1)), Some((1, 1, 1))],
            &[(0, 1), (0, 1)],
        );
    }
}
