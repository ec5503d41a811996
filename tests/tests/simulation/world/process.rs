//! Processes and connections: they start, speak, listen and die.

use hedgerow_protocol::coordinator::{self, CoordinatorMachine};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::party;
use hedgerow_protocol::time::Millis;
use hedgerow_protocol::wire::{Frame, Message, ToCoordinator, ToParty};

use super::{Event, World};
use crate::network::{below, chance};
use crate::node::PartyNode;

impl World {
    pub(super) fn start_coordinator(&mut self) {
        if self.coordinator.machine.is_some() {
            return;
        }
        let config = self.deployment.config.clone();
        let verifier = self.deployment.verifier.clone();
        let now = Millis(self.now);
        let machine = if self.coordinator.journal.is_empty() {
            CoordinatorMachine::new(config, verifier, self.timeouts, now)
        } else {
            CoordinatorMachine::restore(config, verifier, self.timeouts, &self.coordinator.journal, now)
                .expect("the coordinator's own journal is continued")
        };
        let machine = machine.with_serving(self.serving);
        self.coordinator.machine = Some(machine.with_threads(1 + (self.now % 3) as usize));
        self.drain_coordinator();
    }

    pub(super) fn start_party(&mut self, party: &PartyId) {
        if let Some(node) = self.parties.get_mut(party) {
            node.start(&self.deployment);
        }
        self.drain_party(party);
        self.dial(party, 0);
    }

    pub(super) fn dial(&mut self, party: &PartyId, wait: u64) {
        if let Some(link) = self.links.get_mut(party)
            && !link.dialling
        {
            link.dialling = true;
            let delay = wait + 5 + below(&mut self.rng, 20);
            self.at(delay, Event::Connect { party: party.clone() });
        }
    }

    pub(super) fn connect(&mut self, party: &PartyId) {
        let here = self.coordinator.machine.is_some();
        let (Some(link), Some(node)) = (self.links.get_mut(party), self.parties.get_mut(party)) else {
            return;
        };
        link.dialling = false;
        if link.up || !node.is_running() {
            return;
        }
        if !here || link.cut_until > self.now {
            self.dial(party, 300);
            return;
        }
        link.up = true;
        link.epoch += 1;
        let now = Millis(self.now);
        if let Some(machine) = &mut self.coordinator.machine {
            machine.handle_connected(party, now);
        }
        node.connected(now);
        self.drain_coordinator();
        self.drain_party(party);
    }

    pub(super) fn break_link(&mut self, party: &PartyId) {
        let Some(link) = self.links.get_mut(party) else {
            return;
        };
        if !link.up {
            return;
        }
        link.up = false;
        if let Some(node) = self.parties.get_mut(party) {
            node.disconnected();
        }
        let now = Millis(self.now);
        if let Some(machine) = &mut self.coordinator.machine {
            machine.handle_disconnected(party, now);
        }
        self.drain_coordinator();
        self.dial(party, 200);
    }

    /// Puts a frame on the wire, as far as there is one.
    fn transmit(&mut self, party: &PartyId, event: Event) {
        let Some(link) = self.links.get(party).filter(|link| link.up) else {
            return;
        };
        let epoch = link.epoch;
        self.sent.push(event.clone());
        if chance(&mut self.rng, self.weather.lost) {
            let delay = below(&mut self.rng, 2_000);
            self.at(
                delay,
                Event::Break {
                    party: party.clone(),
                    epoch,
                },
            );
            return;
        }
        let copies = 1 + u64::from(chance(&mut self.rng, self.weather.doubled));
        for _ in 0..copies {
            let late = below(&mut self.rng, u64::from(self.weather.jitter) + 1);
            // In fair weather messages of one link stay in order, as on a stream.
            let delay = if late == 0 { 5 } else { 5 + late };
            self.at(delay, event.clone());
        }
    }

    pub(super) fn arrive_at_coordinator(&mut self, from: &PartyId, frame: &[u8]) {
        let frame =
            Frame::decode(frame, &self.limits).expect("parties send whole frames within their limits");
        let message = ToCoordinator::from_frame(&frame).expect("parties send readable messages");
        if let Some(machine) = &mut self.coordinator.machine {
            machine.handle_message(from, message, Millis(self.now));
        }
        self.drain_coordinator();
    }

    pub(super) fn arrive_at_party(&mut self, to: &PartyId, frame: &[u8]) {
        let frame =
            Frame::decode(frame, &self.limits).expect("the coordinator sends whole frames within limits");
        let message = ToParty::from_frame(&frame).expect("the coordinator sends readable messages");
        if let Some(node) = self.parties.get_mut(to) {
            node.receive(message, Millis(self.now), &mut self.rng);
        }
        self.drain_party(to);
    }

