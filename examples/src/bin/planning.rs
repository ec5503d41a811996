//! Plans a network for each objective, checks a plan without encryption, and plans one that is too large to write down.

use hedgerow_inference::eval::{Prepared, decode, encode_complex};
use hedgerow_inference::graph::{Graph, Outline, zoo};
use hedgerow_inference::plan::{Asked, Objective, outline, plan};
use hedgerow_inference::scheme::{Noop, Scheme};

const LOLA: &[u8] = include_bytes!("../../data/networks/lola.onnx");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph = Graph::from_onnx(LOLA)?.simplify()?;
    for objective in [
        Objective::Latency,
        Objective::Throughput,
        Objective::Memory,
        Objective::Client,
    ] {
        let asked = Asked {
            objective,
            ..Asked::default()
        };
        println!("{objective:?}\n{}", plan(&graph, &asked)?);
    }
    // The evaluator itself, over slots in the clear: what the real scheme will do, with the same levels and keys.
    let chosen = plan(&graph, &Asked::default())?;
    let scheme = Noop::new(chosen.ring.slots(), chosen.ring.levels).with_keys(chosen.keys().clone());
    let model = Prepared::new(&scheme, &graph, &chosen)?;
    let image: Vec<f64> = (0..graph.inputs()).map(|i| (i % 3) as f64 / 2.0).collect();
    let inputs = encode_complex(&chosen, std::slice::from_ref(&image))?
        .into_iter()
        .map(|slots| scheme.encrypt_complex(chosen.ring.levels, || slots))
        .collect::<Result<Vec<_>, _>>()?;
    let outputs = model.run(&scheme, &inputs)?;
    let slots: Vec<Vec<f64>> = outputs.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
    let opened = decode(&chosen, &slots, 1);
    let clear = graph.evaluate(&image)?;
    let error = opened.iter().flatten().zip(&clear).map(|(a, b)| (a - b).abs());
    println!(
        "largest difference from the clear network: {:.1e}",
        error.fold(0.0, f64::max)
    );
    println!("operations as planned: {}\n", scheme.tally() == chosen.tally);

    let large = zoo::onnx("resnet50", zoo::Weights::Declared).ok_or("no such network")?;
    println!("{}", outline(&Outline::from_onnx(&large)?, &Asked::default())?);
    Ok(())
}
