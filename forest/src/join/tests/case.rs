//! Rows at one party, entities at several, trees over both: at random, and joined in one place.

use std::sync::Arc;

use proptest::prelude::*;

use crate::binning::{Binned, Binner};
use crate::join::{Entities, JoinPlan, LinkedBlock, Links, NOBODY, pooled};
use crate::query::TableQuery;
use crate::schema::{Column, Label, Schema};
use crate::tree::{BinSet, Split, Tree};

pub(super) struct Xorshift(pub(super) u64);

impl Xorshift {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Rows at one party, entities at several, trees over both.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) schema: Schema,
    pub(super) binner: Binner,
    pub(super) trees: Arc<[Tree]>,
    pub(super) rows: Binned,
    pub(super) labels: Vec<u8>,
    /// Per link: the entity of every row, by its number over all parties.
    pub(super) references: Vec<Vec<u32>>,
    /// First number of every party's entities, and the end.
    pub(super) parties: Vec<u32>,
    /// Per domain: bins of all entities.
    pub(super) attributes: Vec<Binned>,
    /// Does the entity's party know it?
    pub(super) known: Vec<bool>,
}

pub(super) fn case() -> impl Strategy<Value = Case> {
    (any::<u64>(), 1u8..=6, 1usize..5, 0usize..900, 0usize..3).prop_map(|(seed, depth, trees, rows, who)| {
        let mut random = Xorshift(seed | 1);
        Case::new(&mut random, depth, trees, rows, who)
    })
}

impl Case {
    /// `who`: rows name any entity or nobody; all the same; or every row another.
    pub(super) fn new(random: &mut Xorshift, depth: u8, trees: usize, rows: usize, who: usize) -> Self {
        let mut features = Vec::new();
        for row_column in 0..random.below(3) {
            features.push(Column::numeric(format!("n{row_column}"), 0.0, 1.0));
        }
        let links = 1 + random.below(3);
        for link in 0..links {
            let name = format!("l{link}");
            // The first two links lead to the same attributes.
            for attribute in 0..if link < 2 { 1 } else { random.below(3) } {
                let kind = Column::categorical(format!("a{attribute}"), ["x", "y", "z"]);
                let own = if link < 2 {
                    kind
                } else {
                    Column::numeric(format!("b{attribute}"), 0.0, 1.0)
                };
                features.push(own.read_through(&name));
            }
            features.insert(random.below(features.len() + 1), Column::known(&name));
        }
        let schema = Schema {
            features,
            label: Label {
                name: "y".into(),
                positive: "1".into(),
            },
        };
        let binner = Binner::new(&schema, 4).unwrap();
        let layout = Links::new(&schema, &binner).unwrap();
        let trees = (0..trees)
            .map(|_| tree(random, &layout, &binner, depth))
            .collect();

        let mut own = Binned::new(rows, layout.row_columns());
        for column in 0..layout.row_columns() {
            own.column_mut(column)
                .iter_mut()
                .for_each(|bin| *bin = random.below(5) as u8);
        }
        let mut parties = vec![0];
        for _ in 0..1 + random.below(3) {
            parties.push(parties[parties.len() - 1] + random.below(6) as u32);
        }
        let entities = parties[parties.len() - 1] as usize;
        let attributes = layout.domains().iter().map(|domain| {
            let mut bins = Binned::new(entities, domain.bins().len());
            for (attribute, of) in domain.bins().iter().enumerate() {
                let column = bins.column_mut(attribute);
                column
                    .iter_mut()
                    .for_each(|bin| *bin = random.below(usize::from(*of)) as u8);
            }
            bins
        });
        let attributes = attributes.collect();
        let reference = |random: &mut Xorshift, row: usize| match who {
            _ if entities == 0 => NOBODY,
            0 if random.below(5) == 0 => NOBODY,
            0 => random.below(entities) as u32,
            1 => 0,
            _ => {
                if row < entities {
                    row as u32
                } else {
                    NOBODY
                }
            }
        };
        let references = (0..links).map(|_| (0..rows).map(|row| reference(random, row)).collect());
        Self {
            references: references.collect(),
            labels: (0..rows).map(|_| (random.below(3) % 2) as u8).collect(),
            known: (0..entities).map(|_| random.below(4) > 0).collect(),
            rows: own,
            attributes,
            parties,
            trees,
            schema,
            binner,
        }
    }

