use proptest::prelude::*;

use super::*;
use crate::binning::Binned;
use crate::grow::{growth, plan};
use crate::metrics;
use crate::route::Router;
use crate::schema::{Column, Label};

const PARAMS: ForestParams = ForestParams {
    features_per_tree: 2,
    slots: 9,
    ..ForestParams::new(8, 4, 32, Growth::Greedy)
};

fn schema() -> Schema {
    Schema {
        features: vec![
            Column::numeric("narrow", 0.0, 1.0),
            Column::numeric("y", 0.0, 1.0),
            Column::categorical("c", ["a", "b", "c"]),
        ],
        label: Label {
            name: "label".into(),
            positive: "1".into(),
        },
    }
}

/// Rows that are positive in a narrow band of the first feature, where the category is not the last.
fn rows(n: usize, seed: u64) -> (Binned, Vec<u8>) {
    let mut state = seed | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 40
    };
    let mut block = Binned::new(n, 3);
    for (feature, bins) in [(0, 33), (1, 33), (2, 4)] {
        let column = block.column_mut(feature);
        column.iter_mut().for_each(|bin| *bin = (next() % bins) as u8);
    }
    let label = |row: usize| u8::from((13..16).contains(&block.column(0)[row]) && block.column(2)[row] != 2);
    let labels = (0..n).map(label).collect();
    (block, labels)
}

fn count(query: &TableQuery, rows: &[(Binned, Vec<u8>)]) -> Table {
    Table::from_counts(query.shape(), &Router::new(query).count_parallel(rows)).unwrap()
}

/// Trains, and checks that what is asked was planned.
fn train(rows: &[(Binned, Vec<u8>)], params: ForestParams, noise: Option<f64>) -> Forest {
    let schema = schema();
    let binner = Binner::new(&schema, params.bins).unwrap();
    let planned = plan(&schema, &params).unwrap();
    let noise = noise.map(|noise| vec![noise; planned.len()]);
    let mut growing = growth(&schema, &binner, params, [3; 32], noise.as_deref()).unwrap();
    let (mut answer, mut left) = (None, planned.iter());
    loop {
        match growing.next(answer).unwrap() {
            Step::Ask(query) => {
                let planned = left
                    .find(|planned| planned.kind == query.kind())
                    .expect("in the plan's order");
                assert!(query.cells() <= planned.cells);
                assert!(query.l2_squared_sensitivity_per_row() <= planned.l2_squared);
                answer = Some(count(&query, rows));
            }
            Step::Done(forest) => break forest,
        }
    }
}

fn average_precision(forest: &Forest) -> f64 {
    let (block, labels) = rows(3000, 99);
    metrics::auprc(&forest.scores(&block), &labels).unwrap()
}

#[test]
fn a_narrow_band_is_found() {
    let data = [rows(4000, 1)];
    assert!(average_precision(&train(&data, PARAMS, None)) > 0.999);
    let inferred = ForestParams {
        levels: 1,
        depth: 6,
        ..PARAMS
    };
    assert!(average_precision(&train(&data, inferred, None)) > 0.98);
    let quantile = ForestParams {
        growth: Growth::Quantile,
        trees: 40,
        depth: 6,
        ..PARAMS
    };
    assert!(average_precision(&train(&data, quantile, None)) > 0.9);
}

#[test]
fn every_level_is_asked_and_no_more() {
    let kinds = |params: ForestParams| -> Vec<QueryKind> {
        plan(&schema(), &params)
            .unwrap()
            .iter()
            .map(|query| query.kind)
            .collect()
    };
    use QueryKind::{Edges, Leaves, Splits, Threshold};
    let all = [Edges, Splits(1), Splits(2), Splits(3), Leaves, Threshold];
    assert_eq!(kinds(PARAMS), all);
    let some = ForestParams { levels: 2, ..PARAMS };
    assert_eq!(kinds(some), [Edges, Splits(1), Leaves, Threshold]);
    let quantile = ForestParams {
        growth: Growth::Quantile,
        ..PARAMS
    };
    assert_eq!(kinds(quantile), [Edges, Leaves, Threshold]);
    let parts: u32 = plan(&schema(), &some)
        .unwrap()
        .iter()
        .map(|query| query.parts)
        .sum();
    assert!((PARTS - 10..=PARTS).contains(&parts), "{parts}");
}

