//! A tiny deployment: parties with identities, one configuration, a consortium that knows everybody.

use std::collections::BTreeMap;
use std::sync::Arc;

use hedgerow_crypto::identity::{SigningIdentity, VerifyingIdentity};
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::seed::Seed;
use hedgerow_dp::Noise;
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_protocol::config::{
    Aggregation, Alignment, PrivacyParams, RunConfig, RunConfigLiteral, TestSplit, Unit, smallest_threshold,
};
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::join::memory::MemoryData;
use hedgerow_protocol::roster::{CertificateError, CertificateVerifier};

use crate::joined;
use crate::plain::Row;

/// A consortium without X.509: a certificate is the party's public key, and only known ones are accepted.
#[derive(Debug, Default)]
pub struct PinnedKeys(BTreeMap<PartyId, VerifyingIdentity>);

impl CertificateVerifier for PinnedKeys {
    fn verify(&self, party: &PartyId, certificate: &[u8]) -> Result<VerifyingIdentity, CertificateError> {
        match self.0.get(party) {
            Some(identity) if identity.to_bytes() == certificate => Ok(*identity),
            _ => Err(CertificateError {
                party: party.clone(),
                reason: "not of this consortium".to_owned(),
            }),
        }
    }
}

/// What a deployment varies in.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Number of parties.
    pub parties: u32,
    /// Fewest survivors of a sum.
    pub min_parties: u32,
    /// Collusion bound.
    pub collusion: u32,
    /// The parties that hold shares, by number; none is masked mode.
    pub aggregators: Vec<u32>,
    /// Modulus of the sum.
    pub modulus: Modulus,
    /// Epsilon, or no noise.
    pub epsilon: Option<f64>,
    /// Which noise, if any.
    pub mechanism: Noise,
    /// Trees, each of depth 2.
    pub trees: u32,
    /// How many of the parties, the last ones, have attributes in place of rows.
    pub attributes: u32,
    /// How these are aligned with those that have rows.
    pub alignment: Alignment,
    /// Whether each link leads to one attribute party, in place of that which a row names.
    pub vertical: bool,
    /// Whether a tree may test attributes of two parties (vertical alone).
    pub chained: bool,
    /// Whether parties with rows score them in private after the run.
    pub scores: bool,
    /// Whether attribute parties go on answering for scores after the run.
    pub serving: bool,
    /// How trees grow.
    pub growth: Growth,
}

impl Shape {
    /// Masked mode without noise over `parties`, of whom `min_parties` must survive. One may collude, but not of
    /// two.
    #[must_use]
    pub fn masked(parties: u32, min_parties: u32) -> Self {
        let collusion = u32::from(parties > 2);
        Self {
            parties,
            min_parties,
            collusion,
            aggregators: Vec::new(),
            modulus: Modulus::TWO_TO_64,
            epsilon: None,
            mechanism: Noise::DiscreteGaussian,
            trees: 2,
            attributes: 0,
            alignment: Alignment::Private { minimum: 1, pad: 0 },
            vertical: false,
            chained: false,
            scores: false,
            serving: false,
            growth: Growth::Random,
        }
    }

    /// The same with another growth.
    #[must_use]
    pub fn grown(self, growth: Growth) -> Self {
        Self { growth, ..self }
    }

    /// One party with rows, and one with further columns for each of two links; without noise.
    #[must_use]
    pub fn vertical() -> Self {
        Self {
            vertical: true,
            ..Self::mixed(1, 2, 3)
        }
    }

    /// The same with trees over both links.
    #[must_use]
    pub fn chained() -> Self {
        Self {
            chained: true,
            modulus: joined::chain_modulus(),
            trees: 4,
            ..Self::vertical()
        }
    }

    /// Parties with rows and parties with attributes, joined without noise.
    #[must_use]
    pub fn mixed(rows: u32, attributes: u32, min_parties: u32) -> Self {
        Self {
            modulus: joined::modulus(),
            attributes,
            ..Self::masked(rows + attributes, min_parties)
        }
    }

    /// Shares mode without noise, the first two parties holding the shares.
    #[must_use]
    pub fn shares(parties: u32, min_parties: u32) -> Self {
        Self {
            aggregators: vec![0, 1],
            ..Self::masked(parties, min_parties)
        }
    }
}

/// Parties, keys, rows and configuration.
pub struct Deployment {
    /// The configuration.
    pub config: RunConfig,
    /// Who is who.
    pub verifier: Arc<PinnedKeys>,
    /// Horizontal: one row for each party, standing for `4^i` copies.
    pub rows: BTreeMap<PartyId, Vec<Row>>,
    /// Mixed: rows and entities of each party; each row has its own power of four.
    pub joined: BTreeMap<PartyId, MemoryData>,
}

