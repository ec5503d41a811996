//! `leaf_counts(feature..., label[, row number])`: the aggregate function that answers a table query.
//!
//! Rows are binned and routed batch by batch into one dense vector of counters, which is also the function's only
//! state: partitions merge by adding vectors. Nothing is exploded per tree. Every parameter lives inside the
//! function object and travels as bytes ([`LeafCounts::to_bytes`]), so the same function runs in another process, as
//! on a Ballista executor, where a plan carries a function's name and bytes but never its code.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;
use hedgerow_forest::binning::{Binner, FeatureBinner};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::route::Router;
use hedgerow_forest::schema::Schema;
use serde::{Deserialize, Serialize};

use super::block::{BlockBuilder, Chosen, Tally};
use super::error::DataError;

/// First byte of [`LeafCounts::to_bytes`].
const VERSION: u8 = 1;

/// The function and all it needs: schema, bins, query, which rows.
///
/// Arguments, in order: the features in the schema's order, the label, and the row number (`UInt64`, from 0 in source
/// order) if made `with_row_numbers`. Returns `LargeBinary`: little-endian `u64` words, first the cells of the query
/// in its own layout, then rows, positives and chosen rows, then per feature the values unknown to the schema.
#[derive(Debug, Clone)]
pub struct LeafCounts {
    parameters: Parameters,
    bytes: Vec<u8>,
    binners: Arc<[FeatureBinner]>,
    router: Arc<Router>,
    signature: Signature,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parameters {
    /// Source name for messages.
    file: String,
    schema: Schema,
    bins: u16,
    query: TableQuery,
    chosen: Chosen,
    row_numbers: bool,
}

impl LeafCounts {
    pub(crate) fn new(
        file: &str,
        schema: &Schema,
        bins: u16,
        query: &TableQuery,
        chosen: Chosen,
        row_numbers: bool,
    ) -> Result<Self, DataError> {
        let parameters = Parameters {
            file: file.to_owned(),
            schema: schema.clone(),
            bins,
            query: query.clone(),
            chosen,
            row_numbers,
        };
        let mut bytes = vec![VERSION];
        let body = postcard::to_stdvec(&parameters).map_err(|e| invalid(&e))?;
        bytes.extend_from_slice(&body);
        Self::assemble(parameters, bytes)
    }

    /// The whole function as bytes, for a plan codec.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The function from [`LeafCounts::to_bytes`].
    ///
    /// # Errors
    /// [`DataError::Invalid`] for another version, truncated bytes, a schema or query that does not hold together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataError> {
        let body = match bytes.split_first() {
            Some((&VERSION, body)) => body,
            Some((version, _)) => {
                return Err(invalid(&format!("version {VERSION} is known, found {version}")));
            }
            None => return Err(invalid(&"no bytes")),
        };
        let parameters: Parameters = postcard::from_bytes(body).map_err(|e| invalid(&e))?;
        Self::assemble(parameters, bytes.to_owned())
    }

    fn assemble(parameters: Parameters, bytes: Vec<u8>) -> Result<Self, DataError> {
        parameters.schema.validate().map_err(|e| invalid(&e))?;
        if parameters.chosen.is_by_row() && !parameters.row_numbers {
            return Err(invalid(&"a train/test split needs row numbers"));
        }
        let features = parameters.schema.features.len();
        let splits = parameters.query.trees().iter().flat_map(|tree| tree.splits());
        if let Some(split) = splits
            .filter(|split| !split.is_dummy())
            .find(|split| usize::from(split.feature) >= features)
        {
            return Err(invalid(&format!(
                "a tree asks for feature {}, the schema has {features}",
                split.feature
            )));
        }
        let binner = Binner::new(&parameters.schema, parameters.bins).map_err(|e| invalid(&e))?;
        let router = Arc::new(Router::new(&parameters.query));
        Ok(Self {
            signature: Signature::variadic_any(Volatility::Immutable),
            parameters,
            bytes,
            binners: binner.features().into(),
            router,
        })
    }

    fn arguments(&self) -> usize {
        self.parameters.schema.features.len() + 1 + usize::from(self.parameters.row_numbers)
    }

