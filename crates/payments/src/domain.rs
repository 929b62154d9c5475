//! The rules of payments: what may be tried, captured, given back. Values in, values out.
//!
//! Always holds: `refunded + refunding ≤ captured`; at most one attempt is being tried; a closed payment keeps no
//! money once it rests; what was captured beyond what was due is given back by itself.

mod attempt;
mod refund;

use api::payments::{Failure, PaymentMethod, PaymentStatus};
use base::{AttemptId, Money, OrderId, PaymentId, Time, UserId};

pub use attempt::{Attempt, AttemptStatus, CASH, Capture, Cause, Outcome};
pub use refund::{Refund, RefundStatus};

/// An order's payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The id.
    pub id: PaymentId,
    /// Of which order.
    pub order: OrderId,
    /// Who pays; none for a tombstone.
    pub user: Option<UserId>,
    /// What is due.
    pub due: Money,
    /// How it is paid.
    pub method: PaymentMethod,
    /// With whom.
    pub provider: String,
    /// How far it is; always [`Payment::standing`].
    pub status: PaymentStatus,
    /// Captured, in minor units.
    pub captured: i64,
    /// Given back, in minor units.
    pub refunded: i64,
    /// Asked back but not confirmed yet, in minor units.
    pub refunding: i64,
    /// The attempt that brought the money.
    pub paid_by: Option<AttemptId>,
    /// The attempt whose outcome is not known yet.
    pub trying: Option<AttemptId>,
    /// Undone: nothing may be captured any more.
    pub closed: bool,
    /// Why the last try failed.
    pub failure: Option<Failure>,
    /// The sequence of the last event.
    pub version: i64,
    /// How often the row changed.
    pub revision: i64,
    /// Since when.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// Why something may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The order was undone.
    Closed,
    /// Another amount or currency than at first.
    Differs {
        /// What is due.
        due: Money,
    },
    /// More than is there.
    Exceeds {
        /// What can still be given back.
        left: Money,
    },
    /// Zero or less.
    NotPositive,
}

/// What to do about a request to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// A new attempt begins.
    Begin,
    /// The live attempt goes first.
    Drive,
    /// Nothing: it is paid, this try was made already, or there is nothing to pay with.
    Rest,
}

/// What to ask the provider next about a live attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Capture; with the same key as before, so that twice is once.
    Charge,
    /// What became of it.
    Find,
    /// Make sure that nothing is captured from now on, and what was before.
    Void,
}

/// The step for a live attempt: `in_doubt` when the last call ended without an answer, `given_up` when the time for
/// retries is over. What is called off, paid otherwise or given up must come to an end that the provider confirms.
pub fn step(payment: &Payment, in_doubt: bool, given_up: bool) -> Step {
    if payment.closed || payment.paid_by.is_some() || given_up {
        Step::Void
    } else if in_doubt {
        Step::Find
    } else {
        Step::Charge
    }
}

/// What the events tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// `PaymentProcessed`.
    Processed,
    /// `PaymentFailed`.
    Failed,
    /// `PaymentRefunded`.
    Refunded,
}

/// What an outcome changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The payment after it.
    pub payment: Payment,
    /// The attempt after it.
    pub attempt: Attempt,
    /// What was captured.
    pub capture: Option<Capture>,
    /// What to give back at once, in minor units.
    pub give_back: Option<i64>,
    /// What to tell.
    pub told: Option<Told>,
}

impl Settled {
    /// Whether it went as it should: what was due is captured, and nothing goes back or is still to come.
    pub fn is_plain(&self) -> bool {
        self.capture.as_ref().is_some_and(|capture| !capture.surplus)
            && self.give_back.is_none()
            && self.payment.trying.is_none()
    }
}

/// What closing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The payment after it.
    pub payment: Payment,
    /// What to give back, and by whose capture.
    pub give_back: Option<(AttemptId, i64)>,
    /// What to tell.
    pub told: Option<Told>,
}

