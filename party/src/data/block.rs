//! Arrow batches to binned blocks: bin every feature, read the label, keep the rows asked for.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::UInt64Type;
use hedgerow_forest::binning::{Binned, FeatureBinner};
use hedgerow_forest::schema::{ColumnKind, Schema};
use serde::{Deserialize, Serialize};

use super::column::ColumnCoder;
use super::error::DataError;
use super::label::LabelReader;
use super::split::Split;

/// Which rows of a scan are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Chosen {
    All,
    Train([u64; 3]),
    Test([u64; 3]),
}

impl Chosen {
    pub(crate) const fn train(split: Split) -> Self {
        if split.is_none() {
            Self::All
        } else {
            Self::Train(split.words())
        }
    }

    pub(crate) const fn test(split: Split) -> Self {
        Self::Test(split.words())
    }

    /// Does the choice depend on the row number?
    pub(crate) const fn is_by_row(self) -> bool {
        !matches!(self, Self::All)
    }

    fn keeps(self, row: u64) -> bool {
        match self {
            Self::All => true,
            Self::Train(words) => !Split::from_words(words).is_test(row),
            Self::Test(words) => Split::from_words(words).is_test(row),
        }
    }
}

/// What was seen while building blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Rows scanned, before the choice of train or test.
    pub(crate) rows: u64,
    /// Of these, with the positive label.
    pub(crate) positives: u64,
    /// Rows chosen.
    pub(crate) chosen: u64,
    /// Per feature: values that the schema does not declare.
    pub(crate) unknown: Vec<u64>,
}

/// Builds blocks from the batches of one scan.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    file: String,
    label_name: String,
    label: LabelReader,
    binners: Arc<[FeatureBinner]>,
    coders: Vec<ColumnCoder>,
    chosen: Chosen,
    labels: Vec<u8>,
    keep: Vec<usize>,
    scratch: Vec<u8>,
    pub(crate) tally: Tally,
}

impl BlockBuilder {
    /// One of `binners` for each feature of `schema`, in its order.
    pub(crate) fn new(
        file: &str,
        schema: &Schema,
        binners: impl Into<Arc<[FeatureBinner]>>,
        chosen: Chosen,
    ) -> Self {
        let coders: Vec<ColumnCoder> = schema
            .features
            .iter()
            .map(|column| ColumnCoder::new(matches!(column.kind, ColumnKind::Categorical { .. })))
            .collect();
        Self {
            file: file.to_owned(),
            label_name: schema.label.name.clone(),
            label: LabelReader::new(&schema.label.positive),
            binners: binners.into(),
            tally: Tally {
                unknown: vec![0; coders.len()],
                ..Tally::default()
            },
            coders,
            chosen,
            labels: Vec::new(),
            keep: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// One block from one batch: features in the schema's order, the label column if there is one, and row numbers if
    /// the scan has them. Labels are empty without a label column.
    pub(crate) fn build(
        &mut self,
        features: &[ArrayRef],
        label: Option<&ArrayRef>,
        row_numbers: Option<&ArrayRef>,
    ) -> Result<(Binned, &[u8]), DataError> {
        let rows = features.first().or(label).map_or(0, |array| array.len());
        let numbers = row_numbers.and_then(|array| array.as_primitive_opt::<UInt64Type>());
        self.labels.clear();
        if let Some(array) = label {
            if let Err(index) = self.label.read(array, &mut self.labels)? {
                return Err(DataError::MissingLabel {
                    file: self.file.clone(),
                    column: self.label_name.clone(),
                    row: numbers
                        .and_then(|numbers| numbers.values().get(index))
                        .map(|row| row + 1),
                });
            }
            self.tally.positives += self.labels.iter().map(|label| u64::from(*label)).sum::<u64>();
        }
        self.tally.rows += rows as u64;
        if !self.chosen.is_by_row() {
            self.tally.chosen += rows as u64;
            let mut block = Binned::new(rows, self.coders.len());
            let coded = features.iter().zip(&mut self.coders).zip(self.binners.iter());
            for (i, ((array, coder), binner)) in coded.enumerate() {
                let unknown = coder.code(binner, array, block.column_mut(i))?;
                add(&mut self.tally.unknown, i, unknown);
            }
            return Ok((block, &self.labels));
        }
        let Some(numbers) = numbers else {
            return Err(DataError::Invalid {
                what: "leaf_counts".to_owned(),
                reason: "a train/test split needs the row number as last argument".to_owned(),
            });
        };
        self.keep.clear();
        self.keep.extend(
            (0..rows)
                .zip(numbers.values())
                .filter(|(_, row)| self.chosen.keeps(**row))
                .map(|(i, _)| i),
        );
        self.tally.chosen += self.keep.len() as u64;
        let mut block = Binned::new(self.keep.len(), self.coders.len());
        self.scratch.resize(rows, 0);
        let coded = features.iter().zip(&mut self.coders).zip(self.binners.iter());
        for (i, ((array, coder), binner)) in coded.enumerate() {
            let unknown = coder.code(binner, array, &mut self.scratch)?;
            add(&mut self.tally.unknown, i, unknown);
            for (cell, row) in block.column_mut(i).iter_mut().zip(&self.keep) {
                *cell = self.scratch.get(*row).copied().unwrap_or_default();
            }
        }
        if label.is_some() {
            let kept = self
                .keep
                .iter()
                .filter_map(|row| self.labels.get(*row).copied())
                .collect();
            self.labels = kept;
        }
        Ok((block, &self.labels))
    }
}

fn add(counts: &mut [u64], index: usize, more: u64) {
    if let Some(count) = counts.get_mut(index) {
        *count += more;
    }
}
