//! Private scores are those of the pooled rows, to the last unit.

use std::slice;
use std::sync::Arc;

use hedgerow_forest::binning::Binned;
use hedgerow_forest::join::NOBODY;

use super::world::{JoinedWorld, Shape};
use crate::config::{Partition, Prediction, RunConfigLiteral, ScoreBudget};
use crate::ids::RoundId;
use crate::join::JoinData;
use crate::join::keys_digest;
use crate::join::score::{ScoreRefusal, ScoreRows};
use crate::party::Scored;
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
        keys: keys.iter().map(|keys| keys_digest(keys)).collect(),
    }
}

/// Some of the rows that `rows_of` gives.
fn part_of(rows: &ScoreRows, places: std::ops::Range<usize>) -> ScoreRows {
    let mut part = Binned::new(places.len(), rows.rows.features());
    for feature in 0..rows.rows.features() {
        part.column_mut(feature)
            .copy_from_slice(&rows.rows.column(feature)[places.clone()]);
    }
    let of_link = |link: &Vec<u32>| link[places.clone()].to_vec();
    ScoreRows {
        rows: part,
        entities: rows.entities.iter().map(of_link).collect(),
        ..rows.clone()
    }
}

/// Asks for scores; the numbers of the batches.
fn begin(world: &mut JoinedWorld, index: usize, rows: &[ScoreRows]) -> Result<Vec<u64>, ScoreRefusal> {
    let rows: Vec<Arc<ScoreRows>> = rows.iter().cloned().map(Arc::new).collect();
    let party = &mut world.parties[index];
    let numbers = party.machine.score(&rows, party.now);
    party.drain();
    world.flush(index);
    numbers
}

fn ask_for(world: &mut JoinedWorld, index: usize, rows: ScoreRows) -> Scored {
    let numbers = begin(world, index, &[rows]).unwrap();
    world.settle();
    world.parties[index]
        .scored
        .remove(&numbers[0])
        .unwrap_or_else(|| panic!("no scores: {:?}", world.refusals()))
}

fn ask(world: &mut JoinedWorld, index: usize) -> Vec<i64> {
    let rows = rows_of(world, index);
    ask_for(world, index, rows).sums
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
            let (rows, expected) = (rows_of(&world, index), pooled(&world, index));
            assert_eq!(ask(&mut world, index), expected);
            assert_eq!(
                ask_for(&mut world, index, part_of(&rows, 2..5)).sums,
                expected[2..5]
            );
            // The same question as the first one, under its number.
            assert_eq!(begin(&mut world, index, &[rows]), Ok(vec![0]));
            world.settle();
            assert_eq!(world.parties[index].scored[&0].sums, expected, "and again");
        }
    }
}

