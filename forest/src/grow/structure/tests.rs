use proptest::prelude::*;

use super::*;
use crate::params::Growth;
use crate::schema::{Column, Label, Schema};

fn binner(features: Vec<Column>, bins: u16) -> Binner {
    let label = Label {
        name: "label".into(),
        positive: "1".into(),
    };
    Binner::new(&Schema { features, label }, bins).unwrap()
}

fn params(trees: u32, depth: u8, bins: u16) -> ForestParams {
    ForestParams::new(trees, depth, bins, Growth::Random)
}

fn mixed(bins: u16) -> Binner {
    let columns = vec![
        Column::numeric("n", 0.0, 1.0),
        Column::categorical("c", ["a", "b", "c", "d", "e"]),
        Column::categorical("one", ["only"]),
        Column::numeric("constant", 3.0, 3.0),
    ];
    binner(columns, bins)
}

/// Every party, today's and tomorrow's, must draw these trees from this seed.
#[test]
fn known_answer() {
    let seed = std::array::from_fn(|i| i as u8);
    let trees = random_trees(&mixed(64), &params(2, 3, 64), &seed).unwrap();
    let text = |tree: &Tree| {
        let split = |split: &Split| format!("{}:{}", split.feature, split.right);
        tree.splits().iter().map(split).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(text(&trees[0]), KNOWN[0]);
    assert_eq!(text(&trees[1]), KNOWN[1]);
}

/// Computed by an independent implementation of the derivation that the module documents (Python, with its own
/// ChaCha20).
const KNOWN: [&str; 2] = [
    "0:24-63 1:0,3-5 1:1,3 0:20-23,64 1:0,5 1:2,4-5 1:3",
    "1:0-1,3-5 0:30-64 1:0-1,4 0:4-29,64 0:58-63 0:61-63 1:4-5",
];

/// The documented derivation of the first node of tree 1, done by hand.
#[test]
fn derivation_is_the_documented_one() {
    let seed = [9; 32];
    let binner = binner(
        vec![Column::numeric("a", 0.0, 1.0), Column::numeric("b", 0.0, 1.0)],
        64,
    );
    let tree = &random_trees(&binner, &params(2, 1, 64), &seed).unwrap()[1];
    let key = Sha256::new()
        .chain_update(b"hedgerow-forest random trees v1")
        .chain_update(seed)
        .finalize();
    let mut rng = ChaCha20Rng::from_seed(key.into());
    rng.set_stream(1);
    let (feature, threshold) = (rng.next_u32() % 2, 1 + rng.next_u32() % 63);
    let last = if rng.next_u32() & 1 == 1 { 64 } else { 63 };
    let right = BinSet::range(threshold as u8, last);
    assert_eq!(
        tree.splits(),
        [Split {
            feature: feature as u16,
            right
        }]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Walks every path with the set of values that can still be there.
    #[test]
    fn every_test_splits_the_box_that_reaches_it(seed: [u8; 32], bins in MIN_BINS..=MAX_BINS, depth in 1u8..=9) {
        let binner = mixed(bins);
        for tree in random_trees(&binner, &params(3, depth, bins), &seed).unwrap() {
            let whole = binner.features().iter().map(|f| (0..f.missing()).collect()).collect();
            check(&tree, &binner, 0, whole)?;
        }
    }

    #[test]
    fn a_tree_does_not_depend_on_the_number_of_trees(seed: [u8; 32]) {
        let binner = mixed(16);
        let few = random_trees(&binner, &params(2, 5, 16), &seed).unwrap();
        let many = random_trees(&binner, &params(5, 5, 16), &seed).unwrap();
        prop_assert_eq!(&many[..2], &few[..]);
        prop_assert_ne!(&many[2], &many[3]);
    }
}

use crate::params::{MAX_BINS, MIN_BINS};

fn check(tree: &Tree, binner: &Binner, node: usize, remaining: Vec<BinSet>) -> Result<(), TestCaseError> {
    let Some(split) = tree.splits().get(node) else {
        return Ok(());
    };
    if split.is_dummy() {
        // Nothing is left to split, here and below.
        prop_assert!(remaining.iter().all(|bins| bins.len() < 2));
        return check(tree, binner, 2 * node + 1, remaining.clone());
    }
    let feature = usize::from(split.feature);
    let mut right = split.right;
    right.remove(binner.bin_of_missing(feature));
    let here = remaining[feature];
    prop_assert!(
        right.iter().all(|bin| here.contains(bin)),
        "a bin that cannot come here goes right"
    );
    let left: BinSet = here.iter().filter(|bin| !right.contains(*bin)).collect();
    prop_assert!(!right.is_empty() && !left.is_empty());
    if binner.feature(feature).is_numeric() {
        prop_assert!(left.iter().max() < right.iter().min());
    }
    for (child, bins) in [(2 * node + 1, left), (2 * node + 2, right)] {
        let mut remaining = remaining.clone();
        remaining[feature] = bins;
        check(tree, binner, child, remaining)?;
    }
    Ok(())
}

/// Features, thresholds, subsets and missing values at the root are uniform: chi-squared at a fixed seed.
#[test]
fn draws_are_uniform() {
    let binner = binner(
        vec![
            Column::numeric("n", 0.0, 1.0),
            Column::categorical("c", ["a", "b", "c"]),
        ],
        8,
    );
    let trees = random_trees(&binner, &params(4096, 1, 8), &[42; 32]).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for tree in &trees {
        let split = tree.splits()[0];
        *seen
            .entry((split.feature, split.right.to_string()))
            .or_insert(0u32) += 1;
    }
    // 7 thresholds, and 6 proper subsets of 3 categories, with missing values left or right.
    let of = |feature: u16| {
        seen.iter()
            .filter(move |((f, _), _)| *f == feature)
            .map(|(_, n)| f64::from(*n))
    };
    assert_eq!((of(0).count(), of(1).count()), (14, 12));
    let chi_squared: f64 = [(0, 14.0), (1, 12.0)]
        .into_iter()
        .flat_map(|(feature, cells)| {
            of(feature).map(move |n| (n - 2048.0 / cells).powi(2) / (2048.0 / cells))
        })
        .sum();
    // 25 degrees of freedom: beyond 52.6 with probability 0.001.
    assert!(chi_squared < 52.6, "{chi_squared}");
}

#[test]
fn a_binner_of_other_bins_is_refused() {
    let error = random_trees(&mixed(16), &params(1, 1, 17), &[0; 32]).unwrap_err();
    assert_eq!(
        error,
        GrowError::Bins {
            expected: 17,
            seen: 16
        }
    );
    assert!(matches!(
        random_trees(&mixed(16), &params(0, 1, 16), &[0; 32]),
        Err(GrowError::Params(_))
    ));
}

/// The documented derivation over links: the link, then the feature among the row's and the link's own.
#[test]
fn a_tree_draws_its_link_first() {
    let columns = vec![
        Column::numeric("row", 0.0, 1.0),
        Column::known("a"),
        Column::known("b"),
        Column::numeric("x", 0.0, 1.0).read_through("b"),
    ];
    let binner = binner(columns, 64);
    let trees = random_trees(&binner, &params(40, 1, 64), &[9; 32]).unwrap();
    let key = Sha256::new()
        .chain_update(b"hedgerow-forest random trees v1")
        .chain_update([9; 32])
        .finalize();
    for (position, tree) in (0..).zip(&trees) {
        let mut rng = ChaCha20Rng::from_seed(key.into());
        rng.set_stream(position);
        // Numbers below 2 and 3 are drawn again with a chance of 2^-32 at most: not here.
        let link = rng.next_u32() % 2;
        let allowed: &[u16] = if link == 0 { &[0, 1] } else { &[0, 2, 3] };
        let feature = allowed[rng.next_u32() as usize % allowed.len()];
        assert_eq!(tree.splits()[0].feature, feature);
    }
}

/// Over three links with two to a tree: the link, then one of the others, then features of these two; every pair is
/// drawn. With one link there is no second to draw.
#[test]
fn a_tree_over_two_links_draws_the_second_among_the_others() {
    let columns = vec![
        Column::known("a"),
        Column::known("b"),
        Column::known("c"),
        Column::numeric("row", 0.0, 1.0),
    ];
    let binner = binner(columns, 64);
    let two = ForestParams {
        links_per_tree: 2,
        ..params(60, 3, 64)
    };
    let trees = random_trees(&binner, &two, &[9; 32]).unwrap();
    let key = Sha256::new()
        .chain_update(b"hedgerow-forest random trees v1")
        .chain_update([9; 32])
        .finalize();
    let mut pairs = std::collections::BTreeSet::new();
    for (position, tree) in (0..).zip(&trees) {
        let mut rng = ChaCha20Rng::from_seed(key.into());
        rng.set_stream(position);
        // Numbers below 3 and 2 are drawn again with a chance of 2^-32 at most: not here.
        let first = rng.next_u32() % 3;
        let other = rng.next_u32() % 2;
        let second = if other >= first { other + 1 } else { other };
        let tests = tree.splits().iter().filter(|split| !split.is_dummy());
        for split in tests.filter(|split| split.feature != 3) {
            assert!([first, second].contains(&u32::from(split.feature)));
        }
        pairs.insert((first.min(second), first.max(second)));
    }
    assert_eq!(pairs.len(), 3);
    let single = || vec![Column::known("a"), Column::numeric("row", 0.0, 1.0)];
    let one = ForestParams {
        links_per_tree: 1,
        ..two
    };
    let [with_two, with_one] =
        [two, one].map(|params| random_trees(&self::binner(single(), 64), &params, &[9; 32]).unwrap());
    assert_eq!(with_two, with_one);
}
