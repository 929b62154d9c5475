//! A disk for SQLite that loses power: what was written and not flushed is in memory only, and gone afterwards.
//!
//! SIGKILL leaves the system's page cache alone, so it cannot show whether a commit was flushed before it was
//! answered. Here it can be seen: a write goes to an image in memory; `xSync` copies what the image has and the
//! file has not. When power is lost the images are dropped, and every later call fails. Locks and the shared
//! memory of the write-ahead log are left to the system's own VFS, which works on the files below.

mod table;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::Ids;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A disk that can lose power once.
pub struct Disk {
    name: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State(Mutex<Images>);

#[derive(Default)]
struct Images {
    lost: bool,
    flushes: u64,
    open: HashMap<PathBuf, Image>,
}

/// A file as its readers see it, and what of that is not on the disk yet.
struct Image {
    bytes: Vec<u8>,
    unsynced: Vec<Write>,
    file: File,
}

enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Disk {
    /// A disk under whose [`name`](Disk::name) SQLite opens files.
    ///
    /// # Panics
    /// When SQLite refuses it.
    pub fn new() -> Disk {
        let name = format!("powerless-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let state = Arc::new(State::default());
        table::register(&name, state.clone());
        Disk { name, state }
    }

    /// The name of its VFS.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often something was flushed.
    pub fn flushes(&self) -> u64 {
        self.state.images().flushes
    }

    /// Power is lost: what was not flushed is gone, and nothing can be read or written any more. With `chance`,
    /// each write since the last flush reached the disk all the same or did not, as happens to a real one.
    ///
    /// # Panics
    /// When the files below cannot be written.
    pub fn lose_power(&self, chance: Option<&Ids>) {
        let mut images = self.state.images();
        images.lost = true;
        for image in images.open.values_mut() {
            image.unsynced.retain(|_| chance.is_some_and(|dice| dice.below(2) == 0));
            image.flush().expect("the files below can be written");
        }
    }

    /// Copies what is on the disk from one folder to another, where the next start finds it.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn salvage(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).expect("the folder is there").flatten() {
            let name = entry.file_name();
            // The log's shared memory is no file that anybody relies on.
            if !name.to_string_lossy().ends_with("-shm") {
                std::fs::copy(entry.path(), to.join(&name)).expect("a file can be copied");
            }
        }
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn images(&self) -> MutexGuard<'_, Images> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Image {
    fn open(path: &Path) -> std::io::Result<Image> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Image {
            bytes: std::fs::read(path)?,
            unsynced: Vec::new(),
            file,
        })
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
        self.unsynced.push(Write::Bytes {
            at,
            bytes: bytes.to_vec(),
        });
    }

    fn truncate(&mut self, length: usize) {
        self.bytes.resize(length, 0);
        self.unsynced.push(Write::Length(length));
    }

    fn flush(&mut self) -> std::io::Result<()> {
        for write in self.unsynced.drain(..) {
            match write {
                Write::Bytes { at, bytes } => self.file.write_all_at(&bytes, at as u64)?,
                Write::Length(length) => self.file.set_len(length as u64)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::*;

    /// Rows that are left of three commits and an open transaction after a loss of power.
    fn left(synchronous: &str, chance: Option<&Ids>) -> i64 {
        let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = Disk::new();
        let file = before.path().join("a.db");
        let db = Connection::open_with_flags_and_vfs(&file, OpenFlags::default(), disk.name()).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        db.pragma_update(None, "synchronous", synchronous).unwrap();
        for n in 0..3 {
            db.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
        }
        let reader = Connection::open_with_flags_and_vfs(&file, OpenFlags::default(), disk.name()).unwrap();
        let seen: i64 = reader
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(seen, 3, "what is not flushed is seen as long as there is power");
        db.execute_batch("BEGIN; INSERT INTO t VALUES (3)").unwrap();
        disk.lose_power(chance);
        assert!(db.execute_batch("COMMIT").is_err(), "nothing commits without power");
        Disk::salvage(before.path(), after.path());
        let db = Connection::open(after.path().join("a.db")).unwrap();
        let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_was_flushed_is_kept() {
        assert_eq!(left("FULL", None), 3);
        for seed in 0..20 {
            assert_eq!(left("FULL", Some(&Ids::seeded(seed))), 3);
        }
    }

    #[test]
    fn what_was_not_flushed_is_gone() {
        assert_eq!(left("NORMAL", None), 0);
    }
}
