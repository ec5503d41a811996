//! The logistic function in integers and correctly rounded divisions, so that all machines agree on every bit.
//!
//! Margins (log-odds) are fixed point, [`MARGIN_ONE`] to 1. `exp(-x)` is an integer in units of `2^-62`: an entry of a
//! table of `exp(-j / 64)` times a polynomial in the remaining ten bits.

/// Margin 1: margins are in units of `2^-16`.
pub const MARGIN_ONE: i64 = 1 << 16;

/// `exp(-x)` is that of this margin for all larger ones.
const LARGEST: i64 = 30 * MARGIN_ONE;
/// 1, in the units of [`exp_of_minus`].
const ONE: u64 = 1 << 62;
/// Bits of a margin between two entries of the table.
const STEP_BITS: u32 = 10;
const ENTRIES: usize = (LARGEST >> STEP_BITS) as usize + 1;
/// `exp(-j / 64)` in units of `2^-62`.
static EXP: [u64; ENTRIES] = table();

/// Made by the compiler, in integers: `exp(-1/64)` by its Taylor series in units of `2^-100`, then its powers.
const fn table() -> [u64; ENTRIES] {
    const FRACTION: u32 = 100;
    let (mut step, mut term, mut k) = (0i128, 1i128 << FRACTION, 1);
    while term != 0 {
        step += term;
        term /= -64 * k;
        k += 1;
    }
    let mut entries = [0; ENTRIES];
    let mut value = 1u128 << FRACTION;
    let mut j = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    while j < ENTRIES {
        entries[j] = ((value + (1 << 37)) >> 38) as u64;
        value = multiply(value, step as u128);
        j += 1;
    }
    entries
}

/// The product of two numbers of at most 1, in units of `2^-100`.
const fn multiply(a: u128, b: u128) -> u128 {
    let mask = (1 << 50) - 1;
    let (a_high, a_low, b_high, b_low) = (a >> 50, a & mask, b >> 50, b & mask);
    a_high * b_high + ((a_high * b_low + a_low * b_high + ((a_low * b_low) >> 50)) >> 50)
}

/// `exp(-margin)` for a margin of 0 or more, in units of `2^-62`: within `2^-30` of itself, and two units.
fn exp_of_minus(margin: i64) -> u64 {
    let margin = margin.clamp(0, LARGEST) as u64;
    let entry = EXP
        .get((margin >> STEP_BITS) as usize)
        .copied()
        .unwrap_or_default();
    // 1 - f + f^2/2 - f^3/6 + f^4/24 for f below 1/64, in units of 2^-32: by Horner's rule.
    let f = (margin & ((1 << STEP_BITS) - 1)) << 16;
    let mut power = (1 << 32) - f / 4;
    power = (1 << 32) - ((f * power) >> 32) / 3;
    power = (1 << 32) - ((f * power) >> 32) / 2;
    power = (1 << 32) - ((f * power) >> 32);
    ((u128::from(entry) * u128::from(power)) >> 32) as u64
}

/// The probability with these log-odds, `1 / (1 + exp(-margin))`: non-decreasing, one half at 0, up to margins of 30
/// within `2^-30` of itself, and `2^-61`, of the true value, and constant beyond.
pub fn probability(margin: i64) -> f64 {
    let exp = exp_of_minus(margin.saturating_abs()) as f64;
    let odds = if margin < 0 {
        ONE as f64 / exp
    } else {
        exp / ONE as f64
    };
    1.0 / (1.0 + odds)
}

/// The smallest margin within `-most..=most` whose probability is not below this one; `most` if there is none.
pub fn log_odds(at_least: f64, most: i64) -> i64 {
    let (mut low, mut high) = (-most, most);
    while low < high {
        let middle = (low + high).div_euclid(2);
        if probability(middle) >= at_least {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_library() {
        let mut last = 0.0;
        for margin in (-31 * MARGIN_ONE..=31 * MARGIN_ONE).step_by(1) {
            let ours = probability(margin);
            assert!(ours >= last, "{margin}");
            last = ours;
            let x = (margin as f64 / MARGIN_ONE as f64).clamp(-30.0, 30.0);
            let theirs = 1.0 / (1.0 + (-x).exp());
            assert!(
                (ours - theirs).abs() <= 1e-9 * theirs + f64::exp2(-61.0),
                "{margin}: {ours} {theirs}"
            );
        }
        assert_eq!(probability(0), 0.5);
        assert_eq!(probability(i64::MAX), probability(LARGEST));
        assert_eq!(probability(i64::MIN), probability(-LARGEST));
    }

    #[test]
    fn some_values_are_pinned_on_all_machines() {
        let bits = [-1_000_000, -65_536, -1, 1, 30_000, 65_536, 500_000].map(|m| probability(m).to_bits());
        assert_eq!(bits, PINNED);
    }
    const PINNED: [u64; 7] = [
        4_508_017_605_849_080_286,
        4_598_516_437_858_171_526,
        4_602_678_750_453_694_476,
        4_602_678_853_532_123_130,
        4_603_691_980_677_475_527,
        4_604_760_009_829_884_605,
        4_607_178_043_832_541_533,
    ];

    #[test]
    fn log_odds_undo_probabilities() {
        for margin in [-700_000, -65_536, -3, 0, 1, 12_345, 99_999] {
            assert_eq!(log_odds(probability(margin), 1 << 20), margin);
        }
        assert_eq!(log_odds(1.1, 1 << 20), 1 << 20);
        assert_eq!(log_odds(-1.0, 1 << 20), -(1 << 20));
    }
}
