//! An interval that is made shorter holds for the elements that come afterwards: they do not wait for a timer that was
//! set by the one before. Those already there wait no longer than they had to.

#![allow(missing_docs)]

use std::time::Duration;

use thalweg::ops::{
    Debounce, List, PartitionOptions, Sample, TimedWindowOptions, TimedWindowUniqueOptions,
};
use thalweg::{Element, Error, IntoOperator, Operator, Reconfigure, Stream, VirtualClock};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// What an operator has sent within a second of element 2, if its interval has been changed from an hour to a second
/// between 1 and 2; and what within an hour, if nothing comes after the change.
fn outputs<I, U>(operator: impl Fn(Duration) -> I) -> Result<[Vec<U>; 2], Error>
where
    I: IntoOperator,
    I::Operator: Operator<In = i32, Out = U> + Reconfigure,
    U: Element,
{
    let changed = || -> Result<(VirtualClock, Stream<i32>, List<U>), Error> {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let node = source.apply(operator(HOUR));
        let list = node.sink_to_list();
        source.emit(1).wait()?;
        clock.advance(SECOND);
        node.reconfigure(operator(SECOND).into_operator()?)?;
        Ok((clock, source, list))
    };
    let (clock, source, more) = changed()?;
    source.emit(2).wait()?;
    clock.advance(SECOND);
    let (clock, _source, nothing) = changed()?;
    clock.advance(HOUR - SECOND);
    Ok([more.to_vec(), nothing.to_vec()])
}

#[test]
fn debounce() -> Result<(), Error> {
    assert_eq!(outputs(Debounce::new)?, [[2], [1]]);
    Ok(())
}

#[test]
fn sample() -> Result<(), Error> {
    assert_eq!(outputs(Sample::new)?, [[2], [1]]);
    Ok(())
}

#[test]
fn timed_windows() -> Result<(), Error> {
    let windows = outputs(|interval| TimedWindowOptions::every(interval).skip_empty())?;
    assert_eq!(windows, [[vec![1, 2]], [vec![1]]]);
    let unique = outputs(|interval| TimedWindowUniqueOptions::every(interval).skip_empty())?;
    assert_eq!(unique, [[vec![1, 2]], [vec![1]]]);
    Ok(())
}

#[test]
fn groups_by_key() -> Result<(), Error> {
    let by_itself = |timeout| PartitionOptions::of(5).key(|x: &i32| *x).timeout(timeout);
    assert_eq!(outputs(by_itself)?, [vec![vec![1], vec![2]], vec![vec![1]]]);
    Ok(())
}
