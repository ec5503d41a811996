//! What private alignments cost a party: the presence of its keys, not its rows.
//!
//! **Mechanism** dummies from a common pool ([`hedgerow_crypto::align::Padding`]) · **neighbours** two sets of keys of this
//! party, of the same size, that differ in one key · **sensitivity** 1, of the size of the overlap with one peer ·
//! **measure** (epsilon, delta), of which the guarantee has no finite zCDP: epsilons and deltas of all alignments add up
//! (basic composition). It is another guarantee than that of the rows, so it has a budget of its own.

use serde::{Deserialize, Serialize};

use super::ledger::LedgerState;
use crate::config::RunConfig;
use crate::ids::{PartyId, RunId};
use crate::policy::Policy;
use crate::refusal::Refusal;

/// The payment for one alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverlapEntry {
    /// The run.
    pub run: RunId,
    /// With whom.
    pub peer: PartyId,
    /// Epsilon of this alignment; infinite, written as nothing, where no dummies blurred the overlap.
    pub epsilon: Option<f64>,
    /// Delta of this alignment.
    pub delta: f64,
}

impl OverlapEntry {
    fn cost(&self) -> f64 {
        self.epsilon.unwrap_or(f64::INFINITY)
    }
}

/// The payments for all alignments of a run; none where keys are told in the clear, which the policy allows by another
/// key.
pub(super) fn payments(config: &RunConfig, party: &PartyId, policy: &Policy) -> Vec<OverlapEntry> {
    let alignment = config.join().map(|join| join.alignment);
    let Some(epsilon) = alignment.and_then(|alignment| alignment.epsilon(policy.overlap_delta)) else {
        return Vec::new();
    };
    let of = |peer: &PartyId| OverlapEntry {
        run: config.run,
        peer: peer.clone(),
        epsilon: Some(epsilon).filter(|epsilon| epsilon.is_finite()),
        delta: policy.overlap_delta,
    };
    let peers = config
        .parties
        .iter()
        .filter(|other| config.are_counterparts(party, other));
    peers.map(of).collect()
}

impl LedgerState {
    /// The same books with these alignments in them.
    #[must_use]
    pub fn with_overlaps(mut self, entries: impl IntoIterator<Item = OverlapEntry>) -> Self {
        self.overlaps.extend(entries);
        self
    }

    /// Sum of the epsilons of all alignments, those of this run aside.
    fn overlap_spent(&self, run: RunId) -> f64 {
        let others = self.overlaps.iter().filter(|entry| entry.run != run);
        others.map(OverlapEntry::cost).sum()
    }

    /// Whether all alignments of the run fit into what the policy lets the keys of this party spend.
    pub(super) fn could_align(
        &self,
        config: &RunConfig,
        party: &PartyId,
        policy: &Policy,
    ) -> Result<(), Refusal> {
        let Some(most) = policy.total_overlap_epsilon else {
            return Ok(());
        };
        let asked: f64 = payments(config, party, policy)
            .iter()
            .map(OverlapEntry::cost)
            .sum();
        let left = (most - self.overlap_spent(config.run)).max(0.0);
        // CHK-089: before the run begins. Rounding of the sum is forgiven.
        if asked <= left * (1.0 + 1e-9) {
            Ok(())
        } else {
            Err(Refusal::Overlap {
                asked: asked.to_string(),
                left: left.to_string(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::join_tests::mixed;
    use crate::config::{Alignment, Partition, Role};

    fn config(pad: u32) -> RunConfig {
        let mut literal = mixed(2, 3);
        match &mut literal.partition {
            Partition::Mixed(join) => {
                join.alignment = Alignment::Private { minimum: 1, pad };
            }
            other => panic!("{other:?}"),
        }
        RunConfig::new(literal).unwrap()
    }

    fn policy(most: Option<f64>) -> Policy {
        Policy {
            total_overlap_epsilon: most,
            ..Policy::default()
        }
    }

    fn books() -> LedgerState {
        LedgerState::new(Policy::default().books().unwrap(), [])
    }

    #[test]
    fn every_counterpart_is_paid_for_at_the_pools_price() {
        let config = config(294);
        for party in &config.parties {
            let paid = payments(&config, party, &policy(None));
            let expected = if config.role(party) == Role::Row { 3 } else { 2 };
            assert_eq!(paid.len(), expected);
            // 147 dummies of each side are epsilon 1 at delta 1e-6, by the table of `Padding`.
            assert!(
                paid.iter().all(|entry| (entry.cost() - 1.0).abs() < 0.02),
                "{paid:?}"
            );
        }
    }

    #[test]
    fn a_budget_holds_over_runs_and_refuses_exact_overlaps() {
        let (blurred, exact) = (config(294), config(0));
        let me = blurred
            .parties
            .iter()
            .find(|party| blurred.role(party) == Role::Row)
            .unwrap();
        let policy = policy(Some(3.5));
        assert_eq!(books().could_align(&blurred, me, &policy), Ok(()));
        let refusal = books().could_align(&exact, me, &policy).unwrap_err();
        assert!(
            refusal.to_string().contains("total_overlap_epsilon"),
            "CHK-089 {refusal}"
        );
        let earlier = payments(&blurred, me, &policy)
            .into_iter()
            .map(|entry| OverlapEntry {
                run: RunId([77; 16]),
                ..entry
            });
        let spent = books().with_overlaps(earlier);
        assert!(spent.could_align(&blurred, me, &policy).is_err(), "CHK-089");
        // A restart in the middle of a run finds its own payments and does not pay twice.
        let own = books().with_overlaps(payments(&blurred, me, &policy));
        assert_eq!(own.could_align(&blurred, me, &policy), Ok(()));
    }
}
