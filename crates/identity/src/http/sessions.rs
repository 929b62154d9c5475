//! Routes of sessions: a visitor's, kept alive, ended, asked about.

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
