use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hedgerow_forest::ensemble::{Aggregate, Ensemble, Feature};

use super::super::client::{ClientMachine, ClientOutput};
use super::super::server::{Output, ServerMachine};
use super::super::wire::{Message, NONE, name_of};
use super::super::{Host, Limits};
use super::*;
use crate::trees::bench::complete_forest;
use crate::trees::{Mode, Options};

/// Four trees of depth 3 over columns `a`, `b`, `c`.
fn model() -> Ensemble {
    let drawn = complete_forest(4, 3, 3, &mut Seed::from_bytes([1; 32]).rng()).unwrap();
    let mut parts = drawn.parts().clone();
    parts.features = ["a", "b", "c"]
        .map(|name| Feature {
            name: name.into(),
            categories: None,
        })
        .to_vec();
    Ensemble::new(parts).unwrap()
}

fn hosted(mode: Mode, rows: usize) -> HostedForest {
    let forest = EncryptedForest::compile(&model(), mode, &Options::default()).unwrap();
    HostedForest::keyed("toy".into(), forest, rows, &Seed::from_bytes([7; 32])).unwrap()
}

fn unnamed(values: &[f64]) -> Rows {
    Rows::new(Vec::new(), 3, values.to_vec()).unwrap()
}

/// Ties at thresholds, outside of all, missing.
const VALUES: [f64; 6] = [1.0, 70.0, f64::NAN, 33.0, -5.0, 20.5];

#[test]
fn a_forest_of_any_mode_answers_behind_the_seam() {
    let mut rng = Seed::from_bytes([1; 32]).rng();
    for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::LabelOnly) {
        let host: Box<dyn Host> = Box::new(hosted(mode, 4));
        let offer = host.offer();
        assert_eq!((offer.kind.as_str(), offer.mode.as_str()), (KIND, mode.name()));
        assert_eq!(offer.leakage, mode.leakage());
        let seed = Seed::from_bytes([2; 32]);
        let mut asking = AskingForest::new(&offer, &seed).unwrap();
        let download = host.download();
        assert_eq!(download.is_some(), mode == Mode::EncryptedModel);
        if let Some(bytes) = download {
            let (name, size) = asking.download().unwrap();
            assert_eq!((name, size), (name_of(&bytes), bytes.len() as u64));
            assert!(asking.take(bytes[1..].to_vec()).is_err());
            asking.take(bytes.to_vec()).unwrap();
        }
        assert!(asking.download().is_none());
        let bytes = asking.keys().unwrap();
        assert_eq!(bytes.len() as u64, offer.sizes.keys);
        assert_eq!(
            bytes,
            asking.keys().unwrap(),
            "the same keys, or a server could not keep them"
        );
        let keys = host.keys(&bytes).unwrap();
        let request = asking.request(&unnamed(&VALUES), &mut rng).unwrap();
        assert!(request.len() as u64 <= offer.sizes.request);
        let mut passed = Vec::new();
        let answer = host
            .answer(&keys, &request, &mut rng, &mut |row| passed.push(row.to_owned()))
            .unwrap();
        assert!(answer.len() as u64 <= offer.sizes.answer);
        let whole = ["request 1", "request 2"];
        let requests = if mode == Mode::Batch { 1 } else { 2 };
        assert_eq!(passed, whole[..requests]);
        let scores = asking.open(&answer).unwrap();
        assert_eq!(scores.values, model().evaluate(&VALUES).unwrap().scores);
        assert!(scores.classes.is_empty(), "a regression decides nothing");
        // Truncated, empty, oversized, for another key.
        for wrong in [&request[1..], &request[..0], &request.repeat(5)] {
            assert!(host.answer(&keys, wrong, &mut rng, &mut |_| ()).is_err());
        }
        assert!(host.keys(&[&bytes[..], &[1]].concat()).is_err());
        assert!(asking.open(&answer[1..]).is_err());
        if mode != Mode::EncryptedModel {
            let stranger = AskingForest::new(&offer, &Seed::from_bytes([3; 32])).unwrap();
            let foreign = host.keys(&stranger.keys().unwrap()).unwrap();
            assert!(host.answer(&foreign, &request, &mut rng, &mut |_| ()).is_err());
        }
        let narrow = Rows::new(Vec::new(), 2, vec![1.0, 2.0]).unwrap();
        let said = asking.request(&narrow, &mut rng).unwrap_err().to_string();
        assert_eq!(said, "columns: 2, expected 3");
        if mode != Mode::Batch {
            assert!(
                asking.request(&unnamed(&[0.0; 15]), &mut rng).is_err(),
                "five rows"
            );
        }
        let refused = |change: fn(&mut Offer), part: &str| {
            let mut other = offer.clone();
            change(&mut other);
            let said = AskingForest::new(&other, &seed).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        };
        refused(|offer| offer.kind = "network".into(), "kind");
        refused(|offer| offer.sizes.answer += 1, "sizes");
        refused(|offer| offer.rows = 1 << 21, "rows of a request");
        refused(|offer| offer.mode = "label-only".into(), "mode");
        refused(|offer| offer.form.truncate(9), "form of a forest");
    }
}

