//! The built-in data set: census income, UCI Adult (Becker, Kohavi 1996; CC BY 4.0).
//!
//! The two Parquet files are part of the binary, so that `hedgerow simulate` works from any folder.
//! [`convert`] is what made them from the UCI files; `examples/data/adult/README.md` quotes the command.

use super::table::read_embedded;
use super::{SCENARIO_FILE, folder, write};
use crate::error::{CliError, Result};
use bytes::Bytes;
use datafusion::arrow::array::{
    ArrayRef, Int64Builder, RecordBatch, StringArray, StringBuilder, UInt32Array,
};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use hedgerow_party::data::write::write_batches;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

static TRAIN: &[u8] = include_bytes!("../../../examples/data/adult/adult-train.parquet");
static TEST: &[u8] = include_bytes!("../../../examples/data/adult/adult-test.parquet");

/// Rows of the UCI training file.
pub const TRAIN_ROWS: usize = 32_561;
/// Rows of the UCI test file.
pub const TEST_ROWS: usize = 16_281;

/// The row parties of the built-in scenario: funds of four lines of work. Whoever has an occupation that is not
/// listed, or none on record, is with the last.
const FUNDS: [(&str, &[&str]); 4] = [
    ("office", &["Adm-clerical", "Sales", "Tech-support"]),
    ("professions", &["Exec-managerial", "Prof-specialty"]),
    (
        "trades",
        &[
            "Craft-repair",
            "Farming-fishing",
            "Handlers-cleaners",
            "Machine-op-inspct",
            "Transport-moving",
        ],
    ),
    ("services", &[]),
];

/// Columns in the order of the UCI files; `true` = a whole number, `false` = text.
const COLUMNS: [(&str, bool); 15] = [
    ("age", true),
    ("workclass", false),
    ("fnlwgt", true),
    ("education", false),
    ("education_num", true),
    ("marital_status", false),
    ("occupation", false),
    ("relationship", false),
    ("race", false),
    ("sex", false),
    ("capital_gain", true),
    ("capital_loss", true),
    ("hours_per_week", true),
    ("native_country", false),
    ("income", false),
];

/// Writes the parties' data and a scenario over them into `out`; returns the scenario's path.
///
/// Without a number the parties are [`FUNDS`], whose members differ as members of real organisations do. With a
/// number, row `i` of either file goes to party `i mod parties`, and all have rows of the same kind.
pub fn generate(parties: Option<u32>, out: &Path) -> Result<PathBuf> {
    if let Some(parties) = parties.filter(|parties| !(2..=64).contains(parties)) {
        return Err(CliError::Config(format!(
            "--parties: 2 to 64 are possible, got {parties}"
        )));
    }
    folder(out)?;
    let ids: Vec<String> = match parties {
        None => FUNDS.iter().map(|(id, _)| (*id).to_owned()).collect(),
        Some(parties) => (1..=parties).map(|party| format!("party-{party:02}")).collect(),
    };
    for (what, bytes) in [("train", TRAIN), ("test", TEST)] {
        let all = read_embedded(what, Bytes::from_static(bytes))?;
        let party_of = match parties {
            None => by_occupation(&all)?,
            Some(parties) => (0..all.num_rows()).map(|row| row % parties as usize).collect(),
        };
        for (party, id) in ids.iter().enumerate() {
            let mine: UInt32Array = (0u32..)
                .zip(&party_of)
                .filter(|(_, of)| **of == party)
                .map(|(row, _)| row)
                .collect::<Vec<_>>()
                .into();
            let batch = take_record_batch(&all, &mine).map_err(CliError::library("split Adult"))?;
            write_batches(&out.join(file_name(id, what)), &[batch])
                .map_err(CliError::library("split Adult"))?;
        }
    }
    let mut scenario = String::from(include_str!("adult.toml"));
    for id in &ids {
        let _ = write!(
            scenario,
            "\n[[party]]\nid = \"{id}\"\nrole = \"rows\"\nsource = \"{}\"\ntest_source = \"{}\"\n",
            file_name(id, "train"),
            file_name(id, "test")
        );
    }
    let path = out.join(SCENARIO_FILE);
    write(&path, scenario.as_bytes())?;
    Ok(path)
}

