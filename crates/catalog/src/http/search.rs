//! Search, facets, and the index behind them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::Ref;
use api::catalog::{Facets, IndexState, Product, Status};
use axum::extract::State;
use axum::response::Response;
use base::{Currency, fold};
use http::{StatusCode, Uri};
use serve::{Json, MaybeUser, Query, Rights, Route, Routes, listed, page};
use wire::Problem;

use super::products::{CountQuery, ListQuery, Shown, Sort, minor, sees_drafts, wrong};
use crate::search::{Asked, By, Wanted, facets, highlights, option_of};
use crate::store::{self as rows, Order};
use crate::{App, Error};

/// Characters of a search: more than anybody types.
const SEARCH_MAX: usize = 200;
/// Values of one filter, such as `tag=`: more than anybody ticks.
const VALUES_MAX: usize = 50;

const FILTERS: &str = "Filters are those of `GET /products`. `category`, `tag`, `vendor` and `option` may be given several \
    times: values of one are alternatives (`tag=oak&tag=pine`, `option=Size:M&option=Size:L`), different ones must all \
    agree (`option=Size:M&option=Colour:Red`).";

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::get("/products/search", search)
                .query::<ListQuery>()
                .gives::<Vec<Product>>(200)
                .tells(
                    "Searches products",
                    "By relevance: an exact SKU or barcode first, then the name before tags, category, vendor and options, \
                     and these before the description. Case and accents do not matter, the last word may be its beginning, \
                     and a word that no product has is found with a typo or two. Where no product has all words, those \
                     with any come, most words first. `q` (or `search`) is needed. Products have `highlights`. Filters and \
                     `sort` are those of `GET /products`. A change is found within about a second.",
                ),
        )
        .add(
            Route::get("/products/facets", count)
                .query::<CountQuery>()
                .gives::<Facets>(200)
                .tells("Counts products by category, price, tag, vendor, option and stock", FILTERS),
        )
        .add(
            Route::post("/internal/reindex", reindex)
                .rights(Rights::Service)
                .gives::<IndexState>(202)
                .tells(
                    "Makes this process's search index anew",
                    "Searches go on with the old one until it is whole.",
                ),
        )
        .add(
            Route::get("/internal/reindex", state)
                .gives::<IndexState>(200)
                .tells("Tells how the search index stands", ""),
        )
}

/// Whether a list is one that the index answers: it has what the tables cannot look for fast.
pub(super) fn is_search(query: &ListQuery) -> bool {
    let several = query.tag.0.len() > 1 || query.category.0.len() > 1;
    text_of(query).is_some() || several || !query.vendor.0.is_empty() || !query.option.0.is_empty()
}

/// What an answer of the index is kept under: it says another thing as soon as the index does.
pub(super) fn key(app: &App, uri: &Uri) -> String {
    format!("{uri} {}", app.search.generation())
}

async fn search(
    State(app): State<Arc<App>>,
    MaybeUser(user): MaybeUser,
    uri: Uri,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    if text_of(&query).is_none() {
        return Err(wrong("?q", "is needed"));
    }
    let drafts = sees_drafts(user.as_ref());
    let key = key(&app, &uri);
    let make = list(&app, drafts, uri, query);
    match drafts {
        true => make.await,
        false => app.kept.or_make(&app.db, &key, make).await,
    }
}

