//! The row party's side of a private prediction: scores under every profile that an entity can have.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::JoinError;
use super::counter::row_part;
use super::error::expect;
use super::links::{LinkColumns, Links, ProfileDomain};
use crate::binning::{Binned, Binner};
use crate::query::{Measure, TableQuery};
use crate::route::Router;
use crate::schema::Schema;
use crate::schema::link::{BIN_OF_KNOWN, BIN_OF_UNKNOWN};
use crate::tree::{Split, Tree};

/// Rows that are scored at a time: their sums under all profiles stay in the cache.
const ROWS_AT_A_TIME: usize = 4096;

/// A forest taken apart: the trees that test the row alone, and for every link its trees as they are under every
/// profile of an entity.
///
/// The score of a joined row is exactly
/// `local[row] + sum over links of of_link(link)[profile of the row's entity][row]`.
#[derive(Debug)]
pub struct PartialScores {
    links: Links,
    local: Option<Router>,
    by_link: Vec<LinkScores>,
}

/// The trees of one link. Under most profiles most trees are the same, so these are scored once for all.
#[derive(Debug, Default)]
struct LinkScores {
    /// 0 where no tree tests the link.
    profiles: usize,
    /// Trees, and the profiles under which they are so.
    parts: Vec<(Router, Vec<usize>)>,
}

impl PartialScores {
    /// Takes a forest apart. `query` holds its trees and leaf values ([`TableQuery::score_histogram`], any bins).
    ///
    /// # Errors
    /// A query without leaf values, more than `most` profiles, or what [`super::JoinPlan::new`] refuses.
    pub fn new(query: &TableQuery, schema: &Schema, binner: &Binner, most: usize) -> Result<Self, JoinError> {
        let Measure::ScoreHistogram { leaf_values, .. } = query.measure() else {
            return Err(JoinError::NoLeafValues { seen: query.kind() });
        };
        let links = Links::new(schema, binner)?;
        let mut local = Vec::new();
        let mut of_links: Vec<Vec<(&Tree, &[u32])>> = vec![Vec::new(); links.links().len()];
        let all = query.trees().iter().zip(leaf_values.chunks_exact(query.leaves()));
        for (position, (tree, values)) in all.enumerate() {
            match links.link_of_tree(position, tree)? {
                None => local.push((row_part(&links, tree)?.0, values.to_vec())),
                Some(link) => of_links
                    .get_mut(link)
                    .into_iter()
                    .for_each(|of| of.push((tree, values))),
            }
        }
        let by_link = links.links().iter().zip(of_links);
        let by_link = by_link
            .map(|(link, trees)| LinkScores::new(&links, link, &trees, most))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            local: if local.is_empty() {
                None
            } else {
                Some(router(local)?)
            },
            links,
            by_link,
        })
    }

    /// The links of the schema.
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// Number of profiles of a link's entities; 0 for a link that no tree tests.
    pub fn profiles(&self, link: usize) -> usize {
        self.by_link.get(link).map_or(0, |link| link.profiles)
    }

    /// For every row the sum of the leaf values of the trees that test the row alone.
    ///
    /// # Errors
    /// A block of another schema.
    pub fn local(&self, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        expect("columns of the rows", self.links.row_columns(), rows.features())?;
        Ok(match &self.local {
            Some(router) => router.scores(rows),
            None => vec![0; rows.rows()],
        })
    }

    /// For every profile and row the sum of the leaf values of the link's trees, were the row's entity of this
    /// profile: `[profiles, rows]`.
    ///
    /// # Errors
    /// A block of another schema.
    pub fn of_link(&self, link: usize, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        expect("columns of the rows", self.links.row_columns(), rows.features())?;
        let count = rows.rows();
        let mut sums = vec![0; self.profiles(link) * count];
        let Some(link) = self.by_link.get(link).filter(|_| count > 0) else {
            return Ok(sums);
        };
        for start in (0..count).step_by(ROWS_AT_A_TIME) {
            let part = start..count.min(start + ROWS_AT_A_TIME);
            for (router, profiles) in &link.parts {
                let scores = router.scores_of_rows(rows, part.clone());
                for profile in profiles {
                    let own = sums.chunks_exact_mut(count).nth(*profile);
                    let own = own.and_then(|own| own.get_mut(part.clone())).unwrap_or_default();
                    own.iter_mut().zip(&scores).for_each(|(sum, score)| *sum += score);
                }
            }
        }
        Ok(sums)
    }
}

