//! The addresses of carts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use api::Ref;
use api::cart::{Add, Cart, Clear, Contents, MergeCarts, Merged, Remove, SetQuantity};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serve::{Bearer, Body, In, Known, Path, Rights, Route, Routes, Write, no_content};
use store::Answered;
use wire::Problem;

use crate::App;
use crate::actions::{self, Aim, Change, Shown};
use crate::error::Error;

/// Where a cart is.
const ADDRESS: &str = "/api/cart";

type Shop = State<Arc<App>>;

/// What the path names, in whichever of its spellings.
#[derive(Debug, Deserialize)]
struct At {
    #[serde(rename = "userId")]
    user: Option<String>,
    item: Option<String>,
}

/// All routes of cart.
pub fn routes() -> Routes<Arc<App>> {
    const ITEM: &str = "The line's id, or what is in it: a product's number or id, a variant's id, a SKU.";
    const ADDED: &[(u16, &str)] = &[
        (400, "variant_required"),
        (403, "forbidden"),
        (404, "not_found"),
        (409, "out_of_stock"),
        (409, "line_full"),
        (409, "cart_full"),
    ];
    const ADDS: &str = "Names a `productId`, `variantId` or `sku`; `quantity` is 1 when absent. Adds to the line that \
        is there already. More than there is: `out_of_stock`, whose `lines` tell how many there are.";
    Routes::new("cart", None)
        .add(
            Route::get("/cart", show)
                .also(&["/cart/cart", "/cart/{userId}"])
                .rights(Rights::Owner)
                .gives::<Cart>(200)
                .gives_nothing(304)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Shows the cart",
                    "With the names, prices and stock of now; `changes` of a line tell what of them differs from what \
                     they were when the buyer last acted on it. Empty before the first add.",
                ),
        )
        .add(
            Route::post("/cart", add)
                .also(&["/cart/items", "/cart/{userId}/items", "/orders/cart/{userId}/items"])
                .rights(Rights::Owner)
                .takes::<Add>()
                .gives::<Cart>(201)
                .refuses(ADDED)
                .tells("Adds to the cart", ADDS),
        )
        .add(
            Route::post("/cart/cart/add", add_plainly)
                .rights(Rights::Owner)
                .takes::<Add>()
                .gives::<Cart>(200)
                .refuses(ADDED)
                .tells("Adds to the cart, answering 200", ADDS),
        )
        .add(
            Route::put("/cart/items/{item}", set)
                .also(&["/cart/{userId}/items/{item}"])
                .param("item", ITEM)
                .rights(Rights::Owner)
                .takes::<SetQuantity>()
                .gives::<Cart>(200)
                .refuses(&[
                    (400, "variant_required"),
                    (404, "not_found"),
                    (409, "out_of_stock"),
                    (412, "precondition_failed"),
                ])
                .tells("Sets a line's quantity", "0 takes the line out."),
        )
        .add(
            Route::delete("/cart/items/{item}", remove)
                .also(&["/cart/{userId}/items/{item}"])
                .param("item", ITEM)
                .rights(Rights::Owner)
                .gives::<Cart>(200)
                .refuses(&[(400, "variant_required"), (404, "not_found")])
                .tells("Takes a line out", ""),
        )
        .add(
            Route::post("/cart/cart/remove", remove_named)
                .rights(Rights::Owner)
                .takes::<Remove>()
                .gives::<Cart>(200)
                .refuses(&[(400, "variant_required"), (404, "not_found")])
                .tells("Takes a product's line out", ""),
        )
        .add(
            Route::delete("/cart", empty)
                .also(&["/cart/{userId}"])
                .also_as(Method::POST, "/cart/cart/clear")
                .rights(Rights::Owner)
                .gives::<Cart>(200)
                .refuses(&[(404, "not_found")])
                .tells("Empties the cart", "An order that is being made of it goes on."),
        )
        .add(
            Route::post("/cart/acknowledge", acknowledge)
                .also(&["/cart/{userId}/acknowledge"])
                .rights(Rights::Owner)
                .gives::<Cart>(200)
                .refuses(&[(404, "not_found"), (412, "precondition_failed")])
                .tells(
                    "Acknowledges what changed",
                    "The buyer has seen the cart as it is now: `changes` of its lines and `merge` are cleared. With \
                     `If-Match` only when it still is as it was shown with that tag.",
                ),
        )
        .add(
            Route::get("/internal/carts/{userId}", contents)
                .gives::<Contents>(200)
                .refuses(&[(404, "not_found")]),
        )
        .add(
            Route::post("/internal/carts/clear", clear)
                .takes::<Clear>()
                .gives_nothing(204),
        )
        .add(
            Route::post("/internal/carts/merge", merge)
                .takes::<MergeCarts>()
                .gives::<Merged>(200),
        )
}

async fn show(
    State(app): Shop,
    In(cx): In,
    Bearer(caller): Bearer,
    Path(at): Path<At>,
    known: Known,
) -> Result<Response, Problem> {
    let acting = actions::acting(&app, &cx, &caller, at.user.as_deref(), Aim::Read).await?;
    let value = actions::show(&app, &cx, &acting).await?;
    let answer = answer(StatusCode::OK, Answered { value, replayed: false });
    let tag = answer
        .headers()
        .get(header::ETAG)
        .and_then(|tag| tag.to_str().ok())
        .unwrap_or_default();
    Ok(if known.is_fresh(tag) {
        serve::not_modified(tag)
    } else {
        answer
    })
}

