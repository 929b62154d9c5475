//! Guests: what they have goes to the account that they sign in to, and they get a number when they order.

use std::time::Duration;

use api::cart::MergeCarts;
use api::identity::{self as wired, MergeStatus};
use api::orders::HandOver;
use base::{SessionId, UserId};
use serve::{Holder, Role};
use tokio::time::Instant;
use wire::{Cx, Problem};

use crate::domain::User;
use crate::store::{merges as merge_rows, sessions as session_rows, users as rows};
use crate::tokens::refresh_digest;
use crate::{App, Error};

/// How long the task leaves a merge alone that a login is about to do.
pub(super) const MERGE_HEAD_START: Duration = Duration::from_secs(15);
/// How long a login waits for cart and orders: people wait for the shop, and the task does what is left.
const MERGE_BUDGET: Duration = Duration::from_secs(3);
/// A guest's calls that were under way when their session ended may still place an order: what they left is looked
/// for once more when no request of theirs can be running.
const AFTERMATH: Duration = Duration::from_secs(60);

/// A guest whose session lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    pub(super) session: SessionId,
}

/// The live guest session that a token names, access or refresh; none for any other text.
pub(super) async fn guest_of(app: &App, token: Option<&str>) -> Result<Option<Guest>, Error> {
    let Some(token) = token else { return Ok(None) };
    if let Some(digest) = refresh_digest(token) {
        let now = app.clock.now();
        let known = app.db.read(move |tx| session_rows::known(tx, &digest)).await?;
        let known = known.filter(|known| now < known.expires_at);
        // A spent one is still the guest's own when it is the last one.
        let session = known.and_then(|known| {
            let session = known.session?;
            (!known.is_spent || session.last_spent.as_ref() == Some(&known.digest)).then_some(session)
        });
        return Ok(session
            .filter(|session| session.role == Role::Guest)
            .map(|session| Guest { session: session.id }));
    }
    // Whether the session still lives is decided by its row, in the transaction that promises the merge.
    Ok(match app.keys.verify(token).as_deref() {
        Ok(Holder::User(caller)) if caller.role == Role::Guest => Some(Guest {
            session: caller.session,
        }),
        _ => None,
    })
}

/// Nothing was merged.
pub(super) fn nothing() -> wired::Merge {
    wired::Merge {
        status: MergeStatus::Nothing,
        merged: 0,
        cut: Vec::new(),
    }
}

/// Does a merge for somebody who waits for it.
pub(super) async fn merge_now(app: &App, cx: &Cx, merge: &merge_rows::Merge) -> wired::Merge {
    #[allow(clippy::disallowed_methods)] // Deadlines are of the runtime's clock, which tests can pause.
    let cx = cx.clone().until(Instant::now() + MERGE_BUDGET);
    let pending = wired::Merge {
        status: MergeStatus::Pending,
        ..nothing()
    };
    match carry_out_merge(app, &cx, merge).await {
        Outcome::Done(merged) | Outcome::OrdersLater(merged, _) => {
            let any = merged.merged > 0 || !merged.cut.is_empty();
            let status = if any { MergeStatus::Merged } else { MergeStatus::Nothing };
            wired::Merge {
                status,
                merged: merged.merged,
                cut: merged.cut,
            }
        }
        Outcome::Later(_) => pending,
    }
}

/// How far a merge got.
pub(crate) enum Outcome {
    /// All is with the account now.
    Done(api::cart::Merged),
    /// The cart is; the orders are not, and why.
    OrdersLater(api::cart::Merged, Problem),
    /// The cart is not, and why.
    Later(Problem),
}

/// Asks cart and orders to give the account what the guest has. When both have, the guest's session ends and the
/// promise is kept; until then the task will ask again. Both requests are harmless to repeat.
pub(crate) async fn carry_out_merge(app: &App, cx: &Cx, merge: &merge_rows::Merge) -> Outcome {
    let (from, to) = (merge.guest, merge.user);
    let (carts, hand) = (MergeCarts { from, to }, HandOver { from, to });
    let (cart, orders) = tokio::join!(app.cart.merge(cx, &carts), app.orders.hand_over(cx, &hand));
    let merged = match (cart, orders) {
        (Ok(merged), Ok(())) => merged,
        (Ok(merged), Err(problem)) => return Outcome::OrdersLater(merged, problem),
        (Err(problem), _) => return Outcome::Later(problem),
    };
    let (session, now) = (merge.session, app.clock.now());
    let kept = app
        .db
        .write(move |tx| {
            if session_rows::end(tx, session, now)? {
                return merge_rows::merge_again(tx, from, now.after(AFTERMATH));
            }
            merge_rows::merge_done(tx, from)
        })
        .await;
    match kept {
        Ok(()) => app.keys.revoked().end(session),
        // The row stays, and the task asks once more.
        Err(error) => tracing::warn!(%error, "a merge was done but could not be noted; it will be repeated"),
    }
    Outcome::Done(merged)
}

/// Gives a guest who orders a row and a number; one who has them keeps them.
pub(crate) async fn guest_ordered(app: &App, id: UserId) -> Result<User, Error> {
    app.db
        .write(move |tx| {
            if let Some(known) = rows::by_id(tx, id)? {
                return Ok(known);
            }
            let mut user = User::guest(id);
            rows::add(tx, &mut user, None, 0)?;
            Ok(user)
        })
        .await
}
