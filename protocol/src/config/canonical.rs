//! The canonical bytes of a configuration: postcard of an explicit mirror of its fields.
//!
//! A mirror, because other crates choose their serde form for people (TOML, JSON: tagged, flattened), and a
//! digest that parties sign must not move when those forms do. Floats keep all their bits.

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_forest::params::{Criterion, ForestParams, Growth, SplitChoice};
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};
use serde::{Deserialize, Serialize};

use super::{Aggregation, ConfigError, Partition, PrivacyParams, RunConfigLiteral, TestSplit};
use crate::ids::{PartyId, RunId};

#[derive(Serialize, Deserialize)]
struct Canonical {
    run: RunId,
    name: String,
    task: String,
    partition: Partition,
    features: Vec<CanonicalColumn>,
    label: String,
    positive: String,
    forest: CanonicalForest,
    privacy: Option<PrivacyParams>,
    aggregation: Aggregation,
    parties: Vec<PartyId>,
    min_parties: u32,
    collusion: u32,
    shamir_threshold: u32,
    modulus: Modulus,
    max_rows: u64,
    test: TestSplit,
    seed: [u8; 32],
    release_metrics: bool,
}

#[derive(Serialize, Deserialize)]
enum CanonicalColumn {
    Numeric {
        name: String,
        min: f64,
        max: f64,
    },
    Categorical {
        name: String,
        categories: Vec<String>,
    },
    LinkedNumeric {
        name: String,
        link: String,
        min: f64,
        max: f64,
    },
    LinkedCategorical {
        name: String,
        link: String,
        categories: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct CanonicalForest {
    trees: u32,
    depth: u8,
    bins: u16,
    growth: Growth,
    criterion: Criterion,
    features_per_tree: u16,
    slots: u16,
    levels: u8,
    split_share: u16,
    learning_rate: u16,
    lambda: u32,
    min_gain: u32,
    split: SplitChoice,
    batch: u16,
    links_per_tree: u8,
}

impl From<ForestParams> for CanonicalForest {
    // Whole, so that a parameter that is added is added here.
    fn from(params: ForestParams) -> Self {
        let ForestParams {
            trees,
            depth,
            bins,
            growth,
            criterion,
            features_per_tree,
            slots,
            levels,
            split_share,
            learning_rate,
            lambda,
            min_gain,
            split,
            batch,
            links_per_tree,
        } = params;
        Self {
            trees,
            depth,
            bins,
            growth,
            criterion,
            features_per_tree,
            slots,
            levels,
            split_share,
            learning_rate,
            lambda,
            min_gain,
            split,
            batch,
            links_per_tree,
        }
    }
}

impl From<CanonicalForest> for ForestParams {
    fn from(mirror: CanonicalForest) -> Self {
        Self {
            trees: mirror.trees,
            depth: mirror.depth,
            bins: mirror.bins,
            growth: mirror.growth,
            criterion: mirror.criterion,
            features_per_tree: mirror.features_per_tree,
            slots: mirror.slots,
            levels: mirror.levels,
            split_share: mirror.split_share,
            learning_rate: mirror.learning_rate,
            lambda: mirror.lambda,
            min_gain: mirror.min_gain,
            split: mirror.split,
            batch: mirror.batch,
            links_per_tree: mirror.links_per_tree,
        }
    }
}

pub(super) fn encode(config: &RunConfigLiteral) -> Vec<u8> {
    let mirror = Canonical {
        run: config.run,
        name: config.name.clone(),
        task: config.task.clone(),
        partition: config.partition.clone(),
        features: config.schema.features.iter().map(column).collect(),
        label: config.schema.label.name.clone(),
        positive: config.schema.label.positive.clone(),
        forest: config.forest.into(),
        privacy: config.privacy,
        aggregation: config.aggregation.clone(),
        parties: config.parties.clone(),
        min_parties: config.min_parties,
        collusion: config.collusion,
        shamir_threshold: config.shamir_threshold,
        modulus: config.modulus,
        max_rows: config.max_rows,
        test: config.test,
        seed: config.seed,
        release_metrics: config.release_metrics,
    };
    crate::wire::to_bytes(&mirror)
}

fn column(column: &Column) -> CanonicalColumn {
    let name = column.name.clone();
    match (&column.kind, column.link.clone()) {
        (&ColumnKind::Numeric { min, max }, None) => CanonicalColumn::Numeric { name, min, max },
        (&ColumnKind::Numeric { min, max }, Some(link)) => {
            CanonicalColumn::LinkedNumeric { name, link, min, max }
        }
        (ColumnKind::Categorical { categories }, None) => CanonicalColumn::Categorical {
            name,
            categories: categories.clone(),
        },
        (ColumnKind::Categorical { categories }, Some(link)) => CanonicalColumn::LinkedCategorical {
            name,
            link,
            categories: categories.clone(),
        },
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<RunConfigLiteral, ConfigError> {
    let mirror: Canonical =
        crate::wire::from_bytes(bytes).map_err(|_| ConfigError::Unreadable { length: bytes.len() })?;
    let features = mirror
        .features
        .into_iter()
        .map(|column| {
            let (name, link, kind) = match column {
                CanonicalColumn::Numeric { name, min, max } => (name, None, ColumnKind::Numeric { min, max }),
                CanonicalColumn::Categorical { name, categories } => {
                    (name, None, ColumnKind::Categorical { categories })
                }
                CanonicalColumn::LinkedNumeric { name, link, min, max } => {
                    (name, Some(link), ColumnKind::Numeric { min, max })
                }
                CanonicalColumn::LinkedCategorical {
                    name,
                    link,
                    categories,
                } => (name, Some(link), ColumnKind::Categorical { categories }),
            };
            Column { name, kind, link }
        })
        .collect();
    Ok(RunConfigLiteral {
        run: mirror.run,
        name: mirror.name,
        task: mirror.task,
        partition: mirror.partition,
        schema: Schema {
            features,
            label: Label {
                name: mirror.label,
                positive: mirror.positive,
            },
        },
        forest: mirror.forest.into(),
        privacy: mirror.privacy,
        aggregation: mirror.aggregation,
        parties: mirror.parties,
        min_parties: mirror.min_parties,
        collusion: mirror.collusion,
        shamir_threshold: mirror.shamir_threshold,
        modulus: mirror.modulus,
        max_rows: mirror.max_rows,
        test: mirror.test,
        seed: mirror.seed,
        release_metrics: mirror.release_metrics,
    })
}
