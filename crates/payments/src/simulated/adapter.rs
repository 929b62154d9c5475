//! The shop's side of the simulated provider: the seam's verbs in the provider's terms.

use api::payments::Failure;
use base::{AttemptId, Time};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use wire::{Cx, Peer, Problem};

use super::client::{Charge, ChargeStatus, Client, NewCharge, NewRefund};
use super::http::BUSY;
use super::webhooks::{Message, Subject};
use super::{NAME, TOKEN_DEFAULT, WEBHOOK_PURPOSE};
use crate::domain::{Outcome, failure};
use crate::provider::{Charge as Wanted, Fault, GiveBack, Notice, Provider, Verified};
use crate::signature::{Signer, Unsigned};

/// Speaks to the simulated provider.
pub struct Adapter {
    client: Client,
    /// None: no secret was agreed on, so no webhook can be genuine.
    signer: Option<Signer>,
}

impl Adapter {
    /// An adapter that finds the provider at `peer`.
    pub fn new(peer: Peer, config: &crate::Config) -> Self {
        let secret = &config.webhook_secret;
        let signer = (!secret.is_empty()).then(|| Signer::new(secret, WEBHOOK_PURPOSE));
        Self {
            client: Client(peer),
            signer,
        }
    }
}

impl Provider for Adapter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn default_token(&self) -> Option<&'static str> {
        Some(TOKEN_DEFAULT)
    }

    fn charge<'a>(&'a self, cx: &'a Cx, charge: &'a Wanted) -> BoxFuture<'a, Result<Outcome, Fault>> {
        Box::pin(async move {
            let new = NewCharge {
                key: charge.key,
                amount: charge.amount,
                token: charge.token.clone(),
            };
            self.client.charge(cx, &new).await.map(outcome).map_err(fault)
        })
    }

    fn find<'a>(&'a self, cx: &'a Cx, key: AttemptId) -> BoxFuture<'a, Result<Option<Outcome>, Fault>> {
        Box::pin(async move { Ok(self.client.find(cx, key).await.map_err(fault)?.map(outcome)) })
    }

    fn void<'a>(&'a self, cx: &'a Cx, key: AttemptId) -> BoxFuture<'a, Result<Outcome, Fault>> {
        Box::pin(async move { self.client.void(cx, key).await.map(outcome).map_err(fault) })
    }

    fn give_back<'a>(&'a self, cx: &'a Cx, back: &'a GiveBack) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let new = NewRefund {
                key: back.key,
                amount: back.amount,
            };
            self.client.refund(cx, back.charge, &new).await.map(drop).map_err(fault)
        })
    }

    fn webhook(&self, headers: &HeaderMap, body: &[u8], now: Time) -> Result<Verified, Unsigned> {
        let signer = self.signer.as_ref().ok_or(Unsigned::Mismatch)?;
        let id = signer.verify(headers, body, now)?;
        let message: Message = serde_json::from_slice(body).map_err(|fault| Unsigned::Unreadable(fault.to_string()))?;
        let notice = match message.data {
            Subject::Charge(charge) => {
                let key = charge.key;
                match outcome(charge) {
                    Outcome::Captured { charge, amount } => Notice::Captured { key, charge, amount },
                    Outcome::Declined(failure) => Notice::Declined { key, failure },
                    Outcome::Void => Notice::Other { kind: message.kind },
                }
            }
            Subject::Refund(refund) => Notice::Refunded { key: refund.key },
        };
        Ok(Verified { id, notice })
    }
}

fn outcome(charge: Charge) -> Outcome {
    match charge.status {
        ChargeStatus::Captured => Outcome::Captured {
            charge: charge.id.to_string(),
            amount: charge.amount,
        },
        ChargeStatus::Declined => Outcome::Declined(charge.failure.unwrap_or_else(unexplained)),
        ChargeStatus::Voided => Outcome::Void,
    }
}

fn unexplained() -> Failure {
    failure("card_declined", "The payment was declined.")
}

/// Only the provider's own word that it did nothing is taken as such: a 503 from anywhere on the way may hide that
/// it acted.
fn fault(problem: Problem) -> Fault {
    let why = problem.to_string();
    match problem.status {
        _ if problem.code == BUSY => Fault::Transient(why),
        // Our token or address is wrong, or we are too fast: nothing that this charge could answer for.
        401 | 403 | 408 | 429 => Fault::Unknown(why),
        400..500 => Fault::Refused(why),
        _ => Fault::Unknown(why),
    }
}
