//! Turns a scenario into the files of a deployment: the same that organisations would write for themselves.

use super::layout::Layout;
use crate::error::{CliError, Result};
use crate::scenario::join::{Alignment, BOOSTED_MAX_ROWS};
use crate::scenario::source::absolute;
use crate::scenario::{Aggregation, Role, Scenario};
use hedgerow_edge::files;
use hedgerow_forest::params::{Criterion, ForestParams, Growth, SplitChoice, THOUSANDTHS};
use hedgerow_forest::schema::Schema;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the coordinator listens before it is known which port is free.
pub const ANY_PORT: &str = "127.0.0.1:0";
/// Name of the coordinator's process and certificate.
pub const COORDINATOR: &str = "coordinator";
/// Runs' worth of epsilon in a simulated party's ledger: an attempt that lost a party is charged like one that
/// did not.
const ATTEMPTS: f64 = 4.0;
/// Seconds after which a killed process is noticed; the shortest that keep-alive packets every 5 s allow.
const IDLE_S: u32 = 10;

/// What is written once and stays the same over restarts.
pub struct Deployment<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Declared or derived.
    pub schema: &'a Schema,
    /// How trees grow.
    pub forest: &'a ForestParams,
    /// Delta of the run.
    pub delta: Option<f64>,
    /// Where everything goes.
    pub layout: &'a Layout,
    /// Whether joined data are served after the run.
    pub serve: bool,
}

