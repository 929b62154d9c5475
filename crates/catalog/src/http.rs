//! The catalogue's routes. Each handler extracts, calls one action, answers.

mod internal;
mod kept;
mod products;
mod stock;

use std::sync::Arc;

use serve::Routes;

use crate::App;

pub use kept::Kept;

/// All routes, public ones first.
pub fn routes() -> Routes<Arc<App>> {
    let routes = Routes::new("catalog", Some("product"));
    let routes = crate::import::routes(stock::routes(products::routes(routes)));
    internal::routes(routes)
}
