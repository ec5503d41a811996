//! The scenario file as it is written: every table and key, with its default.
//!
//! [`super::keys`] documents the same keys for people; a test holds the two together.

pub use super::join::{Features, Join, Link, Prediction, Table};
pub use hedgerow_coordinator::consortium::ForestSection;
use hedgerow_dp::Noise;
use serde::{Deserialize, Deserializer};

/// A whole scenario file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    pub task: Task,
    pub data: Data,
    #[serde(rename = "party")]
    pub parties: Vec<Party>,
    #[serde(rename = "link", default)]
    pub links: Vec<Link>,
    #[serde(default)]
    pub join: Join,
    #[serde(default)]
    pub prediction: Prediction,
    pub schema: Option<SchemaSource>,
    #[serde(default)]
    pub forest: ForestSection,
    #[serde(default)]
    pub privacy: Privacy,
    #[serde(default)]
    pub test: Test,
    #[serde(default)]
    pub run: Run,
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub resources: Resources,
}

/// `[task]`: what is to be learned.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub name: String,
    pub label: String,
    #[serde(deserialize_with = "as_text")]
    pub positive: String,
}

/// `[data]`: how the rows are divided.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Data {
    pub partition: Partition,
    /// `None`: as [`Partition::max_rows`] says.
    pub max_rows: Option<u64>,
    /// `None`: unknown to the public.
    pub rows: Option<u64>,
}

/// Who holds which part of the table.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// Every party has rows with all the columns.
    Horizontal,
    /// Rows name entities that other parties hold attributes of; the row says which party.
    Mixed,
    /// One party has the rows, others have further columns of the same rows.
    Vertical,
}

impl Partition {
    /// Is a table computed from the data of two parties?
    pub fn joins(self) -> bool {
        self != Self::Horizontal
    }

    /// The word in a configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Horizontal => "horizontal",
            Self::Mixed => "mixed",
            Self::Vertical => "vertical",
        }
    }
}

/// One `[[party]]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Party {
    pub id: String,
    #[serde(default)]
    pub role: Role,
    pub source: String,
    pub test_source: Option<String>,
    pub features: Option<Features>,
    /// Columns that name an entity; attribute parties only.
    pub key: Option<Vec<String>>,
    /// Values of the links' party columns that it answers for; `None`: its id.
    pub serves: Option<Vec<String>>,
    /// Further tables of its own, for the SQL of `features`.
    #[serde(rename = "table", default)]
    pub tables: Vec<Table>,
}

/// What a party holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Labelled rows.
    #[default]
    Rows,
    /// Attributes of entities that rows of others name.
    Attributes,
}

impl Role {
    /// The word in a configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Attributes => "attributes",
        }
    }
}

/// `schema = "file.toml"` or a `[schema]` table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub enum SchemaSource {
    File(String),
    Table(toml::Table),
}

/// `[privacy]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    #[serde(deserialize_with = "epsilon")]
    pub epsilon: Option<f64>,
    /// `None`: 1e-6, or 1 / rows where that is less.
    pub delta: Option<f64>,
    pub unit: Unit,
    /// Most rows that count for one entity, with that unit.
    pub rows_per_entity: Option<u32>,
    /// Which noise the parties add.
    pub mechanism: Noise,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            epsilon: Some(1.0),
            delta: None,
            unit: Unit::Row,
            rows_per_entity: None,
            mechanism: Noise::DiscreteGaussian,
        }
    }
}

/// What is protected.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// One row of one row party.
    Row,
    /// One entity with its rows.
    Entity,
}

impl Unit {
    /// The word in a configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Entity => "entity",
        }
    }
}

/// `[test]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Test {
    pub fraction: f64,
    pub seed: u64,
}

impl Default for Test {
    fn default() -> Self {
        Self {
            fraction: 0.25,
            seed: 1,
        }
    }
}

/// `[run]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    pub seed: u64,
    /// `None`: all parties.
    pub min_parties: Option<u32>,
    pub collusion: u32,
    pub aggregation: Aggregation,
    /// `None`: the first `collusion + 1` parties, at least two.
    pub aggregators: Option<Vec<String>>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            seed: 1,
            min_parties: None,
            collusion: 1,
            aggregation: Aggregation::Masked,
            aggregators: None,
        }
    }
}

/// How tables are summed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    Masked,
    Shares,
}

impl Aggregation {
    /// The word in a configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Shares => "shares",
        }
    }
}

/// `[timeouts]`, seconds.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    pub enrol_s: u64,
    pub phase_s: u64,
    pub grace_s: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            enrol_s: 60,
            phase_s: 600,
            grace_s: 10,
        }
    }
}

/// `[resources]` of each party process.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// `None`: the machine's cores divided by the parties, at least one.
    pub threads: Option<u32>,
    pub memory_mib: u64,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            threads: None,
            memory_mib: 512,
        }
    }
}

fn as_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text, a number or a truth value")]
    enum Scalar {
        Text(String),
        Bool(bool),
        Integer(i64),
        Float(f64),
    }
    Ok(match Scalar::deserialize(from)? {
        Scalar::Text(text) => text,
        Scalar::Bool(value) => value.to_string(),
        Scalar::Integer(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
    })
}

pub(super) fn epsilon<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a positive number or \"none\"")]
    enum Epsilon {
        Number(f64),
        Word(String),
    }
    match Epsilon::deserialize(from)? {
        Epsilon::Number(value) if value.is_finite() && value > 0.0 => Ok(Some(value)),
        Epsilon::Word(word) if word == "none" => Ok(None),
        Epsilon::Number(value) => Err(serde::de::Error::custom(format!(
            "epsilon: expected a positive number or \"none\", got {value}"
        ))),
        Epsilon::Word(word) => Err(serde::de::Error::custom(format!(
            "epsilon: expected a positive number or \"none\", got {word:?}"
        ))),
    }
}
