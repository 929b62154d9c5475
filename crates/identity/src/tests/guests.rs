//! Guests: they come without credentials, and what they have goes to the account that they sign in to.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use api::cart::{MergeCarts, Merged};
use api::identity::{Cut, MergeStatus, Profile, Session, User, Verified};
use api::orders::HandOver;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use serve::Role;
use wire::Problem;

use super::house::{House, PASSWORD};
use super::on_both;
use crate::tasks;

on_both! {
    a_guest_comes_without_credentials
    a_guest_who_orders_gets_a_number_once
    a_guests_cart_goes_to_the_account
    a_merge_waits_for_a_cart_that_is_down
    orders_that_are_down_are_handed_over_later
    tokens_of_nobody_merge_nothing
    a_guest_goes_to_one_account
}

/// The doors of cart and orders that identity knocks on, with a hand on each.
#[derive(Clone, Default)]
struct Neighbours(Arc<State>);

#[derive(Default)]
struct State {
    orders_down: AtomicBool,
    merged: Mutex<Vec<MergeCarts>>,
    handed: Mutex<Vec<HandOver>>,
}

impl Neighbours {
    fn doors(&self) -> [(&'static str, Router); 2] {
        let (cart, orders) = (self.clone(), self.clone());
        let merge = async move |Json(carts): Json<MergeCarts>| {
            cart.0.merged.lock().unwrap().push(carts);
            Json(Merged {
                merged: 3,
                cut: vec![Cut {
                    sku: "TEA".into(),
                    pieces: 1,
                }],
            })
        };
        let hand = async move |Json(hand): Json<HandOver>| {
            orders.0.handed.lock().unwrap().push(hand);
            match orders.0.orders_down.load(Ordering::SeqCst) {
                true => Err(Problem::conflict("busy", "Not now.")),
                false => Ok(()),
            }
        };
        [
            ("cart", Router::new().route("/internal/carts/merge", post(merge))),
            ("orders", Router::new().route("/internal/orders/hand-over", post(hand))),
        ]
    }

    fn merges(&self) -> usize {
        self.0.merged.lock().unwrap().len()
    }
}

async fn login(house: &House, name: &str, guest_token: &str) -> Session {
    let body = json!({ "username": name, "password": PASSWORD, "guestToken": guest_token });
    house.post("/api/auth/login", body).await.is(200)
}

async fn a_guest_comes_without_credentials(house: House) {
    let guest = house.guest().await;
    assert_eq!(
        (guest.user.role, guest.user.number, &guest.user.email),
        (Role::Guest, None, &None)
    );
    assert!(
        house
            .get_as(&guest.token, "/api/auth/verify")
            .await
            .is::<Verified>(200)
            .valid
    );
    assert_eq!(
        house
            .get_as(&guest.token, "/api/auth/profile")
            .await
            .is::<Profile>(200)
            .user,
        guest.user
    );
    let path = format!("/api/users/{}", guest.user.id);
    assert_eq!(house.get_as(&guest.token, &path).await.is::<User>(200), guest.user);
    house
        .patch_as(&guest.token, &path, json!({ "name": "x" }))
        .await
        .refused(403, "forbidden");
    let next: Session = house.refresh(&guest.refresh_token).await.is(200);
    assert_eq!(next.user, guest.user);
    assert_eq!((house.rows("identity_user").await, house.events().await.len()), (0, 0));
    house
        .get_as(&house.badge(), &format!("/internal/users/{}", guest.user.id))
        .await
        .refused(404, "not_found");
}

async fn a_guest_who_orders_gets_a_number_once(house: House) {
    let guest = house.guest().await;
    let badge = house.badge();
    let body = json!({ "order": "ord_01j9zk3v5w8q2m4n6p7r8s9t0v" });
    let path = format!("/internal/guests/{}", guest.user.id);
    for _ in 0..2 {
        let user: User = house.post_as(&badge, &path, body.clone()).await.is(200);
        assert_eq!((user.id, user.number, user.role), (guest.user.id, Some(1), Role::Guest));
    }
    let many = (0..8).map(|_| house.post_as(&badge, &path, body.clone()));
    for answer in futures_util::future::join_all(many).await {
        assert_eq!(answer.is::<User>(200).number, Some(1));
    }
    let next: Session = house.refresh(&guest.refresh_token).await.is(200);
    assert_eq!((next.user.number, next.user.role), (Some(1), Role::Guest));
    house
        .post_as(&guest.token, &path, body.clone())
        .await
        .refused(403, "forbidden");
    house
        .post_as(&badge, "/internal/guests/7", body)
        .await
        .refused(404, "not_found");
}

async fn a_guests_cart_goes_to_the_account(house: House) {
    let neighbours = Neighbours::default();
    let house = house.beside(neighbours.doors()).await;
    house.register("ada").await;
    for by_refresh in [false, true] {
        let guest = house.guest().await;
        let token = if by_refresh { &guest.refresh_token } else { &guest.token };
        let ada = login(&house, "ada", token).await;
        let merge = ada.merge.unwrap();
        assert_eq!(
            (merge.status, merge.merged, merge.cut.len()),
            (MergeStatus::Merged, 3, 1)
        );
        let carts = neighbours.0.merged.lock().unwrap().pop().unwrap();
        assert_eq!((carts.from, carts.to), (guest.user.id, ada.user.id));
        let hand = neighbours.0.handed.lock().unwrap().pop().unwrap();
        assert_eq!((hand.from, hand.to), (guest.user.id, ada.user.id));
        // The guest is gone.
        house
            .get_as(&guest.token, "/api/auth/verify")
            .await
            .refused(401, "unauthorized");
        house.refresh(&guest.refresh_token).await.refused(401, "session_ended");
        assert_eq!(
            login(&house, "ada", token).await.merge.unwrap().status,
            MergeStatus::Nothing
        );
        assert_eq!(neighbours.merges(), 0);
        // What was under way when the guest's session ended is looked for once more.
        house.wait(60);
        assert_eq!(tasks::merge_due(&house.app).await.unwrap(), 1);
        assert_eq!(neighbours.0.handed.lock().unwrap().pop().unwrap().from, guest.user.id);
        neighbours.0.merged.lock().unwrap().clear();
        assert_eq!(house.rows("identity_merge").await, 0);
    }
    let guest = house.guest().await;
    let body = json!({ "username": "new", "password": PASSWORD, "guest_token": guest.token });
    let new: Session = house.post("/api/auth/register", body).await.is(201);
    assert_eq!(new.merge.unwrap().status, MergeStatus::Merged);
}

async fn a_merge_waits_for_a_cart_that_is_down(house: House) {
    let guest = house.guest().await;
    let body = json!({ "username": "ada", "password": PASSWORD, "guestToken": guest.token });
    let ada: Session = house.post("/api/auth/register", body).await.is(201);
    assert_eq!(ada.merge.unwrap().status, MergeStatus::Pending);
    // The guest lives on until it is done, and the task leaves the login a head start.
    house.get_as(&guest.token, "/api/auth/verify").await.is::<Verified>(200);
    assert_eq!(tasks::merge_due(&house.app).await.unwrap(), 0);
    house.wait(15);
    assert_eq!(tasks::merge_due(&house.app).await.unwrap(), 0, "the cart is still down");
    assert_eq!(house.rows("identity_merge").await, 1);

    let neighbours = Neighbours::default();
    let house = house.beside(neighbours.doors()).await;
    assert_eq!(tasks::merge_due(&house.app).await.unwrap(), 0, "not due yet");
    house.wait(15);
    assert_eq!(tasks::merge_due(&house.app).await.unwrap(), 1);
    let carts = neighbours.0.merged.lock().unwrap().clone();
    assert_eq!(
        carts,
        [MergeCarts {
            from: guest.user.id,
            to: ada.user.id
        }]
    );
    house
        .get_as(&guest.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    house.wait(600);
    assert_eq!(
        (
            tasks::merge_due(&house.app).await.unwrap(),
            house.rows("identity_merge").await
        ),
        (1, 0)
    );
}

async fn orders_that_are_down_are_handed_over_later(house: House) {
    let neighbours = Neighbours::default();
    neighbours.0.orders_down.store(true, Ordering::SeqCst);
    let house = house.beside(neighbours.doors()).await;
    house.register("ada").await;
    let guest = house.guest().await;
    let merge = login(&house, "ada", &guest.token).await.merge.unwrap();
    assert_eq!((merge.status, merge.merged), (MergeStatus::Merged, 3));
    assert_eq!(house.rows("identity_merge").await, 1);
    neighbours.0.orders_down.store(false, Ordering::SeqCst);
    house.wait(15);
    assert_eq!(tasks::merge_due(&house.app).await.unwrap(), 1);
    assert_eq!(neighbours.0.handed.lock().unwrap().len(), 2);
    house.refresh(&guest.refresh_token).await.refused(401, "session_ended");
}

async fn tokens_of_nobody_merge_nothing(house: House) {
    let neighbours = Neighbours::default();
    let house = house.beside(neighbours.doors()).await;
    let (ada, bob) = (house.register("ada").await, house.register("bob").await);
    let gone = house.guest().await;
    assert_eq!(
        house.post_as(&gone.token, "/api/auth/logout", json!({})).await.status,
        204
    );
    let expired = house.guest().await;
    house.wait(8 * 24 * 3600);
    let service = house.badge();
    for token in [
        "",
        "x",
        "rt_x",
        &bob.token,
        &bob.refresh_token,
        &gone.token,
        &gone.refresh_token,
        &expired.refresh_token,
        &service,
    ] {
        let merge = login(&house, "ada", token).await.merge.unwrap();
        assert_eq!((merge.status, merge.merged), (MergeStatus::Nothing, 0), "{token}");
    }
    assert_eq!((neighbours.merges(), house.rows("identity_merge").await), (0, 0));
    assert!(ada.merge.is_none());
}

async fn a_guest_goes_to_one_account(house: House) {
    house.register("ada").await;
    house.register("bob").await;
    let guest = house.guest().await;
    assert_eq!(
        login(&house, "ada", &guest.token).await.merge.unwrap().status,
        MergeStatus::Pending
    );
    assert_eq!(
        login(&house, "bob", &guest.token).await.merge.unwrap().status,
        MergeStatus::Nothing
    );
    // Whoever was promised it may ask again, and gets it as soon as the cart is there.
    let neighbours = Neighbours::default();
    let house = house.beside(neighbours.doors()).await;
    let ada = login(&house, "ada", &guest.token).await;
    assert_eq!(ada.merge.unwrap().status, MergeStatus::Merged);
    assert_eq!(neighbours.0.merged.lock().unwrap()[0].to, ada.user.id);
}
