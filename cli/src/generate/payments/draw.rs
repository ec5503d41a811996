//! Counter-based randomness: every chunk and every account has a stream of its own, so that chunks can be made in
//! any order and on any number of threads, and an account's name can be told again without a table of names.
//!
//! SplitMix64 (Steele, Lea, Flood 2014), with whole-number arithmetic and the four operations of IEEE 754 only: the
//! mathematical functions of a system's library differ in their last bit from machine to machine. Not for secrets.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a stream is for; streams of different purposes share nothing.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The rows of one chunk of the training file.
    Train = 1,
    /// The rows of one chunk of the test file.
    Test = 2,
    /// Number, name and address of one account.
    Identity = 3,
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Draw(u64);

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Draw {
    /// The stream `index` for a purpose, under the data set's seed.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let keyed = mix(seed.wrapping_add(GOLDEN)) ^ (purpose as u64).wrapping_mul(GOLDEN);
        Self(mix(mix(keyed).wrapping_add(index)))
    }

    /// 64 uniform bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform below `n`, up to a bias of n / 2^64; 0 for `n` = 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        ((self.bits() as u128 * n as u128) >> 64) as u64
    }

    /// Uniform from `least` to below `least + span`.
    pub const fn within(&mut self, least: i64, span: u64) -> i64 {
        least + self.below(span) as i64
    }

    /// Uniform on [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True `millionths` times in a million.
    pub const fn chance(&mut self, millionths: u64) -> bool {
        self.below(1_000_000) < millionths
    }

    /// A uniform member, the default of an empty list.
    pub fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        let at = self.below(list.len() as u64) as usize;
        list.get(at).copied().unwrap_or_default()
    }

    /// A position of `weights`, as often as its weight says; `total` is their sum.
    pub fn weighted(&mut self, total: u64, weights: impl IntoIterator<Item = u64>) -> usize {
        position(self.below(total), weights)
    }
}

/// In which weight a point below their sum lies; the last one's successor for a point beyond.
pub fn position(mut point: u64, weights: impl IntoIterator<Item = u64>) -> usize {
    let mut at = 0;
    for weight in weights {
        if point < weight {
            break;
        }
        point -= weight;
        at += 1;
    }
    at
}

/// `share` times `units`, rounded, over `whole`: the first `share` of `whole` equal parts. Differences of neighbours
/// divide `units` over parts without a remainder.
pub const fn portion(units: u64, share: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    ((units as u128 * share as u128 + whole as u128 / 2) / whole as u128) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published reference output of SplitMix64 for the state 1234567.
    #[test]
    fn the_generator_is_split_mix() {
        let mut draw = Draw(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!([draw.bits(), draw.bits(), draw.bits()], expected);
    }

    #[test]
    fn streams_are_apart() {
        let first = |seed, purpose, index| Draw::new(seed, purpose, index).bits();
        let all = [
            first(1, Purpose::Train, 0),
            first(1, Purpose::Test, 0),
            first(1, Purpose::Identity, 0),
            first(1, Purpose::Train, 1),
            first(2, Purpose::Train, 0),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one));
        }
    }

    #[test]
    fn weights_are_kept() {
        let mut draw = Draw::new(5, Purpose::Train, 0);
        let mut counts = [0; 3];
        for _ in 0..60_000 {
            counts[draw.weighted(6, [1, 0, 5])] += 1;
        }
        assert!(
            (counts[0] - 10_000i32).abs() < 500 && counts[1] == 0,
            "{counts:?}"
        );
        assert_eq!(position(9, [4, 5]), 2);
    }

    #[test]
    fn portions_add_up() {
        let parts: Vec<u64> = (0..7)
            .map(|i| portion(100, i + 1, 7) - portion(100, i, 7))
            .collect();
        assert_eq!(parts.iter().sum::<u64>(), 100);
        assert!(parts.iter().all(|part| (14..=15).contains(part)), "{parts:?}");
    }
}
