//! The two commits of a payment that goes well, each for everybody who pays at the moment: what arrives while one
//! batch commits is the next batch. Whatever does not go well goes its own way, one by one.

use std::sync::Arc;

use ::store::{Combiner, Db, Error as StoreError, Tx};

use super::{pay, tell};
use crate::Error;
use crate::domain::{Attempt, Payment, Settled};
use crate::store::{self, First};

/// Begins first attempts; answers the payment with what is to be driven, none when the order has a payment already.
pub(crate) type Firsts = Combiner<Arc<First>, Option<(Payment, Option<Attempt>)>, Error>;

/// Records captures that [`Settled::is_plain`]; `false` when the payment changed since it was read.
pub(crate) type Captures = Combiner<Arc<Settled>, bool, Error>;

/// The combiner of payments that begin.
pub(crate) fn firsts(db: &Db) -> Firsts {
    Combiner::new(db, begin)
}

/// The combiner of captures that settle their payments.
pub(crate) fn captures(db: &Db) -> Captures {
    Combiner::new(db, capture)
}

type Answers<T> = Result<Vec<Result<T, Error>>, StoreError>;

fn begin(tx: &mut Tx<'_>, firsts: &[Arc<First>]) -> Answers<Option<(Payment, Option<Attempt>)>> {
    let begun = store::begin(tx, firsts)?;
    let answer = |first: &Arc<First>| {
        let First { payment, attempt } = &**first;
        if !begun.payments.contains(&payment.id) {
            return Ok(Ok(None));
        }
        let (payment, attempt) = (payment.clone(), attempt.clone());
        if begun.awaited.contains(&attempt.id) {
            return pay::heed(tx, payment, attempt).map(|heard| Ok(Some(heard)));
        }
        Ok(Ok(Some((payment, Some(attempt)))))
    };
    firsts.iter().map(answer).collect()
}

fn capture(tx: &mut Tx<'_>, settled: &[Arc<Settled>]) -> Answers<bool> {
    let mut taken = store::capture(tx, settled)?;
    let answer = |one: &Arc<Settled>| {
        // A twin in the same batch came second and reads again what the first one wrote.
        if !taken.remove(&one.payment.id) {
            return Ok(Ok(false));
        }
        let (amount, about) = (one.payment.captured, ("attempt", one.attempt.id.to_string()));
        let (cause, now) = (&one.attempt.cause, one.payment.updated_at);
        tell(tx, &one.payment, one.told, cause, about, amount, now)?;
        Ok(Ok(true))
    };
    settled.iter().map(answer).collect()
}
