//! Public edges, bins and thermometer bits.
//!
//! A number is in the bin of how many edges it reaches; a missing value has a bin of its own, the last. With `n` bins
//! a feature is `n - 1` bits, bit `j` saying whether the bin is above `j`. The edges are public. Where they are the
//! model's own thresholds, they tell that set (not which tree uses which); edges that do not come from the model, as
//! quantiles of public data, tell nothing, and thresholds move to the nearest edge.

use hedgerow_forest::ensemble::{Branch, Ensemble, EnsembleError, FeatureBins, Float, Mode, Node, RowsError};
use serde::{Deserialize, Serialize};

use super::error::refused;

/// Bins of a feature, that of missing values not counted, where bins are encrypted.
pub const MAX_LEVELS: u16 = 64;

/// The same where the client walks the trees itself: every threshold is kept.
pub const PUBLIC_LEVELS: u16 = u16::MAX;

/// Where edges come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Edges {
    /// The thresholds of the model: scores are those of the original as long as no feature has more than
    /// [`MAX_LEVELS`] bins ([`PUBLIC_LEVELS`] where structure is public). The client learns which thresholds there are.
    #[default]
    OfModel,
    /// Given, for each feature, at most [`MAX_LEVELS`] bins: not made from the model.
    Public(Vec<FeatureBins>),
}

impl Edges {
    /// Edges at quantiles of rows that are public, `[rows, features]`: all values where a feature has few.
    pub fn quantiles(rows: &[f64], features: usize) -> Self {
        let edges = |feature: usize| {
            let column = rows.iter().skip(feature).step_by(features.max(1)).copied();
            let mut column: Vec<f64> = column.filter(|x| !x.is_nan()).collect();
            column.sort_by(f64::total_cmp);
            let values: Vec<&[f64]> = column.chunk_by(|a, b| a == b).collect();
            let (mut left, mut rows, mut held) = (usize::from(MAX_LEVELS), column.len(), 0);
            let few = values.len() <= left;
            let mut cuts = Vec::new();
            for value in values {
                // A bin is full with its part of the rows that are left: a value that many rows have takes one bin, and
                // the others share the rest.
                if held > 0 && left > 1 && (few || held * left >= rows) {
                    cuts.extend(value.first().map(|cut| cut + 0.0));
                    (left, rows, held) = (left - 1, rows - held, 0);
                }
                held += value.len();
            }
            FeatureBins::Cuts(cuts)
        };
        Self::Public((0..features).map(edges).collect())
    }
}

/// The bins of one feature, as they travel: numbers by their bits, as text formats know no infinity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Bins {
    Cuts(Vec<u64>),
    Values(Vec<u64>),
}

/// What a client needs to bin a row. Public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binning {
    features: Vec<Bins>,
    rounding: [Float; 2],
}

impl Binning {
    /// The number of features.
    pub const fn width(&self) -> usize {
        self.features.len()
    }

    /// Are there at least one feature, ascending edges, and for at most `levels` bins?
    pub(super) fn is_valid(&self, levels: u16) -> bool {
        let valid = |bins: &Bins| {
            let (Bins::Cuts(list) | Bins::Values(list)) = bins;
            let numbers: Vec<f64> = list.iter().map(|bits| f64::from_bits(*bits)).collect();
            list.len() < usize::from(levels)
                && numbers.iter().all(|number| !number.is_nan())
                && numbers
                    .windows(2)
                    .all(|pair| pair.first() < pair.last() || matches!(bins, Bins::Values(_)))
        };
        !self.features.is_empty() && self.features.iter().all(valid)
    }

    /// Bits of each feature, in order: its bins, that of missing values among them, less one.
    pub fn bits(&self) -> impl Iterator<Item = usize> {
        self.features.iter().map(Bins::levels)
    }

    /// The first bit of each feature, in order.
    pub fn offsets(&self) -> Vec<usize> {
        let ends = self.bits().scan(0, |end, bits| {
            *end += bits;
            Some(*end - bits)
        });
        ends.collect()
    }

    /// Bits of a row.
    pub fn total_bits(&self) -> usize {
        self.bits().sum()
    }

