use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::join::{Entities, NOBODY, pooled};
use crate::model::LOG_ODDS_ZERO;
use crate::query::BINS;
use crate::schema::{Column, Label};
use crate::tree::BinSet;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % n as u64) as usize
    }
}

/// Rows with an own schema, entities, and one-sided trees.
struct Case {
    schema: Schema,
    binner: Binner,
    rows: Binned,
    labels: Vec<u8>,
    references: Vec<u32>,
    attributes: Binned,
    /// Entities of the party; rows may name others, which nobody knows.
    known: u32,
    gate: Option<Split>,
}

const BITS: u8 = 11;
const CLIP: u32 = 3 << (BITS - 2);

impl Case {
    fn new(random: &mut Random, rows: usize) -> Self {
        let mut features = vec![Column::numeric("n", 0.0, 1.0), Column::known("l")];
        for attribute in 0..random.below(3) {
            let column = Column::numeric(format!("a{attribute}"), 0.0, 1.0).read_through("l");
            features.insert(random.below(features.len() + 1), column);
        }
        if random.below(2) == 0 {
            features.push(Column::categorical("c", ["x", "y", "z"]));
        }
        let schema = Schema {
            features,
            label: Label {
                name: "y".into(),
                positive: "1".into(),
            },
        };
        let binner = Binner::new(&schema, 4).unwrap();
        let links = Links::new(&schema, &binner).unwrap();
        let known = random.below(9) as u32;
        let mut own = Binned::new(rows, links.row_columns());
        let row_columns = schema.row_columns();
        for (column, feature) in row_columns.into_iter().enumerate() {
            let bins = binner.bins_of(feature);
            own.column_mut(column)
                .iter_mut()
                .for_each(|bin| *bin = random.below(bins) as u8);
        }
        let mut attributes = Binned::new(known as usize, links.links()[0].attributes.len());
        for attribute in 0..attributes.features() {
            attributes
                .column_mut(attribute)
                .iter_mut()
                .for_each(|bin| *bin = random.below(5) as u8);
        }
        let gate = (random.below(3) > 0).then(|| {
            let of = schema.row_columns();
            let feature = of[random.below(of.len())];
            let last = binner.bins_of(feature) as u8 - 1;
            let right = BinSet::range(1 + random.below(last.into()) as u8, last);
            Split {
                feature: feature as u16,
                right,
            }
        });
        let reference = |random: &mut Random| match random.below(5) {
            0 => NOBODY,
            _ => random.below(known as usize + 3) as u32,
        };
        Self {
            references: (0..rows).map(|_| reference(random)).collect(),
            labels: (0..rows).map(|_| random.below(2) as u8).collect(),
            rows: own,
            attributes,
            known,
            gate,
            schema,
            binner,
        }
    }

    fn tree(&self, random: &mut Random, depth: u8, attribute: bool) -> Tree {
        let links = Links::new(&self.schema, &self.binner).unwrap();
        let own: Vec<usize> = (0..self.schema.len())
            .filter(|feature| links.link_of(*feature).is_some() == attribute)
            .collect();
        // First of all, sometimes, and anywhere else.
        let gated = if random.below(2) == 0 { 0 } else { depth };
        let splits = (0..(1 << depth) - 1).map(|node| {
            if let (true, Some(gate)) = (attribute && (node < gated || random.below(6) == 0), self.gate) {
                return gate;
            }
            if random.below(8) == 0 {
                return Split::DUMMY;
            }
            let feature = own[random.below(own.len())];
            let bins = 0..self.binner.bins_of(feature) as u8;
            Split {
                feature: feature as u16,
                right: bins.filter(|_| random.below(2) == 0).collect::<BinSet>(),
            }
        });
        Tree::new(depth, splits.collect()).unwrap()
    }

    fn gradients(&self, random: &mut Random, trees: usize, axes: Option<Axes>) -> Gradients {
        let sides: Vec<bool> = (0..trees).map(|_| random.below(2) == 0).collect();
        let of: Vec<Tree> = sides.iter().map(|side| self.tree(random, 2, *side)).collect();
        let values = (0..trees * 4).map(|_| LOG_ODDS_ZERO + random.below(300_000) as u32 - 150_000);
        Gradients::new((of.into(), values.collect(), -20_000), BITS, CLIP, axes)
            .and_then(|gradients| gradients.with_sides(sides.into()))
            .and_then(|gradients| match self.gate {
                Some(gate) => gradients.with_gate(gate),
                None => Ok(gradients),
            })
            .unwrap()
    }

