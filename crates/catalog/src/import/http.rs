//! Imports and exports over HTTP: files are streams, however large, and imports are processes to come back to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use api::catalog::{ExportQuery, Import, ImportChange, ImportQuery, ImportState, REASON_COLUMN, UndoImport};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base::{Cursor, ImportId};
use csv::{Terminator, WriterBuilder};
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serve::{
    CATALOG_READ, CATALOG_WRITE, CatalogRead, CatalogWrite, In, Keyed, MayOrService, Path, Query, Reply, Rights, Route,
    Routes, Write, listed, page,
};
use tokio::sync::oneshot;
use wire::Problem;

use super::{Export, ImportOptions, view};
use crate::actions::By;
use crate::store::{Changes, ImportRow};
use crate::{App, Error, store as rows};

/// An import that is done by then answers with its report; else it goes on, and the answer says where to look.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// A file may be on its way for so long; one that stops coming is given up sooner.
const UPLOAD_TIME: Duration = Duration::from_secs(60 * 60);
/// Rows of a file of rejected rows that are read at once.
const ROWS_PAGE: u32 = 200;

const IMPORT: &str = "The import's id.";

/// A page of imports or of changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageQuery {
    /// Entries of a page, 1 to 100 (20).
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<u32>,
    /// Where the page begins, from the `Link` of the page before.
    pub cursor: Option<String>,
}

/// Adds the routes of import and export.
pub(crate) fn routes(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let (write, read) = (Rights::MayOrService(CATALOG_WRITE), Rights::MayOrService(CATALOG_READ));
    routes
        .add(
            Route::post("/products/import", take)
                .rights(write)
                .query::<ImportQuery>()
                .takes_text("text/csv")
                .within(UPLOAD_TIME)
                .gives::<Import>(200)
                .gives::<Import>(202)
                .refuses(&[
                    (400, "not_a_product_file"),
                    (400, "unreadable_file"),
                    (413, "too_large"),
                    (415, "unsupported_media_type"),
                    (422, "idempotency_key_reused"),
                ])
                .tells(
                    "Imports products",
                    "The body is Shopify's product CSV (`text/csv`), of any length. Identity is handle and option \
                     values: what is new is created, what differs is updated, the same file again changes nothing. \
                     Quantities are taken of new variants only, unless `stock=set`. A product with a broken row stays \
                     out; the report names each such row by its line. With `dryRun=true` nothing is changed. A short \
                     import answers 200 with its report, a long one 202; both name it in `Location`. A file that is \
                     being imported already is not imported twice: the call joins.",
                ),
        )
        .add(
            Route::get("/products/import", list)
                .rights(read)
                .query::<PageQuery>()
                .gives::<Vec<Import>>(200)
                .tells(
                    "Lists imports",
                    "The newest first; those of the last 30 days. The next page is in `Link`.",
                ),
        )
        .add(
            Route::get("/products/import/{id}", one)
                .rights(read)
                .param("id", IMPORT)
                .gives::<Import>(200)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Reads an import",
                    "How far it is, what came of it, and the first rows that it rejected.",
                ),
        )
        .add(
            Route::get("/products/import/{id}/changes", changes)
                .rights(read)
                .param("id", IMPORT)
                .query::<PageQuery>()
                .gives::<Vec<ImportChange>>(200)
                .refuses(&[(404, "not_found")])
                .tells(
                    "Lists what an import changes",
                    "Each product that is new or differs, with its fields before and after, in the file's order; of a \
                     dry run what would change. Once it was undone, what became of each.",
                ),
        )
        .add(
            Route::get("/products/import/{id}/rejected", rejected)
                .rights(read)
                .param("id", IMPORT)
                .gives_text(200, "text/csv")
                .refuses(&[(404, "not_found")])
                .tells(
                    "Gives rejected rows back",
                    "As CSV, with all rows of the products that stayed out and a last column that says what is wrong. \
                     Mended, the file can be imported as it is.",
                ),
        )
        .add(
            Route::post("/products/import/{id}/undo", undo)
                .rights(write)
                .param("id", IMPORT)
                .takes::<UndoImport>()
                .gives::<Import>(200)
                .gives::<Import>(202)
                .refuses(&[
                    (404, "not_found"),
                    (409, "import_unfinished"),
                    (409, "nothing_to_undo"),
                    (422, "idempotency_key_reused"),
                ])
                .tells(
                    "Takes an import back",
                    "New products leave the shop, changed fields and prices are what they were, stock goes back by the \
                     difference. What somebody changed since stays and is reported, unless `force`. An undo that takes \
                     long answers 202 and goes on.",
                ),
        )
        .add(
            Route::get("/products/export", give)
                .rights(read)
                .query::<ExportQuery>()
                .gives_text(200, "text/csv")
                .tells(
                    "Exports products",
                    "As Shopify's product CSV, all or those of a category, a tag, a status. Importing it again changes \
                     nothing.",
                ),
        )
}

