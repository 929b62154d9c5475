//! The provider's HTTP face.

use std::sync::Arc;

use api::audit::{Charged, Names};
use axum::extract::State;
use base::{AttemptId, Currency, Money};
use http::StatusCode;
use serve::{Body, Json, Path, Query, Route, Routes};
use store::{Combiner, Db, Tx};
use wire::Problem;

use super::client::{Charge, ChargeStatus, NewCharge, NewRefund, Statement, StatementQuery};
use super::domain::{FAULTS, Manner, manner, verdict};
use super::webhooks::{Subject, tell};
use super::{App, NAME, store as rows};

/// The code of a 503 that says: nothing was done, try again.
pub(super) const BUSY: &str = "provider_busy";
/// Lines on one page of the statement.
const LINES_MAX: u32 = 500;

type Answer<T> = Result<Json<T>, Problem>;
type Here = State<Arc<App>>;

/// Why the provider refuses.
enum Refusal {
    Busy,
    NoSuchCharge,
    KeyReused,
    Exceeds,
    Store(store::Error),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Refusal::Store(error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                BUSY,
                "Nothing was done. Please try again.",
            )
            .retry_after(1),
            Refusal::NoSuchCharge => Problem::not_found("There is no charge under this key."),
            Refusal::KeyReused => Problem::conflict("key_reused", "This key was used before for something else."),
            Refusal::Exceeds => Problem::conflict("refund_exceeds_captured", "That much was not captured."),
            Refusal::Store(error) => serve::of_store(error),
        }
    }
}

/// What the provider answers; all to services only.
pub(super) fn routes() -> Routes<Arc<App>> {
    Routes::new(NAME, None)
        .add(
            Route::post("/internal/simulated/charges", charge)
                .takes::<NewCharge>()
                .gives::<Charge>(200),
        )
        .add(Route::get("/internal/simulated/charges/{key}", find).gives::<Charge>(200))
        .add(Route::post("/internal/simulated/charges/{key}/void", void).gives::<Charge>(200))
        .add(
            Route::post("/internal/simulated/charges/{key}/refunds", refund)
                .takes::<NewRefund>()
                .gives::<Charge>(200),
        )
        .add(
            Route::post("/internal/audit/charges", charges)
                .takes::<Names>()
                .gives::<Vec<Charged>>(200),
        )
        .add(
            Route::get("/internal/simulated/statement", statement)
                .query::<StatementQuery>()
                .gives::<Statement>(200),
        )
}

async fn charge(State(app): Here, Body(new): Body<NewCharge>) -> Answer<Charge> {
    let manner = manner(&new.token);
    let now = app.clock.now();
    let verdict = verdict(&new.token);
    let wanted = Charge {
        key: new.key,
        id: app.ids.next(now),
        status: if verdict.is_ok() {
            ChargeStatus::Captured
        } else {
            ChargeStatus::Declined
        },
        amount: new.amount,
        refunded: Money::zero(new.amount.currency),
        failure: verdict.err(),
    };
    let at_once = manner != Manner::Flaky;
    let (charge, is_new) = if at_once && app.charges.call(wanted.clone()).await.map_err(Refusal::Store)? {
        (wanted, true)
    } else {
        // The key is known, or has to fail first.
        let tells = app.config.webhooks.is_some();
        let charged = app.db.write(move |tx| {
            if manner == Manner::Flaky
                && rows::charge(tx, new.key)?.is_none()
                && rows::count_fault(tx, new.key)? <= FAULTS
            {
                return Ok::<_, Refusal>(None);
            }
            add(tx, &wanted, tells).map(Some)
        });
        charged.await?.ok_or(Refusal::Busy)?
    };
    // Committed; only now the answer may take its time. Who asks again by the same key hears at once.
    match manner {
        Manner::Slow if is_new => tokio::time::sleep(app.config.slow).await,
        Manner::Late if is_new => tokio::time::sleep(app.config.late).await,
        _ => {}
    }
    Ok(Json(charge))
}

/// Makes charges for many shops at once; `false` when the key has one already.
pub(super) type Charges = Combiner<Charge, bool, store::Error>;

/// The combiner of charges; `tells` whether webhooks go out.
pub(super) fn charges_on(db: &Db, tells: bool) -> Charges {
    Combiner::new(db, move |tx, wanted: &[Charge]| {
        Ok(add_all(tx, wanted, tells)?.into_iter().map(Ok).collect())
    })
}

