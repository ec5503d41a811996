//! Deterministic Miller-Rabin for `u64`.

/// The first twelve primes: as bases they decide every number below 3.3e24 (Sorenson and Webster, *Strong
/// pseudoprimes to twelve prime bases*, Math. Comp. 86, 2017).
const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// Whether `n` is prime. Variable time: moduli are public.
pub(super) fn is_prime(n: u64) -> bool {
    if n < 2 {
        return false;
    }
    if let Some(base) = BASES.into_iter().find(|base| n.is_multiple_of(*base)) {
        return n == base;
    }
    let twos = (n - 1).trailing_zeros();
    let odd = (n - 1) >> twos;
    BASES.into_iter().all(|base| {
        let mut x = power(base, odd, n);
        if x == 1 || x == n - 1 {
            return true;
        }
        for _ in 1..twos {
            x = multiply(x, x, n);
            if x == n - 1 {
                return true;
            }
        }
        false
    })
}

fn multiply(a: u64, b: u64, n: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(n)) as u64
}

fn power(mut base: u64, mut exponent: u64, n: u64) -> u64 {
    let mut result = 1;
    while exponent != 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base, n);
        }
        base = multiply(base, base, n);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_sieve() {
        const LIMIT: usize = 100_000;
        let mut composite = vec![false; LIMIT];
        for n in 2..LIMIT {
            assert_eq!(is_prime(n as u64), !composite[n], "{n}");
            if !composite[n] {
                (n * n..LIMIT)
                    .step_by(n)
                    .for_each(|multiple| composite[multiple] = true);
            }
        }
        assert!(!is_prime(0) && !is_prime(1));
    }

    /// Carmichael numbers, strong pseudoprimes to the first bases (OEIS A014233), Mersenne and Fermat numbers.
    #[test]
    fn is_not_fooled() {
        for composite in [
            561,
            41_041,
            2047,
            1_373_653,
            25_326_001,
            3_215_031_751,
            2_152_302_898_747,
        ] {
            assert!(!is_prime(composite), "{composite}");
        }
        for composite in [
            3_474_749_660_383,
            341_550_071_728_321,
            3_825_123_056_546_413_051,
            (1 << 32) + 1,
        ] {
            assert!(!is_prime(composite), "{composite}");
        }
        for prime in [
            65_537,
            (1 << 31) - 1,
            (1 << 61) - 1,
            18_446_744_073_709_551_557,
            (1 << 63) - 25,
        ] {
            assert!(is_prime(prime), "{prime}");
        }
    }
}
