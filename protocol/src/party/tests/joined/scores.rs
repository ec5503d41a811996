//! Private scores are those of the pooled rows, to the last unit.

use std::sync::Arc;

use hedgerow_forest::binning::Binned;
use hedgerow_forest::join::NOBODY;

use super::world::{JoinedWorld, Shape};
use crate::config::{Partition, Prediction, RunConfigLiteral, ScoreBudget};
use crate::ids::RoundId;
use crate::join::JoinData;
use crate::join::score::ScoreRows;
use crate::party::tests::support::id;
use crate::wire::ToParty;

const ROUND: RoundId = RoundId::first_of(0);

fn with(prediction: Prediction) -> impl Fn(&mut RunConfigLiteral) {
    move |literal| {
        if let Partition::Mixed(join) = &mut literal.partition {
            join.prediction = Some(prediction);
        }
    }
}

const EXACT: Prediction = Prediction {
    rows: 10_000,
    per_entity: 1_000,
    budget: None,
};

/// A world with its model.
fn grown(shape: Shape, prediction: Prediction) -> JoinedWorld {
    let mut world = JoinedWorld::with(shape, with(prediction));
    world.enrol();
    world.align();
    let all = world.all();
    world.open_round(ROUND, &all);
    world.settle();
    let mut vectors = world.vectors();
    let there = world.attributes();
    world.fix(ROUND, &there);
    vectors.extend(world.vectors());
    let totals = world.open(ROUND, &vectors, &all);
    let survivors = all.iter().copied().map(id).collect();
    let result = ToParty::RoundResult {
        round: ROUND,
        survivors,
        totals,
    };
    all.iter().for_each(|index| world.tell(*index, result.clone()));
    world
}

/// The rows of a row party, as it asks about them.
fn rows_of(world: &JoinedWorld, index: usize) -> ScoreRows {
    let data = &world.data[index];
    let own = world.config.schema.row_columns();
    let mut rows = Binned::new(data.rows().len(), own.len());
    for (place, feature) in own.iter().enumerate() {
        for (bin, row) in rows.column_mut(place).iter_mut().zip(data.rows()) {
            *bin = row.bins[*feature];
        }
    }
    let mut ranges = Vec::new();
    let mut keys = Vec::new();
    let mut next = 0u32;
    for party in world.attributes().into_iter().map(id) {
        let references = data.references(&party).unwrap();
        ranges.push((party, next..next + references.len() as u32));
        next += references.len() as u32;
        keys.push(references);
    }
    let entity = |named: &Option<(crate::ids::PartyId, [u8; 32])>| {
        let Some((party, key)) = named else { return NOBODY };
        let place = ranges.iter().position(|(of, _)| of == party).unwrap();
        ranges[place].1.start + keys[place].binary_search(key).unwrap() as u32
    };
    let entities = (0..2)
        .map(|link| data.rows().iter().map(|row| entity(&row.names[link])).collect())
        .collect();
    ScoreRows {
        rows,
        entities,
        ranges,
    }
}

fn ask(world: &mut JoinedWorld, index: usize, batch: u64) -> Vec<i64> {
    let rows = Arc::new(rows_of(world, index));
    let party = &mut world.parties[index];
    party.machine.score(batch, rows, party.now);
    party.drain();
    world.flush(index);
    world.settle();
    world.parties[index]
        .scored
        .remove(&batch)
        .unwrap_or_else(|| panic!("no scores: {:?}", world.refusals()))
}

/// Sums of leaf values of the pooled rows.
fn pooled(world: &JoinedWorld, index: usize) -> Vec<i64> {
    let forest = world.parties[index].outcome.as_ref().unwrap().forest.clone();
    let data = &world.data[index];
    let leaves = 1 << forest.depth();
    let score = |row: &crate::join::memory::MemoryRow| {
        let entities: Vec<Option<&[u8]>> = row
            .names
            .iter()
            .map(|named| {
                let (party, key) = named.as_ref()?;
                let at = world
                    .attributes()
                    .into_iter()
                    .find(|index| id(*index) == *party && !world.gone.contains(index))?;
                world.data[at].entity(key)
            })
            .collect();
        let of_tree =
            |(number, tree)| i64::from(forest.leaf_values[number * leaves + data.leaf(tree, row, &entities)]);
        forest.trees.iter().enumerate().map(of_tree).sum()
    };
    data.rows().iter().map(score).collect()
}

