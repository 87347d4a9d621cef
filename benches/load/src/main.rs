//! The load client: starts `anywire`, speaks each of its wires, and prints what they cost.
//!
//!     cargo build --release && cargo run --release -p anywire-load -- --rounds 5
//!
//! Figures of one run belong together: wires take turns within each round, and the table gives medians and the ratio to
//! raw TCP. Processor time is the server's and the supervisor's, not the program's and not this client's. Everything is
//! on loopback and ends with this process.

mod measure;
mod server;
mod wire;

use anyhow::{Result, bail};
use clap::Parser;
use measure::{Figure, Measure};
use std::path::PathBuf;
use wire::Wire;

/// Measure what each wire of anywire costs
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure [default: all]
    #[arg(value_enum)]
    measures: Vec<Measure>,
    /// The binary
    #[arg(long, default_value = "target/release/anywire")]
    binary: PathBuf,
    /// Rounds, of which the medians count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Wires [default: all that a measure has]
    #[arg(long, value_enum, value_delimiter = ',')]
    wires: Vec<Wire>,
    /// Idle connections at the same time; a server takes half as many as it may have descriptors
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(101..=25_000))]
    idle: u16,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    raise_files();
    if !arguments.binary.is_file() {
        bail!(
            "there is no {}: build it with `cargo build --release`, or name it with --binary",
            arguments.binary.display()
        );
    }
    let mut measures = arguments.measures;
    if measures.is_empty() {
        measures = Measure::ALL.to_vec();
    }
    for measure in measures {
        let wires: Vec<Wire> = measure
            .wires()
            .iter()
            .copied()
            .filter(|wire| arguments.wires.is_empty() || arguments.wires.contains(wire))
            .collect();
        let mut figures: Vec<(Wire, Vec<Figure>)> =
            wires.into_iter().map(|wire| (wire, Vec::new())).collect();
        for _ in 0..arguments.rounds {
            for (wire, figures) in &mut figures {
                figures.push(measure.take(&arguments.binary, *wire, arguments.idle.into())?);
            }
        }
        print(measure, &figures);
    }
    Ok(())
}

/// As many connections as the kernel allows this process at all.
fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    let _ = setrlimit(Resource::Nofile, files);
}

/// A table: a line for each wire, a pair of columns for each quantity.
fn print(measure: Measure, figures: &[(Wire, Vec<Figure>)]) {
    println!("\n{}", measure.title());
    let median = |figures: &[Figure], column: usize| {
        let mut values: Vec<f64> = figures.iter().map(|figure| figure[column]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let base = figures.first().map(|(_, figures)| figures.as_slice());
    for (wire, figures) in figures {
        print!("  {:8}", wire.name());
        for (column, unit) in measure.columns().iter().enumerate() {
            let value = median(figures, column);
            let ratio = base.map_or(1.0, |base| value / median(base, column));
            print!("  {value:>10.2} {unit} ({ratio:.2}x)");
        }
        println!();
    }
}
