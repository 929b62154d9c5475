//! Routes for the shop's own services.

use api::identity::{ARRIVALS_MAX, Appointed, Arrivals, Arrived};

use super::*;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::post("/internal/users/arrivals", arrivals)
                .takes::<Arrivals>()
                .gives::<Vec<Arrived>>(200),
        )
        .add(Route::get("/internal/hashing", hashing).gives::<Hashing>(200))
        .add(
            Route::get("/internal/sessions/ended", ended)
                .query::<After>()
                .gives::<Ended>(200),
        )
        .add(Route::get("/internal/users/{id}", known_user).gives::<User>(200))
        .add(
            Route::post("/internal/admins", appoint)
                .takes::<Appoint>()
                .gives::<Appointed>(200),
        )
        .add(
            Route::post("/internal/guests/{id}", guest_ordered)
                .takes::<GuestOrdered>()
                .gives::<User>(200),
        )
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

async fn appoint(State(app): Shop, Body(asked): Body<Appoint>) -> Result<Json<Appointed>, Problem> {
    let (user, is_new) = actions::raise(&app, &asked).await?;
    Ok(Json(Appointed {
        user: user.into(),
        is_new,
    }))
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

async fn arrivals(State(app): Shop, In(cx): In, Body(asked): Body<Arrivals>) -> Result<Json<Vec<Arrived>>, Problem> {
    if asked.users.len() > ARRIVALS_MAX {
        let detail = format!("must hold at most {ARRIVALS_MAX} accounts");
        return Err(crate::Error::field("/users", &detail).into());
    }
    Ok(Json(actions::take_over(&app, &cx, asked).await?))
}

/// How often passwords were hashed since the process started.
#[derive(serde::Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Hashing {
    /// Runs of Argon2.
    argon2_runs: u64,
    /// Runs of bcrypt.
    bcrypt_runs: u64,
}

async fn hashing(State(app): Shop) -> Json<Hashing> {
    Json(Hashing {
        argon2_runs: app.hasher.runs(),
        bcrypt_runs: app.hasher.bcrypt_runs(),
    })
}
