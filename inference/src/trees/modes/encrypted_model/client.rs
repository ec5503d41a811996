//! The client's side: the row's owner evaluates.

use hedgerow_crypto::exact::{ExactError, ProductCiphertext, ProductEvaluator, ProductKeys, ProductPublic};
use hedgerow_crypto::secret::Secret;
use rand_core::CryptoRng;

use super::super::super::error::TreesError;
use super::super::super::offer::{Offer, refuse};
use super::super::super::plan::KeyHolder;
use super::super::{Asked, ClientSizes, below};
use super::{Layout, MAX_MODEL, NUMBER_BYTES, evaluate, layout_of, sums};

/// The client's side: it has the row, and the encrypted model once that is there.
#[derive(Debug)]
pub(in crate::trees) struct EncryptedModelClient {
    layout: Layout,
    model: Option<Model>,
}

#[derive(Debug)]
struct Model {
    evaluator: ProductEvaluator,
    public: ProductPublic,
    leaves: Vec<ProductCiphertext>,
    /// Tables as they came: a row needs one for each feature.
    tables: Vec<u8>,
}

impl EncryptedModelClient {
    pub(in crate::trees) fn new(offer: &Offer) -> Result<Self, TreesError> {
        let layout = layout_of(offer)?;
        if layout.download() > MAX_MODEL {
            return Err(refuse("bytes of a model", MAX_MODEL, layout.download()));
        }
        Ok(Self { layout, model: None })
    }

    pub(in crate::trees) fn sizes(&self) -> ClientSizes {
        ClientSizes {
            rows: 1,
            keys: 0,
            request: self.layout.request(),
            answer: self.layout.outputs * NUMBER_BYTES,
        }
    }

    pub(in crate::trees) fn download(&self) -> usize {
        self.layout.download()
    }

    /// Takes the model over.
    pub(in crate::trees) fn take(&mut self, mut bytes: Vec<u8>) -> Result<(), TreesError> {
        let layout = &self.layout;
        if bytes.len() != layout.download() {
            return Err(TreesError::Length {
                what: "encrypted model",
                actual: bytes.len(),
                expected: layout.download(),
            });
        }
        let (keys, _) = bytes.split_at(layout.key_bytes());
        let (public, evaluation) = keys.split_at(layout.params.public_key_bytes());
        let evaluator = ProductKeys::read(&layout.params, public, evaluation, &[])?.evaluator()?;
        let public = ProductPublic::read(&layout.params, public)?;
        let leaves_at = layout.key_bytes() + layout.tables() * layout.ciphertext();
        let leaves = bytes.split_off(leaves_at);
        let leaves = leaves
            .chunks_exact(layout.ciphertext())
            .map(|leaf| read(layout, &evaluator, &public, leaf))
            .collect::<Result<_, _>>()?;
        bytes.drain(..layout.key_bytes());
        self.model = Some(Model {
            evaluator,
            public,
            leaves,
            tables: bytes,
        });
        Ok(())
    }

    pub(in crate::trees) fn request(
        &self,
        bins: &[u16],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        let layout = &self.layout;
        let model = self.model.as_ref().ok_or(TreesError::Length {
            what: "encrypted model",
            actual: 0,
            expected: layout.download(),
        })?;
        let each = layout.ciphertext();
        let mut first = 0;
        let tables = layout.bins.iter().zip(bins).map(|(count, bin)| {
            let start = (first + usize::from(*bin)) * each;
            first += count;
            let table = model.tables.get(start..start + each).unwrap_or_default();
            read(layout, &model.evaluator, &model.public, table)
        });
        let level = layout.params.literal().answer_primes;
        let most = layout.literal.most;
        let sums = evaluate(&model.evaluator, tables, &model.leaves, most, level)?;
        let p = layout.params.plaintext();
        let mut masks = Secret::new(Vec::with_capacity(layout.outputs));
        let mut bytes = Vec::with_capacity(layout.request());
        for sum in &sums {
            let mask = match layout.literal.holder {
                KeyHolder::Server => below(p, rng),
                KeyHolder::Other => 0,
            };
            masks.expose_mut().push(mask);
            bytes.extend(model.evaluator.answer(sum, &[mask], rng)?.to_bytes());
        }
        Ok((bytes, Asked::masked(1, masks)))
    }

    pub(in crate::trees) fn open(&self, answer: &[u8], asked: &Asked) -> Result<Vec<Vec<i64>>, TreesError> {
        let p = self.layout.params.plaintext();
        let mut numbers = self.opened(answer)?;
        for (number, mask) in numbers.iter_mut().zip(asked.masks()) {
            *number = (*number + p - mask) % p;
        }
        Ok(vec![sums(&self.layout, &numbers)])
    }

    /// Masked numbers, as the server opened them.
    pub(in crate::trees) fn opened(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        let p = self.layout.params.plaintext();
        let (numbers, _) = answer.as_chunks::<NUMBER_BYTES>();
        let numbers: Vec<u64> = numbers
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes).into())
            .collect();
        match numbers.iter().find(|number| **number >= p) {
            Some(large) => Err(refuse("opened number", format!("one below {p}"), large)),
            None => Ok(numbers),
        }
    }
}

fn read(
    layout: &Layout,
    evaluator: &ProductEvaluator,
    public: &ProductPublic,
    bytes: &[u8],
) -> Result<ProductCiphertext, ExactError> {
    match layout.literal.holder {
        KeyHolder::Server => evaluator.read(bytes),
        KeyHolder::Other => public.read_ciphertext(bytes),
    }
}
