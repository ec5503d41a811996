//! The server's machine: who may send what when, whose turn it is, and what is kept.
//!
//! Memory is bounded by construction: a blob is refused by its announced size, waits until its pool has room for it (keys
//! have one half of [`Limits::transfers`], requests with their answers the other, so that neither can block the other),
//! and only then may be sent. Decoded keys are in a cache of their own; keys that a request waits for are not dropped.
//! Clients take turns, one job each, whatever they have queued.

mod cache;
#[cfg(test)]
mod crowd_tests;
mod job;
mod receive;
mod task;
#[cfg(test)]
mod tests;
mod turns;
#[cfg(test)]
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hedgerow_crypto::hash::Digest;

use super::limits::{LimitError, Limits, Meter};
use super::transfer::Outgoing;
use super::wire::{Message, NONE, What, name_of};
use super::{Host, Offer, Report};
use cache::Cache;
use task::{State, Task, TaskName};

pub use job::{Job, Outcome};

/// Number of a connection, chosen by whoever accepts it.
pub type ConnId = u64;
/// Number of a job.
pub type JobId = u64;

/// Before an announcement is repeated to a client that is silent.
const RESEND: Duration = Duration::from_secs(5);
/// Requests of a connection that are remembered when they have been answered.
const REMEMBERED: usize = 16;
/// How often timers are looked at.
const TICK: Duration = Duration::from_secs(1);

/// What the machine wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Send a message.
    Send(ConnId, Message),
    /// Close a connection, after what was sent.
    Close(ConnId, String),
    /// Make it durable that a client has asked about so many rows in all, before anything after it.
    Charge(String, u64),
    /// Run a job on another thread and bring its outcome to [`ServerMachine::handle_done`].
    Run(Job),
    /// For the log: a client, and what was wrong.
    Note(String, String),
}

struct Served {
    host: Arc<dyn Host>,
    offer: Offer,
    digest: Digest,
    blob: Digest,
    bytes: Arc<[u8]>,
    download: Option<(Digest, Arc<[u8]>)>,
}

struct Conn {
    client: String,
    model: Option<String>,
    offer: Option<Outgoing>,
    download: Option<Outgoing>,
    task: Option<Digest>,
    /// The last requests whose answers have arrived: announcing them again asks nothing.
    answered: VecDeque<Digest>,
    heard: Duration,
    /// When what goes out is announced again.
    resend: Duration,
}

struct Client {
    meter: Meter,
    connections: usize,
    queue: VecDeque<Digest>,
}

/// Running job: its task, and the time that its request waited.
struct Running {
    task: TaskName,
    queued: Duration,
}

/// One pool of bytes and who waits for it.
struct Pool {
    limit: u64,
    used: u64,
    waiting: VecDeque<TaskName>,
}

/// The machine.
pub struct ServerMachine {
    limits: Limits,
    served: BTreeMap<String, Served>,
    used: BTreeMap<String, u64>,
    conns: BTreeMap<ConnId, Conn>,
    clients: BTreeMap<String, Client>,
    tasks: BTreeMap<TaskName, Task>,
    keys_pool: Pool,
    requests_pool: Pool,
    cache: Cache,
    /// Clients with something queued, in the order of their turns.
    turns: VecDeque<String>,
    running: BTreeMap<JobId, Running>,
    next_job: JobId,
    outputs: VecDeque<Output>,
    ticked: Duration,
}