/// The position in [`FUNDS`] of every row.
fn by_occupation(all: &RecordBatch) -> Result<Vec<usize>> {
    let occupations = all
        .column_by_name("occupation")
        .and_then(|column| column.as_any().downcast_ref::<StringArray>())
        .ok_or_else(|| CliError::Config("the built-in data has no column occupation".into()))?;
    let fund = |occupation: Option<&str>| {
        let listed =
            |(_, occupations): &(&str, &[&str])| occupation.is_some_and(|it| occupations.contains(&it));
        FUNDS.iter().position(listed).unwrap_or(FUNDS.len() - 1)
    };
    Ok(occupations.iter().map(fund).collect())
}

/// Columns that the registry of [`vertical`] lacks: an employer has them.
const EMPLOYER: [&str; 6] = [
    "workclass",
    "education_num",
    "occupation",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
];
/// What names a row at both parties.
const ROW: &str = "row";

/// Columns that an employer has of [`vertical_over_three`].
const WORK: [&str; 4] = ["workclass", "education_num", "occupation", "hours_per_week"];
/// Columns that a bank has of it.
const CAPITAL: [&str; 2] = ["capital_gain", "capital_loss"];

/// Who has columns of the registry's rows, through which link, and which.
struct Holder {
    id: &'static str,
    link: &'static str,
    columns: &'static [&'static str],
}

/// Writes the columns divided over two parties, with the number of the row as the key, and a scenario over them into
/// `out`; returns the scenario's path.
///
/// A registry has the label and what is known of people; an employer what is known of their work, for training and
/// test rows alike.
pub fn vertical(out: &Path) -> Result<PathBuf> {
    let employer = Holder {
        id: "employer",
        link: "work",
        columns: &EMPLOYER,
    };
    divide(out, &[employer], include_str!("adult-vertical.toml"))
}

/// As [`vertical`] over three parties: what the employer has there, it shares with a bank. Trees join attributes of both.
pub fn vertical_over_three(out: &Path) -> Result<PathBuf> {
    let employer = Holder {
        id: "employer",
        link: "work",
        columns: &WORK,
    };
    let bank = Holder {
        id: "bank",
        link: "capital",
        columns: &CAPITAL,
    };
    divide(out, &[employer, bank], include_str!("adult-vertical-3.toml"))
}

fn divide(out: &Path, holders: &[Holder], rest: &str) -> Result<PathBuf> {
    folder(out)?;
    let failed = || CliError::library("split Adult");
    let (mut held, mut first) = (vec![Vec::new(); holders.len()], 1u32);
    for (what, bytes) in [("train", TRAIN), ("test", TEST)] {
        let all = read_embedded(what, Bytes::from_static(bytes))?;
        let numbers = first..first + all.num_rows() as u32;
        first = numbers.end;
        let registry = numbered(&all, numbers.clone(), |name| {
            !holders.iter().any(|holder| holder.columns.contains(&name))
        })?;
        write_batches(&out.join(file_name("registry", what)), &[registry]).map_err(failed())?;
        for (batches, holder) in held.iter_mut().zip(holders) {
            batches.push(numbered(&all, numbers.clone(), |name| {
                holder.columns.contains(&name)
            })?);
        }
    }
    for (batches, holder) in held.iter().zip(holders) {
        write_batches(&out.join(format!("{}.parquet", holder.id)), batches).map_err(failed())?;
    }

    let mut scenario = String::from(include_str!("adult.toml"))
        .replace("partition = \"horizontal\"", "partition = \"vertical\"");
    for Holder { link, columns, .. } in holders {
        for name in *columns {
            scenario = scenario.replace(
                &format!("name = \"{name}\"\n"),
                &format!("name = \"{link}.{name}\"\nlink = \"{link}\"\n"),
            );
        }
    }
    scenario += rest;
    let path = out.join(SCENARIO_FILE);
    write(&path, scenario.as_bytes())?;
    Ok(path)
}

