//! SQL over named files: each quoted path in the query becomes a table.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionContext};

use super::csv::{CsvFile, TextType};
use super::engine::Engine;
use super::error::DataError;
use super::parquet::parquet_table;
use super::source::{Files, SourceSpec};

/// A query and the files it names.
pub(crate) struct Query {
    text: String,
    tables: Vec<(TableReference, Arc<dyn TableProvider>)>,
}

impl Query {
    /// Finds the files. `declared` knows the types of columns of CSV files; others get what they look like.
    pub(crate) fn open(
        engine: &Engine,
        spec: &SourceSpec,
        declared: &dyn Fn(&str) -> Option<TextType>,
    ) -> Result<Self, DataError> {
        let state = engine.session(1).state();
        let dialect = state.config().options().sql_parser.dialect;
        let statement = state.sql_to_statement(spec.text(), &dialect).map_err(wrong)?;
        let mut tables: Vec<(TableReference, Arc<dyn TableProvider>)> = Vec::new();
        for reference in state.resolve_table_references(&statement).map_err(wrong)? {
            let TableReference::Bare { table } = &reference else {
                return Err(DataError::Sql {
                    reason: format!("write files in single quotes: FROM '{reference}'"),
                });
            };
            let provider: Arc<dyn TableProvider> = match SourceSpec::files_at(table, spec.base())? {
                Files::Csv(path) => {
                    let file = CsvFile::open(table, &path, &engine.options().csv)?;
                    let types = file.infer(declared)?;
                    Arc::new(file.table(types))
                }
                Files::Parquet(files) => parquet_table(table, &files)?,
            };
            tables.push((reference, provider));
        }
        Ok(Self {
            text: spec.text().to_owned(),
            tables,
        })
    }

    /// The query's plan in this session.
    pub(crate) async fn frame(&self, session: &SessionContext) -> Result<DataFrame, DataFusionError> {
        for (reference, provider) in &self.tables {
            session.register_table(reference.clone(), Arc::clone(provider))?;
        }
        // A source reads: it creates, writes and configures nothing.
        let reads_only = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        session.sql_with_options(&self.text, reads_only).await
    }
}

fn wrong(error: DataFusionError) -> DataError {
    DataError::Sql {
        reason: error.strip_backtrace(),
    }
}
