//! Encrypted inner products beside the plain ones: a cell of 527,503 entities (the payments challenge), what is sent
//! before and after it, and the batches of private prediction.
//!
//! `cargo bench -p hedgerow-crypto --bench exact`. One core. A table of minima and sizes comes first: minima are what a
//! machine does that others use too.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use hedgerow_crypto::exact::{
    Answer, AttributeKey, CountParams, EncryptedBlock, PredicateBlock, Product, Scratch, SlotBlock, SlotKey,
    SlotParams, SlotProduct, SlotScratch,
};
use hedgerow_crypto::seed::Seed;
use rand_core::Rng;

const ENTITIES: usize = 527_503;

/// Row and attribute party of one pair, with all blocks of one predicate.
struct Counts {
    params: CountParams,
    key: AttributeKey,
    bits: Vec<bool>,
    weights: Vec<Vec<u32>>,
    block: EncryptedBlock,
    predicate: Vec<PredicateBlock>,
    product: Product,
    scratch: Scratch,
    answer: Answer,
}

impl Counts {
    fn new(segments: usize) -> Self {
        let params = CountParams::new(segments, 3_000_000).expect("room for 3.0M rows");
        let key = AttributeKey::generate(&params, &seed(1));
        let mut rng = seed(2).rng();
        let blocks = params.blocks(ENTITIES).min(129);
        let mut draw = |length| (0..length).map(|_| rng.next_u32() % 8).collect::<Vec<u32>>();
        let bits: Vec<bool> = draw(params.block_len())
            .iter()
            .map(|word| word & 1 == 1)
            .collect();
        let weights: Vec<_> = (0..blocks).map(|_| draw(params.weights_len())).collect();
        let encrypt = |context: usize| key.encrypt_block(&bits, &context.to_le_bytes(), &seed(3));
        let block = encrypt(0).expect("as many bits as a block has");
        let predicate = (0..blocks)
            .map(|context| {
                let mut predicate = PredicateBlock::new(&params);
                let block = encrypt(context).expect("as many bits as a block has");
                predicate.add_assign(&block).expect("one key");
                predicate
            })
            .collect();
        let (product, scratch) = (Product::new(&params), Scratch::new(&params));
        let masks = vec![1; segments];
        let answer = product
            .answer(key.public(), &masks, &mut rng)
            .expect("masks below p");
        Self {
            params,
            key,
            bits,
            weights,
            block,
            predicate,
            product,
            scratch,
            answer,
        }
    }

    fn cell(&mut self) {
        self.product.clear();
        for (weights, predicate) in self.weights.iter().zip(&self.predicate) {
            self.product
                .accumulate(black_box(weights), black_box(predicate), &mut self.scratch)
                .expect("one key");
        }
    }

    /// Four cells of one predicate, block by block: a block is read from memory once for all of them.
    fn four_cells(&mut self, products: &mut [Product; 4]) {
        for (weights, predicate) in self.weights.iter().zip(&self.predicate) {
            for product in &mut *products {
                product
                    .accumulate(black_box(weights), black_box(predicate), &mut self.scratch)
                    .expect("one key");
            }
        }
    }

    /// The same inner product without encryption.
    fn plain(&self) -> u64 {
        let cell = |weights: &Vec<u32>| -> u64 {
            let pairs = weights.iter().zip(black_box(&self.bits).iter().cycle());
            pairs
                .map(|(weight, bit)| u64::from(*weight) & u64::from(*bit).wrapping_neg())
                .sum()
        };
        black_box(&self.weights).iter().map(cell).sum()
    }

    fn encrypt(&self) -> EncryptedBlock {
        self.key
            .encrypt_block(black_box(&self.bits), b"context", &seed(3))
            .expect("as many bits as a block has")
    }

    fn expand(&self) -> PredicateBlock {
        let mut predicate = PredicateBlock::new(&self.params);
        predicate.add_assign(black_box(&self.block)).expect("one key");
        predicate
    }

    fn answer(&self) -> Answer {
        let masks = vec![1; self.params.segments()];
        let empty = Product::new(&self.params);
        empty
            .answer(self.key.public(), &masks, &mut seed(4).rng())
            .expect("masks below p")
    }

    fn open(&self) -> Vec<u64> {
        self.key.open(black_box(&self.answer)).expect("the same key")
    }
}

/// The same for slots.
struct Slots {
    params: SlotParams,
    key: SlotKey,
    bits: Vec<bool>,
    weights: Vec<u64>,
    block: SlotBlock,
    product: SlotProduct,
    scratch: SlotScratch,
    answer: Answer,
}

