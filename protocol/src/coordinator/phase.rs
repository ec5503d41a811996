//! The phases of a run, each with exactly the data that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::{Signature, VerifyingIdentity};

use super::opened::Opened;
use super::output::PhaseName;
use super::record::Sealed;
use super::uploads::Uploads;
use crate::binding;
use crate::ids::{PartyId, RoundId};
use crate::roster::Roster;
use crate::wire::{Enrolment, PartyMetrics, SignedRoundKeys};

/// Where a run stands.
pub(super) enum Phase {
    Enrolling(Enrolling),
    KeyCollection(KeyCollection),
    ShareCollection(ShareCollection),
    Upload(Upload),
    SurvivorVote(SurvivorVote),
    Unmasking(Unmasking),
    Publishing(Publishing),
    /// The run is complete; parties that were away are still told.
    Done(Publishing),
    Failed,
}

#[derive(Default)]
pub(super) struct Enrolling {
    pub(super) enrolled: BTreeMap<PartyId, (Enrolment, VerifyingIdentity)>,
}

pub(super) struct KeyCollection {
    pub(super) round: RoundId,
    pub(super) keys: BTreeMap<PartyId, SignedRoundKeys>,
}

/// The parties of a round that sent keys (U1), with these keys.
#[derive(Clone)]
pub(super) struct Keyed {
    pub(super) round: RoundId,
    pub(super) keys: Arc<BTreeMap<PartyId, SignedRoundKeys>>,
}

impl Keyed {
    /// H(keys of the round).
    pub(super) fn digest(&self) -> Digest {
        binding::key_list_digest(&self.keys.values().cloned().collect::<Vec<_>>())
    }
}

pub(super) struct ShareCollection {
    pub(super) keyed: Keyed,
    /// By sender: what it sealed to each of the others.
    pub(super) shares: BTreeMap<PartyId, BTreeMap<PartyId, Vec<u8>>>,
}

/// Whose masks are in the vectors (U2), and what each of them was given.
pub(super) struct Masking {
    pub(super) keyed: Keyed,
    /// By recipient. In shares mode there is nothing to relay before the upload: U2 is U1, inboxes are empty.
    pub(super) inboxes: BTreeMap<PartyId, Sealed>,
}

impl Masking {
    pub(super) fn round(&self) -> RoundId {
        self.keyed.round
    }

    /// U2, in order.
    pub(super) fn members(&self) -> impl Iterator<Item = &PartyId> {
        self.inboxes.keys()
    }

    pub(super) fn is_member(&self, party: &PartyId) -> bool {
        self.inboxes.contains_key(party)
    }
}

pub(super) struct Upload {
    pub(super) masking: Masking,
    pub(super) uploads: Uploads,
}

pub(super) struct SurvivorVote {
    pub(super) masking: Masking,
    pub(super) uploads: Uploads,
    /// U3, in order.
    pub(super) survivors: Vec<PartyId>,
    pub(super) signatures: BTreeMap<PartyId, Signature>,
}

pub(super) struct Unmasking {
    pub(super) masking: Masking,
    pub(super) uploads: Uploads,
    pub(super) survivors: Vec<PartyId>,
    pub(super) proof: Vec<(PartyId, Signature)>,
    /// Masked mode: what each survivor opened.
    pub(super) opened: BTreeMap<PartyId, Opened>,
    /// Shares mode: the sum of each aggregator's shares, in words below the modulus.
    pub(super) sums: BTreeMap<PartyId, Vec<u64>>,
}

#[derive(Default)]
pub(super) struct Publishing {
    pub(super) confirmed: BTreeMap<PartyId, Option<PartyMetrics>>,
}

impl Phase {
    pub(super) fn name(&self) -> PhaseName {
        match self {
            Self::Enrolling(_) => PhaseName::Enrolling,
            Self::KeyCollection(_) => PhaseName::KeyCollection,
            Self::ShareCollection(_) => PhaseName::ShareCollection,
            Self::Upload(_) => PhaseName::Upload,
            Self::SurvivorVote(_) => PhaseName::SurvivorVote,
            Self::Unmasking(_) => PhaseName::Unmasking,
            Self::Publishing(_) => PhaseName::Publishing,
            Self::Done(_) => PhaseName::Done,
            Self::Failed => PhaseName::Failed,
        }
    }

    pub(super) fn round(&self) -> Option<RoundId> {
        match self {
            Self::KeyCollection(phase) => Some(phase.round),
            Self::ShareCollection(phase) => Some(phase.keyed.round),
            Self::Upload(phase) => Some(phase.masking.round()),
            Self::SurvivorVote(phase) => Some(phase.masking.round()),
            Self::Unmasking(phase) => Some(phase.masking.round()),
            Self::Enrolling(_) | Self::Publishing(_) | Self::Done(_) | Self::Failed => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed)
    }

    /// Who owes an answer in this phase, answered or not.
    pub(super) fn asked(&self, circle: &Circle) -> Vec<PartyId> {
        match self {
            Self::Enrolling(_) => circle.configured.clone(),
            Self::KeyCollection(_) | Self::Publishing(_) | Self::Done(_) => {
                circle.participants.keys().cloned().collect()
            }
            Self::ShareCollection(phase) => phase.keyed.keys.keys().cloned().collect(),
            Self::Upload(phase) => phase.masking.members().cloned().collect(),
            Self::SurvivorVote(phase) => phase.survivors.clone(),
            // Also in shares mode: after a restart the vectors of all survivors are asked for again.
            Self::Unmasking(phase) => phase.survivors.clone(),
            Self::Failed => Vec::new(),
        }
    }

    /// Whether the party owes nothing more in this phase.
    pub(super) fn has_answered(&self, party: &PartyId, circle: &Circle) -> bool {
        match self {
            Self::Enrolling(phase) => phase.enrolled.contains_key(party),
            Self::KeyCollection(phase) => phase.keys.contains_key(party),
            Self::ShareCollection(phase) => phase.shares.contains_key(party),
            Self::Upload(phase) => phase.uploads.has(party),
            Self::SurvivorVote(phase) => phase.signatures.contains_key(party) && phase.uploads.has(party),
            Self::Unmasking(phase) => {
                let opened = match &circle.aggregators {
                    None => phase.opened.contains_key(party),
                    Some(aggregators) => !aggregators.contains(party) || phase.sums.contains_key(party),
                };
                opened && phase.uploads.has(party)
            }
            Self::Publishing(phase) | Self::Done(phase) => phase.confirmed.contains_key(party),
            Self::Failed => true,
        }
    }
}

/// Who takes part in the run.
pub(super) struct Circle {
    /// Everybody named in the configuration.
    pub(super) configured: Vec<PartyId>,
    /// Those who enrolled in time.
    pub(super) participants: BTreeMap<PartyId, Enrolment>,
    /// The same, checked; none before enrolment is closed.
    pub(super) roster: Option<Roster>,
    /// In shares mode, who holds the shares.
    pub(super) aggregators: Option<BTreeSet<PartyId>>,
}
