//! The attribute party's first part: bits of entities, encrypted block by block.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::AttributeKey;
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::join::AttributePredicate;
use rayon::prelude::*;

use super::align::Aligned;
use super::data::{JoinData, keys_digest};
use super::error::JoinError;
use super::plan::JoinPlan;
use super::stream::items_per_message;
use super::upload::{Source, Upload};
use crate::ids::PartyId;

/// No entity of this party stands here.
const NOBODY: u32 = u32::MAX;

/// The attributes of a party's entities in the order of a union. Secret: not printed.
pub struct Attributes {
    /// For each position of the union the own entity there, or [`NOBODY`].
    entity_at: Vec<u32>,
    /// Own entities.
    entities: usize,
    /// For each domain, for each of its attributes, the bins of all own entities.
    columns: Vec<Vec<Vec<u8>>>,
    /// Of all columns: tells whether the entities are still what they were.
    digest: Digest,
}

impl std::fmt::Debug for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attributes({} positions)", self.entity_at.len())
    }
}

impl Attributes {
    /// Reads the attributes that a plan needs.
    ///
    /// # Errors
    /// Data that cannot be read, do not fit, or have changed since they were aligned.
    pub fn read(
        data: &dyn JoinData,
        plan: &JoinPlan,
        party: &PartyId,
        aligned: &Aligned,
    ) -> Result<Self, JoinError> {
        let Aligned {
            positions,
            union,
            keys,
        } = aligned;
        let entities = data.entities().map_err(JoinError::Data)?;
        if keys_digest(&entities) != *keys {
            return Err(JoinError::Changed);
        }
        let fits = |what, expected: usize, actual: usize| {
            if expected == actual {
                Ok(())
            } else {
                Err(JoinError::Shape {
                    what,
                    expected: expected as u64,
                    actual: actual as u64,
                })
            }
        };
        fits("aligned entities", positions.len(), entities.len())?;
        let domains = plan.cells().links().domains();
        let mut columns = vec![Vec::new(); domains.len()];
        for domain in plan.domains_served(party) {
            let (Some(of), Some(columns)) = (domains.get(domain), columns.get_mut(domain)) else {
                continue;
            };
            for (feature, bins) in plan.features(domain, party).iter().zip(of.bins()) {
                let column = data.attributes(*feature).map_err(JoinError::Data)?;
                fits("bins of an attribute", entities.len(), column.len())?;
                if let Some(bin) = column.iter().find(|bin| u16::from(**bin) >= *bins) {
                    return Err(JoinError::Shape {
                        what: "bin of an attribute, at most",
                        expected: u64::from(*bins) - 1,
                        actual: u64::from(*bin),
                    });
                }
                columns.push(column);
            }
        }
        let union = usize::try_from(*union).unwrap_or(usize::MAX);
        let mut entity_at = vec![NOBODY; union];
        for (entity, position) in positions.iter().enumerate() {
            match (entity_at.get_mut(*position as usize), u32::try_from(entity)) {
                (Some(at), Ok(entity)) => *at = entity,
                _ => fits("position in the union, below", union, *position as usize)?,
            }
        }
        let parts: Vec<&[u8]> = columns.iter().flatten().map(Vec::as_slice).collect();
        let digest = hash("hedgerow/protocol/join/attributes/1", &parts);
        Ok(Self {
            entities: positions.len(),
            entity_at,
            columns,
            digest,
        })
    }

    /// Number of positions of the union.
    pub fn union(&self) -> usize {
        self.entity_at.len()
    }

