use proptest::prelude::*;

use super::*;
use crate::binning::Binned;
use crate::grow::threshold::SCORE_BINS;
use crate::grow::{growth, plan};
use crate::metrics;
use crate::params::Growth;
use crate::query::{Measure, QueryKind};
use crate::route::Router;
use crate::schema::{Column, Label};
use crate::table::TableShape;

const PARAMS: ForestParams = ForestParams::new(20, 5, 16, Growth::Random);

fn schema() -> Schema {
    Schema {
        features: vec![
            Column::numeric("x", 0.0, 1.0),
            Column::numeric("y", 0.0, 1.0),
            Column::categorical("c", ["a", "b", "c"]),
        ],
        label: Label {
            name: "label".into(),
            positive: "1".into(),
        },
    }
}

/// Rows that are positive where the first two features agree, with some missing values.
fn rows(n: usize, seed: u64) -> (Binned, Vec<u8>) {
    let mut state = seed | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 40
    };
    let mut block = Binned::new(n, 3);
    for (feature, bins) in [(0, 17), (1, 17), (2, 4)] {
        block
            .column_mut(feature)
            .iter_mut()
            .for_each(|bin| *bin = (next() % bins) as u8);
    }
    let label = |row: usize| u8::from((block.column(0)[row] < 8) == (block.column(1)[row] < 8));
    let labels = (0..n).map(label).collect();
    (block, labels)
}

fn count(query: &TableQuery, rows: &[(Binned, Vec<u8>)]) -> Table {
    let router = Router::new(query);
    let mut sum = Table::zeros(query.shape());
    for (block, labels) in rows {
        let mut counts = vec![0; query.cells()];
        router.count(block, labels, &mut counts);
        sum.add(&Table::from_counts(query.shape(), &counts).unwrap())
            .unwrap();
    }
    sum
}

fn train(rows: &[(Binned, Vec<u8>)], noise: Option<&[f64]>) -> Forest {
    let binner = Binner::new(&schema(), PARAMS.bins).unwrap();
    let mut growing = growth(&schema(), &binner, PARAMS, [3; 32], noise).unwrap();
    let mut answer = None;
    loop {
        match growing.next(answer).unwrap() {
            Step::Ask(query) => answer = Some(count(&query, rows)),
            Step::Done(forest) => break forest,
        }
    }
}

#[test]
fn two_queries_then_the_forest() {
    let (schema, data) = (schema(), [rows(500, 1)]);
    let binner = Binner::new(&schema, PARAMS.bins).unwrap();
    let mut growing = growth(&schema, &binner, PARAMS, [3; 32], None).unwrap();
    let Step::Ask(leaves) = growing.next(None).unwrap() else {
        panic!("a first query")
    };
    assert_eq!(leaves.kind(), QueryKind::Leaves);
    let table = count(&leaves, &data);
    for tree in table.cells().chunks_exact(2 * leaves.leaves()) {
        assert_eq!(
            tree.iter().sum::<i64>(),
            500,
            "every row is in one leaf of every tree"
        );
    }
    let Step::Ask(scores) = growing.next(Some(table)).unwrap() else {
        panic!("a second query")
    };
    assert_eq!(scores.kind(), QueryKind::Threshold);
    assert_eq!(scores.trees(), leaves.trees());
    let table = count(&scores, &data);
    assert_eq!(table.cells().iter().sum::<i64>(), 500);
    let Step::Done(forest) = growing.next(Some(table)).unwrap() else {
        panic!("a forest")
    };
    let Measure::ScoreHistogram { leaf_values, .. } = scores.measure() else {
        panic!("a histogram")
    };
    assert_eq!(&forest.leaf_values, leaf_values);
    assert_eq!(growing.next(None).unwrap_err(), GrowError::Finished);
}

#[test]
fn the_forest_learns_what_no_single_feature_tells() {
    let forest = train(&[rows(4000, 1)], None);
    let (block, labels) = rows(2000, 99);
    let scores = forest.scores(&block);
    assert!(metrics::auroc(&scores, &labels).unwrap() > 0.9);
    let accuracy = metrics::accuracy(&scores, &labels, forest.threshold)
        .unwrap()
        .unwrap();
    let majority = labels.iter().filter(|label| **label == 1).count() as f64 / labels.len() as f64;
    assert!(accuracy > f64::max(majority, 1.0 - majority) + 0.2, "{accuracy}");
}

