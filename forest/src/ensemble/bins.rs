//! Ensembles over bins: what an encrypted evaluation works on, because a comparison of a bin of few levels with a
//! plain threshold is a look-up in the bits `[bin > j]`.
//!
//! The bins of a feature come from the tests of the ensemble itself. As long as a feature has fewer cuts than levels,
//! nothing is lost: every row reaches the same leaves, so all scores are bit for bit the same. With more cuts some are
//! merged, and [`Bins::is_exact`] and [`Bins::differing_rows`] say so.

use super::Ensemble;
use super::error::{EnsembleError, RowsError};
use super::parts::{Branch, Float, Mode, Node, Parts};

/// Most levels of a feature, that of missing values not counted: a bin and "missing" fit one byte.
pub const MAX_LEVELS: u16 = u16::MAX;

/// How a feature becomes a bin, 0, 1, ...; a missing value (NaN) has none.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureBins {
    /// A number is in the bin of how many of these it reaches (`x >= cut`); ascending.
    Cuts(Vec<f64>),
    /// A number is in the bin of its position; all others are in the bin after the last. For features that are only
    /// compared for equality, as categories are.
    Values(Vec<f64>),
}

impl FeatureBins {
    /// The bin of a number that is already rounded to the type of the ensemble.
    fn bin(&self, x: f64) -> usize {
        match self {
            Self::Cuts(cuts) => cuts.partition_point(|cut| *cut <= x),
            Self::Values(values) => values
                .iter()
                .position(|value| *value == x)
                .unwrap_or(values.len()),
        }
    }

    /// Number of bins.
    pub fn levels(&self) -> usize {
        match self {
            Self::Cuts(list) | Self::Values(list) => list.len() + 1,
        }
    }
}

/// An ensemble over bins, and how to get there.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    /// The bins of each feature, in order.
    pub features: Vec<FeatureBins>,
    /// Features that have more cuts than levels, so that some of their tests were moved to a cut nearby.
    pub merged: Vec<usize>,
    /// The ensemble whose inputs are bins (as whole numbers, missing values as NaN).
    pub ensemble: Ensemble,
    /// Input and arithmetic of the original: values are rounded to both before they are binned.
    rounding: [Float; 2],
}

impl Ensemble {
    /// The same ensemble over at most `levels` bins per feature (2 to [`MAX_LEVELS`]), the bin of missing values not
    /// counted.
    ///
    /// Where a feature has more cuts than that, cuts are chosen at quantiles: of `sample` (`[rows, features]`) if
    /// there is one, else of the tests themselves.
    ///
    /// # Errors
    /// `levels` out of range; a feature that is compared for equality with more values than there are levels.
    pub fn to_bins(&self, levels: u16, sample: Option<&[f64]>) -> Result<Bins, EnsembleError> {
        if !(2..=MAX_LEVELS).contains(&levels) {
            let expected = format!("2 to {MAX_LEVELS}");
            return Err(EnsembleError::value("levels", expected, levels));
        }
        let parts = self.parts();
        let levels = usize::from(levels);
        let tests = tests_by_feature(parts);
        let (mut features, mut merged) = (Vec::new(), Vec::new());
        for (feature, tests) in tests.iter().enumerate() {
            if !tests.is_empty() && tests.iter().all(|(_, is_order)| !is_order) {
                let mut values: Vec<f64> = tests.iter().map(|(value, _)| *value).collect();
                values.dedup();
                if values.len() >= levels {
                    let field = format!("values that feature {feature} is compared with");
                    return Err(EnsembleError::value(
                        field,
                        format!("below {levels}"),
                        values.len(),
                    ));
                }
                features.push(FeatureBins::Values(values));
                continue;
            }
            let mut cuts: Vec<f64> = tests.iter().map(|(cut, _)| *cut).collect();
            cuts.dedup();
            if cuts.len() >= levels {
                merged.push(feature);
                let column = sample.map(|rows| column(parts, rows, feature));
                cuts = chosen(&cuts, tests, column, levels - 1);
            }
            features.push(FeatureBins::Cuts(cuts));
        }
        let mut binned = parts.clone();
        binned.input = Float::F64;
        // Bins are whole numbers of at most 16 bits: exact in either type.
        for node in &mut binned.nodes {
            if let Node::Branch(branch) = node
                && let Some(bins) = features.get(branch.feature as usize)
            {
                *branch = over_bins(parts, branch, bins, &mut binned.sets);
            }
        }
        Ok(Bins {
            features,
            merged,
            ensemble: Self::new(binned)?,
            rounding: [parts.input, parts.arithmetic],
        })
    }
}

