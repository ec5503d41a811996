//! The planner's cost table, measured: `RAYON_NUM_THREADS=1 cargo bench -p hedgerow-inference --bench costs -- [13 14 ...]`.
//!
//! Its output is the text of a table (`src/plan/costs.txt` is one).

use hedgerow_inference::plan::measure;

/// What the last cache holds on the project's machine.
const CACHE: u64 = 32 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let mut degrees: Vec<u32> = asked.collect();
    if degrees.is_empty() {
        degrees = vec![12, 13, 14, 15];
    }
    print!("{}", measure(&degrees, CACHE, &cpu)?.text());
    Ok(())
}

/// CPU seconds of this thread so far.
fn cpu() -> f64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = line.split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.map_or(f64::NAN, |n| n * 1e-9)
}
