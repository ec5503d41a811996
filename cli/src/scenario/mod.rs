//! The file that describes a simulation: parsed, checked, with every default filled in.

pub mod file;
pub mod join;
pub mod keys;
pub mod overrides;
pub mod source;

use crate::error::{CliError, Result};
pub use file::{Aggregation, Partition, Role, ScenarioFile, SchemaSource};
use hedgerow_coordinator::consortium::Chosen;
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_party::data::{DataSpec, SourceSpec};
use hedgerow_protocol::ids::PartyId;
use join::Features;
use overrides::Override;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Names of folders beside the parties' own.
const RESERVED: [&str; 2] = ["ca", "coordinator"];
/// Delta where the file does not say, if the rows allow it.
pub const DEFAULT_DELTA: f64 = 1e-6;

/// A checked scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file it came from.
    pub path: PathBuf,
    /// Its tables as written, overrides applied.
    pub file: ScenarioFile,
    /// Declared schema; `None`: to be derived.
    pub schema: Option<Schema>,
    /// Parties in the order of the file.
    pub parties: Vec<ScenarioParty>,
    /// Public bound on the training rows of all parties together; `None`: the protocol's own.
    pub max_rows: Option<u64>,
    /// Fewest parties of a sum.
    pub min_parties: u32,
    /// Sums the shares, with `aggregation = "shares"`; else empty.
    pub aggregators: Vec<String>,
    /// Threads of each party's data engine.
    pub threads: usize,
    /// Memory of each party's data engine, MiB.
    pub memory_mib: u64,
}

/// One party of a scenario.
#[derive(Clone, Debug)]
pub struct ScenarioParty {
    /// Its id.
    pub id: String,
    /// What it holds.
    pub role: Role,
    /// Its rows, or its entities.
    pub data: DataSpec,
    /// SQL that makes the schema's columns.
    pub features: Option<SourceSpec>,
    /// Columns that name an entity, for attribute parties.
    pub key: Vec<String>,
    /// Values of party columns that an attribute party answers for.
    pub serves: Vec<String>,
    /// Further tables for `features`, by name.
    pub tables: Vec<(String, SourceSpec)>,
}

