//! The row party's counting: 3.0M rows, 10 trees of depth 6, 12 own columns, two links to 47,000 entities at 9 parties;
//! and its scores under the 118 profiles of an entity, 65,536 rows in batches of 8,192.
//!
//! Prints seconds of one core (of the processor, where the system tells), for laying out the rows, the local counts,
//! the weights of all parties together and one by one, and the scores.
#![expect(clippy::unwrap_used, reason = "a benchmark over its own data")]

use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group};
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::grow::structure::random_trees;
use hedgerow_forest::join::{JoinCounter, JoinPlan, LinkedBlock, NOBODY, PartialScores};
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_forest::tree::Tree;

const ROWS: usize = 3_000_000;
const ENTITIES: u32 = 47_000;
const PARTIES: u32 = 9;
const BATCH: usize = 8192;
const PARAMS: ForestParams = ForestParams::new(10, 6, 64, Growth::Random);

struct Case {
    counter: JoinCounter,
    blocks: Vec<LinkedBlock>,
    scores: PartialScores,
    batches: Vec<Binned>,
    layout: f64,
}

fn case() -> Case {
    let mut features: Vec<Column> = (0..12)
        .map(|i| Column::numeric(format!("n{i}"), 0.0, 1.0))
        .collect();
    for link in ["ordering", "beneficiary"] {
        features.push(Column::known(link));
        for (attribute, categories) in [("flags", 12), ("name_matches", 2), ("street_matches", 2)] {
            let categories = (0..categories).map(|c| c.to_string());
            features.push(Column::categorical(attribute, categories).read_through(link));
        }
    }
    let schema = Schema {
        features,
        label: Label {
            name: "y".into(),
            positive: "1".into(),
        },
    };
    let binner = Binner::new(&schema, PARAMS.bins).unwrap();
    let trees = random_trees(&binner, &PARAMS, &[1; 32]).unwrap();
    let trees: Arc<[Tree]> = trees.into();
    let values = (0..10 * 64).map(|leaf| leaf * 1000).collect();
    let scores = TableQuery::score_histogram(Arc::clone(&trees), values, 1).unwrap();
    let query = TableQuery::leaf_counts(trees).unwrap();
    let plan = JoinPlan::new(&query, &schema, &binner).unwrap();
    let mut state = 88_172_645_463_325_252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32
    };
    let mut rows = Binned::new(ROWS, 12);
    for column in 0..12 {
        rows.column_mut(column)
            .iter_mut()
            .for_each(|bin| *bin = (next() % 65) as u8);
    }
    let labels: Vec<u8> = (0..ROWS).map(|_| u8::from(next() % 850 == 0)).collect();
    let mut references = || -> Vec<u32> {
        let entity = |word: u32| {
            if word.is_multiple_of(100) {
                NOBODY
            } else {
                word % ENTITIES
            }
        };
        (0..ROWS).map(|_| entity(next())).collect()
    };
    let references = [references(), references()];
    let batch = |start: usize| {
        let mut batch = Binned::new(BATCH, 12);
        for column in 0..12 {
            let from = rows.column(column).iter().skip(start);
            batch
                .column_mut(column)
                .iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to = *from);
        }
        batch
    };
    let batches = (0..8).map(|i| batch(i * BATCH)).collect();
    let start = cpu_seconds();
    let block = LinkedBlock::new(rows, &labels, &references).unwrap();
    Case {
        layout: cpu_seconds() - start,
        counter: JoinCounter::new(&query, &plan).unwrap(),
        blocks: vec![block],
        scores: PartialScores::new(&scores, &schema, &binner, 1000).unwrap(),
        batches,
    }
}

impl Case {
    fn score(&self) {
        for batch in &self.batches {
            (0..2).for_each(|link| drop(black_box(self.scores.of_link(link, batch).unwrap())));
        }
    }

    fn local(&self) {
        black_box(self.counter.local(&self.blocks).unwrap());
    }

    fn weights(&self, entities: std::ops::Range<u32>) {
        for tree in 0..PARAMS.trees as usize {
            let weights = self
                .counter
                .weights(&self.blocks, tree..tree + 1, entities.clone());
            black_box(weights.unwrap());
        }
    }

    fn by_party(&self) {
        (0..PARTIES)
            .for_each(|party| self.weights(party * ENTITIES / PARTIES..(party + 1) * ENTITIES / PARTIES));
    }
}

fn counting(c: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let case = one.install(case);
    let mut group = c.benchmark_group("join");
    group
        .throughput(Throughput::Elements(ROWS as u64 * u64::from(PARAMS.trees)))
        .sample_size(10);
    group.bench_function("local counts", |b| b.iter(|| one.install(|| case.local())));
    group.bench_function("weights, all parties", |b| {
        b.iter(|| one.install(|| case.weights(0..ENTITIES)))
    });
    group.bench_function("weights, party by party", |b| {
        b.iter(|| one.install(|| case.by_party()))
    });
    group.throughput(Throughput::Elements(8 * BATCH as u64 * u64::from(PARAMS.trees)));
    group.bench_function("scores by profile", |b| b.iter(|| one.install(|| case.score())));
    group.finish();
}

fn summary() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let case = one.install(case);
    let time = |run: &(dyn Fn() + Sync)| {
        let seconds = || {
            let start = cpu_seconds();
            run();
            cpu_seconds() - start
        };
        (0..3).map(|_| one.install(seconds)).fold(f64::INFINITY, f64::min)
    };
    let plan = case.counter.plan();
    let joined: usize = plan
        .groups(0..plan.trees())
        .iter()
        .map(|group| group.cells.len())
        .sum();
    println!(
        "one core, 3.0M rows x 10 trees of depth 6, {joined} of {} cells joined, {} predicates: layout {:.2} s, \
         local {:.2} s, weights {:.2} s, party by party {:.2} s, scores {:.2} s",
        plan.cells(),
        plan.predicates().len(),
        case.layout,
        time(&|| case.local()),
        time(&|| case.weights(0..ENTITIES)),
        time(&|| case.by_party()),
        time(&|| case.score()),
    );
}

/// Of this thread on the processor; of the clock where the system does not tell.
fn cpu_seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let clock = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or(clock, |nanos| nanos / 1e9)
}

criterion_group!(benches, counting);

fn main() {
    benches();
    summary();
}