    fn block(&self) -> LinkedBlock {
        LinkedBlock::new(self.rows.clone(), &self.labels, &[&self.references]).unwrap()
    }

    fn pooled(&self, query: &TableQuery, there: bool) -> Vec<i64> {
        let links = Links::new(&self.schema, &self.binner).unwrap();
        let is_there = |entity: &u32| if there { *entity } else { NOBODY };
        let references: Vec<u32> = self.references.iter().map(is_there).collect();
        let entities = Entities {
            references: &references,
            attributes: &self.attributes,
        };
        let joined = pooled(&links, &self.rows, &[entities]).unwrap();
        let mut counts = vec![0u64; query.cells()];
        Router::new(query).count(&joined, &self.labels, &mut counts);
        counts.into_iter().map(|count| count as i64).collect()
    }

    /// What the parties add up, multiplied in the clear.
    fn joined(&self, query: &TableQuery) -> (Vec<i64>, Vec<i64>) {
        let plan = GradientPlan::new(query, &self.schema, &self.binner).unwrap();
        let named = 0..self.known + 3;
        let rows = plan.rows(&self.block(), named.clone()).unwrap();
        let entities = plan.entities(&self.attributes).unwrap();
        let mut cells = plan.local(&[self.block()], &named).unwrap();
        let mut missing = cells.clone();
        missing
            .iter_mut()
            .zip(rows.missing(&plan).unwrap())
            .for_each(|(cell, more)| *cell += more);
        let (knots, count) = (plan.knots().count(), rows.references.len());
        for (row, reference) in rows.references.iter().enumerate() {
            // Whom the party does not know stands where nobody stands.
            let entity = (*reference).min(self.known) as usize;
            let own = plan
                .joined(Side::Row)
                .zip(&rows.leaves)
                .map(|(part, leaves)| (part, leaves[row]));
            let branch = usize::from(rows.branches[row]);
            let others = plan.joined(Side::Attribute).zip(&entities.leaves[branch]);
            let others = others.map(|(part, leaves)| (part, leaves[entity]));
            for (part, leaf) in own.chain(others) {
                assert!(
                    part.side == Side::Row
                        || part.branches_of(leaf.into(), plan.branches()).contains(&branch)
                );
                for class in 0..CLASSES {
                    for knot in 0..knots {
                        let weight = rows.weights[(class * knots + knot) * count + row];
                        assert!(weight.unsigned_abs() <= plan.most_weight());
                        let hat = entities.hats[branch][entity].weight(knot);
                        cells[part.first + CLASSES * usize::from(leaf) + class] +=
                            i64::from(weight) * i64::from(hat);
                    }
                }
            }
        }
        (cells, missing)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Leaf sums of one-sided trees under an ensemble of one-sided trees: with the entities, and without.
    #[test]
    fn leaf_sums_are_those_of_the_pooled_rows(seed: u64, rows in 0usize..1500, trees in 0usize..7, asked in 1usize..5) {
        let mut random = Random(seed | 1);
        let case = Case::new(&mut random, rows);
        let gradients = case.gradients(&mut random, trees, None);
        let asked: Vec<Tree> = (0..asked).map(|_| {
            let side = random.below(2) == 0;
            case.tree(&mut random, 3, side)
        }).collect();
        let query = TableQuery::gradients(asked.into(), gradients).unwrap();
        let (joined, missing) = case.joined(&query);
        prop_assert_eq!(joined, case.pooled(&query, true));
        prop_assert_eq!(missing, case.pooled(&query, false));
    }

    /// The root's histograms.
    #[test]
    fn histograms_are_those_of_the_pooled_rows(seed: u64, rows in 0usize..1500) {
        let mut random = Random(seed | 1);
        let case = Case::new(&mut random, rows);
        let features: Arc<[u16]> = (0..case.schema.len() as u16).collect();
        let slot_of = (0..features.len() * BINS).map(|_| random.below(3) as u8);
        let axes = Axes::new(features, 3, slot_of.collect()).unwrap();
        let gradients = case.gradients(&mut random, 0, Some(axes));
        let query = TableQuery::gradients(vec![Tree::LEAF].into(), gradients).unwrap();
        let (joined, missing) = case.joined(&query);
        prop_assert_eq!(joined, case.pooled(&query, true));
        prop_assert_eq!(missing, case.pooled(&query, false));
    }

    /// What one row adds to a tree is within the clip, whatever its margins: the sensitivity is what it was.
    #[test]
    fn one_row_adds_a_clipped_pair(seed: u64, trees in 0usize..9) {
        let mut random = Random(seed | 1);
        let case = Case::new(&mut random, 1);
        let gradients = case.gradients(&mut random, trees, None);
        let side = random.below(2) == 0;
        let query = TableQuery::gradients(vec![case.tree(&mut random, 2, side)].into(), gradients).unwrap();
        let cells = case.pooled(&query, true);
        prop_assert!(cells.iter().step_by(2).all(|g| g.unsigned_abs() <= u64::from(CLIP)));
        prop_assert!(cells.iter().skip(1).step_by(2).all(|h| (0..=1 << (BITS - 2)).contains(h)));
        let norm: u64 = cells.iter().map(|cell| cell.unsigned_abs().pow(2)).sum();
        prop_assert!(norm <= query.l2_squared_sensitivity_per_row());
    }
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let mut random = Random(77);
    let case = Case::new(&mut random, 1);
    let trees: Arc<[Tree]> = vec![case.tree(&mut random, 1, true)].into();
    let plan = |trees: &Arc<[Tree]>, gradients| {
        let query = TableQuery::gradients(Arc::clone(trees), gradients).unwrap();
        GradientPlan::new(&query, &case.schema, &case.binner).unwrap_err()
    };
    let values: Arc<[u32]> = vec![LOG_ODDS_ZERO; 2].into();
    let of = |sides: Option<bool>| {
        let split = Split {
            feature: case.schema.row_columns()[0] as u16,
            right: BinSet::range(1, 1),
        };
        let own = vec![Tree::new(1, vec![split]).unwrap()];
        let gradients = Gradients::new((own.into(), Arc::clone(&values), 0), BITS, CLIP, None).unwrap();
        match sides {
            Some(side) => gradients.with_sides(vec![side].into()).unwrap(),
            None => gradients,
        }
    };
    assert_eq!(plan(&trees, of(None)), JoinError::OneMargin);
    assert_eq!(plan(&trees, of(Some(true))), JoinError::TwoSides { tree: 0 });
    let known = case.schema.features.iter().position(Column::is_known).unwrap();
    let split = |feature| Split {
        feature,
        right: BinSet::range(1, 1),
    };
    let both = [known, case.schema.row_columns()[0], known].map(|feature| split(feature as u16));
    let both: Arc<[Tree]> = vec![Tree::new(2, both.to_vec()).unwrap()].into();
    assert_eq!(plan(&both, of(Some(false))), JoinError::TwoSides { tree: 0 });
    // A gate excuses its own test, of the rows' columns, and no other.
    let gate = split(case.schema.row_columns()[0] as u16);
    let plan_of = |gradients: Gradients| {
        let query = TableQuery::gradients(Arc::clone(&both), gradients).unwrap();
        GradientPlan::new(&query, &case.schema, &case.binner)
    };
    let gated = |gate: Split| of(Some(false)).with_gate(gate).unwrap();
    let plan = plan_of(gated(gate)).unwrap();
    assert_eq!((plan.branches(), plan.parts()[0].side), (2, Side::Attribute));
    let other = Split {
        right: BinSet::range(2, 2),
        ..gate
    };
    assert_eq!(
        plan_of(gated(other)).unwrap_err(),
        JoinError::TwoSides { tree: 0 }
    );
    assert!(matches!(
        plan_of(gated(split(known as u16))),
        Err(JoinError::Range { .. })
    ));
    assert!(of(None).with_gate(gate).is_err(), "margins of one part");
    assert!(of(Some(false)).with_gate(Split::DUMMY).is_err());
    let missing_side = Gradients::new((trees, values, 0), BITS, CLIP, None).unwrap();
    assert!(missing_side.with_sides(Arc::from([])).is_err());
}
