//! Many products in one call: each by itself, or all or none.
//!
//! One by one, the rows go in by slices, each one transaction, so that shoppers do not wait behind a thousand of them;
//! a row that is refused leaves the others alone. With a key the call is remembered from its first product on, and every
//! row by itself, so that a call that broke off between two slices goes on where it was when it is repeated.

use std::collections::HashSet;

use api::catalog::{BULK_WRITE_MAX, BulkResult, BulkRow, NewProduct, Product};
use base::{Currency, ProductId};
use bus::Deed;
use serde_json::json;
use store::{Answered, Once, Tx};
use wire::{FieldFault, Problem};

use super::By;
use super::drafts::create_all;
use super::places::placed;
use crate::domain::{self, Draft};
use crate::{App, Error, store as rows};

/// Rows of a transaction: some milliseconds.
const SLICE: usize = 50;
/// The action in the audit log.
const ACTION: &str = "product.bulk";

/// Creates products; `atomic`: all or none.
///
/// # Errors
/// [`Error::Invalid`] for too many rows; with `atomic` [`Error::Rows`] with every row that is refused; the database's.
pub async fn create_many(
    app: &App,
    by: By,
    once: Option<Once>,
    given: Vec<BulkRow>,
    atomic: bool,
) -> Result<Answered<Vec<BulkResult>>, Error> {
    if given.len() > BULK_WRITE_MAX {
        return Err(Error::field(
            "/products",
            format!("must have at most {BULK_WRITE_MAX} entries"),
        ));
    }
    let drafts = given.iter().map(|row| draft_of(row, app.currency)).collect();
    if atomic {
        all_or_none(app, by, once, drafts).await
    } else {
        one_by_one(app, by, once, drafts).await
    }
}

fn draft_of(row: &BulkRow, currency: Currency) -> Result<Draft, Problem> {
    let new: NewProduct = serve::parse(row.0.get())?;
    domain::check(new, currency).map_err(|faults| Error::Invalid(faults).into())
}

async fn all_or_none(
    app: &App,
    by: By,
    once: Option<Once>,
    drafts: Vec<Result<Draft, Problem>>,
) -> Result<Answered<Vec<BulkResult>>, Error> {
    let broken: Vec<(usize, Problem)> = drafts
        .iter()
        .enumerate()
        .filter_map(|(index, draft)| draft.as_ref().err().map(|problem| (index, problem.clone())))
        .collect();
    if !broken.is_empty() {
        return Err(Error::Rows(broken));
    }
    let drafts: Vec<Draft> = drafts.into_iter().flatten().collect();
    let currency = app.currency;
    let done = app
        .db
        .write_once(once, move |tx| {
            let refused: Vec<(usize, Problem)> = refusals(tx, &drafts)?
                .into_iter()
                .enumerate()
                .filter_map(|(index, refusal)| refusal.map(|error| (index, Problem::from(error))))
                .collect();
            if !refused.is_empty() {
                return Err(Error::Rows(refused));
            }
            let ids = create_all(tx, &by, currency, drafts.clone())?;
            record(tx, &by, ids.len())?;
            Ok(ids)
        })
        .await?;
    let results = done.value.into_iter().enumerate().map(|(index, id)| created(index, id));
    Ok(Answered {
        value: shown(app, results.collect()).await?,
        replayed: done.replayed,
    })
}

