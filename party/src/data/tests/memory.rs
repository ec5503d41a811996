//! Memory does not depend on the number of rows.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};

use super::fixture::{Lcg, binner, counts, query, spec};
use crate::data::write::BatchWriter;
use crate::data::{DataSet, Engine, EngineOptions, Rows, Split};

/// Incompressible rows: 8 batches of 128 Ki rows are 67 MB of Parquet and 150 MB of CSV.
const BATCHES: usize = 8;
const BATCH_ROWS: usize = 128 * 1024;

fn noise(random: &mut Lcg) -> RecordBatch {
    let mut numbers = || {
        let values = (0..BATCH_ROWS).map(|_| {
            f64::from_bits(0x3ff0_0000_0000_0000 | random.next(1 << 31) << 20 | random.next(1 << 20)) * 10.0
        });
        Arc::new(values.collect::<Float64Array>()) as ArrayRef
    };
    let [a, b, c, d] = [numbers(), numbers(), numbers(), numbers()];
    let text: ArrayRef = Arc::new(StringArray::from(vec!["red"; BATCH_ROWS]));
    let flags: ArrayRef = Arc::new(StringArray::from(vec!["true"; BATCH_ROWS]));
    let outcome: ArrayRef = Arc::new(
        (0..BATCH_ROWS)
            .map(|i| Some(if i.is_multiple_of(2) { "yes" } else { "no" }))
            .collect::<StringArray>(),
    );
    RecordBatch::try_from_iter([
        ("age", a),
        ("Hours.per-week", b),
        ("c", c),
        ("d", d),
        ("colour", text),
        ("member", flags),
        ("outcome", outcome),
    ])
    .unwrap()
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .unwrap_or_default()
        / 1024
}

#[tokio::test]
async fn a_file_larger_than_the_memory_limit_streams() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Lcg(3);
    let first = noise(&mut random);
    let mut writers = ["x.csv", "x.parquet"]
        .map(|name| BatchWriter::create(&folder.path().join(name), first.schema()).unwrap());
    for _ in 0..BATCHES {
        let batch = noise(&mut random);
        writers
            .iter_mut()
            .for_each(|writer| writer.write(&batch).unwrap());
    }
    for writer in writers {
        writer.finish().unwrap();
    }

    let limit = 24;
    let options = EngineOptions {
        threads: 2,
        memory_mib: limit,
        ..EngineOptions::default()
    };
    let engine = Engine::new(options).unwrap();
    let query = query(4, 4, 1);
    let total = (BATCHES * BATCH_ROWS) as i64;
    let split = Split::new(0.25, 1, "a").unwrap();
    let sorted = r#"SELECT * FROM 'x.parquet' ORDER BY age"#;
    let mut tables = Vec::new();
    for source in ["x.csv", "x.parquet", sorted] {
        if source.starts_with('x') {
            let size = std::fs::metadata(folder.path().join(source)).unwrap().len();
            assert!(size > limit << 20, "{source} has {size} bytes");
        }
        let before = resident_mib();
        let data = DataSet::open(
            &engine,
            &spec(source, folder.path()),
            &super::fixture::schema(),
            split,
        )
        .await
        .unwrap();
        let all = counts(&data, &query, Rows::All)
            .await
            .unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!(all.iter().sum::<i64>(), 4 * total, "{source}");
        tables.push(all);
        let mut rows = 0;
        data.for_each_block(&binner(), Rows::Train, |block, _| rows += block.rows())
            .await
            .unwrap();
        assert_eq!(rows as u64, data.rows().await.unwrap().train);
        // The tests beside this one hold little; a scan that kept its rows would add 60 MiB at the least, and the
        // sort as much again.
        let grown = resident_mib().saturating_sub(before);
        assert!(
            grown < 2 * limit + 32,
            "{source}: resident memory grew by {grown} MiB"
        );
    }
    assert_eq!(tables[0], tables[1], "CSV and Parquet");
    assert_eq!(tables[1], tables[2], "sorted or not");
}
