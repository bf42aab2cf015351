//! Traced elements, from their emit to their last sink.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg::trace::{Span, TraceContext, TracedNode, Tracer, current, current_context};
use thalweg::{Ack, OnError, Retry, Stream, VirtualClock};

/// Record of a span.
#[derive(Clone, Debug, Default, PartialEq)]
struct Record {
    name: String,
    parent: Option<usize>,
    remote: Option<String>,
    failures: Vec<String>,
    has_ended: bool,
}

/// All spans, by number.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<Record>>>);

thread_local! {
    static ENTERED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

struct Line {
    book: Book,
    number: usize,
}

impl Book {
    fn begin(&self, name: &str, parent: Option<usize>, remote: Option<String>) -> Arc<dyn Span> {
        let mut all = self.0.lock().expect("no test panics with it");
        let number = all.len();
        let name = name.to_string();
        all.push(Record {
            name,
            parent,
            remote,
            ..Record::default()
        });
        let book = self.clone();
        Arc::new(Line { book, number })
    }

    fn records(&self) -> Vec<Record> {
        self.0.lock().expect("no test panics with it").clone()
    }

    /// Each span as `name < name of its parent`.
    fn lines(&self) -> Vec<String> {
        let all = self.records();
        let line = |record: &Record| match record.parent {
            Some(parent) => format!("{} < {}", record.name, all[parent].name),
            None => record.name.clone(),
        };
        all.iter().map(line).collect()
    }

    fn have_ended(&self) -> bool {
        self.records().iter().all(|record| record.has_ended)
    }
}

impl Tracer for Book {
    fn begin(&self, node: &TracedNode<'_>, parent: Option<&TraceContext>) -> Option<Arc<dyn Span>> {
        Some(self.begin(node.name, None, parent.map(ToString::to_string)))
    }
}

impl Span for Line {
    fn visit(&self, node: &TracedNode<'_>) -> Arc<dyn Span> {
        self.book.begin(node.name, Some(self.number), None)
    }

    fn run(&self, name: &str) -> Arc<dyn Span> {
        self.book
            .begin(&format!("run {name}"), Some(self.number), None)
    }

    fn enter(&self) -> Box<dyn Any> {
        ENTERED.with_borrow_mut(|all| all.push(self.number));
        Box::new(Entered(self.number))
    }

    fn context(&self) -> Option<TraceContext> {
        TraceContext::new(1, self.number as u64 + 1, true).ok()
    }

    fn fail(&self, error: &str) {
        let mut all = self.book.0.lock().expect("no test panics with it");
        all[self.number].failures.push(error.to_string());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut all = self.book.0.lock().expect("no test panics with it");
        all[self.number].has_ended = true;
    }
}

struct Entered(usize);

impl Drop for Entered {
    fn drop(&mut self) {
        let left = ENTERED.with_borrow_mut(Vec::pop);
        assert_eq!(left, Some(self.0), "what was entered last is left first");
    }
}

fn context(number: u64, is_sampled: bool) -> TraceContext {
    TraceContext::new(7, number, is_sampled).expect("neither is zero")
}

#[test]
fn spans_of_chained_nodes_are_nested() {
    let source = Stream::new().named("source");
    let doubled = source.map(|x: i32| 2 * x).named("doubled");
    doubled.sink(|_| ()).stream().clone().named("a");
    doubled
        .filter(|x| *x > 2)
        .named("large")
        .sink(|_| ())
        .stream()
        .clone()
        .named("b");
    let book = Book::default();
    source.trace(book.clone(), 1);
    source.emit(1).wait().expect("it is taken");
    let first = [
        "source",
        "doubled < source",
        "a < doubled",
        "large < doubled",
    ];
    assert_eq!(book.lines(), first);
    source.emit(2).wait().expect("it is taken");
    assert_eq!(book.lines()[4..], [&first[..], &["b < large"]].concat());
    assert!(book.have_ended());
    assert!(current().is_none());
}

#[test]
fn one_in_n_elements_is_traced_even_in_batches() {
    for one_in in [0, 1, 3, 10] {
        let source = Stream::new();
        let list = source.map(|x: u32| x + 1).sink_to_list();
        let book = Book::default();
        source.trace(book.clone(), one_in);
        source.emit_many(0..30).wait().expect("they are taken");
        for x in 30..60 {
            source.emit(x).wait().expect("it is taken");
        }
        let roots = book
            .records()
            .iter()
            .filter(|it| it.parent.is_none())
            .count();
        assert_eq!(
            roots as u32,
            60_u32.checked_div(one_in).unwrap_or(0),
            "{one_in}"
        );
        assert!(list.to_vec().into_iter().eq(1..61));
        assert!(book.have_ended());
        source.untrace();
        source.emit(1).wait().expect("it is taken");
        let roots_after = book
            .records()
            .iter()
            .filter(|it| it.parent.is_none())
            .count();
        assert_eq!(roots_after, roots);
    }
}

#[test]
fn an_element_continues_the_trace_it_arrived_with() {
    let source = Stream::new().named("source");
    source.sink(|_: i32| ());
    let book = Book::default();
    source.trace(book.clone(), 0);
    let emit = |x, ack| source.emit_with(x, ack).wait().expect("it is taken");
    emit(1, Ack::new(|_| ()));
    emit(2, Ack::new(|_| ()).in_trace(context(5, true)));
    emit(3, Ack::of_trace(context(6, false)));
    emit(4, Ack::of_trace(context(7, true)));
    let roots = book
        .records()
        .into_iter()
        .filter_map(|record| record.remote);
    let expected = [5, 7].map(|number| context(number, true).to_string());
    assert!(roots.eq(expected));
}

#[test]
fn a_waiting_element_is_traced_until_the_last_sink_is_done() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock).named("source");
    let later = source.shift("2s").named("later");
    later.sink(|_: i32| ()).stream().clone().named("sink");
    let book = Book::default();
    source.trace(book.clone(), 1);
    source.emit(1).wait().expect("it is taken");
    assert_eq!(book.lines(), ["source", "later < source"]);
    assert!(!book.records()[0].has_ended && book.records()[1].has_ended);
    clock.advance(Duration::from_secs(2));
    assert_eq!(book.lines()[2..], ["sink < source"]);
    assert!(book.have_ended());
}

