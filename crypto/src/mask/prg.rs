//! From a seed to a mask as long as a vector: AES-128 in counter mode (NIST SP 800-38A).
//!
//! # Construction
//! The AES key is the first half of `seed.derive(domain::MASK_PRG, "")`. A mask is made of blocks of
//! [`BLOCK_WORDS`] words. Block `k` reads the key stream whose counters are `k || 0`, `k || 1`, ... (two big-endian
//! `u64`) as little-endian `u64`: for a modulus of `2^b` each gives one word, its low `b` bits; for a prime of `b`
//! bits the low `b` bits are a word if they are below the prime, else the next `u64` is tried. So every block can be
//! made by itself, on any core, and a word is uniform. How many tries a block took tells about rejected numbers only.
//!
//! # Cost
//! [`apply`] puts all masks onto one block before it goes to the next, so that memory sees a vector once however many
//! masks it gets. Measured (AMD EPYC with VAES unused, one core, 1,000,000 words, CPU time): modulo `2^64` 0.85 ms a
//! mask or 9.4 GB/s, of 11.7 that the key stream alone allows; modulo `2^61 - 1` 5.1 GB/s; a plain addition 42 GB/s.
//! There, a vector of 8 MB fits the last-level cache, and masks one after the other cost the same.
//! `benches/mask.rs` measures again.

use std::fmt;

use aes::Aes128Enc;
use aes::cipher::{Block, InnerIvInit, KeyInit, StreamCipherCore};
use ctr::CtrCore;
use ctr::flavors::Ctr64BE;
use zeroize::Zeroize;

use super::modulus::{Kind, Modulus, subtract_once};
use super::pairwise::Sign;
use crate::domain;
use crate::seed::Seed;

/// Words of a block, the unit in which masks are made: 16 KiB, which stay in a first-level cache.
pub const BLOCK_WORDS: usize = 2048;

/// AES blocks expanded at once: 2 KiB of key stream.
const BATCH: usize = 128;

type KeyStream<'a> = CtrCore<&'a Aes128Enc, Ctr64BE>;

/// The generator of one mask: an AES key schedule, wiped on drop. It has no position; the same mask comes out
/// each time.
#[derive(Clone)]
pub struct Prg(Aes128Enc);

impl Prg {
    /// The generator of the seed's mask.
    pub fn new(seed: &Seed) -> Self {
        let key = seed.derive(domain::MASK_PRG, &[]);
        let (half, _) = key.expose_bytes().split_at(16);
        Self(Aes128Enc::new(half.into()))
    }

    /// Adds the mask to the words, which are below the modulus.
    pub fn add_into(&self, words: &mut [u64], modulus: Modulus) {
        put_on([(Sign::Add, self)], 0, words, modulus);
    }

    /// Subtracts the mask from the words, which are below the modulus.
    pub fn sub_into(&self, words: &mut [u64], modulus: Modulus) {
        put_on([(Sign::Subtract, self)], 0, words, modulus);
    }

    fn key_stream(&self, block: u64) -> KeyStream<'_> {
        let mut counter = [0; 16];
        counter[..8].copy_from_slice(&block.to_be_bytes());
        KeyStream::inner_iv_init(&self.0, &counter.into())
    }
}

impl fmt::Debug for Prg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prg(redacted)")
    }
}

/// Puts all masks onto the words, which are below the modulus, block by block.
pub fn apply(masks: &[(Sign, Prg)], words: &mut [u64], modulus: Modulus) {
    apply_from(masks, 0, words, modulus);
}

/// Like [`apply`], for a part of a vector that begins at word `first_block * BLOCK_WORDS`. Parts may go to
/// different cores:
/// `words.chunks_mut(n * BLOCK_WORDS)` in parallel, the `i`-th with `first_block = i * n`.
pub fn apply_from(masks: &[(Sign, Prg)], first_block: u64, words: &mut [u64], modulus: Modulus) {
    put_on(
        masks.iter().map(|(sign, prg)| (*sign, prg)),
        first_block,
        words,
        modulus,
    );
}

fn put_on<'a>(
    masks: impl IntoIterator<Item = (Sign, &'a Prg), IntoIter: Clone>,
    first_block: u64,
    words: &mut [u64],
    modulus: Modulus,
) {
    let masks = masks.into_iter();
    let mask = modulus.mask();
    let mut batch = Batch([Block::<Aes128Enc>::default(); BATCH]);
    for (block, words) in (first_block..).zip(words.chunks_mut(BLOCK_WORDS)) {
        for (sign, prg) in masks.clone() {
            let stream = prg.key_stream(block);
            match modulus.kind() {
                Kind::PowerOfTwo(_) => truncated(stream, &mut batch, sign, words, mask),
                Kind::Prime(prime) => rejected(stream, &mut batch, sign, words, prime, mask),
            }
        }
    }
}

/// Key stream on its way into words; wiped once per call, not per batch.
struct Batch([Block<Aes128Enc>; BATCH]);

impl Drop for Batch {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|block| block.as_mut_slice().zeroize());
    }
}

/// The mask of a power of two: truncation commutes with the sum, so it is done once, at the end.
fn truncated(mut stream: KeyStream<'_>, batch: &mut Batch, sign: Sign, words: &mut [u64], mask: u64) {
    for words in words.chunks_mut(2 * BATCH) {
        let blocks = &mut batch.0[..words.len().div_ceil(2)];
        stream.write_keystream_blocks(blocks);
        match sign {
            Sign::Add => zip_numbers(words, blocks, |word, number| word.wrapping_add(number) & mask),
            Sign::Subtract => zip_numbers(words, blocks, |word, number| word.wrapping_sub(number) & mask),
        }
    }
}

#[inline(always)]
fn zip_numbers(words: &mut [u64], blocks: &[Block<Aes128Enc>], each: impl Fn(u64, u64) -> u64) {
    let (pairs, odd) = words.as_chunks_mut::<2>();
    for ([low, high], block) in pairs.iter_mut().zip(blocks) {
        let [first, second] = numbers(block);
        *low = each(*low, first);
        *high = each(*high, second);
    }
    if let ([last], Some(block)) = (odd, blocks.last()) {
        *last = each(*last, numbers(block)[0]);
    }
}

#[inline(always)]
fn numbers(block: &Block<Aes128Enc>) -> [u64; 2] {
    let number = u128::from_le_bytes((*block).into());
    [number as u64, (number >> 64) as u64]
}

/// The mask of a prime: a number that is not below it is put on as zero and does not move the place, so that
/// there is no branch to guess.
fn rejected(
    mut stream: KeyStream<'_>,
    batch: &mut Batch,
    sign: Sign,
    words: &mut [u64],
    prime: u64,
    mask: u64,
) {
    let mut done = 0;
    while done < words.len() {
        let missing = words.len() - done;
        let blocks = &mut batch.0[..missing.div_ceil(2).min(BATCH)];
        stream.write_keystream_blocks(blocks);
        for number in blocks.iter().flat_map(numbers) {
            let Some(word) = words.get_mut(done) else { break };
            let number = number & mask;
            let below = u64::from(number < prime);
            let number = number & below.wrapping_neg();
            let put = match sign {
                Sign::Add => number,
                Sign::Subtract => prime - number,
            };
            *word = subtract_once(*word + put, prime);
            done += below as usize;
        }
    }
}

#[cfg(test)]
#[path = "prg_tests.rs"]
mod tests;
