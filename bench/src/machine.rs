//! What is known of the machine, and of processes on it: everything from `/proc`.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// How many units of processor time `/proc` counts in a second; the same on every Linux that matters.
const TICKS: f64 = 100.0;

/// Where and of what the figures are.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor.
    pub processor: String,
    /// Its cores, as far as we may use them.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// The file system of the throw-away data.
    pub file_system: String,
    /// The commit, with `+` when files differ from it.
    pub commit: String,
    /// The commit's time.
    pub date: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let cpu = read("/proc/cpuinfo");
        let processor = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = processor.map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
        let git = |args: &[&str]| {
            let done = Command::new("git")
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .args(args)
                .output()
                .ok()
                .filter(|done| done.status.success());
            done.map_or_else(String::new, |done| {
                String::from_utf8_lossy(&done.stdout).trim().to_owned()
            })
        };
        let changed = git(&["status", "--porcelain", "--untracked-files=no"])
            .lines()
            .any(|line| !line.contains("bench/results/"));
        Self {
            processor: processor.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kibibytes(&read("/proc/meminfo"), "MemTotal:") / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), &std::env::temp_dir()),
            commit: format!(
                "{}{}",
                git(&["rev-parse", "--short", "HEAD"]),
                if changed { "+" } else { "" }
            ),
            date: git(&["show", "-s", "--format=%cI", "HEAD"]),
        }
    }

    /// Whether the data lie in memory, where flushing costs nothing and proves nothing.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.file_system.as_str(), "tmpfs" | "ramfs")
    }
}

/// Memory that a process holds, in MiB.
pub fn resident_mib(process: u32) -> f64 {
    kibibytes(&read(&format!("/proc/{process}/status")), "VmRSS:") as f64 / 1024.0
}

/// Lets the peak of a process's memory begin anew, at what it holds now. Linux knows how for processes of one's own.
///
/// # Errors
/// The process is gone, or somebody else's.
pub fn forget_peak(process: u32) -> std::io::Result<()> {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5")
}

/// The most memory that a process has held since then, in MiB.
pub fn peak_mib(process: u32) -> f64 {
    kibibytes(&read(&format!("/proc/{process}/status")), "VmHWM:") as f64 / 1024.0
}

/// Memory that a process holds for itself, in MiB: without pages of files, which the kernel takes back when it likes.
pub fn own_mib(process: u32) -> f64 {
    kibibytes(&read(&format!("/proc/{process}/status")), "RssAnon:") as f64 / 1024.0
}

/// What the files of a folder take, in MiB.
pub fn folder_mib(folder: &Path) -> f64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_mib(&entry.path()),
        Ok(data) => data.len() as f64 / f64::from(1 << 20),
        Err(_) => 0.0,
    });
    sizes.sum()
}

/// Seconds of processor time that a process has used.
pub fn cpu_seconds(process: u32) -> f64 {
    ticks(&read(&format!("/proc/{process}/stat")), 2) / TICKS
}

/// Seconds of processor time that this process has used, and every process that it started and that has ended.
pub fn cpu_seconds_of_ours() -> f64 {
    ticks(&read("/proc/self/stat"), 4) / TICKS
}

/// Seconds of processor time that everything on the machine has used.
pub fn cpu_seconds_of_all() -> f64 {
    busy(&read("/proc/stat")) / TICKS
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or_default()
}

/// The first `count` of user and system time, its own and that of its ended children, in a line of `/proc/PID/stat`,
/// whose second field may hold anything but ends with `)`.
fn ticks(stat: &str, count: usize) -> f64 {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields
        .skip(11)
        .take(count)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum()
}

/// All but idle and waiting time of the first line of `/proc/stat`.
fn busy(stat: &str) -> f64 {
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    let idle: f64 = fields.iter().skip(3).take(2).sum();
    fields.iter().take(8).sum::<f64>() - idle
}

/// The type of the file system in which a folder lies: the longest mount point that begins it.
fn file_system(mounts: &str, folder: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let best = mounts
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len());
    best.map_or("unknown", |(_, kind)| kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(kibibytes("VmHWM:\t  9 kB\nVmRSS:\t  2048 kB\n", "VmRSS:"), 2048);
        let stat = "12 (a) b (x) S 1 2 3 4 5 6 7 8 9 10 150 50 30 20 20 0";
        assert_eq!((ticks(stat, 2), ticks(stat, 4)), (200.0, 250.0));
        assert_eq!(busy("cpu  10 1 5 1000 20 0 2 0 0 0\ncpu0 1"), 18.0);
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/var/tmp")), "ext4");
    }

    #[test]
    fn knows_itself() {
        assert!(resident_mib(std::process::id()) > 0.0);
        assert!(Machine::here().cores > 0);
        forget_peak(std::process::id()).unwrap();
        assert!(peak_mib(std::process::id()) > 0.0 && own_mib(std::process::id()) > 0.0);
    }

    #[test]
    fn weighs_folders() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        for name in ["a", "in/b"] {
            std::fs::write(folder.path().join(name), [0; 1 << 20]).unwrap();
        }
        assert_eq!(folder_mib(folder.path()), 2.0);
    }
}