async fn take(
    State(app): State<Arc<App>>,
    _: MayOrService<CatalogWrite>,
    In(cx): In,
    Query(query): Query<ImportQuery>,
    Keyed(once): Keyed,
    request: Request,
) -> Result<Response, Problem> {
    is_csv(&request)?;
    let jobs = Arc::clone(&app.imports);
    let options = ImportOptions {
        stock: query.stock,
        dry_run: query.dry_run,
        by: By::from(&cx),
    };
    let (file, asked) = (request.into_body().into_data_stream(), jobs.new_id());
    let (here, mut is_here) = oneshot::channel();
    let mut work = serve::spawn(async move {
        let staged = jobs.stage(asked, options, once, file).await?;
        // Nobody may be there to hear it.
        let _ = here.send(staged);
        jobs.drive(staged.0).await?;
        Ok::<_, Error>(staged)
    });
    if let Ok(done) = tokio::time::timeout(ANSWER_WAIT, &mut work).await {
        let (id, joined) = ended(done)??;
        return Ok(answer(app.imports.report(id).await?, joined)?.into_response());
    }
    if let Ok((id, joined)) = is_here.try_recv() {
        return Ok(answer(app.imports.report(id).await?, joined)?.into_response());
    }
    // The file is still coming in: the answer begins, so that no deadline of a request cuts the file off, and ends
    // when the file is here.
    let report = stream::once(async move {
        let staged = match is_here.await {
            Ok(staged) => staged,
            // It ended before: why, is what its work says.
            Err(_) => ended(work.await).map_err(io::Error::other)?.map_err(|fault| {
                tracing::error!(%fault, "an import broke off after its answer had begun");
                io::Error::other(fault)
            })?,
        };
        let import = app.imports.report(staged.0).await.map_err(io::Error::other)?;
        serde_json::to_vec(&import).map_err(io::Error::other)
    });
    let mut response = typed("application/json", Body::from_stream(report));
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::try_from(address(asked)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn is_csv(request: &Request) -> Result<(), Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("text/csv");
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = [
        "text/csv",
        "text/plain",
        "application/csv",
        "application/octet-stream",
        "application/vnd.ms-excel",
    ];
    if known.contains(&kind.as_str()) {
        return Ok(());
    }
    let detail = format!("The body is {kind}. Send the file itself, as text/csv.");
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    ))
}

/// What a task of ours ended with. Errors: the process is closing down.
fn ended<T>(done: Result<T, tokio::task::JoinError>) -> Result<T, Problem> {
    done.map_err(|fault| match fault.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Problem::unavailable("The shop is closing down. Please send the file again."),
    })
}

fn address(id: ImportId) -> String {
    format!("/api/products/import/{id}")
}

