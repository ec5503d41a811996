//! The label column: 1 where it says what the configuration calls positive.

use datafusion::arrow::array::Array;

use super::column::{Family, family, numbers, texts};
use super::error::DataError;

/// Compares labels with the positive value: as text; numeric columns compare as numbers, so that `positive = "1"`
/// finds `1.0`.
#[derive(Debug, Clone)]
pub(crate) struct LabelReader {
    positive: String,
    number: Option<f64>,
}

impl LabelReader {
    pub(crate) fn new(positive: &str) -> Self {
        let positive = positive.trim();
        Self {
            positive: positive.to_owned(),
            number: positive.parse().ok(),
        }
    }

    /// Replaces `out` by one 0 or 1 per row; the inner error is the index of the first row without a label.
    pub(crate) fn read(&self, array: &dyn Array, out: &mut Vec<u8>) -> Result<Result<(), usize>, DataError> {
        out.clear();
        let mut missing = None;
        let mut push = |row: usize, positive: Option<bool>| {
            if positive.is_none() && missing.is_none() {
                missing = Some(row);
            }
            out.push(u8::from(positive == Some(true)));
        };
        match family(array.data_type()) {
            Family::Number | Family::Quantity => {
                for (row, number) in numbers(array)?.iter().enumerate() {
                    push(
                        row,
                        number.filter(|n| !n.is_nan()).map(|n| self.number == Some(n)),
                    );
                }
            }
            Family::Boolean => texts(array, |row, text| {
                push(
                    row,
                    text.map(|text| text.eq_ignore_ascii_case(&self.positive) || self.is_flag(text)),
                );
            })?,
            _ => texts(array, |row, text| {
                let text = text.map(str::trim).filter(|text| !text.is_empty());
                push(row, text.map(|text| text == self.positive));
            })?,
        }
        Ok(missing.map_or(Ok(()), Err))
    }

    /// Booleans may be called 1 and 0.
    fn is_flag(&self, text: &str) -> bool {
        matches!((text, self.number), ("true", Some(1.0)) | ("false", Some(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{BooleanArray, Float64Array, Int32Array, StringArray};

    fn read(positive: &str, array: &dyn Array) -> Result<Vec<u8>, usize> {
        let mut out = Vec::new();
        LabelReader::new(positive)
            .read(array, &mut out)
            .unwrap()
            .map(|()| out)
    }

    #[test]
    fn all_types_compare() {
        assert_eq!(
            read(">50K", &StringArray::from(vec![">50K", "<=50K", " >50K "])),
            Ok(vec![1, 0, 1])
        );
        assert_eq!(read("1", &Int32Array::from(vec![1, 0, 2])), Ok(vec![1, 0, 0]));
        assert_eq!(read("1", &Float64Array::from(vec![1.0, 0.0])), Ok(vec![1, 0]));
        assert_eq!(
            read("True", &BooleanArray::from(vec![true, false])),
            Ok(vec![1, 0])
        );
        assert_eq!(read("1", &BooleanArray::from(vec![true, false])), Ok(vec![1, 0]));
        assert_eq!(read("01", &StringArray::from(vec!["1", "01"])), Ok(vec![0, 1]));
        assert_eq!(read("yes", &Int32Array::from(vec![1, 0])), Ok(vec![0, 0]));
    }

    #[test]
    fn the_first_missing_label_is_found() {
        assert_eq!(read("1", &Int32Array::from(vec![Some(1), None, None])), Err(1));
        assert_eq!(read("1", &Float64Array::from(vec![1.0, 1.0, f64::NAN])), Err(2));
        assert_eq!(read("a", &StringArray::from(vec!["  ", "a"])), Err(0));
    }
}
