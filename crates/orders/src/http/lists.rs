//! Lists of orders.

use std::borrow::Cow;

use api::Ref;
use api::orders::OrderStatus;
use api::payments::PaymentStatus;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use base::{Cursor, Time, UserId};
use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serve::{Bearer, In, ORDERS_READ, Path, Query, listed};

use super::Shop;
use crate::error::Error;
use crate::store::Filter;
use crate::{App, actions, view};

/// Which orders to list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    /// In this state, or in one of several with commas between them.
    #[serde(default)]
    status: Several<OrderStatus>,
    /// With a payment in this state, or in one of several with commas between them.
    #[serde(default, alias = "payment_status")]
    payment_status: Several<PaymentStatus>,
    /// Of this user: for staff.
    #[serde(alias = "user_id")]
    user_id: Option<Ref>,
    /// With this number.
    number: Option<i64>,
    /// Placed at this moment or later.
    from: Option<Time>,
    /// Placed before this moment.
    to: Option<Time>,
    /// In which order (newest).
    #[serde(default)]
    sort: Sort,
    /// How many, from 1 to 100 (20).
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Sort {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// A word of a state.
trait Word: Sized {
    const WORDS: &'static [&'static str];
    fn parse(word: &str) -> Option<Self>;
}

impl Word for OrderStatus {
    const WORDS: &'static [&'static str] = &[
        "pending",
        "confirmed",
        "processing",
        "shipped",
        "delivered",
        "cancelled",
        "failed",
    ];
    fn parse(word: &str) -> Option<Self> {
        OrderStatus::parse(word)
    }
}

impl Word for PaymentStatus {
    const WORDS: &'static [&'static str] = &[
        "pending",
        "processing",
        "completed",
        "failed",
        "refunded",
        "partially_refunded",
    ];
    fn parse(word: &str) -> Option<Self> {
        PaymentStatus::parse(word)
    }
}

/// Words with commas between them.
#[derive(Debug)]
struct Several<T>(Vec<T>);

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Word> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        let mut words: Vec<&str> = text.split(',').collect();
        words.sort_unstable();
        words.dedup();
        let read = |word: &&str| {
            let fault = || serde::de::Error::custom(format!("{word:?} is none of {}", T::WORDS.join(", ")));
            T::parse(word).ok_or_else(fault)
        };
        words.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl<T: Word> JsonSchema for Several<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Several_{}", T::WORDS[0]).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = format!("({})", T::WORDS.join("|"));
        json_schema!({
            "type": "string",
            "pattern": format!("^{one}(,{one})*$"),
            "x-words": T::WORDS,
            "examples": [T::WORDS[0], T::WORDS[..2].join(",")],
        })
    }
}

pub(super) async fn list(
    State(app): Shop,
    Bearer(caller): Bearer,
    In(cx): In,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let user = match &query.user_id {
        Some(user) => Some(actions::user_named(&app, &cx, &caller, user.clone()).await?),
        None if caller.may(ORDERS_READ) => None,
        None => Some(caller.id),
    };
    page_of(&app, &uri, user, query).await
}

pub(super) async fn list_of_user(
    State(app): Shop,
    Bearer(caller): Bearer,
    In(cx): In,
    Path(user): Path<String>,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let user = actions::user_named(&app, &cx, &caller, Ref::new(&user)).await?;
    page_of(&app, &uri, Some(user), query).await
}

async fn page_of(app: &App, uri: &Uri, user: Option<UserId>, query: ListQuery) -> Result<Response, Error> {
    let page = serve::page(query.limit, query.cursor.as_deref())?;
    let filter = Filter {
        user,
        statuses: query.status.0,
        payments: query.payment_status.0,
        number: query.number,
        from: query.from,
        to: query.to,
        oldest_first: query.sort == Sort::Oldest,
    };
    let (orders, more) = actions::list(app, filter, page).await?;
    let next = orders
        .last()
        .filter(|_| more)
        .map(|last| Cursor::new([last.id.to_string()]));
    Ok(listed(uri, orders.into_iter().map(view::order).collect(), next))
}