impl Slots {
    fn new() -> Self {
        let params = SlotParams::new(50 << 20, 1_000_000).expect("room for a million products");
        let key = SlotKey::generate(&params, &seed(1));
        let mut rng = seed(2).rng();
        let bits: Vec<bool> = (0..params.slots()).map(|_| rng.next_u32() & 1 == 1).collect();
        let weights = (0..params.slots())
            .map(|_| rng.next_u64() % params.plaintext())
            .collect();
        let block = key
            .encrypt_slots(&bits, b"context", &seed(3))
            .expect("a bit per slot");
        let block = SlotBlock::new(&params, &block).expect("the same parameters");
        let (product, scratch) = (SlotProduct::new(&params), SlotScratch::new(&params));
        let masks = vec![1; params.slots()];
        let answer = product
            .answer(key.public(), &masks, &mut rng)
            .expect("masks below p");
        Self {
            params,
            key,
            bits,
            weights,
            block,
            product,
            scratch,
            answer,
        }
    }

    fn encrypt(&self) -> EncryptedBlock {
        self.key
            .encrypt_slots(black_box(&self.bits), b"context", &seed(3))
            .expect("a bit per slot")
    }

    fn accumulate(&mut self) {
        self.product.clear();
        self.product
            .accumulate(
                black_box(&self.weights),
                black_box(&self.block),
                &mut self.scratch,
            )
            .expect("weights below p");
    }

    fn answer(&self) -> Answer {
        let masks = vec![1; self.params.slots()];
        self.product
            .answer(self.key.public(), &masks, &mut seed(4).rng())
            .expect("masks below p")
    }

    fn open(&self) -> Vec<u64> {
        self.key.open(black_box(&self.answer)).expect("the same key")
    }
}

fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

/// The shortest of as many runs as fit into a second and a half.
fn least<T>(name: &str, mut run: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    let mut least = Duration::MAX;
    while start.elapsed() < Duration::from_millis(1500) {
        let run_start = Instant::now();
        black_box(run());
        least = least.min(run_start.elapsed());
    }
    println!("{name:<58}{:>10.4} ms", least.as_secs_f64() * 1e3);
    least
}

fn table(counts: &mut Counts, slots: &mut Slots) {
    println!("minima, one core");
    let plain = least("plain inner product of 527,503 entities", || counts.plain());
    let cell = least("one cell of 527,503 entities, 129 blocks", || counts.cell());
    println!(
        "{:<58}{:>10.1}",
        "encrypted against plain",
        cell.as_secs_f64() / plain.as_secs_f64()
    );
    let mut products = [(); 4].map(|()| Product::new(&counts.params));
    least("four cells of one predicate, block by block", || {
        products.iter_mut().for_each(Product::clear);
        counts.four_cells(&mut products);
    });
    least("encrypt one block", || counts.encrypt());
    least("expand one block", || counts.expand());
    least("answer", || counts.answer());
    least("open", || counts.open());
    least("slots: encrypt 8192", || slots.encrypt());
    least("slots: one product", || slots.accumulate());
    least("slots: answer 8192", || slots.answer());
    least("slots: open 8192", || slots.open());
    println!("bytes");
    for (name, bytes) in [
        ("public key", counts.params.public_key_bytes()),
        ("encrypted block", counts.params.block_bytes()),
        ("answer, one cell", counts.params.answer_bytes()),
        ("slots: public key", slots.params.public_key_bytes()),
        ("slots: encrypted block", slots.params.block_bytes()),
        ("slots: answer", slots.params.answer_bytes()),
    ] {
        println!("{name:<58}{bytes:>10}");
    }
    let sixteen = CountParams::new(16, 3_000_000).expect("room for 3.0M rows");
    println!("{:<58}{:>10}", "answer, 16 cells", sixteen.answer_bytes());
}

fn all(criterion: &mut Criterion) {
    let (mut counts, mut slots) = (Counts::new(1), Slots::new());
    table(&mut counts, &mut slots);
    let mut group = criterion.benchmark_group("counts");
    group.sample_size(20);
    group.bench_function("plain cell of 527,503 entities", |bencher| {
        bencher.iter(|| counts.plain())
    });
    group.bench_function("cell of 527,503 entities", |bencher| {
        bencher.iter(|| counts.cell())
    });
    group.bench_function("encrypt a block", |bencher| bencher.iter(|| counts.encrypt()));
    group.bench_function("answer", |bencher| bencher.iter(|| counts.answer()));
    group.bench_function("open", |bencher| bencher.iter(|| counts.open()));
    group.finish();
    let mut group = criterion.benchmark_group("slots");
    group.sample_size(20);
    group.bench_function("encrypt a block", |bencher| bencher.iter(|| slots.encrypt()));
    group.bench_function("product", |bencher| bencher.iter(|| slots.accumulate()));
    group.bench_function("answer", |bencher| bencher.iter(|| slots.answer()));
    group.bench_function("open", |bencher| bencher.iter(|| slots.open()));
    group.finish();
}

criterion_group!(benches, all);
criterion_main!(benches);
