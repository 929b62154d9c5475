//! A file is taken in: laid aside in the database as it comes, until it is known whether it is the first of its kind.

use axum::body::Bytes;
use base::ImportId;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use store::Once;

use super::jobs::{ImportOptions, Jobs, told};
use super::pieces::{self, PIECE};
use crate::{Error, store as rows};

/// Bytes of a file at the most: a million products with long descriptions.
pub const FILE_MAX: u64 = 2 << 30;
impl Jobs {
    /// Takes a file in as import `id`, and answers which import is to be looked at: another one, when `once` named one
    /// before, or when the same file is being imported already. The bool says that the key did.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when the file breaks off, [`Error::TooLarge`]; the database's, with
    /// [`store::Error::KeyReused`] when the key came with another file.
    pub async fn stage<E: std::fmt::Display>(
        &self,
        id: ImportId,
        options: ImportOptions,
        once: Option<Once>,
        file: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(ImportId, bool), Error> {
        let Some(_hold) = self.hold(id) else {
            return Err(Error::TakenOver);
        };
        let (driver, lease, by) = (self.driver.clone(), self.lease(), options.by.clone());
        let asked = (options.dry_run, options.stock);
        self.write(move |tx| {
            let on_behalf = (by.actor.as_str(), by.request_id.as_str());
            Ok(rows::insert_import(tx, id, asked, on_behalf, (&driver, lease))?)
        })
        .await?;
        match self.take_in(id, file).await {
            Ok(digest) => self.seal(id, options, once, digest).await,
            Err(fault) => {
                self.give_up(id, told(&fault)).await?;
                Err(fault)
            }
        }
    }

    /// Lays the file aside; answers its digest.
    async fn take_in<E: std::fmt::Display>(
        &self,
        id: ImportId,
        mut file: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<String, Error> {
        let mut digest = Sha256::new();
        let (mut waiting, mut place, mut bytes) = (Vec::with_capacity(2 * PIECE), 0, 0);
        loop {
            let chunk = file.next().await.transpose();
            let chunk = chunk.map_err(|fault| Error::Unreadable(fault.to_string()))?;
            let ended = chunk.is_none();
            for part in chunk.iter().flat_map(|chunk| chunk.chunks(PIECE)) {
                digest.update(part);
                bytes += part.len() as u64;
                waiting.extend_from_slice(part);
                if waiting.len() >= PIECE {
                    self.put_piece(id, &mut place, &mut waiting, false).await?;
                }
            }
            if bytes > FILE_MAX {
                return Err(Error::TooLarge);
            }
            if ended {
                break;
            }
        }
        while !waiting.is_empty() {
            self.put_piece(id, &mut place, &mut waiting, true).await?;
        }
        Ok(base::hex(&digest.finalize()))
    }

    async fn put_piece(&self, id: ImportId, place: &mut i64, waiting: &mut Vec<u8>, last: bool) -> Result<(), Error> {
        let (coding, data, bytes) = pieces::code(waiting, last);
        let at = *place;
        *place += 1;
        let (driver, lease) = (self.driver.clone(), self.lease());
        let kept = self
            .write(move |tx| {
                let piece = (coding, data.as_str(), bytes as i64);
                Ok(rows::put_piece(tx, id, at, piece, (&driver, lease))?)
            })
            .await?;
        waiting.drain(..bytes);
        if kept { Ok(()) } else { Err(Error::TakenOver) }
    }

    /// The file is here: is it the first of its kind?
    async fn seal(
        &self,
        id: ImportId,
        options: ImportOptions,
        once: Option<Once>,
        digest: String,
    ) -> Result<(ImportId, bool), Error> {
        let driver = self.driver.clone();
        let once = once.map(|once| Once {
            fingerprint: format!("{} {digest}", once.fingerprint),
            ..once
        });
        let sealed = self
            .write(move |tx| {
                if let Some(once) = &once
                    && let Some(earlier) = store::recall::<ImportId>(tx, once)?
                {
                    rows::forget_import(tx, id)?;
                    return Ok((earlier, true));
                }
                let twin = rows::unfinished(tx, &digest, options.dry_run, options.stock)?;
                let meant = match twin {
                    Some(twin) => {
                        rows::forget_import(tx, id)?;
                        twin
                    }
                    None if rows::seal(tx, id, &digest, &driver)? => id,
                    None => return Err(Error::TakenOver),
                };
                if let Some(once) = &once {
                    store::keep(tx, once, &meant)?;
                }
                Ok((meant, false))
            })
            .await;
        if let Err(fault) = &sealed {
            self.give_up(id, told(fault)).await?;
        }
        sealed
    }
}
