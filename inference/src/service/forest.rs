//! Forests behind the seam: [`crate::trees`] on both sides. A client is told the offer of the mode, and nothing more.

use std::sync::Arc;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::Feature;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::wire::name_of;
use super::{Asking, Hosted, Meaning, Offer, Rows, Scores, ServiceError, Sizes};
use crate::trees::{self, Asked, EncryptedForest, ForestClient, ForestKeys, TreesError};

/// What an offer of a forest says it is.
pub const KIND: &str = "forest";

/// Most requests of a mode in one of the service: rows where each has ciphertexts of its own, batches where a ciphertext
/// holds many.
pub const MAX_ROWS: usize = 64;

/// A compiled forest at the server.
#[derive(Clone, Debug)]
pub struct HostedForest {
    name: String,
    forest: EncryptedForest,
    requests: usize,
    /// What clients download, and the server's own key, where the model is encrypted.
    download: Option<(Arc<[u8]>, ForestKeys)>,
}

/// What an offer of a forest holds: the forest's own, and the name of what is downloaded.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    offer: trees::Offer,
    download: Option<[u8; 32]>,
}

impl HostedForest {
    /// Offers a forest under a name. A request carries up to `rows` rows, brought into 1 to [`MAX_ROWS`] requests of the
    /// mode, and is charged for as many as these hold.
    pub fn new(name: String, forest: EncryptedForest, rows: usize) -> Self {
        Self {
            name,
            requests: rows.div_ceil(forest.plan().rows.max(1)).clamp(1, MAX_ROWS),
            forest,
            download: None,
        }
    }

    /// As [`Self::new`], and encrypts the model where the mode asks for it, under a key of this seed: who restarts with another
    /// makes clients download it again.
    ///
    /// # Errors
    /// What the encryption refuses.
    pub fn keyed(
        name: String,
        forest: EncryptedForest,
        rows: usize,
        seed: &Seed,
    ) -> Result<Self, ServiceError> {
        let mut hosted = Self::new(name, forest, rows);
        if hosted.forest.plan().download_bytes > 0 {
            let (download, keys) = hosted.forest.encrypted(seed).map_err(service("model"))?;
            hosted.download = Some((download.into(), keys));
        }
        Ok(hosted)
    }
}

/// What travels, for keys, a request of the mode and an answer to one of these bytes.
const fn sizes(requests: usize, [keys, memory]: [usize; 2], request: usize, answer: usize) -> Sizes {
    Sizes {
        keys: keys as u64,
        keys_memory: memory as u64,
        request: (requests * request) as u64,
        answer: (requests * answer) as u64,
    }
}

impl Hosted for HostedForest {
    type Keys = ForestKeys;

    fn offer(&self) -> Offer {
        let plan = self.forest.plan();
        let keys = plan.public_key_bytes + plan.evaluation_key_bytes;
        Offer {
            kind: KIND.to_owned(),
            model: self.name.clone(),
            mode: plan.mode.name().to_owned(),
            leakage: plan.leakage.clone(),
            rows: (self.requests * plan.rows) as u64,
            sizes: sizes(
                self.requests,
                [keys, plan.parameters.key_memory(keys)],
                plan.request_bytes,
                plan.answer_bytes,
            ),
            // Numbers, texts and lists: nothing that JSON refuses.
            form: serde_json::to_vec(&Form {
                offer: self.forest.offer().clone(),
                download: self.download.as_ref().map(|(bytes, _)| name_of(bytes).0),
            })
            .unwrap_or_default(),
        }
    }

    fn download(&self) -> Option<Arc<[u8]>> {
        self.download.as_ref().map(|(bytes, _)| Arc::clone(bytes))
    }

    fn keys(&self, bytes: &[u8]) -> Result<ForestKeys, ServiceError> {
        if let (Some((_, keys)), []) = (&self.download, bytes) {
            return Ok(keys.clone());
        }
        self.forest.read_keys(bytes).map_err(service("keys of a forest"))
    }