async fn one_by_one(
    app: &App,
    by: By,
    once: Option<Once>,
    drafts: Vec<Result<Draft, Problem>>,
) -> Result<Answered<Vec<BulkResult>>, Error> {
    let mut results: Vec<BulkResult> = Vec::with_capacity(drafts.len());
    let mut good: Vec<(usize, Draft)> = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.into_iter().enumerate() {
        match draft {
            Ok(draft) => good.push((index, draft)),
            Err(problem) => results.push(refused(index, problem)),
        }
    }
    let mut replayed = once.is_some() && !good.is_empty();
    for slice in good.chunks(SLICE) {
        let done = match put(app, &by, once.as_ref(), slice.to_vec()).await {
            Ok(done) => done,
            Err(Error::Store(fault)) => return Err(Error::Store(fault)),
            // Something that only writing showed, such as a name that is taken in every spelling: one by one.
            Err(_) => {
                let mut all = Vec::with_capacity(slice.len());
                for row in slice {
                    all.extend(match put(app, &by, once.as_ref(), vec![row.clone()]).await {
                        Ok(done) => done,
                        Err(Error::Store(fault)) => return Err(Error::Store(fault)),
                        Err(refusal) => vec![(refused(row.0, refusal.into()), false)],
                    });
                }
                all
            }
        };
        replayed &= done.iter().all(|(_, known)| *known);
        results.extend(done.into_iter().map(|(result, _)| result));
    }
    results.sort_by_key(|result| result.index);
    Ok(Answered {
        value: shown(app, results).await?,
        replayed,
    })
}

/// Puts a slice in; answers what came of each row, and whether an earlier call did it.
async fn put(
    app: &App,
    by: &By,
    once: Option<&Once>,
    slice: Vec<(usize, Draft)>,
) -> Result<Vec<(BulkResult, bool)>, Error> {
    let (currency, by, once) = (app.currency, by.clone(), once.cloned());
    app.db
        .write(move |tx| {
            let key = |index: usize| {
                once.as_ref().map(|once| Once {
                    scope: format!("{} row {index}", once.scope),
                    ..once.clone()
                })
            };
            // Asked first: with another body the key is refused before anything of that is created.
            let is_known = match &once {
                Some(once) => store::recall::<()>(tx, once)?.is_some(),
                None => false,
            };
            let mut results = Vec::with_capacity(slice.len());
            let mut open: Vec<&(usize, Draft)> = Vec::with_capacity(slice.len());
            for row in &slice {
                let known: Option<ProductId> = match key(row.0) {
                    Some(key) => store::recall(tx, &key)?,
                    None => None,
                };
                match known {
                    Some(id) => results.push((created(row.0, id), true)),
                    None => open.push(row),
                }
            }
            let drafts: Vec<Draft> = open.iter().map(|row| row.1.clone()).collect();
            let mut fresh: Vec<(usize, Draft)> = Vec::with_capacity(open.len());
            for (row, refusal) in open.iter().zip(refusals(tx, &drafts)?) {
                match refusal {
                    None => fresh.push((row.0, row.1.clone())),
                    Some(error) => results.push((refused(row.0, error.into()), false)),
                }
            }
            let (places, drafts): (Vec<usize>, Vec<Draft>) = fresh.into_iter().unzip();
            let ids = create_all(tx, &by, currency, drafts)?;
            for (index, id) in places.into_iter().zip(&ids) {
                if let Some(key) = key(index) {
                    store::keep(tx, &key, id)?;
                }
                results.push((created(index, *id), false));
            }
            if let (Some(once), false, false) = (&once, is_known, ids.is_empty()) {
                store::keep(tx, once, &())?;
            }
            record(tx, &by, ids.len())?;
            Ok(results)
        })
        .await
}

fn record(tx: &mut Tx<'_>, by: &By, created: usize) -> Result<(), store::Error> {
    if created == 0 {
        return Ok(());
    }
    let deed = Deed {
        action: ACTION,
        subject: &by.request_id,
        before: None,
        after: Some(json!({ "created": created })),
    };
    bus::audit(tx, &by.actor, &by.request_id, deed)
}

