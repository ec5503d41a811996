//! What a `source = "..."` line of a configuration means.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::DataError;

/// A source as configured: `rows.csv`, `rows.parquet`, `folder/`, or SQL such as
/// `SELECT age, label FROM 'tx.csv' WHERE age > 17`. Paths are relative to a base folder (that of the file the
/// source stands in). Nothing is opened before a data set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    text: String,
    base: PathBuf,
    features: Option<Arc<Features>>,
    /// A column that features may name though the source has none of it: it then reads as missing.
    spare: Option<String>,
}

/// The table that a [`Features`] query calls its source.
pub const SOURCE_TABLE: &str = "rows";

/// SQL that makes the columns of a schema out of a source and other tables of the same party. It names the source at
/// hand `rows`, the others as they are listed, and may name further files in single quotes:
/// `SELECT r.*, b.country FROM rows r LEFT JOIN branches b ON r.branch = b.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// The name for messages: the file that the query stands in, or `the features`.
    pub(crate) name: String,
    pub(crate) sql: SourceSpec,
    pub(crate) tables: Vec<(String, SourceSpec)>,
}

impl Features {
    /// Takes the text of a query, or the path of an `.sql` file that holds one, and the tables that it may name; relative
    /// paths in it start at `base`.
    ///
    /// # Errors
    /// [`DataError::Unreadable`] for a file that is not there, [`DataError::Source`] for one that holds no SQL,
    /// [`DataError::Invalid`] for a table that is listed twice or called `rows`.
    pub fn parse(text: &str, base: &Path, tables: Vec<(String, SourceSpec)>) -> Result<Self, DataError> {
        let given = SourceSpec::parse(text, base)?;
        let (name, sql) = if given.is_sql() {
            ("the features".to_owned(), given)
        } else {
            let read = fs::read_to_string(base.join(given.text())).map_err(|error| {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => "no such file, and it is no SQL either".to_owned(),
                    _ => error.to_string(),
                };
                DataError::unreadable(given.text(), reason)
            })?;
            let sql = SourceSpec::parse(&without_comments(&read), base)?;
            if !sql.is_sql() {
                return Err(DataError::Source {
                    source_text: given.text,
                    reason: "features are SQL: the file should begin with SELECT or WITH".to_owned(),
                });
            }
            (given.text, sql)
        };
        for (i, (table, _)) in tables.iter().enumerate() {
            let reason = if table == SOURCE_TABLE {
                "in the features this is the name of the source itself; choose another"
            } else if tables.iter().skip(i + 1).any(|(other, _)| other == table) {
                "two tables have this name"
            } else {
                continue;
            };
            return Err(DataError::Invalid {
                what: format!("[[table]] `{table}`"),
                reason: reason.to_owned(),
            });
        }
        Ok(Self { name, sql, tables })
    }
}

