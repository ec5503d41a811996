//! The row party's test rows, scored in private once the model is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use hedgerow_forest::model::Forest;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::join::score::{ScoreRefusal, max_batch};
use hedgerow_protocol::party::Scored;
use hedgerow_protocol::wire::PartyMetrics;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::answers::Answers;
use crate::join::RowSide;
use crate::machine::Event;
use crate::scores::{self, Ids, ScoreFile};

/// Everything that a prediction needs; it runs beside the loop and asks it for one batch after the other.
pub(super) struct Prediction {
    pub(super) answers: Answers,
    pub(super) forest: Forest,
    pub(super) config: Arc<RunConfig>,
    pub(super) events: mpsc::Sender<Event>,
    /// Answers of the machine, in the order of the batches.
    pub(super) scored: mpsc::UnboundedReceiver<Result<Scored, ScoreRefusal>>,
    /// Where metrics go.
    pub(super) metrics: PathBuf,
    /// Where scores go, if they are wanted.
    pub(super) scores: Option<PathBuf>,
}

impl Prediction {
    /// Scores all test rows, writes what is to be written, and tells the loop; without scores it tells it at once.
    pub(super) async fn run(mut self) {
        let metrics = self.predict().await;
        // A loop that is over needs no metrics any more.
        let _ = self.events.send(Event::Evaluated(metrics)).await;
    }

    async fn predict(&mut self) -> Option<PartyMetrics> {
        let answers = self.answers.clone();
        let side = match answers.row_side(&self.config).await {
            Ok(side) => side?,
            Err(error) => {
                error!(%error, "test rows cannot be read");
                return None;
            }
        };
        let rows = self.rows(side)?;
        let begin = Instant::now();
        let values = self.values(side, &rows).await?;
        let took = begin.elapsed();
        let scores = scores::of_sums(&self.forest, &values);
        let labels = side.labels(&rows);
        if let Some(path) = &self.scores {
            let file = ScoreFile {
                ids: Ids::of(side.test(), &rows, self.answers.id_column()),
                labels: Some(&labels),
                scores: &scores,
                threshold: None,
            };
            match file.write(path) {
                Ok(()) => info!(file = %path.display(), "scores of the own test rows"),
                Err(error) => error!(%error, "scores are not written"),
            }
        }
        scores::evaluate(&self.metrics, &labels, &scores, self.forest.threshold, took)
    }

    /// The test rows that may be scored.
    fn rows(&self, side: &RowSide) -> Option<Vec<u32>> {
        let prediction = self.config.join()?.prediction?;
        let all = side.test().rows();
        let rows = side.scorable(prediction.per_entity);
        if rows.len() < all {
            warn!(
                most = prediction.per_entity,
                "some test rows name entities that may not be asked about so often; they are not scored"
            );
        }
        if rows.len() as u64 > prediction.rows {
            warn!(
                allowed = prediction.rows,
                "the run allows fewer scores than there are test rows; none is asked for"
            );
            return None;
        }
        (!rows.is_empty()).then_some(rows)
    }

    /// One value for each row.
    async fn values(&mut self, side: &RowSide, rows: &[u32]) -> Option<Vec<i64>> {
        let size = max_batch(&self.config, &self.forest).max(1);
        let batches: Vec<_> = rows
            .chunks(size)
            .map(|batch| Arc::new(side.score_rows(batch)))
            .collect();
        let count = batches.len();
        self.events.send(Event::Score(batches)).await.ok()?;
        let mut values = Vec::with_capacity(rows.len());
        for _ in 0..count {
            match self.scored.recv().await? {
                Ok(mut scored) => values.append(&mut scored.sums),
                Err(refusal) => {
                    error!(%refusal, "the own test rows are not scored");
                    return None;
                }
            }
        }
        (values.len() == rows.len()).then_some(values)
    }
}
