//! Dates, as days since 2022-01-01, the first day of the challenge's data.

use std::fmt::Write as _;

/// Days that payments are made on.
pub const DAYS: i64 = 23;
/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// From a day in 2022 back to the same day in 2009: thirteen years, three of them leap years.
pub const THIRTEEN_YEARS: i64 = 13 * 365 + 3;

/// Days from 1970-01-01 to 2022-01-01.
const EPOCH: i64 = 18_993;

/// Year, month and day (Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
pub const fn civil(day: i64) -> (i64, i64, i64) {
    let z = day + EPOCH + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    (year + era * 400 + (month <= 2) as i64, month, day)
}

/// A day as the challenge writes settlement dates: the number YYMMDD.
pub const fn yymmdd(day: i64) -> i64 {
    let (year, month, day) = civil(day);
    year.rem_euclid(100) * 10_000 + month * 100 + day
}

/// Replaces `text` by a moment, given in seconds: `2022-01-01 00:00:00`.
pub fn timestamp(seconds: i64, text: &mut String) {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    text.clear();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "{year}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(civil(0), (2022, 1, 1));
        assert_eq!(civil(58), (2022, 2, 28));
        assert_eq!(civil(59), (2022, 3, 1));
        assert_eq!(civil(-672), (2020, 2, 29));
        assert_eq!(yymmdd(22), 220_123);
        for day in 0..DAYS {
            assert_eq!(yymmdd(day - THIRTEEN_YEARS), yymmdd(day) - 130_000);
        }
        let mut text = String::from("x");
        timestamp(22 * DAY + 86_399, &mut text);
        assert_eq!(text, "2022-01-23 23:59:59");
    }
}
