//! Where orders would be: just as much of it as payments asks. The journeys run the real one.

use api::Ref;
use api::orders::{Order, OrderStatus, Ownership, PayOrder};
use api::payments::{Pay, PaymentMethod, PaymentStatus, Standing};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use base::{Money, OrderId, UserId};
use http::StatusCode;
use wire::{Cx, Problem};

use super::*;

/// Orders that were placed, with numbers from 1.
#[derive(Clone)]
pub(super) struct Orders {
    payments: Client,
    state: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    placed: Vec<(Pay, UserId)>,
    heard: Vec<OrderId>,
}

impl Orders {
    pub(super) fn new(payments: Client) -> Self {
        Self {
            payments,
            state: Arc::default(),
        }
    }

    /// Places an order; answers its number.
    pub(super) fn place(&self, pay: &Pay) -> i64 {
        let mut book = self.state.lock().expect("no test panics in here");
        book.placed.push((pay.clone(), pay.user));
        book.placed.len() as i64
    }

    /// The order becomes somebody else's: a guest signed in.
    pub(super) fn hand_over(&self, number: i64, to: UserId) {
        self.state.lock().expect("no test panics in here").placed[number as usize - 1].1 = to;
    }

    /// Orders whose payment we were told to look at.
    pub(super) fn heard(&self) -> Vec<OrderId> {
        self.state.lock().expect("no test panics in here").heard.clone()
    }

    fn find(&self, named: &Ref) -> Option<(Pay, UserId)> {
        let book = self.state.lock().expect("no test panics in here");
        book.placed
            .iter()
            .enumerate()
            .find(|(at, (pay, _))| match named {
                Ref::Number(number) => *number == *at as i64 + 1,
                Ref::Order(order) => *order == pay.order,
                _ => false,
            })
            .map(|(_, found)| found.clone())
    }

    pub(super) fn router(&self) -> Router {
        Router::new()
            .route("/internal/orders/{order}/ownership", get(ownership))
            .route("/internal/orders/{order}/payment-changed", post(changed))
            .route("/internal/orders/pay", post(pay))
            .with_state(self.clone())
    }
}

async fn ownership(State(orders): State<Orders>, Path(named): Path<String>) -> Result<Json<Ownership>, Problem> {
    let (pay, user) = orders
        .find(&Ref::new(&named))
        .ok_or_else(|| Problem::not_found("no such order"))?;
    Ok(Json(Ownership { order: pay.order, user }))
}

async fn changed(State(orders): State<Orders>, Path(order): Path<OrderId>) -> StatusCode {
    orders.state.lock().expect("no test panics in here").heard.push(order);
    StatusCode::NO_CONTENT
}

async fn pay(State(orders): State<Orders>, Json(asked): Json<PayOrder>) -> Result<Json<Order>, Problem> {
    let (placed, user) = orders
        .find(&asked.order)
        .ok_or_else(|| Problem::not_found("no such order"))?;
    if user != asked.user && !asked.staff {
        return Err(Problem::not_found("no such order"));
    }
    let method = asked.method.unwrap_or(placed.method);
    let cx = Cx::new("req_orders", asked.user.to_string());
    let before = orders.payments.standing(&cx, placed.order).await?;
    match before.as_ref().map(|before| before.status) {
        Some(PaymentStatus::Completed) => return Err(Problem::conflict("already_paid", "paid")),
        Some(PaymentStatus::Pending) => return Err(Problem::conflict("payable_on_delivery", "cash")),
        _ => {}
    }
    let attempt = before.map_or(1, |before| before.version + 1);
    let token = asked.token.or(placed.token.clone());
    let pay = Pay {
        attempt,
        method,
        token,
        ..placed.clone()
    };
    let after = orders.payments.pay(&cx, &pay).await?;
    if let Some(why) = after.failure {
        let declined = Problem::new(StatusCode::PAYMENT_REQUIRED, "payment_declined", why.detail.clone());
        return Err(declined.with("failure", why));
    }
    Ok(Json(order(&placed, user, method, after)))
}

fn order(pay: &Pay, user: UserId, method: PaymentMethod, standing: Standing) -> Order {
    let nothing = Money::zero(pay.amount.currency).amount();
    Order {
        id: pay.order,
        number: 1,
        user_id: user,
        email: None,
        status: OrderStatus::Confirmed,
        payment_status: standing.status,
        items: Vec::new(),
        subtotal: pay.amount.amount(),
        discount: nothing,
        shipping: nothing,
        tax: nothing,
        total: pay.amount.amount(),
        currency: pay.amount.currency,
        shipping_address: None,
        billing_address: None,
        payment_method: method,
        created_at: START,
        updated_at: START,
        history: Vec::new(),
        metadata: Default::default(),
    }
}
