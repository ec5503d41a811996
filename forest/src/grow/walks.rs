//! The threshold of a forest over links: from rows that its own leaf tables suggest.
//!
//! Nobody can count a histogram of scores where rows are joined, and trees' tables say nothing of how trees agree. But
//! the forest's trees test the same columns over and over. So rows are made up that look as the tables say: a class by
//! the share of its rows; then, tree by tree in an order drawn for each row, a leaf by the rows of that class on either
//! side of each test, where what the row went through before does not decide it already. Every test narrows the bins
//! that the row may have, so that trees asked later agree with those asked before. The scores of many such rows, with
//! their classes, give the threshold. All this is post-processing of a released table.
//!
//! The made-up rows know how columns depend on each other as far as single trees do, which is less than they do: scores
//! spread 2 to 8 % less than those of the true rows. So the threshold lies between theirs and one half, which would be
//! right if all trees agreed: by exact counts a quarter of the way from one half, under noise, which trees do not share,
//! four fifths of it.
//!
//! Measured within Adult's training file (6 + 6 columns, three folds, accuracy; the best threshold in brackets): without
//! noise .8642 (.8660), where half of the way has .8638; at epsilon 1 .8455 (.8467), where the whole way has .8440 and
//! half of it .8451; at 0.1 .8201 (.8233), the whole way .8173. On eleven other sets it is within .001 either way.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::threshold::middle_threshold;
use crate::query::SCALE;
use crate::table::CLASSES;
use crate::tree::{BinSet, Tree};

/// Rows of each class that are made up.
const ROWS: usize = 10_000;
/// Bins of their score histogram.
const BINS: usize = 100;
/// The threshold of scores that are probabilities.
const CALIBRATED: f64 = 0.5;
/// Part of the way from there to the threshold of made-up rows: by exact counts, and under noise.
const TRUST: (f64, f64) = (0.25, 0.8);
/// Part of the rarer class's rows that counts as chance of the draw.
const SLACK: f64 = 0.002;
/// What all rows of both classes weigh, over those that are made up of either.
const WEIGHT: f64 = 1_048_576.0;

/// The threshold at which most made-up rows are right; `cells` is `[trees, leaves, classes]`, exact or noisy.
///
/// Chance is the ChaCha20 key stream of a fixed key: the same everywhere, and no secret. Edges that the chance of the
/// draw alone does not tell from the best are taken as equally good, and the middle one is the threshold.
pub(super) fn threshold(
    trees: &[Tree],
    cells: &[i64],
    leaf_values: &[u32],
    columns: usize,
    is_exact: bool,
) -> f64 {
    let mut walks = Walks::new(trees, cells, leaf_values, columns);
    let mut histogram = [0i64; BINS * CLASSES];
    let totals = walks.totals();
    let all = totals[0] + totals[1];
    if all <= 0.0 {
        return 1.0;
    }
    let weights = totals.map(|rows| (rows / all * WEIGHT).round());
    let trees = trees.len().max(1) as u64;
    // As many of either class, so that a rare one is seen as well, weighed by how many there are.
    for (class, weight) in weights.into_iter().enumerate() {
        for _ in 0..ROWS {
            let bin = walks.score(class) * BINS as u64 / (trees * u64::from(SCALE));
            if let Some(cell) = histogram.get_mut(bin as usize * CLASSES + class) {
                *cell += weight as i64;
            }
        }
    }
    let slack = SLACK * ROWS as f64 * f64::min(weights[0], weights[1]);
    let threshold = middle_threshold(&histogram, slack);
    if threshold < 1.0 {
        let trust = if is_exact { TRUST.0 } else { TRUST.1 };
        trust * threshold + (1.0 - trust) * CALIBRATED
    } else {
        threshold
    }
}

/// A tree with what its nodes hold.
struct Walked<'a> {
    tree: &'a Tree,
    leaf_values: &'a [u32],
    /// Rows of both classes of all nodes in level order, none below 0.
    rows: Vec<[f64; CLASSES]>,
}

struct Walks<'a> {
    trees: Vec<Walked<'a>>,
    order: Vec<usize>,
    columns: usize,
    rng: ChaCha20Rng,
}

impl<'a> Walks<'a> {
    fn new(trees: &'a [Tree], cells: &[i64], leaf_values: &'a [u32], columns: usize) -> Self {
        let leaves = trees.first().map_or(1, Tree::leaves);
        let of_trees = trees
            .iter()
            .zip(cells.chunks_exact(leaves * CLASSES))
            .zip(leaf_values.chunks_exact(leaves));
        let trees: Vec<Walked> = of_trees
            .map(|((tree, cells), leaf_values)| Walked {
                tree,
                leaf_values,
                rows: rows(tree, cells),
            })
            .collect();
        Self {
            order: (0..trees.len()).collect(),
            trees,
            columns,
            rng: ChaCha20Rng::from_seed(*b"hedgerow-forest walks, version 1"),
        }
    }

    /// Rows of both classes, in the mean over the trees.
    fn totals(&self) -> [f64; CLASSES] {
        let roots = self.trees.iter().filter_map(|tree| tree.rows.first());
        roots.fold([0.0; CLASSES], |sum, root| [sum[0] + root[0], sum[1] + root[1]])
    }

