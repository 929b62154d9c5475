//! Cart through its own router, on both engines.

mod between;
mod people;
mod refusals;
mod shelf;
mod shop;
mod slices;

/// Each case on SQLite in memory and on a PostgreSQL database of its own.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod sqlite {$(
            #[tokio::test]
            async fn $case() {
                super::$case(super::Shop::open(store::Engine::Memory).await).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test]
            async fn $case() {
                let url = testkit::postgres::database().await.unwrap();
                super::$case(super::Shop::open(store::Engine::Postgres { url }).await).await;
            }
        )*}
    };
}
pub(crate) use on_both;
