//! An answer as it travels: with what the server measured.

use prost::Message as _;

use super::ServiceError;

/// Most layers of a report.
const MAX_LAYERS: usize = 512;

/// An answer and the server's own word about how long it took.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Report {
    /// Microseconds from the arrival of the request to the beginning of its evaluation.
    #[prost(uint64, tag = "1")]
    pub queued_us: u64,
    /// Each layer or stage, in order.
    #[prost(message, repeated, tag = "2")]
    pub layers: Vec<Layer>,
    /// What the client's adapter opens.
    #[prost(bytes = "vec", tag = "3")]
    pub answer: Vec<u8>,
}

/// One layer or stage of an evaluation.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Layer {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Microseconds.
    #[prost(uint64, tag = "2")]
    pub us: u64,
}

impl Report {
    /// Bytes that a report has beside the answer, at most.
    pub const OVERHEAD: u64 = 64 << 10;

    /// A report. Times of one name are added up: a request may take several rounds. Layers beyond the 512th are joined to it,
    /// and names are cut at 64 bytes.
    pub fn new(queued_us: u64, layers: Vec<(String, u64)>, answer: Vec<u8>) -> Self {
        let mut kept: Vec<Layer> = Vec::new();
        for (name, us) in layers {
            let end = (0..=64.min(name.len()))
                .rev()
                .find(|end| name.is_char_boundary(*end));
            let name = name.get(..end.unwrap_or(0)).unwrap_or_default();
            let number = kept.iter().position(|layer| layer.name == name);
            match kept.get_mut(number.unwrap_or(MAX_LAYERS - 1)) {
                Some(layer) => layer.us = layer.us.saturating_add(us),
                None => kept.push(Layer {
                    name: name.to_owned(),
                    us,
                }),
            }
        }
        Self {
            queued_us,
            layers: kept,
            answer,
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// A report from its bytes.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ServiceError> {
        let report = Self::decode(bytes).map_err(ServiceError::malformed("answer"))?;
        if report.layers.len() > MAX_LAYERS {
            return Err(ServiceError::Malformed {
                what: "answer",
                detail: format!("{} layers, at most {MAX_LAYERS}", report.layers.len()),
            });
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_keeps_its_size_whatever_the_layers_are_called() {
        let layers = (0..2000).map(|i| (format!("{i}{}", "é".repeat(100)), u64::MAX / 3000));
        let report = Report::new(u64::MAX, layers.collect(), vec![1, 2, 3]);
        assert_eq!(report.layers.len(), MAX_LAYERS);
        let bytes = report.to_bytes();
        assert!(bytes.len() as u64 <= 3 + Report::OVERHEAD, "{}", bytes.len());
        assert_eq!(Report::from_bytes(&bytes).unwrap(), report);
        assert!(Report::from_bytes(&bytes[1..]).is_err());
    }

    #[test]
    fn layers_of_several_rounds_are_added_up() {
        let rounds = [("read", 1), ("dense", 10), ("read", 2), ("dense", 20)];
        let layers = rounds.map(|(name, us)| (name.to_owned(), us)).to_vec();
        let report = Report::new(0, layers, Vec::new());
        let told: Vec<_> = report.layers.iter().map(|l| (l.name.as_str(), l.us)).collect();
        assert_eq!(told, [("read", 3), ("dense", 30)]);
    }
}
