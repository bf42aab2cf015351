use proptest::prelude::*;

use super::super::test_inputs::{
    Bench, Nan, build_error, in_time, ms, outputs_and_rest, schedules,
};
use super::*;

/// The plain model: groups in a list, the one opened first in front. `timeout` is in milliseconds.
fn partition(
    schedule: &[(u64, usize)],
    size: usize,
    keys: usize,
    timeout: u64,
) -> Vec<(u64, Vec<usize>)> {
    let mut open: Vec<(u64, Vec<usize>)> = Vec::new();
    let mut out = Vec::new();
    for (at, x) in schedule {
        while open
            .first()
            .is_some_and(|(opened, _)| opened + timeout <= *at)
        {
            let (opened, group) = open.remove(0);
            out.push((opened + timeout, group));
        }
        match open
            .iter()
            .position(|(_, group)| group[0] % keys == x % keys)
        {
            Some(place) => open[place].1.push(*x),
            None => open.push((*at, vec![*x])),
        }
        if let Some(place) = open.iter().position(|(_, group)| group.len() == size) {
            out.push((*at, open.remove(place).1));
        }
    }
    out.extend(
        open.into_iter()
            .map(|(opened, group)| (opened.saturating_add(timeout), group)),
    );
    out
}

proptest! {
    #[test]
    fn groups_by_number(n in 0_usize..40, size in 1_usize..6) {
        let (groups, rest) = outputs_and_rest(0..n, |s| s.partition(size));
        let xs = Vec::from_iter(0..n);
        let whole = xs.chunks_exact(size);
        let remainder = whole.remainder().to_vec();
        prop_assert!(groups.iter().eq(whole));
        prop_assert!(rest.into_iter().eq(Some(remainder).filter(|rest| !rest.is_empty())));
    }

    #[test]
    fn groups_by_key(n in 0_usize..40, size in 1_usize..6, keys in 1_usize..5) {
        let schedule = Vec::from_iter((0..n).map(|x| (0, x)));
        let (mut groups, rest) = outputs_and_rest(0..n, |s| s.partition_by(size, move |x| x % keys));
        groups.extend(rest);
        let expected = partition(&schedule, size, keys, u64::MAX);
        prop_assert!(groups.into_iter().eq(expected.into_iter().map(|(_, group)| group)));
    }

    #[test]
    fn groups_with_a_timeout(schedule in schedules(), size in 1_usize..6, keys in 1_usize..5) {
        let options = PartitionOptions::of(size).timeout("1s").key(move |x: &usize| x % keys);
        let groups = in_time(&schedule, |s| s.apply(options));
        prop_assert_eq!(groups, partition(&schedule, size, keys, 1000));
    }
}

#[test]
fn only_the_emitter_of_the_last_element_waits_for_its_group() {
    let bench = Bench::with_slow_sink(ms(100), |s| s.partition(2));
    assert!(bench.emit(1).is_ready());
    let second = bench.emit(2);
    assert!(bench.emit(3).is_ready());
    bench.advance_to(99);
    assert!(!second.is_ready() && bench.acked().is_empty());
    bench.advance_to(100);
    assert!(second.is_ready());
    assert_eq!(bench.acked(), [1, 2]);
    assert_eq!(bench.take(), [(100, vec![1, 2])]);
}

