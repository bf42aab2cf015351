use std::any::Any;
use std::collections::VecDeque;
use std::task::{self, Poll, Waker};

use super::parts::at_least_one;
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::runtime::OutsideWork;
use crate::{Context, Delivery, Element, EmitResult, Lease, Operator, Reconfigure};

/// An element whose value is still being computed elsewhere.
pub trait Promise: Element {
    /// Whether the value is available.
    fn is_settled(&self) -> bool;

    /// The same; if it is not, the waker is woken when it is.
    fn poll_settled(&self, cx: &mut task::Context<'_>) -> Poll<()>;
}

/// Emits elements that are promises, each when its value is available.
///
/// Emitters wait for that, and until everything downstream has accepted their elements. Emitters of many elements (a
/// buffer, a source, [`emit_many`](crate::Stream::emit_many)) wait for room only, and there is room for `places`
/// elements. Elements are emitted one at a time, each when the one before has been accepted, by the pipeline's runtime.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::task::{Context, Poll, Waker};
/// use thalweg::ops::{Promise, Settle};
/// use thalweg::{Stream, VirtualClock};
///
/// /// A number, once it is there.
/// #[derive(Clone, Default)]
/// struct Later(Arc<Mutex<(Option<u32>, Option<Waker>)>>);
///
/// impl Later {
///     fn keep(&self, number: u32) {
///         let mut state = self.0.lock().unwrap();
///         state.0 = Some(number);
///         state.1.take().map(Waker::wake);
///     }
/// }
///
/// impl Promise for Later {
///     fn is_settled(&self) -> bool {
///         self.0.lock().unwrap().0.is_some()
///     }
///
///     fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
///         let mut state = self.0.lock().unwrap();
///         state.1 = Some(cx.waker().clone());
///         if state.0.is_some() { Poll::Ready(()) } else { Poll::Pending }
///     }
/// }
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let settled = source.apply(Settle::ordered(2));
/// let list = settled.map(|x: Later| x.0.lock().unwrap().0.unwrap()).sink_to_list();
/// let (one, two) = (Later::default(), Later::default());
/// let first = source.emit(one.clone());
/// let second = source.emit(two.clone());
/// two.keep(2);
/// clock.run_until_idle();
/// assert!(list.is_empty() && !second.is_ready());
/// one.keep(1);
/// clock.run_until_idle();
/// assert_eq!(list.to_vec(), [1, 2]);
/// assert!(first.is_ready() && second.is_ready());
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Settle<P> {
    places: usize,
    is_ordered: bool,
    queue: VecDeque<(P, Lease)>,
    waker: Option<Waker>,
    /// There while the next element is waited for.
    outside_work: Option<OutsideWork>,
    /// Whether emitters wait for a place only.
    is_buffer: bool,
    /// Whether the last output has not been accepted yet.
    is_delivering: bool,
    /// Called with each arriving element.
    begin: Option<Begin<P>>,
}

shows!([P] Settle<P> { places, is_ordered, is_buffer, is_delivering });

type Begin<P> = Box<dyn FnMut(&P) + Send>;

impl<P: Promise> Settle<P> {
    /// Creates a node that emits elements in the order of their arrival.
    ///
    /// # Errors
    /// `places` is zero.
    pub fn ordered(places: usize) -> Result<Self, BuildError> {
        Self::new(places, true)
    }

    /// Creates a node that emits elements in the order in which they settle.
    ///
    /// # Errors
    /// `places` is zero.
    pub fn unordered(places: usize) -> Result<Self, BuildError> {
        Self::new(places, false)
    }

    fn new(places: usize, is_ordered: bool) -> Result<Self, BuildError> {
        Ok(Self {
            places: at_least_one("settle", "the number of elements at a time", places)?,
            is_ordered,
            queue: VecDeque::new(),
            waker: None,
            outside_work: None,
            is_buffer: false,
            is_delivering: false,
            begin: None,
        })
    }

    /// Has every emitter wait for a place only, as in front of a [`Buffer`](super::Buffer) of this size.
    pub fn buffering(self, is_buffer: bool) -> Self {
        Self { is_buffer, ..self }
    }

    /// Calls `begin` with each element on arrival: for example to start computing its value.
    pub fn beginning(self, begin: impl FnMut(&P) + Send + 'static) -> Self {
        Self {
            begin: Some(Box::new(begin)),
            ..self
        }
    }

