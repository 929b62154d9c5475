//! The shop as one program: settings, data folder, and how services are put together.
//!
//! The binary is thin; what tests need of it is here.

#![allow(clippy::disallowed_methods)] // The binary reads the environment, for everybody else.

pub mod compose;
pub mod config;
pub mod doctor;
pub mod edge;
pub mod folder;
pub mod signing;
