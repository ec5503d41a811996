//! From a seed to words: AES-128 in counter mode (NIST SP 800-38A), keyed by HKDF under a domain.
//!
//! The AES key is the first half of `seed.derive(domain, context)`; the key stream's counters start at 0; each block
//! gives two words, little-endian. Public halves of keys and ciphertexts and secret noise come from this.

use std::fmt;

use aes::Aes128Enc;
use aes::cipher::{Block, InnerIvInit, KeyInit, StreamCipherCore};
use ctr::CtrCore;
use ctr::flavors::Ctr64BE;
use zeroize::Zeroize;

use crate::seed::Seed;

/// AES blocks expanded at once: 2 KiB of key stream.
const BATCH: usize = 128;

/// A stream of uniform words. Its key and its buffer are wiped on drop.
pub struct Xof {
    stream: CtrCore<Aes128Enc, Ctr64BE>,
    blocks: [Block<Aes128Enc>; BATCH],
    words: [u64; 2 * BATCH],
    next: usize,
}

impl Xof {
    /// The stream of a seed, for one domain and context.
    pub fn new(seed: &Seed, domain: &str, context: &[u8]) -> Self {
        let key = seed.derive(domain, context);
        let (half, _) = key.expose_bytes().split_at(16);
        Self {
            stream: CtrCore::inner_iv_init(Aes128Enc::new(half.into()), &[0; 16].into()),
            blocks: [Block::<Aes128Enc>::default(); BATCH],
            words: [0; 2 * BATCH],
            next: 2 * BATCH,
        }
    }

    /// The next word.
    #[inline]
    pub fn word(&mut self) -> u64 {
        if self.next == self.words.len() {
            self.refill();
        }
        let word = self.words[self.next];
        self.next += 1;
        word
    }

    /// The next words, as many as there is room for.
    pub fn fill(&mut self, mut room: &mut [u64]) {
        while !room.is_empty() {
            if self.next == self.words.len() {
                self.refill();
            }
            let held = &self.words[self.next..];
            let (part, rest) = room.split_at_mut(held.len().min(room.len()));
            part.copy_from_slice(&held[..part.len()]);
            self.next += part.len();
            room = rest;
        }
    }

    fn refill(&mut self) {
        self.stream.write_keystream_blocks(&mut self.blocks);
        for (words, block) in self.words.as_chunks_mut::<2>().0.iter_mut().zip(&self.blocks) {
            let number = u128::from_le_bytes((*block).into());
            *words = [number as u64, (number >> 64) as u64];
        }
        self.next = 0;
    }
}

impl Drop for Xof {
    fn drop(&mut self) {
        self.words.zeroize();
        self.blocks
            .iter_mut()
            .for_each(|block| block.as_mut_slice().zeroize());
    }
}

impl fmt::Debug for Xof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Xof(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use aes::cipher::BlockEncrypt;

    use super::*;

    /// The construction again, one AES call at a time.
    #[test]
    fn is_as_defined() {
        let seed = Seed::from_bytes([3; 32]);
        let key = seed.derive("domain", b"context");
        let aes = aes::Aes128::new(key.expose_bytes()[..16].into());
        let mut xof = Xof::new(&seed, "domain", b"context");
        for counter in 0..3 * BATCH as u128 {
            let mut block = counter.to_be_bytes().into();
            aes.encrypt_block(&mut block);
            let number = u128::from_le_bytes(block.into());
            assert_eq!([xof.word(), xof.word()], [number as u64, (number >> 64) as u64]);
        }
    }

    #[test]
    fn filling_is_word_by_word() {
        let seed = Seed::from_bytes([3; 32]);
        let [mut one, mut many] = [(); 2].map(|()| Xof::new(&seed, "domain", b""));
        for length in [0, 1, 255, 256, 257, 1000] {
            let mut words = vec![0; length];
            many.fill(&mut words);
            assert!(words.iter().all(|word| *word == one.word()), "{length}");
        }
    }

    #[test]
    fn domains_contexts_and_seeds_differ() {
        let seed = Seed::from_bytes([3; 32]);
        let first = |seed: &Seed, domain, context| Xof::new(seed, domain, context).word();
        let word = first(&seed, "a", b"b");
        assert_ne!(word, first(&seed, "ab", b""));
        assert_ne!(word, first(&seed, "a", b"c"));
        assert_ne!(word, first(&Seed::from_bytes([4; 32]), "a", b"b"));
        assert_eq!(word, first(&seed, "a", b"b"));
    }
}
