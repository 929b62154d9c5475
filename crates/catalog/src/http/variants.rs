//! Variants of a product, for everybody to read and for staff to change.

use std::sync::Arc;

use api::catalog::{ChangeVariant, NewVariant, Variant};
use api::{Nothing, Ref};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serve::{
    CatalogWrite, Created, In, Known, May, MaybeUser, Path, Reply, Rights, Route, Routes, Write, not_modified,
};
use wire::Problem;

use crate::App;
use crate::actions::{self, By};

const PRODUCT: &str = "A product's number, id, SKU or handle.";
const VARIANT: &str = "A variant's id or SKU.";

pub(super) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::get("/products/{id}/variants", list)
                .param("id", PRODUCT)
                .gives::<Vec<Variant>>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Lists a product's variants",
                    "All of them, in their order. `ETag` is the product's.",
                ),
        )
        .add(
            Route::get("/products/{id}/variants/{variantId}", read)
                .param("id", PRODUCT)
                .param("variantId", VARIANT)
                .gives::<Variant>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells("Reads a variant", "`ETag` is the product's."),
        )
        .add(
            Route::post("/products/{id}/variants", create)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .param("id", PRODUCT)
                .takes::<NewVariant>()
                .gives::<Variant>(201)
                .refuses(&[
                    (404, "not_found"),
                    (409, "sku_taken"),
                    (409, "duplicate"),
                    (412, "precondition_failed"),
                ])
                .tells(
                    "Adds a variant",
                    "It chooses a value of every option of the product; a value that an option does not offer yet is \
                     added to it. A product without options gets some first, by changing it. `If-Match` names the \
                     product's tag.",
                ),
        )
        .add(change_route(Route::put("/products/{id}/variants/{variantId}", change)))
        .add(change_route(Route::patch(
            "/products/{id}/variants/{variantId}",
            change,
        )))
        .add(
            Route::delete("/products/{id}/variants/{variantId}", remove)
                .rights(Rights::May(serve::CATALOG_WRITE))
                .param("id", PRODUCT)
                .param("variantId", VARIANT)
                .gives_nothing(204)
                .refuses(&[(404, "not_found"), (409, "last_variant"), (412, "precondition_failed")])
                .tells(
                    "Archives a variant",
                    "It can no longer be bought; orders that hold it still show it and keep their pieces. Its SKU is \
                     free again. The last variant stays.",
                ),
        )
}

fn change_route(route: Route<Arc<App>>) -> Route<Arc<App>> {
    route
        .rights(Rights::May(serve::CATALOG_WRITE))
        .param("id", PRODUCT)
        .param("variantId", VARIANT)
        .takes::<ChangeVariant>()
        .gives::<Variant>(200)
        .refuses(&[
            (404, "not_found"),
            (409, "sku_taken"),
            (409, "stock_reserved"),
            (409, "duplicate"),
            (412, "precondition_failed"),
        ])
        .tells(
            "Changes a variant",
            "The fields given; `null` takes away what need not be there. With other `options` it stays the same \
             variant, with its stock and its orders. `If-Match` names the product's tag.",
        )
}

async fn list(
    State(app): State<Arc<App>>,
    MaybeUser(user): MaybeUser,
    Path(id): Path<String>,
    known: Known,
) -> Result<Response, Problem> {
    let staff = user.is_some_and(|user| user.may(serve::CATALOG_READ));
    let found = actions::variants(&app, Ref::new(&id), staff).await?;
    if known.is_fresh(&found.tag) {
        return Ok(not_modified(&found.tag));
    }
    Ok(Reply::ok(found.value).tagged(found.tag).into_response())
}

async fn read(
    State(app): State<Arc<App>>,
    MaybeUser(user): MaybeUser,
    Path((id, variant)): Path<(String, String)>,
    known: Known,
) -> Result<Response, Problem> {
    let staff = user.is_some_and(|user| user.may(serve::CATALOG_READ));
    let found = actions::variant(&app, Ref::new(&id), variant, staff).await?;
    if known.is_fresh(&found.tag) {
        return Ok(not_modified(&found.tag));
    }
    Ok(Reply::ok(found.value).tagged(found.tag).into_response())
}

async fn create(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path(id): Path<String>,
    known: Known,
    write: Write<NewVariant>,
) -> Result<Reply<Variant>, Problem> {
    let by = By::from(&cx);
    let done = actions::add_variant(&app, by, write.once, Ref::new(&id), known.if_match, write.body).await?;
    let location = format!("/api/products/{}/variants/{}", Ref::new(&id), done.value.value.id);
    Ok(Created::new(location, done.value.value)
        .tagged(done.value.tag)
        .replayed(done.replayed))
}

async fn change(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path((id, variant)): Path<(String, String)>,
    known: Known,
    write: Write<ChangeVariant>,
) -> Result<Reply<Variant>, Problem> {
    let which = (Ref::new(&id), variant);
    let by = By::from(&cx);
    let done = actions::change_variant(&app, by, write.once, which, known.if_match, write.body).await?;
    Ok(Reply::ok(done.value.value)
        .tagged(done.value.tag)
        .replayed(done.replayed))
}

async fn remove(
    State(app): State<Arc<App>>,
    _: May<CatalogWrite>,
    In(cx): In,
    Path((id, variant)): Path<(String, String)>,
    known: Known,
    write: Write<Nothing>,
) -> Result<Response, Problem> {
    let which = (Ref::new(&id), variant);
    let done = actions::remove_variant(&app, By::from(&cx), write.once, which, known.if_match).await?;
    Ok(super::gone(done.replayed))
}
