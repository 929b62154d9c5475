//! `cargo xtask fuzz`: bytes that look for new paths, for every reader of strangers' texts, and a record of what came of it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::root;

/// The longest text that is tried: everything that is read has said by then what it can say.
const LENGTH_MAX: usize = 4096;
/// A reader that is busy longer with one text has hung.
const TEXT_SECONDS_MAX: u32 = 20;
/// Files and bytes that the suite replays, for each reader.
const KEPT_FILES_MAX: usize = 40;
const KEPT_BYTES_MAX: u64 = 1024;

/// What to feed, and for how long.
#[derive(clap::Args)]
pub struct Args {
    /// Minutes for each reader.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Readers fed at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Add small texts that reach new paths to fuzz/corpus/.
    #[arg(long)]
    keep: bool,
    /// Write the result to bench/results/.
    #[arg(long)]
    record: bool,
    /// The readers; none: all.
    readers: Vec<String>,
}

/// What came of one reader.
struct Outcome {
    reader: String,
    executions: u64,
    seconds: f64,
    /// Paths seen, as libFuzzer counts them.
    features: u64,
    /// Texts that broke it.
    crashes: Vec<PathBuf>,
}

/// True when nothing broke.
pub fn run(args: &Args) -> Result<bool> {
    let readers = readers(&args.readers)?;
    build()?;
    let queue = Mutex::new(readers.into_iter().rev().collect::<Vec<_>>());
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let next = queue.lock().expect("nobody panics with it").pop();
                let Some(reader) = next else { return Ok(()) };
                let outcome = feed(&reader, args)?;
                println!("{}", line(&outcome));
                outcomes.lock().expect("nobody panics with it").push(outcome);
            }
        };
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a worker ends"))
    })?;
    let mut outcomes = outcomes.into_inner().expect("nobody panics with it");
    outcomes.sort_by(|one, other| one.reader.cmp(&other.reader));
    for crash in outcomes.iter().flat_map(|outcome| &outcome.crashes) {
        println!("broken by {}", crash.display());
    }
    if args.record {
        record(&outcomes)?;
    }
    Ok(outcomes.iter().all(|outcome| outcome.crashes.is_empty()))
}

/// All readers, or those that were named.
fn readers(named: &[String]) -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut all: Vec<String> = files(&folder)?
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    all.sort();
    if named.is_empty() {
        return Ok(all);
    }
    for name in named {
        ensure!(
            all.contains(name),
            "there is no reader {name}; there are {}",
            all.join(", ")
        );
    }
    Ok(named.to_vec())
}

/// Without a sanitizer: our code holds no `unsafe`, so it would only be slower.
fn build() -> Result<()> {
    let mut build = Command::new("rustup");
    build
        .args([
            "run",
            "nightly",
            "cargo",
            "fuzz",
            "build",
            "-s",
            "none",
            "--target-dir",
            "target/fuzz",
        ])
        .current_dir(root())
        .env_remove("CARGO");
    let status = build.status().context("rustup cannot start")?;
    ensure!(
        status.success(),
        "the readers cannot be built. They need a nightly compiler and `cargo install cargo-fuzz`"
    );
    Ok(())
}

