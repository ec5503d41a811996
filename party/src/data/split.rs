//! Which rows are test rows: a seeded hash of party and row number, so that every process that knows the seed
//! (training, evaluation, a replay) makes the same choice without keeping a list.

use hedgerow_crypto::hash::hash;

use super::error::DataError;

const DOMAIN: &str = "hedgerow/party/split/1";

/// The train/test split of one party's rows. Row `r` (from 0, in source order) is a test row if
/// `h(seed, party, r) / 2^64 < fraction`.
///
/// `h` is the SplitMix64 finaliser (Steele, Lea, Flood, OOPSLA 2014), twice, keyed by SHA-256 of seed and party: the
/// seed is public, so the hash need only be well mixed, not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    threshold: u64,
    keys: [u64; 2],
}

impl Split {
    /// A split that holds out `fraction` of the rows, in `[0, 1)`.
    ///
    /// # Errors
    /// [`DataError::Invalid`] for a fraction outside `[0, 1)`.
    pub fn new(fraction: f64, seed: u64, party: &str) -> Result<Self, DataError> {
        if !(0.0..1.0).contains(&fraction) {
            return Err(DataError::Invalid {
                what: "test.fraction".to_owned(),
                reason: format!("must be at least 0 and below 1, found {fraction}"),
            });
        }
        let digest = hash(DOMAIN, &[&seed.to_le_bytes(), party.as_bytes()]).0;
        let (first, rest) = digest.split_at(8);
        let (second, _) = rest.split_at(8);
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |word, byte| word << 8 | u64::from(*byte))
        };
        Ok(Self {
            // 2^64 as f64 is exact; a fraction below 1 stays below 2^64.
            threshold: (fraction * 18_446_744_073_709_551_616.0) as u64,
            keys: [word(first), word(second)],
        })
    }

    /// No row is a test row.
    pub const fn none() -> Self {
        Self {
            threshold: 0,
            keys: [0, 0],
        }
    }

    /// Does any row go to the test side? Without a split, scans need no row numbers and run in parallel.
    pub const fn is_none(&self) -> bool {
        self.threshold == 0
    }

    /// Is row `row` (from 0, in source order) a test row?
    pub fn is_test(&self, row: u64) -> bool {
        let [first, second] = self.keys;
        mix(mix(row ^ first) ^ second) < self.threshold
    }

    pub(crate) const fn words(&self) -> [u64; 3] {
        [self.threshold, self.keys[0], self.keys[1]]
    }

    pub(crate) const fn from_words([threshold, first, second]: [u64; 3]) -> Self {
        Self {
            threshold,
            keys: [first, second],
        }
    }
}

fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_of_test_rows_is_the_fraction() {
        for fraction in [0.01, 0.25, 0.9] {
            let split = Split::new(fraction, 7, "hospital-a").unwrap();
            let rows = 200_000u64;
            let test = (0..rows).filter(|row| split.is_test(*row)).count() as f64;
            let sigma = (rows as f64 * fraction * (1.0 - fraction)).sqrt();
            assert!(
                (test - rows as f64 * fraction).abs() < 5.0 * sigma,
                "{fraction}: {test}"
            );
        }
    }

    #[test]
    fn parties_and_seeds_split_differently() {
        let rows = 0..1000u64;
        let choose = |split: Split| rows.clone().map(|row| split.is_test(row)).collect::<Vec<_>>();
        let first = choose(Split::new(0.5, 1, "a").unwrap());
        assert_eq!(first, choose(Split::new(0.5, 1, "a").unwrap()));
        assert_ne!(first, choose(Split::new(0.5, 1, "b").unwrap()));
        assert_ne!(first, choose(Split::new(0.5, 2, "a").unwrap()));
    }

    #[test]
    fn a_fraction_outside_the_interval_is_refused() {
        for fraction in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(Split::new(fraction, 1, "a").is_err(), "{fraction}");
        }
        assert!((0..1000).all(|row| !Split::new(0.0, 1, "a").unwrap().is_test(row)));
    }
}
