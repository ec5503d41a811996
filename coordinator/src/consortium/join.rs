//! What a consortium of mixed or vertical data agrees on besides: links, roles, alignment, scores.

use hedgerow_protocol::config::{
    Alignment, AttributeParty, Join, LinkConfig, LinkParty, Prediction, ScoreBudget,
};
use hedgerow_protocol::ids::PartyId;
use serde::Deserialize;

use super::file::{ConsortiumFile, Epsilon};

/// Declared rows of joined runs where the file does not say. Their noise bound, and with it the size of every
/// ciphertext, follows from the declared rows.
pub const JOINED_MAX_ROWS: u64 = 1 << 22;

/// How rows are partitioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionName {
    /// Each party has whole rows of its own.
    Horizontal,
    /// Rows name entities, each at one of several attribute parties.
    Mixed,
    /// One party has the rows, others have further columns of the same rows.
    Vertical,
}

/// What neighbouring data sets differ in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitName {
    /// One row of one row party.
    #[default]
    Row,
    /// One entity with its rows.
    Entity,
}

/// `[[link]]`: one way in which rows name entities.
///
/// ```toml
/// [[link]]
/// name = "payer"                     # columns of the schema: payer.<attribute>, payer.known
/// party_column = "payer_bank"        # mixed: whom to ask, row by row; vertical: party = "bank-b"
/// key_columns = ["account", "name"]  # pair with the attribute parties' `key` by position
///
/// [[attributes]]
/// party = "bank-b"
/// serves = ["BANKB2XX"]              # values of party columns that it answers for
///
/// [join]
/// alignment = "private"              # or "plain": row parties may know the entities
/// minimum = 16                       # fewest keys of an aligned set, dummies included
/// pad = 1024                         # common dummy keys that blur the overlap; 0 for none
/// segments = 8                       # cells that share one encrypted answer
///
/// [prediction]
/// allowed = true                     # private scores after training
/// rows = 4_194_304                   # most scores that an attribute party takes part in
/// per_entity = 65_536                # most scores about one entity
/// epsilon = "none"                   # output noise over all scores of one entity
/// delta = 1e-6
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSection {
    /// Its name, before the dot of the schema's columns.
    pub name: String,
    /// Mixed: the rows' column that says which party has the entity.
    pub party_column: Option<String>,
    /// Vertical: the party that has the entity.
    pub party: Option<PartyId>,
    /// The rows' columns that name the entity.
    pub key_columns: Vec<String>,
}

/// `[[attributes]]`: a party that holds attributes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributesSection {
    /// Who.
    pub party: PartyId,
    /// Values of the links' party columns that it answers for; its id if left out.
    pub serves: Option<Vec<String>>,
}

/// `[join]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinSection {
    /// How keys are compared.
    pub alignment: AlignmentName,
    /// Fewest keys of an aligned set.
    pub minimum: u32,
    /// Size of the pool of dummies; 0 for none.
    pub pad: u32,
    /// Cells that share one answer.
    pub segments: u32,
}

impl Default for JoinSection {
    fn default() -> Self {
        Self {
            alignment: AlignmentName::Private,
            minimum: 16,
            pad: 1024,
            segments: 8,
        }
    }
}

/// How two parties find the entities that they have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlignmentName {
    /// A private union join.
    Private,
    /// The attribute party tells its keys.
    Plain,
}

/// `[prediction]`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PredictionSection {
    /// Are private scores answered at all?
    pub allowed: bool,
    /// Most scores in all.
    pub rows: u64,
    /// Most scores about one entity.
    pub per_entity: u32,
    /// Output noise.
    pub epsilon: Epsilon,
    /// Its delta.
    pub delta: f64,
}

impl Default for PredictionSection {
    fn default() -> Self {
        Self {
            allowed: true,
            rows: 1 << 22,
            per_entity: 1 << 16,
            epsilon: Epsilon::None,
            delta: 1e-6,
        }
    }
}

/// The join that the file describes; whether it fits the partition is checked with everything else.
///
/// # Errors
/// A link that names both a party and a party column, or neither.
pub(super) fn join(file: &ConsortiumFile) -> Result<Join, String> {
    let links = file.links.iter().map(|link| {
        Ok(LinkConfig {
            name: link.name.clone(),
            party: match (&link.party_column, &link.party) {
                (Some(column), None) => LinkParty::Column(column.clone()),
                (None, Some(party)) => LinkParty::Party(party.clone()),
                _ => {
                    return Err(format!(
                        "link {:?} needs either `party_column` (mixed) or `party` (vertical)",
                        link.name
                    ));
                }
            },
            key_columns: link.key_columns.clone(),
        })
    });
    let prediction = &file.prediction;
    Ok(Join {
        links: links.collect::<Result<_, String>>()?,
        attribute_parties: file
            .attributes
            .iter()
            .map(|section| AttributeParty {
                party: section.party.clone(),
                serves: match &section.serves {
                    Some(values) => values.clone(),
                    None => vec![section.party.as_str().to_owned()],
                },
            })
            .collect(),
        alignment: match file.join.alignment {
            AlignmentName::Plain => Alignment::Plain,
            AlignmentName::Private => Alignment::Private {
                minimum: file.join.minimum,
                pad: file.join.pad,
            },
        },
        segments: file.join.segments,
        prediction: prediction.allowed.then_some(Prediction {
            rows: prediction.rows,
            per_entity: prediction.per_entity,
            budget: match prediction.epsilon {
                Epsilon::None => None,
                Epsilon::Of(epsilon) => Some(ScoreBudget {
                    epsilon,
                    delta: prediction.delta,
                }),
            },
        }),
    })
}
