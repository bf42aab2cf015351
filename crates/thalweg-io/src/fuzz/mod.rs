//! Random bytes for all parsers of external data.
//!
//! Each target runs for a moment in `cargo test`, and longer by `cargo xtask fuzz --seconds 600`. Inputs that failed
//! once are in `corpus/<target>`, and run first. Coverage does not guide the inputs: that needs a nightly compiler.

mod connections;
mod parsers;

use std::env;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Number of inputs without a time limit.
const INPUTS: u32 = 500;

/// Maximum length of an input, in bytes; most are much shorter.
const MAX_LEN: usize = 4096;

/// Random numbers.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ (self.0 >> 32)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap_or(0) % end.max(1)
    }
}

/// Tries inputs made of words, random bytes and earlier inputs.
///
/// `check` gets an input and the lengths of its pieces, which repeat; it panics on a fault.
fn fuzz(target: &str, words: &[&[u8]], mut check: impl FnMut(&[u8], &[usize])) {
    let corpus = corpus(target);
    let mut known: Vec<Vec<u8>> = Vec::new();
    let mut tried = |input: &[u8], pieces: &[usize]| {
        let checked = catch_unwind(AssertUnwindSafe(|| check(input, pieces)));
        if let Err(panic) = checked {
            keep(target, input, pieces);
            resume_unwind(panic);
        }
    };
    for input in corpus {
        for pieces in [&[usize::MAX][..], &[1], &[2, 3, 1]] {
            tried(&input, pieces);
        }
        known.push(input);
    }
    let seed = RandomState::new().hash_one(target);
    let mut chance = Chance(seed);
    let until = seconds().map(|seconds| Instant::now() + seconds);
    let mut count = 0_u32;
    while until.map_or(count < INPUTS, |until| Instant::now() < until) {
        let input = input(words, &known, &mut chance);
        let pieces: Vec<usize> = (0..1 + chance.below(6))
            .map(|_| 1 + chance.below(9))
            .collect();
        tried(&input, &pieces);
        count = count.saturating_add(1);
        if known.len() < 256 {
            known.push(input);
        } else {
            let at = chance.below(known.len());
            known[at] = input;
        }
    }
    if until.is_some() {
        println!("{target}: {count} inputs");
    }
}

/// Time limit.
fn seconds() -> Option<Duration> {
    let seconds = env::var("THALWEG_FUZZ_SECONDS").ok()?;
    let seconds = seconds.parse().expect("a number of seconds");
    Some(Duration::from_secs(seconds))
}

fn input(words: &[&[u8]], known: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = match chance.below(3) {
        0 if !known.is_empty() => known[chance.below(known.len())].clone(),
        _ => Vec::new(),
    };
    for _ in 0..chance.below(24) {
        let at = chance.below(input.len() + 1);
        match chance.below(8) {
            // A word, at some place or at the end.
            0..=2 => {
                let word = words[chance.below(words.len())];
                input.splice(at..at, word.iter().copied());
            }
            3..=4 => input.extend_from_slice(words[chance.below(words.len())]),
            5 => input.insert(at, chance.next().to_le_bytes()[0]),
            6 => input.truncate(at),
            _ => {
                let end = at + chance.below(input.len() - at + 1);
                let part = input[at..end].to_vec();
                input.extend(part);
            }
        }
        input.truncate(MAX_LEN);
    }
    input
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(target)
}

/// Stored inputs.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

/// Stores a failed input, and prints it.
fn keep(target: &str, input: &[u8], pieces: &[usize]) {
    let name = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    let path = folder(target).join(format!("{name:016x}"));
    let kept = fs::create_dir_all(folder(target)).and_then(|()| fs::write(&path, input));
    let shown = input.escape_ascii();
    match kept {
        Ok(()) => eprintln!("{}, in pieces of {pieces:?}: {shown}", path.display()),
        Err(error) => eprintln!("{target}, in pieces of {pieces:?}: {shown} (not kept: {error})"),
    }
}

/// The pieces of an input.
fn cut<'a>(input: &'a [u8], pieces: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = input;
    let mut lengths = pieces.iter().cycle();
    std::iter::from_fn(move || {
        let len = rest.len().min(*lengths.next()?);
        let (piece, behind) = rest.split_at(len);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}
