//! What a run holds once its participants are known.

use hedgerow_crypto::hash::Digest;
use hedgerow_forest::table::Table;

use super::enrol::Enrolled;
use super::joined::Joined;
use super::output::ReleasedRound;
use super::round::Round;
use crate::growth::Progression;
use crate::ids::RoundId;
use crate::roster::Roster;
use crate::wire::ToCoordinator;

/// A run between its first round and its last word.
pub(super) struct Run {
    pub(super) enrolled: Enrolled,
    pub(super) roster: Roster,
    pub(super) progression: Progression,
    /// Results so far, one for each step, each with the digest of its message.
    pub(super) released: Vec<(Digest, ReleasedRound)>,
    /// Attempts that this party has taken part in.
    pub(super) started: u32,
    /// The last attempt that this party knows of; no earlier one is taken part in again.
    pub(super) latest: Option<RoundId>,
    /// Own counts for the present step. They never leave, and a new attempt does not count again.
    pub(super) counts: Counts,
    pub(super) stage: Stage,
    /// The part in a joined run.
    pub(super) joined: Option<Box<Joined>>,
}

/// Own counts for the present step.
pub(super) enum Counts {
    /// Nobody has asked.
    Unasked,
    /// The data engine is at it.
    Asked,
    /// Counted.
    Ready(Table),
}

/// Where a run stands.
pub(super) enum Stage {
    /// No round is open.
    Between,
    /// A round is open.
    Open(Box<Round>),
    /// The model is built and the driver evaluates it.
    Evaluating {
        model: Digest,
        /// The coordinator has asked for the last word already.
        asked: bool,
    },
    /// The last word is stored.
    Done { model: Digest, response: ToCoordinator },
}

impl Run {
    pub(super) fn new(
        enrolled: Enrolled,
        roster: Roster,
        progression: Progression,
        joined: Option<Box<Joined>>,
    ) -> Self {
        Self {
            enrolled,
            roster,
            progression,
            released: Vec::new(),
            started: 0,
            latest: None,
            counts: Counts::Unasked,
            stage: Stage::Between,
            joined,
        }
    }

    pub(super) fn describe(&self) -> String {
        match &self.stage {
            Stage::Between => format!("before step {}", self.progression.step()),
            Stage::Open(round) => format!("round {}, {}", round.id, round.phase.name()),
            Stage::Evaluating { .. } => "evaluating".to_owned(),
            Stage::Done { .. } => "done".to_owned(),
        }
    }
}
