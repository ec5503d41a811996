use super::*;
use proptest::prelude::*;

fn order(value: f64) -> Order {
    Order::new(value).unwrap()
}

/// `D_a(P moved by d || P)` summed term by term from logarithms of probabilities around 0.
fn divergence_by_sum(log_p: impl Fn(i64) -> f64, reach: i64, moved: i64, a: f64) -> f64 {
    let moment: f64 = (-reach..=reach)
        .map(|x| (a * log_p(x) + (1.0 - a) * log_p(x - moved)).exp())
        .sum();
    moment.ln() / (a - 1.0)
}

/// Logarithms of the Skellam probabilities on `-reach..=reach` by convolving two Poisson distributions.
fn log_skellam(variance: f64, reach: i64) -> Vec<f64> {
    let mean = variance / 2.0;
    let terms = (mean + 40.0 * mean.sqrt() + 120.0) as usize + reach as usize;
    let log_poisson: Vec<f64> = (0..terms)
        .scan(-mean, |log, k| {
            if k > 0 {
                *log += (mean / k as f64).ln();
            }
            Some(*log)
        })
        .collect();
    (0..=reach as usize)
        .map(|x| {
            (0..terms - x)
                .map(|k| (log_poisson[k] + log_poisson[k + x]).exp())
                .sum::<f64>()
                .ln()
        })
        .collect()
}

#[test]
fn the_skellam_bound_is_a_bound_and_a_tight_one() {
    for variance in [4.0, 10.0, 40.0] {
        let reach = 60;
        let table = log_skellam(variance, reach + 8);
        let log_p = |x: i64| table[x.unsigned_abs() as usize];
        for moved in [1i64, 2, 5] {
            let l2 = (moved * moved) as f64;
            for a in [1.25, 1.5, 2.0, 2.5, 3.0, 5.0, 8.0] {
                let exact = divergence_by_sum(log_p, reach, moved, a);
                let bound = skellam(variance, moved as f64, l2, a);
                assert!(
                    exact <= bound,
                    "variance {variance} moved {moved} order {a}: {exact} > {bound}"
                );
                if a >= 2.0 && variance >= 40.0 && moved < 5 {
                    assert!(
                        bound < exact * 1.15,
                        "variance {variance} moved {moved} order {a}: {exact} {bound}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_laplace_divergence_is_exact() {
    for q in [0.5f64, 0.9, 0.99] {
        let half = ((1.0 - q) / (1.0 + q)).ln();
        let log_p = |x: i64| half + x.abs() as f64 * q.ln();
        for moved in [1i64, 3, 20] {
            for a in [1.01, 1.5, 2.0, 7.0, 40.0] {
                let exact = divergence_by_sum(log_p, 6000, moved, a);
                let ours = laplace(1.0 - q, moved as f64, a);
                assert!(
                    (ours / exact - 1.0).abs() < 1e-6,
                    "q {q} moved {moved} order {a}: {ours} {exact}"
                );
            }
            let epsilon = laplace(1.0 - q, moved as f64, f64::INFINITY);
            assert!((epsilon + moved as f64 * q.ln()).abs() < 1e-12);
        }
    }
}

#[test]
fn costs_at_an_order() {
    let rho = Rho::new(0.125).unwrap();
    assert_eq!(Cost::Zcdp(rho).at(order(7.5)), Some(rho));
    assert_eq!(Cost::Zcdp(rho).at(Order::PURE), None);
    assert_eq!(Cost::Zcdp(Rho::ZERO).at(Order::PURE), Some(Rho::ZERO));
    let laplace = Cost::Laplace {
        gap: 1 << 28,
        l1: L1(3),
    };
    let epsilon = -3.0 * (1.0f64 - 1.0 / 16.0).ln();
    assert!((laplace.at(Order::PURE).unwrap().value() - epsilon).abs() < 1e-9);
    assert!(laplace.zcdp().unwrap().value() <= epsilon * epsilon / 2.0);
    let skellam = Cost::Skellam {
        share: Variance::new(1000, 1).unwrap(),
        shares: 5,
        l1: L1(100),
        l2: L2Squared(100),
    };
    assert_eq!((skellam.zcdp(), skellam.at(Order::PURE)), (None, None));
    let at = skellam.at(order(30.0)).unwrap().value();
    assert!(at > 0.01 && at < 0.01 * 1.001, "{at}");
    assert!(Order::new(1.0).is_none() && Order::new(f64::NAN).is_none());
}

proptest! {
    /// What makes the L1 sensitivity enough: moving one cell by the sum costs at least as much.
    #[test]
    fn one_cell_is_the_worst_case_of_the_laplace(gap in 0.001f64..0.9, x in 1u32..40, y in 1u32..40, a in 1.1f64..60.0) {
        let of = |moved: u32| laplace(gap, f64::from(moved), a);
        prop_assert!(of(x) + of(y) <= of(x + y) * (1.0 + 1e-9) + 1e-12);
    }

    #[test]
    fn divergences_grow_with_the_order(gap in 1u32 << 18..1 << 31, l1 in 1u64..50, variance in 4u64..4000, a in 1.01f64..50.0, more in 0.0f64..20.0) {
        let (lower, higher) = (order(a), order(a + more));
        let laplace = Cost::Laplace { gap, l1: L1(l1) };
        prop_assert!(laplace.divergence(lower) <= laplace.divergence(higher) * (1.0 + 1e-9));
        prop_assert!(laplace.divergence(higher) <= laplace.divergence(Order::PURE) * (1.0 + 1e-9));
        let skellam = Cost::Skellam { share: Variance::new(variance, 3).unwrap(), shares: 3, l1: L1(l1), l2: L2Squared(l1) };
        prop_assert!(skellam.divergence(lower) <= skellam.divergence(higher) * (1.0 + 1e-9));
        prop_assert!(skellam.divergence(lower) >= Rho::new(0.0).unwrap().value());
    }
}