/// Name of the party with this number; names sort as numbers do.
///
/// # Panics
/// Never: the name is a valid one.
#[must_use]
pub fn party(number: u32) -> PartyId {
    PartyId::new(format!("p{number:02}")).expect("a valid name")
}

/// The identity of the party with this number.
#[must_use]
pub fn identity(number: u32) -> SigningIdentity {
    SigningIdentity::from_seed(&Seed::from_bytes([number as u8 ^ 0xa5; 32]))
}

/// What the consortium gave the party with this number.
#[must_use]
pub fn certificate(number: u32) -> Vec<u8> {
    identity(number).verifying().to_bytes().to_vec()
}

/// The number of a party named by [`party`].
///
/// # Panics
/// For any other name.
#[must_use]
pub fn number(party: &PartyId) -> u32 {
    party.as_str()[1..].parse().expect("a name of the deployment")
}

/// How often the row of this party stands in its table: its own digit in base four.
#[must_use]
pub fn copies(number: u32) -> i64 {
    1 << (2 * number)
}

impl Deployment {
    /// A deployment of this shape.
    ///
    /// # Panics
    /// If the shape breaks a bound of the configuration.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let ids: Vec<PartyId> = (0..shape.parties).map(party).collect();
        let aggregation = if shape.aggregators.is_empty() {
            Aggregation::Masked
        } else {
            Aggregation::Shares {
                aggregators: shape.aggregators.iter().copied().map(party).collect(),
            }
        };
        let config = RunConfig::new(RunConfigLiteral {
            run: RunId([7; 16]),
            name: "simulation".to_owned(),
            task: "tiny".to_owned(),
            partition: joined::partition(shape),
            schema: if shape.attributes > 0 {
                joined::schema()
            } else {
                schema()
            },
            forest: ForestParams {
                links_per_tree: if shape.chained { 2 } else { 0 },
                ..ForestParams::new(shape.trees, 2, 4, shape.growth)
            },
            privacy: shape.epsilon.map(|epsilon| PrivacyParams {
                mechanism: shape.mechanism,
                epsilon,
                delta: 1e-6,
                unit: Unit::Row,
            }),
            aggregation,
            parties: ids.clone(),
            min_parties: shape.min_parties,
            collusion: shape.collusion,
            shamir_threshold: smallest_threshold(shape.parties, shape.collusion),
            modulus: shape.modulus,
            max_rows: if shape.attributes > 0 {
                joined::MAX_ROWS
            } else {
                1 << 34
            },
            test: TestSplit {
                fraction: 0.0,
                seed: 0,
            },
            seed: [3; 32],
            release_metrics: false,
        })
        .expect("the shape keeps every bound");
        let keys = (0..shape.parties).map(|number| (party(number), identity(number).verifying()));
        let rows = (0..shape.parties).map(|number| {
            // Rows of different parties fall into different leaves often, and into the same one often enough.
            let bins = vec![(number % 4) as u8, (number / 4 % 4) as u8];
            (
                party(number),
                vec![Row {
                    bins,
                    label: (number % 2) as u8,
                    copies: copies(number),
                }],
            )
        });
        let joined = joined::data(&config);
        Self {
            config,
            verifier: Arc::new(PinnedKeys(keys.collect())),
            rows: if shape.attributes > 0 {
                BTreeMap::new()
            } else {
                rows.collect()
            },
            joined,
        }
    }

    /// Every row by its party and the digit that is its own.
    #[must_use]
    pub fn digits(&self) -> Vec<(PartyId, i64)> {
        let of = |party: &PartyId, copies: i64| (party.clone(), copies);
        let plain = self
            .rows
            .iter()
            .flat_map(|(party, rows)| rows.iter().map(move |row| of(party, row.copies)));
        let joined = self.joined.iter().flat_map(|(party, data)| {
            data.rows()
                .iter()
                .map(move |row| of(party, i64::from(row.copies)))
        });
        plain.chain(joined).collect()
    }

    /// The rows of several parties together, with the attributes of those of them that have some.
    #[must_use]
    pub fn pooled(&self, parties: &[PartyId]) -> Vec<Row> {
        if !self.joined.is_empty() {
            return joined::pooled(self, parties);
        }
        parties
            .iter()
            .filter_map(|party| self.rows.get(party))
            .flatten()
            .cloned()
            .collect()
    }
}

fn schema() -> Schema {
    Schema {
        features: vec![Column::numeric("x", 0.0, 1.0), Column::numeric("y", 0.0, 1.0)],
        label: Label {
            name: "label".to_owned(),
            positive: "yes".to_owned(),
        },
    }
}