    /// The digest of all attributes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bins of all own entities, one list for each attribute of a domain.
    pub(in crate::join) fn columns(&self, domain: usize) -> &[Vec<u8>] {
        self.columns.get(domain).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many entities there are.
    pub(in crate::join) const fn entities(&self) -> usize {
        self.entities
    }

    /// For each position of the union the own entity there.
    pub(in crate::join) fn positions(&self) -> impl Iterator<Item = Option<usize>> {
        let entity = |entity: &u32| (*entity != NOBODY).then_some(*entity as usize);
        self.entity_at.iter().map(entity)
    }

    /// Whether the entities of a range of positions pass a predicate.
    pub(in crate::join) fn accepted(
        &self,
        predicate: &AttributePredicate,
        positions: Range<usize>,
    ) -> Vec<bool> {
        self.bits(predicate.domain(), positions, &Test::Predicate(predicate.clone()))
    }

    /// Whether the entities of a range of positions pass a test of their bins.
    fn bits(&self, domain: usize, positions: Range<usize>, test: &Test) -> Vec<bool> {
        let columns = self.columns.get(domain).map(Vec::as_slice).unwrap_or_default();
        let mut bins = vec![0u8; columns.len()];
        let end = positions.end.min(self.entity_at.len());
        self.entity_at
            .get(positions.start.min(end)..end)
            .unwrap_or_default()
            .iter()
            .map(|entity| {
                if *entity == NOBODY {
                    return test.passes(None);
                }
                for (bin, column) in bins.iter_mut().zip(columns) {
                    *bin = column.get(*entity as usize).copied().unwrap_or_default();
                }
                test.passes(Some(&bins))
            })
            .collect()
    }
}

/// What the bits of a source say.
enum Test {
    Profile(Option<Vec<u8>>),
    Predicate(AttributePredicate),
}

impl Test {
    fn passes(&self, entity: Option<&[u8]>) -> bool {
        match self {
            Self::Profile(profile) => profile.as_deref() == entity,
            Self::Predicate(predicate) => predicate.accepts(entity),
        }
    }
}

/// Encrypted blocks in one message: as many as fit one chunk.
pub fn blocks_per_message(upload: &Upload) -> usize {
    items_per_message(upload.params.block_bytes())
}

/// Messages of one unit.
pub fn messages_of(upload: &Upload, unit: usize) -> usize {
    upload
        .units
        .get(unit)
        .map_or(0, |unit| upload.items(unit).div_ceil(blocks_per_message(upload)))
}

/// What is needed to encrypt for one row party.
#[derive(Clone, Debug)]
pub struct Encryptor {
    /// The plan of the query.
    pub plan: Arc<JoinPlan>,
    /// What is sent.
    pub upload: Arc<Upload>,
    /// The own entities.
    pub attributes: Arc<Attributes>,
    /// The key of this party for the row party.
    pub key: Arc<AttributeKey>,
    /// The seed of all encryptions for the row party.
    pub seed: Seed,
}

impl Encryptor {
    /// Messages of one unit, those of a range.
    ///
    /// # Errors
    /// [`JoinError::Exact`]; not for an upload of this plan.
    pub fn messages(&self, unit: usize, range: Range<usize>) -> Result<Vec<Vec<u8>>, JoinError> {
        let Some(of) = self.upload.units.get(unit) else {
            return Ok(Vec::new());
        };
        let per_message = blocks_per_message(&self.upload);
        let items = self.upload.items(of);
        range
            .into_par_iter()
            .map(|message| {
                let mut bytes = Vec::new();
                for item in message * per_message..((message + 1) * per_message).min(items) {
                    let width = of.sources.len().max(1);
                    let (block, source) = (item / width, item % width);
                    if let Some(source) = of.sources.get(source) {
                        bytes.extend(self.block(*source, block)?);
                    }
                }
                Ok(bytes)
            })
            .collect()
    }

    fn block(&self, source: Source, block: usize) -> Result<Vec<u8>, JoinError> {
        let length = self.upload.params.block_len();
        let positions = block * length..(block + 1) * length;
        let (bits, context) = source_bits(&self.plan, &self.attributes, source, positions, block);
        Ok(self.key.encrypt_block(&bits, &context, &self.seed)?.to_bytes())
    }
}

/// The bits of a source at some positions, and what tells its encryption from others under the same seed.
pub(in crate::join) fn source_bits(
    plan: &JoinPlan,
    attributes: &Attributes,
    source: Source,
    positions: Range<usize>,
    block: usize,
) -> (Vec<bool>, Vec<u8>) {
    let cells = plan.cells();
    let (domain, test, numbers, query) = match source {
        Source::Profile { domain, profile } => {
            let of = cells.links().domains().get(domain);
            let bins = of.and_then(|of| of.bins_of(profile));
            (domain, Test::Profile(bins), [0, domain, profile, block], None)
        }
        Source::Predicate(predicate) => {
            let Some(of) = cells.predicates().get(predicate) else {
                return (Vec::new(), Vec::new());
            };
            // A number means another predicate in every query.
            let test = Test::Predicate(of.clone());
            (of.domain(), test, [1, 0, predicate, block], Some(plan.query()))
        }
    };
    let numbers = numbers.iter().flat_map(|part| (*part as u64).to_le_bytes());
    let context = numbers.chain(query.into_iter().flatten().copied()).collect();
    (attributes.bits(domain, positions, &test), context)
}
