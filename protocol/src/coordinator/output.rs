//! What the machine tells its driver.

use std::fmt;

use hedgerow_forest::model::Forest;
use hedgerow_forest::query::QueryKind;
use serde::{Deserialize, Serialize};

use crate::ids::{PartyId, RoundId};
use crate::wire::{PartyMetrics, ToParty};

/// One thing for the driver to do, in the order given.
#[derive(Debug)]
pub enum Output {
    /// Hand this message to the connection of the party; without a connection, throw it away (the machine
    /// asks again).
    Send(PartyId, ToParty),
    /// Make this record durable before doing any later output.
    Persist(Vec<u8>),
    /// Something to show an operator.
    Progress(CoordinatorProgress),
    /// The run is complete. Only parties that were away and come back are still told so.
    Finished(Box<CoordinatorOutcome>),
    /// The run is over without a model; nothing follows.
    Failed(RunFailure),
}

/// The phases of a run, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum PhaseName {
    /// Parties check the configuration and sign it.
    Enrolling,
    /// Joined runs: row and attribute parties find their common entities.
    Aligning,
    /// Parties send their two keys of the round.
    KeyCollection,
    /// Parties send sealed shares of their mask secrets (masked mode).
    ShareCollection,
    /// Parties send their masked vectors; in joined runs the attribute parties.
    Upload,
    /// Joined runs: the row parties send theirs.
    RowUpload,
    /// Survivors sign the list of survivors.
    SurvivorVote,
    /// Survivors open what the sum needs, or aggregators send their sums.
    Unmasking,
    /// The model is out; parties confirm it.
    Publishing,
    /// The run is complete.
    Done,
    /// The run is over without a model.
    Failed,
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enrolling => "enrolment",
            Self::Aligning => "alignment",
            Self::KeyCollection => "key collection",
            Self::ShareCollection => "share collection",
            Self::Upload => "upload",
            Self::RowUpload => "upload of row parties",
            Self::SurvivorVote => "survivor vote",
            Self::Unmasking => "unmasking",
            Self::Publishing => "publishing",
            Self::Done => "done",
            Self::Failed => "failed",
        })
    }
}

/// Why a party is not among those who answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Absence {
    /// It never connected.
    NeverConnected,
    /// It has been disconnected for so many milliseconds.
    Disconnected {
        /// Milliseconds since the connection went away.
        for_ms: u64,
    },
    /// It is connected and did not answer.
    Silent,
    /// It refused, and said why.
    Refused(String),
    /// It sent something that no correct party sends.
    Malformed(String),
    /// It left an earlier phase of this round, which makes it of no use to the present one.
    DroppedEarlier,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverConnected => f.write_str("never connected"),
            Self::Disconnected { for_ms } => {
                write!(f, "disconnected for {}.{} s", for_ms / 1000, for_ms % 1000 / 100)
            }
            Self::Silent => f.write_str("connected but silent"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Malformed(what) => write!(f, "sent a malformed message: {what}"),
            Self::DroppedEarlier => f.write_str("dropped earlier in this round"),
        }
    }
}

/// A party that is missing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Who.
    pub party: PartyId,
    /// Why.
    pub why: Absence,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.party, self.why)
    }
}

