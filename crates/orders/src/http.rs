//! The routes of orders: extract, call one action, answer.

use std::sync::Arc;

use api::audit::{After, AuditedOrder};
use api::orders::{Cancel, HandOver, NewOrder, Order, OrderStatus, Ownership, PayOrder, Placed, SetStatus};
use api::{Nothing, Ref};
use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base::{Cursor, OrderId};
use schemars::JsonSchema;
use serde::Deserialize;
use serve::{
    Body, Created, Declared, In, Json, Known, Path, Query, Reply, Rights, Route, Routes, Service, Staff, User, Write,
    listed, no_content, not_modified,
};
use wire::Problem;

use crate::actions::Joined;
use crate::error::Error;
use crate::store::Filter;
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
            Route::get("/orders", list)
                .rights(Rights::Owner)
                .query::<ListQuery>()
                .gives::<Vec<Order>>(200)
                .refuses(&[(404, "not_found")])
                .tells("List orders", "One's own, newest first; staff see all and may filter."),
        )
        .add(
            Route::get("/orders/user/{userId}", list_of_user)
                .rights(Rights::Owner)
                .param("userId", "The user's id or number, or `me`.")
                .query::<ListQuery>()
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
                .rights(Rights::Staff)
                .param("id", order_id)
                .takes::<SetStatus>()
                .gives::<Order>(200)
                .refuses(&[(404, "not_found"), (409, "illegal_transition"), (412, "precondition_failed")])
                .tells("Move an order forward", "confirmed → processing → shipped → delivered; moves may skip, none goes back."),
        )
        .add(
            Route::put("/orders/{id}/cancel", cancel)
                .also_as(axum::http::Method::POST, "/orders/{id}/cancel")
                .rights(Rights::Owner)
                .param("id", order_id)
                .takes::<Cancel>()
                .gives::<Order>(200)
                .refuses(&[(404, "not_found"), (409, "illegal_transition"), (412, "precondition_failed")])
                .tells("Cancel an order", "From pending, confirmed or processing. Stock goes back and the payment is voided or refunded, once."),
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

/// Which orders to list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    /// In this state.
    status: Option<OrderStatus>,
    /// Of this user: for staff.
    #[serde(alias = "user_id")]
    user_id: Option<Ref>,
    /// With this number.
    number: Option<i64>,
    /// How many, from 1 to 100 (20).
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
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

async fn list(
    State(app): Shop,
    User(caller): User,
    In(cx): In,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let user = match &query.user_id {
        Some(user) => Some(actions::user_named(&app, &cx, &caller, user.clone()).await?),
        None if caller.is_staff() => None,
        None => Some(caller.id),
    };
    page_of(&app, &uri, user, query).await
}

async fn list_of_user(
    State(app): Shop,
    User(caller): User,
    In(cx): In,
    Path(user): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let user = actions::user_named(&app, &cx, &caller, Ref::new(&user)).await?;
    page_of(&app, &uri, Some(user), query).await
}

async fn page_of(
    app: &App,
    uri: &axum::http::Uri,
    user: Option<base::UserId>,
    query: ListQuery,
) -> Result<Response, Error> {
    let page = serve::page(query.limit, query.cursor.as_deref())?;
    let filter = Filter {
        user,
        status: query.status,
        number: query.number,
    };
    let (orders, more) = actions::list(app, filter, page).await?;
    let next = orders
        .last()
        .filter(|_| more)
        .map(|last| Cursor::new([last.id.to_string()]));
    Ok(listed(uri, orders.into_iter().map(view::order).collect(), next))
}

async fn get(State(app): Shop, User(caller): User, Path(id): Path<String>, known: Known) -> Result<Response, Error> {
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
    Staff(caller): Staff,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    Write { body, once }: Write<SetStatus>,
) -> Result<Response, Error> {
    let order = Ref::new(&id);
    let moved = actions::set_status(&app, &cx, &caller, order, known, once, body);
    Ok(changed(moved.await?))
}

async fn cancel(
    State(app): Shop,
    User(caller): User,
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
