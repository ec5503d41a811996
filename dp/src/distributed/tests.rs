use super::*;
use opendp::accuracy::conservative_discrete_gaussian_tail_to_alpha;
use proptest::prelude::*;

fn rho(value: f64) -> Rho {
    Rho::new(value).unwrap()
}

#[test]
fn one_share_is_the_plain_discrete_gaussian() {
    // No sum, no correction: sigma^2 = D / (2 rho).
    let gaussian = DistributedGaussian::calibrate(rho(0.01), L2Squared(100), 1, 1 << 20).unwrap();
    assert!((gaussian.share_variance().value() - 5000.0).abs() <= 1.0 / GRID + 1e-4);
    assert!(gaussian.cost() <= rho(0.01));
}

#[test]
fn shares_divide_the_variance() {
    let gaussian = DistributedGaussian::calibrate(rho(0.01), L2Squared(100), 9, 51_200).unwrap();
    assert!((gaussian.share_variance().value() - 5000.0 / 9.0).abs() < 1e-3);
    assert!((gaussian.total_sigma(9).powi(2) - 5000.0).abs() < 1e-2);
    assert!((gaussian.total_sigma(10).powi(2) - 50_000.0 / 9.0).abs() < 1e-2);
}

#[test]
fn small_shares_are_kept_wide_enough_for_the_theorem() {
    // 5000 / 99,999 would be a variance of 0.05 per share, where a sum of shares is no discrete Gaussian.
    let gaussian = DistributedGaussian::calibrate(rho(0.01), L2Squared(100), 99_999, 51_200).unwrap();
    assert!(gaussian.share_variance().value() > 1.0);
    let tau_free = 100.0 / (2.0 * 99_999.0 * gaussian.share_variance().value());
    assert!(gaussian.cost().value() >= tau_free);
    assert!(gaussian.cost().value() <= tau_free * (1.0 + 2.0 * NEGLIGIBLE));
}

#[test]
fn refuses_what_cannot_be_calibrated() {
    let calibrate = DistributedGaussian::calibrate;
    assert_eq!(
        calibrate(Rho::ZERO, L2Squared(1), 1, 1),
        Err(CalibrationError::NoBudget)
    );
    assert_eq!(
        calibrate(rho(0.1), L2Squared(1), 0, 1),
        Err(CalibrationError::NoHonestShares)
    );
    assert!(matches!(
        calibrate(rho(0.1), L2Squared(0), 1, 1),
        Err(CalibrationError::NothingToProtect { sensitivity: 0, .. })
    ));
    assert!(matches!(
        calibrate(rho(0.1), L2Squared(1), 1, 0),
        Err(CalibrationError::NothingToProtect { cells: 0, .. })
    ));
    assert!(matches!(
        calibrate(rho(1e-9), L2Squared(1 << 40), 1, 1),
        Err(CalibrationError::TooMuchNoise { max_log2: 46, .. })
    ));
}

#[test]
fn cost_is_the_formula_of_the_paper() {
    // Written out for n = 3, s = 0.4, D = 2, d = 5.
    let tau = 10.0 * ((-2.0 * PI * PI * 0.4 / 2.0f64).exp() + (-2.0 * PI * PI * 0.4 * 2.0 / 3.0f64).exp());
    let first: f64 = 2.0 / (2.0 * 3.0 * 0.4) + tau * 5.0;
    let second = ((2.0f64 / (3.0 * 0.4)).sqrt() + tau * 5f64.sqrt()).powi(2) / 2.0;
    let (plain, corrected) = cost_of(0.4, 2.0, 3, 5.0);
    assert!((corrected - first.min(second)).abs() < 1e-8);
    assert!((plain - 2.0 / (2.0 * 3.0 * 0.4)).abs() < 1e-8);
}

#[test]
fn terms_that_are_not_summed_are_bounded() {
    let all: f64 = (1..2000)
        .map(f64::from)
        .map(|k| (-2.0 * PI * PI * 0.3 * k / (k + 1.0)).exp())
        .sum();
    let ratio = 1.0 / (2000.0 * 0.3);
    let (_, bounded) = cost_of(0.3, 1.0, 2000, 1.0);
    let exact = (0.5 * ratio + 10.0 * all).min(0.5 * (f64::sqrt(ratio) + 10.0 * all).powi(2));
    assert!(bounded >= exact);
    assert!(bounded <= exact * 1.05);
}