    /// Takes apart the function's result.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Counted, DataError> {
        let mut words = words(bytes);
        let cells: Vec<u64> = words.by_ref().take(self.parameters.query.cells()).collect();
        let mut next = || words.next().unwrap_or_default();
        let (rows, positives, chosen) = (next(), next(), next());
        Ok(Counted {
            cells,
            tally: Tally {
                rows,
                positives,
                chosen,
                unknown: words.collect(),
            },
        })
    }
}

/// A decoded result.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) cells: Vec<u64>,
    pub(crate) tally: Tally,
}

fn invalid(reason: &dyn std::fmt::Display) -> DataError {
    DataError::Invalid {
        what: "leaf_counts".to_owned(),
        reason: reason.to_string(),
    }
}

// Two functions are the same if their bytes are.
impl PartialEq for LeafCounts {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
impl Eq for LeafCounts {}
impl Hash for LeafCounts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl AggregateUDFImpl for LeafCounts {
    fn name(&self) -> &str {
        "leaf_counts"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> EngineResult<DataType> {
        if arguments.len() != self.arguments() {
            let reason = format!("takes {} arguments, found {}", self.arguments(), arguments.len());
            return Err(invalid(&reason).into());
        }
        Ok(DataType::LargeBinary)
    }

    fn accumulator(&self, _arguments: AccumulatorArgs) -> EngineResult<Box<dyn Accumulator>> {
        let Parameters {
            file,
            schema,
            query,
            chosen,
            ..
        } = &self.parameters;
        Ok(Box::new(Counting {
            builder: BlockBuilder::new(file, schema, Arc::clone(&self.binners), *chosen),
            router: Arc::clone(&self.router),
            features: schema.features.len(),
            cells: vec![0; query.cells()],
            signed: query.shape().is_signed(),
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> EngineResult<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(
            format_state_name(arguments.name, "counts"),
            DataType::LargeBinary,
            true,
        ))])
    }
}

/// The counters of one partition.
#[derive(Debug)]
struct Counting {
    builder: BlockBuilder,
    router: Arc<Router>,
    features: usize,
    cells: Vec<u64>,
    signed: bool,
}

impl Counting {
    fn value(&self) -> ScalarValue {
        let Tally {
            rows,
            positives,
            chosen,
            unknown,
        } = &self.builder.tally;
        let tail = [rows, positives, chosen].into_iter().chain(unknown);
        let bytes = self
            .cells
            .iter()
            .chain(tail)
            .flat_map(|word| word.to_le_bytes())
            .collect();
        ScalarValue::LargeBinary(Some(bytes))
    }
}

impl Accumulator for Counting {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> EngineResult<()> {
        let (features, rest) = columns
            .split_at_checked(self.features)
            .ok_or_else(|| DataFusionError::from(invalid(&"too few columns")))?;
        let (block, labels) = self.builder.build(features, rest.first(), rest.get(1))?;
        self.router.count(&block, labels, &mut self.cells);
        Ok(())
    }

    fn evaluate(&mut self) -> EngineResult<ScalarValue> {
        Ok(self.value())
    }

    fn state(&mut self) -> EngineResult<Vec<ScalarValue>> {
        Ok(vec![self.value()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> EngineResult<()> {
        let states = states
            .first()
            .and_then(|array| array.as_binary_opt::<i64>())
            .ok_or_else(|| DataFusionError::from(invalid(&"a state is not LargeBinary")))?;
        let Tally {
            rows,
            positives,
            chosen,
            unknown,
        } = &mut self.builder.tally;
        for state in states.iter().flatten() {
            if state.len() != 8 * (self.cells.len() + 3 + unknown.len()) {
                return Err(invalid(&"a state of another query").into());
            }
            let mut more = words(state);
            let own = self
                .cells
                .iter_mut()
                .chain([&mut *rows, positives, chosen])
                .chain(unknown.iter_mut());
            for (word, more) in own.zip(more.by_ref()) {
                // Counters of gradients are signed, in two's complement.
                *word = match word.checked_add(more) {
                    None if self.signed => word.wrapping_add(more),
                    sum => sum.ok_or_else(|| DataFusionError::from(invalid(&"a counter overflows")))?,
                };
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + 8 * (self.cells.capacity() + self.builder.tally.unknown.capacity())
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|chunk| {
        chunk
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    })
}
