//! Vectors of words mod M as packed little-endian bytes, `ceil(bits / 8)` for each word.

use hedgerow_crypto::mask::modulus::{Modulus, WordsError};

/// Packs words below the modulus.
///
/// # Errors
/// [`WordsError`] for a word that is not below the modulus.
pub fn pack(words: &[u64], modulus: Modulus) -> Result<Vec<u8>, WordsError> {
    modulus.pack(words)
}

/// Words from packed bytes; nothing is allocated for a wrong length.
///
/// # Errors
/// [`WordsError`] for any other number of bytes than `cells` words need, or a word that is not below the
/// modulus.
pub fn unpack(bytes: &[u8], modulus: Modulus, cells: usize) -> Result<Vec<u64>, WordsError> {
    // CHK-050: exactly one word per cell, each below the modulus.
    modulus.unpack(bytes, cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_has_exactly_its_words() {
        let modulus = Modulus::power_of_two(40).unwrap();
        let words = [0, 1, (1 << 40) - 1];
        let bytes = pack(&words, modulus).unwrap();
        assert_eq!(bytes.len(), 15, "5 bytes to a word of 40 bits");
        assert_eq!(unpack(&bytes, modulus, 3).unwrap(), words);
        assert!(unpack(&bytes, modulus, 2).is_err(), "CHK-050");
        assert!(unpack(&bytes[1..], modulus, 3).is_err());
        let prime = Modulus::prime(251).unwrap();
        assert!(
            unpack(&[250, 251], prime, 2).is_err(),
            "CHK-050: not below the modulus"
        );
        assert!(pack(&[251], prime).is_err());
    }
}
