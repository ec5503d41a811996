//! `hedgerow party check`: everything that can be tried before a run.

use std::path::Path;

use hedgerow_edge::files;
use hedgerow_edge::quic::Traffic;
use hedgerow_forest::schema::Schema;

use crate::config::PartyFile;
use crate::data::{DataSet, Split};
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
    policy.capacity().map_err(|error| error.to_string())?;
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
    let data = DataSet::open(engine, spec, &schema, Split::none())
        .await
        .map_err(|error| error.to_string())?;
    let rows = data.check().await.map_err(|error| error.to_string())?;
    let mut found = format!(
        "{} rows under a schema of {} features, {} of them positive",
        rows.train + rows.test,
        schema.len(),
        rows.train_positives + rows.test_positives
    );
    for warning in data.take_warnings() {
        found.push_str(&format!("; {warning}"));
    }
    Ok(found)
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
