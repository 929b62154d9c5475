//! Routes of users: what is known of somebody, and changing it.

use super::*;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let slow = (429, "too_many_attempts");
    let full = (503, "unavailable");
    routes
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
