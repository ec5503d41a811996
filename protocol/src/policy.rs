//! What a party accepts, in its own file: `policy.toml`.

use std::fmt;

use hedgerow_dp::{Accountant, Budget, BudgetError, Noise, Order, Rho, rho_for};
use hedgerow_forest::params::Growth;
use serde::{Deserialize, Serialize};

use crate::config::{Alignment, Partition, RunConfig, Unit};
use crate::privacy;
use crate::refusal::Refusal;

/// A party's own rules. Every key has a default; the defaults are strict.
///
/// ```toml
/// max_epsilon = 1.0            # largest epsilon of one run
/// total_epsilon = 4.0          # of all runs together, at max_delta; without it, as max_epsilon
/// max_delta = 1e-6
/// min_parties = 3              # fewest parties in any released sum
/// min_collusion = 1
/// allowed_columns = ["age", "education"]   # without it, every column of the own data
/// max_queries = 1024           # of one run, repeated attempts included
/// allowed_mechanisms = ["discrete-gaussian"]   # which noise; without it, every one
/// allowed_growths = ["random", "greedy"]   # how trees may grow; without it, every way
/// require_noise = true
/// release_metrics = false      # metrics on own test rows
/// # joined runs:
/// allowed_partitions = ["horizontal", "vertical", "mixed"]   # without it, every one
/// plain_alignment = false      # let row parties know the keys of attribute parties
/// total_overlap_epsilon = 10   # of all private alignments together; without it, any
/// overlap_delta = 1e-6         # of one alignment
/// max_links_per_tree = 2       # 1: no tree may join this party's attributes with another attribute party's
/// min_pad = 0                  # fewest dummies in the pool that blurs the size of the overlap
/// require_entity_unit = false  # refuse noise that promises nothing for attributes
/// max_rows_per_entity = 100    # largest K of the unit "entity"; without it, any
/// max_scores = 0               # private scores that one run may ask for
/// exact_scores = false         # answer scores without output noise
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Largest epsilon of one run.
    pub max_epsilon: f64,
    /// Largest epsilon of all runs together, at `max_delta`; by default that of one run.
    pub total_epsilon: Option<f64>,
    /// Largest delta of one run.
    pub max_delta: f64,
    /// Fewest parties in any released sum.
    pub min_parties: u32,
    /// Smallest collusion bound.
    pub min_collusion: u32,
    /// Columns that a run may use; `None` allows all.
    pub allowed_columns: Option<Vec<String>>,
    /// Most queries of one run, repeated attempts included.
    pub max_queries: u32,
    /// How trees may grow; `None` allows all.
    pub allowed_growths: Option<Vec<Growth>>,
    /// Which noise a run may add; `None` allows all.
    pub allowed_mechanisms: Option<Vec<Noise>>,
    /// Refuse runs with `epsilon = "none"`.
    pub require_noise: bool,
    /// Release metrics on own test rows if the run asks for them.
    pub release_metrics: bool,
    /// Partitions that a run may have; `None` allows all.
    pub allowed_partitions: Option<Vec<PartitionName>>,
    /// Most links whose columns a tree may test: two attribute parties have a part in the trees of a chained run.
    pub max_links_per_tree: u8,
    /// Accept `alignment = "plain"`.
    pub plain_alignment: bool,
    /// Fewest dummies in the pool of a private alignment.
    pub min_pad: u32,
    /// Largest epsilon of all private alignments of all runs together, for the presence of one key; `None` allows any.
    pub total_overlap_epsilon: Option<f64>,
    /// The delta at which the epsilon of one alignment is counted.
    pub overlap_delta: f64,
    /// Refuse joined runs with noise whose unit is not the entity.
    pub require_entity_unit: bool,
    /// Largest K of the unit "entity"; `None` allows any.
    pub max_rows_per_entity: Option<u32>,
    /// Most private scores of one run; 0 refuses runs with prediction.
    pub max_scores: u64,
    /// Accept private scores without output noise.
    pub exact_scores: bool,
}

/// A partition by its name in policy files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionName {
    /// Each party has whole rows of its own.
    Horizontal,
    /// One party has rows, others further columns of the same entities.
    Vertical,
    /// Rows refer to entities at many attribute parties.
    Mixed,
}

impl PartitionName {
    fn of(partition: &Partition) -> Self {
        match partition {
            Partition::Horizontal => Self::Horizontal,
            Partition::Vertical(_) => Self::Vertical,
            Partition::Mixed(_) => Self::Mixed,
        }
    }
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Horizontal => "horizontal",
            Self::Vertical => "vertical",
            Self::Mixed => "mixed",
        })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_epsilon: 1.0,
            total_epsilon: None,
            max_delta: 1e-6,
            min_parties: 2,
            min_collusion: 1,
            allowed_columns: None,
            max_queries: 1024,
            allowed_growths: None,
            allowed_mechanisms: None,
            require_noise: true,
            release_metrics: false,
            allowed_partitions: None,
            max_links_per_tree: 2,
            plain_alignment: false,
            min_pad: 0,
            total_overlap_epsilon: None,
            overlap_delta: 1e-6,
            require_entity_unit: false,
            max_rows_per_entity: None,
            max_scores: 0,
            exact_scores: false,
        }
    }
}