impl Deployment<'_> {
    /// Writes consortium, schema and policy, and makes identities. With `resume` they must be what is there.
    ///
    /// # Errors
    /// [`CliError::Config`] if a resumed run would be another run; [`CliError::File`].
    pub fn write(&self, resume: bool) -> Result<()> {
        let schema = self.schema.to_toml().map_err(CliError::library("schema"))?;
        let files = [
            ("schema.toml", schema),
            ("consortium.toml", text(self.consortium())?),
            ("policy.toml", text(self.policy())?),
        ];
        for (name, text) in files {
            let path = self.layout.config().join(name);
            if resume {
                let before = files::read_text(&path)?;
                if before != text {
                    return Err(CliError::Config(format!(
                        "--resume: {} would be another run's; give the same scenario and --set as before",
                        path.display()
                    )));
                }
            } else {
                write(&path, &text)?;
            }
        }
        if !resume {
            self.identities()?;
        }
        Ok(())
    }

    fn identities(&self) -> Result<()> {
        let parties: Vec<&str> = self
            .scenario
            .parties
            .iter()
            .map(|party| party.id.as_str())
            .collect();
        crate::provision::all_in_one(&self.layout.config().join("identities"), COORDINATOR, &parties)
    }

    /// One process's identity folder.
    pub fn identity(&self, id: &str) -> PathBuf {
        self.layout.config().join("identities").join(id)
    }

    fn consortium(&self) -> Table {
        let file = &self.scenario.file;
        let mut run = table([
            ("seed", integer(file.run.seed)),
            ("min_parties", integer(self.scenario.min_parties)),
            ("collusion", integer(file.run.collusion)),
            ("aggregation", file.run.aggregation.as_str().into()),
        ]);
        if file.run.aggregation == Aggregation::Shares {
            run.insert("aggregators".into(), strings(&self.scenario.aggregators));
        }
        let mut privacy = match (file.privacy.epsilon, self.delta) {
            (Some(epsilon), Some(delta)) => table([
                ("epsilon", epsilon.into()),
                ("delta", delta.into()),
                ("unit", file.privacy.unit.as_str().into()),
                ("mechanism", file.privacy.mechanism.as_str().into()),
            ]),
            _ => table([("epsilon", "none".into())]),
        };
        if let Some(rows) = file.privacy.rows_per_entity {
            privacy.insert("rows_per_entity".into(), integer(rows));
        }
        let ids: Vec<String> = self
            .scenario
            .parties
            .iter()
            .map(|party| party.id.clone())
            .collect();
        let mut data = table([("partition", file.data.partition.as_str().into())]);
        let is_boosted = self.forest.growth == Growth::Boosted && file.data.partition.joins();
        let bound = match file.data.max_rows {
            None if is_boosted => Some(BOOSTED_MAX_ROWS),
            _ => self.scenario.max_rows,
        };
        if let Some(rows) = bound {
            data.insert("max_rows".into(), integer(rows));
        }
        let mut consortium = table([
            ("schema", "schema.toml".into()),
            ("parties", strings(&ids)),
            (
                "task",
                table([
                    ("name", file.task.name.clone().into()),
                    ("label", file.task.label.clone().into()),
                    ("positive", file.task.positive.clone().into()),
                ])
                .into(),
            ),
            ("data", data.into()),
            ("forest", forest(self.forest).into()),
            ("privacy", privacy.into()),
            (
                "test",
                table([
                    ("fraction", file.test.fraction.into()),
                    ("seed", integer(file.test.seed)),
                ])
                .into(),
            ),
            ("run", run.into()),
        ]);
        if file.data.partition.joins() {
            consortium.extend(self.joins());
        }
        consortium
    }

    /// Who is linked to whom, and how keys are aligned.
    fn joins(&self) -> Table {
        let file = &self.scenario.file;
        let links = file.links.iter().map(|link| {
            let mut entry = table([
                ("name", link.name.clone().into()),
                ("key_columns", strings(&link.key_columns)),
            ]);
            for (key, value) in [("party_column", &link.party_column), ("party", &link.party)] {
                if let Some(value) = value {
                    entry.insert(key.into(), value.clone().into());
                }
            }
            Value::Table(entry)
        });
        let attributes = self
            .scenario
            .parties
            .iter()
            .filter(|party| party.role == Role::Attributes)
            .map(|party| {
                table([
                    ("party", party.id.clone().into()),
                    ("serves", strings(&party.serves)),
                ])
                .into()
            });
        let prediction = &file.prediction;
        let mut scores = table([
            ("allowed", (prediction.rows > 0).into()),
            ("rows", integer(prediction.rows)),
            ("per_entity", integer(prediction.per_entity)),
        ]);
        if let Some(epsilon) = prediction.epsilon {
            scores.insert("epsilon".into(), epsilon.into());
            scores.insert("delta".into(), prediction.delta.into());
        }
        table([
            ("prediction", scores.into()),
            ("link", Value::Array(links.collect())),
            ("attributes", Value::Array(attributes.collect())),
            (
                "join",
                table([
                    ("alignment", file.join.alignment.as_str().into()),
                    ("minimum", integer(file.join.minimum)),
                    ("pad", integer(file.join.pad)),
                    ("segments", integer(file.join.segments)),
                ])
                .into(),
            ),
        ])
    }

    /// Every simulated party allows exactly what the scenario asks for, and a few attempts that fail after they
    /// were charged.
    fn policy(&self) -> Table {
        let file = &self.scenario.file;
        let noise = file.privacy.epsilon.zip(self.delta);
        let mut policy = table([
            ("min_parties", integer(self.scenario.min_parties)),
            ("min_collusion", integer(file.run.collusion)),
            ("require_noise", noise.is_some().into()),
            ("release_metrics", false.into()),
        ]);
        if let Some((epsilon, delta)) = noise {
            policy.insert("max_epsilon".into(), epsilon.into());
            policy.insert("total_epsilon".into(), (epsilon * ATTEMPTS).into());
            policy.insert("max_delta".into(), delta.into());
        }
        if file.data.partition.joins() {
            policy.insert("max_scores".into(), integer(file.prediction.rows));
            policy.insert("exact_scores".into(), file.prediction.epsilon.is_none().into());
            policy.insert(
                "plain_alignment".into(),
                (file.join.alignment == Alignment::Plain).into(),
            );
        }
        policy
    }

    /// Writes the coordinator's file; `listen` is [`ANY_PORT`] until the port is known.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub fn coordinator(&self, listen: &str) -> Result<PathBuf> {
        let timeouts = &self.scenario.file.timeouts;
        let path = self.layout.config().join("coordinator.toml");
        let mut config = table([
            ("listen", listen.into()),
            ("consortium", "consortium.toml".into()),
            ("identity", path_value(&self.identity(COORDINATOR))),
            ("state", path_value(&self.layout.process(COORDINATOR))),
            ("out", path_value(&self.layout.result())),
            (
                "timeouts",
                table([
                    ("enrol_s", integer(timeouts.enrol_s)),
                    ("phase_s", integer(timeouts.phase_s)),
                    ("grace_s", integer(timeouts.grace_s)),
                ])
                .into(),
            ),
            ("transport", table([("idle_s", integer(IDLE_S))]).into()),
        ]);
        if self.serve {
            config.insert("serve".into(), true.into());
        }
        write(&path, &text(config)?)?;
        Ok(path)
    }

    /// Where the file of a party is.
    pub fn party_file(&self, id: &str) -> PathBuf {
        self.layout.config().join(format!("party-{id}.toml"))
    }

    /// Writes the file of the party at `position`, which dials `address`.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub fn party(&self, position: usize, address: &str) -> Result<PathBuf> {
        let Some(party) = self.scenario.parties.get(position) else {
            return Err(CliError::Config(format!("no party {position}")));
        };
        let base = self
            .scenario
            .path
            .parent()
            .filter(|base| !base.as_os_str().is_empty());
        let base = base.unwrap_or(Path::new("."));
        let base = std::fs::canonicalize(base).map_err(CliError::file(base, "finding"))?;
        let mut data = table([("source", absolute(&party.data.source, &base).into())]);
        if let Some(test) = &party.data.test_source {
            data.insert("test_source".into(), absolute(test, &base).into());
        }
        if let Some(features) = &party.features {
            data.insert("features".into(), absolute(features, &base).into());
        }
        if !party.key.is_empty() {
            data.insert("key".into(), strings(&party.key));
        }
        let path = self.party_file(&party.id);
        let mut config = table([
            ("id", party.id.clone().into()),
            ("coordinator", address.into()),
            ("identity", path_value(&self.identity(&party.id))),
            ("state", path_value(&self.layout.process(&party.id))),
            ("policy", "policy.toml".into()),
            ("data", data.into()),
            (
                "resources",
                table([
                    (
                        "threads",
                        integer(u32::try_from(self.scenario.threads).unwrap_or(u32::MAX)),
                    ),
                    ("memory_mib", integer(self.scenario.memory_mib)),
                ])
                .into(),
            ),
            ("transport", table([("idle_s", integer(IDLE_S))]).into()),
        ]);
        if self.scenario.file.data.partition.joins() {
            config.insert("role".into(), party.role.as_str().into());
            if party.role == Role::Rows {
                config.insert("scores".into(), path_value(&self.layout.scores(&party.id)));
                if self.serve {
                    config.insert("queries".into(), true.into());
                }
            }
        }
        let tables = party
            .tables
            .iter()
            .map(|(name, source)| {
                table([
                    ("name", name.clone().into()),
                    ("source", absolute(source, &base).into()),
                ])
                .into()
            })
            .collect::<Vec<Value>>();
        if !tables.is_empty() {
            config.insert("table".into(), tables.into());
        }
        write(&path, &text(config)?)?;
        Ok(path)
    }
}

