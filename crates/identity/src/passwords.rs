//! Passwords: hashed by Argon2id, on threads of their own, and verified by what they were hashed with: Argon2id, or
//! bcrypt where they came from another system.
//!
//! A run takes 19 MiB and some ten milliseconds by design, so it must not hold up the async threads, and no more
//! run at once than there are cores. What waits is bounded: beyond that callers hear at once that they should
//! come again.

use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// How bcrypt's hashes begin, in all their versions that are sound.
const BCRYPT: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// What a hash of bcrypt may cost: its least, and what takes seconds. A stranger's sign-in must not take minutes.
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=16;
/// The dearest hash of Argon2 that is taken over from elsewhere, likewise.
const FOREIGN_MAX: Cost = Cost {
    memory_kib: 256 * 1024,
    passes: 16,
    lanes: 16,
};

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
    Hash {
        password: String,
        salt: [u8; SALT],
    },
    Verify {
        password: String,
        hash: Arc<str>,
    },
    /// Bcrypt for nothing, as dear as this.
    Bcrypt {
        password: String,
        cost: u32,
    },
}

enum Done {
    Hashed(String),
    Verified(bool),
}

struct Job {
    work: Work,
    answer: oneshot::Sender<Result<Done, Error>>,
}

/// How often each way of hashing ran.
#[derive(Debug, Default)]
struct Runs {
    argon2: AtomicU64,
    bcrypt: AtomicU64,
}

/// The threads that hash. They end when this is dropped.
pub struct Hasher {
    jobs: SyncSender<Job>,
    ids: Ids,
    params: Params,
    runs: Arc<Runs>,
    /// What passwords of unknown accounts are held against: dear to verify, and never right.
    nobody: Arc<str>,
}

impl Hasher {
    /// Starts the threads; at most `queue` runs wait for them. Errors: a cost that Argon2 does not know, or no threads to be had.
    pub fn start(cost: Cost, queue: usize, ids: Ids) -> Result<Self, Error> {
        let params = cost.params()?;
        let (jobs, waiting) = sync_channel(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        let runs = Arc::new(Runs::default());
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
            params,
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
    ///
    /// `bcrypt_cost` is the cost of the dearest bcrypt hash that is left of another system, if there is one: then every
    /// wrong password costs a run of Argon2 and one of bcrypt, whichever its account has, and whether there is one.
    /// Errors: [`Error::TooManyPasswords`].
    pub async fn verify(
        &self,
        password: String,
        hash: Option<String>,
        bcrypt_cost: Option<u32>,
    ) -> Result<bool, Error> {
        let foreign = hash.as_deref().is_some_and(is_bcrypt);
        let is_somebody = hash.is_some();
        let hash = hash.map_or_else(|| self.nobody.clone(), Into::into);
        let again = password.clone();
        if self.verified(Work::Verify { password, hash }).await? && is_somebody {
            return Ok(true);
        }
        if foreign {
            let hash = self.nobody.clone();
            self.verified(Work::Verify { password: again, hash }).await?;
        } else if let Some(cost) = bcrypt_cost {
            self.verified(Work::Bcrypt { password: again, cost }).await?;
        }
        Ok(false)
    }

    async fn verified(&self, work: Work) -> Result<bool, Error> {
        match self.run(work).await? {
            Done::Verified(right) => Ok(right),
            Done::Hashed(_) => Err(Error::Hashing("a verification was asked for".into())),
        }
    }

    /// Whether a hash was made otherwise than one would be now: by bcrypt, or at another cost.
    pub fn is_outdated(&self, hash: &str) -> bool {
        let Ok(known) = PasswordHash::new(hash) else {
            return true;
        };
        let same = Params::try_from(&known).is_ok_and(|params| {
            let of = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
            of(&params) == of(&self.params)
        });
        known.algorithm.as_str() != Algorithm::Argon2id.as_str() || !same
    }

    /// How often Argon2 ran.
    pub fn runs(&self) -> u64 {
        self.runs.argon2.load(Ordering::Relaxed)
    }

    /// How often bcrypt ran.
    pub fn bcrypt_runs(&self) -> u64 {
        self.runs.bcrypt.load(Ordering::Relaxed)
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
    runs: Arc<Runs>,
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
                // A panic within somebody else's code ends this run, and not the thread that all the others need.
                let run = AssertUnwindSafe(|| self.run(job.work, &mut memory));
                let done = catch_unwind(run).unwrap_or_else(|_| Err(Error::Hashing("a run panicked".into())));
                let _ = job.answer.send(done);
            }
        }
    }

