//! Products, for everybody to read and for staff to change.

use std::borrow::Cow;
use std::sync::Arc;

use api::catalog::{BULK_READ_MAX, Bulk, BulkQuery, BulkResult, ChangeProduct, NewProduct, Product};
use api::{Nothing, Ref};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base::{Amount, Currency, Money, fold};
use http::{StatusCode, Uri};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serve::{
    BULK_BODY_MAX, CatalogWrite, Created, In, Json, Known, Many, May, MaybeUser, Path, Query, Reply, Rights, Route,
    Routes, Who, Write, listed, listed_page, page,
};
use wire::Problem;

use super::kept::fresh_or;
use super::search;
use crate::App;
use crate::actions::{self, By};
use crate::store::{Filter, From as Start, Order, Shows};

/// Products that `?page=` reaches at most: beyond it the cursor costs less, however far one goes.
pub const PAGED_MAX: u32 = 1_000;

const PRODUCT: &str = "A number, an id, a SKU or a handle.";

/// What a list of products shows, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListQuery {
    /// Products of this category and of those below it: an id, a name, or a path such as `Home > Lighting`. Given
    /// several times: of any of them.
    #[serde(default)]
    pub category: Many,
    /// Words: products that are found by them, the best first unless `sort` says otherwise. Typos and accents are
    /// forgiven.
    pub search: Option<String>,
    /// The same as `search`.
    pub q: Option<String>,
    /// Products that cost at least this: their lowest price counts.
    #[serde(alias = "min_price")]
    pub min_price: Option<String>,
    /// Products that cost at most this: their lowest price counts.
    #[serde(alias = "max_price")]
    pub max_price: Option<String>,
    /// `true`: products of which something can be had; `false`: those that are sold out.
    #[serde(alias = "in_stock")]
    pub in_stock: Option<bool>,
    /// Products with this tag. Given several times: with any of them.
    #[serde(default)]
    pub tag: Many,
    /// Products of this vendor. Given several times: of any of them.
    #[serde(default)]
    pub vendor: Many,
    /// Products that can be chosen so: `Size:M`. Given several times: with any value of each option.
    #[serde(default)]
    pub option: Many,
    /// The product that has a variant with this SKU.
    pub sku: Option<String>,
    /// Only products for sale, or only drafts; the latter for staff, and not together with `search`, `vendor`, `option` or
    /// several values of a filter.
    pub status: Option<Shown>,
    /// The order: the newest first unless said otherwise, the best first in a search.
    pub sort: Option<Sort>,
    /// Products of a page, 1 to 100 (20).
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
    /// Where the page begins, from the `Link` of the page before.
    pub cursor: Option<String>,
    /// The number of a page, from 1, instead of a cursor; for small catalogues.
    pub page: Option<u32>,
}

/// Which products are counted: the filters of a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CountQuery(pub ListQuery);

impl JsonSchema for CountQuery {
    fn schema_name() -> Cow<'static, str> {
        "CountQuery".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ListQuery::json_schema(generator);
        if let Some(Value::Object(fields)) = schema.get_mut("properties") {
            for of_pages in ["sort", "limit", "cursor", "page"] {
                fields.remove(of_pages);
            }
        }
        schema
    }
}

