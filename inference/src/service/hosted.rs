//! The server's side of the seam: one model in one mode.

use std::any::Any;
use std::sync::Arc;

use hedgerow_crypto::hash::{Digest, hash};
use prost::Message as _;
use rand_core::CryptoRng;

use super::ServiceError;

/// Longest text of an offer, bytes.
const MAX_TEXT: usize = 1024;
/// Largest form, bytes.
pub const MAX_FORM: usize = 64 << 20;

/// Sizes that are known before anything is sent, bytes.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Sizes {
    /// Evaluation keys on the wire; 0 where the mode needs none.
    #[prost(uint64, tag = "1")]
    pub keys: u64,
    /// The same keys decoded, in the server's memory.
    #[prost(uint64, tag = "2")]
    pub keys_memory: u64,
    /// One request.
    #[prost(uint64, tag = "3")]
    pub request: u64,
    /// One answer.
    #[prost(uint64, tag = "4")]
    pub answer: u64,
}

/// What a server offers: everything that a client needs before it makes keys. Untrusted at the client.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Offer {
    /// Which adapter reads the form: `network`, `forest`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Name of the model.
    #[prost(string, tag = "2")]
    pub model: String,
    /// How it is evaluated.
    #[prost(string, tag = "3")]
    pub mode: String,
    /// What the two sides learn, in one sentence.
    #[prost(string, tag = "4")]
    pub leakage: String,
    /// Rows that one request can carry, and that one request is charged for: the server cannot see how many it does.
    #[prost(uint64, tag = "5")]
    pub rows: u64,
    /// Most bytes of everything that follows.
    #[prost(message, required, tag = "6")]
    pub sizes: Sizes,
    /// The plan, or whatever compiled form the client's adapter needs.
    #[prost(bytes = "vec", tag = "7")]
    pub form: Vec<u8>,
}

impl Offer {
    /// The name of the offer: everything in it counts, so that keys for one are no keys for another.
    pub fn digest(&self) -> Digest {
        hash("hedgerow service offer 1", &[&self.to_bytes()])
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// An offer from its bytes.
    ///
    /// # Errors
    /// Other bytes, longer texts or more rows than any offer has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ServiceError> {
        const WHAT: &str = "offer";
        let offer = Self::decode(bytes).map_err(ServiceError::malformed(WHAT))?;
        let texts = [&offer.kind, &offer.model, &offer.mode, &offer.leakage];
        let wrong = if offer.to_bytes() != bytes {
            Some("bytes that no offer has")
        } else if texts.iter().any(|text| text.len() > MAX_TEXT) {
            Some("a text of more than 1024 bytes")
        } else if offer.rows == 0 || offer.rows > 1 << 32 {
            Some("rows of a request not in 1..=2^32")
        } else {
            None
        };
        match wrong {
            Some(wrong) => Err(ServiceError::Malformed {
                what: WHAT,
                detail: wrong.to_owned(),
            }),
            None => Ok(offer),
        }
    }
}

/// One model in one mode, at the server. What comes from a client is untrusted.
pub trait Hosted: Send + Sync {
    /// A client's evaluation keys, decoded and checked; `()` where a mode needs none.
    type Keys: Send + Sync + 'static;

    /// What is offered. Constant: the server asks once.
    fn offer(&self) -> Offer;

    /// What every client downloads once before it asks, if anything. Constant: the server asks once.
    fn download(&self) -> Option<Arc<[u8]>> {
        None
    }

    /// Decodes keys of at most [`Sizes::keys`] bytes into at most [`Sizes::keys_memory`].
    ///
    /// # Errors
    /// Another size, other parameters, other keys than the plan's.
    fn keys(&self, bytes: &[u8]) -> Result<Self::Keys, ServiceError>;

    /// Evaluates a request of at most [`Sizes::request`] bytes, and calls `passed` with the name of each layer or stage
    /// when it is done: whoever has a clock measures.
    ///
    /// # Errors
    /// Bytes that are no request under these keys, or an evaluation that fails.
    fn answer(
        &self,
        keys: &Self::Keys,
        request: &[u8],
        rng: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError>;
}

/// Decoded keys of some model: only that model looks inside.
#[derive(Clone)]
pub struct ClientKeys(Arc<dyn Any + Send + Sync>);

impl std::fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientKeys")
    }
}

/// A [`Hosted`] of whatever type.
pub trait Host: Send + Sync {
    /// As [`Hosted::offer`].
    fn offer(&self) -> Offer;
    /// As [`Hosted::download`].
    fn download(&self) -> Option<Arc<[u8]>>;
    /// As [`Hosted::keys`].
    ///
    /// # Errors
    /// As there.
    fn keys(&self, bytes: &[u8]) -> Result<ClientKeys, ServiceError>;
    /// As [`Hosted::answer`].
    ///
    /// # Errors
    /// As there, and keys of another model.
    fn answer(
        &self,
        keys: &ClientKeys,
        request: &[u8],
        rng: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError>;
}

impl<H: Hosted> Host for H {
    fn offer(&self) -> Offer {
        Hosted::offer(self)
    }

    fn download(&self) -> Option<Arc<[u8]>> {
        Hosted::download(self)
    }

    fn keys(&self, bytes: &[u8]) -> Result<ClientKeys, ServiceError> {
        Ok(ClientKeys(Arc::new(Hosted::keys(self, bytes)?)))
    }

    fn answer(
        &self,
        keys: &ClientKeys,
        request: &[u8],
        rng: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError> {
        match keys.0.downcast_ref::<H::Keys>() {
            Some(keys) => Hosted::answer(self, keys, request, rng, passed),
            None => Err(ServiceError::Foreign {
                what: "evaluation keys",
                actual: "another kind of model".to_owned(),
                expected: self.offer().model,
            }),
        }
    }
}