/// A page of what is found.
pub(super) async fn list(app: &App, drafts: bool, uri: Uri, query: ListQuery) -> Result<Response, Problem> {
    if query.page.is_some() {
        return Err(wrong("?page", "does not go with a search; follow the `Link`"));
    }
    let drafts = drafts && query.status != Some(Shown::Active);
    let asked = asked(&query)?;
    let by = match query.sort {
        None if asked.is_some() => By::Relevance,
        None | Some(Sort::Newest) => By::List(Order::Newest),
        Some(Sort::Price) => By::List(Order::Cheapest),
        Some(Sort::PriceDown) => By::List(Order::Dearest),
        Some(Sort::Name) => By::List(Order::Name),
    };
    let place = page(query.limit, query.cursor.as_deref())?;
    let wanted = wanted(app, &query, drafts).await?;
    let hits = app
        .search
        .find(asked, wanted, by, place.limit, place.after.as_ref())
        .await?;
    let which: Vec<Ref> = hits.numbers.iter().map(|number| Ref::Number(*number)).collect();
    let currency = app.currency;
    let found = app.db.read(move |tx| rows::products(tx, &which, currency)).await;
    // What was archived a moment ago is still in the index, and not here.
    let found = found.map_err(Error::Store)?.into_iter().map(|found| found.product);
    let mut of_number: HashMap<i64, Product> = found
        .filter(|product| drafts || product.status == Status::Active)
        .map(|product| (product.number, product))
        .collect();
    let products = hits.numbers.iter().filter_map(|number| {
        let mut product = of_number.remove(number)?;
        if !hits.sought.is_empty() {
            product.highlights = Some(highlights(&product, &hits.sought));
        }
        Some(product)
    });
    Ok(listed(&uri, products.collect::<Vec<_>>(), hits.next))
}

async fn count(
    State(app): State<Arc<App>>,
    MaybeUser(user): MaybeUser,
    Query(CountQuery(query)): Query<CountQuery>,
) -> Result<Json<Facets>, Problem> {
    let drafts = sees_drafts(user.as_ref()) && query.status != Some(Shown::Active);
    let (asked, wanted) = (asked(&query)?, wanted(&app, &query, drafts).await?);
    Ok(Json(facets(&app.search, asked, wanted).await?))
}

async fn reindex(State(app): State<Arc<App>>) -> (StatusCode, Json<IndexState>) {
    (StatusCode::ACCEPTED, Json(app.search.reindex()))
}

async fn state(State(app): State<Arc<App>>) -> Json<IndexState> {
    Json(app.search.state())
}

/// What is searched for; none when there is nothing but spaces.
fn text_of(query: &ListQuery) -> Option<&str> {
    let text = query.search.as_deref().or(query.q.as_deref())?;
    (!text.trim().is_empty()).then_some(text)
}

fn asked(query: &ListQuery) -> Result<Option<Asked>, Problem> {
    let Some(text) = text_of(query) else { return Ok(None) };
    if text.chars().count() > SEARCH_MAX {
        let name = if query.search.is_some() { "?search" } else { "?q" };
        return Err(wrong(name, format!("must have at most {SEARCH_MAX} characters")));
    }
    Ok(Some(Asked::read(text)))
}

async fn wanted(app: &App, query: &ListQuery, drafts: bool) -> Result<Wanted, Problem> {
    let currency: Currency = app.currency;
    if query.status == Some(Shown::Draft) {
        let detail = "must be `active` in a search; lists without `search`, `vendor`, `option` and repeated filters show drafts alone";
        return Err(wrong("?status", detail));
    }
    for (name, values) in [
        ("?category", &query.category),
        ("?tag", &query.tag),
        ("?vendor", &query.vendor),
        ("?option", &query.option),
    ] {
        if values.0.len() > VALUES_MAX {
            return Err(wrong(name, format!("must be given at most {VALUES_MAX} times")));
        }
    }
    let mut options: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in &query.option.0 {
        let (name, value) = option_of(text).ok_or_else(|| wrong("?option", "must be a name and a value: `Size:M`"))?;
        options.entry(name).or_default().insert(value);
    }
    let categories = query.category.0.clone();
    let categories = match categories.is_empty() {
        true => categories,
        false => {
            let keys = app.db.read(move |tx| rows::category_keys(tx, &categories)).await;
            keys.map_err(Error::Store)?
        }
    };
    Ok(Wanted {
        drafts,
        categories,
        tags: query.tag.0.iter().map(|tag| fold(tag)).collect(),
        vendors: query.vendor.0.iter().map(|vendor| fold(vendor)).collect(),
        options,
        sku: query.sku.clone(),
        min_minor: minor("?minPrice", query.min_price.as_deref(), currency)?,
        max_minor: minor("?maxPrice", query.max_price.as_deref(), currency)?,
        in_stock: query.in_stock,
    })
}
