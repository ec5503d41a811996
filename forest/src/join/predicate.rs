//! What a leaf demands of an entity.

use super::JoinError;
use super::links::{Links, Owner, ProfileDomain};
use crate::schema::link::{BIN_OF_KNOWN, BIN_OF_UNKNOWN};
use crate::tree::{BinSet, Tree};

/// The tests on a path that concern the entity, as the set of entities that pass them all.
///
/// In one form only: two predicates over a domain are equal if and only if the same entities pass. (Of known entities
/// these are a product of sets of bins, one for each attribute, and a product that is not empty has unique factors.)
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributePredicate {
    domain: usize,
    /// For every attribute that does not pass with any bin, ascending, the bins that do; `None` if no known entity
    /// passes.
    known: Option<Vec<(usize, BinSet)>>,
    missing: bool,
}

/// The bins that can be on a path, feature by feature as it tests them.
#[derive(Default)]
struct Path(Vec<(u16, BinSet)>);

impl Path {
    fn restrict(&mut self, feature: u16, bins: u16, right: &BinSet, goes_right: bool) {
        if !self.0.iter().any(|(other, _)| *other == feature) {
            let all = BinSet::range(0, bins.saturating_sub(1).min(255) as u8);
            self.0.push((feature, all));
        }
        for (_, set) in self.0.iter_mut().filter(|(other, _)| *other == feature) {
            *set = set
                .iter()
                .filter(|bin| right.contains(*bin) == goes_right)
                .collect();
        }
    }
}

impl AttributePredicate {
    /// What the path to `leaf`, and a test after it, demand of the entity that `link` names; `None` if no row can pass
    /// their tests on the row, whatever the entity.
    pub(super) fn of_leaf(
        links: &Links,
        link: usize,
        tree: &Tree,
        leaf: usize,
        also: Option<&(u16, BinSet)>,
    ) -> Option<Self> {
        let columns = links.links().get(link)?;
        let domain = links.domains().get(columns.domain)?;
        let path = path(links, tree, leaf, also)?;
        let mut known = Some(Vec::new());
        let mut missing = true;
        for (feature, set) in path.0 {
            match links.owner(feature)? {
                Owner::Row(_) if set.is_empty() => return None,
                Owner::Row(_) => {}
                // The other link of a tree over two has a predicate of its own.
                Owner::Link(other, _) if other != link => {}
                Owner::Link(_, None) => {
                    known = known.filter(|_| set.contains(BIN_OF_KNOWN));
                    missing &= set.contains(BIN_OF_UNKNOWN);
                }
                Owner::Link(_, Some(attribute)) => {
                    missing &= domain
                        .missing()
                        .nth(attribute)
                        .is_some_and(|bin| set.contains(bin));
                    known = known.filter(|_| !set.is_empty());
                    if let Some(known) = &mut known
                        && set.len() < usize::from(links.bins_of(feature))
                    {
                        known.push((attribute, set));
                    }
                }
            }
        }
        if let Some(known) = &mut known {
            known.sort_unstable();
        }
        Some(Self {
            domain: columns.domain,
            known,
            missing,
        })
    }

    /// The domain, an index of [`Links::domains`].
    pub const fn domain(&self) -> usize {
        self.domain
    }

    /// Does an entity with these bins, one for each attribute of the domain, pass? `None` is an entity that nobody
    /// knows.
    pub fn accepts(&self, entity: Option<&[u8]>) -> bool {
        let passes = |(attribute, set): &(usize, BinSet), entity: &[u8]| {
            entity.get(*attribute).is_some_and(|bin| set.contains(*bin))
        };
        match entity {
            None => self.missing,
            Some(entity) => self
                .known
                .as_ref()
                .is_some_and(|tests| tests.iter().all(|test| passes(test, entity))),
        }
    }

    /// Does an entity pass that nobody knows, or a reference to nobody, or to a party that has dropped?
    pub const fn accepts_missing(&self) -> bool {
        self.missing
    }

    /// Does any known entity pass?
    pub const fn accepts_known(&self) -> bool {
        self.known.is_some()
    }

    /// The attributes that matter to known entities, ascending, with the bins that pass; empty too if no known entity
    /// passes.
    pub fn tests(&self) -> &[(usize, BinSet)] {
        self.known.as_deref().unwrap_or_default()
    }

    /// Does every entity pass?
    pub fn is_all(&self) -> bool {
        self.missing && self.known.as_ref().is_some_and(Vec::is_empty)
    }

    /// Does no entity pass?
    pub const fn is_none(&self) -> bool {
        !self.missing && self.known.is_none()
    }

    /// For every profile of the domain, whether it passes.
    ///
    /// # Errors
    /// [`JoinError::Profiles`] beyond `most` of them.
    pub fn accepted(&self, domain: &ProfileDomain, most: usize) -> Result<Vec<bool>, JoinError> {
        let profiles = 0..domain.len(most)?;
        Ok(profiles
            .map(|profile| self.accepts(domain.bins_of(profile).as_deref()))
            .collect())
    }
}

/// Can any row reach the leaf of a tree that tests columns of the rows alone, and pass a test after it?
pub(super) fn is_reachable(links: &Links, tree: &Tree, leaf: usize, also: Option<&(u16, BinSet)>) -> bool {
    path(links, tree, leaf, also).is_some_and(|path| path.0.iter().all(|(_, set)| !set.is_empty()))
}

/// The path to a leaf, and a test after it; `None` if it goes right where nothing does.
fn path(links: &Links, tree: &Tree, leaf: usize, also: Option<&(u16, BinSet)>) -> Option<Path> {
    let mut path = Path::default();
    for level in 0..tree.depth() {
        let node = (1usize << level) - 1 + (leaf >> (tree.depth() - level));
        let goes_right = leaf >> (tree.depth() - 1 - level) & 1 == 1;
        let split = tree.splits().get(node)?;
        if split.is_dummy() {
            if goes_right {
                return None;
            }
            continue;
        }
        path.restrict(
            split.feature,
            links.bins_of(split.feature),
            &split.right,
            goes_right,
        );
    }
    if let Some((feature, passing)) = also {
        path.restrict(*feature, links.bins_of(*feature), passing, true);
    }
    Some(path)
}
