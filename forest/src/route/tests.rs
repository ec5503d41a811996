use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::query::{Axes, BINS};
use crate::tree::{BinSet, Split, Tree};

/// Trees with any set of bins at any node, on any feature; rows of any bytes.
fn case() -> impl Strategy<Value = (Vec<Tree>, Binned, Vec<u8>)> {
    (1usize..6, 1u8..=10, 1usize..5, 0usize..700, any::<u64>()).prop_map(
        |(features, depth, trees, rows, seed)| {
            let mut random = Xorshift(seed | 1);
            let tree = |random: &mut Xorshift| {
                let splits = (0..(1 << depth) - 1).map(|_| split(random, features)).collect();
                Tree::new(depth, splits).unwrap()
            };
            let trees = (0..trees).map(|_| tree(&mut random)).collect();
            let mut block = Binned::new(rows, features);
            for feature in 0..features {
                block
                    .column_mut(feature)
                    .iter_mut()
                    .for_each(|bin| *bin = random.next() as u8);
            }
            let labels = (0..rows).map(|_| (random.next() % 3) as u8).collect();
            (trees, block, labels)
        },
    )
}

fn split(random: &mut Xorshift, features: usize) -> Split {
    let feature = (random.next() % features as u64) as u16;
    let right = match random.next() % 4 {
        0 => BinSet::EMPTY,
        1 => (0..=255).filter(|_| random.next().is_multiple_of(2)).collect(),
        2 => BinSet::range(random.next() as u8, 255),
        _ => BinSet::range(random.next() as u8 / 4, 64),
    };
    Split { feature, right }
}

struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }
}