/// Which products of a list are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// Those for sale.
    Active,
    /// Those that only staff see.
    Draft,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sort {
    /// The newest first.
    #[default]
    #[serde(rename = "newest")]
    Newest,
    /// The cheapest first.
    #[serde(rename = "price")]
    Price,
    /// The dearest first.
    #[serde(rename = "-price")]
    PriceDown,
    /// By name.
    #[serde(rename = "name")]
    Name,
}

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::get("/products", list)
                .query::<ListQuery>()
                .gives::<Vec<Product>>(200)
                .refuses(&[(403, "forbidden")])
                .tells(
                    "Lists products",
                    "The next page is in `Link`. Staff with `catalog:read` see drafts too, unless `status` says otherwise.",
                ),
        )
        .add(
            Route::get("/products/{id}", read)
                .param("id", PRODUCT)
                .gives::<Product>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Reads a product",
                    "By number, id, SKU or handle; a handle that it had before leads to it as well.",
                ),
        )
        .add(
            Route::post("/products", create)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .takes::<NewProduct>()
                .gives::<Product>(201)
                .refuses(&[(409, "handle_taken"), (409, "sku_taken"), (409, "duplicate")])
                .tells(
                    "Creates a product",
                    "`name` and `price` are needed. Without `sku` or `handle` they are made.",
                ),
        )
        .add(change_route(Route::put("/products/{id}", change)))
        .add(change_route(Route::patch("/products/{id}", change)))
        .add(
            Route::delete("/products/{id}", archive)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .param("id", PRODUCT)
                .gives_nothing(204)
                .refuses(&[(404, "not_found"), (412, "precondition_failed")])
                .tells(
                    "Archives a product",
                    "It is 404 from then on; orders that hold it still show it. Its SKUs and handle are free again.",
                ),
        )
        .add(
            Route::post("/products/bulk", bulk)
                .takes::<Bulk>()
                .query::<BulkQuery>()
                .gives::<Vec<Product>>(200)
                .gives::<Vec<BulkResult>>(207)
                .refuses(&[(401, "unauthorized"), (403, "forbidden"), (409, "rows_refused")])
                .tells(
                    "Reads or creates many products",
                    "`ids` reads those, at most 100, and needs no token; unknown ones are absent. `products` creates \
                     up to 1,000, each by itself, and needs `catalog:write`; the answer holds a result for each row in \
                     its order. It never updates: a SKU or handle that is taken is that row's 409. With `atomic=true` \
                     all are created or none, and a refusal names every broken row. A body may have 8 MiB.",
                ),
        )
}

fn change_route(route: Route<Arc<App>>) -> Route<Arc<App>> {
    route
        .rights(Rights::May(serve::CATALOG_WRITE))
        .param("id", PRODUCT)
        .takes::<ChangeProduct>()
        .gives::<Product>(200)
        .refuses(&[
            (404, "not_found"),
            (409, "handle_taken"),
            (409, "sku_taken"),
            (409, "duplicate"),
            (409, "stock_reserved"),
            (412, "precondition_failed"),
        ])
        .tells(
            "Changes a product",
            "The fields given. `If-Match` compares the catalogue version of the tag only, so that a sale does not spoil an edit.",
        )
}

async fn list(
    State(app): State<Arc<App>>,
    MaybeUser(user): MaybeUser,
    who: Who,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let staff = sees_drafts(user.as_ref());
    if query.status == Some(Shown::Draft) {
        who.may(serve::CATALOG_READ)?;
    }
    if search::is_search(&query) {
        let key = search::key(&app, &uri);
        let make = search::list(&app, staff, uri, query);
        return match staff {
            true => make.await,
            false => app.kept.or_make(&app.db, &key, make).await,
        };
    }
    let key = uri.to_string();
    let make = make_list(&app, staff, uri, query);
    match staff {
        true => make.await,
        false => app.kept.or_make(&app.db, &key, make).await,
    }
}

async fn make_list(app: &App, drafts: bool, uri: Uri, query: ListQuery) -> Result<Response, Problem> {
    let filter = filter(&query, drafts, app.currency)?;
    let order = match query.sort.unwrap_or_default() {
        Sort::Newest => Order::Newest,
        Sort::Price => Order::Cheapest,
        Sort::PriceDown => Order::Dearest,
        Sort::Name => Order::Name,
    };
    let asked = page(query.limit, query.cursor.as_deref())?;
    let limit = asked.limit;
    let from = match (query.page, asked.after) {
        (Some(_), Some(_)) => return Err(wrong("?page", "stands beside `cursor`; give one of them")),
        (Some(number), None) => Start::Skipping(skipped(number, limit)?),
        (None, Some(cursor)) => Start::After(cursor),
        (None, None) => Start::Start,
    };
    let (found, next) = actions::list(app, filter, order, limit, from).await?;
    let products: Vec<Product> = found.into_iter().map(|found| found.product).collect();
    Ok(match query.page {
        Some(number) => {
            let next = next
                .map(|_| number + 1)
                .filter(|number| skipped(*number, limit).is_ok());
            listed_page(&uri, products, next)
        }
        None => listed(&uri, products, next),
    })
}

