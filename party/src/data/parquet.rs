//! Parquet files: footers are read when a source is opened, so that a file that lacks a column or has another type
//! than its neighbours is named, instead of reading as missing.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::error::DataError;

/// One table over files of one schema, in the order given.
pub(crate) fn parquet_table(name: &str, files: &[PathBuf]) -> Result<Arc<dyn TableProvider>, DataError> {
    let mut schema: Option<(String, SchemaRef)> = None;
    let mut urls = Vec::with_capacity(files.len());
    let mut rows = 0;
    for path in files {
        let shown = match files {
            [_] => name.to_owned(),
            _ => path.display().to_string(),
        };
        let file = File::open(path).map_err(|e| DataError::unreadable(&shown, e))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|e| DataError::unreadable(&shown, format!("not a Parquet file: {e}")))?;
        rows += metadata.metadata().file_metadata().num_rows();
        match &schema {
            None => schema = Some((shown.clone(), Arc::clone(metadata.schema()))),
            Some((first, expected)) => same_columns(first, expected, &shown, metadata.schema())?,
        }
        let absolute = std::path::absolute(path).map_err(|e| DataError::unreadable(&shown, e))?;
        urls.push(file_url(&shown, &absolute)?);
    }
    let Some((_, schema)) = schema.filter(|_| rows > 0) else {
        return Err(DataError::Empty {
            file: name.to_owned(),
            reason: "it holds no row".to_owned(),
        });
    };
    // Metadata of the writer (pandas, Spark) differs between files and means nothing here; and a column without a
    // missing value in the first file may have some in the second.
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    // The files were chosen by us: any name will do.
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(schema);
    let table =
        ListingTable::try_new(config).map_err(|e| DataError::unreadable(name, e.strip_backtrace()))?;
    Ok(Arc::new(table))
}

/// A URL that stands for exactly this file, whatever characters its name holds (a bare path would be a glob).
fn file_url(name: &str, path: &std::path::Path) -> Result<ListingTableUrl, DataError> {
    let text = path
        .to_str()
        .ok_or_else(|| DataError::unreadable(name, "its path is not UTF-8"))?;
    let mut url = String::from("file://");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                url.push(char::from(byte))
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    ListingTableUrl::parse(url).map_err(|e| DataError::unreadable(name, e.strip_backtrace()))
}

fn same_columns(first: &str, expected: &SchemaRef, file: &str, found: &SchemaRef) -> Result<(), DataError> {
    for field in expected.fields() {
        let Ok(other) = found.field_with_name(field.name()) else {
            return Err(missing_column(file, field.name(), found));
        };
        if other.data_type() != field.data_type() {
            return Err(DataError::WrongType {
                file: file.to_owned(),
                column: field.name().clone(),
                expected: format!("{} as in {first}", field.data_type()),
                found: other.data_type().to_string(),
            });
        }
    }
    Ok(())
}

/// The error for a column that is not there, with the nearest name.
pub(crate) fn missing_column(file: &str, column: &str, found: &SchemaRef) -> DataError {
    let names = || found.fields().iter().map(|field| field.name().as_str());
    let nearest = names()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &column.to_lowercase()),
                name,
            )
        })
        .min()
        .filter(|(distance, name)| {
            *distance <= 2.max(name.chars().count() / 4) && distance * 2 < column.len().max(2)
        });
    DataError::MissingColumn {
        file: file.to_owned(),
        column: column.to_owned(),
        available: names().collect::<Vec<_>>().join(", "),
        suggestion: nearest.map(|(_, name)| name.to_owned()),
    }
}
