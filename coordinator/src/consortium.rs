//! `consortium.toml`: what is learned, by whom, under which bounds. Public, and the same for everybody.

use std::fmt;
use std::path::{Path, PathBuf};

use hedgerow_crypto::exact::count::PLAINTEXT;
use hedgerow_crypto::hash::hash;
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_dp::{Budget, rho_for};
use hedgerow_edge::configfile::{self, ConfigFileError};
use hedgerow_edge::files;
use hedgerow_forest::params::ForestParams;
use hedgerow_forest::schema::Schema;
use hedgerow_protocol::config::{
    Aggregation, ConfigError, Partition, PrivacyParams, RunConfig, RunConfigLiteral, TestSplit, Unit,
    smallest_threshold,
};
use hedgerow_protocol::ids::RunId;

mod file;
mod forest;
mod join;

#[cfg(test)]
mod tests;

pub use file::{
    AggregationName, AlignmentName, AttributesSection, ConsortiumFile, DataSection, Epsilon, JoinSection,
    LinkSection, PartitionName, PredictionSection, PrivacySection, RunSection, SchemaSource, TaskSection,
    TestSection, UnitName,
};
pub use forest::{Chosen, ForestSection, GrowthName};

/// What a run has that no file says: chosen once, and kept with its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The run's name.
    pub run: RunId,
    /// The forest's seed, where the file does not say.
    pub seed: [u8; 32],
}

/// A description of a task that has been read, with its schema.
#[derive(Clone, Debug)]
pub struct Consortium {
    path: PathBuf,
    text: String,
    file: ConsortiumFile,
    schema: Schema,
}

