//! What the party's machine tells its driver.

use hedgerow_crypto::seed::Seed;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::{QueryKind, TableQuery};

use super::ledger::LedgerEntry;
use super::overlap::OverlapEntry;
use crate::ids::{PartyId, RoundId, RunId};
use crate::join::score::ScoreRefusal;
use crate::join::{Work, WorkId};
use crate::refusal::Refusal;
use crate::wire::ToCoordinator;

/// One thing for the driver to do, in the order given.
#[derive(Debug)]
pub enum Output {
    /// Hand this message to the connection; without a connection, throw it away (the coordinator asks again).
    Send(ToCoordinator),
    /// Append this record to the journal; durable before any later output.
    Persist(Vec<u8>),
    /// Keep this round secret in place of the one before; durable before any later output. It does not belong
    /// among the records, because it must be deleted.
    StoreRoundSecret(RoundId, Seed),
    /// Delete the secret of this round, if it is still there.
    ForgetRoundSecret(RoundId),
    /// Joined runs: keep this secret of the run until it ends, in place of any of another run; durable before any
    /// later output.
    StoreRunSecret(RunId, Seed),
    /// Append this entry to the privacy ledger; durable before any later output. Once per label.
    Charge(LedgerEntry),
    /// Append this payment for an alignment to the privacy ledger; durable before any later output. Once per run and peer.
    ChargeOverlap(OverlapEntry),
    /// Horizontal runs: count the own training rows for this query, then call `handle_table`.
    Count(RoundId, TableQuery),
    /// Joined runs: do this on a thread that may block, then call `handle_work`. Any order, several at a time.
    Work(WorkId, Work),
    /// The scores of a batch, in its order.
    Scored(u64, Scored),
    /// A batch has no scores, as an attribute party does not answer it; the run goes on.
    NotScored(u64, ScoreRefusal),
    /// Something to show an operator.
    Progress(PartyProgress),
    /// The model is built. Evaluate it or not, then call `handle_metrics`.
    Finished(Box<PartyOutcome>),
    /// The coordinator has the word of this party and has ended the run: flush the connection, then stop.
    Confirmed,
    /// This party takes no part any more; nothing follows.
    Refused(Refusal),
    /// The coordinator ended the run; nothing follows.
    Failed(String),
}

/// Private scores of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// For each row the sum of leaf values, to be divided by trees and `SCALE`.
    pub sums: Vec<i64>,
    /// Attribute parties of the run that did not answer, because they are not in the model or have fallen silent:
    /// their entities read as missing. Sorted.
    pub absent: Vec<PartyId>,
}

/// What an operator may watch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartyProgress {
    /// The configuration is accepted and signed.
    Enrolled,
    /// Everybody's enrolment is checked.
    Participants {
        /// How many take part.
        count: usize,
    },
    /// A round begins.
    RoundStarted {
        /// The attempt.
        round: RoundId,
        /// What is asked.
        kind: QueryKind,
    },
    /// The masked vector of the round is out.
    Uploaded {
        /// The attempt.
        round: RoundId,
    },
    /// Totals were released.
    RoundDone {
        /// The attempt.
        round: RoundId,
        /// Whose data they hold.
        survivors: Vec<PartyId>,
    },
}

/// One released table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedRound {
    /// The attempt that succeeded.
    pub id: RoundId,
    /// What was asked.
    pub kind: QueryKind,
    /// Whose data the totals hold.
    pub survivors: Vec<PartyId>,
    /// The totals, in the order of the query's cells.
    pub totals: Vec<i64>,
}

/// A complete run, as one party has it.
#[derive(Clone, Debug)]
pub struct PartyOutcome {
    /// The model.
    pub forest: Forest,
    /// The released tables in order.
    pub rounds: Vec<ReleasedRound>,
}
