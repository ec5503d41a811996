//! Random words in batches.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

const WORDS: usize = 64;

/// Draws 512 bytes at a time, so that a slow generator (the operating system's, a trait object) costs one call for
/// dozens of samples. Words drawn and not used are lost; words used are noise, so the buffer is wiped on drop.
pub(super) struct Words<'a, R> {
    rng: &'a mut R,
    bytes: Zeroizing<[u8; WORDS * 8]>,
    next: usize,
}

impl<'a, R: CryptoRng> Words<'a, R> {
    pub(super) fn new(rng: &'a mut R) -> Self {
        Words {
            rng,
            bytes: Zeroizing::new([0; WORDS * 8]),
            next: WORDS,
        }
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        if self.next == WORDS {
            self.rng.fill_bytes(self.bytes.as_mut_slice());
            self.next = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[self.next * 8..][..8]);
        self.next += 1;
        u64::from_le_bytes(word)
    }
}
