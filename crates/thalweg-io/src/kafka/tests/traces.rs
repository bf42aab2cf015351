//! The trace of an element travels with its message and continues at the reader.

use std::any::Any;
use std::sync::{Arc, Mutex};

use thalweg::trace::{Span, TraceContext, TracedNode, Tracer};

use super::*;

/// A tracer whose spans share one context; records the contexts of incoming elements.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<TraceContext>>>);

fn context() -> TraceContext {
    let context = TraceContext::new(7, 8, true).expect("neither is zero");
    context.with_state("vendor=1")
}

impl Tracer for Kept {
    fn begin(&self, _: &TracedNode<'_>, parent: Option<&TraceContext>) -> Option<Arc<dyn Span>> {
        self.0
            .lock()
            .expect("nobody panics")
            .extend(parent.cloned());
        Some(Arc::new(Self::default()))
    }
}

impl Span for Kept {
    fn visit(&self, _: &TracedNode<'_>) -> Arc<dyn Span> {
        Arc::new(Self::default())
    }

    fn run(&self, _: &str) -> Arc<dyn Span> {
        Arc::new(Self::default())
    }

    fn enter(&self) -> Box<dyn Any> {
        Box::new(())
    }

    fn context(&self) -> Option<TraceContext> {
        Some(context())
    }

    fn fail(&self, _: &str) {}
}

#[test]
fn messages_carry_the_trace() -> Outcome {
    let broker = Broker::with_partitions(1);
    block_on(async {
        let source = Stream::new();
        source.to_kafka(broker.sink());
        source.emit(KafkaRecord::from("untraced")).await?;
        source.trace(Kept::default(), 1);
        source.emit(KafkaRecord::from("traced")).await?;
        let other = TraceContext::new(1, 2, true)?;
        let named = KafkaRecord::from("named").header("traceparent", other.to_string());
        source.emit(named).await?;

        let messages = Stream::from_kafka(broker.kafka().until_end());
        let list = messages.sink_to_list();
        let kept = Kept::default();
        messages.trace(kept.clone(), 0);
        messages.run(PATIENCE).await?;
        let traces: Vec<_> = list.to_vec().iter().map(KafkaMessage::trace).collect();
        assert_eq!(traces, [None, Some(context()), Some(other.clone())]);
        assert_eq!(*kept.0.lock().expect("nobody panics"), [context(), other]);
        Ok(())
    })
}
