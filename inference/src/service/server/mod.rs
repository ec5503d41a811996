//! The server's machine: who may send what when, whose turn it is, and what is kept.
//!
//! Memory is bounded by construction: a blob is refused by its announced size, waits until its pool has room for it (keys
//! have one half of [`Limits::transfers`], requests with their answers the other, so that neither can block the other),
//! and only then may be sent. Decoded keys are in a cache of their own; keys that a request waits for are not dropped.
//! Clients take turns, one job each, whatever they have queued.

mod cache;
mod task;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hedgerow_crypto::hash::Digest;
use rand_core::CryptoRng;

use super::limits::{LimitError, Limits, Meter};
use super::transfer::{Incoming, Outgoing, Progress};
use super::wire::{Message, NONE, What, name_of};
use super::{ClientKeys, Host, Offer, Report, ServiceError};
use cache::{Cache, KeyName};
use task::{State, Task, TaskName};

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

/// Work for another thread.
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Whose it is.
    pub client: String,
    host: Arc<dyn Host>,
    work: Work,
}

enum Work {
    Keys(Digest, Vec<u8>),
    Answer(ClientKeys, Digest, Vec<u8>),
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match &self.work {
            Work::Keys(..) => "decode keys",
            Work::Answer(..) => "evaluate",
        };
        write!(f, "Job {} of {}: {what}", self.id, self.client)
    }
}

/// What came of a job.
pub enum Outcome {
    /// Keys.
    Keys(Result<ClientKeys, ServiceError>),
    /// An answer.
    Answer(Result<Vec<u8>, ServiceError>),
}

impl Job {
    /// What comes of a job that was not done, as when its thread panicked.
    pub fn failure(&self) -> Outcome {
        let error = ServiceError::Evaluation("the server's program failed".to_owned());
        match self.work {
            Work::Keys(..) => Outcome::Keys(Err(error)),
            Work::Answer(..) => Outcome::Answer(Err(error)),
        }
    }

    /// Does it. `passed` is called after each layer of an evaluation.
    pub fn run(self, rng: &mut dyn CryptoRng, passed: &mut dyn FnMut(&str)) -> Outcome {
        let intact = |expected: Digest, bytes: &[u8]| match name_of(bytes) {
            actual if actual == expected => Ok(()),
            actual => Err(ServiceError::Foreign {
                what: "bytes",
                actual: format!("digest {actual:?}"),
                expected: format!("digest {expected:?}, as announced"),
            }),
        };
        match self.work {
            Work::Keys(name, bytes) => {
                Outcome::Keys(intact(name, &bytes).and_then(|()| self.host.keys(&bytes)))
            }
            Work::Answer(keys, name, bytes) => Outcome::Answer(
                intact(name, &bytes).and_then(|()| self.host.answer(&keys, &bytes, rng, passed)),
            ),
        }
    }
}

struct Served {
    host: Arc<dyn Host>,
    offer: Offer,
    digest: Digest,
    blob: Digest,
    bytes: Arc<[u8]>,
}

struct Conn {
    client: String,
    model: Option<String>,
    offer: Option<Outgoing>,
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
            let one = Served {
                host,
                digest: offer.digest(),
                blob: name_of(&bytes),
                bytes,
                offer,
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

    fn hello(&mut self, id: ConnId, model: &str) {
        let found = match model {
            "" if self.served.len() == 1 => self.served.first_key_value(),
            _ => self.served.get_key_value(model),
        };
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let Some((name, served)) = found else {
            let names: Vec<&str> = self.served.keys().map(String::as_str).collect();
            let reason = format!("no model {model:?} here; served: {}", names.join(", "));
            let client = conn.client.clone();
            self.refuse(id, &client, NONE, reason, None);
            return;
        };
        conn.model = Some(name.clone());
        let out = Outgoing::new(What::Offer, served.blob, NONE, Arc::clone(&served.bytes));
        let put = out.put();
        conn.offer = Some(out);
        self.send(id, put);
    }

    fn put(&mut self, id: ConnId, what: What, blob: Digest, bytes: u64, about: Digest, now: Duration) {
        let Some(conn) = self.conns.get(&id) else {
            return;
        };
        let client = conn.client.clone();
        let name = (client.clone(), blob);
        let Some(served) = conn.model.as_ref().and_then(|model| self.served.get(model)) else {
            self.refuse(id, &client, blob, "name a model first".to_owned(), None);
            return;
        };
        let (model, sizes, rows) = (served.offer.model.clone(), served.offer.sizes, served.offer.rows);
        let (limit, room) = match what {
            What::Keys => (sizes.keys.min(self.limits.keys), bytes),
            What::Request => (
                sizes.request.min(self.limits.request),
                bytes.saturating_add(sizes.answer + Report::OVERHEAD),
            ),
            _ => {
                let reason = format!("a client does not send an {}", what.name());
                self.refuse(id, &client, blob, reason, None);
                return;
            }
        };
        if bytes == 0 || bytes > limit {
            let reason = format!(
                "{} of {client}: {bytes} bytes, expected 1 to {limit} for model {model:?}",
                what.name()
            );
            self.refuse(id, &client, blob, reason, None);
            return;
        }
        let keys = KeyName {
            client: client.clone(),
            offer: served.digest,
            keys: match what {
                What::Keys => blob,
                _ => about,
            },
        };
        let have = match what {
            What::Keys => self.cache.contains(&keys),
            _ => conn.answered.contains(&blob),
        };
        if have {
            self.send(id, Message::Ready { blob, offset: bytes });
            return;
        }
        if self.tasks.contains_key(&name) {
            self.resume(id, &name, now);
            return;
        }
        let other = conn.task.map(|other| (client.clone(), other));
        if what == What::Request && sizes.keys > 0 && !self.cache.contains(&keys) {
            self.send(id, Message::NeedKeys { keys: about });
            return;
        }
        if let Some(other) = other {
            let in_hand = self.tasks.get(&other).map(|task| &task.state);
            if matches!(in_hand, Some(State::Queued(_) | State::Running)) {
                let reason = "one request after the other on a connection".to_owned();
                self.refuse(id, &client, blob, reason, None);
                return;
            }
            // The client has changed its mind, or has its answer.
            self.end(&other);
        }
        if what == What::Request {
            if let Err(denied) = self.allowed(&client, rows, now) {
                self.refuse(id, &client, blob, denied.reason, denied.retry);
                return;
            }
            if sizes.keys > 0 {
                self.cache.pin(&keys);
            }
        }
        let task = Task {
            what,
            model,
            bytes,
            room,
            admitted: false,
            keys: (sizes.keys > 0).then_some(keys),
            conn: Some(id),
            since: now,
            state: State::Waiting,
        };
        self.tasks.insert(name.clone(), task);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.task = Some(blob);
        }
        let pool = self.pool(what);
        pool.waiting.push_back(name.clone());
        let ahead = pool.waiting.len() as u32 - 1;
        self.admit(now);
        if self
            .tasks
            .get(&name)
            .is_some_and(|task| matches!(task.state, State::Waiting))
        {
            self.send(id, Message::Queued { blob, ahead });
        }
    }

