//! `hedgerow bench he`: what each operation of the encryption costs on this machine, one thread; the table that plans are
//! priced by.

use std::path::{Path, PathBuf};

use clap::Args;
use hedgerow_inference::plan::{CostTable, Sample, measure};
use hedgerow_inference::scheme::Op;

use super::report::{Asked, BenchReport};
use crate::error::{CliError, Result};

/// Name of the table's file.
const TABLE: &str = "costs.txt";

/// `hedgerow bench he`.
#[derive(Debug, Args)]
pub struct He {
    /// log2 of the degrees to measure; 16 takes a few GB
    #[arg(long, value_delimiter = ',', default_value = "12,13,14,15")]
    pub degrees: Vec<u32>,
    /// MiB of the machine's last cache
    #[arg(long, default_value_t = 32)]
    pub cache: u64,
    /// Where bench.json and costs.txt, the table, go
    #[arg(long, default_value = "hedgerow-bench/he", value_name = "DIR")]
    pub out: PathBuf,
}

/// Measures, prints the bars at N = 2^15 with 12 primes, and writes the whole table beside the report.
///
/// # Errors
/// A degree without a ring of 128 bits, or a folder that cannot be written.
pub fn run(asked: &He) -> Result<BenchReport> {
    let out: &Path = &asked.out;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map_err(CliError::library("start a thread"))?;
    let table = pool
        .install(|| {
            measure(
                &asked.degrees,
                asked.cache.saturating_mul(1 << 20),
                &super::net::cpu_seconds,
            )
        })
        .map_err(CliError::library("measure operations"))?;
    let mut report = BenchReport::new("he");
    bars(&mut report, &table);
    report
        .write(out)
        .map_err(CliError::file(out, "writing bench.json"))?;
    let path = out.join(TABLE);
    std::fs::write(&path, table.text()).map_err(CliError::file(&path, "writing the table"))?;
    Ok(report)
}

/// What is asked at N = 2^15, 12 primes, three digits; the rest as figures.
fn bars(report: &mut BenchReport, table: &CostTable) {
    let at = |op: Op, limbs: usize| {
        let of = |s: &&Sample| s.op == op && s.log_degree == 15 && s.limbs == limbs;
        table.samples().iter().find(of).map(|s| s.warm * 1e-6)
    };
    let mul = at(Op::Mul, 12)
        .zip(at(Op::Rescale, 12))
        .map(|(mul, rescale)| mul + rescale);
    let asked = [
        ("rotate", 13.0, at(Op::Rotate, 12), "poulpy 22.5 ms, SEAL+HEXL 35"),
        (
            "hoisted rotation, each",
            6.5,
            at(Op::HoistedRotate, 12),
            "OpenFHE 33, Lattigo 33",
        ),
        (
            "product, relinearized, rescaled",
            17.0,
            mul,
            "SEAL+HEXL 40 ms, poulpy 43",
        ),
        (
            "product with a prepared plaintext",
            0.8,
            at(Op::MulPlain, 12),
            "SEAL+HEXL 1.0 ms, Lattigo 1.4",
        ),
    ];
    for (what, bar, measured, peer) in asked {
        if let Some(measured) = measured {
            report.row(
                &format!("{what}, N = 2^15, 12 primes"),
                Asked::AtMost(bar),
                measured,
                "ms",
                peer,
            );
        }
    }
    for s in table.samples() {
        let what = format!("{:?}, N = 2^{}, {} primes", s.op, s.log_degree, s.limbs);
        report.row(
            &what,
            Asked::Nothing,
            s.warm * 1e-6,
            "ms",
            format!("from memory {:.3} ms", s.cold * 1e-6),
        );
    }
}
