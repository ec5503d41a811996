//! Trees over two links: sums equal the pooled plain tables, whoever drops and whenever somebody restarts.

use std::collections::BTreeMap;

use super::world::{JoinedWorld, Shape};
use crate::config::Alignment;
use crate::ids::RoundId;
use crate::join::chain;
use crate::{check, join};

const ROUND: RoundId = RoundId::first_of(0);

/// Runs a round to its totals, of the attribute parties whose vectors came.
fn close(
    world: &mut JoinedWorld,
    round: RoundId,
    mut vectors: BTreeMap<usize, Vec<u8>>,
    of: &[usize],
) -> Vec<i64> {
    let there: Vec<usize> = vectors.keys().copied().collect();
    world.fix(round, &there);
    vectors.extend(world.vectors());
    assert_eq!(
        vectors.len(),
        there.len() + world.rows().len(),
        "{:?}",
        world.refusals()
    );
    world.open(round, &vectors, of)
}

fn totals(world: &mut JoinedWorld) -> Vec<i64> {
    world.enrol();
    world.align();
    let all = world.all();
    world.open_round(ROUND, &all);
    world.settle();
    let vectors = world.vectors();
    let there: Vec<usize> = vectors.keys().copied().collect();
    assert_eq!(there, world.attributes(), "{:?}", world.refusals());
    close(world, ROUND, vectors, &all)
}

fn trees_over_two(world: &JoinedWorld) -> usize {
    let plan = join::JoinPlan::new(&world.config, &world.query()).unwrap();
    let trees = 0..plan.cells().trees();
    trees
        .filter(|tree| plan.cells().second_link_of_tree(*tree).is_some())
        .count()
}

#[test]
fn sums_over_three_and_four_parties_are_those_of_the_pooled_rows() {
    for shape in [
        Shape::chained(2),
        Shape::chained(3),
        Shape {
            alignment: Alignment::Plain,
            ..Shape::chained(2)
        },
        Shape {
            alignment: Alignment::Private { minimum: 2, pad: 64 },
            ..Shape::chained(2)
        },
    ] {
        let mut world = JoinedWorld::new(shape);
        assert!(trees_over_two(&world) >= 2);
        let there = world.attributes();
        let totals = totals(&mut world);
        assert_eq!(totals, world.pooled(&there).cells());
        assert!(totals.iter().filter(|total| **total > 0).count() > 10);
    }
}

/// More entities than one block has slots: two blocks, most of them the attribute parties' alone.
#[test]
fn blocks_add_up() {
    let mut world = JoinedWorld::with(
        Shape {
            alignment: Alignment::Plain,
            ..Shape::chained(2)
        },
        |literal| literal.forest.trees = 2,
    );
    for party in [0, 1] {
        let bins = |account: u64| {
            let schema = &world.config.schema;
            (0..schema.len())
                .map(|feature| (account as usize + feature) % 3)
                .map(|bin| bin as u8)
                .collect()
        };
        let entities = (0..8_200).map(|account| (super::shape::key(account), bins(account)));
        let entities = entities.collect();
        world.set_entities(party, entities);
    }
    let there = world.attributes();
    let totals = totals(&mut world);
    assert_eq!(totals, world.pooled(&there).cells());
}

#[test]
fn a_party_that_drops_leaves_its_trees_missing() {
    // 4 attribute parties and a row party, c = 1: tau is 4.
    let (of, there) = ([0, 1, 3, 4], [0, 1, 3]);
    // While it aligns, and before its shares.
    for step in 0..2 {
        let mut world = JoinedWorld::new(Shape::chained(4));
        world.enrol();
        if step == 0 {
            world.gone.insert(2);
        }
        world.align();
        world.open_round(ROUND, &of);
        world.gone.insert(2);
        world.settle();
        let vectors = world.vectors();
        let totals = close(&mut world, ROUND, vectors, &of);
        assert_eq!(totals, world.pooled(&there).cells(), "step {step}");
    }
    // After any piece of work in the round: what cannot go on is begun again without it.
    let again = RoundId { step: 0, attempt: 1 };
    for works in [0, 2, 7, 20] {
        let mut world = JoinedWorld::new(Shape::chained(4));
        world.enrol();
        world.align();
        let all = world.all();
        world.open_round(ROUND, &all);
        for _ in 0..works {
            world.work();
        }
        world.gone.insert(2);
        world.settle();
        world.vectors();
        world.open_round(again, &of);
        world.settle();
        let vectors = world.vectors();
        let totals = close(&mut world, again, vectors, &of);
        assert_eq!(totals, world.pooled(&there).cells(), "{works} works");
    }
}

#[test]
fn what_is_lost_is_asked_for_again() {
    for every in [3, 7] {
        let mut world = JoinedWorld::new(Shape::chained(2));
        world.loses = Some(every);
        let totals = totals(&mut world);
        assert_eq!(totals, world.pooled(&[0, 1]).cells());
    }
}

/// Whoever dies after any piece of work comes back and says the same.
#[test]
fn a_restart_after_any_work_changes_no_sum() {
    let run = |restarts: Option<(usize, usize)>| {
        let mut world = JoinedWorld::with(Shape::chained(2), |literal| literal.forest.trees = 3);
        world.enrol();
        world.align();
        let all = world.all();
        world.open_round(ROUND, &all);
        let mut works = 0;
        while world.work() {
            works += 1;
            if let Some((at, who)) = restarts
                && at == works
            {
                world.restart(who);
            }
        }
        world.settle();
        let vectors = world.vectors();
        assert_eq!(vectors.len(), 2, "{restarts:?} {:?}", world.refusals());
        let totals = close(&mut world, ROUND, vectors.clone(), &all);
        assert_eq!(totals, world.pooled(&[0, 1]).cells(), "{restarts:?}");
        works
    };
    let works = run(None);
    assert!(works >= 12, "{works}");
    for at in 1..=works {
        for who in [at % 2, 2] {
            run(Some((at, who)));
        }
    }
}

/// CHK-080: what a chain has multiplied is in the sum; so is whoever had a part in it.
#[test]
fn a_sum_without_a_member_of_its_chains_is_refused() {
    let mut world = JoinedWorld::new(Shape::chained(4));
    world.enrol();
    world.align();
    let all = world.all();
    world.open_round(ROUND, &all);
    world.settle();
    assert_eq!(world.vectors().len(), 4);
    world.fix(ROUND, &[0, 1, 3]);
    assert!(
        world
            .refusals()
            .iter()
            .any(|text| text.starts_with("p4") && text.contains("CHK-080")),
        "{:?}",
        world.refusals()
    );
    assert_eq!(check::CHAIN_WHOLE.to_string(), "CHK-080");
}

/// CHK-076: a map to the common order that is no injection of the union, or too short.
#[test]
fn an_order_that_is_none_is_refused() {
    let aligned = join::align::Aligned {
        positions: vec![0, 2],
        union: 3,
        keys: hedgerow_crypto::hash::Digest([0; 32]),
    };
    let told = |words: &[u32]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        chain::order::told(&aligned, &[bytes])
    };
    assert_eq!(told(&[5, 4, 0, 1]).unwrap().positions, [4, 1]);
    for wrong in [
        &[][..],
        &[5],
        &[5, 4, 0],
        &[5, 4, 4, 0],
        &[5, 5, 0, 1],
        &[u32::MAX, 0, 1, 2],
    ] {
        assert!(told(wrong).is_err(), "{wrong:?}");
    }
    assert!(chain::order::told(&aligned, &[vec![0; 15]]).is_err());
}