    /// The bins of a row.
    ///
    /// # Errors
    /// Another number of values.
    pub fn bin(&self, row: &[f64]) -> Result<Vec<u16>, RowsError> {
        let (expected, seen) = (self.width(), row.len());
        if expected != seen {
            return Err(RowsError { expected, seen });
        }
        let bin = |(bins, x): (&Bins, &f64)| {
            let x = self.rounding.iter().fold(*x, |x, float| float.round(x));
            if x.is_nan() {
                bins.levels() as u16
            } else {
                bins.bin(x) as u16
            }
        };
        Ok(self.features.iter().zip(row).map(bin).collect())
    }

    /// Bins as inputs of an ensemble over bins: missing values are NaN.
    pub fn inputs(&self, bins: &[u16]) -> Vec<f64> {
        let input = |(bin, levels): (&u16, usize)| match usize::from(*bin) {
            bin if bin < levels => bin as f64,
            _ => f64::NAN,
        };
        bins.iter().zip(self.bits()).map(input).collect()
    }

    /// The thermometer bits of bins.
    pub fn thermometer(&self, bins: &[u16]) -> Vec<bool> {
        let each = bins
            .iter()
            .zip(self.bits())
            .flat_map(|(bin, bits)| (0..bits).map(move |bit| usize::from(*bin) > bit));
        each.collect()
    }
}

impl Bins {
    fn new(bins: &FeatureBins) -> Self {
        let bits = |list: &[f64]| list.iter().map(|number| number.to_bits()).collect();
        match bins {
            FeatureBins::Cuts(list) => Self::Cuts(bits(list)),
            FeatureBins::Values(list) => Self::Values(bits(list)),
        }
    }

    /// Bins of numbers.
    const fn levels(&self) -> usize {
        let (Self::Cuts(list) | Self::Values(list)) = self;
        list.len() + 1
    }

    fn bin(&self, x: f64) -> usize {
        match self {
            Self::Cuts(cuts) => cuts.partition_point(|cut| f64::from_bits(*cut) <= x),
            Self::Values(values) => values
                .iter()
                .position(|value| f64::from_bits(*value) == x)
                .unwrap_or(values.len()),
        }
    }
}

/// A forest over bins.
#[derive(Clone, Debug)]
pub struct Binned {
    /// How rows become bins.
    pub binning: Binning,
    /// The ensemble whose inputs are bins, missing values NaN.
    pub ensemble: Ensemble,
    /// Whether every row reaches the leaves that it reaches in the original.
    pub is_exact: bool,
}

impl Binned {
    /// The forest over the bins of these edges, at most `levels` for each feature.
    ///
    /// # Errors
    /// Edges for another number of features, or more than [`MAX_LEVELS`] bins; a feature that is compared for equality
    /// with more values than there are levels.
    pub fn new(model: &Ensemble, edges: &Edges, levels: u16) -> Result<Self, EnsembleError> {
        let parts = model.parts();
        let rounding = [parts.input, parts.arithmetic];
        let binning = |features: &[FeatureBins]| Binning {
            features: features.iter().map(Bins::new).collect(),
            rounding,
        };
        match edges {
            Edges::OfModel => {
                let bins = model.to_bins(levels, None)?;
                Ok(Self {
                    binning: binning(&bins.features),
                    is_exact: bins.is_exact(),
                    ensemble: bins.ensemble,
                })
            }
            Edges::Public(features) => {
                let refuse = |expected: String, seen: usize| Err(refused("public edges", expected, seen));
                if features.len() != parts.features.len() {
                    return refuse(format!("{} features", parts.features.len()), features.len());
                }
                if let Some(many) = features.iter().find(|bins| bins.levels() > MAX_LEVELS.into()) {
                    return refuse(format!("at most {MAX_LEVELS} bins of a feature"), many.levels());
                }
                let mut moved = parts.clone();
                moved.input = Float::F64;
                let mut is_exact = true;
                let arithmetic = parts.arithmetic;
                for node in &mut moved.nodes {
                    if let Node::Branch(branch) = node
                        && let Some(bins) = features.get(branch.feature as usize)
                    {
                        let (over, exact) = over(branch, bins, arithmetic, &mut moved.sets);
                        *branch = over;
                        is_exact &= exact;
                    }
                }
                Ok(Self {
                    binning: binning(features),
                    ensemble: Ensemble::new(moved)?,
                    is_exact,
                })
            }
        }
    }

