//! What a scenario says about joins: links between rows and entities, how keys are aligned, who answers for whom.

use super::ScenarioFile;
use super::file::{Partition, Party, Role, Unit};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Largest number of training rows in joined runs, where the file does not say: with it the noise of an encrypted
/// inner product and its flooding fit the smallest parameters (see `hedgerow_crypto::exact`).
pub const JOINED_MAX_ROWS: u64 = 1 << 22;

/// The same where boosted trees grow: a row counts with its gradient, and sums are modulo 2^30.
pub const BOOSTED_MAX_ROWS: u64 = 1 << 17;

/// One `[[link]]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub name: String,
    pub party_column: Option<String>,
    pub party: Option<String>,
    pub key_columns: Vec<String>,
}

/// `[join]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Join {
    pub alignment: Alignment,
    pub minimum: u32,
    pub pad: u32,
    pub segments: u32,
}

impl Default for Join {
    fn default() -> Self {
        Self {
            alignment: Alignment::Private,
            minimum: 16,
            pad: 1024,
            segments: 8,
        }
    }
}

/// `[prediction]`: private scores after training.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Prediction {
    pub rows: u64,
    pub per_entity: u32,
    /// `None`: exact scores.
    #[serde(deserialize_with = "super::file::epsilon")]
    pub epsilon: Option<f64>,
    pub delta: f64,
}

impl Default for Prediction {
    fn default() -> Self {
        Self {
            rows: 1 << 22,
            per_entity: 1 << 16,
            epsilon: None,
            delta: 1e-6,
        }
    }
}

/// How two parties find the entities that both know.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Alignment {
    /// Neither learns which of its keys the other has.
    Private,
    /// The row party may know the list of entities.
    Plain,
}

impl Alignment {
    /// The word in a configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Plain => "plain",
        }
    }
}

/// One table of a party's own, for its SQL.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub name: String,
    pub source: String,
}

/// `features`: a list of columns, or SQL.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged, expecting = "a list of columns, SQL, or the name of a .sql file")]
pub enum Features {
    /// Columns of the source.
    Columns(Vec<String>),
    /// `SELECT ...`, or a file that holds it.
    Sql(String),
}

impl Partition {
    /// Public bound on the training rows where the file does not say.
    pub fn max_rows(self) -> Option<u64> {
        self.joins().then_some(JOINED_MAX_ROWS)
    }
}

/// Do roles, links and partition fit each other?
///
/// # Errors
/// What does not, naming party or link.
pub fn check(file: &ScenarioFile) -> Result<(), String> {
    for party in &file.parties {
        roles(party, file.data.partition)?;
    }
    match (file.privacy.unit, file.privacy.rows_per_entity) {
        (Unit::Row, Some(_)) => return Err("privacy.rows_per_entity: only with unit = \"entity\"".to_owned()),
        (Unit::Entity, None) => {
            return Err(
                "privacy.unit: \"entity\" needs rows_per_entity, the most rows that count for one".to_owned(),
            );
        }
        _ => {}
    }
    if !file.data.partition.joins() {
        return match file.links.first() {
            Some(link) => Err(format!(
                "link {:?}: horizontal data has no links; data.partition is \"mixed\" or \"vertical\"",
                link.name
            )),
            None => Ok(()),
        };
    }
    let with = |role| file.parties.iter().filter(move |party| party.role == role);
    let (rows, attributes) = (with(Role::Rows).count(), with(Role::Attributes).count());
    if rows == 0 || attributes == 0 {
        return Err(format!(
            "a {} partition needs parties of both roles, found {rows} with rows and {attributes} with attributes",
            file.data.partition.as_str()
        ));
    }
    if file.data.partition == Partition::Vertical && rows > 1 {
        return Err(format!(
            "a vertical partition has one party with role \"rows\", found {rows}"
        ));
    }
    if file.links.is_empty() {
        return Err("no [[link]] says how rows name the entities of other parties".to_owned());
    }
    links(file)?;
    served(file)
}

fn roles(party: &Party, partition: Partition) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("party {:?}: {why}", party.id));
    let sql = matches!(party.features, Some(Features::Sql(_)));
    match (party.role, partition.joins()) {
        (Role::Attributes, false) => wrong("role = \"attributes\" needs a mixed or vertical partition"),
        (Role::Rows, _) if party.key.is_some() || party.serves.is_some() => {
            wrong("`key` and `serves` are for role = \"attributes\"")
        }
        (Role::Rows, false) if sql || !party.tables.is_empty() => {
            wrong("with horizontal data write the SQL as `source`")
        }
        (Role::Rows, true) if party.test_source.is_none() => {
            wrong("row parties of joined data need a `test_source`")
        }
        (Role::Attributes, true) if party.test_source.is_some() => {
            wrong("entities are not divided into training and test: no `test_source`")
        }
        (Role::Attributes, true) if party.key.as_ref().is_none_or(Vec::is_empty) => {
            wrong("role = \"attributes\" needs `key`, the columns that name an entity")
        }
        (_, true) if matches!(party.features, Some(Features::Columns(_))) => {
            wrong("with joined data the schema says which columns are learned from; `features` is SQL")
        }
        _ => Ok(()),
    }
}

fn links(file: &ScenarioFile) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for link in &file.links {
        let wrong = |why: String| Err(format!("link {:?}: {why}", link.name));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if link.name.is_empty() || !link.name.chars().all(plain) {
            return wrong("a name is made of letters, digits, `_` and `-`".to_owned());
        }
        if !names.insert(link.name.as_str()) {
            return wrong("there are two of this name".to_owned());
        }
        if link.key_columns.is_empty() {
            return wrong("key_columns is empty".to_owned());
        }
        let asked: Vec<&Party> = match (file.data.partition, &link.party_column, &link.party) {
            (Partition::Vertical, None, Some(id)) => {
                let named = |party: &&Party| party.id == *id && party.role == Role::Attributes;
                match file.parties.iter().find(named) {
                    Some(party) => vec![party],
                    None => return wrong(format!("party {id:?} is no party with role \"attributes\"")),
                }
            }
            (Partition::Vertical, ..) => {
                return wrong("in a vertical partition `party` names whom to ask".to_owned());
            }
            (_, Some(_), None) => {
                let asked = |party: &&Party| party.role == Role::Attributes;
                file.parties.iter().filter(asked).collect()
            }
            _ => {
                return wrong("in a mixed partition `party_column` says whom to ask, row by row".to_owned());
            }
        };
        for party in asked {
            let key = party.key.as_deref().unwrap_or_default();
            if key.len() != link.key_columns.len() {
                return wrong(format!(
                    "{} key_columns, but the key of party {:?} has {}; they pair by position",
                    link.key_columns.len(),
                    party.id,
                    key.len()
                ));
            }
        }
    }
    Ok(())
}

fn served(file: &ScenarioFile) -> Result<(), String> {
    let mut by: BTreeMap<String, &str> = BTreeMap::new();
    for party in file.parties.iter().filter(|party| party.role == Role::Attributes) {
        for value in party.served() {
            if let Some(other) = by.insert(value.clone(), &party.id) {
                return Err(format!(
                    "parties {other:?} and {:?} both serve {value:?}; one answers for each value",
                    party.id
                ));
            }
        }
    }
    Ok(())
}

impl Party {
    /// Values of a link's party column that this party answers for.
    pub fn served(&self) -> Vec<String> {
        self.serves.clone().unwrap_or_else(|| vec![self.id.clone()])
    }
}
