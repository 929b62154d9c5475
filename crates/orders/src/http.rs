//! The routes of orders: extract, call one action, answer.

mod lists;
mod mails;
mod stream;

use std::sync::Arc;

use api::audit::{After, AuditedOrder};
use api::orders::{Cancel, HandOver, NewOrder, Order, OrderMail, Ownership, PayOrder, Placed, SetStatus};
use api::{Nothing, Ref};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base::OrderId;
use serve::{
    Bearer, Body, Created, Declared, EVENT_STREAM, In, Json, Known, May, OrdersWrite, Path, Query, Reply, Rights,
    Route, Routes, Service, User, Write, no_content, not_modified,
};
use wire::Problem;

use crate::actions::Joined;
use crate::error::Error;
use crate::{App, actions, consumers, view};

type Shop = State<Arc<App>>;

/// All routes, with `/cart…` passed on to the cart, so that a port-forward to orders behaves like the gateway.
pub(crate) fn routes(app: &Arc<App>) -> (Router, Vec<Declared>) {
    let order_id = "The order's id or number.";
    let routes = Routes::new("orders", Some("order"))
        .add(
            Route::post("/orders", place)
                .rights(Rights::User)
                .takes::<NewOrder>()
                .gives::<Placed>(201)
                .refuses(&[(400, "empty_order"), (400, "variant_required"), (403, "forbidden"), (404, "not_found"), (409, "out_of_stock"), (409, "not_for_sale")])
                .tells(
                    "Place an order",
                    "From `items`, or from the cart when there are none. The answer waits for the order to come to rest. A declined payment \
                     leaves it `pending` with `paymentError`; pay again at `/api/payments/process` before the payment window ends.",
                ),
        )
        .add(
            Route::get("/orders", lists::list)
                .rights(Rights::Owner)
                .query::<lists::ListQuery>()
                .gives::<Vec<Order>>(200)
                .refuses(&[(404, "not_found")])
                .tells(
                    "List orders",
                    "One's own, newest first; staff with `orders:read` see all. Filters go together. Time is that of placing.",
                ),
        )
        .add(
            Route::get("/orders/user/{userId}", lists::list_of_user)
                .rights(Rights::Owner)
                .param("userId", "The user's id or number, or `me`.")
                .query::<lists::ListQuery>()
                .gives::<Vec<Order>>(200)
                .refuses(&[(404, "not_found")])
                .tells("List a user's orders", ""),
        )
        .add(
            Route::get("/orders/{id}", get)
                .rights(Rights::Owner)
                .param("id", order_id)
                .gives::<Order>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells("Read an order", "With its items, totals and history of states."),
        )
        .add(
            Route::put("/orders/{id}/status", set_status)
                .rights(Rights::May(serve::ORDERS_WRITE))
                .param("id", order_id)
                .takes::<SetStatus>()
                .gives::<Order>(200)
                .refuses(&[(404, "not_found"), (409, "illegal_transition"), (409, "order_refunded"), (412, "precondition_failed")])
                .tells(
                    "Move an order forward",
                    "confirmed → processing → shipped → delivered; moves may skip, none goes back. What is refunded in full \
                     does not leave any more: it can be cancelled.",
                ),
        )
        .add(
            Route::put("/orders/{id}/cancel", cancel)
                .also_as(axum::http::Method::POST, "/orders/{id}/cancel")
                .rights(Rights::Owner)
                .param("id", order_id)
                .takes::<Cancel>()
                .gives::<Order>(200)
                .refuses(&[(403, "forbidden"), (404, "not_found"), (409, "illegal_transition"), (412, "precondition_failed")])
                .tells("Cancel an order", "From pending, confirmed or processing. Stock goes back and the payment is voided or refunded, once."),
        )
        .add(
            Route::get("/orders/{id}/events", stream::follow)
                .rights(Rights::Owner)
                .param("id", order_id)
                .gives_text(200, EVENT_STREAM)
                .gives_nothing(204)
                .refuses(&[(404, "not_found"), (503, "unavailable")])
                .tells(
                    "Follow an order",
                    "Server-Sent Events. First `order`, the order as it stands; then for every state that it comes to a \
                     `change` (an entry of its history), and after that, or when anything else changed, an `order`. With \
                     `Last-Event-ID` it goes on behind what was seen. Ends with `end` when the order has come to its end, \
                     when the token no longer counts, or when the shop stops; who has seen it all is answered 204.",
                ),
        )
        .add(
            Route::get("/orders/{id}/mails", mails::mails)
                .rights(Rights::May(serve::ORDERS_READ))
                .param("id", order_id)
                .gives::<Vec<OrderMail>>(200)
                .refuses(&[(404, "not_found")])
                .tells("List the mails to the buyer", "The first one first, with what became of each."),
        )
        .add(
            Route::post("/orders/{id}/mails/retry", mails::retry)
                .rights(Rights::May(serve::ORDERS_WRITE))
                .param("id", order_id)
                .takes::<Nothing>()
                .gives::<Vec<OrderMail>>(200)
                .refuses(&[(404, "not_found")])
                .tells("Send again what was given up", "Mails that were given up are tried again. Answers all of them."),
        )
        .add(Route::post("/internal/orders/pay", pay))
        .add(Route::get("/internal/orders/{id}/ownership", ownership))
        .add(Route::post("/internal/orders/{id}/payment-changed", payment_changed))
        .add(Route::post("/internal/orders/hand-over", hand_over))
        .add(Route::get("/internal/audit/orders", audit));
    let (router, declared) = routes.add(consumers::payments(app)).finish(app.clone());
    let cart = Router::new()
        .route("/cart", any(to_cart))
        .route("/cart/{*rest}", any(to_cart))
        .with_state(app.clone());
    (router.merge(cart), declared)
}

