//! One Arrow column to the bins of one feature.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{ArrowNativeType, ArrowPrimitiveType, DataType, TimeUnit};
use datafusion::arrow::datatypes::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use datafusion::arrow::datatypes::{UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use hedgerow_forest::binning::FeatureBinner;

use super::error::DataError;

/// What a column's type can serve as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Integers and floats.
    Number,
    /// Decimals, dates (days since 1970), timestamps (seconds since 1970), times and durations (seconds).
    Quantity,
    Boolean,
    Text,
    /// Nothing but missing values.
    Null,
    /// Lists, structs, bytes, intervals.
    Other,
}

pub(crate) fn family(kind: &DataType) -> Family {
    match kind {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Family::Number,
        kind if kind.is_integer() => Family::Number,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Family::Quantity,
        DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..)
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_) => Family::Quantity,
        DataType::Boolean => Family::Boolean,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Family::Text,
        DataType::Dictionary(_, values) => family(values),
        DataType::Null => Family::Null,
        _ => Family::Other,
    }
}

/// The numbers of a column of any [`Family`] but text and other; booleans are 0 and 1.
pub(crate) fn numbers(array: &dyn Array) -> Result<Float64Array, DataError> {
    let to = |array: &dyn Array, kind: &DataType| {
        cast(array, kind).map_err(|e| DataError::Engine {
            reason: e.to_string(),
        })
    };
    let scaled = |array: &dyn Array, per_unit: f64| {
        let ticks = to(&to(array, &DataType::Int64)?, &DataType::Float64)?;
        Ok(ticks
            .as_primitive::<Float64Type>()
            .unary(|ticks| ticks / per_unit))
    };
    match array.data_type() {
        DataType::Date32 => scaled(&to(array, &DataType::Int32)?, 1.0),
        DataType::Date64 => scaled(array, 86_400_000.0),
        DataType::Timestamp(unit, _) | DataType::Duration(unit) | DataType::Time64(unit) => {
            scaled(array, ticks_per_second(unit))
        }
        DataType::Time32(unit) => scaled(&to(array, &DataType::Int32)?, ticks_per_second(unit)),
        _ => Ok(to(array, &DataType::Float64)?
            .as_primitive::<Float64Type>()
            .clone()),
    }
}

const fn ticks_per_second(unit: &TimeUnit) -> f64 {
    match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    }
}

/// The texts of a column as categories or labels compare them: text as it is, integers in decimal, booleans as
/// `true` and `false`, floats in their shortest form.
pub(crate) fn texts<'a>(
    array: &'a dyn Array,
    mut each: impl FnMut(usize, Option<&str>),
) -> Result<(), DataError> {
    match array.data_type() {
        DataType::Utf8 => array
            .as_string::<i32>()
            .iter()
            .enumerate()
            .for_each(|(i, text)| each(i, text)),
        DataType::LargeUtf8 => array
            .as_string::<i64>()
            .iter()
            .enumerate()
            .for_each(|(i, text)| each(i, text)),
        DataType::Utf8View => array
            .as_string_view()
            .iter()
            .enumerate()
            .for_each(|(i, text)| each(i, text)),
        DataType::Boolean => {
            let flags: &'a BooleanArray = array.as_boolean();
            for (i, flag) in flags.iter().enumerate() {
                each(i, flag.map(|flag| if flag { "true" } else { "false" }));
            }
        }
        DataType::Null => (0..array.len()).for_each(|i| each(i, None)),
        kind if kind.is_integer() => {
            let plain = cast(array, &DataType::Utf8).map_err(|e| DataError::Engine {
                reason: e.to_string(),
            })?;
            plain
                .as_string::<i32>()
                .iter()
                .enumerate()
                .for_each(|(i, text)| each(i, text));
        }
        kind if kind.is_floating() => {
            for (i, number) in numbers(array)?.iter().enumerate() {
                let text = number
                    .filter(|number| !number.is_nan())
                    .map(|number| number.to_string());
                each(i, text.as_deref());
            }
        }
        DataType::Dictionary(_, values) => {
            let plain: ArrayRef = cast(array, values).map_err(|e| DataError::Engine {
                reason: e.to_string(),
            })?;
            return texts(Arc::as_ref(&plain), each);
        }
        other => {
            return Err(DataError::Engine {
                reason: format!("values of type {other} cannot be read as text"),
            });
        }
    }
    Ok(())
}

/// Bins one feature, batch after batch.
#[derive(Debug, Clone)]
pub(crate) struct ColumnCoder {
    categorical: bool,
    memo: Vec<(String, u8)>,
}

