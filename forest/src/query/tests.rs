use super::*;
use crate::tree::{BinSet, Split};

fn trees(depths: &[u8]) -> Arc<[Tree]> {
    let tree = |depth: &u8| Tree::new(*depth, vec![Split::DUMMY; (1 << depth) - 1]).unwrap();
    depths.iter().map(tree).collect()
}

#[test]
fn shapes_and_sensitivity() {
    let leaves = TableQuery::leaf_counts(trees(&[3, 3])).unwrap();
    assert_eq!(leaves.shape(), TableShape::LeafCounts { trees: 2, leaves: 8 });
    assert_eq!((leaves.cells(), leaves.kind()), (32, QueryKind::Leaves));
    assert_eq!(leaves.l2_squared_sensitivity_per_row(), 2);
    let scores = TableQuery::score_histogram(trees(&[3, 3]), vec![7; 16].into(), 10).unwrap();
    assert_eq!((scores.cells(), scores.kind()), (20, QueryKind::Threshold));
    assert_eq!(scores.l2_squared_sensitivity_per_row(), 1);
}

/// Two features whose bins of 1 and above have the last slot.
fn axes(features: &[u16], slots: u16) -> Axes {
    let slot_of = [[0; 1].as_slice(), &[(slots - 1) as u8; BINS - 1]].concat();
    Axes::new(features.into(), slots, [slot_of.clone(), slot_of].concat().into()).unwrap()
}

#[test]
fn histograms_have_shapes_and_sensitivity() {
    let query = TableQuery::histograms(trees(&[2, 2]), axes(&[0, 1, 1, 0], 5)).unwrap();
    let (trees_, leaves, features, slots) = (2, 4, 2, 5);
    assert_eq!(
        query.shape(),
        TableShape::Histograms {
            trees: trees_,
            leaves,
            features,
            slots
        }
    );
    assert_eq!((query.cells(), query.kind()), (160, QueryKind::Splits(2)));
    assert_eq!(query.l2_squared_sensitivity_per_row(), 4);
    let root = TableQuery::histograms(trees(&[0]), axes(&[0, 1], 5)).unwrap();
    assert_eq!((root.cells(), root.kind()), (20, QueryKind::Edges));
    let bytes = postcard::to_stdvec(&root).unwrap();
    assert_eq!(postcard::from_bytes::<TableQuery>(&bytes).unwrap(), root);
}

#[test]
fn histograms_that_do_not_fit_are_refused() {
    assert_eq!(
        TableQuery::histograms(trees(&[1, 1]), axes(&[0, 1, 0], 4)),
        Err(QueryError::Features { trees: 2, seen: 3 })
    );
    let slots: Arc<[u8]> = vec![4; BINS].into();
    assert_eq!(
        Axes::new([0].as_slice().into(), 4, Arc::clone(&slots)),
        Err(QueryError::Slots {
            what: "a bin in slot",
            seen: 4,
            most: 3
        })
    );
    assert_eq!(
        Axes::new([1].as_slice().into(), 5, slots),
        Err(QueryError::Feature { seen: 1, expected: 1 })
    );
}

#[test]
fn what_does_not_hold_together_is_refused() {
    let values = |n: usize| -> Arc<[u32]> { vec![0; n].into() };
    assert_eq!(
        TableQuery::leaf_counts(trees(&[])),
        Err(QueryError::Trees {
            seen: 0,
            most: crate::params::MAX_TREES
        })
    );
    assert_eq!(
        TableQuery::leaf_counts(trees(&[2, 3])),
        Err(QueryError::Depth {
            tree: 1,
            seen: 3,
            expected: 2
        })
    );
    assert_eq!(
        TableQuery::score_histogram(trees(&[2]), values(5), 4),
        Err(QueryError::LeafValues { expected: 4, seen: 5 })
    );
    assert_eq!(
        TableQuery::score_histogram(trees(&[2]), values(4), 0),
        Err(QueryError::NoBins)
    );
    assert_eq!(
        TableQuery::score_histogram(trees(&[1]), vec![0, SCALE].into(), 4),
        Err(QueryError::LeafValue {
            position: 1,
            seen: SCALE
        })
    );
}

#[test]
fn the_digest_sees_every_part() {
    let base = trees(&[1, 1]);
    let mut split: Vec<Tree> = base.to_vec();
    split[1] = Tree::new(
        1,
        vec![Split {
            feature: 0,
            right: BinSet::range(9, 9),
        }],
    )
    .unwrap();
    let mut feature = split.clone();
    feature[1] = Tree::new(
        1,
        vec![Split {
            feature: 1,
            right: BinSet::range(9, 9),
        }],
    )
    .unwrap();
    let queries = [
        TableQuery::leaf_counts(Arc::clone(&base)),
        TableQuery::leaf_counts(trees(&[1])),
        TableQuery::leaf_counts(trees(&[2, 2])),
        TableQuery::leaf_counts(split.into()),
        TableQuery::leaf_counts(feature.into()),
        TableQuery::score_histogram(Arc::clone(&base), vec![0; 4].into(), 8),
        TableQuery::score_histogram(Arc::clone(&base), vec![0; 4].into(), 9),
        TableQuery::score_histogram(Arc::clone(&base), vec![0, 0, 0, 1].into(), 8),
        TableQuery::histograms(Arc::clone(&base), axes(&[0, 1], 2)),
        TableQuery::histograms(Arc::clone(&base), axes(&[1, 0], 2)),
        TableQuery::histograms(Arc::clone(&base), axes(&[1, 0], 3)),
        TableQuery::histograms(base, axes(&[1, 0, 0, 1], 3)),
    ];
    let digests: std::collections::HashSet<_> = queries
        .iter()
        .map(|q| q.as_ref().unwrap().digest_bytes())
        .collect();
    assert_eq!(digests.len(), queries.len());
}
