//! What a world of row and attribute parties varies in, and the data that it begins with.

use std::collections::BTreeMap;

use hedgerow_crypto::hash::hash;
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::schema::{Column, Label, Schema};
use rand_core::Rng;

use crate::config::{
    Alignment, AttributeParty, Join, LinkConfig, LinkParty, Partition, RunConfig, RunConfigLiteral,
};
use crate::join::memory::{MemoryData, MemoryRow};
use crate::party::tests::support::{id, literal};

pub(crate) fn key(number: u64) -> [u8; 32] {
    hash("test key", &[&number.to_le_bytes()]).0
}

/// What a world varies in. Attribute parties come first: `p0 ..`, then row parties.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) attributes: usize,
    pub(crate) rows: usize,
    pub(crate) alignment: Alignment,
    /// Bins of the numeric attribute: many make predicates cheaper than profiles.
    pub(crate) numeric: bool,
    pub(crate) segments: u32,
    /// A vertical run of one row party, a link to each attribute party, and trees over two links.
    pub(crate) chained: bool,
}

impl Shape {
    pub(crate) fn of(attributes: usize) -> Self {
        Self {
            attributes,
            rows: 1,
            alignment: Alignment::Private { minimum: 1, pad: 0 },
            numeric: false,
            segments: 2,
            chained: false,
        }
    }

    pub(crate) fn chained(attributes: usize) -> Self {
        Self {
            chained: true,
            ..Self::of(attributes)
        }
    }

    pub(crate) fn literal(&self) -> RunConfigLiteral {
        if self.chained {
            return self.chained_literal();
        }
        let mut features = vec![
            Column::numeric("amount", 0.0, 1.0),
            Column::known("from"),
            Column::categorical("flag", ["a", "b", "c"]).read_through("from"),
            Column::known("to"),
            Column::categorical("flag", ["a", "b", "c"]).read_through("to"),
            Column::categorical("kind", ["x", "y"]),
        ];
        if self.numeric {
            features.insert(3, Column::numeric("balance", 0.0, 1.0).read_through("from"));
            features.insert(4, Column::numeric("age", 0.0, 1.0).read_through("from"));
        }
        let link = |name: &str| LinkConfig {
            name: name.to_owned(),
            party: LinkParty::Column(format!("{name}_bank")),
            key_columns: vec![format!("{name}_account")],
        };
        let mut literal = literal(self.attributes + self.rows);
        literal.partition = Partition::Mixed(Join {
            links: vec![link("from"), link("to")],
            attribute_parties: (0..self.attributes)
                .map(|index| AttributeParty {
                    party: id(index),
                    serves: vec![format!("bank {index}")],
                })
                .collect(),
            alignment: self.alignment,
            segments: self.segments,
            prediction: None,
        });
        literal.schema = Schema {
            features,
            label: Label {
                name: "fraud".into(),
                positive: "1".into(),
            },
        };
        literal.forest.trees = 6;
        literal.forest.depth = 3;
        literal.forest.bins = if self.numeric { 40 } else { 6 };
        literal.modulus = Modulus::power_of_two(30).unwrap();
        literal.max_rows = 1 << 20;
        literal
    }

    fn chained_literal(&self) -> RunConfigLiteral {
        let mut features = vec![Column::numeric("amount", 0.0, 1.0)];
        for party in 0..self.attributes {
            let link = format!("at{party}");
            features.extend([
                Column::known(&link),
                Column::categorical("flag", ["a", "b", "c"]).read_through(&link),
                Column::numeric(format!("size{party}"), 0.0, 1.0).read_through(&link),
            ]);
        }
        let mut literal = literal(self.attributes + self.rows);
        literal.partition = Partition::Vertical(Join {
            links: (0..self.attributes)
                .map(|party| LinkConfig {
                    name: format!("at{party}"),
                    party: LinkParty::Party(id(party)),
                    key_columns: vec!["row".to_owned()],
                })
                .collect(),
            attribute_parties: (0..self.attributes)
                .map(|index| AttributeParty {
                    party: id(index),
                    serves: Vec::new(),
                })
                .collect(),
            alignment: self.alignment,
            segments: self.segments,
            prediction: None,
        });
        literal.schema.features = features;
        literal.forest.trees = 4;
        literal.forest.depth = 3;
        literal.forest.bins = 4;
        literal.forest.links_per_tree = 2;
        literal.modulus = crate::join::chain::params().unwrap().modulus();
        literal.max_rows = 1 << 20;
        literal
    }
}

/// The data of all parties, from a seed.
pub(super) fn data(config: &RunConfig, shape: &Shape) -> Vec<MemoryData> {
    let binner = Binner::new(&config.schema, config.forest.bins).unwrap();
    let mut rng = hedgerow_crypto::seed::Seed::from_bytes([5; 32]).rng();
    let mut below = |n: u64| rng.next_u64() % n;
    let features = config.schema.len();
    let mut data = Vec::new();
    for _ in 0..shape.attributes {
        // Accounts overlap: several banks may have the same.
        let entities = (0..30).map(|_| {
            let bins = (0..features).map(|feature| below(binner.bins_of(feature) as u64) as u8);
            let mut bins: Vec<u8> = bins.collect();
            same_attributes(&config.schema, &mut bins);
            (key(below(60)), bins)
        });
        let entities: BTreeMap<_, _> = entities.collect();
        data.push(MemoryData::new(&config.schema, &binner, Vec::new(), entities));
    }
    for _ in 0..shape.rows {
        let rows = (0..80).map(|_| {
            let bins = (0..features).map(|feature| below(binner.bins_of(feature) as u64) as u8);
            let bins = bins.collect();
            let common = (shape.chained && below(6) > 0).then(|| key(below(70)));
            let links = if shape.chained { shape.attributes } else { 2 };
            let names = (0..links).map(|link| {
                if shape.chained {
                    return common.map(|key| (id(link), key));
                }
                let bank = below(shape.attributes as u64 + 1) as usize;
                let key = key(below(70));
                (bank < shape.attributes).then(|| (id(bank), key))
            });
            MemoryRow {
                bins,
                names: names.collect(),
                label: below(2) as u8,
                copies: 1 + below(3) as u32,
            }
        });
        let rows = rows.collect();
        data.push(MemoryData::new(&config.schema, &binner, rows, BTreeMap::new()));
    }
    data
}

/// Links read the same attributes of an entity.
pub(super) fn same_attributes(schema: &Schema, bins: &mut [u8]) {
    let from = |name: &str| {
        let attribute = name.split_once('.').map(|(_, attribute)| attribute);
        schema
            .features
            .iter()
            .position(|column| attribute.is_some() && column.attribute() == attribute)
    };
    for (feature, column) in schema.features.iter().enumerate() {
        if let Some(first) = from(&column.name).filter(|_| column.link.is_some()) {
            bins[feature] = bins[first];
        }
    }
}
