//! From the histogram of all rows by a feature to its slots: groups of bins that hold about as much each.

use crate::query::BINS;
use crate::table::CLASSES;

/// Cells below so many standard deviations of their noise weigh nothing.
const DEVIATIONS: f64 = 2.0;

/// The slots of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slots {
    /// The slot of each bin; of missing values, and of whatever is beyond, the last.
    pub(super) of: Vec<u8>,
    /// Slots that hold values, the first.
    pub(super) values: usize,
}

/// Groups the `values` bins of `histogram` (`[bins, classes]`) into at most `most` slots; missing values have slot `last`,
/// which is not below `most`.
///
/// A bin weighs what it holds of all rows of either class, half and half: where positives are rare, cuts are needed
/// where they are. If there are few enough bins, each has a slot of its own; categories that must share one are first
/// ordered by their share of positives.
pub(super) fn slots(
    histogram: &[i64],
    values: usize,
    ordered: bool,
    (most, last): (usize, u8),
    deviation: f64,
) -> Slots {
    let mut of = vec![last; BINS];
    if values <= most {
        of.iter_mut()
            .zip(0u8..=255)
            .take(values)
            .for_each(|(slot, bin)| *slot = bin);
        return Slots { of, values };
    }
    let weight = |cell: &[i64], class: usize| {
        let rows = cell.get(class).copied().unwrap_or(0) as f64;
        if rows > DEVIATIONS * deviation { rows } else { 0.0 }
    };
    let cells = || histogram.chunks_exact(CLASSES).take(values);
    let sum = |class: usize| f64::max(1.0, cells().map(|cell| weight(cell, class)).sum());
    let (negatives, positives) = (sum(0), sum(1));
    let mut bins: Vec<(usize, f64, f64)> = cells()
        .enumerate()
        .map(|(bin, cell)| {
            let (negative, positive) = (weight(cell, 0), weight(cell, 1));
            let share = (positive + 1.0) / (negative + positive + 2.0);
            // Never nothing, so that empty bins are divided evenly.
            (bin, negative / negatives + positive / positives + 1e-9, share)
        })
        .collect();
    if !ordered {
        bins.sort_by(|a, b| a.2.total_cmp(&b.2));
    }
    let mut left: f64 = bins.iter().map(|bin| bin.1).sum();
    let (mut slot, mut filled) = (0, 0.0);
    for (position, (bin, weight, _)) in bins.iter().enumerate() {
        let wanted = left / (most - slot) as f64;
        // A bin goes where it makes less of a difference; and every slot that is left has a bin.
        let is_full = filled + weight / 2.0 > wanted || bins.len() - position < most - slot;
        if filled > 0.0 && is_full && slot + 1 < most {
            left -= filled;
            slot += 1;
            filled = 0.0;
        }
        filled += weight;
        if let Some(of) = of.get_mut(*bin) {
            *of = slot as u8;
        }
    }
    Slots { of, values: slot + 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rare_positives_get_their_share_of_slots() {
        // 64 bins of 1000 rows; 30 positives in each of bins 10 to 13.
        let mut histogram = [1000, 0].repeat(65);
        (10..14).for_each(|bin| histogram[2 * bin + 1] = 30);
        let slots = slots(&histogram, 64, true, (8, 8), 0.0);
        assert_eq!(slots.values, 8);
        let distinct: std::collections::BTreeSet<_> = slots.of[9..15].iter().collect();
        assert!(distinct.len() >= 4, "{:?}", &slots.of[..64]);
    }

    #[test]
    fn few_values_have_their_own() {
        let slots = slots(&[5, 5, 1, 1, 0, 0, 7, 7], 3, false, (8, 8), 0.0);
        assert_eq!((&slots.of[..5], slots.values), ([0, 1, 2, 8, 8].as_slice(), 3));
    }

    proptest! {
        #[test]
        fn slots_are_filled_from_the_first(
            cells in proptest::collection::vec(-50i64..1000, 2..500), ordered: bool, wanted in 3u16..60, deviation in 0.0f64..100.0
        ) {
            let values = cells.len() / 2;
            let found = slots(&cells, values, ordered, (usize::from(wanted) - 1, 70), deviation);
            let used: std::collections::BTreeSet<u8> = found.of[..values].iter().copied().collect();
            prop_assert_eq!(used, (0..found.values as u8).collect());
            prop_assert!(found.values <= values.min(usize::from(wanted) - 1));
            prop_assert!(found.of[values..].iter().all(|slot| *slot == 70));
            if ordered {
                prop_assert!(found.of[..values].is_sorted());
            }
        }
    }
}
