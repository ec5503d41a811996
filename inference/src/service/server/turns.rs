//! Room and turns: who may send, and who is next.

use std::time::Duration;

use super::super::limits::Denied;
use super::super::transfer::Incoming;
use super::super::wire::What;
use super::job::{Job, Work};
use super::task::{State, TaskName};
use super::{Output, Pool, Running, ServerMachine};

impl ServerMachine {
    pub(super) fn pool(&mut self, what: What) -> &mut Pool {
        match what {
            What::Keys => &mut self.keys_pool,
            _ => &mut self.requests_pool,
        }
    }

    /// Whatever can go on now does.
    pub(super) fn advance(&mut self, now: Duration) {
        self.admit(now);
        self.schedule(now);
        // Work that has begun may have made room.
        self.admit(now);
    }

    /// Lets in who waits for room, first come first served: a large blob is not passed by small ones for ever.
    pub(super) fn admit(&mut self, now: Duration) {
        for what in [What::Keys, What::Request] {
            while let Some(name) = self.pool(what).waiting.front().cloned() {
                let Some(room) = self.tasks.get(&name).map(|task| task.room) else {
                    self.pool(what).waiting.pop_front();
                    continue;
                };
                while self.pool(what).used + room > self.pool(what).limit {
                    if !self.drop_abandoned(what) {
                        break;
                    }
                }
                let pool = self.pool(what);
                if pool.used + room > pool.limit {
                    break;
                }
                pool.used += room;
                pool.waiting.pop_front();
                let Some(task) = self.tasks.get_mut(&name) else {
                    continue;
                };
                task.admitted = true;
                task.since = now;
                let mut incoming = Incoming::new(name.1, task.bytes);
                let ready = incoming.ready();
                task.state = State::Receiving(incoming);
                if let Some(conn) = task.conn {
                    self.send(conn, ready);
                }
            }
        }
    }

    /// Ends the oldest task whose client is gone; false where there is none.
    fn drop_abandoned(&mut self, what: What) -> bool {
        let abandoned = self.tasks.iter().filter(|(_, task)| {
            (task.what == What::Keys) == (what == What::Keys)
                && task.admitted
                && task.conn.is_none()
                && !matches!(task.state, State::Running)
        });
        let oldest = abandoned
            .min_by_key(|(_, task)| task.since)
            .map(|(name, _)| name.clone());
        match oldest {
            Some(name) => {
                self.end(&name);
                true
            }
            None => false,
        }
    }

    /// A task is over: its room and its keys are free.
    pub(super) fn end(&mut self, name: &TaskName) {
        let Some(task) = self.tasks.remove(name) else {
            return;
        };
        if task.admitted {
            self.pool(task.what).used -= task.room;
        } else {
            self.pool(task.what).waiting.retain(|waiting| waiting != name);
        }
        if let Some(keys) = task.keys.filter(|_| task.what == What::Request) {
            self.cache.done(&keys);
        }
        if let Some(client) = self.clients.get_mut(&name.0) {
            client.queue.retain(|blob| *blob != name.1);
        }
        if let Some(conn) = task.conn.and_then(|conn| self.conns.get_mut(&conn))
            && conn.task == Some(name.1)
        {
            conn.task = None;
        }
    }

    pub(super) fn enqueue(&mut self, name: &TaskName) {
        if let Some(client) = self.clients.get_mut(&name.0) {
            client.queue.push_back(name.1);
            if !self.turns.contains(&name.0) {
                self.turns.push_back(name.0.clone());
            }
        }
    }

