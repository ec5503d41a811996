//! Words on the wire: little-endian, [`Modulus::word_bytes`] bytes each.

use super::{Kind, Modulus};

/// Runs the body with the number of bytes as a constant, so that a word is copied by one move and not by a call.
macro_rules! with_width {
    ($width:expr, $name:ident => $body:expr) => {
        with_width!(@each $width, $name, $body, 1 2 3 4 5 6 7)
    };
    (@each $width:expr, $name:ident, $body:expr, $($w:literal)*) => {
        match $width {
            $($w => { const $name: usize = $w; $body })*
            _ => { const $name: usize = 8; $body }
        }
    };
}
impl Modulus {
    /// The wire bytes of words below `M`, [`word_bytes`](Self::word_bytes) for each.
    ///
    /// # Errors
    /// A word at or above `M`, which would be cut off.
    pub fn pack(self, words: &[u64]) -> Result<Vec<u8>, WordsError> {
        self.check(words.iter().copied())?;
        let mut bytes = vec![0; words.len() * self.word_bytes()];
        with_width!(self.word_bytes(), W => {
            for (bytes, word) in bytes.as_chunks_mut::<W>().0.iter_mut().zip(words) {
                bytes.copy_from_slice(&word.to_le_bytes()[..W]);
            }
        });
        Ok(bytes)
    }

    /// Exactly `length` words below `M` from their wire bytes.
    ///
    /// # Errors
    /// Another number of bytes than `length` words have, or a word at or above `M`.
    pub fn unpack(self, bytes: &[u8], length: usize) -> Result<Vec<u64>, WordsError> {
        self.check_length(bytes, length)?;
        let words: Vec<u64> =
            with_width!(self.word_bytes(), W => bytes.as_chunks().0.iter().map(word::<W>).collect());
        self.check(words.iter().copied())?;
        Ok(words)
    }

    /// Adds as many words from their wire bytes as the accumulator has, without a copy of them in between.
    /// The accumulator is untouched if there is an error.
    ///
    /// # Errors
    /// Another number of bytes than the accumulator's words have, or a word at or above `M`.
    pub fn add_packed(self, accumulator: &mut [u64], bytes: &[u8]) -> Result<(), WordsError> {
        self.check_length(bytes, accumulator.len())?;
        with_width!(self.word_bytes(), W => {
            let words = bytes.as_chunks().0.iter().map(word::<W>);
            self.check(words.clone())?;
            self.add_each(accumulator, words);
        });
        Ok(())
    }

    fn check_length(self, bytes: &[u8], length: usize) -> Result<(), WordsError> {
        let word_bytes = self.word_bytes();
        // A length whose product overflows cannot match any slice.
        if length.checked_mul(word_bytes) != Some(bytes.len()) {
            return Err(WordsError::Length {
                actual: bytes.len(),
                words: length,
                word_bytes,
            });
        }
        Ok(())
    }

    /// Every word is below `M`. All are looked at before any is named: one pass without early exit is the fast one.
    fn check(self, words: impl Iterator<Item = u64> + Clone) -> Result<(), WordsError> {
        let largest = match self.0 {
            Kind::PowerOfTwo(64) => return Ok(()),
            Kind::PowerOfTwo(_) => self.mask(),
            Kind::Prime(prime) => prime - 1,
        };
        if words.clone().fold(false, |found, word| found | (word > largest)) {
            let index = words.clone().position(|word| word > largest).unwrap_or_default();
            return Err(WordsError::NotReduced { index, modulus: self });
        }
        Ok(())
    }
}

/// The word of `W` little-endian bytes, `W <= 8`.
#[inline(always)]
fn word<const W: usize>(bytes: &[u8; W]) -> u64 {
    let mut wide = [0; 8];
    wide[..W].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

/// Words that do not fit their modulus, or bytes that do not fit their number of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// Not the bytes of so many words.
    #[error("{actual} bytes are not {words} words of {word_bytes} bytes")]
    Length {
        /// Bytes given.
        actual: usize,
        /// Words expected.
        words: usize,
        /// Bytes of one word.
        word_bytes: usize,
    },
    /// A word that is too large. Its value is not told: it may be a count that was not masked.
    #[error("word {index} is not below the modulus {modulus}")]
    NotReduced {
        /// Which word, from 0.
        index: usize,
        /// The modulus.
        modulus: Modulus,
    },
}
