//! `hedgerow bench net`: the three networks of the repository under encryption, on one thread.

use std::path::Path;
use std::sync::Arc;

use hedgerow_crypto::ckks::Ciphertext;
use hedgerow_crypto::seed::Seed;
use hedgerow_inference::eval::{EncryptedModel, EvalError, Prepared, decode, encode_complex, weights};
use hedgerow_inference::graph::Graph;
use hedgerow_inference::plan::{Asked as Wanted, plan};
use hedgerow_inference::scheme::{Ckks, CkksClient, Scheme};

use super::report::{Asked, BenchReport};
use crate::error::{CliError, Result};

/// A byte for the digit, then 28 x 28 pixels: the first hundred images of MNIST's test set.
const IMAGES: &[u8] = include_bytes!("../../../examples/data/networks/mnist-100.bin");
const MLP: &[u8] = include_bytes!("../../../examples/data/networks/mlp.onnx");
const LOLA: &[u8] = include_bytes!("../../../examples/data/networks/lola.onnx");
const LENET5: &[u8] = include_bytes!("../../../examples/data/networks/lenet5.onnx");

/// Samples of the large batch.
const BATCH: usize = 512;
/// Images of the homomorphic-encryption benchmark "ml-inference".
const THOUSAND: usize = 1000;
/// Predicted and measured seconds may differ by this factor.
const TOLERANCE: f64 = 1.3;
/// The least of so many is taken: what a machine does that others use too.
const REPEATS: usize = 5;
/// Of the means of so many evaluations, where one is short: CPU time is counted in ticks of some milliseconds.
const MEAN: usize = 5;

/// What one network did.
struct Measured {
    seconds: f64,
    predicted: f64,
    input_mb: f64,
    right: usize,
    same: usize,
    images: usize,
    error: f64,
    as_planned: bool,
}

/// Runs it: one thread, CPU seconds of the server alone.
///
/// # Errors
/// A network that does not run, or a folder that cannot be written.
pub fn run(out: &Path) -> Result<BenchReport> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map_err(CliError::library("start a thread"))?;
    let mut report = BenchReport::new("net");
    let each = [
        (
            "MNIST MLP 784-128-128-10",
            MLP,
            0.10,
            Some(0.5),
            "HElayers 0.352 s, 23.9 MB",
        ),
        ("CryptoNets/LoLA CNN", LOLA, 0.25, None, "HElayers 0.63-1.40 s"),
        (
            "LeNet-5",
            LENET5,
            5.0,
            None,
            "HElayers 22.9 s (its estimate), FHEON 13 s",
        ),
    ];
    for (name, network, bar, input, peer) in each {
        let measured = pool.install(|| evaluate(network, 1, false))?;
        add(&mut report, name, &measured, peer);
        report.row(
            &format!("{name}: server, one image"),
            Asked::AtMost(bar),
            measured.seconds,
            "CPU s",
            peer,
        );
        let bound = input.map_or(Asked::Nothing, Asked::AtMost);
        report.row(&format!("{name}: input"), bound, measured.input_mb, "MB", "");
    }
    let hidden = pool.install(|| evaluate(MLP, 1, true))?;
    add(&mut report, "MLP, encrypted model", &hidden, "HElayers 0.691 s");
    report.row(
        "MLP, encrypted model: server, one image",
        Asked::Nothing,
        hidden.seconds,
        "CPU s",
        "HElayers 0.691 s",
    );
    let batch = pool.install(|| evaluate(MLP, BATCH, false))?;
    add(&mut report, "MLP, batch of 512", &batch, "");
    report.row(
        "MLP, batch of 512: server, per image",
        Asked::AtMost(2.0),
        batch.seconds * 1e3 / BATCH as f64,
        "CPU ms",
        "HElayers 24 ms (its estimate)",
    );
    let thousand = pool.install(|| evaluate(MLP, THOUSAND, false))?;
    report.row(
        "ml-inference, 1,000 images: server",
        Asked::AtMost(60.0),
        thousand.seconds,
        "CPU s",
        "HEIR + OpenFHE 1.81 h",
    );
    report.row(
        "ml-inference, 1,000 images: accuracy",
        Asked::AtLeast(0.97),
        thousand.right as f64 / thousand.images as f64,
        "",
        "the repository's hundred test images, ten times",
    );
    report
        .write(out)
        .map_err(CliError::file(out, "writing bench.json"))?;
    Ok(report)
}

/// The rows that every network has.
fn add(report: &mut BenchReport, name: &str, measured: &Measured, peer: &str) {
    report.holds(
        &format!("{name}: every decision as in the clear"),
        measured.same == measured.images,
        format!(
            "{} images, {} right, largest error 2^{:.1}",
            measured.images,
            measured.right,
            measured.error.log2()
        ),
    );
    report.holds(
        &format!("{name}: levels, operations and keys as planned"),
        measured.as_planned,
        peer,
    );
    let ratio = measured.predicted / measured.seconds;
    report.row(
        &format!("{name}: predicted over measured, or its inverse"),
        Asked::AtMost(TOLERANCE),
        ratio.max(1.0 / ratio),
        "x",
        format!("predicted {:.4} s", measured.predicted),
    );
}

