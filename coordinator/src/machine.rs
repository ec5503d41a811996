//! The coordinator's machine as the driving loop sees it: one type of event, and which connection counts.

use std::collections::{BTreeMap, VecDeque};

use hedgerow_crypto::identity::VerifyingIdentity;
use hedgerow_edge::drive;
use hedgerow_edge::quic::{Link, LinkError, LinkEvent};
use hedgerow_protocol::coordinator::{CoordinatorMachine, Output};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::time::Millis;
use hedgerow_protocol::wire::{ToCoordinator, ToParty};

/// What happens to a coordinator.
pub(crate) enum Event {
    /// A party has a new connection.
    Connected {
        party: PartyId,
        /// Counts connections; what an older one still says is not heard.
        number: u64,
        identity: VerifyingIdentity,
        link: Link<ToParty>,
    },
    /// Something came over a connection.
    Link {
        party: PartyId,
        number: u64,
        event: LinkEvent<ToCoordinator>,
    },
    /// Is there still somebody to wait for?
    Farewell,
    /// No more scores: tell the parties, and stop.
    Close,
}

/// What a coordinator does.
pub(crate) enum Todo {
    /// An output of the machine.
    Plain(Output),
    /// Use this connection from now on.
    Attach { party: PartyId, link: Link<ToParty> },
    /// The connection is over.
    Detach { party: PartyId, why: LinkError },
    /// Close a connection that must not replace the one there is.
    TurnAway { party: PartyId, link: Link<ToParty> },
    /// Stop unless there is somebody to wait for.
    Farewell,
    /// Stop.
    Leave,
}

/// The machine, and which connection of each party counts.
pub(crate) struct Driven {
    machine: CoordinatorMachine,
    connections: BTreeMap<PartyId, (u64, VerifyingIdentity)>,
    extra: VecDeque<Todo>,
    /// Said after everything that the machine still has to say.
    last: Option<Todo>,
}

impl Driven {
    pub(crate) fn new(machine: CoordinatorMachine) -> Self {
        Self {
            machine,
            connections: BTreeMap::new(),
            extra: VecDeque::new(),
            last: None,
        }
    }

    fn is_current(&self, party: &PartyId, number: u64) -> bool {
        self.connections
            .get(party)
            .is_some_and(|(current, _)| *current == number)
    }
}

impl drive::Machine for Driven {
    type Event = Event;
    type Output = Todo;

    fn handle(&mut self, event: Event, now: Millis) {
        match event {
            Event::Connected {
                party,
                number,
                identity,
                link,
            } => {
                // Another key under the same name is another process, perhaps of somebody who took the name: the
                // one that is here stays. The same key is the same party, whose old connection may be dead.
                if self
                    .connections
                    .get(&party)
                    .is_some_and(|(_, current)| *current != identity)
                {
                    self.extra.push_back(Todo::TurnAway { party, link });
                    return;
                }
                self.connections.insert(party.clone(), (number, identity));
                self.extra.push_back(Todo::Attach {
                    party: party.clone(),
                    link,
                });
                self.machine.handle_connected(&party, now);
            }
            Event::Link { party, number, event } if self.is_current(&party, number) => match event {
                LinkEvent::Message(message) => self.machine.handle_message(&party, message, now),
                LinkEvent::Closed(why) => {
                    self.connections.remove(&party);
                    self.machine.handle_disconnected(&party, now);
                    self.extra.push_back(Todo::Detach { party, why });
                }
            },
            Event::Link { .. } => {}
            Event::Farewell => self.extra.push_back(Todo::Farewell),
            Event::Close => {
                self.machine.handle_close(now);
                self.last = Some(Todo::Leave);
            }
        }
    }

    fn handle_timeout(&mut self, now: Millis) {
        self.machine.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Millis> {
        self.machine.poll_timeout()
    }

    /// Connections first: an answer to a hello must find its connection. At most one event lies between the two
    /// queues at a time, except that a batch of events may attach a newer connection before an answer meant for
    /// the older one is sent; the same party gets it either way, and every message may come twice.
    fn poll_output(&mut self) -> Option<Todo> {
        self.extra
            .pop_front()
            .or_else(|| self.machine.poll_output().map(Todo::Plain))
            .or_else(|| self.last.take())
    }
}