impl ServerMachine {
    /// A server of these models. `used`: rows that clients have asked about before.
    ///
    /// # Errors
    /// [`LimitError`] for limits under which a model could never be asked.
    pub fn new(
        limits: Limits,
        models: Vec<Arc<dyn Host>>,
        used: BTreeMap<String, u64>,
    ) -> Result<Self, LimitError> {
        let mut served = BTreeMap::new();
        for host in models {
            let offer = host.offer();
            limits.check(&offer)?;
            let bytes: Arc<[u8]> = offer.to_bytes().into();
            let download = host.download().map(|bytes| (name_of(&bytes), bytes));
            let one = Served {
                host,
                digest: offer.digest(),
                blob: name_of(&bytes),
                bytes,
                offer,
                download,
            };
            served.insert(one.offer.model.clone(), one);
        }
        let pool = || Pool {
            limit: limits.transfers / 2,
            used: 0,
            waiting: VecDeque::new(),
        };
        Ok(Self {
            served,
            used,
            conns: BTreeMap::new(),
            clients: BTreeMap::new(),
            tasks: BTreeMap::new(),
            keys_pool: pool(),
            requests_pool: pool(),
            cache: Cache::new(limits.cached_keys),
            turns: VecDeque::new(),
            running: BTreeMap::new(),
            next_job: 0,
            outputs: VecDeque::new(),
            ticked: Duration::ZERO,
            limits,
        })
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`ServerMachine::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.conns.is_empty() || !self.tasks.is_empty()).then(|| self.ticked + TICK)
    }

    /// Bytes held now: uploads, requests and answers; decoded keys.
    pub fn held(&self) -> (u64, u64) {
        (self.keys_pool.used + self.requests_pool.used, self.cache.memory())
    }

    /// A member of the consortium has connected.
    pub fn handle_connected(&mut self, id: ConnId, client: &str, now: Duration) {
        let quota = self.limits.quota(client);
        let used = self.used.get(client).copied().unwrap_or(0);
        let full = self.conns.len() >= self.limits.connections;
        let reason = if !self.limits.admits(client) {
            Some("the policy of this service does not name this client".to_owned())
        } else if full {
            Some(format!(
                "{} connections at once are the limit",
                self.limits.connections
            ))
        } else {
            let state = self.clients.entry(client.to_owned()).or_insert_with(|| Client {
                meter: Meter::new(quota, used, now),
                connections: 0,
                queue: VecDeque::new(),
            });
            let most = self.limits.connections_per_client;
            if state.connections < most {
                state.connections += 1;
                None
            } else {
                Some(format!("{most} connections of one client at once are the limit"))
            }
        };
        if let Some(reason) = reason {
            let retry = full.then_some(self.limits.idle);
            self.refuse(id, client, NONE, reason.clone(), retry);
            self.outputs.push_back(Output::Close(id, reason));
            return;
        }
        let conn = Conn {
            client: client.to_owned(),
            model: None,
            offer: None,
            download: None,
            task: None,
            answered: VecDeque::new(),
            heard: now,
            resend: now + RESEND,
        };
        self.conns.insert(id, conn);
    }

    /// A connection is over. What it has begun stays for a while, if its room is not needed.
    pub fn handle_closed(&mut self, id: ConnId, now: Duration) {
        let Some(conn) = self.conns.remove(&id) else {
            return;
        };
        if let Some(client) = self.clients.get_mut(&conn.client) {
            client.connections -= 1;
        }
        self.cache.left(id);
        if let Some(blob) = conn.task {
            let name = (conn.client, blob);
            let keep = self.tasks.get_mut(&name).is_some_and(|task| {
                task.conn = None;
                task.since = now;
                !matches!(task.state, State::Waiting | State::Queued(_))
            });
            if !keep {
                self.end(&name);
            }
        }
        self.advance(now);
    }

    /// A message has come.
    pub fn handle_message(&mut self, id: ConnId, message: Message, now: Duration) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.heard = now;
        match message {
            Message::Hello { model } => self.hello(id, &model),
            Message::Put {
                what,
                blob,
                bytes,
                about,
            } => self.put(id, what, blob, bytes, about, now),
            Message::Chunk { blob, offset, data } => self.chunk(id, blob, offset, &data, now),
            Message::Ready { blob, offset } => self.ready(id, blob, offset, now),
            other => {
                let client = conn.client.clone();
                let reason = format!("a client does not send {other:?}");
                self.refuse(id, &client, NONE, reason.clone(), None);
                self.outputs.push_back(Output::Close(id, reason));
            }
        }
        self.advance(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.ticked = now;
        let idle = self.limits.idle;
        let mut silent = Vec::new();
        for (id, conn) in &mut self.conns {
            let task = conn
                .task
                .and_then(|blob| self.tasks.get(&(conn.client.clone(), blob)));
            if task.is_some_and(Task::is_ours) {
                // The client waits for us.
                conn.heard = now;
            } else if now.saturating_sub(conn.heard) >= idle {
                silent.push((*id, conn.client.clone()));
            }
            if now >= conn.resend {
                conn.resend = now + RESEND;
                let answer = task.and_then(|task| match &task.state {
                    State::Answered(out) => Some(out),
                    _ => None,
                });
                for out in conn.offer.iter().chain(answer) {
                    self.outputs.push_back(Output::Send(*id, out.put()));
                }
            }
        }
        for (id, client) in silent {
            let reason = format!("nothing came for {} s", idle.as_secs());
            self.refuse(id, &client, NONE, reason.clone(), None);
            self.outputs.push_back(Output::Close(id, reason));
            self.handle_closed(id, now);
        }
        let old = |task: &Task| {
            task.conn.is_none()
                && !matches!(task.state, State::Running)
                && now.saturating_sub(task.since) >= idle
        };
        let over: Vec<TaskName> = self
            .tasks
            .iter()
            .filter(|(_, task)| old(task))
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            self.end(&name);
        }
        self.advance(now);
    }

    /// A job is done; for an evaluation, `layers` are its stages with their microseconds.
    pub fn handle_done(&mut self, job: JobId, outcome: Outcome, layers: Vec<(String, u64)>, now: Duration) {
        let Some(Running { task: name, queued }) = self.running.remove(&job) else {
            return;
        };
        let Some(task) = self.tasks.get_mut(&name) else {
            return;
        };
        task.since = now;
        let (client, blob) = name.clone();
        let conn = task.conn;
        let memory = self
            .served
            .get(&task.model)
            .map_or(0, |served| served.offer.sizes.keys_memory);
        match outcome {
            Outcome::Keys(Ok(keys)) => {
                if let Some(key_name) = task.keys.take() {
                    self.cache.insert(key_name, keys, memory, conn);
                }
                let offset = task.bytes;
                self.end(&name);
                if let Some(conn) = conn {
                    self.send(conn, Message::Ready { blob, offset });
                }
            }
            Outcome::Keys(Err(error)) => {
                task.keys = None;
                self.cache.release(memory);
                self.end(&name);
                self.fail(
                    conn,
                    &client,
                    blob,
                    format!("evaluation keys of {client}: {error}"),
                );
            }
            Outcome::Answer(Ok(answer)) => {
                let queued_us = u64::try_from(queued.as_micros()).unwrap_or(u64::MAX);
                let report = Report::new(queued_us, layers, answer);
                let bytes: Arc<[u8]> = report.to_bytes().into();
                let out = Outgoing::new(What::Answer, name_of(&bytes), blob, bytes);
                if let Some(conn) = conn {
                    self.outputs.push_back(Output::Send(conn, out.put()));
                }
                task.state = State::Answered(out);
                if let Some(keys) = task.keys.take() {
                    self.cache.done(&keys);
                }
            }
            Outcome::Answer(Err(error)) => {
                self.end(&name);
                self.fail(conn, &client, blob, format!("request of {client}: {error}"));
            }
        }
        self.advance(now);
    }

    fn send(&mut self, to: ConnId, message: Message) {
        self.outputs.push_back(Output::Send(to, message));
    }

    fn refuse(&mut self, id: ConnId, client: &str, blob: Digest, reason: String, retry: Option<Duration>) {
        self.outputs
            .push_back(Output::Note(client.to_owned(), reason.clone()));
        let retry_ms = retry.map(|retry| u64::try_from(retry.as_millis()).unwrap_or(u64::MAX));
        self.send(
            id,
            Message::Refused {
                blob,
                reason,
                retry_ms,
            },
        );
    }

    fn fail(&mut self, conn: Option<ConnId>, client: &str, blob: Digest, reason: String) {
        match conn {
            Some(conn) => self.refuse(conn, client, blob, reason, None),
            None => self.outputs.push_back(Output::Note(client.to_owned(), reason)),
        }
    }
}