/// The columns of these names after one of row numbers.
fn numbered(
    all: &RecordBatch,
    numbers: std::ops::Range<u32>,
    wanted: impl Fn(&str) -> bool,
) -> Result<RecordBatch> {
    let mut fields = vec![Field::new(ROW, DataType::UInt32, false)];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from_iter_values(numbers))];
    for (field, array) in all.schema().fields().iter().zip(all.columns()) {
        if wanted(field.name()) {
            fields.push(field.as_ref().clone());
            arrays.push(Arc::clone(array));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(CliError::library("split Adult"))
}

fn file_name(id: &str, what: &str) -> String {
    format!("{id}-{what}.parquet")
}

/// Converts the two UCI files in `raw` (`adult-train.csv`, `adult-test.csv`) into the Parquet files in `out`.
///
/// Blanks around values are cut, `?` becomes null, the dot that ends the test file's labels goes, and no
/// row is dropped.
pub fn convert(raw: &Path, out: &Path) -> Result<()> {
    folder(out)?;
    for (what, rows) in [("train", TRAIN_ROWS), ("test", TEST_ROWS)] {
        let source = raw.join(format!("adult-{what}.csv"));
        let batch = parse(&source)?;
        if batch.num_rows() != rows {
            let found = batch.num_rows();
            return Err(CliError::Config(format!(
                "{}: expected the {rows} rows of UCI Adult, found {found}",
                source.display()
            )));
        }
        let target = out.join(format!("adult-{what}.parquet"));
        write_batches(&target, &[batch]).map_err(CliError::library("convert Adult"))?;
        println!("{}: {rows} rows", target.display());
    }
    Ok(())
}

enum Column {
    Number(Int64Builder),
    Text(StringBuilder),
}

fn parse(path: &Path) -> Result<RecordBatch> {
    let text = std::fs::read_to_string(path).map_err(CliError::file(path, "reading"))?;
    let mut columns: Vec<Column> = COLUMNS
        .iter()
        .map(|&(_, number)| match number {
            true => Column::Number(Int64Builder::new()),
            false => Column::Text(StringBuilder::new()),
        })
        .collect();
    for (line, row) in text.lines().enumerate().filter(|(_, row)| !row.trim().is_empty()) {
        let values: Vec<&str> = row.split(',').map(str::trim).collect();
        if values.len() != COLUMNS.len() {
            return Err(CliError::Config(format!(
                "{}:{}: expected {} values, found {}",
                path.display(),
                line + 1,
                COLUMNS.len(),
                values.len()
            )));
        }
        for ((column, value), (name, _)) in columns.iter_mut().zip(values).zip(COLUMNS) {
            let value = if name == "income" {
                value.trim_end_matches('.')
            } else {
                value
            };
            match column {
                Column::Number(cells) if value == "?" => cells.append_null(),
                Column::Text(cells) if value == "?" => cells.append_null(),
                Column::Text(cells) => cells.append_value(value),
                Column::Number(cells) => {
                    cells.append_value(value.parse().map_err(CliError::library(format!(
                        "{}:{}: column {name}: {value:?} is no number",
                        path.display(),
                        line + 1
                    )))?)
                }
            }
        }
    }
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|&(name, number)| Field::new(name, if number { DataType::Int64 } else { DataType::Utf8 }, true))
        .collect();
    let arrays: Vec<ArrayRef> = columns
        .into_iter()
        .map(|column| -> ArrayRef {
            match column {
                Column::Number(mut cells) => Arc::new(cells.finish()),
                Column::Text(mut cells) => Arc::new(cells.finish()),
            }
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(CliError::library("build Adult"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Array;

    /// Figures of the UCI documentation (adult.names): the class distribution, and rows with unknown values.
    #[test]
    fn embedded_files_are_the_uci_data() {
        for (what, bytes, rows, positives) in [
            ("train", TRAIN, TRAIN_ROWS, 7841),
            ("test", TEST, TEST_ROWS, 3846),
        ] {
            let batch = read_embedded(what, Bytes::from_static(bytes)).unwrap();
            assert_eq!((batch.num_rows(), batch.num_columns()), (rows, 15));
            let income = batch.column_by_name("income").unwrap();
            let income = income.as_any().downcast_ref::<StringArray>().unwrap();
            assert_eq!(income.iter().filter(|v| *v == Some(">50K")).count(), positives);
            assert_eq!(income.null_count(), 0);
        }
        let train = read_embedded("train", Bytes::from_static(TRAIN)).unwrap();
        let missing = ["workclass", "occupation", "native_country"]
            .map(|name| train.column_by_name(name).unwrap().null_count());
        assert_eq!(missing, [1836, 1843, 583]);
    }

    fn rows(out: &Path, id: &str, what: &str) -> usize {
        let bytes = std::fs::read(out.join(file_name(id, what))).unwrap();
        read_embedded("part", bytes.into()).unwrap().num_rows()
    }

    #[test]
    fn a_vertical_split_keeps_every_row_at_both_parties() {
        let out = tempfile::tempdir().unwrap();
        let path = vertical(out.path()).unwrap();
        assert_eq!(rows(out.path(), "registry", "train"), TRAIN_ROWS);
        assert_eq!(rows(out.path(), "registry", "test"), TEST_ROWS);
        let bytes = std::fs::read(out.path().join("employer.parquet")).unwrap();
        let employer = read_embedded("employer", bytes.into()).unwrap();
        assert_eq!(
            (employer.num_rows(), employer.num_columns()),
            (TRAIN_ROWS + TEST_ROWS, 1 + EMPLOYER.len())
        );
        let scenario = crate::scenario::Scenario::load(&path, &[]).unwrap();
        let schema = scenario.schema.unwrap();
        assert_eq!(schema.links(), ["work"]);
        assert_eq!(schema.link_columns("work").len(), EMPLOYER.len() + 1);
        assert_eq!(schema.row_columns().len(), 6);
    }

    #[test]
    fn a_split_over_three_divides_the_columns_and_joins_them_in_trees() {
        let out = tempfile::tempdir().unwrap();
        let path = vertical_over_three(out.path()).unwrap();
        let scenario = crate::scenario::Scenario::load(&path, &[]).unwrap();
        assert_eq!(scenario.file.forest.links_per_tree, Some(2));
        let schema = scenario.schema.unwrap();
        assert_eq!(schema.links().len(), 2);
        assert_eq!(schema.link_columns("work").len(), WORK.len() + 1);
        assert_eq!(schema.link_columns("capital").len(), CAPITAL.len() + 1);
        assert_eq!(schema.row_columns().len(), 6);
    }

    #[test]
    fn every_split_keeps_every_row_once() {
        let out = tempfile::tempdir().unwrap();
        generate(None, out.path()).unwrap();
        let train = FUNDS.map(|(id, _)| rows(out.path(), id, "train"));
        assert_eq!(
            train,
            [8348, 8206, 10_062, 5945],
            "counted once by hand in the UCI file"
        );
        assert_eq!(
            FUNDS
                .map(|(id, _)| rows(out.path(), id, "test"))
                .iter()
                .sum::<usize>(),
            TEST_ROWS
        );
        generate(Some(3), out.path()).unwrap();
        let train = ["party-01", "party-02", "party-03"].map(|id| rows(out.path(), id, "train"));
        assert_eq!(train, [10_854, 10_854, 10_853]);
        assert!(generate(Some(1), out.path()).is_err());
    }
}