#[test]
fn columns_are_found_by_name_wherever_they_are() {
    let columns = ["a", "b"].map(|name| Feature {
        name: name.to_owned(),
        categories: None,
    });
    let rows = |names: &[&str], values: &[f64]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Rows::new(names, 3, values.to_vec()).unwrap()
    };
    let found = arranged(
        &columns,
        &rows(&["b", "more", "a"], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    )
    .unwrap();
    assert_eq!(found.iter().collect::<Vec<_>>(), [[3.0, 1.0], [6.0, 4.0]]);
    let said = |names: &[&str]| {
        arranged(&columns, &rows(names, &[0.0; 3]))
            .unwrap_err()
            .to_string()
    };
    assert!(said(&["a", "more", "c"]).contains("one called \"b\""));
    assert!(said(&["b", "b", "a"]).contains("two called \"b\""));
    assert_eq!(said(&[]), "columns: 3, expected 2");
}

#[test]
fn an_offer_reads_back_as_it_was_whatever_the_unit() {
    // Averages over trees that are no power of two: units that have no short digits.
    for trees in 1..40 {
        let drawn = complete_forest(trees, 1, 2, &mut Seed::from_bytes([4; 32]).rng()).unwrap();
        let mut parts = drawn.parts().clone();
        parts.aggregate = Aggregate::Average;
        let model = Ensemble::new(parts).unwrap();
        let forest = EncryptedForest::compile(&model, Mode::PublicStructure, &Options::default()).unwrap();
        let text = serde_json::to_vec(forest.offer()).unwrap();
        let read: crate::trees::Offer = serde_json::from_slice(&text).unwrap();
        assert_eq!(read.digest(), forest.offer().digest(), "{trees} trees");
        assert_eq!(read, *forest.offer(), "{trees} trees");
    }
}

/// Both machines, messages between them, and the seam: keys once, every question charged, scores as in the clear.
#[test]
fn machines_of_both_sides_bring_keys_once_and_answers_to_each_question() {
    let now = Duration::ZERO;
    let mut rng = Seed::from_bytes([5; 32]).rng();
    for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::LabelOnly) {
        let host: Arc<dyn Host> = Arc::new(hosted(mode, 2));
        let rows = host.offer().rows;
        assert!(mode == Mode::Batch || rows == 2);
        let mut server = ServerMachine::new(Limits::default(), vec![host], BTreeMap::new()).unwrap();
        let mut client = ClientMachine::new("toy", Duration::from_secs(60), now);
        server.handle_connected(0, "bank", now);
        let mut asking: Option<AskingForest> = None;
        let (mut name, mut uploads) = (NONE, 0);
        let (mut charges, mut opened) = (Vec::new(), Vec::new());
        let questions = [&VALUES[..], &VALUES[3..]];
        for _ in 0..10_000 {
            let mut quiet = true;
            while let Some(output) = server.poll_output() {
                quiet = false;
                match output {
                    Output::Send(0, message) => client.handle_message(message, now),
                    Output::Charge(who, used) => charges.push((who, used)),
                    Output::Run(job) => {
                        let (id, mut layers) = (job.id, Vec::new());
                        let outcome = job.run(&mut rng, &mut |layer| layers.push((layer.to_owned(), 1)));
                        server.handle_done(id, outcome, layers, now);
                    }
                    Output::Send(..) | Output::Close(..) | Output::Note(..) => panic!("{mode}"),
                }
            }
            while let Some(output) = client.poll_output() {
                quiet = false;
                let mut ask = opened.len() < questions.len();
                match output {
                    ClientOutput::Send(message) => {
                        ask = false;
                        uploads += usize::from(matches!(message, Message::Chunk { offset: 0, .. }));
                        server.handle_message(0, message, now);
                    }
                    ClientOutput::Offered(offer) => {
                        let made = AskingForest::new(&offer, &Seed::from_bytes([6; 32])).unwrap();
                        name = match mode {
                            Mode::EncryptedModel => NONE,
                            _ => name_of(&made.keys().unwrap()),
                        };
                        if let Some((blob, bytes)) = made.download() {
                            ask = false;
                            client.download(blob, bytes, now);
                        }
                        asking = Some(made);
                    }
                    ClientOutput::WantKeys => {
                        ask = false;
                        client.keys(asking.as_ref().unwrap().keys().unwrap(), now);
                    }
                    ClientOutput::Downloaded(bytes) => asking.as_mut().unwrap().take(bytes).unwrap(),
                    ClientOutput::Waiting(_) => ask = false,
                    ClientOutput::Answered(report) => {
                        let rows = questions[opened.len()].len() / 3;
                        let requests = if mode == Mode::Batch { 1 } else { rows };
                        assert_eq!(report.layers.len(), requests);
                        opened.push(asking.as_ref().unwrap().open(&report.answer).unwrap().values);
                        ask = opened.len() < questions.len();
                    }
                    ClientOutput::Failed(error) => panic!("{mode}: {error}"),
                }
                if ask {
                    let rows = unnamed(questions[opened.len()]);
                    let request = asking.as_mut().unwrap().request(&rows, &mut rng).unwrap();
                    client.ask(name, request, now);
                }
            }
            if quiet {
                break;
            }
        }
        let clear: Vec<Vec<f64>> = questions
            .iter()
            .map(|rows| model().evaluate(rows).unwrap().scores)
            .collect();
        assert_eq!(opened, clear, "{mode}");
        let bank = "bank".to_owned();
        assert_eq!(
            charges,
            [(bank.clone(), rows), (bank, 2 * rows)],
            "as many rows as a request holds, {mode}"
        );
        let keys = usize::from(mode != Mode::EncryptedModel);
        assert_eq!(uploads, 2 + keys, "keys once, and two requests, {mode}");
    }
}
