//! Routes of passwords: changed by who knows the present one, set anew by mail.

use api::identity::{ChangePassword, ForgotPassword, MailOnItsWay, ResetPassword};
use store::Once;

use super::*;

/// What everybody hears who asks for a new password.
const ON_ITS_WAY: &str = "If there is an account with this address, a mail with a link is on its way.";
/// Digests of passwords are kept nowhere, also not as part of a remembered call: the action tells twins by the account.
const NO_FINGERPRINT: &str = "a password";

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let slow = (429, "too_many_attempts");
    let full = (503, "unavailable");
    routes
        .add(
            Route::post("/users/{id}/password", change)
                .rights(Rights::User)
                .param("id", "One's own id, number or username.")
                .takes::<ChangePassword>()
                .gives_nothing(204)
                .refuses(&[(403, "wrong_password"), (404, "not_found"), slow, full])
                .tells(
                    "Changes one's own password",
                    "Every other session of the account ends. A wrong `currentPassword` slows the next tries, as \
                    failed sign-ins do.",
                ),
        )
        .add(
            Route::post("/auth/password/forgot", forgot)
                .takes::<ForgotPassword>()
                .gives::<MailOnItsWay>(202)
                .refuses(&[slow, (501, "mail_not_configured"), full])
                .tells(
                    "Asks for a mail with which a new password can be set",
                    "The answer is the same whether there is such an account or not. Without a mail server the mail \
                    is written to the log in development, and the call is refused in production.",
                ),
        )
        .add(
            Route::post("/auth/password/reset", reset)
                .takes::<ResetPassword>()
                .gives_nothing(204)
                .refuses(&[(400, "reset_token_spent"), full])
                .tells(
                    "Sets a new password with the token of a mail",
                    "The token works once and for half an hour, unless configured otherwise. All sessions of the \
                    account end.",
                ),
        )
}

async fn change(
    State(app): Shop,
    serve::User(caller): serve::User,
    Address(address): Address,
    Path(id): Path<String>,
    Write { body, once }: Write<ChangePassword>,
) -> Result<Unstored<Response>, Problem> {
    let once = once.map(|once| Once {
        fingerprint: NO_FINGERPRINT.to_owned(),
        ..once
    });
    let replayed = actions::change_password(&app, (caller, &address), Ref::new(&id), body, once).await?;
    Ok(unstored(gone(replayed)))
}

async fn forgot(
    State(app): Shop,
    Address(address): Address,
    Body(asked): Body<ForgotPassword>,
) -> Result<Unstored<(http::StatusCode, Json<MailOnItsWay>)>, Problem> {
    actions::forgot(&app, &address, asked).await?;
    let message = ON_ITS_WAY.to_owned();
    Ok(unstored((http::StatusCode::ACCEPTED, Json(MailOnItsWay { message }))))
}

async fn reset(State(app): Shop, Body(asked): Body<ResetPassword>) -> Result<Unstored<http::StatusCode>, Problem> {
    actions::reset(&app, asked).await?;
    Ok(unstored(serve::no_content()))
}