    fn allowed(&mut self, client: &str, rows: u64, now: Duration) -> Result<(), super::limits::Denied> {
        match self.clients.get_mut(client) {
            Some(client) => client.meter.allows(rows, now),
            None => Ok(()),
        }
    }

    /// Something that this client has announced before, perhaps over another connection.
    fn resume(&mut self, id: ConnId, name: &TaskName, now: Duration) {
        let turn = self.place(name);
        let Some(task) = self.tasks.get_mut(name) else {
            return;
        };
        let before = task.conn.replace(id);
        task.since = now;
        let blob = name.1;
        let message = match &mut task.state {
            State::Waiting | State::Queued(_) | State::Running => Message::Queued { blob, ahead: turn },
            State::Receiving(incoming) => incoming.ready(),
            State::Answered(out) => {
                out.restart();
                out.put()
            }
        };
        if let Some(before) = before.filter(|before| *before != id)
            && let Some(conn) = self.conns.get_mut(&before)
        {
            conn.task = None;
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.task = Some(blob);
        }
        self.send(id, message);
    }

    fn chunk(&mut self, id: ConnId, blob: Digest, offset: u64, data: &[u8], now: Duration) {
        let Some(client) = self.conns.get(&id).map(|conn| conn.client.clone()) else {
            return;
        };
        let name = (client, blob);
        let Some(task) = self.tasks.get_mut(&name).filter(|task| task.conn == Some(id)) else {
            return;
        };
        let State::Receiving(incoming) = &mut task.state else {
            return;
        };
        task.since = now;
        match incoming.chunk(offset, data) {
            Progress::Silent => {}
            Progress::Tell => {
                let ready = incoming.ready();
                self.send(id, ready);
            }
            Progress::Complete => {
                let done = std::mem::replace(incoming, Incoming::new(blob, 0));
                task.state = State::Queued(done.into_bytes());
                self.enqueue(&name);
                let ahead = self.place(&name);
                self.send(id, Message::Queued { blob, ahead });
            }
        }
    }

    fn ready(&mut self, id: ConnId, blob: Digest, offset: u64, now: Duration) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.resend = now + RESEND;
        if let Some(offer) = conn.offer.as_mut().filter(|offer| offer.blob() == blob) {
            let over = offer.ready(offset);
            let chunks: Vec<Message> = std::iter::from_fn(|| offer.chunk()).collect();
            if over {
                conn.offer = None;
            }
            self.outputs
                .extend(chunks.into_iter().map(|chunk| Output::Send(id, chunk)));
            return;
        }
        let Some(name) = conn.task.map(|task| (conn.client.clone(), task)) else {
            return;
        };
        let Some(Task {
            state: State::Answered(out),
            ..
        }) = self.tasks.get_mut(&name)
        else {
            return;
        };
        if out.blob() != blob {
            return;
        }
        if out.ready(offset) {
            conn.answered.push_back(name.1);
            if conn.answered.len() > REMEMBERED {
                conn.answered.pop_front();
            }
            self.end(&name);
            return;
        }
        let chunks: Vec<Message> = std::iter::from_fn(|| out.chunk()).collect();
        self.outputs
            .extend(chunks.into_iter().map(|chunk| Output::Send(id, chunk)));
    }
}
