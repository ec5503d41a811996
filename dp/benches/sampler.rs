//! Speed of the exact discrete Gaussian sampler against opendp's, in the same run on the same core.
//!
//! `cargo bench -p hedgerow-dp` prints a table (best of several passes, nanoseconds per sample, ratio, seconds for a
//! table of 512,000 cells), then criterion's statistics. opendp works with arbitrary-precision rationals and takes its
//! random bytes from the thread's generator; it is compiled at `opt-level = 1` in this workspace, which costs it a
//! part of the ratio, not its order of magnitude.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use hedgerow_dp::sampler::{DiscreteGaussian, Polya, Skellam, Variance};
use opendp::traits::samplers::sample_discrete_gaussian;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const SIGMAS: [u32; 4] = [1, 5, 50, 500];
const CELLS: usize = 512_000;
const OPENDP_SAMPLES: usize = 20_000;

fn sampler(sigma: u32) -> DiscreteGaussian {
    DiscreteGaussian::new(Variance::new(u64::from(sigma).pow(2), 1).unwrap())
}

fn opendp_sample(sigma: u32) -> i64 {
    i64::try_from(sample_discrete_gaussian(sigma.into()).unwrap()).unwrap()
}

/// Best seconds of `passes`.
fn best(passes: usize, mut work: impl FnMut()) -> f64 {
    (0..passes)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn table() {
    println!("sigma | ours ns | opendp ns | ratio | {CELLS} cells, s");
    for sigma in SIGMAS {
        let ours = sampler(sigma);
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut cells = vec![0i64; CELLS];
        let seconds = best(7, || ours.add_to(black_box(&mut cells), &mut rng));
        let theirs = best(3, || {
            for _ in 0..OPENDP_SAMPLES {
                black_box(opendp_sample(sigma));
            }
        });
        let (ns, opendp_ns) = (seconds * 1e9 / CELLS as f64, theirs * 1e9 / OPENDP_SAMPLES as f64);
        println!(
            "{sigma:5} | {ns:7.1} | {opendp_ns:9.0} | {:5.0} | {seconds:.4}",
            opendp_ns / ns
        );
    }
}

/// Skellam and Polya noise of the same standard deviation beside it: tables of partial sums, made at the first sample.
fn shares() {
    println!("sigma | Skellam ns | Polya, 5 shares, ns | ours Gaussian ns");
    for sigma in SIGMAS {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut cells = vec![0i64; CELLS];
        let variance = u64::from(sigma).pow(2);
        let skellam = Skellam::new(Variance::new(variance, 1).unwrap()).unwrap();
        // A share of a discrete Laplace of scale t has the variance 2 t^2 / 5.
        let scale = f64::from(sigma) * 2.5f64.sqrt();
        let polya = Polya::new(5, ((1.0 - (-1.0 / scale).exp()) * 2f64.powi(32)) as u32).unwrap();
        let gaussian = sampler(sigma);
        let ns = |seconds: f64| seconds * 1e9 / CELLS as f64;
        let skellam = ns(best(5, || skellam.add_to(black_box(&mut cells), &mut rng)));
        let polya = ns(best(5, || polya.add_to(black_box(&mut cells), &mut rng)));
        let gaussian = ns(best(5, || gaussian.add_to(black_box(&mut cells), &mut rng)));
        println!("{sigma:5} | {skellam:10.1} | {polya:19.1} | {gaussian:8.1}");
    }
}

fn main() {
    table();
    shares();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("discrete gaussian");
    for sigma in SIGMAS {
        let ours = sampler(sigma);
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut cells = vec![0i64; 4096];
        group.throughput(Throughput::Elements(cells.len() as u64));
        group.bench_function(format!("hedgerow sigma {sigma}"), |b| {
            b.iter(|| ours.add_to(black_box(&mut cells), &mut rng));
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("opendp sigma {sigma}"), |b| {
            b.iter(|| black_box(opendp_sample(sigma)))
        });
    }
    group.finish();
    criterion.final_summary();
}
