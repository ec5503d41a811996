//! The built-in scenario over synthetic payments: a network's labelled messages and the accounts of the banks.
//!
//! Everything that the parties compute from their own tables stands in `features.sql`, everything that they agree on in
//! `scenario.toml`; both are written beside the data, and can be copied, changed and run as anybody's.

use crate::error::{CliError, Result};
use crate::generate::payments::{self, Format, Payments, PaymentsSpec};
use crate::generate::{self, SCENARIO_FILE};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the row party makes of its messages.
const FEATURES: &str = include_str!("features.sql");
/// What all agree on; the parties follow from the data.
const SCENARIO: &str = include_str!("scenario.toml");
/// The name of [`FEATURES`] beside the data.
const FEATURES_FILE: &str = "features.sql";

/// Bank nodes of the challenge's largest setting.
pub const NODES: u32 = 9;
/// Test messages of the challenge.
const TEST_ROWS: u64 = 1_003_674;

/// How large the built-in scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scale {
    /// 60,000 messages to learn from, 20,000 to test on, 20,000 accounts: a minute on two cores.
    Small,
    /// The size of the PETs prize challenge: 3.0 and 1.0 million messages, 527,503 accounts.
    Full,
}

impl Scale {
    fn spec(self) -> PaymentsSpec {
        let (rows, test_rows, accounts) = match self {
            Self::Small => (60_000, 20_000, 20_000),
            Self::Full => (payments::TRAIN_ROWS, TEST_ROWS, payments::ACCOUNTS),
        };
        PaymentsSpec {
            rows,
            test_rows: Some(test_rows),
            accounts,
            banks: payments::BANKS,
            seed: 1,
            format: Format::Parquet,
        }
    }
}

/// Writes data and scenario into `out`; returns the scenario's path.
///
/// # Errors
/// Nodes out of range, or a folder that cannot be written.
pub fn generate(scale: Scale, nodes: u32, out: &Path) -> Result<PathBuf> {
    let spec = scale.spec();
    check(nodes, spec.banks)?;
    let bar = generate::progress(spec.total());
    let written = payments::generate(&spec, out, &|rows| bar.inc(rows))?;
    bar.finish_and_clear();
    scenario(&written, nodes, out)
}

fn check(nodes: u32, banks: u64) -> Result<()> {
    if (1..=banks.min(64)).contains(&u64::from(nodes)) {
        return Ok(());
    }
    Err(CliError::Config(format!(
        "--nodes {nodes}: expected 1 to {} (the banks are divided over them)",
        banks.min(64)
    )))
}

/// Writes a scenario over generated payments beside them: the network, and its banks divided over `nodes` processes.
///
/// # Errors
/// Nodes out of range, or a folder that cannot be written.
pub fn scenario(payments: &Payments, nodes: u32, out: &Path) -> Result<PathBuf> {
    check(nodes, payments.accounts.len() as u64)?;
    let relative = |path: &Path| path.strip_prefix(out).unwrap_or(path).display().to_string();
    let mut text = SCENARIO.replace(
        "@rows@",
        &payments.rows.first().copied().unwrap_or_default().to_string(),
    );
    // Of four processes and more one may be lost for good.
    let least = if nodes >= 3 { nodes } else { nodes + 1 };
    // Writing to a string does not fail.
    let _ = write!(text, "\n[run]\nseed = 1\nmin_parties = {least}\ncollusion = 1\n");
    let _ = write!(
        text,
        "\n[[party]]\nid = \"network\"\nrole = \"rows\"\nsource = \"{}\"\ntest_source = \"{}\"\nfeatures = \"{FEATURES_FILE}\"\n",
        relative(&payments.train),
        relative(&payments.test)
    );
    for node in 0..nodes as usize {
        let banks = payments.accounts.iter().skip(node).step_by(nodes as usize);
        let (mut tables, mut codes) = (Vec::new(), Vec::new());
        for (code, path) in banks {
            tables.push(format!("SELECT * FROM '{}'", relative(path)));
            codes.push(format!("\"{code}\""));
        }
        let _ = write!(
            text,
            "\n[[party]]\nid = \"node-{}\"\nrole = \"attributes\"\nsource = \"\"\"\n{}\"\"\"\n\
             key = [\"Account\", \"Name\", \"Street\", \"CountryCityZip\"]\nserves = [{}]\n",
            node + 1,
            tables.join("\nUNION ALL ") + "\n",
            codes.join(", ")
        );
    }
    let path = out.join(SCENARIO_FILE);
    for (path, text) in [(&out.join(FEATURES_FILE), FEATURES), (&path, &text)] {
        std::fs::write(path, text).map_err(CliError::file(path, "writing"))?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
