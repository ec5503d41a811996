//! The public configuration of a run: what everybody computes, and under which bounds.
//!
//! [`RunConfigLiteral`] is open and unchecked; [`RunConfig`] is closed and checked. The only way from one to
//! the other is [`RunConfig::new`], also for a configuration that comes from the wire, so nobody ever acts on
//! one that breaks a bound.

use std::ops::Deref;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_dp::Noise;
use hedgerow_forest::params::ForestParams;
use hedgerow_forest::schema::Schema;
use serde::{Deserialize, Serialize};

use crate::binding;
use crate::ids::{PartyId, RunId};

mod bounds;
mod canonical;
mod error;
mod join;
mod join_error;

pub use error::ConfigError;
pub use join::{
    Alignment, AttributeParty, Join, LinkConfig, LinkParty, MAX_SEGMENTS, Prediction, Role, ScoreBudget,
};
pub use join_error::JoinError;

/// Most parties of a run: masks are pairwise, so work and traffic grow with the square.
pub const MAX_PARTIES: usize = 255;

/// How rows are partitioned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Partition {
    /// Each party has whole rows of its own.
    Horizontal,
    /// One party has rows; others have further columns of the same entities.
    Vertical(Join),
    /// Rows refer through links to entities, each at one of many attribute parties.
    Mixed(Join),
}

/// What one unit of the privacy promise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// One row of one row party, added or removed. Promises nothing for attributes.
    Row,
    /// One entity: its attributes changed, or the entity added or removed with all its rows.
    Entity {
        /// Most rows that count for one entity over all links and row parties (K); the rest is left out.
        rows: u32,
    },
}

/// The differential privacy of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivacyParams {
    /// Epsilon, finite and above 0.
    pub epsilon: f64,
    /// Delta, in (0, 1).
    pub delta: f64,
    /// What neighbouring data sets differ in.
    pub unit: Unit,
    /// Which noise the parties add to their tables.
    pub mechanism: Noise,
}

/// How masked tables become a sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// Double-masked secure aggregation (Bonawitz et al., CCS 2017); survives drop-outs.
    Masked,
    /// Additive shares: the coordinator gets the vector minus one pseudorandom vector for each aggregator.
    Shares {
        /// Parties that hold the shares, sorted; at least two and more than the collusion bound.
        aggregators: Vec<PartyId>,
    },
}

/// Which rows are kept for testing: a row is, if its seeded hash as a fraction of 2^64 is below `fraction`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestSplit {
    /// Expected part of the rows, in [0, 1).
    pub fraction: f64,
    /// Seed of the hash.
    pub seed: u64,
}

/// A configuration as somebody writes it down; nothing has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfigLiteral {
    /// The run.
    pub run: RunId,
    /// Name of the run for people.
    pub name: String,
    /// What is learned, for people.
    pub task: String,
    /// How rows are partitioned.
    pub partition: Partition,
    /// Columns, their public bounds and categories, and the label.
    pub schema: Schema,
    /// Shape and growth of the forest.
    pub forest: ForestParams,
    /// Differential privacy; `None` releases exact totals.
    pub privacy: Option<PrivacyParams>,
    /// How tables are summed.
    pub aggregation: Aggregation,
    /// All parties of the run; the constructor sorts them.
    pub parties: Vec<PartyId>,
    /// Fewest survivors of a sum.
    pub min_parties: u32,
    /// Parties that may collude with the coordinator without learning more.
    pub collusion: u32,
    /// Shares that open a Shamir-shared secret (tau).
    pub shamir_threshold: u32,
    /// Modulus of the sum.
    pub modulus: Modulus,
    /// Declared bound on the rows of all parties together, hence on every cell.
    pub max_rows: u64,
    /// Which rows are kept for testing.
    pub test: TestSplit,
    /// Public seed of the forest's structure.
    pub seed: [u8; 32],
    /// Whether parties are asked to release metrics on their own test rows.
    pub release_metrics: bool,
}

/// Bound on the rows of all parties where nothing smaller is declared.
pub const DEFAULT_MAX_ROWS: u64 = 1 << 40;

/// The smallest Shamir threshold that satisfies `tau > (parties + collusion) / 2`.
#[must_use]
pub fn smallest_threshold(parties: u32, collusion: u32) -> u32 {
    parties.saturating_add(collusion) / 2 + 1
}

/// A configuration that keeps every bound. Readable through [`Deref`], never changeable.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig(RunConfigLiteral);

impl RunConfig {
    /// Checks everything that can be checked without data, and sorts the lists of parties.
    ///
    /// # Errors
    /// The first [`ConfigError`], with what was found and what is needed.
    pub fn new(mut literal: RunConfigLiteral) -> Result<Self, ConfigError> {
        literal.parties.sort();
        if let Partition::Vertical(join) | Partition::Mixed(join) = &mut literal.partition {
            join.sort();
        }
        if let Aggregation::Shares { aggregators } = &mut literal.aggregation {
            aggregators.sort();
        }
        // CHK-001: bounds of protocol.md, "Roles and trust" and "Summation".
        bounds::check(&literal)?;
        Ok(Self(literal))
    }

    /// The bytes that are sent, signed and hashed: postcard of an explicit mirror of the fields.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(&self.0)
    }

    /// Reads and checks a configuration from the wire.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`], [`ConfigError::NotCanonical`], or a bound that is broken.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let config = Self::new(canonical::decode(bytes)?)?;
        // CHK-002: one configuration, one digest.
        if config.to_bytes() != bytes {
            return Err(ConfigError::NotCanonical);
        }
        Ok(config)
    }

    /// H(config): what each party signs when it enrols.
    #[must_use]
    pub fn digest(&self) -> Digest {
        binding::config_digest(&self.to_bytes())
    }

    /// Whether the party is one of the run.
    #[must_use]
    pub fn lists(&self, party: &PartyId) -> bool {
        self.0.parties.binary_search(party).is_ok()
    }

    /// Whether the party holds shares in shares mode.
    #[must_use]
    pub fn is_aggregator(&self, party: &PartyId) -> bool {
        self.aggregators().binary_search(party).is_ok()
    }

    /// The aggregators, sorted; none in masked mode.
    #[must_use]
    pub fn aggregators(&self) -> &[PartyId] {
        match &self.0.aggregation {
            Aggregation::Masked => &[],
            Aggregation::Shares { aggregators } => aggregators,
        }
    }

    /// Fewest members that any set of a round (keys, shares, survivors) may have.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.0.min_parties.max(self.0.shamir_threshold) as usize
    }

    /// The unchecked form, to derive another configuration from this one.
    #[must_use]
    pub fn to_literal(&self) -> RunConfigLiteral {
        self.0.clone()
    }
}

impl Deref for RunConfig {
    type Target = RunConfigLiteral;

    fn deref(&self) -> &RunConfigLiteral {
        &self.0
    }
}

impl TryFrom<RunConfigLiteral> for RunConfig {
    type Error = ConfigError;

    fn try_from(literal: RunConfigLiteral) -> Result<Self, ConfigError> {
        Self::new(literal)
    }
}

#[cfg(test)]
pub(crate) mod join_tests;
#[cfg(test)]
mod tests;
