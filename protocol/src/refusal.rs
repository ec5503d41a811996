//! The words in which a party declines.

use serde::{Deserialize, Serialize};

use crate::check::CheckId;
use crate::ids::{PartyId, RoundId};

/// Why a party refuses a run. It travels to the coordinator, so it holds nothing private; its `Display` is
/// what both operators read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The run asks for more privacy loss than the policy allows.
    #[error(
        "the run asks for epsilon = {asked}, the policy of this party allows {allowed} (policy key `max_epsilon`)"
    )]
    Epsilon {
        /// Epsilon of the run.
        asked: f64,
        /// Largest epsilon of the policy.
        allowed: f64,
    },
    /// The run asks for a larger delta than the policy allows.
    #[error(
        "the run asks for delta = {asked:e}, the policy of this party allows {allowed:e} (policy key `max_delta`)"
    )]
    Delta {
        /// Delta of the run.
        asked: f64,
        /// Largest delta of the policy.
        allowed: f64,
    },
    /// The run adds no noise.
    #[error(
        "the run adds no noise (epsilon = \"none\"), the policy of this party requires it (policy key `require_noise`)"
    )]
    NoNoise,
    /// Sums could be released over too few parties.
    #[error(
        "the run may release a sum over {asked} parties, the policy of this party wants at least {allowed} (policy key `min_parties`)"
    )]
    MinParties {
        /// Fewest survivors that the run accepts.
        asked: u32,
        /// Fewest that the policy accepts.
        allowed: u32,
    },
    /// The run withstands too few colluding parties.
    #[error(
        "the run withstands {asked} colluding parties, the policy of this party wants at least {allowed} (policy key `min_collusion`)"
    )]
    Collusion {
        /// Collusion bound of the run.
        asked: u32,
        /// Smallest bound that the policy accepts.
        allowed: u32,
    },
    /// The run uses a column that the policy does not list.
    #[error(
        "the run uses column {column:?}, which the policy of this party does not list (policy key `allowed_columns`)"
    )]
    Column {
        /// The column.
        column: String,
    },
    /// The run asks more often than the policy allows.
    #[error(
        "the run asks {asked} queries, the policy of this party allows {allowed} (policy key `max_queries`)"
    )]
    Queries {
        /// Queries asked, repeated attempts included.
        asked: u32,
        /// Most queries of the policy.
        allowed: u32,
    },
    /// The ledger cannot pay.
    #[error(
        "the privacy budget of this party does not suffice: asked {asked}, left {left} (zCDP rho; see `hedgerow ledger show`)"
    )]
    Budget {
        /// What the run or round costs, in words.
        asked: String,
        /// What is left, in words.
        left: String,
    },
    /// The configuration itself is not acceptable.
    #[error("the configuration of the run is not acceptable ({check}): {detail}")]
    Config {
        /// The check that failed.
        check: CheckId,
        /// What was found.
        detail: String,
    },
    /// A message breaks the protocol.
    #[error("{check} failed{}{}: {detail}", in_round(.round), by(.culprit))]
    Check {
        /// The check that failed.
        check: CheckId,
        /// The round, where there is one.
        round: Option<RoundId>,
        /// The party whose contribution is wrong; without one it is the coordinator's message.
        culprit: Option<PartyId>,
        /// What was found and what was expected.
        detail: String,
    },
    /// The own data cannot answer.
    #[error("the data of this party cannot answer the query: {detail}")]
    Data {
        /// The data engine's message; it names files and columns, never values of rows.
        detail: String,
    },
    /// A defect or an impossible state in this party's own software.
    #[error("this party cannot go on: {detail}")]
    Internal {
        /// What was impossible.
        detail: String,
    },
    /// Trees grow in a way that the policy does not allow.
    #[error(
        "the run grows {asked} trees, which the policy of this party does not list (policy key `allowed_growths`)"
    )]
    Growth {
        /// Growth of the run.
        asked: String,
    },
    /// The partition of the run is not one that the policy allows.
    #[error(
        "the run is {asked}, which the policy of this party does not list (policy key `allowed_partitions`)"
    )]
    Partition {
        /// Partition of the run.
        asked: String,
    },
    /// Row parties would get to know the keys of attribute parties.
    #[error(
        "the run aligns in plain: row parties get to know the keys of attribute parties (policy key `plain_alignment`)"
    )]
    PlainAlignment,
    /// Trees test columns of more links than the policy wants.
    #[error(
        "the run's trees test columns of {asked} links, the policy of this party allows {allowed} (policy key `max_links_per_tree`)"
    )]
    LinksPerTree {
        /// Links of the run.
        asked: u8,
        /// Links allowed.
        allowed: u8,
    },
    /// The size of the overlap is blurred less than the policy wants.
    #[error(
        "the run aligns with a pool of {asked} dummies, the policy of this party wants at least {allowed} (policy key `min_pad`)"
    )]
    Pad {
        /// Dummies in the run's pool.
        asked: u32,
        /// Fewest that the policy accepts.
        allowed: u32,
    },
    /// The noise promises nothing for attributes.
    #[error(
        "the unit of the run is one row, which promises nothing for attributes (policy key `require_entity_unit`)"
    )]
    EntityUnit,
    /// More rows of one entity count than the policy allows.
    #[error(
        "the run counts up to {asked} rows of one entity, the policy of this party allows {allowed} (policy key `max_rows_per_entity`)"
    )]
    RowsPerEntity {
        /// K of the run.
        asked: u32,
        /// Largest K of the policy.
        allowed: u32,
    },
    /// More private scores than the policy allows.
    #[error(
        "the run may ask for {asked} private scores, the policy of this party allows {allowed} (policy key `max_scores`)"
    )]
    Scores {
        /// Scores that the run may ask for.
        asked: u64,
        /// Most scores of the policy.
        allowed: u64,
    },
    /// Scores reveal profiles, and no noise is added to them.
    #[error(
        "the run asks for scores without output noise, which reveal profiles of entities (policy key `exact_scores`)"
    )]
    ExactScores,
    /// The alignments of the run would cost more than the policy lets the keys of this party spend.
    #[error(
        "the run's alignments cost epsilon {asked} of this party's keys, {left} are left (policy key `total_overlap_epsilon`)"
    )]
    Overlap {
        /// Epsilon of all alignments of the run, in decimals; `inf` without dummies.
        asked: String,
        /// Epsilon that is left.
        left: String,
    },
    /// The run's noise is not one that the policy allows.
    #[error(
        "the run adds {asked} noise, which the policy of this party does not list (policy key `allowed_mechanisms`)"
    )]
    Mechanism {
        /// Noise of the run.
        asked: String,
    },
}

fn in_round(round: &Option<RoundId>) -> String {
    round
        .map(|round| format!(" in round {round}"))
        .unwrap_or_default()
}

fn by(culprit: &Option<PartyId>) -> String {
    culprit
        .as_ref()
        .map(|party| format!(", culprit {party}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_reads_what_was_asked_what_is_allowed_and_where_to_change_it() {
        let text = Refusal::Epsilon {
            asked: 3.0,
            allowed: 1.0,
        }
        .to_string();
        assert_eq!(
            text,
            "the run asks for epsilon = 3, the policy of this party allows 1 (policy key `max_epsilon`)"
        );
        let text = Refusal::Check {
            check: CheckId(27),
            round: Some(RoundId { step: 1, attempt: 0 }),
            culprit: Some(PartyId::new("beta").unwrap()),
            detail: "the sealed share does not open".into(),
        }
        .to_string();
        assert_eq!(
            text,
            "CHK-027 failed in round 1.0, culprit beta: the sealed share does not open"
        );
    }
}