    fn run(&self, work: Work, memory: &mut Vec<Block>) -> Result<Done, Error> {
        let runs = match &work {
            Work::Bcrypt { .. } => &self.runs.bcrypt,
            Work::Verify { hash, .. } if is_bcrypt(hash) => &self.runs.bcrypt,
            Work::Hash { .. } | Work::Verify { .. } => &self.runs.argon2,
        };
        runs.fetch_add(1, Ordering::Relaxed);
        match work {
            Work::Bcrypt { password, cost } => bcrypt::hash_with_salt(password, cost, [0; SALT])
                .map(|_| Done::Verified(false))
                .map_err(|fault| Error::Hashing(fault.to_string())),
            Work::Verify { password, hash } if is_bcrypt(&hash) => bcrypt::verify(password, &hash)
                .map(Done::Verified)
                .map_err(|fault| Error::Hashing(format!("a stored hash: {fault}"))),
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

/// Whether a stored hash is one of bcrypt's.
fn is_bcrypt(hash: &str) -> bool {
    BCRYPT.iter().any(|sign| hash.starts_with(sign))
}

/// A hash that was made elsewhere, if it can be verified here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Argon2id's.
    Argon2id,
    /// bcrypt's, at this cost.
    Bcrypt(u32),
}

/// Judges a hash that was made elsewhere. Errors: why it will not do.
pub fn foreign(hash: &str) -> Result<Foreign, &'static str> {
    if is_bcrypt(hash) {
        // Which letters there are is bcrypt's own to know: it reads the hash without a run at a cost out of range.
        let cost = hash.get(4..6).and_then(|digits| digits.parse().ok());
        let cost = cost
            .filter(|cost| BCRYPT_COST.contains(cost))
            .ok_or("its cost must be from 4 to 16")?;
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
        let rest = hash.as_bytes().get(7..).unwrap_or_default();
        return match hash.as_bytes().get(6) {
            Some(b'$') if rest.len() == 53 && rest.iter().copied().all(sound) => Ok(Foreign::Bcrypt(cost)),
            _ => Err("it is cut off, or not bcrypt's"),
        };
    }
    let known = PasswordHash::new(hash).map_err(|_| "it must be bcrypt's ($2b$…) or Argon2id's ($argon2id$…)")?;
    if known.algorithm.as_str() != Algorithm::Argon2id.as_str() {
        return Err("it must be bcrypt's ($2b$…) or Argon2id's ($argon2id$…)");
    }
    if known.salt.is_none() || known.hash.is_none() {
        return Err("it lacks salt or hash");
    }
    let params = Params::try_from(&known).map_err(|_| "its parameters are none of Argon2's")?;
    let dear = params.m_cost() > FOREIGN_MAX.memory_kib
        || params.t_cost() > FOREIGN_MAX.passes
        || params.p_cost() > FOREIGN_MAX.lanes;
    if dear {
        return Err("it takes too much memory or time to verify");
    }
    Ok(Foreign::Argon2id)
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
                .verify("correct 🦀 horse".into(), Some(hash.clone()), None)
                .await
                .unwrap()
        );
        assert!(
            !hasher
                .verify("Correct 🦀 horse".into(), Some(hash), None)
                .await
                .unwrap()
        );
        assert!(!hasher.verify("".into(), None, None).await.unwrap());
        assert_eq!(hasher.runs(), 5);
        assert!(matches!(
            hasher.verify("x".into(), Some("plain".into()), None).await,
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

    /// OpenBSD's bcrypt of "U*U", from the test vectors of its authors (Openwall's crypt_blowfish, wrapper.c).
    const OF_OTHERS: [&str; 2] = [
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ];

    #[tokio::test]
    async fn hashes_of_bcrypt_are_verified_at_the_same_number_of_runs() {
        let hasher = Hasher::start(Cost::least(), QUEUE, Ids::seeded(4)).unwrap();
        for hash in OF_OTHERS {
            assert_eq!(foreign(hash), Ok(Foreign::Bcrypt(5)));
            assert!(hasher.is_outdated(hash));
            assert!(hasher.verify("U*U".into(), Some(hash.into()), Some(5)).await.unwrap());
        }
        let ours = hasher.hash("ours".into()).await.unwrap();
        assert!(!hasher.is_outdated(&ours));
        for hash in [Some(OF_OTHERS[0].to_owned()), Some(ours), None] {
            let before = (hasher.runs(), hasher.bcrypt_runs());
            assert!(!hasher.verify("wrong".into(), hash.clone(), Some(5)).await.unwrap());
            let runs = (hasher.runs() - before.0, hasher.bcrypt_runs() - before.1);
            assert_eq!(runs, (1, 1), "{hash:?}");
        }
        // Bcrypt reads 72 bytes; whatever is longer, empty or odd is wrong as well.
        for password in ["", "U*U\0", &"x".repeat(200)] {
            for hash in [Some(OF_OTHERS[0].to_owned()), None] {
                assert!(
                    !hasher.verify(password.into(), hash, Some(5)).await.unwrap(),
                    "{password:?}"
                );
            }
        }
        let dearer = Cost {
            passes: 2,
            ..Cost::least()
        };
        let other = Hasher::start(dearer, QUEUE, Ids::seeded(5)).unwrap();
        assert!(hasher.is_outdated(&other.hash("x".into()).await.unwrap()));
    }

    #[test]
    fn hashes_from_elsewhere_are_taken_if_they_can_be_verified_in_time() {
        let argon2 =
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
        assert_eq!(foreign(argon2), Ok(Foreign::Argon2id));
        for hash in [
            "",
            "hunter2",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO\u{e9}",
            &argon2.replace("argon2id", "argon2i"),
            &argon2.replace("m=19456", "m=4194304"),
            &argon2.replace("t=2", "t=1000"),
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
        ] {
            assert!(foreign(hash).is_err(), "{hash}");
        }
    }

    #[tokio::test]
    async fn beyond_the_queue_callers_hear_at_once() {
        let hasher = Hasher::start(Cost::default(), 4, Ids::seeded(3)).unwrap();
        // All are polled before a run can be done: a run takes milliseconds, the polls microseconds.
        let outcomes = futures_util::future::join_all((0..64).map(|_| hasher.verify("x".into(), None, None))).await;
        let refused = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(Error::TooManyPasswords)))
            .count();
        let served = outcomes.iter().filter(|outcome| matches!(outcome, Ok(false))).count();
        assert!(refused > 0 && served >= 4, "{refused} refused, {served} served");
        assert_eq!((refused + served, hasher.runs()), (64, served as u64));
    }
}
