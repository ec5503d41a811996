//! Auditing with one run (Steinke, Nasr and Jagielski, *Privacy Auditing with One (1) Training Run*, NeurIPS 2023).
//!
//! Each of `m` canary rows is included or not by its own fair coin. An adversary who sees what was released guesses
//! which are in, and may abstain. **Theorem 5.2**: if the release is (epsilon, delta)-differentially private under adding
//! or removing one row, then, given that `r` guesses are made, at least `v` are right with a probability of at most
//!
//! ```text
//! P(W >= v) + 2 m delta max over i = 1 .. v of P(v > W >= v - i) / i,   W ~ Binomial(r, e^epsilon / (1 + e^epsilon))
//! ```
//!
//! The epsilons for which this is below `1 - confidence` are refuted. Which guesses are made may depend on what was
//! released, but not on which of them turn out right: one rule, written down before ([`guess`]).

use super::binomial::LogFactorials;

/// What the adversary achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    /// Canaries, each included by a fair coin.
    pub canaries: u64,
    /// Canaries about which the adversary did not abstain.
    pub made: u64,
    /// Guesses that were right.
    pub right: u64,
}

/// The rule: the `per_side` canaries of the highest scores are said to be in, the `per_side` of the lowest to be out,
/// nothing is said about the others. Equal scores are ordered by position, which must not depend on the coins.
/// `scores` and `included` are `[canaries]`; `per_side` is cut to half of them.
#[must_use]
pub fn guess(scores: &[f64], included: &[bool], per_side: usize) -> Guesses {
    let mut order: Vec<usize> = (0..scores.len().min(included.len())).collect();
    order.sort_by(|a, b| {
        scores
            .get(*a)
            .unwrap_or(&0.0)
            .total_cmp(scores.get(*b).unwrap_or(&0.0))
    });
    let per_side = per_side.min(order.len() / 2);
    let is_in = |index: &&usize| included.get(**index).copied().unwrap_or(false);
    let out = order.iter().take(per_side).filter(|index| !is_in(index)).count();
    let within = order.iter().rev().take(per_side).filter(is_in).count();
    Guesses {
        canaries: order.len() as u64,
        made: 2 * per_side as u64,
        right: (out + within) as u64,
    }
}

/// A bound on the probability of at least `guesses.right` right guesses under (epsilon, delta)-differential privacy:
/// Theorem 5.2. 1 for what is not a number of guesses.
#[must_use]
pub fn p_value(guesses: &Guesses, epsilon: f64, delta: f64) -> f64 {
    p_value_from(&LogFactorials::up_to(guesses.made), guesses, epsilon, delta)
}

fn p_value_from(table: &LogFactorials, guesses: &Guesses, epsilon: f64, delta: f64) -> f64 {
    let Guesses {
        canaries,
        made,
        right,
    } = *guesses;
    if right > made || made > canaries || epsilon.is_nan() || delta.is_nan() {
        return 1.0;
    }
    let accuracy = 1.0 / (1.0 + (-epsilon).exp());
    let pure = table.at_least(made, accuracy, right);
    if delta == 0.0 {
        return pure.min(1.0);
    }
    let (mut below, mut steepest) = (0.0f64, 0.0f64);
    for i in 1..=right {
        below += table.probability(made, accuracy, right - i);
        steepest = steepest.max(below / i as f64);
    }
    (pure + 2.0 * canaries as f64 * delta * steepest).min(1.0)
}

