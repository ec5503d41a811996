//! Products with numbers that repeat over the slots: what a weight is when a batch lies across the slots.
//!
//! Numbers of period `P` encode to a polynomial in `X^(N / 2P)`, which takes `2P` values only: each of them `N / 2P` times
//! in a row, in the order of [`crate::ring::ntt`]. So a plaintext is `2P` words for each prime instead of `N`, and sums of
//! products with many such plaintexts are products of small matrices with blocks of ciphertexts: bound by arithmetic
//! where prepared plaintexts wait for memory.

use super::ciphertext::{Ciphertext, same_scale};
use super::encoder::Encoder;
use super::error::CkksError;
use super::evaluator::Evaluator;
use super::fft::Complex;
use super::parallel;
use crate::hash::Digest;
use crate::ring::ntt::Ntt;
use crate::ring::simd;

/// The least degree of a transform.
const LEAST_VALUES: usize = 16;
/// Words of a block that are handled at once, so that those of many ciphertexts stay in the nearest cache.
const WIDTH: usize = 32;

/// Numbers that repeat over the slots, for products with ciphertexts of one level and lower ones.
#[derive(Clone, Debug)]
pub struct PeriodicPlaintext {
    /// For each prime, `values` words.
    words: Vec<u64>,
    values: usize,
    scale: f64,
    params: Digest,
}

impl PeriodicPlaintext {
    /// What the numbers were multiplied by.
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// The highest level of a ciphertext that it meets.
    pub fn level(&self) -> usize {
        self.words.len() / self.values - 1
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.words[..])
    }
}

/// One sum of products: which ciphertext meets which plaintext.
pub type Combination<'a> = Vec<(usize, &'a PeriodicPlaintext)>;

impl Encoder {
    /// Whether numbers of this period can be prepared: a power of two, and blocks of at least 8 words.
    pub fn has_period(&self, period: usize) -> bool {
        period.is_power_of_two() && (2 * period).max(LEAST_VALUES) * simd::LANES <= self.params().degree()
    }

    /// Prepares numbers that repeat: slot `i` holds `numbers[i mod P]`, for the `P` numbers that are given.
    ///
    /// # Errors
    /// A period that there is not ([`has_period`](Self::has_period)), no such level, numbers that are too large.
    pub fn prepare_periodic(
        &self,
        numbers: &[f64],
        scale: f64,
        level: usize,
    ) -> Result<PeriodicPlaintext, CkksError> {
        let numbers: Vec<Complex> = numbers.iter().map(|n| Complex::new(*n, 0.0)).collect();
        self.prepare_periodic_complex(&numbers, scale, level)
    }

    /// As [`prepare_periodic`](Self::prepare_periodic) for complex numbers.
    ///
    /// # Errors
    /// As there.
    pub fn prepare_periodic_complex(
        &self,
        numbers: &[Complex],
        scale: f64,
        level: usize,
    ) -> Result<PeriodicPlaintext, CkksError> {
        let params = self.params();
        params.check_level("a plaintext", level)?;
        if !self.has_period(numbers.len()) {
            return Err(CkksError::Length {
                what: "numbers that repeat",
                actual: numbers.len(),
                expected: numbers.len().next_power_of_two().min(params.degree() / 16),
            });
        }
        let values = (2 * numbers.len()).max(LEAST_VALUES);
        let repeated: Vec<Complex> = numbers.iter().copied().cycle().take(values / 2).collect();
        let coefficients = Self::coefficients(&repeated, scale)?;
        let mut words = vec![0; values * (level + 1)];
        let limbs = params.basis(level).limbs();
        for (limb, words) in limbs.iter().zip(words.chunks_exact_mut(values)) {
            let modulus = limb.modulo().modulus();
            let ntt = Ntt::get(values, modulus).ok_or(CkksError::Length {
                what: "numbers that repeat",
                actual: numbers.len(),
                expected: LEAST_VALUES / 2,
            })?;
            simd::reduce_signed(words, &coefficients, limb.reducer());
            ntt.forward(words);
        }
        Ok(PeriodicPlaintext {
            words,
            values,
            scale,
            params: params.digest(),
        })
    }
}

