//! A connection to PostgreSQL that a plain thread drives: statements cached, BEGIN and COMMIT sent along with
//! their neighbours, errors sorted.

mod codec;
mod fault;

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::Error;
use crate::value::Value;
pub(crate) use codec::cell;
use fault::{Meaning, Seen, sorted};

/// Statements kept prepared per connection. Filters make new texts; beyond this the cache starts anew.
const STATEMENTS_MAX: usize = 512;
/// Statements in one breath; `join_all` sends that many in order, more it may not.
const BREATH_MAX: usize = 24;
/// How long a connection may take to come about.
const CONNECT_MS: u64 = 5_000;
/// How long the other side may be silent before the connection counts as lost; above the server's own limits.
const ANSWER_MS: u64 = 40_000;
/// How soon after a failed attempt the next one is made.
const RECONNECT_MS: u64 = 250;
/// Told to the server for each connection: nobody waits for a lock or a statement without end, and a client
/// that vanished in the middle of a transaction holds its rows for seconds only.
const LIMITS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = 'warning'; SET timezone = 'UTC'";

/// What went wrong, and what that means for the transaction.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: Error,
    /// Running the closure again may help.
    pub(crate) again: bool,
}

/// One connection and the runtime that drives it.
pub(crate) struct Session {
    runtime: Runtime,
    config: Config,
    link: Option<Link>,
    begin: Begin,
    state: State,
    /// Set when the connection was lost and nothing was said about it yet.
    lost: bool,
    /// No attempt to connect before this.
    rest_until: Option<Instant>,
}

/// What a connection is for: what its transactions begin with, sent along with their first statement, and how the
/// server plans what they say.
#[derive(Clone, Copy)]
pub(crate) struct Begin {
    /// Settings of the planner, told once when connecting.
    pub(crate) plans: &'static str,
    /// On a connection at rest.
    pub(crate) fresh: &'static str,
    /// Where the transaction before was left open.
    pub(crate) anew: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction.
    Rest,
    /// One that has nothing to keep is still open on the server; the next one ends it.
    Left,
    /// One is running.
    Open,
}

struct Link {
    client: Client,
    statements: HashMap<Box<str>, Statement>,
}