async fn add(state: Shop, cx: In, user: Bearer, at: Path<At>, write: Write<Add>) -> Result<Response, Problem> {
    let mut answer = added(StatusCode::CREATED, state, cx, user, at, write).await?;
    answer
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static(ADDRESS));
    Ok(answer)
}

async fn add_plainly(state: Shop, cx: In, user: Bearer, at: Path<At>, write: Write<Add>) -> Result<Response, Problem> {
    added(StatusCode::OK, state, cx, user, at, write).await
}

async fn added(
    status: StatusCode,
    State(app): Shop,
    In(cx): In,
    Bearer(caller): Bearer,
    Path(at): Path<At>,
    Write { body, once }: Write<Add>,
) -> Result<Response, Problem> {
    let acting = actions::acting(&app, &cx, &caller, at.user.as_deref(), Aim::Write).await?;
    actions::is_owners(&app, &cx, acting.owner, body.user_id.as_ref()).await?;
    Ok(answer(status, actions::add(&app, &cx, acting, body, once).await?))
}

async fn set(
    State(app): Shop,
    In(cx): In,
    Bearer(caller): Bearer,
    Path(at): Path<At>,
    known: Known,
    Write { body, once }: Write<SetQuantity>,
) -> Result<Response, Problem> {
    let acting = actions::acting(&app, &cx, &caller, at.user.as_deref(), Aim::Write).await?;
    let (item, wanted) = (item_of(&at), Change::Set(body.quantity));
    let known = of_versions(known);
    let permits = move |version| known.permits(&format!("\"{version}\""));
    Ok(answer(
        StatusCode::OK,
        actions::change_line(&app, &cx, acting, item, wanted, once, permits).await?,
    ))
}

async fn remove(
    State(app): Shop,
    In(cx): In,
    Bearer(caller): Bearer,
    Path(at): Path<At>,
    Write { once, .. }: Write<()>,
) -> Result<Response, Problem> {
    let acting = actions::acting(&app, &cx, &caller, at.user.as_deref(), Aim::Write).await?;
    let done = actions::change_line(&app, &cx, acting, item_of(&at), Change::Remove, once, |_| Ok(()));
    Ok(answer(StatusCode::OK, done.await?))
}

async fn remove_named(
    State(app): Shop,
    In(cx): In,
    Bearer(caller): Bearer,
    Write { body, once }: Write<Remove>,
) -> Result<Response, Problem> {
    let acting = actions::acting(&app, &cx, &caller, None, Aim::Write).await?;
    let done = actions::change_line(&app, &cx, acting, body.product_id, Change::Remove, once, |_| Ok(()));
    Ok(answer(StatusCode::OK, done.await?))
}

async fn empty(
    State(app): Shop,
    In(cx): In,
    Bearer(caller): Bearer,
    Path(at): Path<At>,
    Write { once, .. }: Write<()>,
) -> Result<Response, Problem> {
    let acting = actions::acting(&app, &cx, &caller, at.user.as_deref(), Aim::Write).await?;
    Ok(answer(StatusCode::OK, actions::empty(&app, &cx, acting, once).await?))
}

async fn acknowledge(
    State(app): Shop,
    In(cx): In,
    Bearer(caller): Bearer,
    Path(at): Path<At>,
    known: Known,
    Write { once, .. }: Write<()>,
) -> Result<Response, Problem> {
    let acting = actions::acting(&app, &cx, &caller, at.user.as_deref(), Aim::Write).await?;
    let permits = move |shown: &Shown| known.permits(&written(shown).0);
    let done = actions::acknowledge(&app, &cx, acting, once, permits);
    Ok(answer(StatusCode::OK, done.await?))
}

async fn contents(State(app): Shop, Path(at): Path<At>) -> Result<Response, Problem> {
    let Ref::User(user) = Ref::new(at.user.as_deref().unwrap_or_default()) else {
        Err(Error::NoSuchCart)?
    };
    let contents = actions::contents(&app, user).await?.ok_or(Error::NoSuchCart)?;
    Ok(serve::Json(contents).into_response())
}

async fn clear(State(app): Shop, Body(clear): Body<Clear>) -> Result<StatusCode, Problem> {
    actions::clear(&app, clear).await?;
    Ok(no_content())
}

async fn merge(State(app): Shop, In(cx): In, Body(carts): Body<MergeCarts>) -> Result<serve::Json<Merged>, Problem> {
    Ok(serve::Json(actions::merge(&app, &cx, carts).await?))
}

fn item_of(at: &At) -> Ref {
    Ref::new(at.item.as_deref().unwrap_or_default())
}

/// A cart with its tag.
fn answer(status: StatusCode, Answered { value, replayed }: Answered<Shown>) -> Response {
    let (tag, body) = written(&value);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if replayed {
        response
            .headers_mut()
            .insert(serve::REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The tag and the text of a cart. The tag is the version of what is in it, and a digest of all that is shown, since
/// prices and stock change without it.
fn written(Shown { cart, version }: &Shown) -> (String, Vec<u8>) {
    // Numbers and texts only: there is nothing that cannot be written.
    let body = serde_json::to_vec(cart).unwrap_or_default();
    let mut digest = DefaultHasher::new();
    body.hash(&mut digest);
    (format!("\"{version}-{:x}\"", digest.finish()), body)
}

/// What the caller knows, without the digests: a change is meant for what is in the cart, whatever that costs by now.
fn of_versions(known: Known) -> Known {
    let version = |tag: &str| match tag.split_once('-') {
        Some((version, _)) => format!("{version}\""),
        None => tag.to_owned(),
    };
    let if_match = known
        .if_match
        .map(|tags| tags.split(',').map(version).collect::<Vec<_>>().join(","));
    Known { if_match, ..known }
}