impl Bins {
    /// Does every row reach the leaves that it reaches in the original?
    pub fn is_exact(&self) -> bool {
        self.merged.is_empty()
    }

    /// Rows as bins, `[rows, features]` to the same shape: missing values stay NaN.
    ///
    /// # Errors
    /// [`RowsError`] if the values are not whole rows.
    pub fn bin(&self, rows: &[f64]) -> Result<Vec<f64>, RowsError> {
        let (expected, seen) = (self.features.len(), rows.len());
        if !seen.is_multiple_of(expected) {
            return Err(RowsError { expected, seen });
        }
        let bin = |(x, bins): (&f64, &FeatureBins)| {
            let x = self.rounding.iter().fold(*x, |x, float| float.round(x));
            if x.is_nan() { f64::NAN } else { bins.bin(x) as f64 }
        };
        Ok(rows.iter().zip(self.features.iter().cycle()).map(bin).collect())
    }

    /// How many of these rows reach another leaf of some tree than in the original.
    ///
    /// # Errors
    /// [`RowsError`] if the values are not whole rows.
    pub fn differing_rows(&self, original: &Ensemble, rows: &[f64]) -> Result<usize, RowsError> {
        let binned = self.bin(rows)?;
        let width = self.features.len();
        let mut differing = 0;
        for (row, bins) in rows.chunks_exact(width).zip(binned.chunks_exact(width)) {
            differing += usize::from(original.leaves_of(row)? != self.ensemble.leaves_of(bins)?);
        }
        Ok(differing)
    }
}

