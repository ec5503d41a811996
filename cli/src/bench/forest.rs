//! `hedgerow bench forest`: encrypted forests of the sizes of the reference, each mode beside what was asked, on one thread.

use std::path::Path;

use hedgerow_crypto::seed::Seed;
use hedgerow_inference::trees::bench::{
    BARS, BATCH_ROWS, Bar, Measured, complete_forest, drawn_values, measure,
};
use hedgerow_inference::trees::{Mode, TreesError};

use super::report::{Asked, BenchReport};
use crate::error::{CliError, Result};

const FEATURES: usize = 30;
/// Bits that the flooding must be wider than what it hides.
const FLOODING: f64 = 40.0;

/// Runs it: CPU milliseconds of the server alone, the least of five means over groups of rows. `rows` for each mode and
/// size; without it 2000 of public-structure, 8192 of a batch, 10 of label-only, else 50. `mode` and `trees`: of that mode,
/// and of forests of so many trees, alone.
///
/// # Errors
/// No such mode or size, a forest that does not run, or a folder that cannot be written.
pub fn run(rows: Option<usize>, mode: Option<&str>, trees: Option<usize>, out: &Path) -> Result<BenchReport> {
    let mode = match mode {
        Some(text) => Some(crate::serve::forest::mode(Some(text))?),
        None => None,
    };
    let wanted = |bar: &&Bar| {
        mode.is_none_or(|mode| bar.mode == mode) && trees.is_none_or(|trees| bar.size.0 == trees)
    };
    if let (Some(actual), None) = (trees, BARS.iter().find(wanted)) {
        let mut sizes: Vec<String> = BARS.iter().map(|bar| bar.size.0.to_string()).collect();
        sizes.sort();
        sizes.dedup();
        let sizes = sizes.join(" or ");
        return Err(CliError::Config(format!("--trees {actual}: expected {sizes}")));
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map_err(CliError::library("start a thread"))?;
    let mut report = BenchReport::new("forest");
    for bar in BARS.iter().filter(wanted) {
        let rows = rows.unwrap_or(match bar.mode {
            Mode::PublicStructure => 2000,
            Mode::LabelOnly => 10,
            Mode::Batch => BATCH_ROWS,
            _ => 50,
        });
        let measured = pool
            .install(|| one(bar, rows))
            .map_err(CliError::library("evaluate a forest"))?;
        add(&mut report, bar, &measured);
    }
    report
        .write(out)
        .map_err(CliError::file(out, "writing bench.json"))?;
    Ok(report)
}

fn one(bar: &Bar, rows: usize) -> std::result::Result<Measured, TreesError> {
    let mut rng = Seed::from_bytes([6; 32]).rng();
    let model = complete_forest(bar.size.0, bar.size.1, FEATURES, &mut rng)?;
    let values = drawn_values(rows * FEATURES, &mut rng);
    measure(&model, bar.mode, &values, &mut rng, &mut super::net::cpu_seconds)
}

fn add(report: &mut BenchReport, bar: &Bar, measured: &Measured) {
    let plan = &measured.plan;
    let (trees, depth) = bar.size;
    let name = format!("{}, {trees} trees depth {depth}", bar.mode);
    let kb = |bytes: usize| bytes as f64 / 1e3;
    let at_most = |bytes: Option<usize>| bytes.map_or(Asked::Nothing, |bytes| Asked::AtMost(kb(bytes)));
    report.holds(
        &format!("{name}: every row as the clear binned forest"),
        measured.differing == 0 && measured.rows > 0,
        format!("{} rows, {} differ", measured.rows, measured.differing),
    );
    let evaluates = match bar.mode {
        Mode::EncryptedModel => "owner of the row",
        _ => "server",
    };
    report.row(
        &format!("{name}: {evaluates}, one row"),
        Asked::AtMost(bar.milliseconds),
        measured.server,
        "CPU ms",
        format!(
            "predicted {:.2} ms; the other side in {:.2} and {:.2} ms",
            plan.seconds * 1e3 / plan.rows.min(BATCH_ROWS) as f64,
            measured.client[0],
            measured.client[1]
        ),
    );
    report.row(
        &format!("{name}: up"),
        at_most(bar.up),
        kb(plan.request_bytes),
        "kB",
        format!("public key {:.1} kB, once", kb(plan.public_key_bytes)),
    );
    report.row(
        &format!("{name}: down"),
        at_most(bar.down),
        kb(plan.answer_bytes),
        "kB",
        "",
    );
    report.row(
        &format!("{name}: evaluation keys or model, once"),
        at_most(bar.keys),
        kb(plan.evaluation_key_bytes + plan.download_bytes),
        "kB",
        format!("made in {:.1} ms", measured.keygen),
    );
    report.row(
        &format!("{name}: flooding over the worst case"),
        Asked::AtLeast(FLOODING),
        f64::from(plan.flooding_bits),
        "bits",
        "",
    );
}
