//! People who buy, cancel and are refunded until the shop is gone, and what they were told meanwhile.
//!
//! Each shopper notes an answer as soon as it has it and nothing before, so that what is noted was acknowledged.
//! What was asked without an answer is noted as in doubt: it may have happened or not.

mod ledger;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::Ids;
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub use ledger::{Ack, Asked, Ledger};

use crate::client::{Answer, Client};
use ledger::Purchase;

/// What people do, each in percent.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Buy as guests.
    pub guests: u64,
    /// Fill a cart first; others order items.
    pub carts: u64,
    /// Send a key along.
    pub keys: u64,
    /// Pay slowly.
    pub slow: u64,
    /// Are declined.
    pub declined: u64,
    /// Pay after a fault or two.
    pub flaky: u64,
    /// Pay on delivery.
    pub on_delivery: u64,
    /// Want what there is not enough of.
    pub scarce: u64,
    /// Cancel what they ordered.
    pub cancel: u64,
    /// Get some of their money back.
    pub refund: u64,
    /// Lines in a cart at the most.
    pub lines: u64,
}

impl Mix {
    /// A bit of everything; nobody waits long.
    pub const USUAL: Mix = Mix {
        guests: 30,
        carts: 60,
        keys: 50,
        slow: 3,
        declined: 6,
        flaky: 4,
        on_delivery: 6,
        scarce: 4,
        cancel: 20,
        refund: 10,
        lines: 4,
    };
}

/// What is sold, and to whom.
#[derive(Clone)]
pub struct Stand {
    /// Somebody without a token.
    pub visitor: Client,
    /// The administrator.
    pub admin: Client,
    /// Customers with accounts; each shops alone.
    pub customers: Vec<Client>,
    /// Products with plenty of pieces.
    pub products: Vec<Value>,
    /// A product with few.
    pub scarce: Value,
}

impl Stand {
    /// The same people on fresh connections.
    pub fn afresh(&self) -> Stand {
        Stand {
            visitor: self.visitor.afresh(),
            admin: self.admin.afresh(),
            customers: self.customers.iter().map(Client::afresh).collect(),
            ..self.clone()
        }
    }
}

/// A load under way.
pub struct Load {
    ledger: Arc<Mutex<Ledger>>,
    shoppers: JoinSet<()>,
    ending: Arc<AtomicBool>,
}

impl Load {
    /// Lets everybody in `stand` shop, as `mix` says and `seed` has it.
    pub fn start(stand: &Stand, mix: Mix, seed: u64) -> Load {
        let (ledger, ending) = (
            Arc::new(Mutex::new(Ledger::default())),
            Arc::new(AtomicBool::new(false)),
        );
        let mut shoppers = JoinSet::new();
        for (number, customer) in stand.customers.iter().enumerate() {
            let shopper = Shopper {
                stand: stand.clone(),
                customer: customer.clone(),
                dice: Ids::seeded(seed.wrapping_mul(1_000).wrapping_add(number as u64)),
                name: format!("{seed:x}-{number}"),
                ledger: ledger.clone(),
                ending: ending.clone(),
                mix,
            };
            shoppers.spawn(shopper.shop());
        }
        Load {
            ledger,
            shoppers,
            ending,
        }
    }

    /// Lets them shop for a while: the moment of a crash is chance.
    pub async fn go_on_for(&self, while_: Duration) {
        tokio::time::sleep(while_).await;
    }

