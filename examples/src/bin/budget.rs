//! Prints what a budget buys.

use hedgerow_examples::budget::cell_sigma;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("standard deviation of a leaf count, 100 trees of depth 8, three honest shares, delta 1e-6");
    for epsilon in [0.1, 0.5, 1.0, 2.0, 5.0] {
        println!(
            "epsilon {epsilon:>4}: {:>7.1} rows",
            cell_sigma(epsilon, 100, 8, 3)?
        );
    }
    Ok(())
}
