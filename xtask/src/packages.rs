//! The programs of others that the tests run, each with the Debian packages that bring it.
//!
//! What is missing is installed by root on a machine with apt-get; elsewhere everything that is missing is named at once.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};

/// What tests call: the arguments with which each shows that it is there, and its packages.
const PROGRAMS: [(&[&str], &str); 7] = [
    // Mail servers, and programs that read the API's document and try the shop.
    (&["python3", "-c", "import venv, ensurepip"], "python3 python3-venv"),
    (&["python3", "-m", "pip", "--version"], "python3-pip"),
    // The TypeScript client and the collection of requests.
    (&["node", "--version"], "nodejs"),
    (&["npm", "--version"], "npm"),
    // The examples of the docs.
    (&["curl", "--version"], "curl"),
    (&["jq", "--version"], "jq"),
    // Scripts are held against the rules for scripts.
    (&["shellcheck", "--version"], "shellcheck"),
];

/// Makes sure that all programs are there.
///
/// # Errors
/// What is missing, and how to get it.
pub fn provide() -> Result<()> {
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(probe, _)| !runs(probe))
        .flat_map(|(_, packages)| packages.split(' '))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !can_install() {
        let missing = missing.join(" ");
        bail!(
            "Programs are missing that the tests run. Install them (Debian, Ubuntu: `sudo apt-get install {missing}`)."
        );
    }
    install(&missing)
}

fn runs(probe: &[&str]) -> bool {
    let status = Command::new(probe[0])
        .args(&probe[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Whether this is root on a machine with apt-get.
pub fn can_install() -> bool {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    is_root && Path::new("/usr/bin/apt-get").is_file()
}

/// Installs Debian packages by name.
///
/// # Errors
/// apt-get's.
pub fn install(packages: &[&str]) -> Result<()> {
    println!("installing by apt-get: {}", packages.join(" "));
    let with = [&["install", "-y", "--no-install-recommends"], packages].concat();
    for args in [&["update"][..], &with] {
        let status = Command::new("apt-get")
            .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()?;
        ensure!(status.success(), "`apt-get {}` failed", args.join(" "));
    }
    Ok(())
}
