//! The phases of a run, each with exactly the data that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::{Signature, VerifyingIdentity};

use super::align::Aligning;
use super::opened::Opened;
use super::output::PhaseName;
use super::record::Sealed;
use super::uploads::Uploads;
use crate::binding;
use crate::config::{Role, RunConfig};
use crate::ids::{PartyId, RoundId};
use crate::roster::Roster;
use crate::wire::{Enrolment, PartyMetrics, SignedRoundKeys};

/// Where a run stands.
pub(super) enum Phase {
    Enrolling(Enrolling),
    /// Joined runs only.
    Aligning(Aligning),
    KeyCollection(KeyCollection),
    ShareCollection(ShareCollection),
    /// In joined runs, of the attribute parties alone.
    Upload(Upload),
    /// Joined runs only: the attribute parties in the sum are fixed.
    RowUpload(Upload),
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
    /// Joined runs: the attribute parties in the sum, once they are fixed.
    pub(super) fixed: Option<Vec<PartyId>>,
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

    /// Once the attribute parties are fixed: these and all row parties of U2, in order. Nobody else is ever in
    /// the sum of the round.
    pub(super) fn summed(&self, circle: &Circle) -> Vec<PartyId> {
        let fixed = self.fixed.as_deref().unwrap_or_default();
        self.members()
            .filter(|party| circle.role(party) == Role::Row || fixed.binary_search(party).is_ok())
            .cloned()
            .collect()
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
    /// Attribute parties have been told too. Until then they answer for scores.
    pub(super) told_all: bool,
}

impl Phase {
    pub(super) fn name(&self) -> PhaseName {
        match self {
            Self::Enrolling(_) => PhaseName::Enrolling,
            Self::Aligning(_) => PhaseName::Aligning,
            Self::KeyCollection(_) => PhaseName::KeyCollection,
            Self::ShareCollection(_) => PhaseName::ShareCollection,
            Self::Upload(_) => PhaseName::Upload,
            Self::RowUpload(_) => PhaseName::RowUpload,
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
            Self::Upload(phase) | Self::RowUpload(phase) => Some(phase.masking.round()),
            Self::SurvivorVote(phase) => Some(phase.masking.round()),
            Self::Unmasking(phase) => Some(phase.masking.round()),
            Self::Enrolling(_) | Self::Aligning(_) | Self::Publishing(_) | Self::Done(_) | Self::Failed => {
                None
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed)
    }

    /// Who owes an answer in this phase, answered or not.
    pub(super) fn asked(&self, circle: &Circle) -> Vec<PartyId> {
        match self {
            Self::Enrolling(_) => circle.configured.clone(),
            Self::Aligning(_) | Self::KeyCollection(_) | Self::Publishing(_) | Self::Done(_) => {
                circle.members().cloned().collect()
            }
            Self::ShareCollection(phase) => phase.keyed.keys.keys().cloned().collect(),
            Self::Upload(phase) => phase.masking.members().cloned().collect(),
            Self::RowUpload(phase) => phase.masking.summed(circle),
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
            Self::Aligning(phase) => phase.is_complete(party, circle),
            Self::KeyCollection(phase) => phase.keys.contains_key(party),
            Self::ShareCollection(phase) => phase.shares.contains_key(party),
            Self::Upload(phase) | Self::RowUpload(phase) => phase.uploads.has(party),
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
    /// Joined runs: the attribute parties that are configured.
    pub(super) attributes: BTreeSet<PartyId>,
    /// Joined runs: who is aligned, once that is decided. Nobody else takes part after it.
    pub(super) joined: Option<BTreeSet<PartyId>>,
}

impl Circle {
    pub(super) fn new(config: &RunConfig) -> Self {
        let aggregators = config.aggregators().to_vec();
        Self {
            configured: config.parties.clone(),
            participants: BTreeMap::new(),
            roster: None,
            aggregators: (!aggregators.is_empty()).then(|| aggregators.into_iter().collect()),
            attributes: config.parties_of(Role::Attributes).cloned().collect(),
            joined: None,
        }
    }

    pub(super) fn role(&self, party: &PartyId) -> Role {
        if self.attributes.contains(party) {
            Role::Attributes
        } else {
            Role::Row
        }
    }

    pub(super) fn is_joined_run(&self) -> bool {
        !self.attributes.is_empty()
    }

    /// Whether the party takes part in what follows.
    pub(super) fn is_member(&self, party: &PartyId) -> bool {
        self.participants.contains_key(party)
            && self.joined.as_ref().is_none_or(|joined| joined.contains(party))
    }

    /// Who takes part in what follows, in order.
    pub(super) fn members(&self) -> impl Iterator<Item = &PartyId> {
        self.participants.keys().filter(|party| self.is_member(party))
    }
}