    /// How many orders were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).acks.len()
    }

    /// Tells everybody that the shop is about to vanish: from now on a fault is no answer.
    pub fn ends(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// What people were told, once the last of them is gone. They end when the shop does not answer any more.
    ///
    /// # Panics
    /// When one of them was told what must not be.
    pub async fn ended(mut self) -> Ledger {
        self.ends();
        while let Some(shopper) = self.shoppers.join_next().await {
            if let Err(fault) = shopper {
                std::panic::resume_unwind(fault.into_panic());
            }
        }
        std::mem::take(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether long runs are asked for: `IRONMONGER_LONG`.
pub fn is_long() -> bool {
    std::env::var_os("IRONMONGER_LONG").is_some()
}

/// The seed of a run: what this variable says, so that its choices can be repeated, else chance.
///
/// # Panics
/// When it says what is no number.
pub fn seed(variable: &str) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().expect("a seed is a number"),
        Err(_) => Ids::random().below(1 << 32),
    }
}

/// Lets a random time pass, of so many microseconds at the most: for races, whose moments are chance.
pub async fn by_chance(dice: &Ids, most_us: u64) {
    tokio::time::sleep(Duration::from_micros(dice.below(most_us))).await;
}

/// The shop did not answer.
struct Gone;

struct Shopper {
    stand: Stand,
    customer: Client,
    dice: Ids,
    name: String,
    ledger: Arc<Mutex<Ledger>>,
    ending: Arc<AtomicBool>,
    mix: Mix,
}

impl Shopper {
    async fn shop(self) {
        let mut count = 0;
        while !self.ending.load(Ordering::Relaxed) {
            count += 1;
            if self.buy(count).await.is_err() {
                return;
            }
        }
    }

    /// An answer with one of these statuses; gone when there is none.
    fn expect(&self, answer: Result<Answer, String>, statuses: &[u16]) -> Result<Answer, Gone> {
        let answer = answer.map_err(|_| Gone)?;
        if answer.status >= 500 && self.ending.load(Ordering::Relaxed) {
            return Err(Gone);
        }
        assert!(
            statuses.contains(&answer.status),
            "one of {statuses:?} was to be answered, not {}: {}",
            answer.status,
            answer.text()
        );
        Ok(answer)
    }

    fn chance(&self, percent: u64) -> bool {
        self.dice.below(100) < percent
    }

    fn note<T>(&self, write: impl FnOnce(&mut Ledger) -> T) -> T {
        write(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One purchase, and what becomes of it.
    async fn buy(&self, count: u64) -> Result<(), Gone> {
        let buyer = if self.chance(self.mix.guests) {
            let session = self.expect(
                self.stand.visitor.post("/api/auth/guest", json!({})).try_send().await,
                &[200],
            )?;
            let token = session.value()["token"].as_str().expect("a token").to_owned();
            self.stand.visitor.with_token(&token)
        } else {
            self.customer.clone()
        };
        let mut body = self.means();
        if self.chance(self.mix.scarce) {
            body["items"] = json!([{ "productId": self.stand.scarce["id"], "quantity": 2 }]);
        } else if self.chance(self.mix.carts) {
            for _ in 0..=self.dice.below(self.mix.lines) {
                let line = json!({ "productId": self.product(), "quantity": 1 + self.dice.below(3) });
                self.expect(buyer.post("/api/cart", line).try_send().await, &[201])?;
            }
        } else {
            body["items"] = json!([{ "productId": self.product(), "quantity": 1 + self.dice.below(3) }]);
        }
        let key = self.chance(self.mix.keys).then(|| format!("{}-{count}", self.name));
        let call = Purchase {
            buyer: buyer.clone(),
            body,
            key,
        };
        let answer = match self.expect(call.send(&buyer).await, &[201, 409]) {
            Ok(answer) if answer.status == 201 => answer.value(),
            Ok(refused) => {
                refused.refused(409, "out_of_stock");
                return Ok(());
            }
            Err(gone) => {
                self.note(|ledger| ledger.doubts.extend(call.key.is_some().then_some(call)));
                return Err(gone);
            }
        };
        let id = answer["orderId"].as_str().expect("an order's id").to_owned();
        let ack = Ack {
            id: id.clone(),
            status: answer["status"].as_str().expect("a status").to_owned(),
            cancelled: Asked::No,
            refunded: Asked::No,
            calls: vec![call],
        };
        let place = self.note(|ledger| ledger.add(ack));
        if self.chance(self.mix.cancel) {
            self.note(|ledger| ledger.acks[place].cancelled = Asked::InDoubt);
            let path = format!("/api/orders/{id}/cancel");
            let answer = self.expect(buyer.put(&path, json!({})).try_send().await, &[200, 409])?;
            // Whose window ended meanwhile has nothing to cancel any more.
            let cancelled = if answer.status == 200 { Asked::Done } else { Asked::No };
            self.note(|ledger| ledger.acks[place].cancelled = cancelled);
        } else if answer["order"]["paymentStatus"] == "completed" && self.chance(self.mix.refund) {
            self.note(|ledger| ledger.acks[place].refunded = Asked::InDoubt);
            let path = format!("/api/payments/{id}/refund");
            let body = if self.chance(50) {
                json!({})
            } else {
                json!({ "amount": 1.5 })
            };
            self.expect(self.stand.admin.post(&path, body).try_send().await, &[200])?;
            self.note(|ledger| ledger.acks[place].refunded = Asked::Done);
        } else if answer["paymentError"].is_object() && self.chance(30) {
            let again = json!({ "orderId": id, "paymentToken": "tok_visa" });
            self.expect(buyer.post("/api/payments/process", again).try_send().await, &[201, 409])?;
        }
        Ok(())
    }

    /// How it is paid.
    fn means(&self) -> Value {
        let Mix {
            slow,
            declined,
            flaky,
            on_delivery,
            ..
        } = self.mix;
        let dice = self.dice.below(100);
        let token = |token: &str| json!({ "paymentToken": token });
        match dice {
            _ if dice < slow => token("tok_slow"),
            _ if dice < slow + declined => token("tok_declined"),
            _ if dice < slow + declined + flaky => token("tok_flaky"),
            _ if dice < slow + declined + flaky + on_delivery => json!({ "paymentMethod": "cash_on_delivery" }),
            _ => json!({}),
        }
    }

    fn product(&self) -> &Value {
        let at = self.dice.below(self.stand.products.len() as u64);
        &self.stand.products[at as usize]["id"]
    }
}
