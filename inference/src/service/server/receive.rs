//! Messages of clients: what is asked for, announced, sent and confirmed.

use std::sync::Arc;
use std::time::Duration;

use hedgerow_crypto::hash::Digest;

use super::super::Report;
use super::super::limits::Denied;
use super::super::transfer::{Incoming, Outgoing, Progress};
use super::super::wire::{Message, NONE, What};
use super::cache::KeyName;
use super::task::{State, Task, TaskName};
use super::{ConnId, Output, REMEMBERED, RESEND, ServerMachine};

impl ServerMachine {
    pub(super) fn hello(&mut self, id: ConnId, model: &str) {
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

    pub(super) fn put(
        &mut self,
        id: ConnId,
        what: What,
        blob: Digest,
        bytes: u64,
        about: Digest,
        now: Duration,
    ) {
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
        let other = conn.task.filter(|other| *other != blob);
        let other = other.map(|other| (client.clone(), other));
        if self.tasks.contains_key(&name) {
            if self.lay_down(id, other, blob) {
                self.resume(id, &name, now);
            }
            return;
        }
        if what == What::Request && sizes.keys > 0 && !self.cache.contains(&keys) {
            self.send(id, Message::NeedKeys { keys: about });
            return;
        }
        if !self.lay_down(id, other, blob) {
            return;
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

    /// Ends what the connection had begun, for it has one thing in hand: the client has changed its mind, or has its answer.
    /// False, and said so, if that waits for its turn or is being worked on.
    fn lay_down(&mut self, id: ConnId, other: Option<TaskName>, blob: Digest) -> bool {
        let Some(other) = other else { return true };
        let in_hand = self.tasks.get(&other).map(|task| &task.state);
        if matches!(in_hand, Some(State::Queued(_) | State::Running)) {
            let reason = "one request after the other on a connection".to_owned();
            self.refuse(id, &other.0, blob, reason, None);
            return false;
        }
        self.end(&other);
        true
    }

    fn allowed(&mut self, client: &str, rows: u64, now: Duration) -> Result<(), Denied> {
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

    pub(super) fn chunk(&mut self, id: ConnId, blob: Digest, offset: u64, data: &[u8], now: Duration) {
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

    pub(super) fn ready(&mut self, id: ConnId, blob: Digest, offset: u64, now: Duration) {
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
        let served = conn.model.as_ref().and_then(|model| self.served.get(model));
        if let Some((name, bytes)) = served.and_then(|served| served.download.as_ref())
            && *name == blob
        {
            // Asking for it from the start, as after a broken connection, begins it again.
            if offset == 0 || conn.download.is_none() {
                conn.download = Some(Outgoing::new(What::Download, blob, NONE, Arc::clone(bytes)));
            }
            let over = conn.download.as_mut().is_none_or(|out| out.ready(offset));
            let chunks: Vec<Message> = match &mut conn.download {
                Some(out) if !over => std::iter::from_fn(|| out.chunk()).collect(),
                _ => Vec::new(),
            };
            if over {
                conn.download = None;
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
