//! How administrators come to be from outside the shop: at the first start, and by the command line.

use api::Ref;
use api::identity::Register;
use base::UserId;
use serve::{Mode, Permissions, Role};
use store::{Db, Tx};
use wire::Cx;

use super::{known_user, password_rules, registered};
use crate::domain::{self, User};
use crate::store::{passwords as password_rows, sessions as session_rows, users as rows, words as word_rows};
use crate::{App, Config, Error, Hasher};

/// Who was made an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appointed {
    /// Who.
    pub id: UserId,
    /// Whether the account is new; else an old one was raised, with the new password, and its sessions have ended.
    pub is_new: bool,
}

/// Makes an administrator while there is none; answers none when there is one. For `ADMIN_EMAIL` and
/// `ADMIN_PASSWORD` at the start of the process.
///
/// # Errors
/// [`Error::Invalid`] for an address or a password that is none; the database's.
pub async fn ensure_first_admin(
    db: &Db,
    config: &Config,
    mode: Mode,
    email: &str,
    password: &str,
) -> Result<Option<Appointed>, Error> {
    if db.read(rows::has_admin).await? {
        return Ok(None);
    }
    appoint(db, config, mode, email, password, true).await
}

/// Makes an administrator, for the command line. Whoever has the address already is raised.
///
/// # Errors
/// As [`ensure_first_admin`].
pub async fn create_admin(
    db: &Db,
    config: &Config,
    mode: Mode,
    email: &str,
    password: &str,
) -> Result<Appointed, Error> {
    let appointed = appoint(db, config, mode, email, password, false).await?;
    appointed.ok_or_else(|| store::Error::Absent.into())
}

/// [`create_admin`] for the command line beside a running server; answers the account as it then is, and whether it is
/// new.
pub(crate) async fn raise(app: &App, asked: &api::identity::Appoint) -> Result<(User, bool), Error> {
    let appointed = create_admin(&app.db, &app.config, app.mode, &asked.email, &asked.password).await?;
    let user = known_user(app, Ref::User(appointed.id)).await?;
    Ok((user, appointed.is_new))
}

async fn appoint(
    db: &Db,
    config: &Config,
    mode: Mode,
    email: &str,
    password: &str,
    only_first: bool,
) -> Result<Option<Appointed>, Error> {
    let asked = Register {
        email: Some(email.to_owned()),
        password: password.to_owned(),
        ..Register::default()
    };
    let newcomer = domain::newcomer(&asked, password_rules(config, mode)).map_err(Error::Invalid)?;
    let (now, ids) = (db.clock().now(), db.ids().clone());
    let hash = Hasher::start(config.password_cost, 1, ids.clone())?
        .hash(asked.password)
        .await?;
    let id = ids.next(now);
    let cx = Cx::new(ids.next::<base::RequestId>(now).to_string(), "service:identity");
    db.write(move |tx| {
        if only_first && rows::has_admin(tx)? {
            return Ok(None);
        }
        let email = newcomer.email.clone();
        let present = match &email {
            Some(email) => rows::by_email(tx, &email.key)?,
            None => None,
        };
        if let Some(present) = present {
            // Whoever opened this account without being the administrator is turned out of it.
            rows::appoint(tx, present.id, Role::Admin, &hash, now)?;
            raised(tx, &present, &cx)?;
            let deed = bus::Deed {
                action: "user.password",
                subject: &present.id.to_string(),
                before: Some(serde_json::json!({})),
                after: Some(serde_json::json!({ "password": "changed" })),
            };
            bus::audit(tx, cx.actor(), cx.request_id(), deed)?;
            password_rows::forbid_resets(tx, present.id)?;
            session_rows::end_all(tx, present.id, None, now)?;
            return Ok(Some(Appointed {
                id: present.id,
                is_new: false,
            }));
        }
        let mut user = User {
            email,
            role: Role::Admin,
            permissions: Permissions::ALL,
            created_at: now,
            ..User::guest(id)
        };
        rows::add(tx, &mut user, Some(&hash), 1)?;
        tell(tx, id, None, &cx)?;
        registered(tx, &user, &cx)?;
        Ok(Some(Appointed { id, is_new: true }))
    })
    .await
}

/// Enters somebody who was raised under their new role, and tells of it.
fn raised(tx: &mut Tx<'_>, present: &User, cx: &Cx) -> Result<(), Error> {
    let raised = User {
        role: Role::Admin,
        ..present.clone()
    };
    word_rows::enter(tx, &raised)?;
    tell(tx, present.id, Some(present.role), cx)
}

/// Records that somebody is an administrator now.
fn tell(tx: &mut Tx<'_>, id: UserId, before: Option<Role>, cx: &Cx) -> Result<(), Error> {
    let deed = bus::Deed {
        action: "user.role",
        subject: &id.to_string(),
        before: before.map(|role| serde_json::json!({ "role": role })),
        after: Some(serde_json::json!({ "role": Role::Admin })),
    };
    Ok(bus::audit(tx, cx.actor(), cx.request_id(), deed)?)
}