    /// The next element to emit, if it has settled. If not, the node is woken when it has.
    fn next(&mut self, cx: &mut Context<'_, Self>) -> Option<usize> {
        if self.queue.is_empty() {
            self.outside_work = None;
            return None;
        }
        let waker = self.waker.get_or_insert_with(|| cx.waker(0, || ()));
        let mut task = task::Context::from_waker(waker);
        let looked_at = if self.is_ordered { 1 } else { self.places };
        let mut first = self.queue.iter().take(looked_at);
        let settled = first.position(|(x, _)| x.poll_settled(&mut task).is_ready());
        match settled {
            Some(_) => self.outside_work = None,
            None if self.outside_work.is_none() => self.outside_work = cx.outside_work(),
            None => {}
        }
        settled
    }

    /// Emits settled elements whose turn it is.
    fn go_on(&mut self, cx: &mut Context<'_, Self>) {
        while !self.is_delivering
            && let Some(at) = self.next(cx)
            && let Some((x, lease)) = self.queue.remove(at)
        {
            if let Some((_, next)) = self.queue.get_mut(self.places - 1) {
                *next = give_place(std::mem::take(next), self.is_buffer);
            }
            self.is_delivering = cx.deliver_under(lease, x) == Delivery::Pending;
        }
    }
}

/// Lets the emitter of an element that has a place now go on, or emit another.
fn give_place(mut lease: Lease, is_buffer: bool) -> Lease {
    if is_buffer {
        return Lease::accepted(lease.accept());
    }
    lease.admit();
    lease
}

impl<P> Reconfigure for Settle<P> {
    fn reconfigure(&mut self, new: Self) {
        self.places = new.places;
        self.is_buffer = new.is_buffer;
        for (_, lease) in self.queue.iter_mut().take(self.places) {
            *lease = give_place(std::mem::take(lease), self.is_buffer);
        }
    }
}

impl<P: Promise> Operator for Settle<P> {
    type In = P;
    type Out = P;
    type Event = ();
    const KIND: &'static str = "settle";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: P, cx: &mut Context<'_, Self>) -> EmitResult {
        if let Some(begin) = &mut self.begin {
            begin(&x);
        }
        let is_free = self.queue.is_empty() && !self.is_delivering;
        if is_free && !cx.is_guest() && x.is_settled() {
            return cx.emit(x);
        }
        let lease = match self.queue.len() < self.places {
            true if self.is_buffer => Lease::accepted(cx.acks()),
            true => give_place(cx.hold_for_room(), false),
            false => cx.hold_for_room(),
        };
        self.queue.push_back((x, lease));
        if !self.is_delivering
            && (!self.is_ordered || self.queue.len() == 1)
            && self.next(cx).is_some()
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
        Ok(())
    }

    fn event(&mut self, _: u64, _: Result<(), BoxError>, cx: &mut Context<'_, Self>) -> EmitResult {
        self.go_on(cx);
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.is_delivering = false;
        self.go_on(cx);
        Ok(())
    }

    /// Drops elements that wait for room and whose emitters have given up; the others are in flight.
    fn withdraw(&mut self) {
        self.queue
            .retain(|(_, lease)| lease.is_admitted() || lease.stays());
        if self.queue.is_empty() {
            self.outside_work = None;
        }
    }

