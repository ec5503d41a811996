//! How rows of some parties refer to attributes at others: the public part of mixed and vertical runs.

use hedgerow_crypto::align::Padding;
use serde::{Deserialize, Serialize};

use super::{Partition, RunConfig};
use crate::ids::PartyId;

/// What a party brings to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Labelled rows with columns of its own.
    Row,
    /// Attributes of the entities that rows of others refer to.
    Attributes,
}

/// Everything that joined runs declare besides what all runs do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// The links, in the order of the schema's columns; each of the schema's links once.
    pub links: Vec<LinkConfig>,
    /// The attribute parties, sorted by id; all others are row parties.
    pub attribute_parties: Vec<AttributeParty>,
    /// How two parties find the entities that they have in common.
    pub alignment: Alignment,
    /// Cells that share one answer (m of `crypto::exact`): a power of two up to [`MAX_SEGMENTS`].
    pub segments: u32,
    /// Private scores after training; `None` forbids them.
    pub prediction: Option<Prediction>,
}

/// Most cells side by side in one answer.
pub const MAX_SEGMENTS: u32 = 64;

/// One way in which a row refers to an entity at an attribute party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkConfig {
    /// Its name; columns read through it are `<name>.<attribute>` and `<name>.known`.
    pub name: String,
    /// Where the entity is.
    pub party: LinkParty,
    /// The row party's columns that make up the entity's key, in the order of the attribute parties' `key`.
    pub key_columns: Vec<String>,
}

/// Which attribute party a row's entity is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkParty {
    /// The one that serves the value in this column of the row (mixed).
    Column(String),
    /// Always this one (vertical).
    Party(PartyId),
}

/// A party that answers for entities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeParty {
    /// Who.
    pub party: PartyId,
    /// Values of the links' party columns that it answers for, sorted; no value has two parties.
    pub serves: Vec<String>,
}

/// How two parties find the entities that they have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// A private union join (`crypto::align`): reveals the sizes of both sets and of their union.
    Private {
        /// Smallest set that is aligned, dummies included; a party with fewer keys refuses.
        minimum: u32,
        /// Size of the common public pool of dummies of which both sides add random subsets; 0 for none.
        pad: u32,
    },
    /// The attribute party tells the row party its keys.
    Plain,
}

impl Alignment {
    /// What one alignment costs the presence of a key of either side, as epsilon at this delta: infinite where no dummies
    /// blur the overlap; `None` where keys are told in the clear, and nothing is promised.
    #[must_use]
    pub fn epsilon(&self, delta: f64) -> Option<f64> {
        match self {
            Self::Plain => None,
            Self::Private { pad, .. } => {
                Some(Padding::new(*pad).map_or(f64::INFINITY, |padding| padding.epsilon(delta)))
            }
        }
    }
}

/// Private scores after training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Most scores that an attribute party takes part in, over all batches of the run.
    pub rows: u64,
    /// Most scores that ask about one entity; the row party enforces it.
    pub per_entity: u32,
    /// Output differential privacy of all `per_entity` scores about one entity together; `None` for exact
    /// scores.
    pub budget: Option<ScoreBudget>,
}

/// Epsilon and delta of all scores that ask about one entity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreBudget {
    /// Finite and above 0.
    pub epsilon: f64,
    /// In (0, 1).
    pub delta: f64,
}

impl Join {
    /// Brings lists whose order means nothing into the one order that is signed.
    pub(super) fn sort(&mut self) {
        self.attribute_parties.sort_by(|a, b| a.party.cmp(&b.party));
        for party in &mut self.attribute_parties {
            party.serves.sort();
        }
    }

    /// The attribute party, if it is one.
    #[must_use]
    pub fn attribute_party(&self, party: &PartyId) -> Option<&AttributeParty> {
        self.attribute_parties
            .binary_search_by(|known| known.party.cmp(party))
            .ok()
            .and_then(|index| self.attribute_parties.get(index))
    }

    /// The attribute party that answers for this value of a link's party column.
    #[must_use]
    pub fn serving(&self, value: &str) -> Option<&PartyId> {
        self.attribute_parties
            .iter()
            .find(|party| {
                party
                    .serves
                    .binary_search_by(|known| known.as_str().cmp(value))
                    .is_ok()
            })
            .map(|party| &party.party)
    }
}

impl Partition {
    /// The join of a mixed or vertical run.
    #[must_use]
    pub fn join(&self) -> Option<&Join> {
        match self {
            Self::Horizontal => None,
            Self::Vertical(join) | Self::Mixed(join) => Some(join),
        }
    }
}

impl RunConfig {
    /// The join of a mixed or vertical run.
    #[must_use]
    pub fn join(&self) -> Option<&Join> {
        self.partition.join()
    }

    /// What the party brings; in a horizontal run everybody brings rows.
    #[must_use]
    pub fn role(&self, party: &PartyId) -> Role {
        match self.join().and_then(|join| join.attribute_party(party)) {
            Some(_) => Role::Attributes,
            None => Role::Row,
        }
    }

    /// The parties of a role, sorted.
    pub fn parties_of(&self, role: Role) -> impl Iterator<Item = &PartyId> {
        self.parties.iter().filter(move |party| self.role(party) == role)
    }

    /// Whether trees may test columns of two links: then attribute parties relay chunks to each other, too.
    #[must_use]
    pub fn is_chained(&self) -> bool {
        self.join().is_some() && self.forest.links_per_tree > 1
    }

    /// Whether two parties may relay chunks to each other: counterparts; in chained runs any two attribute parties, too.
    #[must_use]
    pub fn may_relay(&self, a: &PartyId, b: &PartyId) -> bool {
        let attributes = |party| self.lists(party) && self.role(party) == Role::Attributes;
        self.are_counterparts(a, b) || (self.is_chained() && a != b && attributes(a) && attributes(b))
    }

    /// Whether two parties join their data: one has rows, the other attributes.
    #[must_use]
    pub fn are_counterparts(&self, a: &PartyId, b: &PartyId) -> bool {
        self.join().is_some() && self.lists(a) && self.lists(b) && self.role(a) != self.role(b)
    }
}
