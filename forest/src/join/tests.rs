//! Parts computed apart against the joined table in one place.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::binning::{Binned, Binner};
use crate::query::{SCALE, TableQuery};
use crate::route::Router;
use crate::schema::{Column, Label, Schema};
use crate::table::CLASSES;
use crate::tree::{BinSet, Split, Tree};

struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Rows at one party, entities at several, trees over both.
#[derive(Debug)]
struct Case {
    schema: Schema,
    binner: Binner,
    trees: Arc<[Tree]>,
    rows: Binned,
    labels: Vec<u8>,
    /// Per link: the entity of every row, by its number over all parties.
    references: Vec<Vec<u32>>,
    /// First number of every party's entities, and the end.
    parties: Vec<u32>,
    /// Per domain: bins of all entities.
    attributes: Vec<Binned>,
    /// Does the entity's party know it?
    known: Vec<bool>,
}

fn case() -> impl Strategy<Value = Case> {
    (any::<u64>(), 1u8..=6, 1usize..5, 0usize..900, 0usize..3).prop_map(|(seed, depth, trees, rows, who)| {
        let mut random = Xorshift(seed | 1);
        Case::new(&mut random, depth, trees, rows, who)
    })
}

impl Case {
    /// `who`: rows name any entity or nobody; all the same; or every row another.
    fn new(random: &mut Xorshift, depth: u8, trees: usize, rows: usize, who: usize) -> Self {
        let mut features = Vec::new();
        for row_column in 0..random.below(3) {
            features.push(Column::numeric(format!("n{row_column}"), 0.0, 1.0));
        }
        let links = 1 + random.below(3);
        for link in 0..links {
            let name = format!("l{link}");
            // The first two links lead to the same attributes.
            for attribute in 0..if link < 2 { 1 } else { random.below(3) } {
                let kind = Column::categorical(format!("a{attribute}"), ["x", "y", "z"]);
                let own = if link < 2 {
                    kind
                } else {
                    Column::numeric(format!("b{attribute}"), 0.0, 1.0)
                };
                features.push(own.read_through(&name));
            }
            features.insert(random.below(features.len() + 1), Column::known(&name));
        }
        let schema = Schema {
            features,
            label: Label {
                name: "y".into(),
                positive: "1".into(),
            },
        };
        let binner = Binner::new(&schema, 4).unwrap();
        let layout = Links::new(&schema, &binner).unwrap();
        let trees = (0..trees)
            .map(|_| tree(random, &layout, &binner, depth))
            .collect();

        let mut own = Binned::new(rows, layout.row_columns());
        for column in 0..layout.row_columns() {
            own.column_mut(column)
                .iter_mut()
                .for_each(|bin| *bin = random.below(5) as u8);
        }
        let mut parties = vec![0];
        for _ in 0..1 + random.below(3) {
            parties.push(parties[parties.len() - 1] + random.below(6) as u32);
        }
        let entities = parties[parties.len() - 1] as usize;
        let attributes = layout.domains().iter().map(|domain| {
            let mut bins = Binned::new(entities, domain.bins().len());
            for (attribute, of) in domain.bins().iter().enumerate() {
                let column = bins.column_mut(attribute);
                column
                    .iter_mut()
                    .for_each(|bin| *bin = random.below(usize::from(*of)) as u8);
            }
            bins
        });
        let attributes = attributes.collect();
        let reference = |random: &mut Xorshift, row: usize| match who {
            _ if entities == 0 => NOBODY,
            0 if random.below(5) == 0 => NOBODY,
            0 => random.below(entities) as u32,
            1 => 0,
            _ => {
                if row < entities {
                    row as u32
                } else {
                    NOBODY
                }
            }
        };
        let references = (0..links).map(|_| (0..rows).map(|row| reference(random, row)).collect());
        Self {
            references: references.collect(),
            labels: (0..rows).map(|_| (random.below(3) % 2) as u8).collect(),
            known: (0..entities).map(|_| random.below(4) > 0).collect(),
            rows: own,
            attributes,
            parties,
            trees,
            schema,
            binner,
        }
    }

    fn query(&self) -> TableQuery {
        TableQuery::leaf_counts(Arc::clone(&self.trees)).unwrap()
    }

    fn plan(&self) -> JoinPlan {
        JoinPlan::new(&self.query(), &self.schema, &self.binner).unwrap()
    }

    /// The rows in several blocks.
    fn blocks(&self) -> Vec<LinkedBlock> {
        let (rows, at) = (self.rows.rows(), self.rows.rows() / 3);
        let block = |part: std::ops::Range<usize>| {
            let mut own = Binned::new(part.len(), self.rows.features());
            for column in 0..own.features() {
                own.column_mut(column)
                    .copy_from_slice(&self.rows.column(column)[part.clone()]);
            }
            let references: Vec<_> = self.references.iter().map(|link| &link[part.clone()]).collect();
            LinkedBlock::new(own, &self.labels[part.clone()], &references).unwrap()
        };
        vec![block(0..at), block(at..rows)]
    }

