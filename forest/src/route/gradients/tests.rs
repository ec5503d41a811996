use proptest::prelude::*;

use crate::binning::Binned;
use crate::logistic::probability;
use crate::model::{LOG_ODDS_ZERO, Output};
use crate::query::{Axes, BINS, Gradients, TableQuery};
use crate::route::Router;
use crate::tree::{BinSet, Split, Tree};

const FEATURES: usize = 3;

fn tree(depth: u8) -> impl Strategy<Value = Tree> {
    let split = (0..FEATURES as u16, 0u8..8, 0u8..8).prop_map(|(feature, a, b)| Split {
        feature,
        right: BinSet::range(a, b),
    });
    proptest::collection::vec(split, (1 << depth) - 1)
        .prop_map(move |splits| Tree::new(depth, splits).unwrap())
}

fn trees(most: usize, depth: u8) -> impl Strategy<Value = Vec<Tree>> {
    proptest::collection::vec(tree(depth), 0..=most)
}

fn slots() -> std::sync::Arc<[u8]> {
    (0..FEATURES * BINS)
        .map(|i| (i % BINS / 2).min(3) as u8)
        .collect()
}

#[derive(Debug, Clone)]
struct Case {
    query: TableQuery,
    rows: Vec<[u8; FEATURES]>,
    labels: Vec<u8>,
}

fn case() -> impl Strategy<Value = Case> {
    (0u8..4, 1u8..4)
        .prop_flat_map(|(depth, finished)| {
            (
                proptest::collection::vec(tree(depth), 1..3),
                trees(4, finished),
                proptest::collection::vec(0u32..1 << 20, 4 << finished),
                -70_000i32..70_000,
                2u8..=20,
                any::<u32>(),
                proptest::option::of(proptest::collection::vec(0..FEATURES as u16, 4)),
                proptest::collection::vec(any::<([u8; FEATURES], bool)>(), 0..700),
            )
        })
        .prop_map(
            |(growing, finished, mut values, base, bits, clip, features, rows)| {
                let leaves = finished.first().map_or(0, Tree::leaves);
                values.truncate(finished.len() * leaves);
                let clip = 1 + clip % (1 << bits);
                let axes = features
                    .map(|features| Axes::new(features[..2 * growing.len()].into(), 4, slots()).unwrap());
                let ensemble = (finished.into(), values.into(), base);
                let gradients = Gradients::new(ensemble, bits, clip, axes).unwrap();
                Case {
                    query: TableQuery::gradients(growing.into(), gradients).unwrap(),
                    labels: rows.iter().map(|(_, label)| u8::from(*label)).collect(),
                    rows: rows.iter().map(|(bins, _)| bins.map(|bin| bin % 8)).collect(),
                }
            },
        )
}

impl Case {
    fn count(&self) -> Vec<i64> {
        let mut block = Binned::new(self.rows.len(), FEATURES);
        for feature in 0..FEATURES {
            for (to, row) in block.column_mut(feature).iter_mut().zip(&self.rows) {
                *to = row[feature];
            }
        }
        let mut counts = vec![0; self.query.cells()];
        let router = Router::new(&self.query);
        router.count(&block, &self.labels, &mut counts);
        assert_eq!(router.count_parallel(&[(&block, &self.labels)]), counts);
        counts.into_iter().map(|count| count as i64).collect()
    }

    fn gradients(&self) -> &Gradients {
        match self.query.measure() {
            crate::query::Measure::Gradients(gradients) => gradients,
            other => panic!("{other:?}"),
        }
    }