impl Session {
    /// A session that connects when it is first used.
    pub(crate) fn new(url: &str, application: &str, begin: Begin) -> Result<Self, Error> {
        // What the parser says may quote the address, which holds a password.
        let mut config: Config = url
            .parse()
            .map_err(|_| Error::Down("its address is no PostgreSQL URL".into()))?;
        config.application_name(application);
        config.connect_timeout(Duration::from_millis(CONNECT_MS));
        config.keepalives_idle(Duration::from_secs(15));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Down(format!("no runtime for a connection: {error}")))?;
        Ok(Self {
            runtime,
            config,
            link: None,
            begin,
            state: State::Rest,
            lost: false,
            rest_until: None,
        })
    }

    /// Connects unless connected.
    pub(crate) fn connect(&mut self) -> Result<(), Error> {
        if self.link.as_ref().is_some_and(|link| !link.client.is_closed()) {
            return Ok(());
        }
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            return Err(Error::Down("the connection was lost a moment ago".into()));
        }
        self.link = None;
        (self.state, self.lost) = (State::Rest, false);
        let (config, begin) = (&self.config, self.begin);
        let connected = self.runtime.block_on(async {
            let limit = Duration::from_millis(CONNECT_MS);
            let (client, connection) = match tokio::time::timeout(limit, config.connect(NoTls)).await {
                Ok(done) => done.map_err(|error| sorted(&error).error)?,
                Err(_) => return Err(Error::Down(format!("no connection within {CONNECT_MS} ms"))),
            };
            tokio::runtime::Handle::current().spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to PostgreSQL ended");
                }
            });
            let told = client.batch_execute(LIMITS).await;
            told.map_err(|error| sorted(&error).error)?;
            // A relative of PostgreSQL's may know none of them: then it plans as it thinks best.
            if let Err(error) = client.batch_execute(begin.plans).await {
                tracing::debug!(%error, "the server takes no settings for its planner");
            }
            Ok(client)
        });
        match connected {
            Ok(client) => {
                self.rest_until = None;
                self.link = Some(Link {
                    client,
                    statements: HashMap::new(),
                });
                Ok(())
            }
            Err(error) => {
                self.rest_until = Some(Instant::now() + Duration::from_millis(RECONNECT_MS));
                Err(error)
            }
        }
    }

    /// Whether the connection went away since the last [`Session::connect`].
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Runs a statement and gives its rows.
    pub(crate) fn query(&mut self, sql: &str, args: &[Value]) -> Result<Vec<tokio_postgres::Row>, Fault> {
        let statement = self.prepared(sql, args.len())?;
        let begin = self.begin();
        let Some(link) = &self.link else { return Err(gone()) };
        let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(|value| value as _).collect();
        let answer = answered(&self.runtime, async {
            let query = link.client.query(&statement, &params);
            match begin {
                None => query.await,
                Some(begin) => {
                    let (begun, rows) = join(link.client.batch_execute(begin), query).await;
                    begun.and(rows)
                }
            }
        });
        answer.map_err(|fault| self.noted(fault))
    }

    /// Runs statements without rows, all sent before the first answer; tells how many rows each changed.
    pub(crate) fn execute(&mut self, statements: &[(&str, &[Value])]) -> Result<Vec<u64>, Fault> {
        let mut prepared = Vec::with_capacity(statements.len());
        for (sql, args) in statements {
            prepared.push(self.prepared(sql, args.len())?);
        }
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = statements
            .iter()
            .map(|(_, args)| args.iter().map(|value| value as _).collect())
            .collect();
        let mut changed = Vec::with_capacity(statements.len());
        for (prepared, params) in prepared.chunks(BREATH_MAX).zip(params.chunks(BREATH_MAX)) {
            let begin = self.begin();
            let Some(link) = &self.link else { return Err(gone()) };
            let answer = answered(&self.runtime, async {
                let begun = async {
                    match begin {
                        Some(begin) => link.client.batch_execute(begin).await,
                        None => Ok(()),
                    }
                };
                let all = prepared
                    .iter()
                    .zip(params)
                    .map(|(sql, params)| link.client.execute(sql, params));
                let (begun, counts) = join(begun, join_all(all)).await;
                begun?;
                counts.into_iter().collect::<Result<Vec<u64>, _>>()
            });
            changed.extend(answer.map_err(|fault| self.noted(fault))?);
        }
        Ok(changed)
    }

    /// Runs a text of several statements, which may take its time.
    pub(crate) fn script(&mut self, text: &str) -> Result<(), Fault> {
        let begin = self.begin().unwrap_or_default();
        let Some(link) = &self.link else { return Err(gone()) };
        let text = format!("{begin};SET LOCAL statement_timeout = 0;{text}");
        let done = self.runtime.block_on(link.client.batch_execute(&text));
        done.map_err(|error| self.noted(sorted(&error)))
    }

    /// Commits, with a last statement in the same breath; that one must change `rows` rows.
    pub(crate) fn commit(&mut self, last: Option<(&str, &[Value], u64)>) -> Result<(), Fault> {
        let Some((sql, args, rows)) = last else {
            if self.state != State::Open {
                return Ok(());
            }
            self.state = State::Rest;
            let Some(link) = &self.link else { return Err(gone()) };
            let done = answered(&self.runtime, link.client.batch_execute("COMMIT"));
            return done.map_err(|fault| self.noted(fault));
        };
        let statement = self.prepared(sql, args.len())?;
        let begin = self.begin();
        let Some(link) = &self.link else { return Err(gone()) };
        let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(|value| value as _).collect();
        let mut sent = false;
        let done = answered(&self.runtime, async {
            if let Some(begin) = begin {
                link.client.batch_execute(begin).await?;
            }
            let mut last = pin!(link.client.execute(&statement, &params));
            // The first poll sends it, or fails on our side: then no COMMIT may follow. When the server refuses
            // it, the COMMIT behind it ends the transaction without keeping anything.
            if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(last.as_mut().poll(context))).await {
                let changed = done?;
                return link.client.batch_execute("COMMIT").await.map(|()| changed);
            }
            sent = true;
            let (changed, committed) = join(last, link.client.batch_execute("COMMIT")).await;
            let changed = changed?;
            committed.map(|()| changed)
        });
        if sent || done.is_ok() {
            self.state = State::Rest;
        }
        let changed = done.map_err(|fault| self.noted(fault))?;
        // It is committed; a mismatch is a broken table, found by whoever reads it next, and must be loud.
        if changed != rows {
            tracing::error!(
                changed,
                rows,
                "events were written in another number than they were told"
            );
        }
        Ok(())
    }

    /// Ends an open transaction without keeping anything. A connection that can't even do that is dropped.
    pub(crate) fn rollback(&mut self) {
        if std::mem::replace(&mut self.state, State::Rest) == State::Rest {
            return;
        }
        let Some(link) = &self.link else { return };
        if let Err(fault) = answered(&self.runtime, link.client.batch_execute("ROLLBACK")) {
            self.noted(fault);
            self.link = None;
        }
    }

    /// Leaves a transaction that has nothing to keep to be ended with the begin of the next one.
    pub(crate) fn leave(&mut self) {
        if self.state == State::Open {
            self.state = State::Left;
        }
    }

    /// The transaction runs from now on; what must be sent for that.
    fn begin(&mut self) -> Option<&'static str> {
        match std::mem::replace(&mut self.state, State::Open) {
            State::Rest => Some(self.begin.fresh),
            State::Left => Some(self.begin.anew),
            State::Open => None,
        }
    }

    /// Waits without keeping the connection from being driven.
    pub(crate) fn pause(&self, span: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(span).await });
    }

    fn prepared(&mut self, sql: &str, arguments: usize) -> Result<Statement, Fault> {
        let Some(link) = &mut self.link else { return Err(gone()) };
        let statement = match link.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let made = answered(&self.runtime, link.client.prepare(sql));
                let statement = made.map_err(|fault| self.noted(fault))?;
                let Some(link) = &mut self.link else { return Err(gone()) };
                if link.statements.len() >= STATEMENTS_MAX {
                    link.statements.clear();
                }
                link.statements.insert(sql.into(), statement.clone());
                statement
            }
        };
        let takes = statement.params().len();
        if takes != arguments {
            let words = format!("{arguments} arguments for a statement that takes {takes}");
            return Err(Fault {
                error: Error::Sql(words),
                again: false,
            });
        }
        Ok(statement)
    }

    /// Draws the consequences of a fault for the connection.
    fn noted(&mut self, fault: Seen) -> Fault {
        match fault.meaning {
            Meaning::Lost => {
                self.link = None;
                self.lost = true;
            }
            Meaning::Stale => {
                if let Some(link) = &mut self.link {
                    link.statements.clear();
                }
            }
            Meaning::Again | Meaning::Refused => {}
        }
        let again = matches!(fault.meaning, Meaning::Again | Meaning::Stale);
        Fault {
            error: fault.error,
            again,
        }
    }
}

fn gone() -> Fault {
    Fault {
        error: Error::Down("the connection was lost".into()),
        again: false,
    }
}

fn answered<T>(runtime: &Runtime, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Seen> {
    let limit = Duration::from_millis(ANSWER_MS);
    match runtime.block_on(async { tokio::time::timeout(limit, asked).await }) {
        Ok(done) => done.map_err(|error| sorted(&error)),
        Err(_) => {
            let error = Error::Down(format!("no answer within {ANSWER_MS} ms"));
            Err(Seen {
                error,
                meaning: Meaning::Lost,
            })
        }
    }
}

/// Whether a statement with rows may write or lock, judged by its first word.
pub(crate) fn may_write(sql: &str) -> bool {
    let first = sql.trim_start().get(..6).unwrap_or_default();
    !(first.eq_ignore_ascii_case("select") || first.to_ascii_uppercase().starts_with("SHOW"))
}
