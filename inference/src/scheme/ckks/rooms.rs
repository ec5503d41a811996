//! Ciphertexts that nothing needs any more, kept to be written to: fresh memory comes page by page from the kernel, which
//! costs as much as a tenth of an evaluation.

use std::sync::{Mutex, PoisonError};

use hedgerow_crypto::ckks::Ciphertext;

/// Ciphertexts that are kept, bytes in all: more are dropped.
const MOST: usize = 256 << 20;

/// Room for results, for whoever evaluates under one set of parameters: a ciphertext is no secret, and is overwritten as a
/// whole.
#[derive(Debug, Default)]
pub struct Rooms(Mutex<(Vec<Ciphertext>, usize)>);

impl Rooms {
    pub(super) fn take(&self) -> Option<Ciphertext> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = kept.0.pop()?;
        kept.1 -= room.room();
        Some(room)
    }

    pub(super) fn give(&self, ct: Ciphertext) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = ct.room();
        if kept.1 + bytes <= MOST {
            kept.1 += bytes;
            kept.0.push(ct);
        }
    }
}
