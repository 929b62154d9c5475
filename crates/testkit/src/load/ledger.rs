//! What people were told, and whether it is still true.

use futures_util::future::join_all;
use serde_json::Value;

use crate::client::{Answer, Client};

/// Whether something was asked for, and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// Nobody did.
    No,
    /// Asked, and no answer came.
    InDoubt,
    /// Asked and answered.
    Done,
}

/// An order that was acknowledged.
#[derive(Clone)]
pub struct Ack {
    /// The order's id.
    pub id: String,
    /// In what state.
    pub status: String,
    /// Whether it is to be cancelled.
    pub cancelled: Asked,
    /// Whether some of it was to be refunded.
    pub refunded: Asked,
    /// The calls that were answered with it: a cart that was not cleared yet is ordered once.
    pub(super) calls: Vec<Purchase>,
}

/// A call that places an order.
#[derive(Clone)]
pub(super) struct Purchase {
    pub(super) buyer: Client,
    pub(super) body: Value,
    pub(super) key: Option<String>,
}

impl Purchase {
    pub(super) async fn send(&self, buyer: &Client) -> Result<Answer, String> {
        let call = buyer.post("/api/orders", self.body.clone());
        match &self.key {
            Some(key) => call.key(key).try_send().await,
            None => call.try_send().await,
        }
    }
}

/// What was told to people.
#[derive(Default)]
pub struct Ledger {
    /// What was acknowledged.
    pub acks: Vec<Ack>,
    /// Calls that place an order, with a key and without an answer.
    pub(super) doubts: Vec<Purchase>,
}

impl Ledger {
    /// Every acknowledged order is there, at least as far as was said.
    ///
    /// # Panics
    /// When one is not.
    pub async fn is_kept(&self, admin: &Client) {
        join_all(self.acks.iter().map(|ack| ack.is_kept(admin))).await;
    }

    /// The calls with a key, once more: an acknowledged one names its order, one in doubt names one order twice.
    /// Answers the orders that were in doubt before.
    ///
    /// # Panics
    /// When one does not.
    pub async fn is_repeatable(&self, fresh: &Client) -> Vec<Ack> {
        let known = self
            .acks
            .iter()
            .flat_map(|ack| ack.calls.iter().map(|call| (call, Some(&ack.id))));
        let calls = known.chain(self.doubts.iter().map(|call| (call, None)));
        let repeats = calls
            .filter(|(call, _)| call.key.is_some())
            .map(|(call, id)| async move {
                let buyer = fresh.with_token(call.buyer.token());
                let mut wanted = id.cloned();
                let mut status = String::new();
                for _ in 0..2 {
                    let answer = call.send(&buyer).await.expect("an answer");
                    match answer.status {
                        201 => {
                            let named = answer.value()["orderId"].as_str().expect("an order's id").to_owned();
                            status = answer.value()["status"].as_str().expect("a status").to_owned();
                            assert_eq!(
                                &named,
                                wanted.get_or_insert(named.clone()),
                                "a repeated call names another order"
                            );
                        }
                        // Its first run refused it, or its cart never was filled.
                        400 | 409 if wanted.is_none() => return None,
                        other => panic!(
                            "the repeat of a call that placed {wanted:?} is answered {other}: {}",
                            answer.text()
                        ),
                    }
                }
                let found = wanted.filter(|_| id.is_none())?;
                Some(Ack {
                    id: found,
                    status,
                    cancelled: Asked::No,
                    refunded: Asked::No,
                    calls: vec![call.clone()],
                })
            });
        join_all(repeats).await.into_iter().flatten().collect()
    }

    /// Takes over what was acknowledged elsewhere.
    pub fn took(&mut self, acks: Vec<Ack>) {
        for ack in acks {
            self.add(ack);
        }
    }

    /// Where an order is noted; one that was acknowledged before keeps what happened to it.
    pub(super) fn add(&mut self, ack: Ack) -> usize {
        if let Some(place) = self.acks.iter().rposition(|known| known.id == ack.id) {
            let known = &mut self.acks[place];
            known.calls.extend(ack.calls);
            known.cancelled = known.cancelled.max(ack.cancelled);
            known.refunded = known.refunded.max(ack.refunded);
            return place;
        }
        self.acks.push(ack);
        self.acks.len() - 1
    }

    /// What was cancelled is, and its money went back once; what was refunded is.
    ///
    /// # Panics
    /// When one is not.
    pub async fn is_settled(&self, admin: &Client) {
        join_all(self.acks.iter().map(|ack| ack.is_settled(admin))).await;
    }
}

impl Ack {
    async fn is_kept(&self, admin: &Client) {
        let answer = admin.get(&format!("/api/orders/{}", self.id)).send().await;
        assert_eq!(
            answer.status,
            200,
            "an acknowledged order is lost: {} {}",
            self.id,
            answer.text()
        );
        let order = answer.value();
        let status = order["status"].as_str().expect("a status");
        let may = match (self.status.as_str(), self.cancelled) {
            (_, Asked::Done) => status == "cancelled",
            (_, Asked::InDoubt) if status == "cancelled" => true,
            ("confirmed", _) => status == "confirmed",
            ("pending", _) => ["pending", "confirmed", "failed"].contains(&status),
            _ => status == self.status,
        };
        let Ack {
            id,
            status: told,
            cancelled,
            ..
        } = self;
        assert!(
            may,
            "{id} was acknowledged as {told} (cancelled: {cancelled:?}), and is {status}"
        );
    }

    async fn is_settled(&self, admin: &Client) {
        if (self.cancelled, self.refunded) == (Asked::No, Asked::No) {
            return;
        }
        let answer = admin.get(&format!("/api/payments/{}", self.id)).send().await;
        if answer.status == 404 {
            assert_eq!(self.refunded, Asked::No, "{} was refunded and has no payment", self.id);
            return; // Cancelled before anything was paid.
        }
        let payment = answer.is(200);
        let money = |name: &str| payment[name].to_string().parse::<f64>().expect("an amount");
        let (captured, refunded) = (money("captured"), money("refunded"));
        if self.cancelled == Asked::Done {
            assert_eq!(
                captured, refunded,
                "{} is cancelled, its money did not go back once: {payment}",
                self.id
            );
        }
        if self.refunded == Asked::Done {
            assert!(
                refunded > 0.0 && refunded <= captured,
                "{} was refunded: {payment}",
                self.id
            );
        }
    }
}
