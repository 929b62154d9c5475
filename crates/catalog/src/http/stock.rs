//! Stock, for staff.

use std::sync::Arc;

use api::Ref;
use api::catalog::{ChangeStock, Stock};
use axum::extract::State;
use serve::{In, Known, Path, Reply, Rights, Route, Routes, Staff, Write};
use wire::Problem;

use crate::App;
use crate::actions::{self, By};

const CHANGE: &str = "`{\"quantity\": n}` changes it by n pieces, which may be negative. `{\"set\": n}` says what was \
    counted and needs `If-Match` with the tag that reading the stock gives, so that a sale in between is not lost. \
    Fewer pieces than are reserved for orders cannot be left.";
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
                .rights(Rights::Staff)
                .param("id", PRODUCT)
                .gives::<Stock>(200)
                .refuses(&[(400, "variant_required"), (404, "not_found")])
                .tells(
                    "Reads a product's stock",
                    "Of a product with one variant; `ETag` names the stock version.",
                ),
        )
        .add(
            Route::put("/products/{id}/stock", change)
                .rights(Rights::Staff)
                .param("id", PRODUCT)
                .takes::<ChangeStock>()
                .gives::<Stock>(200)
                .refuses(REFUSALS)
                .tells("Changes a product's stock", CHANGE),
        )
        .add(
            Route::get("/products/{id}/variants/{variantId}/stock", read_variant)
                .rights(Rights::Staff)
                .param("id", PRODUCT)
                .param("variantId", VARIANT)
                .gives::<Stock>(200)
                .refuses(&[(404, "not_found")])
                .tells("Reads a variant's stock", "`ETag` names the stock version."),
        )
        .add(
            Route::put("/products/{id}/variants/{variantId}/stock", change_variant)
                .rights(Rights::Staff)
                .param("id", PRODUCT)
                .param("variantId", VARIANT)
                .takes::<ChangeStock>()
                .gives::<Stock>(200)
                .refuses(&REFUSALS[1..])
                .tells("Changes a variant's stock", CHANGE),
        )
}

async fn read(State(app): State<Arc<App>>, _: Staff, Path(id): Path<String>) -> Result<Reply<Stock>, Problem> {
    let stock = actions::stock(&app, Ref::new(&id), None).await?;
    Ok(Reply::ok(stock.value).tagged(stock.tag))
}

async fn read_variant(
    State(app): State<Arc<App>>,
    _: Staff,
    Path((id, variant)): Path<(String, String)>,
) -> Result<Reply<Stock>, Problem> {
    let stock = actions::stock(&app, Ref::new(&id), Some(variant)).await?;
    Ok(Reply::ok(stock.value).tagged(stock.tag))
}

async fn change(
    State(app): State<Arc<App>>,
    _: Staff,
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
    _: Staff,
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
