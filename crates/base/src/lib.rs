//! The shop's vocabulary: identifiers, money, quantities, addresses, pages, time.
//!
//! Everything here is a value. Nothing is async, nothing does I/O, and only [`Clock`] and [`Ids`]
//! know where time and randomness come from, so that a whole shop can be replayed from a seed.

mod address;
mod amount;
mod clock;
mod country;
mod ids;
mod money;
mod page;
mod postal;
mod quantity;
mod text;

pub use address::{Address, AddressFault};
pub use amount::{Amount, AmountFault};
pub use clock::{Clock, Time};
pub use country::country_code;
pub use ids::{
    AttemptId, CartId, CategoryId, ChargeId, EventId, FulfilmentId, Id, IdFault, Ids, ImageId, ImportId, KeyId, LineId,
    OrderId, OrderLineId, PaymentId, ProductId, RefundId, RequestId, ReservationId, SessionId, UserId, VariantId,
};
pub use money::{Currency, Money, MoneyFault};
pub use page::{Cursor, CursorFault, PAGE_DEFAULT, PAGE_MAX, Page};
pub use postal::{PostalForm, postal_code, postal_form};
pub use quantity::{QUANTITY_MAX, Quantity, QuantityFault, SomePieces};
pub use text::{Handle, Sku, TextFault, fold, handle_from, hex};
