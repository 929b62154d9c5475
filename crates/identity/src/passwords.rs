//! Passwords: hashed and verified by Argon2id, on threads of their own.
//!
//! A run takes 19 MiB and some ten milliseconds by design, so it must not hold up the async threads, and no more
//! run at once than there are cores. What waits is bounded: beyond that callers hear at once that they should
//! come again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base::Ids;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use crate::Error;

/// The most threads that hash: each holds 19 MiB while it does, and logins are not all that the machine is for.
const THREADS_MAX: usize = 4;
/// Runs that may wait. On two cores the last one waits for a second and a half, which is as long as people do.
pub const QUEUE: usize = 256;
/// Bytes of salt (RFC 9106, section 3.1).
const SALT: usize = 16;
/// Bytes of a hash.
const OUTPUT: usize = 32;

/// How dear a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            passes: 2,
            lanes: 1,
        }
    }
}

impl Cost {
    /// As little as Argon2 allows. For tests.
    pub fn least() -> Self {
        Self {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        }
    }

    fn params(self) -> Result<Params, Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT))
            .map_err(|fault| Error::Hashing(format!("the cost of Argon2 is not possible: {fault}")))
    }
}

enum Work {
    Hash { password: String, salt: [u8; SALT] },
    Verify { password: String, hash: Arc<str> },
}

enum Done {
    Hashed(String),
    Verified(bool),
}

struct Job {
    work: Work,
    answer: oneshot::Sender<Result<Done, Error>>,
}

/// The threads that hash. They end when this is dropped.
pub struct Hasher {
    jobs: SyncSender<Job>,
    ids: Ids,
    runs: Arc<AtomicU64>,
    /// What passwords of unknown accounts are held against: dear to verify, and never right.
    nobody: Arc<str>,
}

impl Hasher {
    /// Starts the threads; at most `queue` runs wait for them. Errors: a cost that Argon2 does not know, or no threads to be had.
    pub fn start(cost: Cost, queue: usize, ids: Ids) -> Result<Self, Error> {
        let params = cost.params()?;
        let (jobs, waiting) = sync_channel(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        let runs = Arc::new(AtomicU64::new(0));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..cores.min(THREADS_MAX) {
            let worker = Worker {
                waiting: waiting.clone(),
                runs: runs.clone(),
                params: params.clone(),
            };
            std::thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || worker.work())
                .map_err(|fault| Error::Hashing(format!("no thread for passwords: {fault}")))?;
        }
        let (mut salt, mut hash) = ([0; SALT], [0; OUTPUT]);
        ids.fill(&mut salt);
        ids.fill(&mut hash);
        let nobody = written(&params, &salt, &hash)?.into();
        Ok(Self {
            jobs,
            ids,
            runs,
            nobody,
        })
    }

    /// The hash of a password, as a PHC string. Errors: [`Error::TooManyPasswords`].
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        let mut salt = [0; SALT];
        self.ids.fill(&mut salt);
        match self.run(Work::Hash { password, salt }).await? {
            Done::Hashed(hash) => Ok(hash),
            Done::Verified(_) => Err(Error::Hashing("a hash was asked for".into())),
        }
    }

    /// Whether the password is that of the hash. Without a hash the answer is no, after the same work.
    /// Errors: [`Error::TooManyPasswords`].
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Error> {
        let is_somebody = hash.is_some();
        let hash = hash.map_or_else(|| self.nobody.clone(), Into::into);
        match self.run(Work::Verify { password, hash }).await? {
            Done::Verified(right) => Ok(right && is_somebody),
            Done::Hashed(_) => Err(Error::Hashing("a verification was asked for".into())),
        }
    }

    /// How often Argon2 ran.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    async fn run(&self, work: Work) -> Result<Done, Error> {
        let (answer, done) = oneshot::channel();
        self.jobs.try_send(Job { work, answer }).map_err(|fault| match fault {
            TrySendError::Full(_) => Error::TooManyPasswords,
            TrySendError::Disconnected(_) => Error::Hashing("the threads have ended".into()),
        })?;
        done.await
            .unwrap_or_else(|_| Err(Error::Hashing("a thread gave no answer".into())))
    }
}

struct Worker {
    waiting: Arc<Mutex<Receiver<Job>>>,
    runs: Arc<AtomicU64>,
    params: Params,
}

