//! What greedy growth leaves to chance: a function of the public seed, never of data.
//!
//! Randomness is the ChaCha20 key stream (64-bit counter, 64-bit nonce) under the key
//! `SHA-256("hedgerow-forest greedy trees v1" || seed)` with twice the tree's position as nonce for its link and the
//! features of its levels, and one more for its inferred splits. A number below `n` is `word % n` for the first word
//! below the largest multiple of `n` that fits 32 bits.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::layout::Layout;

/// A source of chance.
pub(super) struct Draw(ChaCha20Rng);

impl Draw {
    fn new(seed: &[u8; 32], nonce: u64) -> Self {
        let mut key = Sha256::new();
        key.update(b"hedgerow-forest greedy trees v1");
        key.update(seed);
        let mut rng = ChaCha20Rng::from_seed(key.finalize().into());
        rng.set_stream(nonce);
        Self(rng)
    }

    /// For the inferred splits of a tree.
    pub(super) fn of_inferred(seed: &[u8; 32], tree: usize) -> Self {
        Self::new(seed, 2 * tree as u64 + 1)
    }

    /// Uniform below `n`; 0 if that is 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let multiples = (1u64 << 32) / u64::from(n) * u64::from(n);
        loop {
            let word = self.0.next_u32();
            if u64::from(word) < multiples {
                return word % n;
            }
        }
    }

    /// Uniform from 0 to below 1, in steps of 2^-32.
    pub(super) fn share(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// A subset of the pool in its order, uniform among those of its size (Knuth, The Art of Computer Programming,
    /// volume 2, 3.4.2, algorithm S).
    pub(super) fn sample(&mut self, pool: &[u16], wanted: usize) -> Vec<u16> {
        let mut chosen = Vec::with_capacity(wanted);
        for (seen, feature) in pool.iter().enumerate() {
            let left = (pool.len() - seen) as u32;
            if (self.below(left) as usize) < wanted.saturating_sub(chosen.len()) {
                chosen.push(*feature);
            }
        }
        chosen
    }
}

/// What one tree may split.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    /// The link whose columns it may test, uniform among all of the schema's.
    pub(super) link: Option<usize>,
    /// Per level with histograms the features that it has them of.
    pub(super) levels: Vec<Vec<u16>>,
}

/// The links and features of every tree.
pub(super) fn trees(layout: &Layout, trees: u32, seed: &[u8; 32]) -> Vec<Drawn> {
    let tree = |position: u32| {
        let mut draw = Draw::new(seed, 2 * u64::from(position));
        let links = layout.links() as u32;
        let link = (links > 0).then(|| draw.below(links) as usize);
        let level = |(level, wanted): (usize, &usize)| draw.sample(layout.pool(level, link), *wanted);
        Drawn {
            link,
            levels: layout.wanted().iter().enumerate().map(level).collect(),
        }
    };
    (0..trees).map(tree).collect()
}