impl Payment {
    /// How far the payment is, by what is known of it.
    pub fn standing(&self) -> PaymentStatus {
        use PaymentStatus::*;
        if self.closed && (self.trying.is_some() || self.captured > self.refunded) {
            Processing
        } else if self.captured > 0 {
            match self.refunded {
                0 => Completed,
                all if all == self.captured => Refunded,
                _ => PartiallyRefunded,
            }
        } else if self.trying.is_some() {
            Processing
        } else if self.closed || self.failure.is_some() {
            Failed
        } else if self.due.minor == 0 && self.user.is_some() {
            Completed // Nothing is due, so nothing needs to be captured.
        } else {
            Pending
        }
    }

    /// What can still be given back, in minor units.
    pub fn left(&self) -> i64 {
        self.captured - self.refunded - self.refunding
    }

    /// What to do about try `number` to pay `due`, after the attempt `last`. Without means (cash, or no token where
    /// the provider needs one) nothing is tried. Who pays does not matter: a guest's order may have become an
    /// account's since it was tried first, and orders has looked whose it is.
    pub fn plan(&self, due: Money, number: i64, last: Option<&Attempt>, has_means: bool) -> Result<Plan, Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if self.due != due {
            return Err(Refusal::Differs { due: self.due });
        }
        Ok(if self.paid_by.is_some() || self.due.minor == 0 {
            Plan::Rest
        } else if self.trying.is_some() {
            Plan::Drive
        } else if !has_means || last.is_some_and(|last| last.number >= number) {
            Plan::Rest
        } else {
            Plan::Begin
        })
    }

    /// A new attempt begins.
    pub fn begin(mut self, attempt: AttemptId, method: PaymentMethod, now: Time) -> Payment {
        self.trying = Some(attempt);
        self.method = method;
        self.failure = None;
        self.changed(None, now)
    }

    /// Whether it is to be paid at the door, and is not yet.
    pub fn awaits_cash(&self) -> bool {
        self.method == PaymentMethod::CashOnDelivery && self.paid_by.is_none() && self.trying.is_none() && !self.closed
    }

    /// It is paid at the door instead: what was declined before no longer matters. `None`: it is so already, or money
    /// was taken or may still be.
    pub fn on_delivery(mut self, now: Time) -> Option<Payment> {
        let settled = self.closed || self.paid_by.is_some() || self.trying.is_some();
        if settled || self.method == PaymentMethod::CashOnDelivery {
            return None;
        }
        self.method = PaymentMethod::CashOnDelivery;
        self.failure = None;
        Some(self.changed(None, now))
    }

    /// The outcome of an attempt is known. `None`: it was known before, or says nothing new.
    pub fn settle(mut self, mut attempt: Attempt, outcome: &Outcome, now: Time) -> Option<Settled> {
        let was_live = attempt.is_live();
        if attempt.status == AttemptStatus::Captured || !was_live && !matches!(outcome, Outcome::Captured { .. }) {
            return None;
        }
        attempt.token = None;
        if self.trying == Some(attempt.id) {
            self.trying = None;
        }
        let (mut capture, mut give_back) = (None, None);
        let told = match outcome {
            Outcome::Captured { charge, amount } => {
                attempt.status = AttemptStatus::Captured;
                attempt.charge = Some(charge.clone());
                attempt.failure = None;
                let surplus = self.paid_by.is_some() || *amount != self.due;
                if surplus || self.closed {
                    give_back = Some(amount.minor);
                }
                capture = Some(Capture {
                    attempt: attempt.id,
                    amount: amount.minor,
                    charge: charge.clone(),
                    surplus,
                    created_at: now,
                });
                if !surplus {
                    self.paid_by = Some(attempt.id);
                    self.captured = amount.minor;
                    self.refunding = give_back.unwrap_or(0);
                    self.failure = None;
                    Some(Told::Processed)
                } else if self.paid_by.is_none() && was_live {
                    self.failure = Some(failure(
                        "amount_differs",
                        "The provider captured another amount; it is given back.",
                    ));
                    Some(Told::Failed)
                } else {
                    None
                }
            }
            Outcome::Declined(why) => {
                attempt.status = AttemptStatus::Declined;
                attempt.failure = Some(why.clone());
                self.unpaid(why.clone())
            }
            Outcome::Void => {
                let called_off = self.closed || self.paid_by.is_some();
                let (status, why) = if called_off {
                    (AttemptStatus::Voided, called_off_failure())
                } else {
                    let detail =
                        "The payment provider cannot be reached just now. Nothing was charged; please try again.";
                    (AttemptStatus::Failed, failure("provider_unavailable", detail))
                };
                attempt.status = status;
                attempt.failure = Some(why.clone());
                self.unpaid(why)
            }
        };
        Some(Settled {
            payment: self.changed(told, now),
            attempt,
            capture,
            give_back,
            told,
        })
    }

    /// The order is undone: nothing may be captured from now on, and what was is given back. `None`: it is closed
    /// already and nothing is left.
    pub fn close(mut self, now: Time) -> Option<Closed> {
        let left = self.left();
        let give_back = self.paid_by.filter(|_| left > 0).map(|attempt| (attempt, left));
        if self.closed && give_back.is_none() {
            return None;
        }
        let ends = self.trying.is_none() && self.captured == 0 && self.failure.is_none() && !self.closed;
        self.closed = true;
        self.refunding += give_back.map_or(0, |(_, amount)| amount);
        let told = if ends && self.user.is_some() {
            self.unpaid(called_off_failure())
        } else {
            None
        };
        Some(Closed {
            payment: self.changed(told, now),
            give_back,
            told,
        })
    }

    /// Part of the money, or all of it, is to go back; what is left when no `amount` is given. Answers how much.
    pub fn refund(mut self, amount: Option<Money>, now: Time) -> Result<(Payment, AttemptId, i64), Refusal> {
        let left = Money::new(self.left(), self.due.currency);
        let wanted = amount.unwrap_or(left);
        if amount.is_some() && wanted.minor <= 0 {
            return Err(Refusal::NotPositive);
        }
        match self.paid_by {
            Some(attempt) if wanted.minor > 0 && wanted.minor <= left.minor && wanted.currency == left.currency => {
                self.refunding += wanted.minor;
                Ok((self.changed(None, now), attempt, wanted.minor))
            }
            _ => Err(Refusal::Exceeds { left }),
        }
    }

    /// The provider gave back `refund`.
    pub fn refunded(mut self, refund: &Refund, now: Time) -> (Payment, Option<Told>) {
        if refund.surplus {
            return (self, None);
        }
        self.refunding -= refund.amount;
        self.refunded += refund.amount;
        (self.changed(Some(Told::Refunded), now), Some(Told::Refunded))
    }

    /// The provider refused `refund` for good.
    pub fn not_refunded(mut self, refund: &Refund, now: Time) -> Payment {
        if !refund.surplus {
            self.refunding -= refund.amount;
        }
        self.changed(None, now)
    }

    fn unpaid(&mut self, why: Failure) -> Option<Told> {
        if self.paid_by.is_some() {
            return None;
        }
        self.failure = Some(why);
        Some(Told::Failed)
    }

    fn changed(mut self, told: Option<Told>, now: Time) -> Payment {
        self.version += i64::from(told.is_some());
        self.status = self.standing();
        self.updated_at = now;
        debug_assert!(self.refunding >= 0 && self.left() >= 0, "{self:?}");
        self
    }
}

fn called_off_failure() -> Failure {
    failure("order_closed", "The order was called off before it was paid.")
}

/// A failure with its stable code and a sentence for people.
pub fn failure(code: &str, detail: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        detail: detail.to_owned(),
    }
}

/// How often waits double before they stay as they are: 2¹⁰ times the first wait bounds the shift.
const DOUBLINGS_MAX: u32 = 10;

/// The wait before another try: `first`, doubled with each of `tries`, at most `longest`; of that between half and
/// the whole by `draw` (any number), so that what failed together does not return together.
pub fn wait(tries: u32, first: std::time::Duration, longest: std::time::Duration, draw: u64) -> std::time::Duration {
    let whole = (first * (1 << tries.min(DOUBLINGS_MAX))).min(longest);
    let half = whole / 2;
    half + std::time::Duration::from_micros(draw % (half.as_micros() as u64 + 1))
}

#[cfg(test)]
mod tests;
