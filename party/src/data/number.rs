//! Numbers in CSV text.

/// The number a trimmed text denotes: decimal or scientific notation, `inf` and `-inf` included. Text that says "not
/// a number" is no number either: the missing markers are compared before.
pub(crate) fn parse(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| !number.is_nan())
}

/// Is this a number by its looks alone: digits with a leading zero, or too many for 64 bits? Then it is a code or an
/// account, of which a number would lose something.
pub(crate) fn is_code(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && ((text.len() > 1 && text.starts_with('0')) || text.parse::<i64>().is_err())
}

/// Is most of a column numeric, so that the rest must be mistakes rather than categories? Then a wrong value is an
/// error with its row, instead of a column that quietly turns into categories.
pub(crate) fn mostly(numbers: u64, others: u64) -> bool {
    numbers >= 10 && numbers >= others.saturating_mul(19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations() {
        assert_eq!(parse("17"), Some(17.0));
        assert_eq!(parse("-1.5e3"), Some(-1500.0));
        assert_eq!(parse("+0.25"), Some(0.25));
        assert_eq!(parse("inf"), Some(f64::INFINITY));
        for text in ["", "nan", "NaN", "1,5", "0x10", "1 000", "abc", "2026-01-01"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn codes_and_accounts_are_no_numbers() {
        for text in ["00", "007", "90714755422956984353"] {
            assert!(is_code(text), "{text}");
        }
        for text in ["0", "10", "0.5", "-05", "9071475542295698435", "", "1e9", "x"] {
            assert!(!is_code(text), "{text}");
        }
    }

    #[test]
    fn one_mistake_among_many_numbers_is_a_mistake() {
        assert!(mostly(19, 1));
        assert!(mostly(1000, 0));
        assert!(!mostly(18, 1));
        assert!(!mostly(9, 0));
        assert!(!mostly(50, 50));
    }
}
