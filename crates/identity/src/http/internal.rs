//! Routes for the shop's own services.

use super::*;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
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
