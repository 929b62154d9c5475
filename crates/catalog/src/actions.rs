//! What the catalogue can do, one function per verb: load, decide, save, tell.

mod audit;
mod bulk;
mod cards;
mod categories;
mod currency;
mod deeds;
mod drafts;
mod holds;
mod names;
mod places;
mod products;
mod stock;
mod variants;

use base::{EventId, Time};
use serde_json::Value;
use store::{Outgoing, Tx};
use wire::Cx;

pub use audit::{audited_reservations, stock_faults};
pub use bulk::create_many;
pub(crate) use bulk::problem_of;
pub use cards::{PICKS_MAX, cards, resolve};
pub use categories::{add_category, category, change_category, remove_category, tags, tree};
pub use currency::keep_currency;
pub use drafts::{archive_kept, create_all, revise};
pub use holds::{combiner, hold};
pub use places::{adopt, foreseen};
pub use products::{Tagged, archive, change, create, find, list, read_many};
pub use stock::{change_stock, ledger, put_stock, shift_stock, stock};
pub use variants::{add_variant, change_variant, remove_variant, variant, variants};

/// Who causes a change, for the ledger and the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// A user's id, or a service.
    pub actor: String,
    /// The request.
    pub request_id: String,
}

impl From<&Cx> for By {
    fn from(cx: &Cx) -> Self {
        Self {
            actor: cx.actor().to_owned(),
            request_id: cx.request_id().to_owned(),
        }
    }
}

/// Tells the world, with the rows that it tells of.
fn tell(
    tx: &mut Tx<'_>,
    by: &By,
    kind: &'static str,
    subject: String,
    sequence: i64,
    data: &Value,
) -> Result<(), store::Error> {
    let now: Time = tx.clock().now();
    let event = Outgoing {
        id: tx.ids().next::<EventId>(now),
        kind: kind.into(),
        subject,
        sequence,
        at: now,
        actor: by.actor.clone(),
        request_id: by.request_id.clone(),
        data: data.to_string(),
    };
    tx.emit(event)
}
