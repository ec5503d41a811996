use proptest::prelude::*;

use super::*;

/// Few distinct scores, so that ties are the rule, and always both classes.
fn rows() -> impl Strategy<Value = (Vec<f64>, Vec<u8>)> {
    proptest::collection::vec((0u8..12, 0u8..3), 0..60).prop_map(|rows| {
        let extra = [(3, 0), (3, 1)];
        rows.into_iter()
            .chain(extra)
            .map(|(score, label)| (f64::from(score) / 7.0 - 0.5, label))
            .unzip()
    })
}

fn pairs_won(scores: &[f64], labels: &[u8]) -> f64 {
    let (mut won, mut pairs) = (0.0, 0.0);
    for (p, _) in scores.iter().zip(labels).filter(|(_, label)| **label != 0) {
        for (n, _) in scores.iter().zip(labels).filter(|(_, label)| **label == 0) {
            pairs += 1.0;
            won += if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            };
        }
    }
    won / pairs
}

fn counts_at(scores: &[f64], labels: &[u8], threshold: f64) -> (f64, f64) {
    let taken = |positive: bool| {
        scores
            .iter()
            .zip(labels)
            .filter(|(s, l)| **s >= threshold && (**l != 0) == positive)
            .count() as f64
    };
    (taken(true), taken(false))
}

proptest! {
    #[test]
    fn auroc_is_the_share_of_pairs_won((scores, labels) in rows()) {
        let auroc = auroc(&scores, &labels).unwrap();
        prop_assert!((auroc - pairs_won(&scores, &labels)).abs() < 1e-12);
        // The area under the curve by trapezoids is the same number.
        let curve = roc_curve(&scores, &labels).unwrap();
        let area: f64 = curve.windows(2).map(|w| {
            (w[1].false_positive_rate - w[0].false_positive_rate) * (w[0].true_positive_rate + w[1].true_positive_rate) / 2.0
        }).sum();
        prop_assert!((auroc - area).abs() < 1e-12);
    }

    #[test]
    fn auprc_is_average_precision((scores, labels) in rows()) {
        // Brute force over every row as a threshold, equal ones adding no recall.
        let mut thresholds = scores.clone();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        let positives = labels.iter().filter(|label| **label != 0).count() as f64;
        let (mut area, mut recall) = (0.0, 0.0);
        for threshold in thresholds {
            let (tp, fp) = counts_at(&scores, &labels, threshold);
            area += (tp / positives - recall) * tp / (tp + fp);
            recall = tp / positives;
        }
        prop_assert!((auprc(&scores, &labels).unwrap() - area).abs() < 1e-12);
    }

    #[test]
    fn curves_hold_the_counts_of_every_threshold((scores, labels) in rows()) {
        let totals = counts_at(&scores, &labels, f64::NEG_INFINITY);
        let roc = roc_curve(&scores, &labels).unwrap();
        let pr = pr_curve(&scores, &labels).unwrap();
        prop_assert_eq!(roc.len(), pr.len() + 1);
        let origin = (roc[0].false_positive_rate, roc[0].true_positive_rate);
        prop_assert_eq!(origin, (0.0, 0.0));
        for (roc, pr) in roc[1..].iter().zip(&pr) {
            let (tp, fp) = counts_at(&scores, &labels, roc.threshold);
            prop_assert_eq!((roc.true_positive_rate, roc.false_positive_rate), (tp / totals.0, fp / totals.1));
            prop_assert_eq!((pr.threshold, pr.recall, pr.precision), (roc.threshold, tp / totals.0, tp / (tp + fp)));
        }
        let last = roc[roc.len() - 1];
        prop_assert_eq!((last.false_positive_rate, last.true_positive_rate), (1.0, 1.0));
    }

    #[test]
    fn the_order_of_rows_does_not_matter((scores, labels) in rows(), by in 0usize..60) {
        let turn = |by: usize| {
            let (mut scores, mut labels) = (scores.clone(), labels.clone());
            let by = by % scores.len();
            scores.rotate_left(by);
            labels.rotate_left(by);
            Cuts::new(&scores, &labels)
        };
        prop_assert_eq!(turn(by), turn(0));
    }
}

/// The example of scikit-learn's documentation of `average_precision_score` and `roc_auc_score`.
#[test]
fn scikit_learns_example() {
    let (scores, labels) = ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]);
    assert!((auprc(&scores, &labels).unwrap() - 0.833_333_333_333_333_3).abs() < 1e-15);
    assert_eq!(auroc(&scores, &labels), Ok(0.75));
    assert_eq!(accuracy(&scores, &labels, 0.35), Ok(Some(0.75)));
    assert_eq!(accuracy(&scores, &labels, 0.8), Ok(Some(0.75)));
}

#[test]
fn what_cannot_be_measured_is_said() {
    assert_eq!(
        auroc(&[0.5], &[]),
        Err(MetricsError::Lengths { scores: 1, labels: 0 })
    );
    assert_eq!(
        auroc(&[0.5, f64::NAN], &[0, 1]),
        Err(MetricsError::NotANumber { row: 1 })
    );
    assert_eq!(
        auprc(&[0.5, 0.7], &[1, 1]),
        Err(MetricsError::OneClass {
            positives: 2,
            negatives: 0
        })
    );
    assert_eq!(
        auprc(&[], &[]),
        Err(MetricsError::OneClass {
            positives: 0,
            negatives: 0
        })
    );
    assert_eq!(accuracy(&[], &[], 0.5), Ok(None));
    assert_eq!(
        accuracy(&[0.5, 0.6], &[0], 0.5),
        Err(MetricsError::Lengths { scores: 2, labels: 1 })
    );
}

#[test]
fn zero_has_one_sign() {
    assert_eq!(auroc(&[0.0, -0.0], &[0, 1]), Ok(0.5));
}