    /// An entity as its party sees it through a domain.
    fn entity(&self, domain: usize, entity: usize) -> Option<Vec<u8>> {
        let attributes = &self.attributes[domain];
        let bins = (0..attributes.features()).map(|attribute| attributes.column(attribute)[entity]);
        self.known[entity].then(|| bins.collect())
    }

    /// The joined table; the parties that are not `alive` are missing.
    fn pooled(&self, plan: &JoinPlan, alive: &[bool]) -> Binned {
        let is_missing = |entity: u32| {
            let party = self.parties.partition_point(|start| *start <= entity) - 1;
            entity == NOBODY || !alive[party] || !self.known[entity as usize]
        };
        let visible: Vec<Vec<u32>> = self
            .references
            .iter()
            .map(|link| {
                let see = |entity: &u32| if is_missing(*entity) { NOBODY } else { *entity };
                link.iter().map(see).collect()
            })
            .collect();
        let entities: Vec<_> = plan
            .links()
            .links()
            .iter()
            .zip(&visible)
            .map(|(link, references)| Entities {
                references,
                attributes: &self.attributes[link.domain],
            })
            .collect();
        pooled(plan.links(), &self.rows, &entities).unwrap()
    }
}

/// A tree over the row's columns and those of one link, with any sets of bins.
fn tree(random: &mut Xorshift, links: &Links, binner: &Binner, depth: u8) -> Tree {
    let link = random.below(links.links().len());
    let features: Vec<usize> = (0..links.features())
        .filter(|feature| links.link_of(*feature).is_none_or(|other| other == link))
        .collect();
    let split = |random: &mut Xorshift| {
        let feature = features[random.below(features.len())];
        let bins = 0..binner.bins_of(feature) as u8;
        let right = match random.below(8) {
            0 => BinSet::EMPTY,
            1 => bins.collect(),
            _ => bins.filter(|_| random.next().is_multiple_of(2)).collect(),
        };
        Split {
            feature: feature as u16,
            right,
        }
    };
    Tree::new(depth, (0..(1 << depth) - 1).map(|_| split(random)).collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Local counts, and for every live party the inner products with its bits, are the pooled table; a party that
    /// dropped is missing.
    #[test]
    fn the_parts_add_up_to_the_pooled_table(case in case(), dropped: u8) {
        let (query, plan, blocks) = (case.query(), case.plan(), case.blocks());
        let parties = case.parties.len() - 1;
        let alive: Vec<bool> = (0..parties).map(|party| dropped >> party & 1 == 0).collect();
        let counter = JoinCounter::new(&query, &plan).unwrap();
        let mut table = counter.local(&blocks).unwrap();
        for (party, is_alive) in alive.iter().enumerate() {
            let range = case.parties[party]..case.parties[party + 1];
            // Tree by tree, and all trees at once.
            let weights = counter.weights(&blocks, 0..plan.trees(), range.clone()).unwrap();
            let bytes = weights.cells().len() * range.len() * 4;
            prop_assert_eq!(counter.weights_bytes(0..plan.trees(), range.len()), bytes);
            let single = (0..plan.trees()).map(|tree| counter.weights(&blocks, tree..tree + 1, range.clone()).unwrap());
            let single: Vec<_> = single.flat_map(|tree| tree.nonzero().collect::<Vec<_>>()).collect();
            prop_assert_eq!(weights.nonzero().collect::<Vec<_>>(), single);
            for (cell, u) in weights.iter() {
                let predicate = plan.predicate_of(cell).unwrap();
                prop_assert_eq!(weights.of(cell), Some(u));
                table[cell] += if *is_alive {
                    let q = range.clone().map(|entity| case.entity(predicate.domain(), entity as usize));
                    let q = q.map(|entity| u64::from(predicate.accepts(entity.as_deref())));
                    u.iter().zip(q).map(|(u, q)| u64::from(*u) * q).sum::<u64>()
                } else if predicate.accepts_missing() {
                    weights.total(cell, 0..range.len())
                } else {
                    0
                };
            }
        }
        let mut expected = vec![0; query.cells()];
        Router::new(&query).count(&case.pooled(&plan, &alive), &case.labels, &mut expected);
        prop_assert_eq!(&table, &expected);
        // What is said to be empty is.
        for (cell, rows) in expected.iter().enumerate() {
            prop_assert!(plan.role_of(cell) != LeafRole::Empty || *rows == 0);
        }
    }

    /// For every row and link the part of its entity's profile, and the rest, are the score of the joined row.
    #[test]
    fn partial_scores_add_up_to_the_score(case in case(), seed: u64) {
        let mut random = Xorshift(seed | 1);
        let plan = case.plan();
        let leaves = case.trees.len() * case.trees[0].leaves();
        let values: Arc<[u32]> = (0..leaves).map(|_| random.next() as u32 % SCALE).collect();
        let query = TableQuery::score_histogram(Arc::clone(&case.trees), values, 1).unwrap();
        let scores = PartialScores::new(&query, &case.schema, &case.binner, 1000).unwrap();
        let mut sums = scores.local(&case.rows).unwrap();
        for (number, link) in plan.links().links().iter().enumerate() {
            if scores.profiles(number) == 0 {
                continue;
            }
            let domain = &plan.links().domains()[link.domain];
            prop_assert_eq!(scores.profiles(number), domain.len(1000).unwrap());
            let parts: Vec<_> = (0..scores.profiles(number))
                .map(|profile| scores.by_profile(number, profile, &case.rows).unwrap())
                .collect();
            for (row, entity) in case.references[number].iter().enumerate() {
                let entity = if *entity == NOBODY { None } else { case.entity(link.domain, *entity as usize) };
                sums[row] += parts[domain.profile_of(entity.as_deref()).unwrap()][row];
            }
        }
        let alive = vec![true; case.parties.len()];
        prop_assert_eq!(sums, Router::new(&query).scores(&case.pooled(&plan, &alive)));
    }

    /// Predicates say of every profile what a walk down the tree says, and are equal only if they say the same.
    #[test]
    fn predicates_are_those_of_a_walk(case in case()) {
        let plan = case.plan();
        let links = plan.links();
        let mut seen: Vec<(usize, Vec<bool>)> = Vec::new();
        for predicate in plan.predicates() {
            let domain = &links.domains()[predicate.domain()];
            let accepted = predicate.accepted(domain, 1000).unwrap();
            prop_assert!(!predicate.is_all() && !predicate.is_none());
            prop_assert!(accepted.contains(&true) && accepted.contains(&false));
            prop_assert_eq!(accepted.last().copied(), Some(predicate.accepts_missing()));
            prop_assert_eq!(accepted[..accepted.len() - 1].contains(&true), predicate.accepts_known());
            seen.push((predicate.domain(), accepted));
        }
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        prop_assert_eq!(distinct.len(), seen.len());
        for (position, role) in plan.roles().iter().enumerate() {
            let (tree, leaf) = (position / plan.leaves(), position % plan.leaves());
            let Some(link) = plan.link_of_tree(tree) else { continue };
            let domain = &links.domains()[links.links()[link].domain];
            for profile in 0..domain.len(1000).unwrap() {
                let reached = reaches(&case.trees[tree], leaf, links, link, domain.bins_of(profile));
                match role {
                    LeafRole::Joined(predicate) => prop_assert_eq!(seen[*predicate].1[profile], reached),
                    LeafRole::Local => prop_assert!(reached),
                    LeafRole::Empty => {}
                }
            }
        }
    }
}

/// Do the tests on the entity lead to the leaf, whatever those on the row say?
fn reaches(tree: &Tree, leaf: usize, links: &Links, link: usize, entity: Option<Vec<u8>>) -> bool {
    let columns = &links.links()[link];
    let missing = links.domains()[columns.domain]
        .bins()
        .iter()
        .map(|bins| (*bins - 1) as u8);
    let known = u8::from(entity.is_some());
    let bins = entity.unwrap_or_else(|| missing.collect());
    (0..tree.depth()).all(|level| {
        let node = (1 << level) - 1 + (leaf >> (tree.depth() - level));
        let (split, right) = (&tree.splits()[node], leaf >> (tree.depth() - 1 - level) & 1 == 1);
        let feature = usize::from(split.feature);
        match columns
            .attributes
            .iter()
            .position(|attribute| *attribute == feature)
        {
            _ if split.is_dummy() => !right,
            Some(attribute) => split.right.contains(bins[attribute]) == right,
            None if feature == columns.known => split.right.contains(known) == right,
            None => true,
        }
    })
}

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
    let two = plan(vec![split(0, &[1]), split(2, &[1]), split(4, &[1])]).unwrap_err();
    assert_eq!(
        two.to_string(),
        "join: tree 0 tests columns of links \"to\" and \"from\", expected of one"
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

/// More rows than are scattered at a time, on several threads.
#[test]
fn many_rows_are_counted_like_few() {
    let mut random = Xorshift(77);
    let case = Case::new(&mut random, 6, 4, 70_000, 0);
    let (query, plan) = (case.query(), case.plan());
    let entities = 0..case.parties[case.parties.len() - 1];
    assert!(!entities.is_empty() && !plan.predicates().is_empty());
    let counter = JoinCounter::new(&query, &plan).unwrap();
    let count = || {
        let blocks = case.blocks();
        let weights = counter.weights(&blocks, 0..4, entities.clone()).unwrap();
        (counter.local(&blocks).unwrap(), weights)
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let (local, weights) = pool.install(count);
    assert_eq!((local.clone(), weights.clone()), count());
    let mut table = local;
    for (cell, entity, rows) in weights.nonzero() {
        let predicate = plan.predicate_of(cell).unwrap();
        let bins = case.entity(predicate.domain(), entity as usize);
        table[cell] += u64::from(rows) * u64::from(predicate.accepts(bins.as_deref()));
    }
    let mut expected = vec![0; query.cells()];
    let joined = case.pooled(&plan, &[true; 9]);
    Router::new(&query).count(&joined, &case.labels, &mut expected);
    assert_eq!(table, expected);
}
