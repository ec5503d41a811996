//! Threads, memory limit and sessions of the embedded DataFusion.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::Runtime;

use super::error::DataError;

mod functions;

/// How CSV text becomes values. Blanks around a value never count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvRules {
    /// Field separator; `None` takes the most frequent of `,` `;` tab in the header.
    pub delimiter: Option<u8>,
    /// What reads as missing, compared without case after trimming.
    pub missing: Vec<String>,
}

impl Default for CsvRules {
    fn default() -> Self {
        Self {
            delimiter: None,
            missing: ["", "?", "NA", "NaN", "null"].map(str::to_owned).to_vec(),
        }
    }
}

/// What the engine may use.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Limit in MiB of what the query's operators (sorts, joins, counters) hold; sorts and joins of SQL sources
    /// spill to `spill_folder` beyond it. Batches in flight come on top: about `threads` times one Parquet row group.
    pub memory_mib: u64,
    /// Rows per batch: 8192 rows of 20 features are 160 KiB once binned, which fits the second-level cache.
    pub batch_rows: usize,
    /// Where sorts and joins spill; `None`: the system's temporary folder.
    pub spill_folder: Option<PathBuf>,
    /// How CSV files are read.
    pub csv: CsvRules,
}

impl Default for EngineOptions {
    /// All cores, 512 MiB.
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: 512,
            batch_rows: 8192,
            spill_folder: None,
            csv: CsvRules::default(),
        }
    }
}

/// The engine: cheap to clone, one per process.
///
/// Queries run on threads of its own, so that counting never holds up the network's tasks; the futures it returns
/// may be awaited on any tokio runtime, and dropping one stops its query.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Option<Runtime>,
    environment: Arc<RuntimeEnv>,
    options: EngineOptions,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A runtime must not be dropped in async context; queries in flight are aborted by their own futures.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Engine {
    /// Starts the worker threads.
    ///
    /// # Errors
    /// [`DataError::Invalid`] for zero threads, rows or memory; [`DataError::Engine`] if threads or the spill folder
    /// cannot be made.
    pub fn new(options: EngineOptions) -> Result<Self, DataError> {
        let invalid = |what: &str| DataError::Invalid {
            what: what.to_owned(),
            reason: "must be at least 1, found 0".to_owned(),
        };
        if options.threads == 0 {
            return Err(invalid("resources.threads"));
        }
        if options.memory_mib == 0 {
            return Err(invalid("resources.memory_mib"));
        }
        if options.batch_rows == 0 {
            return Err(invalid("batch rows"));
        }
        let bytes = usize::try_from(options.memory_mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        let mut environment = RuntimeEnvBuilder::new().with_memory_limit(bytes, 1.0);
        if let Some(folder) = &options.spill_folder {
            environment = environment.with_temp_file_path(folder);
        }
        let environment = environment.build_arc().map_err(|e| DataError::Engine {
            reason: e.strip_backtrace(),
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads)
            .thread_name("hedgerow-data")
            .enable_all()
            .build()
            .map_err(|e| DataError::Engine {
                reason: format!("threads cannot be started: {e}"),
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                runtime: Some(runtime),
                environment,
                options,
            }),
        })
    }

    /// The options it was made with.
    pub fn options(&self) -> &EngineOptions {
        &self.inner.options
    }

    /// A session that plans for this many parallel partitions; all sessions share the memory limit.
    pub(crate) fn session(&self, partitions: usize) -> SessionContext {
        let options = &self.inner.options;
        let mut config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(options.batch_rows)
            .with_collect_statistics(false);
        let sql = &mut config.options_mut().sql_parser;
        // Columns are written as in the file: `SELECT Age` finds `Age`.
        sql.enable_ident_normalization = false;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.inner.environment));
        let state = functions::register(state).build();
        SessionContext::new_with_state(state)
    }

    /// Runs a query's future on the engine's threads.
    pub(crate) async fn run<T, F>(&self, future: F) -> Result<T, DataError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DataError>> + Send + 'static,
    {
        self.spawn(future)?.join().await
    }

    /// Starts a query's future on the engine's threads.
    pub(crate) fn spawn<T, F>(&self, future: F) -> Result<Task<T>, DataError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DataError>> + Send + 'static,
    {
        let runtime = self.inner.runtime.as_ref().ok_or_else(|| DataError::Engine {
            reason: "the engine has been stopped".to_owned(),
        })?;
        Ok(Task {
            handle: runtime.spawn(future),
        })
    }

    pub(crate) fn error(&self, error: datafusion::error::DataFusionError) -> DataError {
        DataError::from_engine(error, self.inner.options.memory_mib)
    }
}

/// A query in flight; dropping it stops the query.
pub(crate) struct Task<T> {
    handle: tokio::task::JoinHandle<Result<T, DataError>>,
}

impl<T> Task<T> {
    pub(crate) async fn join(mut self) -> Result<T, DataError> {
        match (&mut self.handle).await {
            Ok(result) => result,
            Err(error) => Err(DataError::Engine {
                reason: error.to_string(),
            }),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
