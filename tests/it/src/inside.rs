//! The whole shop inside the test's own process, where the ways between its services and its disks can be made faulty.

use std::time::Duration;

use base::{Clock, Ids};
use ironmonger::compose::{self, Place, Seams};
use ironmonger::config::Config;
use ironmonger::doctor;
use serde_json::json;
use serve::{Deps, Stop};
use tempfile::TempDir;
use testkit::Client;
use testkit::shop::{ADMIN_EMAIL, ADMIN_PASSWORD};

/// How long each stage of a shop's end may take.
const GRACE: Duration = Duration::from_millis(300);

/// A running shop. It ends with [`Inside::stop`], or with the test.
pub struct Inside {
    /// Somebody without a token.
    pub visitor: Client,
    deps: Deps,
    running: tokio::task::JoinHandle<()>,
    /// What is no database: the search index.
    _data: TempDir,
}

impl Inside {
    /// Starts all services at `place`, with these settings by their names in the environment.
    ///
    /// # Panics
    /// When it does not start.
    #[allow(clippy::disallowed_methods)] // The shop is what the test runs beside itself: nobody's detached work.
    pub async fn start(place: &Place, settings: &[(&str, &str)], seams: &Seams) -> Inside {
        let data = tempfile::tempdir().expect("a folder for the shop");
        let folder = data.path().display().to_string();
        let fixed = [
            ("IRONMONGER_DATA", folder.as_str()),
            ("ADMIN_EMAIL", ADMIN_EMAIL),
            ("ADMIN_PASSWORD", ADMIN_PASSWORD),
            (
                "IRONMONGER_SECRETS_SIGNING_KEY",
                "5f1d0c9be2a74386905b7f3e8d1c2a4b6e9f80317c5d4a2b1e0f9d8c7b6a5948",
            ),
            (
                "IRONMONGER_SECRETS_WEBHOOK_SECRET",
                "the provider and the shop both know this",
            ),
        ];
        let environment = fixed
            .iter()
            .chain(settings)
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let mut config = Config::read(None, environment).expect("the settings are right");
        for service in ironmonger::config::SERVICES {
            config.set(&format!("ports.{service}"), 0, ironmonger::config::Origin::Default);
        }
        let services = compose::named(&[]).expect("all services");
        let bound = serve::bind(&[("gateway", config.address("gateway"))])
            .await
            .expect("a free port");
        let url = format!("http://{}", bound[0].address);
        let composed = compose::compose_with(&config, &services, place, Clock::system(), Ids::random(), seams);
        let composed = composed.await.expect("the shop can be put together");
        let (deps, stop) = (composed.deps.clone(), composed.deps.stop.clone());
        let running = tokio::spawn(serve::run(composed.parts, bound, stop, GRACE));
        Inside {
            visitor: Client::connect(&url).await,
            deps,
            running,
            _data: data,
        }
    }

    /// The administrator.
    pub async fn admin(&self) -> Client {
        let login = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
        let session = self.visitor.post("/api/auth/login", login).send().await.is(200);
        self.visitor.with_token(session["token"].as_str().expect("a token"))
    }

    /// What ends it.
    pub fn stop_signal(&self) -> Stop {
        self.deps.stop.clone()
    }

    /// What is wrong with the books, in words.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn findings(&self) -> Vec<String> {
        let report = doctor::examine(&self.deps.of("doctor"), Duration::ZERO).await;
        let findings = report.expect("the books can be read").findings;
        findings.iter().map(ToString::to_string).collect()
    }

    /// Ends it.
    ///
    /// # Panics
    /// When it panicked.
    pub async fn stop(self) {
        self.deps.stop.stop();
        self.running.await.expect("the shop ends in good order");
    }
}
