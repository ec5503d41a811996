//! What the protocol asks of the party's data: tables, and metrics of the finished model.

use std::path::Path;
use std::sync::Arc;

use hedgerow_edge::files;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::wire::PartyMetrics;
use tokio::sync::OnceCell;
use tracing::{error, info, warn};

use crate::data::{DataError, DataSet, DataSpec, Engine, EngineOptions, Rows, Split};
use crate::evaluate::evaluate;

/// The party's data, opened under the schema of the run when it is first asked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Answers {
    party: PartyId,
    engine: Engine,
    spec: Arc<DataSpec>,
    opened: Arc<OnceCell<DataSet>>,
}

impl Answers {
    pub(crate) fn new(party: PartyId, spec: DataSpec, options: EngineOptions) -> Result<Self, DataError> {
        let engine = Engine::new(options)?;
        Ok(Self {
            party,
            engine,
            spec: Arc::new(spec),
            opened: Arc::default(),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn spec(&self) -> &DataSpec {
        &self.spec
    }

    async fn data(&self, config: &RunConfig) -> Result<&DataSet, DataError> {
        self.opened
            .get_or_try_init(|| async {
                let split = Split::new(config.test.fraction, config.test.seed, self.party.as_str())?;
                DataSet::open(&self.engine, &self.spec, &config.schema, split).await
            })
            .await
    }

    /// The table of the training rows; the error is what others may hear, the whole of it is logged here.
    pub(crate) async fn count(&self, query: &TableQuery, config: &RunConfig) -> Result<Table, String> {
        let counted = async {
            let data = self.data(config).await?;
            let binner = binner(config)?;
            let table = data.count(query, &binner, Rows::Train).await;
            for warning in data.take_warnings() {
                warn!("{warning}");
            }
            table
        };
        counted.await.map_err(|error| {
            error!(%error, "the data cannot be counted");
            error.public_reason()
        })
    }

    /// Metrics on the own test rows, also written beside the model; none where there is no test row.
    pub(crate) async fn evaluate(
        &self,
        forest: &Forest,
        config: &RunConfig,
        file: &Path,
    ) -> Option<PartyMetrics> {
        let evaluated = async { evaluate(self.data(config).await?, forest).await };
        let metrics = match evaluated.await {
            Ok(metrics) => metrics?,
            Err(error) => {
                error!(%error, "the model cannot be evaluated here");
                return None;
            }
        };
        let text = serde_json::to_vec_pretty(&metrics).unwrap_or_default();
        match files::write_atomic(file, &text) {
            Ok(()) => info!(file = %file.display(), "metrics on the own test rows"),
            Err(error) => error!(%error, "metrics are not written"),
        }
        Some(metrics)
    }
}

pub(crate) fn binner(config: &RunConfig) -> Result<Binner, DataError> {
    Binner::new(&config.schema, config.forest.bins).map_err(|error| DataError::Invalid {
        what: "schema".to_owned(),
        reason: error.to_string(),
    })
}
