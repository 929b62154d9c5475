//! The end of orders at the door: cash is collected there, and what is refunded does not get there.

use std::sync::atomic::Ordering;

use api::orders::{OrderStatus, Placed};
use api::payments::PaymentStatus;
use api::{Ref, orders::PayOrder};
use base::OrderId;
use http::Method;
use serde_json::{Value, json};
use serve::ORDERS_WRITE;
use wire::{Cx, Problem};

use super::neighbours::{DOWN, OPEN, Street};
use super::{MINUTE, read, save};
use crate::actions;
use crate::error::Error;
use crate::store;

testkit::on_both! {
    crate::tests::neighbours::Street::on;
    cash_is_collected_once_when_it_is_delivered
    that_an_order_rests_never_hides_cash
    it_says_that_it_is_payable_on_delivery
    what_is_refunded_in_full_is_not_sent
    no_item_is_less_than_one_piece
}

impl Street {
    async fn cash_order(&self) -> Placed {
        let placed = self.order(None, json!({ "paymentMethod": "cash_on_delivery" })).await;
        let placed = placed.expect("an order");
        assert_eq!(
            (placed.status, placed.order.payment_status),
            (OrderStatus::Confirmed, PaymentStatus::Pending)
        );
        placed
    }

    async fn deliver(&self, order: OrderId) -> (u16, Value) {
        let clerk = self.staff(&[ORDERS_WRITE]);
        let path = format!("/orders/{order}/status");
        self.ask(Method::PUT, &path, &clerk, json!({ "status": "delivered" }))
            .await
    }
}

async fn cash_is_collected_once_when_it_is_delivered(street: Street) {
    let placed = street.cash_order().await;
    assert_eq!(street.collected.load(Ordering::Relaxed), 0);
    let (status, delivered) = street.deliver(placed.order_id).await;
    assert_eq!(
        (status, &delivered["status"], &delivered["paymentStatus"]),
        (200, &json!("delivered"), &json!("completed"))
    );
    let kept = read(&street.db, placed.order_id).await;
    assert_eq!((kept.resume_at, kept.payment_version), (None, 1));
    assert_eq!(street.deliver(placed.order_id).await.0, 409);
    assert_eq!(street.collected.load(Ordering::Relaxed), 1);
}

/// Somebody who confirmed it notes that it rests, when it is delivered already.
async fn that_an_order_rests_never_hides_cash(street: Street) {
    let placed = street.cash_order().await;
    let (id, now) = (placed.order_id, street.db.clock().now());
    let delivered = street.db.write::<_, Error, _>(move |tx| {
        let order = store::by_id(tx, id)?.ok_or(Error::NoSuchOrder)?;
        let until = now.after(MINUTE);
        let (mut order, event) = order.advance(OrderStatus::Delivered, None, "clerk", until, now)?;
        let saved = store::save(tx, &mut order, event, "clerk", "req", now)?;
        store::rest(tx, &[id])?;
        Ok(saved)
    });
    assert!(delivered.await.expect("a write"));
    assert!(read(&street.db, id).await.resume_at.is_some());
    street.db.clock().advance(2 * MINUTE);
    actions::resume(&street.app, 10).await.expect("a sweep");
    let kept = read(&street.db, id).await;
    assert_eq!((kept.payment_status, kept.resume_at), (PaymentStatus::Completed, None));
}

async fn what_is_refunded_in_full_is_not_sent(street: Street) {
    let placed = street.cash_order().await;
    let mut order = read(&street.db, placed.order_id).await;
    order.payment_status = PaymentStatus::Refunded;
    assert!(save(&street.db, &order, None).await);
    let (status, refused) = street.deliver(placed.order_id).await;
    assert_eq!((status, &refused["code"]), (409, &json!("order_refunded")), "{refused}");
}

async fn no_item_is_less_than_one_piece(street: Street) {
    for quantity in [0, -2] {
        let body = json!({ "items": [{ "productId": 1, "quantity": quantity }] });
        let refused = street.order(None, body).await.expect_err("less than one");
        let told: Vec<_> = refused
            .errors
            .iter()
            .map(|fault| (fault.pointer.as_str(), fault.detail.as_str()))
            .collect();
        assert_eq!(told, [("/items/0/quantity", "must be at least 1")]);
    }
}

async fn it_says_that_it_is_payable_on_delivery(street: Street) {
    let placed = street.cash_order().await;
    let pay = PayOrder {
        order: Ref::Order(placed.order_id),
        user: street.ada,
        staff: false,
        method: None,
        token: None,
        amount: None,
    };
    let cx = Cx::new("req", "usr");
    let refused = async || Problem::from(actions::pay(&street.app, &cx, pay.clone()).await.expect_err("refused")).code;
    assert_eq!(refused().await, "payable_on_delivery");
    street.deliver(placed.order_id).await;
    assert_eq!(refused().await, "already_paid");
}

#[tokio::test(start_paused = true)]
async fn cash_is_collected_later_when_payments_is_down() {
    let street = Street::on(::store::Engine::Memory).await;
    let placed = street.cash_order().await;
    street.till.store(DOWN, Ordering::Relaxed);
    let (status, delivered) = street.deliver(placed.order_id).await;
    assert_eq!(
        (status, &delivered["status"], &delivered["paymentStatus"]),
        (200, &json!("delivered"), &json!("pending"))
    );
    street.till.store(OPEN, Ordering::Relaxed);
    street.db.clock().advance(2 * MINUTE);
    assert_eq!(actions::resume(&street.app, 10).await.expect("a sweep"), 1);
    let kept = read(&street.db, placed.order_id).await;
    assert_eq!((kept.payment_status, kept.resume_at), (PaymentStatus::Completed, None));
    assert_eq!(street.collected.load(Ordering::Relaxed), 1);
}
