//! Every call between services fails once, loses its answer once, arrives twice: each order comes to rest as it
//! should all the same, paid once, stock exact.
//!
//! The steps that orders takes by itself (confirm, expire) call nobody; they are failed and repeated in the table
//! test of its process. What a crash does to them is in the crash test.

use std::collections::BTreeSet;

use ironmonger::compose::{Place, Seams};
use it::inside::Inside;
use serde_json::{Value, json};
use testkit::faults::{Fault, Faults};
use testkit::steps::Books;
use testkit::{Answer, Client};

/// A call is tried again at once, without the caller's noticing; past this it fails, and the step with it.
const TRIES: usize = wire::RETRIES_MAX as usize;
/// Pieces of each product.
const THERE: i64 = 10;

/// What a purchase calls: the step, the service and the path.
const PURCHASE: &[(&str, &str, &str)] = &[
    ("look into the cart", "cart", "/internal/carts/*"),
    ("look up what is ordered", "catalog", "/internal/cards"),
    ("Reserve", "catalog", "/internal/reserve"),
    ("Pay", "payments", "/internal/pay"),
    ("Pay, at the provider", "simulated", "/internal/simulated/charges*"),
    ("Settle", "catalog", "/internal/settle"),
    ("Clear", "cart", "/internal/carts/clear"),
    ("Clear, of a guest", "identity", "/internal/guests/*"),
    ("tell the log", "events", "/internal/events"),
    ("tell orders of the payment", "orders", "/internal/events"),
];

/// What a cancellation calls.
const CANCELLATION: &[(&str, &str, &str)] = &[
    ("Undo, of the stock", "catalog", "/internal/undo"),
    ("Undo, of the payment", "payments", "/internal/undo"),
    ("Undo, at the provider", "simulated", "/internal/simulated/charges/*"),
];

/// What a refund calls.
const REFUND: &[(&str, &str, &str)] = &[
    ("refund, at the provider", "simulated", "/internal/simulated/charges/*"),
    ("tell orders of the refund", "orders", "/internal/orders/*"),
    ("tell orders of the refund, by event", "orders", "/internal/events"),
];

