//! Cart: what people mean to buy.
//!
//! Owns carts and their lines: which variant, how many. Names, prices, pictures and stock are the catalogue's and
//! are shown as they are now; a cart reserves nothing.
//!
//! - Tables: `cart_cart`, `cart_line`, `cart_merge`.
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

mod actions;
mod domain;
mod error;
mod http;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base::{Clock, Currency, Ids};

/// The tables, in the order in which they came to be.
pub const MIGRATIONS: &[::store::Migration] = ::store::migrations!("0001_cart");

/// What can be set. Nothing yet: the limits of carts are the contract's.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// What every action of cart stands on.
pub(crate) struct App {
    db: ::store::Db,
    clock: Clock,
    ids: Ids,
    currency: Currency,
    catalog: api::catalog::Client,
    identity: api::identity::Client,
}

/// Builds the service on its opened database.
///
/// # Errors
/// None today; the same in every service.
pub async fn build(deps: serve::Deps, db: ::store::Db, _: Config) -> Result<serve::Part, ::store::Error> {
    let deps = deps.of("cart");
    let app = App {
        db: db.clone(),
        clock: deps.clock.clone(),
        ids: deps.ids.clone(),
        currency: deps.shop.currency,
        catalog: api::catalog::Client(deps.peers.peer("catalog")),
        identity: api::identity::Client(deps.peers.peer("identity")),
    };
    let events = deps.peers.peer("events");
    Ok(
        serve::Part::new("cart", &deps, http::routes().finish(Arc::new(app)), Some(db.clone()))
            .task(bus::relay(&db, vec![("events", events)]))
            .task(bus::sweep(&db, &["events"])),
    )
}
