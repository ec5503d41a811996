//! From the residues modulo some primes to those modulo others (Halevi, Polyakov, Shoup, *An improved RNS variant of
//! the BFV homomorphic encryption scheme*, CT-RSA 2019, section 2.2; Cheon et al., *A full RNS variant of approximate
//! homomorphic encryption*, SAC 2018, section 3.1).
//!
//! For sources `q_1 .. q_k` with product `Q`, `x` goes to `sum_i y_i (Q / q_i)`, `y_i = [x (Q / q_i)^-1]_(q_i)`
//! *centred*: that is `x + u Q` for an integer `u` that depends on `x`, with mean 0 and a variance of `k / 12`. Centred
//! numbers are kept raised by `floor(q_i / 2)`, which the constant term takes out again: it costs nothing.

use super::basis::Limb;
use super::simd::{self, Factor, MAX_PRODUCTS};

/// What the residues of one source are multiplied by, and raised by, before they are summed.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    factor: Factor,
    half: u64,
}

/// A conversion from at most [`MAX_PRODUCTS`] primes to any others.
#[derive(Clone, Debug)]
pub struct Conversion {
    shares: Vec<Share>,
    targets: Vec<Target>,
}

#[derive(Clone, Debug)]
struct Target {
    weights: Vec<u64>,
    shift: u64,
}

impl Conversion {
    /// From some primes to others. A prime may be among both: its target is then never asked for.
    pub fn new<'a>(sources: &[&Limb], targets: impl IntoIterator<Item = &'a Limb>) -> Self {
        Self::to_multiples(sources, targets, 1)
    }

    /// From some primes to others, to a multiple of a number that none of the sources divides: `multiple` times what `x /
    /// multiple` modulo `Q` goes to. That is `x` modulo `Q` again, `multiple` times as large.
    pub fn to_multiples<'a>(
        sources: &[&Limb],
        targets: impl IntoIterator<Item = &'a Limb>,
        multiple: u64,
    ) -> Self {
        assert!(
            sources.len() <= MAX_PRODUCTS,
            "a conversion of at most {MAX_PRODUCTS} primes"
        );
        let half = |limb: &Limb| limb.modulo().modulus() / 2;
        let others = |index: usize, limb: &Limb| {
            let modulo = limb.modulo();
            let others = sources.iter().enumerate().filter(|(other, _)| *other != index);
            others.fold(1, |product, (_, other)| {
                modulo.mul(product, other.modulo().modulus() % modulo.modulus())
            })
        };
        let shares = sources
            .iter()
            .enumerate()
            .map(|(index, limb)| {
                let modulo = limb.modulo();
                // The inverse transform leaves a factor N, which goes here too.
                let product = modulo.mul(others(index, limb), limb.degree() as u64 % modulo.modulus());
                let product = modulo.mul(product, multiple % modulo.modulus());
                Share {
                    factor: limb.reducer().factor(modulo.inverse(product)),
                    half: half(limb),
                }
            })
            .collect();
        let targets = targets
            .into_iter()
            .map(|limb| {
                let modulo = limb.modulo();
                let weight = |index| modulo.mul(others(index, limb), multiple % modulo.modulus());
                let weights: Vec<u64> = (0..sources.len()).map(weight).collect();
                let raised = sources.iter().zip(&weights).fold(0, |sum, (source, weight)| {
                    modulo.add(sum, modulo.mul(half(source) % modulo.modulus(), *weight))
                });
                Target {
                    weights,
                    shift: modulo.sub(0, raised),
                }
            })
            .collect();
        Self { shares, targets }
    }

    /// The number of sources.
    pub fn sources(&self) -> usize {
        self.shares.len()
    }

    /// The values modulo the source at `index`, of one or more polynomials, to what [`target`](Self::target) sums, in
    /// place.
    pub fn source(&self, index: usize, limb: &Limb, values: &mut [u64]) {
        for values in values.chunks_exact_mut(limb.degree()) {
            limb.ntt().inverse_times_degree(values);
        }
        let share = self.shares[index];
        simd::scale(values, share.factor, share.half, limb.reducer());
    }

    /// The values modulo the target at `index`, of as many polynomials as each of the prepared sources, which are one
    /// after the other.
    pub fn target(&self, index: usize, limb: &Limb, sources: &[u64], values: &mut [u64]) {
        let target = &self.targets[index];
        simd::convert(values, sources, &target.weights, target.shift, limb.reducer());
        for values in values.chunks_exact_mut(limb.degree()) {
            limb.ntt().forward(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;

    use super::*;
    use crate::ring::RnsBasis;
    use crate::ring::poly::{Coeff, Poly};

    /// Against big integers: every coefficient becomes `x + u Q` with the same `u` for every target, `|u| <= k / 2`,
    /// and `sum_i y_i Q / q_i` exactly.
    #[test]
    fn is_the_sum_of_centred_shares() {
        let degree = 32;
        let basis = RnsBasis::new(degree, 7).unwrap();
        let primes: Vec<BigInt> = basis.primes().map(BigInt::from).collect();
        let (sources, targets) = basis.limbs().split_at(4);
        let product: BigInt = primes[..4].iter().product();
        // Numbers of all sizes and both signs.
        let numbers: Vec<BigInt> = (0..degree)
            .map(|index| (&product * (index as i64 - 15) * 31 + 12345 * index as i64) / 1000 - 7)
            .collect();
        let residue = |number: &BigInt, prime: &BigInt| {
            let residue = ((number % prime) + prime) % prime;
            u64::try_from(residue).unwrap()
        };
        let mut poly: Poly<Coeff> = Poly::zero(&basis);
        for (index, words) in poly.words_mut().chunks_mut(degree).take(4).enumerate() {
            words
                .iter_mut()
                .zip(&numbers)
                .for_each(|(word, number)| *word = residue(number, &primes[index]));
        }
        let mut values = poly.into_eval();
        let refs: Vec<&Limb> = sources.iter().collect();
        let conversion = Conversion::new(&refs, targets);
        assert_eq!(conversion.sources(), 4);
        let (read, written) = values.words_mut().split_at_mut(4 * degree);
        for (index, (limb, words)) in sources.iter().zip(read.chunks_mut(degree)).enumerate() {
            conversion.source(index, limb, words);
        }
        for (index, (limb, words)) in targets.iter().zip(written.chunks_mut(degree)).enumerate() {
            conversion.target(index, limb, read, words);
            limb.ntt().inverse(words);
        }
        for (at, number) in numbers.iter().enumerate() {
            let mut sum = BigInt::from(0);
            for prime in &primes[..4] {
                let others = &product / prime;
                let inverse = others.modpow(&(prime - 2), prime);
                let share = residue(&(number * inverse), prime);
                let centred = BigInt::from(share)
                    - if BigInt::from(2 * share) > *prime {
                        prime.clone()
                    } else {
                        BigInt::from(0)
                    };
                sum += centred * others;
            }
            assert_eq!((&sum - number) % &product, BigInt::from(0));
            assert!((&sum - number) / &product <= BigInt::from(2));
            for (index, words) in written.chunks(degree).enumerate() {
                assert_eq!(words[at], residue(&sum, &primes[4 + index]), "{at} {index}");
            }
        }
    }
}
