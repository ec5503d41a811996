use super::*;
use crate::linear::{Layout, Windows};
use crate::plan::{Asked, plan};

const MLP: &[u8] = include_bytes!("../../../examples/data/networks/mlp.onnx");

fn network() -> (Graph, HostedNetwork) {
    let graph = Graph::from_onnx(MLP).unwrap().simplify().unwrap();
    let plan = plan(&graph, &Asked::default()).unwrap();
    let hosted = HostedNetwork::new("mlp", &graph, &plan, false).unwrap();
    (graph, hosted)
}

fn row(at: usize) -> Vec<f64> {
    (0..784)
        .map(|i| f64::from(u8::from((i * 7 + at).is_multiple_of(11))))
        .collect()
}

#[test]
fn an_encrypted_network_answers_as_in_the_clear_and_refuses_what_is_not_for_it() {
    let (graph, hosted) = network();
    let offer = hosted.offer();
    let (mut client, mut other) = (
        AskingNetwork::new(&offer, &Seed::from_bytes([1; 32])).unwrap(),
        AskingNetwork::new(&offer, &Seed::from_bytes([2; 32])).unwrap(),
    );
    let mut rng = Seed::from_bytes([3; 32]).rng();
    let bytes = client.keys().unwrap();
    assert_eq!(bytes.len() as u64, offer.sizes.keys);
    assert_eq!(
        bytes,
        client.keys().unwrap(),
        "the same keys, or a server could not keep them"
    );
    let keys = hosted.keys(&bytes).unwrap();
    assert!(keys.bytes() as u64 <= offer.sizes.keys_memory);

    let rows = Rows::new(Vec::new(), 784, row(1)).unwrap();
    let request = client.request(&rows, &mut rng).unwrap();
    assert_eq!(request.len() as u64, offer.sizes.request);
    let mut layers = Vec::new();
    let answer = hosted
        .answer(&keys, &request, &mut rng, &mut |layer| {
            layers.push(layer.to_owned())
        })
        .unwrap();
    assert_eq!(answer.len() as u64, offer.sizes.answer);
    assert_eq!(layers.len(), graph.nodes().len() + 1);
    let scores = client.open(&answer).unwrap();
    for (opened, clear) in scores.values.iter().zip(graph.evaluate(&row(1)).unwrap()) {
        assert!((opened - clear).abs() < 1e-2, "{opened} {clear}");
    }

    // Somebody else's ciphertext, keys cut short, too long, corrupted, of another plan.
    let foreign = other.request(&rows, &mut rng).unwrap();
    let refused = hosted.answer(&keys, &foreign, &mut rng, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, ServiceError::Foreign { .. }), "{refused}");
    assert!(other.open(&answer).is_err());
    let refuse = |bytes: &[u8]| hosted.keys(bytes).unwrap_err();
    let cut = refuse(&bytes[..bytes.len() - 1]);
    assert!(matches!(cut, ServiceError::Size { exact: true, .. }), "{cut}");
    let mut corrupted = bytes.clone();
    corrupted[0] ^= 1;
    assert!(matches!(refuse(&corrupted), ServiceError::Malformed { .. }));
    let mut fewer = offer.clone();
    let mut form = client.form.clone();
    let (step, level) = form.keys.rotations.pop_first().unwrap();
    // Another rotation of the same size: as long as the right keys, and not them.
    let free = (1..)
        .find(|free| *free != step && !form.keys.rotations.contains_key(free))
        .unwrap();
    form.keys.rotations.insert(free, level);
    fewer.form = FormBytes::of(&form).encode_to_vec();
    let wrong = AskingNetwork::new(&fewer, &Seed::from_bytes([1; 32]))
        .unwrap()
        .keys()
        .unwrap();
    assert_eq!(wrong.len(), bytes.len());
    let wrong = refuse(&wrong).to_string();
    assert!(wrong.contains("key"), "{wrong}");

    // Rows that do not fit.
    let short = Rows::new(Vec::new(), 3, vec![0.0; 3]).unwrap();
    let said = client.request(&short, &mut rng).unwrap_err().to_string();
    assert_eq!(said, "values of a row: 3, expected 784");
    let mut values = row(1);
    values[5] = f64::NAN;
    let missing = Rows::new(Vec::new(), 784, values).unwrap();
    assert!(
        client
            .request(&missing, &mut rng)
            .unwrap_err()
            .to_string()
            .contains("missing")
    );
}

