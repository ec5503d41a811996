//! The data of a mixed deployment: rows that name entities, some of which nobody knows.

use std::collections::BTreeMap;

use hedgerow_crypto::hash::hash;
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::join::NOBODY;
use hedgerow_forest::model::Forest;
use hedgerow_forest::schema::link::{BIN_OF_KNOWN, BIN_OF_UNKNOWN};
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_forest::tree::Tree;
use hedgerow_protocol::config::{
    AttributeParty, Join, LinkConfig, LinkParty, Partition, Prediction, Role, RunConfig,
};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::join::memory::{MemoryData, MemoryRow};
use hedgerow_protocol::join::score::ScoreRows;
use hedgerow_protocol::join::{JoinData, keys_digest};

use crate::deployment::{Deployment, Shape, number, party};
use crate::plain::Row;

/// Rows of all parties together, at most: below it a digit in base four for each row.
pub const MAX_ROWS: u64 = 6_000_000;
/// Rows of all parties, each standing for its own power of four.
const ROWS: u32 = 12;
/// Entities that an attribute party has; rows name [`NAMED`].
const ENTITIES: u32 = 5;
const NAMED: u32 = 7;
const LINKS: [&str; 2] = ["home", "work"];

/// What encrypted inner products end in.
///
/// # Panics
/// Never: 30 bits are a modulus.
#[must_use]
pub fn modulus() -> Modulus {
    Modulus::power_of_two(30).expect("30 bits")
}

/// The same where trees test two links.
///
/// # Panics
/// Never: the chain has parameters.
#[must_use]
pub fn chain_modulus() -> Modulus {
    hedgerow_protocol::join::chain::params()
        .expect("parameters")
        .modulus()
}

/// A column of the rows, and through each of two links an attribute.
#[must_use]
pub fn schema() -> Schema {
    let mut features = vec![Column::numeric("x", 0.0, 1.0)];
    for link in LINKS {
        features.push(Column::numeric("z", 0.0, 1.0).read_through(link));
        features.push(Column::known(link));
    }
    Schema {
        features,
        label: Label {
            name: "label".to_owned(),
            positive: "yes".to_owned(),
        },
    }
}

/// The partition of a shape.
#[must_use]
pub fn partition(shape: &Shape) -> Partition {
    if shape.attributes == 0 {
        return Partition::Horizontal;
    }
    let first = shape.parties - shape.attributes;
    let serving = |number: u32| AttributeParty {
        party: party(number),
        serves: vec![party(number).to_string()],
    };
    let link = |(place, name): (usize, &&str)| LinkConfig {
        name: (*name).to_owned(),
        party: if shape.vertical {
            LinkParty::Party(party(first + place as u32))
        } else {
            LinkParty::Column(format!("{name} at"))
        },
        key_columns: vec![if shape.chained {
            "number".to_owned()
        } else {
            format!("{name} number")
        }],
    };
    let join = Join {
        links: LINKS.iter().enumerate().map(link).collect(),
        attribute_parties: (first..shape.parties).map(serving).collect(),
        alignment: shape.alignment,
        segments: 4,
        prediction: shape.scores.then_some(Prediction {
            rows: 10_000,
            per_entity: 1_000,
            budget: None,
        }),
    };
    if shape.vertical {
        Partition::Vertical(join)
    } else {
        Partition::Mixed(join)
    }
}

/// In a vertical run an entity has one key everywhere, else each party numbers its own.
fn key(config: &RunConfig, party: &PartyId, entity: u32) -> [u8; 32] {
    let text = match config.partition {
        Partition::Vertical(_) => &[],
        _ => party.as_str().as_bytes(),
    };
    hash("hedgerow/tests/entity/1", &[text, &entity.to_be_bytes()]).0
}

/// Rows and entities of every party of a mixed run; nothing for a horizontal one.
///
/// # Panics
/// For a configuration whose schema cannot be binned, which none has.
#[must_use]
pub fn data(config: &RunConfig) -> BTreeMap<PartyId, MemoryData> {
    changed_data(config, |_| ())
}

/// The same with each row changed.
///
/// # Panics
/// As [`data`].
#[must_use]
pub fn changed_data(config: &RunConfig, change: impl Fn(&mut MemoryRow)) -> BTreeMap<PartyId, MemoryData> {
    if config.join().is_none() {
        return BTreeMap::new();
    }
    let binner = Binner::new(&config.schema, config.forest.bins).expect("a checked schema");
    let attributes: Vec<&PartyId> = config.parties_of(Role::Attributes).collect();
    let with_rows: Vec<&PartyId> = config.parties_of(Role::Row).collect();
    let data = config.parties.iter().map(|party| {
        let of_rows = with_rows.iter().position(|other| *other == party);
        let mut rows: Vec<MemoryRow> = of_rows.map_or_else(Vec::new, |place| {
            let own = (0..ROWS).filter(|row| *row as usize % with_rows.len() == place);
            own.map(|row| row_of(row, config, &attributes)).collect()
        });
        rows.iter_mut().for_each(&change);
        let entities = match config.role(party) {
            Role::Row => BTreeMap::new(),
            Role::Attributes => entities(config, party),
        };
        (
            party.clone(),
            MemoryData::new(&config.schema, &binner, rows, entities),
        )
    });
    data.collect()
}

