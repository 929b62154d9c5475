//! Routes of keys.

use super::*;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes.add(
        Route::get("/.well-known/jwks.json", jwks)
            .gives::<serde_json::Value>(200)
            .tells(
                "The public keys of access tokens",
                "A JWK set (RFC 7517); empty when the secret is shared.",
            ),
    )
}

async fn jwks(State(app): Shop) -> Json<serde_json::Value> {
    Json(app.keys.jwks())
}
