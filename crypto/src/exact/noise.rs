//! What hides the weights, and how surely an answer opens right.
//!
//! With `H` what the noise that depends on weights, keys and randomness does not exceed, an opened coefficient is
//! flooded by a number uniform in `-B ..= B`. Whatever the hidden part is, what is opened has a statistical distance
//! of at most `H / (2 B + 1)` from what it would be without it; distances of several openings add up. `B` is as large
//! as decoding allows: `B + H` and the rounding of the switch to one prime stay below `Q / 2p`.

use crate::ring::RnsBasis;
use crate::ring::xof::Xof;
use crate::ring::{Coeff, Poly, sample};
use crate::rlwe::noise::{self, switch_bound};
use crate::secret::Secret;

/// Flooding is at least so many bits wider than what it hides.
pub const FLOODING_BITS: u32 = 40;

/// Floods are numbers of at most so many bits, sign included.
const MAX_FLOOD: u128 = (1 << 120) - 1;

/// What the noise of one opened coefficient is expected to be, step by step: `log2` of its standard deviation, in
/// units of the last place of `Q`, but for the last step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseSteps {
    /// A fresh encryption.
    pub fresh_log2: f64,
    /// The sum of products with weights.
    pub product_log2: f64,
    /// With the fresh encryption of the mask.
    pub rerandomized_log2: f64,
    /// With the flooding.
    pub flooded_log2: f64,
    /// After the switch to one prime, in units of its last place.
    pub switched_log2: f64,
}

/// The bounds of a set of parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseBounds {
    hidden: u128,
    flood: u128,
    cells: usize,
    failure_log2: f64,
}

impl NoiseBounds {
    /// The widest flooding over `hidden`, of `cells` coefficients of an answer; `None` if `p` leaves no room at all.
    /// `failure_log2` is that of `hidden` being no bound, for one coefficient.
    pub(super) fn new(
        basis: &RnsBasis,
        plaintext: u64,
        hidden: u128,
        cells: usize,
        failure_log2: f64,
    ) -> Option<Self> {
        let (first, others) = basis.limbs().split_first()?;
        // In units of the first prime's last place: half of q / p, less 2 for rounding when decoding and here.
        let room = first.modulo().modulus() / plaintext / 2;
        let room = room.checked_sub(switch_bound(basis.degree()) + 2)?;
        let others = others.iter().fold(1_u128, |product, limb| {
            product.saturating_mul(limb.modulo().modulus().into())
        });
        let flood = u128::from(room).saturating_mul(others).checked_sub(hidden)?;
        Some(Self {
            hidden,
            flood: flood.min(MAX_FLOOD),
            cells,
            failure_log2,
        })
    }

    /// The narrowest flooding that is allowed: where the noise goes on into another product, all that is added is
    /// multiplied there.
    pub(super) fn least(hidden: u128, cells: usize) -> Option<Self> {
        let flood = hidden.checked_mul(1 << FLOODING_BITS)?;
        (flood <= MAX_FLOOD).then_some(Self {
            hidden,
            flood,
            cells,
            failure_log2: f64::NEG_INFINITY,
        })
    }

    /// What all noise is at most, flooding included.
    pub(super) fn most(&self) -> u128 {
        self.hidden.saturating_add(self.flood)
    }

    /// How many bits the flooding is wider than what it hides, rounded down.
    pub fn flooding_bits(&self) -> u32 {
        (self.flood / self.hidden.max(1)).checked_ilog2().unwrap_or(0)
    }

    /// `log2` of what all noise before the flooding does not exceed.
    pub fn hidden_log2(&self) -> f64 {
        (self.hidden as f64).log2()
    }

    /// `log2` of the flooding's bound `B`.
    pub fn flood_log2(&self) -> f64 {
        (self.flood as f64).log2()
    }

    /// `log2` of the statistical distance of so many answers, all their cells together, from answers that do not
    /// depend on the weights.
    pub fn distance_log2(&self, answers: u64) -> f64 {
        self.hidden_log2() - self.flood_log2() - 1.0 + (answers as f64).log2() + (self.cells as f64).log2()
    }

    /// `log2` of a bound on the chance that any cell of one answer opens wrong, for weights within what was
    /// declared: `-inf` where every bound is certain.
    pub fn failure_log2(&self) -> f64 {
        self.failure_log2 + (self.cells as f64).log2()
    }

    /// What is expected of an answer, by the sum of the squares of the weights' coefficients, each times the number of
    /// ciphertexts that it multiplies. `others` is `Q` without its first prime.
    pub(super) fn steps(&self, degree: usize, sum_of_squares: f64, others: f64) -> NoiseSteps {
        let product = noise::weighted(noise::fresh(), sum_of_squares);
        let rerandomized = product + noise::public(degree);
        let flooded = rerandomized + noise::uniform(self.flood as f64);
        let switched = flooded / others.powi(2) + noise::switch(degree);
        let log2 = |variance: f64| variance.log2() / 2.0;
        NoiseSteps {
            fresh_log2: log2(noise::fresh()),
            product_log2: log2(product),
            rerandomized_log2: log2(rerandomized),
            flooded_log2: log2(flooded),
            switched_log2: log2(switched),
        }
    }

    /// Adds a flood to the coefficients at multiples of `step`.
    pub(super) fn flood(&self, poly: &mut Poly<Coeff>, step: usize, xof: &mut Xof) {
        let degree = poly.basis().degree();
        let draw = || sample::uniform_up_to(2 * self.flood, xof);
        let raised = Secret::new(
            std::iter::repeat_with(draw)
                .take(degree.div_ceil(step))
                .collect::<Vec<u128>>(),
        );
        for (limb, words) in poly.limbs_mut() {
            let modulo = limb.modulo();
            let bound = modulo.reduce_wide(self.flood);
            for (word, raised) in words.iter_mut().step_by(step).zip(raised.expose()) {
                *word = modulo.add(*word, modulo.sub(modulo.reduce_wide(*raised), bound));
            }
        }
    }

    /// The flooding's bound `B`.
    pub(super) const fn flood_bound(&self) -> u128 {
        self.flood
    }
}
