//! SQL over named files: each quoted path in a query becomes a table. A query of features knows tables besides: the
//! source, and those that its party lists.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{ScalarValue, TableReference};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionContext, lit};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::csv::{CsvFile, TextType};
use super::engine::Engine;
use super::error::DataError;
use super::parquet::parquet_table;
use super::source::{Features, Files, SOURCE_TABLE, SourceSpec};

/// The types of columns of CSV files that are known by name; others get what they look like.
type Declared<'d> = &'d dyn Fn(&str) -> Option<TextType>;

/// A query and the tables it names.
pub(crate) struct Query {
    text: String,
    tables: Vec<(TableReference, Table)>,
    /// The source's column that reads as missing where there is none.
    spare: Option<String>,
}

enum Table {
    Files(Arc<dyn TableProvider>),
    Query(Query),
}

impl Query {
    /// Finds the files.
    pub(crate) fn open(
        engine: &Engine,
        spec: &SourceSpec,
        declared: Declared<'_>,
    ) -> Result<Self, DataError> {
        match spec.features() {
            None => Self::parse(engine, spec, None, declared),
            Some(features) => Self::parse(engine, &features.sql, Some((spec, features)), declared),
        }
    }

    fn parse(
        engine: &Engine,
        sql: &SourceSpec,
        features: Option<(&SourceSpec, &Features)>,
        declared: Declared<'_>,
    ) -> Result<Self, DataError> {
        let state = engine.session(1).state();
        let dialect = state.config().options().sql_parser.dialect;
        let statement = state.sql_to_statement(sql.text(), &dialect).map_err(wrong)?;
        let mut tables = Vec::new();
        for reference in state.resolve_table_references(&statement).map_err(wrong)? {
            let TableReference::Bare { table } = &reference else {
                return Err(DataError::Sql {
                    reason: format!("write files in single quotes: FROM '{reference}'"),
                });
            };
            let spec = match features {
                None => None,
                Some((source, _)) if table.as_ref() == SOURCE_TABLE => Some(source.bare()),
                Some((_, features)) => listed(features, table)?,
            };
            let table = match spec {
                Some(spec) if spec.is_sql() => Table::Query(Self::parse(engine, &spec, None, declared)?),
                Some(spec) => Table::Files(open_files(engine, spec.text(), &spec, declared)?),
                None => Table::Files(open_files(engine, table, sql, declared)?),
            };
            tables.push((reference, table));
        }
        Ok(Self {
            text: sql.text().to_owned(),
            tables,
            spare: features.and_then(|(source, _)| source.spare().map(str::to_owned)),
        })
    }

    /// The query's plan in this session.
    pub(crate) fn frame<'s>(
        &'s self,
        session: &'s SessionContext,
    ) -> BoxFuture<'s, Result<DataFrame, DataFusionError>> {
        async move {
            for (reference, table) in &self.tables {
                // A query within one of features sees its own files only: what its tables are called is its affair.
                let provider = match table {
                    Table::Files(provider) => Arc::clone(provider),
                    Table::Query(query) => {
                        let inner = SessionContext::new_with_state(session.state());
                        query.frame(&inner).await?.into_view()
                    }
                };
                let provider = match &self.spare {
                    Some(column) if reference.table() == SOURCE_TABLE => {
                        with_column(session, provider, column)?
                    }
                    _ => provider,
                };
                session.deregister_table(reference.clone())?;
                session.register_table(reference.clone(), provider)?;
            }
            // A source reads: it creates, writes and configures nothing.
            let reads_only = SQLOptions::new()
                .with_allow_ddl(false)
                .with_allow_dml(false)
                .with_allow_statements(false);
            session.sql_with_options(&self.text, reads_only).await
        }
        .boxed()
    }
}

/// The listed table of this name; `None` for a file.
fn listed(features: &Features, table: &str) -> Result<Option<SourceSpec>, DataError> {
    if let Some((_, spec)) = features.tables.iter().find(|(name, _)| name == table) {
        return Ok(Some(spec.clone()));
    }
    if table.contains(['.', '/', '\\']) {
        return Ok(None);
    }
    let names: Vec<&str> = [SOURCE_TABLE]
        .into_iter()
        .chain(features.tables.iter().map(|(name, _)| name.as_str()))
        .collect();
    let suggestion = hedgerow_edge::configfile::nearest(table, names.iter().copied())
        .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
    Err(DataError::Sql {
        reason: format!(
            "{} names the table `{table}`{suggestion}; it may name {}, and files in single quotes",
            features.name,
            names.join(", ")
        ),
    })
}

fn open_files(
    engine: &Engine,
    name: &str,
    spec: &SourceSpec,
    declared: Declared<'_>,
) -> Result<Arc<dyn TableProvider>, DataError> {
    Ok(match SourceSpec::files_at(name, spec.base())? {
        Files::Csv(path) => {
            let file = CsvFile::open(name, &path, &engine.options().csv)?;
            let types = file.infer(declared)?;
            Arc::new(file.table(types))
        }
        Files::Parquet(files) => parquet_table(name, &files)?,
    })
}

/// A table with this column, missing everywhere if it has none.
fn with_column(
    session: &SessionContext,
    table: Arc<dyn TableProvider>,
    column: &str,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    if table.schema().column_with_name(column).is_some() {
        return Ok(table);
    }
    let frame = session.read_table(table)?;
    Ok(frame
        .with_column(column, lit(ScalarValue::Utf8(None)))?
        .into_view())
}

fn wrong(error: DataFusionError) -> DataError {
    DataError::Sql {
        reason: error.strip_backtrace(),
    }
}
