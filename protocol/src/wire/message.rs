//! What parties and coordinator say, version 2.
//!
//! Variants and fields are appended, never reordered: postcard numbers them.

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::Signature;
use hedgerow_crypto::mask::pairwise::MaskPublic;
use hedgerow_crypto::seal::SealingPublic;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Channel, Frame, Kind, WireError};
use crate::ids::{PartyId, RoundId, RunId};
use crate::refusal::Refusal;

/// A party's word that it takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Who.
    pub party: PartyId,
    /// Its certificate (DER).
    #[serde(with = "super::bytes")]
    pub certificate: Vec<u8>,
    /// Its signature over H(config) and `channel`, see [`crate::binding::enrolment_message`].
    pub signature: Signature,
    /// Its key for relayed chunks: in joined runs, and in no others.
    pub channel: Option<SealingPublic>,
}

/// The two public keys of one party for one round, both under one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRoundKeys {
    /// Whose keys.
    pub party: PartyId,
    /// Others seal shares to this key. Its secret is never shared and never reconstructed.
    pub seal: SealingPublic,
    /// Pairwise masks come from this key; its secret is Shamir-shared.
    pub mask: MaskPublic,
    /// See [`crate::binding::keys_message`].
    pub signature: Signature,
}

/// Metrics of the final model on one party's own test rows. They carry no noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartyMetrics {
    /// Test rows.
    pub rows: u64,
    /// Area under the precision-recall curve (average precision).
    pub auprc: f64,
    /// Area under the receiver operating characteristic.
    pub auroc: f64,
    /// Part of the rows that the threshold puts on the right side.
    pub accuracy: f64,
}

/// From the coordinator to a party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToParty {
    /// Answer to `Hello`; asks for `Enrol` or `Refuse`.
    Welcome {
        /// The version that both sides speak.
        version: u16,
        /// Canonical bytes of the configuration.
        #[serde(with = "super::bytes")]
        config: Vec<u8>,
    },
    /// Who takes part, once.
    Participants {
        /// Sorted by party; all that enrolled in time.
        enrolments: Vec<Enrolment>,
    },
    /// A round begins; asks for `RoundKeys`.
    RoundStart {
        /// The attempt.
        round: RoundId,
        /// H(query): the query itself never travels.
        query: Digest,
        /// H(answers released so far).
        answers: Digest,
    },
    /// The keys of all that sent some (U1), once; asks for `Shares`, or in shares mode for `Masked`.
    KeyList {
        /// The attempt.
        round: RoundId,
        /// Sorted by party.
        keys: Vec<SignedRoundKeys>,
    },
    /// Shares sealed to the recipient by all that sent some (U2), once; asks for `Masked` over U2.
    ShareInbox {
        /// The attempt.
        round: RoundId,
        /// Sorted by sender; the recipient's own entry is empty.
        sealed: Vec<(PartyId, Vec<u8>)>,
    },
    /// Whose vectors are summed (U3), once; asks for `SurvivorSignature`.
    Survivors {
        /// The attempt.
        round: RoundId,
        /// Sorted.
        survivors: Vec<PartyId>,
    },
    /// At least tau signatures over the survivors; asks for `Unmask`, of aggregators for `AggregatorSum`.
    SurvivorProof {
        /// The attempt.
        round: RoundId,
        /// Sorted by signer.
        signatures: Vec<(PartyId, Signature)>,
        /// Shares mode: seeds sealed to this aggregator by the other survivors, sorted by sender.
        seeds: Vec<(PartyId, Vec<u8>)>,
    },
    /// The totals of a step, once.
    RoundResult {
        /// The attempt that succeeded.
        round: RoundId,
        /// Whose data they hold, sorted.
        survivors: Vec<PartyId>,
        /// One for each cell, centred.
        totals: Vec<i64>,
    },
    /// The run is complete.
    Finished {
        /// Digest of the model file.
        model: Digest,
    },
    /// The run is over without a model.
    Failed {
        /// Why, for the operator.
        reason: String,
    },
    /// Joined runs: find the common entities with every counterpart; asks for `Aligned`.
    Align,
    /// Joined runs: the alignment is closed. Whoever is not in it is out of the run; entities at attribute
    /// parties that are not read as missing. Once.
    Joined {
        /// Sorted.
        parties: Vec<PartyId>,
    },
    /// A chunk that another party relays.
    Relayed {
        /// Who.
        from: PartyId,
        /// Which stream of it.
        channel: Channel,
        /// Position in the stream, from 0.
        seq: u32,
        /// The stream ends with this chunk.
        last: bool,
        /// Sealed by its sender for its receiver; the coordinator can open nothing.
        #[serde(with = "super::bytes")]
        sealed: Vec<u8>,
    },
    /// How far another party has received a stream of the recipient.
    RelayAcked {
        /// Who.
        from: PartyId,
        /// Which stream.
        channel: Channel,
        /// The position that it wants next.
        next: u32,
        /// Everything from there is to be sent again.
        again: bool,
    },
    /// To row parties, once: the attribute parties whose vectors are in the sum; asks for `Masked`.
    Fixed {
        /// The attempt.
        round: RoundId,
        /// Sorted.
        attributes: Vec<PartyId>,
    },
    /// Joined runs with private scores: none are answered any more.
    Closed,
}

