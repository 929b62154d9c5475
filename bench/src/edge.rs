//! What the edge costs: the hop through the gateway, its counts of who asks how often, and bodies that come encrypted.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use crate::figures::{Row, Summary};
use crate::http::{Connection, Request};
use crate::load;
use crate::plan::{Bench, CROWD, tell};
use crate::shop::{Engine, Shop, address};
use crate::shopper::{Errand, Shopper};

/// Products of the shop: as many as one call may read.
const PRODUCTS: usize = 100;
/// Addresses that ask in turn: eight times as many as are counted at once, so that each new one pushes another out.
const ADDRESSES: u32 = 1 << 20;
/// Lets the bench be a proxy, and say for whom it asks; nobody but ourselves may ask more often than once a second.
const SETTINGS: [(&str, &str); 2] = [
    ("IRONMONGER_WEB_TRUSTED_PROXIES", "127.0.0.1/32"),
    ("IRONMONGER_LIMITS_READS_PER_MINUTE", "60"),
];

impl Bench<'_> {
    /// The same calls with and without, a round of each in turn.
    ///
    /// # Errors
    /// The shop's or the load's.
    pub async fn edge(&mut self, engine: Engine) -> Result<()> {
        let name = engine.name();
        tell(format!("{name}: the edge"));
        let mut shop = Shop::staffed(engine, &self.server, PRODUCTS, &SETTINGS).await?;
        let floor = self.floor_h(engine, CROWD).await?;
        let gateway = shop.address()?;
        let crowd = |at| {
            (0..CROWD)
                .map(|name| Shopper::new(name, at, shop.catalogue.clone()))
                .collect::<Vec<_>>()
        };
        let (mut within, mut through) = (crowd(address(&shop.fleet.part_url("catalog"))?), crowd(gateway));

        let path = format!("/api/products/{}", shop.catalogue.products[0]);
        let read = Errand::Get(path.clone());
        let one = Errand::ReadFrom(path.clone(), 1);
        let many = Errand::ReadFrom(path.clone(), ADDRESSES);
        let mut rounds = [const { Vec::new() }; 4];
        for _ in 0..self.options.rounds() {
            rounds[0].push(load::run(&mut within, &read, self.options.span()).await?);
            for (errand, rounds) in [&read, &many, &one].into_iter().zip(&mut rounds[1..]) {
                rounds.push(load::run(&mut through, errand, self.options.span()).await?);
            }
        }
        refusal(&mut Connection::to(gateway), &path).await?;
        let [bare, gate, counted, refused] = rounds.map(|rounds| Summary::of(&rounds));
        let row = |what: &str, summary: &Summary| Row::rate(name, what, CROWD, summary);
        self.add(row("read at the service's port", &bare).over("H", floor.rate));
        self.add(row("read through the gateway", &gate).over("port", bare.rate));
        self.add(row("read, a million addresses", &counted).over("gateway", gate.rate));
        self.add(row("read, one address: refused", &refused).over("H", floor.rate));

        for (count, what) in [(1, "read of 1 by POST"), (PRODUCTS, "read of 100 by POST")] {
            let plain = serde_json::json!({ "ids": shop.catalogue.products[..count] }).to_string();
            let sealed = sealed(&mut Connection::to(gateway), &plain).await?;
            let errands = [plain, sealed].map(|body| Errand::Send("/api/products/bulk".to_owned(), Rc::from(body)));
            let mut rounds = [const { Vec::new() }; 2];
            for _ in 0..self.options.rounds() {
                for (errand, rounds) in errands.iter().zip(&mut rounds) {
                    rounds.push(load::run(&mut through, errand, self.options.span()).await?);
                }
            }
            let [plain, sealed] = rounds.map(|rounds| Summary::of(&rounds));
            self.add(row(what, &plain));
            // With the processor busy, what a call costs is what keeps the next one waiting.
            let more = self.cores() as f64 * (1e6 / sealed.rate - 1e6 / plain.rate);
            let row = row(&format!("{what}, encrypted"), &sealed).over("plain", plain.rate);
            self.add(row.noted(format!("{more:.0} µs of processor more a call")));
        }
        drop((within, through));
        shop.fleet.terminate().await;
        shop.clear(&self.server).await
    }
}

/// What was measured as refused must have been.
async fn refusal(connection: &mut Connection, path: &str) -> Result<()> {
    let request = Request {
        from: Some(std::net::Ipv4Addr::new(10, 0, 0, 0)),
        ..Request::get(path)
    };
    let answer = connection.call(request).await?;
    ensure!(
        answer.status == 429,
        "one address may ask as often as it likes: {}",
        answer.status
    );
    Ok(())
}

/// The body that stands for this one, as the shop itself makes it in development.
async fn sealed(connection: &mut Connection, plain: &str) -> Result<String> {
    let body = format!(r#"{{"payload":{plain}}}"#);
    let answer = connection.call(Request::post("/api/dev/encrypt", &body)).await?;
    let text = answer.text("encrypted").context("an encrypted body")?;
    Ok(format!(r#"{{"encrypted":"{text}"}}"#))
}