fn naive_leaves(trees: &[Tree], block: &Binned) -> Vec<u16> {
    let walk = |tree: &Tree, row: usize| tree.leaf(|feature| block.column(usize::from(feature))[row]) as u16;
    trees
        .iter()
        .flat_map(|tree| (0..block.rows()).map(move |row| walk(tree, row)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn leaves_are_those_of_a_walk((trees, block, _) in case()) {
        let naive = naive_leaves(&trees, &block);
        let query = TableQuery::leaf_counts(trees.into()).unwrap();
        prop_assert_eq!(Router::new(&query).leaves(&block), naive);
    }

    #[test]
    fn counts_are_naive_counts((trees, block, labels) in case(), already: u8) {
        let rows = block.rows();
        let query = TableQuery::leaf_counts(trees.clone().into()).unwrap();
        let router = Router::new(&query);
        let mut expected = vec![u64::from(already); query.cells()];
        for (position, leaf) in naive_leaves(&trees, &block).into_iter().enumerate() {
            let (tree, row) = (position / rows, position % rows);
            let class = usize::from(labels[row] != 0);
            expected[(tree * query.leaves() + usize::from(leaf)) * 2 + class] += 1;
        }
        let mut counts = vec![u64::from(already); query.cells()];
        router.count(&block, &labels, &mut counts);
        prop_assert_eq!(&counts, &expected);
        // Every row ends in exactly one leaf of every tree.
        for tree in counts.chunks_exact(2 * query.leaves()) {
            let own: u64 = tree.iter().sum::<u64>() - u64::from(already) * tree.len() as u64;
            prop_assert_eq!(own, rows as u64);
        }
    }

    #[test]
    fn scores_are_sums_of_leaf_values((trees, block, labels) in case(), bins in 1u16..300, seed: u64) {
        let mut random = Xorshift(seed | 1);
        let leaves = trees[0].leaves();
        let values: Arc<[u32]> = (0..trees.len() * leaves).map(|_| random.next() as u32 % SCALE).collect();
        let query = TableQuery::score_histogram(trees.clone().into(), Arc::clone(&values), bins).unwrap();
        let mut expected = vec![0; block.rows()];
        for (position, leaf) in naive_leaves(&trees, &block).into_iter().enumerate() {
            let (tree, row) = (position / block.rows(), position % block.rows());
            expected[row] += values[tree * leaves + usize::from(leaf)];
        }
        let router = Router::new(&query);
        prop_assert_eq!(router.scores(&block), expected.clone());

        let mut histogram = vec![0u64; query.cells()];
        for (score, label) in expected.into_iter().zip(&labels) {
            let inside = |bin: u64| {
                let (low, high) = (bin, bin + 1);
                let score = u64::from(score) * u64::from(bins);
                let unit = trees.len() as u64 * u64::from(SCALE);
                low * unit <= score && score < high * unit
            };
            let bin = (0..u64::from(bins)).find(|bin| inside(*bin)).unwrap() as usize;
            histogram[2 * bin + usize::from(*label != 0)] += 1;
        }
        let mut counts = vec![0; query.cells()];
        router.count(&block, &labels, &mut counts);
        prop_assert_eq!(counts, histogram);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn histograms_are_naive_histograms(
        (trees, block, labels) in case(), root: bool, per_tree in 1usize..4, slots in 1u16..=256, seed: u64
    ) {
        let mut random = Xorshift(seed | 1);
        let trees = if root { vec![Tree::LEAF; trees.len()] } else { trees };
        let features: Vec<u16> = (0..trees.len() * per_tree)
            .map(|_| (random.next() % block.features() as u64) as u16)
            .collect();
        let slot_of: Vec<u8> = (0..block.features() * BINS)
            .map(|_| (random.next() % u64::from(slots)) as u8)
            .collect();
        let axes = Axes::new(features.clone().into(), slots, slot_of.clone().into()).unwrap();
        prop_assume!(features.len() * trees[0].leaves() * usize::from(slots) < 1 << 20);
        let query = TableQuery::histograms(trees.clone().into(), axes).unwrap();
        let mut expected = vec![0u64; query.cells()];
        for row in 0..block.rows() {
            for (number, tree) in trees.iter().enumerate() {
                let leaf = tree.leaf(|feature| block.column(usize::from(feature))[row]);
                for position in 0..per_tree {
                    let feature = usize::from(features[number * per_tree + position]);
                    let slot = usize::from(slot_of[feature * BINS + usize::from(block.column(feature)[row])]);
                    let cell = ((number * tree.leaves() + leaf) * per_tree + position) * usize::from(slots) + slot;
                    expected[2 * cell + usize::from(labels[row] != 0)] += 1;
                }
            }
        }
        let mut counts = vec![0; query.cells()];
        Router::new(&query).count(&block, &labels, &mut counts);
        prop_assert_eq!(counts, expected);
    }
}

#[test]
fn threads_and_blocks_make_no_difference() {
    let mut random = Xorshift(5);
    let trees: Vec<Tree> = (0..80)
        .map(|_| Tree::new(8, (0..255).map(|_| split(&mut random, 3)).collect()).unwrap())
        .collect();
    let query = TableQuery::leaf_counts(trees.into()).unwrap();
    let router = Router::new(&query);
    assert!(router.groups.len() > 1, "the case must cover several groups");
    let mut blocks = Vec::new();
    let mut counts = vec![0; router.cells()];
    for rows in [0, 1, 255, 256, 257, 2 * PARALLEL_ROWS + 3] {
        let mut block = Binned::new(rows, 4);
        for feature in 0..4 {
            block
                .column_mut(feature)
                .iter_mut()
                .for_each(|bin| *bin = random.next() as u8);
        }
        let labels: Vec<u8> = (0..rows).map(|_| random.next() as u8 % 2).collect();
        router.count(&block, &labels, &mut counts);
        blocks.push((block, labels));
    }
    assert_eq!(router.count_parallel(&blocks), counts);
}

#[test]
fn leaf_counts_have_no_scores() {
    let query = TableQuery::leaf_counts(vec![Tree::new(1, vec![Split::DUMMY]).unwrap()].into()).unwrap();
    assert_eq!(Router::new(&query).scores(&Binned::new(3, 0)), [0; 3]);
}
