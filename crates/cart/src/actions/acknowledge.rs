//! The buyer has seen what changed.

use base::VariantId;
use store::{Answered, Once};
use wire::{Cx, Problem};

use super::{Acting, Look, Shown, answer, cards_of, look, replay, save};
use crate::App;
use crate::domain::Cart;
use crate::error::Error;
use crate::store as rows;

/// Takes the lines as seen as they are now, and what a merge brought. `permits` is asked for what is shown now, since
/// that is what is acknowledged.
///
/// # Errors
/// The catalogue cannot be asked; what `permits` refuses.
pub async fn acknowledge(
    app: &App,
    cx: &Cx,
    acting: Acting,
    once: Option<Once>,
    permits: impl FnOnce(&Shown) -> Result<(), Problem>,
) -> Result<Answered<Shown>, Error> {
    let owner = acting.owner;
    let cart = match look(app, owner.id, once.clone()).await? {
        Look::Kept(cart) => return replay(app, cx, cart).await,
        Look::Now(cart) => cart.unwrap_or_else(|| super::blank(app, owner)),
    };
    let cards = cards_of(app, cx, cart.variants().collect()).await?;
    permits(&Shown::of(app, &cart, &cards)?)?;
    let gone: Vec<VariantId> = cart.variants().filter(|variant| !cards.contains_key(variant)).collect();
    let known = cards.clone();
    let done = app.db.write_once(once, move |tx| {
        let Some(mut cart) = rows::of_user(tx, owner.id)? else {
            return Ok(Cart::new(tx.ids().next(tx.clock().now()), owner));
        };
        let before = cart.clone();
        cart.acknowledge(&known, &gone);
        if cart != before {
            let now = tx.clock().now();
            save(tx, &mut cart, now)?;
        }
        Ok::<_, Error>(cart)
    });
    answer(app, cx, done.await?, cards).await
}