#[test]
fn a_batch_travels_two_ciphertexts_in_one() {
    let graph = Graph::from_onnx(MLP).unwrap().simplify().unwrap();
    let asked = Asked {
        batch: 16,
        objective: crate::plan::Objective::Client,
        ..Asked::default()
    };
    let plan = plan(&graph, &asked).unwrap();
    assert!(plan.paired);
    let hosted = HostedNetwork::new("mlp", &graph, &plan, false).unwrap();
    let offer = hosted.offer();
    let mut client = AskingNetwork::new(&offer, &Seed::from_bytes([1; 32])).unwrap();
    let mut rng = Seed::from_bytes([3; 32]).rng();
    let keys = hosted.keys(&client.keys().unwrap()).unwrap();
    let values: Vec<f64> = (0..16).flat_map(row).collect();
    let request = client
        .request(&Rows::new(Vec::new(), 784, values).unwrap(), &mut rng)
        .unwrap();
    let tiles = plan.steps[0].layout.tiles(plan.positions());
    let each = plan.ring.params().unwrap().seeded_bytes(plan.ring.levels);
    assert_eq!(request.len(), plan.rounds * tiles.div_ceil(2) * each);
    let answer = hosted.answer(&keys, &request, &mut rng, &mut |_| {}).unwrap();
    let scores = client.open(&answer).unwrap();
    for (at, opened) in scores.values.chunks(scores.width).enumerate() {
        for (opened, clear) in opened.iter().zip(graph.evaluate(&row(at)).unwrap()) {
            assert!((opened - clear).abs() < 1e-2, "{opened} {clear}");
        }
    }
    // A form that says otherwise: other sizes; without the key; of one ciphertext.
    let refused = |change: fn(&mut Form)| {
        let mut form = client.form.clone();
        change(&mut form);
        let mut offer = offer.clone();
        offer.form = FormBytes::of(&form).encode_to_vec();
        AskingNetwork::new(&offer, &Seed::from_bytes([1; 32]))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert!(refused(|form| form.paired = false).contains("sizes"));
    assert!(refused(|form| form.keys.conjugation = None).contains("two in a ciphertext"));
    let one = Layout::Dense {
        size: 4,
        period: 4,
        copies: 1,
    };
    let mut small = client.form.clone();
    small.input = one;
    assert!(
        Form::checked(&FormBytes::of(&small).encode_to_vec())
            .err()
            .unwrap()
            .to_string()
            .contains("two in a ciphertext")
    );
}

#[test]
fn a_client_believes_no_form_that_it_cannot_check() {
    let (_, hosted) = network();
    let offer = hosted.offer();
    let seed = Seed::from_bytes([1; 32]);
    let form: Form = FormBytes::decode(&offer.form[..]).unwrap().form().unwrap();
    let refused = |form: Form| {
        let mut offer = offer.clone();
        offer.form = FormBytes::of(&form).encode_to_vec();
        AskingNetwork::new(&offer, &seed)
            .err()
            .map(|error| error.to_string())
    };
    let with = |change: fn(&mut Form)| {
        let mut form = form.clone();
        change(&mut form);
        refused(form).unwrap()
    };
    assert_eq!(refused(form.clone()), None);
    assert!(with(|form| form.ring.log_degree -= 1).contains("128-bit"));
    assert!(with(|form| form.lanes = 0).contains("lanes"));
    assert!(with(|form| form.lanes = 3).contains("lanes"));
    assert!(with(|form| form.rounds = 0).contains("rounds"));
    assert!(with(|form| form.rounds = 1 << 40).contains("rounds"));
    // A request as large as that of another batch.
    assert!(with(|form| form.rounds = 2).contains("sizes"));
    assert!(with(|form| form.ring.levels = usize::MAX).contains("levels"));
    let huge = Layout::Dense {
        size: usize::MAX,
        period: 1,
        copies: 1,
    };
    assert!(with(|form| form.output_level = 99).contains("level"));
    let mut other = form.clone();
    other.input = huge;
    assert!(refused(other).unwrap().contains("layout"));
    // Windows of a layout that a client would fill memory with, and windows as an output.
    let windows = Windows {
        channels: 1,
        height: 28,
        width: 28,
        kernel: [28, 28],
        stride: [1, 1],
        pads: [0, 0],
        windows: [1, 1],
        block: 1,
        taps: 1,
        copies: 1,
    };
    let mut other = form.clone();
    other.output = Layout::Windows(windows.clone());
    assert!(refused(other).unwrap().contains("windows"));
    let mut other = form.clone();
    other.input = Layout::Windows(Windows {
        kernel: [1 << 10, 1 << 10],
        ..windows.clone()
    });
    assert!(refused(other).unwrap().contains("2^27 slots"));
    let mut other = form.clone();
    other.input = Layout::Windows(Windows { taps: 0, ..windows });
    assert!(refused(other).unwrap().contains("at least 1"));
    assert!(
        with(|form| {
            form.keys.rotations.insert(1 << 40, 0);
        })
        .contains("rotations")
    );
    let mut sizes = offer.clone();
    sizes.sizes.answer += 1;
    assert!(
        AskingNetwork::new(&sizes, &seed)
            .err()
            .unwrap()
            .to_string()
            .contains("sizes")
    );
    let mut kind = offer.clone();
    kind.kind = "forest".into();
    assert!(
        AskingNetwork::new(&kind, &seed)
            .err()
            .unwrap()
            .to_string()
            .contains("kind")
    );
}