    fn answer(
        &self,
        keys: &ForestKeys,
        request: &[u8],
        rng: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError> {
        let each = self.forest.plan().request_bytes;
        let mut answers = Vec::new();
        for (at, row) in parts_of("request", request, self.requests, each)?.enumerate() {
            let answer = self.forest.answer(keys, row, rng);
            answers.extend(answer.map_err(service("request"))?);
            passed(&format!("request {}", at + 1));
        }
        Ok(answers)
    }
}

/// A client of an offered forest.
#[derive(Debug)]
pub struct AskingForest {
    client: ForestClient,
    requests: usize,
    asked: Vec<Asked>,
    /// What is to be downloaded still.
    download: Option<Digest>,
}

impl AskingForest {
    /// A client with keys from `seed`, and of this offer alone.
    ///
    /// # Errors
    /// An offer of another kind, one that does not hold together, sizes that are not those of its form.
    pub fn new(offer: &Offer, seed: &Seed) -> Result<Self, ServiceError> {
        const WHAT: &str = "form of a forest";
        if offer.kind != KIND {
            return Err(ServiceError::Foreign {
                what: "offer",
                actual: format!("kind {:?}", offer.kind),
                expected: format!("kind {KIND:?}"),
            });
        }
        let form: Form = serde_json::from_slice(&offer.form).map_err(ServiceError::malformed(WHAT))?;
        let wrong = |detail: String| ServiceError::Malformed {
            what: "offer",
            detail,
        };
        let client = ForestClient::new(form.offer, seed).map_err(service(WHAT))?;
        if (client.download_bytes() > 0) != form.download.is_some() {
            let mode = client.offer().mode;
            return Err(wrong(format!("a download in {mode}, or none")));
        }
        let each = client.rows();
        let requests = usize::try_from(offer.rows)
            .ok()
            .filter(|rows| rows.is_multiple_of(each) && (1..=MAX_ROWS).contains(&(rows / each)))
            .map(|rows| rows / each)
            .ok_or_else(|| {
                let most = MAX_ROWS * each;
                wrong(format!(
                    "{} rows of a request, at most {most}, {each} a piece",
                    offer.rows
                ))
            })?;
        let sizes = sizes(
            requests,
            [client.key_bytes(), client.key_memory()],
            client.request_bytes(),
            client.answer_bytes(),
        );
        if sizes != offer.sizes {
            return Err(wrong(format!("sizes {:?}, expected {sizes:?}", offer.sizes)));
        }
        // Else the sentence that a person reads is about another mode.
        let mode = client.offer().mode;
        if offer.mode != mode.name() {
            return Err(wrong(format!("mode {:?} of a form for {mode}", offer.mode)));
        }
        Ok(Self {
            client,
            requests,
            asked: Vec::new(),
            download: form.download.map(Digest),
        })
    }
}

/// Rows in the order of a model's columns: by name where both sides have names, by place where one has none.
///
/// # Errors
/// A column that is not there, or twice; another number of columns.
pub fn arranged(columns: &[Feature], rows: &Rows) -> Result<Rows, ServiceError> {
    let wrong = |what, actual: String, expected: String| ServiceError::Rows {
        what,
        actual,
        expected,
    };
    if rows.names().is_empty() || columns.iter().any(|column| column.name.is_empty()) {
        return match rows.width() {
            actual if actual == columns.len() => Ok(rows.clone()),
            actual => Err(wrong("columns", actual.to_string(), columns.len().to_string())),
        };
    }
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let mut named = (0..rows.width()).filter(|at| rows.names().get(*at) == Some(&column.name));
        match (named.next(), named.next()) {
            (Some(place), None) => places.push(place),
            (None, _) => {
                let have = rows.names().join(", ");
                return Err(wrong("columns", have, format!("one called {:?}", column.name)));
            }
            (Some(_), Some(_)) => {
                let two = format!("two called {:?}", column.name);
                return Err(wrong("columns", two, "one".to_owned()));
            }
        }
    }
    let values = rows
        .iter()
        .flat_map(|row| places.iter().filter_map(|place| row.get(*place).copied()))
        .collect();
    let names = columns.iter().map(|column| column.name.clone()).collect();
    Rows::new(names, columns.len(), values)
}

