//! Import and export over HTTP: both are streams, however large the file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use api::catalog::{ImportQuery, ImportReport};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, StatusCode, header};
use serve::{In, Query, Rights, Route, Routes, StaffOrService};
use tokio::sync::mpsc;
use wire::Problem;

use super::apply::Chunks;
use super::{Export, ImportOptions, import};
use crate::App;
use crate::actions::By;

/// Pieces of a body that wait for the parser.
const CHUNKS_WAITING: usize = 4;
/// What is read on of a file that was refused, so that its sender hears the answer and not a broken pipe.
const DRAIN_MAX: usize = 8 << 20;
/// An import that is done by then answers with the right status. A longer one has begun by then: it answers 200 at
/// once and its report when it is done, so that no deadline of a request cuts it off.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Adds the routes of import and export.
pub(crate) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .add(
            Route::post("/products/import", take)
                .rights(Rights::StaffOrService)
                .query::<ImportQuery>()
                .takes_text("text/csv")
                .gives::<ImportReport>(200)
                .refuses(&[
                    (400, "not_a_product_file"),
                    (400, "unreadable_file"),
                    (415, "unsupported_media_type"),
                ])
                .tells(
                    "Imports products",
                    "The body is Shopify's product CSV (`text/csv`), of any length. Identity is handle and option \
                     values: what is new is created, what differs is updated, the same file again changes nothing. \
                     Quantities are taken of new variants only, unless `stock=set`. A product with a broken row stays \
                     out; the report names each such row by its line.",
                ),
        )
        .add(
            Route::get("/products/export", give)
                .rights(Rights::StaffOrService)
                .gives_text(200, "text/csv")
                .tells(
                    "Exports all products",
                    "As Shopify's product CSV. Importing it again changes nothing.",
                ),
        )
}

async fn take(
    State(app): State<Arc<App>>,
    _: StaffOrService,
    In(cx): In,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("text/csv");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_csv = [
        "text/csv",
        "text/plain",
        "application/csv",
        "application/octet-stream",
        "application/vnd.ms-excel",
    ];
    if !is_csv.contains(&kind.as_str()) {
        let detail = format!("The body is {kind}. Send the file itself, as text/csv.");
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        ));
    }
    let (send, from) = mpsc::channel(CHUNKS_WAITING);
    serve::spawn(pump(request.into_body(), send));
    let options = ImportOptions {
        stock: query.stock,
        by: By::from(&cx),
    };
    let mut work = serve::spawn(async move {
        let chunks = Chunks {
            from,
            rest: Bytes::new(),
        };
        import(&app.db, app.currency, chunks, options, |_| {}).await
    });
    match tokio::time::timeout(ANSWER_WAIT, &mut work).await {
        Ok(Ok(done)) => Ok(Json(done?).into_response()),
        Ok(Err(fault)) => match fault.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Problem::unavailable(
                "The shop is closing down. Please send the file again.",
            )),
        },
        Err(_) => {
            let report = stream::once(async move {
                let report = work.await.map_err(io::Error::other)?.map_err(|fault| {
                    tracing::error!(%fault, "an import broke off after its answer had begun");
                    io::Error::other(fault)
                })?;
                serde_json::to_vec(&report).map_err(io::Error::other)
            });
            Ok(typed("application/json", Body::from_stream(report)))
        }
    }
}

/// Hands the body to the parser, piece by piece.
async fn pump(body: Body, to: mpsc::Sender<io::Result<Bytes>>) {
    let mut pieces = body.into_data_stream();
    let mut drained = 0;
    while let Some(piece) = pieces.next().await {
        let broken = piece.is_err();
        let size = piece.as_ref().map_or(0, Bytes::len);
        if to.send(piece.map_err(io::Error::other)).await.is_err() {
            drained += size;
        }
        if broken || drained > DRAIN_MAX {
            return;
        }
    }
}

async fn give(State(app): State<Arc<App>>, _: StaffOrService) -> Result<Response, Problem> {
    let mut export = Export::new(&app.db, app.currency);
    // The header is read ahead, so that a database that does not answer is a problem and not half a file.
    let header = export.next().await?;
    let pages = stream::try_unfold(export, |mut export| async move {
        let page = export.next().await.map_err(|fault| {
            tracing::error!(%fault, "an export broke off");
            io::Error::other(fault)
        })?;
        Ok::<_, io::Error>(page.map(|page| (page, export)))
    });
    let file = stream::iter(header.map(Ok)).chain(pages);
    let mut response = typed("text/csv", Body::from_stream(file));
    let name = HeaderValue::from_static("attachment; filename=\"products.csv\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

fn typed(kind: &'static str, body: Body) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}