async fn read(
    State(app): State<Arc<App>>,
    MaybeUser(user): MaybeUser,
    Path(id): Path<String>,
    known: Known,
) -> Result<Response, Problem> {
    let staff = sees_drafts(user.as_ref());
    let make = async {
        let found = actions::find(&app, Ref::new(&id), staff).await?;
        Ok(Reply::ok(found.value).tagged(found.tag).into_response())
    };
    let shown = match staff {
        true => make.await,
        // No list's address begins like this, whatever the id holds.
        false => app.kept.or_make(&app.db, &format!("product {id}"), make).await,
    }?;
    Ok(fresh_or(shown, &known))
}

async fn create(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    write: Write<NewProduct>,
) -> Result<Reply<Product>, Problem> {
    let done = actions::create(&app, By::from(&cx), write.once, write.body).await?;
    let location = format!("/api/products/{}", done.value.value.id);
    Ok(Created::new(location, done.value.value)
        .tagged(done.value.tag)
        .replayed(done.replayed))
}

async fn change(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    write: Write<ChangeProduct>,
) -> Result<Reply<Product>, Problem> {
    let (id, by) = (Ref::new(&id), By::from(&cx));
    let done = actions::change(&app, by, write.once, id, known.if_match, write.body).await?;
    Ok(Reply::ok(done.value.value)
        .tagged(done.value.tag)
        .replayed(done.replayed))
}

async fn archive(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    write: Write<Nothing>,
) -> Result<Response, Problem> {
    let done = actions::archive(&app, By::from(&cx), write.once, Ref::new(&id), known.if_match).await?;
    Ok(super::gone(done.replayed))
}

async fn bulk(
    State(app): State<Arc<App>>,
    who: Who,
    In(cx): In,
    Query(query): Query<BulkQuery>,
    write: Write<Bulk, BULK_BODY_MAX>,
) -> Result<Response, Problem> {
    match (write.body.ids, write.body.products) {
        (Some(ids), None) if ids.len() > BULK_READ_MAX => {
            Err(wrong("/ids", format!("must have at most {BULK_READ_MAX} entries")))
        }
        (Some(ids), None) => {
            let staff = who.may(serve::CATALOG_READ).is_ok();
            Ok(Json(actions::read_many(&app, ids, staff).await?).into_response())
        }
        (None, Some(products)) => {
            who.may(serve::CATALOG_WRITE)?;
            let done = actions::create_many(&app, By::from(&cx), write.once, products, query.atomic).await?;
            let answer = Reply::with(StatusCode::MULTI_STATUS, done.value);
            Ok(answer.replayed(done.replayed).into_response())
        }
        (Some(_), Some(_)) => Err(wrong("/products", "stands beside `ids`; give one of them")),
        (None, None) => Err(wrong("/ids", "is needed, or `products`")),
    }
}

/// Whether somebody sees what is not for sale yet.
pub(super) fn sees_drafts(user: Option<&serve::Caller>) -> bool {
    user.is_some_and(|user| user.may(serve::CATALOG_READ))
}

fn filter(query: &ListQuery, drafts: bool, currency: Currency) -> Result<Filter, Problem> {
    Ok(Filter {
        shows: match query.status {
            Some(Shown::Draft) => Shows::Drafts,
            None if drafts => Shows::All,
            None | Some(Shown::Active) => Shows::Active,
        },
        category: query.category.0.first().map(|category| fold(category)),
        tag: query.tag.0.first().map(|tag| fold(tag)),
        sku: query.sku.clone(),
        min_minor: minor("?minPrice", query.min_price.as_deref(), currency)?,
        max_minor: minor("?maxPrice", query.max_price.as_deref(), currency)?,
        in_stock: query.in_stock,
    })
}

pub(super) fn minor(pointer: &str, text: Option<&str>, currency: Currency) -> Result<Option<i64>, Problem> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let amount: Amount = text
        .parse()
        .map_err(|fault: base::AmountFault| wrong(pointer, fault.to_string()))?;
    let money = Money::from_amount(amount, currency).map_err(|fault| wrong(pointer, fault.to_string()))?;
    Ok(Some(money.minor))
}

/// How many products stand before a page.
fn skipped(number: u32, limit: u32) -> Result<u32, Problem> {
    let rows = number.checked_sub(1).and_then(|before| before.checked_mul(limit));
    rows.filter(|rows| *rows < PAGED_MAX).ok_or_else(|| {
        wrong(
            "?page",
            format!("must be at least 1 and reach no further than {PAGED_MAX} products; go on by `Link`"),
        )
    })
}

pub(super) fn wrong(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::from(crate::Error::field(pointer, detail))
}
