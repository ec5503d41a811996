//! The attribute party's second part: answers opened to its shares.

use hedgerow_crypto::exact::{AttributeKey, CountParams};
use rayon::prelude::*;

use super::error::JoinError;

/// The shares modulo `p` of the answers in these messages, one list of segments for each answer.
///
/// # Errors
/// Bytes that are no answers under this key.
pub fn open(
    key: &AttributeKey,
    params: &CountParams,
    messages: &[Vec<u8>],
) -> Result<Vec<Vec<u64>>, JoinError> {
    messages
        .iter()
        .flat_map(|message| message.chunks(params.answer_bytes().max(1)))
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|bytes| Ok(key.open(&params.read_answer(bytes)?)?))
        .collect()
}
