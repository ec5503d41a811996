//! An opened source: its columns, and the two ways to scan them.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema as ArrowSchema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, SessionContext};
use hedgerow_forest::schema::{ColumnKind, Schema};

use super::csv::{CsvFile, TextType};
use super::engine::Engine;
use super::error::DataError;
use super::numbered::{ROW_NUMBER, numbered_table};
use super::parquet::{missing_column, parquet_table};
use super::source::{Files, SourceSpec};
use super::sql::Query;

/// How the text of CSV files becomes values.
#[derive(Clone, Copy)]
pub(crate) enum Typing<'s> {
    /// As the schema says; the columns listed besides are text (keys: a number would lose leading zeros). In SQL,
    /// columns that neither names get the type they look like.
    Declared(&'s Schema, &'s [String]),
    /// Text, to be looked at.
    Raw,
}

impl Typing<'_> {
    fn declared(&self, name: &str) -> Option<TextType> {
        let Self::Declared(schema, texts) = self else {
            return None;
        };
        if texts.iter().any(|text| text == name) {
            return Some(TextType::Text);
        }
        let column = schema.features.iter().find(|column| column.name == name)?;
        Some(match column.kind {
            ColumnKind::Numeric { .. } => TextType::Number,
            ColumnKind::Categorical { .. } => TextType::Text,
        })
    }
}

/// An opened source.
#[derive(Clone)]
pub(crate) struct Scan {
    engine: Engine,
    file: String,
    plan: Plan,
    schema: SchemaRef,
    raw_text: bool,
}

#[derive(Clone)]
enum Plan {
    Table(Arc<dyn TableProvider>),
    Query(Arc<Query>),
}

impl Scan {
    pub(crate) async fn open(
        engine: &Engine,
        spec: &SourceSpec,
        typing: Typing<'_>,
    ) -> Result<Self, DataError> {
        let file = spec.display();
        let mut raw_text = false;
        let plan = if spec.is_sql() || spec.features().is_some() {
            Plan::Query(Arc::new(Query::open(engine, spec, &|name| {
                typing.declared(name)
            })?))
        } else {
            Plan::Table(match spec.files()? {
                Files::Csv(path) => {
                    raw_text = matches!(typing, Typing::Raw);
                    let csv = CsvFile::open(&file, &path, &engine.options().csv)?;
                    let types = csv
                        .header()
                        .iter()
                        .map(|name| typing.declared(name).unwrap_or(TextType::Text))
                        .collect();
                    Arc::new(csv.table(types))
                }
                Files::Parquet(files) => parquet_table(&file, &files)?,
            })
        };
        let mut scan = Self {
            engine: engine.clone(),
            file,
            plan,
            schema: Arc::new(ArrowSchema::empty()),
            raw_text,
        };
        scan.schema = match &scan.plan {
            Plan::Table(table) => table.schema(),
            Plan::Query(_) => Arc::new(scan.frame(&engine.session(1)).await?.schema().as_arrow().clone()),
        };
        for (i, field) in scan.schema.fields().iter().enumerate() {
            if scan
                .schema
                .fields()
                .iter()
                .skip(i + 1)
                .any(|other| other.name() == field.name())
            {
                return Err(DataError::DuplicateColumn {
                    file: scan.file,
                    column: field.name().clone(),
                });
            }
        }
        Ok(scan)
    }

    /// The source's name for messages.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Is all of it text because nobody has said what the columns are?
    pub(crate) fn is_raw_text(&self) -> bool {
        self.raw_text
    }

    /// The column's type, or the error that names it.
    pub(crate) fn column(&self, name: &str) -> Result<&datafusion::arrow::datatypes::DataType, DataError> {
        self.schema
            .field_with_name(name)
            .map(|field| field.data_type())
            .map_err(|_| missing_column(&self.file, name, &self.schema))
    }

    /// These columns, in any order of rows, in as many partitions as there are threads.
    pub(crate) async fn parallel(&self, columns: &[String]) -> Result<DataFrame, DataError> {
        let session = self.engine.session(self.engine.options().threads);
        self.select(self.frame(&session).await?, columns)
    }

    /// These columns and [`ROW_NUMBER`], read in source order by one partition, to be worked on by `partitions`.
    pub(crate) async fn numbered(
        &self,
        columns: &[String],
        partitions: usize,
    ) -> Result<DataFrame, DataError> {
        let frame = self.select(self.frame(&self.engine.session(1)).await?, columns)?;
        let fail = |error| self.engine.error(error);
        let table = numbered_table(frame.create_physical_plan().await.map_err(fail)?).map_err(fail)?;
        self.engine
            .session(partitions)
            .read_table(Arc::new(table))
            .map_err(fail)
    }

    async fn frame(&self, session: &SessionContext) -> Result<DataFrame, DataError> {
        match &self.plan {
            Plan::Table(table) => session.read_table(Arc::clone(table)),
            Plan::Query(query) => query.frame(session).await,
        }
        .map_err(|error| self.engine.error(error))
    }

    fn select(&self, frame: DataFrame, columns: &[String]) -> Result<DataFrame, DataError> {
        let columns: Vec<Expr> = columns.iter().map(|name| column(name)).collect();
        frame.select(columns).map_err(|error| self.engine.error(error))
    }
}

/// A column by its exact name (dots and capitals are part of it).
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// The row number of a [`Scan::numbered`] frame.
pub(crate) fn row_number() -> Expr {
    column(ROW_NUMBER)
}