impl Policy {
    /// Whether this party takes part in a run of this configuration, its ledger apart.
    ///
    /// # Errors
    /// The first [`Refusal`], naming the policy key that the operator would have to change.
    pub fn check(&self, config: &RunConfig) -> Result<(), Refusal> {
        // CHK-004: the party's own rules, before it signs anything.
        match &config.privacy {
            None if self.require_noise => return Err(Refusal::NoNoise),
            None => {}
            Some(privacy) => {
                // False for NaN on either side, so that a broken policy refuses everything.
                let within = |asked: f64, allowed: f64| asked <= allowed;
                if !within(privacy.epsilon, self.max_epsilon) {
                    return Err(Refusal::Epsilon {
                        asked: privacy.epsilon,
                        allowed: self.max_epsilon,
                    });
                }
                // Laplace noise is pure differential privacy, whatever delta the run writes down.
                let is_pure = privacy.mechanism == Noise::DiscreteLaplace;
                if !is_pure && !within(privacy.delta, self.max_delta) {
                    return Err(Refusal::Delta {
                        asked: privacy.delta,
                        allowed: self.max_delta,
                    });
                }
                if let Some(allowed) = &self.allowed_mechanisms
                    && !allowed.contains(&privacy.mechanism)
                {
                    return Err(Refusal::Mechanism {
                        asked: privacy.mechanism.as_str().to_owned(),
                    });
                }
            }
        }
        if config.min_parties < self.min_parties {
            return Err(Refusal::MinParties {
                asked: config.min_parties,
                allowed: self.min_parties,
            });
        }
        if config.collusion < self.min_collusion {
            return Err(Refusal::Collusion {
                asked: config.collusion,
                allowed: self.min_collusion,
            });
        }
        if let Some(allowed) = &self.allowed_columns {
            for column in &config.schema.features {
                if !allowed.contains(&column.name) {
                    return Err(Refusal::Column {
                        column: column.name.clone(),
                    });
                }
            }
        }
        let asked = config.forest.growth;
        if let Some(allowed) = &self.allowed_growths
            && !allowed.contains(&asked)
        {
            return Err(Refusal::Growth {
                asked: asked.as_str().to_owned(),
            });
        }
        let plan = privacy::plan(config).map_err(|error| Refusal::Internal {
            detail: error.to_string(),
        })?;
        let asked = u32::try_from(plan.len()).unwrap_or(u32::MAX);
        if asked > self.max_queries {
            return Err(Refusal::Queries {
                asked,
                allowed: self.max_queries,
            });
        }
        self.check_join(config)
    }

    fn check_join(&self, config: &RunConfig) -> Result<(), Refusal> {
        let asked = PartitionName::of(&config.partition);
        if let Some(allowed) = &self.allowed_partitions
            && !allowed.contains(&asked)
        {
            return Err(Refusal::Partition {
                asked: asked.to_string(),
            });
        }
        let Some(join) = config.join() else {
            return Ok(());
        };
        let asked = config.forest.links_per_tree.max(1);
        if asked > self.max_links_per_tree {
            return Err(Refusal::LinksPerTree {
                asked,
                allowed: self.max_links_per_tree,
            });
        }
        match join.alignment {
            Alignment::Plain if !self.plain_alignment => return Err(Refusal::PlainAlignment),
            Alignment::Private { pad, .. } if pad < self.min_pad => {
                return Err(Refusal::Pad {
                    asked: pad,
                    allowed: self.min_pad,
                });
            }
            _ => {}
        }
        match config.privacy.map(|privacy| privacy.unit) {
            Some(Unit::Row) if self.require_entity_unit => return Err(Refusal::EntityUnit),
            Some(Unit::Entity { rows }) => {
                if let Some(allowed) = self.max_rows_per_entity.filter(|allowed| rows > *allowed) {
                    return Err(Refusal::RowsPerEntity { asked: rows, allowed });
                }
            }
            _ => {}
        }
        let Some(prediction) = &join.prediction else {
            return Ok(());
        };
        if prediction.rows > self.max_scores {
            return Err(Refusal::Scores {
                asked: prediction.rows,
                allowed: self.max_scores,
            });
        }
        if prediction.budget.is_none() && !self.exact_scores {
            return Err(Refusal::ExactScores);
        }
        Ok(())
    }

    /// Empty books of what the party may spend over all runs: at the order of Renyi divergence that suits its budget,
    /// where every mechanism has a price; of pure differential privacy, which only Laplace noise has, if `max_delta` is 0.
    ///
    /// # Errors
    /// [`BudgetError`] for an epsilon or delta out of range.
    pub fn books(&self) -> Result<Accountant, BudgetError> {
        let epsilon = self.total_epsilon.unwrap_or(self.max_epsilon);
        if self.max_delta == 0.0 {
            return Ok(Accountant::new(Rho::new(epsilon)?).at_order(Order::PURE));
        }
        let budget = Budget::new(epsilon, self.max_delta)?;
        Ok(Accountant::new(rho_for(&budget)?).at_order(budget.order()))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
