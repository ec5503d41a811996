//! Attribute parties that drop, and parties that die, at every step.

use std::collections::BTreeMap;

use super::world::{JoinedWorld, Shape};
use crate::ids::RoundId;

const ROUND: RoundId = RoundId::first_of(0);

/// Runs a round to its totals; `there` are the attribute parties whose vectors came.
fn close(
    world: &mut JoinedWorld,
    there: &[usize],
    mut vectors: BTreeMap<usize, Vec<u8>>,
    of: &[usize],
) -> Vec<i64> {
    vectors.retain(|index, _| there.contains(index));
    world.fix(ROUND, there);
    vectors.extend(world.vectors());
    assert_eq!(
        vectors.len(),
        there.len() + world.rows().len(),
        "{:?}",
        world.refusals()
    );
    world.open(ROUND, &vectors, of)
}

#[test]
fn an_attribute_party_that_drops_reads_as_missing() {
    // 4 attribute parties and 2 row parties, c = 1: tau is 4.
    let shape = Shape {
        rows: 2,
        ..Shape::of(4)
    };
    let there = [0, 1, 3];
    // While it aligns.
    let mut world = JoinedWorld::new(shape.clone());
    world.enrol();
    world.gone.insert(2);
    world.align();
    let of = [0, 1, 3, 4, 5];
    world.open_round(ROUND, &of);
    world.settle();
    let vectors = world.vectors();
    assert_eq!(
        close(&mut world, &there, vectors, &of),
        world.pooled(&there).cells()
    );
    // Before its shares, after them, and after its vector.
    for step in 0..3 {
        let mut world = JoinedWorld::new(shape.clone());
        world.enrol();
        world.align();
        let all = world.all();
        if step == 0 {
            world.open_round(ROUND, &of);
            world.gone.insert(2);
        } else {
            world.open_round(ROUND, &all);
            if step == 1 {
                world.gone.insert(2);
            }
        }
        world.settle();
        let vectors = world.vectors();
        let of = if step == 0 { &of[..] } else { &all[..] };
        assert_eq!(vectors.contains_key(&2), step == 2);
        assert_eq!(
            close(&mut world, &there, vectors, of),
            world.pooled(&there).cells(),
            "step {step}"
        );
    }
}

#[test]
fn what_is_lost_is_asked_for_again() {
    for every in [2, 3, 7] {
        let mut world = JoinedWorld::new(Shape::of(2));
        world.loses = Some(every);
        world.enrol();
        world.align();
        let all = world.all();
        world.open_round(ROUND, &all);
        world.settle();
        let vectors = world.vectors();
        assert_eq!(
            close(&mut world, &[0, 1], vectors, &all),
            world.pooled(&[0, 1]).cells()
        );
    }
}

/// Whoever dies after any piece of work comes back and says the same.
#[test]
fn a_restart_after_any_work_changes_no_byte() {
    for numeric in [false, true] {
        let run = |restarts: Option<(usize, usize)>| {
            let mut world = JoinedWorld::new(Shape {
                numeric,
                ..Shape::of(2)
            });
            world.enrol();
            let mut works = 0;
            let mut step = |world: &mut JoinedWorld| {
                while world.work() {
                    works += 1;
                    if let Some((at, who)) = restarts
                        && at == works
                    {
                        world.restart(who);
                    }
                }
                world.settle();
            };
            for index in world.all() {
                world.tell(index, crate::wire::ToParty::Align);
            }
            step(&mut world);
            world.align();
            let all = world.all();
            world.open_round(ROUND, &all);
            step(&mut world);
            let mut vectors = world.vectors();
            world.fix(ROUND, &[0, 1]);
            vectors.extend(world.vectors());
            assert_eq!(vectors.len(), 3, "{restarts:?} {:?}", world.refusals());
            let secrets: Vec<_> = world.parties.iter().map(|party| party.secret.clone()).collect();
            let totals = world.open(ROUND, &vectors, &all);
            assert_eq!(totals, world.pooled(&[0, 1]).cells(), "{restarts:?}");
            (secrets.len(), works)
        };
        let (_, works) = run(None);
        for at in (1..=works).step_by(if numeric { 7 } else { 3 }) {
            for who in 0..3 {
                run(Some((at, who)));
            }
        }
    }
}

#[test]
fn a_second_attempt_is_answered_with_other_masks() {
    let mut world = JoinedWorld::new(Shape::of(2));
    world.enrol();
    world.align();
    let all = world.all();
    world.open_round(ROUND, &all);
    world.settle();
    let first = world.vectors();
    let again = RoundId { step: 0, attempt: 1 };
    world.open_round(again, &all);
    world.settle();
    let mut vectors = world.vectors();
    assert_eq!(vectors.len(), 2, "{:?}", world.refusals());
    assert_ne!(first, vectors);
    world.fix(again, &[0, 1]);
    vectors.extend(world.vectors());
    assert_eq!(world.open(again, &vectors, &all), world.pooled(&[0, 1]).cells());
}