    fn in_flight(&self) -> usize {
        self.queue.len() + usize::from(self.is_delivering)
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.queue.iter().for_each(|(x, _)| visit(x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::lock;
    use crate::{Ack, Stream, VirtualClock};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// A number, once it has been settled.
    #[derive(Clone, Default)]
    struct Later(Arc<Mutex<(Option<u32>, Option<Waker>)>>);

    impl Later {
        fn settle(&self, number: u32) {
            let mut state = lock(&self.0);
            state.0 = Some(number);
            let waker = state.1.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }

        fn number(&self) -> u32 {
            lock(&self.0).0.expect("it has settled")
        }
    }

    impl Promise for Later {
        fn is_settled(&self) -> bool {
            lock(&self.0).0.is_some()
        }

        fn poll_settled(&self, cx: &mut task::Context<'_>) -> Poll<()> {
            let mut state = lock(&self.0);
            if state.0.is_some() {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    fn promises<const N: usize>() -> [Later; N] {
        std::array::from_fn(|_| Later::default())
    }

    fn line(
        settle: Result<Settle<Later>, BuildError>,
    ) -> (VirtualClock, Stream<Later>, Stream<u32>) {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let numbers = source.apply(settle).map(|x: Later| x.number());
        (clock, source, numbers)
    }

    #[test]
    fn a_parallelism_of_zero_is_a_build_error() {
        let (_clock, source, _numbers) = line(Settle::ordered(0));
        assert!(source.check().is_err_and(|error| error.is_build()));
    }

    #[test]
    fn the_emitter_waits_until_its_element_is_delivered() {
        let (clock, source, numbers) = line(Settle::ordered(8));
        let list = numbers.rate_limit("1s").sink_to_list();
        let [one, two] = promises();
        let (first, second) = (source.emit(one.clone()), source.emit(two.clone()));
        two.settle(2);
        one.settle(1);
        clock.run_until_idle();
        assert!(first.is_ready() && !second.is_ready());
        assert_eq!(list.to_vec(), [1]);
        clock.advance(Duration::from_secs(1));
        assert!(second.is_ready());
        assert_eq!(list.to_vec(), [1, 2]);
    }

    #[test]
    fn an_already_settled_element_is_sent_at_once() {
        let (_clock, source, numbers) = line(Settle::ordered(1));
        let list = numbers.sink_to_list();
        let [one] = promises();
        one.settle(1);
        assert!(source.emit(one).is_ready());
        assert_eq!(list.to_vec(), [1]);
    }

    #[test]
    fn a_guest_thread_leaves_delivery_to_the_runtime() {
        let (clock, source, numbers) = line(Settle::ordered(1));
        let list = numbers.sink_to_list();
        let [one] = promises();
        one.settle(1);
        let emit = source.emit_as_guest(one, crate::Acks::none());
        assert!(!emit.is_ready() && list.is_empty());
        clock.run_until_idle();
        assert!(emit.is_ready());
        assert_eq!(list.to_vec(), [1]);
    }

    #[test]
    fn unordered_sends_elements_as_they_settle() {
        let (clock, source, numbers) = line(Settle::unordered(8));
        let list = numbers.sink_to_list();
        let all: [Later; 3] = promises();
        let mut emits: Vec<_> = all.iter().map(|x| source.emit(x.clone())).collect();
        for (x, number) in [(2, 3), (0, 1), (1, 2)] {
            all[x].settle(number);
            clock.run_until_idle();
        }
        assert_eq!(list.to_vec(), [3, 1, 2]);
        assert!(emits.drain(..).all(|emit| emit.is_ready()));
    }

    #[test]
    fn a_buffer_waits_for_room_only() {
        for places in [1, 3, 9] {
            let clock = VirtualClock::new();
            let source = Stream::on(&clock);
            let count = Arc::new(AtomicUsize::new(0));
            let counted = count.clone();
            let behind = source.buffer(10).inspect(move |_: &Later| {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let list = behind
                .apply(Settle::ordered(places))
                .map(|x: Later| x.number())
                .sink_to_list();
            let all: [Later; 10] = promises();
            for x in &all {
                assert!(source.emit(x.clone()).is_ready());
            }
            // Another one has left the buffer and waits for room.
            assert_eq!(count.load(Ordering::Relaxed), places + 1);
            for (number, x) in all.iter().enumerate() {
                x.settle(number as u32);
            }
            clock.run_until_idle();
            assert_eq!(list.len(), 10);
        }
    }

    #[test]
    fn emitters_wait_for_a_place_only_if_it_is_buffering() {
        let settle = Settle::ordered(2).map(|settle| settle.buffering(true));
        let (clock, source, numbers) = line(settle);
        let list = numbers.sink_to_list();
        let all: [Later; 4] = promises();
        let [first, second, third, fourth] = all.clone().map(|x| source.emit(x));
        assert!(first.is_ready() && second.is_ready());
        assert!(!third.is_ready());
        all[0].settle(0);
        clock.run_until_idle();
        assert!(third.is_ready() && !fourth.is_ready());
        for (number, x) in (1..).zip(&all[1..]) {
            x.settle(number);
        }
        clock.run_until_idle();
        assert!(fourth.is_ready());
        assert_eq!(list.to_vec(), [0, 1, 2, 3]);
    }

    #[test]
    fn emitters_that_have_a_place_go_on_when_it_becomes_buffering() {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let settled = source.apply(Settle::ordered(1));
        let all: [Later; 3] = promises();
        let [first, second, third] = all.clone().map(|x| source.emit(x));
        assert!(!first.is_ready());
        let buffering = Settle::<Later>::ordered(2).map(|settle| settle.buffering(true));
        let buffering = buffering.expect("there is a place");
        settled.reconfigure(buffering).expect("it is of this type");
        assert!(first.is_ready() && second.is_ready() && !third.is_ready());
        all[0].settle(0);
        clock.run_until_idle();
        assert!(third.is_ready());
    }

    #[test]
    fn all_elements_in_flight_are_waited_for() {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let came = source.inspect(move |_: &Later| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let list = came
            .apply(Settle::ordered(3))
            .map(|x: Later| x.number())
            .sink_to_list();
        let all: [Later; 6] = promises();
        let mut emission = Box::pin(source.emit_many(all.to_vec()));
        let mut task = task::Context::from_waker(Waker::noop());
        assert!(emission.as_mut().poll(&mut task).is_pending());
        assert_eq!(count.load(Ordering::Relaxed), 4, "one waits for room");
        for (number, x) in all.iter().enumerate() {
            assert!(emission.as_mut().poll(&mut task).is_pending());
            x.settle(number as u32);
            clock.run_until_idle();
        }
        assert!(matches!(
            emission.as_mut().poll(&mut task),
            Poll::Ready(Ok(()))
        ));
        assert_eq!(list.to_vec(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn downstream_failures_reach_the_emitter() {
        let (clock, source, numbers) = line(Settle::ordered(3));
        numbers.sink(|x| assert!(x != 1, "one"));
        let all: [Later; 3] = promises();
        let emits = all.clone().map(|x| source.emit(x));
        for (number, x) in all.iter().enumerate() {
            x.settle(number as u32);
        }
        clock.run_until_idle();
        let failed = emits.map(|emit| emit.wait().is_err());
        assert_eq!(failed, [false, true, false]);
    }

    #[test]
    fn a_downstream_function_may_emit_into_the_operator() {
        let (clock, source, numbers) = line(Settle::ordered(1));
        let list = numbers.sink_to_list();
        let again = source.clone();
        numbers.sink(move |x| {
            if x > 0 {
                let next = Later::default();
                next.settle(x - 1);
                again.emit(next).wait().expect("it comes round");
            }
        });
        let [three] = promises();
        let emit = source.emit(three.clone());
        three.settle(3);
        clock.run_until_idle();
        assert_eq!(list.to_vec(), [3, 2, 1, 0]);
        assert!(emit.is_ready());
    }

    #[test]
    fn an_element_is_acknowledged_after_the_sink() {
        let (clock, source, numbers) = line(Settle::ordered(3));
        numbers.rate_limit("1s").sink(drop);
        let [one, two] = promises();
        let acked = Arc::new(AtomicUsize::new(0));
        for x in [&one, &two] {
            let acked = acked.clone();
            let ack = Ack::new(move |_| {
                acked.fetch_add(1, Ordering::Relaxed);
            });
            drop(source.emit_with(x.clone(), ack));
            x.settle(0);
        }
        clock.run_until_idle();
        assert_eq!(acked.load(Ordering::Relaxed), 1);
        clock.advance(Duration::from_secs(1));
        assert_eq!(acked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_drain_waits_for_all_elements() {
        let (clock, source, numbers) = line(Settle::ordered(3));
        let list = numbers.sink_to_list();
        let [one] = promises();
        drop(source.emit(one.clone()));
        let drain = source.drain("1min");
        one.settle(1);
        clock.block_on(drain).expect("it has settled");
        assert_eq!(list.to_vec(), [1]);
    }

    #[test]
    fn a_virtual_clock_waits_for_what_is_settled_by_another_thread() {
        let (clock, source, numbers) = line(Settle::ordered(3));
        let list = numbers.timed_window("1h").sink_to_list();
        let [one, two] = promises();
        let (begun, begins) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                begins.iter().for_each(|promise: Later| promise.settle(7));
            });
            clock.block_on(async {
                let emit = source.emit(one.clone());
                begun.send(one).expect("the thread is there");
                emit.await.expect("it has settled");
                drop(source.emit(two.clone()));
                begun.send(two).expect("the thread is there");
                drop(begun);
                let drained = source.drain("1min").await;
                drained.expect("it has settled");
            });
        });
        assert_eq!(list.to_vec(), [[7, 7]]);
        assert_eq!(clock.now(), Duration::ZERO);
    }
}
