//! What `tfhe::core_crypto` is told: shapes, seeds, noises.

use tfhe::core_crypto::commons::generators::DeterministicSeeder;
use tfhe::core_crypto::commons::math::random::Seed as Start;
use tfhe::core_crypto::prelude::{
    CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, DefaultRandomGenerator,
    EncryptionRandomGenerator, GlweDimension, GlweSize, LweDimension, LweSize, PolynomialSize, TUniform,
};

use super::params::{Decomposition, GLWE_NOISE_LOG2, LWE_DIMENSION, LWE_NOISE_LOG2, POLYNOMIAL, SEED_BYTES};
use crate::seed::Seed;

pub(super) const TORUS: CiphertextModulus<u64> = CiphertextModulus::new_native();
pub(super) const SMALL: LweDimension = LweDimension(LWE_DIMENSION);
pub(super) const SMALL_SIZE: LweSize = LweSize(LWE_DIMENSION + 1);
pub(super) const LARGE: PolynomialSize = PolynomialSize(POLYNOMIAL);
pub(super) const ONE: GlweDimension = GlweDimension(1);
pub(super) const ONE_SIZE: GlweSize = GlweSize(2);

pub(super) fn small_noise() -> TUniform<u64> {
    TUniform::new(LWE_NOISE_LOG2)
}

pub(super) fn large_noise() -> TUniform<u64> {
    TUniform::new(GLWE_NOISE_LOG2)
}

impl Decomposition {
    pub(super) const fn base(self) -> DecompositionBaseLog {
        DecompositionBaseLog(self.base_log)
    }

    pub(super) const fn count(self) -> DecompositionLevelCount {
        DecompositionLevelCount(self.levels)
    }
}

/// A generator's start: 128 bits.
pub(super) type PublicStart = [u8; SEED_BYTES];

pub(super) fn start(bytes: PublicStart) -> Start {
    Start(u128::from_le_bytes(bytes))
}

/// 128 bits of a seed for one use.
pub(super) fn derived(seed: &Seed, domain: &str, context: &[u8]) -> PublicStart {
    let seed = seed.derive(domain, context);
    let mut half = [0; SEED_BYTES];
    half.iter_mut()
        .zip(seed.expose_bytes())
        .for_each(|(to, from)| *to = *from);
    half
}

/// Noise and whatever else is secret, from a seed.
pub(super) fn seeder(
    seed: &Seed,
    domain: &str,
    context: &[u8],
) -> DeterministicSeeder<DefaultRandomGenerator> {
    DeterministicSeeder::new(start(derived(seed, domain, context)))
}

pub(super) fn generator(
    public: PublicStart,
    seeder: &mut DeterministicSeeder<DefaultRandomGenerator>,
) -> EncryptionRandomGenerator<DefaultRandomGenerator> {
    EncryptionRandomGenerator::new(start(public), seeder)
}

/// The sample of the constant coefficient of a polynomial's product with a key, and back: `a[0]`, then `-a[N - i]`.
pub(super) fn constant_sample(polynomial: &[u64]) -> impl Iterator<Item = u64> {
    let first = polynomial.iter().take(1).copied();
    let others = polynomial.iter().skip(1).rev().map(|word| word.wrapping_neg());
    first.chain(others)
}
