//! The place of a thread that runs tasks: given to another thread while a task waits.

mod shortage;

use shortage::note_shortage;
pub use shortage::on_shortage;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a task waits in its place: shorter waits are not worth another thread.
pub const MOMENT: Duration = Duration::from_millis(1);

/// Interval after which a waiting task asks again for a thread that the system could not start.
const SHORTAGE: Duration = Duration::from_millis(50);

/// A place of an engine for threads.
pub(crate) trait Place {
    /// Lets another thread run tasks as well.
    ///
    /// # Errors
    /// The system cannot start a thread.
    fn give(&self) -> io::Result<()>;

    /// Lets one thread less run tasks.
    fn take_back(&self);
}

thread_local! {
    /// The thread's place, and those to tell when it is given away and taken back.
    static PLACES: RefCell<Vec<Rc<dyn Place>>> = const { RefCell::new(Vec::new()) };
    static IS_GIVEN: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as running tasks, until the result is dropped.
pub(crate) fn occupy(place: impl Place + 'static) -> Occupied {
    // A task may wait for a pipeline, whose elements may wait for this thread.
    #[cfg(feature = "streams")]
    thalweg::wait_aside(|wait| {
        let _aside = aside();
        wait();
    });
    PLACES.with_borrow_mut(|places| places.push(Rc::new(place)));
    Occupied(())
}

/// Also tells another observer when this thread gives its place away, until the result is dropped: by then it has the
/// place back. Outside of tasks nothing happens.
pub(crate) fn tell(other: impl Place + 'static) -> Told {
    PLACES.with_borrow_mut(|places| {
        let is_told = !places.is_empty() && !IS_GIVEN.get();
        if is_told {
            places.push(Rc::new(other));
        }
        Told(is_told)
    })
}

/// Forgets this thread's place, in a forked process: it is in the parent. Nothing is dropped or allocated.
#[cfg(unix)]
pub(crate) fn forget() {
    let _ = PLACES.try_with(|places| {
        let places = places.try_borrow_mut();
        places.map(|mut places| std::mem::forget(std::mem::take(&mut *places)))
    });
    IS_GIVEN.set(false);
}

/// Whether this thread's place has been given to another.
pub fn is_given() -> bool {
    IS_GIVEN.get()
}

pub(crate) struct Occupied(());

impl Drop for Occupied {
    fn drop(&mut self) {
        PLACES.with_borrow_mut(|places| places.pop());
    }
}

pub(crate) struct Told(bool);

impl Drop for Told {
    fn drop(&mut self) {
        if self.0 {
            rejoin();
            PLACES.with_borrow_mut(|places| places.pop());
        }
    }
}

/// Whether this thread runs tasks.
pub fn runs_task() -> bool {
    PLACES.with_borrow(|places| !places.is_empty())
}

/// Gives this thread's place to another, so that the task that waits here keeps none from running. Returns whether a
/// task runs here.
///
/// # Errors
/// The system cannot start a thread.
pub fn secede() -> io::Result<bool> {
    let places = places();
    let Some((place, others)) = places.split_first() else {
        return Ok(false);
    };
    if !IS_GIVEN.get() {
        place.give()?;
        IS_GIVEN.set(true);
        others.iter().try_for_each(|other| other.give())?;
    }
    Ok(true)
}

/// Takes the place back: one thread ends when it has finished its task. Returns whether a task runs here.
pub fn rejoin() -> bool {
    let places = places();
    if IS_GIVEN.replace(false) {
        places.iter().rev().for_each(|place| place.take_back());
    }
    !places.is_empty()
}

/// A task of this thread has ended: a place that it gave away for good leaves one thread too many.
pub(crate) fn note_end() {
    if IS_GIVEN.get() {
        rejoin();
    }
}

/// Observers: they may lead here again.
fn places() -> Vec<Rc<dyn Place>> {
    PLACES.with_borrow(Clone::clone)
}

/// Takes the place back when it is dropped.
#[derive(Debug)]
pub struct Aside(());

impl Drop for Aside {
    fn drop(&mut self) {
        rejoin();
    }
}

/// Gives the place to another as long as the result lives; `None` outside of tasks, if the place has been given away
/// already, and if the system cannot start a thread.
pub fn aside() -> Option<Aside> {
    if IS_GIVEN.get() {
        return None;
    }
    let is_given = secede();
    note_shortage(is_given.as_ref().err());
    matches!(is_given, Ok(true)).then_some(Aside(()))
}

/// Waits by `wait`, which returns whether the wait succeeded by a deadline. In a task that waits for longer than a
/// moment, another runs meanwhile: tasks that wait for tasks would otherwise occupy all threads for ever.
pub(crate) fn wait_aside(
    deadline: Option<Instant>,
    mut wait: impl FnMut(Option<Instant>) -> bool,
) -> bool {
    if IS_GIVEN.get() || !runs_task() {
        return wait(deadline);
    }
    let mut until = Instant::now() + MOMENT;
    loop {
        if deadline.is_some_and(|deadline| deadline <= until) {
            return wait(deadline);
        }
        if wait(Some(until)) {
            return true;
        }
        let aside = aside();
        if aside.is_some() {
            return wait(deadline);
        }
        // The system has no thread now; it may have one later.
        until = Instant::now() + SHORTAGE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counted(Rc<Cell<i32>>);

    impl Place for Counted {
        fn give(&self) -> io::Result<()> {
            self.0.set(self.0.get() + 1);
            Ok(())
        }

        fn take_back(&self) {
            self.0.set(self.0.get() - 1);
        }
    }

    #[test]
    fn a_place_is_given_once_and_taken_back_by_its_giver() -> io::Result<()> {
        let more = Rc::new(Cell::new(0));
        assert!(!secede()?, "there is no task");
        assert!(aside().is_none());
        let occupied = occupy(Counted(more.clone()));
        {
            let _outer = aside();
            assert_eq!(more.get(), 1);
            assert!(aside().is_none());
            assert_eq!(more.get(), 1);
        }
        assert_eq!(more.get(), 0);
        assert!(secede()? && secede()?);
        assert!(aside().is_none());
        assert_eq!(more.get(), 1, "what the task has given stays given");
        assert!(rejoin() && rejoin());
        assert_eq!(more.get(), 0);
        drop(occupied);
        assert!(!runs_task());
        Ok(())
    }

    #[test]
    fn a_short_wait_keeps_the_place() {
        let more = Rc::new(Cell::new(0));
        let _occupied = occupy(Counted(more.clone()));
        assert!(wait_aside(None, |deadline| deadline.is_some()));
        assert_eq!(more.get(), 0);
        assert!(wait_aside(None, |deadline| {
            // The second time, another thread is there.
            assert_eq!(more.get(), i32::from(deadline.is_none()));
            deadline.is_none()
        }));
        assert_eq!(more.get(), 0);
        assert!(!wait_aside(Some(Instant::now()), |_| false));
        assert_eq!(more.get(), 0);
    }

    /// A place for which the system has no thread at first.
    struct Short(Rc<Cell<u32>>);

    impl Place for Short {
        fn give(&self) -> io::Result<()> {
            let left = self.0.get().saturating_sub(1);
            match self.0.replace(left) {
                0 => Ok(()),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        }

        fn take_back(&self) {}
    }

    #[test]
    fn a_place_is_given_once_the_system_has_a_thread_again() {
        let shortage = Rc::new(Cell::new(3));
        let _occupied = occupy(Short(shortage.clone()));
        assert!(wait_aside(None, |until| until.is_none()));
        assert_eq!(shortage.get(), 0);
        assert!(!is_given());
        shortage.set(u32::MAX);
        let deadline = Instant::now() + 2 * MOMENT;
        assert!(!wait_aside(Some(deadline), |until| {
            assert!(until <= Some(deadline));
            false
        }));
    }

    #[test]
    fn observers_are_notified_until_dropped() -> io::Result<()> {
        let (more, told) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        assert!(!tell(Counted(told.clone())).0, "no task runs");
        let _occupied = occupy(Counted(more.clone()));
        let telling = tell(Counted(told.clone()));
        secede()?;
        assert_eq!((more.get(), told.get()), (1, 1));
        assert!(!tell(Counted(told.clone())).0, "it has no place to give");
        drop(telling);
        assert_eq!((more.get(), told.get()), (0, 0));
        secede()?;
        assert_eq!((more.get(), told.get()), (1, 0));
        rejoin();
        Ok(())
    }
}