/// Slots of the memory of recent categories, by a hash too cheap to be good.
const MEMO: usize = 256;

impl ColumnCoder {
    pub(crate) fn new(categorical: bool) -> Self {
        Self {
            categorical,
            memo: if categorical {
                vec![(String::new(), 0); MEMO]
            } else {
                Vec::new()
            },
        }
    }

    /// Writes the bin of every row of `array` into `out` (same length); returns how many values are categories that
    /// the schema does not declare.
    pub(crate) fn code(
        &mut self,
        feature: &FeatureBinner,
        array: &dyn Array,
        out: &mut [u8],
    ) -> Result<u64, DataError> {
        if let DataType::Dictionary(..) = array.data_type() {
            return self.dictionary(feature, array, out);
        }
        if self.categorical {
            return self.categories(feature, array, out);
        }
        match array.data_type() {
            DataType::Int8 => primitive::<Int8Type>(feature, array, out, f64::from),
            DataType::Int16 => primitive::<Int16Type>(feature, array, out, f64::from),
            DataType::Int32 => primitive::<Int32Type>(feature, array, out, f64::from),
            DataType::Int64 => primitive::<Int64Type>(feature, array, out, |n| n as f64),
            DataType::UInt8 => primitive::<UInt8Type>(feature, array, out, f64::from),
            DataType::UInt16 => primitive::<UInt16Type>(feature, array, out, f64::from),
            DataType::UInt32 => primitive::<UInt32Type>(feature, array, out, f64::from),
            DataType::UInt64 => primitive::<UInt64Type>(feature, array, out, |n| n as f64),
            DataType::Float32 => primitive::<Float32Type>(feature, array, out, f64::from),
            DataType::Float64 => primitive::<Float64Type>(feature, array, out, |n| n),
            _ => primitive::<Float64Type>(feature, &numbers(array)?, out, |n| n),
        }
        Ok(0)
    }

    fn categories(
        &mut self,
        feature: &FeatureBinner,
        array: &dyn Array,
        out: &mut [u8],
    ) -> Result<u64, DataError> {
        let missing = feature.missing();
        let mut unknown = 0;
        let memo = &mut self.memo;
        let mut cells = out.iter_mut();
        texts(array, |_, text| {
            let bin = text.map_or(missing, |text| {
                let slot = memo.get_mut(cheap_hash(text));
                if let Some((known, bin)) = &slot
                    && known == text
                    && !text.is_empty()
                {
                    return *bin;
                }
                let bin = feature.category(text);
                if bin == missing {
                    unknown += 1;
                } else if let Some((known, known_bin)) = slot {
                    known.clear();
                    known.push_str(text);
                    *known_bin = bin;
                }
                bin
            });
            if let Some(cell) = cells.next() {
                *cell = bin;
            }
        })?;
        Ok(unknown)
    }

    fn dictionary(
        &mut self,
        feature: &FeatureBinner,
        array: &dyn Array,
        out: &mut [u8],
    ) -> Result<u64, DataError> {
        let missing = feature.missing();
        let dictionary = array.as_any_dictionary();
        let values = dictionary.values();
        let mut bins = vec![missing; values.len()];
        self.code(feature, values, &mut bins)?;
        let mut unknown = 0;
        for (row, (cell, key)) in out.iter_mut().zip(dictionary.normalized_keys()).enumerate() {
            *cell = missing;
            if dictionary.keys().is_valid(row) && values.is_valid(key) {
                *cell = bins.get(key).copied().unwrap_or(missing);
                unknown += u64::from(self.categorical && *cell == missing);
            }
        }
        Ok(unknown)
    }
}

fn primitive<T: ArrowPrimitiveType>(
    feature: &FeatureBinner,
    array: &dyn Array,
    out: &mut [u8],
    number: impl Fn(T::Native) -> f64,
) where
    T::Native: ArrowNativeType,
{
    let array: &PrimitiveArray<T> = array.as_primitive();
    for (cell, value) in out.iter_mut().zip(array.values()) {
        *cell = feature.number(number(*value));
    }
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        let missing = feature.missing();
        for (cell, valid) in out.iter_mut().zip(nulls) {
            if !valid {
                *cell = missing;
            }
        }
    }
}

fn cheap_hash(text: &str) -> usize {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().map_or(0, usize::from);
    let length = bytes.len();
    (length.wrapping_mul(31))
        .wrapping_add(at(0).wrapping_mul(7))
        .wrapping_add(at(length / 2).wrapping_mul(13))
        .wrapping_add(at(length.wrapping_sub(1)))
        % MEMO
}
