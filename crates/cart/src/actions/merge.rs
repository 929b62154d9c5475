//! A guest signs in: what is in the guest's cart moves into the account's.

use std::borrow::Cow;
use std::collections::HashSet;

use api::cart::{MergeCarts, Merged};
use base::{Time, VariantId};
use store::{Outgoing, Tx};
use wire::Cx;

use super::cards_of;
use crate::App;
use crate::domain::{Cards, Cart, Owner};
use crate::error::Error;
use crate::store as rows;

/// How often a merge looks again when the guest's cart changes under it; nobody shops that fast.
const MERGES_MAX: usize = 3;

/// Moves a guest's cart into an account's, up to the stock there is. While nothing was added to the guest's cart
/// since, a repeat answers what the merge did.
///
/// # Errors
/// The catalogue cannot be asked; the guest's cart keeps changing.
pub async fn merge(app: &App, cx: &Cx, carts: MergeCarts) -> Result<Merged, Error> {
    let MergeCarts { from, to } = carts;
    if from == to {
        return Ok(Merged::default());
    }
    for _ in 0..MERGES_MAX {
        let found = app.db.read(move |tx| {
            let guest = rows::of_user(tx, from)?.filter(|cart| !cart.lines.is_empty());
            let before = rows::merged(tx, from, to)?;
            Ok((guest, before))
        });
        let guest = match found.await.map_err(Error::Store)? {
            (None, before) => return Ok(before.unwrap_or_default()),
            (Some(guest), _) => guest,
        };
        let asked: HashSet<VariantId> = guest.variants().collect();
        let cards = cards_of(app, cx, guest.variants().collect()).await?;
        let cx = cx.clone();
        match app
            .db
            .write(move |tx| merge_known(tx, &cx, carts, &asked, &cards))
            .await
        {
            Err(Error::Changed) => continue,
            done => return done,
        }
    }
    Err(Error::Changed)
}

/// Merges what was `asked` about; [`Error::Changed`] when there is more in the guest's cart by now.
fn merge_known(
    tx: &mut Tx<'_>,
    cx: &Cx,
    carts: MergeCarts,
    asked: &HashSet<VariantId>,
    cards: &Cards,
) -> Result<Merged, Error> {
    let MergeCarts { from, to } = carts;
    let Some(mut guest) = rows::of_user(tx, from)?.filter(|cart| !cart.lines.is_empty()) else {
        return Ok(rows::merged(tx, from, to)?.unwrap_or_default());
    };
    if guest.variants().any(|variant| !asked.contains(&variant)) {
        return Err(Error::Changed);
    }
    let now = tx.clock().now();
    let account = Owner { id: to, guest: false };
    let mut cart = rows::of_user(tx, to)?.unwrap_or_else(|| Cart::new(tx.ids().next(now), account));
    let ids = tx.ids();
    let merged = cart.take_over(&mut guest, cards, now, || ids.next(now));
    cart.told += 1;
    let were = [cart.version, guest.version];
    (cart.version, guest.version) = (cart.version + 1, guest.version + 1);
    rows::save(tx, were.into_iter().zip([&cart, &guest]), now)?;
    rows::remember_merge(tx, from, to, &merged, now)?;
    let event = cart_merged(tx, cx, &cart, &guest, &merged, now);
    tx.emit(event)?;
    Ok(merged)
}

/// `CartMerged`, whose sequence the cart has counted already.
fn cart_merged(tx: &Tx<'_>, cx: &Cx, cart: &Cart, guest: &Cart, merged: &Merged, now: Time) -> Outgoing {
    let data = serde_json::json!({
        "userId": cart.owner.id,
        "fromUserId": guest.owner.id,
        "fromCartId": guest.id,
        "merged": merged.merged,
        "cut": merged.cut,
    });
    Outgoing {
        id: tx.ids().next(now),
        kind: Cow::Borrowed("CartMerged"),
        subject: cart.id.to_string(),
        sequence: cart.told,
        at: now,
        actor: cx.actor().to_owned(),
        request_id: cx.request_id().to_owned(),
        data: data.to_string(),
    }
}