/// From a party to the coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToCoordinator {
    /// First message on every connection.
    Hello {
        /// Oldest and newest version spoken.
        versions: (u16, u16),
        /// The run that the party is in, if it is in one.
        run: Option<RunId>,
    },
    /// The party takes part.
    Enrol {
        /// Its certificate (DER).
        #[serde(with = "super::bytes")]
        certificate: Vec<u8>,
        /// Its signature over H(config) and `channel`.
        signature: Signature,
        /// Its key for relayed chunks: in joined runs, and in no others.
        channel: Option<SealingPublic>,
    },
    /// The party does not take part, or not any more.
    Refuse {
        /// Why.
        reason: Refusal,
    },
    /// The party's keys of a round.
    RoundKeys {
        /// The keys.
        keys: SignedRoundKeys,
        /// The attempt.
        round: RoundId,
    },
    /// Shares sealed to every other party of U1.
    Shares {
        /// The attempt.
        round: RoundId,
        /// Sorted by recipient.
        sealed: Vec<(PartyId, Vec<u8>)>,
    },
    /// The noised, masked table.
    Masked {
        /// The attempt.
        round: RoundId,
        /// Packed words mod M, see [`super::vector`].
        #[serde(with = "super::bytes")]
        vector: Vec<u8>,
        /// Shares mode: a seed sealed to each aggregator but the sender, sorted.
        seeds: Vec<(PartyId, Vec<u8>)>,
        /// Row parties of joined runs: their signature under the attribute parties that `Fixed` named, see
        /// [`crate::binding::fixed_message`].
        fixed: Option<Signature>,
    },
    /// The party's signature over (run, round, survivors).
    SurvivorSignature {
        /// The attempt.
        round: RoundId,
        /// See [`crate::binding::survivors_message`].
        signature: Signature,
    },
    /// One share for each party of U2: of its self-mask seed if it survived, of its mask key if not.
    Unmask {
        /// The attempt.
        round: RoundId,
        /// For survivors, sorted.
        self_mask: Vec<(PartyId, Vec<u8>)>,
        /// For dropped parties, sorted.
        mask_key: Vec<(PartyId, Vec<u8>)>,
    },
    /// Sum over the survivors of the pseudorandom vectors that this aggregator holds.
    AggregatorSum {
        /// The attempt.
        round: RoundId,
        /// Packed words mod M.
        #[serde(with = "super::bytes")]
        vector: Vec<u8>,
    },
    /// The party has the model.
    Done {
        /// Digest of the model file.
        model: Digest,
        /// Released only where policy and configuration say so.
        metrics: Option<PartyMetrics>,
    },
    /// The counterparts with which the party is aligned so far; said again whenever there are more.
    Aligned {
        /// Sorted by counterpart, with the size of the union of both sets of keys, dummies included.
        with: Vec<(PartyId, u64)>,
    },
    /// A chunk for a counterpart: from a row party to an attribute party, or the other way.
    Relay {
        /// For whom.
        to: PartyId,
        /// Which stream.
        channel: Channel,
        /// Position in the stream, from 0.
        seq: u32,
        /// The stream ends with this chunk.
        last: bool,
        /// Sealed by its sender for its receiver; the coordinator can open nothing.
        #[serde(with = "super::bytes")]
        sealed: Vec<u8>,
    },
    /// How far the party has received a stream.
    RelayAck {
        /// Whose stream.
        to: PartyId,
        /// Which stream.
        channel: Channel,
        /// The position that it wants next.
        next: u32,
        /// Everything from there is to be sent again.
        again: bool,
    },
}

