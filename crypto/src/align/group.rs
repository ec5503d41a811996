//! The group: keys to elements, and elements to powers of them, many at a time.
//!
//! All scalars here are *halves*: `double_and_compress_batch` encodes `2P` at an eighth of the price of encoding `P`,
//! one inversion for a chunk instead of one square root for each. Scalar multiplication is constant time.

use curve25519_dalek::Scalar;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::traits::IsIdentity;
use rand_core::Rng;
use rayon::prelude::*;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use super::error::AlignError;
use super::message::Encoding;
use crate::domain;
use crate::hash::Digest;
use crate::seed::Seed;

/// Elements that share an inversion, and the grain of parallel work.
const CHUNK: usize = 128;

/// What is hashed: a key of the party, or a number of the dummy pool. Never the same input for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A key.
    Key(&'a [u8; 32]),
    /// A dummy.
    Dummy(u32),
}

/// The element of an item: SHA-512 of domain, parameters, kind and key, each of fixed length, to the group by the
/// one-way map of RFC 9496, section 4.3.4. Modelled as a random oracle.
pub fn element(params: &Digest, item: Item<'_>) -> RistrettoPoint {
    let mut hasher = Sha512::new();
    hasher.update(domain::ALIGN_ELEMENT);
    hasher.update(params);
    match item {
        Item::Key(key) => {
            hasher.update([0]);
            hasher.update(key);
        }
        Item::Dummy(number) => {
            hasher.update([1]);
            hasher.update(number.to_le_bytes());
        }
    }
    RistrettoPoint::from_uniform_bytes(&hasher.finalize().into())
}

/// A uniform scalar other than zero.
pub fn scalar(seed: &Seed) -> Zeroizing<Scalar> {
    let mut rng = seed.rng();
    let mut wide = Zeroizing::new([0; 64]);
    loop {
        rng.fill_bytes(wide.as_mut());
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide));
        if *scalar != Scalar::ZERO {
            return scalar;
        }
    }
}

/// Encodings of twice `half` times the element of every item.
pub fn blind(params: &Digest, items: &[Item<'_>], half: &Scalar) -> Vec<Encoding> {
    let chunks: Vec<_> = items
        .par_chunks(CHUNK)
        .map(|chunk| {
            let points: Vec<_> = chunk.iter().map(|&item| element(params, item) * half).collect();
            compress(&points)
        })
        .collect();
    chunks.concat()
}

/// Encodings of twice each of `halves` times every element: one list for each scalar, in the order of `encodings`.
///
/// # Errors
/// The first encoding that is not canonical, or the identity.
pub fn raise<const K: usize>(
    seq: u32,
    encodings: &[Encoding],
    halves: [&Scalar; K],
) -> Result<[Vec<Encoding>; K], AlignError> {
    let chunks: Vec<_> = encodings
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, encodings)| {
            let points = decompress(seq, chunk * CHUNK, encodings)?;
            Ok(halves.map(|half| {
                let raised: Vec<_> = points.iter().map(|point| point * half).collect();
                compress(&raised)
            }))
        })
        .collect::<Result<_, _>>()?;
    let mut lists = [const { Vec::new() }; K];
    for chunk in chunks {
        for (list, raised) in lists.iter_mut().zip(chunk) {
            list.extend(raised);
        }
    }
    Ok(lists)
}

fn compress(halves: &[RistrettoPoint]) -> Vec<Encoding> {
    RistrettoPoint::double_and_compress_batch(halves)
        .into_iter()
        .map(|encoding| encoding.to_bytes())
        .collect()
}

fn decompress(seq: u32, first: usize, encodings: &[Encoding]) -> Result<Vec<RistrettoPoint>, AlignError> {
    encodings
        .iter()
        .enumerate()
        .map(|(index, encoding)| {
            let error = |actual| AlignError::Element {
                seq,
                index: first + index,
                actual,
            };
            let point = CompressedRistretto(*encoding)
                .decompress()
                .ok_or(error("no canonical encoding"))?;
            if point.is_identity() {
                return Err(error("the identity"));
            }
            Ok(point)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9496, appendix A.3: the one-way map that keys go through.
    #[test]
    fn the_map_is_that_of_rfc_9496() {
        let label = b"Ristretto is traditionally a short shot of espresso coffee";
        let point = RistrettoPoint::from_uniform_bytes(&Sha512::digest(label).into());
        assert_eq!(
            hex::encode(point.compress().as_bytes()),
            "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46"
        );
    }

    #[test]
    fn keys_and_dummies_never_meet() {
        let (params, other) = (Digest([1; 32]), Digest([2; 32]));
        let mut key = [0; 32];
        let elements = [
            element(&params, Item::Dummy(0)),
            element(&params, Item::Dummy(1)),
            element(&other, Item::Dummy(1)),
            element(&params, Item::Key(&key)),
            element(&other, Item::Key(&key)),
        ];
        key[0] = 1;
        let last = element(&params, Item::Key(&key));
        for (index, element) in elements.iter().enumerate() {
            assert!(elements[..index].iter().all(|other| other != element));
            assert!(*element != last);
        }
    }

    /// Batched halves against one multiplication and one encoding each, over several chunks.
    #[test]
    fn batches_are_plain_powers_in_order() {
        let params = Digest([1; 32]);
        let keys: Vec<[u8; 32]> = (0..300u32)
            .map(|i| crate::hash::hash("test", &[&i.to_le_bytes()]).0)
            .collect();
        let items: Vec<_> = keys.iter().map(Item::Key).collect();
        let [a, b] = [1, 2].map(|byte| scalar(&Seed::from_bytes([byte; 32])));
        let half = |scalar: &Scalar| scalar.div_by_2();
        let blinded = blind(&params, &items, &half(&a));
        let [first, second] = raise(0, &blinded, [&half(&b), &half(&a)]).unwrap();
        for (index, item) in items.iter().enumerate() {
            let point = element(&params, *item) * *a;
            assert_eq!(blinded[index], point.compress().to_bytes());
            assert_eq!(first[index], (point * *b).compress().to_bytes());
            assert_eq!(second[index], (point * *a).compress().to_bytes());
        }
    }

    #[test]
    fn errors_name_the_item() {
        let mut encodings =
            vec![crate::align::group::blind(&Digest([1; 32]), &[Item::Dummy(1)], &Scalar::ONE,)[0]; 200];
        encodings[150] = [0; 32];
        let error = raise(3, &encodings, [&Scalar::ONE]).unwrap_err();
        assert_eq!(
            error,
            AlignError::Element {
                seq: 3,
                index: 150,
                actual: "the identity"
            }
        );
    }
}
