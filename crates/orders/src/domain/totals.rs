//! What an order costs.

use base::{Currency, Money, MoneyFault};

use super::Line;

/// The parts of an order's total, in minor units of its currency. `total = subtotal − discount + shipping (+ tax where prices are net)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The lines together.
    pub subtotal: Money,
    /// What is taken off.
    pub discount: Money,
    /// What sending it costs.
    pub shipping: Money,
    /// Tax, in the prices or on top of them.
    pub tax: Money,
    /// What is due.
    pub total: Money,
}

/// Adds up the lines. Errors: the sum is too large, or the lines are not all in `currency`.
pub fn total(lines: &[Line], currency: Currency, prices_include_tax: bool) -> Result<Totals, MoneyFault> {
    let zero = Money::zero(currency);
    let subtotal = lines
        .iter()
        .try_fold(zero, |sum, line| sum.plus(line.price.times(line.quantity)?))?;
    let (discount, shipping, tax) = (zero, zero, zero);
    let gross = subtotal.minus(discount)?.plus(shipping)?;
    let total = if prices_include_tax { gross } else { gross.plus(tax)? };
    Ok(Totals {
        subtotal,
        discount,
        shipping,
        tax,
        total,
    })
}
