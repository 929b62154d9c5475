//! The whole shop as processes: all in one, or one per service, under one interface.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ports::Ports;
use crate::process::{Options, PARTS, Process, url};

/// How the shop is spread over processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One process runs everything.
    One,
    /// Each part is a process of its own, on its own port; they call each other over HTTP.
    Split,
}

/// A running shop; all its processes are killed when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    shape: Shape,
    ports: Arc<Ports>,
    /// One, or one per part in the order of [`PARTS`].
    processes: Vec<Process>,
}

impl Fleet {
    /// Starts the shop and waits until all of it is ready.
    ///
    /// `data` is the folder of all its processes; `database` a PostgreSQL URL, or `None` for SQLite files in that
    /// folder; `env` goes to every process, with `{gateway}` in it for the gateway's address.
    ///
    /// # Panics
    /// As [`Process::wait_ready`] does.
    pub async fn start(shape: Shape, data: PathBuf, database: Option<&str>, env: &[(&str, &str)]) -> Fleet {
        let ports = Arc::new(Ports::take());
        let mut common: Vec<(String, String)> = Vec::new();
        if let Some(database) = database {
            common.push(("IRONMONGER_DATABASE_URL".into(), database.into()));
        }
        let gateway = url(&ports, "gateway");
        let filled = env
            .iter()
            .map(|(name, value)| (name.to_string(), value.replace("{gateway}", &gateway)));
        common.extend(filled);
        let options = |services: &[&str], env: Vec<(String, String)>| Options {
            data: data.clone(),
            services: services.iter().map(|service| service.to_string()).collect(),
            env,
            args: Vec::new(),
        };
        let mut fleet = Fleet {
            shape,
            ports: ports.clone(),
            processes: Vec::new(),
        };
        match shape {
            Shape::One => fleet.processes.push(Process::start_on(ports, options(&[], common))),
            Shape::Split => {
                for part in PARTS {
                    let mut env = peers(&ports, part);
                    env.extend(common.clone());
                    fleet
                        .processes
                        .push(Process::start_on(ports.clone(), options(&[part], env)));
                    if fleet.processes.len() == 1 {
                        // The first makes the folder and its secrets, which the others then find.
                        fleet.wait_ready().await;
                    }
                }
            }
        }
        fleet.wait_ready().await;
        fleet
    }

    /// Waits until every process is ready.
    ///
    /// # Panics
    /// As [`Process::wait_ready`] does.
    pub async fn wait_ready(&mut self) {
        for process in &mut self.processes {
            process.wait_ready().await;
        }
    }

    /// How it is spread over processes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The gateway's address.
    pub fn base_url(&self) -> String {
        url(&self.ports, "gateway")
    }

    /// The address of one part's own port.
    pub fn part_url(&self, part: &str) -> String {
        url(&self.ports, part)
    }

    /// The process in which this part runs, to look at or to treat singly.
    ///
    /// # Panics
    /// For what is no part.
    pub fn process(&mut self, part: &str) -> &mut Process {
        let index = PARTS.iter().position(|known| *known == part);
        let index = index.unwrap_or_else(|| panic!("`{part}` is no part; there are {PARTS:?}"));
        match self.shape {
            Shape::One => &mut self.processes[0],
            Shape::Split => &mut self.processes[index],
        }
    }

    /// Crashes the process in which this part runs; in one process that is all of them.
    pub fn kill9(&mut self, part: &str) {
        self.process(part).kill9();
    }

    /// Crashes everything at once.
    pub fn kill9_all(&mut self) {
        self.processes.iter_mut().for_each(Process::kill9);
    }

    /// Starts the process of this part again and waits until it is ready.
    ///
    /// # Panics
    /// As [`Process::wait_ready`] does.
    pub async fn restart(&mut self, part: &str) {
        self.process(part).restart().await;
    }

    /// Starts every process again and waits until all are ready.
    ///
    /// # Panics
    /// As [`Process::wait_ready`] does.
    pub async fn restart_all(&mut self) {
        self.processes.iter_mut().for_each(Process::start_again);
        self.wait_ready().await;
    }

    /// Ends every process in good order, the edge first; true when each ended with success.
    ///
    /// # Panics
    /// When one does not end.
    pub async fn terminate(&mut self) -> bool {
        let mut good = true;
        for process in self.processes.iter_mut().rev() {
            good &= process.terminate().await.success();
        }
        good
    }

    /// What all processes have printed, one after the other.
    pub fn output(&self) -> String {
        self.processes
            .iter()
            .map(Process::output)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Where the process of this part finds all others.
fn peers(ports: &Ports, part: &str) -> Vec<(String, String)> {
    let others = PARTS.iter().filter(|other| **other != part && **other != "gateway");
    others
        .map(|other| (format!("IRONMONGER_PEERS_{}", other.to_uppercase()), url(ports, other)))
        .collect()
}
