//! The server's side: a forest compiled for a mode, what a client is told of it, and answers.

use std::fmt;

use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::Ensemble;
use rand_core::CryptoRng;

use super::client::Prediction;
use super::error::TreesError;
use super::head::{head, prediction};
use super::mode::Mode;
use super::modes::{Compiled, EncryptedModel, Engine, Keys, Told};
use super::offer::{DIGEST_BYTES, Offer, body, refuse};
use super::plan::{Options, Plan};
use super::prepared::{Prepared, parsed, text};

/// A forest compiled for a mode. Prints its plan, and nothing of what may be hidden.
#[derive(Clone)]
pub struct EncryptedForest {
    plan: Plan,
    offer: Offer,
    digest: [u8; DIGEST_BYTES],
    forest: Prepared,
    engine: Engine,
}

/// A client's keys, checked.
#[derive(Clone, Debug)]
pub struct ForestKeys(Keys);

impl EncryptedForest {
    /// Compiles a forest for a mode. [`Self::plan`] then says what it takes.
    ///
    /// # Errors
    /// A forest that does not fit the mode, with the reason and a mode that it fits; edges that do not fit the forest.
    pub fn compile(model: &Ensemble, mode: Mode, options: &Options) -> Result<Self, TreesError> {
        let compiled = Self::try_compile(model, mode, options);
        let Err(TreesError::DoesNotFit { reason, .. }) = compiled else {
            return compiled;
        };
        let fits = Mode::ALL
            .into_iter()
            .find(|other| *other != mode && Self::try_compile(model, *other, options).is_ok());
        Err(TreesError::DoesNotFit { mode, reason, fits })
    }

    fn try_compile(model: &Ensemble, mode: Mode, options: &Options) -> Result<Self, TreesError> {
        let forest = Prepared::new(model, mode, options)?;
        let Compiled {
            engine,
            mut plan,
            structure,
            told,
        } = Engine::compile(&forest, mode)?;
        plan.request_bytes += DIGEST_BYTES;
        plan.answer_bytes += DIGEST_BYTES;
        let told = match told {
            Some(told) => told,
            None => Told {
                head: text(&head(model, &forest.values.targets)?)?,
                targets: forest.values.targets.clone(),
                unit: forest.unit,
            },
        };
        let offer = Offer {
            mode,
            binning: forest.binned.binning.clone(),
            columns: model.features().to_vec(),
            parameters: plan.parameters.clone(),
            trees: plan.trees,
            targets: told.targets,
            unit: told.unit,
            head: told.head,
            structure,
        };
        Ok(Self {
            digest: offer.digest(),
            plan,
            offer,
            forest,
            engine,
        })
    }

    /// What the mode takes.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What a client is told.
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// A client's keys from their bytes: the public key, and evaluation keys where the mode needs them.
    ///
    /// # Errors
    /// Another length, keys of other parameters, or of two clients.
    pub fn read_keys(&self, bytes: &[u8]) -> Result<ForestKeys, TreesError> {
        let (public, evaluation) = bytes
            .split_at_checked(self.plan.public_key_bytes)
            .filter(|(_, rest)| rest.len() == self.plan.evaluation_key_bytes)
            .ok_or(TreesError::Length {
                what: "keys",
                actual: bytes.len(),
                expected: self.plan.public_key_bytes + self.plan.evaluation_key_bytes,
            })?;
        Ok(ForestKeys(self.engine.read_keys(public, evaluation)?))
    }

    /// The encrypted model and what it is evaluated with, for clients to download, and the server's own key, which opens what
    /// they evaluate: the same for a seed each time.
    ///
    /// # Errors
    /// A mode in which the model is not encrypted, or a key that is not the server's.
    pub fn encrypted(&self, seed: &Seed) -> Result<(Vec<u8>, ForestKeys), TreesError> {
        match &self.engine {
            Engine::EncryptedModel(engine) => {
                let seed = self.owner_seed(engine, seed)?;
                let (download, keys) = engine.encrypted(&self.forest, &seed)?;
                Ok((download, ForestKeys(keys)))
            }
            _ => Err(refuse("mode", Mode::EncryptedModel, self.offer.mode)),
        }
    }

    /// The model, encrypted for a [`KeyOwner`](super::KeyOwner) by the keys that they sent.
    ///
    /// # Errors
    /// A mode in which the model is not encrypted, or under the server's key; keys of other parameters.
    pub fn download_for(
        &self,
        keys: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        match &self.engine {
            Engine::EncryptedModel(engine) => engine.download_for(&self.forest, keys, rng),
            _ => Err(refuse("mode", Mode::EncryptedModel, self.offer.mode)),
        }
    }

    /// Key and randomness are of this model alone: two models under the same randomness would show where they differ.
    fn owner_seed(&self, engine: &EncryptedModel, seed: &Seed) -> Result<Seed, TreesError> {
        let contents = engine.contents(&self.forest)?;
        let both = [self.digest.as_slice(), &contents.0].concat();
        Ok(seed.derive("hedgerow/trees/server/2", &both))
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// A request for another version of the model, of another length or key.
    pub fn answer(
        &self,
        keys: &ForestKeys,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        let body = body("request", request, self.plan.request_bytes, &self.digest)?;
        let mut bytes = self.digest.to_vec();
        bytes.extend(self.engine.answer(&self.forest, &keys.0, body, rng)?);
        Ok(bytes)
    }

    /// The sums of leaf values of a row in the clear, `[targets]`, by the walk of the binned ensemble, or what the mode tells
    /// of them: the oracle of every mode.
    ///
    /// # Errors
    /// A row of another width.
    pub fn clear(&self, row: &[f64]) -> Result<Vec<i64>, TreesError> {
        let Prepared { binned, values, .. } = &self.forest;
        let bins = binned.binning.bin(row)?;
        let nodes = binned.ensemble.leaves_of(&binned.inputs(&bins))?;
        let mut sums = vec![0; values.targets.len()];
        for node in nodes {
            for (sum, value) in sums.iter_mut().zip(values.of(node)) {
                *sum += value;
            }
        }
        Ok(self.engine.told(sums))
    }

    /// What a client opens for a row, computed in the clear by the walk of the binned ensemble.
    ///
    /// # Errors
    /// A row of another width.
    pub fn predict(&self, row: &[f64]) -> Result<Prediction, TreesError> {
        let head = parsed(&self.offer.head)?;
        Ok(prediction(&head, self.offer.unit, self.clear(row)?)?)
    }
}

impl fmt::Debug for EncryptedForest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedForest")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
