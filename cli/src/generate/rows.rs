//! Synthetic labelled rows of any number, for figures that need more data than a repository can hold.
//!
//! Features are uniform on [0, 1). The label is drawn from a score over the first five (a weighted sum and
//! one product of two features, so that a single split does not suffice); the other features are noise.

use super::{SCENARIO_FILE, folder, write};
use crate::error::{CliError, Result};
use datafusion::arrow::array::{ArrayRef, Float32Array, RecordBatch, UInt8Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use hedgerow_party::data::write::BatchWriter;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are held in memory at a time.
const BATCH: usize = 65_536;
/// Weights of the first features in the label's score; their product term is [`PRODUCT`].
const WEIGHTS: [f32; 5] = [2.0, -1.5, 1.0, 0.75, -0.5];
const PRODUCT: f32 = 4.0;

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct RowsSpec {
    /// Rows over all parties; the first parties get one more where it does not divide.
    pub rows: u64,
    /// Feature columns, 2 to 4096.
    pub features: u16,
    /// Row parties, 2 to 64.
    pub parties: u32,
    /// Seed: the same specification gives the same bytes.
    pub seed: u64,
}

/// Writes one Parquet file per party and a scenario over them into `out`; returns the scenario's path.
///
/// # Errors
/// A specification out of range, or a folder that cannot be written.
pub fn generate(spec: &RowsSpec, out: &Path) -> Result<PathBuf> {
    if !(2..=64).contains(&spec.parties) {
        return Err(CliError::Config(format!(
            "--parties: 2 to 64 are possible, got {}",
            spec.parties
        )));
    }
    if !(2..=4096).contains(&spec.features) {
        return Err(CliError::Config(format!(
            "--features: 2 to 4096 are possible, got {}",
            spec.features
        )));
    }
    if spec.rows < u64::from(spec.parties) {
        return Err(CliError::Config(format!(
            "--rows: {} rows over {} parties would leave a party empty",
            spec.rows, spec.parties
        )));
    }
    folder(out)?;
    let schema = arrow_schema(spec.features);
    let mut scenario = header(spec);
    for party in 0..spec.parties {
        let name = format!("party-{:02}", party + 1);
        let rows = spec.rows / u64::from(spec.parties)
            + u64::from(u64::from(party) < spec.rows % u64::from(spec.parties));
        let path = out.join(format!("{name}.parquet"));
        let failed = || CliError::library(format!("write {}", path.display()));
        let mut file = BatchWriter::create(&path, Arc::clone(&schema)).map_err(failed())?;
        let mut rng = ChaCha20Rng::seed_from_u64(spec.seed);
        rng.set_stream(u64::from(party));
        let mut left = rows;
        while left > 0 {
            let now = left.min(BATCH as u64);
            file.write(&batch(&schema, spec.features, now as usize, &mut rng)?)
                .map_err(failed())?;
            left -= now;
        }
        file.finish().map_err(failed())?;
        let _ = write!(
            scenario,
            "\n[[party]]\nid = \"{name}\"\nrole = \"rows\"\nsource = \"{name}.parquet\"\n"
        );
    }
    let path = out.join(SCENARIO_FILE);
    write(&path, scenario.as_bytes())?;
    Ok(path)
}

fn arrow_schema(features: u16) -> SchemaRef {
    let mut fields: Vec<Field> = (0..features)
        .map(|feature| Field::new(feature_name(feature), DataType::Float32, false))
        .collect();
    fields.push(Field::new("label", DataType::UInt8, false));
    Arc::new(Schema::new(fields))
}

fn feature_name(feature: u16) -> String {
    format!("f{feature:02}")
}

fn header(spec: &RowsSpec) -> String {
    let mut text = format!(
        "# {} synthetic rows of {} features over {} parties, seed {}.\n\n[task]\nname = \"synthetic\"\n\
         label = \"label\"\npositive = \"1\"\n\n[data]\npartition = \"horizontal\"\n",
        spec.rows, spec.features, spec.parties, spec.seed
    );
    for feature in 0..spec.features {
        let _ = write!(
            text,
            "\n[[schema.feature]]\nname = \"{}\"\ntype = \"numeric\"\nmin = 0\nmax = 1\n",
            feature_name(feature)
        );
    }
    text
}

fn batch(schema: &SchemaRef, features: u16, rows: usize, rng: &mut ChaCha20Rng) -> Result<RecordBatch> {
    let mut columns: Vec<Vec<f32>> = vec![Vec::with_capacity(rows); usize::from(features)];
    let mut labels = Vec::with_capacity(rows);
    for _ in 0..rows {
        let mut score = 0.0;
        let mut factors = [0.0; 2];
        for (feature, column) in columns.iter_mut().enumerate() {
            let value = unit(rng);
            column.push(value);
            score += WEIGHTS.get(feature).copied().unwrap_or(0.0) * (value - 0.5);
            if let Some(factor) = factors.get_mut(feature) {
                *factor = value - 0.5;
            }
        }
        score += PRODUCT * factors.iter().product::<f32>();
        // A rational sigmoid: the same on every machine, which exp() does not promise.
        let probability = 0.5 + 0.5 * (4.0 * score - 1.5) / (1.0 + (4.0 * score - 1.5).abs());
        labels.push(u8::from(unit(rng) < probability));
    }
    let mut arrays: Vec<ArrayRef> = columns
        .into_iter()
        .map(|column| -> ArrayRef { Arc::new(Float32Array::from(column)) })
        .collect();
    arrays.push(Arc::new(UInt8Array::from(labels)));
    RecordBatch::try_new(Arc::clone(schema), arrays).map_err(CliError::library("build synthetic rows"))
}

/// Uniform on the multiples of 2^-16 in [0, 1): few enough bits that zstd has something to find.
fn unit(rng: &mut ChaCha20Rng) -> f32 {
    (rng.next_u32() >> 16) as f32 / 65_536.0
}

#[cfg(test)]
mod tests {
    use super::super::table::read_embedded;
    use super::*;

    fn spec() -> RowsSpec {
        RowsSpec {
            rows: 1001,
            features: 6,
            parties: 4,
            seed: 7,
        }
    }

    #[test]
    fn same_seed_same_bytes_and_every_row_once() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        generate(&spec(), a.path()).unwrap();
        generate(&spec(), b.path()).unwrap();
        let mut rows = 0;
        for party in 1..=4 {
            let name = format!("party-{party:02}.parquet");
            let bytes = std::fs::read(a.path().join(&name)).unwrap();
            assert_eq!(bytes, std::fs::read(b.path().join(&name)).unwrap());
            rows += read_embedded(&name, bytes.into()).unwrap().num_rows();
        }
        assert_eq!(rows, 1001);
    }

    #[test]
    fn parties_hold_different_rows() {
        let out = tempfile::tempdir().unwrap();
        generate(&spec(), out.path()).unwrap();
        let read = |name: &str| std::fs::read(out.path().join(name)).unwrap();
        assert_ne!(read("party-02.parquet"), read("party-03.parquet"));
    }

    #[test]
    fn impossible_specifications_are_refused() {
        let out = tempfile::tempdir().unwrap();
        for bad in [
            RowsSpec { parties: 1, ..spec() },
            RowsSpec {
                features: 1,
                ..spec()
            },
            RowsSpec { rows: 3, ..spec() },
        ] {
            assert!(matches!(generate(&bad, out.path()), Err(CliError::Config(_))));
        }
    }
}
