//! Tails of the binomial distribution, summed from logarithms: every term is positive, so nothing cancels.

/// `ln k!` for `k` from 0 to `n`.
#[derive(Clone, Debug)]
pub struct LogFactorials(Vec<f64>);

impl LogFactorials {
    /// The table up to `n`, by compensated summation of logarithms.
    #[must_use]
    pub fn up_to(n: u64) -> Self {
        let (mut sum, mut lost) = (0.0f64, 0.0f64);
        let mut table = vec![0.0];
        for k in 1..=n {
            let term = (k as f64).ln() - lost;
            let next = sum + term;
            lost = (next - sum) - term;
            sum = next;
            table.push(sum);
        }
        LogFactorials(table)
    }

    fn of(&self, k: u64) -> f64 {
        self.0.get(k as usize).copied().unwrap_or(f64::NAN)
    }

    /// `P(Binomial(n, p) = k)`, for `n` within the table and `p` in `[0, 1]`.
    #[must_use]
    pub fn probability(&self, n: u64, p: f64, k: u64) -> f64 {
        if k > n {
            return 0.0;
        }
        let power = |base: f64, log: f64, times: u64| match times {
            0 => 0.0,
            _ if base == 0.0 => f64::NEG_INFINITY,
            _ => times as f64 * log,
        };
        let choose = self.of(n) - self.of(k) - self.of(n - k);
        (choose + power(p, p.ln(), k) + power(1.0 - p, (-p).ln_1p(), n - k)).exp()
    }

    /// `P(Binomial(n, p) >= k)`.
    #[must_use]
    pub fn at_least(&self, n: u64, p: f64, k: u64) -> f64 {
        if k == 0 {
            return 1.0;
        }
        // The smaller terms first.
        (k..=n)
            .rev()
            .map(|k| self.probability(n, p, k))
            .sum::<f64>()
            .min(1.0)
    }
}

/// The interval of Clopper and Pearson (*Biometrika* 1934) for the success probability behind `successes` out of
/// `trials`: it contains the truth with a probability of at least `confidence`. `(0, 1)` without trials.
#[must_use]
pub fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> (f64, f64) {
    let table = LogFactorials::up_to(trials);
    let miss = (1.0 - confidence) / 2.0;
    // The smallest p that makes so many successes not too unlikely; by symmetry the largest, too.
    let lowest = |successes: u64| {
        if successes == 0 {
            return 0.0;
        }
        bisect(|p| table.at_least(trials, p, successes) < miss)
    };
    let successes = successes.min(trials);
    (lowest(successes), 1.0 - lowest(trials - successes))
}

/// Where `low` turns from true to false on `[0, 1]`, from below.
fn bisect(low: impl Fn(f64) -> bool) -> f64 {
    let (mut from, mut to) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (from + to);
        if low(middle) {
            from = middle;
        } else {
            to = middle;
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Beta, Binomial, ContinuousCDF, Discrete, DiscreteCDF};

    #[test]
    fn agrees_with_statrs() {
        let table = LogFactorials::up_to(2000);
        for (n, p) in [(10, 0.3), (200, 0.9), (2000, 0.51), (2000, 1e-4)] {
            let theirs = Binomial::new(p, n).unwrap();
            for k in [0, 1, n / 3, n / 2, n - 1, n] {
                let (ours, other) = (table.probability(n, p, k), theirs.pmf(k));
                assert!(
                    (ours - other).abs() <= 1e-9 * other + 1e-300,
                    "{n} {p} {k}: {ours} {other}"
                );
                if k > 0 && theirs.sf(k - 1) > 1e-12 {
                    let (ours, other) = (table.at_least(n, p, k), theirs.sf(k - 1));
                    assert!((ours / other - 1.0).abs() < 1e-8, "{n} {p} {k}: {ours} {other}");
                }
            }
        }
        assert_eq!(table.probability(5, 1.0, 5), 1.0);
        assert_eq!(table.probability(5, 0.0, 0), 1.0);
    }

    #[test]
    fn clopper_pearson_are_quantiles_of_beta() {
        for (k, n) in [(3u64, 20u64), (199, 200), (50, 1000)] {
            let (low, high) = clopper_pearson(k, n, 0.95);
            let (a, b) = (k as f64, (n - k) as f64);
            let expected_low = Beta::new(a, b + 1.0).unwrap().inverse_cdf(0.025);
            let expected_high = Beta::new(a + 1.0, b).unwrap().inverse_cdf(0.975);
            assert!(
                (low - expected_low).abs() < 1e-6 && (high - expected_high).abs() < 1e-6,
                "{k}/{n}: {low} {high}"
            );
        }
        assert_eq!(clopper_pearson(0, 0, 0.95), (0.0, 1.0));
        assert_eq!(clopper_pearson(0, 10, 0.95).0, 0.0);
        assert_eq!(clopper_pearson(10, 10, 0.95).1, 1.0);
    }
}