#[test]
fn attributes_come_last_or_cost_no_histogram() {
    let mut schema = schema();
    schema.features.extend([
        Column::known("to"),
        Column::numeric("age", 0.0, 1.0).read_through("to"),
        Column::known("from"),
        Column::categorical("flag", ["a", "b"]).read_through("from"),
    ]);
    let layout = Layout::new(&schema, &PARAMS);
    // Three columns of the rows, two of each link: of four levels, one.
    assert_eq!(
        (layout.pool(2, Some(1)), layout.pool(3, Some(1))),
        ([0, 1, 2].as_slice(), [5, 6].as_slice())
    );
    let some = Layout::new(&schema, &ForestParams { levels: 3, ..PARAMS });
    assert_eq!(some.wanted(), [2, 2, 2]);
    assert!((0..3).all(|level| some.pool(level, Some(0)) == [0, 1, 2]));
    assert_eq!(some.all(2, Some(0)), [0, 1, 2, 3, 4]);
    assert_eq!(some.all(3, Some(1)), [5, 6]);
    let drawn = draw::trees(&some, 100, &[1; 32]);
    let of_first = drawn.iter().filter(|drawn| drawn.link == Some(0)).count();
    assert!((20..80).contains(&of_first), "{of_first}");
}

#[test]
fn over_one_link_every_level_tests_any_column() {
    let mut schema = schema();
    schema.features.extend([
        Column::known("to"),
        Column::numeric("age", 0.0, 1.0).read_through("to"),
    ]);
    let all = [0, 1, 2, 3, 4];
    for levels in [0, 1, 3] {
        let layout = Layout::new(&schema, &ForestParams { levels, ..PARAMS });
        let depth = usize::from(PARAMS.depth);
        let asked = if levels == 0 { depth } else { levels.into() };
        assert_eq!(layout.wanted(), vec![2; asked]);
        assert!(
            (0..depth).all(|level| layout.pool(level, Some(0)) == all && layout.all(level, Some(0)) == all)
        );
    }
}

#[test]
fn hopeless_noise_leaves_half_to_chance_and_the_rest_alone() {
    let params = ForestParams { trees: 21, ..PARAMS };
    let forest = train(&[rows(200, 1)], params, Some(1e6));
    assert_eq!(forest.depth(), params.depth);
    let is_split = |tree: &Tree| tree.splits().iter().any(|split| !split.is_dummy());
    let by_chance = forest.trees.iter().take_while(|tree| is_split(tree)).count();
    assert!((9..=10).contains(&by_chance), "{by_chance}");
    assert!(!forest.trees[by_chance..].iter().any(is_split));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// However the rows are divided, the model file is the same, byte for byte.
    #[test]
    fn the_model_does_not_depend_on_the_partition(n in 0usize..900, at in 0usize..900, levels in 0u8..4, noisy: bool) {
        let params = ForestParams { levels, ..PARAMS };
        let noise = noisy.then_some(3.0);
        let (block, labels) = rows(n, 7);
        let at = at.min(n);
        let part = |from: usize, to: usize| {
            let mut piece = Binned::new(to - from, 3);
            for feature in 0..3 {
                piece.column_mut(feature).copy_from_slice(&block.column(feature)[from..to]);
            }
            (piece, labels[from..to].to_vec())
        };
        let whole = train(&[(block.clone(), labels.clone())], params, noise).to_json().unwrap();
        let parts = train(&[part(at, n), part(0, at)], params, noise).to_json().unwrap();
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(Forest::from_json(&whole).unwrap().to_json().unwrap(), whole);
    }
}
