//! What must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_forest::query::QueryKind;
use hedgerow_protocol::coordinator::CoordinatorOutcome;
use hedgerow_protocol::ids::{PartyId, RoundId};
use hedgerow_protocol::wire::{Channel, Kind, Message, ToCoordinator, ToParty};
use hedgerow_tests::plain;

use crate::world::World;

/// Hears every message at the moment that its sender lets go of it, and remembers across crashes.
#[derive(Default)]
pub struct Witness {
    from_parties: BTreeMap<(PartyId, Option<RoundId>, Kind), Vec<u8>>,
    from_coordinator: BTreeMap<(PartyId, Option<RoundId>, Kind), Vec<u8>>,
    opened: BTreeMap<(RoundId, PartyId), Opened>,
    /// By sender, receiver, stream and position.
    chunks: BTreeMap<(PartyId, PartyId, Channel, u32), (Digest, usize)>,
}

/// Who opened which share of one party in one round.
#[derive(Default)]
struct Opened {
    self_mask: BTreeSet<PartyId>,
    mask_key: BTreeSet<PartyId>,
}

impl Witness {
    /// A party sends this.
    pub fn party_says(&mut self, party: &PartyId, message: &ToCoordinator, paid: bool) {
        let round = match message {
            ToCoordinator::RoundKeys { round, .. }
            | ToCoordinator::Shares { round, .. }
            | ToCoordinator::Masked { round, .. }
            | ToCoordinator::SurvivorSignature { round, .. }
            | ToCoordinator::Unmask { round, .. }
            | ToCoordinator::AggregatorSum { round, .. } => Some(*round),
            ToCoordinator::Enrol { .. } | ToCoordinator::Done { .. } => None,
            ToCoordinator::Relay {
                to,
                channel,
                seq,
                sealed,
                ..
            } => {
                let digest = (hash("chunk", &[message.to_frame().payload()]), sealed.len());
                let place = (party.clone(), to.clone(), *channel, *seq);
                let before = self.chunks.entry(place).or_insert(digest);
                assert!(*before == digest, "{party} seals two chunks for {channel}, {seq}");
                return;
            }
            ToCoordinator::Hello { .. }
            | ToCoordinator::Refuse { .. }
            | ToCoordinator::Aligned { .. }
            | ToCoordinator::RelayAck { .. } => return,
        };
        let bytes = message.to_frame().into_payload();
        let key = (party.clone(), round, message.kind());
        let before = self.from_parties.entry(key).or_insert_with(|| bytes.clone());
        assert_eq!(
            *before,
            bytes,
            "{party} sends two different {} in {round:?}",
            message.kind()
        );
        if let ToCoordinator::Masked { round, .. } = message {
            assert!(paid, "{party} uploads in round {round} before its ledger says so");
        }
        if let ToCoordinator::Unmask {
            round,
            self_mask,
            mask_key,
        } = message
        {
            self.opens(party, *round, self_mask, mask_key);
        }
    }

    fn opens(
        &mut self,
        holder: &PartyId,
        round: RoundId,
        self_mask: &[(PartyId, Vec<u8>)],
        mask_key: &[(PartyId, Vec<u8>)],
    ) {
        for (owner, _) in self_mask {
            self.opened
                .entry((round, owner.clone()))
                .or_default()
                .self_mask
                .insert(holder.clone());
        }
        for (owner, _) in mask_key {
            self.opened
                .entry((round, owner.clone()))
                .or_default()
                .mask_key
                .insert(holder.clone());
        }
        for ((round, owner), opened) in &self.opened {
            let both = opened.self_mask.intersection(&opened.mask_key).next();
            assert_eq!(
                both, None,
                "both shares of {owner} in round {round} left one holder"
            );
        }
    }

    /// The coordinator sends this. What is decided is decided: the same to everybody who asks, and for ever.
    pub fn coordinator_says(&mut self, to: &PartyId, message: &ToParty) {
        let (to, round) = match message {
            ToParty::RoundStart { round, .. }
            | ToParty::KeyList { round, .. }
            | ToParty::Survivors { round, .. }
            | ToParty::Fixed { round, .. }
            | ToParty::RoundResult { round, .. } => (None, Some(*round)),
            // Inboxes and relayed seeds are each recipient's own.
            ToParty::ShareInbox { round, .. } | ToParty::SurvivorProof { round, .. } => {
                (Some(to), Some(*round))
            }
            ToParty::Participants { .. } | ToParty::Joined { .. } | ToParty::Finished { .. } => (None, None),
            ToParty::Welcome { .. }
            | ToParty::Failed { .. }
            | ToParty::Align
            | ToParty::Relayed { .. }
            | ToParty::RelayAcked { .. }
            | ToParty::Closed => return,
        };
        let bytes = message.to_frame().into_payload();
        let everybody = PartyId::new("everybody").expect("a name");
        let key = (to.cloned().unwrap_or(everybody), round, message.kind());
        let before = self.from_coordinator.entry(key).or_insert_with(|| bytes.clone());
        assert_eq!(
            *before,
            bytes,
            "the coordinator sends two different {} in {round:?}",
            message.kind()
        );
    }

