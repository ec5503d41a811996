//! All the data of a scenario, which only a simulation can hold in one place.

use super::bars::Bars;
use super::joined::Joined;
use super::oracle::Pool;
use crate::error::{CliError, Result};
use crate::scenario::{Partition, Role, Scenario, ScenarioParty};
use hedgerow_coordinator::consortium::Chosen;
use hedgerow_forest::schema::{Column, Schema};
use hedgerow_party::data::{
    DataSet, DataSpec, Engine, EngineOptions, Features, SchemaRequest, SourceSpec, Split, column_names,
    derive_schema,
};
use std::path::Path;
use std::sync::Arc;

/// The data, its schema, and how much everybody has.
pub struct World {
    /// Declared or derived.
    pub schema: Schema,
    /// How trees grow over it, and why.
    pub forest: Chosen,
    /// Was it derived?
    pub derived: bool,
    /// Everybody's data.
    pub pool: Pool,
    /// What each party has, in the scenario's order.
    pub sizes: Vec<Sizes>,
}

/// Numbers of one party's data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Training rows.
    pub train: u64,
    /// Test rows.
    pub test: u64,
    /// Entities of an attribute party.
    pub entities: u64,
}

impl World {
    /// Opens everybody's data; reads it where rows and attributes are to be joined.
    ///
    /// # Errors
    /// The data's, naming the party; rows beyond the declared bound.
    pub async fn open(scenario: &Scenario) -> Result<Self> {
        let engine = Engine::new(EngineOptions {
            memory_mib: scenario.memory_mib,
            ..EngineOptions::default()
        })
        .map_err(CliError::library("start the data engine"))?;
        let specs = scenario.parties.iter().map(|party| spec(scenario, party));
        let specs = specs.collect::<Result<Vec<_>>>()?;
        let schema = match &scenario.schema {
            Some(schema) => schema.clone(),
            None => derived(&engine, scenario, &specs).await?,
        };
        let forest = scenario.forest(&schema)?;
        let (pool, sizes) = match scenario.file.data.partition {
            Partition::Horizontal => whole(&engine, scenario, &specs, &schema).await?,
            Partition::Mixed | Partition::Vertical => {
                let joined = Joined::open(scenario, &specs, (&schema, forest.params.bins), &engine).await?;
                let sizes = joined
                    .positions()
                    .map(|position| joined.sizes(position))
                    .collect();
                (Pool::Joined(Box::new(joined)), sizes)
            }
        };
        let world = Self {
            schema,
            forest,
            derived: scenario.schema.is_none(),
            pool,
            sizes,
        };
        match scenario.max_rows {
            Some(most) if world.train_rows() > most => Err(CliError::Config(format!(
                "data.max_rows: {most} are declared, and the parties have {} training rows",
                world.train_rows()
            ))),
            _ => Ok(world),
        }
    }

    /// Training rows of all parties.
    pub fn train_rows(&self) -> u64 {
        self.sizes.iter().map(|sizes| sizes.train).sum()
    }

    /// Says what a person should know before the run.
    pub fn announce(&mut self, scenario: &Scenario, bars: &Bars) {
        if self.derived {
            bars.say(
                "note: the schema (types, categories, bounds) was derived from the pooled rows; a deployment must \
                 declare it, since bounds taken from data leak",
            );
        }
        let warnings: Vec<(usize, String)> = match &mut self.pool {
            Pool::Joined(joined) => joined.take_warnings(),
            Pool::Whole(parties) => parties
                .iter()
                .enumerate()
                .flat_map(|(position, (_, data))| {
                    let odd = data.take_warnings();
                    odd.into_iter().map(move |odd| (position, odd.to_string()))
                })
                .collect(),
        };
        for (position, warning) in warnings {
            let id = scenario
                .parties
                .get(position)
                .map_or("", |party| party.id.as_str());
            bars.say(&format!("warning: party {id:?}: {warning}"));
        }
    }
}

