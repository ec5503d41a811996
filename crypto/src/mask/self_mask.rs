//! The mask that a party puts on for itself, so that its vector stays hidden when its pair masks are known, as
//! after a message that was only late.

use std::fmt;

use rand_core::CryptoRng;

use super::prg::Prg;
use crate::seed::Seed;

/// The seed of a self mask, `b_i`: fresh for each round, shared by Shamir, and opened only for survivors.
#[derive(Clone, PartialEq, Eq)]
pub struct SelfMaskSeed(Seed);

impl SelfMaskSeed {
    /// A fresh seed.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(Seed::random(rng))
    }

    /// A seed that was derived for this use alone, or put together from shares.
    pub const fn from_seed(seed: Seed) -> Self {
        Self(seed)
    }

    /// What is shared.
    pub const fn seed(&self) -> &Seed {
        &self.0
    }

    /// The generator of the mask. The party adds it; whoever unmasks the sum subtracts it.
    pub fn prg(&self) -> Prg {
        Prg::new(&self.0)
    }
}

impl fmt::Debug for SelfMaskSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfMaskSeed(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::modulus::Modulus;

    #[test]
    fn comes_off_with_the_seed_put_together_again() {
        let mask = SelfMaskSeed::from_seed(Seed::from_bytes([3; 32]));
        let mut words = vec![5; 100];
        mask.prg().add_into(&mut words, Modulus::TWO_TO_64);
        assert!(words.iter().filter(|&&word| word == 5).count() == 0);
        SelfMaskSeed::from_seed(mask.seed().clone())
            .prg()
            .sub_into(&mut words, Modulus::TWO_TO_64);
        assert_eq!(words, vec![5; 100]);
    }

    #[test]
    fn prints_nothing_of_the_seed() {
        let mask = SelfMaskSeed::random(&mut Seed::from_bytes([1; 32]).rng());
        assert_eq!(format!("{mask:?}"), "SelfMaskSeed(redacted)");
    }
}
