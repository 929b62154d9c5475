//! Who writes the index: holds its writer, and knows what of it is committed.

use std::collections::HashMap;

use base::ProductId;
use tantivy::{IndexWriter, TantivyError};

use super::index::{Mark, Shared, Shelf};

/// Why the index is not kept up.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The index or its disk refused.
    #[error(transparent)]
    Index(#[from] TantivyError),
    /// The process ends.
    #[error("the process ends")]
    Stopped,
}

/// Who fills the index: one at a time.
#[derive(Default)]
pub struct Feeder {
    /// The index; none before it is opened.
    pub shelf: Option<Shared>,
    /// There while something is written.
    pub writer: Option<IndexWriter>,
    /// What the index holds, with what is written and not yet committed.
    pub mark: Mark,
    /// What of it is committed.
    pub committed: Mark,
    /// Products written and not yet committed, and whether something of them can be had.
    pub written: HashMap<ProductId, bool>,
    /// Rounds in which nothing happened.
    pub idle: u32,
}

impl Feeder {
    /// Writes off the async threads.
    pub async fn write(
        &mut self,
        act: impl FnOnce(&Shelf, &mut IndexWriter) -> Result<(), TantivyError> + Send + 'static,
    ) -> Result<(), Fault> {
        let Some(shelf) = self.shelf.clone() else {
            return Err(Fault::Index(TantivyError::InternalError("no index is open".into())));
        };
        let kept = self.writer.take();
        let writer = blocking(move || {
            let mut writer = kept.map_or_else(|| shelf.writer(), Ok)?;
            act(&shelf, &mut writer)?;
            Ok(writer)
        });
        self.writer = Some(writer.await?);
        Ok(())
    }

    pub async fn commit(&mut self) -> Result<(), Fault> {
        let mark = self.mark.clone();
        self.write(move |shelf, writer| shelf.commit(writer, &mark)).await?;
        self.committed = self.mark.clone();
        self.written.clear();
        Ok(())
    }

    /// Ends the writer after its last commit; it is made anew when there is something to write.
    pub async fn let_go(&mut self) {
        if self.writer.is_some() && self.mark != self.committed && self.commit().await.is_err() {
            tracing::warn!("how far the search index has followed could not be written; it follows again from before");
        }
        self.idle = 0;
        let Some(writer) = self.writer.take() else { return };
        let ended = blocking(move || writer.wait_merging_threads()).await;
        if let Err(fault) = ended {
            tracing::warn!(%fault, "segments of the search index could not be merged");
        }
    }

    /// Forgets what was written and not committed; a faulty index is forgotten whole, to be looked at anew.
    pub async fn recover(&mut self, fault: &Fault) {
        match fault {
            Fault::Index(_) => self.drop_all().await,
            Fault::Store(_) | Fault::Stopped => self.go_back().await,
        }
    }

    async fn go_back(&mut self) {
        self.mark = self.committed.clone();
        self.written.clear();
        let writer = self.writer.take();
        // Its threads are waited for.
        let _ = blocking(move || {
            drop(writer);
            Ok(())
        })
        .await;
    }

    /// Forgets the index, to open it anew.
    pub async fn drop_all(&mut self) {
        self.go_back().await;
        *self = Self::default();
    }
}

/// Computes and writes off the async threads.
pub async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, TantivyError> + Send + 'static,
) -> Result<T, TantivyError> {
    let done = tokio::task::spawn_blocking(act).await;
    done.unwrap_or_else(|panic| Err(TantivyError::InternalError(panic.to_string())))
}