#[test]
fn the_threshold_is_the_best_on_the_training_rows() {
    let data = rows(3000, 5);
    let forest = train(std::slice::from_ref(&data), None);
    let scores = forest.scores(&data.0);
    let accuracy = |threshold: f64| metrics::accuracy(&scores, &data.1, threshold).unwrap().unwrap();
    let edges = (0..=SCORE_BINS).map(|edge| f64::from(edge) / f64::from(SCORE_BINS));
    let best = edges.clone().map(accuracy).fold(0.0, f64::max);
    assert_eq!(accuracy(forest.threshold), best);
    assert_eq!(
        edges.clone().find(|edge| accuracy(*edge) == best),
        Some(forest.threshold)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However the rows are divided, the model file is the same, byte for byte.
    #[test]
    fn the_model_does_not_depend_on_the_partition(n in 0usize..900, at in 0usize..900, noisy: bool) {
        let noise = noisy.then_some([12.0, 3.0].as_slice());
        let (block, labels) = rows(n, 7);
        let at = at.min(n);
        let part = |from: usize, to: usize| {
            let mut piece = Binned::new(to - from, 3);
            for feature in 0..3 {
                piece.column_mut(feature).copy_from_slice(&block.column(feature)[from..to]);
            }
            (piece, labels[from..to].to_vec())
        };
        let whole = train(&[(block.clone(), labels.clone())], noise).to_json().unwrap();
        let parts = train(&[part(at, n), part(0, at)], noise).to_json().unwrap();
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(Forest::from_json(&whole).unwrap().to_json().unwrap(), whole);
    }
}

#[test]
fn wrong_answers_are_refused_and_do_no_harm() {
    let schema = schema();
    let binner = Binner::new(&schema, PARAMS.bins).unwrap();
    let mut growing = growth(&schema, &binner, PARAMS, [3; 32], None).unwrap();
    let other = TableShape::ScoreHistogram { bins: 3 };
    assert_eq!(
        growing.next(Some(Table::zeros(other))).unwrap_err(),
        GrowError::UnexpectedAnswer { seen: other }
    );
    let Step::Ask(query) = growing.next(None).unwrap() else {
        panic!("a first query")
    };
    let expected = query.shape();
    assert_eq!(
        growing.next(None).unwrap_err(),
        GrowError::MissingAnswer { expected }
    );
    assert_eq!(
        growing.next(Some(Table::zeros(other))).unwrap_err(),
        GrowError::Shape {
            expected,
            seen: other
        }
    );
    assert!(matches!(
        growing.next(Some(Table::zeros(expected))),
        Ok(Step::Ask(_))
    ));
}

#[test]
fn what_does_not_hold_together_is_refused() {
    let schema = schema();
    let binner = Binner::new(&schema, PARAMS.bins).unwrap();
    let new = |schema: &Schema, params, noise: Option<&[f64]>| {
        growth(schema, &binner, params, [0; 32], noise).err().unwrap()
    };
    let mut short = schema.clone();
    short.features.pop();
    assert_eq!(
        new(&short, PARAMS, None),
        GrowError::Features { expected: 2, seen: 3 }
    );
    let bins = ForestParams { bins: 17, ..PARAMS };
    assert_eq!(
        new(&schema, bins, None),
        GrowError::Bins {
            expected: 17,
            seen: 16
        }
    );
    for seen in [-1.0, f64::INFINITY] {
        assert!(matches!(
            new(&schema, PARAMS, Some(&[1.0, seen])),
            GrowError::Noise { query: QueryKind::Threshold, seen: found } if found == seen
        ));
    }
    assert_eq!(
        new(&schema, PARAMS, Some(&[1.0])),
        GrowError::NoiseScales { expected: 2, seen: 1 }
    );
    assert!(matches!(
        new(&schema, ForestParams { depth: 0, ..PARAMS }, None),
        GrowError::Params(_)
    ));
}

fn linked_schema() -> Schema {
    let mut schema = schema();
    schema.features.extend([
        Column::known("to"),
        Column::numeric("age", 0.0, 1.0).read_through("to"),
        Column::known("from"),
        Column::categorical("flag", ["a", "b", "c"]).read_through("from"),
    ]);
    schema
}

#[test]
fn over_links_a_tree_tests_one_and_one_query_is_asked() {
    let schema = linked_schema();
    let binner = Binner::new(&schema, PARAMS.bins).unwrap();
    let mut growing = growth(&schema, &binner, PARAMS, [3; 32], None).unwrap();
    let Step::Ask(query) = growing.next(None).unwrap() else {
        panic!("a first query")
    };
    let mut trees_of = [0; 2];
    for tree in query.trees().iter() {
        let tested = tree.splits().iter().filter(|split| !split.is_dummy());
        let links: std::collections::BTreeSet<_> = tested
            .filter_map(|split| binner.feature(split.feature.into()).link())
            .collect();
        assert!(links.len() <= 1, "{links:?}");
        links.into_iter().for_each(|link| trees_of[link] += 1);
    }
    assert!(trees_of.iter().all(|trees| *trees >= 4), "{trees_of:?}");
    let planned = plan(&schema, &PARAMS).unwrap();
    assert_eq!(
        planned.iter().map(|query| query.kind).collect::<Vec<_>>(),
        [QueryKind::Leaves]
    );

    let mut cells = vec![0; query.cells()];
    cells.iter_mut().zip(0..).for_each(|(cell, i)| *cell = i % 7);
    let table = Table::from_cells(query.shape(), cells).unwrap();
    let Step::Done(forest) = growing.next(Some(table)).unwrap() else {
        panic!("a forest")
    };
    assert!(forest.threshold > 0.0 && forest.threshold < 1.0);
    assert_eq!(growing.next(None).unwrap_err(), GrowError::Finished);

    // The file names the links, and is read back.
    let text = forest.to_json().unwrap();
    assert!(text.contains(r#"{"name":"to.age","type":"numeric","min":0.0,"max":1.0,"link":"to"}"#));
    assert_eq!(Forest::from_json(&text).unwrap(), forest);
    assert!(forest.inspect().contains("numeric, 0 to 1, through link to"));
}
