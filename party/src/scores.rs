//! What becomes of the scores that a row party has asked for: a file, and metrics.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hedgerow_edge::files;
use hedgerow_protocol::wire::PartyMetrics;
use serde::Serialize;
use tracing::{error, info};

use crate::data::DataError;
use crate::data::arrow::array::{ArrayRef, Float64Array, RecordBatch, UInt8Array};
use crate::data::write::BatchWriter;
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

/// Writes `label,score`, one row each, in the order of the test rows: `.csv` or `.parquet`.
///
/// # Errors
/// [`DataError`] for another extension or a file that cannot be written.
pub(crate) fn write(path: &Path, labels: &[u8], scores: &[f64]) -> Result<(), DataError> {
    let batch = |labels: &[u8], scores: &[f64]| {
        RecordBatch::try_from_iter([
            ("label", Arc::new(UInt8Array::from(labels.to_vec())) as ArrayRef),
            ("score", Arc::new(Float64Array::from(scores.to_vec())) as ArrayRef),
        ])
        .map_err(|error| DataError::Engine {
            reason: error.to_string(),
        })
    };
    let mut writer = BatchWriter::create(path, batch(&[], &[])?.schema())?;
    for (labels, scores) in labels.chunks(BATCH).zip(scores.chunks(BATCH)) {
        writer.write(&batch(labels, scores)?)?;
    }
    writer.finish()
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
        write(&path, &[1, 0, 1], &[0.5, 0.1 + 0.2, 1.0]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "label,score\n1,0.5\n0,0.30000000000000004\n1,1.0\n");
        assert!(write(&folder.path().join("scores.txt"), &[], &[]).is_err());
        write(&folder.path().join("scores.parquet"), &[1], &[0.5]).unwrap();
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
