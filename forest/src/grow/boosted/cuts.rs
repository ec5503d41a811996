//! Where a feature may be cut, and what each cut is worth, by noisy numbers of rows and positives in its bins.

use std::collections::BTreeMap;

/// Quantiles of a numeric feature's rows that are candidates.
const QUANTILES: usize = 24;
/// A difference of two halves of a range counts as real from so many standard deviations of its noise.
const REAL: f64 = 2.0;
/// From the gain of a cut of categories so many times the variance of its noise is taken off.
const DOUBT: f64 = 3.0;
/// The same of a cut of numbers, which is the best of many.
const DOUBT_OF_BEST: f64 = 3.0;
/// A half counts as empty if it holds less than so many standard deviations of its noise, and the other more.
const EMPTY: f64 = 1.5;
/// Cuts of cuts of cuts: at most 15 of them.
const LEVELS: usize = 4;

/// What is known of the bins of a feature, in the order in which they are cut.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// Rows, noise smoothed.
    pub(super) rows: &'a [f64],
    /// How many more of them are positive than the base rate says.
    pub(super) excess: &'a [f64],
    /// Standard deviation of the number of rows of a bin.
    pub(super) noise: f64,
    /// Variance of its excess.
    pub(super) variance: f64,
}

impl Known<'_> {
    /// Cuts of a numeric feature, ascending, with their gains: the quantiles, and the cuts of a tree on this feature
    /// alone as far as it stands out from noise. The latter find a narrow range that quantiles step over.
    pub(super) fn thresholds(&self) -> Vec<(usize, f64)> {
        let mut cuts: BTreeMap<usize, f64> = quantiles(self.rows).into_iter().map(|cut| (cut, 0.0)).collect();
        self.best(0, LEVELS, &mut cuts);
        cuts.into_iter().collect()
    }

    /// All cuts of categories that are in the order of their rates, with their gains.
    pub(super) fn categories(&self) -> Vec<(usize, f64)> {
        let (all_rows, all_excess): (f64, f64) = (self.rows.iter().sum(), self.excess.iter().sum());
        let worth = |excess: f64, rows: f64, bins: usize| {
            let above = (excess * excess - DOUBT * self.variance * bins as f64).max(0.0);
            above / self.at_least(rows, bins)
        };
        let (mut rows, mut excess) = (0.0, 0.0);
        let bins = self.rows.iter().zip(self.excess).enumerate();
        let cuts = bins
            .take(self.rows.len().saturating_sub(1))
            .map(|(bin, (own_rows, own_excess))| {
                (rows, excess) = (rows + own_rows, excess + own_excess);
                let cut = bin + 1;
                let left = worth(excess, rows, cut);
                (
                    cut,
                    left + worth(all_excess - excess, all_rows - rows, self.rows.len() - cut),
                )
            });
        cuts.collect()
    }

    /// Rows as a divisor: not less than their noise.
    fn at_least(&self, rows: f64, bins: usize) -> f64 {
        rows.max(0.0) + self.noise * (bins as f64).sqrt() + 1.0
    }

    /// Adds the best cut, if any is real, and the best on both sides of it. `first` is the position of the first bin.
    fn best(&self, first: usize, levels: usize, cuts: &mut BTreeMap<usize, f64>) {
        let bins = self.rows.len();
        let (all_rows, all_excess): (f64, f64) = (self.rows.iter().sum(), self.excess.iter().sum());
        let (mut rows, mut excess) = (0.0, 0.0);
        let mut best = (0.0, 0);
        // Bins that hold nothing have no noise either: their excess is taken as 0.
        let filled = self.rows.iter().filter(|rows| **rows > 0.0).count();
        let mut left = 0;
        for (bin, (own_rows, own_excess)) in self
            .rows
            .iter()
            .zip(self.excess)
            .enumerate()
            .take(bins.saturating_sub(1))
        {
            (rows, excess) = (rows + own_rows, excess + own_excess);
            left += usize::from(*own_rows > 0.0);
            let right = filled - left;
            let share = rows / all_rows.max(1.0);
            let more = excess - share * all_excess;
            let noise = left as f64 * (1.0 - share) * (1.0 - share) + right as f64 * share * share;
            let above = (more * more - DOUBT_OF_BEST * self.variance * noise).max(0.0);
            let gain =
                above * (1.0 / self.at_least(rows, left) + 1.0 / self.at_least(all_rows - rows, right));
            if gain > best.0 {
                best = (gain, bin + 1);
            }
        }
        let (gain, cut) = best;
        if cut == 0 || levels == 0 {
            return;
        }
        let own = cuts.entry(first + cut).or_default();
        *own = own.max(gain);
        let (rows_left, rows_right) = self.rows.split_at(cut.min(bins));
        let (excess_left, excess_right) = self.excess.split_at(cut.min(self.excess.len()));
        let side = |rows, excess| Known {
            rows,
            excess,
            ..*self
        };
        side(rows_left, excess_left).best(first, levels - 1, cuts);
        side(rows_right, excess_right).best(first + cut, levels - 1, cuts);
    }
}