#[test]
fn emitters_wait_while_a_timed_out_group_is_delivered() {
    let bench = Bench::with_slow_sink(ms(500), |s| s.apply(PartitionOptions::of(3).timeout("1s")));
    assert!(bench.emit(1).is_ready());
    bench.advance_to(1200);
    // The first group is in the sink; elements arriving now wait with it, whether they complete a group
    // or not.
    let emitted: Vec<_> = (2..6).map(|x| bench.emit(x)).collect();
    assert!(emitted.iter().all(|emitted| !emitted.is_ready()));
    bench.advance_to(1500);
    let ready: Vec<_> = emitted.iter().map(|emitted| emitted.is_ready()).collect();
    assert_eq!(ready, [true, true, false, true]);
    // The second is in the sink with its emitter waiting; the third times out behind it.
    bench.advance_to(2000);
    assert!(emitted[2].is_ready());
    bench.advance_to(2200);
    let sixth = bench.emit(6);
    assert!(!sixth.is_ready());
    bench.advance_to(2700);
    assert!(sixth.is_ready());
    bench.advance_to(3700);
    let groups = [
        (1500, vec![1]),
        (2000, vec![2, 3, 4]),
        (2700, vec![5]),
        (3700, vec![6]),
    ];
    assert_eq!(bench.take(), groups);
    assert_eq!(bench.acked(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn at_most_one_timed_out_group_is_in_flight() {
    let options = PartitionOptions::of(2).timeout("1s").key(|x: &i32| *x);
    let bench = Bench::with_slow_sink(ms(300), |s| s.apply(options));
    for x in 0..4 {
        assert!(bench.emit(x).is_ready());
    }
    bench.advance_to(10_000);
    let expected: Vec<_> = (0..4).map(|x| (1300 + 300 * x as u64, vec![x])).collect();
    assert_eq!(bench.take(), expected);
}

#[test]
fn a_drain_does_not_wait_for_the_timeout_and_sends_groups_one_by_one() {
    let options = PartitionOptions::of(2).timeout("1h").key(|x: &i32| *x);
    let bench = Bench::with_slow_sink(ms(100), |s| s.apply(options));
    for x in 0..3 {
        assert!(bench.emit(x).is_ready());
    }
    let expected: Vec<_> = (0..3).map(|x| (100 + 100 * x as u64, vec![x])).collect();
    assert_eq!(bench.drain(), expected);
    assert_eq!(bench.acked(), [0, 1, 2]);
}

#[test]
fn without_a_timeout_no_event_loop_is_needed() {
    let source = Stream::new();
    source.partition(2).sink(drop);
    source.partition_by(2, |x| x % 2).sink(drop);
    source.emit(1).wait().expect("it is kept");
    assert!(source.graph().runtime().is_none());
}

#[test]
fn a_failing_key_does_not_change_the_groups() {
    let source = Stream::new();
    let key = |x: &i32| if *x == 2 { Err("two") } else { Ok(()) };
    let list = source
        .apply(PartitionOptions::of(2).try_key(key))
        .sink_to_list();
    assert_eq!(
        source
            .emit_many([1, 2, 3])
            .wait()
            .expect_err("two")
            .failures()
            .len(),
        1
    );
    assert_eq!(list.to_vec(), [[1, 3]]);
}

#[test]
fn an_incomparable_key_leaves_nothing_behind() {
    #[derive(Clone, Debug)]
    struct Incomparable(i32);
    impl PartialEq for Incomparable {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0 || crate::throw(|| "no two of them".into())
        }
    }
    impl Eq for Incomparable {}
    impl Hash for Incomparable {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }

    let source = Stream::new();
    let groups = source.partition_by(2, |x| Incomparable(*x));
    let list = groups.sink_to_list();
    assert!(source.emit(1).wait().is_ok());
    assert!(source.emit(2).wait().is_err());
    assert_eq!(groups.counters().held, 1);
    source.drain("1s").wait().expect("nothing is left");
    assert_eq!(list.to_vec(), [[1]]);
}

#[test]
fn keys_that_differ_from_themselves_time_out() {
    let options = PartitionOptions::of(2).timeout("1s").key(|_: &i32| Nan);
    let bench = Bench::with_slow_sink(ms(0), |s| s.apply(options));
    assert!(bench.emit(1).is_ready() && bench.emit(2).is_ready());
    bench.advance_to(1000);
    assert_eq!(bench.take(), [(1000, vec![1]), (1000, vec![2])]);
    assert!(bench.emit(3).is_ready());
    assert_eq!(bench.drain(), [(1000, vec![3])]);
}

#[test]
fn keys_whose_hash_changes_are_drained() {
    thread_local!(static SALT: std::cell::Cell<u8> = const { std::cell::Cell::new(0) });
    #[derive(PartialEq, Eq)]
    struct Unsteady(i32);
    impl Hash for Unsteady {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            (self.0, SALT.get()).hash(state);
        }
    }

    let source = Stream::new();
    let list = source.partition_by(2, |x| Unsteady(*x)).sink_to_list();
    source.emit_many(0..3).wait().expect("no failure");
    SALT.set(1);
    source.drain("1s").wait().expect("nothing is left");
    assert_eq!(list.to_vec(), [[0], [1], [2]]);
}

#[test]
fn wrong_arguments_are_named() {
    let nothing = build_error(|s| s.partition(0));
    assert!(
        nothing.ends_with("`partition`: the size of a group is at least one, not 0"),
        "{nothing}"
    );
    let no_time = build_error(|s| s.apply(PartitionOptions::of(2).timeout(-1)));
    assert!(
        no_time.contains("`partition`: invalid interval -1: it is negative"),
        "{no_time}"
    );
}

#[test]
fn a_partition_is_named_after_its_size() {
    assert_eq!(Stream::<i32>::new().partition(3).name(), "partition(3)#2");
}
