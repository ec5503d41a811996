//! The aggregate function against plain counting; splits; blocks.

use datafusion::arrow::array::AsArray;
use datafusion::logical_expr::{AggregateUDF, AggregateUDFImpl};
use datafusion::physical_plan::{ExecutionPlanProperties, displayable};
use datafusion::prelude::SessionContext;
use hedgerow_forest::query::TableQuery;
use proptest::prelude::*;

use super::fixture::{
    self, BINS, Row, batch, binner, counts, engine, open, plain_counts, query, rows, schema, spec,
};
use crate::data::block::Chosen;
use crate::data::leaf_counts::LeafCounts;
use crate::data::scan::{Scan, Typing, column};
use crate::data::write::write_batches;
use crate::data::{DataSet, DataSpec, Rows, SourceSpec, Split};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn equals_plain_counting(
        count in 1usize..700,
        trees in 1usize..6,
        depth in 1u8..6,
        seed in any::<u64>(),
        threads in prop::sample::select(vec![1usize, 4]),
        files in 1usize..4,
    ) {
        let rows = rows(count, seed);
        let query = query(trees, depth, seed ^ 1);
        let folder = tempfile::tempdir().unwrap();
        for (i, part) in rows.chunks(count.div_ceil(files)).enumerate() {
            write_batches(&folder.path().join(format!("part-{i}.parquet")), &[batch(part)]).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let table = runtime.block_on(async {
            let data = open(&engine(threads), ".", folder.path()).await.unwrap();
            counts(&data, &query, Rows::All).await.unwrap()
        });
        prop_assert_eq!(table, plain_counts(rows, &query));
    }
}

#[tokio::test]
async fn train_and_test_are_disjoint_and_follow_the_hash() {
    let rows = rows(3000, 5);
    let query = query(4, 4, 6);
    let folder = tempfile::tempdir().unwrap();
    // Names whose order differs from the order of writing: rows are numbered by file name.
    write_batches(&folder.path().join("b.parquet"), &[batch(&rows[1700..])]).unwrap();
    write_batches(&folder.path().join("a.parquet"), &[batch(&rows[..1700])]).unwrap();
    let split = Split::new(0.3, 11, "bank-1").unwrap();
    let side = |test: bool| -> Vec<Row> {
        let chosen = rows
            .iter()
            .zip(0u64..)
            .filter(|(_, row)| split.is_test(*row) == test);
        chosen.map(|(row, _)| row.clone()).collect()
    };
    for threads in [1, 3] {
        let data = DataSet::open(&engine(threads), &spec(".", folder.path()), &schema(), split)
            .await
            .unwrap();
        assert_eq!(
            counts(&data, &query, Rows::Train).await.unwrap(),
            plain_counts(side(false), &query)
        );
        assert_eq!(
            counts(&data, &query, Rows::Test).await.unwrap(),
            plain_counts(side(true), &query)
        );
        assert_eq!(
            counts(&data, &query, Rows::All).await.unwrap(),
            plain_counts(rows.clone(), &query)
        );
        let counted = data.rows().await.unwrap();
        assert_eq!(
            (counted.train, counted.test),
            (side(false).len() as u64, side(true).len() as u64)
        );
        let positives = side(true).iter().filter(|row| row.positive).count() as u64;
        assert_eq!(counted.test_positives, positives);
    }
}

#[tokio::test]
async fn a_test_source_takes_the_place_of_the_split() {
    let (train, test) = (rows(400, 1), rows(150, 2));
    let query = query(3, 3, 3);
    let folder = tempfile::tempdir().unwrap();
    write_batches(&folder.path().join("train.parquet"), &[batch(&train)]).unwrap();
    write_batches(&folder.path().join("test.parquet"), &[batch(&test)]).unwrap();
    let parse = |name| SourceSpec::parse(name, folder.path()).unwrap();
    let spec = DataSpec {
        source: parse("train.parquet"),
        test_source: Some(parse("test.parquet")),
    };
    let split = Split::new(0.5, 1, "a").unwrap();
    let data = DataSet::open(&engine(2), &spec, &schema(), split).await.unwrap();
    assert_eq!(
        counts(&data, &query, Rows::Train).await.unwrap(),
        plain_counts(train.clone(), &query)
    );
    assert_eq!(
        counts(&data, &query, Rows::Test).await.unwrap(),
        plain_counts(test.clone(), &query)
    );
    let both: Vec<Row> = train.into_iter().chain(test).collect();
    assert_eq!(
        counts(&data, &query, Rows::All).await.unwrap(),
        plain_counts(both, &query)
    );
    assert_eq!(data.rows().await.unwrap().test, 150);
}

#[tokio::test]
async fn blocks_come_in_source_order() {
    let rows = rows(1000, 8);
    let folder = tempfile::tempdir().unwrap();
    write_batches(&folder.path().join("x.parquet"), &[batch(&rows)]).unwrap();
    let split = Split::new(0.4, 2, "p").unwrap();
    let data = DataSet::open(&engine(2), &spec("x.parquet", folder.path()), &schema(), split)
        .await
        .unwrap();
    let binner = binner();
    for (side, keep) in [
        (Rows::All, None),
        (Rows::Train, Some(false)),
        (Rows::Test, Some(true)),
    ] {
        let mut found = Vec::new();
        let see = |block: &hedgerow_forest::binning::Binned, labels: &[u8]| {
            assert_eq!(labels.len(), block.rows());
            for (row, label) in labels.iter().enumerate() {
                found.push(([0, 1, 2, 3].map(|i| block.column(i)[row]), *label));
            }
        };
        data.for_each_block(&binner, side, see).await.unwrap();
        let expected: Vec<_> = rows
            .iter()
            .zip(0u64..)
            .filter(|(_, number)| keep.is_none_or(|test| split.is_test(*number) == test))
            .map(|(row, _)| (fixture::plain_bins(&binner, row), u8::from(row.positive)))
            .collect();
        assert_eq!(found, expected, "{side:?}");
    }
}

