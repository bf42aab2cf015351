//! An operator under test, and what has to hold for every operator.

use std::fmt;
use std::sync::Arc;

use super::trial::TrialSink;
use super::trouble::Manner;
use super::{Trial, policies};
use crate::Stream;

/// Whether an operator calls a function that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    None,
    Panics,
    Fails,
}

type Build = dyn Fn(&Stream<i32>, &Trial) + Send + Sync;

/// An operator under test.
///
/// [`check`](Self::check) sends it the elements 1 to 10, 300 ms apart on a virtual clock, again and again: with each
/// kind of sink; with a pipeline that is drained and with one that is dropped; with its own function, and one behind
/// it, failing on element 3, by an error and by a panic, under each policy.
///
/// ```
/// use thalweg::testing::Case;
///
/// Case::new("partition", |source, trial| trial.groups(source.partition(4)))
///     .keeps([9, 10])
///     .check();
/// ```
#[derive(Clone)]
pub struct Case {
    name: String,
    function: Function,
    is_detached: bool,
    keeps: Vec<i32>,
    pub(super) not_sent: Vec<i32>,
    build: Arc<Build>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Case {
    /// A case for the operator that `build` attaches to a source; see [`Trial`] for how it ends.
    ///
    /// `build` is called once for each run, and must build the same each time.
    pub fn new(
        name: impl Into<String>,
        build: impl Fn(&Stream<i32>, &Trial) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            function: Function::None,
            is_detached: false,
            keeps: Vec::new(),
            not_sent: Vec::new(),
            build: Arc::new(build),
        }
    }

    /// Says that the operator's function can panic, and calls [`Trouble::pass`](super::Trouble::pass).
    #[must_use]
    pub fn panics(self) -> Self {
        Self {
            function: Function::Panics,
            ..self
        }
    }

    /// Says that the operator's function can return an error, and calls [`Trouble::check`](super::Trouble::check).
    #[must_use]
    pub fn fails(self) -> Self {
        Self {
            function: Function::Fails,
            ..self
        }
    }

    /// Says that an emitter goes on before the function is called with its element.
    #[must_use]
    pub fn detached(self) -> Self {
        Self {
            is_detached: true,
            ..self
        }
    }

    /// The elements of 1 to 10 that the operator holds until others come, or the drain.
    #[must_use]
    pub fn keeps(self, elements: impl Into<Vec<i32>>) -> Self {
        let mut keeps = elements.into();
        keeps.sort_unstable();
        Self { keeps, ..self }
    }

    /// Outputs that are not sent when an output before them, made of the same element, fails on its way.
    #[must_use]
    pub fn not_sent(self, outputs: impl Into<Vec<i32>>) -> Self {
        Self {
            not_sent: outputs.into(),
            ..self
        }
    }

    /// The operator's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks all that has to hold for every operator.
    ///
    /// # Panics
    /// When something does not hold: with what was expected and what has happened.
    pub fn check(&self) {
        self.check_acks();
        self.check_drop();
        self.check_policies();
        self.check_policies_behind();
    }

    /// Checks that each token fires once, and not before everything made of its element was sunk, with each kind of
    /// sink; and that the operator holds what the case says, until the drain.
    ///
    /// # Panics
    /// When that does not hold.
    pub fn check_acks(&self) {
        for end in TrialSink::ALL {
            let trial = Trial {
                end,
                ..Trial::new()
            };
            let report = trial.run(None, &*self.build);
            if let Err(error) = &report.drained {
                panic!("{} into {end:?}: {error}", self.name);
            }
            report.check_acks(&[], end);
            let kept = report.unacked_before_drain();
            assert_eq!(kept, self.keeps, "{} keeps until the drain", self.name);
        }
    }

    /// Checks that the tokens of what the operator holds fire as failed when its pipeline is dropped.
    ///
    /// # Panics
    /// When they do not.
    pub fn check_drop(&self) {
        let trial = Trial {
            drains: false,
            ..Trial::new()
        };
        let report = trial.run(None, &*self.build);
        report.check_acks(&self.keeps, trial.end);
    }

    /// Checks that a failure of the operator's function is handled by each policy, and leaves other elements alone.
    ///
    /// # Panics
    /// When that does not hold.
    pub fn check_policies(&self) {
        policies::check_function(self);
    }

    /// Checks that a failure behind the operator is handled by each policy, and leaves other elements alone.
    ///
    /// # Panics
    /// When that does not hold.
    pub fn check_policies_behind(&self) {
        policies::check_behind(self);
    }

    pub(super) fn manners(&self) -> &'static [Manner] {
        match self.function {
            Function::None => &[],
            Function::Panics => &[Manner::Panic],
            Function::Fails => &[Manner::Error, Manner::Panic],
        }
    }

    pub(super) fn is_detached(&self) -> bool {
        self.is_detached
    }

    pub(super) fn run(&self, trial: &Trial, without: Option<i32>) -> super::Report {
        trial.run(without, &*self.build)
    }
}
