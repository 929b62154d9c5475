//! Whose cart is spoken of, and who speaks.

use api::Ref;
use base::UserId;
use serde_json::json;
use serve::{Caller, ORDERS_READ, ORDERS_WRITE, Role};
use store::Tx;
use wire::{Cx, Problem};

use crate::App;
use crate::domain::{Cart, Line, Owner};
use crate::error::Error;

/// What is to be done with a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// To look at it.
    Read,
    /// To change it.
    Write,
}

/// A cart's owner, and the clerk who acts for them, if one does.
#[derive(Clone, Debug)]
pub struct Acting {
    /// Whose cart it is.
    pub owner: Owner,
    /// Who acts, when it is not the owner.
    pub clerk: Option<Clerk>,
}

/// Somebody of the staff, or a machine, who acts on another's cart.
#[derive(Clone, Debug)]
pub struct Clerk {
    actor: String,
    request_id: String,
}

/// Whose cart the caller speaks of by the path: their own, or with the permission for orders anybody's.
///
/// # Errors
/// No such cart for this caller; 403 for staff who may look but not change, and for machines that name nobody: they have
/// no cart of their own.
pub async fn acting(app: &App, cx: &Cx, caller: &Caller, named: Option<&str>, aim: Aim) -> Result<Acting, Error> {
    let id = match named {
        None => Some(caller.id),
        Some(named) => called(app, cx, caller.id, &Ref::new(named)).await?,
    };
    let id = id
        .filter(|id| caller.may_see(*id, ORDERS_READ))
        .ok_or(Error::NoSuchCart)?;
    let own = id == caller.id;
    if own && caller.key.is_some() {
        let detail = "An API key has no cart of its own. Name whose it is: /api/cart/{userId}.";
        return Err(Error::Problem(Problem::forbidden(detail)));
    }
    if aim == Aim::Write && !caller.may_see(id, ORDERS_WRITE) {
        let detail = format!("This call needs the permission {ORDERS_WRITE}. An administrator can give it.");
        return Err(Error::Problem(Problem::forbidden(detail)));
    }
    let clerk = (!own).then(|| Clerk {
        actor: caller.actor(),
        request_id: cx.request_id().to_owned(),
    });
    let guest = own && caller.role == Role::Guest;
    Ok(Acting {
        owner: Owner { id, guest },
        clerk,
    })
}

/// Makes sure that a `userId` in a body names the cart's owner.
///
/// # Errors
/// It names somebody else.
pub async fn is_owners(app: &App, cx: &Cx, owner: Owner, named: Option<&Ref>) -> Result<(), Error> {
    match named {
        Some(named) if called(app, cx, owner.id, named).await? != Some(owner.id) => Err(Error::NotTheirs),
        _ => Ok(()),
    }
}

/// The user who is called so: by id, by number, which only identity knows, or `me`.
async fn called(app: &App, cx: &Cx, me: UserId, name: &Ref) -> Result<Option<UserId>, Error> {
    match name {
        Ref::User(id) => Ok(Some(*id)),
        Ref::Text(text) if text == "me" => Ok(Some(me)),
        Ref::Number(_) => Ok(app.identity.find(cx, name).await?.map(|user| user.id)),
        _ => Ok(None),
    }
}

impl Acting {
    /// Records what a clerk changed, with the change. What owners do to their own carts is nobody's business.
    ///
    /// # Errors
    /// The database's.
    pub fn record(&self, tx: &mut Tx<'_>, before: &[Line], after: &Cart) -> Result<(), store::Error> {
        let Some(clerk) = &self.clerk else { return Ok(()) };
        let told = |lines: &[Line]| {
            let line = |line: &Line| json!({ "variantId": line.variant, "quantity": line.quantity });
            json!({ "userId": self.owner.id, "lines": lines.iter().map(line).collect::<Vec<_>>() })
        };
        let deed = bus::Deed {
            action: "cart.update",
            subject: &after.id.to_string(),
            before: Some(told(before)),
            after: Some(told(&after.lines)),
        };
        bus::audit(tx, &clerk.actor, &clerk.request_id, deed)
    }
}
