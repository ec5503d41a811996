//! What the protocol asks of the party's data: tables, parts of joins, and metrics of the finished model.

use std::path::Path;
use std::sync::Arc;

use hedgerow_edge::files;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::join::{Done, Work};
use hedgerow_protocol::wire::PartyMetrics;
use tokio::sync::OnceCell;
use tracing::{error, info, warn};

use crate::config::{PartyFile, Role};
use crate::data::{DataError, DataSet, DataSpec, Engine, Rows, Split};
use crate::evaluate::evaluate;
use crate::join::{Joined, NoData, Own, RowSide};

/// The party's data, opened under the schema of the run when it is first asked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Answers {
    inner: Arc<Inner>,
}

struct Inner {
    party: PartyId,
    role: Role,
    key: Vec<String>,
    id: Option<String>,
    engine: Engine,
    spec: DataSpec,
    opened: OnceCell<DataSet>,
    joined: OnceCell<Joined>,
    /// The threads of joins: as many as the data engine's, which rests meanwhile.
    pool: rayon::ThreadPool,
}

impl Answers {
    pub(crate) fn new(file: &PartyFile, spec: DataSpec) -> Result<Self, DataError> {
        let engine = Engine::new(file.engine_options())?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(engine.options().threads)
            .thread_name(|thread| format!("hedgerow-join-{thread}"))
            .build()
            .map_err(|error| DataError::Engine {
                reason: format!("threads cannot be started: {error}"),
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                party: file.id.clone(),
                role: file.role,
                key: file.data.key.clone(),
                id: file.data.id.clone(),
                engine,
                spec,
                opened: OnceCell::new(),
                joined: OnceCell::new(),
                pool,
            }),
        })
    }

    /// The column that tells the party's rows apart, if it names one.
    pub(crate) fn id_column(&self) -> Option<&str> {
        self.inner.id.as_deref()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn spec(&self) -> &DataSpec {
        &self.inner.spec
    }

    async fn data(&self, config: &RunConfig) -> Result<&DataSet, DataError> {
        let inner = &*self.inner;
        inner
            .opened
            .get_or_try_init(|| async {
                let split = Split::new(config.test.fraction, config.test.seed, inner.party.as_str())?;
                DataSet::open(&inner.engine, &inner.spec, &config.schema, split).await
            })
            .await
    }

    /// The data of a joined run, read when they are first asked for.
    async fn joined(&self, config: &RunConfig) -> Result<&Joined, DataError> {
        let inner = &*self.inner;
        inner
            .joined
            .get_or_try_init(|| async {
                let own = Own {
                    party: &inner.party,
                    role: inner.role,
                    key: &inner.key,
                    id: inner.id.as_deref(),
                };
                let (joined, warnings) = Joined::read(&inner.engine, &inner.spec, own, config).await?;
                for warning in warnings {
                    warn!("{warning}");
                }
                info!("the party's data are in memory");
                Ok(joined)
            })
            .await
    }

    /// Are the data of a joined run in memory?
    pub(crate) fn has_read(&self) -> bool {
        self.inner.joined.initialized()
    }

    /// The rows of a joined run; none at an attribute party.
    pub(crate) async fn row_side(&self, config: &RunConfig) -> Result<Option<&RowSide>, DataError> {
        Ok(self.joined(config).await?.rows().ok())
    }

    /// Computes a part of a join, on the threads that are there for it; the error is what others may hear.
    pub(crate) async fn work(&self, work: Work, config: &RunConfig) -> Result<Done, String> {
        self.joined(config).await.map_err(|error| {
            error!(%error, "the data cannot be read");
            error.public_reason()
        })?;
        let inner = Arc::clone(&self.inner);
        let computed = tokio::task::spawn_blocking(move || match inner.joined.get() {
            Some(data) => inner.pool.install(|| work.run(data)),
            None => Err("the data are not there".to_owned()),
        });
        computed.await.unwrap_or_else(|error| {
            error!(%error, "a part of a join");
            Err("a computation broke off".to_owned())
        })
    }

    /// Computes a part of a join that needs no data of this party's.
    pub(crate) async fn compute(&self, work: Work) -> Result<Done, String> {
        let inner = Arc::clone(&self.inner);
        let computed = tokio::task::spawn_blocking(move || inner.pool.install(|| work.run(&NoData)));
        computed.await.unwrap_or_else(|error| {
            error!(%error, "a part of a join");
            Err("a computation broke off".to_owned())
        })
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
