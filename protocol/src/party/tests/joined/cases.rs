//! Sums equal the pooled plain tables, whoever drops and whenever somebody restarts.

use super::shape::key;
use super::world::{JoinedWorld, Shape};
use crate::config::Alignment;
use crate::ids::RoundId;
use crate::join::JoinData;
use crate::party::tests::support::id;

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

#[test]
fn nine_attribute_parties_are_summed_like_one() {
    is_pooled(Shape::of(9));
}

/// A bank with none of the accounts that rows name, one with all of them, one with a single account; an account
/// that two banks have with different attributes; and an account with 749 rows.
#[test]
fn banks_have_none_all_or_one_of_the_accounts() {
    let mut world = JoinedWorld::new(Shape::of(3));
    let features = world.config.schema.len();
    let bins = |bin: u8| -> Vec<u8> {
        let mut bins = vec![bin; features];
        super::shape::same_attributes(&world.config.schema, &mut bins);
        bins
    };
    let none: Vec<_> = (500..520).map(|account| (key(account), bins(1))).collect();
    let all: Vec<_> = (0..70)
        .map(|account| (key(account), bins((account % 3) as u8)))
        .collect();
    let one = vec![(key(7), bins(2))];
    for (bank, entities) in [none, all, one].into_iter().enumerate() {
        world.set_entities(bank, entities.into_iter().collect());
    }
    let mut rows = world.data[3].rows().to_vec();
    // The same account at two banks, and very often.
    for (bank, copies) in [(1, 749), (2, 3)] {
        let mut row = rows[0].clone();
        row.names = vec![Some((id(bank), key(7))), Some((id(bank), key(7)))];
        row.copies = copies;
        rows.push(row);
    }
    world.set_rows(3, rows);
    let there = world.attributes();
    let totals = totals(&mut world, &there);
    assert_eq!(totals, world.pooled(&there).cells());
}

/// Each bank's one row has its own digit in base four: the digits of a tree's sum say whose attributes were joined,
/// and how often.
#[test]
fn everybody_is_counted_once() {
    let mut world = JoinedWorld::new(Shape::of(5));
    let mut rows = Vec::new();
    for bank in 0..5 {
        let known = *world.data[bank].entities().unwrap().first().unwrap();
        let mut row = world.data[5].rows()[bank].clone();
        row.names = vec![Some((id(bank), known)); 2];
        row.copies = 1 << (2 * bank);
        rows.push(row);
    }
    world.set_rows(5, rows);
    let there = world.attributes();
    let totals = totals(&mut world, &there);
    assert_eq!(totals, world.pooled(&there).cells());
    for tree in totals.chunks(totals.len() / world.config.forest.trees as usize) {
        let sum: i64 = tree.iter().sum();
        assert_eq!(sum, (0..5).map(|bank| 1 << (2 * bank)).sum::<i64>());
    }
}
