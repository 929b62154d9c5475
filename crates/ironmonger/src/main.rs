//! ironmonger
fn main() {}
