//! Routes of keys: those of machines, and the public ones of tokens.

use api::identity::{ApiKey, CheckKey, Machine, NewKey};
use axum::extract::OriginalUri;
use base::KeyId;

use super::*;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::post("/keys", make)
                .rights(Rights::Admin)
                .takes::<NewKey>()
                .gives::<ApiKey>(201)
                .tells(
                    "Makes an API key for a machine",
                    "The answer holds the secret in `key`; nobody can read it again. The machine sends it as \
                    `Authorization: Bearer imk_…`, and may do what `permissions` say. A call repeated under its \
                    `Idempotency-Key` answers the same key without the secret.",
                ),
        )
        .add(
            Route::get("/keys", list)
                .rights(Rights::Admin)
                .query::<PageQuery>()
                .gives::<Vec<ApiKey>>(200)
                .tells("Lists API keys", "Newest first, without their secrets."),
        )
        .add(
            Route::delete("/keys/{id}", revoke)
                .rights(Rights::Admin)
                .param("id", "The key's id.")
                .takes::<Nothing>()
                .gives_nothing(204)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Revokes an API key",
                    "It is refused at once where this was asked, and everywhere within five seconds.",
                ),
        )
        .add(
            Route::post("/internal/keys/check", check)
                .takes::<CheckKey>()
                .gives::<Machine>(200),
        )
        .add(
            Route::get("/.well-known/jwks.json", jwks)
                .gives::<serde_json::Value>(200)
                .tells(
                    "The public keys of access tokens",
                    "A JWK set (RFC 7517): the key that signs, and others that are believed while keys are \
                    replaced. Empty when the secret is shared.",
                ),
        )
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
struct PageQuery {
    /// At most so many, from 1 to 100; 20 when absent.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
}

async fn make(
    State(app): Shop,
    serve::Admin(caller): serve::Admin,
    In(cx): In,
    Write { body, once }: Write<NewKey>,
) -> Result<Unstored<Reply<ApiKey>>, Problem> {
    let (key, replayed) = actions::keys::make(&app, (caller, &cx), body, once).await?;
    let place = format!("/api/keys/{}", key.id);
    Ok(unstored(Created::new(place, key).replayed(replayed)))
}

async fn list(
    State(app): Shop,
    _: serve::Admin,
    OriginalUri(uri): OriginalUri,
    Query(asked): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = serve::page(asked.limit, asked.cursor.as_deref())?;
    let (keys, next) = actions::keys::list(&app, page).await?;
    Ok(serve::listed(&uri, keys, next))
}

async fn revoke(
    State(app): Shop,
    serve::Admin(caller): serve::Admin,
    In(cx): In,
    Path(id): Path<String>,
    Write { body: Nothing {}, once }: Write<Nothing>,
) -> Result<Response, Problem> {
    let id: KeyId = id.parse().map_err(|_| crate::Error::NoSuchKey)?;
    let done = actions::keys::revoke(&app, (caller, &cx), id, once).await?;
    Ok(gone(done.replayed))
}

async fn check(State(app): Shop, Body(asked): Body<CheckKey>) -> Result<Json<Machine>, Problem> {
    Ok(Json(actions::keys::check(&app, asked.digest).await?))
}

async fn jwks(State(app): Shop) -> Json<serde_json::Value> {
    Json(app.keys.jwks())
}
