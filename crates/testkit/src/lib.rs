//! What tests stand on: throw-away databases and processes, ports, waiting for conditions.
//!
//! A dev-dependency only, never part of the product.
#![allow(clippy::disallowed_methods)] // An edge of the project: it reads the environment and lets time pass.

pub mod client;
pub mod contract;
pub mod faults;
pub mod fleet;
mod frames;
pub mod load;
pub mod ports;
pub mod postgres;
pub mod process;
mod products;
pub mod service;
pub mod shop;
mod skip;
pub mod smtp;
pub mod steps;
mod until;
pub mod vfs;

pub use client::{Answer, Call, Client};
pub use fleet::{Fleet, Shape};
pub use frames::{Frame, Frames};
pub use products::ProductFile;
pub use shop::{Engine, Shop};
pub use skip::{shared_data, skip};
pub use until::{Met, until};
