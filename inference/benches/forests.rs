//! Forests, encrypted: each mode beside what was asked.
//!
//! `RAYON_NUM_THREADS=1 cargo bench -p hedgerow-inference --bench forests -- [MODE|10x4|50x5 ...]`
//! (`ROWS` rows instead of 50, 2000 of public structure, 8192 of a batch; `FOREST` an ONNX file instead of the two sizes of the reference). CPU milliseconds of all
//! threads, the least of five means: what a machine does that others use too. Every row is compared with the clear
//! evaluation of the binned model.

use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::Ensemble;
use hedgerow_inference::trees::Mode;
use hedgerow_inference::trees::bench::{BATCH_ROWS, complete_forest, drawn_values, measure};

const FEATURES: usize = 30;

/// CPU seconds of this process so far, by the clock of the one thread that works; of all threads where there are more.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let times = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    times
        .filter_map(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        .sum::<f64>()
        * 1e-9
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let asked: Vec<Mode> = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let modes = if asked.is_empty() {
        Mode::ALL.to_vec()
    } else {
        asked
    };
    let rows: Option<usize> = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok());
    let mut rng = Seed::from_bytes([6; 32]).rng();
    let forests: Vec<Ensemble> = match std::env::var("FOREST") {
        Ok(path) => {
            let bytes = std::fs::read(&path).expect("FOREST names a file");
            vec![hedgerow_forest::import::onnx::ensemble(&bytes).expect("FOREST is an ONNX forest")]
        }
        Err(_) => {
            let named = |(trees, depth): &(usize, u32)| arguments.contains(&format!("{trees}x{depth}"));
            let sizes = [(10, 4), (50, 5)];
            let all = !sizes.iter().any(named);
            sizes
                .into_iter()
                .filter(|size| all || named(size))
                .map(|(trees, depth)| {
                    complete_forest(trees, depth, FEATURES, &mut rng).expect("sizes within the limits")
                })
                .collect()
        }
    };
    for model in &forests {
        let width = model.features().len();
        for mode in &modes {
            let rows = rows.unwrap_or(match mode {
                Mode::PublicStructure => 2000,
                Mode::Batch => BATCH_ROWS,
                _ => 50,
            });
            let values = drawn_values(rows * width, &mut rng);
            match measure(model, *mode, &values, &mut rng, &mut cpu) {
                Ok(measured) => println!("{measured}\n"),
                Err(error) => println!("{error}\n"),
            }
        }
    }
}