/// Leading `--` lines of a file; the parser takes them, but they hide whether it is SQL.
fn without_comments(text: &str) -> String {
    text.lines()
        .skip_while(|line| line.trim().is_empty() || line.trim_start().starts_with("--"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a path turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Files {
    Csv(PathBuf),
    /// In the order of their names, which is the order of the rows.
    Parquet(Vec<PathBuf>),
}

impl SourceSpec {
    /// Takes a configured text; relative paths in it start at `base`.
    ///
    /// # Errors
    /// [`DataError::Source`] if the text is blank.
    pub fn parse(text: &str, base: &Path) -> Result<Self, DataError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(DataError::Source {
                source_text: String::new(),
                reason: "is empty; write a CSV or Parquet file, a folder of Parquet files, or SQL".to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
            base: base.to_owned(),
            features: None,
            spare: None,
        })
    }

    /// A file or folder.
    pub fn from_path(path: &Path) -> Self {
        Self {
            text: path.display().to_string(),
            base: PathBuf::new(),
            features: None,
            spare: None,
        }
    }

    /// The same source, seen through a query of features.
    #[must_use]
    pub fn with_features(mut self, features: Arc<Features>) -> Self {
        self.features = Some(features);
        self
    }

    /// The same source, whose features may name this column though it has none: new rows have no label yet.
    #[must_use]
    pub fn with_spare(mut self, column: &str) -> Self {
        self.spare = Some(column.to_owned());
        self
    }

    pub(crate) fn spare(&self) -> Option<&str> {
        self.spare.as_deref()
    }

    pub(crate) fn features(&self) -> Option<&Features> {
        self.features.as_deref()
    }

    /// The same source without its features.
    pub(crate) fn bare(&self) -> Self {
        Self {
            features: None,
            ..self.clone()
        }
    }

    /// The configured text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Is it SQL rather than a path?
    pub fn is_sql(&self) -> bool {
        let mut words = self.text.split(|c: char| c.is_whitespace() || c == '(');
        words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("with"))
            && self.text.contains(char::is_whitespace)
    }

    /// The name for messages: the path, the file of the features, or `the query`.
    pub(crate) fn display(&self) -> String {
        if let Some(features) = &self.features {
            features.name.clone()
        } else if self.is_sql() {
            "the query".to_owned()
        } else {
            self.text.clone()
        }
    }

    pub(crate) fn files(&self) -> Result<Files, DataError> {
        Self::files_at(&self.text, &self.base)
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The files behind a path, as named in a configuration or in SQL.
    pub(crate) fn files_at(name: &str, base: &Path) -> Result<Files, DataError> {
        let path = base.join(name);
        let metadata = fs::metadata(&path).map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("no such file or folder (looked for {})", path.display())
                }
                _ => error.to_string(),
            };
            DataError::unreadable(name, reason)
        })?;
        if metadata.is_dir() {
            return Ok(Files::Parquet(parquet_files(name, &path)?));
        }
        if metadata.len() == 0 {
            return Err(DataError::Empty {
                file: name.to_owned(),
                reason: "the file is empty".to_owned(),
            });
        }
        match extension(&path).as_str() {
            "parquet" | "pq" => Ok(Files::Parquet(vec![path])),
            "csv" | "tsv" | "txt" | "data" => Ok(Files::Csv(path)),
            other => Err(DataError::Source {
                source_text: name.to_owned(),
                reason: format!("files end in .csv, .tsv, .txt, .data, .parquet or .pq, found `.{other}`"),
            }),
        }
    }
}

fn parquet_files(name: &str, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| DataError::unreadable(name, error))? {
        let path = entry.map_err(|error| DataError::unreadable(name, error))?.path();
        let hidden = path
            .file_name()
            .is_none_or(|n| n.to_string_lossy().starts_with(['.', '_']));
        if !hidden && path.is_file() && matches!(extension(&path).as_str(), "parquet" | "pq") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(DataError::Empty {
            file: name.to_owned(),
            reason: "the folder holds no .parquet file".to_owned(),
        });
    }
    files.sort();
    Ok(files)
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|e| e.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_and_paths_are_told_apart() {
        let sql = |text: &str| SourceSpec::parse(text, Path::new("")).unwrap().is_sql();
        assert!(sql("SELECT a FROM 'x.csv'"));
        assert!(sql("  with t as (select 1) select * from t"));
        assert!(sql("select(a) from 'x.csv'"));
        assert!(!sql("select.csv"));
        assert!(!sql("selected rows.csv"));
        assert!(!sql("folder/"));
        assert!(SourceSpec::parse(" \n", Path::new("")).is_err());
    }

    #[test]
    fn a_folder_lists_its_parquet_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b.parquet",
            "a.parquet",
            "_SUCCESS",
            ".hidden.parquet",
            "notes.txt",
        ] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let Files::Parquet(files) = SourceSpec::files_at("", folder.path()).unwrap() else {
            panic!("not Parquet")
        };
        let names: Vec<_> = files
            .iter()
            .map(|f| f.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.parquet", "b.parquet"]);
    }

    #[test]
    fn what_is_wrong_with_a_path_is_said() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        fs::write(folder.path().join("zero.csv"), "").unwrap();
        fs::write(folder.path().join("rows.xlsx"), "x").unwrap();
        let error = |name: &str| SourceSpec::files_at(name, folder.path()).unwrap_err();
        assert!(matches!(error("none.csv"), DataError::Unreadable { .. }));
        assert!(matches!(error("empty"), DataError::Empty { .. }));
        assert!(matches!(error("zero.csv"), DataError::Empty { .. }));
        assert!(error("rows.xlsx").to_string().contains("`.xlsx`"));
    }
}