    /// Sum of the leaf values of one made-up row.
    fn score(&mut self, class: usize) -> u64 {
        for last in (1..self.order.len()).rev() {
            let other = (u64::from(self.rng.next_u32()) * (last as u64 + 1)) >> 32;
            self.order.swap(last, other as usize);
        }
        let mut bins = vec![BinSet::range(0, u8::MAX); self.columns];
        let mut sum = 0;
        for position in &self.order {
            if let Some(tree) = self.trees.get(*position) {
                let leaf = tree.walk(class, &mut bins, &mut self.rng);
                sum += u64::from(tree.leaf_values.get(leaf).copied().unwrap_or_default());
            }
        }
        sum
    }
}

impl Walked<'_> {
    /// The leaf that a row of this class reaches, whose columns have one of these bins; they are narrowed on the way.
    fn walk(&self, class: usize, bins: &mut [BinSet], rng: &mut ChaCha20Rng) -> usize {
        let mut node = 0;
        while let Some(split) = self.tree.splits().get(node) {
            let mut goes_right = false;
            if !split.is_dummy()
                && let Some(bins) = bins.get_mut(usize::from(split.feature))
            {
                let (right, left) = (bins.and(&split.right), bins.without(&split.right));
                goes_right = !right.is_empty() && (left.is_empty() || self.draw(node, class, rng));
                *bins = if goes_right { right } else { left };
            }
            node = 2 * node + 1 + usize::from(goes_right);
        }
        node - self.tree.splits().len()
    }

    /// Right, as often as rows of this class are there; either way as often if there are none.
    fn draw(&self, node: usize, class: usize, rng: &mut ChaCha20Rng) -> bool {
        let rows = |node: usize| self.rows.get(node).and_then(|rows| rows.get(class)).copied();
        let (left, right) = (
            rows(2 * node + 1).unwrap_or(0.0),
            rows(2 * node + 2).unwrap_or(0.0),
        );
        let share = f64::from(rng.next_u32()) / 4_294_967_296.0;
        if left + right > 0.0 {
            share * (left + right) < right
        } else {
            share < 0.5
        }
    }
}

/// Rows of both classes of all nodes in level order, none below 0; noise in leaves may cancel out above them.
///
/// A leaf that no row can reach, right of a node that splits nothing, counts nowhere.
fn rows(tree: &Tree, cells: &[i64]) -> Vec<[f64; CLASSES]> {
    let tests = tree.splits();
    let mut rows = vec![[0.0; CLASSES]; tests.len()];
    rows.extend(cells.chunks_exact(CLASSES).map(|leaf| match *leaf {
        [negative, positive] => [negative as f64, positive as f64],
        _ => [0.0; CLASSES],
    }));
    for (node, split) in tests.iter().enumerate().rev() {
        let of = |child: usize| rows.get(2 * node + child).copied().unwrap_or_default();
        let right = if split.is_dummy() { [0.0; CLASSES] } else { of(2) };
        let left = of(1);
        if let Some(sum) = rows.get_mut(node) {
            *sum = [left[0] + right[0], left[1] + right[1]];
        }
    }
    for of in rows.iter_mut().flatten() {
        *of = of.max(0.0);
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::Split;

    fn stump(feature: u16) -> Tree {
        let right = BinSet::range(1, 1);
        Tree::new(1, vec![Split { feature, right }]).unwrap()
    }

    #[test]
    fn trees_that_test_the_same_agree() {
        // Three trees test one column: a made-up row goes the same way in all of them, so only two scores come up.
        let trees = vec![stump(0); 3];
        let cells = [90, 10, 10, 40].repeat(3);
        let values = [SCALE / 10, SCALE / 10 * 8].repeat(3);
        let mut walks = Walks::new(&trees, &cells, &values, 1);
        let scores: Vec<u64> = (0..400).map(|row| walks.score(row % 2)).collect();
        let sum = |value: u32| 3 * u64::from(value);
        assert!(
            scores
                .iter()
                .all(|score| [sum(values[0]), sum(values[1])].contains(score))
        );
        let high = scores.iter().filter(|score| **score == sum(values[1])).count();
        // Of 200 negative rows a tenth, of 200 positive ones four fifths: 180 in the mean, standard deviation 7.
        assert!((145..215).contains(&high), "{high}");
        let threshold = threshold(&trees, &cells, &values, 1, false);
        assert!(threshold > 0.1 && threshold <= 0.8, "{threshold}");
    }

    #[test]
    fn agreeing_trees_move_the_threshold_below_one_half() {
        // Ten columns that tell a rare class a little each: no tree has a leaf of one half, and still the rows that
        // many trees suspect are rightly called positive.
        let trees: Vec<Tree> = (0..10).map(stump).collect();
        let cells = [700, 60, 100, 140].repeat(10);
        let values = [SCALE / 760 * 60, SCALE / 240 * 140].repeat(10);
        let noisy = threshold(&trees, &cells, &values, 10, false);
        assert!((0.15..0.45).contains(&noisy), "{noisy}");
        let exact = threshold(&trees, &cells, &values, 10, true);
        assert!(
            (0.5 - exact - TRUST.0 / TRUST.1 * (0.5 - noisy)).abs() < 1e-12,
            "{exact} {noisy}"
        );
    }

    #[test]
    fn nothing_is_never_positive() {
        assert_eq!(threshold(&[stump(0)], &[-3, -1, 0, -9], &[0, 0], 1, true), 1.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn any_cells_give_the_same_threshold_again(
            cells in proptest::collection::vec(any::<i64>(), 8), values in proptest::collection::vec(0..SCALE, 4), feature in 0u16..3
        ) {
            let trees = [stump(0), stump(feature)];
            let once = threshold(&trees, &cells, &values, 2, false);
            prop_assert!((0.0..=1.0).contains(&once));
            prop_assert_eq!(once, threshold(&trees, &cells, &values, 2, false));
        }
    }
}
