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
    let accuracy = metrics::accuracy(&scores, &labels, forest.threshold)
        .ok()
        .flatten();
    let (auroc, auprc) = (
        metrics::auroc(&scores, &labels).ok(),
        metrics::auprc(&scores, &labels).ok(),
    );
    Ok(match (accuracy, auroc, auprc) {
        (Some(accuracy), Some(auroc), Some(auprc)) if auroc.is_finite() && auprc.is_finite() => {
            Some(PartyMetrics {
                rows: scores.len() as u64,
                auprc,
                auroc,
                accuracy,
            })
        }
        _ => None,
    })
}
