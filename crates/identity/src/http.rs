//! Routes: what is asked, one action, what is answered.
//!
//! What signs somebody in or out ignores `Idempotency-Key` and is never cached: an answer that holds tokens is
//! stored nowhere.

use std::sync::Arc;

use api::identity::{
    Appoint, ChangeUser, Ended, GuestOrdered, Login, Logout, Profile, Refresh, Register, Session, User, Verified,
};
use api::{Nothing, Ref};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::request::Parts;
use schemars::JsonSchema;
use serde::Deserialize;
use serve::{Body, Created, In, Known, Path, Query, Remote, Reply, Rights, Route, Routes, Write};
use wire::Problem;

use crate::{App, actions};

type Shop = State<Arc<App>>;
/// Nothing between us and the caller may keep the answer.
type Unstored<T> = ([(http::HeaderName, &'static str); 1], T);

fn unstored<T>(answer: T) -> Unstored<T> {
    ([(CACHE_CONTROL, "no-store")], answer)
}

pub(crate) fn routes() -> Routes<Arc<App>> {
    let slow = (429, "too_many_attempts");
    let full = (503, "unavailable");
    Routes::new("identity", Some("user"))
        .add(
            Route::post("/auth/register", register)
                .also(&["/users/register", "/register"])
                .takes::<Register>()
                .gives::<Session>(201)
                .refuses(&[(409, "email_taken"), (409, "username_taken"), full])
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
            Route::get("/auth/profile", profile)
                .also(&["/me", "/users/me"])
                .rights(Rights::User)
                .gives::<Profile>(200)
                .tells("Tells who is signed in", ""),
        )
        .add(
            Route::get("/users/{id}", user)
                .rights(Rights::User)
                .param("id", "The user's id, number or username.")
                .gives::<User>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells("Reads a user", "Oneself; administrators read anybody."),
        )
        .add(
            Route::put("/users/{id}", change_user)
                .also_as(http::Method::PATCH, "/users/{id}")
                .rights(Rights::User)
                .param("id", "The user's id, number or username.")
                .takes::<ChangeUser>()
                .gives::<User>(200)
                .refuses(&[
                    (403, "wrong_password"),
                    (404, "not_found"),
                    (409, "email_taken"),
                    (409, "username_taken"),
                    (412, "precondition_failed"),
                    slow,
                    full,
                ])
                .tells(
                    "Changes the fields given",
                    "A new e-mail address needs `currentPassword`, the password of \
                    whoever asks. `If-Match` is honoured.",
                ),
        )
        .add(
            Route::get("/.well-known/jwks.json", jwks)
                .gives::<serde_json::Value>(200)
                .tells(
                    "The public keys of access tokens",
                    "A JWK set (RFC 7517); empty when the secret is shared.",
                ),
        )
        .add(
            Route::get("/internal/sessions/ended", ended)
                .query::<After>()
                .gives::<Ended>(200),
        )
        .add(Route::get("/internal/users/{id}", known_user).gives::<User>(200))
        .add(
            Route::post("/internal/admins", appoint)
                .takes::<Appoint>()
                .gives::<User>(200),
        )
        .add(
            Route::post("/internal/guests/{id}", guest_ordered)
                .takes::<GuestOrdered>()
                .gives::<User>(200),
        )
}

/// Where the caller is: what the gateway of another process says, else the other end of the connection. Only the
/// gateway may say it: it takes out what came from outside under that name.
struct Address(String);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let told = parts
            .headers
            .get(wire::header::CLIENT_ADDRESS)
            .and_then(|value| value.to_str().ok());
        if let Some(told) = told {
            return Ok(Address(told.to_owned()));
        }
        let Remote(remote) = Remote::from_request_parts(parts, state).await?;
        Ok(Address(remote.map_or_else(
            || "unknown".to_owned(),
            |address| address.ip().to_string(),
        )))
    }
}

async fn register(
    State(app): Shop,
    In(cx): In,
    Body(asked): Body<Register>,
) -> Result<Unstored<Reply<Session>>, Problem> {
    let session = actions::register(&app, &cx, asked).await?;
    let place = format!("/api/users/{}", session.user.id);
    Ok(unstored(Created::new(place, session)))
}

async fn login(
    State(app): Shop,
    In(cx): In,
    Address(address): Address,
    Body(asked): Body<Login>,
) -> Result<Unstored<Json<Session>>, Problem> {
    Ok(unstored(Json(actions::login(&app, &cx, &address, asked).await?)))
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

async fn profile(State(app): Shop, serve::User(caller): serve::User) -> Result<Unstored<Json<Profile>>, Problem> {
    let user = actions::user(&app, caller, Ref::User(caller.id)).await?;
    Ok(unstored(Json(Profile { user: user.into() })))
}

async fn user(
    State(app): Shop,
    serve::User(caller): serve::User,
    Path(id): Path<String>,
    known: Known,
) -> Result<Response, Problem> {
    let user = actions::user(&app, caller, Ref::new(&id)).await?;
    let tag = user.tag();
    if known.is_fresh(&tag) {
        return Ok(serve::not_modified(&tag));
    }
    Ok(Reply::ok(User::from(user)).tagged(tag).into_response())
}

async fn change_user(
    State(app): Shop,
    serve::User(caller): serve::User,
    Address(address): Address,
    Path(id): Path<String>,
    known: Known,
    Write { body, once }: Write<ChangeUser>,
) -> Result<Reply<User>, Problem> {
    let (user, replayed) = actions::change_user(&app, (caller, &address), Ref::new(&id), body, known, once).await?;
    let tag = user.tag();
    Ok(Reply::ok(User::from(user)).tagged(tag).replayed(replayed))
}

async fn jwks(State(app): Shop) -> Json<serde_json::Value> {
    Json(app.keys.jwks())
}

/// Where to go on.
#[derive(Deserialize, JsonSchema)]
struct After {
    /// The mark of the last end that is known; 0 at first.
    #[serde(default)]
    after: i64,
}

async fn ended(State(app): Shop, Query(asked): Query<After>) -> Result<Json<Ended>, Problem> {
    Ok(Json(actions::ended(&app, asked.after).await?))
}

async fn known_user(State(app): Shop, Path(id): Path<String>) -> Result<Json<User>, Problem> {
    Ok(Json(actions::known_user(&app, Ref::new(&id)).await?.into()))
}

async fn appoint(State(app): Shop, Body(asked): Body<Appoint>) -> Result<Json<User>, Problem> {
    Ok(Json(actions::raise(&app, &asked).await?.into()))
}

async fn guest_ordered(
    State(app): Shop,
    Path(id): Path<String>,
    Body(_): Body<GuestOrdered>,
) -> Result<Json<User>, Problem> {
    let Ref::User(id) = Ref::new(&id) else {
        return Err(crate::Error::NoSuchUser.into());
    };
    Ok(Json(actions::guest_ordered(&app, id).await?.into()))
}
