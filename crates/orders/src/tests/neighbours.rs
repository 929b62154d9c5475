//! Orders among stand-ins for its neighbours: what calls that meet come to. The journeys run the real ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use ::store::Engine;
use api::cart::Contents;
use api::catalog::{Card, Pieces, Short};
use api::orders::{OrderStatus, Placed};
use api::payments::{Pay, PaymentMethod, PaymentStatus, Standing};
use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use base::{CartId, Currency, Ids, Money, Quantity, SessionId, UserId};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use serve::{Deps, Keys, Permission, Permissions, Role, Secret};
use testkit::service::local;
use wire::{Cx, Peer, Problem};

use super::{MINUTE, NOW, open, place, placing, read};
use crate::App;

/// Orders whose neighbours do as they are told.
pub(super) struct Street {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
    pub(super) db: ::store::Db,
    pub(super) mails: mail::Kept,
    orders: Peer,
    pub(super) keys: Keys,
    pub(super) ada: UserId,
    /// What is in Ada's cart.
    cart: (CartId, i64),
    /// How many pieces the catalogue says that there are.
    available: Arc<AtomicI64>,
    /// What becomes of reservations: [`OPEN`], [`NONE_LEFT`] or [`DOWN`].
    held: Arc<AtomicI64>,
    /// What becomes of cash that is to be collected: [`OPEN`] or [`DOWN`].
    pub(super) till: Arc<AtomicI64>,
    /// How often cash was collected.
    pub(super) collected: Arc<AtomicI64>,
    /// Whether the cart is in its next generation, with nothing in it.
    emptied: Arc<AtomicBool>,
}

/// Ada's number; identity knows nobody else's.
const ADAS_NUMBER: &str = "7";

async fn account(ada: UserId, axum::extract::Path(user): axum::extract::Path<String>) -> Result<Json<Value>, Problem> {
    if user != ADAS_NUMBER && user != ada.to_string() {
        return Err(Problem::not_found("There is no such user."));
    }
    Ok(Json(json!({
        "id": ada, "number": 7, "username": "ada", "email": null, "name": null, "firstName": null, "lastName": null,
        "phone": null, "role": "customer", "createdAt": NOW,
    })))
}

pub(super) const OPEN: i64 = 0;
const NONE_LEFT: i64 = 1;
pub(super) const DOWN: i64 = 2;

impl Street {
    async fn open() -> Self {
        Self::on(Engine::Memory).await
    }

    pub(super) async fn on(engine: Engine) -> Self {
        let (mailer, mails) = mail::Mailer::kept();
        Self::with(engine, mailer, mails).await
    }

