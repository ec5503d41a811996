//! `hedgerow`: private federated forests, one command for everything a person does with them.
//!
//! This crate is the front of the house: it reads arguments, starts processes, compares and reports. It holds no
//! protocol, no cryptography and no learning algorithm; those live in the crates it calls.
//!
//! - [`args`]: what can be typed.
//! - [`simulate`]: a coordinator, its parties and the oracle that checks them, on one machine.
//! - [`scenario`]: the file that describes a simulation; [`report`]: what it leaves behind.
//! - [`process`]: coordinator and party; [`provision`]: their keys and certificates.
//! - [`mod@bench`]: what is promised, measured.
//! - [`model`], [`predict`], [`export`]: models of every kind, scores of rows, files for other programs.
//! - [`serve`], [`query`]: encrypted questions about a model, and their answers.
//! - [`generate`], [`query`], [`ledger`]: data to try; scores of rows with others; a party's privacy budget.
//! - [`plan`]: what a budget will buy, before it is spent.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod args;
mod bench;
mod error;
mod export;
mod generate;
mod ledger;
mod model;
mod plan;
mod predict;
mod process;
mod provision;
mod query;
mod report;
mod scenario;
mod serve;
mod simulate;

use args::{Arguments, Bench, Command, Generate, Ledger};
use clap::Parser;
use error::{CliError, Result};
use generate::payments::PaymentsSpec;
use generate::rows::RowsSpec;
use model::Model;
use std::process::ExitCode;

/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// What a shell expects of a program whose output nobody reads any more, as with `| head`: 128 and the number of SIGPIPE.
const UNREAD: i32 = 141;

/// Ends quietly where printing fails because the reader has gone; every other panic is told as ever.
fn end_with_the_reader() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(UNREAD);
        }
        tell(panic);
    }));
}

fn main() -> ExitCode {
    end_with_the_reader();
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                CliError::Interrupted => ExitCode::from(INTERRUPTED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Simulate(arguments) => block_on(simulate::run(arguments)),
        Command::Plan(plan) => plan::run(plan),
        Command::Audit(arguments) => block_on(simulate::audit::run(arguments)),
        Command::Coordinator(arguments) => block_on(process::coordinator(arguments)),
        Command::Party(arguments) => block_on(process::party(arguments)),
        Command::Provision(command) => provision::run(command),
        Command::Generate(Generate::Adult {
            out, raw: Some(raw), ..
        }) => generate::adult::convert(raw, out),
        Command::Generate(Generate::Adult {
            out,
            parties,
            raw: None,
        }) => generate::adult::generate(*parties, out)
            .map(|scenario| println!("hedgerow simulate {}", scenario.display())),
        Command::Generate(Generate::Network(asked)) => generate::network::run(asked),
        Command::Generate(Generate::Rows {
            rows,
            features,
            parties,
            seed,
            out,
        }) => {
            let spec = RowsSpec {
                rows: *rows,
                features: *features,
                parties: *parties,
                seed: *seed,
            };
            generate::rows::generate(&spec, out)
                .map(|scenario| println!("hedgerow simulate {}", scenario.display()))
        }
        Command::Generate(Generate::Payments {
            rows,
            test_rows,
            accounts,
            banks,
            seed,
            out,
            format,
        }) => {
            let spec = PaymentsSpec {
                rows: *rows,
                test_rows: *test_rows,
                accounts: *accounts,
                banks: *banks,
                seed: *seed,
                format: *format,
            };
            let bar = generate::progress(spec.total());
            let made = generate::payments::generate(&spec, out, &|rows| bar.inc(rows))?;
            bar.finish_and_clear();
            println!("{made}");
            simulate::payments::scenario(&made, simulate::payments::NODES.min(*banks as u32), out)
                .map(|scenario| println!("hedgerow simulate {}", scenario.display()))
        }
        Command::Predict(arguments) => block_on(predict::run(arguments)),
        Command::Serve(arguments) => block_on(serve::run(arguments)),
        Command::Query(arguments) => block_on(query::run(arguments)),
        Command::Inspect(arguments) => {
            Model::read(&arguments.model).map(|model| print!("{}", model.inspect()))
        }
        Command::Export(arguments) => export::run(arguments),
        Command::Bench(Bench::Train { rows, out }) => block_on(async {
            println!("{}", bench::train::run(*rows, out).await?);
            Ok(())
        }),
        Command::Bench(Bench::Growth {
            data,
            growths,
            epsilons,
            nodes,
            seeds,
            rows,
            sets,
            out,
        }) => block_on(async {
            let asked = bench::growth::Asked {
                data,
                growths,
                epsilons,
                nodes,
                seeds: *seeds,
                rows: *rows,
                sets,
            };
            println!("{}", bench::growth::run(&asked, out).await?);
            Ok(())
        }),
        Command::Bench(Bench::He(asked)) => {
            println!("{}", bench::he::run(asked)?);
            Ok(())
        }
        Command::Bench(Bench::Net { out }) => {
            println!("{}", bench::net::run(out)?);
            Ok(())
        }
        Command::Bench(Bench::Forest {
            rows,
            mode,
            trees,
            out,
        }) => {
            println!("{}", bench::forest::run(*rows, mode.as_deref(), *trees, out)?);
            Ok(())
        }
        Command::Bench(Bench::Sum { out }) => {
            println!("{}", bench::sum::run(out)?);
            Ok(())
        }
        Command::Ledger(Ledger::Show { state, delta }) => ledger::show(state, *delta),
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Runtime::new()
        .map_err(CliError::library("start"))?
        .block_on(work)
}
