//! The routes of payments.

use std::sync::Arc;

use api::Ref;
use api::audit::{After, AuditedPayment};
use api::catalog::OfOrder;
use api::payments::{NewRefund, Pay, Payment, Process, Standing};
use axum::extract::{Request, State};
use base::OrderId;
use http::StatusCode;
use serve::{Bearer, Body, Created, In, Json, May, Path, PaymentsWrite, Query, Reply, Rights, Route, Routes, Write};
use wire::Problem;

use crate::{App, Error, actions};

type Answer<T> = Result<T, Problem>;
type Here = State<Arc<App>>;

/// What payments answers.
pub(crate) fn routes() -> Routes<Arc<App>> {
    Routes::new(crate::NAME, None)
        .add(
            Route::post("/payments/process", process)
                .rights(Rights::Owner)
                .takes::<Process>()
                .gives::<Payment>(201)
                .refuses(&[
                    (402, "payment_declined"),
                    (403, "forbidden"),
                    (404, "not_found"),
                    (409, "already_paid"),
                    (409, "payable_on_delivery"),
                    (409, "order_closed"),
                    (409, "amount_differs"),
                    (503, "unavailable"),
                ])
                .tells(
                    "Pays an order",
                    "Pays a pending order, or tries a declined payment again. `amount`, when given, must equal what is \
                     due. A payment whose outcome is not known yet is answered with the status `processing`, one that is \
                     paid in cash on delivery with `pending`.",
                ),
        )
        .add(
            Route::get("/payments/{id}", show)
                .rights(Rights::Owner)
                .param("id", "The order's id or number, or the payment's id.")
                .gives::<Payment>(200)
                .refuses(&[(404, "not_found"), (503, "unavailable")])
                .tells("Shows a payment", "With its attempts, captures and refunds."),
        )
        .add(
            Route::post("/payments/{id}/refund", refund)
                .rights(Rights::May(serve::PAYMENTS_WRITE))
                .param("id", "The payment's id, or the order's id or number.")
                .takes::<NewRefund>()
                .gives::<Payment>(200)
                .refuses(&[
                    (404, "not_found"),
                    (409, "refund_exceeds_captured"),
                    (503, "unavailable"),
                ])
                .tells(
                    "Refunds a payment",
                    "`amount`, or all that is left. A refund that the provider has not confirmed yet is `pending` in \
                     the answer and goes on by itself. Of cash it records what was given back by hand.",
                ),
        )
        .add(
            Route::post("/payments/webhooks/{provider}", webhook)
                .param("provider", "The provider's name, e.g. `simulated`.")
                .takes_text("application/json")
                .gives_nothing(204)
                .refuses(&[
                    (400, "bad_webhook"),
                    (404, "not_found"),
                    (413, "too_large"),
                    (503, "unavailable"),
                ])
                .tells(
                    "Takes in a provider's webhook",
                    "Signed by the provider, over the raw bytes. Repetition and order do not matter.",
                ),
        )
        .add(
            Route::post("/internal/pay", pay)
                .takes::<Pay>()
                .gives::<Standing>(200)
                .refuses(&[(409, "closed")]),
        )
        .add(
            Route::post("/internal/collect", collect)
                .takes::<Pay>()
                .gives::<Standing>(200)
                .refuses(&[(409, "closed")]),
        )
        .add(
            Route::post("/internal/undo", undo)
                .takes::<OfOrder>()
                .gives::<Option<Standing>>(200),
        )
        .add(
            Route::get("/internal/standings/{order}", standing)
                .gives::<Standing>(200)
                .refuses(&[(404, "not_found")]),
        )
        .add(
            Route::get("/internal/audit/payments", audit)
                .query::<After>()
                .gives::<Vec<AuditedPayment>>(200),
        )
}

async fn process(
    State(app): Here,
    In(cx): In,
    Bearer(caller): Bearer,
    write: Write<Process>,
) -> Answer<Reply<Payment>> {
    let paid = actions::process(&app, &cx, &caller, write.body, write.once).await?;
    Ok(Created::new(format!("/api/payments/{}", paid.value.id), paid.value).replayed(paid.replayed))
}

async fn show(State(app): Here, In(cx): In, Bearer(caller): Bearer, Path(id): Path<String>) -> Answer<Json<Payment>> {
    Ok(Json(actions::show(&app, &cx, &caller, &Ref::new(&id)).await?))
}

async fn refund(
    State(app): Here,
    In(cx): In,
    clerk: May<PaymentsWrite>,
    Path(id): Path<String>,
    write: Write<NewRefund>,
) -> Answer<Reply<Payment>> {
    Ok(
        actions::refund(&app, &cx, &clerk.0, &Ref::new(&id), write.body, write.once)
            .await?
            .into(),
    )
}

async fn webhook(State(app): Here, In(cx): In, Path(provider): Path<String>, request: Request) -> Answer<StatusCode> {
    let headers = request.headers().clone();
    // The bytes as they came: the signature is over these, not over what they mean.
    let body = serve::bytes_of(request).await?;
    actions::webhook(&app, &cx, &provider, &headers, &body).await?;
    Ok(serve::no_content())
}

async fn pay(State(app): Here, In(cx): In, Body(asked): Body<Pay>) -> Answer<Json<Standing>> {
    Ok(Json(actions::pay(&app, &cx, &asked).await?))
}

async fn collect(State(app): Here, In(cx): In, Body(of): Body<Pay>) -> Answer<Json<Standing>> {
    Ok(Json(actions::collect(&app, &cx, &of).await?))
}

async fn undo(State(app): Here, In(cx): In, Body(of): Body<OfOrder>) -> Answer<Json<Option<Standing>>> {
    Ok(Json(actions::undo(&app, &cx, of.order).await?))
}

async fn standing(State(app): Here, Path(order): Path<String>) -> Answer<Json<Standing>> {
    let order: OrderId = order.parse().map_err(|_| Problem::from(Error::NoSuchPayment))?;
    Ok(Json(
        actions::standing_of(&app, order).await?.ok_or(Error::NoSuchPayment)?,
    ))
}

async fn audit(State(app): Here, Query(page): Query<After>) -> Answer<Json<Vec<AuditedPayment>>> {
    let after = page.after.and_then(|id| id.parse::<OrderId>().ok());
    Ok(Json(actions::audit(&app, after).await?))
}