    /// Orders that write to people by `mailer`; `mails` are what a test looks into.
    pub(super) async fn with(engine: Engine, mailer: mail::Mailer, mails: mail::Kept) -> Self {
        let ids = Ids::random();
        let db = open(engine).await;
        let ada = ids.next(NOW);
        let (cart, variant, product) = ((ids.next::<CartId>(NOW), 1), ids.next(NOW), ids.next(NOW));
        let available = Arc::new(AtomicI64::new(1));
        let held = Arc::new(AtomicI64::new(OPEN));
        let (there, holds) = (available.clone(), held.clone());
        let card = move || Card {
            variant,
            product,
            number: 1,
            sku: "ANVIL".into(),
            name: "Anvil".into(),
            image_url: None,
            price: Money::new(1_250, Currency::USD),
            available: there.load(Ordering::Relaxed),
            for_sale: true,
            tax_category: None,
            requires_shipping: true,
        };
        let reserve = move || async move {
            match holds.load(Ordering::Relaxed) {
                DOWN => Err(Problem::unavailable("The shelf is locked.")),
                NONE_LEFT => {
                    let short = Short {
                        variant_id: variant,
                        sku: "ANVIL".into(),
                        requested: 1,
                        available: 0,
                    };
                    Err(Problem::conflict("out_of_stock", "None is left.").with("lines", [short]))
                }
                _ => Ok(StatusCode::NO_CONTENT),
            }
        };
        let pieces = Pieces {
            variant,
            quantity: Quantity::ONE,
        };
        let emptied = Arc::new(AtomicBool::new(false));
        let is_empty = emptied.clone();
        let contents = move || {
            let empty = is_empty.load(Ordering::Relaxed);
            Contents {
                cart: cart.0,
                generation: cart.1 + i64::from(empty),
                lines: if empty { Vec::new() } else { vec![pieces] },
            }
        };
        let paid = Standing {
            payment: ids.next(NOW),
            status: PaymentStatus::Completed,
            captured: Money::new(1_250, Currency::USD),
            refunded: Money::zero(Currency::USD),
            failure: None,
            version: 1,
        };
        let at_the_door = Standing {
            status: PaymentStatus::Pending,
            captured: Money::zero(Currency::USD),
            version: 0,
            ..paid.clone()
        };
        let settled = paid.clone();
        let pay = move |Json(pay): Json<Pay>| async move {
            match pay.method {
                PaymentMethod::CashOnDelivery => Json(at_the_door),
                _ => Json(paid),
            }
        };
        let (till, collected) = (Arc::new(AtomicI64::new(OPEN)), Arc::new(AtomicI64::new(0)));
        let (opens, counts) = (till.clone(), collected.clone());
        let collect = move || async move {
            if opens.load(Ordering::Relaxed) == DOWN {
                return Err(Problem::unavailable("The till is stuck."));
            }
            counts.fetch_add(1, Ordering::Relaxed);
            Ok(Json(settled))
        };
        let done = || async { StatusCode::NO_CONTENT };
        let peers = [
            (
                "catalog",
                Router::new()
                    .route("/internal/cards", post(move || async move { Json([card()]) }))
                    .route("/internal/reserve", post(reserve))
                    .route("/internal/settle", post(done))
                    .route("/internal/undo", post(done)),
            ),
            (
                "cart",
                Router::new()
                    .route("/internal/carts/{user}", get(move || async move { Json(contents()) }))
                    .route("/internal/carts/clear", post(done)),
            ),
            (
                "payments",
                Router::new()
                    .route("/internal/pay", post(pay))
                    .route("/internal/collect", post(collect))
                    .route("/internal/undo", post(|| async { Json(None::<Standing>) })),
            ),
            (
                "identity",
                Router::new().route("/internal/users/{user}", get(move |path| account(ada, path))),
            ),
        ];
        let peers = peers.map(|(name, router)| local(name, router));
        let deps = Deps {
            mail: mailer,
            // The database's, so that all go by one clock.
            clock: db.clock().clone(),
            keys: Keys::new(
                &Secret::Shared(vec![7; 32]),
                &[],
                "test",
                db.clock().clone(),
                ids.clone(),
            ),
            ..testkit::service::deps(ids, peers)
        };
        let keys = deps.keys.clone();
        let app = crate::app(&deps.of("orders"), db.clone(), crate::Config::default());
        let part = crate::part(&app);
        Self {
            app,
            router: part.router.clone(),
            db,
            mails,
            orders: local("orders", part.router),
            keys,
            ada,
            cart,
            available,
            held,
            till,
            collected,
            emptied,
        }
    }

