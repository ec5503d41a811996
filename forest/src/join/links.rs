//! Links with their columns, and what an entity can look like through them.

use super::JoinError;
use crate::binning::Binner;
use crate::schema::{ColumnKind, Schema};
use crate::tree::Tree;

/// All that an entity can look like: the product of the bins of its attributes, the bins of missing values included,
/// as an entity that is known; and, as the last *profile*, the one that nobody knows.
///
/// Public: it follows from schema and bins. Links whose attributes have the same names, types and bins share one
/// domain, so that one encryption of an entity's profile, or of a predicate, serves them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileDomain {
    bins: Vec<u16>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkColumns {
    /// Its name.
    pub name: String,
    /// Its domain, an index of [`Links::domains`].
    pub domain: usize,
    /// Its attributes as features of the schema, ascending, without `known`: the order of a domain's bins.
    pub attributes: Vec<usize>,
    /// The feature `<link>.known`.
    pub known: usize,
}

/// All links of a schema, and which columns are whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    links: Vec<LinkColumns>,
    domains: Vec<ProfileDomain>,
    columns: Vec<Owner>,
    row_columns: usize,
    bins: Vec<u16>,
}

/// Whose a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The rows'; the position among their columns.
    Row(u16),
    /// A link's; the attribute's position, `None` for `known`.
    Link(usize, Option<usize>),
}

impl ProfileDomain {
    /// Bins of each attribute, the one for missing values (the last) included.
    pub fn bins(&self) -> &[u16] {
        &self.bins
    }

    /// Number of profiles, that of the unknown entity included.
    ///
    /// # Errors
    /// [`JoinError::Profiles`] beyond `most`.
    pub fn len(&self, most: usize) -> Result<usize, JoinError> {
        self.bins
            .iter()
            .try_fold(1usize, |product, bins| product.checked_mul((*bins).into()))
            .and_then(|product| product.checked_add(1))
            .filter(|profiles| *profiles <= most)
            .ok_or(JoinError::Profiles { most })
    }

    /// The profile of an entity with these bins, one for each attribute; of the unknown entity for `None`. `None` if
    /// the bins are not those of the domain, or there are more profiles than a `usize` counts.
    pub fn profile_of(&self, entity: Option<&[u8]>) -> Option<usize> {
        let Some(entity) = entity else {
            return Some(self.len(usize::MAX).ok()? - 1);
        };
        if entity.len() != self.bins.len() {
            return None;
        }
        entity
            .iter()
            .zip(&self.bins)
            .try_fold(0usize, |profile, (bin, bins)| {
                let bin = usize::from(*bin);
                let more = profile.checked_mul((*bins).into())?.checked_add(bin)?;
                (bin < usize::from(*bins)).then_some(more)
            })
    }

    /// The bins of the attributes of a profile; `None` for the unknown entity and beyond.
    pub fn bins_of(&self, profile: usize) -> Option<Vec<u8>> {
        let mut rest = profile;
        let mut entity = vec![0; self.bins.len()];
        for (bin, bins) in entity.iter_mut().zip(&self.bins).rev() {
            *bin = (rest % usize::from(*bins)) as u8;
            rest /= usize::from(*bins);
        }
        (rest == 0).then_some(entity)
    }

    /// The bins of missing values, one for each attribute.
    pub(super) fn missing(&self) -> impl Iterator<Item = u8> {
        self.bins.iter().map(|bins| bins.saturating_sub(1).min(255) as u8)
    }
}

impl Links {
    /// The links of a schema under a binner of it.
    ///
    /// # Errors
    /// A schema that does not hold together, or the binner of another.
    pub fn new(schema: &Schema, binner: &Binner) -> Result<Self, JoinError> {
        schema.validate().map_err(crate::binning::BinningError::from)?;
        if binner.len() != schema.len() {
            return Err(JoinError::Features {
                expected: schema.len(),
                seen: binner.len(),
            });
        }
        let bins = (0..binner.len()).map(|feature| binner.bins_of(feature) as u16);
        let mut all = Self {
            links: Vec::new(),
            domains: Vec::new(),
            columns: vec![Owner::Row(0); schema.len()],
            row_columns: 0,
            bins: bins.collect(),
        };
        for feature in schema.row_columns() {
            all.own(feature, Owner::Row(all.row_columns as u16));
            all.row_columns += 1;
        }
        let mut kinds: Vec<Vec<(&str, &ColumnKind)>> = Vec::new();
        for (link, name) in schema.links().into_iter().enumerate() {
            let (mut attributes, mut kind, mut known) = (Vec::new(), Vec::new(), 0);
            for feature in schema.link_columns(name) {
                let column = schema.features.get(feature);
                if column.is_some_and(|column| column.is_known()) {
                    known = feature;
                    all.own(feature, Owner::Link(link, None));
                } else {
                    all.own(feature, Owner::Link(link, Some(attributes.len())));
                    attributes.push(feature);
                    kind.extend(column.map(|column| (column.attribute().unwrap_or_default(), &column.kind)));
                }
            }
            let domain = kinds.iter().position(|other| *other == kind).unwrap_or_else(|| {
                let bins = attributes.iter().map(|feature| binner.bins_of(*feature) as u16);
                all.domains.push(ProfileDomain { bins: bins.collect() });
                kinds.push(kind);
                kinds.len() - 1
            });
            all.links.push(LinkColumns {
                name: name.to_owned(),
                domain,
                attributes,
                known,
            });
        }
        Ok(all)
    }

