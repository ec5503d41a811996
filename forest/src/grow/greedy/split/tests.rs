use proptest::prelude::*;

use super::*;

const EXACT: Judge = Judge {
    criterion: Criterion::Gini,
    deviation: 0.0,
};

#[test]
fn the_logarithm_is_one() {
    for x in [1.0, 1.5, 1.999_999, 2.0, 3.0, 1e3, 12_345.678, 1e17] {
        assert!((ln(x) - x.ln()).abs() < 1e-12 * f64::max(1.0, x.ln()), "{x}");
    }
}

#[test]
fn a_narrow_peak_is_cut_out_at_once() {
    // Positives in the fourth of eight slots alone; no row is missing.
    let mut histogram = [100, 0].repeat(9);
    histogram[16] = 0;
    (histogram[6], histogram[7]) = (5, 95);
    let found = EXACT.best(&histogram, 8, true).unwrap();
    assert_eq!(found.right, [3]);
    // In no order, the best subset is the slot alone too.
    assert_eq!(EXACT.best(&histogram, 8, false).unwrap().right, [3]);
}

#[test]
fn missing_values_go_where_they_fit() {
    let histogram = [90, 10, 90, 10, 10, 90, 0, 50];
    assert_eq!(EXACT.best(&histogram, 3, true).unwrap().right, [2, 3]);
    let histogram = [90, 10, 90, 10, 10, 90, 50, 0];
    assert_eq!(EXACT.best(&histogram, 3, true).unwrap().right, [2]);
    // None is missing: with the larger side.
    let histogram = [10, 90, 90, 10, 90, 10, 0, 0];
    assert_eq!(EXACT.best(&histogram, 3, true).unwrap().right, [1, 2, 3]);
}

#[test]
fn what_noise_could_have_made_is_no_split() {
    let histogram = [1000, 110, 1000, 90, 0, 0];
    assert!(EXACT.best(&histogram, 2, true).is_some());
    let noisy = Judge {
        deviation: 20.0,
        ..EXACT
    };
    assert_eq!(noisy.best(&histogram, 2, true), None);
    // Nor are children that are noise alone.
    assert_eq!(noisy.best(&[1000, 100, 3, 40, 0, 0], 2, true), None);
    assert_eq!(EXACT.best(&[1000, 100], 0, true), None);
    assert_eq!(EXACT.best(&[], 0, true), None);
}

/// Rows times impurity, straight from the definition.
fn impurity(criterion: Criterion, cells: &[(i64, i64)]) -> f64 {
    let negative: i64 = cells.iter().map(|cell| cell.0).sum();
    let positive: i64 = cells.iter().map(|cell| cell.1).sum();
    let (rows, p) = (
        (negative + positive) as f64,
        positive as f64 / (negative + positive) as f64,
    );
    match criterion {
        Criterion::Gini => rows * p * (1.0 - p),
        Criterion::Entropy => {
            let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
            rows * (term(p) + term(1.0 - p))
        }
    }
}

proptest! {
    /// Over all subsets of the categories there is no better split (where missing values are a category too).
    #[test]
    fn no_subset_is_better(cells in proptest::collection::vec((5i64..60, 5i64..60), 2..7), entropy: bool) {
        let criterion = if entropy { Criterion::Entropy } else { Criterion::Gini };
        let judge = Judge { criterion, deviation: 0.0 };
        let mut histogram: Vec<i64> = cells.iter().flat_map(|cell| [cell.0, cell.1]).collect();
        histogram.extend([0, 0]);
        let gain = |right: &dyn Fn(usize) -> bool| {
            let side = |is: bool| -> Vec<(i64, i64)> {
                (0..cells.len()).filter(|slot| right(*slot) == is).map(|slot| cells[slot]).collect()
            };
            impurity(criterion, &cells) - impurity(criterion, &side(true)) - impurity(criterion, &side(false))
        };
        let best = (1..(1usize << cells.len()) - 1)
            .map(|subset| gain(&|slot| subset >> slot & 1 == 1))
            .fold(0.0, f64::max);
        let Some(found) = judge.best(&histogram, cells.len(), false) else {
            // Where all rates are equal no split gains anything.
            prop_assert!(best < 1e-6, "{best}");
            return Ok(());
        };
        let own = gain(&|slot| found.right.contains(&(slot as u8)));
        prop_assert!(own > best - 1e-6 * best.max(1.0), "{own} {best}");
        prop_assert!((own - found.gain).abs() < 1e-6 * best.max(1.0), "{own} {}", found.gain);
    }

    #[test]
    fn any_cells_are_judged(
        cells in proptest::collection::vec(any::<i64>(), 0..40), values in 0usize..40, ordered: bool, deviation in 0.0f64..1e6
    ) {
        let judge = Judge { criterion: Criterion::Entropy, deviation };
        if let Some(found) = judge.best(&cells, values, ordered) {
            prop_assert!(found.gain > 0.0 && !found.right.is_empty());
        }
    }
}
