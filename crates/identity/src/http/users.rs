//! Routes of users: what is known of somebody, and changing it.

use api::identity::ChangeRole;
use axum::extract::OriginalUri;
use serve::{Bearer, CustomersRead, May};

use super::*;
use crate::tokens;

/// The longest search: nobody's name is longer.
const SEARCH_MAX: usize = 200;

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let slow = (429, "too_many_attempts");
    let full = (503, "unavailable");
    routes
        .add(
            Route::get("/users/{id}", user)
                .rights(Rights::Owner)
                .param("id", "The user's id, number or username.")
                .gives::<User>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells("Reads a user", "Oneself; staff with `customers:read` read anybody."),
        )
        .add(
            Route::put("/users/{id}", change_user)
                .also_as(http::Method::PATCH, "/users/{id}")
                .rights(Rights::Owner)
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
                    "Oneself; staff with `customers:write` change customers, administrators anybody. A new e-mail address \
                    needs `currentPassword`, the password of whoever asks. `If-Match` is honoured.",
                ),
        )
        .add(
            Route::get("/users", list)
                .rights(Rights::May(serve::CUSTOMERS_READ))
                .query::<ListQuery>()
                .gives::<Vec<User>>(200)
                .tells(
                    "Lists users, or searches them",
                    "Newest first. With `q`, those of whom a name, the e-mail address or its host, the username or the \
                    number begins like it, whatever its case and accents, in the order of what was found.",
                ),
        )
        .add(
            Route::put("/users/{id}/role", change_role)
                .rights(Rights::Admin)
                .param("id", "The user's id, number or username.")
                .takes::<ChangeRole>()
                .gives::<User>(200)
                .refuses(&[(404, "not_found"), (409, "last_admin"), (412, "precondition_failed")])
                .tells(
                    "Gives a user a role",
                    "Customer, staff or admin; staff with the `permissions` given, or else the usual ones. Another role or \
                    other permissions end all sessions of the user. `If-Match` is honoured.",
                ),
        )
}

async fn user(
    State(app): Shop,
    Bearer(caller): Bearer,
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
    Bearer(caller): Bearer,
    In(cx): In,
    Address(address): Address,
    Path(id): Path<String>,
    known: Known,
    Write { body, once }: Write<ChangeUser>,
) -> Result<Reply<User>, Problem> {
    let once = once.map(|once| store::Once {
        fingerprint: fingerprint(&body),
        ..once
    });
    let (user, replayed) =
        actions::change_user(&app, (caller, &cx, &address), Ref::new(&id), body, known, once).await?;
    let tag = user.tag();
    Ok(Reply::ok(User::from(user)).tagged(tag).replayed(replayed))
}

/// What makes two changes under one key the same: everything but the password, of which no digest is kept.
fn fingerprint(asked: &ChangeUser) -> String {
    let told = ChangeUser {
        current_password: None,
        ..asked.clone()
    };
    tokens::fingerprint(&serde_json::to_string(&told).unwrap_or_default())
}

/// Which users.
#[derive(Deserialize, JsonSchema)]
struct ListQuery {
    /// What a name, the e-mail address or its host, the username or the number begins with.
    q: Option<String>,
    /// With this role only: `guest`, `customer`, `staff` or `admin`.
    role: Option<serve::Role>,
    /// At most so many, from 1 to 100; 20 when absent.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
}

async fn list(
    State(app): Shop,
    _: May<CustomersRead>,
    OriginalUri(uri): OriginalUri,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Problem> {
    let page = serve::page(asked.limit, asked.cursor.as_deref())?;
    if asked.q.as_ref().is_some_and(|text| text.chars().count() > SEARCH_MAX) {
        let problem = Problem::invalid("The parameters of the address are not as they should be.");
        return Err(problem.field("?q", format!("must have at most {SEARCH_MAX} characters")));
    }
    let wanted = actions::Wanted {
        text: asked.q,
        role: asked.role,
    };
    let (users, next) = actions::list(&app, wanted, page).await?;
    let users: Vec<User> = users.into_iter().map(User::from).collect();
    Ok(serve::listed(&uri, users, next))
}

async fn change_role(
    State(app): Shop,
    serve::Admin(caller): serve::Admin,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    Write { body, once }: Write<ChangeRole>,
) -> Result<Reply<User>, Problem> {
    let (user, replayed) = actions::change_role(&app, (caller, &cx), Ref::new(&id), body, known, once).await?;
    let tag = user.tag();
    Ok(Reply::ok(User::from(user)).tagged(tag).replayed(replayed))
}
