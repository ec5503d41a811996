//! The routing kernel against a plain walk over `f32`: 100 trees of depth 8, 20 features, 64 bins and missing.
//!
//! Prints tree-rows per second of one core, and the ratio of the two in the same run.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark over its own data"
)]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group};
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::grow::structure::random_trees;
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::route::Router;
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_forest::tree::Tree;

const ROWS: usize = 65_536;
const FEATURES: usize = 20;
const PARAMS: ForestParams = ForestParams::new(100, 8, 64, Growth::Random);

struct Case {
    trees: Vec<Tree>,
    block: Binned,
    labels: Vec<u8>,
    values: Vec<f32>,
}

/// `categorical` of the features have 14 categories, all others are numeric; 2 % of the values are missing.
fn case(categorical: usize) -> Case {
    let column = |i: usize| {
        if i < categorical {
            Column::categorical(format!("c{i}"), (0..14).map(|c| c.to_string()))
        } else {
            Column::numeric(format!("n{i}"), 0.0, 1.0)
        }
    };
    let schema = Schema {
        features: (0..FEATURES).map(column).collect(),
        label: Label {
            name: "y".into(),
            positive: "1".into(),
        },
    };
    let binner = Binner::new(&schema, PARAMS.bins).unwrap();
    let trees = random_trees(&binner, &PARAMS, &[1; 32]).unwrap();
    let mut state = 88_172_645_463_325_252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut block = Binned::new(ROWS, FEATURES);
    for feature in 0..FEATURES {
        let (values, missing) = (
            binner.feature(feature).value_bins() as u64,
            binner.bin_of_missing(feature),
        );
        for bin in block.column_mut(feature) {
            *bin = if next() % 50 == 0 {
                missing
            } else {
                ((next() >> 32) % values) as u8
            };
        }
    }
    let labels = (0..ROWS).map(|_| u8::from(next() % 4 == 0)).collect();
    let values = (0..ROWS * FEATURES)
        .map(|i| f32::from(block.column(i % FEATURES)[i / FEATURES]))
        .collect();
    Case {
        trees,
        block,
        labels,
        values,
    }
}

/// The baseline: row-major `f32`, one threshold per node, one row after the other down one tree after the other.
struct PlainNode {
    feature: u32,
    threshold: f32,
}

fn plain_trees(trees: &[Tree]) -> Vec<Vec<PlainNode>> {
    let node = |split: &hedgerow_forest::tree::Split| PlainNode {
        feature: split.feature.into(),
        threshold: split.right.iter().next().map_or(f32::INFINITY, f32::from),
    };
    trees
        .iter()
        .map(|tree| tree.splits().iter().map(node).collect())
        .collect()
}

fn plain_count(trees: &[Vec<PlainNode>], values: &[f32], labels: &[u8], counts: &mut [u64]) {
    for (tree, nodes) in trees.iter().enumerate() {
        let counts = &mut counts[tree * 512..][..512];
        for (row, label) in values.chunks_exact(FEATURES).zip(labels) {
            let mut node = 0;
            for _ in 0..8 {
                let test = &nodes[node];
                node = 2 * node + 1 + usize::from(row[test.feature as usize] >= test.threshold);
            }
            counts[2 * (node - 255) + usize::from(*label != 0)] += 1;
        }
    }
}

fn kernel(c: &mut Criterion) {
    let mut group = c.benchmark_group("route");
    group
        .throughput(Throughput::Elements(ROWS as u64 * u64::from(PARAMS.trees)))
        .sample_size(20);
    for (name, categorical) in [("numeric", 0), ("half categorical", FEATURES / 2)] {
        let case = case(categorical);
        let query = TableQuery::leaf_counts(case.trees.clone().into()).unwrap();
        let router = Router::new(&query);
        let mut counts = vec![0; query.cells()];
        group.bench_function(format!("count, {name}"), |b| {
            b.iter(|| router.count(black_box(&case.block), &case.labels, &mut counts));
        });
        let leaf_values = (0..query.cells() as u32 / 2).collect();
        let scoring =
            Router::new(&TableQuery::score_histogram(case.trees.clone().into(), leaf_values, 64).unwrap());
        group.bench_function(format!("scores, {name}"), |b| {
            b.iter(|| scoring.scores(black_box(&case.block)))
        });
    }
    let case = case(0);
    let plain = plain_trees(&case.trees);
    let mut counts = vec![0; 100 * 512];
    group.bench_function("plain f32 walk", |b| {
        b.iter(|| plain_count(&plain, black_box(&case.values), &case.labels, &mut counts));
    });
    group.finish();
}

fn fastest(mut run: impl FnMut()) -> f64 {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..7).map(|_| time(&mut run)).fold(f64::INFINITY, f64::min)
}

fn ratio() {
    let case = case(0);
    let query = TableQuery::leaf_counts(case.trees.clone().into()).unwrap();
    let (router, plain) = (Router::new(&query), plain_trees(&case.trees));
    let mut counts = vec![0; query.cells()];
    let kernel = fastest(|| router.count(black_box(&case.block), &case.labels, &mut counts));
    let baseline = fastest(|| plain_count(&plain, black_box(&case.values), &case.labels, &mut counts));
    let million = ROWS as f64 * f64::from(PARAMS.trees) / 1e6;
    println!(
        "one core, 100 trees of depth 8: kernel {:.0} M tree-rows/s, plain f32 walk {:.0} M, ratio {:.1}",
        million / kernel,
        million / baseline,
        baseline / kernel
    );
}

criterion_group!(benches, kernel);

fn main() {
    benches();
    ratio();
}
