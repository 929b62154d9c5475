//! Routes of accounts: register, sign in, ask who is signed in.

use super::*;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let slow = (429, "too_many_attempts");
    let full = (503, "unavailable");
    routes
        .add(
            Route::post("/auth/register", register)
                .also(&["/users/register", "/register"])
                .takes::<Register>()
                .gives::<Session>(201)
                .refuses(&[(409, "email_taken"), (409, "username_taken"), slow, full])
                .tells(
                    "Opens an account and signs in",
                    "Needs `email` or `username`, and a password. With a guest's \
                    access or refresh token as `guestToken`, the guest's cart and orders go to the account.",
                ),
        )
        .add(
            Route::post("/auth/login", login)
                .also(&["/users/login", "/login"])
                .takes::<Login>()
                .gives::<Session>(200)
                .refuses(&[(401, "wrong_credentials"), slow, full])
                .tells(
                    "Signs in",
                    "The answer to a wrong password and to an unknown account is the same. After five \
                    failures from one address each further one has to wait longer.",
                ),
        )
        .add(
            Route::get("/auth/profile", profile)
                .also(&["/me", "/users/me"])
                .rights(Rights::User)
                .gives::<Profile>(200)
                .tells("Tells who is signed in", ""),
        )
}

async fn register(
    State(app): Shop,
    In(cx): In,
    visit: Visit,
    Body(asked): Body<Register>,
) -> Result<Unstored<Reply<Session>>, Problem> {
    let session = actions::register(&app, &cx, visit, asked).await?;
    let place = format!("/api/users/{}", session.user.id);
    Ok(unstored(Created::new(place, session)))
}

async fn login(
    State(app): Shop,
    In(cx): In,
    visit: Visit,
    Body(asked): Body<Login>,
) -> Result<Unstored<Json<Session>>, Problem> {
    Ok(unstored(Json(actions::login(&app, &cx, visit, asked).await?)))
}

async fn profile(State(app): Shop, serve::User(caller): serve::User) -> Result<Unstored<Json<Profile>>, Problem> {
    let user = actions::user(&app, caller, Ref::User(caller.id)).await?;
    Ok(unstored(Json(Profile { user: user.into() })))
}