async fn place(
    State(app): Shop,
    User(caller): User,
    In(cx): In,
    Write { body, once }: Write<NewOrder>,
) -> Result<Response, Error> {
    let joined = actions::checkout(&app, &cx, &caller, once, body).await?;
    let at = format!("/api/orders/{}", joined.order.id);
    let tag = joined.order.tag();
    Ok(Created::new(at, view::placed(joined.order))
        .tagged(tag)
        .replayed(joined.replayed)
        .into_response())
}

async fn get(
    State(app): Shop,
    Bearer(caller): Bearer,
    Path(id): Path<String>,
    known: Known,
) -> Result<Response, Error> {
    let order = actions::get(&app, &caller, Ref::new(&id)).await?;
    let tag = order.tag();
    Ok(match known.is_fresh(&tag) {
        true => not_modified(&tag),
        false => Reply::ok(view::order(order)).tagged(tag).into_response(),
    })
}

/// An order that a call changed.
fn changed(joined: Joined) -> Response {
    let tag = joined.order.tag();
    Reply::ok(view::order(joined.order))
        .tagged(tag)
        .replayed(joined.replayed)
        .into_response()
}

async fn set_status(
    State(app): Shop,
    clerk: May<OrdersWrite>,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    Write { body, once }: Write<SetStatus>,
) -> Result<Response, Error> {
    let order = Ref::new(&id);
    let moved = actions::set_status(&app, &cx, &clerk.0, order, known, once, body);
    Ok(changed(moved.await?))
}

async fn cancel(
    State(app): Shop,
    Bearer(caller): Bearer,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    Write { body, once }: Write<Cancel>,
) -> Result<Response, Error> {
    let called_off = actions::cancel(&app, &cx, &caller, Ref::new(&id), known, once, body.reason);
    Ok(changed(called_off.await?))
}

async fn pay(State(app): Shop, _: Service, In(cx): In, Body(body): Body<PayOrder>) -> Result<Json<Order>, Error> {
    actions::pay(&app, &cx, body)
        .await
        .map(|order| Json(view::order(order)))
}

async fn ownership(State(app): Shop, _: Service, Path(id): Path<String>) -> Result<Json<Ownership>, Error> {
    actions::ownership(&app, Ref::new(&id)).await.map(Json)
}

async fn payment_changed(
    State(app): Shop,
    _: Service,
    In(cx): In,
    Path(id): Path<OrderId>,
    _: Body<Nothing>,
) -> Result<Response, Error> {
    actions::payment_changed(&app, &cx, id)
        .await
        .map(|()| no_content().into_response())
}

async fn hand_over(State(app): Shop, _: Service, Body(body): Body<HandOver>) -> Result<Response, Error> {
    actions::hand_over(&app, body)
        .await
        .map(|()| no_content().into_response())
}

async fn audit(State(app): Shop, _: Service, Query(page): Query<After>) -> Result<Json<Vec<AuditedOrder>>, Error> {
    let after = page.after.and_then(|id| id.parse::<OrderId>().ok());
    let orders = actions::audit(&app, after).await?;
    Ok(Json(orders.iter().map(view::audited).collect()))
}

/// Passes a call on to the cart as it came, with the caller's own token.
async fn to_cart(State(app): Shop, request: Request) -> Result<Response, Problem> {
    app.cart.0.forward(request).await
}
