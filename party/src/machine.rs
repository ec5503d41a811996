//! The party's state machine as the driving loop sees it: one type of event, outputs with what they need.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_edge::drive;
use hedgerow_edge::quic::{LinkError, LinkEvent};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::ids::{RoundId, RunId};
use hedgerow_protocol::join::score::{ScoreRefusal, ScoreRows};
use hedgerow_protocol::join::{Done, Work, WorkId};
use hedgerow_protocol::party::{Output, PartyMachine, PartyOutcome};
use hedgerow_protocol::time::Millis;
use hedgerow_protocol::wire::{PartyMetrics, ToCoordinator, ToParty};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

/// What happens to a party.
pub(crate) enum Event {
    /// There is a connection.
    Connected,
    /// Something came over it.
    Link(LinkEvent<ToParty>),
    /// The data engine is done with a query, or says why not.
    Counted(RoundId, Result<Table, String>),
    /// A part of a join is computed, or why not.
    Worked(WorkId, Result<Done, String>),
    /// Batches of rows are to be scored in private, all or none.
    Score(Vec<Arc<ScoreRows>>),
    /// The model has been evaluated, or not.
    Evaluated(Option<PartyMetrics>),
    /// The coordinator does not let this party in, and never will.
    NotAdmitted(String),
}

/// What a party does.
pub(crate) enum Todo {
    /// An output of the machine that needs nothing else.
    Plain(Output),
    /// The configuration is known from here on.
    Accepted(Arc<RunConfig>),
    /// Count own rows.
    Count(RoundId, TableQuery, Arc<RunConfig>),
    /// Compute a part of a join.
    Work(WorkId, Work, Arc<RunConfig>),
    /// The model is there.
    Finished(Box<PartyOutcome>, Arc<RunConfig>),
    /// The rows are not scored, and why; nothing was asked.
    NotScored(ScoreRefusal),
    /// The coordinator has ended the run for good.
    Closed,
    /// The connection ended.
    Disconnected(LinkError),
    /// The party cannot take part, for a reason outside the protocol.
    Over(String),
}

/// The machine with its randomness and the runs that are over for this party.
pub(crate) struct Driven {
    machine: PartyMachine,
    accepted: Option<Arc<RunConfig>>,
    over: Vec<RunId>,
    extra: VecDeque<Todo>,
}

impl Driven {
    /// `over`: runs whose journal is archived. A second journal for one of them could say other things, with other
    /// noise and for one payment.
    pub(crate) fn new(machine: PartyMachine, over: Vec<RunId>) -> Self {
        let mut driven = Self {
            machine,
            accepted: None,
            over,
            extra: VecDeque::new(),
        };
        driven.look_at_config();
        driven
    }

    fn look_at_config(&mut self) {
        if self.accepted.is_none()
            && let Some(config) = self.machine.config()
        {
            let config = Arc::new(config.clone());
            self.accepted = Some(Arc::clone(&config));
            self.extra.push_back(Todo::Accepted(config));
        }
    }

    fn message(&mut self, message: ToParty, now: Millis) {
        if let ToParty::Welcome { config, .. } = &message
            && let Ok(config) = RunConfig::from_bytes(config)
            && self.over.contains(&config.run)
        {
            self.extra
                .push_back(Todo::Plain(Output::Send(ToCoordinator::Refuse {
                    reason: hedgerow_protocol::refusal::Refusal::Internal {
                        detail: "this run is over".to_owned(),
                    },
                })));
            self.extra.push_back(Todo::Over(format!(
                "run {} is over for this party; a coordinator that starts it again must give it a new run id",
                config.run
            )));
            return;
        }
        if message == ToParty::Closed {
            self.extra.push_back(Todo::Closed);
        }
        self.machine.handle_message(message, now, &mut UnwrapErr(SysRng));
        self.look_at_config();
    }
}

impl drive::Machine for Driven {
    type Event = Event;
    type Output = Todo;

    fn handle(&mut self, event: Event, now: Millis) {
        match event {
            Event::Connected => self.machine.handle_connected(now),
            Event::Link(LinkEvent::Message(message)) => self.message(message, now),
            Event::Link(LinkEvent::Closed(error)) => {
                self.machine.handle_disconnected();
                self.extra.push_back(Todo::Disconnected(error));
            }
            Event::Counted(round, table) => self.machine.handle_table(round, table, now),
            Event::Worked(id, done) => self.machine.handle_work(id, done, now),
            Event::Score(batches) => {
                if let Err(refusal) = self.machine.score(&batches, now) {
                    self.extra.push_back(Todo::NotScored(refusal));
                }
            }
            Event::Evaluated(metrics) => self.machine.handle_metrics(metrics),
            Event::NotAdmitted(reason) => self.extra.push_back(Todo::Over(reason)),
        }
    }

    fn handle_timeout(&mut self, now: Millis) {
        self.machine.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Millis> {
        self.machine.poll_timeout()
    }

    fn poll_output(&mut self) -> Option<Todo> {
        if let Some(todo) = self.extra.pop_front() {
            return Some(todo);
        }
        Some(match (self.machine.poll_output()?, &self.accepted) {
            (Output::Count(round, query), Some(config)) => Todo::Count(round, query, Arc::clone(config)),
            (Output::Work(id, work), Some(config)) => Todo::Work(id, work, Arc::clone(config)),
            (Output::Finished(outcome), Some(config)) => Todo::Finished(outcome, Arc::clone(config)),
            (output, _) => Todo::Plain(output),
        })
    }
}