/// A message that fits into a frame.
pub trait Message: Serialize + DeserializeOwned + Sized {
    /// The kind of its frame.
    fn kind(&self) -> Kind;

    /// Its frame.
    fn to_frame(&self) -> Frame {
        Frame::new(self.kind(), super::to_bytes(self))
    }

    /// The message of a frame.
    ///
    /// # Errors
    /// [`WireError::Payload`] and [`WireError::KindMismatch`].
    fn from_frame(frame: &Frame) -> Result<Self, WireError> {
        // CHK-049: one message of the header's kind, to the last byte.
        let kind = frame.kind();
        let message: Self = super::from_bytes(frame.payload()).map_err(|_| WireError::Payload {
            kind,
            length: frame.payload().len(),
        })?;
        if message.kind() == kind {
            Ok(message)
        } else {
            Err(WireError::KindMismatch { header: kind })
        }
    }
}

impl Message for ToParty {
    fn kind(&self) -> Kind {
        match self {
            Self::Welcome { .. } => Kind::Welcome,
            Self::Participants { .. } => Kind::Participants,
            Self::RoundStart { .. } => Kind::RoundStart,
            Self::KeyList { .. } => Kind::KeyList,
            Self::ShareInbox { .. } => Kind::ShareInbox,
            Self::Survivors { .. } => Kind::Survivors,
            Self::SurvivorProof { .. } => Kind::SurvivorProof,
            Self::RoundResult { .. } => Kind::RoundResult,
            Self::Finished { .. } => Kind::Finished,
            Self::Failed { .. } => Kind::Failed,
            Self::Align => Kind::Align,
            Self::Joined { .. } => Kind::Joined,
            Self::Relayed { .. } => Kind::Relayed,
            Self::RelayAcked { .. } => Kind::RelayAcked,
            Self::Fixed { .. } => Kind::Fixed,
            Self::Closed => Kind::Closed,
        }
    }
}

impl Message for ToCoordinator {
    fn kind(&self) -> Kind {
        match self {
            Self::Hello { .. } => Kind::Hello,
            Self::Enrol { .. } => Kind::Enrol,
            Self::Refuse { .. } => Kind::Refuse,
            Self::RoundKeys { .. } => Kind::RoundKeys,
            Self::Shares { .. } => Kind::Shares,
            Self::Masked { .. } => Kind::Masked,
            Self::SurvivorSignature { .. } => Kind::SurvivorSignature,
            Self::Unmask { .. } => Kind::Unmask,
            Self::AggregatorSum { .. } => Kind::AggregatorSum,
            Self::Done { .. } => Kind::Done,
            Self::Aligned { .. } => Kind::Aligned,
            Self::Relay { .. } => Kind::Relay,
            Self::RelayAck { .. } => Kind::RelayAck,
        }
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