#[test]
fn a_restart_of_anybody_changes_no_score() {
    for who in 0..3 {
        for after in [1, 3, 5, 7, 9] {
            let mut world = grown(Shape::of(2), EXACT);
            let rows = rows_of(&world, 2);
            begin(&mut world, 2, slice::from_ref(&rows)).unwrap();
            for _ in 0..after {
                world.work();
            }
            world.restart(who);
            if who == 2 {
                assert_eq!(begin(&mut world, 2, &[rows]), Ok(vec![0]));
            }
            world.settle();
            let scores = world.parties[2].scored.remove(&0);
            assert_eq!(
                scores.map(|scored| scored.sums),
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
        let rows = rows_of(&world, 3);
        begin(&mut world, 3, &[rows]).unwrap();
        for _ in 0..after {
            world.work();
        }
        world.gone.insert(1);
        for _ in 0..6 {
            world.settle();
        }
        let scored = world.parties[3].scored.remove(&0).expect("scores");
        let refusals = world.refusals();
        assert_eq!(scored.sums, pooled(&world, 3), "after {after}: {refusals:?}");
        assert_eq!(scored.absent, [id(1)]);
    }
}

/// What an attribute party allows holds over all row parties, and it does not rely on theirs to count.
#[test]
fn no_more_scores_than_declared() {
    let shape = Shape {
        rows: 2,
        ..Shape::of(2)
    };
    let most = |world: &JoinedWorld, index| {
        let of_party = |(_, range): &(_, std::ops::Range<u32>)| {
            let entities = rows_of(world, index).asked_per_entity();
            let own = entities.iter().filter(|(entity, _)| range.contains(entity));
            own.map(|(_, count)| u64::from(*count)).sum::<u64>()
        };
        rows_of(world, index).ranges.iter().map(of_party).max().unwrap()
    };
    let world = JoinedWorld::new(shape.clone());
    let rows = most(&world, 2).max(most(&world, 3));
    let mut world = grown(shape, Prediction { rows, ..EXACT });
    ask(&mut world, 2);
    let (rows, few) = (rows_of(&world, 3), part_of(&rows_of(&world, 3), 0..1));
    assert_eq!(begin(&mut world, 3, &[rows, few]), Ok(vec![0, 1]));
    world.settle();
    // CHK-078: the batch is refused, not the run.
    let party = &world.parties[3];
    assert!(matches!(party.not_scored[&0], ScoreRefusal::ByParty { .. }));
    assert!(
        !party.scored.contains_key(&0) && world.refusals().is_empty(),
        "{:?}",
        world.refusals()
    );
    // What was answered before is answered again, whoever has restarted.
    world.restart(0);
    world.restart(2);
    assert_eq!(ask(&mut world, 2), pooled(&world, 2));
}

#[test]
fn limits_hold_over_all_batches_and_restarts() {
    let once = Prediction {
        per_entity: 1,
        ..EXACT
    };
    let mut world = grown(Shape::of(2), once);
    let rows = rows_of(&world, 2);
    let refused = begin(&mut world, 2, slice::from_ref(&rows));
    assert!(
        matches!(
            refused,
            Err(ScoreRefusal::PerEntity {
                allowed: 1,
                asked: 2..,
                ..
            })
        ),
        "{refused:?}"
    );
    // The run goes on: a row whose entities differ may be asked about, once.
    let is_single = |row: &usize| {
        let named: Vec<u32> = rows.entities.iter().map(|link| link[*row]).collect();
        named[0] != named[1] && named[0] != NOBODY
    };
    let row = (0..rows.rows.rows()).find(is_single).unwrap();
    let one = part_of(&rows, row..row + 1);
    assert_eq!(
        ask_for(&mut world, 2, one.clone()).sums,
        pooled(&world, 2)[row..row + 1]
    );
    let mut other = one.clone();
    let bins = other.rows.column_mut(0);
    bins[0] = u8::from(bins[0] == 0);
    for _ in 0..2 {
        let refused = begin(&mut world, 2, &[other.clone()]);
        assert!(
            matches!(
                refused,
                Err(ScoreRefusal::PerEntity {
                    asked: 2,
                    entities: 1..,
                    ..
                })
            ),
            "{refused:?}"
        );
        // The same question costs nothing, and the journal remembers all of this.
        world.restart(2);
        assert_eq!(begin(&mut world, 2, slice::from_ref(&one)), Ok(vec![0]));
        world.settle();
    }
    // All batches of a call or none: the second of these is one too many, so the first is not asked.
    let free = (0..rows.rows.rows()).filter(is_single).find(|other| {
        let named = |row: usize| rows.entities.iter().map(move |link| link[row]);
        named(*other).all(|entity| named(row).all(|taken| taken != entity))
    });
    let free = part_of(&rows, free.map_or(0..0, |row| row..row + 1));
    assert!(begin(&mut world, 2, &[free.clone(), other]).is_err());
    assert_eq!(begin(&mut world, 2, &[free]), Ok(vec![1]));

    let few = Prediction { rows: 3, ..EXACT };
    let mut world = grown(Shape::of(2), few);
    let refused = begin(&mut world, 2, &[rows]);
    assert!(
        matches!(refused, Err(ScoreRefusal::Rows { allowed: 3, .. })),
        "{refused:?}"
    );
}

#[test]
fn keys_that_were_not_aligned_are_refused() {
    let mut world = grown(Shape::of(2), EXACT);
    let mut rows = rows_of(&world, 2);
    rows.keys[1] = keys_digest(&[[7; 32]]);
    let refused = begin(&mut world, 2, &[rows]);
    assert_eq!(refused, Err(ScoreRefusal::OtherKeys { party: id(1) }));
    // Neither an attribute party nor a run without prediction has scores to ask for.
    let rows = rows_of(&world, 2);
    assert_eq!(
        begin(&mut world, 0, slice::from_ref(&rows)),
        Err(ScoreRefusal::NotOffered)
    );
    let mut young = JoinedWorld::new(Shape::of(2));
    assert_eq!(begin(&mut young, 2, &[rows]), Err(ScoreRefusal::NoModel));
}

/// A run, its scores included, is about one state of the data.
#[test]
fn attributes_that_change_after_a_restart_are_noticed() {
    let mut world = grown(Shape::of(2), EXACT);
    world.change_attributes(0);
    world.restart(0);
    let rows = rows_of(&world, 2);
    begin(&mut world, 2, &[rows]).unwrap();
    world.settle();
    let refused = world.parties[0].refused.as_ref().expect("refused").to_string();
    assert!(refused.contains("attributes have changed"), "{refused}");
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
    let (noised, plain) = (ask(&mut world, 2), pooled(&world, 2));
    let differ: Vec<i64> = noised
        .iter()
        .zip(&plain)
        .map(|(noised, plain)| noised - plain)
        .collect();
    let deviation = (differ.iter().map(|d| (*d as f64).powi(2)).sum::<f64>() / differ.len() as f64).sqrt();
    assert!(deviation > 1e4 && deviation < 1e9, "{deviation}");
    assert_eq!(noised, ask(&mut world, 2), "the same batch draws no noise again");
}
