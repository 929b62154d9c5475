//! Stock, for staff.

use std::sync::Arc;

use api::Ref;
use api::catalog::{ChangeStock, LedgerQuery, Movement, Stock};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::Uri;
use serve::{
    CatalogRead, CatalogWrite, In, Known, May, Path, Query, Reply, Rights, Route, Routes, Write, listed, not_modified,
    page,
};
use wire::Problem;

use crate::App;
use crate::actions::{self, By};

const CHANGE: &str = "`{\"quantity\": n}` changes it by n pieces, which may be negative. `{\"set\": n}` says what was \
    counted and needs `If-Match` with the tag that reading the stock gives, so that a sale in between is not lost. \
    Fewer pieces than are reserved for orders cannot be left.";
const LEDGER: &str = "Every movement with its reason, who caused it and for which order, newest first: the answer to \
    \"why is the stock 3\". The movements added up are the stock, and what is reserved. A product with several variants \
    has a ledger for each.";
const REFUSALS: &[(u16, &str)] = &[
    (400, "variant_required"),
    (404, "not_found"),
    (409, "stock_reserved"),
    (412, "precondition_failed"),
    (428, "precondition_required"),
];
const PRODUCT: &str = "A product's number, id, SKU or handle.";
const VARIANT: &str = "A variant's id or SKU.";

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::get("/products/{id}/stock", read)
                .rights(Rights::May(serve::CATALOG_READ))
                .param("id", PRODUCT)
                .gives::<Stock>(200)
                .gives_nothing(304)
                .refuses(&[(400, "variant_required"), (404, "not_found")])
                .tells(
                    "Reads a product's stock",
                    "Of a product with one variant; `ETag` names the stock version.",
                ),
        )
        .add(
            Route::put("/products/{id}/stock", change)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .param("id", PRODUCT)
                .takes::<ChangeStock>()
                .gives::<Stock>(200)
                .refuses(REFUSALS)
                .tells("Changes a product's stock", CHANGE),
        )
        .add(
            Route::get("/products/{id}/variants/{variantId}/stock", read_variant)
                .rights(Rights::May(serve::CATALOG_READ))
                .param("id", PRODUCT)
                .param("variantId", VARIANT)
                .gives::<Stock>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells("Reads a variant's stock", "`ETag` names the stock version."),
        )
        .add(
            Route::put("/products/{id}/variants/{variantId}/stock", change_variant)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .param("id", PRODUCT)
                .param("variantId", VARIANT)
                .takes::<ChangeStock>()
                .gives::<Stock>(200)
                .refuses(&REFUSALS[1..])
                .tells("Changes a variant's stock", CHANGE),
        )
        .add(
            Route::get("/products/{id}/stock/ledger", ledger)
                .rights(Rights::May(serve::CATALOG_READ))
                .param("id", PRODUCT)
                .query::<LedgerQuery>()
                .gives::<Vec<Movement>>(200)
                .refuses(&[(400, "variant_required"), (404, "not_found")])
                .tells("Lists the movements of a product's stock", LEDGER),
        )
        .add(
            Route::get("/products/{id}/variants/{variantId}/stock/ledger", ledger_of_variant)
                .rights(Rights::May(serve::CATALOG_READ))
                .param("id", PRODUCT)
                .param("variantId", VARIANT)
                .query::<LedgerQuery>()
                .gives::<Vec<Movement>>(200)
                .refuses(&[(404, "not_found")])
                .tells("Lists the movements of a variant's stock", LEDGER),
        )
}

async fn read(
    State(app): State<Arc<App>>,
    _: May<CatalogRead>,
    Path(id): Path<String>,
    known: Known,
) -> Result<Response, Problem> {
    shown(&app, &id, None, &known).await
}

async fn read_variant(
    State(app): State<Arc<App>>,
    _: May<CatalogRead>,
    Path((id, variant)): Path<(String, String)>,
    known: Known,
) -> Result<Response, Problem> {
    shown(&app, &id, Some(variant), &known).await
}

async fn shown(app: &App, id: &str, variant: Option<String>, known: &Known) -> Result<Response, Problem> {
    let stock = actions::stock(app, Ref::new(id), variant).await?;
    if known.is_fresh(&stock.tag) {
        return Ok(not_modified(&stock.tag));
    }
    Ok(Reply::ok(stock.value).tagged(stock.tag).into_response())
}

async fn ledger(
    State(app): State<Arc<App>>,
    _: May<CatalogRead>,
    Path(id): Path<String>,
    Query(query): Query<LedgerQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    lines(&app, &id, None, query, &uri).await
}

async fn ledger_of_variant(
    State(app): State<Arc<App>>,
    _: May<CatalogRead>,
    Path((id, variant)): Path<(String, String)>,
    Query(query): Query<LedgerQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    lines(&app, &id, Some(variant), query, &uri).await
}

async fn lines(
    app: &App,
    id: &str,
    variant: Option<String>,
    query: LedgerQuery,
    uri: &Uri,
) -> Result<Response, Problem> {
    let asked = page(query.limit, query.cursor.as_deref())?;
    let (lines, next) = actions::ledger(app, Ref::new(id), variant, asked.limit, asked.after).await?;
    Ok(listed(uri, lines, next))
}

async fn change(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    write: Write<ChangeStock>,
) -> Result<Reply<Stock>, Problem> {
    let (id, by) = (Ref::new(&id), By::from(&cx));
    let done = actions::change_stock(&app, by, write.once, id, None, write.body, known.if_match).await?;
    Ok(Reply::ok(done.value.value)
        .tagged(done.value.tag)
        .replayed(done.replayed))
}

async fn change_variant(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path((id, variant)): Path<(String, String)>,
    known: Known,
    write: Write<ChangeStock>,
) -> Result<Reply<Stock>, Problem> {
    let (id, by) = (Ref::new(&id), By::from(&cx));
    let done = actions::change_stock(&app, by, write.once, id, Some(variant), write.body, known.if_match).await?;
    Ok(Reply::ok(done.value.value)
        .tagged(done.value.tag)
        .replayed(done.replayed))
}
