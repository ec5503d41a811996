//! Plans by hand, and what is refused.

use crate::binning::{Binned, Binner};
use crate::join::*;
use crate::query::TableQuery;
use crate::schema::{Column, Label, Schema};
use crate::table::CLASSES;
use crate::tree::{Split, Tree};

fn payments() -> (Schema, Binner) {
    let schema = Schema {
        features: vec![
            Column::numeric("amount", 0.0, 1.0),
            Column::known("to"),
            Column::categorical("flag", ["a", "b"]).read_through("to"),
            Column::categorical("flag", ["a", "b"]).read_through("from"),
            Column::known("from"),
            Column::numeric("age", 0.0, 9.0).read_through("via"),
            Column::known("via"),
        ],
        label: Label {
            name: "y".into(),
            positive: "1".into(),
        },
    };
    let binner = Binner::new(&schema, 4).unwrap();
    (schema, binner)
}

fn split(feature: u16, bins: &[u8]) -> Split {
    Split {
        feature,
        right: bins.iter().copied().collect(),
    }
}

#[test]
fn links_with_equal_attributes_share_a_domain_and_predicates() {
    let (schema, binner) = payments();
    let trees = vec![
        Tree::new(1, vec![split(2, &[1])]).unwrap(),
        Tree::new(1, vec![split(3, &[1])]).unwrap(),
        Tree::new(1, vec![split(5, &[1])]).unwrap(),
        Tree::new(1, vec![split(0, &[1])]).unwrap(),
    ];
    let query = TableQuery::leaf_counts(trees.into()).unwrap();
    let plan = JoinPlan::new(&query, &schema, &binner).unwrap();
    let links = plan.links();
    assert_eq!(links.row_columns(), 1);
    let domains: Vec<usize> = links.links().iter().map(|link| link.domain).collect();
    assert_eq!(domains, [0, 0, 1]);
    assert_eq!(
        (0..4).map(|tree| plan.link_of_tree(tree)).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2), None]
    );
    let groups = plan.groups(0..4);
    let cells: Vec<_> = groups
        .iter()
        .map(|group| (group.predicate, group.cells.clone()))
        .collect();
    assert_eq!(
        cells,
        [
            (0, vec![0, 1, 4, 5]),
            (1, vec![2, 3, 6, 7]),
            (2, vec![8, 9]),
            (3, vec![10, 11])
        ]
    );
    assert_eq!(plan.groups([1]).len(), 2);
    assert_eq!(plan.groups([3, 9]), []);
    assert_eq!(plan.roles()[6..], [LeafRole::Local; 2]);
}

#[test]
fn profiles_are_numbered_and_bounded() {
    let (schema, binner) = payments();
    let links = Links::new(&schema, &binner).unwrap();
    let domain = &links.domains()[1];
    assert_eq!(domain.bins(), [5]);
    assert_eq!(domain.len(6), Ok(6));
    assert_eq!(domain.len(5), Err(JoinError::Profiles { most: 5 }));
    for profile in 0..6 {
        assert_eq!(
            domain.profile_of(domain.bins_of(profile).as_deref()),
            Some(profile)
        );
    }
    assert_eq!(domain.bins_of(5), None);
    assert_eq!(
        (domain.profile_of(Some(&[5])), domain.profile_of(Some(&[]))),
        (None, None)
    );

    let many = (0..40).map(|i| Column::numeric(format!("a{i}"), 0.0, 1.0).read_through("l"));
    let schema = Schema {
        features: many.chain([Column::known("l")]).collect(),
        ..schema
    };
    let links = Links::new(&schema, &Binner::new(&schema, 254).unwrap()).unwrap();
    assert!(links.domains()[0].len(usize::MAX).is_err());
    assert_eq!(links.domains()[0].profile_of(Some(&[7; 40])), None);
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let (schema, binner) = payments();
    let plan = |splits: Vec<Split>| {
        let tree = Tree::new(2, splits).unwrap();
        let query = TableQuery::leaf_counts(vec![tree].into()).unwrap();
        JoinPlan::new(&query, &schema, &binner)
    };
    let three = plan(vec![split(5, &[1]), split(2, &[1]), split(4, &[1])]).unwrap_err();
    assert_eq!(
        three.to_string(),
        "join: tree 0 tests columns of links [\"to\", \"from\", \"via\"], expected of at most two"
    );
    let two = plan(vec![split(0, &[1]), split(4, &[1]), split(2, &[1])]).unwrap();
    assert_eq!(
        (two.link_of_tree(0), two.second_link_of_tree(0)),
        (Some(0), Some(1))
    );
    let tree = Tree::new(2, vec![split(0, &[1]), split(4, &[1]), split(2, &[1])]).unwrap();
    let leaves = TableQuery::leaf_counts(vec![tree.clone()].into()).unwrap();
    let values = vec![0; leaves.leaves()];
    let scored = TableQuery::score_histogram(vec![tree].into(), values.into(), 1).unwrap();
    assert_eq!(
        PredicateScores::new(&scored, &schema, &binner)
            .unwrap_err()
            .to_string(),
        "join: tree 0 tests columns of links \"from\" and \"to\", expected of one"
    );
    let beyond = plan(vec![split(7, &[1]); 3]).unwrap_err();
    assert_eq!(
        beyond.to_string(),
        "join: tree 0 tests feature 7, the schema has 7"
    );
    // A node that splits nothing names feature 0, which may be a link's.
    let good = plan(vec![split(5, &[1]), Split::DUMMY, Split::DUMMY]).unwrap();
    assert_eq!(good.role_of(2 * CLASSES), LeafRole::Joined(1));
    assert_eq!(good.role_of(3 * CLASSES), LeafRole::Empty);

    let query = TableQuery::leaf_counts(vec![Tree::new(1, vec![split(2, &[1])]).unwrap()].into()).unwrap();
    let plan = JoinPlan::new(&query, &schema, &binner).unwrap();
    let counter = JoinCounter::new(&query, &plan).unwrap();
    let block =
        |features, links| LinkedBlock::new(Binned::new(1, features), &[0], &vec![[NOBODY]; links]).unwrap();
    assert_eq!(
        counter.local(&[block(2, 3)]).unwrap_err().to_string(),
        "join: columns of the rows: expected 1, found 2"
    );
    assert_eq!(
        counter
            .weights(&[block(1, 2)], 0..1, 0..1)
            .unwrap_err()
            .to_string(),
        "join: links of a block: expected 3, found 2"
    );
    assert_eq!(
        counter.weights(&[], 0..2, 0..1).unwrap_err().to_string(),
        "join: tree 1: there are 1"
    );
    assert!(LinkedBlock::new(Binned::new(2, 1), &[0], &[[1, 2]]).is_err());
    assert!(LinkedBlock::new(Binned::new(2, 1), &[0, 1], &[[1]]).is_err());
    let block = LinkedBlock::new(Binned::new(2, 1), &[0, 1], &[[1, 2]]).unwrap();
    assert_eq!(format!("{block:?}"), "LinkedBlock { rows: 2, .. }");
}
