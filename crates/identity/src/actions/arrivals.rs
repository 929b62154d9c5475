//! Accounts that come from another system, with the hashes of their passwords.

use api::identity::{Arrivals, Arrived, Came, Register};
use serve::{Permissions, Role};
use store::Tx;
use wire::Cx;

use super::registered;
use crate::domain::{self, Fault, Newcomer, User};
use crate::passwords::{Foreign, foreign};
use crate::store::{passwords as password_rows, users as rows};
use crate::{App, Error};

/// A row, read.
#[derive(Clone)]
struct Arrival {
    user: User,
    hash: Option<String>,
    bcrypt_cost: Option<u32>,
}

/// Takes accounts over; each row stands or falls by itself, and one that is here already changes nothing. Answers what
/// became of each, in their order.
pub(crate) async fn take_over(app: &App, cx: &Cx, arrivals: Arrivals) -> Result<Vec<Arrived>, Error> {
    let read: Vec<Result<Arrival, Vec<Fault>>> = arrivals.users.iter().map(|row| read(app, row)).collect();
    let cause = cx.clone();
    app.db
        .write(move |tx| {
            read.iter()
                .map(|row| match row {
                    Ok(arrival) => enter(tx, arrival.clone(), &cause),
                    Err(faults) => Ok(refused(faults)),
                })
                .collect()
        })
        .await
}

fn refused(faults: &[Fault]) -> Arrived {
    Arrived {
        came: Came::Refused,
        reasons: faults
            .iter()
            .map(|fault| format!("{} {}", fault.pointer.trim_start_matches('/'), fault.detail))
            .collect(),
    }
}

fn read(app: &App, row: &api::identity::Arrival) -> Result<Arrival, Vec<Fault>> {
    let asked = Register {
        email: row.email.clone(),
        username: row.username.clone(),
        name: row.name.clone(),
        first_name: row.first_name.clone(),
        last_name: row.last_name.clone(),
        phone: row.phone.clone(),
        ..Register::default()
    };
    let mut faults = Vec::new();
    let newcomer = domain::arrival(&asked).map_err(|more| faults.extend(more)).ok();
    let role = match row.role.as_deref().map(str::trim) {
        None | Some("") => Role::Customer,
        Some(word) => match Role::parse(word) {
            Some(role @ (Role::Customer | Role::Staff)) => role,
            _ => {
                faults.push(Fault::new("/role", "must be customer or staff"));
                Role::Customer
            }
        },
    };
    let hash = row.password_hash.clone().filter(|hash| !hash.is_empty());
    let kind = hash.as_deref().map(foreign).transpose();
    let kind = kind.map_err(|why| faults.push(Fault::new("/passwordHash", format!("cannot be verified here: {why}"))));
    match (newcomer, kind, faults.is_empty()) {
        (Some(newcomer), Ok(kind), true) => Ok(Arrival {
            user: user(app, newcomer, role),
            hash,
            bcrypt_cost: match kind {
                Some(Foreign::Bcrypt(cost)) => Some(cost),
                Some(Foreign::Argon2id) | None => None,
            },
        }),
        _ => Err(faults),
    }
}

fn user(app: &App, newcomer: Newcomer, role: Role) -> User {
    let now = app.clock.now();
    User {
        id: app.ids.next(now),
        number: None,
        version: 0,
        email: newcomer.email,
        username: newcomer.username,
        names: newcomer.names,
        phone: newcomer.phone,
        role,
        permissions: Permissions::NONE,
        created_at: now,
    }
}

fn enter(tx: &mut Tx<'_>, arrival: Arrival, cx: &Cx) -> Result<Arrived, Error> {
    let Arrival {
        mut user,
        hash,
        bcrypt_cost,
    } = arrival;
    let by_email = match &user.email {
        Some(email) => rows::by_email(tx, &email.key)?,
        None => None,
    };
    let by_username = match &user.username {
        Some(username) => rows::by_username(tx, &username.key)?,
        None => None,
    };
    let taken = |pointer| refused(&[Fault::new(pointer, "belongs to somebody else here")]);
    match (by_email, by_username) {
        (None, None) => {}
        (Some(one), Some(other)) if one.id != other.id => return Ok(taken("/username")),
        // Without a username in the row an account of that address is theirs, whatever it is called.
        (Some(_), None) if user.username.is_some() => return Ok(taken("/email")),
        (None, Some(_)) if user.email.is_some() => return Ok(taken("/username")),
        _ => {
            return Ok(Arrived {
                came: Came::Present,
                reasons: Vec::new(),
            });
        }
    }
    rows::add(tx, &mut user, hash.as_deref(), 1)?;
    if let Some(cost) = bcrypt_cost {
        password_rows::note_bcrypt(tx, user.id, cost)?;
    }
    registered(tx, &user, cx)?;
    if user.role == Role::Staff {
        let deed = bus::Deed {
            action: "user.role",
            subject: &user.id.to_string(),
            before: None,
            after: Some(serde_json::json!({ "role": user.role })),
        };
        bus::audit(tx, cx.actor(), cx.request_id(), deed)?;
    }
    Ok(Arrived {
        came: Came::Created,
        reasons: Vec::new(),
    })
}
