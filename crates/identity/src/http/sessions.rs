//! Routes of sessions: a visitor's, kept alive, ended, asked about, listed.

use api::identity::OpenSession;
use base::SessionId;
use http::Uri;

use super::*;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::post("/auth/guest", guest)
                .takes::<Nothing>()
                .gives::<Session>(200)
                .tells(
                    "Lets a visitor in without an account",
                    "Cart and checkout work with its token as with any other.",
                ),
        )
        .add(
            Route::post("/auth/refresh", refresh)
                .takes::<Refresh>()
                .gives::<Session>(200)
                .refuses(&[(401, "session_ended")])
                .tells(
                    "Trades a refresh token for a new pair",
                    "Each refresh token is good once. The one spent last may \
                    come again within 30 s, since an answer may be lost; an older one ends the session.",
                ),
        )
        .add(
            Route::post("/auth/logout", logout)
                .rights(Rights::User)
                .takes::<Logout>()
                .gives_nothing(204)
                .tells(
                    "Ends the session",
                    "Access and refresh tokens of the session stop counting.",
                ),
        )
        .add(
            Route::get("/auth/verify", verify)
                .rights(Rights::User)
                .gives::<Verified>(200)
                .refuses(&[(401, "session_ended")])
                .tells(
                    "Tells whether the token counts",
                    "A token that does not count is a 401.",
                ),
        )
        .add(
            Route::get("/users/{id}/sessions", list)
                .rights(Rights::User)
                .param(
                    "id",
                    "One's own id, number or username; administrators may name anybody.",
                )
                .query::<Pages>()
                .gives::<Vec<OpenSession>>(200)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Lists the sessions of a user that live, the newest first",
                    "Of where a session was begun nothing is kept; of the browser, two words.",
                ),
        )
        .add(
            Route::delete("/users/{id}/sessions", end_others)
                .rights(Rights::User)
                .param(
                    "id",
                    "One's own id, number or username; administrators may name anybody.",
                )
                .gives_nothing(204)
                .refuses(&[(404, "not_found")])
                .tells("Ends all sessions of a user but the caller's own present one", ""),
        )
        .add(
            Route::delete("/users/{id}/sessions/{session}", end_one)
                .rights(Rights::User)
                .param(
                    "id",
                    "One's own id, number or username; administrators may name anybody.",
                )
                .param("session", "The session's id.")
                .gives_nothing(204)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Ends a session",
                    "Its tokens stop counting within five seconds in every process.",
                ),
        )
}

async fn guest(State(app): Shop, Body(Nothing {}): Body<Nothing>) -> Result<Unstored<Json<Session>>, Problem> {
    Ok(unstored(Json(actions::guest(&app).await?)))
}

async fn refresh(State(app): Shop, Body(asked): Body<Refresh>) -> Result<Unstored<Json<Session>>, Problem> {
    Ok(unstored(Json(actions::refresh(&app, &asked.refresh_token).await?)))
}

async fn logout(
    State(app): Shop,
    serve::User(caller): serve::User,
    Body(asked): Body<Logout>,
) -> Result<Unstored<http::StatusCode>, Problem> {
    actions::logout(&app, caller, asked.refresh_token.as_deref()).await?;
    Ok(unstored(serve::no_content()))
}

async fn verify(State(app): Shop, serve::User(caller): serve::User) -> Result<Unstored<Json<Verified>>, Problem> {
    Ok(unstored(Json(actions::verify(&app, caller).await?)))
}

/// Which part of a list.
#[derive(Deserialize, JsonSchema)]
struct Pages {
    /// From 1 to 100; 20 when absent.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// From the `Link` header of the page before.
    cursor: Option<String>,
}

async fn list(
    State(app): Shop,
    serve::User(caller): serve::User,
    Path(id): Path<String>,
    Query(asked): Query<Pages>,
    uri: Uri,
) -> Result<Response, Problem> {
    let page = serve::page(asked.limit, asked.cursor.as_deref())?;
    let (sessions, next) = actions::sessions_of(&app, caller, Ref::new(&id), page).await?;
    Ok(serve::listed(&uri, sessions, next))
}

async fn end_others(
    State(app): Shop,
    In(cx): In,
    serve::User(caller): serve::User,
    Path(id): Path<String>,
    Write { body: Nothing {}, once }: Write<Nothing>,
) -> Result<Response, Problem> {
    let replayed = actions::end_others(&app, &cx, caller, Ref::new(&id), once).await?;
    Ok(gone(replayed))
}

async fn end_one(
    State(app): Shop,
    In(cx): In,
    serve::User(caller): serve::User,
    Path((id, session)): Path<(String, String)>,
    Write { body: Nothing {}, once }: Write<Nothing>,
) -> Result<Response, Problem> {
    let session: SessionId = session.parse().map_err(|_| crate::Error::NoSuchSession)?;
    let replayed = actions::end_session(&app, &cx, caller, (Ref::new(&id), session), once).await?;
    Ok(gone(replayed))
}