    /// One row at a time, walking every tree node by node, in floating point; and how far rounding may take a row.
    fn expected(&self) -> Vec<f64> {
        let of = self.gradients();
        let mut cells = vec![0.0; self.query.cells()];
        let one = f64::from(1u32 << of.bits);
        for (row, label) in self.rows.iter().zip(&self.labels) {
            let walk = |tree: &Tree| tree.leaf(|feature| row[usize::from(feature)]);
            let leaves = of.trees.first().map_or(0, Tree::leaves);
            let values = of.leaf_values.chunks(leaves.max(1));
            let sum: i64 = of
                .trees
                .iter()
                .zip(values)
                .map(|(tree, values)| i64::from(values[walk(tree)]))
                .sum();
            let margin = sum - of.trees.len() as i64 * i64::from(LOG_ODDS_ZERO) + i64::from(of.base);
            let p = 1.0 / (1.0 + (-(margin as f64) / 65_536.0).exp());
            let clip = f64::from(of.clip);
            let (g, h) = (
                ((p - f64::from(*label)) * one).clamp(-clip, clip),
                p * (1.0 - p) * one,
            );
            for (position, tree) in self.query.trees().iter().enumerate() {
                let leaf = position * self.query.leaves() + walk(tree);
                let places: Vec<usize> = match of.axes() {
                    None => vec![leaf],
                    Some(axes) => (0..)
                        .zip(axes.of_tree(position))
                        .map(|(k, feature)| {
                            let slot = axes.slots_of(*feature)[usize::from(row[usize::from(*feature)])];
                            (leaf * 2 + k) * 4 + usize::from(slot)
                        })
                        .collect(),
                };
                for place in places {
                    cells[2 * place] += g;
                    cells[2 * place + 1] += h;
                }
            }
        }
        cells
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_are_those_of_one_row_at_a_time(case in case()) {
        let one = f64::from(1u32 << case.gradients().bits);
        // A margin is rounded to 2^-9, where a probability changes by a quarter of that; and one unit of rounding.
        let each = one / 4096.0 + 1.0;
        let copies = if case.gradients().axes().is_some() { 2.0 } else { 1.0 };
        for (cell, (seen, expected)) in case.count().into_iter().zip(case.expected()).enumerate() {
            let slack = each * copies * case.rows.len() as f64 + 1e-6;
            prop_assert!((seen as f64 - expected).abs() <= slack, "cell {}: {} {}", cell, seen, expected);
        }
    }

    /// Neighbouring data: without any one row the table changes by no more than the query says, in both norms.
    #[test]
    fn one_row_changes_no_more_than_declared(mut case in case(), row: proptest::sample::Index) {
        prop_assume!(!case.rows.is_empty());
        let before = case.count();
        let row = row.index(case.rows.len());
        case.rows.remove(row);
        case.labels.remove(row);
        let change: Vec<i64> = case.count().iter().zip(before).map(|(a, b)| a - b).collect();
        let l2: u64 = change.iter().map(|change| change.unsigned_abs().pow(2)).sum();
        let l1: u64 = change.iter().map(|change| change.unsigned_abs()).sum();
        prop_assert!(l2 <= case.query.l2_squared_sensitivity_per_row(), "{} {}", l2, case.query.l2_squared_sensitivity_per_row());
        prop_assert!(l1 <= case.query.l1_sensitivity_per_row());
    }
}

/// A row whose gradient is largest changes the table by exactly the bound.
#[test]
fn the_bound_is_reached() {
    let gradients = Gradients::new((Vec::new().into(), Vec::new().into(), 0), 12, 2048, None).unwrap();
    let query = TableQuery::gradients(vec![Tree::LEAF; 3].into(), gradients).unwrap();
    let mut counts = vec![0; query.cells()];
    Router::new(&query).count(&Binned::new(1, 1), &[1], &mut counts);
    let norm: i64 = counts.iter().map(|count| (*count as i64).pow(2)).sum();
    assert_eq!(norm as u64, query.l2_squared_sensitivity_per_row());
    assert_eq!(norm, 3 * (2048 * 2048 + 1024 * 1024));
    assert_eq!(
        counts
            .iter()
            .map(|count| (*count as i64).unsigned_abs())
            .sum::<u64>(),
        query.l1_sensitivity_per_row()
    );
}

/// At many different margins rounding errors cancel: the sum of rounded probabilities is that of the probabilities.
#[test]
fn rounding_has_no_bias() {
    let gradients = Gradients::new((Vec::new().into(), Vec::new().into(), 0), 10, 1024, None).unwrap();
    let table = super::GradientTable::new(&gradients);
    for centre in [-500_000i64, -300_000, 0, 250_000] {
        let margins = (0..20_000).map(|i| centre + 3 * i);
        let (mut seen, mut expected) = (0.0, 0.0);
        for margin in margins {
            seen += table.derivatives.of_margin(margin, false).0 as f64 / 1024.0;
            expected += probability(margin);
        }
        let unit = 20_000.0 / 1024.0;
        assert!(
            (seen - expected).abs() < 0.02 * unit,
            "{centre}: {seen} {expected}"
        );
    }
    assert_eq!(
        Output::LogOdds { base: 7 }.margin(u64::from(LOG_ODDS_ZERO), 1),
        Some(7)
    );
}
