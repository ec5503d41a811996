//! Arithmetic modulo one number below `2^50`: no division, no branch on a value.
//!
//! Barrett's reduction (Menezes, van Oorschot, Vanstone, *Handbook of Applied Cryptography*, algorithm 14.42, in
//! base 2): with `k` the bits of the modulus, a number below `2^2k` gets its quotient but for 2 by one product with
//! `floor(2^2k / modulus)`. Products by a known factor use Shoup's form (Harvey, *Faster arithmetic for
//! number-theoretic transforms*, 2014).

/// Moduli have at most this many bits.
pub const MAX_BITS: u32 = 50;

/// A modulus in `2..2^50` with what its reductions need. It need not be a prime but for [`inverse`](Self::inverse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrett {
    modulus: u64,
    bits: u32,
    reciprocal: u64,
}

/// A factor prepared for many products modulo the same number.
#[derive(Clone, Copy, Debug)]
pub struct Factor {
    value: u64,
    quotient: u64,
}

impl Barrett {
    /// Arithmetic modulo `modulus`; `None` outside `2..2^50`.
    pub const fn new(modulus: u64) -> Option<Self> {
        if modulus < 2 || modulus >> MAX_BITS != 0 {
            return None;
        }
        let bits = u64::BITS - modulus.leading_zeros();
        Some(Self {
            modulus,
            bits,
            reciprocal: ((1_u128 << (2 * bits)) / modulus as u128) as u64,
        })
    }

    /// The modulus.
    pub const fn modulus(self) -> u64 {
        self.modulus
    }

    /// Bits of the modulus.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Quotient and remainder of a number below `2^(2 bits)`.
    #[inline(always)]
    pub const fn div_rem(self, number: u128) -> (u64, u64) {
        let high = (number >> (self.bits - 1)) as u64;
        let quotient = ((high as u128 * self.reciprocal as u128) >> (self.bits + 1)) as u64;
        let rest = (number as u64).wrapping_sub(quotient.wrapping_mul(self.modulus));
        let (once, rest) = self.subtract_once_counted(rest);
        let (twice, rest) = self.subtract_once_counted(rest);
        (quotient + once + twice, rest)
    }

    /// `number mod modulus` for a number below `2^(2 bits)`.
    #[inline(always)]
    pub const fn reduce(self, number: u128) -> u64 {
        self.div_rem(number).1
    }

    /// `number mod modulus` for any number, if the modulus has at least 32 bits.
    pub const fn reduce_wide(self, number: u128) -> u64 {
        let two_to_64 = self.reduce(1 << 64);
        let high = self.reduce(number >> 64);
        let low = self.reduce(number as u64 as u128);
        self.add(self.mul(high, two_to_64), low)
    }

    /// The sum of two reduced numbers.
    #[inline(always)]
    pub const fn add(self, a: u64, b: u64) -> u64 {
        self.subtract_once(a + b)
    }

    /// The difference of two reduced numbers.
    #[inline(always)]
    pub const fn sub(self, a: u64, b: u64) -> u64 {
        self.subtract_once(a + self.modulus - b)
    }

    /// The product of two reduced numbers.
    #[inline(always)]
    pub const fn mul(self, a: u64, b: u64) -> u64 {
        self.reduce(a as u128 * b as u128)
    }

    /// `base^exponent`; the time tells the exponent, which is public.
    pub const fn power(self, base: u64, mut exponent: u64) -> u64 {
        let (mut square, mut result) = (base, 1);
        while exponent != 0 {
            if exponent & 1 == 1 {
                result = self.mul(result, square);
            }
            square = self.mul(square, square);
            exponent >>= 1;
        }
        result
    }

    /// The inverse of a number that is not zero, if the modulus is a prime (Fermat).
    pub const fn inverse(self, number: u64) -> u64 {
        self.power(number, self.modulus - 2)
    }

    /// Prepares a reduced factor.
    pub const fn factor(self, value: u64) -> Factor {
        Factor {
            value,
            quotient: (((value as u128) << 64) / self.modulus as u128) as u64,
        }
    }

    /// The product of any number with a prepared factor.
    #[inline(always)]
    pub const fn scale(self, number: u64, factor: Factor) -> u64 {
        let quotient = ((number as u128 * factor.quotient as u128) >> 64) as u64;
        self.subtract_once(
            number
                .wrapping_mul(factor.value)
                .wrapping_sub(quotient.wrapping_mul(self.modulus)),
        )
    }

    /// A number below twice the modulus, reduced.
    #[inline(always)]
    pub const fn subtract_once(self, number: u64) -> u64 {
        self.subtract_once_counted(number).1
    }

    #[inline(always)]
    const fn subtract_once_counted(self, number: u64) -> (u64, u64) {
        // All numbers here are far below 2^63, so the top bit of the difference is its sign.
        let difference = number.wrapping_sub(self.modulus);
        let negative = difference >> 63;
        (
            negative ^ 1,
            difference.wrapping_add(self.modulus & negative.wrapping_neg()),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_moduli_of_at_most_50_bits() {
        assert!(Barrett::new(0).is_none() && Barrett::new(1).is_none());
        assert!(Barrett::new(1 << 50).is_none());
        assert_eq!(Barrett::new(2).unwrap().reduce(3), 1);
        assert_eq!(Barrett::new((1 << 50) - 1).unwrap().bits(), 50);
    }

    proptest! {
        #[test]
        fn agrees_with_division(modulus in 2_u64..1 << 50, number: u128, a: u64, b: u64) {
            let barrett = Barrett::new(modulus).unwrap();
            let number = number & ((1 << (2 * barrett.bits())) - 1);
            let wide = u128::from(modulus);
            // The quotient of the largest numbers may have one bit more than the modulus, and fits all the same.
            prop_assert_eq!(barrett.div_rem(number), ((number / wide) as u64, (number % wide) as u64));
            let (a_reduced, b) = (a % modulus, b % modulus);
            prop_assert_eq!(barrett.add(a_reduced, b), ((u128::from(a_reduced) + u128::from(b)) % wide) as u64);
            prop_assert_eq!(barrett.sub(a_reduced, b), ((u128::from(a_reduced) + wide - u128::from(b)) % wide) as u64);
            prop_assert_eq!(barrett.mul(a_reduced, b), (u128::from(a_reduced) * u128::from(b) % wide) as u64);
            prop_assert_eq!(barrett.scale(a, barrett.factor(b)), (u128::from(a) * u128::from(b) % wide) as u64);
        }

        #[test]
        fn reduces_all_of_128_bits(modulus in 1_u64 << 31..1 << 50, number: u128) {
            let barrett = Barrett::new(modulus).unwrap();
            prop_assert_eq!(u128::from(barrett.reduce_wide(number)), number % u128::from(modulus));
        }

        #[test]
        fn inverses_invert(number in 1_u64..(1 << 31) - 1) {
            let barrett = Barrett::new((1 << 31) - 1).unwrap();
            prop_assert_eq!(barrett.mul(number, barrett.inverse(number)), 1);
        }
    }
}