impl Scenario {
    /// Reads a scenario file and applies overrides.
    ///
    /// # Errors
    /// [`CliError::Config`] naming file and line, or the `--set` at fault.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self> {
        let overrides = sets
            .iter()
            .map(|set| Override::parse(set))
            .collect::<Result<Vec<_>>>()?;
        let text = std::fs::read_to_string(path).map_err(CliError::file(path, "reading"))?;
        let mut file: ScenarioFile = hedgerow_edge::configfile::parse(&text, path)
            .map_err(|error| CliError::Config(error.to_string()))?;
        if !overrides.is_empty() {
            let mut table: toml::Table = text
                .parse()
                .map_err(CliError::library(path.display().to_string()))?;
            for change in &overrides {
                change.apply(&mut table)?;
            }
            file = table.try_into().map_err(|error: toml::de::Error| {
                CliError::Config(format!("--set {}: {}", sets.join(" --set "), error.message()))
            })?;
        }
        Self::check(path, file)
    }

    fn check(path: &Path, file: ScenarioFile) -> Result<Self> {
        let wrong = |why: String| CliError::Config(format!("{}: {why}", path.display()));
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let count = u32::try_from(file.parties.len()).unwrap_or(u32::MAX);
        if count < 2 {
            return Err(wrong(format!(
                "a federation needs at least two [[party]], found {count}"
            )));
        }
        let mut ids = BTreeSet::new();
        for party in &file.parties {
            PartyId::new(party.id.as_str())
                .map_err(|error| wrong(format!("party {:?}: {error}", party.id)))?;
            if RESERVED.contains(&party.id.as_str()) {
                return Err(wrong(format!(
                    "party {:?}: a simulation uses this name itself",
                    party.id
                )));
            }
            if !ids.insert(party.id.as_str()) {
                return Err(wrong(format!(
                    "two [[party]] have the id {:?}; ids are unique",
                    party.id
                )));
            }
        }
        join::check(&file).map_err(wrong)?;
        if !(0.0..=0.9).contains(&file.test.fraction) {
            return Err(wrong(format!(
                "test.fraction: expected 0 to 0.9, found {}",
                file.test.fraction
            )));
        }
        if let Some(delta) = file.privacy.delta.filter(|delta| !(*delta > 0.0 && *delta < 1.0)) {
            return Err(wrong(format!(
                "privacy.delta: expected a number between 0 and 1, found {delta}"
            )));
        }
        let parties = file
            .parties
            .iter()
            .map(|party| {
                let source = |text: &str| {
                    SourceSpec::parse(text, &base)
                        .map_err(|error| wrong(format!("party {:?}: {error}", party.id)))
                };
                let test_source = party.test_source.as_deref().map(source).transpose()?;
                let features = match &party.features {
                    Some(Features::Sql(text)) => Some(source(&sql(&base, text).map_err(wrong)?)?),
                    Some(Features::Columns(_)) | None => None,
                };
                let attributes = party.role == Role::Attributes;
                Ok(ScenarioParty {
                    id: party.id.clone(),
                    role: party.role,
                    data: DataSpec {
                        source: source(&party.source)?,
                        test_source,
                    },
                    features,
                    key: party.key.clone().unwrap_or_default(),
                    serves: if attributes { party.served() } else { Vec::new() },
                    tables: party
                        .tables
                        .iter()
                        .map(|table| Ok((table.name.clone(), source(&table.source)?)))
                        .collect::<Result<_>>()?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let schema = match &file.schema {
            None => None,
            Some(source) => Some(declared_schema(&base, source, &file).map_err(wrong)?),
        };
        let aggregators = match (file.run.aggregation, &file.run.aggregators) {
            (Aggregation::Masked, None) => Vec::new(),
            (Aggregation::Masked, Some(_)) => {
                return Err(wrong(
                    "run.aggregators: only with aggregation = \"shares\"".into(),
                ));
            }
            (Aggregation::Shares, Some(named)) => named.clone(),
            (Aggregation::Shares, None) => {
                let wanted = (file.run.collusion.max(1) as usize).saturating_add(1);
                parties
                    .iter()
                    .take(wanted)
                    .map(|party| party.id.clone())
                    .collect()
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = match file.resources.threads {
            Some(threads) => threads as usize,
            None => (cores / parties.len()).max(1),
        };
        let scenario = Self {
            path: path.to_path_buf(),
            schema,
            max_rows: file.data.max_rows.or(file.data.partition.max_rows()),
            min_parties: file.run.min_parties.unwrap_or(count),
            aggregators,
            threads,
            memory_mib: file.resources.memory_mib,
            parties,
            file,
        };
        // Ranges are checked before any data is read, also where the schema is still to be derived.
        scenario.forest(scenario.schema.as_ref().unwrap_or(&stand_in(&scenario.file)))?;
        Ok(scenario)
    }

    /// How the trees grow, every default filled in, and why.
    ///
    /// # Errors
    /// The key at fault.
    pub fn forest(&self, schema: &Schema) -> Result<Chosen> {
        let file = &self.file;
        let delta = file.privacy.delta.unwrap_or(DEFAULT_DELTA);
        let noise = hedgerow_coordinator::consortium::noise(file.privacy.epsilon, delta);
        file.forest
            .choose(schema, noise, file.data.rows)
            .map_err(|(key, message)| CliError::Config(format!("{}: {key}: {message}", self.path.display())))
    }

    /// Delta of the run over this many training rows; `None` without noise.
    ///
    /// # Errors
    /// A configured delta above `1 / rows`: it would allow a whole row to be published.
    pub fn delta(&self, rows: u64) -> Result<Option<f64>> {
        let most = 1.0 / rows.max(1) as f64;
        match (self.file.privacy.epsilon, self.file.privacy.delta) {
            (None, _) => Ok(None),
            (Some(_), None) => Ok(Some(DEFAULT_DELTA.min(most))),
            (Some(_), Some(delta)) if delta > most => Err(CliError::Config(format!(
                "{}: privacy.delta: {delta:e} is above 1 / rows = {most:.1e}: a mechanism that publishes one \
                 whole row would satisfy it; leave it out for the default",
                self.path.display()
            ))),
            (Some(_), Some(delta)) => Ok(Some(delta)),
        }
    }
}

/// A schema of one column, while there is none.
fn stand_in(file: &ScenarioFile) -> Schema {
    Schema {
        features: vec![Column::numeric("x", 0.0, 1.0)],
        label: Label {
            name: file.task.label.clone(),
            positive: file.task.positive.clone(),
        },
    }
}

/// A `[schema]` table may leave its label to `[task]`; a party's `features` narrow it.
fn declared_schema(base: &Path, source: &SchemaSource, file: &ScenarioFile) -> Result<Schema, String> {
    let mut table = match source {
        SchemaSource::Table(table) => table.clone(),
        SchemaSource::File(name) => {
            let path = base.join(name);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("schema: cannot read {}: {error}", path.display()))?;
            text.parse()
                .map_err(|error| format!("schema: {}: {error}", path.display()))?
        }
    };
    if !table.contains_key("label") {
        let mut label = toml::Table::new();
        label.insert("name".into(), file.task.label.clone().into());
        label.insert("positive".into(), file.task.positive.clone().into());
        table.insert("label".into(), label.into());
    }
    let mut schema: Schema = table
        .try_into()
        .map_err(|error: toml::de::Error| format!("schema: {}", error.message()))?;
    if let Some(wanted) = file.wanted_features()? {
        for name in &wanted {
            if !schema.features.iter().any(|column| column.name == *name) {
                return Err(format!("features: {name:?} is not in the schema"));
            }
        }
        schema.features.retain(|column| wanted.contains(&column.name));
    }
    schema.validate().map_err(|error| format!("schema: {error}"))?;
    Ok(schema)
}

/// SQL as written, or from the file that is named instead; without the comments that it begins with.
fn sql(base: &Path, text: &str) -> Result<String, String> {
    let named = text.trim();
    let text = if named.ends_with(".sql") && !named.contains(char::is_whitespace) {
        let path = base.join(named);
        std::fs::read_to_string(&path)
            .map_err(|error| format!("features: cannot read {}: {error}", path.display()))?
    } else {
        text.to_owned()
    };
    let comment = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with("--");
    Ok(text.lines().skip_while(comment).collect::<Vec<_>>().join("\n"))
}

impl ScenarioFile {
    /// The features that the parties name; all who name some must name the same.
    pub fn wanted_features(&self) -> Result<Option<Vec<String>>, String> {
        let mut wanted: Option<(&str, &Vec<String>)> = None;
        for party in &self.parties {
            let Some(Features::Columns(features)) = &party.features else {
                continue;
            };
            match wanted {
                Some((first, same)) if same != features => {
                    return Err(format!(
                        "party {:?} and party {first:?} name different features; with horizontal data all learn \
                         from the same",
                        party.id
                    ));
                }
                _ => wanted = Some((&party.id, features)),
            }
        }
        Ok(wanted.map(|(_, features)| features.clone()))
    }
}

#[cfg(test)]
mod tests;