#[test]
fn a_window_continues_the_trace_of_its_newest_element() {
    let source = Stream::new().named("source");
    source
        .partition(2)
        .named("pairs")
        .sink(|_: Vec<i32>| ())
        .stream()
        .clone()
        .named("sink");
    let book = Book::default();
    source.trace(book.clone(), 1);
    source.emit(1).wait().expect("it is taken");
    source.emit(2).wait().expect("it is taken");
    let all = book.records();
    let sink = all
        .iter()
        .find(|record| record.name == "sink")
        .expect("it was called");
    let root = all.iter().rposition(|record| record.parent.is_none());
    // Within the visit of the window completed by the second element.
    let pairs = sink.parent.expect("it is in a trace");
    assert_eq!(
        (all[pairs].name.as_str(), all[pairs].parent),
        ("pairs", root)
    );
    assert!(book.have_ended());
}

#[test]
fn async_functions_are_polled_within_the_span_of_their_element() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock).named("source");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, time) = (seen.clone(), clock.clone());
    let slow = source.map_async(1, move |x: i32| {
        let (log, time) = (log.clone(), time.clone());
        log.lock()
            .expect("nobody panics")
            .push((x, "called", current_context()));
        async move {
            thalweg::RuntimeHandle::from(&time)
                .sleep(Duration::from_secs(1))
                .await;
            log.lock()
                .expect("nobody panics")
                .push((x, "polled", current_context()));
            x
        }
    });
    slow.named("slow").sink(drop);
    let book = Book::default();
    source.trace(book.clone(), 1);
    let first = source.emit(1);
    let second = source.emit(2);
    clock.advance(Duration::from_secs(5));
    first.wait().expect("it is taken");
    second.wait().expect("it is taken");
    let all = book.records();
    for (x, at, context) in seen.lock().expect("nobody panics").iter() {
        let context = context
            .as_ref()
            .unwrap_or_else(|| panic!("{x} {at}: it is traced"));
        let span = &all[context.span_id() as usize - 1];
        assert_eq!(span.name, "slow", "{x} {at}");
    }
    assert_eq!(seen.lock().expect("nobody panics").len(), 4);
    assert!(book.have_ended());
}

