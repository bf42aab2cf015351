//! Wrong arguments, and pipelines that change while they run.

use thalweg::{Acks, Outcome, Stream, VirtualClock};

use crate::outcomes;

#[test]
fn a_wrong_argument_is_named_and_nothing_runs() {
    type Build = Box<dyn Fn(&Stream<i32>)>;
    let cases: Vec<(&str, Build)> = vec![
        ("buffer", Box::new(|s| s.buffer(0).sink(drop).destroy())),
        (
            "rate_limit",
            Box::new(|s| drop(s.rate_limit(-1).sink(drop))),
        ),
        (
            "timed_window",
            Box::new(|s| drop(s.timed_window(-1.0).sink(drop))),
        ),
        ("delay", Box::new(|s| drop(s.delay(-0.5).sink(drop)))),
        ("partition", Box::new(|s| drop(s.partition(0).sink(drop)))),
        ("pull", Box::new(|s| drop(s.pull(0)))),
    ];
    for (operator, build) in cases {
        let source = Stream::new();
        build(&source);
        let list = source.sink_to_list();
        let error = source.check().unwrap_err();
        assert!(error.to_string().contains(operator), "{operator}: {error}");
        let (log, ack) = outcomes();
        let error = source.emit_with(1, ack()).wait().unwrap_err();
        assert!(error.to_string().contains(operator), "{operator}: {error}");
        assert_eq!(*log.lock().unwrap(), [Outcome::Failed], "{operator}");
        assert!(source.start().is_err());
        assert!(source.drain("1s").wait().is_err());
        assert!(list.is_empty());
    }
}

#[test]
fn pipelines_on_different_loops_cannot_be_connected() {
    let (one, two) = (VirtualClock::new(), VirtualClock::new());
    let (left, right) = (Stream::<i32>::on(&one), Stream::<i32>::on(&two));
    let list = right.sink_to_list();
    assert!(left.connect(&right).unwrap_err().is_different_runtimes());
    right.emit(1).wait().unwrap();
    left.emit(2).wait().unwrap();
    assert_eq!(list.to_vec(), [1]);
}

#[test]
fn a_completion_may_be_polled_after_it_is_ready() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    source.rate_limit("1s").sink(drop::<i32>);
    clock.block_on(async {
        source.emit(1).await.unwrap();
        let mut emit = source.emit(2);
        (&mut emit).await.unwrap();
        (&mut emit).await.unwrap();
        let mut many = source.emit_many([3, 4]);
        (&mut many).await.unwrap();
        (&mut many).await.unwrap();
    });
}

#[test]
fn an_operator_that_makes_no_progress_stalls_nothing() {
    struct Lazy;
    impl thalweg::Transform for Lazy {
        type In = i32;
        type Out = i32;
        const KIND: &'static str = "lazy";

        fn apply(&mut self, x: i32) -> Result<Option<i32>, thalweg::OperatorError<i32>> {
            Ok(Some(x))
        }

        fn apply_many(
            &mut self,
            _: &mut std::vec::Drain<'_, i32>,
            _: &mut Vec<i32>,
        ) -> Result<(), thalweg::OperatorError<i32>> {
            Ok(())
        }
    }
    let source = Stream::new();
    let list = source.transform(Lazy).sink_to_list();
    source.emit_many(0..3).wait().unwrap();
    assert_eq!(list.to_vec(), [0, 1, 2]);
}

#[test]
fn tokens_survive_every_kind_of_join() {
    let (left, right) = (Stream::new(), Stream::new());
    let zipped = left.zip(&right).map(|(x, y): (i32, i32)| x + y);
    let latest = left.combine_latest(&right).map(|(x, y)| x * y);
    let sums = zipped.union(&latest).partition(2).sink_to_list();
    let (log, ack) = outcomes();
    left.emit_with_acks(1, Acks::from(ack())).wait().unwrap();
    right.emit_with(2, ack()).wait().unwrap();
    assert_eq!(sums.to_vec(), [vec![3, 2]]);
    // Both are still the latest element of their side.
    assert!(log.lock().unwrap().is_empty());
    left.emit(3).wait().unwrap();
    assert_eq!(*log.lock().unwrap(), [Outcome::Delivered]);
    drop((left, right, zipped, latest));
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[test]
fn a_pipeline_may_be_rewired_by_its_own_functions() {
    let source = Stream::<i32>::new();
    let other = Stream::<i32>::new();
    let list = other.sink_to_list();
    let (here, there) = (source.clone(), other.clone());
    let mut branch = None;
    let sink = source.sink(move |x| match x {
        1 => here.connect(&there).unwrap(),
        2 => here.disconnect(&there).unwrap(),
        3 => branch = Some(here.map(|x| x * 10).union(&there)),
        4 => drop(branch.take()),
        5 => {
            here.sink(drop).destroy();
            assert!(here.counters().sent > 0);
            assert!(here.check().is_ok());
            assert!(here.drain("1s").wait().unwrap_err().is_would_block());
        }
        _ => {}
    });
    for x in 1..=6 {
        source.emit(x).wait().unwrap();
        if x == 1 {
            source.emit(10).wait().unwrap();
        }
    }
    assert_eq!(list.to_vec(), [10, 2]);
    assert_eq!(source.graph_view().nodes.len(), 4);
    sink.destroy();
}
