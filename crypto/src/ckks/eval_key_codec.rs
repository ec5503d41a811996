//! Bytes of evaluation keys.

use std::collections::BTreeMap;

use super::bits::{pack, packed_bytes, unpack};
use super::codec::{Header, Kind, Reader, SEED_BYTES, field, length};
use super::error::CkksError;
use super::eval_key::{EvalKeys, KeyPlan, Switch, SwitchingKey};
use super::params::Params;

/// Keys of one set are at most so many.
const MAX_KEYS: u32 = 1 << 16;

impl KeyPlan {
    /// Bytes that the keys of the plan take on the wire.
    pub fn bytes(&self, params: &Params) -> usize {
        self.levels(params)
            .map(|level| params.switching_key_bytes(level))
            .sum()
    }
}

impl EvalKeys {
    /// Header; for each key 8 bytes (the exponent of its automorphism, 0 for relinearisation, and its level, `u32` each), the
    /// seed of its second halves, and the first halves digit by digit.
    pub fn to_bytes(&self, params: &Params) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = Header {
            kind: Kind::EvalKeys,
            level: 0,
            count: self.keys.len() as u32,
            key: self.id,
            scale: 0.0,
            params: self.params,
        };
        header.write(&mut bytes);
        for (switch, key) in &self.keys {
            bytes.extend(switch.exponent().to_le_bytes());
            bytes.extend((key.level as u32).to_le_bytes());
            bytes.extend(key.seed);
            for digit in 0..key.digits.len() {
                for prime in params.extended(key.level) {
                    pack(params.limb(prime), key.limb(digit, 0, prime), &mut bytes);
                }
            }
        }
        bytes
    }

    /// Keys from their bytes, at most `limit` bytes in memory.
    ///
    /// # Errors
    /// Other parameters, kind, version or length; a word that is not reduced; an exponent of no automorphism; keys that
    /// are not in order; more memory than the limit.
    pub fn from_bytes(params: &Params, bytes: &[u8], limit: usize) -> Result<Self, CkksError> {
        let (header, rest) = Header::read(params, Kind::EvalKeys, bytes)?;
        if header.count > MAX_KEYS {
            field("number of keys", header.count.into(), MAX_KEYS.into())?;
        }
        let mut reader = Reader(rest);
        let mut keys: BTreeMap<Switch, SwitchingKey> = BTreeMap::new();
        let mut memory = 0;
        for _ in 0..header.count {
            let exponent = u32::from_le_bytes(reader.take()?);
            let level = u32::from_le_bytes(reader.take()?) as usize;
            let switch = Switch::of(exponent, params)?;
            params.check_level("an evaluation key", level)?;
            let rows = params.digits(level) * params.extended(level).len();
            memory += rows * 2 * params.degree() * size_of::<u64>();
            if memory > limit {
                return Err(CkksError::Length {
                    what: "bytes of evaluation keys in memory",
                    actual: memory,
                    expected: limit,
                });
            }
            let seed = reader.take()?;
            let packed = reader.slice(params.switching_key_bytes(level) - SEED_BYTES - 8)?;
            if let Some((last, _)) = keys.last_key_value().filter(|(last, _)| **last >= switch) {
                return Err(CkksError::Range {
                    what: "exponent of a key after smaller ones",
                    actual: exponent.into(),
                    least: u64::from(last.exponent()) + 1,
                    most: 2 * params.degree() as u64 - 1,
                });
            }
            let mut key = SwitchingKey::with_uniform_halves(params, level, seed);
            let mut packed = Reader(packed);
            for halves in &mut key.digits {
                for (prime, words) in params
                    .extended(level)
                    .zip(halves.chunks_exact_mut(params.degree()))
                {
                    let limb = params.limb(prime);
                    unpack(limb, packed.slice(packed_bytes(limb))?, words)?;
                }
            }
            keys.insert(switch, key);
        }
        if !reader.0.is_empty() {
            return Err(length(bytes.len(), bytes.len() - reader.0.len()));
        }
        Ok(Self {
            params: header.params,
            id: header.key,
            keys,
        })
    }
}

impl Switch {
    fn exponent(self) -> u32 {
        match self {
            Self::Square => 0,
            Self::Galois(exponent) => exponent,
        }
    }

    fn of(exponent: u32, params: &Params) -> Result<Self, CkksError> {
        let largest = 2 * params.degree() as u32 - 1;
        match exponent {
            0 => Ok(Self::Square),
            exponent if exponent % 2 == 1 && (3..=largest).contains(&exponent) => Ok(Self::Galois(exponent)),
            other => Err(CkksError::Range {
                what: "exponent of an automorphism, which is odd,",
                actual: other.into(),
                least: 3,
                most: largest.into(),
            }),
        }
    }
}