/// Numbers of rows without the noise that can be told: from the whole range down, the rows of a part are divided over
/// its halves as measured where the halves differ by more than noise, and evenly where not (thresholding of Haar
/// wavelets: Donoho, Johnstone 1994). A half that holds less than its noise, beside one that holds more, is empty: a
/// long empty range would gather as much noise as a few rows in it would have to stand out from. Not below 0; the sum is
/// that of all rows.
pub(super) fn smooth(measured: &[f64], all: f64, noise: f64) -> Vec<f64> {
    fn part(measured: &[f64], rows: f64, noise: f64, out: &mut Vec<f64>) {
        if measured.len() <= 1 {
            out.extend(measured.iter().map(|_| rows));
            return;
        }
        let (left, right) = measured.split_at(measured.len().div_ceil(2));
        let share = left.len() as f64 / measured.len() as f64;
        let (in_left, in_right): (f64, f64) = (left.iter().sum(), right.iter().sum());
        let more = in_left - share * (in_left + in_right);
        let doubt = REAL * noise * (share * (1.0 - share) * measured.len() as f64).sqrt();
        let is_real = more.abs() > doubt;
        let is_empty = |half: &[f64], sum: f64| is_real && sum < EMPTY * noise * (half.len() as f64).sqrt();
        let rows_left = if is_empty(right, in_right) {
            rows
        } else if is_empty(left, in_left) {
            0.0
        } else {
            let more = if is_real { more } else { 0.0 };
            (share * rows + more).clamp(0.0, rows.max(0.0))
        };
        part(left, rows_left, noise, out);
        part(right, rows - rows_left, noise, out);
    }
    let mut out = Vec::with_capacity(measured.len());
    part(measured, all, noise, &mut out);
    out
}

/// The cuts that divide the rows most evenly, ascending.
fn quantiles(rows: &[f64]) -> Vec<usize> {
    let all: f64 = rows.iter().sum();
    let mut cuts = Vec::new();
    let (mut below, mut next) = (0.0, 1);
    for (bin, own) in rows.iter().enumerate() {
        below += own;
        let mut cut = false;
        while next < QUANTILES && below >= all * next as f64 / QUANTILES as f64 {
            cut = true;
            next += 1;
        }
        if cut && bin + 1 < rows.len() {
            cuts.push(bin + 1);
        }
    }
    if cuts.is_empty() && rows.len() > 1 {
        // All rows are in the last bin.
        cuts.push(rows.len() - 1);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn exact<'a>(rows: &'a [f64], excess: &'a [f64]) -> Known<'a> {
        Known {
            rows,
            excess,
            noise: 0.0,
            variance: 0.0,
        }
    }

    #[test]
    fn a_narrow_range_is_cut_out_on_both_sides() {
        let (mut rows, mut excess) = (vec![0.0; 40], vec![0.0; 40]);
        // Nearly all rows are in the first bin; a few, most of them positive, in bins 20 to 22.
        (rows[0], excess[0]) = (10_000.0, -30.0);
        for bin in 1..40 {
            (rows[bin], excess[bin]) = (10.0, if (20..23).contains(&bin) { 9.0 } else { 0.0 });
        }
        let cuts = exact(&rows, &excess).thresholds();
        let gain = |cut: usize| {
            cuts.iter()
                .find(|(at, _)| *at == cut)
                .map_or(0.0, |(_, gain)| *gain)
        };
        assert!(gain(20) > 1.0 && gain(23) > 1.0, "{cuts:?}");
        assert!(cuts.is_sorted_by(|a, b| a.0 < b.0) && cuts.iter().all(|(cut, _)| (1..40).contains(cut)));
        // The same under noise of 20 rows is nothing.
        let noisy = Known {
            noise: 20.0,
            variance: 400.0,
            ..exact(&rows, &excess)
        };
        assert!(noisy.thresholds().iter().all(|(_, gain)| *gain == 0.0));
    }

    #[test]
    fn a_long_empty_range_does_not_hide_the_few_rows_in_it() {
        // 30,000 rows in the first of 64 bins, 900 in bins 4 to 8; what noise adds nearly cancels.
        let rows = |bin: usize| match bin {
            0 => 30_000.0,
            4..9 => 180.0,
            _ => 0.0,
        };
        let measured: Vec<f64> = (0..64)
            .map(|bin| rows(bin) + if bin % 2 == 0 { 80.0 } else { -75.0 })
            .collect();
        let rows = smooth(&measured, 30_900.0, 100.0);
        assert!((rows.iter().sum::<f64>() - 30_900.0).abs() < 1e-6);
        assert!(rows[16..].iter().all(|rows| *rows == 0.0), "{rows:?}");
        assert!(rows[4..9].iter().sum::<f64>() > 400.0, "{rows:?}");
    }

    #[test]
    fn quantiles_divide_evenly_and_never_run_out() {
        assert_eq!(
            quantiles(&[1.0; 48]),
            (1..24).map(|cut| 2 * cut).collect::<Vec<_>>()
        );
        assert_eq!(quantiles(&[0.0, 0.0, 5.0]), [2]);
        assert_eq!(quantiles(&[5.0, 0.0, 0.0]), [1]);
        assert!(quantiles(&[5.0]).is_empty());
    }

    #[test]
    fn categories_gain_what_they_explain() {
        let cuts = exact(&[10.0, 10.0, 10.0], &[-4.0, -4.0, 8.0]).categories();
        let expected = [(1, 16.0 / 11.0 + 16.0 / 21.0), (2, 64.0 / 21.0 + 64.0 / 11.0)];
        for ((cut, gain), (at, worth)) in cuts.into_iter().zip(expected) {
            assert!(cut == at && (gain - worth).abs() < 1e-9, "{cut} {gain} {worth}");
        }
    }

    #[test]
    fn smoothing_keeps_what_is_real_and_the_sum() {
        let measured = [900.0, 10.0, -20.0, 5.0, 30.0, 0.0, -10.0, 85.0];
        assert_eq!(smooth(&measured, 1000.0, 0.0).iter().sum::<f64>(), 1000.0);
        let smoothed = smooth(&measured, 1000.0, 40.0);
        assert!((smoothed.iter().sum::<f64>() - 1000.0).abs() < 1e-9);
        assert!(
            smoothed.iter().all(|rows| *rows >= 0.0) && smoothed[0] > 700.0,
            "{smoothed:?}"
        );
        assert_eq!(smoothed[4], smoothed[5]);
    }
}