/// An import as the answer to whoever began it: 200 when it came to rest, 202 while it goes on, and 400 when its file
/// was none.
fn answer(import: Import, joined: bool) -> Result<Reply<Import>, Problem> {
    if import.state == ImportState::Failed
        && let Some(problem) = &import.problem
    {
        return Err(match problem.code.as_str() {
            "not_a_product_file" => Error::NoProducts(problem.detail.clone()).into(),
            "unreadable_file" => Error::Unreadable(problem.detail.clone()).into(),
            _ => Problem::unavailable(format!("The import broke off: {}.", problem.detail)),
        });
    }
    let status = match import.state.is_at_rest() {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    let location = address(import.id);
    Ok(Reply::with(status, import).at(location).replayed(joined))
}

async fn undo(
    State(app): State<Arc<App>>,
    _: MayOrService<CatalogWrite>,
    In(cx): In,
    Path(id): Path<String>,
    write: Write<UndoImport>,
) -> Result<Reply<Import>, Problem> {
    let id = id_of(&id)?;
    let jobs = Arc::clone(&app.imports);
    let joined = jobs.begin_undo(id, By::from(&cx), write.once, write.body).await?;
    let mut work = serve::spawn(async move { jobs.drive(id).await });
    if let Ok(done) = tokio::time::timeout(ANSWER_WAIT, &mut work).await {
        ended(done)??;
    }
    let import = app.imports.report(id).await?;
    let status = match import.state.is_at_rest() {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    Ok(Reply::with(status, import).at(address(id)).replayed(joined))
}

async fn list(
    State(app): State<Arc<App>>,
    _: MayOrService<CatalogRead>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let asked = page(query.limit, query.cursor.as_deref())?;
    let before = match &asked.after {
        Some(cursor) => {
            let [id] = cursor.parts::<1>().map_err(wrong_cursor)?;
            Some(id.to_owned())
        }
        None => None,
    };
    let limit = asked.limit;
    let mut found = app
        .db
        .read(move |tx| Ok::<_, Error>(rows::imports(tx, before.as_deref(), limit + 1)?))
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| Cursor::new([last.id.to_string()]));
    let shown: Vec<Import> = found
        .into_iter()
        .map(|row| view::import(row, Vec::new(), Vec::new()))
        .collect();
    Ok(listed(&uri, shown, next))
}

async fn one(
    State(app): State<Arc<App>>,
    _: MayOrService<CatalogRead>,
    Path(id): Path<String>,
) -> Result<Reply<Import>, Problem> {
    Ok(Reply::ok(app.imports.report(id_of(&id)?).await?))
}

async fn changes(
    State(app): State<Arc<App>>,
    _: MayOrService<CatalogRead>,
    Path(id): Path<String>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let asked = page(query.limit, query.cursor.as_deref())?;
    let after: i64 = match &asked.after {
        Some(cursor) => {
            let [item] = cursor.parts::<1>().map_err(wrong_cursor)?;
            item.parse().map_err(|_| wrong_cursor(base::CursorFault))?
        }
        None => 0,
    };
    let limit = asked.limit;
    app.imports.row(id).await?;
    let mut found = app
        .db
        .scan(move |tx| Ok::<_, Error>(rows::changes(tx, id, Changes::After(after), limit + 1)?))
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| Cursor::new([last.new.item.to_string()]));
    let currency = app.currency;
    let shown: Vec<ImportChange> = found.into_iter().map(|row| view::change(row, currency)).collect();
    Ok(listed(&uri, shown, next))
}

async fn rejected(
    State(app): State<Arc<App>>,
    _: MayOrService<CatalogRead>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let row = app.imports.row(id).await?;
    let head = rejected_page(&row, None);
    let rest = stream::try_unfold((app, row, 0), move |(app, row, after)| async move {
        let found = app
            .db
            .scan(move |tx| Ok::<_, Error>(rows::rejected(tx, id, after, false, ROWS_PAGE)?))
            .await
            .map_err(|fault| {
                tracing::error!(%fault, "a file of rejected rows broke off");
                io::Error::other(fault)
            })?;
        let Some(last) = found.last().map(|row| row.line as i64) else {
            return Ok::<_, io::Error>(None);
        };
        Ok(Some((rejected_page(&row, Some(&found)), (app, row, last))))
    });
    let file = stream::once(async move { Ok(head) }).chain(rest);
    Ok(attached("rejected.csv", Body::from_stream(file)))
}

/// A piece of the file of rejected rows: its header, or these rows.
fn rejected_page(row: &ImportRow, found: Option<&[rows::NewRejected]>) -> Vec<u8> {
    let mut to = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    // A file of rejected rows that was not mended well enough has such a column already.
    let told = |name: &String| name.trim().eq_ignore_ascii_case(REASON_COLUMN);
    let old = row.header.iter().position(told);
    let mut put = |cells: &[String], last: &str| {
        let width = cells.len().max(row.header.len());
        let padded = (0..width)
            .filter(|place| Some(*place) != old)
            .map(|place| cells.get(place).map_or("", String::as_str));
        // Writing into memory does not fail.
        let _ = to.write_record(padded.chain([last]));
    };
    match found {
        None => put(&row.header, REASON_COLUMN),
        Some(found) => {
            for row in found {
                let reason = match row.reason.as_str() {
                    "" => "nothing is wrong with this row; it stayed out with another one of its product".to_owned(),
                    reason => format!("line {}: {reason}", row.line),
                };
                put(&row.cells, &reason);
            }
        }
    }
    to.into_inner().unwrap_or_default()
}

async fn give(
    State(app): State<Arc<App>>,
    _: MayOrService<CatalogRead>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let mut export = Export::of(&app.db, app.currency, query);
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
    Ok(attached("products.csv", Body::from_stream(file)))
}

fn id_of(text: &str) -> Result<ImportId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found(format!("There is no import {text}.")))
}

fn wrong_cursor(fault: base::CursorFault) -> Problem {
    Error::field("?cursor", fault.to_string()).into()
}

fn attached(name: &'static str, body: Body) -> Response {
    let mut response = typed("text/csv", body);
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn typed(kind: &'static str, body: Body) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}
