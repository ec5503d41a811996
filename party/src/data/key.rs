//! Keys of entities: the one rule by which the columns of a key become 32 bytes, at every party alike.
//!
//! The value of each column, in the order of the configuration, is taken as text: text as it is, whole numbers in
//! decimal, booleans as `true` and `false`, other numbers in their shortest form. ASCII white space at both ends is
//! dropped, nothing else is changed: case, accents and inner blanks count (`upper`, `replace` and `trim` in the features
//! are there for those who want them gone), and Unicode is not normalised. A missing value is the empty text.
//! The digest is SHA-256 over a domain, the number of columns, and each text after its length in bytes, all numbers
//! as `u64` little-endian. A key all of whose texts are empty is no key.

use datafusion::arrow::array::ArrayRef;
use sha2::{Digest, Sha256};

use super::column::texts;
use super::error::DataError;

/// A key in the form in which parties align it. Not secret from those who can guess the key.
pub type KeyDigest = [u8; 32];

const DOMAIN: &[u8] = b"hedgerow entity key v1\0";

/// One digest for each row of these columns; `None` where there is no key.
pub(crate) fn key_digests(columns: &[&ArrayRef]) -> Result<Vec<Option<KeyDigest>>, DataError> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut start = Sha256::new();
    start.update(DOMAIN);
    start.update((columns.len() as u64).to_le_bytes());
    let mut keys = vec![(start, false); rows];
    for column in columns {
        let mut next = keys.iter_mut();
        texts(column, |_, text| {
            if let Some((hash, known)) = next.next() {
                let text = text.unwrap_or_default().as_bytes().trim_ascii();
                *known |= !text.is_empty();
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        })?;
    }
    Ok(keys
        .into_iter()
        .map(|(hash, known)| known.then(|| hash.finalize().into()))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{BooleanArray, Float64Array, Int64Array, LargeStringArray, StringArray};

    use super::*;

    fn digests(columns: &[ArrayRef]) -> Vec<Option<KeyDigest>> {
        key_digests(&columns.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_rule_is_the_documented_one() {
        let columns: [ArrayRef; 2] = [
            Arc::new(StringArray::from(vec![Some(" FR90 \t"), None, None])),
            Arc::new(StringArray::from(vec![Some("a b"), Some("x"), Some("  ")])),
        ];
        let by_hand = |texts: [&str; 2]| -> Option<KeyDigest> {
            let mut bytes = b"hedgerow entity key v1\0\x02\0\0\0\0\0\0\0".to_vec();
            for text in texts {
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Some(Sha256::digest(&bytes).into())
        };
        let expected = vec![by_hand(["FR90", "a b"]), by_hand(["", "x"]), None];
        assert_eq!(digests(&columns), expected);
    }

    #[test]
    fn types_do_not_matter_but_columns_and_case_do() {
        let one = |array: ArrayRef| digests(&[array])[0];
        let text = one(Arc::new(StringArray::from(vec!["12"])));
        assert_eq!(one(Arc::new(Int64Array::from(vec![12]))), text);
        assert_eq!(one(Arc::new(Float64Array::from(vec![12.0]))), text);
        assert_eq!(one(Arc::new(LargeStringArray::from(vec!["12 "]))), text);
        assert_ne!(one(Arc::new(StringArray::from(vec!["012"]))), text);
        let truth = one(Arc::new(BooleanArray::from(vec![true])));
        assert_eq!(one(Arc::new(StringArray::from(vec!["true"]))), truth);
        assert_ne!(one(Arc::new(StringArray::from(vec!["True"]))), truth);
        let pair = |a: &str, b: &str| {
            digests(&[
                Arc::new(StringArray::from(vec![a])),
                Arc::new(StringArray::from(vec![b])),
            ])[0]
        };
        assert_ne!(pair("ab", "c"), pair("a", "bc"));
    }
}