impl Asking for AskingForest {
    fn columns(&self) -> &[Feature] {
        &self.client.offer().columns
    }

    fn keys(&self) -> Result<Vec<u8>, ServiceError> {
        Ok(self.client.keys())
    }

    fn download(&self) -> Option<(Digest, u64)> {
        self.download
            .map(|name| (name, self.client.download_bytes() as u64))
    }

    fn take(&mut self, download: Vec<u8>) -> Result<(), ServiceError> {
        if let Some(expected) = self.download
            && name_of(&download) != expected
        {
            return Err(ServiceError::Foreign {
                what: "encrypted model",
                actual: name_of(&download).to_string(),
                expected: expected.to_string(),
            });
        }
        self.client.take(download).map_err(service("encrypted model"))?;
        self.download = None;
        Ok(())
    }

    fn request(&mut self, rows: &Rows, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, ServiceError> {
        let most = self.requests * self.client.rows();
        if rows.is_empty() || rows.len() > most {
            return Err(ServiceError::Rows {
                what: "rows of a request",
                actual: rows.len().to_string(),
                expected: format!("1 to {most}"),
            });
        }
        let rows = arranged(&self.client.offer().columns, rows)?;
        let rows: Vec<&[f64]> = rows.iter().collect();
        let mut bytes = Vec::new();
        let mut all = Vec::new();
        for rows in rows.chunks(self.client.rows()) {
            let (request, asked) = self.client.request(rows, rng).map_err(service("row"))?;
            bytes.extend(request);
            all.push(asked);
        }
        self.asked = all;
        Ok(bytes)
    }

    fn open(&self, answer: &[u8]) -> Result<Scores, ServiceError> {
        let each = self.client.answer_bytes();
        let answers = parts_of("answer", answer, self.requests, each)?;
        if answers.len() != self.asked.len() {
            return Err(ServiceError::Size {
                what: "answer",
                actual: answer.len() as u64,
                expected: (self.asked.len() * each) as u64,
                exact: true,
            });
        }
        let mut scores = Scores {
            width: 0,
            values: Vec::new(),
            meaning: Meaning::Scores,
            classes: Vec::new(),
        };
        for (answer, asked) in answers.zip(&self.asked) {
            for prediction in self.client.open(answer, asked).map_err(service("answer"))? {
                scores.width = prediction.scores.len();
                scores.values.extend(prediction.scores);
                scores.classes.extend(prediction.label);
            }
        }
        Ok(scores)
    }
}

/// The parts of a message, one for each request of the mode.
fn parts_of<'a>(
    what: &'static str,
    bytes: &'a [u8],
    most: usize,
    each: usize,
) -> Result<std::slice::ChunksExact<'a, u8>, ServiceError> {
    ServiceError::at_most(what, bytes.len() as u64, (most * each) as u64)?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(each) {
        return Err(ServiceError::Size {
            what,
            actual: bytes.len() as u64,
            expected: each as u64,
            exact: true,
        });
    }
    Ok(bytes.chunks_exact(each))
}

/// What a forest refuses, as the service says it.
fn service(what: &'static str) -> impl FnOnce(TreesError) -> ServiceError {
    move |error| match error {
        TreesError::Length {
            what,
            actual,
            expected,
        } => ServiceError::Size {
            what,
            actual: actual as u64,
            expected: expected as u64,
            exact: true,
        },
        TreesError::Version { actual, expected } => ServiceError::Foreign {
            what: "a message for model",
            actual,
            expected,
        },
        other => ServiceError::Malformed {
            what,
            detail: other.to_string(),
        },
    }
}

#[cfg(test)]
#[path = "forest_tests.rs"]
mod tests;
