//! Categories and tags, for everybody to read and for staff to change.

use std::sync::Arc;

use api::Nothing;
use api::catalog::{Category, CategoryQuery, ChangeCategory, NewCategory, Tag, TagQuery};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use serve::{CatalogWrite, Created, In, Known, May, Path, Query, Reply, Rights, Route, Routes, Write, listed, page};
use wire::Problem;

use super::kept::fresh_or;
use crate::App;
use crate::actions::{self, By};

const CATEGORY: &str =
    "An id, a number, a handle, a path such as `Home > Lighting`, or a name that only one category has.";

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::get("/categories", tree)
                .query::<CategoryQuery>()
                .gives::<Vec<Category>>(200)
                .gives_nothing(304)
                .refuses(&[(400, "category_ambiguous"), (404, "not_found")])
                .tells(
                    "Shows the categories",
                    "The whole tree, each category with its `children`; with `parent` the categories directly below \
                     that one, as a flat list.",
                ),
        )
        .add(
            Route::get("/categories/{id}", read)
                .param("id", CATEGORY)
                .gives::<Category>(200)
                .gives_nothing(304)
                .refuses(&[(400, "category_ambiguous"), (404, "not_found")])
                .tells(
                    "Reads a category",
                    "With the categories directly below it as `children`.",
                ),
        )
        .add(
            Route::post("/categories", create)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .takes::<NewCategory>()
                .gives::<Category>(201)
                .refuses(&[
                    (409, "category_exists"),
                    (409, "handle_taken"),
                    (409, "too_many_categories"),
                ])
                .tells(
                    "Creates a category",
                    "At the top of the tree, or below `parent`. Products that name a category which is not there \
                     create it as well.",
                ),
        )
        .add(change_route(Route::put("/categories/{id}", change)))
        .add(change_route(Route::patch("/categories/{id}", change)))
        .add(
            Route::delete("/categories/{id}", remove)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .param("id", CATEGORY)
                .gives_nothing(204)
                .refuses(&[
                    (404, "not_found"),
                    (409, "category_in_use"),
                    (412, "precondition_failed"),
                ])
                .tells(
                    "Deletes a category",
                    "Refused while categories or products stand in it. Products that were archived keep its name.",
                ),
        )
        .add(
            Route::get("/products/tags", tags)
                .query::<TagQuery>()
                .gives::<Vec<Tag>>(200)
                .tells(
                    "Lists the tags",
                    "Those that products for sale have, by name; with `q` those that begin with it.",
                ),
        )
}

fn change_route(route: Route<Arc<App>>) -> Route<Arc<App>> {
    route
        .rights(Rights::May(serve::CATALOG_WRITE))
        .param("id", CATEGORY)
        .takes::<ChangeCategory>()
        .gives::<Category>(200)
        .refuses(&[
            (404, "not_found"),
            (409, "category_exists"),
            (409, "category_cycle"),
            (409, "category_too_large"),
            (409, "handle_taken"),
            (412, "precondition_failed"),
        ])
        .tells(
            "Changes a category",
            "The fields given. A new name shows at once in every product that stands in it or below; a new `parent` \
             takes everything below it along. `If-Match` names the tag that the change is meant for.",
        )
}

async fn tree(
    State(app): State<Arc<App>>,
    Query(query): Query<CategoryQuery>,
    known: Known,
    uri: Uri,
) -> Result<Response, Problem> {
    let make = async {
        let tree = actions::tree(&app, query).await?;
        Ok(Reply::ok(tree.value).tagged(tree.tag).into_response())
    };
    let key = format!("categories {}", uri.query().unwrap_or_default());
    Ok(fresh_or(app.kept.or_make(&app.db, &key, make).await?, &known))
}

async fn read(State(app): State<Arc<App>>, Path(id): Path<String>, known: Known) -> Result<Response, Problem> {
    let make = async {
        let one = actions::category(&app, id.clone()).await?;
        Ok(Reply::ok(one.value).tagged(one.tag).into_response())
    };
    let key = format!("category {id}");
    Ok(fresh_or(app.kept.or_make(&app.db, &key, make).await?, &known))
}

async fn create(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    write: Write<NewCategory>,
) -> Result<Reply<Category>, Problem> {
    let done = actions::add_category(&app, By::from(&cx), write.once, write.body).await?;
    let location = format!("/api/categories/{}", done.value.value.id);
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
    write: Write<ChangeCategory>,
) -> Result<Reply<Category>, Problem> {
    let done = actions::change_category(&app, By::from(&cx), write.once, id, known.if_match, write.body).await?;
    Ok(Reply::ok(done.value.value)
        .tagged(done.value.tag)
        .replayed(done.replayed))
}

async fn remove(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    write: Write<Nothing>,
) -> Result<Response, Problem> {
    let done = actions::remove_category(&app, By::from(&cx), write.once, id, known.if_match).await?;
    Ok(super::gone(done.replayed))
}

async fn tags(State(app): State<Arc<App>>, Query(query): Query<TagQuery>, uri: Uri) -> Result<Response, Problem> {
    let asked = page(query.limit, query.cursor.as_deref())?;
    let (tags, next) = actions::tags(&app, query.q.unwrap_or_default(), asked.limit, asked.after).await?;
    Ok(listed(&uri, tags, next))
}
