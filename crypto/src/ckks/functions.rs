//! Sign and inverse, by iteration: few levels for a given precision.

use super::chebyshev::Chebyshev;
use super::ciphertext::Ciphertext;
use super::error::CkksError;
use super::evaluator::{Evaluator, Rescale, Scratch, levels_left};

/// Polynomials whose composition, the first one applied first, goes to the sign of a number from -1 to 1: `steep` times one that
/// leaves 0 fast and `flat` times one that settles at 1, three levels each (Cheon, Kim, Kim, *Efficient homomorphic
/// comparison methods with optimal complexity*, Asiacrypt 2020, `g_3` and `f_3`).
pub fn sign(steep: usize, flat: usize) -> Vec<Chebyshev> {
    const STEEP: [f64; 8] = [0.0, 4589.0, 0.0, -16577.0, 0.0, 25614.0, 0.0, -12860.0];
    const FLAT: [f64; 8] = [0.0, 35.0, 0.0, -35.0, 0.0, 21.0, 0.0, -5.0];
    let step =
        |powers: [f64; 8], divisor: f64| Chebyshev::of_powers(&powers.map(|power| power / divisor)).ok();
    let steep_steps = (0..steep).filter_map(|_| step(STEEP, 1024.0));
    steep_steps
        .chain((0..flat).filter_map(|_| step(FLAT, 16.0)))
        .collect()
}

impl Evaluator {
    /// The composition of polynomials, the first one applied first; each maps -1 to 1 into itself.
    ///
    /// # Errors
    /// As [`chebyshev`](Self::chebyshev).
    pub fn composite(
        &self,
        x: &Ciphertext,
        steps: &[Chebyshev],
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        levels_left(
            "a composition",
            x.level(),
            steps.iter().map(Chebyshev::depth).sum(),
        )?;
        let mut y = x.clone();
        for step in steps {
            y = self.chebyshev(&y, step, scratch)?;
        }
        Ok(y)
    }

    /// The inverses of numbers between 0 and 2, with the relative error `(1 - x)^(2^(iterations + 1))`: as many levels as
    /// iterations and one more (Goldschmidt's division; Cheon et al., *Numerical method for comparison on homomorphically
    /// encrypted numbers*, Asiacrypt 2019, algorithm 1).
    ///
    /// # Errors
    /// Too few levels; no relinearisation key for the level; a ciphertext of other parameters or key.
    pub fn inverse(
        &self,
        x: &Ciphertext,
        iterations: usize,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        self.check(x)?;
        let depth = if iterations == 0 { 0 } else { iterations + 1 };
        levels_left("an inverse", x.level(), depth)?;
        // 1 / x = (1 + b)(1 + b^2)(1 + b^4) .. with b = 1 - x.
        let mut power = x.clone();
        self.neg_assign(&mut power)?;
        self.add_scalar_assign(&mut power, 1.0)?;
        let mut product = power.clone();
        self.add_scalar_assign(&mut product, 1.0)?;
        for iteration in 0..iterations {
            // The product lags a level behind the power, from which the first one starts too.
            if iteration == 0 {
                product = self.align(&product, x.level() - 1, scratch)?;
            }
            power = self.square(&power, Rescale::Now, scratch)?;
            let mut factor = power.clone();
            self.add_scalar_assign(&mut factor, 1.0)?;
            product = self.mul(&product, &factor, Rescale::Now, scratch)?;
        }
        Ok(product)
    }
}
