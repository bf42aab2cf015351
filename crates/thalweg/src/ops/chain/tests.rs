use proptest::prelude::*;

use super::super::test_inputs::{build_error, outputs};
use crate::{OnError, Retry, Stream};

fn triple(x: i64) -> i64 {
    x.wrapping_mul(3)
}

fn parse(text: &str) -> Result<i32, std::num::ParseIntError> {
    text.parse()
}

proptest! {
    #[test]
    fn a_chain_behaves_like_its_nodes(xs in prop::collection::vec(-50_i64..50, 0..60)) {
        let chained = outputs(xs.clone(), |s| {
            s.chain(|x| {
                x.map(triple)
                    .filter(|x| x % 2 == 0)
                    .inspect(|x| assert!(x % 2 == 0))
                    .accumulate(|a, b| a.wrapping_add(b))
                    .filter_map(|x| (x > 0).then_some(x / 2))
                    .scan(1_i64, |a, b| a.wrapping_mul(31).wrapping_add(b))
                    .stateful_map(0_i64, |count, x| {
                        *count += 1;
                        (*count, x)
                    })
            })
        });
        let nodes = outputs(xs, |s| {
            s.map(triple)
                .filter(|x| x % 2 == 0)
                .accumulate(|a, b| a.wrapping_add(*b))
                .filter_map(|x| (x > 0).then_some(x / 2))
                .scan(1_i64, |a, b| a.wrapping_mul(31).wrapping_add(*b))
                .stateful_map(0_i64, |count, x| (count + 1, (count + 1, *x)))
        });
        prop_assert_eq!(chained, nodes);
    }
}

#[test]
fn failures_name_the_part_and_follow_the_nodes_policy() {
    let source = Stream::new();
    let (list, failures) = (
        source.chain(|x| x.try_map(parse).map(|x| x + 1)),
        Stream::new(),
    );
    let told = failures
        .map(|failure: crate::Failure| failure.to_string())
        .sink_to_list();
    let list = list
        .named("numbers")
        .on_error(OnError::Route(failures))
        .sink_to_list();
    source
        .emit_many(["1", "two", "3"])
        .wait()
        .expect("failures are sent elsewhere");
    assert_eq!(list.to_vec(), [2, 4]);
    assert_eq!(
        told.to_vec(),
        ["`numbers` failed on element 2: in `try_map parse`: invalid digit found in string"]
    );
}

#[test]
fn a_part_may_skip_failed_elements_and_count_them() {
    let source = Stream::new();
    let chain = source.chain(|x| {
        x.try_map(parse)
            .on_error(OnError::Skip)
            .try_map(|x| if x > 2 { Err("too large") } else { Ok(x) })
            .named("small")
    });
    let list = chain.sink_to_list();
    let error = source
        .emit_many(["1", "two", "3", "2"])
        .wait()
        .expect_err("one is too large");
    assert!(
        error.to_string().contains("in `small`: too large"),
        "{error}"
    );
    assert_eq!(list.to_vec(), [1, 2]);
    let counters = chain.counters();
    assert_eq!(
        (counters.received, counters.sent, counters.failed),
        (4, 2, 2)
    );
}

#[test]
fn a_chain_is_one_node_that_names_its_parts() {
    let source = Stream::new();
    source
        .chain(|x| x.map(triple).filter(|x| *x > 0).named("positive"))
        .sink(drop);
    let view = source.graph_view();
    assert_eq!(view.nodes.len(), 3);
    assert!(
        view.nodes[1]
            .name
            .starts_with("chain(map triple, positive)")
    );
    assert!(outputs([1, 2], |s| s.chain(|x| x)) == [1, 2]);
}

#[test]
fn a_part_that_would_have_to_wait_is_a_build_error() {
    let message = build_error(|s| {
        s.chain(|x| {
            x.try_map(|x: i32| Ok::<_, String>(x))
                .on_error(OnError::Retry(Retry::times(2)))
        })
    });
    assert!(
        message.contains("`try_map` is a part of a chain"),
        "{message}"
    );
}

#[test]
fn a_consumed_element_is_not_retried() {
    let source = Stream::new();
    let chain = source.chain(|x| {
        x.map(|x: i32| x + 1)
            .try_map(|x| if x == 2 { Err("two") } else { Ok(x) })
    });
    let list = chain
        .on_error(OnError::Retry(Retry::times(5).then(OnError::Skip)))
        .sink_to_list();
    source.emit_many([1, 2]).wait().expect("it is skipped");
    assert_eq!(list.to_vec(), [3]);
}