/// Writes charges, each unless its key has one; answers which are new.
fn add_all(tx: &mut Tx<'_>, wanted: &[Charge], tells: bool) -> Result<Vec<bool>, store::Error> {
    let mut added = rows::add_charges(tx, wanted, tx.clock().now())?;
    let answer = |charge: &Charge| {
        let is_new = added.remove(&charge.key);
        if is_new && tells {
            let kind = match charge.status {
                ChargeStatus::Captured => "charge.captured",
                ChargeStatus::Declined => "charge.declined",
                ChargeStatus::Voided => "charge.voided",
            };
            tell(tx, kind, Subject::Charge(charge.clone()))?;
        }
        Ok(is_new)
    };
    wanted.iter().map(answer).collect()
}

/// Writes a charge unless its key has one; answers what the key has, and whether it is new.
fn add(tx: &mut Tx<'_>, wanted: &Charge, tells: bool) -> Result<(Charge, bool), Refusal> {
    if add_all(tx, std::slice::from_ref(wanted), tells)? == [true] {
        return Ok((wanted.clone(), true));
    }
    let there = rows::charge(tx, wanted.key)?.ok_or(store::Error::Absent)?;
    let either_void = [there.status, wanted.status].contains(&ChargeStatus::Voided);
    if there.amount == wanted.amount || either_void {
        Ok((there, false))
    } else {
        Err(Refusal::KeyReused)
    }
}

fn key_of(text: &str) -> Result<AttemptId, Refusal> {
    text.parse().map_err(|_| Refusal::NoSuchCharge)
}

async fn find(State(app): Here, Path(key): Path<String>) -> Answer<Charge> {
    let key = key_of(&key)?;
    let found = app.db.read(move |tx| Ok::<_, Refusal>(rows::charge(tx, key)?)).await?;
    Ok(Json(found.ok_or(Refusal::NoSuchCharge)?))
}

async fn void(State(app): Here, Path(key): Path<String>) -> Answer<Charge> {
    let none: Currency = "XXX".parse().map_err(|_| Problem::internal())?;
    let void = Charge {
        key: key_of(&key)?,
        id: app.ids.next(app.clock.now()),
        status: ChargeStatus::Voided,
        amount: Money::zero(none),
        refunded: Money::zero(none),
        failure: None,
    };
    let tells = app.config.webhooks.is_some();
    let (charge, _) = app.db.write(move |tx| add(tx, &void, tells)).await?;
    Ok(Json(charge))
}

async fn refund(State(app): Here, Path(key): Path<String>, Body(new): Body<NewRefund>) -> Answer<Charge> {
    let key = key_of(&key)?;
    let tells = app.config.webhooks.is_some();
    let charge = app.db.write(move |tx| {
        if rows::add_refund(tx, new.key, key, new.amount.minor, tx.clock().now())? {
            if new.amount.minor <= 0 || !rows::give_back(tx, key, new.amount)? {
                let there = rows::charge(tx, key)?;
                return Err(there.map_or(Refusal::NoSuchCharge, |_| Refusal::Exceeds));
            }
            if tells {
                tell(tx, "refund.completed", Subject::Refund(new.clone()))?;
            }
        } else if rows::refund(tx, new.key)? != (key, new.amount.minor) {
            return Err(Refusal::KeyReused);
        }
        rows::charge(tx, key)?.ok_or(Refusal::NoSuchCharge)
    });
    Ok(Json(charge.await?))
}

async fn charges(State(app): Here, Body(names): Body<Names>) -> Answer<Vec<Charged>> {
    let charged = app
        .db
        .scan(move |tx| Ok::<_, Refusal>(rows::charged(tx, &names.ids)?))
        .await?;
    Ok(Json(charged))
}

async fn statement(State(app): Here, Query(page): Query<StatementQuery>) -> Answer<Statement> {
    let limit = page.limit.unwrap_or(LINES_MAX).clamp(1, LINES_MAX);
    let lines = app
        .db
        .scan(move |tx| Ok::<_, Refusal>(rows::statement(tx, page.after, limit)?))
        .await?;
    let next = (lines.len() == limit as usize)
        .then(|| lines.last().map(|line| line.key))
        .flatten();
    Ok(Json(Statement { lines, next }))
}