impl LinkScores {
    fn new(
        links: &Links,
        link: &LinkColumns,
        trees: &[(&Tree, &[u32])],
        most: usize,
    ) -> Result<Self, JoinError> {
        let Some(domain) = links.domains().get(link.domain).filter(|_| !trees.is_empty()) else {
            return Ok(Self::default());
        };
        let profiles = domain.len(most)?;
        let mut by_profiles: BTreeMap<Vec<usize>, Vec<(Tree, Vec<u32>)>> = BTreeMap::new();
        for (tree, values) in trees {
            let mut versions: HashMap<(Tree, Vec<u32>), Vec<usize>> = HashMap::new();
            for profile in 0..profiles {
                let version = resolve(links, tree, values, &entity_bins(link, domain, profile))?;
                versions.entry(version).or_default().push(profile);
            }
            for (version, profiles) in versions {
                by_profiles.entry(profiles).or_default().push(version);
            }
        }
        let part = |(profiles, trees)| Ok((router(trees)?, profiles));
        Ok(Self {
            profiles,
            parts: by_profiles
                .into_iter()
                .map(part)
                .collect::<Result<_, JoinError>>()?,
        })
    }
}

fn router(trees: Vec<(Tree, Vec<u32>)>) -> Result<Router, JoinError> {
    let (trees, values): (Vec<_>, Vec<_>) = trees.into_iter().unzip();
    let values: Arc<[u32]> = values.concat().into();
    Ok(Router::new(&TableQuery::score_histogram(
        trees.into(),
        values,
        1,
    )?))
}

/// The bin of every column of the link, `known` first.
fn entity_bins(link: &LinkColumns, domain: &ProfileDomain, profile: usize) -> Vec<(usize, u8)> {
    let known = domain.bins_of(profile);
    let is_known = if known.is_some() {
        BIN_OF_KNOWN
    } else {
        BIN_OF_UNKNOWN
    };
    let bins = known.unwrap_or_else(|| domain.missing().collect());
    let attributes = link.attributes.iter().copied().zip(bins);
    std::iter::once((link.known, is_known))
        .chain(attributes)
        .collect()
}

/// The tree as it is for rows of one entity: where the entity's test goes one way, what is below moves to the left and
/// the node tests nothing.
fn resolve(
    links: &Links,
    tree: &Tree,
    values: &[u32],
    entity: &[(usize, u8)],
) -> Result<(Tree, Vec<u32>), JoinError> {
    let (own, open) = row_part(links, tree)?;
    let goes_right = |node: usize| {
        let split = tree.splits().get(node)?;
        let bin = entity
            .iter()
            .find(|(feature, _)| *feature == usize::from(split.feature))?;
        Some(split.right.contains(bin.1))
    };
    // For every node of the new tree, in level order, the node of the old one that is there now.
    let mut sources = vec![0usize];
    let mut splits = Vec::with_capacity(own.splits().len());
    for node in 0..own.splits().len() {
        let source = sources.get(node).copied().unwrap_or_default();
        let (left, right) = (2 * source + 1, 2 * source + 2);
        if open.get(source).copied().unwrap_or(false) {
            let taken = if goes_right(source) == Some(true) {
                right
            } else {
                left
            };
            splits.push(Split::DUMMY);
            sources.extend([taken, taken]);
        } else {
            splits.push(own.splits().get(source).copied().unwrap_or(Split::DUMMY));
            sources.extend([left, right]);
        }
    }
    let first_leaf = own.splits().len();
    let value = |source: &usize| {
        values
            .get(source.saturating_sub(first_leaf))
            .copied()
            .unwrap_or_default()
    };
    let values = sources.iter().skip(first_leaf).map(value).collect();
    let (expected, seen) = (first_leaf, splits.len());
    let tree = Tree::new(tree.depth(), splits).map_err(|_| JoinError::Shape {
        what: "tests of a tree",
        expected,
        seen,
    })?;
    Ok((tree, values))
}
