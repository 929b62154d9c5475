//! Ports on loopback that stay ours while tests run at once, processes die and come back.

use std::fs::File;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the system takes ports for outgoing connections (32768 up): a port of ours must not be
/// taken by a client's connection while the server that listens there is being restarted.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;
/// Ports go out in blocks, each guarded by the lock of one file: more than a fleet has processes.
const BLOCK: u16 = 16;
const BLOCKS: u32 = ((LAST - FIRST) / BLOCK) as u32;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Free ports on 127.0.0.1; no other test gets them while this lives, in whatever process.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    /// Unlocked when it is dropped, or when this process dies.
    _lock: File,
}

impl Ports {
    /// Takes a block of ports that are free now.
    ///
    /// # Panics
    /// When all blocks are taken, or the temporary directory cannot be written.
    pub fn take() -> Ports {
        let folder = std::env::temp_dir().join("ironmonger-ports");
        std::fs::create_dir_all(&folder).expect("the temporary directory can be written");
        // Tests that start at once begin their search apart from each other.
        let start = std::process::id()
            .wrapping_mul(7)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        for step in 0..BLOCKS {
            let block = start.wrapping_add(step) % BLOCKS;
            let first = FIRST + BLOCK * u16::try_from(block).expect("a block's number is small");
            let open = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(first.to_string()));
            let Ok(lock) = open else { continue }; // Another user's file.
            if lock.try_lock().is_err() {
                continue;
            }
            if (first..first + BLOCK).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
                return Ports { first, _lock: lock };
            }
        }
        panic!("no block of {BLOCK} free ports between {FIRST} and {LAST}");
    }

    /// The port with this index.
    ///
    /// # Panics
    /// When there is none: a block has 16.
    pub fn get(&self, index: usize) -> u16 {
        let index = u16::try_from(index)
            .ok()
            .filter(|index| *index < BLOCK)
            .expect("a block has 16 ports");
        self.first + index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap_and_come_back() {
        let taken: Vec<Ports> = (0..5).map(|_| Ports::take()).collect();
        let mut firsts: Vec<u16> = taken.iter().map(|ports| ports.first).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 5);
        assert_eq!(taken[0].get(15), taken[0].first + 15);
    }
}