/// For each feature: smallest number above the cut of every test (a test of order), or the value (a test of equality).
/// If a feature has both, equality is two cuts around the value. Ascending, repeated as often as they are tested.
fn tests_by_feature(parts: &Parts) -> Vec<Vec<(f64, bool)>> {
    let mut tests: Vec<Vec<(f64, bool)>> = vec![Vec::new(); parts.features.len()];
    let mut ordered = vec![false; parts.features.len()];
    let branches = || {
        parts.nodes.iter().filter_map(|node| match node {
            Node::Branch(branch) => Some(branch),
            Node::Leaf { .. } => None,
        })
    };
    for branch in branches() {
        if let Some(ordered) = ordered.get_mut(branch.feature as usize) {
            *ordered |= !matches!(branch.mode, Mode::Equal | Mode::NotEqual | Mode::Member);
        }
    }
    for branch in branches() {
        let feature = branch.feature as usize;
        let (Some(list), Some(ordered)) = (tests.get_mut(feature), ordered.get(feature)) else {
            continue; // Checked: there is one.
        };
        let one = [branch.value];
        let values: &[f64] = match branch.mode {
            Mode::Member => parts.sets.get(branch.value as usize).map_or(&[], Vec::as_slice),
            _ => &one,
        };
        for value in values {
            match branch.mode {
                Mode::Less | Mode::GreaterOrEqual => list.push((*value, true)),
                Mode::LessOrEqual | Mode::Greater => list.push((next_up(parts.arithmetic, *value), true)),
                _ if *ordered => {
                    list.extend([(*value, true), (next_up(parts.arithmetic, *value), true)]);
                }
                _ => list.push((*value, false)),
            }
        }
    }
    for list in &mut tests {
        // Nothing is below minus infinity, and nothing above infinity.
        list.retain(|(cut, is_order)| !is_order || (*cut != f64::NEG_INFINITY && !cut.is_nan()));
        list.iter_mut().for_each(|(cut, _)| *cut += 0.0); // -0 and 0 are one number.
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    tests
}

/// The next number of the type; NaN above infinity.
fn next_up(float: Float, value: f64) -> f64 {
    match float {
        _ if value == f64::INFINITY => f64::NAN,
        Float::F32 => f64::from((value as f32).next_up()),
        Float::F64 => value.next_up(),
    }
}

fn column(parts: &Parts, rows: &[f64], feature: usize) -> Vec<f64> {
    let values = rows.iter().skip(feature).step_by(parts.features.len());
    let mut values: Vec<f64> = values
        .map(|x| parts.rounded(*x))
        .filter(|x| !x.is_nan())
        .collect();
    values.sort_by(f64::total_cmp);
    values
}

/// At most `most` of the cuts, near equally many values of the sample (or tests) apart.
fn chosen(cuts: &[f64], tests: &[(f64, bool)], sample: Option<Vec<f64>>, most: usize) -> Vec<f64> {
    let own = || tests.iter().map(|(cut, _)| *cut).collect();
    let values = sample.filter(|sample| !sample.is_empty()).unwrap_or_else(own);
    // How many values each cut leaves below it.
    let below: Vec<usize> = cuts
        .iter()
        .map(|cut| values.partition_point(|x| x < cut))
        .collect();
    let mut picked: Vec<usize> = (1..=most)
        .filter_map(|quantile| {
            let wanted = values.len() * quantile / (most + 1);
            let after = below.partition_point(|count| *count < wanted);
            [after.checked_sub(1), Some(after)]
                .into_iter()
                .flatten()
                .filter_map(|index| below.get(index).map(|count| (count.abs_diff(wanted), index)))
                .min()
        })
        .map(|(_, index)| index)
        .collect();
    picked.dedup();
    picked
        .iter()
        .filter_map(|index| cuts.get(*index).copied())
        .collect()
}

/// A test of a number as a test of its bin.
fn over_bins(parts: &Parts, branch: &Branch, bins: &FeatureBins, sets: &mut Vec<Vec<f64>>) -> Branch {
    // The bin that begins at the cut of a test; if cuts were merged, at the nearest one in rank.
    let from = |cut: f64| match bins {
        _ if cut.is_nan() => bins.levels() as f64,
        FeatureBins::Cuts(cuts) => {
            let after = cuts.partition_point(|other| *other < cut);
            let exact = cuts.get(after) == Some(&cut);
            let lower = after.checked_sub(1).and_then(|index| cuts.get(index));
            let nearer_below = match (lower, cuts.get(after)) {
                (Some(lower), Some(upper)) => cut - lower < upper - cut,
                (Some(_), None) => true,
                _ => false,
            };
            let first = if cut == f64::NEG_INFINITY {
                0
            } else if exact || !nearer_below {
                after + 1
            } else {
                after
            };
            first as f64
        }
        FeatureBins::Values(_) => 0.0,
    };
    let up = |value: f64| from(next_up(parts.arithmetic, value));
    let (mode, value) = match branch.mode {
        Mode::Less => (Mode::Less, from(branch.value)),
        Mode::GreaterOrEqual => (Mode::GreaterOrEqual, from(branch.value)),
        Mode::LessOrEqual => (Mode::Less, up(branch.value)),
        Mode::Greater => (Mode::GreaterOrEqual, up(branch.value)),
        Mode::Equal | Mode::NotEqual => (branch.mode, bins.bin(branch.value) as f64),
        Mode::Member => {
            let set = parts
                .sets
                .get(branch.value as usize)
                .map_or(&[] as &[f64], Vec::as_slice);
            let mut of_bins: Vec<f64> = set.iter().map(|value| bins.bin(*value) as f64).collect();
            of_bins.sort_by(f64::total_cmp);
            of_bins.dedup();
            sets.push(of_bins);
            (Mode::Member, (sets.len() - 1) as f64)
        }
    };
    Branch {
        mode,
        value,
        ..*branch
    }
}

#[cfg(test)]
mod tests;
