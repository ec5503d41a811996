//! How good scores are: AUROC, average precision, accuracy, and the curves behind them.
//!
//! Scores are finite numbers, higher is more positive; labels are 0 or not 0. Rows of one score are taken together
//! at every place, so no metric depends on the order of rows.

/// Scores or labels that have no such metric.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// Not one label per score.
    #[error("metrics: {scores} scores, but {labels} labels")]
    Lengths {
        /// Number of scores.
        scores: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A score that cannot be ranked.
    #[error("metrics: the score of row {row} is not a number")]
    NotANumber {
        /// The row, from 0.
        row: usize,
    },
    /// Rows of one class only (or no rows): there is nothing to rank.
    #[error("metrics: expected rows of both classes, found {positives} positive and {negatives} negative")]
    OneClass {
        /// Positive rows.
        positives: u64,
        /// Negative rows.
        negatives: u64,
    },
}

/// Rows at or above a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// Rows of this score and above are taken as positive.
    pub threshold: f64,
    /// Positive rows among them.
    pub true_positives: u64,
    /// Negative rows among them.
    pub false_positives: u64,
}

/// All distinct cuts of a set of scored rows, from the highest score down.
#[derive(Debug, Clone, PartialEq)]
pub struct Cuts {
    cuts: Vec<Cut>,
    positives: u64,
    negatives: u64,
}

/// A point of a receiver operating characteristic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// Share of negatives at or above the threshold.
    pub false_positive_rate: f64,
    /// Share of positives at or above the threshold.
    pub true_positive_rate: f64,
    /// The threshold; infinite at the point where no row is taken.
    pub threshold: f64,
}

/// A point of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrPoint {
    /// Share of positives at or above the threshold.
    pub recall: f64,
    /// Share of positives among the rows at or above the threshold.
    pub precision: f64,
    /// The threshold.
    pub threshold: f64,
}

impl Cuts {
    /// Sorts scored rows into cuts.
    ///
    /// # Errors
    /// Lengths that differ, a score that is not a number, fewer than two classes.
    pub fn new(scores: &[f64], labels: &[u8]) -> Result<Self, MetricsError> {
        check(scores, labels)?;
        let mut rows: Vec<(f64, bool)> = scores
            .iter()
            .zip(labels)
            .map(|(score, label)| (*score, *label != 0))
            .collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut cuts: Vec<Cut> = Vec::new();
        let (mut positives, mut negatives) = (0, 0);
        for (score, positive) in rows {
            positives += u64::from(positive);
            negatives += u64::from(!positive);
            let cut = Cut {
                threshold: score,
                true_positives: positives,
                false_positives: negatives,
            };
            match cuts.last_mut() {
                // Numerically equal, so that 0 and -0 are one score.
                Some(last) if last.threshold == score => *last = cut,
                _ => cuts.push(cut),
            }
        }
        if positives == 0 || negatives == 0 {
            return Err(MetricsError::OneClass { positives, negatives });
        }
        Ok(Self {
            cuts,
            positives,
            negatives,
        })
    }

    /// The cuts, from the highest score down; the last takes all rows.
    pub fn cuts(&self) -> &[Cut] {
        &self.cuts
    }

    /// Area under the receiver operating characteristic: the probability that a positive row scores higher than a
    /// negative one, equal scores counting one half (Mann-Whitney U).
    pub fn auroc(&self) -> f64 {
        let (mut twice_wins, mut before) = (0u128, (0, 0));
        for cut in &self.cuts {
            let (above, new_negatives) = (before.0 + cut.true_positives, cut.false_positives - before.1);
            twice_wins += u128::from(above) * u128::from(new_negatives);
            before = (cut.true_positives, cut.false_positives);
        }
        twice_wins as f64 / (2 * u128::from(self.positives) * u128::from(self.negatives)) as f64
    }

    /// Area under the precision-recall curve as average precision, `sum of (recall step) * precision` without
    /// interpolation: scikit-learn's `average_precision_score`.
    pub fn auprc(&self) -> f64 {
        let (mut area, mut before) = (0.0, 0);
        for cut in &self.cuts {
            area += (cut.true_positives - before) as f64 * cut.precision();
            before = cut.true_positives;
        }
        area / self.positives as f64
    }

    /// The receiver operating characteristic, from (0, 0) to (1, 1).
    pub fn roc_curve(&self) -> Vec<RocPoint> {
        let origin = RocPoint {
            false_positive_rate: 0.0,
            true_positive_rate: 0.0,
            threshold: f64::INFINITY,
        };
        let point = |cut: &Cut| RocPoint {
            false_positive_rate: cut.false_positives as f64 / self.negatives as f64,
            true_positive_rate: cut.true_positives as f64 / self.positives as f64,
            threshold: cut.threshold,
        };
        std::iter::once(origin)
            .chain(self.cuts.iter().map(point))
            .collect()
    }

    /// The precision-recall curve, by growing recall.
    pub fn pr_curve(&self) -> Vec<PrPoint> {
        let point = |cut: &Cut| PrPoint {
            recall: cut.true_positives as f64 / self.positives as f64,
            precision: cut.precision(),
            threshold: cut.threshold,
        };
        self.cuts.iter().map(point).collect()
    }
}

impl Cut {
    /// Share of positives among the rows taken; a cut takes at least one.
    pub fn precision(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_positives) as f64
    }
}

/// Area under the receiver operating characteristic; see [`Cuts::auroc`].
///
/// # Errors
/// As [`Cuts::new`].
pub fn auroc(scores: &[f64], labels: &[u8]) -> Result<f64, MetricsError> {
    Ok(Cuts::new(scores, labels)?.auroc())
}

/// Average precision; see [`Cuts::auprc`].
///
/// # Errors
/// As [`Cuts::new`].
pub fn auprc(scores: &[f64], labels: &[u8]) -> Result<f64, MetricsError> {
    Ok(Cuts::new(scores, labels)?.auprc())
}

/// Share of rows classified rightly if scores of `threshold` and above are positive; `None` without rows.
///
/// # Errors
/// Lengths that differ, a score that is not a number.
pub fn accuracy(scores: &[f64], labels: &[u8], threshold: f64) -> Result<Option<f64>, MetricsError> {
    check(scores, labels)?;
    let right = scores
        .iter()
        .zip(labels)
        .filter(|(score, label)| (**score >= threshold) == (**label != 0))
        .count();
    Ok((!scores.is_empty()).then(|| right as f64 / scores.len() as f64))
}

/// The receiver operating characteristic; see [`Cuts::roc_curve`].
///
/// # Errors
/// As [`Cuts::new`].
pub fn roc_curve(scores: &[f64], labels: &[u8]) -> Result<Vec<RocPoint>, MetricsError> {
    Ok(Cuts::new(scores, labels)?.roc_curve())
}

/// The precision-recall curve; see [`Cuts::pr_curve`].
///
/// # Errors
/// As [`Cuts::new`].
pub fn pr_curve(scores: &[f64], labels: &[u8]) -> Result<Vec<PrPoint>, MetricsError> {
    Ok(Cuts::new(scores, labels)?.pr_curve())
}

fn check(scores: &[f64], labels: &[u8]) -> Result<(), MetricsError> {
    if scores.len() != labels.len() {
        return Err(MetricsError::Lengths {
            scores: scores.len(),
            labels: labels.len(),
        });
    }
    match scores.iter().position(|score| score.is_nan()) {
        Some(row) => Err(MetricsError::NotANumber { row }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
