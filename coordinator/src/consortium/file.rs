//! The file's tables and keys, with their defaults.

use std::fmt;
use std::path::PathBuf;

pub use super::forest::ForestSection;
pub use super::join::{
    AlignmentName, AttributesSection, JOINED_MAX_ROWS, JoinSection, LinkSection, PartitionName,
    PredictionSection, UnitName,
};
use hedgerow_dp::Noise;
use hedgerow_forest::schema::Schema;
use hedgerow_protocol::config::DEFAULT_MAX_ROWS;
use hedgerow_protocol::ids::PartyId;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// The file as written.
///
/// ```toml
/// parties = ["bank-a", "bank-b", "bank-c", "bank-d"]
/// schema = "schema.toml"             # columns with their public bounds, or a [schema] table
///
/// [task]
/// name = "fraud"
/// label = "is_fraud"                 # column to predict
/// positive = "1"                     # its text in positive rows
///
/// [data]
/// partition = "horizontal"           # each party has whole rows; or "mixed", "vertical": see `join`
/// # max_rows = 1_099_511_627_776     # declared bound on all parties' rows together; 2^22 where tables are joined
/// # rows = 30_000                     # declared number of training rows: growth "auto" goes by it
///
/// [forest]                           # every key may be left out
/// growth = "greedy"                  # or "random", "quantile", "boosted"; "auto" says what it takes and why
/// trees = 32
/// depth = 6
/// bins = 64
/// # features_per_tree = 4            # that a tree may split by at a level
/// # slots = 32                       # of a histogram, below the root
/// # criterion = "gini"               # or "entropy"
/// # split_share = 0.5                # part of the budget for the structure of the trees
/// # learning_rate = 0.3              # boosted; so are lambda and min_gain
/// # lambda = 1.0
/// # min_gain = 0.1
///
/// [privacy]
/// epsilon = 1.0                      # or "none"
/// delta = 1e-6                       # never above 1 / rows
/// unit = "row"                       # or "entity", with rows_per_entity = 100
///
/// [test]
/// fraction = 0.25                    # of each party's rows, by a seeded hash
/// seed = 1
///
/// [run]
/// seed = 1                           # of the forest's structure; public; drawn at random if left out
/// min_parties = 4                    # fewest survivors of a sum; all by default
/// collusion = 1                      # parties that may collude with the coordinator
/// aggregation = "masked"             # or "shares", with aggregators = ["bank-a", "bank-b"]
/// # threshold = 3                    # shares that open a mask; the smallest safe one by default
/// # release_metrics = false          # ask parties for metrics on their own test rows
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsortiumFile {
    /// Ids of all parties.
    pub parties: Vec<PartyId>,
    /// Columns and label.
    pub schema: SchemaSource,
    /// What is learned.
    pub task: TaskSection,
    /// How rows are partitioned.
    pub data: DataSection,
    /// How rows name entities of other parties.
    #[serde(rename = "link", default)]
    pub links: Vec<LinkSection>,
    /// Parties that hold attributes of entities.
    #[serde(default)]
    pub attributes: Vec<AttributesSection>,
    /// How two parties' entities are brought together.
    #[serde(default)]
    pub join: JoinSection,
    /// Private scores after training.
    #[serde(default)]
    pub prediction: PredictionSection,
    /// Shape of the forest.
    #[serde(default)]
    pub forest: ForestSection,
    /// The promise to the rows. It has no default: without noise is a decision.
    pub privacy: PrivacySection,
    /// Rows kept for testing.
    #[serde(default)]
    pub test: TestSection,
    /// How the run goes.
    #[serde(default)]
    pub run: RunSection,
}

/// `schema = "file.toml"` or a `[schema]` table.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaSource {
    /// A file of its own.
    File(PathBuf),
    /// Inline.
    Inline(Box<Schema>),
}