fn evaluate(network: &[u8], batch: usize, encrypted: bool) -> Result<Measured> {
    measure(network, batch, encrypted).map_err(CliError::library("evaluate a network"))
}

/// A model in the clear, or one that its owner encrypted.
enum Model {
    Clear(Prepared<Ckks>),
    Encrypted(EncryptedModel<Ckks>),
}

impl Model {
    fn run(&self, server: &Ckks, inputs: &[Ciphertext]) -> std::result::Result<Vec<Ciphertext>, EvalError> {
        match self {
            Self::Clear(model) => model.run(server, inputs),
            Self::Encrypted(model) => model.run(server, inputs),
        }
    }
}

fn measure(
    network: &[u8],
    batch: usize,
    encrypted: bool,
) -> std::result::Result<Measured, Box<dyn std::error::Error + Send + Sync>> {
    let graph = Graph::from_onnx(network)?.simplify()?;
    let plan = plan(
        &graph,
        &Wanted {
            batch,
            encrypted_model: encrypted,
            ..Wanted::default()
        },
    )?;
    let params = plan.ring.params()?;
    let client = CkksClient::new(&params, &Seed::from_bytes([1; 32]));
    let mut rng = Seed::from_bytes([2; 32]).rng();
    let server = Ckks::new(&params, Arc::new(client.keys(plan.keys(), &mut rng)?))?;
    let model = if encrypted {
        let mut own = Vec::new();
        for (level, slots) in weights(&graph, &plan)? {
            own.push(client.encrypt_complex(level, &slots, &mut rng)?.expand(&params)?);
        }
        Model::Encrypted(EncryptedModel::new(&server, &plan, own)?)
    } else {
        Model::Clear(Prepared::new(&server, &graph, &plan)?)
    };
    let mut measured = Measured {
        seconds: f64::INFINITY,
        predicted: plan.predicted.seconds,
        input_mb: 0.0,
        right: 0,
        same: 0,
        images: 0,
        error: 0.0,
        as_planned: true,
    };
    // One image after the other, or one batch of them.
    let mean = if batch == 1 { MEAN } else { 1 };
    let rounds = mean * REPEATS;
    let mut spent = 0.0;
    let images: Vec<(Vec<f64>, usize)> = images().cycle().take(rounds.max(batch)).collect();
    for round in 0..rounds {
        let start = if batch == 1 { round } else { 0 };
        let samples: Vec<&(Vec<f64>, usize)> = images.iter().skip(start).take(batch).collect();
        let pixels: Vec<Vec<f64>> = samples.iter().map(|(pixels, _)| pixels.clone()).collect();
        let fresh = encode_complex(&plan, &pixels)?
            .iter()
            .map(|slots| client.encrypt_complex(plan.ring.levels, slots, &mut rng))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        measured.input_mb = fresh.iter().map(|ct| ct.to_bytes().len()).sum::<usize>() as f64 / 1e6;
        let inputs = fresh
            .iter()
            .map(|ct| ct.expand(&params))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let (before, begin) = (server.tally(), cpu_seconds());
        let outputs = model.run(&server, &inputs)?;
        spent += cpu_seconds() - begin;
        if (round + 1) % mean == 0 {
            measured.seconds = measured.seconds.min(spent / mean as f64);
            spent = 0.0;
        }
        measured.as_planned &= server.tally().since(&before) == plan.tally;
        let slots = outputs
            .iter()
            .map(|ct| client.decrypt(ct))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        for (opened, (pixels, digit)) in decode(&plan, &slots, samples.len()).iter().zip(&samples) {
            let clear = graph.evaluate(pixels)?;
            let error = opened.iter().zip(&clear).map(|(a, b)| (a - b).abs());
            measured.error = error.fold(measured.error, f64::max);
            measured.right += usize::from(top(opened) == Some(*digit));
            measured.same += usize::from(top(opened) == top(&clear));
            measured.images += 1;
        }
    }
    Ok(measured)
}

fn images() -> impl Iterator<Item = (Vec<f64>, usize)> + Clone {
    IMAGES.chunks_exact(785).filter_map(|image| {
        let (digit, pixels) = image.split_first()?;
        Some((
            pixels.iter().map(|p| f64::from(*p) / 255.0).collect(),
            usize::from(*digit),
        ))
    })
}

/// Position of the largest value.
fn top(values: &[f64]) -> Option<usize> {
    let of = |(position, _): (usize, &f64)| position;
    values
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map(of)
}

/// CPU seconds of this thread so far.
pub(super) fn cpu_seconds() -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        .map_or(f64::NAN, |nanoseconds| nanoseconds * 1e-9)
}
