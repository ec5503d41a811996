//! What the coordinator journals: its decisions, each before the message that shows it.
//!
//! Masked vectors, survivor signatures and unmasking answers are not here: parties keep the bytes that they
//! sent and send them again when asked, and a journal without opened shares is one secret fewer to guard.

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::Signature;
use serde::{Deserialize, Serialize};

use super::output::RunFailure;
use crate::ids::{PartyId, RoundId};
use crate::wire::{self, Enrolment, PartyMetrics, SignedRoundKeys};

/// The layout of [`Record`]; a journal of another layout is refused.
const LAYOUT: u8 = 2;

/// Sealed messages of one party to others, or of others to it.
pub(super) type Sealed = Vec<(PartyId, Vec<u8>)>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Record {
    /// Enrolment is closed.
    Participants {
        config: Digest,
        enrolments: Vec<Enrolment>,
    },
    /// An attempt at a step begins.
    Attempt { round: RoundId },
    /// The key list of the round: its first set of parties.
    Keys {
        round: RoundId,
        keys: Vec<SignedRoundKeys>,
    },
    /// Every inbox of the round, by recipient: its second set of parties.
    Inboxes {
        round: RoundId,
        inboxes: Vec<(PartyId, Sealed)>,
    },
    /// Whose vectors are summed: the third set of parties.
    Survivors { round: RoundId, survivors: Vec<PartyId> },
    /// The signatures under the survivors that are shown to them.
    Proof {
        round: RoundId,
        signatures: Vec<(PartyId, Signature)>,
    },
    /// The totals of the round.
    Released {
        round: RoundId,
        survivors: Vec<PartyId>,
        totals: Vec<i64>,
    },
    /// A party confirmed the model.
    Confirmed {
        party: PartyId,
        metrics: Option<PartyMetrics>,
    },
    /// The run is complete.
    Finished,
    /// The run is over without a model.
    Failed(RunFailure),
    /// The alignment is closed: who takes part in the rest of the run.
    Joined { parties: Vec<PartyId> },
    /// The attribute parties whose vectors are summed.
    Fixed {
        round: RoundId,
        attributes: Vec<PartyId>,
    },
}

/// A journal that cannot be continued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A record is of another layout of this software.
    #[error("journal record {index} has layout {found}, this software reads layout {expected}")]
    Layout {
        /// Position in the journal.
        index: usize,
        /// Layout found.
        found: u8,
        /// Layout expected.
        expected: u8,
    },
    /// A record cannot be read.
    #[error("journal record {index} of {length} bytes cannot be read")]
    Unreadable {
        /// Position in the journal.
        index: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// The journal belongs to a run of another configuration.
    #[error("the journal belongs to configuration {found}, this is {expected}")]
    OtherConfig {
        /// Digest of the configuration in the journal.
        found: Digest,
        /// Digest of the present configuration.
        expected: Digest,
    },
    /// A record does not follow from those before it.
    #[error("journal record {index} ({record}) does not follow from those before it: the run is in {phase}")]
    OutOfOrder {
        /// Position in the journal.
        index: usize,
        /// What the record is.
        record: &'static str,
        /// Phase reached by then.
        phase: super::PhaseName,
    },
    /// The journaled participants are not accepted any more, as when a certificate has expired meanwhile.
    #[error("the journaled participants are not accepted: {reason}")]
    Participants {
        /// Whose enrolment, where it is one.
        culprit: Option<PartyId>,
        /// Why.
        reason: String,
    },
}

impl Record {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Participants { .. } => "participants",
            Self::Attempt { .. } => "attempt",
            Self::Keys { .. } => "keys",
            Self::Inboxes { .. } => "inboxes",
            Self::Survivors { .. } => "survivors",
            Self::Proof { .. } => "proof",
            Self::Released { .. } => "released",
            Self::Confirmed { .. } => "confirmed",
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
            Self::Joined { .. } => "joined",
            Self::Fixed { .. } => "fixed",
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.append(&mut wire::to_bytes(self));
        bytes
    }

    pub(super) fn from_bytes(index: usize, bytes: &[u8]) -> Result<Self, RestoreError> {
        match bytes.split_first() {
            Some((&LAYOUT, body)) => wire::from_bytes(body).map_err(|_| RestoreError::Unreadable {
                index,
                length: bytes.len(),
            }),
            Some((&found, _)) => Err(RestoreError::Layout {
                index,
                found,
                expected: LAYOUT,
            }),
            None => Err(RestoreError::Unreadable { index, length: 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_their_bytes() {
        let round = RoundId { step: 1, attempt: 2 };
        let party = PartyId::new("a").unwrap();
        let records = [
            Record::Attempt { round },
            Record::Inboxes {
                round,
                inboxes: vec![(party.clone(), vec![(party.clone(), vec![1, 2])])],
            },
            Record::Released {
                round,
                survivors: vec![party],
                totals: vec![i64::MIN, 0, i64::MAX],
            },
            Record::Failed(RunFailure::Aborted {
                reason: "tired".to_owned(),
            }),
        ];
        for record in records {
            assert_eq!(Record::from_bytes(0, &record.to_bytes()), Ok(record));
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_named_by_their_place() {
        assert_eq!(
            Record::from_bytes(3, &[]),
            Err(RestoreError::Unreadable { index: 3, length: 0 })
        );
        assert_eq!(
            Record::from_bytes(3, &[9, 0]),
            Err(RestoreError::Layout {
                index: 3,
                found: 9,
                expected: 2
            })
        );
        assert_eq!(
            Record::from_bytes(3, &[2, 99]),
            Err(RestoreError::Unreadable { index: 3, length: 2 })
        );
        let mut long = Record::Finished.to_bytes();
        long.push(0);
        assert_eq!(
            Record::from_bytes(3, &long),
            Err(RestoreError::Unreadable { index: 3, length: 3 })
        );
    }
}