impl Worker {
    fn work(self) {
        // The memory is kept from run to run while there is work, and given back when there is none.
        let mut memory = Vec::new();
        loop {
            // Whoever waits holds the lock: then there is nothing to do.
            let next = self.waiting.try_lock().ok().and_then(|waiting| waiting.try_recv().ok());
            let job = match next {
                Some(job) => job,
                None => {
                    memory = Vec::new();
                    let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    match waiting.recv() {
                        Ok(job) => job,
                        Err(_) => return,
                    }
                }
            };
            // Who has gone away in the meantime does not cost a run.
            if !job.answer.is_closed() {
                let _ = job.answer.send(self.run(job.work, &mut memory));
            }
        }
    }

    fn run(&self, work: Work, memory: &mut Vec<Block>) -> Result<Done, Error> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        match work {
            Work::Hash { password, salt } => {
                let hash = argon2id(&self.params, Version::V0x13, &password, &salt, memory)?;
                written(&self.params, &salt, &hash).map(Done::Hashed)
            }
            Work::Verify { password, hash } => {
                let unreadable = |what: &dyn std::fmt::Display| Error::Hashing(format!("a stored hash: {what}"));
                let known = PasswordHash::new(&hash).map_err(|fault| unreadable(&fault))?;
                let (Some(salt), Some(expected)) = (known.salt, known.hash) else {
                    return Err(unreadable(&"it lacks salt or hash"));
                };
                if known.algorithm.as_str() != Algorithm::Argon2id.as_str() {
                    return Err(unreadable(&"it is not Argon2id's"));
                }
                let params = Params::try_from(&known).map_err(|fault| unreadable(&fault))?;
                let version = known.version.map_or(Ok(Version::V0x13), Version::try_from);
                let version = version.map_err(|fault| unreadable(&fault))?;
                let hash = argon2id(&params, version, &password, &salt, memory)?;
                Ok(Done::Verified(bool::from(hash.ct_eq(expected.as_bytes()))))
            }
        }
    }
}

fn argon2id(
    params: &Params,
    version: Version,
    password: &str,
    salt: &[u8],
    memory: &mut Vec<Block>,
) -> Result<Vec<u8>, Error> {
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    let mut hash = vec![0; params.output_len().unwrap_or(OUTPUT)];
    Argon2::new(Algorithm::Argon2id, version, params.clone())
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, &mut memory[..blocks])
        .map_err(|fault| Error::Hashing(fault.to_string()))?;
    Ok(hash)
}

/// The PHC string of a hash.
fn written(params: &Params, salt: &[u8], hash: &[u8]) -> Result<String, Error> {
    let unwritable = |what: &dyn std::fmt::Display| Error::Hashing(what.to_string());
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|fault| unwritable(&fault))?,
        salt: Some(Salt::new(salt).map_err(|fault| unwritable(&fault))?),
        hash: Some(Output::new(hash).map_err(|fault| unwritable(&fault))?),
    };
    Ok(phc.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_that_of_its_password_only() {
        let hasher = Hasher::start(Cost::least(), QUEUE, Ids::seeded(1)).unwrap();
        let hash = hasher.hash("correct 🦀 horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(
            hash,
            hasher.hash("correct 🦀 horse".into()).await.unwrap(),
            "the salt differs"
        );
        assert!(
            hasher
                .verify("correct 🦀 horse".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!hasher.verify("Correct 🦀 horse".into(), Some(hash)).await.unwrap());
        assert!(!hasher.verify("".into(), None).await.unwrap());
        assert_eq!(hasher.runs(), 5);
        assert!(matches!(
            hasher.verify("x".into(), Some("plain".into())).await,
            Err(Error::Hashing(_))
        ));
    }

    #[tokio::test]
    async fn our_hashes_are_those_that_others_read() {
        use argon2::PasswordVerifier;
        let hasher = Hasher::start(Cost::least(), QUEUE, Ids::seeded(2)).unwrap();
        let hash = hasher.hash("shared".into()).await.unwrap();
        assert!(Argon2::default().verify_password(b"shared", hash.as_str()).is_ok());
    }

    #[tokio::test]
    async fn beyond_the_queue_callers_hear_at_once() {
        let hasher = Hasher::start(Cost::default(), 4, Ids::seeded(3)).unwrap();
        // All are polled before a run can be done: a run takes milliseconds, the polls microseconds.
        let outcomes = futures_util::future::join_all((0..64).map(|_| hasher.verify("x".into(), None))).await;
        let refused = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(Error::TooManyPasswords)))
            .count();
        let served = outcomes.iter().filter(|outcome| matches!(outcome, Ok(false))).count();
        assert!(refused > 0 && served >= 4, "{refused} refused, {served} served");
        assert_eq!((refused + served, hasher.runs()), (64, served as u64));
    }
}
