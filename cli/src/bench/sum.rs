//! `hedgerow bench sum`: a million counters of ten parties, summed by real processes over QUIC.

use std::path::Path;

use super::report::{Asked, BenchReport};
use super::simulation::Simulation;
use crate::error::{CliError, Result};
use crate::generate::rows::{RowsSpec, generate};

const PARTIES: u32 = 10;
/// 1000 trees of depth 9 with two classes: a table of this many counters.
const COUNTERS: f64 = 1_024_000.0;
const SHAPE: [&str; 6] = [
    "--set",
    "forest.growth=random",
    "--set",
    "forest.trees=1000",
    "--set",
    "forest.depth=9",
];
/// So few rows that counting them takes no time beside the sum.
const ROWS: u64 = 2_000;

/// Runs it. The baseline is the same run with additive shares.
///
/// # Errors
/// A simulation that failed, or a folder that cannot be written.
pub fn run(out: &Path) -> Result<BenchReport> {
    let work = out.join("work");
    let spec = RowsSpec {
        rows: ROWS,
        features: 20,
        parties: PARTIES,
        seed: 1,
    };
    let scenario = generate(&spec, &work.join("data"))?;
    let mut report = BenchReport::new("sum");
    let mut arguments = vec!["--set", "privacy.epsilon=none", "--set", "test.fraction=0.25"];
    arguments.extend(SHAPE);
    let masked = Simulation::run("masked", &scenario, &work, &arguments)?;
    arguments.extend(["--set", "run.aggregation=shares"]);
    let shares = Simulation::run("shares", &scenario, &work, &arguments)?;

    // The first round sums the leaf counts: keys, shares, masks, upload, survivors, unmasking, as the coordinator saw it.
    report.row(
        "1,024,000 counters over 10 parties, from the start of the round to the total",
        Asked::AtMost(1.0),
        masked.number("/rounds/0/seconds") * 1_000_000.0 / COUNTERS,
        "s per 1,000,000",
        format!(
            "additive shares: {:.2} s",
            shares.number("/rounds/0/seconds") * 1_000_000.0 / COUNTERS
        ),
    );
    report.row(
        "UDP bytes that a party sends in the whole run, per counter",
        Asked::AtMost(8.0 * 1.01),
        masked.largest_of_parties("bytes_sent") / COUNTERS,
        "bytes",
        format!(
            "additive shares: {:.2}",
            shares.largest_of_parties("bytes_sent") / COUNTERS
        ),
    );
    report.row(
        "largest process",
        Asked::Nothing,
        masked.largest("peak_rss_mib"),
        "MiB",
        "",
    );
    report.holds(
        "the sum is exact: model equal to the pooled one, byte for byte",
        masked.identical(),
        "pooled",
    );
    report.holds("the same with additive shares", shares.identical(), "pooled");
    report
        .write(out)
        .map_err(CliError::file(out, "writing bench.json"))?;
    Ok(report)
}