    fn own(&mut self, feature: usize, owner: Owner) {
        if let Some(column) = self.columns.get_mut(feature) {
            *column = owner;
        }
    }

    /// The links, in the schema's order.
    pub fn links(&self) -> &[LinkColumns] {
        &self.links
    }

    /// The distinct domains, in the order in which links first have them.
    pub fn domains(&self) -> &[ProfileDomain] {
        &self.domains
    }

    /// Number of columns of the rows themselves.
    pub const fn row_columns(&self) -> usize {
        self.row_columns
    }

    /// Features of the schema.
    pub const fn features(&self) -> usize {
        self.columns.len()
    }

    /// The link whose column a feature is, as an index of [`Links::links`]; `None` for a column of the rows, and for a
    /// feature that there is not.
    pub fn link_of(&self, feature: usize) -> Option<usize> {
        match self.columns.get(feature)? {
            Owner::Row(_) => None,
            Owner::Link(link, _) => Some(*link),
        }
    }

    /// The links whose columns a tree tests, at most two, ascending; none if it tests the row alone.
    ///
    /// # Errors
    /// A test on a column that there is not, or tests on columns of three links.
    pub fn links_of_tree(&self, position: usize, tree: &Tree) -> Result<[Option<usize>; 2], JoinError> {
        let mut found: Vec<usize> = Vec::new();
        for split in tree.splits().iter().filter(|split| !split.is_dummy()) {
            if usize::from(split.feature) >= self.columns.len() {
                return Err(JoinError::Feature {
                    tree: position,
                    seen: split.feature,
                    expected: self.columns.len(),
                });
            }
            if let Some(link) = self.link_of(split.feature.into())
                && let Err(place) = found.binary_search(&link)
            {
                found.insert(place, link);
            }
        }
        let name = |link: &usize| {
            self.links
                .get(*link)
                .map_or_else(String::new, |link| link.name.clone())
        };
        match found.as_slice() {
            [] => Ok([None, None]),
            [only] => Ok([Some(*only), None]),
            [first, second] => Ok([Some(*first), Some(*second)]),
            more => Err(JoinError::ManyLinks {
                tree: position,
                seen: more.iter().map(name).collect(),
            }),
        }
    }

    /// The one link whose columns a tree tests; `None` if it tests the row alone. `position` is for the error.
    ///
    /// # Errors
    /// A test on a column that there is not, or tests on columns of two links.
    pub fn link_of_tree(&self, position: usize, tree: &Tree) -> Result<Option<usize>, JoinError> {
        let mut found: Option<usize> = None;
        for split in tree.splits().iter().filter(|split| !split.is_dummy()) {
            if usize::from(split.feature) >= self.columns.len() {
                return Err(JoinError::Feature {
                    tree: position,
                    seen: split.feature,
                    expected: self.columns.len(),
                });
            }
            let Some(link) = self.link_of(split.feature.into()) else {
                continue;
            };
            let first = *found.get_or_insert(link);
            if first != link {
                let name = |link: usize| {
                    self.links
                        .get(link)
                        .map_or_else(String::new, |link| link.name.clone())
                };
                return Err(JoinError::TwoLinks {
                    tree: position,
                    first: name(first),
                    second: name(link),
                });
            }
        }
        Ok(found)
    }

    /// The link of a histogram of a feature over the leaves of a tree; `None` if it is about the row alone.
    ///
    /// # Errors
    /// As [`Links::link_of_tree`], the feature's link among those tested.
    pub(super) fn link_of_histogram(
        &self,
        position: usize,
        tree: &Tree,
        feature: u16,
    ) -> Result<Option<usize>, JoinError> {
        let tested = self.link_of_tree(position, tree)?;
        if usize::from(feature) >= self.columns.len() {
            return Err(JoinError::Feature {
                tree: position,
                seen: feature,
                expected: self.columns.len(),
            });
        }
        match (tested, self.link_of(feature.into())) {
            (Some(first), Some(second)) if first != second => {
                let name = |link: usize| {
                    self.links
                        .get(link)
                        .map_or_else(String::new, |link| link.name.clone())
                };
                Err(JoinError::TwoLinks {
                    tree: position,
                    first: name(first),
                    second: name(second),
                })
            }
            (tested, counted) => Ok(tested.or(counted)),
        }
    }

    pub(crate) fn owner(&self, feature: u16) -> Option<Owner> {
        self.columns.get(usize::from(feature)).copied()
    }

    /// All bins of a feature, the one of missing values included.
    pub(super) fn bins_of(&self, feature: u16) -> u16 {
        self.bins.get(usize::from(feature)).copied().unwrap_or_default()
    }
}
