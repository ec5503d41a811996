//! From (epsilon, delta) to the noise of one cell.
//!
//! **Mechanism** discrete Gaussian in shares · **sensitivity** L2, the square root of the number of trees ·
//! **neighbours** add or remove one row · **measure** zCDP.

use hedgerow_dp::{Budget, DistributedGaussian, L2Squared, rho_for};

/// Standard deviation of a released leaf count, for trees of so many leaves and shares of so many honest parties.
///
/// # Errors
/// A budget that is none.
pub fn cell_sigma(
    epsilon: f64,
    trees: u32,
    depth: u8,
    honest: u32,
) -> Result<f64, Box<dyn std::error::Error>> {
    let rho = rho_for(&Budget::new(epsilon, 1e-6)?)?;
    let cells = u64::from(trees) << (depth + 1);
    let noise = DistributedGaussian::calibrate(rho, L2Squared(u64::from(trees)), honest, cells)?;
    Ok(noise.total_sigma(honest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_times_the_trees_need_twice_the_noise() {
        let few = cell_sigma(1.0, 25, 6, 3).unwrap();
        let many = cell_sigma(1.0, 100, 6, 3).unwrap();
        assert!((many / few - 2.0).abs() < 0.01, "{few} {many}");
        assert!(cell_sigma(0.1, 25, 6, 3).unwrap() > 5.0 * few);
        assert!(cell_sigma(0.0, 25, 6, 3).is_err());
    }
}
