//! A server, its clients and the network between them, for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hedgerow_crypto::seed::Seed;
use rand_core::Rng;

use super::super::client::{AskError, ClientMachine, ClientOutput};
use super::super::limits::Limits;
use super::super::toy::{KEYS, Toy, ToyClient};
use super::super::wire::{Message, name_of};
use super::super::{Asking, Rows};
use super::{ConnId, Job, Output, ServerMachine};

pub(super) const MS: Duration = Duration::from_millis(1);

/// How a network mistreats messages, in percent.
#[derive(Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) lost: u64,
    pub(super) twice: u64,
    pub(super) late: u64,
}

pub(super) struct Person {
    pub(super) name: String,
    pub(super) machine: ClientMachine,
    pub(super) toy: ToyClient,
    pub(super) conn: ConnId,
    pub(super) questions: u64,
    pub(super) answers: Vec<f64>,
    pub(super) failed: Option<AskError>,
    pub(super) queue_seen: Vec<u32>,
    pub(super) chunks_sent: usize,
}

/// Both ends of every message, and a clock.
pub(super) struct World {
    pub(super) server: ServerMachine,
    pub(super) people: Vec<Person>,
    /// Jobs take a while.
    pub(super) jobs: VecDeque<(Duration, Job)>,
    pub(super) wire: Vec<(Duration, ConnId, bool, Message)>,
    pub(super) rng: rand_chacha_rng::Rng,
    pub(super) weather: Weather,
    pub(super) now: Duration,
    pub(super) charges: Vec<(String, u64)>,
    pub(super) notes: Vec<String>,
    pub(super) most: (u64, u64),
    pub(super) done: Vec<String>,
}

mod rand_chacha_rng {
    pub type Rng = Box<dyn rand_core::Rng>;
}

pub(super) fn question(person: u64, number: u64) -> Rows {
    Rows::new(Vec::new(), 2, vec![(person % 50) as f64, number as f64]).unwrap()
}

pub(super) fn expected(person: u64, number: u64) -> f64 {
    (person % 50 + number) as f64
}

impl World {
    pub(super) fn new(limits: Limits, people: usize, questions: u64, weather: Weather, seed: u8) -> Self {
        let server = ServerMachine::new(limits, vec![Arc::new(Toy::new("toy"))], BTreeMap::new()).unwrap();
        let mut world = Self {
            server,
            people: Vec::new(),
            jobs: VecDeque::new(),
            wire: Vec::new(),
            rng: Box::new(Seed::from_bytes([seed; 32]).rng()),
            weather,
            now: Duration::ZERO,
            charges: Vec::new(),
            notes: Vec::new(),
            most: (0, 0),
            done: Vec::new(),
        };
        for i in 0..people {
            world.join(&format!("c{i}"), i as u64, questions);
        }
        world
    }

    pub(super) fn join(&mut self, name: &str, pad: u64, questions: u64) {
        let conn = self.people.len() as ConnId;
        self.people.push(Person {
            name: name.to_owned(),
            machine: ClientMachine::new("", Duration::from_secs(100_000), self.now),
            toy: ToyClient {
                pad: pad as u8,
                keys: KEYS,
            },
            conn,
            questions,
            answers: Vec::new(),
            failed: None,
            queue_seen: Vec::new(),
            chunks_sent: 0,
        });
        self.server.handle_connected(conn, name, self.now);
    }

    pub(super) fn ask(&mut self, i: usize) {
        let person = &mut self.people[i];
        let number = person.answers.len() as u64;
        if number < person.questions {
            let mut seed = [0; 32];
            self.rng.fill_bytes(&mut seed);
            let mut rng = Seed::from_bytes(seed).rng();
            let request = person.toy.request(&question(i as u64, number), &mut rng).unwrap();
            let keys = name_of(&person.toy.keys().unwrap());
            person.machine.ask(keys, request, self.now);
        }
    }

