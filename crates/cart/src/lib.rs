//! Cart: what people mean to buy.
//!
//! Owns carts and their lines: which variant, how many. Names, prices, pictures and stock are the catalogue's and
//! are shown as they are now; a cart reserves nothing.
//!
//! - Tables: `cart_cart`, `cart_merge`.
//! - Events out: `CartMerged`, whose subject is the cart that took the other over. In: none.
//! - Asks: catalog (what was picked, cards), identity (a user's number, when a path names one).
//!
//! Always holds: calls commute (two parallel adds both count); a line has 1 to 9,999 pieces, a cart 500 lines at
//! most; when it was changed there was as much as the line has. A cart has a generation, and each generation
//! becomes one order at most: orders names it when it asks for the contents, and gives it back when what was
//! ordered is to go out. Only then is anything subtracted, so a piece added meanwhile stays in the next
//! generation. Emptying a cart and moving it into another begin a new generation too: an order that is being
//! made of the old one goes on undisturbed and its end takes nothing out of the new one. Changing or taking out
//! single lines does not, and the end of the order then subtracts what is still there of what was ordered.
//!
//! A line remembers what it was when its buyer last acted on it, and tells what has changed since. A cart that nobody
//! changes, visits or orders for long is forgotten, never one that is just being ordered: see `actions::contents`.

mod actions;
mod domain;
mod error;
mod http;
mod store;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ::store::Combiner;
use base::{Clock, Currency, Ids};

use crate::domain::{Asked, Cart};
use crate::error::Error;

/// The tables, in the order in which they came to be.
pub const MIGRATIONS: &[::store::Migration] = ::store::migrations!("0001_cart", "0002_keeping");

/// How long a guest's cart lies untouched before it is forgotten. A guest's session ends after a week without a
/// sign of life, and with it the way to the cart; the rest is for orders that are still being made of it.
const GUEST_CARTS_KEPT: Duration = Duration::from_secs(30 * DAY);
/// How long an account's cart lies untouched before it is forgotten: half a year, after which few come back for it.
const CARTS_KEPT: Duration = Duration::from_secs(180 * DAY);
/// No cart is forgotten sooner, whatever is set: an order of it may still be on its way, and days are noted, not hours.
pub const KEPT_MIN: Duration = Duration::from_secs(2 * DAY);
/// In seconds.
const DAY: u64 = 24 * 3600;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a guest's cart lies untouched before it is forgotten (30 days); longer than guests' sessions live.
    pub guest_carts_kept: Duration,
    /// How long an account's cart lies untouched before it is forgotten (180 days).
    pub carts_kept: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            guest_carts_kept: GUEST_CARTS_KEPT,
            carts_kept: CARTS_KEPT,
        }
    }
}

/// What every action of cart stands on.
pub(crate) struct App {
    db: ::store::Db,
    clock: Clock,
    ids: Ids,
    currency: Currency,
    config: Config,
    catalog: api::catalog::Client,
    identity: api::identity::Client,
    /// Adds and orders' ends, in the order in which they came.
    changes: Combiner<Asked, Option<Cart>, Error>,
}

/// Builds the service on its opened database.
///
/// # Errors
/// None today; the same in every service.
pub async fn build(deps: serve::Deps, db: ::store::Db, config: Config) -> Result<serve::Part, ::store::Error> {
    let deps = deps.of("cart");
    let app = Arc::new(App::new(&deps, &db, config));
    let routes = http::routes().finish(app.clone());
    Ok(serve::Part::new("cart", &deps, routes, Some(db)).task(tasks::forget(app)))
}

impl App {
    /// `deps` are those of cart: its peers are spoken to as cart.
    fn new(deps: &serve::Deps, db: &::store::Db, config: Config) -> Self {
        Self {
            db: db.clone(),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            currency: deps.shop.currency,
            config,
            catalog: api::catalog::Client(deps.peers.peer("catalog")),
            identity: api::identity::Client(deps.peers.peer("identity")),
            changes: Combiner::new(db, actions::batch),
        }
    }
}
