//! A fresh shop with the sample catalogue, and a bash in which its pages' examples run.
#![allow(clippy::disallowed_methods)] // Examples run with the programs that whoever tests has on the path.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use testkit::ports::Ports;
use testkit::process::{PARTS, binary};
use testkit::until;

const EMAIL: &str = "admin@example.com";
const PASSWORD: &str = "a-long-password";
/// Stands around the status behind what a block printed.
const MARK: char = '\u{1e}';
/// Longer takes no page; a block that waits for what never comes ends here.
const SECONDS_MAX: &str = "240";

/// What became of a block.
pub(crate) struct Done {
    pub(crate) printed: String,
    pub(crate) status: String,
}

/// The shop, in a folder of its own in which the examples run as well.
pub(crate) struct PageShop {
    child: Child,
    folder: tempfile::TempDir,
    address: String,
    settings: Vec<(String, String)>,
    _ports: Ports,
}

impl PageShop {
    pub(crate) async fn open() -> Self {
        let ports = Ports::take();
        let folder = tempfile::tempdir().expect("a folder");
        let at = |index: usize| ports.get(index).to_string();
        let mut settings: Vec<(String, String)> = PARTS
            .iter()
            .enumerate()
            .map(|(index, part)| (format!("IRONMONGER_PORTS_{}", part.to_uppercase()), at(index)))
            .collect();
        settings.push(("IRONMONGER_LOG_ACCESS".to_owned(), "true".to_owned()));
        settings.push(("ADMIN_EMAIL".to_owned(), EMAIL.to_owned()));
        settings.push(("ADMIN_PASSWORD".to_owned(), PASSWORD.to_owned()));
        let gateway = PARTS
            .iter()
            .position(|part| *part == "gateway")
            .expect("there is a gateway");
        let address = format!("127.0.0.1:{}", ports.get(gateway));
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(binary())
            .args(["serve", "--sample", "--data", "shop"])
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let shop = Self {
            child,
            folder,
            address,
            settings,
            _ports: ports,
        };
        // Ready, and what it sells can be found.
        let probe = "curl -sf $BASE/ready && curl -sf \"$BASE/api/products/search?q=hammer\" | jq -e 'length > 0'";
        until("the shop is open", || {
            let done = shop.bash(&[probe]).remove(0);
            async move { if done.status == "0" { Ok(()) } else { Err(done.printed) } }
        })
        .await;
        shop
    }

    /// Runs blocks in one bash, one after the other, with the shop's address in `BASE` and an administrator's token
    /// in `ADMIN`; `curl` finds the shop at the usual address as well. Answers what became of each.
    pub(crate) fn bash(&self, blocks: &[&str]) -> Vec<Done> {
        let folder = self.folder.path();
        let usual = format!("connect-to = \"127.0.0.1:3000:{}\"\n", self.address);
        std::fs::write(folder.join(".curlrc"), usual).expect("curl's settings can be written");
        let login = format!(
            "ADMIN=$(curl -s $BASE/api/auth/login -H 'content-type: application/json' \
             -d '{{\"email\":\"{EMAIL}\",\"password\":\"{PASSWORD}\"}}' | jq -r .token)\n"
        );
        let mut script = login;
        for block in blocks {
            script.push_str(&format!("{block}\nprintf '{MARK}%s{MARK}' $?\n"));
        }
        let own = binary().parent().expect("a file lies in a folder").to_owned();
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(own).chain(std::env::split_paths(&paths));
        let paths = std::env::join_paths(paths).expect("paths");
        let (out, err) = (self.said("out"), self.said("err"));
        let mut bash = Command::new("timeout");
        bash.args([SECONDS_MAX, "bash", "--norc", "-c", &script])
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env("PATH", paths)
            .env("HOME", folder)
            .env("CURL_HOME", folder)
            .env("BASE", format!("http://{}", self.address))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"));
        bash.status().expect("bash starts");
        let said = std::fs::read(&out).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut pieces = said.split(MARK).map(str::to_owned);
        let done = blocks.iter().map(|_| Done {
            printed: pieces.next().unwrap_or_default(),
            status: pieces
                .next()
                .unwrap_or_else(|| "nothing: it was not reached".to_owned()),
        });
        done.collect()
    }

    /// What the last blocks and the shop had to complain of.
    pub(crate) fn failed(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("bash: {}\nshop: {}", read("err"), read("log"))
    }

    /// Calls that were answered well so far, as the access log tells: method and route, such as `GET /products/{id}`.
    pub(crate) fn called(&self) -> BTreeSet<String> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let value = |line: &str, name: &str| {
            let rest = line.split_once(name)?.1.trim_start_matches('"');
            rest.split(['"', ' ']).next().map(str::to_owned)
        };
        let lines = log
            .lines()
            .filter(|line| value(line, " status=").is_some_and(|status| status.starts_with('2')));
        let calls = lines.filter_map(|line| Some(format!("{} {}", value(line, " method=")?, value(line, " path=")?)));
        calls.collect()
    }

    fn said(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for PageShop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
