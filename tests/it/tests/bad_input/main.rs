//! Whatever is sent, the shop answers with a problem document that helps, never with a fault, and goes on.
//!
//! The table of writing calls is the API's own document: a route that is added is tried with everything here.

mod addresses;
mod bodies;
mod numbers;
mod stage;
mod tokens;

use testkit::Engine;

use stage::Stage;

async fn all(engine: Engine) {
    let stage = Stage::start(engine).await;
    // While nothing bears a name of those.
    addresses::names(&stage).await;
    bodies::bodies(&stage).await;
    bodies::fields(&stage).await;
    bodies::texts(&stage).await;
    bodies::texts_stay_what_they_are(&stage).await;
    bodies::files(&stage).await;
    bodies::webhooks(&stage).await;
    addresses::parameters(&stage).await;
    addresses::lines(&stage).await;
    numbers::numbers(&stage).await;
    tokens::tokens(&stage).await;
    stage.goes_on().await;
}

#[tokio::test]
async fn bad_input_on_sqlite() {
    all(Engine::Sqlite).await;
}

#[tokio::test]
async fn bad_input_on_postgres() {
    all(Engine::Postgres).await;
}