/// A party's sources, seen through its features.
fn spec(scenario: &Scenario, party: &ScenarioParty) -> Result<DataSpec> {
    let Some(features) = &party.features else {
        return Ok(party.data.clone());
    };
    let base = scenario.path.parent().unwrap_or(Path::new(""));
    let features = Features::parse(features.text(), base, party.tables.clone())
        .map_err(CliError::library(format!("party {:?}", party.id)))?;
    let features = Arc::new(features);
    let through = |source: &SourceSpec| source.clone().with_features(Arc::clone(&features));
    Ok(DataSpec {
        source: through(&party.data.source),
        test_source: party.data.test_source.as_ref().map(through),
    })
}

async fn whole(
    engine: &Engine,
    scenario: &Scenario,
    specs: &[DataSpec],
    schema: &Schema,
) -> Result<(Pool, Vec<Sizes>)> {
    let (mut parties, mut sizes) = (Vec::new(), Vec::new());
    for (party, spec) in scenario.parties.iter().zip(specs) {
        let doing = || format!("party {:?}", party.id);
        let test = &scenario.file.test;
        let split = Split::new(test.fraction, test.seed, &party.id).map_err(CliError::library(doing()))?;
        let data = DataSet::open(engine, spec, schema, split)
            .await
            .map_err(CliError::library(doing()))?;
        let counts = data.rows().await.map_err(CliError::library(doing()))?;
        sizes.push(Sizes {
            train: counts.train,
            test: counts.test,
            entities: 0,
        });
        parties.push((party.id.clone(), data));
    }
    Ok((Pool::Whole(parties), sizes))
}

/// A schema from everybody's data: of rows by pooling them, of attributes by pooling what each link can reach.
async fn derived(engine: &Engine, scenario: &Scenario, specs: &[DataSpec]) -> Result<Schema> {
    let file = &scenario.file;
    let wanted = file.wanted_features().map_err(CliError::Config)?;
    let of = |role: Role| {
        scenario
            .parties
            .iter()
            .zip(specs)
            .filter(move |(party, _)| party.role == role)
    };
    let rows: Vec<_> = of(Role::Rows)
        .flat_map(|(_, spec)| std::iter::once(&spec.source).chain(&spec.test_source))
        .cloned()
        .collect();
    let names_of_links = file
        .links
        .iter()
        .flat_map(|link| link.key_columns.iter().chain(&link.party_column));
    let label = (file.task.label.as_str(), file.task.positive.as_str());
    let mut schema = described(engine, &rows, label, wanted, names_of_links).await?;
    for link in &file.links {
        let asked = |id: &str| link.party.as_deref().is_none_or(|party| party == id);
        let answering: Vec<_> = of(Role::Attributes)
            .filter(|(party, _)| asked(&party.id))
            .collect();
        let sources: Vec<_> = answering.iter().map(|(_, spec)| spec.source.clone()).collect();
        let Some((first, _)) = answering.first() else {
            continue;
        };
        // The key takes the label's place: what names an entity says nothing about it.
        let key = first.key.first().map_or("", String::as_str);
        let label = (key, file.task.positive.as_str());
        let attributes = described(engine, &sources, label, None, first.key.iter()).await?;
        let through = attributes
            .features
            .into_iter()
            .map(|column| column.read_through(&link.name));
        schema.features.extend(through);
        schema.features.push(Column::known(&link.name));
    }
    schema
        .validate()
        .map_err(CliError::library("derive the schema"))?;
    Ok(schema)
}

/// The columns of some sources but those that name entities.
async fn described<'a>(
    engine: &Engine,
    sources: &[SourceSpec],
    (label, positive): (&str, &str),
    wanted: Option<Vec<String>>,
    names: impl Iterator<Item = &'a String>,
) -> Result<Schema> {
    let doing = || CliError::library("derive the schema");
    let names: Vec<&String> = names.collect();
    let wanted = match wanted {
        Some(wanted) => Some(wanted),
        None if names.is_empty() => None,
        None => {
            let first = sources
                .first()
                .ok_or_else(|| CliError::Config("there is no source".into()))?;
            let mut columns = column_names(engine, first).await.map_err(doing())?;
            columns.retain(|name| name != label && !names.contains(&name));
            Some(columns)
        }
    };
    let request = SchemaRequest {
        label,
        positive,
        features: wanted.as_deref(),
    };
    derive_schema(engine, sources, request).await.map_err(doing())
}
