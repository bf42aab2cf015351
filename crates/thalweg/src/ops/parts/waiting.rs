use crate::runtime::CallerContext;
use crate::{Context, Lease, Operator};

/// An element whose call has not started.
pub(in crate::ops) struct Waiting<T> {
    pub(in crate::ops) element: T,
    pub(in crate::ops) lease: Lease,
    pub(in crate::ops) ordinal: u64,
    pub(in crate::ops) caller: CallerContext,
}

impl<T> Waiting<T> {
    /// The current element, kept under `lease`.
    pub(in crate::ops) fn new<Op>(element: T, lease: Lease, cx: &Context<'_, Op>) -> Self
    where
        Op: Operator<In = T>,
    {
        Self {
            element,
            lease,
            ordinal: cx.ordinal(),
            caller: cx.caller_context(),
        }
    }
}
