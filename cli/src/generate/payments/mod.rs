//! Payments between banks in the schema of the PETs prize challenge (track A, 2022), whose own data was never
//! published: labelled transactions of a payment network, and tables of accounts of the banks.
//!
//! `docs/payments-data.md` says what is modelled on which published figure, and how hard the result is to learn.
//!
//! - [`draw`]: randomness by position; [`calendar`], [`money`], [`identity`]: days, amounts, people.
//! - [`banks`]: who pays whom; [`accounts`]: whose accounts; [`anomaly`], [`payment`]: one payment.
//! - [`rows`]: chunks of rows; [`columns`]: as Arrow.

mod accounts;
mod anomaly;
mod banks;
mod calendar;
mod columns;
mod draw;
mod identity;
mod money;
mod payment;
mod rows;
#[cfg(test)]
mod tests;

use super::folder;
use crate::error::{CliError, Result};
use accounts::Accounts;
use banks::Banks;
use draw::{Purpose, portion};
use hedgerow_party::data::write::BatchWriter;
use rows::Table;
use std::path::{Path, PathBuf};

/// Rows of the challenge's training file (phase 2), and the labelled ones among them.
pub const TRAIN_ROWS: u64 = 2_993_870;
const TRAIN_POSITIVES: u64 = 3_521;
/// The same of its test file.
const TEST_ROWS: u64 = 1_003_674;
const TEST_POSITIVES: u64 = 1_279;
/// Accounts and banks of the challenge.
pub const ACCOUNTS: u64 = 527_503;
pub const BANKS: u64 = 25;

/// Fewest rows of training: one of them is labelled.
const LEAST_ROWS: u64 = 1_000;
const MOST_ROWS: u64 = 10_000_000_000;
const MOST_ACCOUNTS: u64 = 50_000_000;
const MOST_BANKS: u64 = 200;
/// Rows of accounts written at a time.
const BATCH: u64 = 16_384;

/// File format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Parquet, compressed.
    Parquet,
    /// CSV with a header.
    Csv,
}

impl Format {
    /// Ending of file names.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}

/// What to generate. The same specification gives the same bytes on every machine.
#[derive(Clone, Copy, Debug)]
pub struct PaymentsSpec {
    /// Rows for training.
    pub rows: u64,
    /// Rows for testing; a third of `rows` if left out.
    pub test_rows: Option<u64>,
    /// Accounts over all banks.
    pub accounts: u64,
    /// Banks that have a table of accounts.
    pub banks: u64,
    /// Seed.
    pub seed: u64,
    /// Format of all files.
    pub format: Format,
}

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Payments {
    /// Transactions to learn from.
    pub train: PathBuf,
    /// Transactions to test on.
    pub test: PathBuf,
    /// Per bank its BIC and its table of accounts.
    pub accounts: Vec<(String, PathBuf)>,
    /// Rows for training and for testing, and the labelled ones of both.
    pub rows: [u64; 2],
    /// Labelled rows of both.
    pub positives: [u64; 2],
}

impl std::fmt::Display for Payments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = [&self.train, &self.test];
        for ((path, rows), positives) in files.into_iter().zip(self.rows).zip(self.positives) {
            writeln!(f, "{}: {rows} rows, {positives} anomalous", path.display())?;
        }
        let folder = self.accounts.first().and_then(|(_, path)| path.parent());
        let folder = folder
            .map(Path::display)
            .map_or_else(String::new, |path| path.to_string());
        write!(f, "{folder}: {} banks", self.accounts.len())
    }
}

/// What all rows are drawn from.
struct World {
    seed: u64,
    banks: Banks,
    accounts: Accounts,
}

impl World {
    fn new(seed: u64, accounts: u64, banks: u64) -> Self {
        let banks = Banks::new(banks as usize);
        let accounts = Accounts::new(accounts, &banks);
        Self {
            seed,
            banks,
            accounts,
        }
    }
}

