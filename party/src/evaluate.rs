//! The finished model on the party's own test rows.

use hedgerow_forest::binning::Binner;
use hedgerow_forest::metrics;
use hedgerow_forest::model::Forest;
use hedgerow_forest::predict::Predictor;
use hedgerow_protocol::wire::PartyMetrics;

use crate::data::{DataError, DataSet, Rows};

/// Metrics on the party's own test rows; `None` where these are no sample to speak of: no row, or one class alone.
///
/// # Errors
/// [`DataError`] of the scan.
pub async fn evaluate(data: &DataSet, forest: &Forest) -> Result<Option<PartyMetrics>, DataError> {
    let invalid = |reason: String| DataError::Invalid {
        what: "model".to_owned(),
        reason,
    };
    let binner = Binner::new(&forest.schema, forest.bins).map_err(|error| invalid(error.to_string()))?;
    let predictor = Predictor::new(forest).map_err(|error| invalid(error.to_string()))?;
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    data.for_each_block(&binner, Rows::Test, |block, block_labels| {
        scores.extend(predictor.scores(block));
        labels.extend_from_slice(block_labels);
    })
    .await?;
    Ok(measure(&scores, &labels, forest.threshold))
}

/// Metrics of scores from 0 to 1 against labels of 0 and 1; `None` where these are no sample to speak of.
pub(crate) fn measure(scores: &[f64], labels: &[u8], threshold: f64) -> Option<PartyMetrics> {
    let accuracy = metrics::accuracy(scores, labels, threshold).ok().flatten()?;
    let (auroc, auprc) = (
        metrics::auroc(scores, labels).ok()?,
        metrics::auprc(scores, labels).ok()?,
    );
    (auroc.is_finite() && auprc.is_finite()).then_some(PartyMetrics {
        rows: scores.len() as u64,
        auprc,
        auroc,
        accuracy,
    })
}
