//! A service of encrypted evaluation: who asks, who answers, and the bytes between them.
//!
//! What it is: sans-IO machines of both sides, their wire, and the seam to models. What it is not: a network, a clock, a
//! reader of files (`hedgerow serve` and `hedgerow query` are), or cryptography: a model is [`Hosted`] at the server and
//! has an [`Asking`] at the client, bytes in and out, and the sizes of all bytes are known before they are sent.
//!
//! | module | what it is |
//! |---|---|
//! | `hosted`, `asking` | the seam: a model in one mode at the server, its counterpart at the client |
//! | [`network`], [`forest`] | networks and forests behind that seam |
//! | [`wire`], `transfer` | frames and messages; blobs in chunks that go on where they stopped |
//! | [`server`], `limits` | the server's machine: room, turns, cached keys; whom, how often, how much |
//! | [`client`], `report` | the client's machine; an answer with the server's trace |

mod asking;
pub mod client;
mod error;
pub mod forest;
mod hosted;
mod limits;
pub mod network;
mod report;
pub mod server;
#[cfg(test)]
pub(crate) mod toy;
mod transfer;
pub mod wire;

pub use asking::{Asking, Meaning, Rows, Scores};
pub use error::ServiceError;
pub use hosted::{ClientKeys, Host, Hosted, MAX_FORM, Offer, Sizes};
pub use limits::{LimitError, Limits, Quota};
pub use report::{Layer, Report};

#[cfg(test)]
mod tests {
    use hedgerow_crypto::seed::Seed;

    use super::toy::{Toy, ToyClient};
    use super::*;

    #[test]
    fn a_model_of_any_type_answers_its_own_keys_alone() {
        let host: Box<dyn Host> = Box::new(Toy::new("toy"));
        let mut client = ToyClient {
            pad: 9,
            keys: toy::KEYS,
        };
        let mut rng = Seed::from_bytes([1; 32]).rng();
        let rows = Rows::new(Vec::new(), 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let keys = host.keys(&client.keys().unwrap()).unwrap();
        let request = client.request(&rows, &mut rng).unwrap();
        let mut layers = Vec::new();
        let answer = host
            .answer(&keys, &request, &mut rng, &mut |layer| {
                layers.push(layer.to_owned())
            })
            .unwrap();
        assert_eq!(client.open(&answer).unwrap().values, [10.0]);
        assert_eq!(layers, ["sum", "pad"]);
        assert!(host.keys(&[1, 2]).is_err());
    }

    #[test]
    fn an_offer_reads_back_and_other_bytes_do_not() {
        let offer = Hosted::offer(&Toy::new("toy"));
        let bytes = offer.to_bytes();
        assert_eq!(Offer::from_bytes(&bytes).unwrap(), offer);
        for cut in [1, bytes.len() / 2, bytes.len() - 1] {
            assert!(Offer::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(
            Offer::from_bytes(&longer)
                .unwrap_err()
                .to_string()
                .contains("offer")
        );
        let many = Offer {
            rows: 0,
            ..offer.clone()
        };
        assert!(Offer::from_bytes(&many.to_bytes()).is_err());
        assert_ne!(
            Offer {
                rows: 5,
                ..offer.clone()
            }
            .digest(),
            offer.digest()
        );
    }

    #[test]
    fn rows_are_whole_and_named_as_wide() {
        assert!(Rows::new(Vec::new(), 3, vec![0.0; 7]).is_err());
        assert!(Rows::new(vec!["a".into()], 3, vec![0.0; 6]).is_err());
        let rows = Rows::new(Vec::new(), 3, vec![0.0; 15]).unwrap();
        assert_eq!(
            rows.parts(2).map(|part| part.len()).collect::<Vec<_>>(),
            [2, 2, 1]
        );
        assert_eq!(format!("{rows:?}"), "Rows [5, 3]");
    }
}
