//! The catalogue's routes. Each handler extracts, calls one action, answers.

mod categories;
mod internal;
mod kept;
mod products;
mod search;
mod stock;
mod variants;

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode};
use serve::Routes;

use crate::App;

pub use kept::Kept;

/// 204: it is gone.
fn gone(replayed: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if replayed {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(serve::REPLAYED, yes);
    }
    response
}

/// All routes, public ones first.
pub fn routes() -> Routes<Arc<App>> {
    let routes = Routes::new("catalog", Some("product"));
    let routes = crate::import::routes(variants::routes(stock::routes(products::routes(categories::routes(
        search::routes(routes),
    )))));
    internal::routes(routes)
}