    pub(super) fn post(&mut self, conn: ConnId, up: bool, message: Message) {
        let dice = self.rng.next_u64() % 100;
        let Weather { lost, twice, late } = self.weather;
        if dice < lost {
            return;
        }
        let jitter = |rng: &mut rand_chacha_rng::Rng| match rng.next_u64() % 100 < late {
            true => MS * (rng.next_u64() % 400) as u32,
            false => Duration::ZERO,
        };
        if dice < lost + twice {
            let at = self.now + MS + jitter(&mut self.rng);
            self.wire.push((at, conn, up, message.clone()));
        }
        let at = self.now + MS + jitter(&mut self.rng);
        self.wire.push((at, conn, up, message));
    }

    pub(super) fn outputs(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send(conn, message) => self.post(conn, false, message),
                Output::Close(conn, _) => self.server.handle_closed(conn, self.now),
                Output::Charge(client, used) => self.charges.push((client, used)),
                Output::Run(job) => self.jobs.push_back((self.now + 3 * MS, job)),
                Output::Note(client, reason) => self.notes.push(format!("{client}: {reason}")),
            }
        }
        let (transfers, keys) = self.server.held();
        self.most = (self.most.0.max(transfers), self.most.1.max(keys));
        for i in 0..self.people.len() {
            while let Some(output) = self.people[i].machine.poll_output() {
                let person = &mut self.people[i];
                match output {
                    ClientOutput::Send(message) => {
                        person.chunks_sent += usize::from(matches!(message, Message::Chunk { .. }));
                        let conn = person.conn;
                        self.post(conn, true, message);
                    }
                    ClientOutput::Offered(_) => self.ask(i),
                    ClientOutput::WantKeys => {
                        let keys = person.toy.keys().unwrap();
                        person.machine.keys(keys, self.now);
                    }
                    ClientOutput::Waiting(ahead) => person.queue_seen.push(ahead),
                    ClientOutput::Downloaded(_) => panic!("the toy has nothing to download"),
                    ClientOutput::Answered(report) => {
                        let scores = person.toy.open(&report.answer).unwrap();
                        person.answers.push(scores.values[0]);
                        let name = person.name.clone();
                        self.done.push(name);
                        self.ask(i);
                    }
                    ClientOutput::Failed(error) => person.failed = Some(error),
                }
            }
        }
    }

    /// One step: what is due arrives, jobs end, timers fire.
    pub(super) fn step(&mut self) {
        self.outputs();
        self.now += MS;
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.wire)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.wire = later;
        let due: Vec<_> = due;
        for (_, conn, up, message) in due {
            if up {
                self.server.handle_message(conn, message, now);
            } else if let Some(person) = self.people.iter_mut().find(|person| person.conn == conn) {
                person.machine.handle_message(message, now);
            }
        }
        while self.jobs.front().is_some_and(|(at, _)| *at <= now) {
            let (_, job) = self.jobs.pop_front().unwrap();
            let id = job.id;
            let mut layers = Vec::new();
            let outcome = job.run(&mut Seed::from_bytes([4; 32]).rng(), &mut |layer| {
                layers.push((layer.to_owned(), 1))
            });
            self.server.handle_done(id, outcome, layers, now);
        }
        for person in &mut self.people {
            if person.machine.poll_timeout().is_some_and(|at| at <= now) {
                person.machine.handle_timeout(now);
            }
        }
        if self.server.poll_timeout().is_some_and(|at| at <= now) {
            self.server.handle_timeout(now);
        }
    }

    pub(super) fn over(&self) -> bool {
        self.people
            .iter()
            .all(|p| p.failed.is_some() || p.answers.len() as u64 == p.questions)
    }

    pub(super) fn run(&mut self, most_ms: u32) {
        for _ in 0..most_ms {
            if self.over() {
                self.outputs();
                return;
            }
            self.step();
        }
        let left = self
            .people
            .iter()
            .filter(|p| (p.answers.len() as u64) < p.questions)
            .count();
        panic!("{left} clients without an answer after {most_ms} ms");
    }

    pub(super) fn right(&self) {
        for (i, person) in self.people.iter().enumerate() {
            assert_eq!(person.failed, None, "{}", person.name);
            let wanted: Vec<f64> = (0..person.questions).map(|n| expected(i as u64, n)).collect();
            assert_eq!(person.answers, wanted, "{}", person.name);
        }
    }
}
