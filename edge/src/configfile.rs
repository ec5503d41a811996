//! Configuration files: TOML whose errors point at file, line and key.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::files::{self, FileError};

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// It cannot be read.
    #[error("configuration: {0}")]
    File(#[from] FileError),
    /// Something in it is wrong.
    #[error("{0}")]
    Invalid(Box<Complaint>),
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The file.
    pub path: PathBuf,
    /// Line from 1, where one is to blame.
    pub line: Option<usize>,
    /// Key as far as it is known, `table.key`.
    pub key: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// The key that was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": key `{key}`")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

/// Reads a file into a type that should say `deny_unknown_fields`.
///
/// # Errors
/// [`ConfigFileError`], one line for the operator.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigFileError> {
    parse(&files::read_text(path)?, path)
}

/// The same for text that is at hand; `path` is what errors name.
///
/// # Errors
/// [`ConfigFileError::Invalid`].
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigFileError> {
    toml::from_str(text).map_err(|error| complain(text, path, &error))
}

/// A complaint about a key that parsed but does not make sense: it points at the line of the key.
/// `key` is `table.key`, or `key` at the top.
#[must_use]
pub fn invalid(text: &str, path: &Path, key: &str, message: impl fmt::Display) -> ConfigFileError {
    ConfigFileError::Invalid(Box::new(Complaint {
        path: path.to_path_buf(),
        line: line_of_key(text, key),
        key: Some(key.to_owned()),
        message: message.to_string(),
        suggestion: None,
    }))
}

/// A path of a configuration file is relative to the folder of that file.
#[must_use]
pub fn resolve(config: &Path, path: &Path) -> PathBuf {
    match config.parent() {
        Some(folder) if path.is_relative() => folder.join(path),
        _ => path.to_path_buf(),
    }
}

/// The nearest of the names that were possible, if it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn complain(text: &str, path: &Path, error: &toml::de::Error) -> ConfigFileError {
    let message = error.message();
    let span = error.span();
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let place = span.as_ref().map(|span| Place::of(text, span));
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let suggestion = words
        .split_first()
        .filter(|_| unknown)
        .and_then(|(word, names)| nearest(word, names.iter().copied()));
    let missing = message
        .strip_prefix("missing field")
        .map(|_| words.first().copied().unwrap_or_default());
    let key = match (&place, missing) {
        (Some(place), Some(name)) => Some(place.with_table(name)),
        (None, Some(name)) => Some(name.to_owned()),
        (Some(place), None) => place.key().map(|key| place.with_table(&key)),
        (None, None) => None,
    };
    let message = match missing {
        Some(_) => "is missing".to_owned(),
        None => message.replace('\n', " "),
    };
    ConfigFileError::Invalid(Box::new(Complaint {
        path: path.to_path_buf(),
        line: place.map(|place| place.line),
        key,
        message,
        suggestion: suggestion.map(str::to_owned),
    }))
}

/// A place in the text: its line, and the table that it is in.
struct Place<'a> {
    line: usize,
    content: &'a str,
    table: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count();
        let content = text.lines().nth(line).unwrap_or_default();
        let table = text.lines().take(line + 1).filter_map(table_of).last();
        Self {
            line: line + 1,
            content,
            table,
        }
    }

    fn key(&self) -> Option<String> {
        let (key, _) = self.content.split_once('=')?;
        let key = key.trim().trim_matches('"');
        (!key.is_empty() && !key.starts_with('#')).then(|| key.to_owned())
    }

    fn with_table(&self, key: &str) -> String {
        self.table
            .map_or_else(|| key.to_owned(), |table| format!("{table}.{key}"))
    }
}

/// The name in `[name]` or `[[name]]`.
fn table_of(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix('[')?.split(']').next()?;
    Some(name.trim_start_matches('[').trim())
}

fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let (table, name) = key
        .rsplit_once('.')
        .map_or((None, key), |(table, name)| (Some(table), name));
    let mut current = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(found) = table_of(line) {
            current = Some(found);
        } else if current == table
            && line
                .split_once('=')
                .is_some_and(|(key, _)| key.trim().trim_matches('"') == name)
        {
            return Some(index + 1);
        }
    }
    text.lines()
        .position(|line| table_of(line).is_some() && table_of(line) == table)
        .map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[allow(dead_code)]
        listen: String,
        #[allow(dead_code)]
        timeouts: Option<Timeouts>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Timeouts {
        #[allow(dead_code)]
        enrol_s: u64,
        #[allow(dead_code)]
        phase_s: Option<u64>,
    }

    fn complaint(text: &str) -> String {
        parse::<File>(text, Path::new("etc/coordinator.toml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_misspelt_key_is_named_with_the_right_one() {
        assert_eq!(
            complaint("# comment\nlisten = \"x\"\n\n[timeouts]\nenrol_s = 1\nphase = 2\n"),
            "etc/coordinator.toml:6: key `timeouts.phase`: unknown field `phase`, expected `enrol_s` or `phase_s`; \
             did you mean `phase_s`?"
        );
        assert_eq!(
            complaint("lisen = \"x\""),
            "etc/coordinator.toml:1: key `lisen`: unknown field `lisen`, expected `listen` or `timeouts`; \
             did you mean `listen`?"
        );
        assert!(!complaint("listen = \"x\"\ncolour = 1").contains("did you mean"));
    }

    #[test]
    fn a_wrong_type_is_named_with_line_and_key() {
        let text = "listen = \"x\"\n[timeouts]\nenrol_s = \"soon\"\n";
        assert_eq!(
            complaint(text),
            "etc/coordinator.toml:3: key `timeouts.enrol_s`: invalid type: string \"soon\", expected u64"
        );
    }

    #[test]
    fn a_missing_key_is_named_with_its_table() {
        assert_eq!(
            complaint("listen = \"x\"\n[timeouts]\nphase_s = 1\n"),
            "etc/coordinator.toml:2: key `timeouts.enrol_s`: is missing"
        );
        assert!(complaint("").contains("key `listen`: is missing"));
    }

    #[test]
    fn broken_toml_is_named_with_its_line() {
        assert!(complaint("listen = \"x\"\n[timeouts\n").starts_with("etc/coordinator.toml:2"));
    }

    #[test]
    fn what_parses_but_makes_no_sense_points_at_its_key() {
        let text = "listen = \"x\"\n[timeouts]\nenrol_s = 0\n";
        assert_eq!(
            invalid(text, Path::new("c.toml"), "timeouts.enrol_s", "must be above 0").to_string(),
            "c.toml:3: key `timeouts.enrol_s`: must be above 0"
        );
        assert_eq!(
            invalid(text, Path::new("c.toml"), "timeouts.grace_s", "must be above 0").to_string(),
            "c.toml:2: key `timeouts.grace_s`: must be above 0"
        );
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        assert_eq!(
            resolve(Path::new("a/b.toml"), Path::new("c/d")),
            Path::new("a/c/d")
        );
        assert_eq!(resolve(Path::new("a/b.toml"), Path::new("/c")), Path::new("/c"));
        assert_eq!(resolve(Path::new("b.toml"), Path::new("c")), Path::new("c"));
    }
}