    /// Jobs before a task: those that run, and one of each client whose turn comes earlier, as long as they have some.
    pub(super) fn place(&self, name: &TaskName) -> u32 {
        let own = self.clients.get(&name.0).map(|client| &client.queue);
        let round = own
            .and_then(|queue| queue.iter().position(|blob| *blob == name.1))
            .unwrap_or(0);
        let turn = self
            .turns
            .iter()
            .position(|client| *client == name.0)
            .unwrap_or(0);
        let others = self.turns.iter().enumerate().map(|(at, client)| {
            let queued = self.clients.get(client).map_or(0, |client| client.queue.len());
            queued.min(round + usize::from(at < turn))
        });
        (self.running.len() + others.sum::<usize>()) as u32
    }

    /// Starts jobs while there are workers: the next client in turn, one job, and back to the end of the line.
    pub(super) fn schedule(&mut self, now: Duration) {
        let mut passed_over = 0;
        while self.running.len() < self.limits.workers && passed_over < self.turns.len() {
            let Some(client) = self.turns.pop_front() else {
                return;
            };
            let next = self
                .clients
                .get(&client)
                .and_then(|client| client.queue.front().copied());
            let Some(blob) = next else {
                continue;
            };
            let name = (client.clone(), blob);
            if self.start(&name, now) {
                passed_over = 0;
            } else {
                passed_over += 1;
            }
            if self
                .clients
                .get(&client)
                .is_some_and(|client| !client.queue.is_empty())
            {
                self.turns.push_back(client);
            }
        }
    }

    /// Starts a queued task, or ends it; false if it has to wait for memory.
    fn start(&mut self, name: &TaskName, now: Duration) -> bool {
        let Some(task) = self.tasks.get_mut(name) else {
            if let Some(client) = self.clients.get_mut(&name.0) {
                client.queue.pop_front();
            }
            return true;
        };
        let Some(served) = self.served.get(&task.model) else {
            self.end(name);
            return true;
        };
        let (host, rows, memory) = (
            std::sync::Arc::clone(&served.host),
            served.offer.rows,
            served.offer.sizes.keys_memory,
        );
        let what = task.what;
        let keys = match what {
            What::Keys => {
                if !self.cache.reserve(memory) {
                    return false;
                }
                None
            }
            _ => {
                let keys = match &task.keys {
                    Some(keys) => self.cache.get(keys),
                    // A mode without keys.
                    None => host.keys(&[]).ok(),
                };
                let Some(keys) = keys else {
                    let conn = task.conn;
                    self.end(name);
                    let reason = format!("request of {}: its evaluation keys are not here", name.0);
                    self.fail(conn, &name.0, name.1, reason);
                    return true;
                };
                Some(keys)
            }
        };
        if keys.is_some() {
            let charged = match self.clients.get_mut(&name.0) {
                Some(client) => client.meter.allows(rows, now).map(|()| {
                    client.meter.charge(rows);
                    client.meter.used
                }),
                None => Ok(0),
            };
            match charged {
                Ok(used) => {
                    self.used.insert(name.0.clone(), used);
                    self.outputs.push_back(Output::Charge(name.0.clone(), used));
                }
                Err(Denied { reason, retry }) => {
                    let conn = self.tasks.get(name).and_then(|task| task.conn);
                    self.end(name);
                    if let Some(conn) = conn {
                        self.refuse(conn, &name.0, name.1, reason, retry);
                    }
                    return true;
                }
            }
        }
        let Some(task) = self.tasks.get_mut(name) else {
            return true;
        };
        let queued = now.saturating_sub(task.since);
        task.since = now;
        let State::Queued(bytes) = std::mem::replace(&mut task.state, State::Running) else {
            return true;
        };
        if let Some(client) = self.clients.get_mut(&name.0) {
            client.queue.pop_front();
        }
        let work = match keys {
            None => Work::Keys(name.1, bytes),
            Some(keys) => Work::Answer(keys, name.1, bytes),
        };
        self.next_job += 1;
        let id = self.next_job;
        self.running.insert(
            id,
            Running {
                task: name.clone(),
                queued,
            },
        );
        self.outputs.push_back(Output::Run(Job {
            id,
            client: name.0.clone(),
            host,
            work,
        }));
        true
    }
}
