//! Sums equal the pooled plain tables, whoever drops and whenever somebody restarts.

use super::world::{JoinedWorld, Shape};
use crate::config::Alignment;
use crate::ids::RoundId;

const ROUND: RoundId = RoundId::first_of(0);

/// A whole run up to the totals of its only table, with `there` of the attribute parties in the sum.
fn totals(world: &mut JoinedWorld, there: &[usize]) -> Vec<i64> {
    world.enrol();
    world.align();
    let all = world.all();
    world.open_round(ROUND, &all);
    world.settle();
    let attributes = world.vectors();
    assert_eq!(
        attributes.keys().copied().collect::<Vec<_>>(),
        world.attributes(),
        "{:?}",
        world.refusals()
    );
    finish(world, there, attributes)
}

fn finish(
    world: &mut JoinedWorld,
    there: &[usize],
    mut vectors: std::collections::BTreeMap<usize, Vec<u8>>,
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
    let all = world.all();
    world.open(ROUND, &vectors, &all)
}

fn is_pooled(shape: Shape) {
    let mut world = JoinedWorld::new(shape);
    let there = world.attributes();
    let totals = totals(&mut world, &there);
    assert_eq!(totals, world.pooled(&there).cells());
}

#[test]
fn sums_are_those_of_the_pooled_rows() {
    is_pooled(Shape::of(2));
    is_pooled(Shape {
        rows: 2,
        ..Shape::of(4)
    });
    is_pooled(Shape {
        segments: 16,
        ..Shape::of(1)
    });
}

#[test]
fn near_unique_profiles_are_sent_as_predicates() {
    is_pooled(Shape {
        numeric: true,
        ..Shape::of(2)
    });
}

#[test]
fn alignment_may_be_plain_or_padded() {
    is_pooled(Shape {
        alignment: Alignment::Plain,
        ..Shape::of(2)
    });
    is_pooled(Shape {
        alignment: Alignment::Private { minimum: 2, pad: 64 },
        ..Shape::of(2)
    });
}