/// Renyi divergence of order `alpha` between the sum of `shares` shares and the same moved by one, by convolving
/// the probabilities: an oracle that knows nothing of the theorem.
fn renyi_of_sum(variance: f64, shares: u32, alpha: f64) -> f64 {
    const HALF: i32 = 60;
    let weights: Vec<f64> = (-HALF..=HALF)
        .map(|x| (-f64::from(x * x) / (2.0 * variance)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let single: Vec<f64> = weights.iter().map(|w| w / total).collect();
    let mut sum = vec![1.0];
    for _ in 0..shares {
        let mut next = vec![0.0; sum.len() + single.len() - 1];
        for (i, a) in sum.iter().enumerate() {
            for (j, b) in single.iter().enumerate() {
                next[i + j] += a * b;
            }
        }
        sum = next;
    }
    let moment: f64 = sum
        .windows(2)
        .filter(|pair| pair[0] > 1e-300 && pair[1] > 1e-300)
        .map(|pair| (alpha * pair[0].ln() + (1.0 - alpha) * pair[1].ln()).exp())
        .sum();
    moment.ln() / (alpha - 1.0)
}

#[test]
fn the_sum_of_shares_really_costs_no_more() {
    for (variance, shares) in [(0.25, 2), (0.5, 3), (1.0, 2), (1.0, 5), (2.5, 3)] {
        let (plain, corrected) = cost_of(variance, 1.0, shares, 1.0);
        for alpha in [1.1, 1.5, 2.0, 4.0, 8.0] {
            let divergence = renyi_of_sum(variance, shares, alpha);
            assert!(
                divergence <= alpha * corrected,
                "variance {variance}, {shares} shares, alpha {alpha}"
            );
            // The oracle can tell: half the cost would be too little.
            assert!(divergence > alpha * plain * 0.5);
        }
    }
}

#[test]
fn tail_bound_is_safe_by_opendp_and_not_wasteful() {
    // sigma = 20: D / (2 rho) = 400, up to a grid step.
    let gaussian = DistributedGaussian::calibrate(rho(0.125), L2Squared(100), 1, 1).unwrap();
    assert!((gaussian.share_sigma() - 20.0).abs() < 1e-4);
    for log2_prob in [10, 20, 40] {
        let bound = gaussian.tail_bound(log2_prob, 1);
        let alpha =
            |tail: u64| conservative_discrete_gaussian_tail_to_alpha(20u8.into(), tail.into()).unwrap();
        assert!(
            alpha(bound) <= 2f64.powi(-(log2_prob as i32)),
            "bound {bound} at 2^-{log2_prob}"
        );
        assert!(alpha(bound * 3 / 4) > 2f64.powi(-(log2_prob as i32)));
    }
}

#[test]
fn tail_bound_covers_all_cells_and_all_shares() {
    let of = |cells| DistributedGaussian::calibrate(rho(0.125), L2Squared(100), 4, cells).unwrap();
    let one = of(1);
    assert_eq!(of(1 << 20).tail_bound(20, 4), one.tail_bound(40, 4));
    let (four, sixteen) = (one.tail_bound(40, 4) as f64, one.tail_bound(40, 16) as f64);
    assert!((sixteen / four - 2.0).abs() < 0.02);
}

proptest! {
    #[test]
    fn never_costs_more_than_asked_and_never_a_step_too_much(
        log_rho in -20.0f64..3.0,
        sensitivity in 1u64..10_000,
        shares in 1u32..300,
        cells in 1u64..10_000_000,
    ) {
        let asked = rho(log_rho.exp2());
        let gaussian = DistributedGaussian::calibrate(asked, L2Squared(sensitivity), shares, cells).unwrap();
        prop_assert!(gaussian.cost() <= asked);
        let variance = gaussian.share_variance().value();
        let (_, corrected) = cost_of(variance, sensitivity as f64, shares, cells as f64);
        prop_assert!(gaussian.cost().value() >= corrected);
        if variance > 1.0 {
            let (plain, narrower) =
                cost_of(variance - 1.0 / GRID, sensitivity as f64, shares, cells as f64);
            prop_assert!(narrower > asked.value() || narrower > plain * (1.0 + NEGLIGIBLE));
        }
    }
}
