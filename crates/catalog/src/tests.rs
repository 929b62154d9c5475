//! The catalogue through its own router, on both engines.

mod desk;
mod holds;
mod imports;
mod lists;
mod products;
mod stock;

/// Makes each test run on SQLite in memory, and on PostgreSQL.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {$(
            #[tokio::test]
            async fn $name() {
                super::$name(crate::tests::desk::Desk::open(::store::Engine::Memory).await).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test]
            async fn $name() {
                let url = testkit::postgres::database().await.unwrap();
                super::$name(crate::tests::desk::Desk::open(::store::Engine::Postgres { url }).await).await;
            }
        )*}
    };
}
use on_both_engines;
