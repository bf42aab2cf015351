use std::any::Any;
use std::collections::HashMap;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyWeakrefMethods, PyWeakrefReference};
use thalweg::ops::Step;
use thalweg::{Arrival, BoxError, Context, EmitResult, InletKey, Lease, OpenJoin, Operator};

use crate::awaiting::Awaiting;
use crate::blueprint::{Blueprint, BuildContext, Made, UpstreamRefs};
use crate::gil;
use crate::lock::lock;
use crate::node::Placement;
use crate::value::Value;
use crate::{interrupt, metadata};

/// A user-defined node: a subclass of `Stream` with an `update`, which is called with every element and calls `_emit`.
#[pyfunction]
#[pyo3(signature = (placement, *, is_sink=false))]
pub(super) fn custom(placement: Placement<'_>, is_sink: bool) -> PyResult<()> {
    let callers = UpstreamRefs::default();
    let known = callers.clone();
    let blueprint = Blueprint::new(move |context| {
        let node = gil::held(|py| context.node.clone_ref(py));
        let awaiting = Awaiting::new(context.node);
        let join = if is_sink {
            OpenJoin::new(
                Update::<true>::new(node, known, awaiting),
                &context.upstream,
            )
        } else {
            OpenJoin::new(
                Update::<false>::new(node, known, awaiting),
                &context.upstream,
            )
        };
        let out = join.stream().clone();
        Made {
            inlet: Box::new(join),
            between: None,
            out,
        }
    });
    let blueprint = blueprint.joining(callers);
    placement.apply(if is_sink { blueprint.sink() } else { blueprint })
}

/// A node that only calls an `update`.
pub(crate) fn front(context: &BuildContext, callers: &UpstreamRefs) -> OpenJoin<Value, Value> {
    let node = || gil::attach(|py| context.node.clone_ref(py));
    let update = Update::<false>::new(node(), callers.clone(), Awaiting::new(node()));
    OpenJoin::new(update, &context.upstream)
}

/// Calls a Python object's `update`.
struct Update<const SINK: bool> {
    /// Weak: the object keeps the node, not the other way round.
    node: Py<PyAny>,
    callers: UpstreamRefs,
    awaiting: Awaiting,
    /// Elements with unfinished calls.
    pending: HashMap<u64, (Arrival<Value>, Lease)>,
    begun: u64,
}

impl<const SINK: bool> Update<SINK> {
    fn new(node: Py<PyAny>, callers: UpstreamRefs, awaiting: Awaiting) -> Self {
        Self {
            node,
            callers,
            awaiting,
            pending: HashMap::new(),
            begun: 0,
        }
    }

    /// The upstream node of an inlet, unless the element was passed in directly.
    fn caller<'py>(&self, py: Python<'py>, inlet: InletKey) -> Option<Bound<'py, PyAny>> {
        let callers = lock(&self.callers);
        let (_, caller) = callers.iter().find(|(key, _)| *key == inlet)?;
        let caller = caller.clone_ref(py);
        drop(callers);
        caller.bind(py).upgrade()
    }
}

impl<const SINK: bool> Operator for Update<SINK> {
    type In = Arrival<Value>;
    type Out = Value;
    type Event = PyResult<()>;
    const KIND: &'static str = "custom";
    const SUSPENDS: bool = true;
    const SINK: bool = SINK;
    const CLOSES: bool = false;

    fn update(&mut self, x: Arrival<Value>, cx: &mut Context<'_, Self>) -> EmitResult {
        let Arrival::Element(inlet, element) = x else {
            return Ok(());
        };
        let acks = cx.acks();
        let step = gil::held(|py| {
            let Some(node) = self.node.bind(py).cast::<PyWeakrefReference>()?.upgrade() else {
                return Ok(Step::Done(()));
            };
            let arguments = PyDict::new(py);
            arguments.set_item(intern!(py, "who"), self.caller(py, inlet))?;
            arguments.set_item(intern!(py, "metadata"), metadata::from_acks(py, &acks)?)?;
            let update = node.getattr(intern!(py, "update"))?;
            let result = update
                .call((element.bind(py),), Some(&arguments))
                .inspect_err(|error| interrupt::note(py, error))?;
            self.awaiting.step_of_update(result)
        });
        match step {
            Ok(Step::Done(())) => Ok(()),
            Ok(Step::Pending(awaited)) => {
                self.begun += 1;
                let kept = (Arrival::Element(inlet, element), cx.hold());
                self.pending.insert(self.begun, kept);
                cx.spawn(self.begun, async move { awaited.await.map(drop) });
                Ok(())
            }
            Err(error) => cx.fail(Arrival::Element(inlet, element), error),
        }
    }

    fn event(
        &mut self,
        key: u64,
        event: Result<PyResult<()>, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        let Some((element, lease)) = self.pending.remove(&key) else {
            return Ok(());
        };
        let cause = match event {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => BoxError::from(error),
            Err(panic) => panic,
        };
        cx.under(lease, |cx| cx.fail(element, cause));
        Ok(())
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.pending
            .values()
            .for_each(|(element, _)| visit(element));
    }

    fn in_flight(&self) -> usize {
        self.pending.len()
    }
}
