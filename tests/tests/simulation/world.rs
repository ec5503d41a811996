//! One run in one thread: machines, journals, links and virtual time, all from one seed.

use std::collections::{BTreeMap, BTreeSet};

use hedgerow_forest::query::TableQuery;
use hedgerow_protocol::coordinator::{
    self, CoordinatorMachine, CoordinatorOutcome, PhaseName, RunFailure, Timeouts,
};
use hedgerow_protocol::ids::{PartyId, RoundId};
use hedgerow_protocol::join::WorkId;
use hedgerow_protocol::join::memory::MemoryRow;
use hedgerow_protocol::time::Millis;
use hedgerow_protocol::wire::{Kind, Limits, ToCoordinator};
use hedgerow_tests::deployment::{self, Deployment, Shape};
use hedgerow_tests::{joined, plain};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::network::{Link, Weather, below};
use crate::node::PartyNode;
use crate::oracle::Witness;

mod process;

/// What the coordinator waits for in simulations: short against the hour that a run may take.
pub const TIMEOUTS: Timeouts = Timeouts {
    enrol: Millis(300_000),
    phase: Millis(300_000),
    grace: Millis(5_000),
    resend: Millis(2_000),
};

/// What becomes of a message on its way out of a party.
pub type Tamper = fn(&mut ToCoordinator);

/// Something that will happen.
#[derive(Clone, Debug)]
pub enum Event {
    ToCoordinator {
        from: PartyId,
        frame: Vec<u8>,
    },
    ToParty {
        to: PartyId,
        frame: Vec<u8>,
    },
    /// A party's dial gets through, or not.
    Connect {
        party: PartyId,
    },
    /// Both ends notice that a connection is gone.
    Break {
        party: PartyId,
        epoch: u64,
    },
    WakeCoordinator,
    WakeParty {
        party: PartyId,
    },
    Counted {
        party: PartyId,
        incarnation: u32,
        round: RoundId,
        query: TableQuery,
    },
    Worked {
        party: PartyId,
        incarnation: u32,
        id: WorkId,
    },
    StartCoordinator,
    StartParty {
        party: PartyId,
    },
}

/// The coordinator's process and its disk.
#[derive(Default)]
struct CoordinatorNode {
    machine: Option<CoordinatorMachine>,
    journal: Vec<Vec<u8>>,
    /// It dies when it has done so many outputs more, and comes back after so long.
    fuse: Option<u32>,
    down: u64,
    wake: Option<Millis>,
    /// Outputs done so far, by all its processes.
    outputs: u32,
}

/// A whole deployment under simulation.
pub struct World {
    pub deployment: Deployment,
    pub now: u64,
    pub weather: Weather,
    pub witness: Witness,
    /// How the run ended, once it has.
    pub ended: Option<Result<Box<CoordinatorOutcome>, RunFailure>>,
    /// Everything that was ever put on the wire.
    pub sent: Vec<Event>,
    /// Parties that will not come back.
    pub gone: BTreeSet<PartyId>,
    pub parties: BTreeMap<PartyId, PartyNode>,
    /// A party that is not honest, and what becomes of its messages.
    pub dishonest: Option<(PartyId, Tamper)>,
    /// Whether attribute parties go on answering for scores after the run.
    pub serving: bool,
    /// Messages of this kind from this party stay on the wire until they are let go.
    pub hold: Option<(PartyId, Kind)>,
    held: Vec<Event>,
    /// Every failed attempt and every exclusion, for cases that expect some.
    pub progress: Vec<coordinator::CoordinatorProgress>,
    coordinator: CoordinatorNode,
    links: BTreeMap<PartyId, Link>,
    queue: BTreeMap<(u64, u64), Event>,
    tick: u64,
    rng: ChaCha20Rng,
    limits: Limits,
    timeouts: Timeouts,
}

impl World {
    /// Everybody starts at time zero.
    pub fn new(shape: &Shape, seed: u64) -> Self {
        Self::with_timeouts(shape, TIMEOUTS, seed)
    }

    /// The same with other patience.
    pub fn with_timeouts(shape: &Shape, timeouts: Timeouts, seed: u64) -> Self {
        let deployment = Deployment::new(shape);
        let ids: Vec<PartyId> = deployment.config.parties.clone();
        let mut world = Self {
            limits: Limits::for_run(&deployment.config),
            parties: ids
                .iter()
                .map(|id| (id.clone(), PartyNode::new(id, &deployment)))
                .collect(),
            links: ids.iter().map(|id| (id.clone(), Link::default())).collect(),
            deployment,
            now: 0,
            weather: Weather::default(),
            witness: Witness::default(),
            ended: None,
            sent: Vec::new(),
            gone: BTreeSet::new(),
            dishonest: None,
            serving: shape.serving,
            hold: None,
            held: Vec::new(),
            progress: Vec::new(),
            coordinator: CoordinatorNode::default(),
            queue: BTreeMap::new(),
            tick: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            timeouts,
        };
        world.start_coordinator();
        for id in ids {
            world.start_party(&id);
        }
        world
    }

    /// The operator ends the serving of scores.
    pub fn close(&mut self) {
        let now = Millis(self.now);
        if let Some(machine) = &mut self.coordinator.machine {
            machine.handle_close(now);
        }
        self.drain_coordinator();
    }

    /// A row party asks for the scores of all its rows once more.
    pub fn score(&mut self, party: &PartyId) {
        let rows = joined::score_rows(&self.deployment, party);
        let now = Millis(self.now);
        if let Some(node) = self.parties.get_mut(party) {
            node.scores = None;
            node.score(rows, now);
        }
        self.drain_party(party);
    }

