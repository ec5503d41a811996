//! Work that takes long: decoding keys, evaluating requests.

use std::sync::Arc;

use hedgerow_crypto::hash::Digest;
use rand_core::CryptoRng;

use super::super::wire::name_of;
use super::super::{ClientKeys, Host, ServiceError};
use super::JobId;

/// Work for another thread.
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Whose it is.
    pub client: String,
    pub(super) host: Arc<dyn Host>,
    pub(super) work: Work,
}

pub(super) enum Work {
    Keys(Digest, Vec<u8>),
    Answer(ClientKeys, Digest, Vec<u8>),
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match &self.work {
            Work::Keys(..) => "decode keys",
            Work::Answer(..) => "evaluate",
        };
        write!(f, "Job {} of {}: {what}", self.id, self.client)
    }
}

/// What came of a job.
pub enum Outcome {
    /// Keys.
    Keys(Result<ClientKeys, ServiceError>),
    /// An answer.
    Answer(Result<Vec<u8>, ServiceError>),
}

impl Job {
    /// What comes of a job that was not done, as when its thread panicked.
    pub fn failure(&self) -> Outcome {
        let error = ServiceError::Evaluation("the server's program failed".to_owned());
        match self.work {
            Work::Keys(..) => Outcome::Keys(Err(error)),
            Work::Answer(..) => Outcome::Answer(Err(error)),
        }
    }

    /// Does it. `passed` is called after each layer of an evaluation.
    pub fn run(self, rng: &mut dyn CryptoRng, passed: &mut dyn FnMut(&str)) -> Outcome {
        let intact = |expected: Digest, bytes: &[u8]| match name_of(bytes) {
            actual if actual == expected => Ok(()),
            actual => Err(ServiceError::Foreign {
                what: "bytes",
                actual: format!("digest {actual:?}"),
                expected: format!("digest {expected:?}, as announced"),
            }),
        };
        match self.work {
            Work::Keys(name, bytes) => {
                Outcome::Keys(intact(name, &bytes).and_then(|()| self.host.keys(&bytes)))
            }
            Work::Answer(keys, name, bytes) => Outcome::Answer(
                intact(name, &bytes).and_then(|()| self.host.answer(&keys, &bytes, rng, passed)),
            ),
        }
    }
}