    pub(super) fn query(&self) -> TableQuery {
        TableQuery::leaf_counts(Arc::clone(&self.trees)).unwrap()
    }

    pub(super) fn plan(&self) -> JoinPlan {
        JoinPlan::new(&self.query(), &self.schema, &self.binner).unwrap()
    }

    /// The rows in several blocks.
    pub(super) fn blocks(&self) -> Vec<LinkedBlock> {
        let (rows, at) = (self.rows.rows(), self.rows.rows() / 3);
        let block = |part: std::ops::Range<usize>| {
            let mut own = Binned::new(part.len(), self.rows.features());
            for column in 0..own.features() {
                own.column_mut(column)
                    .copy_from_slice(&self.rows.column(column)[part.clone()]);
            }
            let references: Vec<_> = self.references.iter().map(|link| &link[part.clone()]).collect();
            LinkedBlock::new(own, &self.labels[part.clone()], &references).unwrap()
        };
        vec![block(0..at), block(at..rows)]
    }

    /// An entity as its party sees it through a domain.
    pub(super) fn entity(&self, domain: usize, entity: usize) -> Option<Vec<u8>> {
        let attributes = &self.attributes[domain];
        let bins = (0..attributes.features()).map(|attribute| attributes.column(attribute)[entity]);
        self.known[entity].then(|| bins.collect())
    }

    /// The joined table; the parties that are not `alive` are missing.
    pub(super) fn pooled(&self, plan: &JoinPlan, alive: &[bool]) -> Binned {
        let is_missing = |entity: u32| {
            let party = self.parties.partition_point(|start| *start <= entity) - 1;
            entity == NOBODY || !alive[party] || !self.known[entity as usize]
        };
        let visible: Vec<Vec<u32>> = self
            .references
            .iter()
            .map(|link| {
                let see = |entity: &u32| if is_missing(*entity) { NOBODY } else { *entity };
                link.iter().map(see).collect()
            })
            .collect();
        let entities: Vec<_> = plan
            .links()
            .links()
            .iter()
            .zip(&visible)
            .map(|(link, references)| Entities {
                references,
                attributes: &self.attributes[link.domain],
            })
            .collect();
        pooled(plan.links(), &self.rows, &entities).unwrap()
    }
}

/// A tree over the row's columns and those of one link, with any sets of bins.
fn tree(random: &mut Xorshift, links: &Links, binner: &Binner, depth: u8) -> Tree {
    let link = random.below(links.links().len());
    tree_over(random, links, binner, depth, [link; 2])
}

/// A tree over the row's columns and those of two links.
pub(super) fn tree_over(
    random: &mut Xorshift,
    links: &Links,
    binner: &Binner,
    depth: u8,
    two: [usize; 2],
) -> Tree {
    let features: Vec<usize> = (0..links.features())
        .filter(|feature| links.link_of(*feature).is_none_or(|other| two.contains(&other)))
        .collect();
    let split = |random: &mut Xorshift| {
        let feature = features[random.below(features.len())];
        let bins = 0..binner.bins_of(feature) as u8;
        let right = match random.below(8) {
            0 => BinSet::EMPTY,
            1 => bins.collect(),
            _ => bins.filter(|_| random.next().is_multiple_of(2)).collect(),
        };
        Split {
            feature: feature as u16,
            right,
        }
    };
    Tree::new(depth, (0..(1 << depth) - 1).map(|_| split(random)).collect()).unwrap()
}