impl Consortium {
    /// Reads the file, and the schema where it is a file of its own.
    ///
    /// # Errors
    /// [`ConfigFileError`] with file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigFileError> {
        let text = files::read_text(path)?;
        let file: ConsortiumFile = configfile::parse(&text, path)?;
        let schema = match &file.schema {
            SchemaSource::Inline(schema) => (**schema).clone(),
            SchemaSource::File(name) => configfile::load(&configfile::resolve(path, name))?,
        };
        let task = &file.task;
        for (key, task, schema) in [
            ("task.label", &task.label, &schema.label.name),
            ("task.positive", &task.positive, &schema.label.positive),
        ] {
            if task != schema {
                let message = format!("is {task:?}, but the schema says {schema:?}");
                return Err(configfile::invalid(&text, path, key, message));
            }
        }
        let consortium = Self {
            path: path.to_path_buf(),
            text,
            file,
            schema,
        };
        if consortium.file.run.aggregation == AggregationName::Masked
            && !consortium.file.run.aggregators.is_empty()
        {
            let message = "is of use with aggregation = \"shares\" only";
            return Err(consortium.invalid("run.aggregators", message));
        }
        Ok(consortium)
    }

    /// How trees grow, and why.
    ///
    /// # Errors
    /// [`ConfigFileError`] at the key at fault.
    pub fn forest(&self) -> Result<Chosen, ConfigFileError> {
        let ConsortiumFile {
            data,
            forest,
            privacy,
            ..
        } = &self.file;
        forest
            .choose(
                &self.schema,
                noise(privacy.epsilon.value(), privacy.delta),
                data.rows,
            )
            .map_err(|(key, message)| self.invalid(key, message))
    }

    /// The run that the file describes.
    ///
    /// # Errors
    /// [`ConfigFileError`] at the key whose bound is broken.
    pub fn config(&self, drawn: &Drawn) -> Result<RunConfig, ConfigFileError> {
        let partition = self.partition()?;
        let unit = self.unit()?;
        let forest = self.forest()?.params;
        RunConfig::new(self.literal(drawn, partition, unit, forest))
            .map_err(|error| self.invalid(key_of(&error), error))
    }

    fn partition(&self) -> Result<Partition, ConfigFileError> {
        let join = || join::join(&self.file).map_err(|message| self.invalid("link", message));
        match self.file.data.partition {
            PartitionName::Mixed => Ok(Partition::Mixed(join()?)),
            PartitionName::Vertical => Ok(Partition::Vertical(join()?)),
            PartitionName::Horizontal if self.file.links.is_empty() && self.file.attributes.is_empty() => {
                Ok(Partition::Horizontal)
            }
            PartitionName::Horizontal => {
                let message = "is \"horizontal\", which has no links and no attribute parties";
                Err(self.invalid("data.partition", message))
            }
        }
    }

    fn unit(&self) -> Result<Unit, ConfigFileError> {
        let privacy = &self.file.privacy;
        match (privacy.unit, privacy.rows_per_entity) {
            (UnitName::Row, None) => Ok(Unit::Row),
            (UnitName::Row, Some(_)) => {
                Err(self.invalid("privacy.rows_per_entity", "is of use with unit = \"entity\" only"))
            }
            (UnitName::Entity, Some(rows)) => Ok(Unit::Entity { rows }),
            (UnitName::Entity, None) => Err(self.invalid(
                "privacy.unit",
                "is \"entity\", which needs rows_per_entity, the most rows that count for one",
            )),
        }
    }

    fn literal(
        &self,
        drawn: &Drawn,
        partition: Partition,
        unit: Unit,
        forest: ForestParams,
    ) -> RunConfigLiteral {
        let ConsortiumFile {
            parties,
            task,
            data,
            privacy,
            test,
            run,
            ..
        } = &self.file;
        let count = u32::try_from(parties.len()).unwrap_or(u32::MAX);
        let privacy = match privacy.epsilon {
            Epsilon::None => None,
            Epsilon::Of(epsilon) => Some(PrivacyParams {
                epsilon,
                delta: privacy.delta,
                unit,
                mechanism: privacy.mechanism,
            }),
        };
        let modulus = match partition {
            Partition::Horizontal => Modulus::TWO_TO_64,
            // Of trees over two links, the chain's: a prime.
            _ if forest.links_per_tree > 1 => {
                hedgerow_protocol::join::chain::params().map_or(Modulus::TWO_TO_64, |params| params.modulus())
            }
            // Tables end as additive shares of the joins' plaintexts.
            _ => Modulus::power_of_two(PLAINTEXT.ilog2()).unwrap_or(Modulus::TWO_TO_64),
        };
        RunConfigLiteral {
            run: drawn.run,
            name: task.name.clone(),
            task: format!("{} = {}", task.label, task.positive),
            partition,
            schema: self.schema.clone(),
            forest,
            privacy,
            aggregation: match run.aggregation {
                AggregationName::Masked => Aggregation::Masked,
                AggregationName::Shares => Aggregation::Shares {
                    aggregators: run.aggregators.clone(),
                },
            },
            parties: parties.clone(),
            min_parties: run.min_parties.unwrap_or(count),
            collusion: run.collusion,
            shamir_threshold: run
                .threshold
                .unwrap_or_else(|| smallest_threshold(count, run.collusion)),
            modulus,
            max_rows: data.max_rows(),
            test: TestSplit {
                fraction: test.fraction,
                seed: test.seed,
            },
            seed: run.seed.map_or(drawn.seed, seed_of),
            release_metrics: run.release_metrics,
        }
    }

    fn invalid(&self, key: &str, message: impl fmt::Display) -> ConfigFileError {
        configfile::invalid(&self.text, &self.path, key, message)
    }
}

/// Standard deviation of a count that a whole budget buys; none without noise, or for a budget that there is not, which
/// is refused elsewhere.
#[must_use]
pub fn noise(epsilon: Option<f64>, delta: f64) -> Option<f64> {
    let budget = Budget::new(epsilon?, delta).ok()?;
    let rho = rho_for(&budget).ok()?;
    Some(1.0 / (2.0 * rho.value()).sqrt())
}

/// The 32 bytes of a seed that people write as a number.
#[must_use]
pub fn seed_of(number: u64) -> [u8; 32] {
    *hash("hedgerow/v1/coordinator/forest-seed", &[&number.to_le_bytes()]).as_bytes()
}

/// The key that an operator would change.
fn key_of(error: &ConfigError) -> &'static str {
    match error {
        ConfigError::Parties { .. } | ConfigError::Repeated { .. } => "parties",
        ConfigError::Threshold { .. } => "run.threshold",
        ConfigError::MinParties { .. } => "run.min_parties",
        ConfigError::NoCollusion => "run.collusion",
        ConfigError::Privacy { .. } => "privacy.epsilon",
        ConfigError::Model { what: "schema", .. } => "schema",
        ConfigError::Join(_) => "data.partition",
        ConfigError::MaxRows { .. } | ConfigError::Modulus { .. } => "data.max_rows",
        ConfigError::TestFraction { .. } => "test.fraction",
        ConfigError::Aggregators { .. } | ConfigError::UnknownAggregator { .. } => "run.aggregators",
        ConfigError::Text { .. } => "task.name",
        _ => "forest.trees",
    }
}
