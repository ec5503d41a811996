//! What a client is told, and the digest that every message begins with.

use hedgerow_crypto::exact::{FormLiteral, ProductLiteral};
use hedgerow_crypto::sign::{SignLiteral, SignParams};
use hedgerow_forest::ensemble::Feature;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::binning::Binning;
use super::error::TreesError;
use super::mode::Mode;
use super::modes::{BatchLiteral, EncryptedModelLiteral};

/// Bytes of the digest that names a version of a model in a mode.
pub const DIGEST_BYTES: usize = 32;

/// What a client is told: all that it needs for requests and answers. Untrusted when it comes from outside:
/// [`ForestClient::new`](super::client::ForestClient::new) checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The mode.
    pub mode: Mode,
    /// How rows become bins.
    pub binning: Binning,
    /// Columns: names, empty where the source does not tell, and texts of categories.
    pub columns: Vec<Feature>,
    /// Parameters of the encryption.
    pub parameters: Parameters,
    /// Trees.
    pub trees: usize,
    /// Targets that are opened.
    pub targets: Vec<u32>,
    /// What opened numbers are multiples of. It travels as its bits: decimal digits may read back as a neighbour, and the
    /// digest would be another.
    #[serde(with = "bits")]
    pub unit: f64,
    /// What follows the trees: an ensemble of one leaf, as JSON.
    pub head: String,
    /// The forest over bins with all leaf values 0, as JSON, where its structure is public.
    pub structure: Option<String>,
}

/// Parameters of the encryption, by what a mode computes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Parameters {
    /// Linear forms of encrypted bits.
    Forms(FormLiteral),
    /// A linear form, and its sign.
    Label {
        /// The form.
        form: FormLiteral,
        /// The sign.
        sign: SignLiteral,
    },
    /// Products, a row in each slot.
    Batch(BatchLiteral),
    /// Products, a leaf in each slot.
    EncryptedModel(EncryptedModelLiteral),
}

impl Parameters {
    /// The degree `N` of the ring.
    pub const fn degree(&self) -> usize {
        match self {
            Self::Forms(form) | Self::Label { form, .. } => form.degree,
            Self::Batch(batch) => batch.products.degree,
            Self::EncryptedModel(model) => model.products.degree,
        }
    }

    /// The ring in words.
    pub fn ring(&self) -> String {
        let ring = |form: &FormLiteral| {
            let special = if form.packed { " and a special one" } else { "" };
            format!("N = {}, {} primes of 50 bits{special}", form.degree, form.primes)
        };
        let chain = |products: &ProductLiteral| {
            let bits: Vec<String> = products.chain.iter().map(u32::to_string).collect();
            let (degree, special) = (products.degree, products.special);
            format!(
                "N = {degree}, primes of {} bits and a special one of {special}",
                bits.join(", ")
            )
        };
        match self {
            Self::Forms(form) => ring(form),
            Self::Label { form, sign } => {
                format!("{}; the sign of {} bits by TFHE", ring(form), sign.precision)
            }
            Self::Batch(batch) => chain(&batch.products),
            Self::EncryptedModel(model) => chain(&model.products),
        }
    }

    /// Bytes in the server's memory of a client's keys of so many bytes.
    pub fn key_memory(&self, keys: usize) -> usize {
        // Words of 50 bits become 64, and halves that travel as seeds are expanded.
        match self {
            Self::Label { sign, .. } => SignParams::new(*sign).map_or(keys, |sign| {
                3 * keys.saturating_sub(sign.key_bytes()) + sign.key_memory()
            }),
            _ => 3 * keys,
        }
    }
}

mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(number.to_bits())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

impl Offer {
    /// Names this version of the model in this mode.
    pub fn digest(&self) -> [u8; DIGEST_BYTES] {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::new()
            .chain_update(b"hedgerow/trees/offer/1")
            .chain_update(text)
            .finalize()
            .into()
    }
}

/// A part of an offer that is not what it must be.
pub(super) fn refuse(what: &'static str, expected: impl ToString, actual: impl ToString) -> TreesError {
    TreesError::Offer {
        what,
        expected: expected.to_string(),
        actual: actual.to_string(),
    }
}

/// What follows the digest of a message of a known length.
pub(super) fn body<'a>(
    what: &'static str,
    bytes: &'a [u8],
    expected: usize,
    digest: &[u8; DIGEST_BYTES],
) -> Result<&'a [u8], TreesError> {
    let parts = bytes
        .split_first_chunk::<DIGEST_BYTES>()
        .filter(|_| bytes.len() == expected);
    let (version, body) = parts.ok_or(TreesError::Length {
        what,
        actual: bytes.len(),
        expected,
    })?;
    if version != digest {
        let short = |digest: &[u8]| digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Err(TreesError::Version {
            actual: short(version),
            expected: short(digest),
        });
    }
    Ok(body)
}
