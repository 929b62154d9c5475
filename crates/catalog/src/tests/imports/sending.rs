//! Files that come slowly, or break off.

use super::*;

/// A file that comes slowly: the answer begins before the deadline of a request, the report comes when all is in.
#[tokio::test]
async fn a_long_import_is_not_cut_off() {
    let desk = Desk::open(::store::Engine::Memory).await;
    tokio::time::pause();
    let (more, pieces) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Body::from_stream(stream::unfold(pieces, |mut pieces| async move {
        Some((pieces.recv().await?, pieces))
    }));
    let slow = async {
        for product in 0..4 {
            let header = if product == 0 { HEADER } else { "" };
            more.send(Ok(format!("{header}pot-{product},Pot,,,,,5,1\n").into()))
                .await
                .expect("somebody reads");
            // Second by second, so that everybody has a turn between two of them.
            for _ in 0..12 {
                tokio::time::advance(Duration::from_secs(1)).await;
                tokio::task::yield_now().await;
            }
        }
        drop(more);
    };
    let sent = desk.send(Some(Role::Staff), "POST /products/import", "text/csv", body);
    let ((status, answer), ()) = tokio::join!(sent, slow);
    let begun: Import = serde_json::from_slice(&answer).expect("an import");
    assert_eq!(status, 202, "{begun:?}");
    tokio::time::resume();
    let report = desk.at_rest(begun.id).await;
    assert_eq!(sums(&report), [4, 0, 0, 0]);
}

/// A sender that goes away in the middle.
#[tokio::test]
async fn a_file_that_breaks_off_says_so() {
    let desk = Desk::open(::store::Engine::Memory).await;
    let pieces = [
        Ok(Bytes::from(file("pot,Pot,,,,,5,1\nlid,"))),
        Err(std::io::Error::other("gone")),
    ];
    let body = Body::from_stream(stream::iter(pieces));
    let (status, body) = desk
        .send(Some(Role::Staff), "POST /products/import", "text/csv", body)
        .await;
    let problem: Value = serde_json::from_slice(&body).expect("a problem");
    assert_eq!(
        (status, problem["code"].as_str()),
        (400, Some("unreadable_file")),
        "{problem}"
    );
    assert_eq!(desk.events().await, Vec::<String>::new());
}