#[test]
fn scores_are_those_of_the_pooled_rows() {
    for shape in [
        Shape {
            rows: 2,
            ..Shape::of(3)
        },
        Shape {
            numeric: true,
            ..Shape::of(2)
        },
    ] {
        let mut world = grown(shape, EXACT);
        for index in world.rows() {
            assert_eq!(ask(&mut world, index, 0), pooled(&world, index));
            assert_eq!(ask(&mut world, index, 1), pooled(&world, index), "and again");
        }
    }
}

#[test]
fn a_restart_of_anybody_changes_no_score() {
    for who in 0..3 {
        for after in [1, 3, 5, 7, 9] {
            let mut world = grown(Shape::of(2), EXACT);
            let rows = Arc::new(rows_of(&world, 2));
            let begin = |world: &mut JoinedWorld| {
                let party = &mut world.parties[2];
                party.machine.score(7, Arc::clone(&rows), party.now);
                party.drain();
                world.flush(2);
            };
            begin(&mut world);
            for _ in 0..after {
                world.work();
            }
            world.restart(who);
            if who == 2 {
                begin(&mut world);
            }
            world.settle();
            let scores = world.parties[2].scored.remove(&7);
            assert_eq!(
                scores,
                Some(pooled(&world, 2)),
                "p{who} after {after}: {:?}",
                world.refusals()
            );
        }
    }
}

/// To the scores whoever is not in the model is missing, and so is whoever falls silent.
#[test]
fn a_lost_attribute_party_reads_as_missing() {
    for after in [0, 4, 9] {
        let mut world = grown(Shape::of(3), EXACT);
        let rows = Arc::new(rows_of(&world, 3));
        let party = &mut world.parties[3];
        party.machine.score(0, rows, party.now);
        party.drain();
        world.flush(3);
        for _ in 0..after {
            world.work();
        }
        world.gone.insert(1);
        for _ in 0..6 {
            world.settle();
        }
        let scores = world.parties[3].scored.remove(&0);
        let refusals = world.refusals();
        assert_eq!(scores, Some(pooled(&world, 3)), "after {after}: {refusals:?}");
    }
}

#[test]
fn no_more_scores_than_declared() {
    let mut world = grown(Shape::of(2), Prediction { rows: 20, ..EXACT });
    let rows = Arc::new(rows_of(&world, 2));
    let party = &mut world.parties[2];
    party.machine.score(0, rows, party.now);
    party.drain();
    world.flush(2);
    world.settle();
    // CHK-078
    super::checks::assert_refused(&world, 0, "CHK-078");
    // And a row party does not ask more often about one entity than the run allows.
    let mut world = grown(
        Shape::of(2),
        Prediction {
            per_entity: 1,
            ..EXACT
        },
    );
    let rows = Arc::new(rows_of(&world, 2));
    let party = &mut world.parties[2];
    party.machine.score(0, rows, party.now);
    party.drain();
    assert!(party.refused.is_some());
}

#[test]
fn scores_carry_noise_where_the_run_says_so() {
    let budget = ScoreBudget {
        epsilon: 50.0,
        delta: 1e-6,
    };
    let prediction = Prediction {
        per_entity: 20,
        budget: Some(budget),
        ..EXACT
    };
    let mut world = grown(Shape::of(2), prediction);
    let (noised, plain) = (ask(&mut world, 2, 0), pooled(&world, 2));
    let differ: Vec<i64> = noised
        .iter()
        .zip(&plain)
        .map(|(noised, plain)| noised - plain)
        .collect();
    let deviation = (differ.iter().map(|d| (*d as f64).powi(2)).sum::<f64>() / differ.len() as f64).sqrt();
    assert!(deviation > 1e4 && deviation < 1e9, "{deviation}");
    assert_eq!(
        noised,
        ask(&mut world, 2, 0),
        "the same batch draws no noise again"
    );
}