#[tokio::test]
async fn score_histograms_count_every_row_once() {
    let rows = rows(500, 4);
    let leaf_values: Vec<u32> = (0..12).map(|i| i * 80_000).collect();
    let trees = query(3, 2, 9).trees().clone();
    let query = TableQuery::score_histogram(trees, leaf_values.into(), 10).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_batches(&folder.path().join("x.parquet"), &[batch(&rows)]).unwrap();
    let one = open(&engine(1), "x.parquet", folder.path()).await.unwrap();
    let many = open(&engine(3), "x.parquet", folder.path()).await.unwrap();
    let cells = counts(&one, &query, Rows::All).await.unwrap();
    assert_eq!(cells.len(), 20);
    assert_eq!(cells, counts(&many, &query, Rows::All).await.unwrap());
    let positives: i64 = cells.iter().skip(1).step_by(2).sum();
    assert_eq!(positives, rows.iter().filter(|row| row.positive).count() as i64);
    assert_eq!(cells.iter().sum::<i64>(), 500);
}

#[tokio::test]
async fn a_function_made_from_bytes_counts_in_a_session_that_knows_nothing_else() {
    let rows = rows(300, 6);
    let query = query(3, 4, 7);
    let sent = LeafCounts::new("x", &schema(), BINS, &query, Chosen::All, false).unwrap();
    let function = std::sync::Arc::new(LeafCounts::from_bytes(sent.to_bytes()).unwrap());
    let call = AggregateUDF::new_from_shared_impl(std::sync::Arc::clone(&function) as _).call(
        ["age", "Hours.per-week", "colour", "member", "outcome"]
            .map(column)
            .to_vec(),
    );
    let frame = SessionContext::new().read_batch(batch(&rows)).unwrap();
    let result = frame
        .aggregate(vec![], vec![call])
        .unwrap()
        .collect()
        .await
        .unwrap();
    let counted = function
        .decode(result[0].column(0).as_binary::<i64>().value(0))
        .unwrap();
    let expected: Vec<u64> = plain_counts(rows, &query)
        .into_iter()
        .map(|cell| cell as u64)
        .collect();
    assert_eq!(counted.cells, expected);
    assert_eq!(counted.tally.chosen, 300);
}

#[tokio::test]
async fn all_threads_count() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..4u64 {
        write_batches(
            &folder.path().join(format!("{i}.parquet")),
            &[batch(&rows(100, i))],
        )
        .unwrap();
    }
    let engine = engine(3);
    let source = SourceSpec::parse(".", folder.path()).unwrap();
    let schema = schema();
    let scan = Scan::open(&engine, &source, Typing::Declared(&schema, &[]))
        .await
        .unwrap();
    let function = LeafCounts::new("x", &schema, BINS, &query(1, 1, 1), Chosen::All, false).unwrap();
    let names = ["age", "Hours.per-week", "colour", "member", "outcome"].map(str::to_owned);
    for frame in [
        scan.parallel(&names).await.unwrap(),
        scan.numbered(&names, 3).await.unwrap(),
    ] {
        let call = AggregateUDF::new_from_impl(function.clone())
            .call(names.iter().map(|name| column(name)).collect());
        let plan = frame
            .aggregate(vec![], vec![call])
            .unwrap()
            .create_physical_plan()
            .await
            .unwrap();
        let text = displayable(plan.as_ref()).indent(false).to_string();
        let partial = plan.children()[0].children()[0].clone();
        assert!(text.contains("mode=Partial"), "{text}");
        assert_eq!(partial.output_partitioning().partition_count(), 3, "{text}");
    }
}

#[test]
fn a_query_beyond_the_schema_is_refused() {
    let mut narrow = schema();
    narrow.features.truncate(1);
    let found = LeafCounts::new("x", &narrow, BINS, &query(2, 5, 1), Chosen::All, false).unwrap_err();
    assert!(found.to_string().contains("the schema has 1"), "{found}");
}

#[test]
fn the_function_survives_the_journey_as_bytes() {
    let chosen = Chosen::train(Split::new(0.25, 3, "a").unwrap());
    let function = LeafCounts::new("x.csv", &schema(), BINS, &query(3, 4, 1), chosen, true).unwrap();
    let copy = LeafCounts::from_bytes(function.to_bytes()).unwrap();
    assert_eq!(copy, function);
    assert_eq!(copy.to_bytes(), function.to_bytes());
    assert_ne!(
        copy,
        LeafCounts::new("x.csv", &schema(), BINS, &query(3, 4, 2), chosen, true).unwrap()
    );
    assert!(copy.return_type(&[]).is_err());
}

#[test]
fn damaged_bytes_are_refused() {
    let function = LeafCounts::new("x.csv", &schema(), BINS, &query(2, 2, 1), Chosen::All, false).unwrap();
    let bytes = function.to_bytes();
    assert!(LeafCounts::from_bytes(&[]).is_err());
    for length in 1..bytes.len() {
        assert!(
            LeafCounts::from_bytes(&bytes[..length]).is_err(),
            "{length} of {} bytes",
            bytes.len()
        );
    }
    let mut other_version = bytes.to_vec();
    other_version[0] = 9;
    assert!(
        LeafCounts::from_bytes(&other_version)
            .unwrap_err()
            .to_string()
            .contains("found 9")
    );
    assert!(
        LeafCounts::new(
            "x",
            &schema(),
            BINS,
            &query(1, 1, 1),
            Chosen::Test([1, 2, 3]),
            false
        )
        .is_err()
    );
}
