//! The client's side of the seam: keys, requests and answers of one offer.

use hedgerow_crypto::hash::Digest;
use hedgerow_forest::ensemble::Feature;
use rand_core::CryptoRng;

use super::ServiceError;

/// Rows to ask about: `[rows, width]`, row after row. A missing value is NaN.
#[derive(Clone, PartialEq)]
pub struct Rows {
    names: Vec<String>,
    width: usize,
    values: Vec<f64>,
}

/// Shape alone: the values are what nobody is to see.
impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rows [{}, {}]", self.len(), self.width)
    }
}

impl Rows {
    /// Rows of `width` values each; `names` of the columns, or none.
    ///
    /// # Errors
    /// Values that are no whole number of rows, or names that are not as many as columns.
    pub fn new(names: Vec<String>, width: usize, values: Vec<f64>) -> Result<Self, ServiceError> {
        let wrong = |what, actual: usize, expected: String| ServiceError::Rows {
            what,
            actual: actual.to_string(),
            expected,
        };
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(wrong(
                "values",
                values.len(),
                format!("a multiple of the {width} columns"),
            ));
        }
        if !names.is_empty() && names.len() != width {
            return Err(wrong("names of columns", names.len(), width.to_string()));
        }
        Ok(Self { names, width, values })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Names of the columns; empty where there are none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Row after row.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The same rows in parts of at most `most` rows, as many as one request can carry.
    pub fn parts(&self, most: usize) -> impl Iterator<Item = Self> + '_ {
        self.values.chunks(most.max(1) * self.width).map(|values| Self {
            names: self.names.clone(),
            width: self.width,
            values: values.to_vec(),
        })
    }
}

/// What the numbers of [`Scores`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// One number for each class; the largest decides.
    Logits,
    /// Scores of a model as it gives them: one, or one for each class.
    Scores,
    /// The number of a class, or whether a score is above a threshold: 0 or 1.
    Label,
}

/// What a client learns: `[rows, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Numbers of a row.
    pub width: usize,
    /// Row after row.
    pub values: Vec<f64>,
    /// What they are.
    pub meaning: Meaning,
    /// The decision of each row as the model names it; empty where it decides nothing beyond the numbers.
    pub classes: Vec<String>,
}

impl Scores {
    /// Row after row.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

/// A client of one offer, with keys from a seed that stays with it: the same seed makes the same keys, so that a server
/// which has them is not sent them again.
pub trait Asking: Send {
    /// Columns of a row, in the order in which [`Self::request`] takes values that have no names, with the texts of
    /// categories, whose positions are the values; empty where a model knows only how many there are.
    fn columns(&self) -> &[Feature] {
        &[]
    }

    /// The evaluation keys, as [`Hosted::keys`](super::Hosted::keys) takes them; empty where the mode needs none.
    ///
    /// # Errors
    /// What the cryptography refuses.
    fn keys(&self) -> Result<Vec<u8>, ServiceError>;

    /// What its keys are remembered by: the digest of the offer, and with it whatever else they depend on.
    fn name(&self, offer: Digest) -> Digest {
        offer
    }

    /// Name and size of what is to be downloaded before the first request, until it is here.
    fn download(&self) -> Option<(Digest, u64)> {
        None
    }

    /// Takes it over.
    ///
    /// # Errors
    /// Bytes that are not what was offered, or where nothing is.
    fn take(&mut self, download: Vec<u8>) -> Result<(), ServiceError> {
        ServiceError::at_most("download", download.len() as u64, 0)
    }

    /// Encrypts at most [`Offer::rows`](super::Offer) rows.
    ///
    /// # Errors
    /// Rows of another width, too many or none, values that cannot be encoded.
    fn request(&mut self, rows: &Rows, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, ServiceError>;

    /// Opens the answer to the last request.
    ///
    /// # Errors
    /// Bytes that are no answer to it.
    fn open(&self, answer: &[u8]) -> Result<Scores, ServiceError>;
}
