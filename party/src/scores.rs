//! What becomes of the scores that a row party has asked for: a file, and metrics.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hedgerow_edge::files;
use hedgerow_forest::model::{Forest, Output};
use hedgerow_forest::query::SCALE;
use hedgerow_protocol::wire::PartyMetrics;
use serde::Serialize;
use tracing::{error, info};

use crate::data::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt8Array, UInt64Array};
use crate::data::write::BatchWriter;
use crate::data::{DataError, RowStore};
use crate::evaluate::measure;

/// Rows of one written batch.
const BATCH: usize = 128 * 1024;

/// `metrics.json` of a joined run.
#[derive(Serialize)]
struct Measured {
    /// On the own test rows; absent where these are no sample to speak of.
    #[serde(flatten)]
    metrics: Option<PartyMetrics>,
    /// From the first request for scores to the last answer.
    prediction_seconds: f64,
}

/// Scores of sums of leaf values; output noise may have taken one below the least that there is.
pub(crate) fn of_sums(forest: &Forest, sums: &[i64]) -> Vec<f64> {
    let trees = forest.trees.len();
    let unit = trees as f64 * f64::from(SCALE);
    let score = |sum: &i64| match u64::try_from(*sum) {
        Ok(sum) => forest.output.score(sum, trees),
        Err(_) if forest.output == Output::Probability => *sum as f64 / unit,
        Err(_) => forest.output.score(0, trees),
    };
    sums.iter().map(score).collect()
}

/// What tells rows apart in a file of scores.
pub(crate) enum Ids {
    /// Their numbers in their source, from 1: column `row`.
    Numbers(Vec<u64>),
    /// A column of their own, under its name.
    Texts(String, Vec<Box<str>>),
}

impl Ids {
    /// Of these rows of a store.
    pub(crate) fn of(store: &RowStore, rows: &[u32], column: Option<&str>) -> Self {
        match column {
            None => Self::Numbers(rows.iter().map(|row| u64::from(*row) + 1).collect()),
            Some(column) => {
                let id = |row: &u32| store.ids.get(*row as usize).cloned().unwrap_or_default();
                Self::Texts(column.to_owned(), rows.iter().map(id).collect())
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Numbers(_) => "row",
            Self::Texts(column, _) => column,
        }
    }

    fn array(&self, rows: Range<usize>) -> ArrayRef {
        match self {
            Self::Numbers(numbers) => {
                Arc::new(UInt64Array::from(numbers.get(rows).unwrap_or_default().to_vec()))
            }
            Self::Texts(_, texts) => {
                Arc::new(StringArray::from_iter_values(texts.get(rows).unwrap_or_default()))
            }
        }
    }
}

/// A file of scores, one row each: `.csv` or `.parquet`.
pub(crate) struct ScoreFile<'a> {
    /// First column.
    pub(crate) ids: Ids,
    /// Column `label`, where it is known.
    pub(crate) labels: Option<&'a [u8]>,
    /// Column `score`.
    pub(crate) scores: &'a [f64],
    /// Column `positive`, 1 for scores from here on.
    pub(crate) threshold: Option<f64>,
}

impl ScoreFile<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// [`DataError`] for another extension or a file that cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), DataError> {
        let mut writer = BatchWriter::create(path, self.batch(0..0)?.schema())?;
        for first in (0..self.scores.len()).step_by(BATCH) {
            writer.write(&self.batch(first..(first + BATCH).min(self.scores.len()))?)?;
        }
        writer.finish()
    }

    fn batch(&self, rows: Range<usize>) -> Result<RecordBatch, DataError> {
        let scores = self.scores.get(rows.clone()).unwrap_or_default();
        let mut columns: Vec<(&str, ArrayRef)> = vec![(self.ids.name(), self.ids.array(rows.clone()))];
        if let Some(labels) = self.labels {
            let labels = labels.get(rows).unwrap_or_default().to_vec();
            columns.push(("label", Arc::new(UInt8Array::from(labels))));
        }
        columns.push(("score", Arc::new(Float64Array::from(scores.to_vec()))));
        if let Some(threshold) = self.threshold {
            let positive = scores.iter().map(|score| u8::from(*score >= threshold));
            columns.push(("positive", Arc::new(UInt8Array::from_iter_values(positive))));
        }
        RecordBatch::try_from_iter(columns).map_err(|error| DataError::Engine {
            reason: error.to_string(),
        })
    }
}

/// Measures scores on the spot and writes the metrics; what cannot be written is logged, the run does not depend on it.
pub(crate) fn evaluate(
    file: &Path,
    labels: &[u8],
    scores: &[f64],
    threshold: f64,
    took: Duration,
) -> Option<PartyMetrics> {
    let measured = Measured {
        metrics: measure(scores, labels, threshold),
        prediction_seconds: took.as_secs_f64(),
    };
    let text = serde_json::to_vec_pretty(&measured).unwrap_or_default();
    match files::write_atomic(file, &text) {
        Ok(()) => info!(file = %file.display(), "metrics on the own test rows, scored in private"),
        Err(error) => error!(%error, "metrics are not written"),
    }
    measured.metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_written_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let store = RowStore {
            ids: ["a", "b,c", "", "d"].map(Box::from).to_vec(),
            ..RowStore::default()
        };
        let file = |column, labels, scores, threshold| ScoreFile {
            ids: Ids::of(&store, &[0, 1, 3], column),
            labels,
            scores,
            threshold,
        };
        let scores = [0.5, 0.1 + 0.2, 1.0];
        file(None, Some(&[1, 0, 1]), &scores, None).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "row,label,score\n1,1,0.5\n2,0,0.30000000000000004\n4,1,1.0\n"
        );
        file(Some("id"), None, &scores, Some(0.5)).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "id,score,positive\na,0.5,1\n\"b,c\",0.30000000000000004,0\nd,1.0,1\n"
        );
        assert!(
            file(None, None, &[], None)
                .write(&folder.path().join("scores.txt"))
                .is_err()
        );
        file(Some("id"), None, &scores, None)
            .write(&folder.path().join("scores.parquet"))
            .unwrap();
    }

    #[test]
    fn metrics_come_with_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.json");
        let took = Duration::from_millis(1500);
        let metrics = evaluate(&path, &[0, 1, 1, 0], &[0.1, 0.9, 0.8, 0.2], 0.5, took).unwrap();
        assert_eq!((metrics.rows, metrics.auprc, metrics.accuracy), (4, 1.0, 1.0));
        let text = std::fs::read_to_string(&path).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (json["auroc"].as_f64(), json["prediction_seconds"].as_f64()),
            (Some(1.0), Some(1.5))
        );
        assert_eq!(evaluate(&path, &[0, 0], &[0.1, 0.9], 0.5, took), None);
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .contains("prediction_seconds")
        );
    }
}
