//! Instructions per element: unlike nanoseconds, the same on all machines of one architecture.
//!
//! The program runs itself under callgrind, once for each half of a case and twice for each: with some number of
//! elements, and with twice as many. The difference is the cost of the elements.

use std::process::Command;

use crate::cases::{buffer, chain};

/// A case, beside a peer or hand-written code.
pub(crate) struct Counted {
    pub case: &'static str,
    pub ours: fn(u64) -> f64,
    pub peer: &'static str,
    pub by_peer: fn(u64) -> f64,
}

const ELEMENTS: u64 = 20_000;

fn cases() -> impl Iterator<Item = Counted> {
    chain::COUNTED.into_iter().chain([buffer::COUNTED])
}

/// Runs one half of a case: `0:ours` or `0:peer`.
pub(crate) fn run(half: &str, elements: u64) -> Result<(), String> {
    let unknown = || format!("`{half}` is no half of a case");
    let (number, side) = half.split_once(':').ok_or_else(unknown)?;
    let case = number.parse().ok().and_then(|number| cases().nth(number));
    let case = case.ok_or_else(unknown)?;
    match side {
        "ours" => (case.ours)(elements),
        _ => (case.by_peer)(elements),
    };
    Ok(())
}

/// Counts, and prints a table.
pub(crate) fn print() -> Result<(), String> {
    println!("| case | thalweg | peer | ratio |\n|---|---|---|---|");
    for (number, case) in cases().enumerate() {
        let ours = per_element(&format!("{number}:ours"))?;
        let peer = per_element(&format!("{number}:peer"))?;
        let Counted {
            case, peer: name, ..
        } = case;
        println!(
            "| {case} | {ours:.0} | {name} {peer:.0} | {:.2} |",
            ours / peer
        );
    }
    Ok(())
}

fn per_element(half: &str) -> Result<f64, String> {
    let (few, many) = (count(half, ELEMENTS)?, count(half, 2 * ELEMENTS)?);
    Ok(many.saturating_sub(few) as f64 / ELEMENTS as f64)
}

/// All instructions of a run.
fn count(half: &str, elements: u64) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--count", half, &elements.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind, which counts the instructions, does not run: {error}")
        })?;
    let said = String::from_utf8_lossy(&run.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok());
    collected.ok_or_else(|| format!("callgrind did not count `{half}`: {said}"))
}
