//! What other services ask. Service tokens only.

use std::sync::Arc;

use api::audit::{After, AuditedReservation, StockFault};
use api::catalog::{Card, OfOrder, Pick, Picked, Reserve};
use axum::extract::State;
use base::{OrderId, VariantId};
use http::StatusCode;
use serve::{Body, In, Json, Query, Rights, Route, Routes};
use wire::Problem;

use crate::App;
use crate::actions::{self, By};
use crate::domain::Command;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::post("/internal/resolve", resolve)
                .rights(Rights::Service)
                .takes::<Vec<Pick>>()
                .gives::<Vec<Picked>>(200)
                .tells(
                    "Tells what picks mean",
                    "In the picks' order: a card each, or the problem with it.",
                ),
        )
        .add(
            Route::post("/internal/cards", cards)
                .rights(Rights::Service)
                .takes::<Vec<VariantId>>()
                .gives::<Vec<Card>>(200)
                .tells("Reads cards of variants", "Archived ones too; unknown ones are absent."),
        )
        .add(
            Route::post("/internal/reserve", reserve)
                .rights(Rights::Service)
                .takes::<Reserve>()
                .gives_nothing(204)
                .refuses(&[(409, "out_of_stock"), (409, "closed")])
                .tells("Holds an order's pieces", "All lines or none. Harmless to repeat."),
        )
        .add(
            Route::post("/internal/settle", settle)
                .rights(Rights::Service)
                .takes::<OfOrder>()
                .gives_nothing(204)
                .refuses(&[(409, "closed")])
                .tells("Takes an order's pieces out of stock", "Harmless to repeat."),
        )
        .add(
            Route::post("/internal/undo", undo)
                .rights(Rights::Service)
                .takes::<OfOrder>()
                .gives_nothing(204)
                .tells(
                    "Releases or restocks an order's pieces",
                    "Later commands for the order are refused. Harmless to repeat.",
                ),
        )
        .add(Route::get("/internal/audit/reservations", audited).query::<After>())
        .add(Route::get("/internal/audit/stock", stock_faults))
}

async fn audited(
    State(app): State<Arc<App>>,
    Query(page): Query<After>,
) -> Result<Json<Vec<AuditedReservation>>, Problem> {
    let after = page.after.and_then(|id| id.parse::<OrderId>().ok());
    Ok(Json(actions::audited_reservations(&app, after).await?))
}

async fn stock_faults(State(app): State<Arc<App>>) -> Result<Json<Vec<StockFault>>, Problem> {
    Ok(Json(actions::stock_faults(&app).await?))
}

async fn resolve(State(app): State<Arc<App>>, Body(picks): Body<Vec<Pick>>) -> Result<Json<Vec<Picked>>, Problem> {
    Ok(Json(actions::resolve(&app, picks).await?))
}

async fn cards(State(app): State<Arc<App>>, Body(ids): Body<Vec<VariantId>>) -> Result<Json<Vec<Card>>, Problem> {
    Ok(Json(actions::cards(&app, ids).await?))
}

async fn reserve(State(app): State<Arc<App>>, In(cx): In, Body(reserve): Body<Reserve>) -> Result<StatusCode, Problem> {
    let command = Command::Reserve(reserve.order, reserve.lines);
    actions::hold(&app, By::from(&cx), command).await?;
    Ok(serve::no_content())
}

async fn settle(State(app): State<Arc<App>>, In(cx): In, Body(of): Body<OfOrder>) -> Result<StatusCode, Problem> {
    actions::hold(&app, By::from(&cx), Command::Settle(of.order)).await?;
    Ok(serve::no_content())
}

async fn undo(State(app): State<Arc<App>>, In(cx): In, Body(of): Body<OfOrder>) -> Result<StatusCode, Problem> {
    actions::hold(&app, By::from(&cx), Command::Undo(of.order)).await?;
    Ok(serve::no_content())
}
