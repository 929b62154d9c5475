//! What buyers are written to, and in which words. Pure.

use std::fmt::Write as _;

use api::payments::PaymentMethod;
use base::{Address, Money, OrderId};

use super::Order;

/// What a mail tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// The order is paid, or is paid on delivery.
    Confirmed,
    /// It is on its way.
    Shipped,
    /// It was called off.
    Cancelled,
    /// Money was given back.
    Refunded,
}

impl MailKind {
    /// The word in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            MailKind::Confirmed => "confirmed",
            MailKind::Shipped => "shipped",
            MailKind::Cancelled => "cancelled",
            MailKind::Refunded => "refunded",
        }
    }

    /// Reads [`MailKind::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        use MailKind::*;
        [Confirmed, Shipped, Cancelled, Refunded]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }

    /// The mail that an event of an order calls for.
    pub fn of_event(kind: &str) -> Option<Self> {
        match kind {
            "OrderConfirmed" => Some(MailKind::Confirmed),
            "OrderShipped" => Some(MailKind::Shipped),
            "OrderCancelled" => Some(MailKind::Cancelled),
            _ => None,
        }
    }
}

/// What makes a mail this one: there is one of each, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Of which order.
    pub order: OrderId,
    /// What it tells.
    pub kind: MailKind,
    /// Tells several of a kind apart: the refund's id; empty for other kinds.
    pub about: String,
    /// What was refunded, in minor units; 0 for other kinds.
    pub amount: i64,
}

impl About {
    /// What the mail is known by: sent again, it is the same message.
    pub fn id(&self) -> String {
        let parts = [
            self.order.to_string(),
            self.kind.as_str().to_owned(),
            self.about.clone(),
        ];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// The subject of a mail about an order of `shop`. Names nobody: subjects are read over shoulders.
pub fn subject(about: &About, order: &Order, shop: &str) -> String {
    let number = order.number;
    match about.kind {
        MailKind::Confirmed => format!("{shop}: your order {number} is confirmed"),
        MailKind::Shipped => format!("{shop}: your order {number} is on its way"),
        MailKind::Cancelled => format!("{shop}: your order {number} is cancelled"),
        MailKind::Refunded => format!("{shop}: a refund for your order {number}"),
    }
}

/// The text of a mail about an order of `shop`.
pub fn text(about: &About, order: &Order, shop: &str) -> String {
    let mut text = String::new();
    let total = order.totals.total;
    let name = order
        .shipping_address
        .as_ref()
        .and_then(|address| address.name.as_deref());
    match name {
        Some(name) => text.push_str(&format!("Dear {},\n\n", one_line(name))),
        None => text.push_str("Hello,\n\n"),
    }
    let number = order.number;
    let opening = match about.kind {
        MailKind::Confirmed if order.owes_cash() => {
            format!("thank you for your order {number}. It is confirmed; please pay {total} when it arrives.")
        }
        MailKind::Confirmed => format!("thank you for your order {number}. It is paid and confirmed."),
        MailKind::Shipped => format!("your order {number} has left our house."),
        MailKind::Cancelled if order.paid_online() => {
            format!("your order {number} is cancelled. Whatever you have paid is given back, the way you paid it.")
        }
        MailKind::Cancelled => format!("your order {number} is cancelled. There is nothing to pay."),
        MailKind::Refunded if order.method == PaymentMethod::CashOnDelivery => {
            let back = Money::new(about.amount, total.currency);
            format!("we have given back {back} for your order {number}.")
        }
        MailKind::Refunded => {
            let back = Money::new(about.amount, total.currency);
            format!(
                "we have given back {back} for your order {number}, the way you paid. Banks may take some days to show it."
            )
        }
    };
    text.push_str(&opening);
    text.push_str("\n\n");
    for line in &order.lines {
        let sum = line.price.times(line.quantity).unwrap_or(line.price);
        let _ = writeln!(
            text,
            "  {} × {} ({}): {sum}",
            line.quantity,
            one_line(&line.name),
            line.sku
        );
    }
    for (what, part) in [
        ("Discount", order.totals.discount),
        ("Shipping", order.totals.shipping),
        ("Tax", order.totals.tax),
    ] {
        if part.minor != 0 {
            let _ = writeln!(text, "  {what}: {part}");
        }
    }
    let _ = writeln!(text, "  Total: {total}");
    if let (MailKind::Confirmed | MailKind::Shipped, Some(address)) = (about.kind, &order.shipping_address) {
        let heading = match about.kind {
            MailKind::Shipped => "It goes to:",
            _ => "It will go to:",
        };
        let _ = write!(text, "\n{heading}\n{}", place(address));
    }
    let _ = writeln!(text, "\nWith kind regards,\n{shop}");
    text
}

/// An address, a line for each part that is there.
fn place(address: &Address) -> String {
    let town = format!("{} {}", address.postal_code, address.city);
    let parts = [
        address.name.as_deref(),
        address.company.as_deref(),
        Some(address.street.as_str()),
        address.street2.as_deref(),
        Some(town.trim()),
        address.state.as_deref(),
        Some(address.country.as_str()),
    ];
    let lines = parts.into_iter().flatten().filter(|part| !part.is_empty());
    lines.map(|part| format!("  {}\n", one_line(part))).collect()
}

/// What people typed, on one line: nobody's name writes a mail of its own.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
