//! `out/rounds.json`: what was released, whose data it holds, and how long it took.

use std::collections::BTreeMap;
use std::time::Instant;

use hedgerow_protocol::config::{Aggregation, RunConfig, Unit};
use hedgerow_protocol::coordinator::{CoordinatorOutcome, CoordinatorProgress, PhaseName};
use hedgerow_protocol::ids::{PartyId, RoundId};
use hedgerow_protocol::privacy;
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundsFile {
    /// The run's name, 32 hexadecimal digits.
    pub run: String,
    /// The canonical bytes of the run's configuration in hexadecimal, for `RunConfig::from_bytes`.
    pub config: String,
    /// `masked` or `shares`.
    pub aggregation: String,
    /// Released tables in order.
    pub rounds: Vec<RoundReport>,
    /// What the run spent; `None` without noise.
    pub privacy: Option<PrivacyReport>,
    /// How long it took.
    pub timings: Timings,
    /// Parties that confirmed the model, with the metrics that their policies released.
    pub confirmed: Vec<Confirmation>,
}

/// One released table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    /// `step.attempt`.
    pub id: String,
    /// `leaves` or `threshold`.
    pub kind: String,
    /// Whose data the table holds.
    pub survivors: Vec<PartyId>,
    /// Number of counters.
    pub cells: usize,
    /// From the start of the attempt to its release; `None` if the coordinator was restarted in between.
    pub seconds: Option<f64>,
}

/// Differential privacy of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivacyReport {
    /// Epsilon of the whole run.
    pub epsilon: f64,
    /// Delta of the whole run.
    pub delta: f64,
    /// What neighbouring data sets differ in.
    pub unit: String,
    /// The zCDP parameter that both releases together cost.
    pub rho: f64,
}

/// Seconds. `None` where the coordinator was restarted in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the start of the process to the list of participants.
    pub enrol: Option<f64>,
    /// From the list of participants to the published model.
    pub train: Option<f64>,
    /// From the published model to the last confirmation.
    pub confirm: Option<f64>,
    /// From the start of the process to its report.
    pub total: f64,
}

/// One party's word that it has the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Who.
    pub party: PartyId,
    /// Metrics on its own test rows, if its policy releases them.
    pub metrics: Option<MetricsReport>,
}

/// Metrics on one party's own test rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsReport {
    /// Test rows.
    pub rows: u64,
    /// Average precision; `None` where the rows do not define it.
    pub auprc: Option<f64>,
    /// Area under the receiver operating characteristic; `None` where the rows do not define it.
    pub auroc: Option<f64>,
    /// Part of the rows on the right side of the threshold; `None` without rows.
    pub accuracy: Option<f64>,
}

/// Takes times while the run goes on.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    started: Instant,
    enrolled: Option<Instant>,
    published: Option<Instant>,
    /// Attempts that began in this process.
    attempts: BTreeMap<RoundId, Instant>,
    rounds: Vec<(RoundId, f64)>,
    resumed: bool,
}

impl Stopwatch {
    pub(crate) fn start(resumed: bool) -> Self {
        let started = Instant::now();
        Self {
            started,
            enrolled: None,
            published: None,
            attempts: BTreeMap::new(),
            rounds: Vec::new(),
            resumed,
        }
    }

    pub(crate) fn see(&mut self, progress: &CoordinatorProgress) {
        let now = Instant::now();
        match progress {
            CoordinatorProgress::Phase {
                phase: PhaseName::Publishing,
                ..
            } => {
                self.published.get_or_insert(now);
            }
            // Aligning is the first part of a joined run's training.
            CoordinatorProgress::Phase {
                phase: PhaseName::Aligning,
                ..
            } if !self.resumed => {
                self.enrolled.get_or_insert(now);
            }
            CoordinatorProgress::Phase {
                phase,
                round: Some(round),
                ..
            } => {
                if !self.resumed {
                    self.enrolled.get_or_insert(now);
                }
                // An attempt that is met in a later phase was begun before this process.
                if *phase == PhaseName::KeyCollection {
                    self.attempts.entry(*round).or_insert(now);
                }
            }
            CoordinatorProgress::RoundDone { round, .. } => {
                if let Some(begun) = self.attempts.remove(round) {
                    self.rounds
                        .push((*round, now.duration_since(begun).as_secs_f64()));
                }
            }
            _ => {}
        }
    }

    fn timings(&self) -> Timings {
        let now = Instant::now();
        let between = |from: Option<Instant>, to: Option<Instant>| {
            Some(to?.checked_duration_since(from?)?.as_secs_f64())
        };
        Timings {
            enrol: between((!self.resumed).then_some(self.started), self.enrolled),
            train: between(self.enrolled, self.published),
            confirm: between(self.published, Some(now)),
            total: now.duration_since(self.started).as_secs_f64(),
        }
    }

    fn seconds(&self, round: RoundId) -> Option<f64> {
        self.rounds
            .iter()
            .find(|(id, _)| *id == round)
            .map(|(_, seconds)| *seconds)
    }
}

/// JSON has no other numbers, and these come from outside.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

impl RoundsFile {
    pub(crate) fn of(config: &RunConfig, outcome: &CoordinatorOutcome, watch: &Stopwatch) -> Self {
        Self {
            run: config.run.to_string(),
            config: hex::encode(config.to_bytes()),
            aggregation: match &config.aggregation {
                Aggregation::Masked => "masked",
                Aggregation::Shares { .. } => "shares",
            }
            .to_owned(),
            rounds: outcome
                .rounds
                .iter()
                .map(|round| RoundReport {
                    id: round.id.to_string(),
                    kind: format!("{:?}", round.kind).to_lowercase(),
                    survivors: round.survivors.clone(),
                    cells: round.cells,
                    seconds: watch.seconds(round.id),
                })
                .collect(),
            privacy: config.privacy.as_ref().map(|params| PrivacyReport {
                epsilon: params.epsilon,
                delta: params.delta,
                unit: match params.unit {
                    Unit::Row => "row".to_owned(),
                    Unit::Entity { rows } => format!("entity with at most {rows} rows"),
                    _ => format!("{:?}", params.unit).to_lowercase(),
                },
                rho: privacy::total_rho(params).map_or(0.0, |rho| rho.value()),
            }),
            timings: watch.timings(),
            confirmed: outcome
                .confirmed
                .iter()
                .map(|(party, metrics)| Confirmation {
                    party: party.clone(),
                    metrics: metrics.map(|metrics| MetricsReport {
                        rows: metrics.rows,
                        auprc: finite(metrics.auprc),
                        auroc: finite(metrics.auroc),
                        accuracy: finite(metrics.accuracy),
                    }),
                })
                .collect(),
        }
    }
}