    /// What an address answers to somebody.
    pub(super) async fn ask(&self, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).expect("a request");
        let (status, _, body) = testkit::service::ask(&self.router, request).await;
        (status, body)
    }

    /// A token of somebody of the staff with these permissions.
    pub(super) fn staff(&self, permissions: &[Permission]) -> String {
        let ids = Ids::random();
        let permissions: Permissions = permissions.iter().copied().collect();
        let (user, session) = (ids.next(NOW), ids.next::<SessionId>(NOW));
        let signed = self
            .keys
            .sign_permitted(user, Role::Staff, permissions, session, 60 * MINUTE);
        signed.0
    }

    /// A token of a customer.
    pub(super) fn customer(&self, user: UserId) -> String {
        let session = Ids::random().next::<SessionId>(NOW);
        self.keys.sign_user(user, Role::Customer, session, 60 * MINUTE).0
    }

    /// Ada checks her cart out.
    pub(super) async fn checkout(&self, key: Option<&str>) -> Result<Placed, Problem> {
        self.order(key, json!({})).await
    }

    /// Ada orders with a body.
    pub(super) async fn order(&self, key: Option<&str>, body: Value) -> Result<Placed, Problem> {
        let session = Ids::random().next::<SessionId>(NOW);
        let (token, _) = self.keys.sign_user(self.ada, Role::Customer, session, 60 * MINUTE);
        let token: Arc<str> = token.into();
        let peer = self.orders.clone().speaking(Arc::new(move || token.clone()));
        let cx = Cx::new("req", "usr");
        let call = peer.call(&cx, Method::POST, "/orders").json(&body);
        match key {
            Some(key) => call.key(key).fetch().await,
            None => call.fetch().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_the_last_pieces_taken_by_a_twin_gets_its_order() {
    let street = Street::open().await;
    let (first, _) = place(&street.db, placing(street.ada, Some(street.cart), Some("k"))).await;
    street.available.store(0, Ordering::Relaxed);
    for key in [None, Some("another"), Some("another")] {
        let mine = street.checkout(key).await.expect("its twin's order");
        assert_eq!(
            (mine.order_id, mine.status),
            (first.id, OrderStatus::Confirmed),
            "{key:?}"
        );
    }
    let refused = street
        .checkout(Some("k"))
        .await
        .expect_err("that key came with another body");
    assert_eq!(refused.status, 422);
}

#[tokio::test(start_paused = true)]
async fn who_was_told_of_an_order_finds_it_whatever_becomes_of_it() {
    let street = Street::open().await;
    street.held.store(DOWN, Ordering::Relaxed);
    let placed = street.checkout(Some("k")).await.expect("an order that waits");
    assert_eq!(placed.status, OrderStatus::Pending);
    street.held.store(NONE_LEFT, Ordering::Relaxed);
    let again = street.checkout(Some("k")).await.expect("the same order");
    assert_eq!((again.order_id, again.status), (placed.order_id, OrderStatus::Failed));
    let kept = read(&street.db, placed.order_id).await;
    assert_eq!((kept.refusal, kept.resume_at), (None, None));
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_at_once_is_decided_anew() {
    let street = Street::open().await;
    street.held.store(NONE_LEFT, Ordering::Relaxed);
    let refused = street.checkout(Some("k")).await.expect_err("none is left");
    assert_eq!((refused.status, refused.code.as_ref()), (409, "out_of_stock"));
    street.held.store(OPEN, Ordering::Relaxed);
    let placed = street.checkout(Some("k")).await.expect("there are some again");
    assert_eq!(placed.status, OrderStatus::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_came_too_late_for_the_cart_is_remembered() {
    let street = Street::open().await;
    let (first, _) = place(&street.db, placing(street.ada, Some(street.cart), Some("k"))).await;
    street.emptied.store(true, Ordering::Relaxed);
    let mine = street.checkout(Some("late")).await.expect("its twin's order");
    assert_eq!((mine.order_id, mine.status), (first.id, OrderStatus::Confirmed));
    let ada = street.ada;
    let kept = street.db.read(move |tx| crate::store::by_key(tx, ada, "late"));
    assert_eq!(kept.await.expect("a read").map(|order| order.id), Some(first.id));
}

#[tokio::test(start_paused = true)]
async fn a_user_in_the_body_is_oneself_however_named() {
    let street = Street::open().await;
    let token = street.customer(street.ada);
    for (named, expected) in [
        (json!(7), 201),
        (json!(ADAS_NUMBER), 201),
        (json!(street.ada), 201),
        (json!(8), 403),
        (json!(Ids::random().next::<UserId>(NOW)), 403),
        (json!("ada"), 403),
    ] {
        let body = json!({ "userId": named });
        let (status, answer) = street.ask(Method::POST, "/orders", &token, body).await;
        assert_eq!(status, expected, "{named}: {answer}");
    }
}
