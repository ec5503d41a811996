//! `--set key=value`: one key of the scenario, changed at the command line.

use super::keys;
use crate::error::{CliError, Result};
use toml::{Table, Value};

/// A parsed `--set`.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    path: Vec<String>,
    value: Value,
    text: String,
}

impl Override {
    /// Parses `key=value`. The key is a TOML dotted key; a value that is not TOML is a string.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| CliError::Config(format!("--set {text}: {why}"));
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| wrong("expected key=value, as forest.trees=200".into()))?;
        let path = key_path(key.trim()).ok_or_else(|| wrong(format!("{key:?} is no dotted key")))?;
        keys::find(&path).map_err(|unknown| wrong(unknown.to_string()))?;
        let value = value.trim();
        let value = value
            .parse::<Value>()
            .unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok(Self {
            path,
            value,
            text: text.to_owned(),
        })
    }

    /// Writes the value into the scenario, making the tables above it.
    pub fn apply(&self, scenario: &mut Table) -> Result<()> {
        let wrong = |why: String| CliError::Config(format!("--set {}: {why}", self.text));
        let Some((last, above)) = self.path.split_last() else {
            return Ok(());
        };
        let Some((first, middle)) = above.split_first() else {
            scenario.insert(last.clone(), self.value.clone());
            return Ok(());
        };
        let mut place = scenario
            .entry(first.clone())
            .or_insert_with(|| Value::Table(Table::new()));
        for step in middle {
            place = match place {
                Value::Table(table) => table
                    .entry(step.clone())
                    .or_insert_with(|| Value::Table(Table::new())),
                Value::Array(items) => {
                    let count = items.len();
                    let at = position(items, step).ok_or_else(|| {
                        wrong(format!("{step:?} is neither an id nor a number below {count}"))
                    })?;
                    items
                        .get_mut(at)
                        .ok_or_else(|| wrong(format!("nothing at {at}")))?
                }
                other => return Err(wrong(format!("{step:?} cannot be below a {}", other.type_str()))),
            };
        }
        match place {
            Value::Table(table) => {
                table.insert(last.clone(), self.value.clone());
                Ok(())
            }
            other => Err(wrong(format!("{last:?} cannot be below a {}", other.type_str()))),
        }
    }
}

/// `party.3` is the fourth, `party.bank-a` the one with that id; an id that is a number wins.
fn position(items: &[Value], step: &str) -> Option<usize> {
    items
        .iter()
        .position(|item| {
            ["id", "name"]
                .iter()
                .any(|key| item.get(key).and_then(Value::as_str) == Some(step))
        })
        .or_else(|| step.parse().ok().filter(|&at: &usize| at < items.len()))
}

/// Lets TOML itself split `a."b.c".d`.
fn key_path(key: &str) -> Option<Vec<String>> {
    if key.contains(['\n', '#', '=']) {
        return None;
    }
    let mut table: Table = format!("{key} = 0").parse().ok()?;
    let mut path = Vec::new();
    loop {
        let (step, value) = std::mem::take(&mut table).into_iter().next()?;
        path.push(step);
        match value {
            Value::Table(below) => table = below,
            _ => return Some(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(sets: &[&str]) -> Result<Table> {
        let mut table: Table = "[[party]]\nid = 'a.b'\nsource = 'x'\n[[party]]\nid = 'c'\nsource = 'y'\n"
            .parse()
            .unwrap();
        for set in sets {
            Override::parse(set)?.apply(&mut table)?;
        }
        Ok(table)
    }

    #[test]
    fn values_are_toml_or_else_text() {
        let table = applied(&["forest.trees=200", "privacy.epsilon=none", "task.name=two words"]).unwrap();
        assert_eq!(table["forest"]["trees"], Value::Integer(200));
        assert_eq!(table["privacy"]["epsilon"], Value::String("none".into()));
        assert_eq!(table["task"]["name"], Value::String("two words".into()));
    }

    #[test]
    fn parties_go_by_id_or_number() {
        let table = applied(&["party.\"a.b\".source=p.csv", "party.1.features=['u','v']"]).unwrap();
        assert_eq!(table["party"][0]["source"], Value::String("p.csv".into()));
        assert_eq!(table["party"][1]["features"][1], Value::String("v".into()));
    }

    #[test]
    fn mistakes_name_the_argument() {
        for (set, says) in [
            ("forest.tree=1", "did you mean `forest.trees`"),
            ("forest.trees", "expected key=value"),
            ("party.9.source=x", "neither an id nor a number below 2"),
            ("=1", "no dotted key"),
        ] {
            let error = applied(&[set]).unwrap_err().to_string();
            assert!(error.contains(set) && error.contains(says), "{error}");
        }
    }
}
