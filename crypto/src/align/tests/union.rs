//! The result: positions and sizes are those of the plain union.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Checks both results against the sets of key numbers.
fn check(row: &[u32], attribute: &[u32], pool: u32) {
    let params = params(1, pool);
    let results = align(
        &params,
        &keys(row.iter().copied()),
        &keys(attribute.iter().copied()),
    );
    let each = (pool / 2) as usize;
    let mut by_key = BTreeMap::new();
    for (numbers, result) in [row, attribute].iter().zip(&results) {
        assert_eq!(result.positions.len(), numbers.len());
        for (&number, &position) in numbers.iter().zip(&result.positions) {
            // Common keys have one position.
            assert_eq!(*by_key.entry(number).or_insert(position), position);
        }
    }
    let dummies: BTreeSet<u32> = results.iter().flat_map(|result| result.dummies.clone()).collect();
    let mut all: Vec<u32> = by_key.values().copied().chain(dummies.iter().copied()).collect();
    all.sort_unstable();
    // Different keys and dummies have different positions, and together they are all there are.
    assert_eq!(all, (0..results[0].union).collect::<Vec<_>>());
    for (result, peer) in results.iter().zip([attribute, row]) {
        assert_eq!(result.union, results[0].union);
        assert_eq!(result.peer as usize, peer.len());
        assert_eq!(result.dummies.len(), each);
        assert!(result.dummies.is_sorted());
    }
}

fn set() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::btree_set(0..60u32, 1..40)
        .prop_map(|set| set.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn positions_are_those_of_the_union(row in set(), attribute in set(), pool in 0..8u32) {
        check(&row, &attribute, 2 * pool);
    }
}

#[test]
fn disjoint_equal_nested_and_single() {
    let (low, high): (Vec<_>, Vec<_>) = ((0..20).collect(), (20..50).collect());
    let reversed: Vec<u32> = (0..20).rev().collect();
    for (row, attribute) in [
        (&low, &high),
        (&high, &low),
        (&low, &low),
        (&low, &reversed),
        (&low, &(0..50).collect()),
        (&(0..50).collect(), &high),
        (&vec![3], &vec![3]),
        (&vec![3], &vec![4]),
        (&vec![3], &low),
        (&high, &vec![49]),
    ] {
        check(row, attribute, 0);
        check(row, attribute, 6);
    }
}

/// More than one message in every stage.
#[test]
fn many_batches() {
    let row: Vec<u32> = (0..8_300).collect();
    let attribute: Vec<u32> = (200..16_700).rev().collect();
    check(&row, &attribute, 0);
}

#[test]
fn the_larger_set_is_tagged_by_its_owner_and_ties_by_the_row_side() {
    let tagger = |row: u32, attribute: u32| {
        let pair = Pair::new(&params(1, 0), &keys(0..row), &keys(0..attribute), [1, 2]).run();
        pair.sent
            .iter()
            .position(|sent| sent.iter().any(|message| kind(message) == Kind::Union as u8))
    };
    assert_eq!(tagger(5, 4), Some(0));
    assert_eq!(tagger(5, 5), Some(0));
    assert_eq!(tagger(4, 5), Some(1));
}

#[test]
fn small_empty_and_repeated_sets_are_refused() {
    let new = |minimum, pool, keys: &[[u8; 32]]| {
        Align::new(Side::Row, &params(minimum, pool), keys, &seed(1)).map(|_| ())
    };
    let few = |actual, expected| {
        Err(AlignError::TooFew {
            whose: Whose::Own,
            actual,
            expected,
        })
    };
    assert_eq!(new(1, 0, &[]), few(0, 1));
    assert_eq!(new(5, 0, &keys(0..4)), few(4, 5));
    // Dummies do not count.
    assert_eq!(new(5, 100, &keys(0..4)), few(4, 5));
    assert_eq!(new(5, 100, &keys(0..5)), Ok(()));
    assert_eq!(
        new(1, 0, &keys([4, 9, 5, 9])),
        Err(AlignError::Duplicate { first: 1, second: 3 })
    );
    assert_eq!(
        Params::new(&Digest([7; 32]), 0, None),
        Err(AlignError::Minimum {
            actual: 0,
            expected: 1
        })
    );
}

#[test]
fn small_sets_of_the_peer_are_refused() {
    // The peer's own check is by-passed with a message of its own making.
    let mut machine = Align::new(Side::Row, &params(5, 10), &keys(0..5), &seed(1)).unwrap();
    let peer = Align::new(Side::Attribute, &params(5, 10), &keys(0..5), &seed(2)).unwrap();
    let mut hello = peer.message(0).unwrap().bytes;
    hello[6..10].copy_from_slice(&9u32.to_le_bytes());
    assert_eq!(
        machine.receive(0, &hello),
        Err(AlignError::TooFew {
            whose: Whose::Peer,
            actual: 4,
            expected: 5
        })
    );
    hello[6..10].copy_from_slice(&(MAX_KEYS + 1).to_le_bytes());
    assert_eq!(
        machine.receive(0, &hello),
        Err(AlignError::TooMany {
            whose: Whose::Peer,
            actual: u64::from(MAX_KEYS) + 1,
            expected: u64::from(MAX_KEYS)
        })
    );
}