/// What paying an order later calls.
const PAYMENT: &[(&str, &str, &str)] = &[
    ("ask whose the order is", "orders", "/internal/orders/*"),
    ("have the order paid", "orders", "/internal/orders/pay"),
    ("Pay, again", "payments", "/internal/pay"),
    (
        "Pay, again, at the provider",
        "simulated",
        "/internal/simulated/charges*",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purchase_survives_every_fault() {
    let mut house = House::open().await;
    for (case, times) in cases(PURCHASE) {
        let (guest, product) = (house.guest().await, house.product().await);
        guest.add(&product, 2).await;
        house.meet(&case, times);
        let placed = repeatedly(&["cards", "carts"], &case, times, || {
            guest.post("/api/orders", json!({})).send()
        })
        .await;
        let order = placed.is(201)["orderId"].clone();
        house.happened(&case, times).await;
        let order = house.order(&order).await;
        assert_eq!(order["status"], "confirmed", "{case:?} {times} times: {order}");
        house.has_paid(&order, 1, 0).await;
        house.has_left(&product, THERE - 2).await;
        assert_eq!(
            guest.get("/api/cart").send().await.is(200)["cart"],
            json!([]),
            "{case:?} {times} times"
        );
        assert_eq!(
            guest.get("/api/orders").send().await.is(200).as_array().map(Vec::len),
            Some(1)
        );
    }
    house.balances().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_survives_every_fault() {
    let mut house = House::open().await;
    for (case, times) in cases(CANCELLATION) {
        let (guest, product) = (house.guest().await, house.product().await);
        let order = guest.buy(&product, 2).await["orderId"].clone();
        house.meet(&case, times);
        let path = format!("/api/orders/{}/cancel", order.as_str().expect("an id"));
        guest.put(&path, json!({})).send().await.is(200);
        house.happened(&case, times).await;
        let order = house.order(&order).await;
        let states = (&order["status"], &order["paymentStatus"]);
        assert_eq!(
            states,
            (&json!("cancelled"), &json!("refunded")),
            "{case:?} {times} times: {order}"
        );
        house.has_paid(&order, 1, 1).await;
        house.has_left(&product, THERE).await;
    }
    house.balances().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_survives_every_fault() {
    let mut house = House::open().await;
    for (case, times) in cases(REFUND) {
        let (guest, product) = (house.guest().await, house.product().await);
        let order = guest.buy(&product, 2).await["orderId"].clone();
        house.rest().await;
        house.meet(&case, times);
        let path = format!("/api/payments/{}/refund", order.as_str().expect("an id"));
        house.admin.post(&path, json!({})).send().await.is(200);
        house.happened(&case, times).await;
        let order = house.order(&order).await;
        let states = (&order["status"], &order["paymentStatus"]);
        assert_eq!(
            states,
            (&json!("confirmed"), &json!("refunded")),
            "{case:?} {times} times: {order}"
        );
        house.has_paid(&order, 1, 1).await;
    }
    house.balances().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_try_at_paying_survives_every_fault() {
    let mut house = House::open().await;
    for (case, times) in cases(PAYMENT) {
        let (guest, product) = (house.guest().await, house.product().await);
        let items = json!({ "items": [{ "productId": product["id"] }], "paymentToken": "tok_declined" });
        let placed = guest.post("/api/orders", items).send().await.is(201);
        assert_eq!(placed["status"], "pending");
        house.rests_unpaid(&placed["orderId"]).await;
        house.meet(&case, times);
        let body = json!({ "orderId": placed["orderId"], "paymentToken": "tok_visa" });
        let paid = repeatedly(&["orders"], &case, times, || {
            guest.post("/api/payments/process", body.clone()).send()
        })
        .await;
        if paid.status != 201 {
            paid.refused(409, "already_paid"); // A call whose answer was lost had paid.
        }
        house.happened(&case, times).await;
        let order = house.order(&placed["orderId"]).await;
        assert_eq!(order["status"], "confirmed", "{case:?} {times} times: {order}");
        house.has_paid(&order, 1, 0).await;
        house.has_left(&product, THERE - 1).await;
    }
    house.balances().await;
}

/// A call and what happens to it.
#[derive(Clone, Copy, Debug)]
struct Case {
    step: &'static str,
    service: &'static str,
    path: &'static str,
    fault: Fault,
}

/// Each fault for each call: once, and so often that the step fails and not only the call.
fn cases(calls: &'static [(&str, &str, &str)]) -> Vec<(Case, usize)> {
    let of = |(step, service, path): &'static (&'static str, &'static str, &'static str)| {
        Fault::ALL.into_iter().flat_map(move |fault| {
            let case = Case {
                step,
                service,
                path,
                fault,
            };
            let often = (fault != Fault::Repeated).then_some((case, TRIES));
            [(case, 1)].into_iter().chain(often)
        })
    };
    calls.iter().flat_map(of).collect()
}

/// Calls; where nothing was begun yet when a call between services failed, the person hears of it and tries again.
async fn repeatedly<F: Future<Output = Answer>>(
    early: &[&str],
    case: &Case,
    times: usize,
    call: impl Fn() -> F,
) -> Answer {
    let mut answer = call().await;
    let may_fail = early.iter().any(|word| case.path.contains(word));
    for _ in 0..times {
        if answer.status != 503 || !may_fail {
            break;
        }
        answer = call().await;
    }
    answer
}

/// A shop whose services reach one another through faults.
struct House {
    shop: Inside,
    admin: Client,
    faults: Faults,
    folder: tempfile::TempDir,
    count: usize,
    met: BTreeSet<&'static str>,
}

impl House {
    async fn open() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let faults = Faults::default();
        let layer = faults.clone();
        let seams = Seams {
            router: Box::new(move |service, routes| layer.before(service, routes)),
            ..Seams::default()
        };
        let settings = [("IRONMONGER_LIMITS_LEASE_SECONDS", "2")];
        let shop = Inside::start(&Place::Folder(folder.path().to_owned()), &settings, &seams).await;
        let admin = shop.admin().await;
        House {
            shop,
            admin,
            faults,
            folder,
            count: 0,
            met: BTreeSet::new(),
        }
    }

    async fn guest(&self) -> Client {
        let session = self
            .shop
            .visitor
            .post("/api/auth/guest", json!({}))
            .send()
            .await
            .is(200);
        self.shop
            .visitor
            .with_token(session["token"].as_str().expect("a token"))
    }

    async fn product(&mut self) -> Value {
        self.count += 1;
        let body = json!({ "name": format!("Anvil {}", self.count), "price": 10, "stock": THERE });
        self.admin.post("/api/products", body).send().await.is(201)
    }

    fn meet(&mut self, case: &Case, times: usize) {
        self.met.insert(case.step);
        self.faults.plan(case.service, case.path, case.fault, times);
    }

    async fn rest(&self) {
        Books::Files(self.folder.path().to_owned()).come_to_rest(0).await;
    }

    /// An unpaid order waits for its payer for long: what it told has been heard.
    async fn rests_unpaid(&self, order: &Value) {
        let books = Books::Files(self.folder.path().to_owned());
        let order = order.as_str().expect("an id");
        testkit::until("all but the unpaid order has come to rest", || async {
            let unrest = books.unrest(0).await;
            if unrest == [format!("order {order} is pending")] {
                Ok(())
            } else {
                Err(unrest)
            }
        })
        .await;
    }

    /// All has come to rest, and the fault was met as often as was planned.
    async fn happened(&self, case: &Case, times: usize) {
        testkit::until(format!("{case:?} has happened {times} times"), || async {
            self.faults.happened() == times
        })
        .await;
        self.rest().await;
    }

    async fn order(&self, order: &Value) -> Value {
        self.admin.order(order).await
    }

    /// So many captures and refunds, each of all.
    async fn has_paid(&self, order: &Value, captures: usize, refunds: usize) {
        let path = format!("/api/payments/{}", order["id"].as_str().expect("an id"));
        let payment = self.admin.get(&path).send().await.is(200);
        let count = |name: &str| payment[name].as_array().map_or(0, Vec::len);
        assert_eq!((count("captures"), count("refunds")), (captures, refunds), "{payment}");
        assert_eq!(payment["captured"], order["total"], "{payment}");
        assert_eq!(
            payment["refunded"],
            if refunds > 0 {
                order["total"].clone()
            } else {
                json!(0.0)
            },
            "{payment}"
        );
    }

    async fn has_left(&self, product: &Value, left: i64) {
        let path = format!("/api/products/{}/stock", product["id"].as_str().expect("an id"));
        let stock = self.admin.get(&path).send().await.is(200);
        assert_eq!(
            (&stock["stock"], &stock["reserved"]),
            (&json!(left), &json!(0)),
            "{stock}"
        );
    }

    async fn balances(self) {
        println!("met at: {}", self.met.into_iter().collect::<Vec<_>>().join("; "));
        assert_eq!(self.shop.findings().await, Vec::<String>::new());
        self.shop.stop().await;
    }
}
