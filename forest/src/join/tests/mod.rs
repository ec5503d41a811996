//! Parts computed apart against the joined table in one place.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::query::{Axes, SCALE, TableQuery};
use crate::route::Router;
use crate::table::CLASSES;
use crate::tree::Tree;

mod case;
mod plan;

use case::{Case, Xorshift, case};

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
            // Some entities at a time.
            let parts = counter.parts(0..plan.trees(), range.clone(), bytes / 2);
            let parts = parts.into_iter().flat_map(|part| {
                let shift = part.start - range.start;
                let weights = counter.weights(&blocks, 0..plan.trees(), part).unwrap();
                weights.nonzero().map(|(cell, entity, rows)| (cell, entity + shift, rows)).collect::<Vec<_>>()
            });
            let mut parts: Vec<_> = parts.collect();
            parts.sort_unstable();
            prop_assert_eq!(weights.nonzero().collect::<Vec<_>>(), parts);
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

    /// Trees over two links that lead to the same entities, each known to some of the links' parties: local counts,
    /// and the sums of weights where both predicates accept, are the pooled table.
    #[test]
    fn trees_over_two_links_add_up_to_the_pooled_table(mut case in case(), seed: u64) {
        let mut random = Xorshift(seed | 1);
        let layout = Links::new(&case.schema, &case.binner).unwrap();
        let links = layout.links().len();
        let trees = case.trees.len();
        let depth = case.trees[0].depth();
        let trees = (0..trees).map(|_| {
            let two = [random.below(links), random.below(links)];
            case::tree_over(&mut random, &layout, &case.binner, depth, two)
        });
        case.trees = trees.collect::<Vec<_>>().into();
        case.references = vec![case.references[0].clone(); links];
        let entities = case.known.len();
        let known: Vec<Vec<bool>> = (0..links).map(|_| (0..entities).map(|_| random.below(4) > 0).collect()).collect();
        let (query, plan, blocks) = (case.query(), case.plan(), case.blocks());
        let counter = JoinCounter::new(&query, &plan).unwrap();
        let mut table = counter.local(&blocks).unwrap();
        let weights = counter.weights(&blocks, 0..plan.trees(), 0..entities as u32).unwrap();
        for (cell, u) in weights.iter() {
            let LeafRole::Joined(number) = plan.role_of(cell) else { panic!("not joined") };
            let tree = cell / CLASSES / plan.leaves();
            let halves = [
                (plan.link_of_tree(tree), Some(&plan.predicates()[number])),
                (plan.second_link_of_tree(tree), plan.second_of(number)),
            ];
            for (entity, u) in u.iter().enumerate() {
                let passes = halves.iter().all(|(link, predicate)| {
                    let (Some(link), Some(predicate)) = (link, predicate) else { return true };
                    let bins = &case.attributes[predicate.domain()];
                    let bins: Vec<u8> = (0..bins.features()).map(|attribute| bins.column(attribute)[entity]).collect();
                    predicate.accepts(known[*link][entity].then_some(&bins[..]))
                });
                table[cell] += u64::from(*u) * u64::from(passes);
            }
        }
        let visible: Vec<Vec<u32>> = known.iter().map(|known| {
            let see = |entity: &u32| known.get(*entity as usize).filter(|known| **known).map_or(NOBODY, |_| *entity);
            case.references[0].iter().map(see).collect()
        }).collect();
        let joined: Vec<_> = layout.links().iter().zip(&visible).map(|(link, references)| Entities {
            references,
            attributes: &case.attributes[link.domain],
        }).collect();
        let joined = pooled(&layout, &case.rows, &joined).unwrap();
        let mut expected = vec![0; query.cells()];
        Router::new(&query).count(&joined, &case.labels, &mut expected);
        prop_assert_eq!(&table, &expected);
    }

    /// The same of histograms, row columns and entity columns among them.
    #[test]
    fn histograms_add_up_to_the_pooled_ones(case in case(), dropped: u8, seed: u64) {
        let mut random = Xorshift(seed | 1);
        let links = Links::new(&case.schema, &case.binner).unwrap();
        let all = case.schema.features.len() as u16;
        let features = case.trees.iter().enumerate().flat_map(|(number, tree)| {
            let fits = |feature: &u16| links.link_of_histogram(number, tree, *feature).is_ok();
            let fitting: Vec<u16> = (0..all).filter(fits).collect();
            [(); 2].map(|()| fitting[random.below(fitting.len())])
        });
        let features: Arc<[u16]> = features.collect();
        let slot_of = (0..usize::from(all) * crate::query::BINS).map(|_| random.below(3) as u8);
        let axes = Axes::new(features, 3, slot_of.collect()).unwrap();
        let query = TableQuery::histograms(Arc::clone(&case.trees), axes).unwrap();
        let plan = JoinPlan::new(&query, &case.schema, &case.binner).unwrap();
        let blocks = case.blocks();
        let parties = case.parties.len() - 1;
        let alive: Vec<bool> = (0..parties).map(|party| dropped >> party & 1 == 0).collect();
        let counter = JoinCounter::new(&query, &plan).unwrap();
        let mut table = counter.local(&blocks).unwrap();
        for (party, is_alive) in alive.iter().enumerate() {
            let range = case.parties[party]..case.parties[party + 1];
            for tree in 0..plan.trees() {
                let weights = counter.histogram_weights(&blocks, tree, range.clone()).unwrap();
                prop_assert!(weights.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
                for (cell, entity, rows) in weights {
                    let predicate = plan.predicate_of(cell).unwrap();
                    let entity = case.entity(predicate.domain(), (range.start + entity) as usize);
                    let passes = match is_alive {
                        true => predicate.accepts(entity.as_deref()),
                        false => predicate.accepts_missing(),
                    };
                    table[cell] += u64::from(rows) * u64::from(passes);
                }
            }
        }
        let mut expected = vec![0; query.cells()];
        Router::new(&query).count(&case.pooled(&plan, &alive), &case.labels, &mut expected);
        prop_assert_eq!(&table, &expected);
        for (cell, rows) in expected.iter().enumerate() {
            prop_assert!(plan.role_of(cell) != LeafRole::Empty || *rows == 0);
        }
        // Every joined cell is in one group.
        let groups = (0..plan.trees()).flat_map(|tree| plan.groups([tree]));
        let mut grouped: Vec<usize> = groups.flat_map(|group| group.cells).collect();
        grouped.sort_unstable();
        let joined = (0..plan.cells()).filter(|cell| plan.predicate_of(*cell).is_some());
        prop_assert_eq!(grouped, joined.collect::<Vec<_>>());
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
            let parts = scores.of_link(number, &case.rows).unwrap();
            for (row, entity) in case.references[number].iter().enumerate() {
                let entity = if *entity == NOBODY { None } else { case.entity(link.domain, *entity as usize) };
                sums[row] += parts[domain.profile_of(entity.as_deref()).unwrap() * case.rows.rows() + row];
            }
        }
        let alive = vec![true; case.parties.len()];
        let expected = Router::new(&query).scores(&case.pooled(&plan, &alive));
        prop_assert_eq!(&sums, &expected);

        let scores = PredicateScores::new(&query, &case.schema, &case.binner).unwrap();
        let mut sums = scores.local(&case.rows).unwrap();
        for (number, link) in plan.links().links().iter().enumerate() {
            let parts = scores.of_link(number, &case.rows).unwrap();
            prop_assert_eq!(parts.len(), scores.predicates(number).len() * case.rows.rows());
            for (row, entity) in case.references[number].iter().enumerate() {
                let entity = if *entity == NOBODY { None } else { case.entity(link.domain, *entity as usize) };
                for (place, predicate) in scores.predicates(number).iter().enumerate() {
                    if scores.plan().predicates()[*predicate].accepts(entity.as_deref()) {
                        sums[row] += parts[place * case.rows.rows() + row];
                    }
                }
            }
        }
        prop_assert_eq!(&sums, &expected);
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
