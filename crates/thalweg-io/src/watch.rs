//! Looking at something again and again, which may fail for a while.

use std::error::Error;

use thalweg::{Element, Emitter, Stop};

/// How the last look went.
#[derive(Clone, Copy, Default)]
pub(crate) enum Watch {
    /// There was none.
    #[default]
    New,
    Well,
    Failing,
}

impl Watch {
    /// A look went well.
    pub(crate) fn well(&mut self) {
        *self = Self::Well;
    }

    /// A look failed: the first one ends the source; later ones are reported, a run of them once, and
    /// it is looked again.
    pub(crate) fn failed<T, E>(&mut self, error: E, out: &Emitter<T>) -> Result<(), Stop>
    where
        T: Element,
        E: Error + Send + Sync + 'static,
    {
        match std::mem::replace(self, Self::Failing) {
            Self::New => return Err(error.into()),
            Self::Well => out.report(error),
            Self::Failing => {}
        }
        Ok(())
    }
}