/// Writes `transactions-train`, `transactions-test` and `accounts/<BIC>` for every bank into `out`. `progress` is
/// told of rows written, accounts included.
///
/// # Errors
/// A specification out of range, or a folder that cannot be written.
pub fn generate(spec: &PaymentsSpec, out: &Path, progress: &dyn Fn(u64)) -> Result<Payments> {
    let test_rows = spec.check()?;
    let world = World::new(spec.seed, spec.accounts, spec.banks);
    folder(&out.join("accounts"))?;
    let table = |purpose, rows, (positives, of)| Table {
        purpose,
        rows,
        positives: portion(positives, rows, of),
    };
    let tables = [
        table(Purpose::Train, spec.rows, (TRAIN_POSITIVES, TRAIN_ROWS)),
        table(Purpose::Test, test_rows, (TEST_POSITIVES, TEST_ROWS)),
    ];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let [train, test] = ["transactions-train", "transactions-test"].map(|name| spec.file(out, name));
    for (table, path) in tables.iter().zip([&train, &test]) {
        let schema = columns::transactions_schema();
        write(path, schema.clone(), |file| {
            table.each_chunk(&world, &schema, threads, |batch| {
                file.write(&batch).map_err(failed(path))?;
                progress(batch.num_rows() as u64);
                Ok(())
            })
        })?;
    }
    let mut accounts = Vec::with_capacity(world.banks.known().len());
    for (at, bank) in world.banks.known().iter().enumerate() {
        let path = spec.file(&out.join("accounts"), &bank.bic);
        write_accounts(&world, at, &path, progress)?;
        accounts.push((bank.bic.clone(), path));
    }
    Ok(Payments {
        train,
        test,
        accounts,
        rows: tables.map(|table| table.rows),
        positives: tables.map(|table| table.positives),
    })
}

impl PaymentsSpec {
    /// Rows that will be written, accounts included.
    pub fn total(&self) -> u64 {
        self.rows + self.test_rows.unwrap_or(self.rows / 3) + self.accounts
    }

    fn file(&self, folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.{}", self.format.extension()))
    }

    /// Refuses what cannot be made; returns the number of test rows.
    fn check(&self) -> Result<u64> {
        let test_rows = self.test_rows.unwrap_or(self.rows / 3);
        let within = |option: &str, seen: u64, least: u64, most: u64, why: &str| {
            if (least..=most).contains(&seen) {
                return Ok(());
            }
            Err(CliError::Config(format!(
                "{option} {seen}: expected {least} to {most}{why}"
            )))
        };
        within(
            "--rows",
            self.rows,
            LEAST_ROWS,
            MOST_ROWS,
            ": about one row in 850 is anomalous",
        )?;
        within("--test-rows", test_rows, 1, MOST_ROWS, "")?;
        within("--banks", self.banks, 2, MOST_BANKS, "")?;
        let least = self.banks * accounts::LEAST;
        let why = format!(": {} for each of the {} banks", accounts::LEAST, self.banks);
        within("--accounts", self.accounts, least, MOST_ACCOUNTS, &why)?;
        Ok(test_rows)
    }
}

fn write_accounts(world: &World, bank: usize, path: &Path, progress: &dyn Fn(u64)) -> Result<()> {
    let Some(share) = world.accounts.share(bank) else {
        return Ok(());
    };
    let schema = columns::accounts_schema();
    write(path, schema.clone(), |file| {
        let mut from = 0;
        while from < share.accounts {
            let to = share.accounts.min(from + BATCH);
            let batch = columns::accounts(world, &schema, bank, share, from..to)?;
            file.write(&batch).map_err(failed(path))?;
            progress(to - from);
            from = to;
        }
        Ok(())
    })
}

/// Writes one file by `fill`.
fn write(
    path: &Path,
    schema: datafusion::arrow::datatypes::SchemaRef,
    fill: impl FnOnce(&mut BatchWriter) -> Result<()>,
) -> Result<()> {
    let mut file = BatchWriter::create(path, schema).map_err(failed(path))?;
    fill(&mut file)?;
    file.finish().map_err(failed(path))
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(path: &Path) -> impl FnOnce(E) -> CliError {
    CliError::library(format!("write {}", path.display()))
}