fn program(reader: &str) -> Command {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = Command::new(root().join("target/fuzz").join(triple).join("release").join(reader));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

fn feed(reader: &str, args: &Args) -> Result<Outcome> {
    let corpus = root().join("fuzz/corpus").join(reader);
    let found = root().join("target/fuzz/found").join(reader);
    let broken = root().join("target/fuzz/broken").join(reader);
    for folder in [&corpus, &found, &broken] {
        fs::create_dir_all(folder)?;
    }
    let before = files(&broken)?;
    let started = Instant::now();
    let done = program(reader)
        .args([&found, &corpus])
        .arg(format!("-max_total_time={}", (args.minutes * 60.0).ceil()))
        .arg(format!("-max_len={LENGTH_MAX}"))
        .arg(format!("-timeout={TEXT_SECONDS_MAX}"))
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .args(["-print_final_stats=1", "-rss_limit_mb=4096"])
        .output()
        .with_context(|| format!("{reader} cannot start"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let crashes: Vec<PathBuf> = files(&broken)?
        .into_iter()
        .filter(|file| !before.contains(file))
        .collect();
    ensure!(
        done.status.success() || !crashes.is_empty(),
        "{reader} ended with {} and left nothing:\n{said}",
        done.status
    );
    if !crashes.is_empty() {
        println!("{reader}:\n{said}");
    }
    let outcome = Outcome {
        reader: reader.to_owned(),
        executions: number_after(&said, "stat::number_of_executed_units:"),
        seconds: started.elapsed().as_secs_f64(),
        features: number_after(&said, " ft: "),
        crashes,
    };
    if args.keep && outcome.crashes.is_empty() {
        keep(reader, &found, &corpus)?;
    }
    Ok(outcome)
}

/// Takes the smallest set of texts that sees what all of them see, and of it what is small, into the corpus.
fn keep(reader: &str, found: &Path, corpus: &Path) -> Result<()> {
    let least = root().join("target/fuzz/least").join(reader);
    let _ = fs::remove_dir_all(&least);
    fs::create_dir_all(&least)?;
    let merged = program(reader)
        .args(["-set_cover_merge=1", "-rss_limit_mb=4096"])
        .args([least.as_path(), found, corpus])
        .output()?;
    ensure!(merged.status.success(), "{reader} cannot make its corpus small");
    let kept = files(corpus)?.len();
    let mut small: Vec<(u64, PathBuf)> = files(&least)?
        .into_iter()
        .filter_map(|file| Some((fs::metadata(&file).ok()?.len(), file)))
        .filter(|(bytes, _)| *bytes <= KEPT_BYTES_MAX)
        .collect();
    small.sort();
    for (_, file) in small.into_iter().rev().take(KEPT_FILES_MAX.saturating_sub(kept)) {
        fs::copy(&file, corpus.join(file.file_name().context("a name")?))?;
    }
    Ok(())
}

/// The number that stands behind the last of these words.
fn number_after(text: &str, words: &str) -> u64 {
    let rest = text.rsplit_once(words).map_or("", |(_, rest)| rest.trim_start());
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().unwrap_or(0)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn line(outcome: &Outcome) -> String {
    format!(
        "| {} | {} | {:.1} | {:.0} | {} | {} |",
        outcome.reader,
        outcome.executions,
        outcome.seconds / 60.0,
        outcome.executions as f64 / outcome.seconds.max(1.0),
        outcome.features,
        outcome.crashes.len()
    )
}

fn record(outcomes: &[Outcome]) -> Result<()> {
    let said = |program: &str, args: &[&str]| -> String {
        let done = Command::new(program).args(args).current_dir(root()).output();
        done.map_or_else(
            |_| String::new(),
            |done| String::from_utf8_lossy(&done.stdout).trim().to_owned(),
        )
    };
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let day = said("date", &["-u", "+%F"]);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# Fuzzing of {commit}\n\n{} with {cores} cores, {}, {}. Texts of up to {LENGTH_MAX} bytes; a reader that panics, \
         hangs for {TEXT_SECONDS_MAX} s or takes 4 GiB is broken.\n\n\
         | reader | executions | minutes | a second | paths seen | crashes |\n|---|---|---|---|---|---|\n",
        cpu.map_or("Unknown processor", |(_, name)| name),
        said("uname", &["-sr"]),
        said("rustup", &["run", "nightly", "rustc", "--version"]),
    );
    for outcome in outcomes {
        writeln!(text, "{}", line(outcome))?;
    }
    let file = root().join(format!("bench/results/{day}-{commit}-fuzz.md"));
    fs::write(&file, text)?;
    println!("wrote {}", file.file_name().and_then(OsStr::to_str).unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::number_after;

    #[test]
    fn the_last_number_counts() {
        let said = "#2 INITED cov: 5 ft: 6 corp\n#9 DONE cov: 7 ft: 88 corp: 3\nstat::number_of_executed_units: 1234\n";
        assert_eq!(number_after(said, " ft: "), 88);
        assert_eq!(number_after(said, "stat::number_of_executed_units:"), 1234);
        assert_eq!(number_after(said, "nothing"), 0);
    }
}
