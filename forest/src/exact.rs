//! Numbers that survive JSON bit by bit.
//!
//! `serde_json` without its `float_roundtrip` feature (which would be switched on for the whole workspace, and slows
//! every reader of JSON) may read a number of 16 or 17 digits one unit in the last place away. A bin edge must not
//! move, so such numbers are written as text; both forms are read.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Fewer decimal digits than any `f64` can hold: significand and power of ten are exact, their quotient correctly
/// rounded.
const EXACT_DIGITS: usize = 15;
/// Powers of ten up to this one are exact in an `f64`.
const EXACT_POWER: i32 = 22;

fn is_exact_as_number(value: f64) -> bool {
    let text = format!("{value:e}");
    let Some((significand, exponent)) = text.split_once('e') else {
        return false;
    };
    let digits = significand.bytes().filter(u8::is_ascii_digit).count();
    let Ok(exponent) = exponent.parse::<i32>() else {
        return false;
    };
    let last_digit = exponent - digits as i32 + 1;
    digits <= EXACT_DIGITS && (-EXACT_POWER..=EXACT_POWER).contains(&last_digit)
}

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() || is_exact_as_number(*value) {
        serializer.serialize_f64(*value)
    } else {
        serializer.serialize_str(&format!("{value:?}"))
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_any(NumberVisitor)
    } else {
        deserializer.deserialize_f64(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        text.parse()
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

/// The same for a number that may be absent.
pub(crate) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Exact(#[serde(with = "super")] f64);

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Exact).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Exact>::deserialize(deserializer)?.map(|exact| exact.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Holder {
        #[serde(with = "super")]
        x: f64,
    }

    proptest! {
        #[test]
        fn every_finite_number_survives_json(x in prop_oneof![
            proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
            -1e6f64..1e6,
        ]) {
            let text = serde_json::to_string(&Holder { x }).unwrap();
            let back: Holder = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(x.to_bits(), back.x.to_bits(), "{}", text);
        }
    }

    #[test]
    fn short_numbers_stay_numbers() {
        for (x, text) in [(17.0, "17.0"), (0.1, "0.1"), (1e-6, "1e-6"), (-4400.5, "-4400.5")] {
            assert_eq!(
                serde_json::to_string(&Holder { x }).unwrap(),
                format!("{{\"x\":{text}}}")
            );
        }
        assert_eq!(
            serde_json::to_string(&Holder { x: 1.0 / 3.0 }).unwrap(),
            r#"{"x":"0.3333333333333333"}"#
        );
        assert!(serde_json::from_str::<Holder>(r#"{"x":"wide"}"#).is_err());
    }
}
