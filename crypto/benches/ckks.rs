//! Approximate arithmetic beside its kernels: rotations, products, encoding, at the sizes that other libraries were measured
//! at.
//!
//! `cargo bench -p hedgerow-crypto --bench ckks`. A table of minima of the CPU time comes first: minima are what a machine
//! does that others use too. The bars are those of the design: what a prototype reached, and for the linear transform
//! poulpy.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use hedgerow_crypto::ckks::{
    Ciphertext, Diagonals, Encoder, Evaluator, KeyPlan, Params, ParamsLiteral, PreparedDiagonals,
    PreparedPlaintext, Rescale, Scratch, SecretKey,
};
use hedgerow_crypto::seed::Seed;

struct Setting {
    params: Params,
    encoder: Encoder,
    secret: SecretKey,
    evaluator: Evaluator,
    scratch: Scratch,
    numbers: Vec<f64>,
    x: Ciphertext,
    y: Ciphertext,
    plain: PreparedPlaintext,
    out: Ciphertext,
}

const STEPS: [i32; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

impl Setting {
    fn new(literal: ParamsLiteral) -> Self {
        Self::with_transform(literal, 1).0
    }

    /// With a linear transform of so many diagonals.
    fn with_transform(literal: ParamsLiteral, diagonals: i32) -> (Self, PreparedDiagonals) {
        let params = Params::new(literal).expect("within the security table");
        let secret = SecretKey::generate(&params, &Seed::from_bytes([1; 32]));
        let mut rng = Seed::from_bytes([2; 32]).rng();
        let level = params.levels();
        let plan = KeyPlan::default().relinearization(level).rotations(STEPS, level);
        let plan = plan.and(&PreparedDiagonals::plan(&params, 0..diagonals, level));
        let keys = secret.eval_keys(&plan, &mut rng).expect("a level there is");
        let evaluator = Evaluator::new(&params, Arc::new(keys)).expect("the same parameters");
        let encoder = Encoder::new(&params);
        let numbers: Vec<f64> = (0..params.slots()).map(|slot| (slot as f64).sin()).collect();
        let plaintext = encoder
            .encode_real(&numbers, params.scale(level))
            .expect("small numbers");
        let mut encrypt = || {
            let fresh = secret
                .encrypt(&plaintext, level, &mut rng)
                .expect("a level there is");
            fresh.expand(&params).expect("the same parameters")
        };
        let transform = (0..diagonals).fold(Diagonals::new(), |sum, step| sum.with_real(step, &numbers));
        let transform = PreparedDiagonals::new(&encoder, &transform, level).expect("a level there is");
        let setting = Self {
            x: encrypt(),
            y: encrypt(),
            plain: encoder.prepare(&plaintext, level).expect("a level there is"),
            out: evaluator.empty(),
            scratch: evaluator.scratch(),
            params,
            encoder,
            secret,
            evaluator,
            numbers,
        };
        (setting, transform)
    }

    fn rotate(&mut self) {
        let result = self
            .evaluator
            .rotate_into(&mut self.out, &self.x, 1, &mut self.scratch);
        result.expect("a key there is");
    }

    fn rotate_many(&mut self, outs: &mut [Ciphertext]) {
        let steps = &STEPS[..outs.len()];
        let result = self
            .evaluator
            .rotate_many_into(outs, &self.x, steps, &mut self.scratch);
        result.expect("keys there are");
    }

    fn mul(&mut self, when: Rescale) {
        let result = self
            .evaluator
            .mul_into(&mut self.out, &self.x, &self.y, when, &mut self.scratch);
        result.expect("a key there is");
    }

    fn mul_plain(&mut self) {
        let result = self.evaluator.mul_plain_into(&mut self.out, &self.x, &self.plain);
        result.expect("the same level");
    }

    fn encode(&self) {
        let scale = self.params.scale(self.params.levels());
        black_box(
            self.encoder
                .encode_real(black_box(&self.numbers), scale)
                .expect("small numbers"),
        );
    }
}

/// CPU time of this thread so far. The kernel may count in ticks of some milliseconds.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// In milliseconds: the least CPU time of a run, by batches of 80 ms of CPU time and more, which ticks do not blur; and the
/// least wall time of one run, which is shorter where a run fits between two of somebody else's.
fn least(mut run: impl FnMut()) -> (f64, f64) {
    let start = Instant::now();
    let (mut least_cpu, mut least_wall) = (f64::INFINITY, f64::INFINITY);
    run();
    while start.elapsed() < Duration::from_secs(3) {
        let batch_start = cpu();
        let (mut runs, mut batch) = (0, Duration::ZERO);
        while batch < Duration::from_millis(80) {
            let run_start = Instant::now();
            run();
            least_wall = least_wall.min(run_start.elapsed().as_secs_f64() * 1e3);
            runs += 1;
            if runs % 8 == 0 {
                batch = cpu() - batch_start;
            }
        }
        least_cpu = least_cpu.min(batch.as_secs_f64() * 1e3 / f64::from(runs));
    }
    (least_cpu, least_wall)
}

/// Prints a row, with the better of both times against the bar. Gives that time.
fn row(name: &str, bar: f64, run: impl FnMut()) -> f64 {
    let (cpu, wall) = least(run);
    let verdict = if bar == 0.0 {
        String::new()
    } else {
        format!("{bar:>8.2} {:>6.2}", cpu.min(wall) / bar)
    };
    println!("{name:<52}{cpu:>9.3}{wall:>9.3} {verdict}");
    cpu.min(wall)
}

fn table() {
    println!(
        "{:<52}{:>9}{:>9} {:>8} {:>6}",
        "milliseconds, one thread", "CPU", "wall", "bar", "ratio"
    );
    let mut s = Setting::new(ParamsLiteral::new(15, 50, 11, 3));
    row("N=2^15, 12 primes, dnum 3: rotate", 13.0, || s.rotate());
    let mut outs: Vec<Ciphertext> = STEPS.iter().map(|_| s.evaluator.empty()).collect();
    let eight = row("  8 rotations, hoisted", 8.0 * 6.5, || s.rotate_many(&mut outs));
    println!("{:<52}{:>9.3}", "  hoisted: each, raising included", eight / 8.0);
    row("  ct x ct, relinearise, rescale", 17.0, || s.mul(Rescale::Now));
    row("  ct x ct, relinearise", 0.0, || s.mul(Rescale::Lazy));
    row("  ct x prepared plaintext", 0.8, || s.mul_plain());
    row("  encode", 0.3, || s.encode());
    let plaintext = s
        .encoder
        .encode_real(&s.numbers, s.params.scale(11))
        .expect("small numbers");
    row("  prepare a plaintext: 12 transforms", 0.0, || {
        black_box(s.encoder.prepare(&plaintext, 11).expect("a level there is"));
    });
    let mut rng = Seed::from_bytes([3; 32]).rng();
    row("  encrypt with the secret key", 0.0, || {
        black_box(
            s.secret
                .encrypt(&plaintext, 11, &mut rng)
                .expect("a level there is"),
        );
    });
    row("  decrypt", 0.0, || {
        black_box(s.secret.decrypt(&s.x).expect("the same key"));
    });
    drop(outs);
    let (mut s, transform) = Setting::with_transform(ParamsLiteral::new(14, 50, 5, 3), 64);
    row("N=2^14, 6 primes, dnum 3: rotate", 1.8, || s.rotate());
    row("  ct x ct, relinearise, rescale", 2.7, || s.mul(Rescale::Now));
    row("  linear transform of 64 diagonals", 105.0, || {
        let result = s
            .evaluator
            .linear_transform(&s.x, &transform, Rescale::Now, &mut s.scratch);
        black_box(result.expect("keys there are"));
    });
    let mut s = Setting::new(ParamsLiteral::new(13, 50, 2, 3));
    row("N=2^13, 3 primes, dnum 3: rotate", 0.40, || s.rotate());
    row("  ct x ct, relinearise, rescale", 0.56, || s.mul(Rescale::Now));
    row("  ct x prepared plaintext", 0.0, || s.mul_plain());
    row("  encode", 0.0, || s.encode());
}

/// Wall time with one and two threads, in turns: the one ratio that wall time is needed for.
fn threads() {
    let pools = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        let setting = pool.install(|| Setting::new(ParamsLiteral::new(15, 50, 11, 3)));
        (pool, setting)
    });
    let mut pools = pools;
    type Operation = (&'static str, fn(&mut Setting));
    let operations: [Operation; 2] = [
        ("rotate", Setting::rotate),
        ("ct x ct, relinearise, rescale", |s| s.mul(Rescale::Now)),
    ];
    for (name, run) in operations {
        let mut best = [f64::INFINITY; 2];
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(12) {
            for ((pool, setting), best) in pools.iter_mut().zip(&mut best) {
                let run_start = Instant::now();
                pool.install(|| run(setting));
                *best = best.min(run_start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let [one, two] = best;
        println!(
            "{name:<42} wall, 1 and 2 threads: {one:>8.3} {two:>8.3}, {:.2} times",
            one / two
        );
    }
}

fn all(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    pool.install(table);
    threads();
    let mut s = Setting::new(ParamsLiteral::new(13, 50, 2, 3));
    let mut group = criterion.benchmark_group("ckks, N=2^13, 3 primes");
    group.sample_size(20);
    group.bench_function("rotate", |bencher| bencher.iter(|| s.rotate()));
    group.bench_function("product", |bencher| bencher.iter(|| s.mul(Rescale::Now)));
    group.bench_function("product with a plaintext", |bencher| {
        bencher.iter(|| s.mul_plain())
    });
    group.bench_function("encode", |bencher| bencher.iter(|| s.encode()));
    group.finish();
}

criterion_group!(benches, all);
criterion_main!(benches);
