//! The store as services see it, on both engines.

mod events;
mod groups;
mod keys;
mod lifecycle;
mod place;
#[path = "../../../testkit/src/postgres.rs"]
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "testkit stands on store; its file is used as it is"
)]
mod postgres;
mod reconnect;
mod sql;

/// Makes each function a test on each engine.
#[macro_export]
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() { super::$name($crate::place::Place::file()).await })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() { super::$name($crate::place::Place::server().await).await })*
        }
    };
}

/// Makes each function a test in memory too: those that need neither a writer of its own nor two processes.
#[macro_export]
macro_rules! in_memory {
    ($($name:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() { super::$name($crate::place::Place::Memory).await })*
        }
    };
}