#[test]
fn failures_are_recorded_in_the_span_where_they_happen() {
    let source = Stream::new().named("source");
    let checked = source.try_map(|x: &i32| if *x > 0 { Ok(*x) } else { Err("not positive") });
    let checked = checked.named("checked").on_error(OnError::Skip);
    checked
        .sink(|x| assert!(x != 3, "three"))
        .stream()
        .clone()
        .named("sink");
    let book = Book::default();
    source.trace(book.clone(), 1);
    source.emit(0).wait().expect("it is skipped");
    source.emit(3).wait().expect_err("three");
    let failed: Vec<_> = book
        .records()
        .into_iter()
        .filter(|it| !it.failures.is_empty())
        .collect();
    assert_eq!(failed[0].name, "checked");
    assert_eq!(failed[0].failures, ["not positive"]);
    assert!(failed[1].failures[0].contains("three"), "{failed:?}");
    assert!(book.have_ended());
}

#[test]
fn an_emit_into_another_pipeline_continues_the_trace() {
    let inner = Stream::new().named("inner");
    inner.sink(|_: i32| ()).stream().clone().named("sink");
    let outer = Stream::new().named("outer");
    let to = inner.clone();
    outer
        .sink(move |x: i32| drop(to.emit(x)))
        .stream()
        .clone()
        .named("bridge");
    let book = Book::default();
    outer.trace(book.clone(), 1);
    inner.trace(book.clone(), 0);
    outer.emit(1).wait().expect("it is taken");
    let all = book.records();
    let bridge = all
        .iter()
        .position(|it| it.name == "bridge")
        .expect("it was called");
    let begun = all
        .iter()
        .find(|it| it.name == "inner")
        .expect("it was emitted");
    let parent = TraceContext::new(1, bridge as u64 + 1, true).expect("neither is zero");
    assert_eq!(begun.remote.as_deref(), Some(parent.to_string().as_str()));
    assert!(book.have_ended());
}

#[test]
fn joined_pipelines_are_traced_as_one() {
    let one = Stream::new().named("one");
    let other = Stream::new().named("other");
    let book = Book::default();
    one.trace(book.clone(), 1);
    one.union(&other)
        .named("both")
        .sink(|_: i32| ())
        .stream()
        .clone()
        .named("sink");
    other.emit(1).wait().expect("it is taken");
    assert_eq!(book.lines(), ["other", "both < other", "sink < both"]);
    one.emit(1).wait().expect("it is taken");
    assert_eq!(book.lines()[3..], ["one", "both < one", "sink < both"]);
}

#[test]
fn a_panicking_tracer_changes_nothing() {
    struct Rude;

    impl Tracer for Rude {
        fn begin(&self, _: &TracedNode<'_>, _: Option<&TraceContext>) -> Option<Arc<dyn Span>> {
            Some(Arc::new(Rude))
        }
    }

    impl Span for Rude {
        fn visit(&self, _: &TracedNode<'_>) -> Arc<dyn Span> {
            Arc::new(Rude)
        }

        fn run(&self, _: &str) -> Arc<dyn Span> {
            panic!("no run")
        }

        fn enter(&self) -> Box<dyn Any> {
            panic!("no entrance")
        }

        fn context(&self) -> Option<TraceContext> {
            panic!("no context")
        }

        fn fail(&self, _: &str) {
            panic!("no failure")
        }
    }

    let source = Stream::new();
    let list = source
        .try_map(|x: &i32| {
            assert!(current_context().is_none());
            if *x > 0 { Ok(*x) } else { Err("not positive") }
        })
        .on_error(Retry::times(2))
        .sink_to_list();
    source.trace(Rude, 1);
    source.emit(1).wait().expect("it is taken");
    source.emit(-1).wait().expect_err("it is not positive");
    source.emit(2).wait().expect("it is taken");
    assert_eq!(list.to_vec(), [1, 2]);
}
