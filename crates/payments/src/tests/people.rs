//! The public routes, as people call them.

use axum::body::Body;
use http::{Method, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use serve::Role;
use tower::ServiceExt as _;

use super::*;

impl Shop {
    pub(super) fn token(&self, user: UserId, role: Role) -> String {
        let session = self.ids.next(self.clock.now());
        self.keys.sign_user(user, role, session, Duration::from_secs(900)).0
    }

    pub(super) async fn send(&self, request: http::request::Builder, body: impl Into<Body>) -> Response {
        let request = request.body(body.into()).expect("is a request");
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: &str,
    ) -> (u16, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = self.send(request, body.to_owned()).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("has a body").to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(super) async fn post_refund(&self, pay: &Pay, body: &str, key: Option<&str>) -> (u16, Value) {
        let clerk = self.token("usr_01j9zk3v5w8q2m4n6p7r8s9t0v".parse().expect("is an id"), Role::Staff);
        self.call(
            Method::POST,
            &format!("/payments/{}/refund", pay.order),
            Some(&clerk),
            key,
            body,
        )
        .await
    }
}

#[tokio::test(start_paused = true)]
async fn the_owner_pays_and_looks() {
    let shop = Shop::new().await;
    let pay = Pay {
        token: None,
        ..shop.order("")
    };
    let number = shop.orders.place(&pay);
    let ada = shop.token(pay.user, Role::Customer);
    let body = format!(r#"{{"orderId": {number}, "paymentToken": "tok_declined"}}"#);
    let (status, answer) = shop
        .call(Method::POST, "/api/payments/process", Some(&ada), None, &body)
        .await;
    assert_eq!(
        (status, &answer["code"], &answer["failure"]["code"]),
        (402, &"payment_declined".into(), &"card_declined".into())
    );

    let body = format!(r#"{{"orderId": "{}", "paymentMethod": "debit_card"}}"#, pay.order);
    let (status, paid) = shop
        .call(Method::POST, "/payments/process", Some(&ada), Some("k"), &body)
        .await;
    assert_eq!(
        (status, &paid["status"], &paid["paymentMethod"]),
        (201, &"completed".into(), &"debit_card".into()),
        "{paid}"
    );
    assert_eq!(
        (&paid["amount"], &paid["captured"], &paid["currency"]),
        (&19.99.into(), &19.99.into(), &"USD".into())
    );
    assert_eq!(paid["attempts"].as_array().map(Vec::len), Some(2));

    let (status, again) = shop
        .call(Method::POST, "/payments/process", Some(&ada), Some("k"), &body)
        .await;
    assert_eq!(
        (status, &again),
        (201, &paid),
        "the same call again is the same payment"
    );
    for key in [None, Some("l"), Some("l")] {
        let (status, answer) = shop
            .call(Method::POST, "/payments/process", Some(&ada), key, &body)
            .await;
        assert_eq!((status, &answer["code"]), (409, &"already_paid".into()), "{key:?}");
    }
    for named in [
        number.to_string(),
        pay.order.to_string(),
        paid["id"].as_str().expect("has an id").to_owned(),
    ] {
        let (status, seen) = shop
            .call(Method::GET, &format!("/api/payments/{named}"), Some(&ada), None, "")
            .await;
        assert_eq!((status, &seen), (200, &paid), "{named}");
    }
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn others_see_nothing() {
    let shop = Shop::new().await;
    let pay = shop.order("tok_visa");
    let number = shop.orders.place(&pay);
    let payment = shop.pay(&pay).await.expect("pays").payment;
    let eve = shop.ids.next(START);
    let (guest, customer, clerk) = (
        shop.token(eve, Role::Guest),
        shop.token(eve, Role::Customer),
        shop.token(eve, Role::Staff),
    );
    let names = [number.to_string(), pay.order.to_string(), payment.to_string()];
    for named in &names {
        let path = format!("/payments/{named}");
        assert_eq!(shop.call(Method::GET, &path, None, None, "").await.0, 401);
        assert_eq!(shop.call(Method::GET, &path, Some(&guest), None, "").await.0, 404);
        assert_eq!(shop.call(Method::GET, &path, Some(&customer), None, "").await.0, 404);
        assert_eq!(shop.call(Method::GET, &path, Some(&clerk), None, "").await.0, 200);
        let path = format!("{path}/refund");
        assert_eq!(shop.call(Method::POST, &path, None, None, "{}").await.0, 401);
        let own = shop.token(pay.user, Role::Customer);
        assert_eq!(shop.call(Method::POST, &path, Some(&own), None, "{}").await.0, 403);
    }
    for named in [
        "2",
        "nothing",
        "prd_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "ord_01j9zk3v5w8q2m4n6p7r8s9t0v",
        "99999999999999999999",
        "%F0%9F%8D%B5",
    ] {
        let (status, _) = shop
            .call(Method::GET, &format!("/payments/{named}"), Some(&clerk), None, "")
            .await;
        assert_eq!(status, 404, "{named}");
    }
    for path in ["/internal/pay", "/internal/undo"] {
        assert_eq!(
            shop.call(Method::POST, path, Some(&clerk), None, "{}").await.0,
            403,
            "{path}"
        );
    }
    // A guest signs in, and the order goes with them.
    shop.orders.hand_over(number, eve);
    for named in &names {
        assert_eq!(
            shop.call(Method::GET, &format!("/payments/{named}"), Some(&customer), None, "")
                .await
                .0,
            200
        );
    }
    shop.balances().await;
}

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_refused() {
    let shop = Shop::new().await;
    let ada = shop.token(shop.ids.next(START), Role::Customer);
    for body in [
        "",
        "[]",
        "{",
        r#"{"orderId": 1.5}"#,
        r#"{"orderId": 1, "x": 2}"#,
        r#"{"orderId": 1, "paymentMethod": "gold"}"#,
    ] {
        let (status, answer) = shop
            .call(Method::POST, "/payments/process", Some(&ada), None, body)
            .await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    let (status, _) = shop
        .call(Method::POST, "/payments/process", Some(&ada), None, r#"{"orderId": 7}"#)
        .await;
    assert_eq!(status, 404);
}
