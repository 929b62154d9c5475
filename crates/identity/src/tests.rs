//! Identity through its own router, on SQLite in memory and on PostgreSQL, with the clock in hand.

mod accounts;
mod guests;
mod house;
mod sessions;

/// Makes each function a test on each engine.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() { super::$name($crate::tests::house::House::in_memory().await).await })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() { super::$name($crate::tests::house::House::on_postgres().await).await })*
        }
    };
}
pub(crate) use on_both;
