//! Payments through its own router, with the simulated provider behind a wire that can be cut.
//!
//! Every test ends with [`Shop::balances`]: our books against the provider's statement, and the events in order.

mod batches;
mod cash;
mod crashes;
mod engines;
mod people;
mod provider;
mod races;
mod refunds;
mod stand_in;
mod tokens;
mod undo;
mod webhooks;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::store::{Db, Engine, Settings, Stored};
use api::audit::{self, AuditedPayment, Charged};
use api::payments::{Client, Pay, PaymentMethod, PaymentStatus, Standing};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use base::{Clock, Currency, Ids, Money, OrderId, Time, UserId};
use serve::{Keys, Stop};
use wire::{Cx, Late, Peer, Problem};

use crate::{App, Config, actions, simulated};

const START: Time = testkit::service::NOW;
const SECRET: &[u8] = b"a secret between shop and provider";
/// Longer than any driver holds a row.
const LONG: Duration = Duration::from_secs(600);

/// What the wire to the provider does to the next call whose path holds a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The call does not arrive, and the caller hears so.
    Refused,
    /// The call acts, but its answer is lost, and the caller hears so.
    Lost,
    /// The call does not arrive, and nobody ever answers.
    Swallowed,
    /// The call acts, and nobody ever answers.
    Silent,
}

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<VecDeque<(&'static str, Trouble)>>>);

impl Wire {
    fn next(&self, path: &str) -> Option<Trouble> {
        let mut script = self.0.lock().expect("no test panics in here");
        let meant = script.front().is_some_and(|(word, _)| path.ends_with(word));
        if meant {
            script.pop_front().map(|(_, trouble)| trouble)
        } else {
            None
        }
    }
}

struct Shop {
    app: Arc<App>,
    client: Client,
    provider: simulated::Client,
    simulated: Arc<simulated::App>,
    clock: Clock,
    ids: Ids,
    keys: Keys,
    wire: Wire,
    orders: stand_in::Orders,
    router: axum::Router,
}

impl Shop {
    async fn new() -> Self {
        Self::with(
            Config {
                webhook_secret: SECRET.to_vec(),
                ..Config::default()
            },
            false,
        )
        .await
    }

    async fn with(config: Config, sends_webhooks: bool) -> Self {
        let engine = |_| Engine::Memory;
        Self::on(engine, config, simulated::Config::default(), sends_webhooks).await
    }

    /// A shop whose databases are where `place` says, by service.
    async fn on(
        place: impl Fn(&'static str) -> Engine,
        config: Config,
        there: simulated::Config,
        sends_webhooks: bool,
    ) -> Self {
        let (payments, provider, orders_at) = (Late::new(), Late::new(), Late::new());
        let peers = [
            Peer::local("payments", payments.clone()),
            Peer::local("simulated", provider.clone()),
            Peer::local("orders", orders_at.clone()),
        ];
        let deps = testkit::service::deps(Ids::seeded(11), peers);
        let (clock, ids, keys) = (deps.clock.clone(), deps.ids.clone(), deps.keys.clone());
        let open = |service, migrations| {
            Db::open(
                Settings::new(place(service), service),
                migrations,
                clock.clone(),
                ids.clone(),
            )
        };
        let simulated = open(simulated::NAME, simulated::MIGRATIONS).await.expect("opens");
        let own = open(crate::NAME, crate::MIGRATIONS).await.expect("opens");

        let told_at = "/api/payments/webhooks/simulated";
        let webhooks =
            sends_webhooks.then(|| simulated::Address::of(Peer::local("payments", payments.clone()), told_at));
        let there = simulated::Config {
            webhooks,
            webhook_secret: SECRET.to_vec(),
            ..there
        };
        let wire = Wire::default();
        let deps_there = deps.of(simulated::NAME);
        let simulated = simulated::app(&deps_there, simulated, there);
        let part = simulated::part(&deps_there, simulated.clone());
        let cut = wire.clone();
        provider.set(part.router.layer(from_fn(move |request: Request, next: Next| {
            troubled(cut.clone(), request, next)
        })));

        let deps_here = deps.of(crate::NAME);
        let adapter = simulated::Adapter::new(deps_here.peers.peer(simulated::NAME), &config);
        let app = crate::app(&deps_here, own, config, Arc::new(adapter));
        let part = crate::part(&deps_here, app.clone());
        payments.set(part.router.clone());

        let badge = keys.badge("orders");
        let client = Client(Peer::local("payments", payments).speaking(badge.clone()));
        let orders = stand_in::Orders::new(client.clone());
        orders_at.set(orders.router());
        // The statement is read past the wire.
        let direct = Late::new();
        direct.set(simulated::part(&deps_there, simulated.clone()).router);
        let provider = simulated::Client(Peer::local("simulated", direct).speaking(badge));
        Self {
            app,
            client,
            provider,
            simulated,
            clock,
            ids,
            keys,
            wire,
            orders,
            router: part.router,
        }
    }

    fn cut(&self, troubles: &[(&'static str, Trouble)]) {
        *self.wire.0.lock().expect("no test panics in here") = troubles.iter().copied().collect();
    }

    fn cx(&self) -> Cx {
        Cx::new("req_test", "usr_test")
    }

    /// An order that a token is to pay with.
    fn order(&self, token: &str) -> Pay {
        Pay {
            order: self.ids.next::<OrderId>(self.clock.now()),
            user: self.ids.next::<UserId>(self.clock.now()),
            amount: Money::new(1_999, Currency::USD),
            method: PaymentMethod::CreditCard,
            token: Some(token.to_owned()),
            attempt: 1,
        }
    }

    async fn pay(&self, pay: &Pay) -> Result<Standing, Problem> {
        self.client.pay(&self.cx(), pay).await
    }

    async fn undo(&self, pay: &Pay) -> Option<Standing> {
        self.client
            .undo(&self.cx(), pay.order)
            .await
            .expect("undo is never refused")
    }

    async fn standing(&self, pay: &Pay) -> Standing {
        self.client
            .standing(&self.cx(), pay.order)
            .await
            .expect("answers")
            .expect("there is one")
    }

    async fn send_webhooks(&self) -> usize {
        simulated::send_due(&self.simulated).await.expect("sends")
    }

    /// The process dies in the middle of paying: everything up to the first wait without end is done, nothing after.
    async fn dies_in(&self, what: impl Future<Output = ()>) {
        let died = tokio::time::timeout(Duration::from_millis(500), what).await;
        assert!(died.is_err(), "the call went through before the process could die");
    }

    /// A new process, some time later, with a wire that works: everything comes to rest.
    async fn restart(&self) {
        self.cut(&[]);
        for _ in 0..20 {
            self.clock.advance(LONG);
            if actions::resume(&self.app).await.expect("resumes") == 0 {
                return;
            }
        }
        panic!("some payment never comes to rest");
    }

    /// What the world was told. What staff did is told to nobody but the audit log.
    async fn events(&self) -> Vec<Stored> {
        let read = self.app.db.read(|tx| ::store::outbox_after(tx, 0, 1_000));
        let mut all = read.await.expect("reads the outbox");
        all.retain(|stored| stored.event.kind != api::trail::STAFF_ACTION);
        all
    }

    async fn event_kinds(&self) -> Vec<String> {
        self.events()
            .await
            .into_iter()
            .map(|stored| stored.event.kind.into_owned())
            .collect()
    }

    /// Charges that the provider took money for, and how much of each it gave back.
    async fn statement(&self) -> BTreeMap<String, (i64, i64)> {
        let page = self
            .provider
            .statement(&self.cx(), &Default::default())
            .await
            .expect("has a statement");
        let lines = page.lines.into_iter().filter(|line| line.captured > 0);
        lines
            .map(|line| (line.key.to_string(), (line.captured, line.refunded)))
            .collect()
    }

    /// Our books equal the provider's statement, order by order; nothing is in the statement that we do not know;
    /// what is called off keeps nothing; events have no gaps.
    async fn balances(&self) {
        let badge = self.keys.badge("doctor");
        let books = audit::Client(self.client.0.clone().speaking(badge.clone()));
        let provider = audit::Client(self.provider.0.clone().speaking(badge));
        let cx = self.cx();
        let page = books
            .page::<AuditedPayment>(&cx, "/internal/audit/payments", None)
            .await
            .expect("keeps books");
        let mut unknown = self.statement().await;
        for book in page {
            let tries = book.attempts.iter().map(ToString::to_string).collect();
            let charged: Vec<Charged> = provider
                .of(&cx, "/internal/audit/charges", tries)
                .await
                .expect("answers");
            let theirs = charged.iter().fold((0, 0), |(captured, refunded), charge| {
                unknown.remove(&charge.attempt.to_string());
                (captured + charge.captured.minor, refunded + charge.refunded.minor)
            });
            let captured = book.captured.minor + book.surplus_captured.minor - book.cash_captured.minor;
            let refunded = book.refunded.minor + book.surplus_refunded.minor - book.cash_refunded.minor;
            assert_eq!((captured, refunded), theirs, "{book:?}");
            assert_eq!(book.surplus_captured, book.surplus_refunded, "{book:?}");
            let order = book.order;
            let row = self
                .app
                .db
                .read(move |tx| crate::store::payment_of(tx, order))
                .await
                .expect("reads");
            if row.is_some_and(|row| row.closed) {
                assert_eq!(
                    book.captured, book.refunded,
                    "what was called off keeps money: {book:?}"
                );
                assert_ne!(book.status, PaymentStatus::Processing, "{book:?}");
            }
        }
        assert_eq!(unknown, BTreeMap::new(), "charges that nobody here knows");

        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        for Stored { event, .. } in self.events().await {
            let before = last.entry(event.subject.clone()).or_default();
            assert_eq!(event.sequence, *before + 1, "a gap before {event:?}");
            *before = event.sequence;
        }
    }
}

async fn troubled(wire: Wire, request: Request, next: Next) -> Response {
    let lost = || Problem::unavailable("the wire was cut").into_response();
    match wire.next(request.uri().path()) {
        None => next.run(request).await,
        Some(Trouble::Refused) => lost(),
        Some(Trouble::Lost) => {
            next.run(request).await;
            lost()
        }
        Some(Trouble::Swallowed) => std::future::pending().await,
        Some(Trouble::Silent) => {
            next.run(request).await;
            std::future::pending().await
        }
    }
}
