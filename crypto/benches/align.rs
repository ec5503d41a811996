//! Alignment, both sides' work together on one thread: keys per second and core, and bytes per key.
//!
//! `cargo bench -p hedgerow-crypto --bench align`. The lines that are printed count the thread's processor time, where
//! Linux tells it, so that other work on the machine does not blur them; criterion's times are wall time. The group
//! arithmetic takes AVX2 where the processor has it. For AVX-512 IFMA, on stable Rust and still chosen at run time,
//! build with `RUSTFLAGS='--cfg curve25519_dalek_backend="avx512"'`.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hedgerow_crypto::align::{Align, Params, Side};
use hedgerow_crypto::hash;
use hedgerow_crypto::seed::Seed;

/// Keys `from..to`, as a party would make them.
fn keys(from: u32, to: u32) -> Vec<[u8; 32]> {
    (from..to)
        .map(|key| hash::hash("bench", &[&key.to_le_bytes()]).0)
        .collect()
}

/// Runs both machines to the end; gives the bytes sent.
fn align(params: &Params, row: &[[u8; 32]], attribute: &[[u8; 32]]) -> usize {
    let machine = |side, keys, byte| {
        Align::new(side, params, keys, &Seed::from_bytes([byte; 32])).expect("distinct keys")
    };
    let mut machines = VecDeque::from([
        (machine(Side::Row, row, 1), 0),
        (machine(Side::Attribute, attribute, 2), 0),
    ]);
    let mut bytes = 0;
    while machines.iter().any(|(machine, _)| machine.result().is_none()) {
        let (from, sent) = &mut machines[0];
        let message = from.message(*sent);
        *sent += u32::from(message.is_some());
        if let Some(message) = message {
            bytes += message.bytes.len();
            let (to, _) = &mut machines[1];
            to.receive(to.next(), &message.bytes).expect("an honest message");
        } else {
            machines.rotate_left(1);
        }
    }
    bytes
}

/// Processor time of this thread so far, if the system tells.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// What a closure gives, and the time that it took.
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let (start, wall) = (processor_time(), Instant::now());
    let value = run();
    let wall = wall.elapsed();
    let spent = start.zip(processor_time()).map(|(start, end)| end - start);
    (value, spent.unwrap_or(wall))
}

fn benches(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("one thread");
    let params = Params::new(&hash::hash("bench", &[]), 1, None).expect("a minimum of 1");
    let mut group = criterion.benchmark_group("align");
    group.sample_size(10);
    for (name, row, attribute) in [
        ("4000 and 4000 keys, none in common", 0..4000, 4000..8000),
        ("4000 and 4000 keys, half in common", 0..4000, 2000..6000),
        (
            "1000 and 11000 keys, all of the 1000 in common",
            0..1000,
            0..11000,
        ),
    ] {
        let (row, attribute) = (keys(row.start, row.end), keys(attribute.start, attribute.end));
        let all = row.len() + attribute.len();
        group.throughput(Throughput::Elements(all as u64));
        let run = || pool.install(|| align(&params, &row, &attribute));
        let (bytes, spent) = pool.install(|| {
            // The least of three.
            let runs = (0..3).map(|_| timed(|| align(&params, &row, &attribute)));
            runs.min_by_key(|(_, spent)| *spent).expect("three runs")
        });
        println!(
            "{name}: {:.0} keys/s and core, both sides together; {:.1} bytes/key",
            all as f64 / spent.as_secs_f64(),
            bytes as f64 / all as f64
        );
        group.bench_function(name, |bencher| bencher.iter(|| black_box(run())));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