impl<'de> Deserialize<'de> for SchemaSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = SchemaSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file name or a table")
            }

            fn visit_str<E>(self, path: &str) -> Result<SchemaSource, E> {
                Ok(SchemaSource::File(path.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SchemaSource, A::Error> {
                let schema = Schema::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SchemaSource::Inline(Box::new(schema)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// `[task]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSection {
    /// Name for people.
    pub name: String,
    /// Column to predict.
    pub label: String,
    /// Its text in positive rows.
    pub positive: String,
}

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// How rows are partitioned.
    pub partition: PartitionName,
    /// Declared bound on the rows of all parties together.
    pub max_rows: Option<u64>,
    /// Declared number of training rows of all parties together, as far as it is public: what growth "auto" goes by.
    pub rows: Option<u64>,
}

impl Epsilon {
    /// The number, if there is one.
    #[must_use]
    pub const fn value(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Of(epsilon) => Some(epsilon),
        }
    }
}

impl DataSection {
    /// The declared bound, or what goes without saying.
    #[must_use]
    pub fn max_rows(&self) -> u64 {
        let unsaid = match self.partition {
            PartitionName::Horizontal => DEFAULT_MAX_ROWS,
            PartitionName::Mixed | PartitionName::Vertical => JOINED_MAX_ROWS,
        };
        self.max_rows.unwrap_or(unsaid)
    }
}

/// `[privacy]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacySection {
    /// Epsilon of the whole run.
    pub epsilon: Epsilon,
    /// Delta of the whole run.
    #[serde(default = "default_delta")]
    pub delta: f64,
    /// What neighbouring data sets differ in.
    #[serde(default)]
    pub unit: UnitName,
    /// Most rows that count for one entity, where the unit is an entity.
    pub rows_per_entity: Option<u32>,
    /// Which noise the parties add.
    #[serde(default)]
    pub mechanism: Noise,
}

fn default_delta() -> f64 {
    1e-6
}

/// A number, or the word `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Epsilon {
    /// No noise at all.
    #[default]
    None,
    /// This much.
    Of(f64),
}

impl<'de> Deserialize<'de> for Epsilon {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Epsilon;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or \"none\"")
            }

            fn visit_f64<E>(self, epsilon: f64) -> Result<Epsilon, E> {
                Ok(Epsilon::Of(epsilon))
            }

            fn visit_i64<E: serde::de::Error>(self, epsilon: i64) -> Result<Epsilon, E> {
                i32::try_from(epsilon)
                    .map(|epsilon| Epsilon::Of(epsilon.into()))
                    .map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Epsilon, E> {
                match word {
                    "none" => Ok(Epsilon::None),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// `[test]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TestSection {
    /// Part of each party's rows.
    pub fraction: f64,
    /// Seed of the hash that chooses them.
    pub seed: u64,
}

impl Default for TestSection {
    fn default() -> Self {
        Self {
            fraction: 0.25,
            seed: 1,
        }
    }
}

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// Seed of the forest's structure.
    pub seed: Option<u64>,
    /// Fewest survivors of a sum.
    pub min_parties: Option<u32>,
    /// Parties that may collude with the coordinator.
    pub collusion: u32,
    /// How tables are summed.
    pub aggregation: AggregationName,
    /// Who holds shares, with `aggregation = "shares"`.
    pub aggregators: Vec<PartyId>,
    /// Shares that open a Shamir-shared secret.
    pub threshold: Option<u32>,
    /// Whether parties are asked for metrics on their own test rows.
    pub release_metrics: bool,
}

impl Default for RunSection {
    fn default() -> Self {
        Self {
            seed: None,
            min_parties: None,
            collusion: 1,
            aggregation: AggregationName::Masked,
            aggregators: Vec::new(),
            threshold: None,
            release_metrics: false,
        }
    }
}

/// How tables are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AggregationName {
    /// Double-masked secure aggregation.
    Masked,
    /// Additive shares to aggregators.
    Shares,
}