    /// Both secrets of one party in one round may never be within reach of the coordinator.
    pub fn nothing_is_recoverable_twice(&self, threshold: usize) {
        for ((round, owner), opened) in &self.opened {
            assert!(
                opened.self_mask.len() < threshold || opened.mask_key.len() < threshold,
                "{owner}'s vector of round {round} can be unmasked"
            );
        }
    }

    /// Place and length of every chunk that a party has sealed.
    pub fn chunk_sizes(&self, from: &PartyId) -> Vec<(PartyId, Channel, u32, usize)> {
        let own = self.chunks.iter().filter(|((sender, ..), _)| sender == from);
        own.map(|((_, to, channel, seq), (_, length))| (to.clone(), *channel, *seq, *length))
            .collect()
    }

    /// In how many (round, party) a vector left.
    pub fn uploads(&self) -> usize {
        self.from_parties
            .keys()
            .filter(|(_, _, kind)| *kind == Kind::Masked)
            .count()
    }
}

/// The run is complete, and everything about it is as in the clear.
pub fn complete_and_exact(world: &World) {
    let outcome = match &world.ended {
        Some(Ok(outcome)) => outcome,
        Some(Err(failure)) => panic!("{failure}\n{:#?}", world.progress),
        None => panic!(
            "not at the end after {} ms: {:?}\n{:#?}",
            world.now,
            world.phase(),
            world.progress
        ),
    };
    exact(world, outcome);
    let model = outcome.forest.to_json().expect("a model has a file");
    for node in world
        .parties
        .values()
        .filter(|node| !world.gone.contains(&node.id))
    {
        let theirs = node
            .outcome
            .as_ref()
            .unwrap_or_else(|| panic!("{} has no model: {}", node.id, node.story()));
        assert!(
            theirs.forest.to_json().as_ref() == Ok(&model),
            "{} has another model",
            node.id
        );
    }
    common(world);
}

/// The run may have failed, and then names who is missing; whatever is out is exact, and one for all.
pub fn safe(world: &World) {
    match &world.ended {
        Some(Ok(outcome)) => {
            exact(world, outcome);
            let model = outcome.forest.to_json().expect("a model has a file");
            for node in world.parties.values() {
                if let Some(theirs) = &node.outcome {
                    assert!(
                        theirs.forest.to_json().as_ref() == Ok(&model),
                        "{} has another model",
                        node.id
                    );
                }
            }
        }
        Some(Err(failure)) => assert!(!failure.missing().is_empty(), "{failure}"),
        None => panic!(
            "not at the end after {} ms: {:?}\n{:#?}",
            world.now,
            world.phase(),
            world.progress
        ),
    }
    common(world);
}

/// Without noise: totals are those of the plain tables over each round's survivors, and the model is theirs.
fn exact(world: &World, outcome: &CoordinatorOutcome) {
    let config = &world.deployment.config;
    for round in &outcome.rounds {
        assert!(
            round.survivors.len() >= config.min_parties as usize,
            "round {} is too small",
            round.id
        );
    }
    if config.privacy.is_some() {
        return;
    }
    let (totals, forest) = plain::replay(config, |step| {
        world.deployment.pooled(&outcome.rounds[step].survivors)
    });
    assert_eq!(totals.len(), outcome.totals.len());
    for (step, (expected, actual)) in totals.iter().zip(&outcome.totals).enumerate() {
        assert_eq!(expected.cells(), actual, "totals of step {step}");
    }
    assert_eq!(
        outcome.forest.to_json().ok(),
        forest.to_json().ok(),
        "the model is not that of the replay"
    );
    for (round, totals) in outcome.rounds.iter().zip(&outcome.totals) {
        once_each(world, round.kind, &round.survivors, totals);
    }
}

/// Unique weights: each row has its own digit in base four, so the digits of a tree's sum say whose
/// data is in it, and how often.
fn once_each(world: &World, kind: QueryKind, survivors: &[PartyId], totals: &[i64]) {
    let trees = match kind {
        QueryKind::Leaves => world.deployment.config.forest.trees as usize,
        QueryKind::Threshold => 1,
        // A row is in several histograms of a tree: compared with the plain tables, which is all that there is to say.
        _ => return,
    };
    for tree in totals.chunks(totals.len() / trees) {
        let sum: i64 = tree.iter().sum();
        for (party, copies) in world.deployment.digits() {
            let times = (sum / copies) & 3;
            assert_eq!(
                times,
                i64::from(survivors.contains(&party)),
                "{party} is counted {times} times in {kind:?}"
            );
        }
    }
}

/// What holds for every run, complete or not.
pub fn common(world: &World) {
    world
        .witness
        .nothing_is_recoverable_twice(world.deployment.config.shamir_threshold as usize);
    for node in world.parties.values() {
        node.ledger_is_in_order(&world.deployment.config);
    }
}