impl Evaluator {
    /// For each row `sum a_i * numbers_i` over its pairs of an index of `a` and numbers, with the product of the scales.
    ///
    /// # Errors
    /// No ciphertexts, an index outside of them, an empty row, plaintexts of several periods; ciphertexts of three parts, or
    /// that are not of one level, scale and key; products of different scales; plaintexts prepared for a lower level.
    pub fn combine(&self, a: &[&Ciphertext], rows: &[Combination<'_>]) -> Result<Vec<Ciphertext>, CkksError> {
        let length = |what, actual, expected| CkksError::Length {
            what,
            actual,
            expected,
        };
        let pairs = rows.iter().flatten();
        let (Some(first), Some((_, plain))) = (a.first(), pairs.clone().next()) else {
            return Err(length("pairs of a combination", 0, 1));
        };
        let (values, scale) = (plain.values, first.scale() * plain.scale);
        for a in a {
            self.check_pair(first, a)?;
            a.check_parts("a factor of a combination", 2)?;
            a.check_scale("a factor of a combination", first.scale())?;
        }
        if let Some(row) = rows.iter().find(|row| row.is_empty()) {
            return Err(length("pairs of a row", row.len(), 1));
        }
        for (index, plain) in pairs {
            self.params().check("numbers that repeat", plain.params)?;
            if *index >= a.len() {
                return Err(length("ciphertexts of a combination", a.len(), index + 1));
            }
            if plain.values != values {
                return Err(length("values of a plaintext", plain.values, values));
            }
            if plain.level() < first.level() {
                return Err(CkksError::Level {
                    what: "numbers that repeat",
                    actual: plain.level(),
                    expected: first.level(),
                });
            }
            if !same_scale(plain.scale, scale / first.scale()) {
                return Err(CkksError::Scale {
                    what: "a product",
                    actual_log2: (first.scale() * plain.scale).log2(),
                    expected_log2: scale.log2(),
                });
            }
        }
        let mut outs: Vec<Ciphertext> = rows.iter().map(|_| self.empty()).collect();
        for out in &mut outs {
            out.reshape(first, self.params(), first.level(), 2, scale);
        }
        self.fill(&mut outs, a, rows, values, first.level());
        Ok(outs)
    }

    /// Block by block of each prime: the words of all ciphertexts there, side by side, times a small matrix.
    fn fill(
        &self,
        outs: &mut [Ciphertext],
        a: &[&Ciphertext],
        rows: &[Combination<'_>],
        values: usize,
        level: usize,
    ) {
        let degree = self.params().degree();
        let block = degree / values;
        let width = WIDTH.min(block);
        let picks: Vec<Vec<u32>> = rows
            .iter()
            .map(|row| row.iter().map(|(index, _)| *index as u32).collect())
            .collect();
        // Both parts of every result, cut into blocks: they share the weights.
        let mut tasks: Vec<Vec<[&mut [u64]; 2]>> = (0..(level + 1) * values).map(|_| Vec::new()).collect();
        for out in outs {
            let [c0, c1] = &mut out.parts_mut()[..] else {
                return;
            };
            let blocks = c0
                .words_mut()
                .chunks_exact_mut(block)
                .zip(c1.words_mut().chunks_exact_mut(block));
            for (task, (c0, c1)) in tasks.iter_mut().zip(blocks) {
                task.push([c0, c1]);
            }
        }
        let limbs = self.params().basis(level).limbs();
        let work = rows.iter().map(Vec::len).sum::<usize>() * 2 * degree * (level + 1);
        let mut rooms = parallel::Rooms::new(a.len() * width);
        rooms.for_each(work, tasks.into_iter().enumerate(), |(at, mut outs), room| {
            let (index, value) = (at / values, at % values);
            let Some(limb) = limbs.get(index) else { return };
            let weights: Vec<Vec<u64>> = rows
                .iter()
                .map(|row| {
                    row.iter()
                        .map(|(_, plain)| plain.words[index * plain.values + value])
                        .collect()
                })
                .collect();
            for part in 0..2 {
                for start in (0..block).step_by(width) {
                    for (room, a) in room.chunks_exact_mut(width).zip(a) {
                        let words = &a.parts()[part].limb(index)[value * block + start..][..width];
                        room.copy_from_slice(words);
                    }
                    for ((out, picks), weights) in outs.iter_mut().zip(&picks).zip(&weights) {
                        let out = &mut out[part][start..start + width];
                        simd::combine(out, room, picks, weights, limb.reducer());
                    }
                }
            }
        });
    }
}
