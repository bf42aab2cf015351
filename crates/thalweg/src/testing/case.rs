//! An operator under test, and the properties of every operator.

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
/// [`check`](Self::check) sends it the elements 1 to 10, 300 ms apart on a virtual clock, repeatedly: with each kind of
/// sink; with a pipeline that is drained and with one that is dropped; with its own function, and one downstream,
/// failing on element 3, by an error and by a panic, under each policy.
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
    /// Creates a case for the operator that `build` attaches to a source; see [`Trial`] for its end.
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

    /// The operator's function can panic, and calls [`Trouble::pass`](super::Trouble::pass).
    #[must_use]
    pub fn panics(self) -> Self {
        Self {
            function: Function::Panics,
            ..self
        }
    }

    /// The operator's function can return an error, and calls [`Trouble::check`](super::Trouble::check).
    #[must_use]
    pub fn fails(self) -> Self {
        Self {
            function: Function::Fails,
            ..self
        }
    }

    /// Emitters do not wait for the function.
    #[must_use]
    pub fn detached(self) -> Self {
        Self {
            is_detached: true,
            ..self
        }
    }

    /// The elements among 1 to 10 that the operator holds until others arrive, or until the drain.
    #[must_use]
    pub fn keeps(self, elements: impl Into<Vec<i32>>) -> Self {
        let mut keeps = elements.into();
        keeps.sort_unstable();
        Self { keeps, ..self }
    }

    /// Outputs that are not emitted if an earlier output of the same element fails downstream.
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

    /// Checks all properties of an operator.
    ///
    /// # Panics
    /// A property does not hold; the message says what was expected and what happened.
    pub fn check(&self) {
        self.check_acks();
        self.check_drop();
        self.check_policies();
        self.check_policies_behind();
    }

    /// Checks, with each kind of sink, that each token fires once, after everything derived from its element has
    /// reached a sink; and that the operator holds the expected elements until the drain.
    ///
    /// # Panics
    /// That does not hold.
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

    /// Checks that the tokens of held elements fire as failed when the pipeline is dropped.
    ///
    /// # Panics
    /// They do not.
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
    /// That does not hold.
    pub fn check_policies(&self) {
        policies::check_function(self);
    }

    /// Checks that a failure downstream of the operator is handled by each policy, and leaves other elements alone.
    ///
    /// # Panics
    /// That does not hold.
    pub fn check_policies_behind(&self) {
        policies::check_downstream(self);
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