/// Why each draft cannot go in beside what there is and beside those before it.
fn refusals(tx: &mut Tx<'_>, drafts: &[Draft]) -> Result<Vec<Option<Error>>, Error> {
    let handles: Vec<String> = drafts
        .iter()
        .filter(|draft| !draft.handle_made)
        .map(|draft| draft.facts.handle.to_string())
        .collect();
    let skus: Vec<String> = drafts
        .iter()
        .flat_map(|draft| &draft.variants)
        .filter_map(|variant| variant.facts.sku.as_ref().map(|sku| sku.to_string()))
        .collect();
    let mut handles: HashSet<String> = match handles.is_empty() {
        true => HashSet::new(),
        false => rows::handles_taken(tx, &handles)?
            .into_iter()
            .map(|(handle, _)| handle)
            .collect(),
    };
    let mut skus: HashSet<String> = match skus.is_empty() {
        true => HashSet::new(),
        false => rows::skus_taken(tx, &skus)?.into_iter().map(|(sku, _)| sku).collect(),
    };
    let mut refused: Vec<Option<Error>> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let handle = draft.facts.handle.as_str();
        let own = || draft.variants.iter().filter_map(|variant| variant.facts.sku.as_ref());
        let taken = own().find(|sku| skus.contains(sku.as_str()));
        refused.push(match taken {
            _ if !draft.handle_made && handles.contains(handle) => Some(Error::HandleTaken(handle.to_owned())),
            Some(sku) => Some(Error::SkuTaken(sku.to_string())),
            None => {
                skus.extend(own().map(|sku| sku.to_string()));
                handles.extend((!draft.handle_made).then(|| handle.to_owned()));
                None
            }
        });
    }
    // Last, so that no category is made for a row that stays out.
    let open = || drafts.iter().zip(&refused).filter(|(_, refusal)| refusal.is_none());
    let places = placed(tx, open().map(|(draft, _)| draft.facts.category.as_str()))?;
    for (draft, refusal) in drafts.iter().zip(&mut refused) {
        if let (None, Some(Err(error))) = (&refusal, places.get(&draft.facts.category)) {
            *refusal = Some(error.clone());
        }
    }
    Ok(refused)
}

fn created(index: usize, id: ProductId) -> BulkResult {
    BulkResult {
        index,
        status: 201,
        id: Some(id),
        product: None,
        problem: None,
    }
}

fn refused(index: usize, problem: Problem) -> BulkResult {
    BulkResult {
        index,
        status: problem.status,
        id: None,
        product: None,
        problem: Some(problem),
    }
}

/// The results with their products as they now stand.
async fn shown(app: &App, mut results: Vec<BulkResult>) -> Result<Vec<BulkResult>, Error> {
    let currency = app.currency;
    for slice in results.chunks_mut(SLICE) {
        let ids: Vec<api::Ref> = slice.iter().filter_map(|one| one.id).map(api::Ref::Product).collect();
        if ids.is_empty() {
            continue;
        }
        let found: Vec<Product> = app
            .db
            .read(move |tx| {
                let found = rows::products(tx, &ids, currency)?;
                Ok::<_, Error>(found.into_iter().map(|found| found.product).collect())
            })
            .await?;
        for product in found {
            if let Some(one) = slice.iter_mut().find(|one| one.id == Some(product.id)) {
                one.product = Some(product);
            }
        }
    }
    Ok(results)
}

/// One problem of all refused rows: its pointers lead into the body.
pub(crate) fn problem_of(rows: Vec<(usize, Problem)>) -> Problem {
    let all_invalid = rows.iter().all(|(_, problem)| problem.status == 400);
    let mut faults = Vec::new();
    for (index, problem) in rows {
        let at = format!("/products/{index}");
        if problem.errors.is_empty() {
            let detail = problem.detail.clone();
            faults.push(FieldFault { pointer: at, detail });
            continue;
        }
        faults.extend(problem.errors.into_iter().map(|fault| FieldFault {
            pointer: format!("{at}{}", fault.pointer),
            detail: fault.detail,
        }));
    }
    let detail = "Nothing was created: some rows are not as they should be.";
    let mut problem = match all_invalid {
        true => Problem::invalid(detail),
        false => Problem::conflict("rows_refused", detail),
    };
    problem.errors = faults;
    problem
}