    /// Does the coordinator's outputs, one by one, until there are none or it dies.
    pub(super) fn drain_coordinator(&mut self) {
        loop {
            if self.coordinator.machine.is_some() && self.coordinator.fuse == Some(0) {
                self.kill_coordinator();
                return;
            }
            let Some(output) = self
                .coordinator
                .machine
                .as_mut()
                .and_then(CoordinatorMachine::poll_output)
            else {
                break;
            };
            if let Some(fuse) = &mut self.coordinator.fuse {
                *fuse -= 1;
            }
            self.coordinator.outputs += 1;
            match output {
                coordinator::Output::Send(to, message) => {
                    self.witness.coordinator_says(&to, &message);
                    let frame = message.to_frame().encode();
                    self.transmit(&to.clone(), Event::ToParty { to, frame });
                }
                coordinator::Output::Persist(record) => self.coordinator.journal.push(record),
                coordinator::Output::Progress(progress) => self.progress.push(progress),
                coordinator::Output::Finished(outcome) => self.ended = Some(Ok(outcome)),
                coordinator::Output::Failed(failure) => self.ended = Some(Err(failure)),
            }
        }
        let at = self
            .coordinator
            .machine
            .as_ref()
            .and_then(CoordinatorMachine::poll_timeout);
        if let Some(at) = at.filter(|at| self.coordinator.wake.is_none_or(|wake| *at < wake)) {
            self.coordinator.wake = Some(at);
            let delay = at.0.saturating_sub(self.now);
            self.at(delay, Event::WakeCoordinator);
        }
    }

    fn kill_coordinator(&mut self) {
        self.coordinator.machine = None;
        self.coordinator.fuse = None;
        self.coordinator.wake = None;
        for link in self.links.values_mut() {
            link.up = false;
        }
        self.parties.values_mut().for_each(PartyNode::disconnected);
        let parties: Vec<PartyId> = self.parties.keys().cloned().collect();
        for party in parties {
            self.dial(&party, 200);
        }
        let down = self.coordinator.down;
        self.at(down, Event::StartCoordinator);
    }

    /// Does a party's outputs, one by one, until there are none or it dies.
    pub(super) fn drain_party(&mut self, party: &PartyId) {
        loop {
            let Some(node) = self.parties.get_mut(party) else {
                return;
            };
            if node.is_running() && node.fuse == Some(0) {
                let down = node.kill();
                self.break_link(party);
                if let Some(down) = down {
                    self.at(down, Event::StartParty { party: party.clone() });
                }
                return;
            }
            let Some(output) = node.poll_output() else { break };
            if let Some(fuse) = &mut node.fuse {
                *fuse -= 1;
            }
            match output {
                party::Output::Send(message) => {
                    let paid = node.has_paid(&message);
                    self.witness.party_says(party, &message, paid);
                    let mut message = message;
                    if let Some((_, tamper)) = self.dishonest.as_ref().filter(|(culprit, _)| culprit == party)
                    {
                        tamper(&mut message);
                    }
                    let frame = message.to_frame().encode();
                    let event = Event::ToCoordinator {
                        from: party.clone(),
                        frame,
                    };
                    if self
                        .hold
                        .as_ref()
                        .is_some_and(|(held, kind)| held == party && *kind == message.kind())
                    {
                        self.held.push(event);
                    } else {
                        self.transmit(party, event);
                    }
                }
                party::Output::Count(round, query) => {
                    let incarnation = node.incarnation;
                    let delay = 10 + below(&mut self.rng, 200);
                    self.at(
                        delay,
                        Event::Counted {
                            party: party.clone(),
                            incarnation,
                            round,
                            query,
                        },
                    );
                }
                party::Output::Work(id, work) => {
                    let incarnation = node.incarnation;
                    node.work(id, work, &self.deployment);
                    let delay = 10 + below(&mut self.rng, 200);
                    self.at(
                        delay,
                        Event::Worked {
                            party: party.clone(),
                            incarnation,
                            id,
                        },
                    );
                }
                other => node.keep(other, &self.deployment, Millis(self.now)),
            }
        }
        let now = self.now;
        if let Some(at) = self.parties.get_mut(party).and_then(PartyNode::new_wake) {
            self.at(
                at.0.saturating_sub(now),
                Event::WakeParty { party: party.clone() },
            );
        }
    }
}
