//! Mails to buyers, for staff.

use api::Ref;
use api::orders::OrderMail;
use axum::extract::State;
use serve::{In, Json, May, OrdersRead, OrdersWrite, Path};

use super::Shop;
use crate::error::Error;
use crate::store::Mail;
use crate::{actions, view};

pub(super) async fn mails(
    State(app): Shop,
    _: May<OrdersRead>,
    Path(id): Path<String>,
) -> Result<Json<Vec<OrderMail>>, Error> {
    actions::mails(&app, Ref::new(&id)).await.map(shown)
}

pub(super) async fn retry(
    State(app): Shop,
    clerk: May<OrdersWrite>,
    In(cx): In,
    Path(id): Path<String>,
) -> Result<Json<Vec<OrderMail>>, Error> {
    actions::retry_mails(&app, &cx, &clerk.0, Ref::new(&id))
        .await
        .map(shown)
}

fn shown(mails: Vec<Mail>) -> Json<Vec<OrderMail>> {
    Json(mails.into_iter().map(view::mail).collect())
}
