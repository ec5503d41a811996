//! Membership inference: how well scores tell rows that were trained on from rows that were not.
//!
//! **Measures** area under the ROC curve, advantage (largest difference of true and false positive rate; at most
//! `(e^epsilon - 1 + 2 delta) / (e^epsilon + 1)` under (epsilon, delta)-differential privacy: Humphries et al., *Investigating
//! Membership Inference Attacks under Data Dependencies*, CSF 2023), and the true positive rate at few false positives
//! (Carlini et al., *Membership Inference Attacks From First Principles*, IEEE S&P 2022) with bounds of Clopper and
//! Pearson for rates at a threshold that does not depend on who is a member.

use super::binomial::clopper_pearson;

/// A point of the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// Part of the non-members that is called members.
    pub false_positives: f64,
    /// Part of the members that is called members.
    pub true_positives: f64,
    /// Bounds on the true positive rate.
    pub bounds: (f64, f64),
}

/// What a membership inference achieves.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// Area under the ROC curve; 0.5 is guessing.
    pub auc: f64,
    /// Largest `true - false` positive rate over all thresholds; optimistic, because the threshold is chosen afterwards.
    pub advantage: f64,
    /// The highest true positive rate at a false positive rate of at most each of [`FALSE_POSITIVES`].
    pub at: Vec<RocPoint>,
}

/// False positive rates that [`Membership::at`] reports.
pub const FALSE_POSITIVES: [f64; 3] = [0.001, 0.01, 0.1];

/// The most that the advantage can be under (epsilon, delta)-differential privacy.
#[must_use]
pub fn largest_advantage(epsilon: f64, delta: f64) -> f64 {
    ((epsilon / 2.0).tanh() + 2.0 * delta / (epsilon.exp() + 1.0)).min(1.0)
}

/// The test: high `scores` speak for membership. Equal scores are called alike. `scores` and `members` are `[rows]`;
/// `None` without a member or without a non-member.
#[must_use]
pub fn membership(scores: &[f64], members: &[bool], confidence: f64) -> Option<Membership> {
    let mut rows: Vec<(f64, bool)> = scores.iter().copied().zip(members.iter().copied()).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = rows.iter().filter(|row| row.1).count() as u64;
    let negatives = rows.len() as u64 - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    // All thresholds between different scores, from "nobody" to "everybody".
    let mut curve = vec![(0u64, 0u64)];
    for group in rows.chunk_by(|a, b| a.0 == b.0) {
        let within = group.iter().filter(|row| row.1).count() as u64;
        let (mut false_positives, mut true_positives) = curve.last().copied().unwrap_or_default();
        true_positives += within;
        false_positives += group.len() as u64 - within;
        curve.push((false_positives, true_positives));
    }
    let rate = |count: u64, of: u64| count as f64 / of as f64;
    let auc = curve
        .windows(2)
        .map(|step| match step {
            [a, b] => rate(b.0 - a.0, negatives) * 0.5 * (rate(a.1, positives) + rate(b.1, positives)),
            _ => 0.0,
        })
        .sum();
    let advantage = curve
        .iter()
        .map(|(f, t)| rate(*t, positives) - rate(*f, negatives))
        .fold(0.0, f64::max);
    let at = FALSE_POSITIVES
        .iter()
        .map(|most| {
            let allowed = curve.iter().rev().find(|(f, _)| rate(*f, negatives) <= *most);
            let (f, t) = allowed.copied().unwrap_or_default();
            RocPoint {
                false_positives: rate(f, negatives),
                true_positives: rate(t, positives),
                bounds: clopper_pearson(t, positives, confidence),
            }
        })
        .collect();
    Some(Membership { auc, advantage, at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn perfect_useless_and_inverted_scores() {
        let members = [true, true, false, false];
        let of = |scores: &[f64]| membership(scores, &members, 0.95).unwrap();
        let perfect = of(&[0.9, 0.8, 0.2, 0.1]);
        assert_eq!((perfect.auc, perfect.advantage), (1.0, 1.0));
        assert_eq!(
            (perfect.at[0].false_positives, perfect.at[0].true_positives),
            (0.0, 1.0)
        );
        assert!(perfect.at[0].bounds.0 > 0.1 && perfect.at[0].bounds.1 == 1.0);
        let useless = of(&[0.5; 4]);
        assert_eq!(
            (useless.auc, useless.advantage, useless.at[2].true_positives),
            (0.5, 0.0, 0.0)
        );
        assert_eq!(of(&[0.1, 0.2, 0.8, 0.9]).auc, 0.0);
        assert!(membership(&[1.0], &[true], 0.95).is_none());
    }

    #[test]
    fn the_largest_advantage_is_that_of_randomized_response() {
        let e = 1f64.exp();
        assert!((largest_advantage(1.0, 0.0) - (e - 1.0) / (e + 1.0)).abs() < 1e-12);
        assert!((largest_advantage(1.0, 0.01) - (e - 1.0 + 0.02) / (e + 1.0)).abs() < 1e-12);
    }

    proptest! {
        /// The area is the probability that a member scores higher than a non-member, ties counting half.
        #[test]
        fn the_area_is_a_probability(rows in prop::collection::vec((0u8..6, any::<bool>()), 2..40)) {
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let members: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let Some(found) = membership(&scores, &members, 0.9) else { return Ok(()) };
            let (mut wins, mut pairs) = (0.0, 0.0);
            for a in rows.iter().filter(|row| row.1) {
                for b in rows.iter().filter(|row| !row.1) {
                    pairs += 1.0;
                    wins += match a.0.cmp(&b.0) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            prop_assert!((found.auc - wins / pairs).abs() < 1e-9);
        }
    }
}