/// The largest epsilon below which all are refuted at this confidence, with delta given: 0 if none is. Rounded down.
#[must_use]
pub fn epsilon_lower_bound(guesses: &Guesses, delta: f64, confidence: f64) -> f64 {
    let table = LogFactorials::up_to(guesses.made);
    let refuted = |epsilon: f64| p_value_from(&table, guesses, epsilon, delta) < 1.0 - confidence;
    if !refuted(0.0) {
        return 0.0;
    }
    // The p-value grows with epsilon; beyond 64 the accuracy is 1 as a float and nothing is refuted.
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if refuted(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::testing::rng;
    use proptest::prelude::*;
    use rand_core::Rng;

    fn of(canaries: u64, made: u64, right: u64) -> Guesses {
        Guesses {
            canaries,
            made,
            right,
        }
    }

    /// Values of the paper's own program (its appendix D), run with scipy: `vectors/generate.py`.
    #[test]
    fn agrees_with_the_program_of_the_paper() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../vectors/audit.json")).unwrap();
        let mut checked = 0;
        for case in vectors["cases"].as_array().unwrap() {
            let number = |key: &str| case[key].as_f64().unwrap();
            let guesses = of(number("m") as u64, number("r") as u64, number("v") as u64);
            let p = p_value(&guesses, number("epsilon"), number("delta"));
            assert!((p / number("p") - 1.0).abs() < 1e-6 || p < 1e-290, "{case}: {p}");
            let bound = epsilon_lower_bound(&guesses, number("delta"), 0.999);
            assert!((bound - number("bound")).abs() < 1e-6, "{case}: {bound}");
            checked += 1;
        }
        assert!(checked > 20);
    }

    #[test]
    fn perfect_guesses_refute_what_they_can() {
        // q^100 = 0.001 at q = 0.93325.
        let bound = epsilon_lower_bound(&of(100, 100, 100), 0.0, 0.999);
        assert!((bound - (0.93325f64 / 0.06675).ln()).abs() < 1e-3, "{bound}");
        assert_eq!(epsilon_lower_bound(&of(100, 100, 50), 0.0, 0.999), 0.0);
        assert_eq!(epsilon_lower_bound(&of(100, 0, 0), 0.0, 0.999), 0.0);
        assert!(epsilon_lower_bound(&of(100, 100, 100), 1e-3, 0.999) < bound);
        assert_eq!(p_value(&of(10, 5, 6), 1.0, 0.0), 1.0);
    }

    #[test]
    fn guesses_are_the_ends_of_the_order() {
        let scores = [0.9, 0.1, 0.5, 0.8, 0.2, 0.4];
        let included = [true, false, true, false, false, true];
        assert_eq!(guess(&scores, &included, 2), of(6, 4, 3));
        assert_eq!(guess(&scores, &included, 9), of(6, 6, 4));
        assert_eq!(guess(&[], &[], 3), of(0, 0, 0));
    }

    /// Randomized response is exactly epsilon-DP and as bad as epsilon-DP gets: its guesses are right with probability
    /// e^epsilon / (1 + e^epsilon).
    fn randomized_response(epsilon: f64, canaries: usize, rng: &mut impl Rng) -> Guesses {
        let keep = 1.0 / (1.0 + (-epsilon).exp());
        let mut fraction = || (rng.next_u64() >> 11) as f64 / 2f64.powi(53);
        let right = (0..canaries).filter(|_| fraction() < keep).count() as u64;
        of(canaries as u64, canaries as u64, right)
    }

    #[test]
    fn the_bound_exceeds_the_truth_at_most_as_often_as_it_may() {
        let mut rng = rng(5);
        for (epsilon, canaries) in [(0.2, 50), (1.0, 300), (3.0, 100)] {
            for confidence in [0.9, 0.99] {
                let runs = 2000;
                let exceeded = (0..runs)
                    .filter(|_| {
                        let guesses = randomized_response(epsilon, canaries, &mut rng);
                        epsilon_lower_bound(&guesses, 0.0, confidence) > epsilon
                    })
                    .count();
                let expected = f64::from(runs) * (1.0 - confidence);
                assert!(
                    (exceeded as f64) < expected + 4.0 * expected.sqrt(),
                    "epsilon {epsilon}: {exceeded} of {runs} at {confidence}"
                );
            }
        }
        // And it is no empty promise: many canaries come close to the truth.
        let guesses = randomized_response(1.0, 20_000, &mut rng);
        assert!(epsilon_lower_bound(&guesses, 0.0, 0.999) > 0.9);
    }

    proptest! {
        #[test]
        fn p_values_grow_with_epsilon_and_delta(made in 1u64..300, part in 0.0f64..=1.0, epsilon in 0.0f64..6.0, more in 0.0f64..2.0) {
            let right = (made as f64 * part) as u64;
            let guesses = of(made + 10, made, right);
            let p = p_value(&guesses, epsilon, 1e-5);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(p <= p_value(&guesses, epsilon + more, 1e-5) * (1.0 + 1e-9));
            prop_assert!(p <= p_value(&guesses, epsilon, 1e-3) + 1e-12);
        }
    }
}
