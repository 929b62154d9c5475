//! Whether the time of an answer tells which accounts there are: sign-ins with a wrong password, and mails asked for that
//! set a new one, for accounts that are there and for some that are not.

use anyhow::Result;

use crate::figures::{Aim, Row, exceeds};
use crate::plan::{Bench, tell};
use crate::shop::{Engine, Shop};
use crate::shopper::PASSWORD;
use crate::turns::{Call, take};

/// Accounts, and names without one.
const NAMES: usize = 128;
/// Tries for each name: fewer than what slows the next ones.
const TRIES: usize = 4;
/// How far the medians may be apart. Further, and some hundred tries by somebody near would tell.
const GAP: f64 = 0.05;
/// The same where an answer takes a tenth of a millisecond, of which the machine's own noise is more.
const GAP_SHORT: f64 = 0.1;

impl Bench<'_> {
    /// Known and unknown in turn, by one caller.
    ///
    /// # Errors
    /// The shop's.
    pub async fn guesses(&mut self, engine: Engine) -> Result<()> {
        tell(format!("{}: sign-ins and resets of strangers", engine.name()));
        let mut shop = Shop::staffed(engine, &self.server, 1, &[]).await?;
        let (address, names) = (shop.address()?, self.options.many(NAMES * 10) / 10);
        for name in 0..names {
            let body =
                format!(r#"{{"email":"known{name}@example.com","password":"{PASSWORD}","name":"Known {name}"}}"#);
            take(address, std::iter::once([Call::post("/api/auth/register", body, 201)])).await?;
        }
        let login = |who: String, password: &str, status| {
            let body = format!(r#"{{"email":"{who}@example.com","password":"{password}"}}"#);
            Call::post("/api/auth/login", body, status)
        };
        let forgot = |who: String| {
            Call::post(
                "/api/auth/password/forgot",
                format!(r#"{{"email":"{who}@example.com"}}"#),
                202,
            )
        };
        let turns = || (0..TRIES).flat_map(|_| 0..names);
        // The first answers open files and connections.
        take(
            address,
            turns().take(names / 4).map(|name| [forgot(format!("early{name}"))]),
        )
        .await?;

        let right = (0..names).map(|_| [login("clerk".to_owned(), PASSWORD, 200)]);
        let [right] = take(address, right).await?;
        self.add(Row::median(engine.name(), "login, right password", &right));
        let wrong = turns().map(|name| {
            [format!("known{name}"), format!("absent{name}")].map(|who| login(who, "not the password", 401))
        });
        let waits = take(address, wrong).await?;
        self.compare(engine, "login, wrong password", &waits, GAP);
        let resets = turns().map(|name| [format!("known{name}"), format!("absent{name}")].map(forgot));
        let waits = take(address, resets).await?;
        self.compare(engine, "reset asked for", &waits, GAP_SHORT);
        shop.fleet.terminate().await;
        shop.clear(&self.server).await
    }

    fn compare(&mut self, engine: Engine, what: &str, [known, unknown]: &[Vec<f64>; 2], gap: f64) {
        let row = Row::median(engine.name(), format!("{what}, known"), known);
        let median = row.value;
        self.add(row);
        let row = Row::median(engine.name(), format!("{what}, unknown"), unknown);
        let row = row.over("known", median).aims_ratio(Aim::NearOne(gap));
        self.add(row.noted(format!(
            "slower than a known one in {:.0} of 100 pairs",
            100.0 * exceeds(unknown, known)
        )));
    }
}