fn row_of(row: u32, config: &RunConfig, attributes: &[&PartyId]) -> MemoryRow {
    let at = |party: u32, entity: u32| {
        let party = attributes[party as usize % attributes.len()];
        Some((party.clone(), key(config, party, entity % NAMED)))
    };
    let names = match config.partition {
        // The same entity everywhere; the last ones nobody knows.
        Partition::Vertical(_) => vec![at(0, row), at(1, row)],
        _ => vec![
            at(row, row),
            if row.is_multiple_of(3) {
                None
            } else {
                at(row + 1, 3 * row)
            },
        ],
    };
    MemoryRow {
        bins: vec![(row % 4) as u8, 0, 0, 0, 0],
        label: (row / 2 % 2) as u8,
        copies: 1 << (2 * row),
        names,
    }
}

fn entities(config: &RunConfig, party: &PartyId) -> BTreeMap<[u8; 32], Vec<u8>> {
    let features = config.schema.features.len();
    let bins = |entity: u32| vec![((number(party) + entity) % 4) as u8; features];
    (0..ENTITIES)
        .map(|entity| (key(config, party, entity), bins(entity)))
        .collect()
}

/// The rows of these parties, with the attributes of those entities that one of them knows.
///
/// # Panics
/// For a configuration whose schema cannot be binned, which none has.
#[must_use]
pub fn pooled(deployment: &Deployment, parties: &[PartyId]) -> Vec<Row> {
    let config = &deployment.config;
    let binner = Binner::new(&config.schema, config.forest.bins).expect("a checked schema");
    let mut pooled = Vec::new();
    for data in parties.iter().filter_map(|party| deployment.joined.get(party)) {
        for row in data.rows() {
            let mut bins = row.bins.clone();
            for (link, name) in row.names.iter().enumerate() {
                let known = name.as_ref().and_then(|(at, key)| {
                    let there = parties.contains(at).then(|| deployment.joined.get(at))?;
                    there?.entity(key)
                });
                let column = 1 + 2 * link;
                bins[column] = known.map_or_else(|| binner.bin_of_missing(column), |bins| bins[column]);
                bins[column + 1] = if known.is_some() {
                    BIN_OF_KNOWN
                } else {
                    BIN_OF_UNKNOWN
                };
            }
            pooled.push(Row {
                bins,
                label: row.label,
                copies: i64::from(row.copies),
            });
        }
    }
    pooled
}

/// All rows of a party, as it asks for their scores.
///
/// # Panics
/// For a party without data.
#[must_use]
pub fn score_rows(deployment: &Deployment, party: &PartyId) -> ScoreRows {
    let data = &deployment.joined[party];
    let mut rows = Binned::new(data.rows().len(), 1);
    for (bin, row) in rows.column_mut(0).iter_mut().zip(data.rows()) {
        *bin = row.bins[0];
    }
    let (mut ranges, mut digests) = (Vec::new(), Vec::new());
    let mut numbers = BTreeMap::new();
    for at in deployment.config.parties_of(Role::Attributes) {
        let first = numbers.len() as u32;
        let keys = data.references(at).expect("memory can be read");
        digests.push(keys_digest(&keys));
        for key in keys {
            let number = numbers.len() as u32;
            numbers.insert((at.clone(), key), number);
        }
        ranges.push((at.clone(), first..numbers.len() as u32));
    }
    let of_link = |link: usize| {
        let named = data.rows().iter().map(|row| row.names[link].as_ref());
        named
            .map(|name| name.map_or(NOBODY, |name| numbers[name]))
            .collect()
    };
    ScoreRows {
        rows,
        entities: (0..LINKS.len()).map(of_link).collect(),
        ranges,
        keys: digests,
    }
}

/// The same scores in the clear, with the attributes of all parties: sums of leaf values.
#[must_use]
pub fn scores(deployment: &Deployment, forest: &Forest, party: &PartyId) -> Vec<i64> {
    let attributes = deployment.config.parties_of(Role::Attributes).cloned();
    let parties: Vec<PartyId> = attributes.chain([party.clone()]).collect();
    let leaves = forest.leaf_values.len() / forest.trees.len();
    let score = |row: Row| {
        let of_tree = |(number, tree): (usize, &Tree)| {
            let leaf = tree.leaf(|feature| row.bins[usize::from(feature)]);
            i64::from(forest.leaf_values[number * leaves + leaf])
        };
        forest.trees.iter().enumerate().map(of_tree).sum()
    };
    pooled(deployment, &parties).into_iter().map(score).collect()
}
