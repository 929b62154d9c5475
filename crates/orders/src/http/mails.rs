//! Mails to buyers, for staff.

use api::orders::OrderMail;
use api::{Nothing, Ref};
use axum::extract::State;
use serve::{In, Json, May, OrdersRead, OrdersWrite, Path, Reply, Write};

use super::Shop;
use crate::error::Error;
use crate::store::Mail;
use crate::{actions, view};

pub(super) async fn mails(
    State(app): Shop,
    _: May<OrdersRead>,
    Path(id): Path<String>,
) -> Result<Json<Vec<OrderMail>>, Error> {
    let mails = actions::mails(&app, Ref::new(&id)).await?;
    Ok(Json(listed(mails)))
}

pub(super) async fn retry(
    State(app): Shop,
    clerk: May<OrdersWrite>,
    In(cx): In,
    Path(id): Path<String>,
    Write { once, .. }: Write<Nothing>,
) -> Result<Reply<Vec<OrderMail>>, Error> {
    let retried = actions::retry_mails(&app, &cx, &clerk.0, Ref::new(&id), once).await?;
    Ok(Reply::ok(listed(retried.value)).replayed(retried.replayed))
}

fn listed(mails: Vec<Mail>) -> Vec<OrderMail> {
    mails.into_iter().map(view::mail).collect()
}