/// `[forest]` with every parameter that is not 0, which stands for a default.
fn forest(forest: &ForestParams) -> Table {
    let thousandths = |value: u32| Value::Float(f64::from(value) / f64::from(THOUSANDTHS));
    let mut section = table([
        ("trees", integer(forest.trees)),
        ("depth", integer(forest.depth)),
        ("bins", integer(forest.bins)),
        ("growth", forest.growth.as_str().into()),
    ]);
    if forest.criterion == Criterion::Entropy {
        section.insert("criterion".into(), "entropy".into());
    }
    for (key, is_said, value) in [
        (
            "features_per_tree",
            forest.features_per_tree > 0,
            integer(forest.features_per_tree),
        ),
        ("slots", forest.slots > 0, integer(forest.slots)),
        ("levels", forest.growth == Growth::Greedy, integer(forest.levels)),
        (
            "split_share",
            forest.split_share > 0,
            thousandths(forest.split_share.into()),
        ),
        (
            "learning_rate",
            forest.learning_rate > 0,
            thousandths(forest.learning_rate.into()),
        ),
        ("lambda", forest.lambda > 0, thousandths(forest.lambda)),
        ("min_gain", forest.min_gain > 0, thousandths(forest.min_gain)),
    ] {
        if is_said {
            section.insert(key.into(), value);
        }
    }
    if forest.split == SplitChoice::Random {
        section.insert("split".into(), "random".into());
    }
    if forest.batch > 0 {
        section.insert("batch".into(), integer(forest.batch));
    }
    if forest.links_per_tree > 0 {
        section.insert("links_per_tree".into(), integer(forest.links_per_tree));
    }
    section
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn strings(list: &[String]) -> Value {
    Value::Array(list.iter().map(|text| Value::String(text.clone())).collect())
}

/// TOML has signed integers only; what is larger could not have come from a TOML file.
fn integer(number: impl Into<u64>) -> Value {
    Value::Integer(i64::try_from(number.into()).unwrap_or(i64::MAX))
}

fn path_value(path: &Path) -> Value {
    Value::String(path.display().to_string())
}

fn text(table: Table) -> Result<String> {
    toml::to_string_pretty(&table).map_err(CliError::library("write a configuration"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    Ok(files::write_atomic(path, text.as_bytes())?)
}