    /// Chunks and bytes that went from one party to another.
    pub fn relayed(&self, from: &PartyId, to: &PartyId) -> (u64, u64) {
        let machine = self.coordinator.machine.as_ref().expect("a coordinator");
        let mut all = machine.relayed().filter(|(a, b, _)| *a == from && *b == to);
        all.next()
            .map_or((0, 0), |(_, _, relayed)| (relayed.chunks, relayed.bytes))
    }

    /// Changes every row of a joined run, before any of them was read.
    pub fn change_rows(&mut self, change: impl Fn(&mut MemoryRow)) {
        self.deployment.joined = joined::changed_data(&self.deployment.config, change);
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.tick += 1;
        self.queue.insert((self.now + delay, self.tick), event);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, ms: u64) {
        let until = self.now + ms;
        while self
            .queue
            .first_key_value()
            .is_some_and(|((at, _), _)| *at <= until)
        {
            self.step();
        }
        self.now = until;
    }

    /// Goes on until `stop`, or for an hour at most.
    pub fn run_until(&mut self, stop: impl Fn(&Self) -> bool) {
        let until = self.now + 3_600_000;
        while !stop(self) && self.now < until && self.step() {}
    }

    /// Goes on until the coordinator and every party that is not gone have ended.
    pub fn run_to_the_end(&mut self) {
        self.run_until(|world| {
            let waiting = |node: &PartyNode| !world.gone.contains(&node.id) && !node.has_ended();
            world.ended.is_some() && !world.parties.values().any(waiting)
        });
    }

    /// The phase that the coordinator is in, if it is up.
    pub fn phase(&self) -> Option<PhaseName> {
        self.coordinator.machine.as_ref().map(CoordinatorMachine::phase)
    }

    /// How many outputs the coordinator has done.
    pub fn coordinator_outputs(&self) -> u32 {
        self.coordinator.outputs
    }

    /// What the coordinator has on disk.
    pub fn coordinator_journal(&self) -> &[Vec<u8>] {
        &self.coordinator.journal
    }

    /// Fair weather, no more fuses, whole links. What is down comes back by itself.
    pub fn heal(&mut self) {
        self.weather = Weather::default();
        self.coordinator.fuse = None;
        for node in self.parties.values_mut() {
            node.fuse = None;
        }
        for link in self.links.values_mut() {
            link.cut_until = link.cut_until.min(self.now);
        }
    }

    /// Cuts a party off for a while.
    pub fn cut(&mut self, party: &PartyId, ms: u64) {
        let until = self.now + ms;
        if let Some(link) = self.links.get_mut(party) {
            link.cut_until = link.cut_until.max(until);
        }
        self.break_link(party);
    }

    /// Kills a party after so many outputs more; it stays away for so long, or for ever.
    pub fn crash_party(&mut self, party: &PartyId, after: u32, down: Option<u64>) {
        if down.is_none() {
            self.gone.insert(party.clone());
        }
        if let Some(node) = self.parties.get_mut(party) {
            node.fuse = Some(after);
            node.down = down;
        }
        self.drain_party(party);
    }

    /// Kills the coordinator after so many outputs more.
    pub fn crash_coordinator(&mut self, after: u32, down: u64) {
        self.coordinator.fuse = Some(after);
        self.coordinator.down = down;
        self.drain_coordinator();
    }

    /// Something that was once sent arrives again.
    pub fn replay(&mut self, which: usize) {
        if let Some(event) = self
            .sent
            .len()
            .checked_sub(1)
            .map(|last| self.sent[which % (last + 1)].clone())
        {
            let delay = 1 + below(&mut self.rng, 500);
            self.at(delay, event);
        }
    }

    /// What was held arrives now, and nothing is held any more.
    pub fn let_go(&mut self) {
        self.hold = None;
        for event in std::mem::take(&mut self.held) {
            self.at(0, event);
        }
    }

    fn step(&mut self) -> bool {
        let Some(((at, _), event)) = self.queue.pop_first() else {
            return false;
        };
        self.now = self.now.max(at);
        match event {
            Event::ToCoordinator { from, frame } => self.arrive_at_coordinator(&from, &frame),
            Event::ToParty { to, frame } => self.arrive_at_party(&to, &frame),
            Event::Connect { party } => self.connect(&party),
            Event::Break { party, epoch } => {
                if self
                    .links
                    .get(&party)
                    .is_some_and(|link| link.up && link.epoch == epoch)
                {
                    self.break_link(&party);
                }
            }
            Event::WakeCoordinator => {
                self.coordinator.wake = None;
                let now = Millis(self.now);
                if let Some(machine) = &mut self.coordinator.machine {
                    machine.handle_timeout(now);
                }
                self.drain_coordinator();
            }
            Event::WakeParty { party } => {
                let now = Millis(self.now);
                if let Some(node) = self.parties.get_mut(&party) {
                    node.wake(now);
                }
                self.drain_party(&party);
            }
            Event::Counted {
                party,
                incarnation,
                round,
                query,
            } => {
                let table = plain::count(&query, &self.deployment.rows[&party]);
                let now = Millis(self.now);
                if let Some(node) = self.parties.get_mut(&party) {
                    node.counted(incarnation, round, table, now);
                }
                self.drain_party(&party);
            }
            Event::Worked {
                party,
                incarnation,
                id,
            } => {
                let now = Millis(self.now);
                if let Some(node) = self.parties.get_mut(&party) {
                    node.worked(incarnation, id, now);
                }
                self.drain_party(&party);
            }
            Event::StartCoordinator => self.start_coordinator(),
            Event::StartParty { party } => self.start_party(&party),
        }
        true
    }
}

/// A party's number as its id.
pub fn party(number: u32) -> PartyId {
    deployment::party(number)
}
