//! Functions that fail on demand.

use std::panic;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};

use super::TROUBLED;

/// The message of every intentional failure.
const REASON: &str = "it is three";

/// How a function fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Error,
    Panic,
}

/// Makes the function of an operator under test fail on element 3, the first few times.
///
/// ```
/// use thalweg::testing::Case;
///
/// Case::new("double", |source, trial| {
///     let trouble = trial.trouble.clone();
///     trial.singles(source.try_map(move |x| trouble.check(*x)));
/// })
/// .fails()
/// .check();
/// ```
#[derive(Clone, Debug)]
pub struct Trouble {
    manner: Manner,
    left: Arc<AtomicU32>,
}

impl Trouble {
    pub(super) fn none() -> Self {
        Self::new(Manner::Error, 0)
    }

    pub(super) fn new(manner: Manner, times: u32) -> Self {
        silence_expected_panics();
        Self {
            manner,
            left: Arc::new(AtomicU32::new(times)),
        }
    }

    /// Returns `x`: call it in the operator's function, with each element.
    ///
    /// # Errors
    /// `x` is the failing element.
    ///
    /// # Panics
    /// `x` is the failing element, and the trial is about panics.
    pub fn check(&self, x: i32) -> Result<i32, &'static str> {
        let takes_one = |left: u32| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if x != TROUBLED || self.left.fetch_update(order, order, takes_one).is_err() {
            return Ok(x);
        }
        match self.manner {
            Manner::Error => Err(REASON),
            Manner::Panic => panic::panic_any(REASON),
        }
    }

    /// Returns `x`, for functions that return no `Result`.
    ///
    /// # Panics
    /// `x` is the failing element.
    pub fn pass(&self, x: i32) -> i32 {
        self.check(x).unwrap_or_else(|text| panic::panic_any(text))
    }
}

/// Intentional panics are not printed.
fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref() != Some(&REASON) {
                default(info);
            }
        }));
    });
}
