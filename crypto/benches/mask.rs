//! Masks against what they mask: expanding and adding one mask, and many, beside a plain addition of as many words.
//!
//! `cargo bench -p hedgerow-crypto --bench mask`. One core. Vectors of 1,000,000 words, 8 MB.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::mask::pairwise::Sign;
use hedgerow_crypto::mask::prg::{self, Prg};
use hedgerow_crypto::mask::shamir;
use hedgerow_crypto::seed::Seed;

const WORDS: usize = 1_000_000;

fn moduli() -> [(&'static str, Modulus); 3] {
    let checked = "a modulus in range";
    [
        ("2^64", Modulus::TWO_TO_64),
        ("2^32", Modulus::power_of_two(32).expect(checked)),
        ("2^61-1", Modulus::prime((1 << 61) - 1).expect(checked)),
    ]
}

fn masks(count: u8) -> Vec<(Sign, Prg)> {
    (0..count)
        .map(|byte| (Sign::Add, Prg::new(&Seed::from_bytes([byte; 32]))))
        .collect()
}

fn vectors(criterion: &mut Criterion) {
    for (name, modulus) in moduli() {
        let mut group = criterion.benchmark_group(format!("mod {name}"));
        group.sample_size(20);
        group.throughput(Throughput::Bytes(8 * WORDS as u64));
        let mut words = vec![1; WORDS];
        let other = vec![2; WORDS];
        group.bench_function("plain add", |bencher| {
            bencher.iter(|| modulus.add(black_box(&mut words), black_box(&other)));
        });
        let one = masks(1);
        group.bench_function("expand and add 1 mask", |bencher| {
            bencher.iter(|| prg::apply(black_box(&one), black_box(&mut words), modulus));
        });
        group.throughput(Throughput::Bytes(10 * 8 * WORDS as u64));
        let ten = masks(10);
        group.bench_function("expand and add 10 masks", |bencher| {
            bencher.iter(|| prg::apply(black_box(&ten), black_box(&mut words), modulus));
        });
        group.bench_function("the same, one after the other", |bencher| {
            bencher.iter(|| {
                ten.iter()
                    .for_each(|(_, prg)| prg.add_into(black_box(&mut words), modulus))
            });
        });
        group.throughput(Throughput::Bytes(8 * WORDS as u64));
        let bytes = modulus.pack(&other).expect("words below the modulus");
        group.bench_function("pack", |bencher| bencher.iter(|| modulus.pack(black_box(&other))));
        group.bench_function("add packed", |bencher| {
            bencher.iter(|| modulus.add_packed(black_box(&mut words), black_box(&bytes)));
        });
        group.finish();
    }
}

fn sharing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shamir, 16 holders, threshold 11");
    let seed = Seed::from_bytes([1; 32]);
    let mut rng = seed.derive("bench", b"").rng();
    group.bench_function("split", |bencher| {
        bencher.iter(|| shamir::split(black_box(&seed), 11, 16, &mut rng))
    });
    let shares = shamir::split(&seed, 11, 16, &mut rng).expect("11 of 16");
    group.bench_function("combine", |bencher| {
        bencher.iter(|| shamir::combine(11, black_box(&shares[..11])))
    });
    group.finish();
}

criterion_group!(benches, vectors, sharing);
criterion_main!(benches);
