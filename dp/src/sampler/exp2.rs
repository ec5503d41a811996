//! `2^-f` in 64-bit fixed point: good to 50 bits, which is more than its one caller relies on.

/// `2^(-1/256)` and `2^(-1/65536)` times `2^63`, rounded down.
const STEP_COARSE: u64 = 0x7fa7_65ac_a88f_6452;
const STEP_FINE: u64 = 0x7fff_a747_12c3_cdfd;
/// `ln 2` times `2^64`, rounded down.
const LN_2: u64 = 0xb172_17f7_d1cf_79ab;

const fn powers(step: u64) -> [u64; 256] {
    let mut table = [1 << 63; 256];
    let mut i = 1;
    while i < 256 {
        table[i] = ((table[i - 1] as u128 * step as u128) >> 63) as u64;
        i += 1;
    }
    table
}

static COARSE: [u64; 256] = powers(STEP_COARSE);
static FINE: [u64; 256] = powers(STEP_FINE);

fn scaled(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 63) as u64
}

/// `2^63 * 2^-(fraction / 2^64)`, in `[2^62, 2^63]`, with a relative error below `2^-50`.
#[inline]
pub(super) fn exp2_neg(fraction: u64) -> u64 {
    let coarse = COARSE[(fraction >> 56) as usize];
    let fine = FINE[(fraction >> 48) as usize & 255];
    // exp(-l) = 1 - l + l^2/2 - ... with l < 2^-16 ln 2: the cubic term is below 2^-52.
    let l = ((u128::from(fraction & 0xffff_ffff_ffff) * u128::from(LN_2)) >> 64) as u64;
    let half_square = ((u128::from(l) * u128::from(l)) >> 65) as u64;
    let rest = (1 << 63) - (l >> 1) + (half_square >> 1);
    scaled(scaled(coarse, fine), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends_are_exact_to_the_promise() {
        assert_eq!(exp2_neg(0), 1 << 63);
        assert!(exp2_neg(u64::MAX).abs_diff(1 << 62) <= 1 << 12);
        let half = exp2_neg(1 << 63);
        assert!(half.abs_diff(0x5a82_7999_fcef_3242) <= 1 << 12);
    }

    proptest! {
        /// f64 is good to 2^-52 here, so this sees errors above 2^-49.
        #[test]
        fn agrees_with_the_library_function(fraction: u64) {
            let expected = (-(fraction as f64) / 2f64.powi(64)).exp2();
            let actual = exp2_neg(fraction) as f64 / 2f64.powi(63);
            prop_assert!((actual / expected - 1.0).abs() < 2f64.powi(-49));
        }
    }
}
