//! `hedgerow party check`: everything that can be tried before a run, rows or entities.

use std::path::Path;

use hedgerow_edge::files;
use hedgerow_edge::quic::Traffic;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::schema::Schema;

use crate::config::{PartyFile, Role};
use crate::data::entities::attributes;
use crate::data::{
    DataError, DataSet, DataSpec, DataWarning, Engine, Entities, LinkedRows, LinkedSpec, SourceSpec, Split,
};
use crate::ledger::Ledger;
use crate::process::{Ready, prepare};

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What: configuration, certificate, policy, ledger, data, coordinator.
    pub what: &'static str,
    /// What was found, or what is wrong, in one sentence.
    pub outcome: Result<String, String>,
}

/// Tries configuration, certificate, policy, ledger, data under the schema, and the coordinator, and goes on after a
/// failure wherever the next thing can still be tried. Nothing is sent but a connection's greeting.
pub async fn check(path: &Path, mut report: impl FnMut(Tried)) -> bool {
    let mut sound = true;
    let mut tried = |what, outcome: Result<String, String>| {
        sound &= outcome.is_ok();
        report(Tried { what, outcome });
    };
    let file = match PartyFile::load(path) {
        Ok(file) => file,
        Err(error) => {
            tried("configuration", Err(error.to_string()));
            return sound;
        }
    };
    tried("configuration", Ok(format!("{} is well-formed", path.display())));
    tried("policy", policy(&file));
    tried("ledger", ledger(&file));
    let ready = match prepare(path) {
        Ok(ready) => ready,
        Err(error) => {
            tried("certificate and data engine", Err(error.to_string()));
            return sound;
        }
    };
    tried(
        "certificate",
        Ok(format!(
            "of {}, consortium {}",
            file.id,
            ready.identity.consortium().name()
        )),
    );
    tried("data", data(&ready).await);
    tried("coordinator", coordinator(&ready).await);
    sound
}

fn policy(file: &PartyFile) -> Result<String, String> {
    let policy = file.load_policy().map_err(|error| error.to_string())?;
    policy.books().map_err(|error| error.to_string())?;
    let noise = if policy.require_noise {
        "noise required"
    } else {
        "RUNS WITHOUT NOISE ARE ALLOWED"
    };
    Ok(format!(
        "epsilon at most {} in a run, at least {} parties in a sum, {noise}",
        policy.max_epsilon, policy.min_parties
    ))
}

fn ledger(file: &PartyFile) -> Result<String, String> {
    let policy = file.load_policy().map_err(|error| error.to_string())?;
    let summary = Ledger::open(&file.state)
        .map_err(|error| error.to_string())?
        .summary(policy.max_delta);
    Ok(format!(
        "epsilon {:.3} of {} spent at delta {} in {} payments",
        summary.epsilon_spent,
        policy.total_epsilon.unwrap_or(policy.max_epsilon),
        summary.delta,
        summary.lines.len()
    ))
}

async fn data(ready: &Ready) -> Result<String, String> {
    let Some(path) = &ready.file.schema else {
        return Err(
            "cannot be tried without the consortium's schema: add `schema = \"schema.toml\"`".to_owned(),
        );
    };
    let text = files::read_text(path).map_err(|error| error.to_string())?;
    let schema = Schema::from_toml(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let (engine, spec) = (ready.answers.engine(), ready.answers.spec());
    let (found, warnings) = match ready.file.role {
        Role::Attributes => entities(engine, &spec.source, &ready.file.data.key, &schema).await,
        Role::Rows if schema.has_links() => linked(engine, spec, &schema).await,
        Role::Rows => rows(engine, spec, &schema).await,
    }
    .map_err(|error| error.to_string())?;
    Ok(warnings
        .into_iter()
        .fold(found, |found, warning| format!("{found}; {warning}")))
}

type Found = Result<(String, Vec<DataWarning>), DataError>;

async fn rows(engine: &Engine, spec: &DataSpec, schema: &Schema) -> Found {
    let data = DataSet::open(engine, spec, schema, Split::none()).await?;
    let rows = data.check().await?;
    let found = format!(
        "{} rows under a schema of {} features, {} of them positive",
        rows.train + rows.test,
        schema.len(),
        rows.train_positives + rows.test_positives
    );
    Ok((found, data.take_warnings()))
}

/// Rows of a schema with links: the own columns; only a run says what the links' columns are.
async fn linked(engine: &Engine, spec: &DataSpec, schema: &Schema) -> Found {
    let own = LinkedSpec::own_columns(schema, &two_bins(schema)?);
    let mut rows = LinkedRows::read(engine, spec, &own, Split::none()).await?;
    let (train, test) = (rows.train().rows(), rows.test().rows());
    let positives = [rows.train(), rows.test()]
        .into_iter()
        .flat_map(|rows| &rows.labels);
    let found = format!(
        "{} rows with {} columns of their own, {} of them positive; the columns of the links ({}) are checked when a \
         run begins",
        train + test,
        own.features.len(),
        positives.filter(|label| **label == 1).count(),
        schema.links().join(", ")
    );
    Ok((found, rows.take_warnings()))
}

async fn entities(engine: &Engine, source: &SourceSpec, key: &[String], schema: &Schema) -> Found {
    let all = attributes(schema, two_bins(schema)?.features(), |column| {
        column.attribute().filter(|_| !column.is_known())
    });
    let entities = Entities::read(engine, source, key, &all).await?;
    let found = format!(
        "{} entities with {} attributes, told apart by {}",
        entities.keys().len(),
        all.len(),
        key.join(", ")
    );
    Ok((found, entities.warnings().to_vec()))
}

fn two_bins(schema: &Schema) -> Result<Binner, DataError> {
    Binner::new(schema, 2).map_err(|error| DataError::Invalid {
        what: "schema".to_owned(),
        reason: error.to_string(),
    })
}

async fn coordinator(ready: &Ready) -> Result<String, String> {
    let dialer = ready.file.dialer(ready.identity.clone(), Traffic::default());
    let connection = dialer.dial().await.map_err(|error| error.to_string())?;
    Ok(format!(
        "{} answers at {}",
        connection.peer().subject,
        connection.remote_address()
    ))
}
