//! What `party.toml` says about the party's tables.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PartyFile;
use crate::data::{DataError, DataSpec, Features, SourceSpec};

/// What a party holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Labelled rows.
    #[default]
    Rows,
    /// Attributes of entities that others' rows name.
    Attributes,
}

impl Role {
    /// The default.
    pub fn is_rows(&self) -> bool {
        *self == Self::Rows
    }
}

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// Training rows, or all rows, or the table of entities: a path, or SQL that names files in single quotes.
    pub source: String,
    /// Test rows of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_source: Option<String>,
    /// SQL over the party's own tables, or an `.sql` file with it: its columns are those that the schema names. The
    /// table `rows` is the source at hand, training or test rows alike. What stands on the left of a JOIN is held in
    /// memory (`resources.memory_mib`), so the smaller table belongs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
    /// A column that tells the rows apart (role `rows`): private scores are written beside it, else beside the number of
    /// the row. Features must bring it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The columns that tell the entities apart (role `attributes`), in the order of the links' `key_columns`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Field separator of CSV files; by default found in the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv_delimiter: Option<char>,
    /// Texts that mean a missing value in CSV files, compared without case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv_missing: Option<Vec<String>>,
}

/// `[[table]]`: a table of the party's own besides its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSection {
    /// Its name in the features.
    pub name: String,
    /// A path, or SQL that names files in single quotes.
    pub source: String,
}

impl PartyFile {
    /// The sources as the run sees them, through the features; relative paths start at the folder of `path`, the
    /// file that this was loaded from.
    ///
    /// # Errors
    /// [`DataError`] for an empty source, features that cannot be read or tables that cannot be told apart.
    pub fn data_spec(&self, path: &Path) -> Result<DataSpec, DataError> {
        let base = path.parent().unwrap_or(Path::new("."));
        let features = self.features(base)?;
        let source = |text: &str| Ok::<_, DataError>(through(&features, SourceSpec::parse(text, base)?));
        Ok(DataSpec {
            source: source(&self.data.source)?,
            test_source: self.data.test_source.as_deref().map(source).transpose()?,
        })
    }

    /// Another source through the same features; a relative path in it starts at the working folder.
    ///
    /// # Errors
    /// As [`Self::data_spec`].
    pub(crate) fn source_of(&self, path: &Path, text: &str) -> Result<SourceSpec, DataError> {
        let features = self.features(path.parent().unwrap_or(Path::new(".")))?;
        Ok(through(&features, SourceSpec::parse(text, Path::new(""))?))
    }

    fn features(&self, base: &Path) -> Result<Option<Arc<Features>>, DataError> {
        Ok(match &self.data.features {
            None => None,
            Some(features) => {
                let tables = self
                    .tables
                    .iter()
                    .map(|table| Ok((table.name.clone(), SourceSpec::parse(&table.source, base)?)))
                    .collect::<Result<_, DataError>>()?;
                Some(Arc::new(Features::parse(features, base, tables)?))
            }
        })
    }

    /// Do role and data fit?
    pub(super) fn consistent(&self) -> Result<(), (&'static str, String)> {
        let of_rows = [
            ("data.test_source", self.data.test_source.is_some()),
            ("scores", self.scores.is_some()),
            ("data.id", self.data.id.is_some()),
            ("queries", self.queries),
        ];
        match self.role {
            Role::Rows if !self.data.key.is_empty() => Err((
                "data.key",
                "belongs to role = \"attributes\"; a row party's keys are the links' key_columns, which the consortium \
                 names"
                    .to_owned(),
            )),
            Role::Attributes if self.data.key.is_empty() => Err((
                "data",
                "role = \"attributes\" needs `key`, the columns that tell the entities apart".to_owned(),
            )),
            Role::Attributes => match of_rows.iter().find(|(_, given)| *given) {
                Some((key, _)) => Err((key, "belongs to role = \"rows\": it is about labelled rows".to_owned())),
                None => Ok(()),
            },
            Role::Rows if !self.tables.is_empty() && self.data.features.is_none() => Err((
                "table",
                "is for `[data] features`, which is not given".to_owned(),
            )),
            Role::Rows => Ok(()),
        }
    }
}

fn through(features: &Option<Arc<Features>>, bare: SourceSpec) -> SourceSpec {
    match features {
        None => bare,
        Some(features) => bare.with_features(Arc::clone(features)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "id = \"a\"\ncoordinator = \"localhost:1\"\nidentity = \"id\"\nstate = \"s\"\n";

    fn load(rest: &str) -> Result<(PartyFile, Result<DataSpec, DataError>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("party.toml");
        std::fs::write(&path, format!("{TOP}{rest}")).unwrap();
        let file = PartyFile::load(&path).map_err(|error| error.to_string())?;
        let spec = file.data_spec(&path);
        Ok((file, spec))
    }

    #[test]
    fn an_attribute_party_has_a_key_and_no_test_rows() {
        let (file, spec) =
            load("role = \"attributes\"\n[data]\nsource = \"a.csv\"\nkey = [\"Account\", \"Name\"]\n")
                .unwrap();
        assert_eq!((file.role, file.data.key.len()), (Role::Attributes, 2));
        assert!(spec.unwrap().test_source.is_none());
        let wrong = [
            (
                "role = \"attributes\"\n[data]\nsource = \"a.csv\"\n",
                "needs `key`",
            ),
            (
                "role = \"attributes\"\n[data]\nsource = \"a.csv\"\nkey = [\"x\"]\ntest_source = \"b.csv\"\n",
                "belongs to role = \"rows\"",
            ),
            (
                "[data]\nsource = \"a.csv\"\nkey = [\"x\"]\n",
                "belongs to role = \"attributes\"",
            ),
            (
                "[data]\nsource = \"a.csv\"\n[[table]]\nname = \"b\"\nsource = \"b.csv\"\n",
                "`[data] features`",
            ),
            ("role = \"attribute\"\n[data]\nsource = \"a.csv\"\n", "attributes"),
        ];
        for (text, expected) in wrong {
            let message = load(text).unwrap_err();
            assert!(
                message.contains("party.toml:") && message.contains(expected),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn features_see_both_sources_and_the_tables() {
        let (_, spec) = load(
            "[data]\nsource = \"a.csv\"\ntest_source = \"t.csv\"\nfeatures = \"SELECT * FROM rows\"\n[[table]]\nname \
             = \"b\"\nsource = \"b.csv\"\n",
        )
        .unwrap();
        let spec = spec.unwrap();
        for source in [&spec.source, spec.test_source.as_ref().unwrap()] {
            let features = source.features().unwrap();
            assert_eq!(features.tables[0].0, "b");
        }
        let (_, spec) = load("[data]\nsource = \"a.csv\"\nfeatures = \"none.sql\"\n").unwrap();
        assert!(matches!(spec, Err(DataError::Unreadable { .. })));
    }
}
