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