    /// Bins as inputs of the ensemble.
    pub fn inputs(&self, bins: &[u16]) -> Vec<f64> {
        self.binning.inputs(bins)
    }

    /// The bins that a test sends to its yes branch, bit by bit.
    pub(super) fn accepted(&self, branch: &Branch) -> u128 {
        let levels = self
            .binning
            .features
            .get(branch.feature as usize)
            .map_or(0, Bins::levels);
        let sets = &self.ensemble.parts().sets;
        let holds = |x: f64| match branch.mode {
            Mode::LessOrEqual => x <= branch.value,
            Mode::Less => x < branch.value,
            Mode::GreaterOrEqual => x >= branch.value,
            Mode::Greater => x > branch.value,
            Mode::Equal => x == branch.value,
            Mode::NotEqual => x != branch.value,
            Mode::Member => sets
                .get(branch.value as usize)
                .is_some_and(|set| set.contains(&x)),
        };
        let numbers = (0..levels).filter(|bin| holds(*bin as f64));
        let mask = numbers.fold(0, |mask, bin| mask | 1 << bin);
        let missing = branch.missing_yes || holds(f64::NAN);
        mask | u128::from(missing) << levels
    }
}

/// A test of a number as a test of its bin, and whether it is the same test.
fn over(branch: &Branch, bins: &FeatureBins, arithmetic: Float, sets: &mut Vec<Vec<f64>>) -> (Branch, bool) {
    let place = |x: f64| Bins::new(bins).bin(x) as f64;
    // The bin that begins at the edge nearest to a cut.
    let from = |cut: Option<f64>| match (cut, bins) {
        (None, _) => (bins.levels() as f64, true),
        (Some(f64::NEG_INFINITY), _) => (0.0, true),
        (Some(cut), FeatureBins::Cuts(cuts)) => {
            let after = cuts.partition_point(|other| *other < cut);
            let (lower, upper) = (after.checked_sub(1).and_then(|at| cuts.get(at)), cuts.get(after));
            let below = match (lower, upper) {
                (Some(lower), Some(upper)) => cut - lower < upper - cut,
                (Some(_), None) => true,
                _ => false,
            };
            let exact = upper == Some(&cut);
            let first = after + usize::from(exact || !below && upper.is_some());
            (first as f64, exact)
        }
        (Some(_), FeatureBins::Values(_)) => (0.0, false),
    };
    let above = |value: f64| match arithmetic {
        _ if value == f64::INFINITY => None,
        Float::F32 => Some(f64::from((value as f32).next_up())),
        Float::F64 => Some(value.next_up()),
    };
    let (mode, (value, exact)) = match branch.mode {
        Mode::Less => (Mode::Less, from(Some(branch.value))),
        Mode::GreaterOrEqual => (Mode::GreaterOrEqual, from(Some(branch.value))),
        Mode::LessOrEqual => (Mode::Less, from(above(branch.value))),
        Mode::Greater => (Mode::GreaterOrEqual, from(above(branch.value))),
        Mode::Equal | Mode::NotEqual => {
            let listed = matches!(bins, FeatureBins::Values(values) if values.contains(&branch.value));
            (branch.mode, (place(branch.value), listed))
        }
        Mode::Member => {
            let set = sets.get(branch.value as usize).cloned().unwrap_or_default();
            let listed = set
                .iter()
                .all(|x| matches!(bins, FeatureBins::Values(values) if values.contains(x)));
            let mut of_bins: Vec<f64> = set.into_iter().map(place).collect();
            of_bins.sort_by(f64::total_cmp);
            of_bins.dedup();
            sets.push(of_bins);
            (Mode::Member, ((sets.len() - 1) as f64, listed))
        }
    };
    (
        Branch {
            mode,
            value,
            ..*branch
        },
        exact,
    )
}