/// The end of a run without a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum RunFailure {
    /// Fewer parties answered than the run accepts.
    #[error("the run failed in {phase}{}: {answered} of at least {needed} parties answered; missing: {}", of_round(.round), list(.missing))]
    TooFew {
        /// The phase in which parties were missing.
        phase: PhaseName,
        /// The round, where the phase belongs to one.
        round: Option<RoundId>,
        /// How many answered.
        answered: usize,
        /// How many the run needs.
        needed: usize,
        /// Who is missing, and why.
        missing: Vec<Missing>,
    },
    /// In shares mode every aggregator is needed.
    #[error("the run failed in {phase}{}: every aggregator is needed; missing: {}", of_round(.round), list(.missing))]
    AggregatorMissing {
        /// The phase in which aggregators were missing.
        phase: PhaseName,
        /// The round.
        round: Option<RoundId>,
        /// Which aggregators are missing, and why.
        missing: Vec<Missing>,
    },
    /// Nobody with rows is left.
    #[error("the run failed in {phase}{}: no party with rows is left; missing: {}", of_round(.round), list(.missing))]
    NoRows {
        /// The phase in which row parties were missing.
        phase: PhaseName,
        /// The round, where the phase belongs to one.
        round: Option<RoundId>,
        /// Who is missing, and why.
        missing: Vec<Missing>,
    },
    /// Two parties report different unions: one of them, or their machines, are wrong.
    #[error(
        "the run failed in alignment: the union of {row} and {attribute} has {row_says} keys by the one, {attribute_says} by the other"
    )]
    AlignmentDiffers {
        /// The row party.
        row: PartyId,
        /// The attribute party.
        attribute: PartyId,
        /// Size reported by the row party.
        row_says: u64,
        /// Size reported by the attribute party.
        attribute_says: u64,
    },
    /// A step was attempted too often.
    #[error("the run failed: step {} was given up after {attempts} attempts; {last}", .round.step)]
    AttemptsExhausted {
        /// The last attempt.
        round: RoundId,
        /// How many attempts were made.
        attempts: u32,
        /// What ended the last one.
        last: AttemptFailure,
    },
    /// The released totals cannot be used by the learning algorithm.
    #[error("the run failed: step {step} cannot grow the forest: {reason}")]
    Growth {
        /// The step whose answer was refused, or whose query could not be made.
        step: u32,
        /// What the algorithm said.
        reason: String,
    },
    /// The operator ended the run.
    #[error("the run was ended by its operator: {reason}")]
    Aborted {
        /// What the operator said.
        reason: String,
    },
}

impl RunFailure {
    /// Who is missing, where that is why the run failed.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        match self {
            Self::TooFew { missing, .. }
            | Self::AggregatorMissing { missing, .. }
            | Self::NoRows { missing, .. } => missing,
            Self::AttemptsExhausted { last, .. } => &last.missing,
            Self::Growth { .. } | Self::Aborted { .. } | Self::AlignmentDiffers { .. } => &[],
        }
    }
}

/// Why one attempt at a round was given up; the step is tried again with a fresh round id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFailure {
    /// The phase that could not end.
    pub phase: PhaseName,
    /// What went wrong.
    pub reason: String,
    /// Whose answers were missing.
    pub missing: Vec<Missing>,
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ended with: {}", self.phase, self.reason)?;
        if !self.missing.is_empty() {
            write!(f, "; missing: {}", list(&self.missing))?;
        }
        Ok(())
    }
}

fn of_round(round: &Option<RoundId>) -> String {
    round
        .map(|round| format!(" of round {}.{}", round.step, round.attempt))
        .unwrap_or_default()
}

fn list(missing: &[Missing]) -> String {
    missing
        .iter()
        .map(Missing::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What an operator may watch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CoordinatorProgress {
    /// A phase began, or was resumed after a restart.
    Phase {
        /// Which.
        phase: PhaseName,
        /// Of which round.
        round: Option<RoundId>,
        /// How many parties are asked.
        asked: usize,
    },
    /// A party answered the present phase.
    Answered {
        /// Who.
        party: PartyId,
        /// Which phase.
        phase: PhaseName,
        /// How many have answered by now.
        answered: usize,
        /// How many were asked.
        asked: usize,
    },
    /// A party was left out of the rest of the round.
    Dropped {
        /// In which phase.
        phase: PhaseName,
        /// Who, and why.
        missing: Missing,
    },
    /// An attempt was given up; the step is tried again.
    AttemptFailed {
        /// The attempt.
        round: RoundId,
        /// Why.
        failure: AttemptFailure,
    },
    /// Totals were released.
    RoundDone {
        /// The round.
        round: RoundId,
        /// Whose data they hold.
        survivors: Vec<PartyId>,
    },
    /// A party ended with another model than the coordinator, which a correct party cannot.
    ModelDiffers {
        /// Who.
        party: PartyId,
    },
}

/// One released table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSummary {
    /// The attempt that succeeded.
    pub id: RoundId,
    /// What was asked.
    pub kind: QueryKind,
    /// Whose data the totals hold.
    pub survivors: Vec<PartyId>,
    /// Number of counters.
    pub cells: usize,
}

/// A complete run.
#[derive(Clone, Debug)]
pub struct CoordinatorOutcome {
    /// The model, as every party has it.
    pub forest: Forest,
    /// The released tables in order.
    pub rounds: Vec<RoundSummary>,
    /// The noisy totals of these, row-major as the query's shape.
    pub totals: Vec<Vec<i64>>,
    /// Who confirmed the model, with the metrics that its policy released.
    pub confirmed: Vec<(PartyId, Option<PartyMetrics>)>,
}
